//! The REST transport.

mod body;
mod control;
mod infer;
mod metadata;
mod openapi;
mod path;
mod predict;
mod reply;
mod router;

pub(crate) use router::router;
