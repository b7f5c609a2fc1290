//! The files of a log, and which of them go.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::LogOptions;

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Counts the segments of the folder.
    pub(super) number: u64,
    /// The time of its first record.
    first_ms: i64,
}

/// The segments in `folder`, the oldest first. Other files are not looked at; no folder is no segments.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let parsed = path.file_name().and_then(|name| name.to_str()).and_then(parse);
        if let Some((number, first_ms)) = parsed {
            segments.push(Segment { path, number, first_ms });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// Makes the segment behind all others in `folder`, for records from `first_ms` on.
pub(super) fn create(folder: &Path, first_ms: i64) -> io::Result<(Segment, File)> {
    fs::create_dir_all(folder)?;
    let mut number = list(folder)?.last().map_or(1, |segment| segment.number.saturating_add(1));
    loop {
        let path = folder.join(format!("requests-{number:08}-{:013}.jsonl", first_ms.max(0)));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((Segment { path, number, first_ms }, file)),
            // Another process logs here, too.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.saturating_add(1),
            Err(error) => return Err(error),
        }
    }
}

/// Takes the oldest segments away that are too old at `now_ms` or too many bytes; never the newest. Returns how many.
pub(super) fn retain(folder: &Path, options: &LogOptions, now_ms: i64) -> io::Result<u64> {
    let segments = list(folder)?;
    let sizes: Vec<u64> =
        segments.iter().map(|segment| fs::metadata(&segment.path).map_or(0, |facts| facts.len())).collect();
    let (mut total, mut gone) = (sizes.iter().sum::<u64>(), 0);
    for (place, pair) in segments.windows(2).enumerate() {
        // All of its records are older than the next segment's first.
        let too_old = options.age_ms_max.is_some_and(|most| pair[1].first_ms < now_ms.saturating_sub(most));
        if !too_old && total <= options.bytes_max {
            break;
        }
        match fs::remove_file(&pair[0].path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (total, gone) = (total - sizes[place], gone + 1),
        }
    }
    Ok(gone)
}

fn parse(name: &str) -> Option<(u64, i64)> {
    let (number, first) = name.strip_prefix("requests-")?.strip_suffix(".jsonl")?.split_once('-')?;
    Some((number.parse().ok()?, first.parse().ok()?))
}
