//! Inference: batches in, answers out.

use std::sync::{Arc, Mutex};

use graph::{Graph, ValueId, ValueType};
use tensor::Tensor;

use crate::costs::{Choice, Convolutions};
use crate::error::EngineError;
use crate::feed::Feed;
use crate::kernels::memory::{Memory, Slot};
use crate::kernels::read_only;
use crate::layout::Layout;
use crate::lower::{Constants, Lowered, lower};
use crate::operations::attribute;
use crate::profile::{Profile, Recorder};
use crate::program::{Flow, Schedule};
use crate::replicas;
use crate::trainer::Options;

/// A graph ready to run forwards.
pub struct Predictor {
    graph: Arc<Graph>,
    constants: Constants,
    lowered: Lowered,
    options: Options,
    outputs: Vec<(ValueId, Slot, Vec<usize>)>,
}

impl Predictor {
    /// Plans `graph`. Errors unless it has one input and every output has one value per example.
    pub fn new(graph: &Graph, options: Options) -> Result<Self, EngineError> {
        Predictor::planned(Arc::new(graph.clone()), options, Constants::Replaced, Choice::default())
    }

    /// As [`Predictor::new`] for several plans of one graph, which hold its constants once beside their own. They cannot be
    /// replaced.
    pub fn shared(graph: Arc<Graph>, options: Options) -> Result<Self, EngineError> {
        Predictor::choosing(graph, options, Convolutions::default())
    }

    /// As [`Predictor::shared`], with the algorithms of convolutions chosen as stated. Plans for up to 8 examples have no
    /// F(4×4, 3×3), and compute directly instead.
    pub fn choosing(
        graph: Arc<Graph>,
        options: Options,
        convolutions: Convolutions,
    ) -> Result<Self, EngineError> {
        Predictor::planned(graph, options, Constants::Fixed, Choice { convolutions, learns: false })
    }

    /// As [`Predictor::new`], with the algorithms of convolutions chosen as they are in a training step of batches of the same
    /// length: what this computes of a part of a network that does not learn has the bytes that the step gives it.
    pub fn as_in_training(
        graph: &Graph,
        options: Options,
        convolutions: Convolutions,
    ) -> Result<Self, EngineError> {
        let graph = Arc::new(graph.clone());
        Predictor::planned(graph, options, Constants::Replaced, Choice { convolutions, learns: true })
    }

    fn planned(
        graph: Arc<Graph>,
        options: Options,
        constants: Constants,
        choice: Choice,
    ) -> Result<Self, EngineError> {
        if graph.inputs.len() != 1 {
            return Err(EngineError::Form(format!("expected one input, found {}", graph.inputs.len())));
        }
        // Algorithms that depend on the batch are those of all of it.
        let apart = if choice.learns { 1 } else { replicas::count(&graph, options.batch, options.threads) };
        let part = options.batch.div_ceil(apart);
        let mut lowered = lower(&graph, part, options.level, &graph.outputs, constants, choice)?;
        lowered.program.replicate(apart);
        let outputs = graph.outputs.iter().map(|&id| match lowered.places.get(&id) {
            Some((slot, Layout::Lanes { features })) => Ok((id, *slot, features.clone())),
            _ => Err(EngineError::Form(format!("output {} has no value per example", graph.value(id).name))),
        });
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        Ok(Predictor { graph, constants, lowered, options, outputs })
    }

    /// Bytes of the arena: weights and activations.
    pub fn bytes(&self) -> usize {
        self.lowered.program.bytes()
    }

    /// How many threads compute examples of their own, each with memory of its own beside weights that all of them read; 1 where all
    /// threads compute the same examples.
    pub fn replicas(&self) -> usize {
        self.lowered.program.replicas()
    }

    /// The plan, one line per step; `|` stands where the threads meet before a step.
    pub fn describe(&self) -> String {
        self.lowered.program.describe()
    }

