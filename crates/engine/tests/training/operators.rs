//! Networks of operators of every kind.

use engine::{Distillation, Loss, Objective, Pull, Treatment};
use tensor::{Random, Tensor};

use crate::jobs::{ADAM, CLASSES, DESCENT, Model, OPTIMIZERS, check, check_objective};

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

/// Units that are zero for all examples of a batch: single ones and all of a block, before layers of several widths.
#[test]
fn dense_layers_behind_units_that_are_off() {
    let network = || {
        let (mut model, x) = Model::new(&[5]);
        let mut x = model.dense(x, 5, 90);
        for (from, to) in [(90, 70), (70, 1070)] {
            let on = (0..from).map(|unit| f32::from(unit < 32 && unit % 3 > 0 || unit >= 64)).collect();
            let on = model.graph.constant("on", Tensor::new([1, from], on));
            x = model.op("Relu", &[x], &[]);
            x = model.op("Mul", &[x, on], &[]);
            x = model.dense(x, from, to);
        }
        model.scores(x, 1070)
    };
    check("off", network, Loss::CrossEntropy, &[OPTIMIZERS[1], ADAM], [0.0, 0.0]);
}

/// Wider than what the kernels work on together, and no multiple of it.
#[test]
fn wide_dense_layers() {
    let network = || {
        let (mut model, x) = Model::new(&[5]);
        let x = model.dense(x, 5, 26);
        let x = model.op("Tanh", &[x], &[]);
        let x = model.dense(x, 26, 1070);
        let x = model.op("Tanh", &[x], &[]);
        model.scores(x, 1070)
    };
    check("wide", network, Loss::CrossEntropy, &[OPTIMIZERS[1], ADAM], [0.0, 0.0]);
}

#[test]
fn maps_of_one_place_spread_over_more() {
    let network = || {
        let (mut model, x) = Model::new(&[2, 6, 6]);
        let x = model.conv(x, &[4, 2, 3, 3], &[]);
        let x = model.op("GlobalAveragePool", &[x], &[]); // [batch, 4, 1, 1]
        let shape = model.integers(&[4, 3, 2]);
        let x = model.op("Expand", &[x, shape], &[]); // [batch, 4, 3, 2]
        let x = model.conv(x, &[5, 4, 2, 2], &[]);
        model.scores(x, 10)
    };
    check("spread", network, Loss::CrossEntropy, &[DESCENT, ADAM], [0.0, 0.0]);
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
