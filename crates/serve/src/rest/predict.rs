//! `POST /predict/{name}`: a picture, CSV rows or JSON records in, labels or numbers out.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::body::whole;
use super::path::decoded;
use super::reply::{ErrorBody, json};
use crate::app::App;
use crate::error::{Kind, Refusal};
use crate::model::Served;
use crate::predict::{Form, read};
use crate::protocol::{Answer, Question};
use crate::rollout::Picked;

/// A body of this many bytes is read beside the connections' threads: a large picture takes long to decode.
const ASIDE_MIN: usize = 64 << 10;

/// The answers to the examples of a question, in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct Predictions<'a> {
    model: &'a str,
    version: &'a str,
    predictions: Vec<Prediction<'a>>,
    /// Columns of the question that the model does not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored_columns: Vec<String>,
}

/// A class with its probability, or a number.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Prediction<'a> {
    Class {
        label: &'a str,
        probability: f32,
        #[schema(value_type = std::collections::BTreeMap<String, f32>)]
        probabilities: Shares<'a>,
    },
    Value {
        value: f32,
    },
}

/// An object of classes and their probabilities, in the order of the classes' numbers.
pub(super) struct Shares<'a> {
    labels: &'a [String],
    shares: &'a [f32],
}

impl Serialize for Shares<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.labels.iter().zip(self.shares))
    }
}

/// Answers a question in whatever form it comes: a PNG or JPEG picture, CSV rows with a header, JSON records.
#[utoipa::path(
    post,
    path = "/predict/{name}",
    params(("name" = String, Path, description = "The model")),
    request_body(content(
        (Vec<u8> = "image/png"),
        (Vec<u8> = "image/jpeg"),
        (String = "text/csv"),
        (serde_json::Value = "application/json")
    )),
    responses(
        (status = 200, description = "A label with its probability, or a number, for each example", body = Predictions<'_>),
        (status = 400, description = "The body is wrong", body = ErrorBody<'_>),
        (status = 401, description = "Nobody has shown who asks", body = ErrorBody<'_>),
        (status = 403, description = "Who asks may not", body = ErrorBody<'_>),
        (status = 404, description = "No such model or version", body = ErrorBody<'_>),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody<'_>),
        (status = 413, description = "More bytes or rows than the limit", body = ErrorBody<'_>),
        (status = 415, description = "A form that the model does not take", body = ErrorBody<'_>),
        (status = 429, description = "Too much waits", body = ErrorBody<'_>),
        (status = 503, description = "The model is not ready", body = ErrorBody<'_>),
    )
)]
pub(super) async fn predict(State(app): State<Arc<App>>, request: Request) -> Response {
    let arrived = Instant::now();
    let path = request.uri().path().strip_prefix("/predict/").unwrap_or_default();
    let (name, version) = match path.rsplit_once("/versions/") {
        Some((name, version)) => (name, decoded(version)),
        None => (path, None),
    };
    let name = decoded(name).ok_or_else(|| Refusal::unknown("that is no model's name"));
    let picked = match name.and_then(|name| app.pick(request.headers(), &name, version.as_deref())) {
        Ok(picked) => picked,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = answer(&app, &picked, request, arrived).await;
    picked.served.counted(arrived, answered).unwrap_or_else(IntoResponse::into_response)
}

async fn answer(
    app: &App,
    picked: &Picked,
    request: Request,
    arrived: Instant,
) -> Result<(Response, usize), Refusal> {
    let served = &picked.served;
    let (head, body) = request.into_parts();
    let media = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::of_media(media).ok_or_else(|| {
        let message =
            "state the body's form as content type: image/png, image/jpeg, text/csv or application/json";
        Refusal::new(Kind::UnknownMedia, message)
    })?;
    let body = whole(&head.headers, body, app.body_max).await?;
    let rows_max = served.limits.request_rows_max;
    let (examples, ignored_columns) = if body.len() < ASIDE_MIN {
        read(&served.model, form, &body, rows_max)?
    } else {
        let aside = served.clone();
        let reading = tokio::task::spawn_blocking(move || read(&aside.model, form, &body, rows_max));
        reading.await.unwrap_or_else(|_| Err(Refusal::new(Kind::Internal, "reading the body failed")))?
    };
    let mut question = Question { id: String::new(), examples, wanted: Vec::new(), timeout: None };
    let answer = app.answer(picked, &mut question, arrived).await?;
    let predictions = predictions(served, &answer);
    let document =
        Predictions { model: &served.name, version: &served.version, predictions, ignored_columns };
    Ok((json(StatusCode::OK, &document), answer.count))
}

fn predictions<'a>(served: &'a Served, answer: &'a Answer) -> Vec<Prediction<'a>> {
    let labels = &served.signature.labels;
    if labels.is_empty() {
        let width = answer.numbers[0].len() / answer.count;
        return answer.numbers[0]
            .chunks_exact(width)
            .map(|row| Prediction::Value { value: row[0] })
            .collect();
    }
    let rows = answer.numbers[0].chunks_exact(labels.len()).zip(answer.classes(&served.signature));
    rows.map(|(row, class)| Prediction::Class {
        label: &labels[class],
        probability: row[class],
        probabilities: Shares { labels, shares: row },
    })
    .collect()
}
