//! A new child: a text that inherits and holds only what differs.

use std::path::Path;

use base::{Diagnostic, Diagnostics, FileId, SourceMap};

use crate::files::{EMBEDDED, SchemeFiles};
use crate::load::{expand_short_forms, load};
use crate::overrides::parse_override;
use crate::parts::Part;
use crate::resolve::{Resolution, resolve};
use crate::show;
use crate::tree::{Entry, Node, Place, Table, Value};

/// What a child is made of.
#[derive(Debug, Clone)]
pub struct NewChild<'a> {
    /// The parent, as seen from the working directory: a file, or the name of a scheme built in or
    /// registered, with or without its version.
    pub parent: &'a Path,
    /// The same as the child is to write it; a name is pinned to its version.
    pub reference: &'a str,
    /// What the child sets, such as `train.epochs=1`. What the parent says anyway is left out.
    pub settings: &'a [String],
    /// What the child is, for the comment at its top; one line each.
    pub about: &'a [String],
}

/// What came of it, with the texts that took part.
#[derive(Debug, Clone)]
pub struct ChildText {
    /// The texts that spans point into.
    pub sources: SourceMap,
    /// The child's text; or that the parent cannot be read, or that the settings do not fit it. What
    /// a base scheme lacks, such as its data, the child may lack too.
    pub result: Result<String, Diagnostics>,
}

impl NewChild<'_> {
    /// Composes the text; writes nothing.
    pub fn compose(&self, files: &dyn SchemeFiles) -> ChildText {
        let loaded = load(self.parent, &[], files);
        let Some(mut inherited) = loaded.tree else {
            return ChildText { sources: loaded.sources, result: Err(loaded.diagnostics) };
        };
        let known = resolve(self.parent, &[], files);
        let Resolution { sources, parts, result, .. } = resolve(self.parent, self.settings, files);
        let introduced = result.err().map(|found| introduced(found, known.result.err()));
        if let Some(Err(found)) = introduced.map(|found| found.or(())) {
            return ChildText { sources, result: Err(found) };
        }
        expand_short_forms(&mut inherited);
        let mut own = self.own();
        drop_inherited(&mut own, &inherited);
        let reference = pinned(self.reference, parts.first());
        ChildText { sources, result: Ok(self.text(&reference, &own)) }
    }

    /// What the settings say together, the later over the earlier.
    fn own(&self) -> Table {
        let mut own = Table::default();
        for text in self.settings {
            // They were parsed before, and what was wrong with them reported.
            let layer = parse_override(text, FileId(0), &mut Diagnostics::default());
            lay(&mut own, layer.unwrap_or_default());
        }
        expand_short_forms(&mut own);
        own
    }

    fn text(&self, reference: &str, own: &Table) -> String {
        let mut text: String = self.about.iter().map(|line| format!("# {line}\n")).collect();
        let reference = Node::new(Value::Text(reference.to_owned()), Place::Default);
        let list = Node::new(Value::List(vec![reference]), Place::Default);
        let mut whole = Table::default();
        whole.put(Entry { name: "inherits".to_owned(), key: Place::Default, node: list });
        whole.entries.extend(own.entries.iter().cloned());
        text.push_str(&show::toml(&whole));
        text
    }
}

/// What is wrong in `found` and was not in `known`.
pub(crate) fn introduced(mut found: Diagnostics, known: Option<Diagnostics>) -> Diagnostics {
    let same = |a: &Diagnostic, b: &Diagnostic| a.code == b.code && a.message == b.message;
    found.0.retain(|new| !known.iter().flat_map(|known| &known.0).any(|old| same(old, new)));
    found
}

/// `reference` with its version, if it is a name that has none.
fn pinned(reference: &str, root: Option<&Part>) -> String {
    let built_in = |name: &str| EMBEDDED.iter().find(|embedded| embedded.name == name);
    match root.and_then(Part::named) {
        Some((name, version)) if name == reference => format!("{name}@{version}"),
        _ => {
            built_in(reference).map_or(reference.to_owned(), |found| format!("{reference}@{}", found.version))
        }
    }
}

/// Lays one layer over another as they are written; what it inherits is not known here.
fn lay(base: &mut Table, layer: Table) {
    for entry in layer.entries {
        match base.get_mut(&entry.name).map(|node| &mut node.value) {
            Some(Value::Table(inner)) => match entry.node.value {
                Value::Table(table) => lay(inner, table),
                _ => base.put(entry),
            },
            _ => base.put(entry),
        }
    }
}

/// Takes out what is inherited with the same value.
fn drop_inherited(own: &mut Table, inherited: &Table) {
    own.entries.retain_mut(|entry| match (&mut entry.node.value, inherited.get(&entry.name)) {
        (Value::Table(inner), Some(Node { value: Value::Table(table), .. })) => {
            drop_inherited(inner, table);
            !inner.entries.is_empty()
        }
        (value, Some(node)) => !node.value.same(value),
        (_, None) => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn child(parent: &str, settings: &[&str]) -> Result<String, Diagnostics> {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let about = ["About it.".to_owned()];
        let base = "inherits = [\"mnist\"]\n[train]\nepochs = 3\n";
        let files = MemoryFiles([("base.toml".into(), base.as_bytes().to_vec())].into());
        let new =
            NewChild { parent: Path::new(parent), reference: parent, settings: &settings, about: &about };
        new.compose(&files).result
    }

    #[test]
    fn only_what_differs_is_written() {
        let settings =
            ["train.epochs=3", "train.l2=0.1", "seed=2", "train.optimizer=adam", "data.source=mnist"];
        let expect = "# About it.\ninherits = [\"base.toml\"]\nseed = 2\n\n[train]\nl2 = 0.1\n";
        assert_eq!(child("base.toml", &settings), Ok(expect.to_owned()));
        assert_eq!(child("mnist", &[]), Ok("# About it.\ninherits = [\"mnist@1\"]\n".to_owned()));
        assert_eq!(child("mnist@1", &[]), child("mnist", &[]));
    }

    #[test]
    fn steps_are_tables() {
        let settings =
            ["model.layers.drop.op=dropout", "model.layers.drop.rate=0.5", "model.layers.drop.after=hidden"];
        let expect = "# About it.\ninherits = [\"mnist@1\"]\n\n[model.layers.drop]\nop = \"dropout\"\nrate = 0.5\nafter = \"hidden\"\n";
        assert_eq!(child("mnist", &settings), Ok(expect.to_owned()));
    }

    #[test]
    fn a_base_may_lack_its_data() {
        assert!(child("vision/classifier", &["train.epochs=1"]).is_ok());
        let codes = |result: Result<String, Diagnostics>| {
            result.unwrap_err().0.iter().map(|each| each.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(child("vision/classifier", &["train.epoch=1"])), ["unknown-key"]);
        assert_eq!(codes(child("vision/clasifier", &[])), ["unknown-scheme"]);
        assert_eq!(codes(child("mnist", &["inherits=[]"])), ["malformed-override"]);
    }
}
