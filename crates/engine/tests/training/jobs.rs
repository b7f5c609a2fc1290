//! Small models, jobs that train them, and the same training graph computed in `f64` by the references.

use engine::{
    EngineError, Feed, Flow, Level, Loss, Objective, Optimizer, Options, Rows, Targets, Trainer,
    TrainingGraph, training_graph,
};
use graph::{Attribute, Attributes, Graph, ValueId, ValueType};
use tensor::{DType, Random, Shape, Tensor};

use crate::reference;

pub(crate) const RATE: f32 = 0.01;
pub(crate) const CLASSES: usize = 3;

pub(crate) const ADAM: Optimizer =
    Optimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weight_decay: 0.0 };
pub(crate) const DESCENT: Optimizer = Optimizer::GradientDescent;
pub(crate) const OPTIMIZERS: [Optimizer; 5] = [
    DESCENT,
    Optimizer::Momentum { momentum: 0.9, nesterov: false },
    Optimizer::Momentum { momentum: 0.8, nesterov: true },
    ADAM,
    Optimizer::Adam { beta1: 0.8, beta2: 0.9, epsilon: 1e-4, weight_decay: 0.1 },
];

/// A model that is being written down. Constants whose names start with `weight` are trained.
pub(crate) struct Model {
    pub(crate) graph: Graph,
}

impl Model {
    /// A model of examples of the lengths `dims`, and its input.
    pub(crate) fn new(dims: &[usize]) -> (Self, ValueId) {
        let mut graph = Graph::new("model");
        let input = graph.input("examples", ValueType::new(DType::F32, Shape::batched(dims)));
        (Model { graph }, input)
    }

    /// Uniform numbers around `centre`.
    pub(crate) fn weight(&mut self, shape: &[usize], centre: f32) -> ValueId {
        let block = self.graph.values().count() as u64;
        let random = Random::new(1, "weight");
        let count: usize = shape.iter().product();
        let values = (0..count).map(|index| centre + random.uniform(block, index as u64) - 0.5).collect();
        self.graph.constant("weight", Tensor::new(shape, values))
    }

    pub(crate) fn op(&mut self, op: &str, inputs: &[ValueId], attributes: &[(&str, Attribute)]) -> ValueId {
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.graph.push(op, op, attributes, inputs).unwrap()
    }

    pub(crate) fn integers(&mut self, values: &[i64]) -> ValueId {
        self.graph.constant("integers", Tensor::new([values.len()], values.to_vec()))
    }

    /// A convolution with bias; `shape` is that of its weight.
    pub(crate) fn conv(&mut self, x: ValueId, shape: &[usize], attributes: &[(&str, Attribute)]) -> ValueId {
        let (w, b) = (self.weight(shape, 0.0), self.weight(&shape[..1], 0.0));
        self.op("Conv", &[x, w, b], attributes)
    }

    pub(crate) fn dense(&mut self, x: ValueId, from: usize, to: usize) -> ValueId {
        let (w, b) = (self.weight(&[from, to], 0.0), self.weight(&[to], 0.0));
        self.op("Gemm", &[x, w, b], &[])
    }

    /// A dense layer without bias, for where a bias has no effect and its gradient is noise.
    pub(crate) fn unbiased(&mut self, x: ValueId, from: usize, to: usize) -> ValueId {
        let w = self.weight(&[from, to], 0.0);
        self.op("Gemm", &[x, w], &[])
    }

    /// Flattens what is `len` numbers per example and gives each class a score.
    pub(crate) fn scores(mut self, x: ValueId, len: usize) -> Self {
        let flat = self.op("Flatten", &[x], &[]);
        let scores = self.dense(flat, len, CLASSES);
        self.graph.outputs = vec![scores];
        self
    }

    pub(crate) fn batch_norm(&mut self, x: ValueId, channels: usize) -> ValueId {
        let (scale, bias) = (self.weight(&[channels], 1.0), self.weight(&[channels], 0.0));
        let zeros = Tensor::zeros(DType::F32, [channels]);
        let ones = Tensor::new([channels], vec![1f32; channels]);
        let mean = self.graph.constant("mean", zeros);
        let variance = self.graph.constant("variance", ones);
        self.op("BatchNormalization", &[x, scale, bias, mean, variance], &[("momentum", 0.8.into())])
    }
}

