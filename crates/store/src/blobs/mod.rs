//! Bytes named by their digest: small ones beside their rows, large ones as files.
//!
//! A file's key is the digest's hexadecimal digits, with `.zst` behind them if it is compressed. The
//! digest is always that of the plain bytes.

pub(crate) mod disk;
pub(crate) mod objects;
pub(crate) mod packed;

use std::collections::BTreeMap;
use std::io::Read;

use base::Digest;

use crate::database::{Rows, values};
use crate::error::{RowError, within};
use crate::limits::{BLOB_BYTES_MAX, INLINE_BYTES_MAX};
use crate::{Store, StoreError};

/// Where large blobs are kept.
pub(crate) trait BlobFiles: Send {
    /// Where the file `key` is, for messages.
    fn place(&self, key: &str) -> String;
    /// The bytes of the file `key`, at most `limit` of them; `None` if there is none.
    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes files, each appearing whole or not at all; durable on return.
    fn write_all(&self, files: &[(String, &[u8])]) -> Result<(), StoreError>;
    /// Makes files durable that an earlier, killed process may have left.
    fn settle(&self, keys: &[String]) -> Result<(), StoreError>;
    /// Whether there is a file `key`.
    fn contains(&self, key: &str) -> Result<bool, StoreError>;
    /// Every file's key and length, by key.
    fn list(&self) -> Result<Vec<(String, u64)>, StoreError>;
    /// Removes a file.
    fn remove(&self, key: &str) -> Result<(), StoreError>;
    /// Removes what killed processes left half written. The caller holds the lock alone.
    fn sweep(&self) -> Result<(), StoreError>;
}

/// How a blob's file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Zstd,
}

impl Encoding {
    pub(crate) const ALL: [Encoding; 2] = [Encoding::Plain, Encoding::Zstd];

    /// The word used in rows and settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Encoding::Plain => "plain",
            Encoding::Zstd => "zstd",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Encoding::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The key of the file that holds the blob `digest`.
    pub(crate) fn key(self, digest: Digest) -> String {
        match self {
            Encoding::Plain => digest.to_string(),
            Encoding::Zstd => format!("{digest}.zst"),
        }
    }

    /// The digest and encoding that a key tells.
    pub(crate) fn of_key(key: &str) -> Option<(Digest, Encoding)> {
        let (digits, encoding) = match key.strip_suffix(".zst") {
            Some(digits) => (digits, Encoding::Zstd),
            None => (key, Encoding::Plain),
        };
        Some((digits.parse().ok()?, encoding))
    }

    fn decode(self, bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, String> {
        match self {
            Encoding::Plain => Ok(bytes),
            Encoding::Zstd => decompress(&bytes, limit),
        }
    }
}

/// Bytes and their name.
#[derive(Clone, Copy)]
pub(crate) struct Blob<'a> {
    pub(crate) digest: Digest,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Blob<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Blob { digest: Digest::of(bytes), bytes }
    }
}

/// What the rows say of one blob.
pub(crate) struct BlobRow {
    encoding: Encoding,
    content: Option<Vec<u8>>,
}

/// Blobs that are durable but for their rows, which the caller's transaction adds.
pub(crate) struct Written<'a>(Vec<(Blob<'a>, Encoding)>);

