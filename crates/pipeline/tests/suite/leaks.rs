//! Test cases that an ancestor was trained on.

use std::ops::Range;

use pipeline::metrics::{Leaks, Metrics, PartMetrics};
use pipeline::{CompareOptions, Compared, Event, SeenIn, compare_models, who_saw};
use serde::Deserialize;
use store::Store;
use tensor::{Random, Tensor};

use crate::support::{CONVOLUTIONAL, Project, idx};

/// 8 x 8 pixels.
type Picture = [u8; 64];

/// Pictures of three classes in turn, as [`Project::digits`] has them.
fn pictures(purpose: &str, numbers: Range<usize>) -> Vec<Picture> {
    let random = Random::new(7, purpose);
    let picture = |number: usize| {
        std::array::from_fn(|at| {
            let (row, column) = (at / 8, at % 8);
            let bright = [row < 4 && column < 4, row >= 4, row < 4 && column >= 4][number % 3];
            random.below(number as u64, at as u64, 120) as u8 + if bright { 70 } else { 0 }
        })
    };
    numbers.map(picture).collect()
}

/// A scheme called `name` with these pictures; each is of the class of its place.
fn scheme(project: &Project, name: &str, train: &[Picture], test: &[Picture]) -> String {
    for (part, pictures) in [("train", train), ("test", test)] {
        let count = pictures.len();
        let images = pictures.iter().flatten().copied();
        project.write(&format!("{name}-{part}-images"), idx(&[2051, count as u32, 8, 8], images));
        let labels = (0..count).map(|picture| (picture % 3) as u8);
        project.write(&format!("{name}-{part}-labels"), idx(&[2049, count as u32], labels));
    }
    let file = |what: &str| project.path(&format!("{name}-{what}")).display().to_string();
    format!(
        "name = \"{name}\"\n[data]\nimages = '{}'\nlabels = '{}'\ntest_images = '{}'\ntest_labels = '{}'\n\
         class_names = [\"a\", \"b\", \"c\"]\nsplit = {{ train = 1.0, validation = 0.0 }}\n{CONVOLUTIONAL}",
        file("train-images"),
        file("train-labels"),
        file("test-images"),
        file("test-labels"),
    )
}

/// The digests by which these pictures are known, ascending.
fn digests(pictures: &[Picture]) -> Vec<base::Digest> {
    let input = Tensor::new([pictures.len(), 1, 8, 8], pictures.concat());
    let mut digests = data::input_digests(&input);
    digests.sort_unstable();
    digests
}

const QUICK: &str = "train.epochs=1";

/// A project with `parent@1`, which was trained on `train`.
fn with_parent(train: &[Picture]) -> Project {
    let project = Project::new();
    let text = scheme(&project, "parent", train, &pictures("judging the parent", 0..30));
    project.run(&project.scheme(&text, &[QUICK])).report();
    project
}

fn leaks(metrics: &Metrics) -> Leaks {
    metrics.leaks.clone().expect("there are ancestors")
}

