//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::metrics::Metrics;
use crate::repository::Repository;

/// The server behind both transports.
pub(crate) struct App {
    pub(crate) repository: Repository,
    pub(crate) metrics: Arc<Metrics>,
    /// Bytes of one request's body, unpacked.
    pub(crate) body_max: usize,
    /// No new connections are taken.
    draining: AtomicBool,
}

/// What the server calls itself.
pub(crate) const NAME: &str = "heirloom";
/// Its version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The protocol's extensions that it speaks.
pub(crate) const EXTENSIONS: [&str; 3] = ["binary_tensor_data", "classification", "model_repository"];
/// What a model's metadata names as its platform.
pub(crate) const PLATFORM: &str = "heirloom_graph";

impl App {
    pub(crate) fn new(repository: Repository, metrics: Arc<Metrics>, body_max: usize) -> Self {
        App { repository, metrics, body_max, draining: AtomicBool::new(false) }
    }

    /// Whether every model answers and the server does not end.
    pub(crate) fn is_ready(&self) -> bool {
        let slots = self.repository.slots();
        !self.draining.load(Ordering::Acquire) && slots.values().all(|slot| slot.current.load().is_some())
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
