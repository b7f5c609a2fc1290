//! Parents that cannot be inherited from: refused before anything is trained, with exit status 2.

use std::fmt::Write;
use std::fs;

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

/// A place with the model `photos@1` and the scheme `child.toml` that inherits it.
fn family() -> Place {
    let place = Place::new();
    photos(&place);
    place.write("photos.toml", PHOTOS);
    place.write("child.toml", format!("{PHOTOS}[model]\ninherit = \"photos\"\n"));
    place.heirloom("run photos.toml --quiet").done();
    place
}

/// What the program says to `line`, without what differs from machine to machine.
fn refused(text: &mut String, title: &str, place: &Place, line: &str) {
    let said = place.shell(&format!("heirloom {line}")).failed(2);
    let said = said.replace(&place.path().display().to_string(), "PLACE");
    // Digests depend on the processor's instructions.
    let word = |word: &str| {
        let core = word.trim_matches(|each: char| !each.is_ascii_alphanumeric());
        let last = core.rsplit('/').next().unwrap_or(core);
        let digest = last.len() >= 62 && last.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digest {
            return word.to_owned();
        }
        // The folder of a blob is named by its digest too.
        let word = word.replace(last, "DIGEST");
        word.split_once("/blobs/").map_or(word.clone(), |(before, _)| format!("{before}/blobs/DIGEST"))
    };
    let lines = said.lines().map(|line| line.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" "));
    let said: String = lines.map(|line| format!("{line}\n")).collect();
    let _ = write!(text, "== {title}\n$ heirloom {line}\n{said}\n");
    let models = place.heirloom("model list --json").json();
    assert_eq!(models["models"].as_array().map(Vec::len), Some(1), "{title}: {models}");
}

#[test]
fn refusals() {
    let mut text = String::new();
    let run = "run child.toml --quiet";
    let place = family();
    refused(&mut text, "no such model", &place, &format!("{run} --set model.inherit=photo"));
    refused(&mut text, "no such version", &place, &format!("{run} --set model.inherit=photos@7"));
    place.heirloom("model recall photos@1 --reason mislabelled").done();
    refused(&mut text, "a recalled parent", &place, run);
    refused(&mut text, "a recalled parent, planned", &place, "inherit plan child.toml");
    refused(&mut text, "a recalled parent, proved", &place, "inherit prove child.toml --quiet");

    for (title, class) in [("case", "Cat"), ("spacing", "ca t")] {
        let place = family();
        fs::rename(place.path().join("photos/cat"), place.path().join("photos").join(class))
            .expect("a folder");
        refused(&mut text, &format!("a class that differs by {title}"), &place, run);
    }

    let place = family();
    newer_format(&place);
    refused(&mut text, "a format of a newer program", &place, run);
    let place = family();
    damage(&place);
    refused(&mut text, "a damaged parent", &place, run);
    insta::assert_snapshot!("refusals", text);
}

/// Makes `photos@1` a model of a format that this program does not know, as a newer one would have written it.
fn newer_format(place: &Place) {
    let registry =
        rusqlite::Connection::open(place.path().join(".heirloom/registry.db")).expect("a registry");
    let (old, text): (String, String) = registry
        .query_row("SELECT digest, manifest FROM models", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("one model");
    let text = text.replacen("\"format_version\":1", "\"format_version\":9", 1);
    let new = base::Digest::of(text.as_bytes()).to_string();
    for change in [
        "INSERT INTO models (digest, manifest, bytes) SELECT ?1, ?3, bytes FROM models WHERE digest = ?2",
        "UPDATE versions SET model = ?1 WHERE model = ?2 AND ?3 <> ''",
    ] {
        registry.execute(change, [&new, &old, &text]).expect(change);
    }
}

/// Changes a bit in every blob that is a file of its own.
fn damage(place: &Place) {
    let mut damaged = 0;
    for name in place.files().iter().filter(|name| name.starts_with(".heirloom/blobs/")) {
        let path = place.path().join(name);
        let mut bytes = fs::read(&path).expect("a blob");
        bytes[0] ^= 1;
        fs::write(&path, bytes).expect("a blob");
        damaged += 1;
    }
    assert!(damaged > 0, "weights of this size are files");
}
