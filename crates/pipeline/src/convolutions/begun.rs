//! The rates that some work was begun with: noted by who begins it, followed by who goes on with it.

use base::Digest;
use engine::{Convolutions, Costs};

use super::{KeptRates, Rates};
use crate::architecture::Plan;
use crate::error::RunError;
use crate::session::Session;

/// The rates that the work under `work` was begun with, here or on another machine that shares the store; those of this run if
/// nobody began it, or if the run states some.
pub(crate) fn rates(session: &Session<'_, '_>, work: Digest) -> Result<Costs, RunError> {
    let own = session.options.rates;
    match own {
        Rates::Stated(costs) => Ok(costs),
        Rates::Machine(costs) => {
            Ok(session.peek::<KeptRates>(work)?.and_then(KeptRates::costs).unwrap_or(costs))
        }
    }
}

/// Notes the rates that the work is begun with, unless some were before.
pub(crate) fn note(
    session: &mut Session<'_, '_>,
    work: Digest,
    convolutions: Convolutions,
) -> Result<(), RunError> {
    let Convolutions::Cheapest(costs) = convolutions else { return Ok(()) };
    match session.peek::<KeptRates>(work)? {
        Some(_) => Ok(()),
        None => session.keep(work, &KeptRates::from(costs)),
    }
}

/// Tells where a network with convolutions is trained at other rates than this run brings.
pub(crate) fn tell(
    session: &mut Session<'_, '_>,
    plan: &Plan,
    convolutions: Convolutions,
) -> Result<(), RunError> {
    let own = Convolutions::Cheapest(session.options.rates.costs());
    let differs = matches!(convolutions, Convolutions::Cheapest(_)) && convolutions != own;
    if !differs || !plan.graph.nodes().any(|(_, node)| node.op_name() == "Conv") {
        return Ok(());
    }
    let text = "convolutions are computed as where this work was first begun: this machine's rates differ";
    session.notices(&[text.to_owned()])
}
