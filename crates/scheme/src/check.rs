//! Checks a merged tree against the settings tables and fills in defaults.
//!
//! The result holds exactly the declared keys, in declared order, each of its declared kind. What
//! is wrong is reported and left out, so that later checks still see the rest.

use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics};

use crate::combine::Lineage;
use crate::merge::{at, join};
use crate::settings::{Absent, Algorithm, Family, Kind, Literal, Section, Setting};
use crate::suggest::suggest;
use crate::tree::{Entry, Node, Place, Table, Value};
use crate::upgrade::moved;
use crate::values::check_value;

/// Longest list of valid keys or names that a message spells out.
const LIST_MAX: usize = 16;

/// What checking needs to know and what it finds.
pub(crate) struct Checker<'a> {
    /// By source: the folder that relative paths start from.
    pub(crate) folders: &'a [PathBuf],
    pub(crate) lineage: &'a Lineage,
    pub(crate) diagnostics: Diagnostics,
    /// What is no mistake but should be said.
    pub(crate) notes: Vec<Diagnostic>,
    /// Keys that took the value of another, with that one.
    pub(crate) copies: Vec<(String, Vec<String>)>,
}

impl Checker<'_> {
    /// The folder that a path written at `place` starts from.
    pub(crate) fn folder(&self, place: Place) -> &Path {
        place
            .file()
            .and_then(|file| self.folders.get(file.0 as usize))
            .map_or(Path::new(""), PathBuf::as_path)
    }

    pub(crate) fn report(&mut self, code: &'static str, message: String, place: Place, label: &str) {
        self.diagnostics.push(at(Diagnostic::new(code, message), place, label));
    }

    /// Checks `table`, found at `path`, against `section`.
    pub(crate) fn section(&mut self, section: &Section, table: &Table, path: &str, place: Place) -> Table {
        let mut checked = Table::default();
        let mut known: Vec<Setting> = section.settings.to_vec();
        if let Some(family) = &section.family {
            match self.choose(family, table, path, place, &mut checked) {
                Some(member) => known.extend(member.settings),
                None => {
                    // The choice is wrong or missing: any member's keys may be meant.
                    self.settings(section.settings, table, path, place, &mut checked);
                    self.unknown_keys(&all_keys(section), table, path);
                    return checked;
                }
            }
        }
        self.settings(&known, table, path, place, &mut checked);
        let mut names: Vec<&str> = section.family.iter().map(|family| family.key).collect();
        names.extend(known.iter().map(|setting| setting.key));
        self.strange_keys(section, &names, table, path, checked_choice(section, &checked));
        checked
    }

    /// Reads the key that chooses a member of `family`.
    fn choose(
        &mut self,
        family: &Family,
        table: &Table,
        path: &str,
        place: Place,
        checked: &mut Table,
    ) -> Option<&'static Algorithm> {
        let key = join(path, family.key);
        let entry = match (table.entry(family.key), family.absent) {
            (Some(entry), _) => entry.clone(),
            (None, Absent::Default(literal)) => default_entry(family.key, literal),
            // `derive` reports why it could not be derived.
            (None, Absent::Derived(_)) => return None,
            (None, _) => {
                let message = format!("[{path}] has no `{}`, so it is no {}", family.key, family.what);
                let diagnostic = at(Diagnostic::new("missing-key", message), place, "");
                self.diagnostics.push(diagnostic.help(format!("one of {}", member_names(family).join(", "))));
                return None;
            }
        };
        let Some(name) = entry.node.text() else {
            let message =
                format!("`{key}` is the name of a {}, not {}", family.what, entry.node.value.kind());
            self.report("wrong-type", message, entry.node.place, "expected a text");
            return None;
        };
        let Some(member) = family.member(name) else {
            let names = member_names(family);
            let message = format!("no {} is called `{name}`", family.what);
            let diagnostic = at(Diagnostic::new("unknown-name", message), entry.node.place, "");
            self.diagnostics.push(with_names(diagnostic, name, &names));
            return None;
        };
        checked.put(entry);
        Some(member)
    }

    fn settings(
        &mut self,
        settings: &[Setting],
        table: &Table,
        path: &str,
        place: Place,
        checked: &mut Table,
    ) {
        for setting in settings {
            if let Some(entry) = self.setting(setting, table, path, place, checked) {
                checked.put(entry);
            }
        }
    }

    /// One setting: its checked value, its default, or nothing.
    fn setting(
        &mut self,
        setting: &Setting,
        table: &Table,
        path: &str,
        place: Place,
        checked: &Table,
    ) -> Option<Entry> {
        let key = join(path, setting.key);
        if let Some(entry) = table.entry(setting.key) {
            let node = check_value(self, setting.kind, &entry.node, &key)?;
            let empty = node.table().is_some_and(|table| table.entries.is_empty());
            if empty && matches!((setting.kind, setting.absent), (Kind::Steps(_), Absent::Nothing)) {
                return None; // a table of no steps says nothing
            }
            return Some(Entry { node, ..entry.clone() });
        }
        match setting.absent {
            Absent::Nothing | Absent::Derived(_) => None,
            Absent::Default(literal) => {
                let entry = default_entry(setting.key, literal);
                let node = check_value(self, setting.kind, &entry.node, &key)?;
                Some(Entry { node, ..entry })
            }
            Absent::SameAs(other) => {
                let value = checked.get(other)?.value.clone();
                let node = Node::new(value, Place::Derived);
                self.copies.push((key, vec![join(path, other)]));
                Some(Entry { name: setting.key.to_owned(), key: Place::Derived, node })
            }
            Absent::Required => {
                let table = if path.is_empty() { "the scheme".to_owned() } else { format!("[{path}]") };
                let message = format!("{table} has no `{}`", setting.key);
                let diagnostic = at(Diagnostic::new("missing-key", message), place, "");
                self.diagnostics.push(diagnostic.help(format!("`{}`: {}", setting.key, setting.doc)));
                None
            }
        }
    }

    /// Keys that belong to nothing at all.
    fn unknown_keys(&mut self, names: &[&str], table: &Table, path: &str) {
        for entry in &table.entries {
            if !names.contains(&entry.name.as_str()) {
                self.unknown_key(names, entry, path);
            }
        }
    }

    /// Keys beyond `names`: unknown ones, and those of another member of the family.
    fn strange_keys(
        &mut self,
        section: &Section,
        names: &[&str],
        table: &Table,
        path: &str,
        chosen: Option<(Place, String)>,
    ) {
        for entry in &table.entries {
            if names.contains(&entry.name.as_str()) {
                continue;
            }
            let owners = owners(section, &entry.name);
            match (&chosen, owners.is_empty()) {
                (Some((place, name)), false) => {
                    self.misplaced_key(section, entry, path, *place, name, &owners)
                }
                _ => self.unknown_key(names, entry, path),
            }
        }
    }

    fn unknown_key(&mut self, names: &[&str], entry: &Entry, path: &str) {
        let table = if path.is_empty() { "the scheme".to_owned() } else { format!("[{path}]") };
        let message = format!("{table} has no key `{}`", entry.name);
        let diagnostic = at(Diagnostic::new("unknown-key", message), entry.key, "");
        let diagnostic = match moved(&join(path, &entry.name)) {
            Some(where_to) => diagnostic.help(where_to),
            None => diagnostic,
        };
        self.diagnostics.push(with_names(diagnostic, &entry.name, names));
    }

    /// A key of another member: a note if it was inherited before the present choice was made, else
    /// a mistake.
    fn misplaced_key(
        &mut self,
        section: &Section,
        entry: &Entry,
        path: &str,
        chosen: Place,
        name: &str,
        owners: &[&str],
    ) {
        let what = section.family.map_or("", |family| family.what);
        let owners = owners.join(" or ");
        let older = match (chosen.file(), entry.node.files().as_slice()) {
            (Some(newer), files) => files.iter().all(|older| self.lineage.inherits(newer, *older)),
            (None, _) => false,
        };
        let key = join(path, &entry.name);
        if older {
            let message =
                format!("the inherited `{key}` belongs to the {what} {owners} and has no effect with {name}");
            self.notes.push(at(
                at(Diagnostic::new("dropped-setting", message), entry.key, ""),
                chosen,
                "chosen here",
            ));
        } else {
            let message = format!("`{key}` belongs to the {what} {owners}, not to {name}");
            self.diagnostics.push(at(
                at(Diagnostic::new("misplaced-key", message), entry.key, ""),
                chosen,
                "chosen here",
            ));
        }
    }
}

