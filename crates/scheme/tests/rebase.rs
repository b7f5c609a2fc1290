//! Rebasing: what changes in the child's text, what is a conflict, and the two promises about it.

use std::fmt::Write as _;
use std::path::Path;

use base::{Diagnostic, Location, SourceMap};
use proptest::prelude::*;
use scheme::{Decisions, MemoryFiles, Rebase, Rebased, Rebasing, Stated, Winner, resolve};

const BASE: &str = "inherits = [\"mnist\"]\n[train]\nepochs = 10\nbatch_size = 32\n";

fn files(texts: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles(texts.iter().map(|(name, text)| ((*name).into(), text.as_bytes().to_vec())).collect())
}

fn decisions(ours: &[&str], theirs: &[&str]) -> Decisions {
    let named =
        |keys: &[&str], winner| keys.iter().map(|key| ((*key).to_owned(), winner)).collect::<Vec<_>>();
    Decisions { rest: None, keys: [named(ours, Winner::Ours), named(theirs, Winner::Theirs)].concat() }
}

fn rebase(files: &MemoryFiles, onto: &str, decisions: &Decisions) -> Rebasing {
    Rebase { child: Path::new("child.toml"), onto, from: None, decisions }.carry_out(files)
}

fn done(rebasing: Rebasing) -> Rebased {
    rebasing.result.unwrap_or_else(|found| panic!("{found}"))
}

/// What stands on the terminal, without the drawing.
fn told(rebasing: &Rebasing) -> String {
    let mut text = String::new();
    let Err(found) = &rebasing.result else { return "done".to_owned() };
    found.0.iter().for_each(|diagnostic| tell(diagnostic, &rebasing.sources, &mut text));
    text
}

fn tell(diagnostic: &Diagnostic, sources: &SourceMap, text: &mut String) {
    let _ = writeln!(text, "{}: {}", diagnostic.code, diagnostic.message);
    for label in &diagnostic.labels {
        let place = match &label.at {
            Location::Source(span) => {
                let at = sources.line_column(*span);
                format!("{}:{}:{}", sources.get(span.file).name, at.line, at.column)
            }
            Location::File { path, .. } => path.display().to_string(),
        };
        let _ = writeln!(text, "    {place} {}", label.text);
    }
    diagnostic.help.iter().for_each(|help| {
        let _ = writeln!(text, "    help: {help}");
    });
}

#[test]
fn only_the_reference_changes_where_nobody_disagrees() {
    let child = "# Ours.\ninherits = [ 'one.toml' ]   # for now\n\n[train]\nseed_comment = 0\n"
        .replace("seed_comment = 0", "l1 = 0.0 # none");
    let two = BASE.replace("10", "20") + "l2 = 0.1\n[model.layers.conv1]\nfilters = 8\n";
    let files = files(&[("child.toml", &child), ("one.toml", BASE), ("two.toml", &two)]);
    let rebased = done(rebase(&files, "two.toml", &Decisions::default()));
    assert_eq!(rebased.text, child.replace("'one.toml'", "\"two.toml\""));
    let changes: Vec<String> = rebased
        .inherited
        .iter()
        .map(|change| {
            let value =
                |side: &Option<Stated>| side.as_ref().map_or("-".to_owned(), |side| side.text.clone());
            format!("{}: {} -> {}", change.key, value(&change.before), value(&change.after))
        })
        .collect();
    let expect = ["model.layers.conv1.filters: 32 -> 8", "train.epochs: 10 -> 20", "train.l2: - -> 0.1"];
    assert_eq!(changes, expect);
    assert_eq!((&*rebased.before, &*rebased.after), ("one.toml", "two.toml"));
}

