//! Models that are merged, and models that cannot be.

use inherit::merge::{Member, Method, merge};

use crate::networks::{Build, CNN, Cnn, Net, branches, cnn, table};
use crate::{greatest_difference, predict};

fn member<'n>(name: &'n str, net: &'n Net) -> Member<'n> {
    Member { name, network: net.network() }
}

fn even(count: usize) -> Method<'static> {
    Method::Average { weights: vec![1.0; count] }
}

/// The difference that a refusal names.
fn difference(first: &Net, other: &Net) -> String {
    let problems = merge(&[member("a@1", first), member("b@1", other)], &even(2)).unwrap_err();
    assert_eq!(problems.0[0].code, "models-do-not-align");
    problems.0[0].message.clone()
}

#[test]
fn soups_are_means_and_their_statistics_too() {
    let nets = [cnn(&CNN), cnn(&Cnn { seed: 2, ..CNN })];
    let made = merge(&[member("a@1", &nets[0]), member("b@1", &nets[1])], &even(2)).unwrap();
    assert_eq!(made.statistics, ["norm1.running_mean", "norm1.running_variance"]);
    for (name, tensor) in &made.tensors {
        let values = nets.each_ref().map(|net| net.tensor(name).to_f64());
        for ((found, a), b) in tensor.to_f64().iter().zip(&values[0]).zip(&values[1]) {
            assert!((found - (a + b) / 2.0).abs() < 1e-7, "{name}");
        }
    }
    assert_eq!(made.tensors.len(), nets[0].tensors.len());
}

#[test]
fn a_model_merged_with_itself_answers_as_before() {
    let (parent, base) = (cnn(&CNN), cnn(&Cnn { seed: 2, ..CNN }));
    let twice = [member("a@1", &parent), member("a@2", &parent)];
    let base = member("base@1", &base);
    for method in [
        even(2),
        Method::Average { weights: vec![0.3, 2.0] },
        Method::TaskArithmetic { base, weights: vec![0.5, 0.5], scale: 1.0 },
        Method::Ties { base, density: 1.0, scale: 1.0 },
    ] {
        let made = merge(&twice, &method).unwrap();
        let (after, before) =
            (predict(&parent.with(&made.tensors), &[1, 8, 8]), predict(&parent.graph, &[1, 8, 8]));
        assert!(greatest_difference(&after, &before) < 1e-6, "{method:?}");
    }
}

#[test]
fn statistics_are_averaged_whatever_the_method() {
    let (parent, other, base) = (cnn(&CNN), cnn(&Cnn { seed: 2, ..CNN }), cnn(&Cnn { seed: 3, ..CNN }));
    let models = [member("a@1", &parent), member("b@1", &other)];
    let mean = merge(&models, &even(2)).unwrap();
    let base = member("base@1", &base);
    let sum = Method::TaskArithmetic { base, weights: vec![-3.0, 1.0], scale: 1.0 };
    let of = |made: &inherit::merge::Merged, name: &str| {
        made.tensors.iter().find(|(known, _)| known == name).unwrap().1.clone()
    };
    let name = "norm1.running_variance";
    assert_eq!(of(&merge(&models, &sum).unwrap(), name), of(&mean, name));
}

#[test]
fn the_same_network_under_other_names_and_in_another_order_is_merged() {
    let parent = branches([1, 3], ["small", "large"], [0, 1], "a b");
    let child = branches([1, 3], ["p", "q"], [1, 0], "a b");
    let made = merge(&[member("a@1", &parent), member("b@1", &child)], &even(2)).unwrap();
    assert_eq!(made.counterparts[1]["large.weight"], "q.weight");
    // Both were made with the same seed but for the names, so the mean of the head is the head.
    let head = made.tensors.iter().find(|(name, _)| name == "head.bias").unwrap();
    assert_eq!(&head.1, parent.tensor("head.bias"));
}

#[test]
fn what_is_not_the_same_network_is_refused_with_the_first_difference() {
    let of = |of: Cnn| cnn(&of);
    let plain = cnn(&CNN);
    for (other, words) in [
        (of(Cnn { labels: "zero two one", ..CNN }), ["class 2 is `one` in a@1", "`two` in b@1"]),
        (of(Cnn { labels: "zero one two three", ..CNN }), ["a@1 has 3 classes", "b@1 has 4"]),
        (
            of(Cnn { filters: 5, ..CNN }),
            ["`conv1.weight` is float32[4, 1, 3, 3] in a@1", "float32[5, 1, 3, 3] in b@1"],
        ),
        (of(Cnn { kernel: 5, ..CNN }), ["`conv1`: pads is [1, 1, 1, 1] in a@1", "[2, 2, 2, 2] in b@1"]),
        (of(Cnn { hidden: 7, ..CNN }), ["`hidden.weight` is float32[64, 6] in a@1", "[64, 7] in b@1"]),
        (of(Cnn { channels: 3, ..CNN }), ["the input is float32[batch, 1, 8, 8] in a@1", "[batch, 3, 8, 8]"]),
    ] {
        let text = difference(&plain, &other);
        assert!(words.iter().all(|words| text.contains(words)), "{text}");
    }
    let activation = |op: &str| {
        let (mut build, x) = Build::new(1, &[2]);
        let x = build.dense("hidden", x, 3);
        let x = build.op("act", op, &[x]);
        let logits = build.dense("head", x, 2);
        build.finish(logits, "no yes", "age height")
    };
    let text = difference(&activation("Relu"), &activation("Tanh"));
    assert!(text.contains("`act` is Relu in a@1") && text.contains("Tanh, in b@1"), "{text}");
    let text = difference(&table(1, "age height", "no yes"), &table(1, "height age", "no yes"));
    assert!(text.contains("input feature 1 is `age` in a@1"), "{text}");
    // A layer more, under a name of its own.
    let deeper = {
        let (mut build, x) = Build::new(1, &[2]);
        let x = build.dense("hidden", x, 3);
        let x = build.op("act", "Relu", &[x]);
        let x = build.dense("more", x, 3);
        let logits = build.dense("head", x, 2);
        build.finish(logits, "no yes", "age height")
    };
    let text = difference(&activation("Relu"), &deeper);
    assert!(text.contains("`head.weight`"), "{text}");
    let ambiguous = branches([3, 3], ["left", "right"], [0, 1], "a b");
    let text = difference(&ambiguous, &branches([3, 3], ["p", "q"], [0, 1], "a b"));
    assert!(text.contains("does not tell them apart"), "{text}");
}

#[test]
fn numbers_beyond_what_a_tensor_holds_are_refused() {
    let (parent, base) = (cnn(&CNN), cnn(&Cnn { seed: 2, ..CNN }));
    let method = Method::TaskArithmetic { base: member("base@1", &base), weights: vec![1e300], scale: 1.0 };
    let problems = merge(&[member("a@1", &parent)], &method).unwrap_err();
    assert_eq!(problems.0[0].code, "merge-overflow");
}
