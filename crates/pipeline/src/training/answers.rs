//! What a graph that learning does not change gives for rows of the data: computed once, and kept in the store under a
//! key of its content.

use std::collections::BTreeSet;

use base::{Digest, DigestWriter};
use engine::{Convolutions, Feed, Options, Predictor, Targets};
use graph::{Graph, onnx};
use store::{StageResult, Store, StoreError};

use crate::convolutions;
use crate::error::RunError;
use crate::keys::ENGINE_VERSION;
use crate::prepare::Examples;

/// What a graph gives: one row for each of the dataset's rows up to the last that was asked for, those that were not
/// asked for zero.
pub(super) struct Answers {
    pub(super) values: Vec<f32>,
    /// Numbers for one row.
    pub(super) width: usize,
    /// Whether they were in the store.
    pub(super) found: bool,
}

/// What `graph`, whose one output is `width` numbers for an example, gives for `rows` of the data: from the store, or
/// computed now and kept there. `learning` is how convolutions are chosen where the answers stand in for a part of a training
/// step, whose bytes they are to have.
pub(super) fn answers(
    store: &Store,
    graph: &Graph,
    width: usize,
    examples: &Examples,
    rows: &BTreeSet<u32>,
    (options, learning): (Options, Option<Convolutions>),
) -> Result<Answers, RunError> {
    let count = rows.last().map_or(0, |&last| last as usize + 1);
    let key = key(graph, examples, rows, (options, learning))?;
    if let Some(values) = kept(store, key, count * width)? {
        return Ok(Answers { values, width, found: true });
    }
    let mut predictor = match learning {
        Some(convolutions) => Predictor::as_in_training(graph, options, convolutions)?,
        None => Predictor::new(graph, options)?,
    };
    let order: Vec<u32> = rows.iter().copied().collect();
    let made = predictor.run(Feed { targets: Targets::None, ..examples.feed() }, &order)?.remove(0);
    let mut values = vec![0f32; count * width];
    for (&row, answer) in order.iter().zip(made.values::<f32>().chunks_exact(width)) {
        let at = row as usize * width;
        values[at..at + width].copy_from_slice(answer);
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let blobs = vec![store.put(&bytes)?];
    store.stage_put(key, &StageResult { result: serde_json::json!({ "width": width }), blobs })?;
    Ok(Answers { values, width, found: false })
}

/// What the answers are a function of.
fn key(
    graph: &Graph,
    examples: &Examples,
    rows: &BTreeSet<u32>,
    (options, learning): (Options, Option<Convolutions>),
) -> Result<Digest, RunError> {
    let model =
        onnx::Model { graph: graph.clone(), producer: "heirloom".to_owned(), ..onnx::Model::default() };
    let order: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
    let mut key = DigestWriter::new("heirloom.activations.2");
    key.field(&onnx::write(&model)?).field(&examples.dataset.digest().0).field(&order);
    key.field(options.level.name().as_bytes()).field(&ENGINE_VERSION.to_le_bytes());
    key.field(&(options.batch as u64).to_le_bytes());
    if let Some(convolutions) = learning {
        key.field(b"learning");
        convolutions::write(convolutions, &mut key);
    }
    Ok(key.finish())
}

/// The values under `key`, if they are there, intact, and as many as expected.
fn kept(store: &Store, key: Digest, count: usize) -> Result<Option<Vec<f32>>, RunError> {
    let Some(found) = store.stage_get(key)? else { return Ok(None) };
    let bytes = match found.blobs.as_slice() {
        &[blob] => match store.get(blob) {
            Ok(bytes) => bytes,
            Err(StoreError::MissingBlob { .. } | StoreError::DamagedBlob { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
        _ => return Ok(None),
    };
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Ok((bytes.len() == count * 4).then(|| bytes.chunks_exact(4).map(value).collect()))
}
