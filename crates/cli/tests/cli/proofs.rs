//! `inherit prove`, as people and programs see it.

use serde_json::Value;

use crate::place::Place;
use crate::samples::photos;

const PHOTOS: &str = "\
inherits = [\"vision/classifier\"]
[data]
source = \"photos\"
channels = 1
height = 16
width = 16
[train]
epochs = 1
";

const PROVE: &str = "inherit prove child.toml --fractions 1,0.1 --seeds 2";

fn family() -> Place {
    let place = Place::new();
    photos(&place);
    place.write("photos.toml", PHOTOS);
    place.write("child.toml", format!("{PHOTOS}[model]\ninherit = \"photos\"\n"));
    place.heirloom("run photos.toml --quiet --set train.epochs=4").done();
    place
}

/// A document with what the clock and the processor decide taken out.
fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let value = match key.as_str() {
                    "seconds" | "time_ratio" => Value::from("<seconds>"),
                    "time_ratio_note" | "cpu_level" | "scheme_digest" => Value::from("<text>"),
                    "curves" => redacted(&serde_json::json!({ "labels": value["labels"], "inherited": [value["inherited"][0]] })),
                    "mean" | "low" | "high" if value.is_f64() => Value::from("<number>"),
                    _ => redacted(value),
                };
                (key.clone(), value)
            })
            .collect(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_program_gets_the_proof() {
    let place = family();
    let found = place.heirloom(&format!("{PROVE} --json --svg proof.svg")).json();
    let mut shown = redacted(&found);
    // Whether so little training pays is not what this is about.
    for key in ["pays", "verdict", "labels_saved", "labels_saved_note"] {
        assert!(found.get(key).is_some(), "{key}");
        shown[key] = Value::from("<outcome>");
    }
    for row in shown["fractions"].as_array_mut().into_iter().flatten() {
        row["scratch_labels"] = Value::from("<outcome>");
    }
    insta::assert_snapshot!("proof", format!("{shown:#}"));

    let again = place.heirloom(&format!("{PROVE} --json")).json();
    assert_eq!(again["fractions"], found["fractions"], "nothing is trained again");
    let last = place.heirloom("inherit prove child.toml --last --json").json();
    assert_eq!((&last["fractions"], &last["kept_with"]), (&found["fractions"], &"photos@1".into()));
    let picture = std::fs::read_to_string(place.path().join("proof.svg")).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("child from photos@1"), "{picture}");
}

#[test]
fn a_person_gets_a_table_and_the_verdict() {
    let place = family();
    let outcome = place.heirloom(PROVE);
    assert!(outcome.stderr.contains("proof     8/8: "), "{}", outcome.stderr);
    let text = outcome.done();
    for line in ["parent     photos@1", "labels ", "Inheriting ", "kept with  photos@1"] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    let shown = place.heirloom("model show photos").done();
    assert!(shown.contains("child from photos@1: Inheriting "), "{shown}");
    let lineage = place.heirloom("model lineage photos").done();
    assert!(lineage.contains("proved: inheriting "), "{lineage}");
    let nodes = place.heirloom("model lineage photos --json").json();
    assert_eq!(nodes["nodes"][0]["proofs"][0]["scheme"], "child");
    let history = place.heirloom("model history photos").done();
    assert!(history.contains("attach"), "{history}");

    let said = place.heirloom("inherit prove child.toml --fractions 0,2").failed(2);
    assert!(said.contains("error[bad-fraction]"), "{said}");
    let said = place.heirloom("inherit prove photos.toml").failed(2);
    assert!(said.contains("error[no-parent]"), "{said}");
    let said = place.heirloom("inherit prove photos.toml --last").failed(2);
    assert!(said.contains("error[no-proof]"), "{said}");
}
