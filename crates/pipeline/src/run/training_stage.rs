//! The stage `train` of a run: what learns, and how it is computed.

use super::Work;
use crate::convolutions::begun;
use crate::error::RunError;
use crate::events::Stage;
use crate::prepare::Examples;
use crate::rehearsal::Rehearsal;
use crate::session::Session;
use crate::training::{Trained, Training, batch_size, head, per_epoch, train};

/// Trains, unless that was done before.
pub(super) fn train_stage(session: &mut Session<'_, '_>, work: &mut Work) -> Result<Trained, RunError> {
    let key = work.keys.train;
    if let Some(trained) = session.cached_tensors(Stage::Train, key)? {
        return Ok(trained);
    }
    let scheme = session.scheme;
    work.examples(scheme)?;
    work.plan(scheme)?;
    let (Some(plan), Some(examples)) = (&mut work.plan, &work.examples) else {
        unreachable!("both were made just now")
    };
    let joined = match &work.rehearsal {
        Some(rehearsal) => Some(join(session, rehearsal, examples)?),
        None => None,
    };
    let examples = joined.as_ref().unwrap_or(examples);
    let batch_size = batch_size(scheme, examples.splits.train.len() + per_epoch(scheme, examples));
    let (convolutions, watch) = (work.convolutions, None);
    begun::tell(session, plan, convolutions)?;
    let trained = session.stage(Stage::Train, key, |session| {
        let (options, store, teacher) = (session.options, session.open.store(), work.teacher.as_ref());
        let training = Training {
            scheme,
            options,
            store,
            key,
            plan,
            examples,
            teacher,
            batch_size,
            convolutions,
            watch,
        };
        let found = head::find(&training, &mut session.journal)?;
        plan.set_tensors(found.as_ref().map_or(&[], |found| &found.tensors))?;
        let training = Training {
            scheme,
            options,
            store,
            key,
            plan,
            examples,
            teacher,
            batch_size,
            convolutions,
            watch,
        };
        let mut trained = train(&training, &mut session.journal)?;
        trained.history.head = found.map(|found| found.report);
        Ok(trained)
    })?;
    session.keep_tensors(key, &trained)?;
    session.open.store().clear_checkpoints(key)?;
    Ok(trained)
}

/// The examples with those that the parent leaves. Tells.
fn join(
    session: &mut Session<'_, '_>,
    rehearsal: &Rehearsal,
    examples: &Examples,
) -> Result<Examples, RunError> {
    let (joined, left_out) = rehearsal.joined(examples);
    let mut text = rehearsal.notice.clone();
    if left_out > 0 {
        text += &format!("; {left_out} of them are left out, for they are among those that judge here");
    }
    session.notices(&[text])?;
    Ok(joined)
}
