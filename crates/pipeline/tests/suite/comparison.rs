//! Test cases that versions leave, models that sit them, and gates.

use std::fs;

use inherit::compare::{Comparison, Outcome, RegressionComparison};
use pipeline::{CompareOptions, Compared, Event, ModelComparison, RunError, compare_models};
use store::{BundleCompression, By, Store};

use crate::support::{CONVOLUTIONAL, NOW_UNIX_MS, Project, Ran, idx};

/// More test cases than a row of the store takes, so that their inputs are a file.
const TEST: usize = 300;

/// A project with the model `parent`, its `[data]`, and a file of labels under which a network learns wrong answers.
fn family() -> (Project, String) {
    let project = Project::new();
    let data = project.digits_of(200, TEST);
    project.write("wrong-labels", idx(&[2049, 200], (0..200).map(|image| ((image + 1) % 3) as u8)));
    project.run(&project.scheme(&format!("name = \"parent\"\n{data}{CONVOLUTIONAL}"), &[])).report();
    (project, data)
}

/// Runs a child of `parent`.
fn child(project: &Project, data: &str, gates: &str, overrides: &[&str]) -> Ran {
    let text = format!("{data}{CONVOLUTIONAL}{gates}");
    project.run(&project.scheme(&text, &[&["model.inherit='parent'", "train.epochs=1"], overrides].concat()))
}

/// Unlearns what its parent knew.
fn forgetful(project: &Project, data: &str, gates: &str) -> Ran {
    let labels = format!("data.labels='{}'", project.path("wrong-labels").display());
    child(project, data, gates, &[&labels, "train.epochs=4"])
}

fn open(project: &Project) -> Store {
    Store::open(&project.store()).unwrap()
}

fn compared(store: &Store, child: &str, parents: &[&str]) -> Result<Vec<ModelComparison>, RunError> {
    let parents: Vec<String> = parents.iter().map(|each| each.to_string()).collect();
    let options = CompareOptions { threads: 1, tolerance: 0.0, inputs_max: 3 };
    compare_models(store, child, &parents, options)
}

fn classes(found: &ModelComparison) -> &Comparison {
    match &found.outcome {
        Compared::Classes(comparison) => comparison,
        Compared::Values(_) => panic!("classes"),
    }
}

fn numbers(found: &ModelComparison) -> &RegressionComparison {
    match &found.outcome {
        Compared::Values(comparison) => comparison,
        Compared::Classes(_) => panic!("numbers"),
    }
}

/// The file of the blob that is kept beside `parent` as `role`.
fn blob_file(project: &Project, role: &str) -> std::path::PathBuf {
    let store = open(project);
    let digest =
        store.attachment_digest(&store.resolve("parent").unwrap(), role).unwrap().unwrap().to_string();
    project.store().join("blobs").join(&digest[..2]).join(&digest[2..])
}

#[test]
fn inputs_are_kept_once_for_all_children() {
    let (project, data) = family();
    child(&project, &data, "", &[]).report();
    child(&project, &data, "", &["train.epochs=2"]).report();
    let store = open(&project);
    let kept =
        |model: &str, role: &str| store.attachment_digest(&store.resolve(model).unwrap(), role).unwrap();
    assert_eq!(kept("parent@1", "case_inputs"), kept("small@1", "case_inputs"));
    assert_eq!(kept("small@1", "case_inputs"), kept("small@2", "case_inputs"));
    let answers = store.get(kept("small@2", "cases").unwrap()).unwrap();
    assert!(answers.len() < 6 * TEST + 300, "{} bytes", answers.len());
    // Where nothing may be left behind, nothing is; where a few may, the same few of every model.
    let none = child(&project, &data, "", &["evaluate.cases_max=0", "name=none"]);
    assert_eq!(kept(&none.report().model, "cases"), None);
    let first = child(&project, &data, "", &["evaluate.cases_max=7", "name=first"]);
    assert!(
        first.notices().iter().any(|text| text.contains("7 of 300 test cases are left")),
        "{:?}",
        first.notices()
    );
    let second = child(&project, &data, "", &["evaluate.cases_max=7", "name=second", "train.epochs=3"]);
    assert_eq!(kept(&first.report().model, "case_inputs"), kept(&second.report().model, "case_inputs"));
    let found = compared(&store, "first", &["none"]).unwrap().remove(0);
    assert_eq!(classes(&found).cases, TEST as u64, "the cases of their parent");
    assert!(
        found.notices.contains(&"first@1 left 7 of its 300 test cases".to_owned()),
        "{:?}",
        found.notices
    );
    assert!(found.notices.contains(&"none@1 left no test cases".to_owned()), "{:?}", found.notices);
}

