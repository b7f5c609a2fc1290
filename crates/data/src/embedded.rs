//! The data sets inside the program, so that the first run needs no network.

use base::{Diagnostic, nearest};

use crate::DataError;
use crate::stored::Stored;

/// A data set inside the program.
pub(crate) enum Embedded {
    /// Four IDX files: images and labels, test images and labels.
    Digits([Stored; 4]),
    /// A table.
    Table(Stored),
}

macro_rules! file {
    ($path:literal) => {
        Stored::in_program($path, include_bytes!(concat!("../../../datasets/", $path)))
    };
}

/// The names that [`crate::Source::Embedded`] and [`crate::TableFile::Embedded`] know, with what they hold.
pub fn embedded_names() -> &'static [(&'static str, &'static str)] {
    &[
        ("digits8x8", "1,797 handwritten digits, 8 x 8 grey, 10 classes"),
        ("mnist", "70,000 handwritten digits, 28 x 28 grey, 10 classes, 10,000 of them its own test part"),
        ("stocks", "daily prices of AAPL, FB, GOOG, IBM and MSFT, 2000 to 2013; a table"),
    ]
}

pub(crate) fn embedded(name: &str) -> Result<Embedded, DataError> {
    match name {
        "mnist" => Ok(Embedded::Digits([
            file!("mnist/train-images-idx3-ubyte.gz"),
            file!("mnist/train-labels-idx1-ubyte.gz"),
            file!("mnist/t10k-images-idx3-ubyte.gz"),
            file!("mnist/t10k-labels-idx1-ubyte.gz"),
        ])),
        "digits8x8" => Ok(Embedded::Table(file!("digits8x8/digits.csv.gz"))),
        "stocks" => Ok(Embedded::Table(file!("stocks/stocks.csv.gz"))),
        _ => Err(unknown(name).into()),
    }
}

fn unknown(name: &str) -> Diagnostic {
    let names = || embedded_names().iter().map(|(known, _)| *known);
    let known = names().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    let found = Diagnostic::new("unknown-dataset", format!("there is no built-in data set `{name}`"));
    match nearest(name, names()) {
        Some(known) => found.help(format!("did you mean `{known}`?")),
        None => found.help(format!("built in are {known}")),
    }
}
