//! Models compared, and models that gates refuse.

use crate::place::Place;
use crate::samples::photos;

const PETS: &str = "\
inherits = [\"vision/classifier\"]
[data]
source = \"photos\"
channels = 1
height = 16
width = 16
[train]
epochs = 1
";

fn family() -> Place {
    let place = Place::new();
    photos(&place);
    place.write("pets.toml", PETS);
    place.write("more.toml", format!("{PETS}[model]\ninherit = \"pets\"\n"));
    place.heirloom("run pets.toml --quiet").done();
    place
}

#[test]
fn a_gate_refuses_with_status_3() {
    let place = family();
    let gated = "[evaluate.gate.quality]\nmetric = \"accuracy\"\nmin = 2\n\
                 [evaluate.gate.parent]\nagainst = \"parent\"\nmargin = -1\n";
    let scheme = std::fs::read_to_string(place.path().join("more.toml")).expect("a scheme") + gated;
    place.write("gated.toml", scheme);
    let told = place.heirloom("run gated.toml").failed(3);
    for part in [
        "compare   0 of ",
        "gate      quality REFUSES: `accuracy` is ",
        "error[gate-refused]: the gate `quality` refuses the model: `accuracy` is ",
        "at least 2 is required.",
        "gated.toml:13:7",
        "error[gate-refused]: the gate `parent` refuses",
        "at least +100.00 points is required",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    place.heirloom("model show gated").failed(2);
    assert!(place.heirloom("run gated.toml --json --quiet").failed(3).contains("gate-refused"));
}

#[test]
fn comparisons_are_documents_and_pages() {
    let place = family();
    let report = place.heirloom("run more.toml --json --quiet").json();
    assert_eq!(report["against_parent"]["parent"], "pets@1");
    let one = place.heirloom("model compare more pets --json --html page.html --threads 1").json();
    assert_eq!((&one["parent"], &one["child"]), (&"pets@1".into(), &"more@1".into()));
    assert_eq!(one["cases"], report["against_parent"]["cases"]);
    let page = std::fs::read_to_string(place.path().join("page.html")).expect("a page");
    assert!(
        page.starts_with("<!doctype html>") && page.contains("<bdi>more@1</bdi> beside <bdi>pets@1</bdi>")
    );
    let two = place.heirloom("model compare more pets more@1 --json").json();
    assert_eq!(two.as_array().map(Vec::len), Some(2));
    assert_eq!(two[1]["agreement"], 1.0);
    assert!(place.heirloom("model compare more dogs").failed(2).contains("dogs"));
    assert!(place.heirloom("model compare more").failed(2).contains("PARENT"));
}
