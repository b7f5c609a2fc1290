//! What took part in a resolution, for whoever keeps schemes.

use std::path::PathBuf;

use base::Digest;

/// Where a text came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A file, by its path as seen from the working directory.
    File(PathBuf),
    /// A scheme built into the program.
    Embedded {
        /// Its name.
        name: String,
        /// Its version.
        version: u32,
    },
    /// A file of a registered scheme.
    Registered {
        /// The scheme's name.
        name: String,
        /// The scheme's version.
        version: u32,
    },
    /// The layers of an architecture that one of the others chooses.
    Architecture {
        /// The architecture's name.
        name: String,
    },
    /// A `--set` argument.
    Override,
}

impl Part {
    /// `file`, `embedded`, `registered`, `architecture` or `set`.
    pub fn kind(&self) -> &'static str {
        match self {
            Part::File(_) => "file",
            Part::Embedded { .. } => "embedded",
            Part::Registered { .. } => "registered",
            Part::Architecture { .. } => "architecture",
            Part::Override => "set",
        }
    }

    /// Name and version of what has them.
    pub fn named(&self) -> Option<(&str, u32)> {
        match self {
            Part::Embedded { name, version } | Part::Registered { name, version } => Some((name, *version)),
            Part::File(_) | Part::Architecture { .. } | Part::Override => None,
        }
    }
}

/// A scheme that the root inherits directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// As `inherits` names it.
    pub reference: String,
    /// What it is.
    pub part: Part,
    /// Digest of what it hands down: the merge of its own text and everything it inherits, as JSON
    /// with the keys in their order, before defaults and checks. So it is there for a base scheme too
    /// that does not resolve alone, and neither comments nor layout change it.
    pub digest: Digest,
}
