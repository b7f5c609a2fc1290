//! Why a command did not do what it was asked, and the exit status that says so.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use base::{Diagnostic, Diagnostics, SourceMap};
use monitor::MonitorError;
use packaging::PackageError;
use pipeline::RunError;
use provenance::{FolderError, SealError};
use store::StoreError;

use crate::{diagnostics, terminal};

/// Exit status of a failure of the world: disk, lock, memory.
const FAILED: u8 = 1;
/// Exit status of a mistake of the user's: usage, scheme, data, model file.
const INVALID: u8 = 2;
/// Exit status of a model that a gate of its scheme refused, or whose requests raise an alarm.
pub(crate) const REFUSED: u8 = 3;
/// Exit status after ctrl-c, as shells have it: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user's scheme, data, model file or usage is wrong.
    Mistakes {
        /// Everything that is wrong.
        found: Diagnostics,
        /// The texts that it points into.
        sources: SourceMap,
    },
    /// A gate refused the model.
    Refused {
        /// What each gate says.
        found: Diagnostics,
        /// The texts that it points into.
        sources: SourceMap,
    },
    /// The world failed.
    World {
        /// What, in the words of the part that noticed.
        error: Box<dyn Error>,
        /// What to do next.
        help: Option<String>,
    },
    /// The arguments do not parse, or ask for help or the version.
    Usage(clap::Error),
    /// The user pressed ctrl-c; the text says how to go on.
    Interrupted(String),
    /// Everything was said on standard output already.
    Told(ExitCode),
    /// Whoever read standard output wants no more, such as `head`.
    ReaderGone,
}

impl Failure {
    /// Mistakes that point into `sources`.
    pub(crate) fn mistakes(found: Diagnostics, sources: SourceMap) -> Self {
        Failure::Mistakes { found, sources }
    }

    /// A failure of the world.
    pub(crate) fn world(error: impl Error + 'static) -> Self {
        let help = advice(&error);
        Failure::World { error: Box::new(error), help }
    }

    /// A run, an export or an inference did not come to its end; `sources` is what its diagnostics point into.
    pub(crate) fn of_run(error: RunError, sources: SourceMap, interrupted: impl FnOnce() -> String) -> Self {
        match error {
            RunError::Diagnostics(found) => Failure::mistakes(found, sources),
            RunError::Refused(found) => Failure::Refused { found, sources },
            RunError::Failed(pipeline::Failure::Store(error)) => Failure::world(error),
            RunError::Failed(error) => Failure::world(error),
            RunError::Interrupted => Failure::Interrupted(interrupted()),
        }
    }

    /// Standard output could not be written.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            kind => Failure::world(io::Error::new(kind, format!("cannot write to standard output: {error}"))),
        }
    }

    /// What went wrong, without what surrounds it: to see whether two failures are the same.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Failure::Mistakes { found, .. } | Failure::Refused { found, .. } => found.to_string(),
            Failure::World { error, .. } => error.to_string(),
            Failure::Usage(error) => error.to_string(),
            Failure::Interrupted(how_to_go_on) => how_to_go_on.clone(),
            Failure::Told(_) | Failure::ReaderGone => String::new(),
        }
    }

    /// Tells the user on standard error, and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Mistakes { found, sources } => {
                diagnostics::report(&found, &sources);
                INVALID.into()
            }
            Failure::Refused { found, sources } => {
                diagnostics::report(&found, &sources);
                REFUSED.into()
            }
            Failure::World { error, help } => {
                terminal::say(&format!("error: {}", terminal::printable(&error.to_string())));
                if let Some(help) = help {
                    terminal::say(&format!("  = help: {help}"));
                }
                FAILED.into()
            }
            Failure::Usage(error) => {
                // Help into a closed pipe is as good as read.
                let _ = error.print();
                u8::try_from(error.exit_code()).unwrap_or(INVALID).into()
            }
            Failure::Interrupted(how_to_go_on) => {
                terminal::say(&how_to_go_on);
                INTERRUPTED.into()
            }
            Failure::Told(status) => status,
            Failure::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Failure::mistakes(diagnostic.into(), SourceMap::default())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error.mistake() {
            Some(mistake) => mistake.into(),
            None => Failure::world(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::of_run(error, SourceMap::default(), || "interrupted".to_owned())
    }
}

impl From<Diagnostics> for Failure {
    fn from(found: Diagnostics) -> Self {
        Failure::mistakes(found, SourceMap::default())
    }
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Invalid(found) => found.into(),
            error => Failure::world(error),
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match error.mistakes() {
            Some(mistakes) => mistakes.into(),
            None => Failure::world(error),
        }
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Mistakes(found) => found.into(),
            PackageError::Store(error) => error.into(),
            PackageError::Model(error) => error.into(),
            PackageError::Folder(error) => error.into(),
            error => Failure::world(error),
        }
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Statement(mistake) => (*mistake).into(),
            SealError::Key(error) => Failure::world(error),
        }
    }
}

/// What to do about a failure of the world, where something can be said.
fn advice(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(StoreError::Locked { .. }) = error.downcast_ref() {
            return Some("wait until that run has ended, or name another store with `--store`".to_owned());
        }
        if let Some(StoreError::Watched { .. }) = error.downcast_ref() {
            return Some(
                "one is enough: end that one first, or name another store with `--store`".to_owned(),
            );
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
                    return Some(
                        "make room and start the command again; what was finished is kept".to_owned(),
                    );
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    return Some("check who may write there, or name another place".to_owned());
                }
                _ => {}
            }
        }
        cause = error.source();
    }
    None
}
