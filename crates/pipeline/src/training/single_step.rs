//! One training step of a scheme, made ready to be run again and again: what `heirloom profile` measures.

use engine::{BatchReport, Convolutions, Costs, Flow, Level, Options, Profile, Trainer, training_graph};
use scheme::ResolvedScheme;
use store::Store;

use super::batch_size;
use super::objective::{learning_rate, objective};
use super::planned::{account, planned};
use crate::architecture::{self, Plan, adapted};
use crate::convolutions::convolutions;
use crate::error::RunError;
use crate::inheritance::parent_of;
use crate::prepare::{Examples, prepare};
use crate::random_examples::RandomExamples;
use crate::source::source_of;

/// How a training step is made.
#[derive(Debug, Clone)]
pub struct StepOptions {
    /// Threads, at least 1.
    pub threads: usize,
    /// Vector instructions.
    pub level: Level,
    /// At which rates the algorithms of convolutions are compared.
    pub costs: Costs,
    /// What stands in for the scheme's data, so that they need not be there.
    pub random: Option<RandomExamples>,
}

/// The training step of a scheme with its network as it starts, and examples to take it on.
pub struct TrainingStep {
    trainer: Trainer,
    examples: Examples,
    batch: usize,
    learning_rate: f32,
    parameters: usize,
    notices: Vec<String>,
    done: u64,
}

impl TrainingStep {
    /// Makes the step of `scheme`: data, network, plan. `store` is where a parent is looked for; nothing is written.
    ///
    /// What learns is what learns in the last epoch, all of the network is run, and a teacher or a pull towards the parent is
    /// left out; [`TrainingStep::notices`] says so where it matters.
    ///
    /// Errors   those of the first two stages of a run.
    pub fn new(
        scheme: &ResolvedScheme,
        store: Option<&Store>,
        options: &StepOptions,
    ) -> Result<Self, RunError> {
        let graph_file = architecture::read_graph_file(scheme)?;
        let parent = parent_of(scheme, store)?;
        let (prepared, examples) = match &options.random {
            Some(random) => random.prepare(scheme)?,
            None => prepare(scheme, &source_of(scheme)?)?,
        };
        let plan = architecture::plan(scheme, &prepared, graph_file.as_deref(), parent.as_ref())?;
        let batch = batch_size(scheme, examples.splits.train.len());
        let convolutions = convolutions(scheme, options.costs);
        let options = Options { batch, threads: options.threads.max(1), level: options.level };
        let trainer = trainer(scheme, &plan, options, convolutions)?;
        let mut notices = notices(scheme, &plan);
        notices.extend(account(scheme, &trainer));
        Ok(TrainingStep {
            trainer,
            examples,
            batch,
            learning_rate: learning_rate(&scheme.train.optimizer),
            parameters: plan.summary.parameters,
            notices,
            done: 0,
        })
    }

    /// Examples per step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Numbers that are learnt.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Bytes of the plan: weights, moments and activations.
    pub fn bytes(&self) -> usize {
        self.trainer.bytes()
    }

    /// What is not as in a run of the scheme.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Trains for `steps` steps. `on_step` is told of each.
    pub fn run(
        &mut self,
        steps: usize,
        on_step: &mut (dyn FnMut(BatchReport) -> Flow + Send),
    ) -> Result<(), RunError> {
        let order = self.order(steps);
        let first = self.done + 1;
        self.done += steps as u64;
        Ok(self.trainer.run(self.examples.feed(), &order, first, self.learning_rate, on_step)?)
    }

    /// Trains for `steps` steps, of which the first `warm` are not counted, and measures what each step of the plan takes.
    pub fn profile(&mut self, steps: usize, warm: usize) -> Result<Profile, RunError> {
        let order = self.order(steps);
        Ok(self.trainer.profile(self.examples.feed(), &order, warm)?)
    }

    /// Whole batches of the training part, round and round.
    fn order(&self, steps: usize) -> Vec<u32> {
        self.examples.splits.train.iter().copied().cycle().take(steps * self.batch).collect()
    }
}

fn trainer(
    scheme: &ResolvedScheme,
    plan: &Plan,
    options: Options,
    convolutions: Convolutions,
) -> Result<Trainer, RunError> {
    let adapted = match plan.adapters.as_slice() {
        [] => None,
        adapters => Some(
            adapted(&plan.graph, plan.prediction, adapters)
                .map_err(|error| RunError::damaged("the network", error))?,
        ),
    };
    let (network, scores) = match &adapted {
        Some((graph, scores)) => (graph, *scores),
        None => (&plan.graph, plan.prediction),
    };
    let learns = |name: &str| plan.steps(name);
    let graph = training_graph(network, &network.value(scores).name, &learns, &objective(scheme, None))?;
    planned(scheme, graph, options, convolutions)
}

fn notices(scheme: &ResolvedScheme, plan: &Plan) -> Vec<String> {
    let train = &scheme.train;
    let mut notices = plan.notices.clone();
    if train.distill.is_some() {
        notices.push("the teacher of `train.distill` is left out".to_owned());
    }
    if train.l2_sp.is_some() || train.ewc.is_some() {
        notices.push("the pull towards the parent (`train.l2_sp`, `train.ewc`) is left out".to_owned());
    }
    if train.cache_frozen != Some(false) && !plan.frozen.is_empty() {
        notices.push(
            "frozen layers are computed in every step; a run computes a frozen beginning once".to_owned(),
        );
    }
    notices
}
