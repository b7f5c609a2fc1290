//! Steps that compute several nodes at once, against the nodes computed one by one in `f64`.

use engine::{Feed, Level, Loss, Objective, Options, Predictor, Rows, Targets};
use graph::ValueId;
use tensor::{DType, Random, Tensor};

use crate::jobs::{ADAM, DESCENT, Job, Model, OPTIMIZERS, check};
use crate::reference;

/// A convolution of 3x3 that keeps the lengths of its maps, without bias.
fn conv(model: &mut Model, x: ValueId, from: usize, to: usize, stride: i64) -> ValueId {
    let w = model.weight(&[to, from, 3, 3], 0.0);
    model.op("Conv", &[x, w], &[("pads", [1, 1, 1, 1].into()), ("strides", [stride, stride].into())])
}

/// Convolution, normalisation and ReLU.
fn rectified(model: &mut Model, x: ValueId, from: usize, to: usize, stride: i64) -> ValueId {
    let x = conv(model, x, from, to, stride);
    let x = model.batch_norm(x, to);
    model.op("Relu", &[x], &[])
}

/// A residual network: pooling behind a normalisation, a block that adds its input, one that adds a convolution of it.
fn residual() -> Model {
    let (mut model, x) = Model::new(&[2, 8, 8]);
    let x = rectified(&mut model, x, 2, 4, 1);
    let window = [("kernel_shape", [3, 3].into()), ("strides", [2, 2].into()), ("pads", [1, 1, 1, 1].into())];
    let x = model.op("MaxPool", &[x], &window); // [batch, 4, 4, 4]
    let y = rectified(&mut model, x, 4, 4, 1);
    let y = conv(&mut model, y, 4, 4, 1);
    let y = model.batch_norm(y, 4);
    let sum = model.op("Add", &[y, x], &[]);
    let x = model.op("Relu", &[sum], &[]);
    let y = rectified(&mut model, x, 4, 6, 2); // [batch, 6, 2, 2]
    let y = conv(&mut model, y, 6, 6, 1);
    let y = model.batch_norm(y, 6);
    let side = conv(&mut model, x, 4, 6, 2);
    let side = model.batch_norm(side, 6);
    let sum = model.op("Add", &[y, side], &[]);
    let x = model.op("Relu", &[sum], &[]);
    model.scores(x, 24)
}

/// The steps of a model's training plan for batches of `batch`.
fn plan(model: Model, batch: usize) -> String {
    let job = Job::new(model, &Objective::new(Loss::CrossEntropy, DESCENT, 5), batch);
    let options = Options { batch, threads: 1, level: Level::Portable };
    job.trainer(options).describe()
}

#[test]
fn residual_blocks() {
    check("residual", residual, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.01]);
    // Few examples, and a whole vector of them.
    for batch in [4, 16] {
        let plan = plan(residual(), batch);
        for step in [
            "batch norm 4, training + relu",
            "batch norm 4, training + add + relu",
            "batch norm 6, training + add + relu",
            "max pool gradient 4 + relu gradient",
            "add + relu gradient + batch norm gradient 4",
            "  relu gradient + batch norm gradient 4",
            "relu gradient + batch norm gradient 6",
        ] {
            assert!(plan.contains(step), "no {step} in\n{plan}");
        }
        for alone in [" Relu ", " ReluGrad ", " update GradientDescent x"] {
            assert!(!plan.contains(alone), "{alone} in\n{plan}");
        }
    }
}

/// Values that somebody else reads are not fused away.
#[test]
fn normalisations_with_several_readers() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 4, 4]);
        let x = conv(&mut model, x, 3, 4, 1);
        let y = model.batch_norm(x, 4);
        let doubled = model.op("Add", &[y, y], &[]);
        let a = model.op("Relu", &[doubled], &[]);
        let z = conv(&mut model, a, 4, 4, 1);
        let z = model.batch_norm(z, 4);
        let b = model.op("Relu", &[z], &[]);
        let c = model.op("Tanh", &[z], &[]);
        let sum = model.op("Add", &[b, c], &[]);
        let w = model.batch_norm(sum, 4);
        let d = model.op("Add", &[w, b], &[]);
        let x = model.op("Concat", &[a, d], &[("axis", 1.into())]);
        model.scores(x, 128)
    };
    check("readers", network, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.0]);
}

