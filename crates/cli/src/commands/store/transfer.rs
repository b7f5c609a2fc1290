//! `heirloom store push` and `pull`.

use store::Store;

use super::{Bytes, arrivals};
use crate::arguments::Transfer;
use crate::author;
use crate::failure::Failure;
use crate::store_place::Place;

/// Copies models from this store to another, which is made if it is missing.
pub(super) fn push(arguments: &Transfer) -> Result<(), Failure> {
    let here = arguments.store.open()?;
    let there = Place::parse(&arguments.other)?.open_or_create()?;
    copy(&here, &there, arguments, "pushing")
}

/// Copies models from another store to this one, which is made if it is missing.
pub(super) fn pull(arguments: &Transfer) -> Result<(), Failure> {
    let there = Place::parse(&arguments.other)?.open()?;
    let here = arguments.store.open_or_create()?;
    copy(&there, &here, arguments, "pulling")
}

fn copy(from: &Store, to: &Store, arguments: &Transfer, what: &'static str) -> Result<(), Failure> {
    let package = from.package(&arguments.models)?;
    let mut bytes = Bytes::new(what);
    let received =
        to.receive(&package, &mut &*from, &author::by(), &mut |done, total| bytes.show(done, total))?;
    bytes.finish();
    arrivals(&received, arguments.json.wanted)
}
