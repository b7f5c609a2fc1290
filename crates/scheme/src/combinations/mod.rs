//! Settings that are valid each by itself but not together.
//!
//! The rules run on the checked tree, in which whatever failed before is missing: a rule that needs
//! a missing value stays silent, so that one mistake is reported once.

use base::{Diagnostic, Diagnostics};

use crate::derive::task;
use crate::merge::at;
use crate::tree::{Node, Place, Table};

mod ancestors;
mod branches;
mod choice;
mod data;
mod deploy;
mod gates;
mod holding;
mod learning;
mod model;
mod preprocess;
mod split;

/// Runs every rule over `tree`, the checked form of `merged`.
pub(crate) fn check_combinations(tree: &Table, merged: &Table, diagnostics: &mut Diagnostics) {
    let mut rules = Rules { tree, merged, diagnostics };
    data::check(&mut rules);
    choice::check(&mut rules);
    preprocess::check(&mut rules);
    split::check(&mut rules);
    model::check(&mut rules);
    branches::check(&mut rules);
    learning::check(&mut rules);
    ancestors::check(&mut rules);
    gates::check(&mut rules);
    deploy::check(&mut rules);
    holding::check(&mut rules);
}

/// The tree that rules look at, and where they report.
struct Rules<'a> {
    tree: &'a Table,
    /// Holds also what is wrong by itself.
    merged: &'a Table,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Rules<'a> {
    fn node(&self, key: &str) -> Option<&'a Node> {
        self.tree.at(key)
    }

    /// Whether `key` was given, right or wrong.
    fn given(&self, key: &str) -> bool {
        self.merged.at(key).is_some()
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.node(key)?.text()
    }

    fn integer(&self, key: &str) -> Option<i64> {
        self.node(key)?.integer()
    }

    fn place(&self, key: &str) -> Place {
        self.node(key).map_or(Place::Default, |node| node.place)
    }

    /// The place of `key`, or of the nearest enclosing table that was written down.
    fn written_place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            match (self.place(key), key.rsplit_once('.')) {
                (place @ Place::At(_), _) => return place,
                (_, Some((outer, _))) => key = outer,
                (place, None) => return place,
            }
        }
    }

    /// Whether an example is a picture, as far as the tree says.
    fn has_images(&self) -> bool {
        match self.text("data.format") {
            Some("csv") => self.given("data.image"),
            format => format.is_some(),
        }
    }

    fn task(&self) -> Option<&'a str> {
        task(self.tree)
    }

    /// The steps of a table of named steps: dotted key and node.
    fn steps(&self, path: &str) -> Vec<(String, &'a Node)> {
        let entries = self.node(path).and_then(Node::table).into_iter().flat_map(|table| &table.entries);
        entries.map(|entry| (format!("{path}.{}", entry.name), &entry.node)).collect()
    }

    /// Reports that `key` does not go with `other`; both places are shown.
    fn clash(&mut self, message: impl Into<String>, key: &str, other: &str) -> &mut Diagnostic {
        let diagnostic = at(Diagnostic::new("impossible-combination", message), self.written_place(key), "");
        let diagnostic = match self.place(other) {
            Place::At(span) => diagnostic.at(span, "because of this"),
            Place::Default | Place::Derived => diagnostic,
        };
        self.push(diagnostic)
    }

    /// Reports that `table` lacks `key`.
    fn missing(&mut self, message: impl Into<String>, table: &str) -> &mut Diagnostic {
        self.push(at(Diagnostic::new("missing-key", message), self.written_place(table), ""))
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let index = self.diagnostics.0.len();
        self.diagnostics.push(diagnostic);
        &mut self.diagnostics.0[index]
    }
}

/// What the name of an operation in a step is.
fn op(node: &Node) -> Option<&str> {
    node.table()?.get("op")?.text()
}
