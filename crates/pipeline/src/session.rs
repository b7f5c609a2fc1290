//! What the stages of one run share: store, lock, journal, and the results kept before.

use std::path::Path;
use std::time::Instant;

use base::Digest;
use scheme::ResolvedScheme;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{By, RunLock, RunRecord, RunState, StageResult, Store, StoreAddress, StoreError};
use tensor::{DType, Tensor};

use crate::error::RunError;
use crate::events::{Event, Observer, Stage};
use crate::journal::Journal;
use crate::judgement::RefusalReport;
use crate::keys::to_value;
use crate::options::RunOptions;
use crate::report::{RunReport, StageReport};
use crate::run::seconds_since;
use crate::run_id::run_id;
use crate::training::{History, Trained};

/// One run under way.
pub(crate) struct Session<'a, 'b> {
    pub(crate) scheme: &'a ResolvedScheme,
    pub(crate) options: &'a RunOptions,
    pub(crate) journal: Journal<'a, 'b>,
    pub(crate) stages: Vec<StageReport>,
    pub(crate) open: Open<'a>,
    /// The run's id, once there is work to do.
    pub(crate) run: Option<String>,
    started: Instant,
    /// Results of stages that ran before there was a run to keep them in.
    early: Vec<(Digest, serde_json::Value)>,
}

/// The store: looked into if it exists, made when there is something to keep.
pub(crate) struct Open<'a> {
    address: &'a StoreAddress,
    /// Where a shared store keeps what belongs to this machine.
    here: &'a Path,
    locked: Option<(Store, RunLock)>,
}

impl<'a> Open<'a> {
    pub(crate) fn new(address: &'a StoreAddress, here: &'a Path) -> Self {
        Open { address, here, locked: None }
    }

    /// The open store. Panics before [`Session::open_run`].
    pub(crate) fn store(&self) -> &Store {
        let (store, _) = self.locked.as_ref().expect("stages that keep something run inside an open run");
        store
    }

    pub(crate) fn existing(&self) -> Option<&Store> {
        self.locked.as_ref().map(|(store, _)| store)
    }
}

/// The account of `train`, whose blobs are the tensors' bytes.
#[derive(Serialize, Deserialize)]
struct TrainAccount {
    history: History,
    tensors: Vec<(String, String, Vec<usize>)>,
}

impl<'a, 'b> Session<'a, 'b> {
    pub(crate) fn new(
        scheme: &'a ResolvedScheme,
        open: Open<'a>,
        options: &'a RunOptions,
        observer: &'a mut Observer<'b>,
    ) -> Self {
        Session {
            scheme,
            options,
            journal: Journal::new(observer),
            stages: Vec::new(),
            open,
            run: None,
            started: Instant::now(),
            early: Vec::new(),
        }
    }

    /// Tells what is about to be run, and what the scheme itself has to say.
    pub(crate) fn begin(&mut self) -> Result<(), RunError> {
        self.journal.tell(&Event::RunStarted {
            scheme: self.scheme.name.clone(),
            scheme_digest: self.scheme.digest().to_string(),
            seed: self.scheme.seed,
            threads: self.options.threads,
            cpu_level: self.options.level.name().to_owned(),
        })?;
        let notes: Vec<String> = self.scheme.notes.iter().map(|note| note.message.clone()).collect();
        self.notices(&notes)
    }

    pub(crate) fn notices(&mut self, texts: &[String]) -> Result<(), RunError> {
        texts.iter().try_for_each(|text| self.journal.tell(&Event::Notice { text: text.clone() }))
    }

