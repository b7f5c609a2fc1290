//! The server: registered models answer over the network, in the Open Inference Protocol, version 2, as REST and as gRPC.
//!
//! The decision that shaped it: *a request takes one pointer when it arrives*. The pointer leads to a version with its
//! plans, labels and counters, loaded and tried before anyone could take it; exchanging it is how versions
//! change, so nothing waits for a change and nothing is answered by half of one. Both transports turn what
//! arrives into the same checked question and share everything behind it.
//!
//! This is the only crate that knows HTTP. It prints nothing: what happens is told to an [`Observer`].

mod access;
mod app;
mod error;
mod grpc;
mod listen;
mod metrics;
mod model;
mod observe;
mod predict;
mod protocol;
mod repository;
mod rest;
mod rollout;
mod server;
mod tls;
mod watching;

pub use access::{Access, NewKey, new_key, parse_access};
pub use error::{Kind, Refusal, ServeError};
pub use model::Limits;
pub use observe::{Happening, Observer};
pub use server::{ServeOptions, Server};
pub use tls::Tls;
