//! `train.epochs = 0`: the weights as they start.

use tensor::Tensor;

use super::{History, Trained, Training};
use crate::error::RunError;
use crate::events::Event;
use crate::journal::Journal;

/// What the network starts with, compared with the transfer plan. Tells.
pub(super) fn untrained(training: &Training<'_>, journal: &mut Journal<'_, '_>) -> Result<Trained, RunError> {
    let plan = training.plan;
    let start = |name: &String| {
        let id = plan.graph.find_value(name)?;
        Some((name.clone(), plan.graph.value(id).constant.clone()?))
    };
    let tensors: Vec<(String, Tensor)> = plan.kept.iter().filter_map(start).collect();
    plan.check_inherited(&tensors, None)?;
    let text = match training.scheme.train.head {
        Some(_) => "no epoch is asked for: nothing but the head is learnt",
        None => "no epoch is asked for: the weights stay as they start",
    };
    journal.tell(&Event::Notice { text: text.to_owned() })?;
    Ok(Trained { history: History::default(), tensors })
}
