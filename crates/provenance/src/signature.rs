//! Signing a list of files, and holding files against a signature.

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics};

use crate::bundle::{Bundle, SealError};
use crate::hash::{self, FileDigest};
use crate::limits::DIFFERENCES_SHOWN;
use crate::statement::{SignedFile, Statement, shown};
use crate::{PublicKey, SigningKey};

/// The text of a signature with `key` over `files`, whose digests are SHA-256. The same files,
/// subject and key give the same text.
///
/// Errors   no file; a name that is no path below the folder; the same name twice; the key fails.
pub fn sign(subject: &str, files: &[SignedFile], key: &SigningKey) -> Result<String, SealError> {
    let mistake = |mistake| SealError::Statement(Box::new(mistake));
    let statement = Statement::of(subject, files).map_err(mistake)?;
    Bundle::seal(&statement, key)?.encode().map_err(mistake)
}

/// Whether `bundle` is a signature of `key` over exactly `files`, whose digests are of the kind that
/// the signature holds. Returns what was signed.
///
/// Errors   as of [`Bundle::open`]; every file that is missing, added or changed.
pub fn verify(bundle: &[u8], files: &[SignedFile], key: &PublicKey) -> Result<Statement, Diagnostics> {
    let statement = Bundle::decode(bundle)?.open(key)?;
    let differences = statement.differences(files);
    if differences.is_empty() { Ok(statement) } else { Err(diagnostics(&differences)) }
}

/// How the files at hand differ from those that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Signed, but not there.
    Missing {
        /// The file.
        name: String,
    },
    /// There, but not signed.
    Added {
        /// The file.
        name: String,
    },
    /// There with other bytes.
    Changed {
        /// The file.
        name: String,
        /// The digest that was signed.
        signed: FileDigest,
        /// The digest of what is there.
        found: FileDigest,
    },
}

impl Difference {
    /// The file.
    pub fn name(&self) -> &str {
        let (Difference::Missing { name } | Difference::Added { name } | Difference::Changed { name, .. }) =
            self;
        name
    }

    /// As a mistake to tell.
    pub fn diagnostic(&self) -> Diagnostic {
        let name = shown(self.name());
        match self {
            Difference::Missing { .. } => {
                Diagnostic::new("missing-file", format!("`{name}` was signed and is missing"))
            }
            Difference::Added { .. } => {
                Diagnostic::new("unsigned-file", format!("`{name}` is there and was not signed"))
            }
            Difference::Changed { signed, found, .. } => Diagnostic::new(
                "changed-file",
                format!(
                    "`{name}` was changed: its digest is {}, and {} was signed",
                    hash::hexadecimal(found),
                    hash::hexadecimal(signed)
                ),
            ),
        }
    }
}

impl Statement {
    /// How `files`, whose digests are of the kind [`Statement::hash`], differ from the signed ones,
    /// by name.
    pub fn differences(&self, files: &[SignedFile]) -> Vec<Difference> {
        let mut pairs: BTreeMap<&str, (Option<FileDigest>, Option<FileDigest>)> = BTreeMap::new();
        for file in &self.files {
            pairs.entry(&file.name).or_default().0 = Some(file.digest);
        }
        for file in files {
            pairs.entry(&file.name).or_default().1 = Some(file.digest);
        }
        let differences = pairs.into_iter().filter_map(|(name, pair)| {
            let name = name.to_owned();
            match pair {
                (Some(_), None) => Some(Difference::Missing { name }),
                (None, Some(_)) => Some(Difference::Added { name }),
                (Some(signed), Some(found)) if signed != found => {
                    Some(Difference::Changed { name, signed, found })
                }
                _ => None,
            }
        });
        differences.collect()
    }
}

/// `differences`, one mistake each; of many, the first ones and the number of the others.
pub fn diagnostics(differences: &[Difference]) -> Diagnostics {
    let told = differences.iter().take(DIFFERENCES_SHOWN).map(Difference::diagnostic);
    let mut found = Diagnostics(told.collect());
    if let Some(more @ 1..) = differences.len().checked_sub(DIFFERENCES_SHOWN) {
        found
            .push(Diagnostic::new("changed-files", format!("{more} more files differ from what was signed")));
    }
    if let Some(last) = found.0.last_mut() {
        last.help.push("do not use these files: get them again from the one who signed them".to_owned());
    }
    found
}
