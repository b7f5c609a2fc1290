//! What sets single tensors apart while learning: rates of their own, a late beginning, what draws them to the parent.

use std::collections::BTreeMap;

use engine::{Pull, Treatment};
use inherit::transfer::matches;
use tensor::Tensor;

use super::Training;
use super::schedule::Schedule;
use crate::architecture::{Adapter, layer_of, layers};

/// The diagonal of the Fisher information by tensor.
pub(super) type Fisher = BTreeMap<String, Vec<f64>>;

/// How each tensor that is unlike the others learns.
pub(super) fn treatments(
    training: &Training<'_>,
    schedule: &Schedule,
    fisher: Option<&Fisher>,
) -> BTreeMap<String, Treatment> {
    let depths = depths(training);
    let steps = training.steps_per_epoch() as u64;
    let of = |name: &String| {
        let pull = pull(training, name, fisher);
        let treatment = Treatment {
            rate: rate(training, name, depths.get(layer_of(name)).copied().unwrap_or(0)),
            steps_before: schedule.begins(name) as u64 * steps,
            l2: pull.as_ref().filter(|_| training.scheme.train.l2_sp.is_some()).map(|_| 0.0),
            pull,
        };
        (treatment != Treatment::default()).then(|| (name.clone(), treatment))
    };
    let factors = training.plan.adapters.iter().flat_map(Adapter::factor_names);
    training.plan.kept.iter().cloned().chain(factors).filter_map(|name| of(&name)).collect()
}

/// For each layer, how many layers with something to learn stand behind it.
fn depths(training: &Training<'_>) -> BTreeMap<String, i32> {
    let learn = |layer: &Vec<String>| layer.iter().any(|name| training.plan.learnt.contains(name));
    let layers = layers(training.plan).into_iter().filter(learn).rev().zip(0..);
    layers.map(|(layer, depth)| (layer_of(&layer[0]).to_owned(), depth)).collect()
}

/// `rate_decay^depth`, times the factor of the last rule that fits.
fn rate(training: &Training<'_>, name: &str, depth: i32) -> f32 {
    let train = &training.scheme.train;
    let mut rules = train.rates.iter().flatten();
    let factor = rules.rfind(|rate| matches(&rate.pattern, name)).map_or(1.0, |rate| rate.factor);
    (factor * train.rate_decay.map_or(1.0, |decay| decay.powi(depth))) as f32
}

/// What `train.l2_sp` and `train.ewc` draw a tensor to. With `l2_sp`, elements that start anew are drawn to 0 as `l2` says.
fn pull(training: &Training<'_>, name: &str, fisher: Option<&Fisher>) -> Option<Pull> {
    let (plan, train) = (training.plan, &training.scheme.train);
    let taken = plan.taken.get(name).filter(|_| plan.learnt.contains(name))?;
    let start = plan.graph.value(plan.graph.find_value(name)?).constant.as_ref()?;
    let importance = fisher.and_then(|fisher| fisher.get(name)).zip(train.ewc);
    let l2 = if start.shape().len() > 1 { train.l2 } else { 0.0 };
    let anew = train.l2_sp.map_or(0.0, |_| l2);
    let strength = taken.iter().enumerate().map(|(at, &inherited)| {
        let consolidated = importance.map_or(0.0, |(importance, ewc)| ewc.weight * importance[at]);
        let strength = if inherited { train.l2_sp.unwrap_or(0.0) + consolidated } else { anew };
        strength as f32
    });
    let strength = Tensor::new(start.shape(), strength.collect());
    let values = start.get::<f32>()?.iter().zip(taken);
    let anchor = values.map(|(&value, &inherited)| if inherited { value } else { 0.0 }).collect();
    Some(Pull { anchor: Tensor::new(start.shape(), anchor), strength })
}
