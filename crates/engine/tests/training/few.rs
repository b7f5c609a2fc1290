//! Networks trained on batches of a few examples, which have plans of their own: convolutions of every kind, and what stands
//! between them.

use engine::{Level, Loss, Objective, Optimizer, Options};
use graph::ValueId;
use tensor::Tensor;

use crate::jobs::{ADAM, DESCENT, Job, Model, OPTIMIZERS};

/// Trains the network on three batches, the last one ragged where that is possible, of one, two, three and four examples.
fn check(name: &str, network: fn() -> Model, optimizers: &[Optimizer], [l1, l2]: [f32; 2]) {
    for &optimizer in optimizers {
        let objective = Objective { l1, l2, ..Objective::new(Loss::CrossEntropy, optimizer, 5) };
        for (batch, examples) in [(1, 3), (2, 5), (3, 8), (4, 9)] {
            Job::new(network(), &objective, examples).check(&format!("{name} {optimizer:?}"), batch);
        }
    }
}

/// A convolution with bias.
fn conv(model: &mut Model, x: ValueId, shape: [usize; 4], pads: [i64; 4], strides: [i64; 2]) -> ValueId {
    model.conv(x, &shape, &[("pads", pads.into()), ("strides", strides.into())])
}

/// An activation of a tenth of `x`, which is a sum of many terms: where it does not saturate, gradients are no noise.
fn activation(model: &mut Model, op: &str, x: ValueId) -> ValueId {
    let tenth = model.graph.constant("tenth", Tensor::scalar(0.1f32));
    let x = model.op("Mul", &[x, tenth], &[]);
    model.op(op, &[x], &[])
}

#[test]
fn convolutions_with_strides_and_padding() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 13, 14]);
        let x = conv(&mut model, x, [20, 3, 5, 4], [2, 1, 1, 2], [2, 1]); // [batch, 20, 6, 14]
        let x = activation(&mut model, "Tanh", x);
        let x = conv(&mut model, x, [33, 20, 3, 3], [1, 1, 1, 1], [1, 2]); // [batch, 33, 6, 7]
        let x = activation(&mut model, "Sigmoid", x);
        let x = conv(&mut model, x, [16, 33, 1, 1], [0, 0, 0, 0], [2, 2]); // [batch, 16, 3, 4]
        let x = activation(&mut model, "Tanh", x);
        let x = conv(&mut model, x, [40, 16, 3, 3], [1, 1, 1, 1], [1, 1]); // [batch, 40, 3, 4]
        let x = activation(&mut model, "Sigmoid", x);
        let x = conv(&mut model, x, [5, 40, 2, 2], [0, 1, 1, 0], [3, 3]); // [batch, 5, 1, 2]
        model.scores(x, 10)
    };
    check("strides", network, &[DESCENT, ADAM], [0.0, 0.0]);
}

#[test]
fn convolutions_with_dilations_and_groups() {
    let network = || {
        let (mut model, x) = Model::new(&[2, 9, 10]);
        let apart = [("dilations", [2, 3].into()), ("pads", [2, 3, 2, 3].into())];
        let x = model.conv(x, &[18, 2, 3, 3], &apart); // [batch, 18, 9, 10]
        let x = activation(&mut model, "Tanh", x);
        let grouped = [("group", 3.into()), ("strides", [2, 2].into())];
        let x = model.conv(x, &[12, 6, 3, 3], &grouped); // [batch, 12, 4, 4]
        let x = activation(&mut model, "Tanh", x);
        let x = model.conv(x, &[9, 12, 2, 2], &[("dilations", [1, 2].into())]); // [batch, 9, 3, 2]
        model.scores(x, 54)
    };
    check("dilations", network, &OPTIMIZERS, [0.01, 0.1]);
}

#[test]
fn a_window_wider_than_its_map() {
    let network = || {
        let (mut model, x) = Model::new(&[9, 2, 2]);
        let x = conv(&mut model, x, [24, 9, 3, 3], [1, 1, 1, 1], [1, 1]);
        let x = activation(&mut model, "Tanh", x);
        let x = conv(&mut model, x, [17, 24, 5, 5], [3, 2, 2, 3], [1, 2]); // [batch, 17, 3, 2]
        model.scores(x, 102)
    };
    check("wide windows", network, &[DESCENT, ADAM], [0.0, 0.0]);
}

