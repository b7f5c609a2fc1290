//! The order in which training visits its rows.

use tensor::Random;

/// The rows of `train` in the order of epoch `epoch` under `seed`.
///
/// A pure function of its arguments: a run resumed in the middle of an epoch asks for the same
/// order again and goes on at its step.
pub fn epoch_order(seed: u64, epoch: u64, train: &[u32]) -> Vec<u32> {
    let order = Random::new(seed, "heirloom.epoch").permutation(epoch, train.len());
    order.into_iter().map(|place| train[place as usize]).collect()
}

/// The rows of step `step`, from 0, in batches of `batch_size`; the last batch may be smaller, and
/// behind it there is `None`. Panics if `batch_size` is 0.
pub fn batch(order: &[u32], batch_size: usize, step: usize) -> Option<&[u32]> {
    assert!(batch_size > 0, "a batch holds at least one row");
    let start = step.checked_mul(batch_size).filter(|&start| start < order.len())?;
    Some(&order[start..order.len().min(start.saturating_add(batch_size))])
}
