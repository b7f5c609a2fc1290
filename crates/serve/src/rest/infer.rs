//! `POST /v2/models/{name}/infer`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::body::whole;
use super::reply::{JSON_LEN, json_len};
use crate::app::App;
use crate::error::Refusal;
use crate::model::Served;
use crate::protocol::{parse, write};

/// Answers a question to `name`.
pub(super) async fn infer(app: &App, name: &str, version: Option<&str>, request: Request) -> Response {
    let arrived = Instant::now();
    let served = match app.pick(request.headers(), name, version) {
        Ok(served) => served,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = answer(app, &served, request, arrived).await;
    let (status, examples) = match &answered {
        Ok((_, examples)) => (200, *examples),
        Err(refusal) => (refusal.kind.status(), 0),
    };
    served.count(status, examples, arrived.elapsed());
    match answered {
        Ok((response, _)) => response,
        Err(refusal) => refusal.into_response(),
    }
}

/// The answer and how many examples it is for.
async fn answer(
    app: &App,
    served: &Arc<Served>,
    request: Request,
    arrived: Instant,
) -> Result<(Response, usize), Refusal> {
    let json_len = json_len(request.headers())?;
    let (head, body) = request.into_parts();
    let body = whole(&head.headers, body, app.body_max).await?;
    let question = parse(&served.signature, &body, json_len, served.limits.request_rows_max)?;
    let answer = served.answer(&question, arrived).await?;
    let written = write((&served.name, &served.version), &served.signature, &question, &answer)?;
    let mut response = Response::new(Body::from(written.body));
    let headers = response.headers_mut();
    match written.json_len {
        None => headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")),
        Some(length) => {
            headers.insert(JSON_LEN, HeaderValue::from(length));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        }
    };
    Ok((response, answer.count))
}
