//! Graph → program: which kernel computes which nodes.
//!
//! The walk goes through the nodes in topological order. Each node is offered to the kernels that know its
//! operator; a kernel may take several nodes at once (a fused pattern). What no kernel takes is computed by
//! the operator's reference.

mod again;
mod cuts;

use std::borrow::Cow;
use std::collections::BTreeMap;

use graph::{Graph, Node, NodeId, ValueId};
use tensor::Tensor;

use crate::arrangement::bring_together;
use crate::costs::{Algorithm, Choice, Pass};
use crate::cpu::Level;
use crate::error::EngineError;
use crate::kernels::few::form::{Forms, fill_lanes};
use crate::kernels::geometry::Geometry;
use crate::kernels::{self, memory::ALIGNMENT, memory::Slot};
pub(crate) use crate::layout::{Layout, Plain};
use crate::program::{BufferSpec, Made, Program};
use crate::step::{Pieces, Results, Step};
use crate::survey::{fold_constants, gradient_values, is_update, live_nodes, transposed_weights};
use crate::training_graph::state_pairs;
pub(crate) use again::Memories;

/// Whether the constants of a graph are replaced from time to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constants {
    /// They stay as they are.
    Fixed,
    /// They may be.
    Replaced,
}

/// A program with what is needed to fill it and to read its results.
pub(crate) struct Lowered {
    pub(crate) program: Program,
    /// For each value of the graph that has memory: where and how it lies.
    pub(crate) places: BTreeMap<ValueId, (Slot, Layout)>,
    pub(crate) lanes: usize,
    /// The convolutions, and gradients of them, that are not computed directly, and how they are.
    pub(crate) algorithms: BTreeMap<NodeId, Algorithm>,
}

/// Lowers `graph` for batches of up to `batch` examples. `keep` are values that will be read after a batch.
pub(crate) fn lower(
    graph: &Graph,
    batch: usize,
    level: Level,
    keep: &[ValueId],
    constants: Constants,
    choice: Choice,
) -> Result<Lowered, EngineError> {
    Ok(finish(walk(graph, batch, keep, constants, choice, None)?, level))
}

/// Goes through the nodes of `graph`. Of what the way there writes, what `memories` does not keep is forgotten when the way back
/// begins ([`again`]).
pub(crate) fn walk<'g>(
    graph: &'g Graph,
    batch: usize,
    keep: &[ValueId],
    constants: Constants,
    choice: Choice,
    memories: Option<&Memories>,
) -> Result<Lowering<'g>, EngineError> {
    let mut cx = Lowering::new(graph, batch, keep)?;
    cx.choice = choice;
    cx.fixed = constants == Constants::Fixed;
    kernels::few::enable(&mut cx, batch);
    let loaded = kernels::few::lower_input(&mut cx);
    kernels::load::lower_inputs(&mut cx, loaded);
    cx.again.memories = memories.cloned();
    cx.again.loaded = cx.buffers.len();
    for (id, _) in graph.nodes() {
        if !cx.is_done(id) && cx.live[id.0 as usize] {
            cx.turn_at(id);
            cx.lower(id);
            while let Some(update) = kernels::update::ready(&cx) {
                cx.lower(update);
            }
        }
    }
    let kept: Vec<Slot> = cx.keep.clone().into_iter().map(|value| cx.slot(value)).collect();
    cx.push(Results::new(kept));
    for &value in keep {
        // A value that will be read after the batch keeps its memory to itself.
        if let Some(slot) = cx.slots[value.0 as usize] {
            cx.buffers[slot.0 as usize].persistent = true;
        }
    }
    let turn = cx.turn();
    bring_together(&mut cx.steps, &mut cx.made, turn);
    Ok(cx)
}

/// Gives the steps of a lowering memory, and fills in the constants.
pub(crate) fn finish(cx: Lowering<'_>, level: Level) -> Lowered {
    let (zero_beyond, way_back) = (cx.gradient_slots(), cx.turn());
    let Lowering {
        graph, slots, layouts, constants, buffers, steps, made, lanes, contents, algorithms, ..
    } = cx;
    let mut program = Program::new(steps, made, &buffers, level);
    program.expect_zero_beyond(lanes, zero_beyond);
    program.set_way_back(way_back);
    for (slot, numbers) in contents {
        program.memory.get(slot).copy_from_slice(&numbers);
    }
    let mut places = BTreeMap::new();
    for (value, _) in graph.values() {
        let Some(slot) = slots[value.0 as usize] else { continue };
        let layout = layouts[value.0 as usize].clone();
        if let (Some(tensor), Layout::Plain(plain)) = (constants.get(&value), &layout) {
            plain.write(tensor, program.memory.get(slot));
        }
        places.insert(value, (slot, layout));
    }
    Lowered { program, places, lanes, algorithms }
}

