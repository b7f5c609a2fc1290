//! A version in memory, with everything that is said of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::{Golden, LoadedModel};
use serde_json::{Value, json};
use store::{ModelVersion, Store};
use tensor::DType;

use super::batcher::{Batcher, Limits};
use crate::error::{Kind, Refusal, ServeError};
use crate::metrics::{Metrics, VersionMetrics};
use crate::protocol::{Answer, Examples, Question, Signature, Values};
use crate::watching::Watched;

/// One version of a model that answers.
pub(crate) struct Served {
    pub(crate) name: String,
    /// Its number.
    pub(crate) number: u32,
    /// The number as the protocol writes it.
    pub(crate) version: String,
    pub(crate) signature: Signature,
    /// What is told beside the protocol's own metadata: digest, labels, preprocessing, licence, lineage.
    pub(crate) about: Value,
    pub(crate) limits: Limits,
    /// For questions in another form than tensors.
    pub(crate) model: LoadedModel,
    pub(crate) metrics: Arc<VersionMetrics>,
    /// The newest requests beside the profile; nothing where the version has none.
    pub(crate) watched: Option<Watched>,
    /// Examples whose answers were kept when the version was made.
    golden: Option<Golden>,
    batcher: Batcher,
}

impl Served {
    /// Loads a version and plans it.
    ///
    /// Errors   what the store or the engine refuses; outputs that the protocol cannot carry.
    pub(crate) fn load(
        store: &Store,
        version: &ModelVersion,
        limits: Limits,
        metrics: &Metrics,
    ) -> Result<Self, ServeError> {
        let model = pipeline::load_model(store, &version.id())?;
        let signature = Signature::of(model.graph(), &model.input, &model.labels)
            .map_err(|refusal| ServeError::unservable(version.id(), refusal.message))?;
        let golden = pipeline::golden(store, version)?;
        let profile = pipeline::profile_of(store, version)?;
        let watched =
            profile.map(|profile| Watched::new(profile, (&version.name, version.version), &model.labels));
        let about = about(store, &model, version, golden.as_ref())?;
        let number = version.version.to_string();
        let metrics = metrics.version(&version.name, &number);
        let graph = model.graph().clone();
        let batcher = Batcher::start(&version.id(), graph, &signature, limits, metrics.clone())?;
        metrics.loaded.inc();
        Ok(Served {
            name: version.name.clone(),
            number: version.version,
            version: number,
            signature,
            about,
            limits,
            model,
            metrics,
            watched,
            golden,
            batcher,
        })
    }

    /// `name@N`.
    pub(crate) fn id(&self) -> String {
        format!("{}@{}", self.name, self.number)
    }

    /// The answer to a question, counted.
    pub(crate) async fn answer(&self, question: &Question, arrived: Instant) -> Result<Answer, Refusal> {
        let deadline = question.timeout.map(|timeout| arrived + timeout);
        self.batcher.answer(question.examples.clone(), deadline).await
    }

    /// Lets every plan answer once, so that the first question finds everything in place.
    pub(crate) fn warm(&self) -> Result<(), Refusal> {
        let mut took = Duration::MAX;
        for count in [1, 17, 1] {
            let zeros = count * self.signature.row_len;
            let values = match self.signature.dtype {
                DType::U8 => Values::U8(Bytes::from(vec![0; zeros])),
                _ => Values::F32(vec![0.0; zeros]),
            };
            let started = Instant::now();
            let answered = self.batcher.answer_blocking(Examples { values, count });
            took = took.min(started.elapsed());
            // Zeros may be values that the model refuses; that it computes is what counts.
            if let Err(refusal) = answered
                && refusal.kind == Kind::Internal
            {
                return Err(refusal);
            }
        }
        self.batcher.settle(took);
        Ok(())
    }

    /// Lets the served path answer the golden examples, one by one and together, and compares with what the trained model
    /// answered.
    ///
    /// Errors   an answer that differs by more than the tolerance: the first, with what was expected and found.
    pub(crate) fn prove(&self) -> Result<(), Refusal> {
        let Some(golden) = &self.golden else { return Ok(()) };
        let count = golden.inputs.shape()[0];
        for together in [1, count] {
            let mut found = Vec::new();
            for from in (0..count).step_by(together) {
                let rows = from * self.signature.row_len..(from + together) * self.signature.row_len;
                let values = match self.signature.dtype {
                    DType::U8 => Values::U8(Bytes::copy_from_slice(&golden.inputs.values::<u8>()[rows])),
                    _ => Values::F32(golden.inputs.values::<f32>()[rows].to_vec()),
                };
                found.extend(
                    self.batcher
                        .answer_blocking(Examples { values, count: together })?
                        .numbers
                        .swap_remove(0),
                );
            }
            let report =
                golden.compare(&found).map_err(|mistake| Refusal::new(Kind::Unavailable, mistake.message))?;
            if let Some(mistake) = report.mistake(&self.id()) {
                return Err(Refusal::new(Kind::Unavailable, mistake.message));
            }
        }
        Ok(())
    }

    /// Questions that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.batcher.waiting()
    }

    /// Counts a request that arrived then and came to `answered`: the answer, and how many examples it is for.
    pub(crate) fn counted<T>(
        &self,
        arrived: Instant,
        answered: Result<(T, usize), Refusal>,
    ) -> Result<T, Refusal> {
        let (status, examples) = match &answered {
            Ok((_, examples)) => (200, *examples),
            Err(refusal) => (refusal.kind.status(), 0),
        };
        self.metrics.request(status, examples, arrived.elapsed());
        answered.map(|(answer, _)| answer)
    }

    /// Brings the gauges up to date, before they are read.
    pub(crate) fn refresh_gauges(&self) {
        self.metrics.waiting.set(self.batcher.waiting() as i64);
        if let Some(watched) = &self.watched {
            self.metrics.drift(&watched.verdict());
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.metrics.loaded.dec();
    }
}

/// What a client may know of a version besides its tensors.
fn about(
    store: &Store,
    model: &LoadedModel,
    version: &ModelVersion,
    golden: Option<&Golden>,
) -> Result<Value, ServeError> {
    let manifest = store.model(&version.id())?.manifest;
    let annotations = store.about(version)?;
    let parents: Vec<Value> = store
        .parents(version)?
        .iter()
        .map(|edge| json!({ "relation": edge.relation.name(), "parent": format!("{}@{}", edge.parent.0, edge.parent.1) }))
        .collect();
    Ok(json!({
        "digest": model.digest,
        "labels": manifest.labels,
        "preprocessing": manifest.preprocessing,
        "created_unix_ms": version.created_unix_ms,
        "aliases": version.aliases,
        "licence": annotations.licence,
        "description": annotations.description,
        "parents": parents,
        // Proved before the first request; null where the version left none to prove it by.
        "golden_examples": golden.map(|golden| golden.inputs.shape()[0]),
    }))
}
