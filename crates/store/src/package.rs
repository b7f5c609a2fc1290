//! Versions with everything that belongs to them, ready to be taken to another store.
//!
//! A package is closed: every parent of a version in it, every scheme that a scheme in it inherits
//! from the registry, and every blob that any of them speaks of is listed. Names and numbers are those
//! of the store that it comes from. One that is made to be served may leave blobs of ancestors out, and
//! says which.

use std::collections::{BTreeMap, BTreeSet};

use base::Digest;
use serde::{Deserialize, Serialize};

use crate::annotations::about;
use crate::database::{Rows, values};
use crate::error::{RowError, within};
use crate::limits::{DOCUMENT_BYTES_MAX, PACKAGE_BLOBS_MAX, PACKAGE_VERSIONS_MAX};
use crate::lineage::{Direction, relatives};
use crate::manifest::digest_text;
use crate::recall::reaching;
use crate::reference::{self, Found};
use crate::schemes::find as find_scheme;
use crate::versions::manifest_text;
use crate::{
    About, BlobEntry, EngineFacts, Manifest, Relation, SchemeParent, SchemeVersion, Store, StoreError,
};

/// Versions, schemes and the blobs that they need. Its JSON is the manifest of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// [`Package::FORMAT_VERSION`].
    pub format_version: u32,
    /// The versions that were asked for, as `name@N`.
    pub wanted: Vec<String>,
    /// The versions, parents before children.
    pub versions: Vec<PackedVersion>,
    /// The registered schemes, parents before children.
    pub schemes: Vec<PackedScheme>,
    /// Every blob, by digest.
    pub blobs: Vec<BlobEntry>,
    /// Blobs that are spoken of and not in it, by digest: those of ancestors, in a package that is made to be served
    /// and not to be inherited from. None in any other.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<BlobEntry>,
}

/// One model version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedVersion {
    pub(crate) name: String,
    pub(crate) version: u32,
    /// The canonical manifest; its digest is the model's.
    pub(crate) manifest: String,
    #[serde(with = "digest_text")]
    pub(crate) scheme: Digest,
    #[serde(with = "digest_text")]
    pub(crate) scheme_digest: Digest,
    #[serde(with = "digest_text")]
    pub(crate) data_digest: Digest,
    pub(crate) metrics: String,
    pub(crate) run: Option<String>,
    pub(crate) cpu_level: String,
    pub(crate) engine_version: u32,
    pub(crate) created_unix_ms: i64,
    pub(crate) about: About,
    pub(crate) parents: Vec<PackedParent>,
    pub(crate) attachments: Vec<PackedAttachment>,
    pub(crate) signatures: Vec<PackedSignature>,
    /// Why it is recalled, if it is.
    pub(crate) recalled: Option<String>,
}

/// One step of lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackedParent {
    pub(crate) relation: Relation,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) facts: String,
}

/// A blob that is kept beside a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackedAttachment {
    pub(crate) role: String,
    #[serde(with = "digest_text")]
    pub(crate) blob: Digest,
}

/// A signature of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackedSignature {
    pub(crate) key_id: String,
    pub(crate) document: String,
    pub(crate) unix_ms: i64,
}

/// One registered scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedScheme {
    pub(crate) name: String,
    pub(crate) version: u32,
    #[serde(with = "digest_text")]
    pub(crate) scheme_digest: Digest,
    #[serde(with = "digest_text")]
    pub(crate) resolved: Digest,
    #[serde(with = "digest_text")]
    pub(crate) sources: Digest,
    pub(crate) description: String,
    pub(crate) created_unix_ms: i64,
    pub(crate) parents: Vec<SchemeParent>,
}

impl Package {
    /// The newest version that this program writes: that of a package that leaves something out.
    pub const FORMAT_VERSION: u32 = 2;
    /// The version of a package that leaves nothing out.
    const CLOSED_FORMAT_VERSION: u32 = 1;

