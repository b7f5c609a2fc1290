//! What holds a child to its parent while it learns: distillation and its like, against plain calculations.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pipeline::{Event, Flow, RunOptions, RunReport, infer, load_model, read_inputs};
use store::Store;

use crate::support::{CONVOLUTIONAL, Project, idx, options};

/// A project with a trained parent, and `[data]` whose examples all are learnt from.
fn family() -> (Project, String) {
    let project = Project::new();
    let data = project.digits() + "split = { train = 1.0, validation = 0.0 }\n";
    project.run(&parent(&project, &data)).report();
    (project, data)
}

/// The parent's scheme; two of its examples of each class are left for children.
fn parent(project: &Project, data: &str) -> scheme::ResolvedScheme {
    let leaves = "train.leave={examples_per_class=2}";
    project.scheme(&format!("name = \"parent\"\n{data}{CONVOLUTIONAL}"), &[leaves])
}

/// A child's report. It begins where the parent stopped, but for the overrides.
fn child(project: &Project, data: &str, overrides: &[&str]) -> RunReport {
    let scheme = project
        .scheme(&format!("{data}{CONVOLUTIONAL}"), &[&["model.inherit='parent@1'"], overrides].concat());
    project.run(&scheme).report().clone()
}

/// One step over the whole training part, so small that the weights stay: its loss is that of the first weights.
const STILL: [&str; 2] = ["train.epochs=1", "train.optimizer={name='gradient_descent', learning_rate=1e-12}"];

/// The loss of the first weights.
fn first_loss(project: &Project, data: &str, overrides: &[&str]) -> f64 {
    child(project, data, &[&STILL, overrides].concat()).epochs[0].train_loss
}

/// The probabilities that a model gives for the training images.
fn probabilities(project: &Project, model: &str) -> Vec<Vec<f64>> {
    let model = load_model(&Store::open(&project.store()).unwrap(), model).unwrap();
    let inputs = read_inputs(&model, &[project.path("train-images")]).unwrap();
    let answers = infer(&model, &inputs, 1).unwrap();
    let each =
        |answer: &pipeline::Prediction| answer.probabilities.iter().map(|(_, p)| f64::from(*p)).collect();
    answers.iter().map(each).collect()
}

