//! The order of a scheme's tables: that of the reference manual; steps in the order they are written.

use super::Block;
use crate::dotted;
use crate::sections::SCHEME;
use crate::settings::{Kind, Section};
use crate::tree::{Node, Table};

/// Puts tables in order. `tree` is what the text says.
pub(super) fn sort(tables: &mut [Block], tree: &Table) {
    // The tables below an element of an array belong to the element above them, and no scheme has any.
    if tables.iter().all(|table| !table.array) {
        let mut tree = tree.clone();
        dotted::join_names(&mut tree);
        tables.sort_by_cached_key(|table| ranks(table, &tree));
    }
}

/// What is known of the keys at one level.
#[derive(Clone, Copy)]
enum Level {
    Section(&'static Section),
    Steps(&'static Section),
    Unknown,
}

/// The position of a table at each level of its path.
fn ranks(block: &Block, tree: &Table) -> Vec<usize> {
    let (mut level, mut table, mut ranks) = (Level::Section(&SCHEME), Some(tree), Vec::new());
    let path = dotted::join_header(&block.path);
    for name in &path {
        let (rank, next) = rank(level, table, name);
        ranks.push(rank);
        (level, table) = (next, table.and_then(|table| table.get(name)).and_then(Node::table));
    }
    // A table of steps that are written inside it stands where its first step stands.
    if let (Level::Steps(_), Some(first)) = (level, block.settings.first()) {
        let written = dotted::join_path(&first.path);
        ranks.push(rank(level, table, written.get(path.len()).map_or("", String::as_str)).0);
    }
    ranks
}

/// The position of a key, and what is known of the keys below it.
fn rank(level: Level, table: Option<&Table>, name: &str) -> (usize, Level) {
    // A header may hold no more than the first part of a name with dots.
    let begins = |table: &Table| {
        let part = format!("{name}.");
        table.entries.iter().position(|entry| entry.name.starts_with(&part))
    };
    let written = table.and_then(|table| table.position(name).or_else(|| begins(table)));
    let written = written.unwrap_or(usize::MAX / 2);
    match level {
        Level::Unknown => (written, Level::Unknown),
        Level::Steps(section) => (written, Level::Section(section)),
        Level::Section(section) => {
            let members = section.family.iter().flat_map(|family| family.members);
            let mut settings = section.settings.iter().chain(members.flat_map(|member| member.settings));
            let found = settings.clone().position(|setting| setting.key == name);
            let next = match settings.find(|setting| setting.key == name).map(|setting| setting.kind) {
                Some(Kind::Table(section)) => Level::Section(section),
                Some(Kind::Steps(section)) => Level::Steps(section),
                _ => Level::Unknown,
            };
            // What no manual knows comes last.
            (found.unwrap_or_else(|| written.saturating_add(usize::MAX / 4)), next)
        }
    }
}
