//! What a store is told about itself: how it writes blobs, whose signatures it demands.

use base::Diagnostic;

use crate::blobs::Encoding;
use crate::database::{Rows, values};
use crate::error::RowError;
use crate::history::{Details, append};
use crate::{By, Store, StoreError};

/// How the files of new blobs are written.
const COMPRESSION: &str = "compression";

impl Store {
    /// Whether new blobs are compressed.
    pub fn compresses(&self) -> Result<bool, StoreError> {
        self.read("read the settings", |rows| Ok(compression(rows)? == Encoding::Zstd))
    }

    /// From now on new blobs are compressed with zstd, or not. Those that are there stay as they are.
    pub fn set_compression(&self, compress: bool, by: &By) -> Result<(), StoreError> {
        let encoding = if compress { Encoding::Zstd } else { Encoding::Plain };
        self.set_setting(COMPRESSION, encoding.name(), by)
    }

    /// Sets `key` and writes that down.
    pub(crate) fn set_setting(&self, key: &str, value: &str, by: &By) -> Result<(), StoreError> {
        self.write("change a setting of the store", |rows| {
            let replaced = setting(rows, key)?;
            rows.execute(
                "INSERT INTO settings (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                values![key, value],
            )?;
            let details = Details {
                subject: Some(key),
                value: Some(value),
                replaced: replaced.as_deref(),
                ..Details::default()
            };
            append(rows, by, "configure", "", None, &details)?;
            Ok(())
        })
    }
}

/// The value of a setting, if it was ever set.
pub(crate) fn setting(rows: &dyn Rows, key: &str) -> Result<Option<String>, RowError> {
    rows.first("SELECT value FROM settings WHERE key = ?1", values![key], |row| row.get(0))
}

/// How new blobs' files are written.
pub(crate) fn compression(rows: &dyn Rows) -> Result<Encoding, RowError> {
    let Some(name) = setting(rows, COMPRESSION)? else { return Ok(Encoding::Plain) };
    Encoding::of_name(&name).ok_or_else(|| {
        let message =
            format!("the store is set to write blobs in `{name}`, which this program does not know");
        Diagnostic::new("unknown-compression", message).help("use the newer program that set it").into()
    })
}
