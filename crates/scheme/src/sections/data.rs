//! `[data]`: where the examples come from and how they are divided.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::split::{SPLIT, Split};
use crate::settings::{Absent, Algorithm, Choice, Family, Kind, Literal, RealRange, Section, Setting};

/// What the model learns from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
    /// Names of the classes that count, in the order of the model's labels; all, when `None`.
    #[serde(default)]
    pub classes: Option<Vec<String>>,
    /// How many examples of each class of the training part are learnt from; all, when `None`.
    #[serde(default)]
    pub examples_per_class: Option<usize>,
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
    /// The embedded digits of 8 x 8 pixels, a table whose rows are pictures.
    Digits8x8,
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
            "digits8x8" => Source::Digits8x8,
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
            Source::Digits8x8 => "digits8x8".to_owned(),
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
    /// Columns that the model sees, in order; where rows are pictures and when `None`, all that have no other part.
    pub features: Option<Vec<String>>,
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
    /// How a row is a picture, where it is one.
    pub image: Option<RowImage>,
}

/// How a row of a table is a picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowImage {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// The level that becomes 255; 0 becomes 0.
    pub maximum: f64,
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

const COLUMN: Kind = Kind::Text { max: 1000 };

/// `[data]`.
pub(crate) const DATA: Section = Section {
    title: "`[data]`: the examples",
    doc: "Where the examples come from, how to read them and how they are divided.",
    settings: &[
        Setting::new(
            "source",
            Kind::NameOrPath(&[
                Choice::new(
                    "digits8x8",
                    "the embedded digits of another scanner: 1,797 grey images, 8 × 8; a table whose rows are pictures",
                ),
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
            "classes",
            Kind::List { of: &Kind::Text { max: 200 }, min: 2, max: 10_000 },
            Absent::Nothing,
            "Names of the classes that count, as the source or `class_names` calls them; examples of others are left \
             out of every part. The model's labels stand in this order. By default all.",
        ),
        Setting::new(
            "examples_per_class",
            Kind::Integer { min: 1, max: 1_000_000 },
            Absent::Nothing,
            "How many examples of each class are learnt from: so many of the training part, drawn by `seed` and by \
             their content; the rest of it is not used. The test part stays whole, and there is no validation part \
             unless `split` asks for one. By default all.",
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
            Absent::Nothing,
            "Columns that the model sees, in order. Required; only with `image`, all that have no other part are taken \
             by default.",
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
        Setting::new(
            "image",
            Kind::Table(&IMAGE),
            Absent::Nothing,
            "How a row is a picture, `[channels, height, width]` bytes for the model. By default it is a row of numbers.",
        ),
    ],
};

const IMAGE: Section = Section {
    title: "`[data.image]`: rows that are pictures",
    doc: "The features, in order, are the pixels of the first channel's first row from left to right, then of its other \
          rows, then of the other channels. A level `x` becomes the byte `255 · x / maximum`, rounded.",
    settings: &[
        Setting::new(
            "channels",
            Kind::Integer { min: 1, max: 3 },
            Absent::Default(Literal::Integer(1)),
            "1 (grey) or 3 (red, green, blue).",
        ),
        Setting::new("height", Kind::Integer { min: 1, max: 4096 }, Absent::Required, "Pixels."),
        Setting::new("width", Kind::Integer { min: 1, max: 4096 }, Absent::Required, "Pixels."),
        Setting::new(
            "maximum",
            Kind::Real(RealRange::above(0.0, f64::MAX)),
            Absent::Default(Literal::Real(255.0)),
            "The largest level that the table can hold: 255 for bytes.",
        ),
    ],
    family: None,
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