#[test]
fn convolutions_along_one_axis() {
    let network = || {
        let (mut model, x) = Model::new(&[4, 20]);
        let x = model.conv(x, &[18, 4, 5], &[("pads", [2, 2].into()), ("strides", [3].into())]); // [batch, 18, 7]
        let x = model.op("Relu", &[x], &[]);
        let x = model.conv(x, &[8, 18, 3], &[]); // [batch, 8, 5]
        model.scores(x, 40)
    };
    check("one axis", network, &[ADAM], [0.0, 0.0]);
}

#[test]
fn what_stands_between_convolutions() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 12, 12]);
        let w = model.weight(&[18, 3, 3, 3], 0.0);
        let x = model.op("Conv", &[x, w], &[("strides", [1, 2].into())]); // [batch, 18, 10, 5]
        let x = model.batch_norm(x, 18);
        let x = model.op("Relu", &[x], &[]);
        let window =
            [("kernel_shape", [3, 3].into()), ("strides", [2, 1].into()), ("pads", [1, 1, 1, 1].into())];
        let x = model.op("MaxPool", &[x], &window); // [batch, 18, 5, 5]
        let w = model.weight(&[18, 18, 3, 3], 0.0);
        let y = model.op("Conv", &[x, w], &[("pads", [1, 1, 1, 1].into())]);
        let y = model.batch_norm(y, 18);
        let y = model.op("Add", &[y, x], &[]);
        let y = model.op("Relu", &[y], &[]);
        let mean = [("kernel_shape", [2, 3].into()), ("pads", [1, 0, 0, 1].into())];
        let y = model.op("AveragePool", &[y], &mean); // [batch, 18, 5, 4]
        let y = conv(&mut model, y, [20, 18, 1, 1], [0, 0, 0, 0], [1, 1]);
        let y = activation(&mut model, "Relu", y);
        let y = model.op("GlobalAveragePool", &[y], &[]);
        let y = model.op("Flatten", &[y], &[]);
        model.scores(y, 20)
    };
    check("between", network, &[DESCENT, ADAM], [0.0, 0.01]);
}

/// Of many channels and few positions the weight is read from end to end, in pieces that are the same in every direction.
#[test]
fn more_weights_than_positions() {
    let network = || {
        let (mut model, x) = Model::new(&[128, 4, 3]);
        let x = conv(&mut model, x, [130, 128, 3, 3], [1, 1, 1, 1], [2, 2]); // [batch, 130, 2, 2]
        let x = activation(&mut model, "Relu", x);
        let x = conv(&mut model, x, [128, 130, 1, 1], [0, 0, 0, 0], [1, 1]);
        let x = activation(&mut model, "Tanh", x);
        let w = model.weight(&[40, 128, 2, 3], 0.0);
        let x = model.op("Conv", &[x, w], &[("pads", [1, 1, 0, 1].into())]); // [batch, 40, 2, 2]
        let x = activation(&mut model, "Relu", x);
        model.scores(x, 160)
    };
    check("many channels", network, &[DESCENT, ADAM], [0.0, 0.01]);
}

/// What is done to examples first is done as they are loaded, unless it is learned.
#[test]
fn examples_that_are_scaled() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 5, 5]);
        let offset = Tensor::new([3, 1, 1], vec![0.5f32, -0.25, 0.125]);
        let offset = model.graph.constant("offset", offset);
        let x = model.op("Sub", &[x, offset], &[]);
        let scale = model.graph.constant("scale", Tensor::scalar(0.75f32));
        let x = model.op("Div", &[x, scale], &[]);
        let learned = model.weight(&[3, 1, 1], 1.0);
        let x = model.op("Mul", &[x, learned], &[]);
        let x = conv(&mut model, x, [16, 3, 3, 3], [0, 0, 0, 0], [1, 1]); // [batch, 16, 3, 3]
        let x = activation(&mut model, "Tanh", x);
        model.scores(x, 144)
    };
    check("scaled", network, &[DESCENT], [0.0, 0.0]);
    let job = Job::new(network(), &Objective::new(Loss::CrossEntropy, DESCENT, 5), 2);
    let plan = job.trainer(Options { batch: 2, threads: 1, level: Level::Portable }).describe();
    assert!(plan.contains("load rows 75 + Sub + Div x"), "{plan}");
}

