//! `POST /v2/repository/models/{name}/load` and `/unload`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;

use super::path::decoded;
use crate::app::App;
use crate::error::Refusal;

/// Loads or unloads a model.
pub(super) async fn control(State(app): State<Arc<App>>, request: Request) -> Response {
    if let Err(refusal) = app.may_control(request.headers()) {
        return refusal.into_response();
    }
    let path = request.uri().path().strip_prefix("/v2/repository/models/").unwrap_or_default().to_owned();
    let done = match path.rsplit_once('/') {
        Some((name, "load")) => load(app, name).await,
        Some((name, "unload")) => name_of(name).and_then(|name| app.repository.unload(&name)),
        _ => Err(Refusal::unknown("expected /v2/repository/models/NAME/load or /unload")),
    };
    match done {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn load(app: Arc<App>, name: &str) -> Result<(), Refusal> {
    let name = name_of(name)?;
    crate::repository::load_named(app, name).await
}

fn name_of(text: &str) -> Result<String, Refusal> {
    decoded(text).map(Into::into).ok_or_else(|| Refusal::unknown("that is no model's name"))
}