#[test]
fn a_child_that_breaks_cases_is_refused() {
    let (project, data) = family();
    let gate = "[evaluate.gate.no_regression]\nagainst = \"parent\"\nnewly_broken_max = 0.01\n";
    let refused = forgetful(&project, &data, gate);
    assert!(matches!(refused.result, Err(RunError::Refused(_))), "{:?}", refused.result);
    let (codes, text) = refused.diagnostics();
    assert_eq!(codes, ["gate-refused"]);
    assert!(text.contains("`no_regression`") && text.contains("1.00 % are allowed"), "{text}");
    assert!(open(&project).resolve("small").is_err(), "nothing is registered");
    let brief = refused.events.iter().find_map(|event| match event {
        Event::ComparedWithParent(brief) => Some(brief.clone()),
        _ => None,
    });
    let brief = brief.expect("the comparison is told");
    assert_eq!((brief.parent.as_str(), brief.cases), ("parent@1", TEST as u64));
    assert!(brief.newly_broken > 100 && brief.p < 1e-6, "{brief:?}");

    // Without the gate nothing is trained again, and the whole comparison agrees with the brief one.
    let ran = forgetful(&project, &data, "");
    assert_eq!(ran.worked(), ["evaluate", "package", "register"]);
    assert_eq!(ran.report().against_parent.as_ref(), Some(&brief));
    let found = compared(&open(&project), "small", &["parent"]).unwrap().remove(0);
    let whole = classes(&found);
    assert_eq!(
        (whole.newly_broken.len() as u64, whole.newly_fixed.len() as u64, whole.mcnemar_p),
        (brief.newly_broken, brief.newly_fixed, brief.p)
    );
    assert_eq!(brief.accuracy, Some([whole.before.accuracy, whole.after.accuracy]));
    assert!(found.notices.is_empty(), "stored answers hold, and nothing is left out: {:?}", found.notices);
    assert_eq!(found.inputs.len(), 3 + whole.newly_fixed.len().min(3));
    let pictured = &found.inputs[&whole.newly_broken[0].digest];
    assert_eq!((pictured.owner.as_str(), pictured.input.shape()), ("small@1", &[1, 8, 8][..]));
    assert!(whole.before.calibration.is_some() && found.after.latency_ms.is_some());
}

#[test]
fn gates_of_every_kind() {
    let (project, data) = family();
    let passing = "[evaluate.gate.quality]\nmetric = \"accuracy\"\nmin = 0.5\nmax = 1\nclass_min = 0.1\n\
        [evaluate.gate.parent]\nagainst = \"parent\"\nnewly_broken_max = 0.1\nmargin = 0.05\nclass_min = 0.1\n\
        [evaluate.gate.surely]\nagainst = \"parent\"\nmargin = 0.1\nconfidence = 0.9\n";
    let ran = child(&project, &data, passing, &[]);
    let gates: Vec<(&str, &str)> =
        ran.report().gates.iter().map(|one| (one.gate.as_str(), one.condition.as_str())).collect();
    let expect = [
        ("quality", "min"),
        ("quality", "max"),
        ("quality", "class_min"),
        ("parent", "newly_broken_max"),
        ("parent", "margin"),
        ("parent", "class_min"),
        ("surely", "margin"),
    ];
    assert_eq!(gates, expect);
    assert!(ran.report().gates.iter().all(|one| one.outcome == Outcome::Pass));
    let again = child(&project, &data, passing, &[]);
    assert!(again.report().cached && again.report().gates == ran.report().gates);

    let ran = forgetful(&project, &data, passing);
    let (codes, text) = ran.diagnostics();
    assert_eq!(codes.len(), 6, "every condition that does not hold is named: {text}");
    assert!(text.contains("`accuracy` is 0.") && text.contains("at least 0.5 is required"), "{text}");
    // A child takes a gate out by its name.
    let removed = format!("{passing}[evaluate.gate.more]\nmetric = \"loss\"\nmin = 0\n");
    let scheme = project.scheme(&format!("{data}{CONVOLUTIONAL}{removed}"), &["model.inherit='parent'"]);
    assert_eq!(scheme.evaluate.gate.len(), 4);
}

