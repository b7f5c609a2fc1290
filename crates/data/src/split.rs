//! Which rows train, which choose, which judge.

use base::{Diagnostic, Diagnostics, DigestWriter};

use crate::Dataset;
use crate::classes::check_classes;
use crate::order_key::KeyOrder;

/// Row numbers of the three parts, each ascending; together with what is unused they hold every row once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Splits {
    /// Rows that weights and statistics are fitted on.
    pub train: Vec<u32>,
    /// Rows that choose between epochs and settings.
    pub validation: Vec<u32>,
    /// Rows that judge the result; seen once.
    pub test: Vec<u32>,
    /// Rows that nothing is done with: what [`crate::few_per_class`] leaves over.
    pub unused: Vec<u32>,
}

/// How rows are divided.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitRule {
    /// By the digest of each row's question, so that adding rows never moves old ones and equal
    /// questions stay together. The fractions are met on average.
    Content {
        /// The parts' sizes.
        fractions: Fractions,
        /// Another salt gives another, independent division.
        salt: String,
    },
    /// In the rows' order: the first ones train, the last ones test.
    Order {
        /// The parts' sizes.
        fractions: Fractions,
    },
    /// By the order key of each example's target row: by value if all keys are numbers, else as text,
    /// where a threshold may be a key's beginning ("2012" for the first day of 2012).
    Keys {
        /// Validation holds the keys from here on.
        validation_from: Option<String>,
        /// Test holds the keys from here on.
        test_from: Option<String>,
    },
}

/// Sizes of the parts; they are in [0, 1] and their sum is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    /// Above 0.
    pub train: f64,
    /// 0 for none.
    pub validation: f64,
    /// 0 for none, and where the source gives its own test part.
    pub test: f64,
}

/// Divides the rows. Where the source gives its own test part, that is the test split, and the rule
/// divides the rest.
///
/// Errors, all at once: fractions that are none, a part that was asked for and is empty, a rule that does
/// not suit the source, and classes that cannot be learned (see the codes `class-…`).
pub fn split(dataset: &Dataset, rule: &SplitRule) -> Result<Splits, Diagnostics> {
    check_rule(dataset, rule).or(())?;
    let own_rows = dataset.test_from.map_or(dataset.rows(), |from| from as usize);
    let mut splits = match rule {
        SplitRule::Content { fractions, salt } => by_content(dataset, own_rows, fractions, salt),
        SplitRule::Order { fractions } => by_order(own_rows, fractions),
        SplitRule::Keys { validation_from, test_from } => {
            by_keys(dataset, own_rows, validation_from.as_deref(), test_from.as_deref())
        }
    };
    splits.test.extend(own_rows as u32..dataset.rows() as u32);
    let mut found = check_not_empty(&splits, rule);
    if found.0.is_empty() {
        found.extend(check_classes(dataset, &splits));
    }
    found.or(splits)
}

fn by_content(dataset: &Dataset, rows: usize, fractions: &Fractions, salt: &str) -> Splits {
    let mut start = DigestWriter::new("heirloom.split.1");
    start.field(salt.as_bytes());
    let mut splits = Splits::default();
    for (row, digest) in dataset.input_digests[..rows].iter().enumerate() {
        let hash = start.clone().field(&digest.0).finish().0;
        let word =
            u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
        let place = (word >> 11) as f64 / (1u64 << 53) as f64; // uniform in [0, 1)
        // Test comes first, so that another validation size never moves a test row.
        let part = if place < fractions.test {
            &mut splits.test
        } else if place < fractions.test + fractions.validation {
            &mut splits.validation
        } else {
            &mut splits.train
        };
        part.push(row as u32);
    }
    splits
}

fn by_order(rows: usize, fractions: &Fractions) -> Splits {
    let cut = |fraction: f64| ((rows as f64 * fraction).round() as u32).min(rows as u32);
    let train_end = cut(fractions.train);
    let validation_end =
        if fractions.test == 0.0 { rows as u32 } else { cut(fractions.train + fractions.validation) };
    let train_end = if fractions.validation == 0.0 { validation_end } else { train_end };
    Splits {
        train: (0..train_end).collect(),
        validation: (train_end..validation_end).collect(),
        test: (validation_end..rows as u32).collect(),
        unused: Vec::new(),
    }
}