/// The state of a lowering: what kernels ask and what they add to.
pub(crate) struct Lowering<'g> {
    pub(crate) graph: &'g Graph,
    /// Number of lanes: the batch size rounded up to whole vectors.
    pub(crate) lanes: usize,
    slots: Vec<Option<Slot>>,
    layouts: Vec<Layout>,
    constants: BTreeMap<ValueId, Cow<'g, Tensor>>,
    buffers: Vec<BufferSpec>,
    cuts: BTreeMap<Slot, Pieces>,
    padded: BTreeMap<(ValueId, Vec<usize>), Slot>,
    derived: BTreeMap<(Slot, Kind), Slot>,
    /// The steps so far.
    steps: Vec<Box<dyn Step>>,
    /// What each of them was made for.
    made: Vec<Made>,
    /// The node that is being lowered.
    current: Option<NodeId>,
    done: Vec<bool>,
    live: Vec<bool>,
    gradients: Vec<bool>,
    users: Vec<Vec<NodeId>>,
    /// The node that makes each value.
    makers: Vec<Option<NodeId>>,
    keep: Vec<ValueId>,
    deferred: BTreeMap<NodeId, Deferred>,
    /// Whether the constants stay as they are.
    fixed: bool,
    /// What some buffers hold from the start.
    contents: Vec<(Slot, Vec<f32>)>,
    /// What is computed again.
    again: again::Again,
    /// The values that lie otherwise than in lanes, in a plan for few examples.
    pub(crate) few: Option<Forms>,
    /// Examples of a batch, how the algorithms of convolutions are chosen, and which have been so far.
    batch: usize,
    choice: Choice,
    algorithms: BTreeMap<NodeId, Algorithm>,
}

/// What is computed of a weight: for tiles of how many outputs a side, and whether of the mirrored windows.
pub(crate) type Kind = (usize, bool);