fn checked_choice(section: &Section, checked: &Table) -> Option<(Place, String)> {
    let family = section.family?;
    let node = checked.get(family.key)?;
    // A derived format follows from the source, so the source is where it was chosen.
    let place = match (node.place, checked.get("source")) {
        (Place::Derived, Some(source)) => source.place,
        (place, _) => place,
    };
    Some((place, node.text()?.to_owned()))
}

fn owners<'a>(section: &'a Section, key: &str) -> Vec<&'a str> {
    let members = section.family.iter().flat_map(|family| family.members);
    members
        .filter(|member| member.settings.iter().any(|setting| setting.key == key))
        .map(|member| member.name)
        .collect()
}

fn all_keys(section: &Section) -> Vec<&'static str> {
    let family = section.family.iter();
    let members = family.clone().flat_map(|family| family.members).flat_map(|member| member.settings);
    let mut keys: Vec<&str> = family.map(|family| family.key).collect();
    keys.extend(section.settings.iter().chain(members).map(|setting| setting.key));
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn member_names(family: &Family) -> Vec<&'static str> {
    family.members.iter().map(|member| member.name).collect()
}

/// Adds the nearest of `names`, and all of them if they are few.
pub(crate) fn with_names(diagnostic: Diagnostic, name: &str, names: &[&str]) -> Diagnostic {
    let diagnostic = match suggest(name, names) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    if names.is_empty() || names.len() > LIST_MAX {
        return diagnostic;
    }
    diagnostic.help(format!("valid here: {}", names.join(", ")))
}

fn default_entry(key: &str, literal: Literal) -> Entry {
    let value = match literal {
        Literal::Bool(flag) => Value::Bool(flag),
        Literal::Integer(number) | Literal::Pair(number) => Value::Integer(number),
        Literal::Real(number) => Value::Real(number),
        Literal::Text(text) => Value::Text(text.to_owned()),
        Literal::Table => Value::Table(Table::default()),
    };
    Entry { name: key.to_owned(), key: Place::Default, node: Node::new(value, Place::Default) }
}
