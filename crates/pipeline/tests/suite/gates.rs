//! Gates over slices, time, size and production; refusals and overrules that are written down; deployment; what watching
//! finds to do.

use base::Digest;
use pipeline::{Cause, DeploymentOutcome, Due, Flow, Override, RunError, RunOptions, Why, due, overruled_of};
use scheme::ResolvedScheme;
use store::{By, Promotion, RolloutEnd, Store};

use crate::support::{NOW_UNIX_MS, Project, Ran, options};

/// A table of `rows` people; whoever is of group `c` has the answer turned round, of group `d` there are six.
fn people(project: &Project, rows: usize) -> String {
    let mut text = "x,y,group,label\n".to_owned();
    for row in 0..rows {
        let (x, y) = (row * 37 % 101, row * 53 % 97);
        let group = if row % 100 == 7 { "d" } else { ["a", "b", "a", "c"][row % 4] };
        let yes = (x > 50) != (group == "c");
        text += &format!("{}.{row:04},{y},{group},{}\n", x, if yes { "yes" } else { "no" });
    }
    let path = project.write("people.csv", text);
    format!(
        "[data]\nsource = '{}'\nfeatures = [\"x\", \"y\"]\ntarget = \"label\"\ntask = \"classification\"\n\
         split = {{ train = 0.5, validation = 0.1, test = 0.4 }}\n\
         [preprocess.spread]\nop = \"standardize\"\n\
         [model.layers.output]\nop = \"dense\"\nunits = \"classes\"\n\
         [train]\nepochs = 5\noptimizer = {{ name = \"adam\", learning_rate = 0.05 }}\n",
        path.display()
    )
}

fn run(project: &Project, text: &str, overrides: &[&str]) -> Ran {
    project.run(&project.scheme(text, overrides))
}

fn open(project: &Project) -> Store {
    Store::open(&project.store()).unwrap()
}

fn by() -> By {
    By { actor: "tester".to_owned(), unix_ms: NOW_UNIX_MS }
}

fn target(project: &Project) -> Option<u32> {
    open(project).alias_target("small", "production").unwrap()
}

fn refused(ran: &Ran) -> String {
    assert!(matches!(ran.result, Err(RunError::Refused(_))), "{:?}", ran.result);
    ran.diagnostics().1
}

#[test]
fn slices_of_a_column_that_is_no_feature() {
    let project = Project::new();
    let data = people(&project, 800);
    let fair = "[evaluate.gate.fair]\nslice = \"group\"\nslice_min = 0.6\nslice_gap_max = 0.2\n";
    let text = refused(&run(&project, &format!("{data}{fair}"), &[]));
    assert!(text.contains("of 3 slices by `group`, `c` is answered worst: 0."), "{text}");
    assert!(text.contains("at least 0.6 is required") && text.contains("at most 0.2 is allowed"), "{text}");
    assert!(text.contains("fewer than 20 test examples: `d` ("), "{text}");

    // The column alone changes: nothing is trained again, and the gate sees the new values.
    let table = std::fs::read_to_string(project.path("people.csv")).unwrap();
    project.write("people.csv", table.replace(",c,", ",a,"));
    let ran = run(
        &project,
        &format!("{data}{fair}"),
        &["evaluate.gate.fair.slice_min=0.5", "evaluate.gate.fair.slice_gap_max=1"],
    );
    let gates = &ran.report().gates;
    assert!(gates.iter().all(|gate| gate.sentence.contains("of 2 slices by `group`")), "{gates:?}");
    assert_eq!(ran.worked(), ["prepare", "evaluate", "package", "register"]);

    let by_class = "[evaluate.gate.fair]\nslice = \"class\"\nslice_min = 0.5\n";
    let ran = run(&project, &format!("{data}{by_class}"), &[]);
    assert!(ran.report().gates[0].sentence.contains("by `class`, `"), "{:?}", ran.report().gates);
}

