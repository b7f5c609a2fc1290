//! Where the time goes: `heirloom profile` and `heirloom engine`.

use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::samples::houses_scheme;

/// A network of pictures whose data are not there.
const PETS: &str = "\
inherits = [\"vision/classifier\"]
[data]
source = \"photos\"
channels = 3
height = 16
width = 16
";

fn heirloom(place: &Place, line: &str) -> Outcome {
    place.shell(&format!("heirloom {line}"))
}

fn keys(document: &Value) -> Vec<&str> {
    document.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_training_step_is_measured_and_nothing_is_written() {
    let place = Place::new();
    houses_scheme(&place);
    let before = place.files();
    let outcome = heirloom(&place, "profile houses.toml --seconds 0.05 --threads 1 --batch 16 --json");
    assert!(outcome.stderr.contains("measuring for 0.05 s"), "{}", outcome.stderr);
    let document = outcome.json();
    assert_eq!(place.files(), before);
    assert_eq!(
        keys(&document),
        [
            "subject",
            "measured",
            "batch",
            "threads",
            "replicas",
            "cpu_level",
            "parameters",
            "ms_median",
            "ms_least",
            "ms_most",
            "count",
            "examples_per_second",
            "loss",
            "operations",
            "flops",
            "plan_bytes",
            "ms_again",
            "peak_memory_bytes",
            "peak",
            "ms_in_steps",
            "steps",
        ]
    );
    assert_eq!(
        (&document["measured"], &document["batch"], &document["threads"]),
        (&"training".into(), &16.into(), &1.into())
    );
    let steps = document["steps"].as_array().expect("steps");
    assert_eq!(
        keys(&steps[0]),
        [
            "name",
            "node",
            "again",
            "ms",
            "share",
            "operations",
            "flops",
            "share_of_peak",
            "bytes",
            "bytes_per_second",
            "pieces",
            "meets",
        ]
    );
    let shares: f64 = steps.iter().filter_map(|step| step["share"].as_f64()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(document["operations"].as_u64() > Some(0) && document["loss"].as_f64().is_some());
}

#[test]
fn random_examples_stand_in_for_data_that_are_not_there() {
    let place = Place::new();
    place.write("pets.toml", PETS);
    assert!(heirloom(&place, "profile pets.toml").failed(2).contains("photos"));
    let line = "profile pets.toml --set model.architecture=resnet18 --input 3,32,32 --classes 7 --seconds 0.05 --batch 4 --quiet";
    let text = heirloom(&place, line).done();
    for part in [
        "training step of  pets.toml, 4 examples",
        "measured as peak",
        "GFLOP/s",
        "conv 512 to 512 3x3",
        "`--all` shows",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let all = heirloom(&place, &format!("{line} --all")).done();
    assert!(all.lines().count() > text.lines().count() && !all.contains("`--all`"));
}

#[test]
fn a_step_in_less_memory_computes_again_what_it_does_not_keep() {
    let place = Place::new();
    place.write("pets.toml", PETS);
    let line = "profile pets.toml --set model.architecture=resnet18 --input 3,32,32 --classes 7 --seconds 0.05 --batch 32 --quiet";
    let whole = heirloom(&place, &format!("{line} --json")).json();
    let limit = whole["plan_bytes"].as_u64().expect("bytes") - 2_000_000;
    let line = format!("{line} --set train.memory_limit=\"{limit} B\"");
    let less = heirloom(&place, &format!("{line} --json")).json();
    assert!(less["plan_bytes"].as_u64() <= Some(limit), "{limit}: {}", less["plan_bytes"]);
    assert_eq!((&whole["ms_again"], &less["operations"]), (&0.0.into(), &whole["operations"]));
    assert!(less["ms_again"].as_f64() > Some(0.0));
    let again = less["steps"].as_array().expect("steps").iter().filter(|step| step["again"] == true);
    let text = heirloom(&place, &line).done();
    let told = format!("again             {} step", again.count());
    assert!(text.contains(&told), "no `{told}` in\n{text}");
    let refused = heirloom(&place, &format!("{line} --set train.memory_limit=\"1 MB\"")).failed(2);
    assert!(refused.contains("error[memory-limit]: a training step takes at least"), "{refused}");
}

#[test]
fn models_and_onnx_files_answer_and_are_traced() {
    let place = Place::new();
    houses_scheme(&place);
    heirloom(&place, "run houses.toml --quiet").done();
    heirloom(&place, "model export houses --format onnx --output houses.onnx").done();
    let line = "--seconds 0.05 --threads 2 --batch 3 --json --quiet --keep kept --trace trace.json";
    for (subject, id) in [("houses", "houses@1"), ("houses.onnx", "houses.onnx")] {
        let document = heirloom(&place, &format!("profile {subject} {line}")).json();
        assert_eq!((&document["measured"], &document["subject"]), (&"inference".into(), &id.into()));
        assert_eq!((&document["loss"], &document["peak"]["kept"]), (&Value::Null, &false.into()));
        let file = |name: &str| std::fs::read(place.path().join(name)).expect("a file");
        // Three houses of three features, and one price each.
        assert_eq!(file("kept/inputs.npy").len(), 128 + 3 * 3 * 4);
        assert_eq!(file("kept/answers-0.npy").len(), 128 + 3 * 4);
        let trace: Value = serde_json::from_slice(&file("trace.json")).expect("JSON");
        let events = trace["traceEvents"].as_array().expect("events");
        let done: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
        assert!(done.len() >= document["steps"].as_array().map_or(0, Vec::len));
        assert!(
            done.iter().all(|event| event["dur"].as_f64() >= Some(0.0) && event["ts"].as_f64() >= Some(0.0))
        );
    }
}

#[test]
fn what_cannot_be_profiled_is_told() {
    let place = Place::new();
    houses_scheme(&place);
    place.write("pets.toml", PETS);
    place.write("net.onnx", b"\x08\x07garbage, no protobuf at all");
    let mut told = String::new();
    for line in [
        "profile nothing.onnx",
        "profile net.onnx",
        "profile net.onnx --set train.epochs=1",
        "profile houses --input 3",
        "profile houses",
        "profile houses.toml --keep kept",
        "profile houses.toml --set train.epoch=1",
        "profile pets.toml --input 3,16,16",
        "profile houses.toml --input 3 --classes 2",
        "profile pets.toml --input 3,65536,65536 --classes 2",
        "profile pets.toml --input 3,2,2 --classes 2",
    ] {
        told += &format!("$ heirloom {line}\n{}\n", heirloom(&place, &format!("{line} --quiet")).failed(2));
    }
    let told = told.replace(&place.path().display().to_string(), "PLACE");
    let told: String = told.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::assert_snapshot!("refusals", told);
}

#[test]
fn the_peak_is_measured_once_and_found_again() {
    let place = Place::new();
    houses_scheme(&place);
    let nothing = heirloom(&place, "engine show").done();
    assert!(
        nothing.contains("instructions  ") && nothing.contains("`heirloom engine calibrate`"),
        "{nothing}"
    );
    let measured = heirloom(&place, "engine calibrate --threads 1 --json --quiet").json();
    let known = ["processor", "threads", "cpu_levels", "caches", "measured", "convolutions", "kept_in"];
    assert_eq!(keys(&measured), known);
    let figures = measured["measured"].as_array().expect("figures");
    assert_eq!(figures.len(), measured["cpu_levels"].as_array().map_or(0, Vec::len));
    assert!(figures.iter().all(|each| each["flops"].as_f64() > Some(1e8)), "{figures:?}");
    let rates = measured["convolutions"].as_array().expect("rates");
    assert_eq!(rates.len(), figures.len());
    assert!(rates.iter().all(|each| each["direct_mflops"].as_u64() > Some(10)), "{rates:?}");
    assert_eq!(heirloom(&place, "engine show --json").json(), measured);
    let document = heirloom(&place, "profile houses.toml --seconds 0.05 --threads 1 --json --quiet").json();
    assert_eq!((&document["peak"]["kept"], &document["peak"]["flops"]), (&true.into(), &figures[0]["flops"]));
    // A damaged file counts as none.
    place.write("cache/heirloom/engine.json", "{\"format\": 1, \"measured\": 7}");
    assert_eq!(heirloom(&place, "engine show").done(), nothing);
}
