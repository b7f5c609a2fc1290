//! The two ways out: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use console::Term;
use serde_json::Value;

use crate::failure::Failure;

/// Columns of a line that goes to a file or a pipe.
const PIPE_WIDTH: usize = 100;
/// Narrower terminals get lines of this length all the same.
const WIDTH_MIN: usize = 40;

/// Prints a result.
///
/// Errors   the reader is gone; the disk behind it is full.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)
}

/// Prints a result as the one JSON document.
pub(crate) fn print_json(document: &Value) -> Result<(), Failure> {
    print(&format!("{document:#}\n"))
}

/// Says a line about the work under way. Nobody listening is no reason to stop working.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether progress can be drawn over itself.
pub(crate) fn is_interactive() -> bool {
    io::stderr().is_terminal()
}

/// Columns for results.
pub(crate) fn width() -> usize {
    columns(&Term::stdout())
}

/// Columns for messages.
pub(crate) fn message_width() -> usize {
    columns(&Term::stderr())
}

/// Whether messages may be coloured: a terminal, and the user does not object (`NO_COLOR`).
pub(crate) fn message_colours() -> bool {
    console::colors_enabled_stderr()
}

fn columns(terminal: &Term) -> usize {
    terminal.size_checked().map_or(PIPE_WIDTH, |(_, columns)| usize::from(columns)).max(WIDTH_MIN)
}

/// `text` with control characters spelt out, so that a name from a file cannot steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|each| {
            let spelt: Box<dyn Iterator<Item = char>> = if each.is_control() {
                Box::new(each.escape_default())
            } else {
                Box::new(std::iter::once(each))
            };
            spelt
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(printable("é\u{1b}[2J\n"), "é\\u{1b}[2J\\n");
    }
}
