//! `POST /v2/models/{name}/infer`.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::body::whole;
use super::reply::{ErrorBody, JSON_LEN, json_len};
use crate::app::App;
use crate::error::Refusal;
use crate::protocol::{AnswerBody, QuestionBody, parse, write};
use crate::rollout::Picked;

/// Answers a question to a model. A model that follows an alias is also reached at `/v2/models/{name}/versions/{version}/infer`.
#[utoipa::path(
    post,
    path = "/v2/models/{name}/infer",
    params(("name" = String, Path, description = "The model")),
    request_body(content = QuestionBody<'_>),
    responses(
        (status = 200, description = "The answer", body = AnswerBody<'_>),
        (status = 400, description = "The request is wrong", body = ErrorBody<'_>),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 403, description = "Who asks may not", body = ErrorBody<'_>),
        (status = 404, description = "No such model or version", body = ErrorBody<'_>),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody<'_>),
        (status = 413, description = "More bytes or examples than the limit", body = ErrorBody<'_>),
        (status = 415, description = "An unknown content encoding", body = ErrorBody<'_>),
        (status = 429, description = "Too much waits", body = ErrorBody<'_>),
        (status = 503, description = "The model is not ready", body = ErrorBody<'_>),
        (status = 504, description = "The deadline passed", body = ErrorBody<'_>),
    )
)]
pub(super) async fn infer(app: &App, name: &str, version: Option<&str>, request: Request) -> Response {
    let arrived = Instant::now();
    let picked = match app.pick(request.headers(), name, version) {
        Ok(picked) => picked,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = answer(app, &picked, request, arrived).await;
    picked.served.counted(arrived, answered).unwrap_or_else(IntoResponse::into_response)
}

/// The answer and how many examples it is for.
async fn answer(
    app: &App,
    picked: &Picked,
    request: Request,
    arrived: Instant,
) -> Result<(Response, usize), Refusal> {
    let served = &picked.served;
    let json_len = json_len(request.headers())?;
    let (head, body) = request.into_parts();
    let body = whole(&head.headers, body, app.body_max).await?;
    let mut question = parse(&served.signature, &body, json_len, served.limits.request_rows_max)?;
    let answer = app.answer(picked, &mut question, arrived).await?;
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
