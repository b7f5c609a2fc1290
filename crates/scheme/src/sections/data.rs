//! `[data]`: where the examples come from and how they are divided.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Algorithm, Choice, Family, Kind, Literal, RealRange, Section, Setting};

/// What the model learns from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Where the examples come from.
    #[serde(default)]
    pub source: Source,
    /// How to read them.
    #[serde(flatten)]
    pub format: Format,
    /// Names of the classes in the order of their numbers, where the scheme gives them.
    #[serde(default)]
    pub class_names: Option<Vec<String>>,
    /// How the examples are divided.
    pub split: Split,
}

impl Data {
    /// Whether the source brings its own test part.
    pub fn has_own_test_part(&self) -> bool {
        match (&self.source, &self.format) {
            (Source::Mnist, _) => true,
            (_, Format::Idx(files)) => files.test_images.is_some(),
            _ => false,
        }
    }
}

/// Where the examples come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Source {
    /// The embedded MNIST.
    Mnist,
    /// The embedded table of share prices.
    Stocks,
    /// A folder or file.
    Path(PathBuf),
    /// The files that the settings of the format name.
    #[default]
    Files,
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        match text.as_str() {
            "mnist" => Source::Mnist,
            "stocks" => Source::Stocks,
            "" => Source::Files,
            _ => Source::Path(PathBuf::from(text)),
        }
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        match source {
            Source::Mnist => "mnist".to_owned(),
            Source::Stocks => "stocks".to_owned(),
            Source::Files => String::new(),
            Source::Path(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// How to read the examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
pub enum Format {
    /// IDX files (MNIST's format), plain or gzip.
    Idx(IdxFiles),
    /// A folder of PNG and JPEG files, one subfolder per class.
    Images(ImageFolder),
    /// A table, plain or gzip.
    Csv(CsvTable),
}

/// IDX files. All absent for an embedded source, both of `images` and `labels` present otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IdxFiles {
    /// Images, `[n, height, width]` bytes.
    pub images: Option<PathBuf>,
    /// Class numbers, `[n]` bytes.
    pub labels: Option<PathBuf>,
    /// Images of the test part.
    pub test_images: Option<PathBuf>,
    /// Class numbers of the test part.
    pub test_labels: Option<PathBuf>,
}

/// A folder of images; all are brought to one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFolder {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
}

/// A table of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CsvTable {
    /// Whether the first row names the columns; without it they are called "1", "2", ...
    pub header: bool,
    /// Columns that the model sees, in order.
    pub features: Vec<String>,
    /// The column to predict.
    pub target: String,
    /// What kind of answer the target is.
    pub task: Task,
    /// What the model learns of the target.
    pub target_form: TargetForm,
    /// Which rows count.
    pub filter: Option<Filter>,
    /// A correction of some columns.
    pub adjust: Option<Adjust>,
    /// The column that orders the rows; without it they stay as in the file.
    pub order: Option<String>,
    /// How many successive rows make one example.
    pub window: usize,
    /// How many rows after the window's last the target stands.
    pub horizon: usize,
}

/// What kind of answer is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// What the model learns of a number to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetForm {
    /// The number itself.
    Value,
    /// `target[t + horizon] / target[t] - 1`, with `t` the window's last row; the model still answers with the number.
    Return,
}

/// Keeps the rows whose `column` holds exactly the text `equals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// The text, compared byte by byte.
    pub equals: String,
}

/// Multiplies `columns`, row by row, by `numerator / denominator` of the row as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    /// The columns that change.
    pub columns: Vec<String>,
    /// The column above the fraction bar.
    pub numerator: String,
    /// The column below it, before it is adjusted itself.
    pub denominator: String,
}

/// How the examples are divided into training, validation and test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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

const COLUMN: Kind = Kind::Text { max: 1000 };

/// `[data]`.
pub(crate) const DATA: Section = Section {
    title: "`[data]`: the examples",
    doc: "Where the examples come from, how to read them and how they are divided.",
    settings: &[
        Setting::new(
            "source",
            Kind::NameOrPath(&[
                Choice::new("mnist", "the embedded MNIST: 60,000 + 10,000 grey images of digits, 28 × 28"),
                Choice::new(
                    "stocks",
                    "the embedded table of daily share prices: Ticker, Date, Open, High, Low, Close, Volume, Adj Close",
                ),
            ]),
            Absent::Nothing,
            "An embedded data set, a folder of images with one subfolder per class, or a `.csv` or `.csv.gz` file. \
             Left out for IDX files, which `images` and `labels` name. Write `./mnist` for a folder of that name.",
        ),
        Setting::new(
            "class_names",
            Kind::List { of: &Kind::Text { max: 200 }, min: 2, max: 10_000 },
            Absent::Nothing,
            "Names of the classes in the order of their numbers. By default an image folder takes its subfolders' names, \
             a table the texts in the target column, and IDX files the numbers themselves.",
        ),
        Setting::new(
            "split",
            Kind::Table(&SPLIT),
            Absent::Default(Literal::Table),
            "How the examples are divided.",
        ),
    ],
    family: Some(Family {
        key: "format",
        what: "data format",
        absent: Absent::Derived(
            "known for embedded sources; `csv` for `.csv` and `.csv.gz`; `idx` if `images` is given; \
             `images` for any other path",
        ),
        members: &[&IDX, &IMAGES, &CSV],
    }),
};

