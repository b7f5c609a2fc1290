//! Which of the parent's spaces each of the child's goes back to, and how its units are made of the parent's.

use std::collections::{BTreeMap, BTreeSet};

use tensor::{Random, Tensor};

use super::maps::{AxisMap, narrowed, widened};
use super::matching::Partner;
use super::network::Network;
use super::spaces::{Axis, Kind, Role, SpaceId, Spaces};

/// What happens to the units of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Same,
    ByClass,
    ByFeature,
    Colours,
    Widened,
    Narrowed,
}

/// How the units of one of the child's spaces are made.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) parent: SpaceId,
    pub(crate) change: Change,
    /// For axes along the units, and for axes summed over them.
    pub(crate) along: AxisMap,
    pub(crate) summed: AxisMap,
    /// How many units each side has.
    pub(crate) units: [usize; 2],
}

/// By the roots of the child's spaces: the relation, or why there is none.
pub(crate) type Relations = BTreeMap<SpaceId, Result<Relation, String>>;

/// Both sides of a transfer with what their axes run over.
pub(crate) struct Sides<'a> {
    pub(crate) child: Network<'a>,
    pub(crate) parent: Network<'a>,
    pub(crate) child_spaces: Spaces,
    pub(crate) parent_spaces: Spaces,
    /// Seeds the choice of units that are copied.
    pub(crate) seed: u64,
}

impl<'a> Sides<'a> {
    /// `passing`: tensors of layers of the child that start as the identity.
    pub(crate) fn new(
        child: Network<'a>,
        parent: Network<'a>,
        seed: u64,
        passing: &BTreeSet<String>,
    ) -> Self {
        let child_spaces = Spaces::of(&child, passing);
        let parent_spaces = Spaces::of(&parent, &BTreeSet::new());
        Sides { child, parent, child_spaces, parent_spaces, seed }
    }

    /// The relations that the pairs imply. A space goes back to the one that its first tensor, in the network's order,
    /// says.
    pub(crate) fn relations(&self, partners: &BTreeMap<String, Partner>) -> Relations {
        let mut relations = Relations::new();
        for name in self.child.tensors {
            let Some(partner) = partners.get(name) else { continue };
            let (Some(own), Some(other)) =
                (self.child_spaces.axes(name), self.parent_spaces.axes(&partner.name))
            else {
                continue;
            };
            for (own, other) in own.iter().zip(other) {
                if let (Axis::Over { space: child, .. }, Axis::Over { space: parent, .. }) = (own, other) {
                    let (child, parent) = (self.child_spaces.root(*child), self.parent_spaces.root(*parent));
                    relations.entry(child).or_insert_with(|| self.relate(child, parent));
                }
            }
        }
        relations
    }

    fn relate(&self, child: SpaceId, parent: SpaceId) -> Result<Relation, String> {
        let (own, other) = (self.child_spaces.get(child), self.parent_spaces.get(parent));
        let units = [own.units, other.units];
        if own.kind != other.kind {
            return Err(format!(
                "it runs over {} here and over {} in the parent",
                own.kind.words(),
                other.kind.words()
            ));
        }
        let relation =
            |change, along: AxisMap, summed: AxisMap| Ok(Relation { parent, change, along, summed, units });
        let both = |change, map: AxisMap| relation(change, map.clone(), map);
        match own.kind {
            Kind::Classes => match (self.child.labels, self.parent.labels) {
                ([], []) if own.units == other.units => both(Change::Same, AxisMap::identity(own.units)),
                ([], _) | (_, []) => {
                    Err("one of the two answers with classes and the other with a number".to_owned())
                }
                (names, others) if names.len() == own.units && others.len() == other.units => both(
                    if names == others { Change::Same } else { Change::ByClass },
                    AxisMap::by_name(names, others),
                ),
                _ => Err("it does not have one unit for each class".to_owned()),
            },
            Kind::Features => {
                let (names, others) =
                    (names(self.child.features, own.units), names(self.parent.features, other.units));
                let change = if names == others { Change::Same } else { Change::ByFeature };
                both(change, AxisMap::by_name(&names, &others))
            }
            _ if own.units == other.units => both(Change::Same, AxisMap::identity(own.units)),
            Kind::Channels => match AxisMap::colours(own.units, other.units) {
                Some(map) => both(Change::Colours, map),
                None => {
                    Err(format!("images have {} channels here and {} in the parent", own.units, other.units))
                }
            },
            Kind::Hidden if own.units > other.units => {
                let random = Random::new(self.seed, &format!("inherit.widen.{child}"));
                let (along, summed) = widened(own.units, other.units, &random);
                relation(Change::Widened, along, summed)
            }
            Kind::Hidden => both(Change::Narrowed, narrowed(own.units, &self.importance(parent))),
            Kind::Opaque => {
                Err(format!("it has {} positions here and {} in the parent", own.units, other.units))
            }
        }
    }

