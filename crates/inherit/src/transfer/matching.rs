//! Which tensor of the parent each of the child's is the successor of.
//!
//! By name; by the scheme's renaming rules; then by structure, where only one can be meant.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, Diagnostics};

use super::colours::{Alike, View, alike};
use super::network::Network;
use super::rename::Rename;

/// How a pair was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// The same name.
    Name,
    /// A renaming rule of the scheme.
    Rule,
    /// The only tensor at the same place of the structure.
    Structure,
    /// By structure, although another tensor has the name.
    StructureAgainstName,
}

/// A tensor of the parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partner {
    pub(crate) name: String,
    pub(crate) how: How,
}

/// The partners by the child's names.
///
/// Errors   a rule whose parent does not exist; tensors between which structure cannot decide.
pub(crate) fn partners(
    child: &Network<'_>,
    parent: &Network<'_>,
    rules: &[Rename],
) -> Result<BTreeMap<String, Partner>, Diagnostics> {
    let mut partners = by_rule(child, parent, rules)?;
    let whole = alike(child, parent, View::Whole);
    let structure = unique(&whole);
    // The same network under other names: every tensor's place is known, and a name that says otherwise is chance.
    let settled = child.tensors.iter().all(|name| structure.contains_key(name))
        && structure.len() == parent.tensors.len();
    for name in child.tensors {
        if partners.contains_key(name) || !parent.tensors.contains(name) || taken(&partners, name) {
            continue;
        }
        let (name_of, how) = match structure.get(name) {
            Some(other) if settled && other != name => (other.clone(), How::StructureAgainstName),
            _ => (name.clone(), How::Name),
        };
        if !taken(&partners, &name_of) {
            partners.insert(name.clone(), Partner { name: name_of, how });
        }
    }
    let mut open = Vec::new();
    for groups in [whole, alike(child, parent, View::Before), alike(child, parent, View::Operators)] {
        for group in groups {
            add_by_structure(&mut partners, group, &mut open);
        }
    }
    let open: Vec<Alike> = open.into_iter().filter_map(|group| still_open(&partners, group)).collect();
    if open.is_empty() { Ok(partners) } else { Err(ambiguous(&open)) }
}

fn taken(partners: &BTreeMap<String, Partner>, parent: &str) -> bool {
    partners.values().any(|partner| partner.name == parent)
}

fn by_rule(
    child: &Network<'_>,
    parent: &Network<'_>,
    rules: &[Rename],
) -> Result<BTreeMap<String, Partner>, Diagnostics> {
    let mut partners = BTreeMap::new();
    let mut problems = Diagnostics::default();
    for rule in rules {
        let mut used = false;
        for name in child.tensors {
            let Some(of) = rule.apply(name) else { continue };
            used = true;
            if parent.tensors.contains(&of) {
                partners.entry(name.clone()).or_insert(Partner { name: of, how: How::Rule });
            } else {
                let message = format!(
                    "`model.rename` makes `{name}` the successor of `{of}`, which the parent does not have"
                );
                problems.push(with_nearest(Diagnostic::new("unknown-tensor", message), &of, parent.tensors));
            }
        }
        if !used {
            let message = format!(
                "`model.rename` speaks of `{}`, and no tensor of the network has such a name",
                rule.child()
            );
            problems.push(with_nearest(
                Diagnostic::new("unknown-tensor", message),
                rule.child(),
                child.tensors,
            ));
        }
    }
    problems.or(partners)
}

fn with_nearest(diagnostic: Diagnostic, name: &str, names: &[String]) -> Diagnostic {
    match base::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("there are: {}", names.join(", "))),
    }
}

/// Colours that belong to one tensor of each network.
fn unique(groups: &[Alike]) -> BTreeMap<String, String> {
    let pair = |group: &Alike| match (&group.child[..], &group.parent[..]) {
        ([child], [parent]) => Some((child.clone(), parent.clone())),
        _ => None,
    };
    groups.iter().filter_map(pair).collect()
}

/// Adds the pair of a group in which one tensor of each side has no partner yet; keeps the group if there are several.
fn add_by_structure(partners: &mut BTreeMap<String, Partner>, group: Alike, open: &mut Vec<Alike>) {
    let Some(group) = still_open(partners, group) else { return };
    match (&group.child[..], &group.parent[..]) {
        ([child], [parent]) => {
            let partner = Partner { name: parent.clone(), how: How::Structure };
            partners.insert(child.clone(), partner);
        }
        _ => open.push(group),
    }
}

/// What of a group has no partner yet, if both sides have some.
fn still_open(partners: &BTreeMap<String, Partner>, group: Alike) -> Option<Alike> {
    let taken: BTreeSet<&str> = partners.values().map(|partner| partner.name.as_str()).collect();
    let child: Vec<String> = group.child.into_iter().filter(|name| !partners.contains_key(name)).collect();
    let parent: Vec<String> =
        group.parent.into_iter().filter(|name| !taken.contains(name.as_str())).collect();
    (!child.is_empty() && !parent.is_empty()).then_some(Alike { child, parent })
}

fn ambiguous(open: &[Alike]) -> Diagnostics {
    let mut told = BTreeSet::new();
    let mut problems = Diagnostics::default();
    for group in open {
        if group.child.iter().all(|name| told.contains(name)) {
            continue;
        }
        told.extend(group.child.iter().cloned());
        let message = format!(
            "{} could each be the successor of {}: the networks' structure does not tell them apart",
            list(&group.child),
            list(&group.parent)
        );
        let example = format!(
            "say which is which, for instance `model.rename.\"{}\" = \"{}\"`",
            group.child[0], group.parent[0]
        );
        problems.push(
            Diagnostic::new("ambiguous-parent-tensor", message)
                .help(example)
                .help("or name them in `model.fresh`, to start anew"),
        );
    }
    problems
}

/// `a`, `b` and `c`.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
