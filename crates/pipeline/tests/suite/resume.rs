//! A run that was stopped or killed comes to the same bytes as one that was not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pipeline::{Event, Flow, RunError, RunOptions};

use crate::support::{CONVOLUTIONAL, Project, options};

/// Whether an epoch is under way.
fn in_epoch(event: &Event, wanted: usize) -> bool {
    matches!(event, Event::BatchFinished { epoch, .. } if *epoch == wanted)
}

fn check(setting: &str, interrupt: impl Fn(&Event) -> Flow + Send + Sync) {
    let project = Project::new();
    let text = project.digits() + CONVOLUTIONAL;
    let scheme = project.scheme(&text, &[setting]);
    let expect = project.run_with(&scheme, &project.path("whole"), options(), |_| Flow::Continue);
    let store = project.store();
    let interrupted = catch_unwind(AssertUnwindSafe(|| {
        project.run_with(&scheme, &store, options(), |event| interrupt(event))
    }));
    if let Ok(ran) = interrupted {
        assert!(matches!(ran.result, Err(RunError::Interrupted)), "{:?}", ran.result);
    }
    let options = RunOptions { resume: true, now_unix_ms: options().now_unix_ms + 60_000, ..options() };
    let resumed = project.run_with(&scheme, &store, options, |_| Flow::Continue);
    assert!(resumed.notices().iter().any(|text| text.starts_with("resumed from")), "{:?}", resumed.notices());
    assert!(resumed.events.iter().any(|event| matches!(event, Event::RunOpened { resumed: true, .. })));
    let (expect, report) = (expect.report(), resumed.report());
    assert_eq!(report.digest, expect.digest, "{setting}");
    assert_eq!(report.metrics, expect.metrics);
    let numbers = |report: &pipeline::RunReport| -> Vec<_> {
        report.epochs.iter().map(|epoch| (epoch.images, epoch.train_loss, epoch.validation_loss)).collect()
    };
    assert_eq!(numbers(report), numbers(expect));
    let log = std::fs::read_to_string(store.join("runs").join(&report.run).join("events.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("\"train_loss\"")).count(), 3);
}

#[test]
fn stopped_in_the_middle_of_an_epoch() {
    check("train.keep=best", |event| if in_epoch(event, 2) { Flow::Stop } else { Flow::Continue });
}

#[test]
fn stopped_in_the_first_epoch() {
    check("train.keep=last", |event| if in_epoch(event, 1) { Flow::Stop } else { Flow::Continue });
}

#[test]
fn killed_in_the_middle_of_an_epoch() {
    check("train.keep=best", |event| {
        assert!(!in_epoch(event, 2), "killed");
        Flow::Continue
    });
}

#[test]
fn killed_behind_a_checkpoint_inside_an_epoch() {
    check("train.checkpoint_steps=4", |event| {
        let killed = matches!(event, Event::CheckpointSaved { step: 16, .. });
        assert!(!killed, "killed");
        Flow::Continue
    });
}

#[test]
fn killed_before_the_first_checkpoint() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    let killed = catch_unwind(AssertUnwindSafe(|| {
        project.run_with(&scheme, &project.store(), options(), |event| {
            assert!(!in_epoch(event, 1), "killed");
            Flow::Continue
        })
    }));
    assert!(killed.is_err());
    let resume = RunOptions { resume: true, ..options() };
    let ran = project.run_with(&scheme, &project.store(), resume, |_| Flow::Continue);
    assert!(ran.notices().iter().any(|text| text.contains("no checkpoint")), "{:?}", ran.notices());
    let expect = project.run_with(&scheme, &project.path("whole"), options(), |_| Flow::Continue);
    assert_eq!(ran.report().digest, expect.report().digest);
}

#[test]
fn without_resume_a_run_starts_anew_and_says_so() {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    let stop = |event: &Event| if in_epoch(event, 3) { Flow::Stop } else { Flow::Continue };
    assert!(project.run_with(&scheme, &project.store(), options(), stop).result.is_err());
    let ran = project.run(&scheme);
    assert!(ran.notices().iter().any(|text| text.contains("without --resume")), "{:?}", ran.notices());
    assert!(ran.events.iter().any(|event| matches!(event, Event::TrainingStarted { epoch: 1, done: 0, .. })));
}
