//! Rollouts as the store has them, and verdicts as the store gets them.

use std::sync::Arc;

use scheme::Canary;
use store::{By, Rollout, RolloutEnd};

use super::Trial;
use super::judge::Judgement;
use crate::error::ServeError;
use crate::model::Served;
use crate::observe::Happening;
use crate::repository::{Follow, Repository, Slot};
use crate::watching::unix_ms;

/// Who steps and ends rollouts, in the history.
const ACTOR: &str = "heirloom serve";

fn by() -> By {
    By { actor: ACTOR.to_owned(), unix_ms: i64::try_from(unix_ms()).unwrap_or(i64::MAX) }
}

impl Repository {
    /// Brings the trial of `slot` to what the store says by now. A version that cannot be tried goes back.
    pub(crate) fn follow_rollout(&self, slot: &Slot) {
        let Follow::Alias(alias) = &slot.follow else { return };
        let found = self.store().rollout(&slot.name, alias);
        let running = match found {
            Ok(found) => found.filter(Rollout::is_running),
            Err(error) => return self.observer.tell(Happening::StoreTrouble { reason: error.to_string() }),
        };
        match (running, slot.trial.load_full()) {
            (None, None) => {}
            (None, Some(_)) => {
                slot.trial.store(None);
                show_shares(slot, None);
            }
            (Some(rollout), Some(seen)) if seen.rollout.changed == rollout.changed => {}
            (Some(rollout), seen) => self.begin_step(slot, rollout, seen.map(|trial| trial.served.clone())),
        }
    }

    fn begin_step(&self, slot: &Slot, rollout: Rollout, loaded: Option<Arc<Served>>) {
        let id = rollout.id();
        let percent = rollout.percent;
        match self.trial(rollout.clone(), loaded) {
            Ok(trial) => {
                slot.trial.store(Some(Arc::new(trial)));
                show_shares(slot, Some(percent));
                self.observer.tell(Happening::Trial { version: id, percent });
            }
            Err(error) => {
                let serving = slot.current.load().as_ref().map(|served| served.id());
                self.observer.tell(Happening::Refused { version: id, reason: error.to_string(), serving });
                let ended =
                    self.store().finish_rollout(&rollout, RolloutEnd::RollBack, &error.to_string(), &by());
                if let Err(error) = ended {
                    self.observer.tell(Happening::StoreTrouble { reason: error.to_string() });
                }
            }
        }
    }

    fn trial(&self, rollout: Rollout, loaded: Option<Arc<Served>>) -> Result<Trial, ServeError> {
        let plan: Canary = serde_json::from_str(&rollout.plan).map_err(|error| {
            ServeError::unservable(rollout.id(), format!("its plan cannot be read: {error}"))
        })?;
        let served = match loaded.filter(|served| served.number == rollout.to) {
            Some(served) => served,
            None => {
                let version = self.store().resolve(&rollout.id())?;
                Arc::new(self.ready(&version)?)
            }
        };
        Ok(Trial::new(served, rollout, plan, self.due.clone()))
    }

    /// Judges every trial, and lets the store know. Takes effect here at once.
    pub(crate) fn judge_rollouts(&self) {
        let mut changed = false;
        for slot in self.slots().values() {
            let Some(trial) = slot.trial.load_full() else { continue };
            let (seen, judgement) = (&trial.rollout, trial.judgement());
            let done = match &judgement {
                Judgement::Wait => continue,
                Judgement::Step { percent, reason } => {
                    self.store().step_rollout(seen, *percent, reason, &by())
                }
                Judgement::Promote { reason } => {
                    self.store().finish_rollout(seen, RolloutEnd::Promote, reason, &by())
                }
                Judgement::GoBack { reason } => {
                    self.store().finish_rollout(seen, RolloutEnd::RollBack, reason, &by())
                }
            };
            changed = true;
            match (done, judgement) {
                (Err(error), _) => self.observer.tell(Happening::StoreTrouble { reason: error.to_string() }),
                (Ok(Some(_)), Judgement::GoBack { reason }) => {
                    self.observer.tell(Happening::WentBack { version: seen.id(), reason });
                }
                // A step and a promotion are told when they take effect; where somebody else was first, nothing happened.
                _ => {}
            }
        }
        if changed {
            self.follow();
        }
    }
}

/// The shares of the requests, for whoever looks at the counters.
fn show_shares(slot: &Slot, percent: Option<u8>) {
    let share = f64::from(percent.unwrap_or(0)) / 100.0;
    if let Some(trial) = slot.trial.load().as_ref() {
        trial.served.metrics.share.set(share);
    }
    if let Some(current) = slot.current.load().as_ref() {
        current.metrics.share.set(1.0 - share);
    }
}
