//! All mistakes of an input at once, without a line for each of a million cases.

use base::{Diagnostic, Diagnostics};

/// One diagnostic for each kind of mistake: the first of its kind, and how many more there are.
#[derive(Default)]
pub(crate) struct Mistakes {
    found: Vec<(Diagnostic, u64)>,
}

impl Mistakes {
    /// Notes a mistake of the kind `code`; `message` is only asked for the first.
    pub(crate) fn add(&mut self, code: &'static str, message: impl FnOnce() -> String) {
        match self.found.iter_mut().find(|(diagnostic, _)| diagnostic.code == code) {
            Some((_, more)) => *more += 1,
            None => self.found.push((Diagnostic::new(code, message()), 0)),
        }
    }

    /// `Ok` if nothing was noted, else everything.
    pub(crate) fn finish(self) -> Result<(), Diagnostics> {
        let counted = self.found.into_iter().map(|(diagnostic, more)| match more {
            0 => diagnostic,
            more => diagnostic.help(format!("{more} more of this kind were found")),
        });
        Diagnostics(counted.collect()).or(())
    }
}
