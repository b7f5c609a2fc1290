//! The gRPC transport.

mod convert;
mod service;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use hyper::header::HeaderValue;
use tonic::service::Routes;
use tower::util::MapResponseLayer;

use crate::app::App;

/// The gRPC interface.
pub(crate) fn router(app: Arc<App>) -> Router {
    Routes::new(service::service(app)).into_axum_router().layer(MapResponseLayer::new(blame_the_sender))
}

/// A message that cannot be decoded is the sender's mistake; tonic answers it as a failure of ours.
fn blame_the_sender(mut response: Response) -> Response {
    const STATUS: &str = "grpc-status";
    let headers = response.headers_mut();
    let is = |name: &str, start: &str| {
        headers.get(name).is_some_and(|value| value.as_bytes().starts_with(start.as_bytes()))
    };
    if is(STATUS, "13") && is("grpc-message", "failed%20to%20decode") {
        headers.insert(STATUS, HeaderValue::from(tonic::Code::InvalidArgument as i32));
    }
    response
}

/// What `proto/inference.proto` generates.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub(crate) mod inference {
    tonic::include_proto!("inference");
}
