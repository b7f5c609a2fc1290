//! Answers of `heirloom infer` in a log of requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Diagnostic;
use monitor::{Answered, LOG_FOLDER, Log, LogOptions, Profile, Raw, Record, Schema, Status};
use pipeline::Prediction;
use store::{ModelVersion, Store};
use tensor::{Data, Tensor};

use crate::arguments::{Infer, StoreChoice};
use crate::author;
use crate::failure::Failure;

/// The folder of a log: the one that was named, or the one beside the store.
pub(super) fn folder(named: Option<&Path>, store: &StoreChoice) -> Result<PathBuf, Failure> {
    match named {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(store.place()?.folder().join(LOG_FOLDER)),
    }
}

/// Logs an answer for each example of `inputs`; `predictions` are in their order.
pub(super) fn keep(
    store: &Store,
    arguments: &Infer,
    folder: &Path,
    inputs: &[(PathBuf, Tensor)],
    predictions: &[Prediction],
) -> Result<(), Failure> {
    let version = store.resolve(&arguments.model)?;
    let profile = profile(store, &version)?;
    let fields = profile.fields().map(str::to_owned).collect();
    let schema = Arc::new(Schema { model: version.name, version: version.version, fields });
    let (log, unix_ms) = (Log::open(folder, LogOptions::default())?, author::by().unix_ms);
    let mut summary = Vec::new();
    for (raw, (prediction, several)) in
        inputs.iter().flat_map(|(_, tensor)| rows(tensor)).zip(named(inputs, predictions))
    {
        if !profile.inputs().summarise(raw, &mut summary) {
            return Err(Diagnostic::new("profile-mismatch", "the model's profile is of other inputs").into());
        }
        let file = prediction.file.display();
        log.record_waiting(Record {
            schema: Arc::clone(&schema),
            id: if several { format!("{file}:{}", prediction.index) } else { file.to_string() },
            unix_ms,
            inputs: summary.iter().map(|&value| Some(value)).collect(),
            answer: answered(prediction),
            latency_us: 0,
            status: Status::Ok,
        });
    }
    log.flush();
    match log.stats().failed {
        0 => Ok(()),
        failed => Err(Failure::world(std::io::Error::other(format!(
            "{failed} answers could not be logged in {}",
            folder.display()
        )))),
    }
}

/// The profile of a version.
///
/// Errors   it has none, or none that can be read.
pub(super) fn profile(store: &Store, version: &ModelVersion) -> Result<Profile, Failure> {
    Ok(pipeline::profile_of(store, version)?.ok_or_else(|| {
        let message = format!("{} has no profile to compare requests with", version.id());
        Diagnostic::new("no-profile", message)
            .help("a run of its scheme makes one, without training again where the data are the same")
    })?)
}

/// Each prediction, and whether its file has several examples.
fn named<'a>(
    inputs: &'a [(PathBuf, Tensor)],
    predictions: &'a [Prediction],
) -> impl Iterator<Item = (&'a Prediction, bool)> {
    let several = inputs.iter().flat_map(|(_, tensor)| {
        let count = tensor.shape()[0];
        std::iter::repeat_n(count > 1, count)
    });
    predictions.iter().zip(several)
}

fn rows(tensor: &Tensor) -> impl Iterator<Item = Raw<'_>> {
    let length = tensor.shape()[1..].iter().product::<usize>().max(1);
    let (bytes, numbers) = match tensor.data() {
        Data::U8(values) => (&values[..], &[][..]),
        Data::F32(values) => (&[][..], &values[..]),
        _ => unreachable!("inputs are uint8 or float32, found {}", tensor.dtype()),
    };
    bytes.chunks_exact(length).map(Raw::U8).chain(numbers.chunks_exact(length).map(Raw::F32))
}

fn answered(prediction: &Prediction) -> Option<Answered> {
    match (&prediction.label, prediction.value) {
        (Some(label), _) => {
            let found = prediction.probabilities.iter().find(|(name, _)| name == label);
            Some(Answered::Class(label.as_str().into(), found.map_or(f32::NAN, |(_, share)| *share)))
        }
        (None, value) => value.map(|value| Answered::Value(f64::from(value))),
    }
}
