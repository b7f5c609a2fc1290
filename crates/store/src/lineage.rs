//! What a version was made from, and what was made from it.
//!
//! Parents are registered before their children and versions never change, so lineage has no cycles.

use base::{Diagnostic, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::database::{Row, Rows, values};
use crate::error::{RowError, within};
use crate::limits::DOCUMENT_BYTES_MAX;
use crate::manifest::Manifest;
use crate::reference::{self, Found};
use crate::versions::{document, manifest, select_with};
use crate::{ModelVersion, Store, StoreError};

/// How a model came from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Trained on from its tensors; some of them are shared, or changed in place.
    FineTunedFrom,
    /// Trained on its answers.
    DistilledFrom,
    /// The same function in fewer bytes: pruned, quantised.
    CompressedFrom,
    /// One of several whose tensors were combined.
    MergedFrom,
}

impl Relation {
    const ALL: [Relation; 4] =
        [Relation::FineTunedFrom, Relation::DistilledFrom, Relation::CompressedFrom, Relation::MergedFrom];

    /// The word used in rows and documents.
    pub fn name(self) -> &'static str {
        match self {
            Relation::FineTunedFrom => "fine_tuned_from",
            Relation::DistilledFrom => "distilled_from",
            Relation::CompressedFrom => "compressed_from",
            Relation::MergedFrom => "merged_from",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Relation::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// One parent of a model that is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentRecord {
    /// The parent, as [`Store::resolve`] takes it.
    pub reference: String,
    /// How the model came from it.
    pub relation: Relation,
    /// The model's tensors that go back to one of the parent's of another name or shape: its name, and the parent's.
    pub successors: Vec<(String, String)>,
}

/// One step of lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// The child's name and number.
    pub child: (String, u32),
    /// How it came from the parent.
    pub relation: Relation,
    /// The parent's name and number.
    pub parent: (String, u32),
    /// What the store found when it compared both: tensors and bytes that are shared.
    pub facts: Value,
}

/// The versions that a model descends from, or that descend from it, with every step between.
#[derive(Debug, Clone, PartialEq)]
pub struct Lineage {
    /// The model itself first, then by distance, name and number.
    pub versions: Vec<ModelVersion>,
    /// Every step between them, by child and parent.
    pub edges: Vec<Edge>,
}

/// Which way to follow lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what a model was made from.
    Ancestors,
    /// To what was made from it.
    Descendants,
}

impl Store {
    /// The direct parents of a version, by relation, name and number.
    pub fn parents(&self, of: &ModelVersion) -> Result<Vec<Edge>, StoreError> {
        self.read("look up the parents of a model", |rows| {
            edges(rows, "WHERE name = ?1 AND version = ?2", values![&of.name, of.version])
        })
    }

    /// Everything that `of` descends from, or that descends from it.
    pub fn lineage(&self, of: &ModelVersion, direction: Direction) -> Result<Lineage, StoreError> {
        self.read("follow the lineage of a model", |rows| {
            let start = Found { name: of.name.clone(), version: of.version };
            lineage(rows, &start, direction)
        })
    }
}

/// The relatives of `start` in one direction, as the rest of a query that begins with it: `kin` has
/// the columns `name`, `version`, `depth`. Parameters ?1 and ?2 are the start.
fn kin(direction: Direction) -> &'static str {
    match direction {
        Direction::Ancestors => {
            "WITH RECURSIVE kin (name, version) AS (
                 SELECT v.name, v.version FROM versions v WHERE v.name = ?1 AND v.version = ?2
                 UNION SELECT p.parent_name, p.parent_version FROM parents p
                       JOIN kin k ON p.name = k.name AND p.version = k.version)"
        }
        Direction::Descendants => {
            "WITH RECURSIVE kin (name, version) AS (
                 SELECT v.name, v.version FROM versions v WHERE v.name = ?1 AND v.version = ?2
                 UNION SELECT p.name, p.version FROM parents p
                       JOIN kin k ON p.parent_name = k.name AND p.parent_version = k.version)"
        }
    }
}

/// The names and numbers of `start` and its relatives, `start` first.
pub(crate) fn relatives(
    rows: &dyn Rows,
    start: &Found,
    direction: Direction,
) -> Result<Vec<Found>, RowError> {
    let query = format!("{} SELECT name, version FROM kin", kin(direction));
    let mut found = rows.all(&query, values![&start.name, start.version], |row| {
        Ok(Found { name: row.get(0)?, version: row.get(1)? })
    })?;
    found.sort_by(|left, right| {
        (left != start, &left.name, left.version).cmp(&(right != start, &right.name, right.version))
    });
    Ok(found)
}