const IDX: Algorithm = Algorithm {
    name: "idx",
    doc: "IDX files, MNIST's format, plain or gzip. `images` and `labels` are required unless the source is embedded.",
    source: "",
    settings: &[
        Setting::new("images", Kind::Path, Absent::Nothing, "Images, `[n, height, width]` bytes."),
        Setting::new("labels", Kind::Path, Absent::Nothing, "Class numbers, `[n]` bytes."),
        Setting::new(
            "test_images",
            Kind::Path,
            Absent::Nothing,
            "Images of the source's own test part. With them, `split.test` must be absent.",
        ),
        Setting::new("test_labels", Kind::Path, Absent::Nothing, "Class numbers of the test part."),
    ],
};

const IMAGES: Algorithm = Algorithm {
    name: "images",
    doc: "A folder of PNG and JPEG files, one subfolder per class. All images are brought to one size.",
    source: "",
    settings: &[
        Setting::new(
            "channels",
            Kind::Integer { min: 1, max: 3 },
            Absent::Default(Literal::Integer(3)),
            "1 (grey) or 3 (red, green, blue).",
        ),
        Setting::new("height", Kind::Integer { min: 1, max: 4096 }, Absent::Required, "Pixels."),
        Setting::new("width", Kind::Integer { min: 1, max: 4096 }, Absent::Required, "Pixels."),
    ],
};

const CSV: Algorithm = Algorithm {
    name: "csv",
    doc: "A table of numbers, plain or gzip. Columns are called by the header's names, or without a header by their \
          number from 1, written as a text: `\"1\"`.",
    source: "",
    settings: &[
        Setting::new(
            "header",
            Kind::Bool,
            Absent::Default(Literal::Bool(true)),
            "Whether the first row names the columns.",
        ),
        Setting::new(
            "features",
            Kind::List { of: &COLUMN, min: 1, max: 10_000 },
            Absent::Required,
            "Columns that the model sees, in order.",
        ),
        Setting::new("target", COLUMN, Absent::Required, "The column to predict."),
        Setting::new(
            "task",
            Kind::Choice(&[
                Choice::new("classification", "the target is one of several classes"),
                Choice::new(
                    "regression",
                    "the target is a number; it is standardised on the training part while learning",
                ),
            ]),
            Absent::Required,
            "What kind of answer the target is.",
        ),
        Setting::new(
            "target_form",
            Kind::Choice(&[
                Choice::new("value", "the number itself"),
                Choice::new(
                    "return",
                    "its relative change `target[t + horizon] / target[t] - 1`, with `t` the window's last row; \
                     the target must be among the features, since the model multiplies it back and answers with the number",
                ),
            ]),
            Absent::Default(Literal::Text("value")),
            "What the model learns of the target.",
        ),
        Setting::new("filter", Kind::Table(&FILTER), Absent::Nothing, "Which rows count; by default all."),
        Setting::new("adjust", Kind::Table(&ADJUST), Absent::Nothing, "A correction of some columns."),
        Setting::new(
            "order",
            COLUMN,
            Absent::Nothing,
            "The column that orders the rows: numbers by value, anything else (ISO dates) as text. \
             By default rows stay as in the file.",
        ),
        Setting::new(
            "window",
            Kind::Integer { min: 1, max: 10_000 },
            Absent::Default(Literal::Integer(1)),
            "How many successive rows make one example, `[window, features]`.",
        ),
        Setting::new(
            "horizon",
            Kind::Integer { min: 0, max: 10_000 },
            Absent::Default(Literal::Integer(0)),
            "How many rows after the window's last the target stands.",
        ),
    ],
};

const FILTER: Section = Section {
    title: "`[data.filter]`: which rows count",
    doc: "Keeps the rows whose column holds exactly this text.",
    settings: &[
        Setting::new("column", COLUMN, Absent::Required, "The column."),
        Setting::new("equals", COLUMN, Absent::Required, "The text, compared byte by byte."),
    ],
    family: None,
};

const ADJUST: Section = Section {
    title: "`[data.adjust]`: corrected columns",
    doc: "Multiplies columns, row by row, by the quotient of two columns as read: prices adjusted for splits and dividends.",
    settings: &[
        Setting::new(
            "columns",
            Kind::List { of: &COLUMN, min: 1, max: 10_000 },
            Absent::Required,
            "The columns that change.",
        ),
        Setting::new("numerator", COLUMN, Absent::Required, "The column above the fraction bar."),
        Setting::new(
            "denominator",
            COLUMN,
            Absent::Required,
            "The column below it, before it is adjusted itself.",
        ),
    ],
    family: None,
};

const SPLIT: Section = Section {
    title: "`[data.split]`: training, validation and test part",
    doc: "Either by fractions, which add up to 1 within 1e-9 (by default 0.8, 0.1 and 0.1, or 0.9 and 0.1 where the \
          source brings its own test part; one that is left out takes what the others leave, `train` first), or, for a \
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
