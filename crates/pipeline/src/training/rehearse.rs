//! `train.rehearse`: which of the parent's examples an epoch learns from again.

use scheme::ResolvedScheme;
use tensor::Random;

use crate::prepare::Examples;

/// How many examples of an epoch are the parent's: `share` of all of them.
pub(crate) fn per_epoch(scheme: &ResolvedScheme, examples: &Examples) -> usize {
    match scheme.train.rehearse {
        Some(rehearse) if !examples.rehearsed.is_empty() => {
            let own = examples.splits.train.len() as f64;
            ((rehearse.share / (1.0 - rehearse.share) * own).round() as usize).max(1)
        }
        _ => 0,
    }
}

/// The rows of an epoch, from 0, in their order. The parent's examples take turns: each is seen once before any is seen
/// again, in an order that is drawn anew for each round.
pub(super) fn epoch_rows(scheme: &ResolvedScheme, examples: &Examples, epoch: usize) -> Vec<u32> {
    let (count, known) = (per_epoch(scheme, examples), examples.rehearsed.len());
    let random = Random::new(scheme.seed, "heirloom.rehearse");
    let mut rows = examples.splits.train.clone();
    let (mut at, end) = (epoch * count, (epoch + 1) * count);
    while at < end {
        let (round, from) = (at / known, at % known);
        let to = known.min(from + (end - at));
        let order = random.permutation(round as u64, known);
        rows.extend(order[from..to].iter().map(|&place| examples.rehearsed[place as usize]));
        at += to - from;
    }
    data::epoch_order(scheme.seed, epoch as u64, &rows)
}