    /// The bytes of all blobs, as far as they can be counted: a stranger may have written them.
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().fold(0u64, |sum, blob| sum.saturating_add(blob.bytes))
    }

    /// Reads the JSON of a package; safe on any bytes. Checks everything but the blobs themselves.
    ///
    /// Errors   the reason, for people.
    pub fn decode(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let limit = |length| within(|| "its manifest, in bytes,".to_owned(), length, DOCUMENT_BYTES_MAX);
        limit(text.len() as u64).map_err(|error| error.to_string())?;
        let not_json = |error: serde_json::Error| format!("its manifest is not what was expected: {error}");
        let Version { format_version } = serde_json::from_slice(text).map_err(not_json)?;
        if !(1..=Package::FORMAT_VERSION).contains(&format_version) {
            return Err(format!(
                "its format version is {format_version}, and this program reads versions up to {}; use the newer program",
                Package::FORMAT_VERSION
            ));
        }
        let package: Package = serde_json::from_slice(text).map_err(not_json)?;
        package.check()?;
        Ok(package)
    }

    /// Whether it is closed and well-formed.
    pub(crate) fn check(&self) -> Result<(), String> {
        let count = self.versions.len().max(self.schemes.len()) as u64;
        within(|| "the list of its versions".to_owned(), count, PACKAGE_VERSIONS_MAX)
            .and_then(|()| {
                let count = self.blobs.len().saturating_add(self.left_out.len()) as u64;
                within(|| "the list of its blobs".to_owned(), count, PACKAGE_BLOBS_MAX)
            })
            .map_err(|error| error.to_string())?;
        let inside: BTreeMap<Digest, u64> = self.blobs.iter().map(|blob| (blob.digest, blob.bytes)).collect();
        let mut spoken_of = inside.clone();
        spoken_of.extend(self.left_out.iter().map(|blob| (blob.digest, blob.bytes)));
        if spoken_of.len() != self.blobs.len() + self.left_out.len() {
            return Err("it lists a blob twice".to_owned());
        }
        let mut seen = BTreeSet::new();
        for scheme in &self.schemes {
            scheme.check(&inside)?;
        }
        for version in &self.versions {
            let wanted = self.wanted.contains(&version.id());
            version.check(if wanted { &inside } else { &spoken_of }, &seen)?;
            if !seen.insert((version.name.as_str(), version.version)) {
                return Err(format!("it lists {} twice", version.id()));
            }
        }
        Ok(())
    }
}

impl PackedVersion {
    pub(crate) fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The digest of the model.
    pub(crate) fn model(&self) -> Digest {
        Digest::of(self.manifest.as_bytes())
    }

    pub(crate) fn engine(&self) -> EngineFacts {
        EngineFacts { cpu_level: self.cpu_level.clone(), format_version: self.engine_version }
    }

    /// Well-formed, its parents among `seen`, its blobs among `blobs`.
    fn check(&self, blobs: &BTreeMap<Digest, u64>, seen: &BTreeSet<(&str, u32)>) -> Result<(), String> {
        let id = self.id();
        crate::names::check_model_name(&self.name).map_err(|error| error.to_string())?;
        let manifest = Manifest::decode(&self.manifest).map_err(|error| format!("{id}: {error}"))?;
        for blob in manifest.blobs() {
            if blobs.get(&blob.digest) != Some(&blob.bytes) {
                return Err(format!("{id} needs blob {}, which it does not hold", blob.digest));
            }
        }
        for digest in std::iter::once(self.scheme).chain(self.attachments.iter().map(|each| each.blob)) {
            if !blobs.contains_key(&digest) {
                return Err(format!("{id} needs blob {digest}, which it does not hold"));
            }
        }
        for parent in &self.parents {
            if !seen.contains(&(parent.name.as_str(), parent.version)) {
                return Err(format!(
                    "{id} descends from {}@{}, which is not before it",
                    parent.name, parent.version
                ));
            }
        }
        for attachment in &self.attachments {
            crate::names::check_role(&attachment.role).map_err(|error| error.to_string())?;
        }
        let documents = self.parents.iter().map(|parent| &parent.facts).chain([&self.metrics]);
        for document in documents {
            serde_json::from_str::<serde::de::IgnoredAny>(document)
                .map_err(|error| format!("{id}: {error}"))?;
        }
        Ok(())
    }
}

impl PackedScheme {
    pub(crate) fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn check(&self, blobs: &BTreeMap<Digest, u64>) -> Result<(), String> {
        crate::names::check_scheme_name(&self.name).map_err(|error| error.to_string())?;
        match [self.resolved, self.sources].iter().find(|digest| !blobs.contains_key(digest)) {
            Some(digest) => Err(format!("scheme {} needs blob {digest}, which it does not hold", self.id())),
            None => Ok(()),
        }
    }
}