fn lineage(rows: &dyn Rows, start: &Found, direction: Direction) -> Result<Lineage, RowError> {
    let with = kin(direction);
    let key = values![&start.name, start.version];
    let join = "JOIN kin k ON k.name = v.name AND k.version = v.version";
    let mut versions = select_with(rows, with, join, key)?;
    versions.sort_by(|left, right| {
        let rank = |version: &ModelVersion| version.name != start.name || version.version != start.version;
        (rank(left), &left.name, left.version).cmp(&(rank(right), &right.name, right.version))
    });
    let side = match direction {
        Direction::Ancestors => "p.name = k.name AND p.version = k.version",
        Direction::Descendants => "p.parent_name = k.name AND p.parent_version = k.version",
    };
    let query = format!(
        "{with} SELECT p.name, p.version, p.relation, p.parent_name, p.parent_version, p.facts
         FROM kin k JOIN parents p ON {side}
         ORDER BY p.name, p.version, p.relation, p.parent_name, p.parent_version"
    );
    Ok(Lineage { versions, edges: rows.all(&query, key, edge)? })
}

fn edges(rows: &dyn Rows, end: &str, values: &[crate::database::Value<'_>]) -> Result<Vec<Edge>, RowError> {
    let query = format!(
        "SELECT name, version, relation, parent_name, parent_version, facts FROM parents {end}
         ORDER BY relation, parent_name, parent_version"
    );
    rows.all(&query, values, edge)
}

fn edge(row: &dyn Row) -> Result<Edge, RowError> {
    let child: (String, u32) = (row.get(0)?, row.get(1)?);
    let what = || format!("the lineage of {}@{}", child.0, child.1);
    let name: String = row.get(2)?;
    let relation = Relation::of_name(&name)
        .ok_or_else(|| RowError::damaged(what(), format!("unknown relation `{name}`")))?;
    Ok(Edge { relation, parent: (row.get(3)?, row.get(4)?), facts: document(row, 5, what)?, child })
}

/// Notes where a version came from. What it says of its parents is compared with their tensors.
pub(crate) fn insert_parents(
    rows: &dyn Rows,
    child: &Found,
    tensors: &Manifest,
    parents: &[ParentRecord],
) -> Result<(), RowError> {
    for parent in parents {
        let found = reference::find(rows, &parent.reference)?;
        let digest: Digest = rows.only(
            "SELECT model FROM versions WHERE name = ?1 AND version = ?2",
            values![&found.name, found.version],
        )?;
        let facts = compare(tensors, &manifest(rows, digest)?, &parent.successors);
        if parent.relation == Relation::FineTunedFrom && facts.alike + facts.reshaped == 0 {
            return Err(not_a_child(child, &found).into());
        }
        insert_parent(rows, child, parent.relation, &found, &facts.document().to_string())?;
    }
    Ok(())
}

pub(crate) fn insert_parent(
    rows: &dyn Rows,
    child: &Found,
    relation: Relation,
    parent: &Found,
    facts: &str,
) -> Result<(), RowError> {
    within(|| "the facts about a parent".to_owned(), facts.len() as u64, DOCUMENT_BYTES_MAX)?;
    rows.execute(
        "INSERT INTO parents (name, version, relation, parent_name, parent_version, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        values![&child.name, child.version, relation.name(), &parent.name, parent.version, facts],
    )?;
    Ok(())
}

fn not_a_child(child: &Found, parent: &Found) -> Diagnostic {
    let message = format!(
        "`{}` is said to be fine-tuned from {}@{}, but no tensor of it has the name and shape of one there",
        child.name, parent.name, parent.version
    );
    Diagnostic::new("not-a-child", message)
        .help("name the parent that its tensors came from, or another relation such as `distilled_from`")
}

/// How two models' tensors compare.
struct Comparison {
    /// Tensors of the same type and shape as the one that they go back to: that of the same name, unless said otherwise.
    alike: usize,
    /// Those of them with the same bytes.
    shared: usize,
    /// Tensors that go back to one of another shape.
    reshaped: usize,
    /// Tensors that the parent does not have in this form.
    fresh: usize,
    shared_bytes: u64,
    bytes: u64,
}

impl Comparison {
    fn document(&self) -> Value {
        json!({
            "tensors_shared": self.shared,
            "tensors_changed": self.alike - self.shared,
            "tensors_reshaped": self.reshaped,
            "tensors_fresh": self.fresh,
            "bytes_shared": self.shared_bytes,
            "bytes": self.bytes,
        })
    }
}

fn compare(child: &Manifest, parent: &Manifest, successors: &[(String, String)]) -> Comparison {
    let said: std::collections::BTreeMap<&str, &str> =
        successors.iter().map(|(own, other)| (own.as_str(), other.as_str())).collect();
    let of_parent: std::collections::BTreeMap<_, _> =
        parent.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut found = Comparison { alike: 0, shared: 0, reshaped: 0, fresh: 0, shared_bytes: 0, bytes: 0 };
    for tensor in &child.tensors {
        let bytes = tensor.bytes().unwrap_or(0);
        found.bytes += bytes;
        let said = said.get(tensor.name.as_str()).copied();
        match of_parent.get(said.unwrap_or(tensor.name.as_str())) {
            Some(other) if other.dtype == tensor.dtype && other.shape == tensor.shape => {
                found.alike += 1;
                if other.digest == tensor.digest {
                    found.shared += 1;
                    found.shared_bytes += bytes;
                }
            }
            Some(_) if said.is_some() => found.reshaped += 1,
            _ => found.fresh += 1,
        }
    }
    found
}