/// `softmax(ln p / T)` over some classes.
fn soften(p: &[f64], classes: &[usize], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = classes.iter().map(|&class| p[class].powf(1.0 / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[test]
fn the_parents_answers_count_by_class_name() {
    let (project, data) = family();
    // Known to the parent are c and a, in another order and among others.
    let data = data.replace("[\"a\", \"b\", \"c\"]", "[\"c\", \"new\", \"a\"]");
    let fresh = ["model.fresh=['output']"];
    let loss = |more: &[&str]| first_loss(&project, &data, &[&fresh, more].concat());
    let plain = loss(&[]);
    let teacher = probabilities(&project, "parent");
    let student = probabilities(&project, "small");
    let expect = |weight: f64, temperature: f64| {
        let divergence = |(teacher, student): (&Vec<f64>, &Vec<f64>)| -> f64 {
            let (p, q) = (soften(teacher, &[2, 0], temperature), soften(student, &[0, 2], temperature));
            p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum()
        };
        let sum: f64 = teacher.iter().zip(&student).map(divergence).sum();
        plain + weight * temperature.powi(2) * sum / teacher.len() as f64
    };
    for (weight, temperature) in [(1.0, 2.0), (0.25, 1.0), (3.0, 4.0)] {
        let setting = format!("train.distill={{weight={weight:?}, temperature={temperature:?}}}");
        let (found, expect) = (loss(&[&setting]), expect(weight, temperature));
        assert!((found - expect).abs() < 1e-5 * expect.abs(), "{setting}: {found} {expect}");
    }
    // Where the rows are inherited by name as well, the child agrees with the parent from the beginning.
    let gap = first_loss(&project, &data, &["train.distill={}"]) - first_loss(&project, &data, &[]);
    assert!(gap.abs() < 1e-5, "{gap}");
}

#[test]
fn a_parent_that_cannot_teach_is_refused() {
    let (project, data) = family();
    let refused = |data: &str, overrides: &[&str]| {
        let wanted = ["model.inherit='parent'", "train.distill={}"];
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &[&wanted, overrides].concat());
        let (codes, text) = project.run(&scheme).diagnostics();
        (codes[0], text)
    };
    let (code, text) = refused(&data.replace("[\"a\", \"b\", \"c\"]", "[\"a\", \"x\", \"y\"]"), &[]);
    assert_eq!(code, "nothing-to-distill");
    assert!(text.contains("in common: 1"), "{text}");
    for (part, count) in [("train", 200u32), ("test", 60)] {
        let header = [2051, count, 8, 10].into_iter().flat_map(u32::to_be_bytes);
        let pixels = (0..count * 80).map(|index| (index * index % 251) as u8);
        project.write(&format!("{part}-wide"), header.chain(pixels).collect::<Vec<u8>>());
    }
    let wide = data.replace("train-images", "train-wide").replace("test-images", "test-wide");
    let (code, text) = refused(&wide, &["model.fresh=['output']"]);
    assert_eq!(code, "other-examples", "{text}");
    assert!(text.contains("uint8[batch, 1, 8, 8]"), "{text}");
}

/// The tensors of a model.
fn tensors(project: &Project, model: &str) -> Vec<(String, Vec<f64>)> {
    let store = Store::open(&project.store()).unwrap();
    let tensors = store.tensors(&store.model(model).unwrap()).unwrap();
    tensors.into_iter().map(|(name, tensor)| (name, tensor.to_f64())).collect()
}

/// Steps of plain gradient descent over all examples: what they do can be calculated.
const RATE: f64 = 0.5;

/// The tensors after some such steps.
fn descended(project: &Project, data: &str, steps: usize, overrides: &[&str]) -> Vec<(String, Vec<f64>)> {
    let epochs = format!("train.epochs={steps}");
    let optimizer = format!("train.optimizer={{name='gradient_descent', learning_rate={RATE:?}}}");
    let report = child(project, data, &[&[epochs.as_str(), &optimizer], overrides].concat());
    tensors(project, &report.model)
}

/// Checks every element of `found` against `expect(tensor, element)`.
fn check(found: &[(String, Vec<f64>)], expect: impl Fn(&str, usize, usize) -> f64) {
    for (index, (name, values)) in found.iter().enumerate() {
        for (at, value) in values.iter().enumerate() {
            let expect = expect(name, index, at);
            assert!((value - expect).abs() < 2e-6, "{name}[{at}] is {value}, expected {expect}");
        }
    }
}

#[test]
fn what_is_inherited_is_drawn_to_where_it_was() {
    let (project, data) = family();
    let data = data.replace("[\"a\", \"b\", \"c\"]", "[\"c\", \"new\", \"a\"]");
    let held = ["train.l2_sp=0.25", "train.l2=0.5"];
    let start = tensors(&project, &child(&project, &data, &STILL).model);
    let once = descended(&project, &data, 1, &[]);
    // At the first step nothing has moved: only what starts anew is drawn, to 0. The new class is the second.
    let first = descended(&project, &data, 1, &held);
    let anew = |name: &str, at: usize| name == "output.weight" && at % 3 == 1;
    check(&first, |name, index, at| {
        once[index].1[at] - if anew(name, at) { RATE * 0.5 * start[index].1[at] } else { 0.0 }
    });
    // At the second what is inherited is drawn back by as much as it moved. The head stays, for its new class would move it.
    let frozen = ["train.freeze=['output']"];
    let [once, twice] = [1, 2].map(|steps| descended(&project, &data, steps, &frozen));
    let second = descended(&project, &data, 2, &[&frozen[..], &held].concat());
    check(&second, |_, index, at| {
        twice[index].1[at] - RATE * 0.25 * (once[index].1[at] - start[index].1[at])
    });
}

#[test]
fn weights_that_the_answers_depend_on_are_consolidated() {
    let (project, data) = family();
    let start = tensors(&project, "parent");
    let [once, twice] = [1, 2].map(|steps| descended(&project, &data, steps, &[]));
    let weight = 8.0;
    let held = descended(&project, &data, 2, &["train.ewc={weight=8.0, examples=1000}"]);
    let moved = |index: usize, at: usize| RATE * weight * (once[index].1[at] - start[index].1[at]);
    // The bias of a class: its gradient is the probability, less 1 for the class that was drawn.
    let answers = probabilities(&project, "parent");
    let random = tensor::Random::new(1, "heirloom.fisher.answers");
    let mut fisher = [0.0; 3];
    for (row, answer) in answers.iter().enumerate() {
        let share = f64::from(random.uniform(0, row as u64));
        let drawn = usize::from(share >= answer[0]) + usize::from(share >= answer[0] + answer[1]);
        for (class, sum) in fisher.iter_mut().enumerate() {
            *sum += (answer[class] - f64::from(u8::from(class == drawn))).powi(2) / answers.len() as f64;
        }
    }
    let mut drawn_back = 0;
    for (index, (name, values)) in held.iter().enumerate() {
        for (at, value) in values.iter().enumerate() {
            let back = twice[index].1[at] - value;
            let expect = fisher[at % 3] * moved(index, at);
            assert!(name != "output.bias" || (back - expect).abs() < 2e-6, "{name}[{at}]: {back} {expect}");
            // No importance is negative.
            assert!(back * moved(index, at) >= -1e-9, "{name}[{at}]: {back} {}", moved(index, at));
            drawn_back += usize::from(back != 0.0);
        }
    }
    assert!(drawn_back > 20, "{drawn_back}");
}

#[test]
fn layers_learn_at_rates_of_their_own() {
    let (project, data) = family();
    let start = tensors(&project, "parent");
    let plain = descended(&project, &data, 1, &[]);
    let rates = ["train.rates=['conv1 = 3', 'conv1.bias = 0.5']", "train.rate_decay=0.25"];
    check(&descended(&project, &data, 1, &rates), |name, index, at| {
        let factor = match name {
            "conv1.weight" => 3.0 * 0.25,
            "conv1.bias" => 0.5 * 0.25,
            _ => 1.0,
        };
        start[index].1[at] + factor * (plain[index].1[at] - start[index].1[at])
    });
}

#[test]
fn the_head_learns_first() {
    let (project, data) = family();
    // Two steps of the head and one of all, as two models one after the other.
    let head = descended(&project, &data, 2, &["train.freeze=['conv1']", "model.fresh=['output']"]);
    let newest = format!("small@{}", newest(&project));
    let both = descended(&project, &data, 1, &[&format!("model.inherit='{newest}'")]);
    assert_ne!(head, both);
    let unfrozen =
        descended(&project, &data, 3, &["train.unfreeze={probe_epochs=2}", "model.fresh=['output']"]);
    check(&unfrozen, |_, index, at| both[index].1[at]);
}

/// The number of the newest child.
fn newest(project: &Project) -> u64 {
    u64::from(Store::open(&project.store()).unwrap().resolve("small").unwrap().version)
}

#[test]
fn holding_that_has_nothing_to_hold_is_refused() {
    let (project, data) = family();
    let refused = |overrides: &[&str]| {
        let overrides = [&["model.inherit='parent@1'"], overrides].concat();
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &overrides);
        let (codes, text) = project.run(&scheme).diagnostics();
        (codes[0], text)
    };
    let all_anew = "model.fresh=['*']";
    assert_eq!(refused(&["train.l2_sp=1", all_anew]).0, "nothing-inherited");
    assert_eq!(refused(&["train.ewc={}", all_anew]).0, "nothing-inherited");
    assert_eq!(refused(&["train.ewc={}", "data.class_names=['x', 'y', 'z']"]).0, "nothing-to-consolidate");
    assert_eq!(refused(&["train.unfreeze={}", all_anew]).0, "nothing-to-unfreeze");
    assert_eq!(refused(&["train.lora={}", all_anew]).0, "no-low-rank-layer");
    assert_eq!(refused(&["train.lora={layers=['output.bias']}"]).0, "no-low-rank-layer");
    let (code, text) = refused(&["train.rates=['conf1 = 2']"]);
    assert_eq!(code, "unknown-tensor");
    assert!(text.contains("did you mean `conv1`"), "{text}");
}

/// Whether the rows of a matrix of `columns` columns are multiples of one of them.
fn of_rank_one(values: &[f64], columns: usize) -> bool {
    let greatest = values.iter().fold(0.0f64, |greatest, value| greatest.max(value.abs()));
    let at = values.iter().position(|value| value.abs() == greatest).unwrap_or(0);
    let (row, column) = (at / columns, at % columns);
    let element = |row: usize, column: usize| values[row * columns + column];
    (0..values.len()).all(|index| {
        let (r, c) = (index / columns, index % columns);
        let minor =
            element(r, c) * greatest.copysign(element(row, column)) - element(r, column) * element(row, c);
        minor.abs() <= 1e-5 * greatest * greatest
    })
}

#[test]
fn low_rank_updates_are_merged_into_the_weights() {
    let (project, data) = family();
    let start = tensors(&project, "parent");
    let lora = ["train.lora={rank=1, alpha=3.0}"];
    let report = child(&project, &data, &[&lora[..], &["train.epochs=2"]].concat());
    let merged = tensors(&project, &report.model);
    assert_eq!(merged.len(), start.len(), "there are plain tensors only");
    for ((name, merged), (_, start)) in merged.iter().zip(&start) {
        let update: Vec<f64> = merged.iter().zip(start).map(|(merged, start)| merged - start).collect();
        let moved = update.iter().any(|&update| update != 0.0);
        assert_eq!(moved, name.ends_with("weight"), "{name}");
        assert!(of_rank_one(&update, if name == "conv1.weight" { 9 } else { 3 }), "{name}: {update:?}");
    }
    // What learns computes what is delivered: its loss before the second step is that of the model after the first.
    let optimizer = format!("train.optimizer={{name='gradient_descent', learning_rate={RATE:?}}}");
    let learning = child(&project, &data, &[&lora[..], &["train.epochs=2", &optimizer]].concat());
    child(&project, &data, &[&lora[..], &["train.epochs=1", &optimizer]].concat());
    let delivered = format!("model.inherit='small@{}'", newest(&project));
    let loss = first_loss(&project, &data, &[&delivered]);
    assert!((learning.epochs[1].train_loss - loss).abs() < 1e-5, "{} {loss}", learning.epochs[1].train_loss);
}

#[test]
fn examples_that_the_parent_leaves_are_rehearsed() {
    let (project, data) = family();
    // The two examples of each class whose digests come first.
    let model = load_model(&Store::open(&project.store()).unwrap(), "parent").unwrap();
    let inputs = read_inputs(&model, &[project.path("train-images")]).unwrap();
    let digests = data::input_digests(&inputs[0].1);
    let of_class = |class: usize| {
        let mut rows: Vec<usize> = (0..digests.len()).filter(|row| row % 3 == class).collect();
        rows.sort_by_key(|&row| digests[row].0);
        rows[..2].to_vec()
    };
    let answers = probabilities(&project, "parent");
    let loss = |row: &usize| -answers[*row][row % 3].ln();
    let mean = |rows: &[usize]| rows.iter().map(loss).sum::<f64>() / rows.len() as f64;
    let all: Vec<usize> = (0..200).collect();
    let left: Vec<usize> = (0..3).flat_map(of_class).collect();
    // 6 of 206, so that each is rehearsed once in an epoch.
    let share = format!("train.rehearse={{share={:?}}}", 6.0 / 206.0);
    let found = first_loss(&project, &data, &[&share]);
    let expect = mean(&[&all[..], &left].concat());
    assert!((found - expect).abs() < 1e-5, "{found} {expect}");
    // A class that the child does not have is counted.
    let data = data.replace("\"a\", \"b\"", "\"a\", \"new\"");
    let scheme =
        project.scheme(&format!("{data}{CONVOLUTIONAL}"), &["model.inherit='parent'", "train.rehearse={}"]);
    let ran = project.run(&scheme);
    assert_eq!(ran.report().epochs[0].images, 250);
    let told =
        ran.notices().iter().any(|text| text.contains("4 examples of parent@1") && text.contains("2 are of"));
    assert!(told, "{:?}", ran.notices());
}

#[test]
fn examples_that_judge_the_child_are_not_rehearsed() {
    let (project, data) = family();
    // The child is tested on what the parent learnt from, and on three images more: something must be left to judge by.
    let bytes = |name: &str| std::fs::read(project.path(name)).unwrap();
    let images = bytes("train-images").into_iter().skip(16).chain((0..3 * 64).map(|at| at as u8));
    project.write("mixed-images", idx(&[2051, 203, 8, 8], images));
    let labels = bytes("train-labels").into_iter().skip(8).chain([0, 1, 2]);
    project.write("mixed-labels", idx(&[2049, 203], labels));
    let swapped = data.replace("test-", "mixed-").replace("train-", "test-");
    let scheme = project
        .scheme(&format!("{swapped}{CONVOLUTIONAL}"), &["model.inherit='parent'", "train.rehearse={}"]);
    let ran = project.run(&scheme);
    assert_eq!(ran.report().epochs[0].images, 60);
    assert!(ran.notices().iter().any(|text| text.contains("6 of them are left out")), "{:?}", ran.notices());
    let childless = project.scheme(&format!("name = \"mean\"\n{data}{CONVOLUTIONAL}"), &["train.epochs=1"]);
    project.run(&childless).report();
    let overrides = ["model.inherit='mean'", "train.rehearse={}"];
    let (codes, text) =
        project.run(&project.scheme(&format!("{data}{CONVOLUTIONAL}"), &overrides)).diagnostics();
    assert_eq!(codes, ["nothing-to-rehearse"]);
    assert!(text.contains("mean@1"), "{text}");
}

/// Settings that a child is held with, each on its own and with what it must get along with.
const HELD: [&[&str]; 8] = [
    &["train.distill={weight=2.0}"],
    &["train.distill={}", "train.freeze=['conv1']"],
    &["train.l2_sp=0.1", "train.l2=0.01", "train.ewc={weight=50.0, examples=20}", "model.fresh=['output']"],
    &["train.rates=['conv1 = 0.1']", "train.rate_decay=0.5"],
    &["train.unfreeze={probe_epochs=1}", "model.fresh=['output']", "train.distill={}"],
    &["train.lora={rank=2, layers=['output']}", "train.rates=['output = 2']"],
    &["train.rehearse={}", "train.freeze=['conv1']", "train.distill={}"],
    &["train.unfreeze={probe_epochs=2, every=1}", "train.ewc={}", "train.optimizer={name='momentum'}"],
];

#[test]
fn the_bytes_do_not_depend_on_threads_or_interruption() {
    let (project, data) = family();
    for held in HELD {
        let overrides = [&["model.inherit='parent@1'", "train.epochs=4"], held].concat();
        let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &overrides);
        let uncached = [&overrides[..], &["train.cache_frozen=false"]].concat();
        let uncached = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &uncached);
        let copy = |name: &str| {
            let store = project.path(name);
            project.run_with(&parent(&project, &data), &store, options(), |_| Flow::Continue).report();
            store
        };
        let [one, two, killed] = ["one", "two", "killed"].map(copy);
        let whole = project.run_with(&scheme, &one, options(), |_| Flow::Continue).report().digest.clone();
        let threads = RunOptions { threads: 2, ..options() };
        let threaded = project.run_with(&uncached, &two, threads, |_| Flow::Continue);
        assert_eq!(threaded.report().digest, whole, "{held:?}: two threads, and no cache");
        let kill = |wanted: usize, resume: bool| {
            let options = RunOptions { resume, ..options() };
            let ran = catch_unwind(AssertUnwindSafe(|| {
                project.run_with(&scheme, &killed, options, |event| {
                    let at = matches!(event, Event::CheckpointSaved { epoch, .. } if *epoch == wanted);
                    assert!(!at, "killed");
                    Flow::Continue
                })
            }));
            assert!(ran.is_err(), "{held:?}: it was killed");
        };
        kill(1, false);
        kill(2, true);
        kill(3, true);
        let options = RunOptions { resume: true, ..options() };
        let resumed = project.run_with(&scheme, &killed, options, |_| Flow::Continue);
        assert_eq!(resumed.report().digest, whole, "{held:?}: resumed");
        for store in [one, two, killed] {
            std::fs::remove_dir_all(store).unwrap();
        }
    }
}