impl Store {
    /// Packs the versions that `references` name with all their ancestors, or every version of the
    /// store if there is none, and the registered schemes that made them; with no reference, all
    /// registered schemes.
    ///
    /// Errors   an unknown reference.
    pub fn package(&self, references: &[String]) -> Result<Package, StoreError> {
        self.read("pack models", |rows| {
            let mut wanted = Vec::new();
            for reference in references {
                wanted.push(reference::find(rows, reference)?);
            }
            let everything = references.is_empty();
            let found = if everything { all_versions(rows)? } else { closure(rows, &wanted)? };
            let wanted = if everything { &found } else { &wanted };
            let wanted = wanted.iter().map(|found| format!("{}@{}", found.name, found.version)).collect();
            let versions = found.iter().map(|found| pack(rows, found)).collect::<Result<Vec<_>, _>>()?;
            let schemes = schemes_of(rows, (!everything).then_some(&versions))?;
            let blobs = blobs_of(rows, &versions, &schemes)?;
            let versions = parents_first(versions)?;
            Ok(Package {
                format_version: Package::CLOSED_FORMAT_VERSION,
                wanted,
                versions,
                schemes,
                blobs,
                left_out: Vec::new(),
            })
        })
    }

    /// Packs the version that `reference` names to be served: with its own blobs and what is kept beside it under
    /// `roles`; of its ancestors only what is said of them, and no registered schemes. One that leaves weights of
    /// ancestors out cannot be taken in by a store.
    ///
    /// Errors   an unknown reference.
    pub fn package_to_serve(&self, reference: &str, roles: &[&str]) -> Result<Package, StoreError> {
        let mut package = self.package(&[reference.to_owned()])?;
        package.schemes.clear();
        let (mut inside, mut spoken_of) = (BTreeSet::new(), BTreeSet::new());
        for version in &mut package.versions {
            let wanted = package.wanted.contains(&version.id());
            version.attachments.retain(|attachment| wanted && roles.contains(&attachment.role.as_str()));
            let manifest = Manifest::decode(&version.manifest)?;
            let own = manifest.blobs().into_iter().map(|blob| blob.digest).chain([version.scheme]);
            let own = own.chain(version.attachments.iter().map(|attachment| attachment.blob));
            if wanted { inside.extend(own) } else { spoken_of.extend(own) }
        }
        package.left_out = package.blobs.clone();
        package.left_out.retain(|blob| spoken_of.contains(&blob.digest) && !inside.contains(&blob.digest));
        package.blobs.retain(|blob| inside.contains(&blob.digest));
        if !package.left_out.is_empty() {
            package.format_version = Package::FORMAT_VERSION;
        }
        Ok(package)
    }
}

fn all_versions(rows: &dyn Rows) -> Result<Vec<Found>, RowError> {
    rows.all("SELECT name, version FROM versions ORDER BY name, version", &[], |row| {
        Ok(Found { name: row.get(0)?, version: row.get(1)? })
    })
}

fn closure(rows: &dyn Rows, wanted: &[Found]) -> Result<Vec<Found>, RowError> {
    let mut all = BTreeMap::new();
    for found in wanted {
        for relative in relatives(rows, found, Direction::Ancestors)? {
            all.insert((relative.name.clone(), relative.version), relative);
        }
    }
    Ok(all.into_values().collect())
}

fn pack(rows: &dyn Rows, found: &Found) -> Result<PackedVersion, RowError> {
    let version = crate::versions::version(rows, found)?;
    let key = values![&found.name, found.version];
    let recall = reaching(rows, found)?;
    let own = recall.into_iter().find(|recall| recall.name == found.name && recall.version == found.version);
    Ok(PackedVersion {
        manifest: manifest_text(rows, version.digest)?,
        scheme: version.scheme,
        scheme_digest: version.scheme_digest,
        data_digest: version.data_digest,
        metrics: version.metrics.to_string(),
        run: version.run,
        cpu_level: version.engine.cpu_level,
        engine_version: version.engine.format_version,
        created_unix_ms: version.created_unix_ms,
        about: about(rows, found)?,
        parents: rows.all(
            "SELECT relation, parent_name, parent_version, facts FROM parents
             WHERE name = ?1 AND version = ?2 ORDER BY relation, parent_name, parent_version",
            key,
            |row| {
                let relation: String = row.get(0)?;
                Ok(PackedParent {
                    relation: Relation::of_name(&relation)
                        .ok_or_else(|| RowError::damaged("a relation", format!("unknown `{relation}`")))?,
                    name: row.get(1)?,
                    version: row.get(2)?,
                    facts: row.get(3)?,
                })
            },
        )?,
        attachments: rows.all(
            "SELECT role, blob FROM version_blobs WHERE name = ?1 AND version = ?2 ORDER BY role",
            key,
            |row| Ok(PackedAttachment { role: row.get(0)?, blob: row.get(1)? }),
        )?,
        signatures: crate::signatures::signatures(rows, found)?
            .into_iter()
            .map(|signature| PackedSignature {
                key_id: signature.key_id,
                document: signature.document,
                unix_ms: signature.unix_ms,
            })
            .collect(),
        recalled: own.map(|recall| recall.reason),
        name: version.name,
        version: version.version,
    })
}