    /// For each unit of a parent's space: the sum of the squares of the weights that make it, over all layers along it.
    fn importance(&self, space: SpaceId) -> Vec<f64> {
        let mut squares = vec![0.0; self.parent_spaces.get(space).units];
        for (name, axis, of) in self.parent_spaces.users(space) {
            let Some(weight) = self.parent.tensor(name).filter(|weight| weight.shape().len() > 1) else {
                continue;
            };
            if matches!(of, Axis::Over { role: Role::Along, positions: [1, 1], .. }) {
                add_squares(weight, axis, &mut squares);
            }
        }
        squares
    }
}

fn add_squares(weight: &Tensor, axis: usize, squares: &mut [f64]) {
    let Some(values) = weight.get::<f32>() else { return };
    let inner: usize = weight.shape()[axis + 1..].iter().product();
    for (index, value) in values.iter().enumerate() {
        let unit = index / inner.max(1) % weight.shape()[axis];
        squares[unit] += f64::from(*value).powi(2);
    }
}

/// The names of `units` input elements: the features, or those of each row of a window, counted from its last.
fn names(features: &[String], units: usize) -> Vec<String> {
    if features.len() == units || features.is_empty() {
        return features.to_vec();
    }
    let rows = units / features.len();
    (0..rows)
        .flat_map(|row| features.iter().map(move |feature| format!("{feature}, {} back", rows - 1 - row)))
        .collect()
}

/// How one axis of the child's tensor is made of the parent's.
pub(crate) fn axis_map(
    relations: &Relations,
    spaces: [&Spaces; 2],
    own: Axis,
    other: Axis,
    lengths: [usize; 2],
) -> Result<(AxisMap, Vec<Change>, Resized), String> {
    let (
        Axis::Over { space, role, positions },
        Axis::Over { space: from, role: other_role, positions: before },
    ) = (own, other)
    else {
        if matches!(own, Axis::Over { .. }) != matches!(other, Axis::Over { .. }) {
            return Err("its axes mean something else in the parent".to_owned());
        }
        let map = super::maps::taps(lengths[0], lengths[1]).ok_or_else(|| {
            format!("its kernel has length {} here and {} in the parent", lengths[0], lengths[1])
        })?;
        let resized = if lengths[0] == lengths[1] { Resized::No } else { Resized::Taps };
        return Ok((map, Vec::new(), resized));
    };
    let relation = match relations.get(&spaces[0].root(space)) {
        Some(Ok(relation)) => relation,
        Some(Err(reason)) => return Err(reason.clone()),
        None => return Err("nothing says what its axis goes back to".to_owned()),
    };
    if relation.parent != spaces[1].root(from) || role != other_role {
        return Err("other tensors of the same units go back to another layer of the parent".to_owned());
    }
    let map = match role {
        Role::Along => &relation.along,
        Role::Summed => &relation.summed,
    };
    match (positions == before, role) {
        (true, _) if positions == [1, 1] => Ok((map.clone(), vec![relation.change], Resized::No)),
        (true, _) => Ok((map.at_positions(positions, before), vec![relation.change], Resized::No)),
        (false, Role::Summed) => Ok((
            map.at_positions(positions, before),
            vec![relation.change],
            Resized::Positions(positions, before),
        )),
        (false, Role::Along) => {
            Err(format!("it has {positions:?} positions here and {before:?} in the parent"))
        }
    }
}

/// Whether an axis changes its extent in space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resized {
    No,
    Taps,
    /// A flattened image of this height and width, from another.
    Positions([usize; 2], [usize; 2]),
}