/// How a model is trained and on what.
pub(crate) struct Job {
    pub(crate) training: TrainingGraph,
    rows: Vec<f32>,
    row_len: usize,
    classes: Vec<u32>,
    values: Vec<f32>,
    /// The scores of a teacher that knows some classes, if there is one.
    teacher: Option<(Vec<f32>, usize)>,
    loss: Loss,
    /// The training step of the first batch, counted from 1.
    first_step: u64,
}

impl Job {
    pub(crate) fn new(model: Model, objective: &Objective, examples: usize) -> Self {
        let graph = model.graph;
        let row_len = graph.ty(graph.inputs[0]).shape.bind("batch", 1).lengths().unwrap().iter().product();
        let prediction = graph.value(graph.outputs[0]).name.clone();
        let trainable = |name: &str| ["weight", "mean", "variance"].iter().any(|kind| name.starts_with(kind));
        let training = training_graph(&graph, &prediction, &trainable, objective).unwrap();
        let random = Random::new(2, "examples");
        let numbers = |block, count: usize| (0..count as u64).map(move |index| random.uniform(block, index));
        Job {
            training,
            rows: numbers(0, examples * row_len).map(|value| value + 0.1).collect(),
            row_len,
            classes: (0..examples as u64).map(|index| random.below(1, index, CLASSES as u32)).collect(),
            values: numbers(2, examples).collect(),
            teacher: objective.distillation.as_ref().map(|distillation| {
                let known = distillation.classes.len();
                (numbers(3, examples * known).map(|value| 4.0 * value).collect(), known)
            }),
            loss: objective.loss,
            first_step: 1 + objective.treatments.values().map(|one| one.steps_before).max().unwrap_or(0),
        }
    }