/// The registered schemes that made `versions`, or all, with those that they inherit; parents first.
fn schemes_of(rows: &dyn Rows, versions: Option<&Vec<PackedVersion>>) -> Result<Vec<PackedScheme>, RowError> {
    let key = |row: &dyn crate::database::Row| Ok((row.get(0)?, row.get(1)?));
    let all = "SELECT name, version FROM schemes ORDER BY name, version";
    let mut open: Vec<(String, u32)> = match versions {
        None => rows.all(all, &[], key)?,
        Some(versions) => {
            let mut found = Vec::new();
            for digest in versions.iter().map(|version| version.scheme_digest).collect::<BTreeSet<_>>() {
                let query =
                    "SELECT name, version FROM schemes WHERE scheme_digest = ?1 ORDER BY name, version";
                found.append(&mut rows.all(query, values![digest], key)?);
            }
            found
        }
    };
    let mut found: BTreeMap<(String, u32), SchemeVersion> = BTreeMap::new();
    while let Some((name, version)) = open.pop() {
        if found.contains_key(&(name.clone(), version)) {
            continue;
        }
        // A parent that is no registered scheme is one built into the program, or a file.
        let Some(scheme) = find_scheme(rows, &name, Some(version))? else { continue };
        open.extend(scheme.parents.iter().filter_map(|parent| Some((parent.name.clone(), parent.version?))));
        found.insert((name, version), scheme);
    }
    Ok(found.into_values().map(packed_scheme).collect())
}

fn packed_scheme(scheme: SchemeVersion) -> PackedScheme {
    PackedScheme {
        name: scheme.name,
        version: scheme.version,
        scheme_digest: scheme.scheme_digest,
        resolved: scheme.resolved,
        sources: scheme.sources,
        description: scheme.description,
        created_unix_ms: scheme.created_unix_ms,
        parents: scheme.parents,
    }
}

fn blobs_of(
    rows: &dyn Rows,
    versions: &[PackedVersion],
    schemes: &[PackedScheme],
) -> Result<Vec<BlobEntry>, RowError> {
    let mut digests: BTreeSet<Digest> =
        schemes.iter().flat_map(|scheme| [scheme.resolved, scheme.sources]).collect();
    for version in versions {
        let manifest = Manifest::decode(&version.manifest)?;
        digests.extend(manifest.blobs().iter().map(|blob| blob.digest));
        digests.insert(version.scheme);
        digests.extend(version.attachments.iter().map(|attachment| attachment.blob));
    }
    let entry = |digest: Digest| {
        let bytes = rows.only("SELECT bytes FROM blobs WHERE digest = ?1", values![digest])?;
        Ok(BlobEntry { digest, bytes })
    };
    digests.into_iter().map(entry).collect()
}

/// Sorts so that every parent stands before its children, else by name and number.
fn parents_first(versions: Vec<PackedVersion>) -> Result<Vec<PackedVersion>, RowError> {
    let mut waiting: BTreeMap<(String, u32), usize> = BTreeMap::new();
    let mut children: BTreeMap<(String, u32), Vec<(String, u32)>> = BTreeMap::new();
    let mut by_key: BTreeMap<(String, u32), PackedVersion> = BTreeMap::new();
    for version in versions {
        let key = (version.name.clone(), version.version);
        let parents: BTreeSet<(String, u32)> =
            version.parents.iter().map(|parent| (parent.name.clone(), parent.version)).collect();
        waiting.insert(key.clone(), parents.len());
        for parent in parents {
            children.entry(parent).or_default().push(key.clone());
        }
        by_key.insert(key, version);
    }
    let mut ready: BTreeSet<(String, u32)> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(key, _)| key.clone()).collect();
    let mut sorted = Vec::with_capacity(by_key.len());
    while let Some(key) = ready.pop_first() {
        for child in children.remove(&key).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(&child) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(child);
                }
            }
        }
        sorted.extend(by_key.remove(&key));
    }
    match by_key.keys().next() {
        Some((name, version)) => Err(RowError::damaged(
            format!("the lineage of {name}@{version}"),
            "a parent is missing, or it runs in a circle",
        )),
        None => Ok(sorted),
    }
}