#[test]
fn a_column_that_cannot_divide_costs_no_training() {
    let project = Project::new();
    let data = people(&project, 300);
    for (column, code) in [("grup", "unknown-column"), ("x", "too-many-slices")] {
        let text = format!("{data}[evaluate.gate.fair]\nslice = \"{column}\"\nslice_min = 0.5\n");
        let ran = run(&project, &text, &[]);
        let (codes, said) = ran.diagnostics();
        assert_eq!(codes, [code], "{said}");
    }
    assert!(!project.store().exists(), "nothing is written");
}

#[test]
fn size_and_time_are_measured_at_the_gate() {
    let project = Project::new();
    let data = people(&project, 200);
    let gates = "[evaluate.gate.small]\nbytes_max = 1000000\n\
        [evaluate.gate.quick]\nlatency_ms_max = 60000\nbatch = 16\n";
    let ran = run(&project, &format!("{data}{gates}"), &[]);
    let [small, quick] = ran.report().gates.as_slice() else { panic!("{:?}", ran.report().gates) };
    let expect = format!("the model takes {} bytes; at most 1000000", ran.report().size_bytes);
    assert!(small.sentence.starts_with(&expect), "{}", small.sentence);
    assert!(quick.sentence.starts_with("16 examples take "), "{}", quick.sentence);
    assert!(run(&project, &format!("{data}{gates}"), &[]).report().cached);

    let text = refused(&run(
        &project,
        &format!("{data}{gates}"),
        &["evaluate.gate.small.bytes_max=10", "evaluate.gate.quick.latency_ms_max=0.0000001"],
    ));
    assert!(text.contains("`small` refuses") && text.contains("`quick` refuses"), "{text}");
}

#[test]
fn what_serves_is_the_bar_and_a_refusal_is_written_down() {
    let project = Project::new();
    let data = people(&project, 400);
    let scheme =
        format!("{data}[evaluate.gate.champion]\nagainst = \"production\"\nmargin = 0.1\n[deploy]\n");
    let first = run(&project, &scheme, &[]);
    assert!(first.report().gates[0].sentence.contains("small@production points at nothing"));
    let deployment = first.report().deployment.clone().unwrap();
    assert_eq!((deployment.outcome, deployment.replaced), (DeploymentOutcome::Promoted, None));
    assert_eq!(target(&project), Some(1));

    let worse = ["train.optimizer.learning_rate=0.00001"];
    let ran = run(&project, &scheme, &worse);
    let text = refused(&ran);
    assert!(text.contains("the gate `champion` refuses the model"), "{text}");
    let store = open(&project);
    let last = store.history(Some("small")).unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.version, last.actor.as_str()), ("refuse", None, "tester"));
    assert!(last.reason.unwrap().contains("the gate `champion` refuses the model"));
    assert_eq!((store.versions("small").unwrap().len(), target(&project)), (1, Some(1)));
    let run_folder = store.run_folder(&store.runs().unwrap().pop().unwrap().record.id).unwrap();
    let written: pipeline::RefusalReport =
        serde_json::from_slice(&std::fs::read(run_folder.join("refused.json")).unwrap()).unwrap();
    assert_eq!((written.name.as_str(), written.gates.len()), ("small", 1));

    // Where another version serves, the same model is judged anew, and nothing is trained again.
    store.set_alias("small", "production", 1, &by()).unwrap();
    let better = run(&project, &scheme, &["seed=2"]);
    assert_eq!(better.report().deployment.as_ref().unwrap().replaced.as_deref(), Some("small@1"));
    assert_eq!(target(&project), Some(2));
    assert_eq!(run(&project, &scheme, &worse).worked_before_refusal(), ["evaluate"]);
}