const CHILD: &str = "\
# A hospital's own.
inherits = [\"one.toml\"]
unset = [\"train.early_stopping\", \"train.l2\"]

[train]
# Our machine is slow.
epochs = 3     # fewer
batch_size = 64

[model.layers.conv1]
filters = 16   # enough

[model.layers.drop]
op = \"dropout\"
rate = 0.5
after = \"extra\"

[model.layers.thin]
remove = true
";

const ONE: &str = "\
inherits = [\"mnist\"]
[train]
epochs = 10
batch_size = 32
l2 = 0.1
early_stopping = { patience = 3 }
[model.layers.extra]
op = \"dense\"
units = 10
before = \"output\"
[model.layers.thin]
op = \"dense\"
units = 10
before = \"output\"
";

const TWO: &str = "\
inherits = [\"mnist\"]
[train]
epochs = 20
batch_size = 64
early_stopping = { patience = 5 }
[model.layers.conv1]
remove = true
[model.layers.thin]
op = \"dense\"
units = 20
before = \"output\"
";

fn world() -> MemoryFiles {
    files(&[("child.toml", CHILD), ("one.toml", ONE), ("two.toml", TWO)])
}

#[test]
fn conflicts_name_the_lines_of_all_sides() {
    insta::assert_snapshot!(told(&rebase(&world(), "two.toml", &Decisions::default())));
}

#[test]
fn theirs_takes_out_what_is_given_up_and_nothing_else() {
    let theirs = Decisions { rest: Some(Winner::Theirs), ..Decisions::default() };
    let rebased = done(rebase(&world(), "two.toml", &theirs));
    insta::assert_snapshot!(rebased.text);
    let after = files(&[("child.toml", &rebased.text), ("two.toml", TWO)]);
    let scheme = resolve(Path::new("child.toml"), &[], &after).result.unwrap();
    assert_eq!((scheme.train.epochs, scheme.train.batch_size), (20, 64));
}

#[test]
fn ours_keeps_what_the_child_says() {
    let ours =
        Decisions { rest: Some(Winner::Theirs), ..decisions(&["train.epochs", "model.layers.thin"], &[]) };
    let rebased = done(rebase(&world(), "two.toml", &ours));
    assert!(rebased.text.contains("epochs = 3     # fewer\n"), "{}", rebased.text);
    assert!(rebased.text.contains("remove = true"), "{}", rebased.text);
    let kept = rebased.decided.iter().filter(|decided| decided.winner == Winner::Ours).count();
    assert_eq!((kept, rebased.decided.len()), (2, 6));
}

/// A step that is gone cannot be kept by its change alone: the result would not resolve.
#[test]
fn what_would_not_resolve_is_refused() {
    let ours = Decisions { rest: Some(Winner::Ours), ..Decisions::default() };
    insta::assert_snapshot!(told(&rebase(&world(), "two.toml", &ours)));
}

#[test]
fn decisions_are_about_conflicts() {
    let found = decisions(&["train.epoch", "train"], &["train", "seed"]);
    insta::assert_snapshot!(told(&rebase(&world(), "two.toml", &found)));
}

#[test]
fn the_parent_that_is_meant() {
    let several = "inherits = [\"one.toml\", \"two.toml\"]\n";
    let base = |text: &str| {
        files(&[("child.toml", text), ("one.toml", BASE), ("two.toml", BASE), ("c/two.toml", BASE)])
    };
    let none = Decisions::default();
    let mut text = String::new();
    for (child, onto, from) in [
        ("seed = 1\n", "one.toml", None),
        (several, "c/two.toml", None),
        (several, "c/two.toml", Some("three.toml")),
        (several, "one.toml", Some("two.toml")),
        (several, "nowhere.toml", Some("two.toml")),
        ("inherits = [\"mnist\"]\n", "mnist@7", None),
        ("inherits = [\"mnist\"\n", "one.toml", None),
    ] {
        let rebasing =
            Rebase { child: Path::new("child.toml"), onto, from, decisions: &none }.carry_out(&base(child));
        let _ = writeln!(text, "== {} onto {onto} from {from:?}\n{}", child.trim(), told(&rebasing));
    }
    let from = Rebase {
        child: Path::new("child.toml"),
        onto: "c/two.toml",
        from: Some("./two.toml"),
        decisions: &none,
    };
    assert_eq!(done(from.carry_out(&base(several))).text, several.replace("two", "c/two"));
    insta::assert_snapshot!(text);
}

/// A base that lacks its data may be rebased: only what the move brings in counts.
#[test]
fn an_incomplete_child_moves_too() {
    let child = "inherits = [\"vision/classifier\"]\n[train]\nepochs = 3\n";
    let moved = done(rebase(&files(&[("child.toml", child)]), "vision/classifier@1", &Decisions::default()));
    assert_eq!(moved.text, child.replace("classifier", "classifier@1"));
}

/// Settings that never make a scheme invalid, with the values they may take.
const SETTINGS: &[(&str, &[&str])] = &[
    ("seed", &["1", "2", "3"]),
    ("description", &["\"a\"", "\"b\""]),
    ("train.epochs", &["1", "2", "3"]),
    ("train.batch_size", &["8", "16"]),
    ("train.l2", &["0.1", "0.2"]),
    ("train.optimizer", &["\"sgd\"", "{ name = \"sgd\" }", "{ learning_rate = 0.5 }"]),
    ("model.layers.conv1.filters", &["4", "5"]),
    ("model.layers.hidden", &["{ units = 3 }", "{ units = 4, activation = \"tanh\" }"]),
    ("evaluate.metrics", &["[\"accuracy\"]", "[\"loss\"]"]),
];

fn settings() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::btree_map(0..SETTINGS.len(), 0..3_usize, 0..6).prop_map(|map| map.into_iter().collect())
}

/// A scheme with comments, in dotted keys or, if `tables`, under headers.
fn scheme_text(parent: &str, settings: &[(usize, usize)], tables: bool) -> String {
    let mut text = format!("# About {parent}.\ninherits = [\"{parent}\"]  # it\n");
    let line = |(key, value): &(usize, usize)| {
        let (key, values) = SETTINGS[*key];
        (key, values[value % values.len()])
    };
    let (inner, outer): (Vec<_>, Vec<_>) =
        settings.iter().map(line).partition(|(key, _)| tables && key.contains('.'));
    outer.iter().for_each(|(key, value)| {
        let _ = writeln!(text, "{key}={value}   # {key}");
    });
    let mut open = "";
    for (key, value) in inner {
        let (table, name) = key.rsplit_once('.').unwrap();
        if table != open {
            let _ = writeln!(text, "\n[{table}]");
            open = table;
        }
        let _ = writeln!(text, "# On {name}.\n{name} = {value}");
    }
    text
}

fn keys(settings: &[(usize, usize)]) -> Vec<usize> {
    settings.iter().map(|(key, _)| *key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Onto a parent that says the same, whatever it is called, nothing but the reference changes.
    #[test]
    fn onto_an_unchanged_parent(base in settings(), parent in settings(), child in settings(), tables: bool) {
        let (base, parent) = (scheme_text("mnist", &base, tables), scheme_text("base.toml", &parent, !tables));
        let child = scheme_text("one.toml", &child, tables);
        let files = files(&[("base.toml", &base), ("one.toml", &parent), ("two.toml", &parent), ("child.toml", &child)]);
        let rebased = done(rebase(&files, "two.toml", &Decisions::default()));
        prop_assert_eq!(&rebased.text, &child.replace("\"one.toml\"", "\"two.toml\""));
        prop_assert!(rebased.inherited.is_empty() && rebased.decided.is_empty());
        prop_assert_eq!(done(rebase(&files, "one.toml", &Decisions::default())).text, child);
    }

    /// Without overlap, rebasing is as good as editing the parent first.
    #[test]
    fn onto_a_parent_that_was_edited(base in settings(), one in settings(), two in settings(), child in settings(), tables: bool) {
        let touched: Vec<usize> = one.iter().chain(&two).filter(|each| !(one.contains(each) && two.contains(each))).map(|each| each.0).collect();
        let child: Vec<(usize, usize)> = child.into_iter().filter(|each| !touched.contains(&each.0)).collect();
        prop_assert!(keys(&child).iter().all(|key| !touched.contains(key)));
        let (base, child) = (scheme_text("mnist", &base, tables), scheme_text("one.toml", &child, tables));
        let (one, two) = (scheme_text("base.toml", &one, tables), scheme_text("base.toml", &two, !tables));
        let world = files(&[("base.toml", &base), ("one.toml", &one), ("two.toml", &two), ("child.toml", &child)]);
        let rebased = done(rebase(&world, "two.toml", &Decisions::default()));
        let edited = files(&[("base.toml", &base), ("one.toml", &two), ("child.toml", &child)]);
        let moved = files(&[("base.toml", &base), ("two.toml", &two), ("child.toml", &rebased.text)]);
        let digest = |files: &MemoryFiles| resolve(Path::new("child.toml"), &[], files).result.map(|scheme| scheme.digest());
        prop_assert_eq!(digest(&moved).unwrap(), digest(&edited).unwrap());
    }

    /// Giving everything up leaves what the new parent says, and every comment elsewhere.
    #[test]
    fn theirs_everywhere(one in settings(), two in settings(), child in settings(), tables: bool) {
        let texts = (scheme_text("mnist", &one, tables), scheme_text("mnist", &two, !tables), scheme_text("one.toml", &child, tables));
        let world = files(&[("one.toml", &texts.0), ("two.toml", &texts.1), ("child.toml", &texts.2)]);
        let theirs = Decisions { rest: Some(Winner::Theirs), ..Decisions::default() };
        let rebased = done(rebase(&world, "two.toml", &theirs));
        let moved = files(&[("two.toml", &texts.1), ("child.toml", &rebased.text)]);
        let parent = resolve(Path::new("two.toml"), &[], &moved).result.unwrap();
        let resolved = resolve(Path::new("child.toml"), &[], &moved).result.unwrap();
        for decided in &rebased.decided {
            prop_assert_eq!(resolved.section_json(&decided.key), parent.section_json(&decided.key));
        }
        let again = Rebase { child: Path::new("child.toml"), onto: "two.toml", from: None, decisions: &Decisions::default() };
        prop_assert_eq!(done(again.carry_out(&moved)).text, rebased.text);
    }
}
