//! Values that the way back computes again, because their memory was given away meanwhile.
//!
//! A plan that has to be small keeps only some of what the way there has made ([`crate::recompute`] says which). Where the way
//! back begins, all other values are forgotten: they have no memory any more. As soon as a kernel asks where such a value
//! lies, the nodes that make it are lowered once more, from what is there, by the kernels that lowered them at first; so the
//! numbers are the same, and a kernel that gets along without a value has it not computed. The graph stays as it is, so
//! kernels find in it the patterns that they always find.
//!
//! What is made on the way to a value that was asked for stays until it is read for the last time, or, where memory is short,
//! is forgotten at once and made another time when it is asked for itself.
//!
//! A node that is lowered again settles nothing for the way back and changes nothing that outlives a batch: that was done
//! when it was lowered at first.

use std::collections::{BTreeMap, BTreeSet};

use graph::{NodeId, ValueId};

use super::{Kind, Lowering};
use crate::kernels::memory::Slot;
use crate::survey::is_update;

/// What of the way there lasts how long; buffers are those that a plan that forgets nothing has there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memories {
    /// The buffers that keep what is written into them.
    pub(crate) kept: BTreeSet<Slot>,
    /// Of the others, those whose values are forgotten at once where they are made again on the way to another.
    pub(crate) brief: BTreeSet<Slot>,
}

/// How far forgetting and computing again have come.
#[derive(Default)]
pub(super) struct Again {
    /// What lasts how long; `None`: everything lasts.
    pub(super) memories: Option<Memories>,
    /// The buffers that can be kept or not.
    named: BTreeSet<Slot>,
    /// Values that were forgotten and not computed again yet.
    forgotten: BTreeSet<ValueId>,
    /// The buffers that values had before they were forgotten.
    before: BTreeMap<ValueId, Slot>,
    /// For each buffer that holds a value made again, the one that held it before.
    remade: BTreeMap<Slot, Slot>,
    /// Transformed weights that were.
    forgotten_derived: BTreeSet<(Slot, Kind)>,
    /// The buffers that were there before the first node: what is loaded is not loaded twice.
    pub(super) loaded: usize,
    /// Steps of the way there, once the way back has begun.
    turn: Option<usize>,
    /// Whether nodes are being lowered again, and which.
    under_way: bool,
    nodes: BTreeSet<NodeId>,
    /// Whether the next step makes again what was forgotten, without a node of its own.
    remakes: bool,
    /// What nodes have left for the way back.
    left: BTreeMap<NodeId, Slot>,
}

