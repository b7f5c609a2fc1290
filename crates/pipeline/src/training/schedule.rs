//! Which layers learn in which epoch: `train.unfreeze`.

use std::collections::BTreeSet;

use scheme::Unfreeze;

use crate::architecture::{Plan, layers};

/// The order in which layers begin to learn.
pub(super) struct Schedule {
    /// Tensors with the epoch, from 0, in which they begin to learn. Of others, all that change do from the beginning.
    begin: Vec<(String, usize)>,
    /// The epochs in which some begin, the first among them.
    borders: BTreeSet<usize>,
}

impl Schedule {
    /// The schedule of a plan; without `wanted` everything learns from the beginning.
    pub(super) fn new(plan: &Plan, wanted: Option<&Unfreeze>) -> Self {
        let mut schedule = Schedule { begin: Vec::new(), borders: BTreeSet::from([0]) };
        let Some(wanted) = wanted else { return schedule };
        let layers: Vec<Vec<String>> = layers(plan)
            .into_iter()
            .map(|layer| layer.into_iter().filter(|name| plan.changes(name)).collect::<Vec<_>>())
            .filter(|layer| !layer.is_empty())
            .collect();
        let anew = |layer: &Vec<String>| layer.iter().any(|name| !plan.wholly_inherited(name));
        let last = layers.len().saturating_sub(1);
        let none_anew = !layers.iter().any(anew);
        let head = |at: usize, layer: &Vec<String>| anew(layer) || (none_anew && at == last);
        let others = layers.iter().enumerate().filter(|(at, layer)| !head(*at, layer)).rev();
        for (order, (_, layer)) in others.enumerate() {
            let later = wanted.every.map_or(0, |every| order.saturating_mul(every));
            let epoch = wanted.probe_epochs.saturating_add(later);
            schedule.borders.insert(epoch);
            schedule.begin.extend(layer.iter().map(|name| (name.clone(), epoch)));
        }
        schedule
    }

    /// The epoch in which a tensor begins to learn.
    pub(super) fn begins(&self, name: &str) -> usize {
        self.begin.iter().find(|(known, _)| known == name).map_or(0, |&(_, epoch)| epoch)
    }

    /// The first epoch of the phase that `epoch` is in: what learns does not change within it.
    pub(super) fn phase(&self, epoch: usize) -> usize {
        self.borders.range(..=epoch).next_back().copied().unwrap_or(0)
    }

    /// The first epochs of all phases.
    pub(super) fn phases(&self) -> impl Iterator<Item = usize> {
        self.borders.iter().copied()
    }

    /// The phase of the newest step that was done before an epoch of which `steps` are done.
    pub(super) fn phase_before(&self, epoch: usize, steps: usize) -> usize {
        self.phase(if steps == 0 { epoch.saturating_sub(1) } else { epoch })
    }

    /// The layers that begin in the phase, for people; none if all learns from the beginning.
    pub(super) fn beginning(&self, phase: usize) -> Vec<String> {
        let names = self.begin.iter().filter(|&&(_, epoch)| epoch == phase).map(|(name, _)| name);
        let mut layers: Vec<String> =
            names.map(|name| crate::architecture::layer_of(name).to_owned()).collect();
        layers.dedup();
        layers
    }
}
