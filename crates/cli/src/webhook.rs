//! A JSON document posted to an address that the user gives.

use std::time::Duration;

use base::Diagnostic;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde_json::Value;
use thiserror::Error;

use crate::failure::Failure;

/// For everything: name, connection, answer.
const SECONDS_MAX: u64 = 10;

/// Where to post: HTTP or HTTPS.
pub(crate) struct Address(Url);

/// Why a document did not arrive. The address is not repeated: it may hold a password.
#[derive(Debug, Error)]
enum Undelivered {
    #[error("cannot post to the webhook at {host}: {}", causes(.source))]
    Failed { host: String, source: reqwest::Error },
    #[error("the webhook at {host} answers {status}")]
    Refused { host: String, status: reqwest::StatusCode },
    #[error("cannot post to the webhook: {0}")]
    Runtime(std::io::Error),
}

/// An error with what is behind it: the first line alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let more = std::iter::successors(error.source(), |error| error.source());
    std::iter::once(error.to_string())
        .chain(more.map(|error| error.to_string()))
        .collect::<Vec<_>>()
        .join(": ")
}

impl Address {
    /// Reads an address.
    ///
    /// Errors   it is no URL, or of another kind.
    pub(crate) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let found =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        found.map(Address).ok_or_else(|| {
            Diagnostic::new(
                "webhook-url",
                "the address of a webhook begins with http:// or https:// and names a host",
            )
        })
    }

    /// Posts `document`, follows no redirect, and waits at most ten seconds.
    ///
    /// Errors   no connection, no answer in time, an answer that is no success.
    pub(crate) fn post(&self, document: &Value) -> Result<(), Failure> {
        // Another part of the program may have chosen one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::world(Undelivered::Runtime(error)))?;
        runtime.block_on(self.send(document.to_string())).map_err(Failure::world)
    }

    async fn send(&self, body: String) -> Result<(), Undelivered> {
        let host = || self.0.host_str().unwrap_or_default().to_owned();
        let failed =
            |source: reqwest::Error| Undelivered::Failed { host: host(), source: source.without_url() };
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(SECONDS_MAX))
            .build()
            .map_err(failed)?;
        let request = client.post(self.0.clone()).header(CONTENT_TYPE, "application/json").body(body);
        let status = request.send().await.map_err(failed)?.status();
        match status.is_success() {
            true => Ok(()),
            false => Err(Undelivered::Refused { host: host(), status }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses() {
        for (text, expect) in [
            ("http://localhost:9/hook", true),
            ("https://user:word@example.org/a?b", true),
            ("file:///etc/passwd", false),
            ("example.org", false),
            ("http://", false),
        ] {
            assert_eq!(Address::parse(text).is_ok(), expect, "{text}");
        }
    }
}
