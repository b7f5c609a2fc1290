//! What is wrong with a user's input, where, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use crate::Span;

/// Where a diagnostic points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A range in a source text of the [`crate::SourceMap`] that travels with the diagnostics.
    Source(Span),
    /// A place in a file that is not kept in memory: a data file, a model.
    File {
        /// The file, as the user named it.
        path: PathBuf,
        /// Line from 1, for text files.
        line: Option<u64>,
        /// Byte from 0, for binary files.
        byte: Option<u64>,
    },
}

impl Location {
    /// The whole file `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Location::File { path: path.into(), line: None, byte: None }
    }

    /// Line `line`, counted from 1, of `path`.
    pub fn line(path: impl Into<PathBuf>, line: u64) -> Self {
        Location::File { path: path.into(), line: Some(line), byte: None }
    }

    /// Byte `byte`, counted from 0, of `path`.
    pub fn byte(path: impl Into<PathBuf>, byte: u64) -> Self {
        Location::File { path: path.into(), line: None, byte: Some(byte) }
    }
}

/// A place with a short remark, shown under or beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub at: Location,
    /// The remark; may be empty.
    pub text: String,
}

/// One thing that is wrong with the user's scheme, data or model file.
///
/// The first label is the place of the mistake; further labels show what it clashes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name in kebab-case, such as `unknown-key`.
    pub code: &'static str,
    /// One sentence without a full stop: what is wrong and what was expected.
    pub message: String,
    /// Places, the most important first.
    pub labels: Vec<Label>,
    /// What to do next, one sentence each.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic without a place.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { code, message: message.into(), labels: Vec::new(), help: Vec::new() }
    }

    /// Adds a place in a source text.
    pub fn at(self, span: Span, text: impl Into<String>) -> Self {
        self.label(Location::Source(span), text)
    }

    /// Adds a place.
    pub fn label(mut self, at: Location, text: impl Into<String>) -> Self {
        self.labels.push(Label { at, text: text.into() });
        self
    }

    /// Adds advice.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)?;
        if let Some(Location::File { path, line, byte }) = self.labels.first().map(|label| &label.at) {
            write!(f, " at {}", path.display())?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
            if let Some(byte) = byte {
                write!(f, ", byte {byte}")?;
            }
        }
        Ok(())
    }
}

/// Everything that is wrong, all at once. Never empty when used as an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// `Ok(value)` if nothing was found, else everything that was.
    pub fn or<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics(vec![diagnostic])
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        self.0.extend(diagnostics);
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
