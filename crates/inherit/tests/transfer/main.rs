//! What children take over from parents.

mod deepening;
mod merging;
mod networks;
mod sizes;

use base::Diagnostics;
use graph::{Graph, evaluate};
use inherit::transfer::{Action, Rename, Transfer, Wishes, transfer};
use networks::{Build, CNN, Cnn, Net, branches, cnn, table, words};
use tensor::{Random, Tensor};

fn plan(child: &Net, parent: &Net) -> Result<Transfer, Diagnostics> {
    transfer(child.network(), parent.network(), "parent@1", &Wishes::default())
}

fn planned(child: &Net, parent: &Net) -> Transfer {
    plan(child, parent).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn action(transfer: &Transfer, name: &str) -> Action {
    transfer.plan.tensors.iter().find(|tensor| tensor.name == name).expect(name).action
}

fn value<'t>(transfer: &'t Transfer, name: &str) -> &'t Tensor {
    &transfer.tensors.iter().find(|(known, _)| known == name).expect(name).1
}

/// The prediction for some random examples.
fn predict(graph: &Graph, lengths: &[usize]) -> Vec<f64> {
    let (count, random) = (3 * lengths.iter().product::<usize>(), Random::new(9, "examples"));
    let values: Vec<f32> = (0..count as u64).map(|index| random.normal(0, index)).collect();
    let mut shape = vec![3];
    shape.extend(lengths);
    let outputs = evaluate(graph, &[Tensor::new(shape, values)]).unwrap_or_else(|error| panic!("{error}"));
    outputs[0].to_f64()
}

