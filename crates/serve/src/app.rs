//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use monitor::Log;

use crate::access::{Access, Caller};
use crate::error::Refusal;
use crate::metrics::Metrics;
use crate::protocol::{Answer, Question};
use crate::repository::{IndexEntry, Repository};
use crate::rollout::Picked;
use crate::watching::Requests;

/// The server behind both transports.
pub(crate) struct App {
    pub(crate) repository: Repository,
    pub(crate) metrics: Arc<Metrics>,
    /// Bytes of one request's body, unpacked.
    pub(crate) body_max: usize,
    /// The log of requests.
    pub(crate) requests: Requests,
    /// Who may ask; everybody if `None`.
    access: Option<Access>,
    /// No new connections are taken.
    draining: AtomicBool,
}

/// Requests with the same value of this header go to the same version while a rollout lasts.
pub(crate) const ROLLOUT_KEY: &str = "heirloom-key";
/// What the server calls itself.
pub(crate) const NAME: &str = "heirloom";
/// Its version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The protocol's extensions that it speaks.
pub(crate) const EXTENSIONS: [&str; 3] = ["binary_tensor_data", "classification", "model_repository"];
/// What a model's metadata names as its platform.
pub(crate) const PLATFORM: &str = "heirloom_graph";

impl App {
    pub(crate) fn new(
        repository: Repository,
        metrics: Arc<Metrics>,
        body_max: usize,
        access: Option<Access>,
        log: Option<Log>,
    ) -> Self {
        let requests = Requests::new(log);
        App { repository, metrics, body_max, requests, access, draining: AtomicBool::new(false) }
    }

    /// Whether every model answers and the server does not end.
    pub(crate) fn is_ready(&self) -> bool {
        let slots = self.repository.slots();
        !self.draining.load(Ordering::Acquire) && slots.values().all(|slot| slot.current.load().is_some())
    }

    /// Lets the sender of these headers in; `None` where everybody may.
    ///
    /// Errors   nobody that is known; a rate that is used up. Both are counted.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
        let admitted = self.access.as_ref().map(|access| access.admit(headers)).transpose();
        admitted.inspect_err(|refusal| self.metrics.refused(refusal.kind.status()))
    }

    /// The version that answers `headers`' sender for `name`.
    ///
    /// Errors   as [`App::admit`]; a model that the sender may not use; as [`Repository::pick`]. All are counted.
    pub(crate) fn pick(
        &self,
        headers: &HeaderMap,
        name: &str,
        version: Option<&str>,
    ) -> Result<Picked, Refusal> {
        let caller = self.admit(headers)?;
        let allowed = caller.map_or(Ok(()), |caller| caller.may_use(name));
        let key = headers.get(ROLLOUT_KEY).map(HeaderValue::as_bytes);
        let picked = allowed.and_then(|()| self.repository.pick(name, version, key));
        picked.inspect_err(|refusal| self.metrics.refused(refusal.kind.status()))
    }

    /// The answer of the version that was picked, counted, compared and logged. A question without a name gets one where
    /// requests are logged.
    pub(crate) async fn answer(
        &self,
        picked: &Picked,
        question: &mut Question,
        arrived: Instant,
    ) -> Result<Answer, Refusal> {
        if question.id.is_empty() && self.requests.are_logged() {
            question.id = self.requests.name();
        }
        let answer = picked.answer(question, arrived).await;
        self.requests.note(&picked.served, question, &answer, arrived.elapsed());
        answer
    }

    /// The models that `headers`' sender may use, ready or not.
    ///
    /// Errors   as [`App::admit`].
    pub(crate) fn index(&self, headers: &HeaderMap) -> Result<Vec<IndexEntry>, Refusal> {
        let caller = self.admit(headers)?;
        let mut entries = self.repository.index();
        entries.retain(|entry| caller.as_ref().is_none_or(|caller| caller.may_use(&entry.name).is_ok()));
        Ok(entries)
    }

    /// Whether `headers`' sender may load and unload models.
    ///
    /// Errors   as [`App::admit`]; it may not.
    pub(crate) fn may_control(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.admit(headers)?.map_or(Ok(()), |caller| caller.may_control())
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
