//! Several parents side by side.
//!
//! A value that only one of them has is taken; where both have it, the parent that inherits the
//! other wins; where neither does and the values differ, both are kept as rivals until a child
//! decides.

use std::collections::BTreeSet;

use base::FileId;

use crate::merge::join;
use crate::sections::STEP_TABLES;
use crate::tree::{Dispute, Entry, Node, Table, Value};

/// Which source text stands above which.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// By file: everything it inherits, directly or not.
    ancestors: Vec<BTreeSet<FileId>>,
}

impl Lineage {
    /// Notes what `file` inherits directly; its parents are known already.
    pub(crate) fn add(&mut self, file: FileId, parents: &[FileId]) {
        let mut all = BTreeSet::new();
        // The newest first: where it inherits the others, there is nothing left to add for them.
        for parent in parents.iter().rev() {
            if all.insert(*parent) {
                all.extend(self.ancestors.get(parent.0 as usize).into_iter().flatten());
            }
        }
        let index = file.0 as usize;
        if self.ancestors.len() <= index {
            self.ancestors.resize(index + 1, BTreeSet::new());
        }
        self.ancestors[index] = all;
    }

    /// Whether `newer` inherits `older`, directly or not.
    pub(crate) fn inherits(&self, newer: FileId, older: FileId) -> bool {
        self.ancestors.get(newer.0 as usize).is_some_and(|ancestors| ancestors.contains(&older))
    }

    /// Whether everything in `older` was known to the author of some part of `newer`.
    fn decides(&self, newer: &Node, older: &Node) -> bool {
        let newer = newer.files();
        older.files().iter().all(|old| newer.iter().any(|new| self.inherits(*new, *old)))
    }
}

/// Adds the parent `second` beside the parents already in `first`.
pub(crate) fn combine(first: &mut Table, second: Table, path: &str, lineage: &Lineage) {
    if first.disputed.is_none() {
        first.disputed = second.disputed.clone();
    }
    if STEP_TABLES.contains(&path) && first.disputed.is_none() {
        first.disputed = dispute(first, &second);
    }
    let order: Vec<String> = second.entries.iter().map(|entry| entry.name.clone()).collect();
    for (index, entry) in second.entries.into_iter().enumerate() {
        let path = join(path, &entry.name);
        match first.position(&entry.name) {
            Some(position) => combine_entry(&mut first.entries[position], entry, &path, lineage),
            None => {
                let position = neighbour(first, &order, index);
                first.entries.insert(position, entry);
            }
        }
    }
}

fn combine_entry(first: &mut Entry, second: Entry, path: &str, lineage: &Lineage) {
    if first.node == second.node {
        return;
    }
    if let (Value::Table(a), None, Value::Table(b), None) =
        (&mut first.node.value, &first.node.rival, &second.node.value, &second.node.rival)
    {
        combine(a, b.clone(), path, lineage);
        if lineage.decides(&second.node, &first.node) {
            (first.key, first.node.place) = (second.key, second.node.place);
        }
    } else if first.node.place == second.node.place {
        // The same value of a common ancestor; one side may carry a rival that the other lacks.
        if first.node.rival.is_none() {
            first.node.rival = second.node.rival;
        }
    } else if lineage.decides(&second.node, &first.node) {
        *first = second;
    } else if !lineage.decides(&first.node, &second.node) && !first.node.value.same(&second.node.value) {
        first.node.rival = Some(Box::new(Node { rival: None, ..second.node }));
    }
}

/// Where a step that `first` lacks goes: after the step it follows in its own parent, else before
/// the one it precedes, else to the end.
fn neighbour(first: &Table, order: &[String], index: usize) -> usize {
    let before = order[..index].iter().rev().find_map(|name| first.position(name));
    let after = order[index + 1..].iter().find_map(|name| first.position(name));
    match (before, after) {
        (Some(position), _) => position + 1,
        (None, Some(position)) => position,
        (None, None) => first.entries.len(),
    }
}

/// Two neighbouring common steps that stand the other way round in `second`. Where one that was taken out stands does
/// not matter.
fn dispute(first: &Table, second: &Table) -> Option<Dispute> {
    let stands = |entry: &Entry| entry.node.value != Value::Removed;
    let common: Vec<(&Entry, usize)> = first
        .entries
        .iter()
        .filter(|entry| stands(entry))
        .filter_map(|entry| second.position(&entry.name).map(|position| (entry, position)))
        .filter(|(_, position)| stands(&second.entries[*position]))
        .collect();
    common.windows(2).find(|pair| pair[0].1 > pair[1].1).map(|pair| Dispute {
        first: (pair[0].0.name.clone(), pair[0].0.key),
        second: (pair[1].0.name.clone(), second.entries[pair[1].1].key),
    })
}