fn greatest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn the_same_network_is_copied_whole() {
    let (child, parent) = (cnn(&Cnn { seed: 2, ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    assert!(made.plan.tensors.iter().all(|tensor| tensor.action == Action::Copied), "{:?}", made.plan);
    assert_eq!(made.plan.inherited_share, 1.0);
    assert_eq!(made.plan.left_behind, [""; 0]);
    assert_eq!(predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
}

#[test]
fn classes_keep_their_rows_by_name() {
    let (child, parent) = (cnn(&Cnn { seed: 2, labels: "three two zero", ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "head.weight"), Action::RowsByClassName);
    let (weight, before, start) =
        (value(&made, "head.weight"), parent.tensor("head.weight"), child.tensor("head.weight"));
    let (weight, before, start) = (weight.values::<f32>(), before.values::<f32>(), start.values::<f32>());
    for input in 0..6 {
        let (at, row) = (input * 3, &weight[input * 3..input * 3 + 3]);
        assert_eq!(row, [start[at], before[at + 2], before[at]]);
    }
    let head = made.plan.tensors.iter().find(|tensor| tensor.name == "head.bias").unwrap();
    let rows: Vec<_> = head.rows.iter().map(|row| (row.class.as_str(), row.from.as_deref())).collect();
    assert_eq!(rows, [("three", None), ("two", Some("two")), ("zero", Some("zero"))]);
    assert_eq!((head.parameters, head.inherited), (3, 2));
}

#[test]
fn another_order_of_classes_is_told() {
    let (child, parent) = (cnn(&Cnn { seed: 2, labels: "two one zero", ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "head.bias"), Action::RowsByClassName);
    assert!(made.plan.differences[0].contains("another order"), "{:?}", made.plan.differences);
    let (after, before) =
        (predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
    let turned: Vec<f64> = before.chunks(3).flat_map(|row| row.iter().rev().copied()).collect();
    assert_eq!(after, turned);
}

#[test]
fn features_keep_their_columns_by_name() {
    let (child, parent) = (table(2, "height age weight", "no yes"), table(1, "age height", "no yes"));
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "hidden.weight"), Action::ColumnsByFeatureName);
    let (weight, before) = (value(&made, "hidden.weight"), parent.tensor("hidden.weight"));
    assert_eq!(
        weight.values::<f32>()[..10],
        [&before.values::<f32>()[5..], &before.values::<f32>()[..5]].concat()
    );
    assert_eq!(weight.values::<f32>()[10..], child.tensor("hidden.weight").values::<f32>()[10..]);
    assert_eq!(action(&made, "head.weight"), Action::Copied);
}

#[test]
fn scrambled_names_are_found_by_structure() {
    let parent = cnn(&CNN);
    // Fresh names, and names that belong to other tensors of the parent.
    for names in [["a", "b", "c", "d"], ["conv1", "norm1", "head", "hidden"]] {
        let child = cnn(&Cnn { seed: 2, names, ..CNN });
        let made = planned(&child, &parent);
        assert!(made.plan.tensors.iter().all(|tensor| tensor.action == Action::Copied), "{:#?}", made.plan);
        assert_eq!(predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
    }
    let parent = branches([1, 3], ["small", "large"], [0, 1], "a b");
    let child = branches([1, 3], ["p", "q"], [1, 0], "a b");
    let made = planned(&child, &parent);
    assert_eq!(value(&made, "q.weight"), parent.tensor("large.weight"));
    assert_eq!(made.plan.inherited_share, 1.0);
}

#[test]
fn structure_holds_before_another_head() {
    let parent = branches([1, 3], ["small", "large"], [0, 1], "a b");
    let child = branches([1, 3], ["p", "q"], [1, 0], "c b a");
    let made = planned(&child, &parent);
    assert_eq!(value(&made, "q.weight"), parent.tensor("large.weight"));
    assert_eq!(action(&made, "head.weight"), Action::RowsByClassName);
}

#[test]
fn interchangeable_branches_are_refused_with_their_candidates() {
    let parent = branches([3, 3], ["left", "right"], [0, 1], "a b");
    let child = branches([3, 3], ["p", "q"], [0, 1], "a b");
    let problems = plan(&child, &parent).unwrap_err();
    assert_eq!(problems.0.len(), 2, "one for the weights, one for the biases: {problems:?}");
    let text = &problems.0[0].message;
    assert!(["`p.", "`q.", "`left.", "`right."].iter().all(|name| text.contains(name)), "{text}");
    // A rule decides, and so does starting anew.
    let rules = vec![Rename::new("p", "right").unwrap(), Rename::new("q", "left").unwrap()];
    let made = transfer(
        child.network(),
        parent.network(),
        "parent@1",
        &Wishes { rename: rules, ..Wishes::default() },
    );
    assert_eq!(value(&made.unwrap(), "p.weight"), parent.tensor("right.weight"));
    let fresh = words("p q");
    let made =
        transfer(child.network(), parent.network(), "parent@1", &Wishes { fresh, ..Wishes::default() })
            .unwrap();
    assert_eq!(action(&made, "p.weight"), Action::Fresh);
    // With the same names there is nothing to decide.
    assert_eq!(
        planned(&branches([3, 3], ["right", "left"], [0, 1], "a b"), &parent).plan.inherited_share,
        1.0
    );
}

#[test]
fn nothing_is_taken_by_shape_alone() {
    // The same shapes of tensors, in another network under other names.
    let deeper = |names: [&str; 3], activation: &str| {
        let (mut build, x) = Build::new(5, &[4]);
        let a = build.dense(names[0], x, 4);
        let a = build.op("first", activation, &[a]);
        let b = build.dense(names[1], a, 4);
        let b = build.op("second", "Tanh", &[b]);
        let logits = build.dense(names[2], b, 2);
        build.finish(logits, "a b", "p q r s")
    };
    let made = planned(&deeper(["u", "v", "w"], "Sigmoid"), &deeper(["a", "b", "c"], "Relu"));
    // From the input to the first layer the two are the same; what comes behind another activation is not.
    let taken: Vec<&str> = made
        .plan
        .tensors
        .iter()
        .filter(|tensor| tensor.inherited > 0)
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert_eq!(taken, ["u.weight", "u.bias"]);
}

#[test]
fn wider_layers_compute_the_same() {
    let parent = cnn(&CNN);
    let child = cnn(&Cnn { seed: 2, filters: 7, hidden: 13, ..CNN });
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "conv1.weight"), Action::Widened);
    assert_eq!(action(&made, "norm1.running_variance"), Action::Widened);
    assert_eq!(action(&made, "head.bias"), Action::Copied);
    assert_eq!(made.plan.inherited_share, 1.0);
    let (after, before) =
        (predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
    assert!(greatest_difference(&after, &before) < 1e-6, "{after:?} {before:?}");
}

#[test]
fn narrower_layers_keep_their_strongest_units() {
    let made = planned(&cnn(&Cnn { seed: 2, hidden: 3, ..CNN }), &cnn(&CNN));
    assert_eq!(action(&made, "hidden.weight"), Action::Narrowed);
    assert_eq!(action(&made, "head.weight"), Action::Narrowed);
    assert_eq!(made.plan.inherited_share, 1.0);
}

#[test]
fn larger_kernels_of_padded_layers_compute_the_same() {
    let (child, parent) = (cnn(&Cnn { seed: 2, kernel: 5, ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "conv1.weight"), Action::Resized);
    let (after, before) =
        (predict(&child.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
    assert!(greatest_difference(&after, &before) < 1e-6);
    assert!(made.plan.differences.iter().any(|text| text.contains("pads")), "{:?}", made.plan.differences);
}

#[test]
fn colour_answers_to_grey_as_grey_did() {
    let (child, parent) = (cnn(&Cnn { seed: 2, channels: 3, ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "conv1.weight"), Action::Converted);
    let grey = Tensor::new([1, 1, 8, 8], (0..64).map(|pixel| (pixel % 7) as f32).collect::<Vec<_>>());
    let colour = Tensor::new([1, 3, 8, 8], grey.values::<f32>().repeat(3));
    let of = |graph: &Graph, input: Tensor| evaluate(graph, &[input]).unwrap()[0].to_f64();
    let (after, before) = (of(&child.with(&made.tensors), colour.clone()), of(&parent.graph, grey.clone()));
    assert!(greatest_difference(&after, &before) < 1e-5);
    let back = planned(&cnn(&CNN), &child);
    assert_eq!(action(&back, "conv1.weight"), Action::Converted);
}

#[test]
fn images_of_another_size_keep_the_dense_layer_behind_them() {
    let made = planned(&cnn(&Cnn { seed: 2, size: 6, ..CNN }), &cnn(&CNN));
    assert_eq!(action(&made, "hidden.weight"), Action::Converted);
    assert_eq!(made.plan.inherited_share, 1.0);
    let sum = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
    let parent = cnn(&CNN);
    let (after, before) = (value(&made, "hidden.weight"), parent.tensor("hidden.weight"));
    assert!((sum(after.values::<f32>()) - sum(before.values::<f32>())).abs() < 1e-4);
}

#[test]
fn an_answer_of_another_kind_is_refused() {
    let child = table(2, "age height", "no yes");
    let parent = Net { labels: Vec::new(), ..table(1, "age height", "no yes") };
    let made = planned(&child, &parent);
    assert_eq!(action(&made, "head.weight"), Action::Refused);
    assert_eq!(action(&made, "hidden.weight"), Action::Copied);
    assert_eq!(made.plan.refusals().0.len(), 2);
}

#[test]
fn classes_that_look_alike_are_refused() {
    let (child, parent) = (cnn(&Cnn { labels: "Zero one two", ..CNN }), cnn(&CNN));
    assert_eq!(plan(&child, &parent).unwrap_err().0[0].code, "classes-alike");
}

#[test]
fn a_plan_knows_whether_it_came_true() {
    let (child, parent) = (cnn(&Cnn { seed: 2, ..CNN }), cnn(&CNN));
    let made = planned(&child, &parent);
    assert_eq!(made.plan.check(&made.tensors, None), Ok(()));
    let mut other = made.tensors.clone();
    let mut bits = other[0].1.values::<f32>().to_vec();
    bits[0] = f32::from_bits(bits[0].to_bits() ^ 1);
    other[0].1 = Tensor::new(other[0].1.shape(), bits);
    assert_eq!(made.plan.check(&other, None), Err(vec!["conv1.weight".to_owned()]));
    assert_eq!(made.plan.check(&other, Some(&|name: &str| name.starts_with("norm1"))), Ok(()));
}

#[test]
fn plans_are_the_same_every_time() {
    let (child, parent) = (cnn(&Cnn { seed: 2, filters: 9, ..CNN }), cnn(&CNN));
    let text = || serde_json::to_string(&planned(&child, &parent).plan).unwrap();
    assert_eq!(text(), text());
}
