//! Small networks trained for a few steps on the engine, against the same training graph computed in `f64` by the
//! references: every state agrees after every run, whatever the level, the threads, and the size of the last batch.

use engine::{
    Distillation, Feed, Flow, Level, Loss, Objective, Optimizer, Options, Pull, Rows, Targets, Trainer,
    TrainingGraph, Treatment, training_graph,
};
use graph::{Attribute, Attributes, Graph, ValueId, ValueType};
use tensor::{DType, Random, Shape, Tensor};

mod reference;

const RATE: f32 = 0.01;
const CLASSES: usize = 3;

const ADAM: Optimizer = Optimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weight_decay: 0.0 };
const DESCENT: Optimizer = Optimizer::GradientDescent;
const OPTIMIZERS: [Optimizer; 5] = [
    DESCENT,
    Optimizer::Momentum { momentum: 0.9, nesterov: false },
    Optimizer::Momentum { momentum: 0.8, nesterov: true },
    ADAM,
    Optimizer::Adam { beta1: 0.8, beta2: 0.9, epsilon: 1e-4, weight_decay: 0.1 },
];

/// A model that is being written down. Constants whose names start with `weight` are trained.
struct Model {
    graph: Graph,
}

impl Model {
    /// A model of examples of the lengths `dims`, and its input.
    fn new(dims: &[usize]) -> (Self, ValueId) {
        let mut graph = Graph::new("model");
        let input = graph.input("examples", ValueType::new(DType::F32, Shape::batched(dims)));
        (Model { graph }, input)
    }

    /// Uniform numbers around `centre`.
    fn weight(&mut self, shape: &[usize], centre: f32) -> ValueId {
        let block = self.graph.values().count() as u64;
        let random = Random::new(1, "weight");
        let count: usize = shape.iter().product();
        let values = (0..count).map(|index| centre + random.uniform(block, index as u64) - 0.5).collect();
        self.graph.constant("weight", Tensor::new(shape, values))
    }

    fn op(&mut self, op: &str, inputs: &[ValueId], attributes: &[(&str, Attribute)]) -> ValueId {
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.graph.push(op, op, attributes, inputs).unwrap()
    }

    fn integers(&mut self, values: &[i64]) -> ValueId {
        self.graph.constant("integers", Tensor::new([values.len()], values.to_vec()))
    }

    /// A convolution with bias; `shape` is that of its weight.
    fn conv(&mut self, x: ValueId, shape: &[usize], attributes: &[(&str, Attribute)]) -> ValueId {
        let (w, b) = (self.weight(shape, 0.0), self.weight(&shape[..1], 0.0));
        self.op("Conv", &[x, w, b], attributes)
    }

    fn dense(&mut self, x: ValueId, from: usize, to: usize) -> ValueId {
        let (w, b) = (self.weight(&[from, to], 0.0), self.weight(&[to], 0.0));
        self.op("Gemm", &[x, w, b], &[])
    }

    /// A dense layer without bias, for where a bias has no effect and its gradient is noise.
    fn unbiased(&mut self, x: ValueId, from: usize, to: usize) -> ValueId {
        let w = self.weight(&[from, to], 0.0);
        self.op("Gemm", &[x, w], &[])
    }

    /// Flattens what is `len` numbers per example and gives each class a score.
    fn scores(mut self, x: ValueId, len: usize) -> Self {
        let flat = self.op("Flatten", &[x], &[]);
        let scores = self.dense(flat, len, CLASSES);
        self.graph.outputs = vec![scores];
        self
    }

    fn batch_norm(&mut self, x: ValueId, channels: usize) -> ValueId {
        let (scale, bias) = (self.weight(&[channels], 1.0), self.weight(&[channels], 0.0));
        let zeros = Tensor::zeros(DType::F32, [channels]);
        let ones = Tensor::new([channels], vec![1f32; channels]);
        let mean = self.graph.constant("mean", zeros);
        let variance = self.graph.constant("variance", ones);
        self.op("BatchNormalization", &[x, scale, bias, mean, variance], &[("momentum", 0.8.into())])
    }
}

/// How a model is trained and on what.
struct Job {
    training: TrainingGraph,
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
    fn new(model: Model, objective: &Objective, examples: usize) -> Self {
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

    fn feed(&self) -> Feed<'_> {
        let targets = match (self.loss, &self.teacher) {
            (Loss::CrossEntropy, Some((scores, known))) => {
                Targets::Taught { classes: &self.classes, scores, known: *known }
            }
            (Loss::CrossEntropy, None) => Targets::Classes(&self.classes),
            (Loss::MeanSquaredError, _) => Targets::Values(&self.values),
        };
        Feed { rows: Rows::F32(&self.rows), row_len: self.row_len, targets }
    }

