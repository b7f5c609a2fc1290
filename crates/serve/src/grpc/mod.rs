//! The gRPC transport.

mod convert;
mod service;

pub(crate) use service::service;

/// What `proto/inference.proto` generates.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub(crate) mod inference {
    tonic::include_proto!("inference");
}
