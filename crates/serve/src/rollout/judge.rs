//! Whether a version on trial goes on, goes back, or waits for more requests.

use std::time::Duration;

use scheme::Canary;

use super::tally::Tally;

/// What becomes of a version on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Not enough is known.
    Wait,
    /// This share of the requests is next, in percent.
    Step { percent: u8, reason: String },
    /// It takes over.
    Promote { reason: String },
    /// It goes back.
    GoBack { reason: String },
}

/// Examples of a class that say something about it.
const CLASS_MIN: u64 = 10;
/// Requests that say something about times.
const TIMES_MIN: u64 = 100;
/// A p99 that is larger by less than this is no slower.
const SLACK: Duration = Duration::from_millis(5);
/// The quantile of the normal distribution beyond which a share is surely above its limit: 0.9999 one-sided. A step is judged
/// again and again while it lasts, so this has to be rare.
const SURELY: f64 = 3.72;

/// Judges a step of `percent` by its plan. Before the step is over only what is sure counts: a share whose lower bound is above its
/// limit. At its end the shares themselves count.
pub(crate) fn judge(plan: &Canary, percent: u8, tally: &Tally, lasted: Duration) -> Judgement {
    let enough = tally.new.requests >= plan.requests_min;
    let over = enough && lasted.as_secs_f64() >= plan.seconds_min;
    if let Some(reason) = broken(plan, tally, enough) {
        return Judgement::GoBack { reason };
    }
    if !over {
        return Judgement::Wait;
    }
    let kept = format!("every limit kept at {percent} %: {}", summary(tally));
    match plan.steps.iter().copied().find(|&step| step > percent) {
        Some(next) => Judgement::Step { percent: next, reason: kept },
        None => Judgement::Promote { reason: kept },
    }
}

/// The limit that is broken, in words.
fn broken(plan: &Canary, tally: &Tally, enough: bool) -> Option<String> {
    let above = |count: u64, of: u64, limit: f64| {
        let share = count as f64 / of.max(1) as f64;
        if enough { share > limit } else { lower_bound(count, of) > limit }
    };
    let (old, new) = (&tally.old, &tally.new);
    let usual = old.failed as f64 / old.requests.max(1) as f64;
    if new.requests >= CLASS_MIN && above(new.failed, new.requests, usual + plan.errors_max) {
        let (failed, requests) = (new.failed, new.requests);
        let of_old = 100.0 * usual;
        return Some(format!(
            "{failed} of {requests} requests failed; of the version before {of_old:.2} % did, and {:.2} points more are allowed",
            100.0 * plan.errors_max
        ));
    }
    let (compared, differ) = totals(tally);
    if compared >= CLASS_MIN && above(differ, compared, plan.disagreement_max) {
        return Some(format!(
            "{differ} of {compared} examples are answered otherwise than by the version before; at most {:.1} % are allowed",
            100.0 * plan.disagreement_max
        ));
    }
    for (class, &(compared, differ)) in &tally.classes {
        if compared >= CLASS_MIN && above(differ, compared, plan.class_disagreement_max) {
            return Some(format!(
                "{differ} of {compared} examples that the version before answers with `{class}` are answered otherwise; at most {:.1} % are allowed",
                100.0 * plan.class_disagreement_max
            ));
        }
    }
    let known = enough && new.requests >= TIMES_MIN && old.requests >= TIMES_MIN;
    let (before, after) = (old.p99().filter(|_| known)?, new.p99()?);
    let slower = after > before.mul_f64(plan.latency_factor_max) && after > before + SLACK;
    slower.then(|| {
        format!(
            "the p99 latency is {:.1} ms, of the version before {:.1} ms; at most {} times as much is allowed",
            after.as_secs_f64() * 1e3,
            before.as_secs_f64() * 1e3,
            plan.latency_factor_max
        )
    })
}

fn totals(tally: &Tally) -> (u64, u64) {
    tally.classes.values().fold((0, 0), |(compared, differ), one| (compared + one.0, differ + one.1))
}

fn summary(tally: &Tally) -> String {
    let (compared, differ) = totals(tally);
    let (requests, failed) = (tally.new.requests, tally.new.failed);
    format!(
        "{requests} requests, {failed} failed, {differ} of {compared} compared examples answered otherwise"
    )
}

/// The lower end of Wilson's interval of a share.
fn lower_bound(count: u64, of: u64) -> f64 {
    let (n, z) = (of.max(1) as f64, SURELY);
    let share = count as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half) / (1.0 + z * z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    fn tally(requests: u64, wrong_of_class: u64) -> Tally {
        let mut tally = Tally::default();
        for number in 0..requests {
            tally.count_old(false, TICK);
            tally.count_new(false, TICK);
            let class = number % 10;
            tally.compared(&class.to_string(), class != wrong_of_class);
        }
        tally
    }

    #[test]
    fn a_good_version_goes_step_by_step() {
        let plan = Canary::default();
        let good = tally(200, 99);
        assert_eq!(judge(&plan, 5, &tally(199, 99), LONG), Judgement::Wait);
        assert_eq!(judge(&plan, 5, &good, Duration::from_secs(9)), Judgement::Wait);
        assert!(matches!(judge(&plan, 5, &good, LONG), Judgement::Step { percent: 25, .. }));
        assert!(matches!(judge(&plan, 100, &good, LONG), Judgement::Promote { .. }));
    }

    #[test]
    fn a_version_that_is_broken_on_one_class_goes_back_early() {
        let plan = Canary { disagreement_max: 0.2, ..Canary::default() };
        let first = (1..=200).find(|&requests| judge(&plan, 5, &tally(requests, 3), TICK) != Judgement::Wait);
        let first = first.expect("before the step is over");
        assert!(first < 200, "{first}");
        let Judgement::GoBack { reason } = judge(&plan, 5, &tally(first, 3), TICK) else { panic!("back") };
        assert!(reason.contains("`3`"), "{reason}");
    }

    #[test]
    fn failures_and_times_count() {
        let plan = Canary::default();
        let mut failing = tally(150, 99);
        (0..50).for_each(|_| failing.count_new(true, TICK));
        let Judgement::GoBack { reason } = judge(&plan, 5, &failing, LONG) else { panic!("back") };
        assert!(reason.starts_with("50 of 200 requests failed"), "{reason}");
        let mut slow = tally(190, 99);
        (0..10).for_each(|_| slow.count_new(false, Duration::from_millis(20)));
        let Judgement::GoBack { reason } = judge(&plan, 5, &slow, LONG) else { panic!("back") };
        assert!(reason.contains("p99"), "{reason}");
    }
}