    fn order(&self) -> Vec<u32> {
        (0..self.classes.len() as u32).rev().collect()
    }

    /// The rows `chunk`, their targets and a teacher's scores, as the training graph takes them.
    fn inputs(&self, graph: &Graph, chunk: &[u32], step: u64) -> Vec<Tensor> {
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
    fn exact(&self, batch: usize) -> (Vec<f64>, Vec<(String, Tensor)>) {
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

    fn trainer(&self, options: Options) -> Trainer {
        Trainer::new(self.training.clone(), options).unwrap()
    }

    /// The losses of all steps and the state after them.
    fn trained(&self, options: Options) -> (Vec<f64>, Vec<(String, Tensor)>) {
        let (mut trainer, mut losses) = (self.trainer(options), Vec::new());
        trainer
            .run(self.feed(), &self.order(), self.first_step, RATE, &mut |report| {
                losses.push(f64::from(report.loss));
                Flow::Continue
            })
            .unwrap();
        (losses, trainer.state())
    }

    /// The state when the training was cut after the first batch and went on in another trainer.
    fn resumed(&self, options: Options) -> Vec<(String, Tensor)> {
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

    fn check(&self, name: &str, batch: usize) {
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
            for threads in [2, 3] {
                let (_, threaded) = self.trained(Options { threads, ..options });
                assert_eq!(digests(&threaded), digests(&found), "{place}: {threads} threads");
            }
        }
    }
}

fn digests(state: &[(String, Tensor)]) -> Vec<(&str, String)> {
    state.iter().map(|(name, tensor)| (name.as_str(), tensor.digest().to_string())).collect()
}

fn agree(place: &str, found: &[f64], exact: &[f64]) {
    assert_eq!(found.len(), exact.len(), "{place}");
    let error = |(found, exact): (&f64, &f64)| {
        let error = (found - exact).abs() / (1.0 + exact.abs());
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let worst = found.iter().zip(exact).map(error).fold(0.0, f64::max);
    assert!(worst < 1e-5, "{place}: off by {worst:e}");
}

/// Trains the network on three batches, the last one ragged: a few examples, several vectors of them, and so many
/// that the kernels are cut into pieces.
fn check(name: &str, network: fn() -> Model, loss: Loss, optimizers: &[Optimizer], [l1, l2]: [f32; 2]) {
    for &optimizer in optimizers {
        check_objective(name, network, &Objective { l1, l2, ..Objective::new(loss, optimizer, 5) });
    }
}

fn check_objective(name: &str, network: fn() -> Model, objective: &Objective) {
    for (batch, examples) in [(5, 13), (20, 47), (300, 800)] {
        let job = Job::new(network(), objective, examples);
        job.check(&format!("{name} {:?}", objective.optimizer), batch);
    }
}

#[test]
fn convolutions_and_pools_of_every_kind() {
    let network = || {
        let (mut model, x) = Model::new(&[2, 9, 8]);
        let attributes = [("strides", [2, 1].into()), ("pads", [1, 0, 1, 2].into())];
        let x = model.conv(x, &[4, 2, 3, 3], &attributes); // [batch, 4, 5, 8]
        let x = model.op("Relu", &[x], &[]);
        let window =
            [("kernel_shape", [3, 2].into()), ("strides", [1, 2].into()), ("pads", [1, 1, 1, 0].into())];
        let x = model.op("MaxPool", &[x], &window); // [batch, 4, 5, 4]
        let x = model.conv(x, &[6, 2, 2, 2], &[("group", 2.into()), ("dilations", [2, 1].into())]); // [batch, 6, 3, 3]
        let x = model.op("Tanh", &[x], &[]);
        let include = ("count_include_pad", 1.into());
        let x = model.op(
            "AveragePool",
            &[x],
            &[("kernel_shape", [2, 2].into()), ("pads", [1, 0, 0, 0].into()), include],
        );
        let x = model.op("Flatten", &[x], &[]); // [batch, 6 * 3 * 2]
        let x = model.dense(x, 36, 7);
        let x = model.op("Sigmoid", &[x], &[]);
        model.scores(x, 7)
    };
    check("convolutions", network, Loss::CrossEntropy, &OPTIMIZERS, [0.0, 0.0]);
}

#[test]
fn two_fused_convolutions_with_penalties() {
    let network = || {
        let (mut model, x) = Model::new(&[1, 12, 12]);
        let pool = [("kernel_shape", [2, 2].into()), ("strides", [2, 2].into())];
        let x = model.conv(x, &[4, 1, 3, 3], &[("pads", [1, 1, 1, 1].into())]); // [batch, 4, 12, 12]
        let x = model.op("Relu", &[x], &[]);
        let x = model.op("MaxPool", &[x], &pool); // [batch, 4, 6, 6]
        let x = model.conv(x, &[5, 4, 3, 3], &[]); // [batch, 5, 4, 4]
        let x = model.op("Relu", &[x], &[]);
        let x = model.op("MaxPool", &[x], &pool); // [batch, 5, 2, 2]
        model.scores(x, 20)
    };
    check("fused", network, Loss::CrossEntropy, &OPTIMIZERS, [0.01, 0.1]);
}

#[test]
fn batch_normalisation_of_maps_and_rows() {
    let network = || {
        let (mut model, x) = Model::new(&[2, 6, 6]);
        let w = model.weight(&[4, 2, 3, 3], 0.0);
        let x = model.op("Conv", &[x, w], &[]); // [batch, 4, 4, 4]
        let x = model.batch_norm(x, 4);
        let x = model.op("Relu", &[x], &[]);
        let x = model.op("GlobalAveragePool", &[x], &[]);
        let x = model.op("Flatten", &[x], &[]); // [batch, 4]
        let x = model.unbiased(x, 4, 6);
        let x = model.batch_norm(x, 6);
        model.scores(x, 6)
    };
    check("batch normalisation", network, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.01]);
}

#[test]
fn dropout_of_rows_and_maps() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 5]);
        let x = model.op("Flatten", &[x], &[]);
        let x = model.dense(x, 15, 11);
        let ratio = model.graph.constant("ratio", Tensor::scalar(0.3f32));
        let x = model.op("Dropout", &[x, ratio], &[]);
        let x = model.op("Tanh", &[x], &[]);
        let x = model.dense(x, 11, 9);
        let x = model.op("Relu", &[x], &[]);
        let x = model.op("Dropout", &[x], &[]);
        model.scores(x, 9)
    };
    check("dropout", network, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.0]);
}

