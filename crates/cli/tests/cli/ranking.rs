//! `heirloom inherit rank`: the document that programs read, and what people see.

use crate::place::Place;
use crate::samples::{photos, small_mnist};

/// Every number but those in names as `#`: the last digits depend on the processor, and times on the day.
fn without_numbers(value: &mut serde_json::Value) {
    use serde_json::Value::{Array, Number, Object, String};
    match value {
        Number(_) => *value = "#".into(),
        String(text) if !text.contains('@') || text.contains(' ') => {
            let mut plain = std::string::String::new();
            for each in text.chars() {
                match each.is_ascii_digit() {
                    true if plain.ends_with('#') => {}
                    true if plain.ends_with('@') => plain.push(each),
                    true => plain.push('#'),
                    false => plain.push(each),
                }
            }
            *text = plain;
        }
        Array(values) => values.iter_mut().for_each(without_numbers),
        Object(members) => members.values_mut().for_each(without_numbers),
        _ => {}
    }
}

/// A place with the model `mnist@1`, and a scheme for photos of another size.
fn prepared() -> Place {
    let place = Place::new();
    small_mnist(&place);
    place.heirloom("run schemes/mnist.toml --quiet").done();
    photos(&place);
    let scheme = "[data]\nsource = \"photos\"\nchannels = 1\nheight = 16\nwidth = 16\n[train]\nepochs = 1\n";
    place.write("photos.toml", format!("inherits = [\"vision/classifier\"]\n{scheme}"));
    place
}

#[test]
fn a_program_gets_the_documented_keys() {
    let place = prepared();
    let mut document = place.heirloom("inherit rank photos.toml --json").json();
    let again = place.heirloom("inherit rank photos.toml --json").json();
    assert_eq!(document, again);
    for candidate in document["candidates"].as_array_mut().expect("a list") {
        candidate["digest"] = candidate["digest"].as_str().map(str::len).into();
    }
    without_numbers(&mut document);
    insta::assert_snapshot!(format!("{document:#}"));

    let unscored = place.heirloom("inherit rank photos.toml --budget 0s --json").json();
    let reasons: Vec<_> =
        unscored["candidates"].as_array().expect("a list").iter().map(|each| &each["reason"]).collect();
    assert_eq!(reasons, ["not scored: budget"; 2]);
}

#[test]
fn a_person_gets_the_order_and_the_reasons() {
    let place = prepared();
    let shown = place.heirloom("inherit rank photos.toml").done();
    for text in [
        "start from",
        "from scratch",
        "mnist@1",
        "comes first: evidence",
        "are resized to its 28 x 28",
        "looked at ",
    ] {
        assert!(shown.contains(text), "no `{text}` in\n{shown}");
    }
    let plan = place.heirloom("inherit plan photos.toml --set model.inherit='auto'").done();
    assert!(plan.contains("mnist@1") || plan.starts_with("from scratch"), "{plan}");
    let wrong = place.heirloom("inherit rank photos.toml --budget 60").failed(2);
    assert!(wrong.contains("--budget"), "{wrong}");
}
