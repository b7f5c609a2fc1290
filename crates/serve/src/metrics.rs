//! What the server counts, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use monitor::Verdict;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Which version of which model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabels {
    model: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    model: String,
    version: String,
    code: u16,
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refused: Family<CodeLabels, Counter>,
    duration: Family<VersionLabels, Histogram, fn() -> Histogram>,
    queue: Family<VersionLabels, Histogram, fn() -> Histogram>,
    compute: Family<VersionLabels, Histogram, fn() -> Histogram>,
    batch: Family<VersionLabels, Histogram, fn() -> Histogram>,
    examples: Family<VersionLabels, Counter>,
    loaded: Family<VersionLabels, Gauge>,
    waiting: Family<VersionLabels, Gauge>,
    share: Family<VersionLabels, Gauge<f64, AtomicU64>>,
    drift: Family<VersionLabels, Gauge<f64, AtomicU64>>,
    alarm: Family<VersionLabels, Gauge>,
    pub(crate) connections: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: u16,
}

/// 50 microseconds to 1.6 seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 16))
}

fn sizes() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("heirloom");
        let seconds = seconds as fn() -> Histogram;
        let metrics = Metrics {
            requests: Family::default(),
            refused: Family::default(),
            duration: Family::new_with_constructor(seconds),
            queue: Family::new_with_constructor(seconds),
            compute: Family::new_with_constructor(seconds),
            batch: Family::new_with_constructor(sizes),
            examples: Family::default(),
            loaded: Family::default(),
            waiting: Family::default(),
            share: Family::default(),
            drift: Family::default(),
            alarm: Family::default(),
            connections: Gauge::default(),
            registry: Registry::default(),
        };
        let Metrics {
            requests,
            refused,
            duration,
            queue,
            compute,
            batch,
            examples,
            loaded,
            waiting,
            share,
            drift,
            alarm,
            ..
        } = &metrics;
        registry.register(
            "inference_requests",
            "Requests answered or refused, by HTTP status",
            requests.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests that reached no model, by HTTP status",
            refused.clone(),
        );
        let time =
            |registry: &mut Registry, name: &str, help: &str, family: &Family<_, _, fn() -> Histogram>| {
                registry.register_with_unit(name, help, Unit::Seconds, family.clone());
            };
        time(&mut registry, "inference_duration", "From the request's arrival to its answer", duration);
        time(&mut registry, "queue", "How long a request waited to be computed", queue);
        time(&mut registry, "compute", "How long a batch was computed", compute);
        registry.register("batch_size", "Examples that were computed together", batch.clone());
        registry.register("inference_examples", "Examples answered", examples.clone());
        registry.register("model_loaded", "1 for each version that is loaded", loaded.clone());
        registry.register("queue_examples", "Examples that wait", waiting.clone());
        registry.register(
            "traffic_share",
            "Share of its model's requests that a version is given",
            share.clone(),
        );
        let help = "How far the newest requests are from the examples of the model's making; from 1 on it may matter";
        registry.register("drift_score", help, drift.clone());
        registry.register("drift_alarm", "1 while the newest requests raise an alarm", alarm.clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        Metrics { registry, ..metrics }
    }

    /// The handles of one version, so that counting needs no look-up.
    pub(crate) fn version(&self, model: &str, version: &str) -> Arc<VersionMetrics> {
        let labels = VersionLabels { model: model.to_owned(), version: version.to_owned() };
        let code = |code| RequestLabels { model: model.to_owned(), version: version.to_owned(), code };
        Arc::new(VersionMetrics {
            answered: self.requests.get_or_create_owned(&code(200)),
            requests: self.requests.clone(),
            labels: code(200),
            duration: self.duration.get_or_create_owned(&labels),
            queue: self.queue.get_or_create_owned(&labels),
            compute: self.compute.get_or_create_owned(&labels),
            batch: self.batch.get_or_create_owned(&labels),
            examples: self.examples.get_or_create_owned(&labels),
            loaded: self.loaded.get_or_create_owned(&labels),
            waiting: self.waiting.get_or_create_owned(&labels),
            share: self.share.get_or_create_owned(&labels),
            drift: self.drift.get_or_create_owned(&labels),
            alarm: self.alarm.get_or_create_owned(&labels),
        })
    }

    /// A request that reached no model.
    pub(crate) fn refused(&self, status: u16) {
        self.refused.get_or_create(&CodeLabels { code: status }).inc();
    }

    /// In Prometheus' text form.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        match text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => unreachable!("writing to a String cannot fail"),
        }
    }
}

/// The counters of one version.
pub(crate) struct VersionMetrics {
    answered: Counter,
    requests: Family<RequestLabels, Counter>,
    labels: RequestLabels,
    duration: Histogram,
    queue: Histogram,
    compute: Histogram,
    batch: Histogram,
    examples: Counter,
    pub(crate) loaded: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) share: Gauge<f64, AtomicU64>,
    drift: Gauge<f64, AtomicU64>,
    alarm: Gauge,
}

impl VersionMetrics {
    /// A request was answered, or refused with another status than 200.
    pub(crate) fn request(&self, status: u16, examples: usize, took: Duration) {
        match status {
            200 => {
                self.answered.inc();
                self.examples.inc_by(examples as u64);
                self.duration.observe(took.as_secs_f64());
            }
            code => drop(self.requests.get_or_create(&RequestLabels { code, ..self.labels.clone() }).inc()),
        }
    }

    /// What the newest requests look like.
    pub(crate) fn drift(&self, verdict: &Verdict) {
        self.drift.set(if verdict.enough { verdict.score() } else { 0.0 });
        self.alarm.set(i64::from(verdict.alarm));
    }

    /// A question waited so long.
    pub(crate) fn queued(&self, waited: Duration) {
        self.queue.observe(waited.as_secs_f64());
    }

    /// A batch was computed.
    pub(crate) fn computed(&self, examples: usize, took: Duration) {
        self.batch.observe(examples as f64);
        self.compute.observe(took.as_secs_f64());
    }
}
