//! The REST transport.

mod body;
mod control;
mod infer;
mod metadata;
mod path;
mod predict;
mod reply;
mod router;

pub(crate) use router::router;
