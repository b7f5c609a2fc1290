//! What a run prints, to people and to programs.

use crate::place::Place;
use crate::samples::{houses_scheme, photos, small_mnist};

#[test]
fn a_program_gets_one_document() {
    let place = Place::new();
    small_mnist(&place);
    let document = place.heirloom("run schemes/mnist.toml --json --threads 2").json();
    assert_eq!(document["model"], "mnist@1");
    assert_eq!(document["digest"].as_str().map(str::len), Some(64));
    assert!(document["metrics"]["test"]["accuracy"].as_f64() > Some(0.9), "{document}");
    assert!(document["metrics"]["test"]["loss"].is_f64());
    assert_eq!((&document["threads"], &document["seed"]), (&2.into(), &1.into()));
    let epoch = &document["epochs"][0];
    assert!(epoch["seconds"].is_f64() && epoch["images"].is_u64() && epoch["train_loss"].is_f64(), "{epoch}");

    let again = place.heirloom("run schemes/mnist.toml --json --threads 1").json();
    assert_eq!((&again["digest"], &again["cached"]), (&document["digest"], &true.into()));

    let answers = place.heirloom("infer mnist --json schemes/images.idx").json();
    assert_eq!(answers["labels"], serde_json::json!(["0", "1"]));
    let predictions = answers["predictions"].as_array().expect("a list");
    assert_eq!((predictions.len(), predictions[3]["index"].as_u64()), (200, Some(3)));
    assert_eq!(predictions[3]["label"], "1");
    assert!(predictions[3]["probabilities"]["1"].as_f64() > Some(0.5));
}

#[test]
fn a_person_gets_tables_and_what_to_type_next() {
    let place = Place::new();
    photos(&place);
    let scheme = "[data]\nsource = \"photos\"\nchannels = 1\nheight = 16\nwidth = 16\n[train]\nepochs = 2\n";
    place.write("photos.toml", format!("inherits = [\"vision/classifier\"]\n{scheme}"));
    let first = place.heirloom("run photos.toml");
    assert!(!first.stderr.contains('\u{1b}') && !first.stderr.contains('\r'), "{}", first.stderr);
    for line in ["run       photos, seed 1, ", "data      photos: ", "epoch     2/2: loss ", "register  "] {
        assert!(first.stderr.contains(line), "no `{line}` in\n{}", first.stderr);
    }
    let report = first.done();
    for line in
        ["accuracy ", "confusion: ", "cat ", "model        photos@1\n", "  heirloom infer photos FILE\n"]
    {
        assert!(report.contains(line), "no `{line}` in\n{report}");
    }
    let again = place.heirloom("run photos.toml").done();
    assert_eq!(again.strip_prefix("nothing to do: photos.toml is up to date\n\n"), Some(&*report));

    let answer = place.heirloom("infer photos photos/cat/1.png photos/dog/2.png").done();
    let labels: Vec<&str> =
        answer.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(labels, ["cat", "dog"], "{answer}");
}

#[test]
fn quiet_runs_say_nothing_but_the_report() {
    let place = Place::new();
    houses_scheme(&place);
    let outcome = place.heirloom("run houses.toml --quiet");
    assert_eq!(outcome.stderr, "");
    assert!(outcome.done().contains("rmse "));
}

#[test]
fn the_store_is_found_upwards_and_named_as_seen_from_here() {
    let place = Place::new();
    houses_scheme(&place);
    place.heirloom("run houses.toml --quiet").done();
    place.write("deep/down/here.txt", "");
    let found = place.shell("cd deep/down && heirloom model list --json").json();
    assert_eq!(found["store"], "../../.heirloom");
    let run = place.shell("cd deep/down && heirloom run ../../houses.toml").done();
    assert!(run.contains("\nstore        ../../.heirloom\n"), "{run}");
    let elsewhere = place.heirloom("run houses.toml --quiet --store other").done();
    assert!(elsewhere.contains("heirloom infer houses FILE.csv --store other\n"), "{elsewhere}");
    assert!(place.path().join("other/registry.db").is_file());
}

#[test]
fn exports_are_files_of_ordinary_rights() {
    let place = Place::new();
    houses_scheme(&place);
    place.heirloom("run houses.toml --quiet").done();
    let done = place.heirloom("model export houses --format onnx --json").json();
    assert_eq!((&done["output"], &done["model"]), (&"houses.onnx".into(), &"houses@1".into()));
    place.heirloom("model export houses@1 --format safetensors --output h.safetensors").done();
    let shown = place.heirloom("model show houses.onnx").done();
    assert!(shown.contains("Gemm"), "{shown}");
    let said = place.heirloom("model export houses --format onnx --output no/where.onnx").failed(2);
    assert!(said.contains("there is no folder no to write no/where.onnx into"), "{said}");
    let rights = place.shell("umask; stat -c %a houses.onnx").done();
    assert!(rights.starts_with("0022") == rights.ends_with("644\n"), "{rights}");
}
