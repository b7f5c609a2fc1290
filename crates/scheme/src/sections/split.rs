//! `[data.split]`: training, validation and test part.

use serde::Deserialize;

use crate::settings::{Absent, Choice, Kind, Literal, RealRange, Section, Setting};

/// How the examples are divided into training, validation and test part.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "SplitKeys")]
pub enum Split {
    /// By a hash of each example and `salt`: adding rows never moves old ones.
    Content {
        /// Sizes.
        fractions: Fractions,
        /// Another salt, another division.
        salt: String,
    },
    /// The first rows for training, the next for validation, the last for test.
    Order {
        /// Sizes.
        fractions: Fractions,
    },
    /// By the text in the column `order`: a part starts at the first row that is not less than its text.
    From {
        /// First row of the validation part; without it there is none.
        validation_from: Option<String>,
        /// First row of the test part.
        test_from: String,
    },
}

/// Shares of the examples; they add up to 1 within 1e-9.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    /// Above 0.
    pub train: f64,
    /// May be 0.
    pub validation: f64,
    /// 0 where the source brings its own test part.
    pub test: f64,
}

impl Split {
    /// Whether there is a validation part.
    pub fn has_validation(&self) -> bool {
        match self {
            Split::Content { fractions, .. } | Split::Order { fractions } => fractions.validation > 0.0,
            Split::From { validation_from, .. } => validation_from.is_some(),
        }
    }
}

/// The keys of `[data.split]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitKeys {
    by: SplitBy,
    #[serde(default)]
    salt: String,
    #[serde(default)]
    train: f64,
    #[serde(default)]
    validation: f64,
    #[serde(default)]
    test: f64,
    validation_from: Option<String>,
    test_from: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SplitBy {
    Content,
    Order,
}

impl TryFrom<SplitKeys> for Split {
    type Error = &'static str;

    fn try_from(keys: SplitKeys) -> Result<Self, Self::Error> {
        let fractions = Fractions { train: keys.train, validation: keys.validation, test: keys.test };
        match (keys.by, keys.test_from) {
            (SplitBy::Order, Some(test_from)) => {
                Ok(Split::From { validation_from: keys.validation_from, test_from })
            }
            (SplitBy::Order, None) => Ok(Split::Order { fractions }),
            (SplitBy::Content, None) => Ok(Split::Content { fractions, salt: keys.salt }),
            (SplitBy::Content, Some(_)) => Err("`test_from` needs `by = \"order\"`"),
        }
    }
}

/// Keys of `[data.split]` that give sizes.
pub(crate) const FRACTION_KEYS: [&str; 3] = ["train", "validation", "test"];
/// Keys of `[data.split]` that give borders.
pub(crate) const FROM_KEYS: [&str; 2] = ["validation_from", "test_from"];

/// `[data.split]`.
pub(super) const SPLIT: Section = Section {
    title: "`[data.split]`: training, validation and test part",
    doc: "Either by fractions, which add up to 1 within 1e-9 (by default 0.8, 0.1 and 0.1, or 0.9 and 0.1 where the \
          source brings its own test part; with `data.examples_per_class` what would be validation is for training; one that is left out takes what the others leave, `train` before `test` before `validation`), or, for a \
          series, by the row at which a part starts.",
    settings: &[
        Setting::new(
            "by",
            Kind::Choice(&[
                Choice::new("content", "by a hash of each example: adding rows never moves old ones"),
                Choice::new(
                    "order",
                    "the first rows for training, the next for validation, the last for test",
                ),
            ]),
            Absent::Default(Literal::Text("content")),
            "What decides about an example.",
        ),
        Setting::new(
            "train",
            Kind::Real(RealRange::above(0.0, 1.0)),
            Absent::Derived("what the others leave"),
            "Share of the examples to learn from.",
        ),
        Setting::new(
            "validation",
            Kind::Real(RealRange::below(0.0, 1.0)),
            Absent::Derived("what the others leave"),
            "Share of the examples that choose the epoch.",
        ),
        Setting::new(
            "test",
            Kind::Real(RealRange::below(0.0, 1.0)),
            Absent::Derived("what the others leave; absent where the source brings its own test part"),
            "Share of the examples that are measured at the end and not before.",
        ),
        Setting::new(
            "salt",
            Kind::Text { max: 200 },
            Absent::Nothing,
            "With `by = \"content\"`: another salt, another division.",
        ),
        Setting::new(
            "validation_from",
            Kind::Date,
            Absent::Nothing,
            "With `by = \"order\"`: the validation part starts at the first row whose `order` column, compared as text, \
             is not less.",
        ),
        Setting::new("test_from", Kind::Date, Absent::Nothing, "The same for the test part."),
    ],
    family: None,
};
