//! Which parent a scheme would best start from, and runs that take it.

use std::time::Duration;

use pipeline::{Event, RankOptions, Ranking, RunError, Standing, plan_transfer, rank_parents};
use store::{Annotation, By, Store, StoreAddress};
use tensor::Random;

use crate::support::{CONVOLUTIONAL, NOW_UNIX_MS, Project, idx};

/// Images of three classes, `side` x `side`, told apart by which corner is bright, or with `told` false by nothing; 240 to
/// learn from and 60 to test. Returns `[data]`.
fn corners(project: &Project, name: &str, side: usize, told: bool) -> String {
    let mut keys = "[data]\nclass_names = [\"a\", \"b\", \"c\"]\n".to_owned();
    for (part, key, count) in [("train", "", 240), ("test", "test_", 60)] {
        let random = Random::new(7, &format!("{name} {part}"));
        let label = |image: usize| random.below(9, image as u64, 3) as usize;
        let pixel = |image: usize, at: usize| {
            let (top, left, class) = (at / side < side / 2, at % side < side / 2, label(image));
            let bright = told && [top && left, !top, top && !left][class];
            random.below(10 + image as u64, at as u64, 120) as u8 + if bright { 70 } else { 0 }
        };
        let size = side * side;
        let images = (0..count * size).map(|index| pixel(index / size, index % size));
        let header = [2051, count as u32, side as u32, side as u32];
        let images = project.write(&format!("{name}-{part}-images"), idx(&header, images));
        let labels = (0..count).map(|image| label(image) as u8);
        let labels = project.write(&format!("{name}-{part}-labels"), idx(&[2049, count as u32], labels));
        keys += &format!("{key}images = '{}'\n{key}labels = '{}'\n", images.display(), labels.display());
    }
    keys
}

/// A network whose last layer reads 6 numbers.
const NARROW: &str = r#"
[preprocess.scale]
op = "scale"
divide_by = 255
[model.layers.flatten]
op = "flatten"
[model.layers.hidden]
op = "dense"
units = 6
activation = "relu"
[model.layers.output]
op = "dense"
units = "classes"
[train]
epochs = 8
batch_size = 16
optimizer = { name = "adam", learning_rate = 0.01 }
"#;

/// A project with the models `learnt` (of the same kind of images as the child's, which are others), `blind` (of images
/// that tell nothing), and `tiny` (of smaller images); and the child's `[data]`.
fn family() -> (Project, String) {
    let project = Project::new();
    for (name, side, told) in [("learnt", 8, true), ("blind", 8, false), ("tiny", 4, true)] {
        let data = corners(&project, name, side, told);
        project.run(&project.scheme(&format!("name = \"{name}\"\n{data}{NARROW}"), &[])).report();
    }
    let child = corners(&project, "child", 8, true);
    (project, child)
}

fn by() -> By {
    By { actor: "tester".to_owned(), unix_ms: NOW_UNIX_MS }
}

fn options() -> RankOptions {
    RankOptions { threads: 1, level: engine::Level::detect(), budget: None }
}

/// The ranking for the scheme of this text, and how many candidates were computed for it.
fn ranked(project: &Project, text: &str, options: &RankOptions) -> (Ranking, usize) {
    let mut computed = 0;
    let address = StoreAddress::Folder(project.store());
    let scheme = project.scheme(text, &[]);
    let found = rank_parents(&scheme, &address, &project.store(), options, &mut |_, _, _| {
        computed += 1;
        Ok(())
    });
    (found.unwrap_or_else(|error| panic!("{error}")), computed)
}

fn names(ranking: &Ranking) -> Vec<&str> {
    ranking.candidates.iter().map(|each| each.model.as_deref().unwrap_or("scratch")).collect()
}

