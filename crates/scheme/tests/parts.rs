//! What a resolution says of the texts that took part in it.

use std::path::Path;

use scheme::{MemoryFiles, Part, Resolution, resolve};

fn resolved(files: &[(&str, &str)]) -> Resolution {
    let files = files.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec()));
    resolve(Path::new("a/child.toml"), &["seed=3".to_owned()], &MemoryFiles(files.collect()))
}

#[test]
fn files_and_parents_are_named() {
    let child = "inherits = [\"../base.toml\", \"mnist\"]\n";
    let found = resolved(&[("a/child.toml", child), ("base.toml", "inherits = [\"vision/classifier@1\"]\n")]);
    let paths: Vec<&str> = found.files().iter().filter_map(|(path, _)| path.to_str()).collect();
    assert_eq!(paths, ["a/child.toml", "base.toml"]);
    let parents: Vec<_> =
        found.parents.iter().map(|parent| (&*parent.reference, parent.part.clone())).collect();
    let mnist = Part::Embedded { name: "mnist".to_owned(), version: 1 };
    assert_eq!(parents, [("../base.toml", Part::File("base.toml".into())), ("mnist", mnist)]);
}

#[test]
fn the_digest_of_a_parent_is_that_of_what_it_hands_down() {
    let digest = |base: &str, grandparent: &str| {
        let child = "inherits = [\"../base.toml\"]\ndata.source = \"mnist\"\n";
        resolved(&[("a/child.toml", child), ("base.toml", base), ("g.toml", grandparent)]).parents[0].digest
    };
    let before = digest("inherits = [\"g.toml\"]\ntrain.epochs = 2\n", "seed = 1\n");
    assert_eq!(before, digest("# a remark\ninherits = [\"g.toml\"]\n[train]\nepochs = 2\n", "seed=1"));
    assert_ne!(before, digest("inherits = [\"g.toml\"]\ntrain.epochs = 2\n", "seed = 2\n"));
}
