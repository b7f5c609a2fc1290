//! Training: batches in, new weights out.

use tensor::Tensor;

use crate::costs::{Algorithm, Choice, Convolutions};
use crate::cpu::Level;
use crate::error::EngineError;
use crate::feed::Feed;
use crate::kernels::memory::{Memory, Slot};
use crate::kernels::read_only;
use crate::layout::Layout;
use crate::lower::{Constants, Lowered, finish, walk};
use crate::operations::attribute;
use crate::profile::{Profile, Recorder};
use crate::program::{Flow, Schedule};
use crate::recompute::memories_within;
use crate::training_graph::TrainingGraph;

/// How a graph is run. None of it changes results, except the level in the last digits.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Examples per batch.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Vector instructions.
    pub level: Level,
}

/// How a training step is planned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planning {
    /// How the algorithms of convolutions are chosen, which decides the last digits of results.
    pub convolutions: Convolutions,
    /// Bytes that the arena takes at most, if there is a limit: what does not fit is not kept for the way back but computed
    /// again, which takes time and changes no result.
    pub memory_limit: Option<usize>,
}

/// What one batch gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchReport {
    /// Position in the order given to [`Trainer::run`], from 0.
    pub index: usize,
    /// Examples in it.
    pub examples: usize,
    /// Mean loss over its examples.
    pub loss: f32,
    /// Examples whose greatest score was their class's; 0 for losses without classes.
    pub correct: usize,
}

/// What a plan computes a second time in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// Steps of the plan.
    pub steps: usize,
    /// Floating-point operations of those of them that say how many they are.
    pub operations: u64,
}

/// A training graph ready to run: plan, memory, weights and moments.
pub struct Trainer {
    graph: TrainingGraph,
    lowered: Lowered,
    options: Options,
}

impl Trainer {
    /// Plans `graph` and gives it memory.
    pub fn new(graph: TrainingGraph, options: Options) -> Result<Self, EngineError> {
        Trainer::planned(graph, options, Planning::default())
    }

    /// As [`Trainer::new`], with how convolutions are computed and the memory that the plan may take.
    ///
    /// Errors   no plan takes so few bytes: [`EngineError::Memory`], with the fewest that one does.
    pub fn planned(graph: TrainingGraph, options: Options, planning: Planning) -> Result<Self, EngineError> {
        let Options { batch, level, .. } = options;
        let keep = [graph.loss, graph.prediction, graph.target];
        let choice = Choice { convolutions: planning.convolutions, learns: true };
        let memories = match planning.memory_limit {
            Some(limit) => memories_within(&graph.graph, batch, &keep, choice, limit)?,
            None => None,
        };
        let walked = walk(&graph.graph, batch, &keep, Constants::Replaced, choice, memories.as_ref())?;
        let lowered = finish(walked, level);
        Ok(Trainer { graph, lowered, options })
    }

    /// What the plan computes again so that it takes less memory; all 0 where it has enough.
    pub fn again(&self) -> Again {
        let outline = self.lowered.program.outline();
        let again = || outline.iter().filter(|step| step.again);
        Again { steps: again().count(), operations: again().map(|step| step.operations).sum() }
    }

    /// How each convolution, and each gradient of one, is computed: the name of its node, and the algorithm.
    pub fn algorithms(&self) -> Vec<(String, Algorithm)> {
        let convolutions = self.graph.graph.nodes().filter(|(_, node)| node.op_name().starts_with("Conv"));
        let algorithm = |id| self.lowered.algorithms.get(&id).copied().unwrap_or(Algorithm::Direct);
        convolutions.map(|(id, node)| (node.name.clone(), algorithm(id))).collect()
    }

    /// Bytes of the arena: weights, moments and activations.
    pub fn bytes(&self) -> usize {
        self.lowered.program.bytes()
    }

    /// The plan, one line per step; `|` stands where the threads meet before a step.
    pub fn describe(&self) -> String {
        self.lowered.program.describe()
    }

