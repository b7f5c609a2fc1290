//! What the server and its models say of themselves.

use axum::response::{IntoResponse, Response};
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::reply::{ErrorBody, bytes_of, json};
use crate::app::{App, EXTENSIONS, NAME, PLATFORM, VERSION};
use crate::error::{Kind, Refusal};
use crate::protocol::Port;

/// What the server calls itself.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: &'static [&'static str],
}

/// What a model takes and gives.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelMetadata<'a> {
    name: &'a str,
    versions: Vec<&'a str>,
    platform: &'static str,
    inputs: Vec<PortMetadata<'a>>,
    outputs: Vec<PortMetadata<'a>>,
    /// What the protocol leaves to the server.
    parameters: &'a Value,
}

/// A named tensor; `-1` stands for the number of examples.
#[derive(Serialize, ToSchema)]
pub(super) struct PortMetadata<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: &'a [i64],
}

fn port(port: &Port) -> PortMetadata<'_> {
    PortMetadata { name: &port.name, datatype: port.datatype, shape: &port.shape }
}

/// A line of the list of models.
#[derive(Serialize, ToSchema)]
pub(super) struct IndexEntry {
    name: String,
    version: String,
    state: &'static str,
    reason: String,
}

/// The server's name, version and extensions.
#[utoipa::path(
    get,
    path = "/v2",
    responses(
        (status = 200, description = "About the server", body = ServerMetadata),
    )
)]
pub(super) fn server() -> Response {
    json(StatusCode::OK, &ServerMetadata { name: NAME, version: VERSION, extensions: &EXTENSIONS })
}

/// Whether the server runs.
#[utoipa::path(
    get,
    path = "/v2/health/live",
    responses(
        (status = 200, description = "It runs"),
    )
)]
pub(super) fn live() -> Response {
    StatusCode::OK.into_response()
}

/// Whether every model answers.
#[utoipa::path(
    get,
    path = "/v2/health/ready",
    responses(
        (status = 200, description = "All answer"),
        (status = 503, description = "One does not, or the server ends", body = ErrorBody<'_>),
    )
)]
pub(super) fn ready(app: &App) -> Response {
    match app.is_ready() {
        true => StatusCode::OK.into_response(),
        false => {
            Refusal::new(Kind::Unavailable, "not every model is ready, or the server ends").into_response()
        }
    }
}

/// Whether a model answers.
#[utoipa::path(
    get,
    path = "/v2/models/{name}/ready",
    params(("name" = String, Path, description = "The model")),
    responses(
        (status = 200, description = "It answers"),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 403, description = "Who asks may not", body = ErrorBody<'_>),
        (status = 404, description = "No such model or version", body = ErrorBody<'_>),
        (status = 429, description = "The caller's rate is used up", body = ErrorBody<'_>),
        (status = 503, description = "The model is not ready", body = ErrorBody<'_>),
    )
)]
pub(super) fn model_ready(app: &App, headers: &HeaderMap, name: &str, version: Option<&str>) -> Response {
    match app.pick(headers, name, version) {
        Ok(_) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// What a model takes and gives, its labels, preprocessing, licence and parents.
#[utoipa::path(
    get,
    path = "/v2/models/{name}",
    params(("name" = String, Path, description = "The model")),
    responses(
        (status = 200, description = "About the model", body = ModelMetadata<'_>),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 403, description = "Who asks may not", body = ErrorBody<'_>),
        (status = 404, description = "No such model or version", body = ErrorBody<'_>),
        (status = 429, description = "The caller's rate is used up", body = ErrorBody<'_>),
        (status = 503, description = "The model is not ready", body = ErrorBody<'_>),
    )
)]
pub(super) fn model(app: &App, headers: &HeaderMap, name: &str, version: Option<&str>) -> Response {
    let served = match app.pick(headers, name, version) {
        Ok(picked) => picked.served,
        Err(refusal) => return refusal.into_response(),
    };
    let signature = &served.signature;
    let document = ModelMetadata {
        name: &served.name,
        versions: vec![&served.version],
        platform: PLATFORM,
        inputs: vec![port(&signature.input)],
        outputs: signature.outputs.iter().map(|(output, _)| port(output)).collect(),
        parameters: &served.about,
    };
    json(StatusCode::OK, &document)
}

/// Every model, ready or not.
#[utoipa::path(
    post,
    path = "/v2/repository/index",
    responses(
        (status = 200, description = "The models", body = Vec<IndexEntry>),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 429, description = "The caller's rate is used up", body = ErrorBody<'_>),
    )
)]
pub(super) fn index(app: &App, headers: &HeaderMap) -> Response {
    let found = match app.index(headers) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    let entries: Vec<IndexEntry> = found
        .into_iter()
        .map(|entry| IndexEntry {
            state: entry.state(),
            name: entry.name,
            version: entry.version.unwrap_or_default(),
            reason: entry.reason,
        })
        .collect();
    json(StatusCode::OK, &entries)
}

/// Counters and histograms for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 429, description = "The caller's rate is used up", body = ErrorBody<'_>),
    )
)]
pub(super) fn metrics(app: &App, headers: &HeaderMap) -> Response {
    if let Err(refusal) = app.admit(headers) {
        return refusal.into_response();
    }
    for slot in app.repository.slots().values() {
        if let Some(served) = slot.current.load().as_ref() {
            served.refresh_gauges();
        }
    }
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    bytes_of(StatusCode::OK, media, app.metrics.render().into_bytes())
}
