//! The words every other crate shares: where something stands in a source text, what is wrong with
//! it, and what a piece of content is called.
//!
//! The decision that shaped it: a mistake in a user's file is a *value* ([`Diagnostic`]) that
//! carries its place, its explanation and a way out, and travels unchanged to whoever may show it.
//! Nothing here prints, reads a file or knows a file format.

mod diagnostic;
mod digest;
mod nearest;
mod source;

pub use diagnostic::{Diagnostic, Diagnostics, Label, Location};
pub use digest::{Digest, DigestWriter, ParseDigestError};
pub use nearest::nearest;
pub use source::{FileId, LineColumn, Source, SourceMap, Span};
