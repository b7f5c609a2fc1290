//! What is signed: an in-toto statement that lists every file of a folder with its digest.

use std::collections::BTreeMap;

use base::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::hash::{self, FileDigest, FileHash};
use crate::limits::{FILES_MAX, IGNORED_MAX, NAME_BYTES_MAX};

/// Names at the top of a folder that no signature covers, for verifiers of this format leave them out.
pub const IGNORED_BY_DEFAULT: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
const PREDICATE_TYPE_BEFORE_1: &str = "https://model_signing/Digests/v0.1";

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedFile {
    /// Its path from the folder, parts joined by `/`.
    pub name: String,
    /// The digest of its bytes.
    pub digest: FileDigest,
}

/// The files that somebody vouched for, and how they are to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What the signer called the folder; says nothing about its content.
    pub subject: String,
    /// SHA-256 of the digests of all files, one after the other: one name for the whole folder.
    pub root: FileDigest,
    /// How the files are hashed.
    pub hash: FileHash,
    /// Whether the signer followed symbolic links.
    pub allow_symlinks: bool,
    /// Paths from the folder that are left out, with everything below them;
    /// [`IGNORED_BY_DEFAULT`] comes on top.
    pub ignored: Vec<String>,
    /// Every file.
    pub files: Vec<SignedFile>,
}

impl Statement {
    /// A statement about `files`, whose digests are SHA-256.
    ///
    /// Errors   no file; a name that is no path below the folder; the same name twice.
    pub fn of(subject: &str, files: &[SignedFile]) -> Result<Self, Diagnostic> {
        let mut files = files.to_vec();
        files.sort();
        let statement = Statement {
            subject: subject.to_owned(),
            root: root(&files),
            hash: FileHash::Sha256,
            allow_symlinks: false,
            ignored: IGNORED_BY_DEFAULT.map(str::to_owned).to_vec(),
            files,
        };
        statement.check()?;
        Ok(statement)
    }

    /// The statement as JSON, the same for the same files.
    pub fn encode(&self) -> Result<String, Diagnostic> {
        let resources = self.files.iter().map(|file| Resource {
            name: file.name.clone(),
            algorithm: self.hash.name().to_owned(),
            digest: hash::hexadecimal(&file.digest),
        });
        let text = StatementText {
            subject: vec![Subject {
                name: self.subject.clone(),
                digest: BTreeMap::from([("sha256".to_owned(), hash::hexadecimal(&self.root))]),
            }],
            predicate: Predicate {
                serialization: Serialization {
                    method: "files".to_owned(),
                    hash_type: self.hash.name().to_owned(),
                    allow_symlinks: self.allow_symlinks,
                    ignore_paths: self.ignored.clone(),
                },
                resources: resources.collect(),
            },
            ..StatementText::default()
        };
        serde_json::to_string(&text).map_err(|error| malformed(error.to_string()))
    }

    /// Reads a statement. Whether to believe it is for [`crate::Bundle::open`] to say, which checks the
    /// signature over these bytes first.
    ///
    /// Errors   another kind of statement, which is named; one that contradicts itself.
    pub fn decode(bytes: &[u8]) -> Result<Self, Diagnostic> {
        let kind: Kind = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        kind.check()?;
        let text: StatementText =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let Ok([subject]) = <[Subject; 1]>::try_from(text.subject) else {
            return Err(malformed("it is not about exactly one subject"));
        };
        let Predicate { serialization, resources } = text.predicate;
        let hash = serialization.hash()?;
        let files =
            resources.into_iter().map(|resource| resource.decode(hash)).collect::<Result<Vec<_>, _>>()?;
        let expected = subject.digest.get("sha256").and_then(|digits| hash::from_hexadecimal(digits));
        let statement = Statement {
            subject: subject.name,
            root: root(&files),
            hash,
            allow_symlinks: serialization.allow_symlinks,
            ignored: serialization.ignore_paths,
            files,
        };
        if expected != Some(statement.root) {
            return Err(malformed("its digest of the whole folder is not that of the files it lists"));
        }
        statement.check()?;
        Ok(statement)
    }