#[test]
fn planted_test_cases_are_named_and_nothing_else() {
    // 2 of 200 test cases, 1 %, in the parent's training part.
    let test = pictures("test", 0..200);
    let planted = [test[17], test[123]];
    let project = with_parent(&[pictures("parent", 0..120), planted.to_vec()].concat());
    let text = scheme(&project, "child", &pictures("child", 0..60), &test);
    let scheme_of = |parent: &str| project.scheme(&text, &[QUICK, &format!("model.inherit='{parent}'")]);
    let ran = project.run(&scheme_of("parent"));
    let report = ran.report();

    let found = leaks(&report.metrics);
    let named: Vec<base::Digest> = found.leaked.iter().map(|leak| leak.digest).collect();
    assert_eq!(named, digests(&planted));
    assert!(found.leaked.iter().all(|leak| leak.seen_by == ["parent@1"]), "{found:?}");
    assert_eq!((found.cases, found.excluded, found.compared), (200, 2, vec!["parent@1".to_owned()]));
    let PartMetrics::Classification(measured) = &report.metrics.test else { panic!("classes") };
    assert_eq!(measured.per_class.iter().map(|class| class.support).sum::<u64>(), 198);
    assert_eq!(report.data.test, 200);
    let told = ran.notices();
    assert!(told.iter().any(|text| text.starts_with("2 of 200 test cases are left out")), "{told:?}");

    // Kept with the model, and in the account of the run.
    let store = Store::open(&project.store()).unwrap();
    let kept = Metrics::deserialize(&store.resolve("child").unwrap().metrics).unwrap();
    assert_eq!(kept, report.metrics);
    let run = std::fs::read(project.store().join("runs").join(&report.run).join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
    assert_eq!(run["metrics"]["leaks"]["leaked"][0]["digest"], named[0].to_string());

    // The list that the guard uses is the one that is searched.
    let seen = who_saw(&store, &named[0].to_string()).unwrap();
    let seen: Vec<_> = seen.found.iter().map(|one| (one.version.id(), one.part)).collect();
    assert_eq!(seen, [("child@1".to_owned(), SeenIn::Test), ("parent@1".to_owned(), SeenIn::Train)]);
    drop(store);

    // A grandchild descends from both: what the grandparent was trained on judges it no more than it did the child.
    let text = scheme(&project, "grandchild", &pictures("grandchild", 0..30), &test);
    let ran = project.run(&project.scheme(&text, &[QUICK, "model.inherit='child'"]));
    let found = leaks(&ran.report().metrics);
    assert_eq!((found.excluded, found.leaked[0].seen_by.clone()), (2, vec!["parent@1".to_owned()]));
    assert_eq!(found.compared, ["child@1", "parent@1"]);
}

#[test]
fn the_evaluation_depends_on_what_ancestors_saw() {
    let test = pictures("test", 0..60);
    let project = with_parent(&pictures("parent", 0..60));
    let text = scheme(&project, "child", &pictures("child", 0..60), &test);
    let child = project.scheme(&text, &[QUICK, "model.inherit='parent'"]);
    assert_eq!(leaks(&project.run(&child).report().metrics).excluded, 0);
    assert!(project.run(&child).report().cached);
    // The newest parent is another one now, which saw some of the cases.
    let train = [pictures("other", 0..30), test[..3].to_vec()].concat();
    let text = scheme(&project, "parent", &train, &pictures("judging the parent", 0..30));
    project.run(&project.scheme(&text, &[QUICK])).report();
    let found = leaks(&project.run(&child).report().metrics);
    assert_eq!((found.excluded, found.compared), (3, vec!["parent@2".to_owned()]));
}

#[test]
fn a_test_part_that_leaked_whole_judges_nothing() {
    let test = pictures("test", 0..30);
    let project = with_parent(&test);
    let text = scheme(&project, "child", &pictures("child", 0..60), &test);
    let ran = project.run(&project.scheme(&text, &[QUICK, "model.inherit='parent'"]));
    assert!(!ran.events.iter().any(|event| matches!(event, Event::TrainingStarted { .. })));
    let (codes, text) = ran.diagnostics();
    assert_eq!(codes, ["test-part-leaked"]);
    assert!(text.contains("all 30 cases") && text.contains("parent@1"), "{text}");
}

#[test]
fn changed_copies_are_warned_about() {
    let test = pictures("test", 0..40);
    let brighter = test[5].map(|pixel| pixel.saturating_add(9));
    let project = with_parent(&[pictures("parent", 0..60), vec![brighter]].concat());
    let text = scheme(&project, "child", &pictures("child", 0..60), &test);
    let ran = project.run(&project.scheme(&text, &[QUICK, "model.inherit='parent'"]));
    let found = leaks(&ran.report().metrics);
    let near: Vec<_> = found.near.iter().map(|near| (near.digest.as_str(), near.distance)).collect();
    assert_eq!(near, [(digests(&test[5..6])[0].to_string().as_str(), 0)]);
    assert_eq!((found.excluded, found.resembling), (0, 1));
    assert!(ran.notices().iter().any(|text| text.starts_with("1 of 40 test cases look like")));
}

#[test]
fn repetitions_within_a_model_are_told_and_stay() {
    let project = Project::new();
    let train = pictures("train", 0..60);
    let test = [pictures("test", 0..30), train[..3].to_vec()].concat();
    let ran = project.run(&project.scheme(&scheme(&project, "alone", &train, &test), &[QUICK]));
    let found = leaks(&ran.report().metrics);
    assert_eq!((found.own, found.excluded, found.cases), (3, 0, 33));
    assert!(ran.notices().iter().any(|text| text.starts_with("3 of 33 test cases have the same input")));
    // A split by content keeps equal inputs together.
    let text = scheme(&project, "by_content", &[train.clone(), train].concat(), &[]);
    let text = text.lines().filter(|line| !line.starts_with("test_")).collect::<Vec<_>>().join("\n");
    let split = "data.split={ train = 0.6, validation = 0.0, test = 0.4, by = \"content\" }";
    let ran = project.run(&project.scheme(&text, &[QUICK, split]));
    assert_eq!(ran.report().metrics.leaks, None);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let project = Project::new();
    let table = |name: &str, columns: &str| {
        let rows: String = (0..90).map(|row| format!("{},{},{}\n", row % 9, row % 7, row % 2)).collect();
        let file = project.write("table.csv", format!("x,y,answer\n{rows}"));
        format!(
            "name = '{name}'\n[data]\nsource = '{}'\nfeatures = {columns}\ntarget = 'answer'\ntask = 'classification'\n\
             split = {{ train = 0.6, validation = 0.0, test = 0.4 }}\n\
             [model.layers.output]\nop = 'dense'\nunits = 'classes'\n[train]\nepochs = 1\n",
            file.display()
        )
    };
    project.run(&project.scheme(&table("parent", "['x', 'y']"), &[])).report();
    let child = project.scheme(&table("child", "['y', 'x']"), &["model.inherit='parent'"]);
    let ran = project.run(&child);
    let found = leaks(&ran.report().metrics);
    assert_eq!((found.other_input, found.compared), (vec!["parent@1".to_owned()], vec![]));
    assert!(ran.notices().iter().any(|text| text.contains("takes other inputs")), "{:?}", ran.notices());
}

/// A parent's test cases that its child was trained on judge neither the run nor a later comparison of both.
#[test]
fn stored_cases_that_a_child_learned_are_left_out_of_comparisons() {
    let project = with_parent(&pictures("parent", 0..120));
    let learned = pictures("judging the parent", 0..12);
    let train = [pictures("child", 0..60), learned].concat();
    let text = scheme(&project, "child", &train, &pictures("test", 0..40));
    let ran = project.run(&project.scheme(&text, &[QUICK, "model.inherit='parent'"]));
    let against = ran.report().against_parent.clone().expect("a parent");
    assert_eq!(against.cases, 40 + 30 - 12);
    let told = "12 stored test cases are left out: this model was trained on the same input";
    assert!(ran.notices().contains(&told), "{:?}", ran.notices());

    let store = Store::open(&project.store()).unwrap();
    let options = CompareOptions { threads: 1, tolerance: 0.0, inputs_max: 0 };
    let found = compare_models(&store, "child", &["parent".to_owned()], options).unwrap().remove(0);
    let Compared::Classes(compared) = &found.outcome else { panic!("classes") };
    assert_eq!(compared.cases, 40 + 30 - 12);
    let told = "12 stored test cases are left out: child@1 was trained on the same input";
    assert!(found.notices.iter().any(|notice| notice == told), "{:?}", found.notices);
}