#[test]
fn a_gate_is_overruled_by_name_and_for_a_reason() {
    let project = Project::new();
    let data = people(&project, 200);
    let gates = "[evaluate.gate.never]\nmetric = \"accuracy\"\nmin = 1\n\
        [evaluate.gate.small]\nbytes_max = 1\n[deploy]\n";
    let scheme = project.scheme(&format!("{data}{gates}"), &[]);
    let overruling = |gates: &[&str], reason: &str| {
        let gates = gates.iter().map(|gate| (*gate).to_owned()).collect();
        let options = RunOptions { overrides: Some(Override { gates, reason: reason.into() }), ..options() };
        project.run_with(&scheme, &project.store(), options, |_| Flow::Continue)
    };
    for (gates, reason, code) in [(["nevr"], "x", "unknown-gate"), (["never"], " ", "no-reason")] {
        let ran = overruling(&gates, reason);
        assert!(matches!(ran.result, Err(RunError::Diagnostics(_))) && ran.diagnostics().0 == [code]);
    }
    let text = refused(&overruling(&["never"], "a demonstration"));
    assert!(text.contains("`small` refuses") && !text.contains("`never`"), "{text}");

    let ran = overruling(&["never", "small"], "a demonstration");
    let overruled = &ran.report().overruled;
    assert_eq!(overruled.len(), 2);
    assert_eq!((overruled[0].gate.as_str(), overruled[0].actor.as_str()), ("never", "tester"));
    let store = open(&project);
    let version = store.resolve("small@production").unwrap();
    assert_eq!(overruled_of(&store, &version).unwrap(), *overruled);
    let told: Vec<_> = store.history(Some("small")).unwrap();
    let told: Vec<_> = told.iter().filter(|event| event.action == "override_gate").collect();
    assert_eq!((told.len(), told[1].subject.as_deref()), (2, Some("small")));
    assert!(told.iter().all(|event| event.reason.as_deref() == Some("a demonstration")));
}

#[test]
fn a_canary_begins_where_something_serves() {
    let project = Project::new();
    let data = people(&project, 200);
    let scheme =
        format!("{data}[deploy]\nshadow = true\ncanary = {{ steps = [10, 50], requests_min = 7 }}\n");
    let outcome = |ran: &Ran| ran.report().deployment.clone().unwrap();
    assert_eq!(outcome(&run(&project, &scheme, &[])).outcome, DeploymentOutcome::Promoted);
    let second = outcome(&run(&project, &scheme, &["seed=2"]));
    assert_eq!((second.outcome, second.percent), (DeploymentOutcome::RollingOut, Some(0)));
    assert_eq!(second.replaced.as_deref(), Some("small@1"));
    let store = open(&project);
    let rollout = store.rollout("small", "production").unwrap().unwrap();
    let plan: scheme::Canary = serde_json::from_str(&rollout.plan).unwrap();
    assert_eq!((plan.steps.as_slice(), plan.requests_min), (&[0, 10, 50][..], 7));
    let version = store.resolve("small@2").unwrap();
    assert_eq!(pipeline::deploy_of(&store, &version).unwrap().unwrap().plan(), Some(plan));

    let third = outcome(&run(&project, &scheme, &["seed=3"]));
    assert_eq!(third.outcome, DeploymentOutcome::Withheld);
    assert!(third.reason.unwrap().contains("a rollout of small@production from version 1 to 2 is under way"));
    assert_eq!(target(&project), Some(1));
    assert!(run(&project, &scheme, &["seed=3"]).report().cached);
}

/// What a watcher does about `text`, as the program does it.
fn watch(project: &Project, text: &str, drift: Option<&str>) -> Option<(Why, Ran)> {
    let scheme = project.scheme(text, &[]);
    let Due::Run(order) = look(project, &scheme, drift) else { return None };
    let inherit = order.inherit.map(|parent| format!("model.inherit='{parent}'"));
    let overrides: Vec<&str> = inherit.iter().map(String::as_str).collect();
    let options = RunOptions { cause: Some(order.cause), resume: true, ..options() };
    let ran =
        project.run_with(&project.scheme(text, &overrides), &project.store(), options, |_| Flow::Continue);
    Some((order.why, ran))
}

