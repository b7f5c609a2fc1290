//! The reading side: every whole record, whatever else is in the folder.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;

use super::line::Lines;
use super::segments::{self, Segment};
use super::{LINE_BYTES_MAX, Record};
use crate::error::MonitorError;

/// What was read, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReadReport {
    /// Segments of the log.
    pub segments: u64,
    /// Whole records.
    pub records: u64,
    /// Half lines at the ends of segments, as a kill leaves them.
    pub torn: u64,
    /// Other lines that are no records.
    pub damaged: u64,
}

/// Hands each record in `folder` to `take`, in the order in which they were written. Half lines and damaged ones are skipped and
/// counted; a folder that is not there holds none.
///
/// Errors   the disk.
pub fn read_log(folder: &Path, mut take: impl FnMut(Record)) -> Result<ReadReport, MonitorError> {
    let segments = segments::list(folder).map_err(MonitorError::io("read the folder of requests", folder))?;
    let mut report = ReadReport::default();
    for segment in &segments {
        report.segments += 1;
        match read_segment(segment, &mut report, &mut take) {
            // Its time had come while this was reading.
            Err(error) if error.kind() == io::ErrorKind::NotFound => report.segments -= 1,
            result => result.map_err(MonitorError::io("read the log of requests", &segment.path))?,
        }
    }
    Ok(report)
}

fn read_segment(segment: &Segment, report: &mut ReadReport, take: &mut impl FnMut(Record)) -> io::Result<()> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(&segment.path)?);
    let (mut lines, mut line) = (Lines::default(), Vec::new());
    loop {
        line.clear();
        let read = file.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            match read < LINE_BYTES_MAX {
                true => report.torn += 1,
                false => {
                    report.damaged += 1;
                    if !skip_line(&mut file)? {
                        return Ok(());
                    }
                }
            }
            continue;
        }
        match lines.read(&line[..line.len() - 1]) {
            Ok(Some(record)) => {
                report.records += 1;
                take(record);
            }
            Ok(None) => {}
            Err(_) => {
                report.damaged += 1;
                // Of another version, or no segment at all: nothing in it can be told.
                if !lines.begun() {
                    return Ok(());
                }
            }
        }
    }
}

/// Goes behind the next end of a line; whether there is one.
fn skip_line(file: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = file.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let (length, end) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (buffer.len(), false),
        };
        file.consume(length);
        if end {
            return Ok(true);
        }
    }
}
