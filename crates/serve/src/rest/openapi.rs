//! The description of the REST interface, for programs and for people.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::response::Response;
use hyper::StatusCode;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi as Description, PathItem};

use super::reply::{bytes_of, json};
use super::{control, infer, metadata, predict};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Heirloom",
        description = "Registered models answer in the Open Inference Protocol, version 2."
    ),
    paths(
        metadata::server,
        metadata::live,
        metadata::ready,
        metadata::model,
        metadata::model_ready,
        infer::infer,
        predict::predict,
        metadata::index,
        control::load,
        control::unload,
        metadata::metrics,
    )
)]
struct Interface;

static DESCRIPTION: LazyLock<Description> = LazyLock::new(Interface::openapi);
static PAGE: LazyLock<String> = LazyLock::new(|| page(&DESCRIPTION));

/// `GET /openapi.json`
pub(super) fn description() -> Response {
    json(StatusCode::OK, &*DESCRIPTION)
}

/// `GET /`
pub(super) fn people() -> Response {
    bytes_of(StatusCode::OK, "text/html; charset=utf-8", PAGE.clone().into_bytes())
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
code{background:#8882;padding:.1em .3em;border-radius:.2em;overflow-wrap:anywhere}pre{white-space:pre-wrap}dt{margin-top:1em}dd{margin-left:1rem}\
:root{color-scheme:light dark}";

/// Every path with what it does, without scripts.
fn page(description: &Description) -> String {
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style><h1>{0}</h1><p>{1} For programs: <a href=/openapi.json>openapi.json</a>.</p><dl>",
        escaped(&description.info.title),
        escaped(description.info.description.as_deref().unwrap_or_default()),
    );
    for (path, item) in &description.paths.paths {
        for (method, operation) in operations(item) {
            let summary =
                operation.summary.as_deref().or(operation.description.as_deref()).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ =
                write!(html, "<dt><code>{method} {}</code></dt><dd>{}</dd>", escaped(path), told(summary));
        }
    }
    html += "</dl><p>A question to a model, and a picture:</p>\
        <pre><code>curl -d @question.json localhost:8000/v2/models/NAME/infer\n\
        curl -H 'Content-Type: image/png' --data-binary @picture.png localhost:8000/predict/NAME</code></pre></html>";
    html
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    [("GET", &item.get), ("POST", &item.post)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// A sentence, with what stands in backticks as code.
fn told(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let part = |(number, part): (usize, &str)| match number % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    };
    parts.map(part).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_of_every_path() {
        assert_eq!(DESCRIPTION.paths.paths.len(), 11);
        for path in DESCRIPTION.paths.paths.keys() {
            assert!(PAGE.contains(path), "{path}");
        }
    }
}