    pub(crate) fn feed(&self) -> Feed<'_> {
        let targets = match (self.loss, &self.teacher) {
            (Loss::CrossEntropy, Some((scores, known))) => {
                Targets::Taught { classes: &self.classes, scores, known: *known }
            }
            (Loss::CrossEntropy, None) => Targets::Classes(&self.classes),
            (Loss::MeanSquaredError, _) => Targets::Values(&self.values),
        };
        Feed { rows: Rows::F32(&self.rows), row_len: self.row_len, targets }
    }

    pub(crate) fn order(&self) -> Vec<u32> {
        (0..self.classes.len() as u32).rev().collect()
    }

    /// The rows `chunk`, their targets and a teacher's scores, as the training graph takes them.
    pub(crate) fn inputs(&self, graph: &Graph, chunk: &[u32], step: u64) -> Vec<Tensor> {
        let rows: Vec<f32> = chunk
            .iter()
            .flat_map(|&row| &self.rows[row as usize * self.row_len..][..self.row_len])
            .copied()
            .collect();
        let shape =
            |index: usize| graph.ty(graph.inputs[index]).shape.bind("batch", chunk.len()).lengths().unwrap();
        let target = match self.loss {
            Loss::CrossEntropy => Tensor::new(
                shape(1),
                chunk.iter().map(|&row| i64::from(self.classes[row as usize])).collect(),
            ),
            Loss::MeanSquaredError => {
                let values = chunk.iter().map(|&row| f64::from(self.values[row as usize])).collect();
                Tensor::new(shape(1), values)
            }
        };
        let taught = self.teacher.iter().map(|(scores, known)| {
            let rows = chunk.iter().flat_map(|&row| &scores[row as usize * known..][..*known]);
            Tensor::new([chunk.len(), *known], rows.map(|&score| f64::from(score)).collect())
        });
        let rate = Tensor::scalar(f64::from(RATE));
        let examples = [Tensor::new(shape(0), rows).cast(DType::F64), target];
        examples.into_iter().chain(taught).chain([rate, Tensor::scalar(step as i64)]).collect()
    }

    /// The losses of all steps and the state after them, in `f64`.
    pub(crate) fn exact(&self, batch: usize) -> (Vec<f64>, Vec<(String, Tensor)>) {
        let mut graph = self.training.graph.with_floats(DType::F64).unwrap();
        let mut losses = Vec::new();
        for (index, chunk) in self.order().chunks(batch).enumerate() {
            let step = index as u64 + self.first_step;
            let inputs = self.inputs(&graph, chunk, step);
            let values = reference::values(&graph, &inputs, step).unwrap();
            losses.push(values[&graph.outputs[0]].to_f64()[0]);
            reference::advance(&mut graph, &values);
        }
        let state = self.training.state.iter().map(|(name, value)| {
            let value = graph.find_value(&self.training.graph.value(*value).name).unwrap();
            (name.clone(), graph.value(value).constant.clone().unwrap())
        });
        (losses, state.collect())
    }

    pub(crate) fn trainer(&self, options: Options) -> Trainer {
        Trainer::new(self.training.clone(), options).unwrap()
    }

    /// A trainer that comes by with the fewest bytes.
    fn smallest(&self, options: Options) -> Trainer {
        let within = |limit| Trainer::within(self.training.clone(), options, Some(limit));
        match within(0) {
            Err(EngineError::Memory { least, .. }) => within(least).unwrap(),
            other => panic!("a plan of no bytes: {}", other.is_ok()),
        }
    }

    /// The losses of all steps and the state after them.
    pub(crate) fn trained(&self, options: Options) -> (Vec<f64>, Vec<(String, Tensor)>) {
        self.run(&mut self.trainer(options))
    }

    /// The losses of all steps that `trainer` takes and its state after them.
    pub(crate) fn run(&self, trainer: &mut Trainer) -> (Vec<f64>, Vec<(String, Tensor)>) {
        let mut losses = Vec::new();
        trainer
            .run(self.feed(), &self.order(), self.first_step, RATE, &mut |report| {
                losses.push(f64::from(report.loss));
                Flow::Continue
            })
            .unwrap();
        (losses, trainer.state())
    }

    /// The state when the training was cut after the first batch and went on in another trainer.
    pub(crate) fn resumed(&self, options: Options) -> Vec<(String, Tensor)> {
        let order = self.order();
        let (first, rest) = order.split_at(options.batch);
        let mut trainer = self.trainer(options);
        trainer.run(self.feed(), first, self.first_step, RATE, &mut |_| Flow::Continue).unwrap();
        let state = trainer.state();
        let mut trainer = self.trainer(options);
        trainer.restore(&state).unwrap();
        trainer.run(self.feed(), rest, self.first_step + 1, RATE, &mut |_| Flow::Continue).unwrap();
        trainer.state()
    }

    pub(crate) fn check(&self, name: &str, batch: usize) {
        let (losses, state) = self.exact(batch);
        assert!(losses.iter().all(|loss| loss.is_finite()), "{name}: {losses:?}");
        for level in Level::available() {
            let options = Options { batch, threads: 1, level };
            let (found_losses, found) = self.trained(options);
            let place = format!("{name}, {level}, batch {batch}");
            agree(&format!("{place}, losses"), &found_losses, &losses);
            for ((name, found), (_, exact)) in found.iter().zip(&state) {
                agree(&format!("{place}, {name}"), &found.to_f64(), &exact.to_f64());
            }
            assert_eq!(digests(&self.resumed(options)), digests(&found), "{place}: resumed");
            for threads in [2, 3, 5] {
                let (_, threaded) = self.trained(Options { threads, ..options });
                assert_eq!(digests(&threaded), digests(&found), "{place}: {threads} threads");
            }
            let (_, again) = self.run(&mut self.smallest(Options { threads: 2, ..options }));
            assert_eq!(digests(&again), digests(&found), "{place}: as little memory as can be");
        }
    }
}

pub(crate) fn digests(state: &[(String, Tensor)]) -> Vec<(&str, String)> {
    state.iter().map(|(name, tensor)| (name.as_str(), tensor.digest().to_string())).collect()
}

pub(crate) fn agree(place: &str, found: &[f64], exact: &[f64]) {
    assert_eq!(found.len(), exact.len(), "{place}");
    let error = |(found, exact): (&f64, &f64)| {
        let error = (found - exact).abs() / (1.0 + exact.abs());
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let worst = found.iter().zip(exact).map(error).fold(0.0, f64::max);
    assert!(worst < 1e-5, "{place}: off by {worst:e}");
}

/// Trains the network on three batches, the last one ragged: a few examples, some more, several vectors of them, and so many
/// that the kernels are cut into pieces.
pub(crate) fn check(
    name: &str,
    network: fn() -> Model,
    loss: Loss,
    optimizers: &[Optimizer],
    [l1, l2]: [f32; 2],
) {
    for &optimizer in optimizers {
        check_objective(name, network, &Objective { l1, l2, ..Objective::new(loss, optimizer, 5) });
    }
}

pub(crate) fn check_objective(name: &str, network: fn() -> Model, objective: &Objective) {
    for (batch, examples) in [(5, 13), (9, 21), (20, 47), (300, 800)] {
        let job = Job::new(network(), objective, examples);
        job.check(&format!("{name} {:?}", objective.optimizer), batch);
    }
}