/// Two normalisations of one value, whose ReLUs are pooled. The convolution has stride 2, so it is computed directly:
/// where two numbers of a window are nearly equal, the last digits decide which of them learns.
#[test]
fn normalisations_of_one_value() {
    let network = || {
        let (mut model, x) = Model::new(&[2, 12, 12]);
        let x = conv(&mut model, x, 2, 3, 2); // [batch, 3, 6, 6]
        let (a, b) = (model.batch_norm(x, 3), model.batch_norm(x, 3));
        let (a, b) = (model.op("Relu", &[a], &[]), model.op("Relu", &[b], &[]));
        let a = model.op("GlobalMaxPool", &[a], &[]);
        let b = model.op("MaxPool", &[b], &[("kernel_shape", [2, 3].into())]); // [batch, 3, 5, 4]
        let [a, b] = [a, b].map(|x| model.op("Flatten", &[x], &[]));
        let x = model.op("Concat", &[a, b], &[("axis", 1.into())]);
        model.scores(x, 63)
    };
    check("one value", network, Loss::CrossEntropy, &[DESCENT], [0.0, 0.0]);
}

/// Weights that are large enough for an update of their own, right behind their gradient; one is read a second time.
#[test]
fn large_updates() {
    let network = || {
        let (mut model, x) = Model::new(&[4, 2, 2]);
        let w = model.weight(&[48, 4, 12, 12], 0.0);
        let wide = [("pads", [6, 6, 6, 6].into()), ("strides", [6, 6].into())];
        let a = model.op("Conv", &[x, w], &wide); // [batch, 48, 1, 1]
        let half = model.graph.constant("half", Tensor::scalar(0.01f32));
        let scaled = model.op("Mul", &[w, half], &[]);
        let b = model.op("Conv", &[x, scaled], &wide);
        let x = model.op("Add", &[a, b], &[]);
        let x = model.op("Tanh", &[x], &[]);
        model.scores(x, 48)
    };
    check("large", network, Loss::CrossEntropy, &OPTIMIZERS, [0.0, 0.01]);
}

/// Rectified units of which two of three are off for all examples.
fn rectified_units(model: &mut Model, x: ValueId) -> ValueId {
    let bias: Vec<f32> = (0..96).map(|unit| if unit % 3 == 1 { 0.2 } else { -9.0 }).collect();
    let (w, bias) = (model.weight(&[12, 96], 0.0), model.graph.constant("weight", Tensor::new([96], bias)));
    let x = model.op("Gemm", &[x, w, bias], &[]);
    model.op("Relu", &[x], &[])
}

#[test]
fn units_that_are_off() {
    // Nobody needs the gradient of what a ReLU has made zero, whatever lies between.
    let masked = || {
        let (mut model, x) = Model::new(&[12]);
        let x = rectified_units(&mut model, x);
        let maps = model.integers(&[-1, 6, 4, 4]);
        let x = model.op("Reshape", &[x, maps], &[]);
        let window = [("kernel_shape", [2, 2].into()), ("strides", [1, 2].into())];
        let x = model.op("MaxPool", &[x], &window); // [batch, 6, 3, 2]
        let x = model.op("Flatten", &[x], &[]);
        let x = model.dense(x, 36, 600);
        let x = model.op("Relu", &[x], &[]);
        model.scores(x, 600)
    };
    // What is zero because a factor is needs one.
    let needed = || {
        let (mut model, x) = Model::new(&[12]);
        let x = rectified_units(&mut model, x);
        let factors: Vec<f32> = (0..96).map(|unit| (unit % 2) as f32).collect();
        let factors = model.graph.constant("weight", Tensor::new([96], factors));
        let x = model.op("Mul", &[x, factors], &[]);
        let x = model.dense(x, 96, 300);
        let x = model.op("Tanh", &[x], &[]);
        model.scores(x, 300)
    };
    for penalties in [[0.0, 0.0], [0.01, 0.02]] {
        check("off", masked, Loss::CrossEntropy, &OPTIMIZERS, penalties);
        check("off by a factor", needed, Loss::CrossEntropy, &[DESCENT, ADAM], penalties);
    }
}

