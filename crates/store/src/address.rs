//! Where a store is: a folder, or a database and a place for blobs that many machines share.
//!
//! ```text
//! .heirloom
//! postgres://user@host/database?schema=models&blobs=s3://bucket/prefix
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use base::Diagnostic;

use crate::StoreError;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// Rows in SQLite and blobs as files, in one folder.
    Folder(PathBuf),
    /// Rows in PostgreSQL, blobs elsewhere.
    Shared(SharedAddress),
}

/// A store of many machines. Runs and checkpoints stay with the machine that makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedAddress {
    pub(crate) database: DatabaseAddress,
    /// Where blobs are, if the address says so. A store that exists knows by itself.
    pub(crate) blobs: Option<BlobAddress>,
}

/// One schema of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseAddress {
    /// As the client library reads it, password included.
    pub(crate) url: String,
    pub(crate) schema: String,
}

/// Where the blobs of a shared store are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobAddress {
    /// A folder that every machine mounts.
    Folder(PathBuf),
    /// An S3-compatible bucket, and what every key in it begins with.
    Bucket { bucket: String, prefix: String },
}

impl StoreAddress {
    /// Reads what a user writes: a path, or `postgres://…` with `blobs=…`. Reaches for nothing.
    ///
    /// Errors   a URL that is none of these, an ill-formed schema or place for blobs.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return shared(text).map(StoreAddress::Shared);
        }
        if text.starts_with("s3://") {
            return Err(Diagnostic::new("store-address", "a bucket holds blobs, and a store has rows too")
                .help(format!("write `postgres://user@host/database?blobs={text}`")));
        }
        match text.split_once("://") {
            Some((scheme, _)) => {
                let message = format!("no store is reached through `{}://`", scheme.escape_debug());
                Err(Diagnostic::new("store-address", message)
                    .help("name a folder, or `postgres://user@host/database?blobs=s3://bucket/prefix`"))
            }
            None => Ok(StoreAddress::Folder(text.into())),
        }
    }

    /// The folder itself where this is one: a path may be no text.
    pub(crate) fn or_folder(self, path: &Path) -> Self {
        match self {
            StoreAddress::Folder(_) => StoreAddress::Folder(path.to_owned()),
            shared => shared,
        }
    }
}

impl fmt::Display for StoreAddress {
    /// As it is written, without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreAddress::Folder(path) => path.display().fmt(f),
            StoreAddress::Shared(shared) => shared.database.fmt(f),
        }
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("postgres", &self.url));
        let rest = rest.split('?').next().unwrap_or(rest);
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                write!(
                    f,
                    "{scheme}://{}@{host}?schema={}",
                    user.split(':').next().unwrap_or(user),
                    self.schema
                )
            }
            None => write!(f, "{scheme}://{rest}?schema={}", self.schema),
        }
    }
}

impl fmt::Display for BlobAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobAddress::Folder(path) => path.display().fmt(f),
            BlobAddress::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            BlobAddress::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl BlobAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let refused = |message: String| {
            Err(Diagnostic::new("store-address", message)
                .help("write `blobs=s3://bucket/prefix` or `blobs=/a/folder/that/all/machines/mount`"))
        };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let known = |each: char| each.is_ascii_alphanumeric() || "._-/".contains(each);
            if bucket.is_empty() || !rest.chars().all(known) || prefix.split('/').any(|part| part == "..") {
                return refused(format!("`{}` is no place in a bucket", text.escape_debug()));
            }
            let prefix = prefix.trim_matches('/').to_owned();
            return Ok(BlobAddress::Bucket { bucket: bucket.to_owned(), prefix });
        }
        if Path::new(text).is_absolute() {
            return Ok(BlobAddress::Folder(text.into()));
        }
        refused(format!("blobs cannot be kept in `{}`", text.escape_debug()))
    }
}

impl DatabaseAddress {
    /// The user's mistake of writing a URL that the client library does not understand.
    pub(crate) fn ill_formed(&self, error: &dyn std::error::Error) -> StoreError {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Diagnostic::new("store-address", format!("{self} cannot be read: {reason}"))
            .help("write `postgres://user:password@host:port/database?blobs=s3://bucket/prefix`")
            .into()
    }

    /// The user's wish for what this program cannot do.
    pub(crate) fn no_encryption(&self) -> Diagnostic {
        Diagnostic::new(
            "store-address",
            format!("{self}: this program does not encrypt connections to PostgreSQL"),
        )
        .help("leave `sslmode=require` out and reach the server through a tunnel or a private network")
    }
}

fn shared(text: &str) -> Result<SharedAddress, Diagnostic> {
    const SCHEMA: &str = "heirloom";
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let (mut schema, mut blobs, mut others) = (SCHEMA.to_owned(), None, Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("schema", name)) => schema = checked_schema(name)?,
            Some(("blobs", place)) => blobs = Some(BlobAddress::parse(place)?),
            // The client library knows no certificates, and would leave the checking out.
            Some(("sslmode", "verify-ca" | "verify-full")) => others.push("sslmode=require"),
            _ => others.push(parameter),
        }
    }
    let others = others.join("&");
    let url = if others.is_empty() { base.to_owned() } else { format!("{base}?{others}") };
    Ok(SharedAddress { database: DatabaseAddress { url, schema }, blobs })
}

/// The name of a schema, which goes into statements as it is.
fn checked_schema(name: &str) -> Result<String, Diagnostic> {
    const LENGTH_MAX: usize = 63;
    let known = |each: char| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_';
    let starts = name.starts_with(|each: char| each.is_ascii_lowercase());
    if starts && name.len() <= LENGTH_MAX && name.chars().all(known) && !name.starts_with("pg_") {
        return Ok(name.to_owned());
    }
    Err(Diagnostic::new("store-address", format!("`{}` is no name of a schema", name.escape_debug()))
        .help("use lower-case letters, digits and `_`, a letter first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_passwords() {
        for (text, expect) in [
            ("a/.heirloom", "a/.heirloom"),
            ("postgres://u:secret@h:1/db", "postgres://u@h:1/db?schema=heirloom"),
            ("postgres://u:p@ss@h/db?blobs=s3://b/x&schema=s_1", "postgres://u@h/db?schema=s_1"),
            ("postgresql:///db?host=h&password=secret", "postgresql:///db?schema=heirloom"),
        ] {
            assert_eq!(StoreAddress::parse(text).unwrap().to_string(), expect);
        }
    }

    #[test]
    fn parameters_of_ours_do_not_reach_the_client_library() {
        let text = "postgres://h/db?connect_timeout=3&schema=models&blobs=s3://bucket/a/b/";
        let Ok(StoreAddress::Shared(shared)) = StoreAddress::parse(text) else { panic!("{text}") };
        assert_eq!(shared.database.url, "postgres://h/db?connect_timeout=3");
        assert_eq!(shared.database.schema, "models");
        assert_eq!(shared.blobs.unwrap().to_string(), "s3://bucket/a/b");
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for text in [
            "s3://bucket/prefix",
            "mysql://h/db",
            "postgres://h/db?schema=a;drop",
            "postgres://h/db?schema=Models",
            "postgres://h/db?schema=pg_catalog",
            "postgres://h/db?blobs=folder",
            "postgres://h/db?blobs=s3://",
            "postgres://h/db?blobs=s3://bucket/../other",
            "postgres://h/db?blobs=gs://bucket",
        ] {
            let mistake = StoreAddress::parse(text).unwrap_err();
            assert_eq!(mistake.code, "store-address", "{text}");
            assert!(!mistake.help.is_empty(), "{text}");
        }
    }
}
