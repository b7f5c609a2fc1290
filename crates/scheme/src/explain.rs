//! Why a value is what it is: its place, what it overrode, what it was derived from.

use base::Diagnostic;
use serde_json::Value as Json;

use crate::architectures::EXPANDED;
use crate::check::with_names;
use crate::merge::at;
use crate::resolved::{Origin, ResolvedScheme};
use crate::show;
use crate::tree::{Node, Value};

/// One value of a resolved scheme and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Its dotted key.
    pub key: String,
    /// The value, in its canonical form.
    pub value: Json,
    /// Where it came from.
    pub origin: Origin,
    /// What was said of the key before, the nearest first.
    pub overrode: Vec<Overridden>,
    /// For a derived value: the keys that it follows from. Empty for the name, which follows from the
    /// file's name.
    pub derived_from: Vec<String>,
}

/// A value that another one took the place of.
#[derive(Debug, Clone, PartialEq)]
pub struct Overridden {
    /// The value as written; `None` where a text took the key out with `unset` or `remove`.
    pub value: Option<Json>,
    /// Where it stands.
    pub origin: Origin,
}

impl ResolvedScheme {
    /// Explains the value at the dotted `key`, every value below it if it is a table, and every value
    /// of the scheme without a key; in canonical order.
    ///
    /// Errors   no value there: a diagnostic with the nearest key.
    pub fn explain(&self, key: Option<&str>) -> Result<Vec<Explanation>, Diagnostic> {
        let leaves = match key {
            None => self.tree.leaves(),
            Some(key) => {
                let found = self.tree.at(key).or_else(|| self.written_out(key));
                found.map(|node| leaves_of(node, key)).ok_or_else(|| self.unknown_value(key))?
            }
        };
        Ok(leaves.into_iter().map(|(key, node)| self.explanation(key, node)).collect())
    }

    fn explanation(&self, key: String, node: &Node) -> Explanation {
        let overrode = self.history.older(&key).into_iter().map(|(value, place)| Overridden {
            value: (*value != Value::Removed).then(|| show::json_value(value)),
            origin: self.origin_of(place),
        });
        let origin = self.origin_of(node.place);
        let derived_from = match origin {
            Origin::Derived => self.history.derivations.get(&key).cloned().unwrap_or_default(),
            Origin::Default | Origin::File { .. } | Origin::Architecture { .. } | Origin::Override { .. } => {
                Vec::new()
            }
        };
        Explanation {
            value: show::json_value(&node.value),
            overrode: overrode.collect(),
            origin,
            derived_from,
            key,
        }
    }

    /// What chose the architecture whose layers stand in its place.
    fn written_out(&self, key: &str) -> Option<&Node> {
        let chooses = key.strip_prefix("model.").is_some_and(|key| EXPANDED.contains(&key));
        self.history.merged.at(key).filter(|_| chooses)
    }

    fn unknown_value(&self, key: &str) -> Diagnostic {
        let leaves = self.tree.leaves();
        let mut names: Vec<&str> = Vec::new();
        for (leaf, _) in &leaves {
            names.push(leaf);
            let borders = leaf.match_indices('.');
            names.extend(borders.map(|(border, _)| &leaf[..border]));
        }
        names.sort_unstable();
        names.dedup();
        let diagnostic = Diagnostic::new("unknown-key", format!("the scheme has no value at `{key}`"));
        match self.history.merged.at(key) {
            Some(node) => at(diagnostic, node.place, "without effect, because of another choice")
                .help("`heirloom scheme check` says which"),
            None => with_names(diagnostic, key, &names),
        }
    }
}

/// The values below one; itself if there are none.
fn leaves_of<'a>(node: &'a Node, key: &str) -> Vec<(String, &'a Node)> {
    let below = node.table().map(|table| table.leaves()).unwrap_or_default();
    if below.is_empty() {
        return vec![(key.to_owned(), node)];
    }
    below.into_iter().map(|(rest, node)| (format!("{key}.{rest}"), node)).collect()
}
