//! `heirloom store configure`.

use crate::arguments::{Compression, Configure};
use crate::failure::Failure;
use crate::{author, terminal};

/// Changes how the store keeps new blobs, and writes that into its history.
pub(super) fn configure(arguments: &Configure) -> Result<(), Failure> {
    let store = arguments.store.open_or_create()?;
    store.set_compression(arguments.compression == Compression::Zstd, &author::by())?;
    terminal::print(match arguments.compression {
        Compression::Zstd => "new blobs are compressed\n",
        Compression::None => "new blobs are written as they are\n",
    })
}
