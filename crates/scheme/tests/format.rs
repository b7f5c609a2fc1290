//! The formatter: its layout, and that it changes nothing but the layout.

use std::path::Path;

use base::FileId;
use proptest::prelude::*;
use scheme::{EMBEDDED, MemoryFiles, format, resolve};

fn formatted(text: &str) -> String {
    format(text, FileId(0)).unwrap_or_else(|found| panic!("{found}\n{text}"))
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(formatted(text), expect);
    assert_eq!(formatted(expect), expect, "not idempotent");
}

#[test]
fn spaces_and_lines() {
    check("seed=1\n\n\n\nname =  'a'  \n", "seed = 1\n\nname = 'a'\n");
    check(
        "inherits=[ \"a.toml\",\"b.toml\" ,]\r\n[ train ]\r\nepochs=3",
        "inherits = [\"a.toml\", \"b.toml\"]\n\n[train]\nepochs = 3\n",
    );
    check(
        "[train]\noptimizer={name=\"adam\",  beta1=0.5}\nl1 = {}",
        "[train]\noptimizer = { name = \"adam\", beta1 = 0.5 }\nl1 = {}\n",
    );
    check("train . epochs= 3\n\"name\"=\"x\"", "train.epochs = 3\n\"name\" = \"x\"\n");
    check("", "");
    check("\n\n# only this\n\n", "# only this\n");
}

#[test]
fn tables_in_the_order_of_the_manual() {
    check(
        "seed = 1\n[zebra]\na = 1\n[train.optimizer]\nname = \"sgd\"\n[evaluate]\n[train]\n[model.layers.b]\nop = \"relu\"\n[model.layers.a]\nop = \"relu\"\n[data.split]\n[data]\n",
        "seed = 1\n\n[data]\n\n[data.split]\n\n[model.layers.b]\nop = \"relu\"\n\n[model.layers.a]\nop = \"relu\"\n\n[train]\n\n[train.optimizer]\nname = \"sgd\"\n\n[evaluate]\n\n[zebra]\na = 1\n",
    );
}

#[test]
fn steps_keep_their_order_however_they_are_written() {
    let text = "[model.layers.b]\nop = \"relu\"\n\n[model.layers]\nc = { op = \"relu\" }\n\n[model.layers.a]\nop = \"tanh\"\n\n[model]\ninit = \"he_uniform\"\n";
    let expect = "[model]\ninit = \"he_uniform\"\n\n[model.layers.b]\nop = \"relu\"\n\n[model.layers]\nc = { op = \"relu\" }\n\n[model.layers.a]\nop = \"tanh\"\n";
    check(text, expect);
}

#[test]
fn comments_stay_with_what_they_stand_beside() {
    check(
        "# About the file.\n\n# About train.\n[train]  # steps\n# Few.\nepochs=3   # because\n# Below.\n\n# Free.\n\n# About data.\n[data]\nsource =   'x'\n\n\n# The end.\n",
        "# About the file.\n\n# Free.\n\n# About data.\n[data]\nsource = 'x'\n\n# About train.\n[train]  # steps\n# Few.\nepochs = 3 # because\n# Below.\n\n# The end.\n",
    );
    check("a = 1      # one\nbb=22      # two\n", "a = 1      # one\nbb = 22    # two\n");
}

#[test]
fn values_over_several_lines_stay() {
    let text = "[data]\nfeatures = [\n  \"a\", # first\n    \"b\",\n]\ntarget = \"\"\"\n[x]\n\"\"\" # odd\n";
    check(text, text);
}

#[test]
fn schemes_that_ship_are_in_form() {
    for scheme in &EMBEDDED {
        assert_eq!(formatted(scheme.text), scheme.text, "{}", scheme.name);
    }
}

#[test]
fn what_is_no_toml_is_refused() {
    let found = format("[train\n", FileId(0)).unwrap_err();
    assert_eq!(found.0[0].code, "syntax-error");
}

/// Pieces of text that may stand on lines of their own.
const LINES: &[&str] = &[
    "",
    "",
    "# one",
    "  # two",
    "#",
    "inherits = ['mnist']  # who",
    "seed=7",
    "name   = \"x\"",
    "train.epochs = 3 #few",
    "train.l1=0.5",
    "description = \"\"\"\n# no comment\n\n[no.table]\"\"\" # yes",
    "[train]",
    "[ train.optimizer ] # how",
    "[data]",
    "[data.split]",
    "[model.layers.hidden]",
    "[model.layers]",
    "[model.layers.\"x\"]",
    "[model]",
    "[preprocess.scale]",
    "[zoo]",
    "[[zoo.animals]]",
    "op='relu'",
    "units=3",
    "by= \"content\"",
    "x = {a=1,b.c={}}",
    "y = [ 1,2 ,[3] ]",
    "z = [ # first\n 1,\n\n 2 # second\n]",
    "epochs= 5",
    "name=\"sgd\"",
    "after = \"flatten\"",
    "a = { op = \"relu\" }",
    "b.op = \"tanh\"",
    "\"\\u0061b\" = 1",
    "k = 1\r",
];

fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> =
        text.lines().filter_map(|line| line.find('#').map(|at| line[at..].trim().to_owned())).collect();
    found.sort();
    found
}

#[test]
fn a_part_of_a_name_with_dots_keeps_its_place() {
    let text = "[model.layers.hidden]\ntrain.epochs = 3\n[model.layers]\nother = [1]\n";
    assert_eq!(formatted(&formatted(text)), formatted(text));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_but_the_layout_changes(lines in prop::collection::vec(prop::sample::select(LINES), 0..14)) {
        let text = lines.join("\n");
        let Ok(once) = format(&text, FileId(0)) else { return Ok(()) };
        prop_assert_eq!(&formatted(&once), &once);
        prop_assert_eq!(comments(&once), comments(&text));
        let outcome = |text: &str| {
            let files = MemoryFiles([("a.toml".into(), text.as_bytes().to_vec())].into());
            let result = resolve(Path::new("a.toml"), &[], &files).result;
            let codes = |found: base::Diagnostics| {
                let mut found: Vec<String> = found.0.iter().map(|each| format!("{} {}", each.code, each.message)).collect();
                found.sort();
                found
            };
            result.map(|scheme| (scheme.digest(), scheme.to_toml())).map_err(codes)
        };
        prop_assert_eq!(outcome(&once), outcome(&text));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        if let Ok(once) = format(&text, FileId(0)) {
            prop_assert_eq!(&formatted(&once), &once);
        }
    }
}
