//! A version that takes over step by step.
//!
//! The store says which version is on trial and which share of the requests it answers; here the requests are divided, both
//! versions answer those that the new one is given, and what came of it is counted. At intervals the counts are judged by the
//! rollout's own plan, and the verdict goes into the store, where the history keeps it and every other server sees it.

mod follow;
mod judge;
mod tally;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use scheme::Canary;
use store::Rollout;
use tokio::sync::Notify;

pub(crate) use judge::{Judgement, judge};
pub(crate) use tally::Tally;

use crate::error::{Kind, Refusal};
use crate::model::Served;
use crate::protocol::{Answer, Question};

/// A share of the requests in ten-thousandths.
const PARTS: u64 = 10_000;
/// A trial is judged at least so often, in requests that it answered and in examples that were compared.
const JUDGED_EVERY: u64 = 10;
/// Copies are left out while so many questions wait for the version on trial.
const WAITING_MAX: usize = 64;

/// A version on trial.
pub(crate) struct Trial {
    pub(crate) served: Arc<Served>,
    /// As it was seen when this step began.
    pub(crate) rollout: Rollout,
    pub(crate) plan: Canary,
    began: Instant,
    /// For requests without a key: each in turn.
    turn: AtomicU64,
    tally: Mutex<Tally>,
    /// The limit that it broke: no request falls to it any more, however long the store takes to hear of it.
    broken: OnceLock<String>,
    /// Told when enough has come to judge.
    due: Arc<Notify>,
}

/// The version that answers a request, and what else is to be done with it.
pub(crate) struct Picked {
    pub(crate) served: Arc<Served>,
    /// The trial that the request counts for.
    pub(crate) part: Option<Part>,
}

/// A request's part in a trial.
pub(crate) struct Part {
    trial: Arc<Trial>,
    role: Role,
}

enum Role {
    /// The old version answers, and is counted.
    Old,
    /// The old version answers; the new one gets a copy.
    Copied,
    /// The new version answers; the old one gets a copy.
    New { old: Arc<Served> },
}

impl Trial {
    pub(crate) fn new(served: Arc<Served>, rollout: Rollout, plan: Canary, due: Arc<Notify>) -> Self {
        let tally = Mutex::default();
        Trial {
            served,
            rollout,
            plan,
            began: Instant::now(),
            turn: AtomicU64::new(0),
            tally,
            broken: OnceLock::new(),
            due,
        }
    }

    /// Divides the requests: those with the same key go the same way as long as the step lasts, and a larger share holds the
    /// keys of a smaller one.
    pub(crate) fn pick(self: &Arc<Self>, old: Arc<Served>, key: Option<&[u8]>) -> Picked {
        if self.broken.get().is_some() {
            return Picked { served: old, part: None };
        }
        let place = match key {
            Some(key) => {
                let mut hasher = DefaultHasher::new();
                (&self.rollout.name, self.rollout.started, key).hash(&mut hasher);
                hasher.finish() % PARTS
            }
            // Odd multiplier: every remainder comes once in ten thousand turns, spread evenly.
            None => self.turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(6_181) % PARTS,
        };
        let given = place < u64::from(self.rollout.percent) * PARTS / 100;
        let part = |role| Some(Part { trial: self.clone(), role });
        match (given, self.rollout.percent) {
            (true, _) => Picked { served: self.served.clone(), part: part(Role::New { old }) },
            (false, 0) => Picked { served: old, part: part(Role::Copied) },
            (false, _) => Picked { served: old, part: part(Role::Old) },
        }
    }

    /// What the counts come to by now; a limit that was broken once stays broken.
    pub(crate) fn judgement(&self) -> Judgement {
        if let Some(reason) = self.broken.get() {
            return Judgement::GoBack { reason: reason.clone() };
        }
        judge(&self.plan, self.rollout.percent, &self.tally(), self.began.elapsed())
    }

    /// Counts a request of the version on trial.
    fn count_new(&self, failed: bool, took: Duration) {
        let mut tally = self.tally();
        tally.count_new(failed, took);
        let requests = tally.new.requests;
        drop(tally);
        if requests == self.plan.requests_min || requests.is_multiple_of(JUDGED_EVERY) {
            self.look();
        }
    }

    /// Judges what is known by now: a version that broke a limit gets no further request. The store hears of it in its turn.
    fn look(&self) {
        if let Judgement::GoBack { reason } = self.judgement() {
            self.broken.get_or_init(|| reason);
        }
        self.due.notify_one();
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a refusal is the version's own failure.
fn failed(answer: &Result<Answer, Refusal>) -> bool {
    matches!(answer, Err(Refusal { kind: Kind::Internal, .. }))
}

impl Picked {
    /// The answer to a question. What the trial wants beside it is done without holding the answer up.
    pub(crate) async fn answer(&self, question: &Question, arrived: Instant) -> Result<Answer, Refusal> {
        let started = Instant::now();
        let answer = self.served.answer(question, arrived).await;
        let took = started.elapsed();
        if let Some(part) = &self.part {
            part.count(&self.served, question, &answer, took);
        }
        answer
    }
}

impl Part {
    fn count(
        &self,
        served: &Arc<Served>,
        question: &Question,
        answer: &Result<Answer, Refusal>,
        took: Duration,
    ) {
        let trial = &self.trial;
        match &self.role {
            Role::Old => trial.tally().count_old(failed(answer), took),
            Role::Copied => {
                trial.tally().count_old(failed(answer), took);
                self.copy(served.clone(), trial.served.clone(), question, answer, true);
            }
            Role::New { old } => {
                trial.count_new(failed(answer), took);
                self.copy(served.clone(), old.clone(), question, answer, false);
            }
        }
    }

    /// Lets `other` answer the same question, and compares. `to_new`: the copy goes to the version on trial.
    fn copy(
        &self,
        first: Arc<Served>,
        other: Arc<Served>,
        question: &Question,
        answer: &Result<Answer, Refusal>,
        to_new: bool,
    ) {
        let Ok(answer) = answer else { return };
        let same_input = first.signature.input == other.signature.input;
        if !same_input || (to_new && other.waiting() > WAITING_MAX) {
            return;
        }
        let (trial, question, answer) = (self.trial.clone(), question.clone(), answer.clone());
        tokio::spawn(async move {
            let started = Instant::now();
            let copied = other.answer(&Question { timeout: None, ..question }, started).await;
            if to_new {
                trial.count_new(failed(&copied), started.elapsed());
            }
            if let Ok(copied) = copied {
                let (old, new) = if to_new {
                    ((&first, &answer), (&other, &copied))
                } else {
                    ((&other, &copied), (&first, &answer))
                };
                let classes = |(served, answer): (&Arc<Served>, &Answer)| -> Vec<String> {
                    let labels = &served.signature.labels;
                    if labels.is_empty() {
                        return Vec::new();
                    }
                    answer.classes(&served.signature).map(|class| labels[class].clone()).collect()
                };
                let mut tally = trial.tally();
                let before = tally.compared_in_all();
                for (old, new) in classes(old).iter().zip(&classes(new)) {
                    tally.compared(old, old == new);
                }
                let after = tally.compared_in_all();
                drop(tally);
                if before / JUDGED_EVERY != after / JUDGED_EVERY {
                    trial.look();
                }
            }
        });
    }
}