#[test]
fn mean_squared_error_of_one_number() {
    let network = || {
        let (mut model, x) = Model::new(&[7]);
        let x = model.dense(x, 7, 10);
        let x = model.op("Tanh", &[x], &[]);
        let x = model.dense(x, 10, 1);
        model.graph.outputs = vec![x];
        model
    };
    check("mean squared error", network, Loss::MeanSquaredError, &OPTIMIZERS, [0.01, 0.0]);
}

#[test]
fn weights_that_lie_transposed() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 4, 4]);
        let x = model.op("GlobalMaxPool", &[x], &[]);
        let mut x = model.op("Flatten", &[x], &[]); // [batch, 3]
        for (from, to) in [(3, 40), (40, 9), (9, CLASSES)] {
            let (w, b) = (model.weight(&[to, from], 0.0), model.weight(&[to], 0.0));
            x = model.op("Gemm", &[x, w, b], &[("transB", 1.into())]);
            if to != CLASSES {
                x = model.op("Relu", &[x], &[]);
            }
        }
        model.graph.outputs = vec![x];
        model
    };
    check("transposed", network, Loss::CrossEntropy, &OPTIMIZERS, [0.0, 0.01]);
}

#[test]
fn features_that_part_and_join() {
    let network = || {
        let (mut model, x) = Model::new(&[4, 3]);
        let w = model.weight(&[4, 3], 1.0);
        let x = model.op("Mul", &[x, w], &[]);
        let turned = model.op("Transpose", &[x], &[("perm", [0, 2, 1].into())]); // [batch, 3, 4]
        let [zero, one, two, three] = [0, 1, 2, 3].map(|number| model.integers(&[number]));
        let head = model.op("Slice", &[turned, zero, one, one], &[]); // [batch, 1, 4]
        let tail = model.op("Slice", &[turned, one, three, one], &[]); // [batch, 2, 4]
        let shape = model.integers(&[2, 4]);
        let wide = model.op("Expand", &[head, shape], &[]); // [batch, 2, 4]
        let sum = model.op("Add", &[wide, tail], &[]);
        let picked = model.op("Gather", &[turned, two], &[("axis", 1.into())]); // [batch, 1, 4]
        let x = model.op("Concat", &[sum, head, picked, tail], &[("axis", 1.into())]); // [batch, 6, 4]
        let x = model.op("LogSoftmax", &[x], &[]);
        model.scores(x, 24)
    };
    check("part and join", network, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.0]);
}

