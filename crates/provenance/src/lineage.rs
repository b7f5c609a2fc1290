//! Where a model comes from: the document `lineage.json` of its signed form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base::{Diagnostic, Digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Direction, Edge, ModelVersion, Store, StoreError};

use crate::canonical;
use crate::limits::DOCUMENT_BYTES_MAX;

/// A model and everything that it descends from.
///
/// A model is named by its name and digest. Version numbers, times and places are not in it, so it is
/// the same in every store that holds the same models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    format_version: u32,
    /// The model itself.
    pub model: Origin,
    /// Every model that it descends from, by name and digest.
    pub ancestors: Vec<Origin>,
    /// Who was made from whom, by child, relation and parent.
    pub relations: Vec<Descent>,
}

/// A model's name and digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelName {
    /// What it is called.
    pub name: String,
    /// The digest of its manifest.
    #[serde(with = "digest_text")]
    pub digest: Digest,
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.digest.short())
    }
}

/// One model, and what made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What it is called.
    pub name: String,
    /// The digest of its manifest.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// The digest of the resolved scheme that made it.
    #[serde(with = "digest_text")]
    pub scheme_digest: Digest,
    /// The digest of the data that it was made from.
    #[serde(with = "digest_text")]
    pub data_digest: Digest,
    /// What was measured.
    pub metrics: Value,
}

impl Origin {
    /// Its name and digest.
    pub fn id(&self) -> ModelName {
        ModelName { name: self.name.clone(), digest: self.digest }
    }
}

/// One model was made from another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descent {
    /// The one that was made.
    pub child: ModelName,
    /// How: `fine_tuned_from`, `distilled_from`, ...
    pub relation: String,
    /// The one it was made from.
    pub parent: ModelName,
    /// What else is known about it.
    pub facts: Value,
}

impl Lineage {
    /// The version that this program writes.
    pub const FORMAT_VERSION: u32 = 1;

    /// The lineage of `model`; the order of `ancestors` and `relations` does not matter, and one that
    /// is given twice counts once.
    pub fn new(model: Origin, ancestors: Vec<Origin>, relations: Vec<Descent>) -> Self {
        let with_sorted_keys =
            |origin: Origin| Origin { metrics: canonical::sorted(&origin.metrics), ..origin };
        let mut ancestors: Vec<Origin> = ancestors.into_iter().map(with_sorted_keys).collect();
        ancestors.sort_by_cached_key(Origin::id);
        ancestors.dedup_by_key(|origin| origin.id());
        let mut relations: Vec<Descent> = relations
            .into_iter()
            .map(|descent| Descent { facts: canonical::sorted(&descent.facts), ..descent })
            .collect();
        let place = |descent: &Descent| {
            let facts = descent.facts.to_string();
            (descent.child.clone(), descent.relation.clone(), descent.parent.clone(), facts)
        };
        relations.sort_by_cached_key(place);
        relations.dedup();
        let model = with_sorted_keys(model);
        Lineage { format_version: Lineage::FORMAT_VERSION, model, ancestors, relations }
    }

    /// The lineage of `version` as `store` knows it.
    pub fn of(store: &Store, version: &ModelVersion) -> Result<Self, StoreError> {
        let found = store.lineage(version, Direction::Ancestors)?;
        let ids: BTreeMap<(&str, u32), ModelName> = found
            .versions
            .iter()
            .map(|each| ((each.name.as_str(), each.version), origin(each).id()))
            .collect();
        let id = |end: &(String, u32)| ids.get(&(end.0.as_str(), end.1)).cloned();
        // Every end of a step is among the versions, for the store reads both at one moment.
        let step = |edge: &Edge| {
            Some(Descent {
                child: id(&edge.child)?,
                relation: edge.relation.name().to_owned(),
                parent: id(&edge.parent)?,
                facts: edge.facts.clone(),
            })
        };
        let relations = found.edges.iter().filter_map(step).collect();
        let others = found.versions.iter().filter(|each| each.id() != version.id());
        Ok(Lineage::new(origin(version), others.map(origin).collect(), relations))
    }

    /// The text of `lineage.json`, the same for the same lineage.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        canonical::text(self)
    }

    /// Reads the text of a `lineage.json`.
    ///
    /// Errors   not such a text; a version that is not known; a relation between unknown models.
    pub fn decode(text: &str) -> Result<Self, Diagnostic> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        if text.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(damaged(format!("it has {} bytes, the limit is {DOCUMENT_BYTES_MAX}", text.len())));
        }
        let Version { format_version } =
            serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        if format_version != Lineage::FORMAT_VERSION {
            return Err(damaged(format!(
                "its format version is {format_version}, this program reads version {}",
                Lineage::FORMAT_VERSION
            )));
        }
        let lineage: Lineage = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        lineage.check()?;
        Ok(lineage)
    }

    /// The models that the model itself was made from, directly.
    pub fn parents(&self) -> impl Iterator<Item = &Descent> {
        let model = self.model.id();
        self.relations.iter().filter(move |descent| descent.child == model)
    }

    fn check(&self) -> Result<(), Diagnostic> {
        let known: BTreeSet<ModelName> = self.ancestors.iter().chain([&self.model]).map(Origin::id).collect();
        if known.len() != self.ancestors.len() + 1 {
            return Err(damaged("it names the same model twice".to_owned()));
        }
        let ends = self.relations.iter().flat_map(|descent| [&descent.child, &descent.parent]);
        match ends.into_iter().find(|end| !known.contains(end)) {
            Some(end) => Err(damaged(format!("a relation speaks of {end}, which is not listed"))),
            None => Ok(()),
        }
    }
}

fn origin(version: &ModelVersion) -> Origin {
    Origin {
        name: version.name.clone(),
        digest: version.digest,
        scheme_digest: version.scheme_digest,
        data_digest: version.data_digest,
        metrics: version.metrics.clone(),
    }
}

fn damaged(reason: String) -> Diagnostic {
    Diagnostic::new("invalid-lineage", format!("lineage.json does not hold a lineage: {reason}"))
}

mod digest_text {
    use base::Digest;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
