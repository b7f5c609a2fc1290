//! What a child takes over from a parent, tensor by tensor.
//!
//! ```text
//! partners (name, rule, structure) ─► relations between spaces ─► a map for each axis ─► the child's tensors
//! ```

mod colours;
mod compose;
mod differences;
mod identity;
mod labels;
mod maps;
mod matching;
mod network;
mod plan;
mod relate;
mod rename;
mod spaces;

use std::collections::BTreeMap;

use base::Diagnostics;
use tensor::Tensor;

use compose::compose;
use matching::{How, Partner};
use relate::{Change, Relations, Resized, Sides, axis_map};
use spaces::{Axis, Kind};

pub(crate) use differences::words as attribute_words;
pub(crate) use matching::partners;
pub use network::Network;
pub use plan::{Action, ClassRow, FeatureColumn, TensorPlan, TransferPlan};
pub use rename::{Rename, matches};

/// What the scheme says about a transfer.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Which of the parent's names the child's go back to.
    pub rename: Vec<Rename>,
    /// Patterns of names that start anew whatever the parent has.
    pub fresh: Vec<String>,
    /// Patterns of names of layers that start as the identity: the child is deeper than the parent.
    pub identity: Vec<String>,
    /// Decides which units are copied where a layer grows.
    pub seed: u64,
}

/// A plan, and the values that it promises.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The plan.
    pub plan: TransferPlan,
    /// Every tensor of the child that learning changes, in the order of its network, as it is before the first step.
    pub tensors: Vec<(String, Tensor)>,
}

/// Plans what `child`, whose tensors hold the values that they would start with by themselves, takes over from `parent`,
/// which is called `name`.
///
/// A plan may hold refused tensors ([`TransferPlan::refusals`]); nothing of those is taken over.
///
/// Errors   renaming rules that speak of tensors that do not exist; tensors that structure cannot tell apart; classes that
///          differ by case or spacing only.
pub fn transfer(
    child: Network<'_>,
    parent: Network<'_>,
    name: &str,
    wishes: &Wishes,
) -> Result<Transfer, Diagnostics> {
    labels::check_clashes(child.labels, parent.labels)?;
    let fresh = |tensor: &String| wishes.fresh.iter().any(|pattern| matches(pattern, tensor));
    let identities = identity::identities(&child, &wishes.identity)?;
    // What starts anew takes part in nothing, so that it cannot be ambiguous either.
    let takes = |tensor: &&String| !fresh(tensor) && !identities.tensors.contains(*tensor);
    let taking: Vec<String> = child.tensors.iter().filter(takes).cloned().collect();
    let partners = partners(&Network { tensors: &taking, ..child }, &parent, &wishes.rename)?;
    let starts = identities.starts(&child, &parent, &partners);
    let passing = starts.iter().filter(|(_, start)| start.is_ok()).map(|(name, _)| name.clone()).collect();
    let sides = Sides::new(child, parent, wishes.seed, &passing);
    let relations = sides.relations(&partners);
    let mut tensors = Vec::new();
    let mut plans = Vec::new();
    for tensor in child.tensors {
        let Some(initial) = child.tensor(tensor) else { continue };
        let made = match partners.get(tensor) {
            _ if starts.contains_key(tensor) => Made::identity(initial, &starts[tensor]),
            Some(partner) => successor(&sides, &relations, tensor, initial, partner),
            None if fresh(tensor) => Made::fresh(initial, "the scheme says so: `model.fresh`"),
            None => Made::fresh(initial, "the parent has no tensor for it"),
        };
        plans.push(describe(&sides, &relations, tensor, &made, partners.get(tensor)));
        tensors.push((tensor.clone(), made.value));
    }
    let (total, inherited) = plans
        .iter()
        .fold((0, 0), |(total, inherited), plan| (total + plan.parameters, inherited + plan.inherited));
    let used: Vec<&str> =
        plans.iter().filter(|plan| plan.inherited > 0).filter_map(|plan| plan.from.as_deref()).collect();
    let plan = TransferPlan {
        parent: name.to_owned(),
        inherited_share: if total == 0 { 0.0 } else { inherited as f64 / total as f64 },
        left_behind: parent
            .tensors
            .iter()
            .filter(|tensor| !used.contains(&tensor.as_str()))
            .cloned()
            .collect(),
        differences: differences::differences(&sides, &partners),
        tensors: plans,
    };
    Ok(Transfer { plan, tensors })
}