/// How a node will be lowered when the walk reaches it, as settled by an earlier node of its pattern.
type Deferred = Box<dyn FnOnce(&mut Lowering<'_>, NodeId) -> bool>;

impl<'g> Lowering<'g> {
    fn new(graph: &'g Graph, batch: usize, keep: &[ValueId]) -> Result<Self, EngineError> {
        let keep: Vec<ValueId> = graph.outputs.iter().chain(keep).copied().collect();
        let live = live_nodes(graph, &keep);
        let mut users = vec![Vec::new(); graph.values().count()];
        for (id, node) in graph.nodes().filter(|(id, _)| live[id.0 as usize]) {
            node.inputs.iter().flatten().for_each(|value| users[value.0 as usize].push(id));
        }
        users.iter_mut().for_each(|nodes: &mut Vec<NodeId>| nodes.dedup());
        let mut makers = vec![None; users.len()];
        graph.nodes().for_each(|(id, node)| {
            node.outputs.iter().for_each(|output| makers[output.0 as usize] = Some(id));
        });
        let transposed = transposed_weights(graph, &users);
        let layouts = graph.values().map(|(id, value)| {
            Layout::of(&value.ty.shape, transposed[id.0 as usize]).map_err(|dim| EngineError::UnknownLength {
                value: value.name.clone(),
                shape: value.ty.shape.to_string(),
                dim: dim.to_string(),
            })
        });
        let layouts = layouts.collect::<Result<_, _>>()?;
        let constants = fold_constants(graph, &live);
        Ok(Lowering {
            graph,
            lanes: batch.next_multiple_of(ALIGNMENT),
            slots: vec![None; users.len()],
            layouts,
            done: graph
                .nodes()
                .map(|(_, node)| node.outputs.iter().all(|id| constants.contains_key(id)))
                .collect(),
            constants,
            buffers: Vec::new(),
            cuts: BTreeMap::new(),
            padded: BTreeMap::new(),
            derived: BTreeMap::new(),
            steps: Vec::new(),
            made: Vec::new(),
            current: None,
            live,
            gradients: gradient_values(graph),
            users,
            makers,
            keep,
            deferred: BTreeMap::new(),
            fixed: false,
            contents: Vec::new(),
            again: again::Again::default(),
            few: None,
            batch,
            choice: Choice::default(),
            algorithms: BTreeMap::new(),
        })
    }

    /// The steps, in their order.
    pub(crate) fn steps(&self) -> &[Box<dyn Step>] {
        &self.steps
    }

    /// The buffers.
    pub(crate) fn buffers(&self) -> &[BufferSpec] {
        &self.buffers
    }

    /// Adds the steps that compute a node.
    fn lower(&mut self, id: NodeId) {
        // A value that a node replaces from step to step stays where it is.
        for (before, after) in state_pairs(self.graph.node(id)) {
            self.alias(after, before);
        }
        self.current = Some(id);
        kernels::lower(self, id);
        self.current = None;
        self.done(id);
    }

    /// How a value lies in memory.
    pub(crate) fn layout(&self, value: ValueId) -> Layout {
        self.layouts[value.0 as usize].clone()
    }

    /// Chooses how the node that is being lowered computes a convolution, or a gradient of one.
    pub(crate) fn algorithm(&mut self, geometry: &Geometry, pass: Pass) -> Algorithm {
        let algorithm = self.choice.choose(geometry, pass, self.batch);
        self.algorithms.extend(self.current.map(|node| (node, algorithm)));
        algorithm
    }

    /// Whether the constants stay as they are.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Whether a value is a constant that stays as it is, of finite numbers.
    pub(crate) fn is_fixed_and_finite(&self, value: ValueId) -> bool {
        let finite =
            |tensor: &Tensor| tensor.get::<f32>().is_some_and(|all| all.iter().all(|x| x.is_finite()));
        self.fixed && self.constant(value).is_some_and(finite)
    }

    /// Whether there is one of this value per example.
    pub(crate) fn is_lanes(&self, value: ValueId) -> bool {
        matches!(self.layouts[value.0 as usize], Layout::Lanes { .. })
    }

    /// Whether a value depends on the gradient of a loss.
    ///
    /// The lanes behind the last example hold zeros in gradients, so that sums over all lanes are sums over the
    /// examples; in all other values they repeat the first example, so that no function of them is out of its
    /// domain: zero times infinity would spoil those sums.
    pub(crate) fn is_gradient(&self, value: ValueId) -> bool {
        self.gradients[value.0 as usize]
    }

    /// The memory of the gradients that exist once per example.
    fn gradient_slots(&self) -> Vec<Slot> {
        let values = self.graph.values().map(|(id, _)| id);
        let values = values.filter(|&id| self.is_gradient(id) && self.is_lanes(id));
        values.filter_map(|id| self.slots[id.0 as usize]).collect()
    }

    /// The dimensions of a value behind the batch, if it has one per example.
    pub(crate) fn feature_dims(&self, value: ValueId) -> Option<Vec<usize>> {
        match &self.layouts[value.0 as usize] {
            Layout::Lanes { features } => Some(features.clone()),
            Layout::Plain(_) => None,
        }
    }

    /// Numbers per example, if there is one of this value per example.
    pub(crate) fn features(&self, value: ValueId) -> Option<usize> {
        self.feature_dims(value).map(|dims| dims.iter().product())
    }

    /// The memory of a value, made where it has none yet. What was forgotten is computed again by steps that are added now.
    pub(crate) fn slot(&mut self, value: ValueId) -> Slot {
        self.recall_value(value);
        if let Some(slot) = self.slots[value.0 as usize] {
            return slot;
        }
        let len = self.layouts[value.0 as usize].len(self.lanes);
        let persistent = self.constants.contains_key(&value);
        let slot = self.add_buffer(len, persistent);
        self.slots[value.0 as usize] = Some(slot);
        fill_lanes(self, value, slot);
        slot
    }

    /// Whether a value has memory as its layout says.
    pub(crate) fn has_slot(&self, value: ValueId) -> bool {
        self.slots[value.0 as usize].is_some()
    }

    /// Gives `value` the memory of `of`.
    pub(crate) fn alias(&mut self, value: ValueId, of: ValueId) {
        let slot = self.slot(of);
        self.slots[value.0 as usize] = Some(slot);
        if self.layouts[value.0 as usize].len(self.lanes) != self.layouts[of.0 as usize].len(self.lanes) {
            panic!("{} and {} differ in size", self.graph.value(value).name, self.graph.value(of).name);
        }
    }

    /// Memory for the course of one batch.
    pub(crate) fn temporary(&mut self, len: usize) -> Slot {
        self.add_buffer(len, false)
    }

    /// Memory that keeps its content from batch to batch; zero at first.
    pub(crate) fn persistent(&mut self, len: usize) -> Slot {
        self.add_buffer(len, true)
    }

    /// Memory that holds `numbers` from the start and that no step writes.
    pub(crate) fn filled(&mut self, numbers: Vec<f32>) -> Slot {
        let slot = self.persistent(numbers.len());
        self.contents.push((slot, numbers));
        slot
    }

    fn add_buffer(&mut self, len: usize, persistent: bool) -> Slot {
        self.buffers.push(BufferSpec { len, persistent });
        Slot((self.buffers.len() - 1) as u32)
    }

    /// Adds a step.
    pub(crate) fn push(&mut self, step: impl Step + 'static) {
        let node = self.current.map_or(String::new(), |id| self.graph.node(id).name.clone());
        let again = self.makes_again();
        self.steps.push(Box::new(step));
        self.made.push(Made { node, again });
    }

    /// The memory of `value` with zeros around its maps, and whether it was made just now.
    pub(crate) fn padded(&mut self, value: ValueId, pads: &[usize], len: usize) -> (Slot, bool) {
        if let Some(&slot) = self.padded.get(&(value, pads.to_vec())) {
            return (slot, false);
        }
        let slot = self.persistent(len);
        self.padded.insert((value, pads.to_vec()), slot);
        (slot, true)
    }

    /// Memory for what is computed of a weight, as it is before this batch's update, and whether it was made just now.
    pub(crate) fn derived(&mut self, weight: Slot, kind: Kind, len: usize) -> (Slot, bool) {
        if let Some(&slot) = self.derived.get(&(weight, kind)) {
            return (slot, false);
        }
        let slot = self.temporary(len);
        self.derived.insert((weight, kind), slot);
        self.note_derived((weight, kind));
        (slot, true)
    }

    /// Settles how `node` will be lowered when the walk reaches it.
    pub(crate) fn remember(
        &mut self,
        node: NodeId,
        lower: impl FnOnce(&mut Lowering<'_>, NodeId) -> bool + 'static,
    ) {
        self.deferred.insert(node, Box::new(lower));
    }

    /// Whether it is settled how `node` will be lowered.
    pub(crate) fn is_settled(&self, node: NodeId) -> bool {
        self.deferred.contains_key(&node)
    }

    /// Lowers `node` as settled before; false if nothing was.
    pub(crate) fn recall(&mut self, node: NodeId) -> bool {
        self.deferred.remove(&node).is_some_and(|lower| lower(self, node))
    }

    /// The nodes that read a value.
    pub(crate) fn users(&self, value: ValueId) -> &[NodeId] {
        &self.users[value.0 as usize]
    }

    /// The node that reads a value, if there is exactly one and the value is no result.
    pub(crate) fn only_user(&self, value: ValueId) -> Option<NodeId> {
        match self.users(value) {
            [user] if !self.is_kept(value) => Some(*user),
            _ => None,
        }
    }

    /// Whether a value is read from outside.
    pub(crate) fn is_kept(&self, value: ValueId) -> bool {
        self.keep.contains(&value)
    }

    /// The value of a constant, those computed from constants included.
    pub(crate) fn constant(&self, value: ValueId) -> Option<&Tensor> {
        self.constants.get(&value).map(Cow::as_ref)
    }

    /// The node and its operator's name.
    pub(crate) fn node(&self, id: NodeId) -> (&'g Node, &'static str) {
        let node = self.graph.node(id);
        (node, node.op_name())
    }

    /// Marks a node as taken.
    pub(crate) fn done(&mut self, node: NodeId) {
        self.done[node.0 as usize] = true;
    }

    /// The optimiser steps that are still to be lowered.
    pub(crate) fn updates(&self) -> Vec<NodeId> {
        let open = |id: NodeId| self.live[id.0 as usize] && !self.is_done(id);
        self.graph.nodes().filter(|&(id, node)| is_update(node) && open(id)).map(|(id, _)| id).collect()
    }

    /// Whether an optimiser step can be lowered: its inputs are there, and nobody else will read what it changes.
    pub(crate) fn is_ready(&self, update: NodeId) -> bool {
        let node = self.graph.node(update);
        let changed = state_pairs(node).into_iter().map(|(before, _)| before);
        node.inputs.iter().flatten().all(|&input| self.is_computed(input))
            && changed.into_iter().all(|value| self.is_read_out(value, update))
    }

    /// Whether a value is an input, a constant, or the output of a node that is taken.
    pub(crate) fn is_computed(&self, value: ValueId) -> bool {
        self.makers[value.0 as usize].is_none_or(|maker| self.is_done(maker))
    }

    /// The node that makes a value, if one does.
    pub(crate) fn maker(&self, value: ValueId) -> Option<NodeId> {
        self.makers[value.0 as usize]
    }

    /// Whether all nodes but one that read a value, under whatever name, are taken.
    pub(crate) fn is_read_out(&self, value: ValueId, but: NodeId) -> bool {
        let slot = |value: ValueId| self.slots[value.0 as usize];
        self.users(value).iter().filter(|&&user| user != but).all(|&user| {
            let same = |output: &&ValueId| slot(**output).is_some() && slot(**output) == slot(value);
            let mut names = self.graph.node(user).outputs.iter().filter(same);
            self.is_done(user) && names.all(|&output| self.is_read_out(output, but))
        })
    }

    /// Whether a node is taken.
    pub(crate) fn is_done(&self, node: NodeId) -> bool {
        self.done[node.0 as usize]
    }
}
