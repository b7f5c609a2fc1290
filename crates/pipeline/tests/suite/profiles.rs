//! What inputs and answers looked like when a model was made.

use monitor::{Answers, Inputs, Profile};
use pipeline::profile_of;
use store::Store;

use crate::support::{CONVOLUTIONAL, Project};

const TEST: usize = 60;

fn profile(project: &Project, model: &str) -> Profile {
    let store = Store::open(&project.store()).unwrap();
    profile_of(&store, &store.resolve(model).unwrap()).unwrap().unwrap()
}

#[test]
fn a_profile_is_of_the_test_part() {
    let project = Project::new();
    let text = project.digits_of(200, TEST) + CONVOLUTIONAL;
    let ran = project.run(&project.scheme(&text, &[]));
    let report = ran.report();
    let found = profile(&project, &report.model);
    assert_eq!(found.examples(), TEST as u64);
    assert!(matches!(found.inputs(), Inputs::Picture { channels: 1, .. }), "{:?}", found.inputs());
    let Answers::Classes { right, answered, expected, .. } = found.answers() else { panic!("classes") };
    let accuracy = report.metrics.test.value("accuracy").unwrap();
    assert_eq!(*right, (accuracy * TEST as f64).round() as u64);
    assert_eq!((answered.iter().sum::<u32>(), expected.iter().sum::<u32>()), (TEST as u32, TEST as u32));
    assert!(found.to_bytes().len() < 60_000, "{} bytes", found.to_bytes().len());
    // The same of a model that leaves no cases, whose answers are computed for it.
    let none = project.run(&project.scheme(&text, &["evaluate.cases_max=0", "name='none'"]));
    assert_eq!(profile(&project, &none.report().model).to_bytes(), found.to_bytes());
}