impl Lowering<'_> {
    /// Whether the node that is being lowered was lowered before.
    pub(crate) fn is_again(&self) -> bool {
        self.again.under_way
    }

    /// Whether a node is still to be lowered, now that the walk is where it is: one that is lowered again takes no others along than
    /// those it has come with.
    pub(crate) fn is_open(&self, node: NodeId) -> bool {
        !self.is_done(node) && (!self.again.under_way || self.again.nodes.contains(&node))
    }

    /// Notes what a node leaves for the way back, for when it is lowered again.
    pub(crate) fn leave(&mut self, node: NodeId, slot: Slot) {
        self.again.left.insert(node, slot);
    }

    /// What a node that is lowered again has left before.
    pub(crate) fn left_by(&self, node: NodeId) -> Option<Slot> {
        self.again.left.get(&node).copied().filter(|_| self.again.under_way)
    }

    /// Number of steps before the first that computes a gradient.
    pub(crate) fn turn(&self) -> usize {
        self.again.turn.unwrap_or(self.steps.len())
    }

    /// Whether the step that is added now makes again what was there before.
    pub(super) fn makes_again(&mut self) -> bool {
        std::mem::take(&mut self.again.remakes) || self.again.under_way
    }

    /// Forgets what is not kept, if `node` is the first of the way back.
    pub(super) fn turn_at(&mut self, node: NodeId) {
        let starts = self.graph.node(node).outputs.iter().any(|&output| self.is_gradient(output));
        if self.again.turn.is_some() || !starts {
            return;
        }
        self.again.turn = Some(self.steps.len());
        if self.few.is_some() {
            // A value may lie in several forms, and all of few examples is little beside the weights.
            return;
        }
        self.again.named = self.named_now();
        let Some(Memories { kept, .. }) = &self.again.memories else { return };
        let lost: BTreeSet<Slot> = self.again.named.difference(kept).copied().collect();
        for (value, _) in self.graph.values() {
            let slot = self.slots[value.0 as usize].filter(|slot| lost.contains(slot));
            if slot.is_some() || self.is_inside(value) {
                self.slots[value.0 as usize] = None;
                self.again.forgotten.insert(value);
                self.again.before.extend(slot.map(|slot| (value, slot)));
            }
        }
        for (weight, slot) in self.derived.clone() {
            if lost.contains(&slot) {
                self.derived.remove(&weight);
                self.again.forgotten_derived.insert(weight);
            }
        }
    }

    /// The buffers of values and of what is derived of weights that others may have the place of and that can be made again:
    /// those of the way there, if it has come to its end.
    fn named_now(&self) -> BTreeSet<Slot> {
        let slot = |value: ValueId| self.slots[value.0 as usize];
        let results: BTreeSet<Slot> = self.keep.iter().filter_map(|&value| slot(value)).collect();
        let values = self.graph.values().filter(|&(value, _)| self.maker(value).is_some());
        let named = values.filter_map(|(value, _)| slot(value)).chain(self.derived.values().copied());
        let fits = |slot: &Slot| {
            let index = slot.0 as usize;
            index >= self.again.loaded && self.buffers[index].is_shared() && !results.contains(slot)
        };
        named.filter(fits).collect()
    }

    /// The buffers of the way there that can be kept or not.
    pub(crate) fn named(&self) -> &BTreeSet<Slot> {
        &self.again.named
    }

    /// For each buffer that holds what was made again, the one that held it before.
    pub(crate) fn remade(&self) -> &BTreeMap<Slot, Slot> {
        &self.again.remade
    }

    /// Whether a value was computed without ever being in memory, as the inside of a fused step.
    fn is_inside(&self, value: ValueId) -> bool {
        let made = self.maker(value).is_some_and(|maker| self.is_done(maker));
        made && self.slots[value.0 as usize].is_none() && !self.constants.contains_key(&value)
    }

    /// Computes `value` again if it was forgotten.
    pub(super) fn recall_value(&mut self, value: ValueId) {
        if self.again.under_way || !self.again.forgotten.contains(&value) {
            return;
        }
        let nodes = self.makers_of(value);
        let current = self.current.take();
        self.again.under_way = true;
        nodes.iter().for_each(|node| self.done[node.0 as usize] = false);
        self.again.nodes.clone_from(&nodes);
        for &node in &nodes {
            if !self.is_done(node) {
                self.lower(node);
            }
        }
        self.again.under_way = false;
        self.current = current;
        let wanted = self.slots[value.0 as usize];
        assert!(wanted.is_some(), "{} was not made", self.graph.value(value).name);
        let made = nodes.iter().flat_map(|&node| &self.graph.node(node).outputs);
        made.for_each(|&output| self.note_made(output, wanted));
    }

    /// Notes that a value was made again on the way to what now lies in `wanted`.
    fn note_made(&mut self, value: ValueId, wanted: Option<Slot>) {
        let place = &mut self.slots[value.0 as usize];
        let Some(slot) = *place else { return };
        let before = self.again.before.get(&value);
        self.again.remade.extend(before.map(|&before| (slot, before)));
        let brief = self.again.memories.as_ref().map(|memories| &memories.brief);
        let is_brief = before.zip(brief).is_some_and(|(before, brief)| brief.contains(before));
        if is_brief && wanted != Some(slot) {
            *place = None;
            self.again.forgotten.insert(value);
        } else {
            self.again.forgotten.remove(&value);
        }
    }

    /// The nodes that make `value` of what is in memory, in the graph's order.
    fn makers_of(&self, value: ValueId) -> BTreeSet<NodeId> {
        let (mut nodes, mut open) = (BTreeSet::new(), vec![value]);
        while let Some(value) = open.pop() {
            let Some(maker) = self.maker(value).filter(|&maker| nodes.insert(maker)) else { continue };
            for &input in self.graph.node(maker).inputs.iter().flatten() {
                let name = &self.graph.value(input).name;
                let changed = self.users(input).iter().any(|&user| {
                    let node = self.graph.node(user);
                    is_update(node) && node.inputs[0] == Some(input) && self.is_done(user)
                });
                assert!(!changed, "{name} has changed before its last use");
                let absent = self.slots[input.0 as usize].is_none() && !self.constants.contains_key(&input);
                open.extend(absent.then_some(input));
            }
        }
        nodes
    }

    /// Notes that what is derived of `weight` is made now.
    pub(super) fn note_derived(&mut self, weight: (Slot, Kind)) {
        self.again.remakes = self.again.forgotten_derived.remove(&weight);
    }
}
