//! `[deploy]`: what becomes of a model that passed its gates.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Kind, Literal, RealRange, Section, Setting};

/// What becomes of a model that passed its gates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The alias that the version is promoted to.
    pub alias: String,
    /// Whether it first answers copies of requests whose answers nobody gets.
    pub shadow: bool,
    /// How it takes the traffic step by step; without it, all at once.
    pub canary: Option<Canary>,
}

/// How a new version takes over from the one before it: the plan of a rollout. A version that breaks one of the limits
/// goes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The shares of requests that it answers, in percent, one after the other; 0: it answers copies only.
    pub steps: Vec<u8>,
    /// Requests that it must have answered at a step before the step is judged.
    pub requests_min: u64,
    /// The least time of a step, in seconds.
    pub seconds_min: f64,
    /// How much larger its share of failed requests may be than that of the version before.
    pub errors_max: f64,
    /// The most that its p99 latency may be, as a multiple of that of the version before.
    pub latency_factor_max: f64,
    /// The largest share of requests that it may answer otherwise than the version before.
    pub disagreement_max: f64,
    /// The same among the requests to which the version before answers one class.
    pub class_disagreement_max: f64,
}

/// Where no scheme says otherwise.
pub(crate) const STEPS: [u8; 4] = [5, 25, 50, 100];
const REQUESTS_MIN: i64 = 200;
const SECONDS_MIN: f64 = 10.0;
const ERRORS_MAX: f64 = 0.01;
const LATENCY_FACTOR_MAX: f64 = 2.0;
const DISAGREEMENT_MAX: f64 = 0.1;
const CLASS_DISAGREEMENT_MAX: f64 = 0.3;

impl Default for Canary {
    fn default() -> Self {
        Canary {
            steps: STEPS.to_vec(),
            requests_min: REQUESTS_MIN as u64,
            seconds_min: SECONDS_MIN,
            errors_max: ERRORS_MAX,
            latency_factor_max: LATENCY_FACTOR_MAX,
            disagreement_max: DISAGREEMENT_MAX,
            class_disagreement_max: CLASS_DISAGREEMENT_MAX,
        }
    }
}

impl Canary {
    /// The same plan from `percent` on: that step first, then those above it.
    pub fn starting_at(&self, percent: u8) -> Self {
        let later = self.steps.iter().copied().filter(|&step| step > percent);
        Canary { steps: std::iter::once(percent).chain(later).collect(), ..self.clone() }
    }
}

impl Deploy {
    /// The alias where a scheme does not say.
    pub const ALIAS: &'static str = "production";

    /// How a version takes over from another; `None`: at once. With `shadow`, the first step is 0 percent.
    pub fn plan(&self) -> Option<Canary> {
        match (&self.canary, self.shadow) {
            (None, false) => None,
            (None, true) => Some(Canary { steps: vec![0], ..Canary::default() }),
            (Some(canary), false) => Some(canary.clone()),
            (Some(canary), true) => Some(canary.starting_at(0)),
        }
    }
}

/// `[deploy]`.
pub(super) const DEPLOY: Section = Section {
    title: "`[deploy]`: promotion",
    doc: "With this table, a model that passed its gates is promoted to an alias when it is registered; without it, the alias \
          stays where it is.",
    settings: &[
        Setting::new(
            "alias",
            Kind::Text { max: 64 },
            Absent::Default(Literal::Text(Deploy::ALIAS)),
            "The alias that the new version is promoted to: letters, digits, `.`, `_` and `-`, a letter first.",
        ),
        Setting::new(
            "shadow",
            Kind::Bool,
            Absent::Default(Literal::Bool(false)),
            "Whether a server first gives the new version copies of the requests, whose answers are compared with those that \
             are returned: a step of 0 percent before those of `canary`.",
        ),
        Setting::new(
            "canary",
            Kind::Table(&CANARY),
            Absent::Nothing,
            "How the new version takes the traffic step by step. Without it and without `shadow`, the alias moves at once; so it \
             does where it points at nothing yet.",
        ),
    ],
    family: None,
};

/// `[deploy.canary]`.
const CANARY: Section = Section {
    title: "`[deploy.canary]`: step by step",
    doc: "A server sends a growing share of the requests to the new version and compares it with the one before. A version that \
          keeps every limit at every step is promoted, one that breaks a limit goes back by itself; each step is in the \
          history (`heirloom model rollout`). All shares but `steps` run from 0 to 1.",
    settings: &[
        Setting::new(
            "steps",
            Kind::List { of: &Kind::Integer { min: 1, max: 100 }, min: 1, max: 20 },
            Absent::Derived("`[5, 25, 50, 100]`"),
            "Percent of the requests, rising. Behind the last step the version is promoted.",
        ),
        Setting::new(
            "requests_min",
            Kind::Integer { min: 1, max: 1_000_000_000 },
            Absent::Default(Literal::Integer(REQUESTS_MIN)),
            "Requests that the new version must have answered at a step before that step is judged.",
        ),
        Setting::new(
            "seconds_min",
            Kind::Real(RealRange::closed(0.0, 1e7)),
            Absent::Default(Literal::Real(SECONDS_MIN)),
            "The least time of a step, in seconds.",
        ),
        Setting::new(
            "errors_max",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Default(Literal::Real(ERRORS_MAX)),
            "How much larger the share of failed requests may be than that of the version before.",
        ),
        Setting::new(
            "latency_factor_max",
            Kind::Real(RealRange::closed(1.0, 1000.0)),
            Absent::Default(Literal::Real(LATENCY_FACTOR_MAX)),
            "The most that the p99 latency may be, as a multiple of that of the version before.",
        ),
        Setting::new(
            "disagreement_max",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Default(Literal::Real(DISAGREEMENT_MAX)),
            "The largest share of the compared requests that both versions answer with different classes.",
        ),
        Setting::new(
            "class_disagreement_max",
            Kind::Real(RealRange::closed(0.0, 1.0)),
            Absent::Default(Literal::Real(CLASS_DISAGREEMENT_MAX)),
            "The same among the requests to which the version before answers one class: a model that is broken on one class \
             only goes back too.",
        ),
    ],
    family: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_begin_where_they_should() {
        let deploy = |shadow, canary| Deploy { alias: Deploy::ALIAS.to_owned(), shadow, canary };
        let steps = |deploy: Deploy| deploy.plan().map(|plan| plan.steps);
        assert_eq!(steps(deploy(false, None)), None);
        assert_eq!(steps(deploy(true, None)), Some(vec![0]));
        assert_eq!(steps(deploy(false, Some(Canary::default()))), Some(vec![5, 25, 50, 100]));
        assert_eq!(steps(deploy(true, Some(Canary::default()))), Some(vec![0, 5, 25, 50, 100]));
        assert_eq!(Canary::default().starting_at(30).steps, [30, 50, 100]);
        assert_eq!(Canary::default().starting_at(5).steps, [5, 25, 50, 100]);
    }
}
