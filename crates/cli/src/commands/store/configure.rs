//! `heirloom store configure`.

use crate::arguments::{Compression, Configure};
use crate::failure::Failure;
use crate::{author, terminal};

/// Changes settings of the store, each written into its history.
pub(super) fn configure(arguments: &Configure) -> Result<(), Failure> {
    let store = arguments.store.open_or_create()?;
    let by = author::by();
    let mut text = String::new();
    if let Some(compression) = arguments.compression {
        store.set_compression(compression == Compression::Zstd, &by)?;
        text += match compression {
            Compression::Zstd => "new blobs are compressed\n",
            Compression::None => "new blobs are written as they are\n",
        };
    }
    if arguments.no_signatures {
        store.require_signatures(&[], &by)?;
        text += "promotes unsigned versions\n";
    }
    if !arguments.require_signatures.is_empty() {
        store.require_signatures(&arguments.require_signatures, &by)?;
        text += &format!("promotes only what is signed by {}\n", arguments.require_signatures.join(" or "));
    }
    terminal::print(&text)
}
