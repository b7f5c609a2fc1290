//! Promoting step by step and overruling gates, as programs see it.

use serde_json::Value;

use crate::place::Place;
use crate::samples::{HOUSES, houses};

/// Two versions of a model, the first of which serves.
fn two_versions(place: &Place) {
    houses(place);
    let more = "[evaluate.gate.error]\nmetric = \"rmse\"\nmax = 1e9\n\
        [deploy]\nshadow = true\ncanary = { steps = [20, 60], requests_min = 50 }\n";
    place.write("houses.toml", format!("{HOUSES}{more}"));
    let first = place.heirloom("run houses.toml --quiet --json").json();
    assert_eq!(first["deployment"], serde_json::json!({ "alias": "production", "outcome": "promoted" }));
}

#[test]
fn a_rollout_is_one_document() {
    let place = Place::new();
    two_versions(&place);
    let none = place.heirloom("model rollout houses@production --json").json();
    assert_eq!((&none["version"], &none["rollout"]), (&1.into(), &Value::Null));
    let said = place.heirloom("model rollout houses").done();
    assert_eq!(said, "houses@production is houses@1; no rollout of it ever began\n");
    place.heirloom("model rollout houses@staging").failed(2);

    // The scheme of the second version says how: a shadow first.
    let second = place.heirloom("run houses.toml --set seed=2 --quiet --json").json();
    let deployment = &second["deployment"];
    assert_eq!((&deployment["outcome"], &deployment["percent"]), (&"rolling_out".into(), &0.into()));
    let running = place.heirloom("model rollout houses --json").json();
    assert_eq!(running["rollout"]["plan"]["steps"], serde_json::json!([0, 20, 60]));
    let ended = place.heirloom("model rollback houses --from production --reason slow --json").json();
    let rollout = &ended["rollout"];
    assert_eq!((&ended["version"], &rollout["state"]), (&1.into(), &"rolled back".into()));
    assert_eq!((&rollout["reason"], &rollout["steps"][1]["percent"]), (&"slow".into(), &Value::Null));

    // By hand: the steps of that scheme above the first share.
    let begun = place.heirloom("model promote houses@2 --canary 30 --json").json();
    assert_eq!(begun["rollout"]["plan"]["steps"], serde_json::json!([30, 60]));
    assert_eq!(begun["rollout"]["steps"][0]["percent"], 30);
    let said = place.heirloom("model promote houses@2 --canary 40").failed(2);
    assert!(said.contains("error[rollout-under-way]") && said.contains("from version 1 to 2"), "{said}");
    place.heirloom("model promote houses@2").done();
    let ended = place.heirloom("model rollout houses --json").json();
    assert_eq!((&ended["version"], &ended["rollout"]["state"]), (&2.into(), &"promoted".into()));
    let back = place.heirloom("model rollback houses --json").json();
    assert_eq!(
        back,
        serde_json::json!({ "name": "houses", "alias": "production", "version": 1, "replaced": 2 })
    );
}

#[test]
fn an_overruled_gate_stays_with_its_version() {
    let place = Place::new();
    two_versions(&place);
    let line = "run houses.toml --quiet --json --set seed=2 --set evaluate.gate.error.max=1";
    let said = place.heirloom(line).failed(3);
    assert!(said.contains("the gate `error` refuses the model: `rmse` is"), "{said}");
    let document = place.heirloom(&format!("{line} --override-gate error --reason pilot")).json();
    let overruled = &document["overruled"][0];
    assert_eq!((&overruled["gate"], &overruled["reason"]), (&"error".into(), &"pilot".into()));
    let shown = place.heirloom("model show houses@2").done();
    assert!(shown.contains("OVERRULED") && shown.contains("pilot (`rmse` is"), "{shown}");
    // It goes where the version goes.
    place.heirloom("store push other").done();
    let elsewhere = place.heirloom("model show houses@2 --json --store other").json();
    assert_eq!(elsewhere["overruled"], document["overruled"]);
}