#[test]
fn every_candidate_is_asked_once_and_told_why_it_stands_there() {
    let (project, data) = family();
    let text = format!("{data}{NARROW}");
    let (ranking, computed) = ranked(&project, &text, &options());
    assert_eq!(computed, 4);
    assert!(ranking.examples_of > 200); // the rest validates
    assert_eq!(ranking.examples, Some(ranking.examples_of));
    let place = |name: &str| names(&ranking).iter().position(|each| *each == name).unwrap();
    assert!(place("learnt@1") < place("blind@1"), "{:?}", names(&ranking));
    for each in &ranking.candidates {
        assert_eq!(each.standing, Standing::Ranked, "{each:?}");
        assert!(
            each.score.is_some()
                && each.scores.probe.is_some_and(|accuracy| accuracy > 0.2)
                && each.reason.contains("held-out"),
            "{each:?}"
        );
        assert_eq!(each.scores.leep.is_some(), each.model.is_some());
        assert_eq!(each.label_overlap, Some(if each.model.is_some() { 1.0 } else { 0.0 }));
        assert_eq!(each.trained_on, each.model.as_ref().map(|_| 0));
    }
    let tiny = &ranking.candidates[place("tiny@1")];
    assert!(tiny.preprocessing[0].contains("8 x 8 are resized to its 4 x 4"), "{tiny:?}");
    assert!(tiny.parameters < ranking.candidates[place("learnt@1")].parameters);

    let (again, computed) = ranked(&project, &text, &options());
    assert_eq!((again, computed), (ranking.clone(), 0));
    // On any number of threads the same numbers, in a store that knows nothing.
    let (other, data) = family();
    let (elsewhere, _) = ranked(&other, &format!("{data}{NARROW}"), &RankOptions { threads: 3, ..options() });
    let scores = |ranking: &Ranking| ranking.candidates.iter().map(|each| each.scores).collect::<Vec<_>>();
    assert_eq!((names(&elsewhere), scores(&elsewhere)), (names(&ranking), scores(&ranking)));
}

#[test]
fn a_parent_of_the_same_examples_is_told_apart() {
    let (project, data) = family();
    project.run(&project.scheme(&format!("name = \"sibling\"\n{data}{NARROW}"), &[])).report();
    let (ranking, _) = ranked(&project, &format!("{data}{NARROW}"), &options());
    let sibling = ranking.candidates.iter().find(|each| each.model.as_deref() == Some("sibling@1")).unwrap();
    let seen = sibling.trained_on.unwrap();
    assert!(seen > 200 && sibling.reason.contains("itself trained on"), "{sibling:?}");
}

#[test]
fn without_time_nothing_is_scored_and_all_are_named() {
    let (project, data) = family();
    let text = format!("{data}{NARROW}");
    let none = RankOptions { budget: Some(Duration::ZERO), ..options() };
    let (ranking, computed) = ranked(&project, &text, &none);
    assert_eq!((computed, ranking.examples), (0, None));
    assert_eq!(names(&ranking), ["scratch", "blind@1", "learnt@1", "tiny@1"]);
    for each in &ranking.candidates {
        assert_eq!((each.reason.as_str(), each.score), ("not scored: budget", None));
    }
    assert!(ranking.explanation.contains("4 not scored for want of time"), "{}", ranking.explanation);
}

#[test]
fn recalled_and_deprecated_models_stand_behind_and_are_never_taken() {
    let (project, data) = family();
    let store = Store::open(&project.store()).unwrap();
    store.recall("learnt", "mislabelled", &by()).unwrap();
    store.annotate("tiny", &Annotation::Deprecated("use learnt".to_owned()), &by()).unwrap();
    drop(store);
    let (ranking, _) = ranked(&project, &format!("{data}{NARROW}"), &options());
    let standing: Vec<Standing> = ranking.candidates.iter().map(|each| each.standing).collect();
    use Standing::{Deprecated, Ranked, Recalled};
    assert_eq!(standing, [Ranked, Ranked, Deprecated, Recalled]);
    assert_eq!(&names(&ranking)[2..], ["tiny@1", "learnt@1"]);
    assert_eq!(ranking.candidates[3].reason, "recalled, never chosen: mislabelled");
    assert!(ranking.candidates[2].reason.starts_with("deprecated (use learnt)"));

    let ran = project.run(&project.scheme(&format!("{data}{NARROW}"), &["model.inherit='auto'"]));
    ran.report();
    let store = Store::open(&project.store()).unwrap();
    let parents = store.parents(&store.resolve("small").unwrap()).unwrap();
    assert!(parents.iter().all(|edge| edge.parent.0 == "blind"), "{parents:?}");
}

