//! Old texts written anew: the same scheme, the same comments, and nothing to do a second time.

use std::path::Path;

use proptest::prelude::*;
use scheme::{MemoryFiles, ResolvedScheme, resolve, upgrade};

fn scheme(text: &str) -> Option<ResolvedScheme> {
    let base = "inherits = [\"mnist\"]\nabout.licence = \"MIT\"\n";
    let files = [("a.toml", text), ("base.toml", base)];
    let files = files.map(|(name, text)| (name.into(), text.as_bytes().to_vec()));
    resolve(Path::new("a.toml"), &[], &MemoryFiles(files.into())).result.ok()
}

#[test]
fn texts() {
    for (old, new) in [
        (
            "# head\n\ndescription = \"a\" # tail\nseed = 1\n",
            "# head\n\nabout.description = \"a\" # tail\nseed = 1\n",
        ),
        ("format = 1 # old\ndescription='a'", "format = 2 # old\nabout.description='a'"),
        (
            "description = \"a\" # tail\nseed = 1\n[about] # head\ntags = []\n",
            "seed = 1\n[about] # head\ndescription = \"a\" # tail\ntags = []\n",
        ),
        ("description = \"a\"\n[about]", "[about]\ndescription = \"a\"\n"),
        ("description = \"a\"\nabout = {}\n", "about = { description = \"a\" }\n"),
        ("description = \"a\"\nabout = { tags = [] }\n", "about = { description = \"a\", tags = [] }\n"),
        ("description = \"a\"\nabout.tags = []\n", "about.description = \"a\"\nabout.tags = []\n"),
        ("unset = [\n  \"description\", # why\n]\n", "unset = [\n  \"about.description\", # why\n]\n"),
        (
            "description = \"words\" # why\nabout = { licence = \"MIT\" }\n",
            "# why\nabout = { description = \"words\", licence = \"MIT\" }\n",
        ),
        ("description = \"\"\"\na\nb\"\"\"\n", "about.description = \"\"\"\na\nb\"\"\"\n"),
    ] {
        let (upgraded, changes) = upgrade(old);
        assert_eq!(upgraded, new);
        assert!(!changes.is_empty());
        assert_eq!(upgrade(&upgraded), (upgraded.clone(), Vec::new()));
    }
}

#[test]
fn what_is_new_or_unknown_stays() {
    for text in [
        "",
        "seed = 1\n",
        "format = 2\ndescription = 1\n",
        "format = 3\ndescription = 1\n",
        "= no toml",
        "[description]",
    ] {
        let text = if text == "[description]" { "format = 2\n[description]\n" } else { text };
        assert_eq!(upgrade(text), (text.to_owned(), Vec::new()));
    }
}

const LINES: &[&str] = &[
    "format = 1",
    "description = \"words\" # why",
    "description = 'x'",
    "unset = [\"description\"]",
    "about = { licence = \"MIT\" }",
    "about.tags = [\"a\"]",
    "[about]",
    "tags = [\"b\"]",
    "# a remark",
    "",
    "seed = 3",
    "[train]",
    "epochs = 3",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scheme_stays_the_same(lines in prop::collection::vec(prop::sample::select(LINES), 0..9)) {
        let text = format!("inherits = [\"base.toml\"]\n{}", lines.join("\n"));
        let (upgraded, changes) = upgrade(&text);
        prop_assert_eq!(upgrade(&upgraded), (upgraded.clone(), Vec::new()));
        prop_assert!(text.matches('#').count() == upgraded.matches('#').count());
        if let Some(before) = scheme(&text) {
            let after = scheme(&upgraded).ok_or_else(|| TestCaseError::fail(upgraded.clone()))?;
            prop_assert_eq!(before.digest(), after.digest());
            prop_assert!(after.notes.is_empty());
            prop_assert_eq!(before.notes.is_empty(), changes.is_empty());
        }
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        let (upgraded, changes) = upgrade(&text);
        prop_assert!(!changes.is_empty() || upgraded == text);
    }
}
