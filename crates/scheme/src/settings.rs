//! What a setting is: key, kind, range, default and documentation, declared once.
//!
//! The tables of [`crate::sections`] and [`crate::algorithms`] are made of these words. Checking,
//! defaults, `scheme show` and the reference manual all read the same tables.

/// One key of a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// The key as written.
    pub(crate) key: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// What happens when it is left out.
    pub(crate) absent: Absent,
    /// What it does: one or two sentences, Markdown.
    pub(crate) doc: &'static str,
}

impl Setting {
    /// A setting; the argument order is that of the reference manual's columns.
    pub(crate) const fn new(key: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> Self {
        Setting { key, kind, absent, doc }
    }
}

/// What happens when a setting is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Absent {
    /// It must be given.
    Required,
    /// It stays absent.
    Nothing,
    /// It takes this value.
    Default(Literal),
    /// It takes the value of this setting of the same table.
    SameAs(&'static str),
    /// `crate::derive` computes it after the merge; the text says how.
    Derived(&'static str),
}

/// A default, as a constant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Literal {
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(&'static str),
    /// Two numbers: `[height, width]`.
    Pair(i64),
    /// An empty table, filled by its own defaults.
    Table,
}

/// An interval of real numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealRange {
    pub(crate) min: f64,
    /// Whether `min` itself is excluded.
    pub(crate) above_min: bool,
    pub(crate) max: f64,
    /// Whether `max` itself is excluded.
    pub(crate) below_max: bool,
    /// Whether zero is excluded, for divisors.
    pub(crate) nonzero: bool,
}

impl RealRange {
    /// `min..=max`.
    pub(crate) const fn closed(min: f64, max: f64) -> Self {
        RealRange { min, above_min: false, max, below_max: false, nonzero: false }
    }

    /// Above `min`, up to `max`.
    pub(crate) const fn above(min: f64, max: f64) -> Self {
        RealRange { above_min: true, ..RealRange::closed(min, max) }
    }

    /// From `min`, below `max`.
    pub(crate) const fn below(min: f64, max: f64) -> Self {
        RealRange { below_max: true, ..RealRange::closed(min, max) }
    }

    /// Any finite number but zero.
    pub(crate) const NONZERO: RealRange = RealRange { nonzero: true, ..RealRange::FINITE };

    /// Any finite number.
    pub(crate) const FINITE: RealRange = RealRange::closed(f64::MIN, f64::MAX);

    pub(crate) fn contains(&self, value: f64) -> bool {
        let low = if self.above_min { value > self.min } else { value >= self.min };
        let high = if self.below_max { value < self.max } else { value <= self.max };
        value.is_finite() && low && high && !(self.nonzero && value == 0.0)
    }
}

impl std::fmt::Display for RealRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let low = if self.above_min { "above" } else { "from" };
        let high = match (self.above_min, self.below_max) {
            (_, true) => ", below",
            (true, false) => ", at most",
            (false, false) => " to",
        };
        match (self.min == f64::MIN, self.max == f64::MAX) {
            (true, true) if self.nonzero => f.write_str("a finite number other than 0"),
            (true, true) => f.write_str("a finite number"),
            (_, true) => write!(f, "a number {low} {}", self.min),
            (_, false) => write!(f, "a number {low} {}{high} {}", self.min, self.max),
        }
    }
}

/// A name that a value may have, with what it means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
}

impl Choice {
    pub(crate) const fn new(name: &'static str, doc: &'static str) -> Self {
        Choice { name, doc }
    }
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Real(RealRange),
    /// Any text of at most this many characters.
    Text {
        max: usize,
    },
    /// A name in the registry: `[a-z0-9][a-z0-9._-]*`, at most 64 characters.
    Name,
    /// An SPDX licence expression.
    Licence,
    /// A date or any other text that is compared as text.
    Date,
    /// A path, relative to the file that wrote it.
    Path,
    /// One of these names, or else a path.
    NameOrPath(&'static [Choice]),
    Choice(&'static [Choice]),
    /// A whole number, or one of these names.
    IntegerOr {
        min: i64,
        max: i64,
        words: &'static [Choice],
    },
    /// A whole number for both, or `[height, width]`.
    Pair {
        min: i64,
        max: i64,
    },
    /// A number for all, or an array with one for each channel or feature.
    Reals(RealRange),
    /// An array without repetitions.
    List {
        of: &'static Kind,
        min: usize,
        max: usize,
    },
    Table(&'static Section),
    /// Named steps in order, each of which is such a section.
    Steps(&'static Section),
}

/// The keys of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    /// What stands here, in the plural, for the manual: `optimizers`.
    pub(crate) title: &'static str,
    /// What it is for, Markdown.
    pub(crate) doc: &'static str,
    /// Keys that are always valid.
    pub(crate) settings: &'static [Setting],
    /// Further keys that depend on a choice.
    pub(crate) family: Option<Family>,
}

/// A choice by name that brings further keys: `op = "conv"`, `name = "adam"`, `format = "csv"`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family {
    /// The key that chooses.
    pub(crate) key: &'static str,
    /// What is chosen, in the singular: `optimizer`.
    pub(crate) what: &'static str,
    /// What happens when nothing is chosen.
    pub(crate) absent: Absent,
    pub(crate) members: &'static [&'static Algorithm],
}

impl Family {
    /// The member called `name`.
    pub(crate) fn member(&self, name: &str) -> Option<&'static Algorithm> {
        self.members.iter().copied().find(|member| member.name == name)
    }
}

/// One thing that can be chosen by name, with its settings and documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Algorithm {
    pub(crate) name: &'static str,
    /// What it computes, Markdown; the formula where there is one.
    pub(crate) doc: &'static str,
    /// Where it is published; may be empty.
    pub(crate) source: &'static str,
    pub(crate) settings: &'static [Setting],
}