#[test]
fn what_cannot_be_asked_is_unfit_with_the_reason() {
    let project = Project::new();
    let mut rows = "width,height,kind\n".to_owned();
    for row in 0..300 {
        rows += &format!("{},{},{}\n", row % 97, row, if row % 97 < 40 { "a" } else { "b" });
    }
    let table = |columns: &str| {
        let file = project.write("table.csv", &rows).display().to_string();
        format!(
            "[data]\nformat = 'csv'\nsource = '{file}'\nfeatures = {columns}\ntarget = 'kind'\ntask = 'classification'\n\
             [preprocess.standard]\nop = 'standardize'\n[model.layers.output]\nop = 'dense'\nunits = 'classes'\n\
             [train]\nepochs = 1\n"
        )
    };
    let both = table("['width', 'height']");
    project.run(&project.scheme(&format!("name = \"table\"\n{both}"), &[])).report();
    // Images against a table.
    let data = project.digits();
    let (ranking, _) = ranked(&project, &format!("{data}{NARROW}"), &options());
    assert_eq!(names(&ranking), ["scratch", "table@1"]);
    assert_eq!(ranking.candidates[1].standing, Standing::Unfit);
    assert!(ranking.candidates[1].reason.contains("takes float32 of shape [2]"), "{ranking:?}");
    // Fewer columns: the missing one's mean stands for it.
    let (ranking, _) = ranked(&project, &table("['height']"), &options());
    let fitted = ranking.candidates.iter().find(|each| each.model.is_some()).unwrap();
    assert_eq!(fitted.standing, Standing::Ranked, "{fitted:?}");
    assert!(fitted.preprocessing[1].contains("its means stand for `width`"), "{fitted:?}");
    // A number as the target.
    let values = table("['width']").replace("'kind'", "'height'").replace("'classification'", "'regression'");
    let scheme = project.scheme(&values.replace("'classes'", "'targets'"), &[]);
    let address = StoreAddress::Folder(project.store());
    let refused = rank_parents(&scheme, &address, &project.store(), &options(), &mut |_, _, _| Ok(()));
    match refused {
        Err(RunError::Diagnostics(found)) => assert_eq!(found.0[0].code, "ranking-needs-classes"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn auto_takes_the_first_and_comes_to_the_same_model_everywhere() {
    let digest = |threads| {
        let (project, data) = family();
        let text = format!("name = \"child\"\n{data}{NARROW}");
        let scheme = project.scheme(&text, &["model.inherit='auto'", "train.epochs=1"]);
        let (ranking, _) = ranked(&project, &text, &options());
        let options = pipeline::RunOptions { threads, ..crate::support::options() };
        let ran = project.run_with(&scheme, &project.store(), options, |_| pipeline::Flow::Continue);
        let digest = ran.report().digest.clone();
        let first = names(&ranking)[0].to_owned();
        assert_ne!(first, "scratch", "{}", ranking.explanation);
        let told = format!("takes {first} out of 4: evidence");
        assert!(ran.notices().iter().any(|text| text.contains(&told)), "{:?}", ran.notices());
        let store = Store::open(&project.store()).unwrap();
        let child = store.resolve("child").unwrap();
        let parents = store.parents(&child).unwrap();
        assert_eq!(format!("{}@{}", parents[0].parent.0, parents[0].parent.1), first);
        let kept = store.attachment(&child, "ranking").unwrap().expect("the ranking is kept");
        let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept["taken"], serde_json::json!(first));
        assert_eq!(kept["ranking"]["candidates"].as_array().unwrap().len(), 4);
        drop(store);
        let planned = plan_transfer(&scheme, &StoreAddress::Folder(project.store()), &project.store());
        assert_eq!(planned.unwrap().unwrap().parent, first);
        // Its own model is no candidate: the run has nothing left to do.
        let again = project.run(&scheme);
        assert!(again.report().cached, "{:?}", again.worked());
        // Another parent is another model.
        Store::open(&project.store()).unwrap().recall(&first, "mislabelled", &by()).unwrap();
        let other = project.run(&scheme);
        assert_ne!(other.report().digest, digest);
        digest
    };
    assert_eq!(digest(1), digest(3));
}

#[test]
fn auto_without_a_parent_starts_from_scratch_if_there_are_layers() {
    let project = Project::new();
    let data = project.digits();
    let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}"), &["model.inherit='auto'"]);
    let ran = project.run(&scheme);
    assert!(ran.notices().iter().any(|text| text.contains("takes starting from scratch out of 1")));
    assert!(
        ran.events
            .iter()
            .any(|event| matches!(event, Event::ModelPlanned(model) if model.transfer.is_none()))
    );
    let from = ran.report().digest.clone();
    let plain = project.run(&project.scheme(&format!("name = \"plain\"\n{data}{CONVOLUTIONAL}"), &[]));
    assert_eq!(plain.report().digest, from);

    let other = Project::new();
    let scale = "[preprocess.scale]\nop = \"scale\"\ndivide_by = 255\n";
    let refused = other.run(&other.scheme(&format!("{data}[model]\ninherit = \"auto\"\n{scale}"), &[]));
    let (codes, text) = refused.diagnostics();
    assert_eq!(codes, ["no-parent-fits"]);
    assert!(text.contains("no layers of its own"), "{text}");
    let refused = other.run(
        &other
            .scheme(&format!("{data}{CONVOLUTIONAL}"), &["model.inherit='auto'", "model.min_inherited=0.5"]),
    );
    assert!(refused.diagnostics().1.contains("asks for a parent"));
}