/// Zero is outside of the domain of these functions, or their slope there is infinite: lanes without an example must
/// not spoil the sums over all lanes.
#[test]
fn functions_that_are_not_defined_at_zero() {
    let network = || {
        let (mut model, x) = Model::new(&[6]);
        let w = model.weight(&[6], 2.0);
        let x = model.op("Mul", &[x, w], &[]);
        let [log, root] = ["Log", "Sqrt"].map(|op| model.op(op, &[x], &[]));
        let ratio = model.op("Div", &[log, x], &[]);
        let exponent = model.graph.constant("exponent", Tensor::scalar(-0.5f32));
        let power = model.op("Pow", &[x, exponent], &[]);
        let x = model.op("Concat", &[log, root, ratio, power], &[("axis", 1.into())]);
        model.scores(x, 24)
    };
    check("domains", network, Loss::CrossEntropy, &[DESCENT], [0.0, 0.0]);
}

/// Values that depend on all examples: their gradients come back to lanes.
#[test]
fn reductions_over_the_examples() {
    let network = || {
        let (mut model, x) = Model::new(&[5]);
        let x = model.unbiased(x, 5, 6);
        let axes = model.integers(&[0]);
        let mean = model.op("ReduceMean", &[x, axes], &[]); // [1, 6]
        let centred = model.op("Sub", &[x, mean], &[]);
        let sum = model.op("ReduceSum", &[centred, axes], &[]);
        let most = model.op("ReduceMax", &[x, axes], &[]);
        let near = model.op("Sub", &[x, most], &[]);
        let share = model.op("Softmax", &[x], &[("axis", 0.into())]);
        let x = model.op("Concat", &[centred, near, share], &[("axis", 1.into())]);
        let x = model.dense(x, 18, 6);
        let x = model.op("Mul", &[x, x], &[]);
        let x = model.op("Add", &[x, sum], &[]);
        model.scores(x, 6)
    };
    check("reductions", network, Loss::CrossEntropy, &[DESCENT], [0.0, 0.0]);
}

#[test]
fn a_teacher_beside_the_targets() {
    let network = || {
        let (mut model, x) = Model::new(&[7]);
        let x = model.dense(x, 7, 10);
        let x = model.op("Relu", &[x], &[]);
        model.scores(x, 10)
    };
    for (temperature, classes) in [(1.0, vec![2, 0]), (2.5, vec![0, 1, 2])] {
        let distillation = Some(Distillation { weight: 0.7, temperature, classes });
        let objective = Objective { distillation, ..Objective::new(Loss::CrossEntropy, ADAM, 5) };
        check_objective("taught", network, &objective);
    }
}

/// Weights with rates of their own, drawn to anchors, some of which joined later; one lies transposed.
#[test]
fn weights_that_are_treated_apart() {
    let network = || {
        let (mut model, x) = Model::new(&[1, 6, 6]);
        let x = model.conv(x, &[4, 1, 3, 3], &[]); // [batch, 4, 4, 4]
        let x = model.op("Flatten", &[x], &[]);
        let (w, b) = (model.weight(&[9, 64], 0.0), model.weight(&[9], 0.0));
        let x = model.op("Gemm", &[x, w, b], &[("transB", 1.into())]);
        let x = model.op("Tanh", &[x], &[]);
        model.scores(x, 9)
    };
    let graph = network().graph;
    let uniform = |shape: &[usize], purpose: &str| {
        let values =
            (0..shape.iter().product::<usize>() as u64).map(|at| Random::new(3, purpose).uniform(0, at));
        Tensor::new(shape, values.collect())
    };
    let weights = graph.values().filter(|(_, value)| value.name.starts_with("weight")).enumerate();
    let treatments = weights.map(|(index, (_, value))| {
        let shape = value.ty.shape.lengths().unwrap();
        let pull = (index % 3 != 1)
            .then(|| Pull { anchor: uniform(&shape, "anchor"), strength: uniform(&shape, "strength") });
        let l2 = (index % 2 == 0).then_some(0.0);
        (value.name.clone(), Treatment { rate: 0.5 + index as f32, steps_before: index as u64 % 3, l2, pull })
    });
    let treatments: std::collections::BTreeMap<String, Treatment> = treatments.collect();
    for optimizer in OPTIMIZERS {
        let treatments = treatments.clone();
        let objective = Objective { treatments, l2: 0.1, ..Objective::new(Loss::CrossEntropy, optimizer, 5) };
        check_objective("apart", network, &objective);
    }
}
