//! Layers more than the parent has.

use graph::{Attribute, Attributes, ValueId};
use inherit::transfer::{Action, Transfer, Wishes, transfer};

use crate::networks::{Build, Net, words};
use crate::{action, greatest_difference, predict};

/// What stands in a [`net`] besides its two layers.
#[derive(Clone, Copy, Default)]
struct Deep {
    filters: usize,
    hidden: usize,
    /// A convolution, a normalisation and a ReLU behind the first ReLU.
    conv: bool,
    /// A normalisation between the first convolution and its ReLU.
    norm: bool,
    /// A dense layer and a ReLU behind the second ReLU.
    dense: bool,
}

const PLAIN: Deep = Deep { filters: 3, hidden: 5, conv: false, norm: false, dense: false };

/// Conv, ReLU, pooling, flatten, dense, ReLU, dense over grey images of 6 x 6, and what is asked for between.
fn net(seed: u64, of: Deep, labels: &str) -> Net {
    let (mut build, x) = Build::new(seed, &[1, 6, 6]);
    let mut x = build.conv("conv1", x, of.filters, 3);
    if of.norm {
        x = build.norm("norm1", x);
    }
    x = build.op("relu1", "Relu", &[x]);
    if of.conv {
        x = build.conv("conv1b", x, of.filters, 3);
        x = build.norm("norm1b", x);
        x = build.op("relu1b", "Relu", &[x]);
    }
    x = pool(&mut build, x);
    x = build.op("flatten", "Flatten", &[x]);
    x = build.dense("hidden", x, of.hidden);
    x = build.op("relu2", "Relu", &[x]);
    if of.dense {
        x = build.dense("hidden2", x, of.hidden);
        x = build.op("relu3", "Relu", &[x]);
    }
    let logits = build.dense("head", x, labels.split_whitespace().count());
    build.finish(logits, labels, "")
}

fn pool(build: &mut Build, x: ValueId) -> ValueId {
    let two = || Attribute::Ints(vec![2, 2]);
    let attributes = Attributes::from([("kernel_shape".to_owned(), two()), ("strides".to_owned(), two())]);
    build.graph.push("pool", "MaxPool", attributes, &[x]).expect("pool")
}

fn deepened(child: &Net, parent: &Net, identity: &str) -> Transfer {
    let wishes = Wishes { identity: words(identity), seed: 4, ..Wishes::default() };
    transfer(child.network(), parent.network(), "parent@1", &wishes)
        .unwrap_or_else(|error| panic!("{error:?}"))
}

#[test]
fn deeper_networks_compute_the_same() {
    let parent = net(1, PLAIN, "a b c");
    for (of, identity) in [
        (Deep { conv: true, ..PLAIN }, "conv1b norm1b"),
        (Deep { norm: true, ..PLAIN }, "norm1"),
        (Deep { dense: true, ..PLAIN }, "hidden2"),
        (Deep { conv: true, norm: true, dense: true, ..PLAIN }, "*1b norm1 hidden2"),
        // Deeper and wider at once: the copies go through the identity.
        (Deep { filters: 7, hidden: 11, conv: true, norm: true, dense: true }, "*1b norm1 hidden2"),
    ] {
        let child = net(2, of, "a b c");
        let made = deepened(&child, &parent, identity);
        assert!(made.plan.refusals().0.is_empty(), "{identity}: {:?}", made.plan.refusals());
        let deep: Vec<&str> = made
            .plan
            .tensors
            .iter()
            .filter(|tensor| tensor.action == Action::Deepened)
            .map(|tensor| tensor.name.as_str())
            .collect();
        assert!(!deep.is_empty() && deep.iter().all(|name| !parent.tensors.contains(&(*name).to_owned())));
        assert!(!made.plan.tensors.iter().any(|tensor| tensor.action == Action::Fresh));
        let (after, before) =
            (predict(&child.with(&made.tensors), &[1, 6, 6]), predict(&parent.graph, &[1, 6, 6]));
        assert!(greatest_difference(&after, &before) < 1e-6, "{identity}: {after:?} {before:?}");
    }
}

#[test]
fn a_deeper_child_may_have_other_classes() {
    let (child, parent) = (net(2, Deep { conv: true, ..PLAIN }, "c a"), net(1, PLAIN, "a b c"));
    let made = deepened(&child, &parent, "conv1b norm1b");
    assert_eq!(action(&made, "head.weight"), Action::RowsByClassName);
    let (after, before) =
        (predict(&child.with(&made.tensors), &[1, 6, 6]), predict(&parent.graph, &[1, 6, 6]));
    let kept: Vec<f64> = before.chunks(3).flat_map(|row| [row[2], row[0]]).collect();
    assert!(greatest_difference(&after, &kept) < 1e-6);
}

#[test]
fn nothing_is_an_identity_unasked() {
    let (child, parent) = (net(2, Deep { conv: true, ..PLAIN }, "a b"), net(1, PLAIN, "a b"));
    assert_eq!(action(&deepened(&child, &parent, ""), "conv1b.weight"), Action::Fresh);
}

#[test]
fn what_cannot_be_the_identity_is_refused_with_its_reason() {
    let parent = net(1, PLAIN, "a b");
    let reason = |child: &Net, layer: &str| {
        let refused = deepened(child, &parent, layer).plan.refusals();
        let text = refused.0.first().unwrap_or_else(|| panic!("{layer} is not refused")).message.clone();
        assert!(text.contains("cannot start as the identity"), "{text}");
        text
    };
    // Other units than inputs.
    assert!(reason(&net(2, PLAIN, "a b"), "hidden").contains("square"));
    assert!(reason(&net(2, PLAIN, "a b"), "conv1").contains("keeps the shape"));
    // An activation that would be done twice, and a ReLU over what can be below 0.
    let with = |activation: &str, before: &str| {
        let (mut build, x) = Build::new(2, &[1, 6, 6]);
        let x = build.conv("conv1", x, 3, 3);
        let x = build.op("first", before, &[x]);
        let x = build.conv("conv1b", x, 3, 3);
        let x = build.op("second", activation, &[x]);
        let x = pool(&mut build, x);
        let x = build.op("flatten", "Flatten", &[x]);
        let logits = build.dense("head", x, 2);
        build.finish(logits, "a b", "")
    };
    assert!(reason(&with("Tanh", "Relu"), "conv1b").contains("Tanh comes behind it"));
    assert!(reason(&with("Relu", "Tanh"), "conv1b").contains("below 0"));
    let unknown = Wishes { identity: words("conv9"), ..Wishes::default() };
    let child = with("Relu", "Relu");
    let problems = transfer(child.network(), parent.network(), "parent@1", &unknown).unwrap_err();
    assert_eq!(problems.0[0].code, "unknown-tensor");
}
