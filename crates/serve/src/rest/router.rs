//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{HeaderMap, Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::infer::infer;
use super::path::{Action, parse};
use super::{metadata, openapi};
use crate::app::App;
use crate::error::{Kind, Refusal};

/// The REST interface.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v2", get(|| async { metadata::server() }))
        .route("/", get(|| async { openapi::people() }))
        .route("/openapi.json", get(|| async { openapi::description() }))
        .route("/v2/", get(|| async { metadata::server() }))
        .route("/v2/health/live", get(|| async { metadata::live() }))
        .route("/v2/health/ready", get(|State(app): State<Arc<App>>| async move { metadata::ready(&app) }))
        .route("/v2/models/{*path}", get(model).post(model))
        .route("/v2/repository/index", post(index).get(index))
        .route("/v2/repository/models/{*path}", post(super::control::control))
        .route("/predict/{*path}", post(super::predict::predict))
        .route("/metrics", get(metrics))
        .fallback(nowhere)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
        .layer(CatchPanicLayer::custom(|_| panicked()))
        // No answer is what a browser takes for a page with scripts, nor what it may keep.
        .layer(always(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(CACHE_CONTROL, "no-store"))
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

fn panicked() -> Response {
    Refusal::new(Kind::Internal, "the server failed on this request").into_response()
}

/// Everything below `/v2/models/`.
async fn model(State(app): State<Arc<App>>, request: Request) -> Response {
    // The path as it was sent: a name may hold `%2F`, which a decoded path would tear apart.
    let path = request.uri().path().to_owned();
    let rest = path.strip_prefix("/v2/models/").unwrap_or_default();
    let Some(parsed) = parse(rest) else { return nowhere(request).await };
    let (name, version) = (&*parsed.name, parsed.version.as_deref());
    match (parsed.action, request.method()) {
        (Action::Infer, &Method::POST) => infer(&app, name, version, request).await,
        (Action::Ready, &Method::GET) => metadata::model_ready(&app, request.headers(), name, version),
        (Action::Metadata, &Method::GET) => metadata::model(&app, request.headers(), name, version),
        _ => method_not_allowed().await,
    }
}

async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    metadata::index(&app, &headers)
}

async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    metadata::metrics(&app, &headers)
}

async fn nowhere(request: Request) -> Response {
    let path = crate::protocol::shown(request.uri().path());
    Refusal::unknown(format!("there is nothing at `{path}`; the paths are described at /openapi.json"))
        .into_response()
}

async fn method_not_allowed() -> Response {
    let mut response = Refusal::new(Kind::Invalid, "this path takes another method").into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
