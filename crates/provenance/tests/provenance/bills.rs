//! The bill of materials. Whether it keeps to the published JSON schema is checked by
//! `bench/checks/signing.py`.

use std::collections::BTreeSet;

use provenance::Card;
use serde_json::Value;

use crate::sample::{lineage, store_with_a_model};

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("bom-ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn it_says_what_is_known_and_nothing_else() {
    let (_folder, _store, model) = store_with_a_model();
    let lineage = lineage(&model);
    let card = Card {
        model: &model,
        lineage: &lineage,
        description: Some("Digits".to_owned()),
        licences: vec!["MIT".to_owned()],
        intended_use: vec!["reading forms".to_owned()],
        task: Some("classification".to_owned()),
        architecture: None,
        tool_version: "0.1.0".to_owned(),
        timestamp: None,
    };
    let text = card.encode().unwrap();
    assert_eq!(card.encode().unwrap(), text, "the same model has the same bill");
    let bom: Value = serde_json::from_str(&text).unwrap();
    let component = &bom["metadata"]["component"];
    assert_eq!(component["type"], "machine-learning-model");
    assert_eq!(component["version"], "1");
    assert_eq!(component["hashes"][0]["content"], model.version.digest.to_string());
    assert_eq!(component["pedigree"]["ancestors"].as_array().unwrap().len(), 2);
    let parameters = &component["modelCard"]["modelParameters"];
    assert_eq!(parameters["inputs"][0]["format"], "pixels: uint8 [batch, 64]");
    assert_eq!(parameters["architectureFamily"], Value::Null);
    let metrics = &component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"];
    assert_eq!(metrics, &serde_json::json!([{ "type": "accuracy", "value": "0.75", "slice": "test" }]));

    let mut all = Vec::new();
    references(&bom, &mut all);
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "every reference is unique: {all:?}");
    for dependency in bom["dependencies"].as_array().unwrap() {
        let needs = dependency["dependsOn"].as_array().unwrap().iter();
        for end in needs.chain([&dependency["ref"]]) {
            assert!(unique.contains(&end.as_str().unwrap().to_owned()), "{end} is listed");
        }
    }
    let other = Card { description: None, ..card };
    let serial = |text: &str| serde_json::from_str::<Value>(text).unwrap()["serialNumber"].clone();
    assert_ne!(serial(&other.encode().unwrap()), serial(&text), "another bill has another number");
}
