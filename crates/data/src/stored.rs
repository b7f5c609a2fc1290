//! Files, on disk or inside the program, plain or gzip, read under a limit.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location};
use flate2::bufread::MultiGzDecoder;

use crate::DataError;
use crate::limits::GZIP_RATIO_MAX;

/// A file that can be opened.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    /// The bytes of a file inside the program.
    memory: Option<&'static [u8]>,
}

/// An open file whose bytes come decompressed.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    /// Length as stored, before decompression.
    pub(crate) stored_bytes: u64,
    pub(crate) packed: bool,
    reader: Box<dyn Read>,
}

impl Stored {
    pub(crate) fn on_disk(path: &Path) -> Self {
        Stored { path: path.to_owned(), memory: None }
    }

    pub(crate) fn in_program(name: &str, bytes: &'static [u8]) -> Self {
        Stored { path: PathBuf::from(format!("built-in/{name}")), memory: Some(bytes) }
    }

    /// Opens the file; gzip is known by its first two bytes.
    pub(crate) fn open(&self) -> Result<Opened, DataError> {
        let (mut reader, stored_bytes): (Box<dyn BufRead>, u64) = match self.memory {
            Some(bytes) => (Box::new(bytes), bytes.len() as u64),
            None => {
                let (file, length) = open_file(&self.path)?;
                (Box::new(BufReader::with_capacity(1 << 16, file)), length)
            }
        };
        let start = reader.fill_buf().map_err(|error| DataError::file("read", &self.path, error))?;
        let packed = start.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn Read> =
            if packed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
        Ok(Opened { path: self.path.clone(), stored_bytes, packed, reader })
    }

    /// The bytes as stored, if there are at most `bytes_max`.
    pub(crate) fn read_raw(&self, bytes_max: u64) -> Result<Vec<u8>, DataError> {
        if let Some(bytes) = self.memory {
            return Ok(bytes.to_vec());
        }
        let (file, length) = open_file(&self.path)?;
        let mut bytes = Vec::new();
        if length <= bytes_max {
            let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
            read.map_err(|error| DataError::file("read", &self.path, error))?;
        }
        if length > bytes_max || bytes.len() as u64 > bytes_max {
            let message = format!("the file is larger than the limit of {} MiB", bytes_max >> 20);
            return Err(Diagnostic::new("too-large", message).label(Location::file(&self.path), "").into());
        }
        Ok(bytes)
    }

    /// Hands the bytes as stored to `take`, piece by piece.
    pub(crate) fn each_piece(&self, mut take: impl FnMut(&[u8])) -> Result<(), DataError> {
        if let Some(bytes) = self.memory {
            take(bytes);
            return Ok(());
        }
        let (file, _) = open_file(&self.path)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        loop {
            let piece = reader.fill_buf().map_err(|error| DataError::file("read", &self.path, error))?;
            if piece.is_empty() {
                return Ok(());
            }
            take(piece);
            let length = piece.len();
            reader.consume(length);
        }
    }
}

impl Opened {
    /// Whether a file of this stored length can hold `bytes` decompressed bytes at all.
    pub(crate) fn can_hold(&self, bytes: u64) -> bool {
        let ratio = if self.packed { GZIP_RATIO_MAX } else { 1 };
        bytes <= self.stored_bytes.saturating_mul(ratio)
    }

    /// Appends at most `limit` bytes to `bytes` and returns how many there were.
    pub(crate) fn read_up_to(&mut self, limit: u64, bytes: &mut Vec<u8>) -> Result<u64, DataError> {
        let read = self.reader.by_ref().take(limit).read_to_end(bytes);
        read.map(|count| count as u64).map_err(|error| read_error(&self.path, self.packed, error))
    }

    pub(crate) fn into_reader(self) -> Box<dyn Read> {
        self.reader
    }
}

/// What a failed read means: broken compression is the user's file, the rest is the machine.
pub(crate) fn read_error(path: &Path, packed: bool, error: io::Error) -> DataError {
    let at = Location::file(path);
    match error.kind() {
        io::ErrorKind::UnexpectedEof if packed => {
            Diagnostic::new("truncated-gzip", "the gzip file ends before its compressed data does")
                .label(at, "cut off")
                .help("fetch or copy the file again; `gzip -t` checks it")
                .into()
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if packed => {
            Diagnostic::new("corrupt-gzip", format!("the gzip file is damaged: {error}"))
                .label(at, "")
                .help("fetch or copy the file again; `gzip -t` checks it")
                .into()
        }
        _ => DataError::file("read", path, error),
    }
}

fn open_file(path: &Path) -> Result<(File, u64), DataError> {
    let metadata = fs::metadata(path).map_err(|error| open_error(path, error))?;
    if !metadata.is_file() {
        let message = "a file was expected here, found a folder or a device";
        return Err(Diagnostic::new("not-a-file", message).label(Location::file(path), "").into());
    }
    let file = File::open(path).map_err(|error| open_error(path, error))?;
    Ok((file, metadata.len()))
}

/// A missing file or folder is the user's mistake; anything else that stops opening is the machine's.
pub(crate) fn open_error(path: &Path, error: io::Error) -> DataError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            missing(path).into()
        }
        _ => DataError::file("open", path, error),
    }
}

fn missing(path: &Path) -> Diagnostic {
    let found = Diagnostic::new("missing-file", format!("there is no file or folder `{}`", path.display()))
        .label(Location::file(path), "not found");
    match neighbour(path) {
        Some(name) => found.help(format!("did you mean `{name}` in the same folder?")),
        None => found,
    }
}

/// The name in the same folder that looks most like the missing one.
fn neighbour(path: &Path) -> Option<String> {
    let entries =
        fs::read_dir(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    let mut names: Vec<String> =
        entries.ok()?.take(10_000).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    base::nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(str::to_owned)
}