    fn check(&self) -> Result<(), Diagnostic> {
        if self.files.is_empty() {
            return Err(malformed("it lists no file"));
        }
        if self.files.len() > FILES_MAX || self.ignored.len() > IGNORED_MAX {
            return Err(malformed(format!(
                "it lists more than {FILES_MAX} files or {IGNORED_MAX} paths left out"
            )));
        }
        let mut names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        if let Some(name) = names.iter().find(|name| !is_path_below(name)) {
            return Err(malformed(format!("`{}` is not a path below the folder", shown(name))));
        }
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(malformed(format!("it lists `{}` twice", shown(pair[0])))),
            None => Ok(()),
        }
    }
}

/// SHA-256 over the digests in their order.
fn root(files: &[SignedFile]) -> FileDigest {
    let digests: Vec<u8> = files.iter().flat_map(|file| file.digest).collect();
    FileHash::Sha256.of(&digests)
}

fn is_path_below(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// A name from outside, short and without control characters.
pub(crate) fn shown(name: &str) -> String {
    let short: String = name.chars().take(200).collect();
    short.escape_debug().to_string()
}

pub(crate) fn malformed(reason: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-signature", format!("this is not a model's signature: {}", reason.into())).help(
        "a signature is the JSON file that `heirloom model sign` or another OpenSSF Model Signing tool wrote",
    )
}

pub(crate) fn unsupported(what: impl Into<String>) -> Diagnostic {
    Diagnostic::new("unsupported-signature", what)
        .help("supported: OpenSSF Model Signing v1.0, method `key`, whole files, sha256 or blake3")
}

/// What a statement is about, read before anything that depends on it.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "_type")]
    statement_type: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

impl Kind {
    fn check(&self) -> Result<(), Diagnostic> {
        if self.statement_type != STATEMENT_TYPE {
            return Err(unsupported(format!(
                "the signed statement has the type `{}`, expected `{STATEMENT_TYPE}`",
                shown(&self.statement_type)
            )));
        }
        match self.predicate_type.as_str() {
            PREDICATE_TYPE => Ok(()),
            PREDICATE_TYPE_BEFORE_1 => Err(unsupported(
                "the signature is of the form before version 1.0 of OpenSSF Model Signing: sign again with a newer tool",
            )),
            other => Err(unsupported(format!(
                "the signature vouches for a statement of the type `{}`, expected `{PREDICATE_TYPE}`",
                shown(other)
            ))),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StatementText {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

impl Default for StatementText {
    fn default() -> Self {
        StatementText {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject: Vec::new(),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate::default(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    digest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, Default)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<Resource>,
}

#[derive(Serialize, Deserialize, Default)]
struct Serialization {
    method: String,
    hash_type: String,
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore_paths: Vec<String>,
}

impl Serialization {
    fn hash(&self) -> Result<FileHash, Diagnostic> {
        if self.method != "files" {
            return Err(unsupported(format!(
                "the signature is over `{}`, and only whole `files` are supported",
                shown(&self.method)
            )));
        }
        FileHash::from_name(&self.hash_type).ok_or_else(|| {
            unsupported(format!("the signed files are hashed with `{}`", shown(&self.hash_type)))
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: String,
}

impl Resource {
    fn decode(self, hash: FileHash) -> Result<SignedFile, Diagnostic> {
        if self.algorithm != hash.name() {
            return Err(malformed(format!(
                "`{}` is hashed with `{}`, the others with `{}`",
                shown(&self.name),
                shown(&self.algorithm),
                hash.name()
            )));
        }
        let digest = hash::from_hexadecimal(&self.digest).ok_or_else(|| {
            malformed(format!("the digest of `{}` is not 64 hexadecimal digits", shown(&self.name)))
        })?;
        Ok(SignedFile { name: self.name, digest })
    }
}
