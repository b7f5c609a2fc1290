//! `heirloom model import`.

use crate::arguments::Import;
use crate::author;
use crate::commands::store::{Bytes, arrivals};
use crate::failure::Failure;

/// Takes in the models of a bundle.
pub(super) fn import(arguments: &Import) -> Result<(), Failure> {
    let store = arguments.store.open_or_create()?;
    let mut bytes = Bytes::new("importing");
    let received =
        store.import_bundle(&arguments.file, &author::by(), &mut |done, total| bytes.show(done, total))?;
    bytes.finish();
    arrivals(&received, arguments.json.wanted)
}
