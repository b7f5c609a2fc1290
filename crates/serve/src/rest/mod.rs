//! The REST transport.

mod control;
mod infer;
mod metadata;
mod path;
mod reply;
mod router;

pub(crate) use router::router;
