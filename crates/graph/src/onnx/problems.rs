//! What is wrong with a file, collected so that all of it is reported at once.

use std::path::PathBuf;

use base::{Diagnostic, Diagnostics, Location};

/// The most problems that are listed one by one.
const LISTED_MAX: usize = 50;
/// The longest text from a file in a message, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// The problems of one file.
pub(super) struct Problems {
    path: PathBuf,
    found: Diagnostics,
    left_out: usize,
}

impl Problems {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Problems { path: path.into(), found: Diagnostics::default(), left_out: 0 }
    }

    /// Adds a problem of the whole file, unless there are too many already.
    pub(super) fn push(&mut self, code: &'static str, message: impl Into<String>) {
        self.push_with_help(code, message, None);
    }

    /// Adds a problem with advice.
    pub(super) fn push_with_help(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        help: Option<&str>,
    ) {
        if self.found.0.len() >= LISTED_MAX {
            self.left_out += 1;
            return;
        }
        let mut diagnostic = Diagnostic::new(code, message).label(Location::file(&self.path), "");
        diagnostic.help.extend(help.map(str::to_owned));
        self.found.push(diagnostic);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.0.is_empty()
    }

    /// `value` if there are no problems.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Diagnostics> {
        if self.left_out > 0
            && let Some(last) = self.found.0.last_mut()
        {
            last.help.push(format!("{} more problems of this file are not listed", self.left_out));
        }
        self.found.or(value)
    }
}

/// Text from a file for a message: control characters escaped, cut where it is very long.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut shown = String::new();
    for character in characters.by_ref().take(SHOWN_CHARACTERS_MAX) {
        if character.is_control() { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_files_cannot_reach_the_terminal_raw() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown(&"x".repeat(300)).chars().count(), SHOWN_CHARACTERS_MAX + 1);
    }

    #[test]
    fn many_problems_are_counted_rather_than_listed() {
        let mut problems = Problems::new("a.onnx");
        (0..60).for_each(|index| problems.push("onnx-node", format!("problem {index}")));
        let found = problems.or(()).expect_err("problems").0;
        assert_eq!(found.len(), LISTED_MAX);
        assert_eq!(found[LISTED_MAX - 1].help, ["10 more problems of this file are not listed"]);
    }
}