    /// Opens and locks the store if there is one.
    pub(crate) fn open_existing(&mut self) -> Result<(), RunError> {
        match Store::open_at(self.open.address, self.open.here) {
            Ok(store) => {
                let lock = store.try_lock()?;
                self.open.locked = Some((store, lock));
                Ok(())
            }
            // A folder that holds something else is refused when the store would be made.
            Err(StoreError::NotAStore { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the store if there is none, and begins a run in it, or goes on with the one that was interrupted.
    pub(crate) fn open_run(&mut self, key: Digest) -> Result<(), RunError> {
        if self.open.locked.is_none() {
            let store = Store::open_or_create_at(self.open.address, self.open.here)?;
            let lock = store.try_lock()?;
            self.open.locked = Some((store, lock));
        }
        let Some((store, lock)) = &self.open.locked else { unreachable!("it was opened just now") };
        let before = match self.options.resume {
            true => store.newest_run_of(key)?.filter(|run| run.state != RunState::Finished),
            false => None,
        };
        let resumed = before.is_some();
        let id = match before {
            Some(run) => run.record.id,
            None => run_id(store, &self.scheme.name, self.options.now_unix_ms)?,
        };
        let record = RunRecord {
            id: id.clone(),
            scheme_digest: self.scheme.digest(),
            key,
            started_unix_ms: self.options.now_unix_ms,
        };
        let folder = store.start_run(lock, &record)?;
        self.run = Some(id.clone());
        self.journal.open(&folder)?;
        self.journal.tell(&Event::RunOpened { run: id, resumed })
    }

    /// Runs a stage that is not in the store, and tells so.
    pub(crate) fn stage<T>(
        &mut self,
        stage: Stage,
        key: Digest,
        work: impl FnOnce(&mut Self) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        self.journal.tell(&Event::StageStarted { stage })?;
        let started = Instant::now();
        let result = work(self)?;
        let (seconds, key) = (seconds_since(started), key.to_string());
        self.stages.push(StageReport { name: stage, key: key.clone(), cached: false, seconds });
        let event = Event::StageFinished { stage, key, seconds };
        match stage {
            // What is registered is done: too late to stop.
            Stage::Register => self.journal.tell_last(&event)?,
            _ => self.journal.tell(&event)?,
        }
        Ok(result)
    }

    /// Tells that a stage's result was taken from the store.
    pub(crate) fn cached_stage(&mut self, stage: Stage, key: Digest) -> Result<(), RunError> {
        let key = key.to_string();
        self.stages.push(StageReport { name: stage, key: key.clone(), cached: true, seconds: 0.0 });
        self.journal.tell(&Event::StageCached { stage, key })
    }

    /// A stage's document in the store, without telling. One of another form counts as none.
    pub(crate) fn peek<T: DeserializeOwned>(&self, key: Digest) -> Result<Option<T>, RunError> {
        Ok(self.result(key)?.and_then(|found| serde_json::from_value(found.result).ok()))
    }

    /// A stage's document in the store.
    pub(crate) fn cached<T: DeserializeOwned>(
        &mut self,
        stage: Stage,
        key: Digest,
    ) -> Result<Option<T>, RunError> {
        let found = self.peek(key)?;
        if found.is_some() {
            self.cached_stage(stage, key)?;
        }
        Ok(found)
    }

    fn result(&self, key: Digest) -> Result<Option<StageResult>, RunError> {
        Ok(match self.open.existing() {
            Some(store) => store.stage_get(key)?,
            None => None,
        })
    }

    /// Remembers a result until there is a run.
    pub(crate) fn note_early(&mut self, key: Digest, document: &impl Serialize) {
        self.early.push((key, to_value(document)));
    }

    /// Keeps the results of the stages before the run.
    pub(crate) fn keep_early(&mut self) -> Result<(), RunError> {
        for (key, result) in std::mem::take(&mut self.early) {
            self.open.store().stage_put(key, &StageResult { result, blobs: Vec::new() })?;
        }
        Ok(())
    }

    /// Keeps a stage's document.
    pub(crate) fn keep(&mut self, key: Digest, document: &impl Serialize) -> Result<(), RunError> {
        let stage = StageResult { result: to_value(document), blobs: Vec::new() };
        Ok(self.open.store().stage_put(key, &stage)?)
    }

    /// Keeps a stage's one blob.
    pub(crate) fn keep_blob(&mut self, key: Digest, bytes: &[u8]) -> Result<(), RunError> {
        let store = self.open.store();
        let blobs = vec![store.put(bytes)?];
        Ok(store.stage_put(key, &StageResult { result: serde_json::json!({}), blobs })?)
    }

    /// Keeps a stage's document and its one blob.
    pub(crate) fn keep_both(
        &mut self,
        key: Digest,
        document: &impl Serialize,
        bytes: &[u8],
    ) -> Result<(), RunError> {
        let store = self.open.store();
        let blobs = vec![store.put(bytes)?];
        Ok(store.stage_put(key, &StageResult { result: to_value(document), blobs })?)
    }

    /// A stage's document and its one blob. A blob that is missing or damaged is told, and made again.
    pub(crate) fn cached_both<T: DeserializeOwned>(
        &mut self,
        stage: Stage,
        key: Digest,
    ) -> Result<Option<(T, Vec<u8>)>, RunError> {
        let Some(found) = self.result(key)? else { return Ok(None) };
        let Ok(document) = serde_json::from_value(found.result.clone()) else { return Ok(None) };
        match self.blobs(stage, key, &found)? {
            Some(mut blobs) if blobs.len() == 1 => {
                self.cached_stage(stage, key)?;
                Ok(blobs.pop().map(|bytes| (document, bytes)))
            }
            _ => Ok(None),
        }
    }

    /// A stage's one blob. One that is missing or damaged is told, and made again.
    pub(crate) fn cached_blob(&mut self, stage: Stage, key: Digest) -> Result<Option<Vec<u8>>, RunError> {
        let Some(found) = self.result(key)? else { return Ok(None) };
        match self.blobs(stage, key, &found)? {
            Some(mut blobs) if blobs.len() == 1 => {
                self.cached_stage(stage, key)?;
                Ok(blobs.pop())
            }
            _ => Ok(None),
        }
    }

    /// The blobs of a stage, or `None`, told and forgotten, if one of them is lost.
    fn blobs(
        &mut self,
        stage: Stage,
        key: Digest,
        found: &StageResult,
    ) -> Result<Option<Vec<Vec<u8>>>, RunError> {
        let store = self.open.store();
        match found.blobs.iter().map(|&digest| store.get(digest)).collect::<Result<Vec<_>, _>>() {
            Ok(blobs) => Ok(Some(blobs)),
            Err(error @ (StoreError::MissingBlob { .. } | StoreError::DamagedBlob { .. })) => {
                store.stage_remove(key)?;
                let text = format!("the stage {} is done again: {error}", stage.name());
                self.journal.tell(&Event::Notice { text })?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps what training came to: a blob for each tensor.
    pub(crate) fn keep_tensors(&mut self, key: Digest, trained: &Trained) -> Result<(), RunError> {
        let store = self.open.store();
        let mut account = TrainAccount { history: trained.history.clone(), tensors: Vec::new() };
        let mut blobs = Vec::new();
        for (name, tensor) in &trained.tensors {
            blobs.push(store.put(&tensor.to_bytes())?);
            account.tensors.push((name.clone(), tensor.dtype().name().to_owned(), tensor.shape().to_vec()));
        }
        Ok(store.stage_put(key, &StageResult { result: to_value(&account), blobs })?)
    }

    /// What training came to before.
    pub(crate) fn cached_tensors(&mut self, stage: Stage, key: Digest) -> Result<Option<Trained>, RunError> {
        let Some(found) = self.result(key)? else { return Ok(None) };
        let Ok(account) = serde_json::from_value::<TrainAccount>(found.result.clone()) else {
            return Ok(None);
        };
        let Some(blobs) = self.blobs(stage, key, &found)? else { return Ok(None) };
        let tensor = |((name, dtype, shape), bytes): (&(String, String, Vec<usize>), &Vec<u8>)| {
            let tensor = Tensor::from_bytes(DType::from_name(dtype)?, shape, bytes).ok()?;
            Some((name.clone(), tensor))
        };
        let Some(tensors) = account.tensors.iter().zip(&blobs).map(tensor).collect() else { return Ok(None) };
        self.cached_stage(stage, key)?;
        Ok(Some(Trained { history: account.history, tensors }))
    }

    /// Whether the store still has the model of a report.
    pub(crate) fn has_model(&self, model: &str, digest: &str) -> Result<bool, RunError> {
        let Some(store) = self.open.existing() else { return Ok(false) };
        match store.resolve(model) {
            Ok(version) => Ok(version.digest.to_string() == digest),
            Err(error) if error.mistake().is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Wall time since the run began.
    pub(crate) fn seconds(&self) -> f64 {
        seconds_since(self.started)
    }

    fn now_unix_ms(&self) -> i64 {
        self.options.now_unix_ms + (self.seconds() * 1000.0) as i64
    }

    /// Who runs, and the present time.
    pub(crate) fn by(&self) -> By {
        By { actor: self.options.actor.clone(), unix_ms: self.now_unix_ms() }
    }

    /// Tells the good end and takes note of it.
    pub(crate) fn finish(&mut self, model: &str, digest: &str, cached: bool) -> Result<(), RunError> {
        let seconds = self.seconds();
        let (model, digest) = (model.to_owned(), digest.to_owned());
        self.journal.tell_last(&Event::RunFinished { model, digest, cached, seconds })?;
        match &self.run {
            Some(run) => Ok(self.open.store().finish_run(run, RunState::Finished, self.now_unix_ms())?),
            None => Ok(()),
        }
    }

    /// Tells the bad end and takes note of it as far as the world allows; the error itself goes to the caller.
    pub(crate) fn fail(&mut self, state: RunState, message: String) {
        let _ = self.journal.tell_last(&Event::RunFailed { message });
        if let (Some(run), Some(store)) = (&self.run, self.open.existing()) {
            let _ = store.finish_run(run, state, self.now_unix_ms());
        }
    }

    /// Writes `run.json`.
    pub(crate) fn write_report(&mut self, report: &RunReport) -> Result<(), RunError> {
        self.write(&report.run, "run.json", report)
    }

    /// Writes `refused.json`.
    pub(crate) fn write_refusal(&mut self, report: &RefusalReport) -> Result<(), RunError> {
        self.write(&report.run, "refused.json", report)
    }

    fn write(&mut self, run: &str, name: &str, document: &impl Serialize) -> Result<(), RunError> {
        let mut text =
            serde_json::to_string_pretty(&to_value(document)).unwrap_or_else(|error| panic!("{error}"));
        text.push('\n');
        self.open.store().write_run_file(run, name, text.as_bytes())?;
        Ok(())
    }
}
