//! The plan of a training step, within the memory that the scheme allows.

use base::Diagnostic;
use engine::{Again, Convolutions, EngineError, Options, Planning, Trainer, TrainingGraph};
use scheme::{Optimizer, ResolvedScheme};

use crate::error::RunError;

/// Plans a training step of `scheme`, within `train.memory_limit`.
///
/// Errors   no plan takes so little memory: a diagnostic with the least that one does.
pub(super) fn planned(
    scheme: &ResolvedScheme,
    graph: TrainingGraph,
    options: Options,
    convolutions: Convolutions,
) -> Result<Trainer, RunError> {
    let memory_limit =
        scheme.train.memory_limit.map(|limit| usize::try_from(limit.bytes).unwrap_or(usize::MAX));
    Trainer::planned(graph, options, Planning { convolutions, memory_limit }).map_err(|error| match error {
        EngineError::Memory { limit, least } => too_little(scheme, options.batch, limit, least).into(),
        error => error.into(),
    })
}

/// What the plan takes and what it computes again for that, for people; `None` without a limit.
pub(super) fn account(scheme: &ResolvedScheme, trainer: &Trainer) -> Option<String> {
    let limit = String::from(scheme.train.memory_limit?);
    let takes = format!("a training step takes {} of at most {limit}", amount(trainer.bytes()));
    Some(match trainer.again() {
        Again { steps: 0, .. } => format!("{takes}; nothing is computed again"),
        Again { steps: 1, .. } => format!("{takes}; 1 step of its plan is computed again for that"),
        Again { steps, .. } => format!("{takes}; {steps} steps of its plan are computed again for that"),
    })
}

fn too_little(scheme: &ResolvedScheme, batch: usize, limit: usize, least: usize) -> Diagnostic {
    let least = amount(least);
    let message = format!(
        "a training step takes at least {least} in batches of {batch}, more than the {} that it may",
        amount(limit)
    );
    let smaller = match scheme.train.optimizer {
        Optimizer::GradientDescent(_) => {
            "gradient_descent takes all examples at once; `sgd` takes them in batches"
        }
        _ => {
            "with a smaller `train.batch_size` it takes less, except for the weights and what the optimizer keeps of each"
        }
    };
    let diagnostic = Diagnostic::new("memory-limit", message);
    let diagnostic = match scheme.span_of("train.memory_limit") {
        Some(span) => diagnostic.at(span, "the limit"),
        None => diagnostic,
    };
    diagnostic.help(format!("write `memory_limit = \"{least}\"` or more")).help(smaller)
}

/// An amount of memory as a scheme writes it, rounded up to four digits or so.
fn amount(bytes: usize) -> String {
    let rounded = |unit: usize| bytes.div_ceil(unit / 10) as f64 / 10.0;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", rounded(1_000)),
        _ => format!("{:.1} MB", rounded(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_are_rounded_up() {
        let found = [999, 1_000, 12_301, 129_482_240, 3_000_000_000].map(amount);
        assert_eq!(found, ["999 B", "1.0 kB", "12.4 kB", "129.5 MB", "3000.0 MB"]);
    }
}