#[test]
fn dense_layers_behind_a_convolution() {
    let network = || {
        let (mut model, x) = Model::new(&[2, 6, 7]);
        let x = conv(&mut model, x, [5, 2, 3, 3], [0, 0, 0, 0], [1, 1]); // [batch, 5, 4, 5]
        let x = model.op("Relu", &[x], &[]);
        let x = model.op("Flatten", &[x], &[]);
        let x = model.dense(x, 100, 33);
        let x = activation(&mut model, "Relu", x);
        let (w, b) = (model.weight(&[48, 33], 0.0), model.weight(&[48], 0.0));
        let x = model.op("Gemm", &[x, w, b], &[("transB", 1.into())]);
        let x = model.op("Relu", &[x], &[]);
        let x = model.dense(x, 48, 1030);
        let x = activation(&mut model, "Relu", x);
        model.scores(x, 1030)
    };
    check("dense", network, &[DESCENT, ADAM], [0.0, 0.01]);
}

/// Layers of no more columns than a line of memory has numbers, and of more rows than whole vectors.
#[test]
fn narrow_dense_layers() {
    let network = || {
        let (mut model, x) = Model::new(&[150]);
        let means = (0..150).map(|feature| feature as f32 / 150.0).collect();
        let means = model.graph.constant("means", Tensor::new([150], means));
        let x = model.op("Sub", &[x, means], &[]);
        let x = model.dense(x, 150, 10);
        let x = activation(&mut model, "Relu", x);
        let x = model.dense(x, 10, 37);
        let x = activation(&mut model, "Tanh", x);
        let x = model.dense(x, 37, 16);
        let x = activation(&mut model, "Tanh", x);
        model.scores(x, 16)
    };
    check("narrow", network, &OPTIMIZERS, [0.0, 0.01]);
    for (batch, examples) in [(7, 17), (8, 16)] {
        let objective = Objective::new(Loss::CrossEntropy, ADAM, 5);
        Job::new(network(), &objective, examples).check("narrow, more examples", batch);
    }
}

/// Steps that are cut alike go on with what the same thread has made.
#[test]
fn threads_meet_only_where_they_exchange_something() {
    let (mut model, x) = Model::new(&[1024]);
    let x = model.dense(x, 1024, 512);
    let x = model.op("Relu", &[x], &[]);
    let x = model.dense(x, 512, 256);
    let x = model.op("Relu", &[x], &[]);
    let job = Job::new(model.scores(x, 256), &Objective::new(Loss::CrossEntropy, DESCENT, 5), 8);
    let plan = job.trainer(Options { batch: 8, threads: 1, level: Level::Portable }).describe();
    for part in [
        "  load rows 1024 x8\n  dense 1024x512 x8\n| sum of 8 parts + bias + relu x8\n  dense 512x256 x8\n| sum",
        "| dense backward 512x256: dx + dw + update x8\n  ReluGrad 512x1 x8\n  channel sum 512 x8\n| dense backward 1024x512",
    ] {
        assert!(plan.contains(part), "expected\n{part}\nin\n{plan}");
    }
}

/// The plans of these networks are those for few examples.
#[test]
fn few_examples_have_plans_of_their_own() {
    let network = || {
        let (mut model, x) = Model::new(&[3, 8, 8]);
        let x = conv(&mut model, x, [16, 3, 3, 3], [1, 1, 1, 1], [1, 1]);
        let x = model.op("Relu", &[x], &[]);
        let x = conv(&mut model, x, [16, 16, 3, 3], [1, 1, 1, 1], [1, 1]);
        let x = model.op("Relu", &[x], &[]);
        model.scores(x, 1024)
    };
    let many = || {
        let (mut model, x) = Model::new(&[128, 3, 3]);
        let x = conv(&mut model, x, [128, 128, 3, 3], [1, 1, 1, 1], [1, 1]);
        model.scores(x, 1152)
    };
    let job = Job::new(many(), &Objective::new(Loss::CrossEntropy, DESCENT, 5), 1);
    let plan = job.trainer(Options { batch: 1, threads: 1, level: Level::Portable }).describe();
    assert!(plan.contains("sum of 8 parts + bias x"), "{plan}");
    for (batch, few) in [(1, true), (8, true), (9, false)] {
        let job = Job::new(network(), &Objective::new(Loss::CrossEntropy, DESCENT, 5), batch);
        let plan = job.trainer(Options { batch, threads: 1, level: Level::Portable }).describe();
        for step in [
            "conv 16 to 16 3x3 at 8x8 + relu x",
            "conv 16 to 16 3x3 at 8x8 input gradient x",
            "conv 16 to 16 3x3 at 8x8 weight gradient + GradientDescent update x",
        ] {
            assert_eq!(plan.contains(step), few, "{step} for batches of {batch}, in\n{plan}");
        }
    }
}