    /// Trains on the rows of `feed` in `order`, batch by batch. The first batch is training step `first_step`,
    /// counted from 1. `on_batch` is called after each batch.
    ///
    /// Errors if an operator refuses the values it is given, such as an index out of range; what was learnt from that
    /// batch on is of no use.
    ///
    /// Results depend on neither the number of threads nor on how a long order is cut at batch boundaries.
    pub fn run(
        &mut self,
        feed: Feed<'_>,
        order: &[u32],
        first_step: u64,
        learning_rate: f32,
        on_batch: &mut (dyn FnMut(BatchReport) -> Flow + Send),
    ) -> Result<(), EngineError> {
        let Options { batch, threads, .. } = self.options;
        let schedule = Schedule { first_step, learning_rate };
        let (loss, _) = self.place(self.graph.loss);
        let scores = self.place(self.graph.prediction);
        let classes = feed.targets.classes().is_some();
        let (target, _) = self.place(self.graph.target);
        let lanes = self.lowered.lanes;
        let mut after = |index: usize, memory: &Memory| {
            let examples = order.len().min((index + 1) * batch) - index * batch;
            let correct = if classes { count_correct(memory, &scores, target, lanes, examples) } else { 0 };
            on_batch(BatchReport { index, examples, loss: read_only(memory, loss)[0], correct })
        };
        Ok(self.lowered.program.run(feed, order, batch, threads, &schedule, &mut after)?)
    }

    /// Trains on the rows of `feed` in `order` as [`Trainer::run`] does, and measures what each step of the plan takes.
    /// The first `warm` batches are not counted.
    pub fn profile(&mut self, feed: Feed<'_>, order: &[u32], warm: usize) -> Result<Profile, EngineError> {
        let Options { batch, threads, .. } = self.options;
        let schedule = Schedule { first_step: 1, learning_rate: 1e-3 };
        let (program, recorder) = (&self.lowered.program, Recorder::default());
        let mut after = |_: usize, _: &Memory| Flow::Continue;
        program.run_recorded(feed, order, batch, threads, &schedule, &mut after, Some(&recorder))?;
        let mut profile = recorder.profile(program.outline(), warm);
        attribute(&self.graph.graph, batch, &mut profile);
        Ok(profile)
    }

    /// The trained weights by name, in the order of the model.
    pub fn parameters(&mut self) -> Vec<(String, Tensor)> {
        let named: Vec<_> =
            self.graph.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value)).collect();
        named.into_iter().map(|(name, value)| (name, self.read(value))).collect()
    }

    /// Everything that changes from step to step, by name: what a checkpoint keeps.
    pub fn state(&mut self) -> Vec<(String, Tensor)> {
        let named = self.graph.state.clone();
        named.into_iter().map(|(name, value)| (name, self.read(value))).collect()
    }

    /// Puts a state back. Errors, and changes nothing, unless it has exactly the names and shapes of this graph.
    pub fn restore(&mut self, state: &[(String, Tensor)]) -> Result<(), EngineError> {
        let own = self.graph.state.clone();
        if own.len() != state.len() {
            return Err(EngineError::State(format!("expected {} tensors, found {}", own.len(), state.len())));
        }
        for ((own_name, value), (name, tensor)) in own.iter().zip(state) {
            let expected = &self.graph.graph.value(*value).ty;
            if own_name != name || expected != &graph::ValueType::of(tensor) {
                let found = graph::ValueType::of(tensor);
                return Err(EngineError::State(format!(
                    "expected {own_name} {expected}, found {name} {found}"
                )));
            }
        }
        for ((_, value), (_, tensor)) in own.iter().zip(state) {
            let (slot, layout) = self.place(*value);
            match layout {
                Layout::Plain(plain) => plain.write(tensor, self.lowered.program.memory.get(slot)),
                Layout::Lanes { .. } => unreachable!("state has no batch axis"),
            }
        }
        Ok(())
    }

    fn read(&mut self, value: graph::ValueId) -> Tensor {
        match self.place(value) {
            (slot, Layout::Plain(plain)) => plain.read(self.lowered.program.memory.get(slot)),
            (_, Layout::Lanes { .. }) => unreachable!("state has no batch axis"),
        }
    }

    fn place(&self, value: graph::ValueId) -> (Slot, Layout) {
        self.lowered.places[&value].clone()
    }
}

/// Examples whose greatest score (the first of equal ones) is their class's.
fn count_correct(
    memory: &Memory,
    scores: &(Slot, Layout),
    target: Slot,
    lanes: usize,
    examples: usize,
) -> usize {
    let (scores, target) = (read_only(memory, scores.0), read_only(memory, target));
    let classes = scores.len() / lanes;
    let greatest = |lane: usize| {
        (1..classes).fold(0, |best, class| {
            if scores[class * lanes + lane] > scores[best * lanes + lane] { class } else { best }
        })
    };
    (0..examples).filter(|&lane| greatest(lane) == target[lane] as usize).count()
}