/// Functions written down with element-wise operators, there and back.
#[test]
fn gates_and_limits() {
    let gated = || {
        let (mut model, x) = Model::new(&[2, 6, 6]);
        let x = conv(&mut model, x, 2, 4, 1);
        let gate = model.op("Sigmoid", &[x], &[]);
        let x = model.op("Mul", &[x, gate], &[]);
        let [low, high, two] =
            [-0.2f32, 0.3, 2.0].map(|number| model.graph.constant("limit", Tensor::scalar(number)));
        let limited = model.op("Clip", &[x, low, high], &[]);
        let square = model.op("Pow", &[x, two], &[]);
        let (scale, shift) = (model.weight(&[4, 1, 1], 1.0), model.weight(&[4, 1, 1], 0.0));
        let x = model.op("Mul", &[square, scale], &[]);
        let x = model.op("Add", &[x, shift], &[]);
        let x = model.op("Sub", &[limited, x], &[]);
        let x = model.op("Flatten", &[x], &[]);
        let x = model.dense(x, 144, 20);
        let x = model.op("Tanh", &[x], &[]);
        model.scores(x, 20)
    };
    check("gates", gated, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.01]);
    let plan = plan(gated(), 32);
    for step in ["Mul + Add + Sub 144", "Pow + Mul + Mul 144", "Equal + Where + Add 144"] {
        assert!(plan.contains(step), "no {step} in\n{plan}");
    }
}

/// Given statistics, with what is added and the ReLU behind, at every level and for several batch sizes.
#[test]
fn inference() {
    let (mut model, x) = Model::new(&[3, 5, 4]);
    let y = model.batch_norm(x, 3);
    let sum = model.op("Add", &[x, y], &[]);
    let x = model.op("Relu", &[sum], &[]);
    let y = model.batch_norm(x, 3);
    let y = model.op("Relu", &[y], &[]);
    model.graph.outputs = vec![x, y];
    let rows: Vec<f32> = (0..37 * 60).map(|at| Random::new(3, "rows").uniform(0, at) - 0.5).collect();
    let inputs =
        [Tensor::new([37, 3, 5, 4], rows.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>())];
    let exact = model.graph.with_floats(DType::F64).unwrap();
    let values = reference::values(&exact, &inputs, 1).unwrap();
    for level in Level::available() {
        for (batch, threads) in [(1, 1), (5, 2), (37, 1), (37, 3)] {
            let mut predictor = Predictor::new(&model.graph, Options { batch, threads, level }).unwrap();
            let plan = predictor.describe();
            assert!(
                plan.contains("batch norm 3 + add + relu") && plan.contains("batch norm 3 + relu"),
                "{plan}"
            );
            let feed = Feed { rows: Rows::F32(&rows), row_len: 60, targets: Targets::None };
            let found = predictor.run(feed, &(0..37).collect::<Vec<u32>>()).unwrap();
            for (found, exact) in found.iter().zip(&exact.outputs) {
                let pairs = found.to_f64().into_iter().zip(values[exact].to_f64());
                let worst = pairs.map(|(found, exact)| (found - exact).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-6, "{level}, batch {batch}, {threads} threads: off by {worst:e}");
            }
        }
    }
}
