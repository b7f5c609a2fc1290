//! The writing side: a bounded queue and one thread.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use base::DigestWriter;

use super::line::{Written, header};
use super::{LINE_BYTES_MAX, LogOptions, Record, segments};
use crate::error::MonitorError;

/// Records that a failing disk costs each time it fails, so that a full one is not filled with empty segments.
const PAUSE: u32 = 1000;

/// An open log. Dropping it writes what waits and ends its thread.
pub struct Log {
    /// `None` only while it is dropped.
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
    /// Ids whose hash is below are logged; the hash has 64 bits.
    below: u128,
}

/// What became of the requests so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStats {
    /// Written.
    pub written: u64,
    /// Not in the sample.
    pub left_out: u64,
    /// The queue was full.
    pub dropped: u64,
    /// The disk refused them, or they are too long.
    pub failed: u64,
    /// Segments that were taken away.
    pub segments_gone: u64,
}

#[derive(Default)]
struct Counters {
    written: AtomicU64,
    left_out: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    segments_gone: AtomicU64,
}

enum Message {
    Record(Box<Record>),
    /// To be answered when everything before is on disk.
    Flush(SyncSender<()>),
}

impl Log {
    /// Opens the log in `folder`, which is made if it is not there.
    ///
    /// Errors   the folder cannot be made or written to.
    pub fn open(folder: &Path, options: LogOptions) -> Result<Self, MonitorError> {
        std::fs::create_dir_all(folder).map_err(MonitorError::io("make the folder of requests", folder))?;
        // Whether files can be made there shows now, and not at the first request.
        probe(folder).map_err(MonitorError::io("write into the folder of requests", folder))?;
        let counters = Arc::new(Counters::default());
        let below = (options.sample.clamp(0.0, 1.0) * (u64::MAX as f64 + 1.0)) as u128;
        let (sender, receiver) = sync_channel(options.queue.max(1));
        let writer = Writer {
            folder: folder.to_owned(),
            options,
            counters: Arc::clone(&counters),
            open: None,
            newest_ms: i64::MIN,
            pause: 0,
        };
        let thread = std::thread::Builder::new()
            .name("request-log".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(MonitorError::io("start the thread that writes", folder))?;
        Ok(Log { sender: Some(sender), thread: Some(thread), counters, below })
    }

    /// Whether the request `id` is in the sample. Asking first saves making a record that is left out; it is counted here.
    pub fn wants(&self, id: &str) -> bool {
        let wanted = u128::from(position(id)) < self.below;
        if !wanted {
            self.counters.left_out.fetch_add(1, Ordering::Relaxed);
        }
        wanted
    }

    /// Logs a request that the sample wants. Never waits: if the queue is full it is dropped, and counted.
    pub fn record(&self, record: Record) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            sender.try_send(Message::Record(Box::new(record)))
        {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same, but waits where the queue is full. For work that is in no hurry.
    pub fn record_waiting(&self, record: Record) {
        let Some(sender) = &self.sender else { return };
        if sender.send(Message::Record(Box::new(record))).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything logged before is with the operating system.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if let Some(sender) = &self.sender
            && sender.send(Message::Flush(done)).is_ok()
        {
            // An ended thread has written what it could.
            let _ = wait.recv();
        }
    }

    /// What became of the requests so far.
    pub fn stats(&self) -> LogStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { written, left_out, dropped, failed, segments_gone } = &*self.counters;
        LogStats {
            written: read(written),
            left_out: read(left_out),
            dropped: read(dropped),
            failed: read(failed),
            segments_gone: read(segments_gone),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told by its own thread; there is nothing to save here.
            let _ = thread.join();
        }
    }
}

/// Where an id falls among all: 64 bits of its hash.
fn position(id: &str) -> u64 {
    let digest = DigestWriter::new("heirloom.monitor.sample.1").field(id.as_bytes()).finish();
    u64::from_le_bytes(std::array::from_fn(|byte| digest.0[byte]))
}

/// Makes an empty file in `folder` and takes it away.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".writable-{}", std::process::id()));
    File::create(&path)?;
    std::fs::remove_file(&path)
}

/// The thread's side.
struct Writer {
    folder: PathBuf,
    options: LogOptions,
    counters: Arc<Counters>,
    open: Option<Open>,
    newest_ms: i64,
    /// Records that are given up before the disk is tried again.
    pause: u32,
}

/// The segment that is written.
struct Open {
    file: BufWriter<File>,
    bytes: u64,
    first_ms: i64,
    schemas: Vec<Written>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        loop {
            let message = match receiver.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => {
                    // Nothing waits: what is buffered goes out before this thread sleeps.
                    self.flush();
                    match receiver.recv() {
                        Ok(message) => message,
                        Err(_) => break,
                    }
                }
                Err(TryRecvError::Disconnected) => break,
            };
            match message {
                Message::Record(record) => self.take(&record),
                Message::Flush(done) => {
                    self.flush();
                    let _ = done.send(());
                }
            }
        }
        self.flush();
    }

    fn take(&mut self, record: &Record) {
        if self.pause > 0 {
            self.pause -= 1;
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        } else if self.write(record).is_ok() {
            self.counters.written.fetch_add(1, Ordering::Relaxed);
        } else {
            self.give_up();
        }
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.newest_ms = self.newest_ms.max(record.unix_ms);
        if self.open.as_ref().is_some_and(|open| open.is_full(&self.options, record.unix_ms)) {
            self.flush();
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let open = none.insert(Open::create(&self.folder, record.unix_ms)?);
                // What could not be taken away now is tried again with the next segment.
                let gone = segments::retain(&self.folder, &self.options, self.newest_ms).unwrap_or(0);
                self.counters.segments_gone.fetch_add(gone, Ordering::Relaxed);
                open
            }
        };
        open.write(record, &self.options)
    }

    fn flush(&mut self) {
        if let Some(open) = &mut self.open
            && open.file.flush().is_err()
        {
            self.give_up();
        }
    }

    /// Leaves a segment that cannot be written, with perhaps half a line at its end. A later record tries a new one.
    fn give_up(&mut self) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        (self.open, self.pause) = (None, PAUSE);
    }
}

impl Open {
    fn create(folder: &Path, first_ms: i64) -> io::Result<Self> {
        let (_, file) = segments::create(folder, first_ms)?;
        let mut open =
            Open { file: BufWriter::with_capacity(1 << 16, file), bytes: 0, first_ms, schemas: Vec::new() };
        open.put(&header())?;
        Ok(open)
    }

    /// Whether a record from `unix_ms` belongs into the next segment: this one is long enough, or spans a tenth of the time that
    /// records are kept, so that age can take them piece by piece.
    fn is_full(&self, options: &LogOptions, unix_ms: i64) -> bool {
        let too_long = |most: i64| unix_ms.saturating_sub(self.first_ms) > most / 10;
        self.bytes >= options.segment_bytes_max || options.age_ms_max.is_some_and(too_long)
    }

    fn write(&mut self, record: &Record, options: &LogOptions) -> io::Result<()> {
        let known = self.schemas.iter().position(|written| written.is_of(&record.schema));
        let place = match known {
            Some(place) => place,
            None => {
                let written = Written::new(Arc::clone(&record.schema), &options.fields);
                let line = written.line(self.schemas.len() as u32);
                self.put(&line)?;
                self.schemas.push(written);
                self.schemas.len() - 1
            }
        };
        let line = self.schemas[place].record(place as u32, record, options);
        self.put(&line)
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a line of too many bytes"));
        }
        self.bytes += line.len() as u64;
        self.file.write_all(line)
    }
}
