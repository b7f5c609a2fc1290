//! A stage whose key is known is not run again.

use std::fs;

use pipeline::{Event, Flow, RunError, RunReport, Stage};

use crate::support::{CONVOLUTIONAL, Project, options};

#[test]
fn a_second_run_does_no_work() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    let first = project.run(&scheme);
    let report = first.report();
    assert_eq!((report.model.as_str(), report.cached, report.threads, report.seed), ("small@1", false, 1, 1));
    assert_eq!(first.worked(), Stage::ALL.map(Stage::name));
    assert_eq!(report.epochs.len(), 3);
    assert_eq!(report.data.train + report.data.validation, 200);
    assert!(report.epochs.iter().all(|epoch| epoch.images == report.data.train));
    assert!(report.metrics.test.value("accuracy").unwrap() > 0.8, "{:?}", report.metrics.test);

    let second = project.run(&scheme);
    assert!(second.worked().is_empty());
    let expect = RunReport { cached: true, stages: second.report().stages.clone(), ..report.clone() };
    assert_eq!(second.report(), &expect);
    assert!(second.events.iter().any(|event| matches!(event, Event::RunFinished { cached: true, .. })));
    assert!(!second.events.iter().any(|event| matches!(event, Event::StageStarted { .. })));
}

#[test]
fn the_run_folder_holds_report_and_events() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    let report = project.run(&scheme).report().clone();
    let folder = project.store().join("runs").join(&report.run);
    let kept: RunReport = serde_json::from_slice(&fs::read(folder.join("run.json")).unwrap()).unwrap();
    assert_eq!(kept, report);
    let log = fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let events: Vec<Event> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(events.first(), Some(Event::RunStarted { .. })));
    assert!(matches!(events.last(), Some(Event::RunFinished { .. })));
    assert_eq!(log.lines().filter(|line| line.contains("\"train_loss\"")).count(), 3);
    assert!(!log.contains("batch_finished"));
}

#[test]
fn only_what_a_change_touches_runs_again() {
    let project = Project::new();
    let text = project.digits() + CONVOLUTIONAL;
    let run = |overrides: &[&str]| project.run(&project.scheme(&text, overrides));
    let digest = run(&[]).report().digest.clone();
    for (change, stages, same_model) in [
        ("about.description = 'words'", vec!["register"], true),
        ("evaluate.baseline = 'majority'", vec!["evaluate", "register"], true),
        ("train.checkpoint_steps = 2", vec!["register"], true),
        ("train.epochs = 2", vec!["train", "evaluate", "package", "register"], false),
        ("seed = 2", vec!["train", "evaluate", "package", "register"], false),
        ("model.init = 'he_normal'", vec!["plan", "train", "evaluate", "package", "register"], false),
    ] {
        let change = change.replace(" = ", "=");
        let ran = run(&[&change]);
        assert_eq!(ran.worked(), stages, "{change}");
        assert_eq!(ran.report().digest == digest, same_model, "{change}");
        assert_eq!(ran.report().model == "small@1", same_model, "{change}");
    }
}

#[test]
fn threads_do_not_change_the_model() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    let digest = |threads: usize| {
        let store = project.path(&format!("store-{threads}"));
        let options = pipeline::RunOptions { threads, ..options() };
        project.run_with(&scheme, &store, options, |_| Flow::Continue).report().digest.clone()
    };
    assert_eq!(digest(1), digest(2));
    assert_eq!(digest(1), digest(3));
}

#[test]
fn damaged_blobs_are_made_again() {
    // Tensors too large to stand beside their rows are files.
    const WIDE: &str = "model.layers.conv1.filters=500";
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[WIDE, "train.epochs=1"]);
    let digest = project.run(&scheme).report().digest.clone();
    assert!(fs::read_dir(project.store().join("blobs")).unwrap().next().is_some());
    for folder in fs::read_dir(project.store().join("blobs")).unwrap() {
        for blob in fs::read_dir(folder.unwrap().path()).unwrap() {
            fs::remove_file(blob.unwrap().path()).unwrap();
        }
    }
    let text = project.digits() + CONVOLUTIONAL;
    let again = project.run(&project.scheme(&text, &[WIDE, "train.epochs=1", "evaluate.baseline=majority"]));
    assert!(again.notices().iter().any(|text| text.contains("the stage train is done again")));
    assert_eq!(again.report().digest, digest);
}

#[test]
fn a_locked_store_is_refused() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    project.run(&scheme).report();
    let store = store::Store::open(&project.store()).unwrap();
    let _lock = store.try_lock().unwrap();
    match project.run(&scheme).result {
        Err(RunError::Failed(failure)) => assert!(failure.to_string().contains("locked"), "{failure}"),
        other => panic!("{other:?}"),
    }
}