fn look(project: &Project, scheme: &ResolvedScheme, drift: Option<&str>) -> Due {
    let store = project.store().exists().then(|| open(project));
    due(scheme, store.as_ref(), drift.map(|text| Digest::of(text.as_bytes()))).unwrap()
}

#[test]
fn watching_makes_a_model_for_new_data_and_for_drift_once_each() {
    let project = Project::new();
    let scheme =
        format!("{}[evaluate.gate.g]\nmetric = \"accuracy\"\nmin = 0.3\n[deploy]\n", people(&project, 300));
    let (why, first) = watch(&project, &scheme, None).expect("nothing was decided");
    assert_eq!((why, first.report().model.as_str()), (Why::Data, "small@1"));
    assert!(watch(&project, &scheme, None).is_none(), "the same data");

    people(&project, 320);
    let (why, second) = watch(&project, &scheme, None).expect("more data");
    assert_eq!(
        (why, second.report().deployment.as_ref().unwrap().replaced.as_deref()),
        (Why::Data, Some("small@1"))
    );
    assert_eq!(second.report().against_parent.as_ref().unwrap().parent, "small@1");
    assert!(watch(&project, &scheme, None).is_none(), "its own promotion is no new occasion");

    let (why, third) = watch(&project, &scheme, Some("a report")).expect("drift");
    assert_eq!((why, third.report().model.as_str()), (Why::Drift, "small@3"));
    assert!(watch(&project, &scheme, Some("a report")).is_none(), "a report counts once");

    // What was refused stays refused, until data or scheme change.
    people(&project, 340);
    let strict = scheme.replace("min = 0.3", "min = 1");
    assert!(watch(&project, &strict, None).expect("more data").1.result.is_err());
    assert!(watch(&project, &strict, None).is_none());
    let Due::Nothing(decided) = look(&project, &project.scheme(&strict, &[]), None) else { panic!() };
    assert!(decided.action == "refuse" && decided.reason.unwrap().contains("`accuracy` is"));
    assert_eq!(target(&project), Some(3));
    let (_, ran) = watch(&project, &scheme, None).expect("another scheme");
    assert_eq!(ran.report().deployment.as_ref().unwrap().replaced.as_deref(), Some("small@3"));
}

#[test]
fn watching_waits_for_a_rollout_and_needs_a_place_to_go() {
    let project = Project::new();
    let data = people(&project, 200);
    let found = due(&project.scheme(&data, &[]), None, None).unwrap_err();
    assert!(matches!(&found, RunError::Diagnostics(found) if found.0[0].code == "no-deploy"), "{found}");
    let scheme = format!("{data}[deploy]\ncanary = {{}}\n");
    watch(&project, &scheme, None).unwrap().1.report();
    people(&project, 220);
    watch(&project, &scheme, None).unwrap().1.report();
    people(&project, 240);
    let resolved = project.scheme(&scheme, &[]);
    let Due::RollingOut(rollout) = look(&project, &resolved, None) else { panic!("a canary is under way") };
    assert_eq!((rollout.from, rollout.to, rollout.percent), (1, 2, 5));
    let store = open(&project);
    store.finish_rollout(&rollout, RolloutEnd::RollBack, "slow", &by()).unwrap();
    let Due::Run(order) = look(&project, &resolved, None) else { panic!("the way is free") };
    assert_eq!(order.inherit.as_deref(), Some("small@1"), "what serves, not what was tried");
    assert_eq!(order.cause, Cause { scheme: resolved.digest(), drift: None });
    store.promote("small@2", "production", &Promotion::default(), &by()).unwrap();
    let Due::Run(order) = look(&project, &resolved, None) else { panic!("the way is free") };
    assert_eq!(order.inherit.as_deref(), Some("small@2"));
}
