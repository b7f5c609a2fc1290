//! `heirloom profile`: where the time goes.
//!
//! Two measurements, one after the other: whole steps, undisturbed, which is the time that counts; then steps in which every
//! thread notes when it begins and ends each step of the plan, which is where it goes.

mod document;
mod inference;
mod measured;
mod subject;
mod table;
mod trace;

use base::Diagnostic;
use engine::Level;

use crate::arguments::Profile;
use crate::commands::engine::peaks;
use crate::commands::progress::Detail;
use crate::commands::run::{detail, threads};
use crate::failure::Failure;
use crate::{disk, terminal};

use measured::measure;
use subject::Subject;

/// What is measured, and how.
struct Terms {
    threads: usize,
    level: Level,
    /// How long whole steps are measured.
    seconds: f64,
}

/// Measures, and prints a table or a document.
pub(crate) fn profile(arguments: &Profile) -> Result<(), Failure> {
    let terms = terms(arguments)?;
    let say = |line: &str| {
        if detail(arguments.quiet) != Detail::Quiet {
            terminal::say(line);
        }
    };
    say("preparing");
    let mut subject = Subject::find(arguments, &terms)?;
    subject.notices().iter().for_each(|notice| say(&format!("note: {}", terminal::printable(notice))));
    say(&format!("measuring for {} s", terms.seconds));
    let measured = measure(&mut subject, &terms)?;
    let peak = peaks::found_or_measured(terms.level, terms.threads, &say);
    if let Some(path) = &arguments.trace {
        disk::write_whole(path, trace::trace(&subject, &measured).to_string().as_bytes())?;
        say(&format!("wrote {}", path.display()));
    }
    if let Some(folder) = &arguments.keep {
        subject.keep(folder)?;
        say(&format!("wrote {}", folder.display()));
    }
    if arguments.json.wanted {
        return terminal::print_json(&document::document(&subject, &terms, &measured, &peak));
    }
    terminal::print(&table::draw(&subject, &terms, &measured, &peak, arguments.all, terminal::width()))
}

fn terms(arguments: &Profile) -> Result<Terms, Failure> {
    let level = match arguments.level {
        None => Level::detect(),
        Some(name) => name.level().ok_or_else(|| unknown_level(name))?,
    };
    Ok(Terms { threads: threads(arguments.threads), level, seconds: arguments.seconds })
}

fn unknown_level(name: crate::arguments::LevelName) -> Diagnostic {
    let names: Vec<&str> = Level::available().iter().map(|level| level.name()).collect();
    let message = format!("this processor does not have {}", format!("{name:?}").to_lowercase());
    Diagnostic::new("unknown-level", message).help(format!("it has: {}", names.join(", ")))
}
