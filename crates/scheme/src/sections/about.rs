//! `[about]`: what a scheme is for, and what may be done with what it delivers.

use serde::Deserialize;

use crate::settings::{Absent, Kind, Literal, Section, Setting};

/// What a scheme says of itself. It does not touch the model, but goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What the scheme delivers; may be empty.
    pub description: String,
    /// The licence of what it delivers, an SPDX expression.
    pub licence: Option<String>,
    /// What its models are meant for.
    pub intended_use: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `[about]`.
pub(crate) const ABOUT: Section = Section {
    title: "`[about]`: what it is for",
    doc: "For people. It does not touch the model, but is registered with it.",
    settings: &[
        Setting::new(
            "description",
            Kind::Text { max: 10_000 },
            Absent::Default(Literal::Text("")),
            "What the scheme delivers.",
        ),
        Setting::new(
            "licence",
            Kind::Licence,
            Absent::Nothing,
            "The licence of the models it delivers, such as `CC-BY-4.0` or `MIT OR Apache-2.0`; one of your own is \
             `LicenseRef-` and a name.",
        ),
        Setting::new(
            "intended_use",
            Kind::Text { max: 10_000 },
            Absent::Nothing,
            "What its models are meant for, and what not.",
        ),
        Setting::new(
            "tags",
            Kind::List { of: &Kind::Text { max: 200 }, min: 0, max: 100 },
            Absent::Nothing,
            "Words to find it by.",
        ),
    ],
    family: None,
};
