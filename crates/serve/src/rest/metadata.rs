//! What the server and its models say of themselves.

use axum::response::{IntoResponse, Response};
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::reply::{bytes_of, json};
use crate::app::{App, EXTENSIONS, NAME, PLATFORM, VERSION};
use crate::error::{Kind, Refusal};
use crate::protocol::Port;

#[derive(Serialize)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; EXTENSIONS.len()],
}

#[derive(Serialize)]
struct ModelMetadata<'a> {
    name: &'a str,
    versions: [&'a str; 1],
    platform: &'static str,
    inputs: [PortMetadata<'a>; 1],
    outputs: Vec<PortMetadata<'a>>,
    /// What the protocol leaves to the server.
    parameters: &'a Value,
}

#[derive(Serialize)]
struct PortMetadata<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: &'a [i64],
}

fn port(port: &Port) -> PortMetadata<'_> {
    PortMetadata { name: &port.name, datatype: port.datatype, shape: &port.shape }
}

#[derive(Serialize)]
struct IndexEntry {
    name: String,
    version: String,
    state: &'static str,
    reason: String,
}

/// `GET /v2`
pub(super) fn server() -> Response {
    json(StatusCode::OK, &ServerMetadata { name: NAME, version: VERSION, extensions: EXTENSIONS })
}

/// `GET /v2/health/live`
pub(super) fn live() -> Response {
    StatusCode::OK.into_response()
}

/// `GET /v2/health/ready`
pub(super) fn ready(app: &App) -> Response {
    match app.is_ready() {
        true => StatusCode::OK.into_response(),
        false => {
            Refusal::new(Kind::Unavailable, "not every model is ready, or the server ends").into_response()
        }
    }
}

/// `GET /v2/models/{name}/ready`
pub(super) fn model_ready(app: &App, headers: &HeaderMap, name: &str, version: Option<&str>) -> Response {
    match app.pick(headers, name, version) {
        Ok(_) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `GET /v2/models/{name}`
pub(super) fn model(app: &App, headers: &HeaderMap, name: &str, version: Option<&str>) -> Response {
    let served = match app.pick(headers, name, version) {
        Ok(served) => served,
        Err(refusal) => return refusal.into_response(),
    };
    let signature = &served.signature;
    let document = ModelMetadata {
        name: &served.name,
        versions: [&served.version],
        platform: PLATFORM,
        inputs: [port(&signature.input)],
        outputs: signature.outputs.iter().map(|(output, _)| port(output)).collect(),
        parameters: &served.about,
    };
    json(StatusCode::OK, &document)
}

/// `POST /v2/repository/index`
pub(super) fn index(app: &App, headers: &HeaderMap) -> Response {
    let caller = match app.admit(headers) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let shown = |name: &str| caller.as_ref().is_none_or(|caller| caller.may_use(name).is_ok());
    let entries: Vec<IndexEntry> = app
        .repository
        .index()
        .into_iter()
        .filter(|entry| shown(&entry.name))
        .map(|entry| IndexEntry {
            name: entry.name,
            version: entry.version.unwrap_or_default(),
            state: if entry.ready { "READY" } else { "UNAVAILABLE" },
            reason: entry.reason,
        })
        .collect();
    json(StatusCode::OK, &entries)
}

/// `GET /metrics`
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