#[test]
fn cases_travel_with_their_version() {
    let (project, data) = family();
    child(&project, &data, "", &[]).report();
    let store = open(&project);
    let expect = compared(&store, "small", &["parent"]).unwrap().remove(0);
    let by = By { actor: "tester".to_owned(), unix_ms: NOW_UNIX_MS };

    let pushed = Store::open_or_create(&project.path("pushed")).unwrap();
    let package = store.package(&["small".to_owned()]).unwrap();
    pushed.receive(&package, &mut &store, &by, &mut |_, _| {}).unwrap();
    let bundle = project.path("small.bundle");
    store.write_bundle(&["small".to_owned()], &bundle, BundleCompression::Zstd).unwrap();
    let imported = Store::open_or_create(&project.path("imported")).unwrap();
    imported.import_bundle(&bundle, &by, &mut |_, _| {}).unwrap();
    for other in [pushed, imported] {
        other.collect_garbage(store::Collection { stages: true, dry_run: false }).unwrap();
        let found = compared(&other, "small", &["parent"]).unwrap().remove(0);
        assert_eq!((&found.outcome, &found.inputs), (&expect.outcome, &expect.inputs));
    }
}

#[test]
fn lost_inputs_are_told() {
    let (project, data) = family();
    child(&project, &data, "", &[]).report();
    fs::remove_file(blob_file(&project, "case_inputs")).unwrap();
    let error = compared(&open(&project), "small", &["parent"]).unwrap_err().to_string();
    assert!(
        error.contains("the test cases of small@1 cannot be read") && error.contains("is missing"),
        "{error}"
    );
    // The child's own cases are still sat, which is said; a gate that should have seen the parent's refuses.
    let ran = child(&project, &data, "", &["train.epochs=2"]);
    let told = ran.notices().iter().any(|text| text.contains("the test cases of parent@1 cannot be read"));
    assert!(told, "{:?}", ran.notices());
    assert_eq!(ran.report().against_parent.as_ref().map(|brief| brief.cases), Some(TEST as u64));
    // That run kept the same inputs again, and with them the parent's cases can be read.
    assert!(compared(&open(&project), "small", &["parent"]).is_ok());
    fs::write(blob_file(&project, "case_inputs"), b"damaged").unwrap();
    let gate = "[evaluate.gate.g]\nagainst = \"parent\"\nnewly_broken_max = 1\n";
    let (_, text) = child(&project, &data, gate, &["train.epochs=2"]).diagnostics();
    assert!(text.contains("cannot be judged") && text.contains("damaged"), "{text}");
}

#[test]
fn cases_that_a_model_cannot_take_are_left_out() {
    let (project, data) = family();
    let wide: Vec<u8> = (0..260usize * 100).map(|at| (at * 7 % 251) as u8).collect();
    for (part, from, count) in [("train", 0, 200usize), ("test", 200, 60)] {
        let images = wide[from * 100..(from + count) * 100].iter().copied();
        project.write(&format!("{part}-images"), idx(&[2051, count as u32, 10, 10], images));
        project.write(
            &format!("{part}-labels"),
            idx(&[2049, count as u32], (0..count).map(|at| (at % 3) as u8)),
        );
    }
    let ran = child(&project, &data, "", &["model.fresh=['output']"]);
    assert_eq!(ran.report().against_parent, None);
    let told =
        |text: &str| assert!(ran.notices().iter().any(|told| told.contains(text)), "{:?}", ran.notices());
    told(
        "the cases of the test part are left out: parent@1 takes uint8 [1, 8, 8], and the cases are uint8 [1, 10, 10]",
    );
    told("there is no comparison with parent@1");
    let Err(RunError::Diagnostics(found)) = compared(&open(&project), "small", &["parent"]) else {
        panic!("they have no case in common")
    };
    assert_eq!(found.0[0].code, "no-shared-cases");
    assert!(found.0[0].help.iter().any(|help| help.contains("parent@1 takes")), "{:?}", found.0[0].help);
    let gate = "[evaluate.gate.g]\nagainst = \"parent\"\nnewly_broken_max = 1\n";
    let (_, text) = child(&project, &data, gate, &["model.fresh=['output']"]).diagnostics();
    assert!(text.contains("It cannot be judged: there is no comparison with parent@1"), "{text}");
}