    /// Replaces constants by name. Errors, and changes nothing, where a name is unknown or a type differs.
    pub fn set_constants(&mut self, constants: &[(String, Tensor)]) -> Result<(), EngineError> {
        if self.constants == Constants::Fixed {
            return Err(EngineError::State("the constants of a shared plan stay as they are".to_owned()));
        }
        let mut found = Vec::new();
        for (name, tensor) in constants {
            let value = self.graph.find_value(name).filter(|&id| self.graph.value(id).constant.is_some());
            let value = value.ok_or_else(|| EngineError::State(format!("there is no constant {name}")))?;
            let (expected, given) = (&self.graph.value(value).ty, ValueType::of(tensor));
            if expected != &given {
                return Err(EngineError::State(format!("{name} is {expected}, given was {given}")));
            }
            match self.lowered.places.get(&value) {
                Some((slot, Layout::Plain(plain))) => found.push((*slot, plain.clone(), tensor)),
                _ => return Err(EngineError::State(format!("{name} was folded into the plan"))),
            }
        }
        for (slot, plain, tensor) in found {
            plain.write(tensor, self.lowered.program.memory.get(slot));
        }
        Ok(())
    }

    /// The graph's outputs for the rows of `feed` in `order`: one tensor per output, rows first.
    /// Errors if an operator refuses the values it is given, such as an index out of range.
    pub fn run(&mut self, feed: Feed<'_>, order: &[u32]) -> Result<Vec<Tensor>, EngineError> {
        let Options { batch, threads, .. } = self.options;
        let (program, part) = (&self.lowered.program, batch.div_ceil(self.lowered.program.replicas()));
        let parts = Mutex::new(Vec::with_capacity(order.len().div_ceil(part)));
        let read = |first: usize, memory: &Memory| {
            let last = order.len().min(first + part).min(first - first % batch + batch);
            let values =
                self.outputs.iter().map(|output| self.values(output, last - first, memory)).collect();
            parts.lock().expect("nothing panics while it holds the lock").push((first, values));
        };
        if program.replicas() > 1 {
            program.run_apart(feed, order, batch, &read, None)?;
        } else {
            let schedule = Schedule { first_step: 1, learning_rate: 0.0 };
            let mut after = |index: usize, memory: &Memory| {
                read(index * batch, memory);
                Flow::Continue
            };
            program.run(feed, order, batch, threads, &schedule, &mut after)?;
        }
        let mut parts: Vec<(usize, Vec<Vec<f32>>)> = parts.into_inner().expect("as above");
        parts.sort_unstable_by_key(|&(first, _)| first);
        let values = (0..self.outputs.len()).map(|index| {
            let values: Vec<&[f32]> = parts.iter().map(|(_, values)| values[index].as_slice()).collect();
            values.concat()
        });
        let shaped = self.outputs.iter().zip(values).map(|((id, _, dims), values)| {
            let mut shape = vec![order.len()];
            shape.extend(dims);
            Tensor::new(shape, values).cast(self.graph.ty(*id).dtype)
        });
        Ok(shaped.collect())
    }

    /// An output of the first `live` examples of a batch, example by example.
    fn values(&self, output: &(ValueId, Slot, Vec<usize>), live: usize, memory: &Memory) -> Vec<f32> {
        let (lanes, (_, slot, dims)) = (self.lowered.lanes, output);
        let (count, from) = (dims.iter().product::<usize>(), read_only(memory, *slot));
        (0..live).flat_map(|lane| (0..count).map(move |feature| from[feature * lanes + lane])).collect()
    }

    /// Runs the graph for the rows of `feed` in `order` as [`Predictor::run`] does, and measures what each step of the plan
    /// takes. The first `warm` batches are not counted.
    pub fn profile(&mut self, feed: Feed<'_>, order: &[u32], warm: usize) -> Result<Profile, EngineError> {
        let Options { batch, threads, .. } = self.options;
        let schedule = Schedule { first_step: 1, learning_rate: 0.0 };
        let (program, recorder) = (&self.lowered.program, Recorder::default());
        if program.replicas() > 1 {
            program.run_apart(feed, order, batch, &|_, _| {}, Some(&recorder))?;
        } else {
            let mut after = |_: usize, _: &Memory| Flow::Continue;
            program.run_recorded(feed, order, batch, threads, &schedule, &mut after, Some(&recorder))?;
        }
        let mut profile = recorder.profile(program.outline(), warm);
        attribute(&self.graph, batch, &mut profile);
        Ok(profile)
    }
}
