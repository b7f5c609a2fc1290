//! The golden examples that a version leaves, and the proof that they make.

use engine::Level;
use pipeline::{Golden, LoadedModel, RunOptions, golden, load_model, verify_golden};
use store::Store;
use tensor::Tensor;

use crate::support::{CONVOLUTIONAL, Project, options};

/// A classifier of three classes that was registered, with what it left.
fn made(options: RunOptions) -> (Project, LoadedModel, Golden) {
    let project = Project::new();
    let scheme = project.scheme(&(project.digits() + CONVOLUTIONAL), &[]);
    project.run_with(&scheme, &project.store(), options, |_| pipeline::Flow::Continue).report();
    let store = Store::open(&project.store()).unwrap();
    let model = load_model(&store, "small").unwrap();
    let left = golden(&store, &store.resolve("small").unwrap()).unwrap().unwrap();
    (project, model, left)
}

#[test]
fn every_class_has_its_share_and_the_loaded_model_reproduces_them() {
    let (_project, model, left) = made(options());
    assert_eq!(left.inputs.shape(), [32, 1, 8, 8]);
    assert_eq!(left.outputs.shape(), [32, 3]);
    for threads in [1, 3] {
        let report = verify_golden(&model, &left, threads).unwrap();
        assert_eq!((report.examples, report.first), (32, None));
        assert_eq!(report.difference_max, 0.0, "the same processor computes the same");
    }
    // The classes take turns, and a model that has learnt this task tells nearly all of them apart.
    let answers = left.outputs.values::<f32>().chunks(3).map(|row| {
        let best = row.iter().copied().fold(f32::MIN, f32::max);
        row.iter().position(|&value| value == best).unwrap()
    });
    let in_turn = answers.enumerate().filter(|(example, class)| example % 3 == *class).count();
    assert!(in_turn >= 28, "{in_turn} of 32");
    let (_again, _, same) = made(options());
    assert_eq!(left, same);
}

/// Why the tolerance is what it is: ten times what another processor's order of summation moves.
#[test]
fn another_processor_stays_within_the_tolerance() {
    let (_project, model, left) = made(RunOptions { level: Level::Portable, ..options() });
    let report = verify_golden(&model, &left, 1).unwrap();
    assert!(report.difference_max < 1e-5, "{report:?}");
    assert!(report.tolerance >= 10.0 * 1e-5, "{report:?}");
}

#[test]
fn a_model_that_answers_otherwise_is_told_with_its_first_difference() {
    let (_project, model, mut left) = made(options());
    let mut answers = left.outputs.values::<f32>().to_vec();
    let before = answers[7];
    answers[7] = if before < 0.5 { 0.75 } else { 0.25 };
    left.outputs = Tensor::new([32, 3], answers);
    let report = verify_golden(&model, &left, 1).unwrap();
    let first = report.first.clone().unwrap();
    assert_eq!((first.example, first.output, first.found), (2, 1, before));
    assert_eq!(report.mistake("small@1").unwrap().code, "golden-differs");
    left.inputs = Tensor::new([32, 1, 4, 16], left.inputs.values::<u8>().to_vec());
    let error = verify_golden(&model, &left, 1).unwrap_err().to_string();
    assert!(error.contains("takes uint8 [1, 8, 8], and its golden examples are uint8 [1, 4, 16]"), "{error}");
}