impl Store {
    /// Keeps `bytes` and returns their name. Keeping the same bytes again costs a comparison, and
    /// repairs a damaged copy.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let _writing = self.database.writing()?;
        let blob = Blob::of(bytes);
        let written = self.write_blobs(&[blob])?;
        if !written.0.is_empty() {
            self.write("keep a blob", |rows| written.insert(rows))?;
        }
        Ok(blob.digest)
    }

    /// The bytes called `digest`, hashed again on the way.
    ///
    /// Errors   [`StoreError::MissingBlob`], [`StoreError::DamagedBlob`]; the world.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let row = self.read("look up a blob", |rows| blob_row(rows, digest))?;
        Ok(self.content(digest, row)?.0)
    }

    /// Whether there is a blob called `digest`; its bytes are not looked at.
    pub fn contains(&self, digest: Digest) -> Result<bool, StoreError> {
        let row = self.read("look up a blob", |rows| blob_row(rows, digest))?;
        match row {
            Some(BlobRow { content: Some(_), .. }) => Ok(true),
            Some(row) => self.blobs.contains(&row.encoding.key(digest)),
            None => Ok(false),
        }
    }

    /// The bytes of a blob of which the rows say `row`, and how its file is written.
    pub(crate) fn content(
        &self,
        digest: Digest,
        row: Option<BlobRow>,
    ) -> Result<(Vec<u8>, Encoding), StoreError> {
        let encodings = match row {
            Some(BlobRow { content: Some(bytes), .. }) => {
                return checked(digest, bytes, || self.database.place())
                    .map(|bytes| (bytes, Encoding::Plain));
            }
            Some(row) => vec![row.encoding],
            None => Encoding::ALL.to_vec(),
        };
        for encoding in encodings {
            let key = encoding.key(digest);
            if let Some(bytes) = self.blobs.read(&key, BLOB_BYTES_MAX)? {
                let plain = encoding.decode(bytes, BLOB_BYTES_MAX).map_err(|reason| {
                    StoreError::damaged(format!("blob {digest} in {}", self.blobs.place(&key)), reason)
                })?;
                return checked(digest, plain, || self.blobs.place(&key)).map(|bytes| (bytes, encoding));
            }
        }
        Err(self.missing(digest))
    }

    pub(crate) fn missing(&self, digest: Digest) -> StoreError {
        StoreError::MissingBlob { digest, place: self.blobs.place(&Encoding::Plain.key(digest)) }
    }

    /// Makes `blobs` durable, but for their rows. The caller holds the writing lock until those are
    /// committed.
    pub(crate) fn write_blobs<'a>(&self, blobs: &[Blob<'a>]) -> Result<Written<'a>, StoreError> {
        let wanted: BTreeMap<Digest, Blob<'a>> = blobs.iter().map(|blob| (blob.digest, *blob)).collect();
        let (mut known, compression) = self.read("look up blobs", |rows| {
            let known = wanted.keys().map(|&digest| blob_row(rows, digest)).collect::<Result<Vec<_>, _>>()?;
            Ok((known, crate::settings::compression(rows)?))
        })?;
        let (mut written, mut settled, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (blob, row) in wanted.into_values().zip(known.drain(..)) {
            let has_row = row.is_some();
            match self.content(blob.digest, row) {
                Ok(_) if has_row => {}
                // A file may be present because a process was killed before it could sync the folder.
                Ok((_, encoding)) => {
                    settled.push(encoding.key(blob.digest));
                    written.push((blob, encoding));
                }
                Err(_) => missing.push(blob),
            }
        }
        self.blobs.settle(&settled)?;
        written.extend(self.write_missing(&missing, compression)?);
        Ok(Written(written))
    }

    fn write_missing<'a>(
        &self,
        missing: &[Blob<'a>],
        compression: Encoding,
    ) -> Result<Vec<(Blob<'a>, Encoding)>, StoreError> {
        let (small, large): (Vec<Blob<'a>>, Vec<Blob<'a>>) =
            missing.iter().partition(|blob| blob.bytes.len() <= INLINE_BYTES_MAX);
        let packed: Vec<Option<Vec<u8>>> = large
            .iter()
            .map(|blob| if compression == Encoding::Zstd { compress(blob.bytes) } else { None })
            .collect();
        let encoding = |packed: &Option<Vec<u8>>| match packed {
            Some(_) => Encoding::Zstd,
            None => Encoding::Plain,
        };
        let files: Vec<(String, &[u8])> = large
            .iter()
            .zip(&packed)
            .map(|(blob, packed)| {
                (encoding(packed).key(blob.digest), packed.as_deref().unwrap_or(blob.bytes))
            })
            .collect();
        self.blobs.write_all(&files)?;
        let large = large.into_iter().zip(&packed).map(|(blob, packed)| (blob, encoding(packed)));
        Ok(small.into_iter().map(|blob| (blob, Encoding::Plain)).chain(large).collect())
    }
}

impl Written<'_> {
    /// Adds the rows, so that others can refer to them.
    pub(crate) fn insert(&self, rows: &dyn Rows) -> Result<(), RowError> {
        for (blob, encoding) in &self.0 {
            let content = (blob.bytes.len() <= INLINE_BYTES_MAX).then_some(blob.bytes);
            rows.execute(
                "INSERT INTO blobs (digest, bytes, content, encoding) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (digest) DO UPDATE SET content = excluded.content, encoding = excluded.encoding",
                values![blob.digest, blob.bytes.len() as i64, content, encoding.name()],
            )?;
        }
        Ok(())
    }
}

/// Notes blobs whose bytes are in files, or nowhere.
pub(crate) fn insert_blob_rows(rows: &dyn Rows, blobs: &[crate::BlobEntry]) -> Result<(), RowError> {
    for blob in blobs {
        rows.execute(
            "INSERT INTO blobs (digest, bytes, content, encoding) VALUES (?1, ?2, NULL, 'plain')",
            values![blob.digest, blob.bytes as i64],
        )?;
    }
    Ok(())
}

/// What the rows say of the blob `digest`.
pub(crate) fn blob_row(rows: &dyn Rows, digest: Digest) -> Result<Option<BlobRow>, RowError> {
    rows.first("SELECT encoding, content FROM blobs WHERE digest = ?1", values![digest], |row| {
        let name: String = row.get(0)?;
        let encoding = Encoding::of_name(&name).ok_or_else(|| {
            RowError::damaged(format!("blob {digest}"), format!("unknown encoding `{name}`"))
        })?;
        Ok(BlobRow { encoding, content: row.bytes(1)?.map(<[u8]>::to_vec) })
    })
}

fn checked(digest: Digest, bytes: Vec<u8>, place: impl Fn() -> String) -> Result<Vec<u8>, StoreError> {
    let found = Digest::of(&bytes);
    if found == digest { Ok(bytes) } else { Err(StoreError::DamagedBlob { digest, place: place(), found }) }
}

/// `bytes` in zstd, unless that is no smaller. The same bytes give the same result.
fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    const LEVEL: i32 = 3;
    zstd::bulk::compress(bytes, LEVEL).ok().filter(|packed| packed.len() < bytes.len())
}

/// At most `limit` bytes out of a zstd file.
fn decompress(packed: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = zstd::stream::Decoder::new(packed).map_err(|error| error.to_string())?.take(limit + 1);
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    within(|| "its length in bytes".to_owned(), bytes.len() as u64, limit)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}
