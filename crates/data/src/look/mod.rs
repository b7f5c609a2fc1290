//! A first look at data that no scheme describes yet: what kind it is, how much there is, and what
//! its columns, classes and shapes are.

mod images;
mod table;

use std::path::{Path, PathBuf};

use base::{Diagnostic, Location};

use crate::DataError;
use crate::stored::{Stored, open_error};
use images::{look_at_folder, look_at_idx};
use table::look_at_table;

pub use table::{ColumnKind, ColumnLook, Guess, TableLook};

/// What a first look found.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// A table of comma-separated values.
    Table(TableLook),
    /// A folder of images, one folder per class.
    Images(ImagesLook),
    /// Images and labels in IDX files.
    Idx(IdxLook),
}

/// A folder of images.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagesLook {
    /// Names of the classes with their numbers of files, by name.
    pub classes: Vec<(String, usize)>,
    /// Files that were opened: all, or some of each class.
    pub opened: usize,
    /// Shapes [channels, height, width] with how many of the opened files have them, the commonest first.
    pub shapes: Vec<([usize; 3], usize)>,
}

/// IDX files.
#[derive(Debug, Clone, PartialEq)]
pub struct IdxLook {
    /// The images.
    pub images: PathBuf,
    /// Their labels.
    pub labels: PathBuf,
    /// Images and labels of a test part.
    pub test: Option<(PathBuf, PathBuf)>,
    /// Number of images, and of those in the test part.
    pub counts: (usize, usize),
    /// Height and width in pixels.
    pub shape: [usize; 2],
    /// Labels with their numbers of images, the test part's left out.
    pub classes: Vec<(u8, usize)>,
}

impl Look {
    /// `csv`, `images` or `idx`, as a scheme names the format.
    pub fn format(&self) -> &'static str {
        match self {
            Look::Table(_) => "csv",
            Look::Images(_) => "images",
            Look::Idx(_) => "idx",
        }
    }
}

/// Looks at the file or folder at `path`.
///
/// A folder holds IDX files or one folder of images per class; a file is an IDX file of images, with
/// its labels beside it, or a table. Of a large source only a part is read; the result says so.
///
/// Errors   nothing is there; it is of no known kind; it is damaged.
pub fn look(path: &Path) -> Result<Look, DataError> {
    let metadata = std::fs::metadata(path).map_err(|error| open_error(path, error))?;
    if metadata.is_dir() {
        return match look_at_idx(path)? {
            Some(idx) => Ok(Look::Idx(idx)),
            None => look_at_folder(path).map(Look::Images),
        };
    }
    let start = start_of(path)?;
    if start.starts_with(&[0, 0, 8]) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match look_at_idx(folder)? {
            Some(idx) => Ok(Look::Idx(idx)),
            None => Err(no_labels(path).into()),
        };
    }
    if start.contains(&0) || crate::image_file::image_format(&start).is_some() {
        return Err(unknown_kind(path).into());
    }
    look_at_table(path).map(Look::Table)
}

/// The first bytes of a file, decompressed.
pub(crate) fn start_of(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut start = Vec::new();
    Stored::on_disk(path).open()?.read_up_to(64, &mut start)?;
    Ok(start)
}

fn no_labels(path: &Path) -> Diagnostic {
    Diagnostic::new(
        "missing-labels",
        "the IDX file has no partner beside it: images need labels and labels images",
    )
    .label(Location::file(path), "")
    .help("put both into one folder; their names differ in `images` and `labels` only")
}

fn unknown_kind(path: &Path) -> Diagnostic {
    Diagnostic::new("unknown-data", format!("`{}` is no data that Heirloom reads", path.display()))
        .label(Location::file(path), "neither a table nor IDX")
        .help("it reads tables (.csv, .csv.gz), IDX files, and folders with one folder of images per class")
}