/// A tensor's value and how it came about.
struct Made {
    value: Tensor,
    inherited: usize,
    action: Action,
    changes: Vec<String>,
}

impl Made {
    fn fresh(initial: &Tensor, reason: &str) -> Self {
        Made { value: initial.clone(), inherited: 0, action: Action::Fresh, changes: vec![reason.to_owned()] }
    }

    fn identity(initial: &Tensor, start: &Result<Tensor, String>) -> Self {
        match start {
            Ok(value) => Made {
                value: value.clone(),
                action: Action::Deepened,
                ..Made::fresh(
                    initial,
                    "a layer that the parent does not have, as the identity: `model.identity`",
                )
            },
            Err(reason) => Made::refused(initial, reason.clone()),
        }
    }

    fn refused(initial: &Tensor, reason: String) -> Self {
        Made { action: Action::Refused, changes: vec![reason], ..Made::fresh(initial, "") }
    }
}

fn successor(
    sides: &Sides<'_>,
    relations: &Relations,
    name: &str,
    initial: &Tensor,
    partner: &Partner,
) -> Made {
    let Some(parent) = sides.parent.tensor(&partner.name) else {
        return Made::refused(initial, "the parent does not hold its values".to_owned());
    };
    let axes = (sides.child_spaces.axes(name), sides.parent_spaces.axes(&partner.name));
    let (Some(own), Some(other)) = axes else {
        // An operator between hides what its axes run over: only the very same shape can be meant.
        return match compose(initial, parent, &identities(initial)) {
            Some((value, inherited)) => {
                Made { value, inherited, action: Action::Copied, changes: Vec::new() }
            }
            None => Made::refused(initial, shapes(initial, parent)),
        };
    };
    if own.len() != other.len() {
        return Made::refused(initial, shapes(initial, parent));
    }
    let mut maps = Vec::new();
    let (mut action, mut words) = (Action::Copied, Vec::new());
    for (axis, (&own, &other)) in own.iter().zip(other).enumerate() {
        let lengths = [initial.shape()[axis], parent.shape()[axis]];
        let spaces = [&sides.child_spaces, &sides.parent_spaces];
        match axis_map(relations, spaces, own, other, lengths) {
            Ok((map, changes, resized)) => {
                let unit = units_of(relations, sides, own);
                for (of, text) in changes
                    .iter()
                    .filter_map(|&change| change_words(change, unit, &map))
                    .chain(resize_words(resized, lengths))
                {
                    action = stronger(action, of);
                    words.push(text);
                }
                maps.push(map);
            }
            Err(reason) => return Made::refused(initial, reason),
        }
    }
    match compose(initial, parent, &maps) {
        Some((_, 0)) => Made { changes: words, ..Made::fresh(initial, "") },
        Some((value, inherited)) => Made { value, inherited, action, changes: words },
        None => Made::refused(initial, shapes(initial, parent)),
    }
}

fn identities(tensor: &Tensor) -> Vec<maps::AxisMap> {
    tensor.shape().iter().map(|&length| maps::AxisMap::identity(length)).collect()
}

fn shapes(initial: &Tensor, parent: &Tensor) -> String {
    format!("its shape is {:?} here and {:?} in the parent", initial.shape(), parent.shape())
}

fn units_of(relations: &Relations, sides: &Sides<'_>, axis: Axis) -> [usize; 2] {
    let Axis::Over { space, .. } = axis else { return [0, 0] };
    match relations.get(&sides.child_spaces.root(space)) {
        Some(Ok(relation)) => relation.units,
        _ => [0, 0],
    }
}