fn by_keys(dataset: &Dataset, rows: usize, validation_from: Option<&str>, test_from: Option<&str>) -> Splits {
    let keys = &dataset.keys.as_deref().unwrap_or_default()[..rows];
    let order = KeyOrder::of(keys);
    let mut splits = Splits::default();
    for (row, key) in keys.iter().enumerate() {
        let reaches = |threshold: Option<&str>| {
            threshold.is_some_and(|threshold| order.compare(key, threshold).is_ge())
        };
        let part = if reaches(test_from) {
            &mut splits.test
        } else if reaches(validation_from) {
            &mut splits.validation
        } else {
            &mut splits.train
        };
        part.push(row as u32);
    }
    splits
}

fn check_rule(dataset: &Dataset, rule: &SplitRule) -> Diagnostics {
    let mut found = Diagnostics::default();
    let wants_test = match rule {
        SplitRule::Content { fractions, .. } | SplitRule::Order { fractions } => {
            check_fractions(fractions).into_iter().for_each(|diagnostic| found.push(diagnostic));
            fractions.test > 0.0
        }
        SplitRule::Keys { validation_from, test_from } => {
            found.extend(check_thresholds(dataset, validation_from.as_deref(), test_from.as_deref()));
            test_from.is_some()
        }
    };
    if wants_test && dataset.test_from.is_some() {
        let message = format!("`{}` brings its own test part, so none can be split off", dataset.name);
        found.push(Diagnostic::new("two-test-parts", message).help("remove `test` from the split"));
    }
    if dataset.overlapping && matches!(rule, SplitRule::Content { .. }) {
        let message = "neighbouring examples of a series share rows, so a split by content would leak the test into training";
        found.push(Diagnostic::new("content-split-of-series", message).help("split by order, or by dates"));
    }
    found
}

fn check_fractions(fractions: &Fractions) -> Option<Diagnostic> {
    let Fractions { train, validation, test } = *fractions;
    let valid = [train, validation, test].into_iter().all(|fraction| (0.0..=1.0).contains(&fraction));
    let sum = train + validation + test;
    (!valid || train == 0.0 || (sum - 1.0).abs() > 1e-6).then(|| {
        let message = format!("the split's fractions are train {train}, validation {validation}, test {test}; they must be 0 to 1, sum to 1, and train above 0");
        Diagnostic::new("bad-fractions", message).help("for example train 0.8, validation 0.1, test 0.1")
    })
}

fn check_thresholds(
    dataset: &Dataset,
    validation_from: Option<&str>,
    test_from: Option<&str>,
) -> Vec<Diagnostic> {
    let Some(keys) = &dataset.keys else {
        let message = "a split by keys needs an ordered source, and no order column is named";
        return vec![Diagnostic::new("no-order", message).help("name the `order` column of the table")];
    };
    let order = KeyOrder::of(keys);
    let thresholds = [("validation_from", validation_from), ("test_from", test_from)];
    let wrong_form = thresholds.into_iter().filter_map(|(name, threshold)| {
        let threshold = threshold.filter(|threshold| !order.suits(threshold))?;
        let message =
            format!("`{name}` is `{threshold}`, which cannot be compared with keys such as `{}`", keys[0]);
        Some(Diagnostic::new("bad-threshold", message).help("write it in the same form as the order column"))
    });
    let mut found: Vec<Diagnostic> = wrong_form.collect();
    if let (Some(validation), Some(test)) = (validation_from, test_from)
        && order.compare(validation, test).is_ge()
    {
        let message = format!("`validation_from` ({validation}) is not before `test_from` ({test})");
        found.push(Diagnostic::new("bad-threshold", message).help("validation comes before test"));
    }
    if validation_from.is_none() && test_from.is_none() {
        found
            .push(Diagnostic::new("bad-threshold", "a split by keys needs `validation_from` or `test_from`"));
    }
    found
}

fn check_not_empty(splits: &Splits, rule: &SplitRule) -> Diagnostics {
    let (wants_validation, wants_test) = match rule {
        SplitRule::Content { fractions, .. } | SplitRule::Order { fractions } => {
            (fractions.validation > 0.0, fractions.test > 0.0)
        }
        SplitRule::Keys { validation_from, test_from } => (validation_from.is_some(), test_from.is_some()),
    };
    let total = splits.train.len() + splits.validation.len() + splits.test.len();
    let parts = [
        ("training", true, &splits.train),
        ("validation", wants_validation, &splits.validation),
        ("test", wants_test, &splits.test),
    ];
    let empty = parts.into_iter().filter(|(_, wanted, rows)| *wanted && rows.is_empty());
    let diagnostic = |(name, ..): (&str, bool, &Vec<u32>)| {
        Diagnostic::new(
            "empty-split",
            format!("the {name} split is empty: none of the {total} examples falls into it"),
        )
        .help("change the split, or add examples")
    };
    Diagnostics(empty.map(diagnostic).collect())
}
