//! Where events go: to the observer, and line by line into `events.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::events::{Event, Flow, Observer};
use crate::keys;

/// The name of the log in a run's folder.
const FILE: &str = "events.jsonl";

/// The observer and the log. What is told before the log has a place is kept until then.
pub(crate) struct Journal<'a, 'b> {
    observer: &'a mut Observer<'b>,
    pending: Vec<String>,
    log: Option<Log>,
}

struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// One write per line, so that whoever reads along sees whole lines.
    fn write(&mut self, line: &str) -> Result<(), RunError> {
        let bytes = format!("{line}\n");
        self.file.write_all(bytes.as_bytes()).map_err(|error| RunError::file("write", &self.path, error))
    }
}

impl<'a, 'b> Journal<'a, 'b> {
    pub(crate) fn new(observer: &'a mut Observer<'b>) -> Self {
        Journal { observer, pending: Vec::new(), log: None }
    }

    /// Tells and logs. Errors with [`RunError::Interrupted`] if the observer wants to stop.
    pub(crate) fn tell(&mut self, event: &Event) -> Result<(), RunError> {
        self.log(event)?;
        match (self.observer)(event) {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(RunError::Interrupted),
        }
    }

    /// Tells the end of the run: too late to stop.
    pub(crate) fn tell_last(&mut self, event: &Event) -> Result<(), RunError> {
        (self.observer)(event);
        self.log(event)
    }

    /// Tells without logging.
    pub(crate) fn show(&mut self, event: &Event) -> Flow {
        (self.observer)(event)
    }

    fn log(&mut self, event: &Event) -> Result<(), RunError> {
        let line = keys::json(event);
        match &mut self.log {
            Some(log) => log.write(&line),
            None => {
                self.pending.push(line);
                Ok(())
            }
        }
    }

    /// Goes on in the folder of a run; a resumed run's log grows.
    pub(crate) fn open(&mut self, folder: &Path) -> Result<(), RunError> {
        let path = folder.join(FILE);
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let file = opened.map_err(|error| RunError::file("open", &path, error))?;
        let mut log = Log { path, file };
        for line in std::mem::take(&mut self.pending) {
            log.write(&line)?;
        }
        self.log = Some(log);
        Ok(())
    }
}