fn change_words(change: Change, [own, parent]: [usize; 2], map: &maps::AxisMap) -> Option<(Action, String)> {
    let shared = || {
        let kept = map.sources.iter().filter(|sources| !sources.is_empty()).count();
        kept * own / map.sources.len().max(1)
    };
    Some(match change {
        Change::Same => return None,
        Change::ByClass => (
            Action::RowsByClassName,
            format!("{} of {own} classes are among the parent's {parent}", shared()),
        ),
        Change::ByFeature => (
            Action::ColumnsByFeatureName,
            format!("{} of {own} features are among the parent's {parent}", shared()),
        ),
        Change::Colours => (Action::Converted, format!("{own} colour channels from {parent}")),
        Change::Widened => {
            (Action::Widened, format!("{own} units from {parent}: copies that share what reads them"))
        }
        Change::Narrowed => (Action::Narrowed, format!("the {own} strongest of {parent} units")),
    })
}

fn resize_words(resized: Resized, [own, parent]: [usize; 2]) -> Option<(Action, String)> {
    match resized {
        Resized::No => None,
        Resized::Taps => Some((Action::Resized, format!("{own} taps from {parent}, about the same middle"))),
        Resized::Positions([height, width], [old_height, old_width]) => Some((
            Action::Converted,
            format!("maps of {height}x{width} from {old_height}x{old_width}, by area"),
        )),
    }
}

/// The one of two actions that says more.
fn stronger(a: Action, b: Action) -> Action {
    const ORDER: [Action; 7] = [
        Action::RowsByClassName,
        Action::ColumnsByFeatureName,
        Action::Converted,
        Action::Resized,
        Action::Widened,
        Action::Narrowed,
        Action::Copied,
    ];
    ORDER.into_iter().find(|action| [a, b].contains(action)).unwrap_or(a)
}

fn describe(
    sides: &Sides<'_>,
    relations: &Relations,
    name: &str,
    made: &Made,
    partner: Option<&Partner>,
) -> TensorPlan {
    let mut reason = match partner.map(|partner| partner.how) {
        Some(_) if made.action == Action::Refused => Vec::new(),
        Some(How::Name) => vec!["the same name".to_owned()],
        Some(How::Rule) => vec!["`model.rename`".to_owned()],
        Some(How::Structure) => vec!["the only one at this place of the network".to_owned()],
        Some(How::StructureAgainstName) => {
            vec!["the only one at this place of the network, where another has the name".to_owned()]
        }
        None => Vec::new(),
    };
    reason.extend(made.changes.iter().cloned());
    let (mut rows, mut columns) = (Vec::new(), Vec::new());
    if partner.is_some() && !matches!(made.action, Action::Refused) {
        rows = named(sides, relations, name, Kind::Classes, sides.child.labels, sides.parent.labels)
            .map(|(class, from)| ClassRow { class, from })
            .collect();
        columns = named(sides, relations, name, Kind::Features, sides.child.features, sides.parent.features)
            .map(|(feature, from)| FeatureColumn { feature, from })
            .collect();
    }
    TensorPlan {
        name: name.to_owned(),
        shape: made.value.shape().to_vec(),
        action: made.action,
        from: partner.map(|partner| partner.name.clone()),
        rows,
        columns,
        parameters: made.value.len(),
        inherited: made.inherited,
        reason: reason.join("; "),
        digest: made.value.digest().to_string(),
    }
}

/// Each name of the child with the parent's, if an axis of the tensor runs over `kind`.
fn named(
    sides: &Sides<'_>,
    relations: &Relations,
    tensor: &str,
    kind: Kind,
    own: &[String],
    parent: &[String],
) -> impl Iterator<Item = (String, Option<String>)> {
    let axes = sides.child_spaces.axes(tensor).unwrap_or_default();
    let runs = axes.iter().any(|axis| match axis {
        Axis::Over { space, .. } => {
            let root = sides.child_spaces.root(*space);
            sides.child_spaces.get(root).kind == kind && matches!(relations.get(&root), Some(Ok(_)))
        }
        Axis::Taps => false,
    });
    let known: BTreeMap<&str, &String> = parent.iter().map(|name| (name.as_str(), name)).collect();
    let pair = |name: &String| (name.clone(), known.get(name.as_str()).map(|&name| name.clone()));
    let pairs: Vec<_> = if runs { own.iter().map(pair).collect() } else { Vec::new() };
    pairs.into_iter()
}
