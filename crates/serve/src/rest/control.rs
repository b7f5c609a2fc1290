//! `POST /v2/repository/models/{name}/load` and `/unload`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;

use super::path::decoded;
use super::reply::ErrorBody;
use crate::app::App;
use crate::error::Refusal;

/// Loads or unloads a model.
pub(super) async fn control(State(app): State<Arc<App>>, request: Request) -> Response {
    if let Err(refusal) = app.may_control(request.headers()) {
        return refusal.into_response();
    }
    let path = request.uri().path().strip_prefix("/v2/repository/models/").unwrap_or_default();
    let done = match path.rsplit_once('/') {
        Some((name, "load")) => load(app, name).await,
        Some((name, "unload")) => unload(&app, name),
        _ => Err(Refusal::unknown("expected /v2/repository/models/NAME/load or /unload")),
    };
    match done {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Loads a model again that was unloaded, or brings it to the version that it should serve.
#[utoipa::path(
    post,
    path = "/v2/repository/models/{name}/load",
    params(("name" = String, Path, description = "The model")),
    responses(
        (status = 200, description = "It answers"),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 403, description = "Who asks may not", body = ErrorBody<'_>),
        (status = 404, description = "No such model", body = ErrorBody<'_>),
        (status = 429, description = "The caller's rate is used up", body = ErrorBody<'_>),
        (status = 503, description = "It cannot be served", body = ErrorBody<'_>),
    )
)]
async fn load(app: Arc<App>, name: &str) -> Result<(), Refusal> {
    crate::repository::load_named(app, name_of(name)?).await
}

/// Takes a model out of service; requests that it holds are answered.
#[utoipa::path(
    post,
    path = "/v2/repository/models/{name}/unload",
    params(("name" = String, Path, description = "The model")),
    responses(
        (status = 200, description = "It answers no more"),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 403, description = "Who asks may not", body = ErrorBody<'_>),
        (status = 404, description = "No such model", body = ErrorBody<'_>),
        (status = 429, description = "The caller's rate is used up", body = ErrorBody<'_>),
    )
)]
fn unload(app: &App, name: &str) -> Result<(), Refusal> {
    app.repository.unload(&name_of(name)?)
}

fn name_of(text: &str) -> Result<String, Refusal> {
    decoded(text).map(Into::into).ok_or_else(|| Refusal::unknown("that is no model's name"))
}
