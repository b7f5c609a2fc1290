//! One model from several: their tensors combined, element by element.
//!
//! ```text
//! align (same network, same classes) ─► average │ task_arithmetic │ ties ─► the merged tensors
//! ```
//!
//! Only models that are the same network can be merged; and it only pays for those that go back to one ancestor, because
//! weights that were trained apart from the start do not stand at comparable places.

mod align;
mod average;
#[cfg(test)]
mod properties;
mod task_arithmetic;
mod ties;

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics};
use tensor::{Data, Tensor};

use crate::transfer::Network;
use align::{Counterparts, align};

pub use average::average;
pub use task_arithmetic::task_arithmetic;
pub use ties::ties;

/// One of the models that are merged.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// What it is called in messages: `name@N`.
    pub name: &'a str,
    /// Its network.
    pub network: Network<'a>,
}

/// How models are merged.
#[derive(Debug, Clone)]
pub enum Method<'a> {
    /// [`average`].
    Average {
        /// One for each model.
        weights: Vec<f64>,
    },
    /// [`task_arithmetic`].
    TaskArithmetic {
        /// What all models started from.
        base: Member<'a>,
        /// One for each model.
        weights: Vec<f64>,
        /// Factor of what is added.
        scale: f64,
    },
    /// [`ties`].
    Ties {
        /// What all models started from.
        base: Member<'a>,
        /// Share of each model's changes that counts.
        density: f64,
        /// Factor of what is added.
        scale: f64,
    },
}

/// What a merge came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Every tensor of the first model that may be handed on, by its name there and in its order.
    pub tensors: Vec<(String, Tensor)>,
    /// Those of them that are running statistics of a normalisation. They are averaged whatever the method, for a variance
    /// that is a sum of differences may come out below 0; they need not suit the merged weights.
    pub statistics: Vec<String>,
    /// For each model and then the base, if there is one: its tensors' names by those of the first model.
    pub counterparts: Vec<BTreeMap<String, String>>,
}

/// Merges `models` and says what came of it.
///
/// Errors   networks that are not the same, with the first difference; numbers that become infinite.
///
/// Panics if there is no model, or another number of weights than models.
pub fn merge(models: &[Member<'_>], method: &Method<'_>) -> Result<Merged, Diagnostics> {
    let first = models.first().expect("the caller has at least one model");
    let base = match method {
        Method::Average { .. } => None,
        Method::TaskArithmetic { base, .. } | Method::Ties { base, .. } => Some(base),
    };
    let mut problems = Diagnostics::default();
    let mut counterparts = Vec::new();
    for member in models.iter().chain(base) {
        match align(first, member) {
            Ok(found) => counterparts.push(found),
            Err(difference) => problems.push(not_aligned(first, member, difference)),
        }
    }
    let counterparts = problems.or(counterparts)?;
    let statistics = statistics(&first.network);
    let learnt: Vec<&String> =
        first.network.tensors.iter().filter(|name| !statistics.contains(name)).collect();
    let flat = |names: &[&String], number: usize| {
        let member = models.get(number).or(base).unwrap_or(first);
        flat(&member.network, names, &counterparts[number])
    };
    let all = |names: &[&String]| -> Result<Vec<Vec<f32>>, Diagnostics> {
        (0..models.len()).map(|number| flat(names, number)).collect()
    };
    let values = all(&learnt)?;
    let models_values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let start = match base {
        Some(_) => flat(&learnt, models.len())?,
        None => Vec::new(),
    };
    let (merged, shares) = match method {
        Method::Average { weights } => (average(&models_values, weights), weights.clone()),
        Method::TaskArithmetic { weights, scale, .. } => {
            (task_arithmetic(&start, &models_values, weights, *scale), vec![1.0; models.len()])
        }
        Method::Ties { density, scale, .. } => {
            (ties(&start, &models_values, *density, *scale), vec![1.0; models.len()])
        }
    };
    let running: Vec<&String> = statistics.iter().collect();
    let values = all(&running)?;
    let running_values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let averaged = average(&running_values, &shares);
    let mut made: BTreeMap<&String, Tensor> = cut(&first.network, &learnt, &merged)?;
    made.extend(cut(&first.network, &running, &averaged)?);
    let tensors =
        first.network.tensors.iter().filter_map(|name| Some((name.clone(), made.remove(name)?))).collect();
    Ok(Merged { tensors, statistics, counterparts })
}

fn not_aligned(first: &Member<'_>, other: &Member<'_>, difference: String) -> Diagnostic {
    let message = format!("{} and {} are not the same network: {difference}", first.name, other.name);
    Diagnostic::new("models-do-not-align", message).help(
        "merge models that were trained from one parent, with the same layers, classes and preprocessing",
    )
}

/// The names of running means and variances, in the order of the tensors.
fn statistics(network: &Network<'_>) -> Vec<String> {
    let nodes = network.nodes();
    let normalisations = nodes.iter().filter(|node| node.op_name() == "BatchNormalization");
    let found: Vec<&str> = normalisations
        .flat_map(|node| node.inputs.iter().skip(3).flatten())
        .map(|&id| network.graph.value(id).name.as_str())
        .collect();
    network.tensors.iter().filter(|name| found.contains(&name.as_str())).cloned().collect()
}

/// The values of `names`, one after the other.
fn flat(
    network: &Network<'_>,
    names: &[&String],
    counterparts: &Counterparts,
) -> Result<Vec<f32>, Diagnostics> {
    let mut values = Vec::new();
    for name in names {
        let own = counterparts.get(*name).unwrap_or(name);
        match network.tensor(own).map(Tensor::data) {
            Some(Data::F32(found)) => values.extend_from_slice(found),
            _ => {
                let message = format!("`{own}` does not hold 32-bit numbers, so it cannot be merged");
                return Err(Diagnostic::new("models-do-not-align", message).into());
            }
        }
    }
    Ok(values)
}

/// Cuts values into tensors of the shapes that `names` have.
fn cut<'n>(
    network: &Network<'_>,
    names: &[&'n String],
    mut values: &[f32],
) -> Result<BTreeMap<&'n String, Tensor>, Diagnostics> {
    let mut tensors = BTreeMap::new();
    for &name in names {
        let Some(shape) = network.tensor(name).map(|tensor| tensor.shape().to_vec()) else { continue };
        let (own, rest) = values.split_at(shape.iter().product());
        values = rest;
        if own.iter().any(|value| !value.is_finite()) {
            let message = format!("merging makes `{name}` larger than a 32-bit number can be");
            return Err(Diagnostic::new("merge-overflow", message)
                .help("make `model.merge.scale` smaller")
                .into());
        }
        tensors.insert(name, Tensor::new(shape, own.to_vec()));
    }
    Ok(tensors)
}