#[test]
fn tables_are_read_by_the_names_of_their_columns() {
    let project = Project::new();
    let mut text = "x,y,z,class,number\n".to_owned();
    for row in 0..200 {
        let (x, y, z) = (row * 37 % 101, row * 53 % 89, row * 29 % 83);
        text += &format!("{x},{y},{z},{},{}\n", if x > 50 { "high" } else { "low" }, 2 * x + z);
    }
    let file = project.write("table.csv", text);
    let scheme = |name: &str, features: &str, target: &str, task: &str| {
        format!(
            "name = '{name}'\n[data]\nsource = '{}'\nfeatures = {features}\ntarget = '{target}'\ntask = '{task}'\n\
             split = {{ train = 0.6, validation = 0.1, test = 0.3 }}\n[model.layers.output]\nop = 'dense'\nunits = {}\n\
             [train]\nepochs = 2\n",
            file.display(),
            if task == "regression" { 1 } else { 2 }
        )
    };
    let run = |text: &str, overrides: &[&str]| project.run(&project.scheme(text, overrides)).report().clone();
    run(&scheme("clinic", "['x', 'y']", "class", "classification"), &[]);
    let report =
        run(&scheme("hospital", "['z', 'y', 'x']", "class", "classification"), &["model.inherit='clinic'"]);
    // The parent takes two of the child's three columns; the child cannot take cases that lack one.
    let brief = report.against_parent.unwrap();
    assert_eq!(brief.cases, report.data.test as u64);
    let found = compared(&open(&project), "hospital", &["clinic"]).unwrap().remove(0);
    assert_eq!(classes(&found).cases, brief.cases);
    assert!(
        found.notices.iter().any(|text| text.contains("hospital@1 takes columns that the cases lack: z"))
    );

    run(&scheme("first", "['x', 'y', 'z']", "number", "regression"), &[]);
    let report =
        run(&scheme("second", "['z', 'y', 'x']", "number", "regression"), &["model.inherit='first'"]);
    let brief = report.against_parent.unwrap();
    let found = compared(&open(&project), "second", &["first"]).unwrap().remove(0);
    assert_eq!(Some([numbers(&found).mae_before, numbers(&found).mae_after]), brief.mae);
    assert_eq!(brief.newly_broken, numbers(&found).newly_worse.len() as u64);
    let Err(RunError::Diagnostics(mixed)) = compared(&open(&project), "second", &["clinic"]) else {
        panic!("a number is no class")
    };
    assert_eq!(mixed.0[0].code, "different-tasks");
}

#[test]
fn corrected_labels_of_a_child_count() {
    let (project, data) = family();
    let labels = (0..TEST).map(|image| if image == 0 { 2 } else { (image % 3) as u8 });
    project.write("test-labels", idx(&[2049, TEST as u32], labels));
    let ran = child(&project, &data, "", &[]);
    let told = ran.notices().iter().any(|text| text.contains("1 case has another right answer"));
    assert!(told, "{:?}", ran.notices());
    // Several parents: one comparison each, over the same cases.
    child(&project, &data, "", &["name=other"]).report();
    let found = compared(&open(&project), "small", &["parent", "other"]).unwrap();
    let sides: Vec<(&str, u64)> =
        found.iter().map(|one| (one.before.model.as_str(), classes(one).cases)).collect();
    assert_eq!(sides, [("parent@1", TEST as u64), ("other@1", TEST as u64)]);
}
