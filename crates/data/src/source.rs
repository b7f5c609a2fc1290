//! Where data comes from: the settings of each source, as a scheme states them.

use std::path::PathBuf;

/// A source of examples.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A complete data set inside the program, by name; see [`crate::embedded_names`].
    Embedded {
        /// The data set's name.
        name: String,
        /// Other names for its classes, all of them; when empty, they keep their own.
        class_names: Vec<String>,
    },
    /// Images and labels in IDX files, plain or gzip.
    Idx(IdxSource),
    /// PNG and JPEG files, one folder per class.
    Images(ImagesSource),
    /// A table of comma-separated values, plain or gzip.
    Csv(CsvSource),
}

/// IDX files: `images` of magic 2051 (`u8`, [count, height, width]) and `labels` of magic 2049.
#[derive(Debug, Clone, PartialEq)]
pub struct IdxSource {
    /// The images.
    pub images: PathBuf,
    /// Their labels, numbers from 0.
    pub labels: PathBuf,
    /// Images and labels of the source's own test part.
    pub test: Option<(PathBuf, PathBuf)>,
    /// The name of class 0, 1, ...; when empty, the classes are named by their numbers.
    pub class_names: Vec<String>,
}

/// A folder with one folder of PNG or JPEG files per class.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagesSource {
    /// The folder that holds the class folders.
    pub folder: PathBuf,
    /// What every image is converted to.
    pub channels: Channels,
    /// Height in pixels that every image is resized to.
    pub height: usize,
    /// Width in pixels that every image is resized to.
    pub width: usize,
    /// The class folders in the order of their numbers; when empty, sorted by name.
    pub class_names: Vec<String>,
}

/// The colours of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One channel: luminance by Rec. 709.
    Grey,
    /// Three channels: red, green, blue.
    Rgb,
}

impl Channels {
    /// 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }

    /// The colours of a count of channels, if it is 1 or 3.
    pub fn from_count(count: usize) -> Option<Self> {
        match count {
            1 => Some(Channels::Grey),
            3 => Some(Channels::Rgb),
            _ => None,
        }
    }

    pub(crate) fn names(self) -> Vec<String> {
        let names: &[&str] = match self {
            Channels::Grey => &["grey"],
            Channels::Rgb => &["red", "green", "blue"],
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }
}

/// The file behind a table.
#[derive(Debug, Clone, PartialEq)]
pub enum TableFile {
    /// A file on disk.
    Path(PathBuf),
    /// A table inside the program, by name.
    Embedded(String),
}

/// A table: which columns are the question, which one is the answer.
///
/// Examples are made of consecutive rows, after filter and ordering: the question is rows
/// `t-window+1 ..= t`, the answer stands in row `t+horizon`. A plain table has `window` 1, `horizon` 0.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvSource {
    /// The file.
    pub file: TableFile,
    /// Whether the first line names the columns; otherwise they are named "1", "2", ...
    pub header: bool,
    /// The question's columns; `None` takes all but the target's, the filter's and the order's.
    pub features: Option<Vec<String>>,
    /// The answer's column.
    pub target: String,
    /// Whether the answer is a class name or a number.
    pub task: Task,
    /// Which rows take part; all, when `None`.
    pub filter: Option<Filter>,
    /// A factor per row on some columns, such as the adjustment of prices for splits.
    pub adjust: Option<Adjust>,
    /// The column that orders the rows: by value if all are numbers, else as text (ISO dates); the file's own order, when `None`.
    pub order: Option<String>,
    /// Rows in a question, at least 1.
    pub window: usize,
    /// Rows from the question's last row to the answer's.
    pub horizon: usize,
    /// What of the answer is to be learned.
    pub target_form: TargetForm,
    /// How a row is a picture, where it is one.
    pub image: Option<RowImage>,
    /// The target column's class names in the order of their numbers; when empty, sorted: as numbers where
    /// all are whole numbers, else as text.
    pub class_names: Vec<String>,
}

/// How a row of a table is a picture: its features, in order, are the pixels of the first channel's first row from left
/// to right, then those of its other rows, then the other channels'.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowImage {
    /// The colours.
    pub channels: Channels,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// The level that becomes 255; 0 becomes 0.
    pub maximum: f64,
}

/// What kind of answer is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// One of the names in the target column.
    Classification,
    /// The number in the target column.
    Regression,
}

/// Keeps the rows whose `column` holds exactly `equals`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// The text it must hold.
    pub equals: String,
}

/// Multiplies `columns` by `numerator / denominator` of the same row.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjust {
    /// The columns to be multiplied.
    pub columns: Vec<String>,
    /// The factor's upper column.
    pub numerator: String,
    /// The factor's lower column; 0 in it is an error.
    pub denominator: String,
}

/// How a numeric answer `y` is expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetForm {
    /// `y[t + horizon]`.
    Value,
    /// `y[t + horizon] / y[t] - 1`; needs a horizon of at least 1.
    Return,
}
