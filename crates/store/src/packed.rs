//! A store that is one file: a bundle, or a program with packed models behind it. It is read where it is.
//!
//! The rows are put into memory when it is opened; a blob is read, and hashed, when somebody asks for it. Nothing is
//! written to the disk, and nothing of it can be changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use base::Diagnostic;

use crate::blobs::packed::PackedBlobs;
use crate::bundle::{Bundle, check_seal};
use crate::database::packed::PackedRows;
use crate::error::io as io_error;
use crate::trailer::find_trailer;
use crate::{DiskFiles, Store, StoreError};

impl Store {
    /// Opens the packed models in the file `path`.
    ///
    /// Errors   a file that holds none; one that is damaged; the disk.
    pub fn open_packed(path: &Path) -> Result<Self, StoreError> {
        let mut file = File::open(path).map_err(io_error("read", path))?;
        let refused = |reason: String| not_packed(path, &reason);
        let section = match find_trailer(path)? {
            Some(trailer) => {
                trailer.check(&mut file, path)?;
                Section::new(file, trailer.program_bytes, trailer.packed_bytes)
            }
            None => {
                let length = file.metadata().map_err(io_error("read", path))?.len();
                let mut whole = Section::new(file, 0, length);
                check_seal(&mut whole).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => refused(error.to_string()),
                    _ => io_error("read", path)(error),
                })?;
                whole
            }
        };
        let bundle = Bundle::open(section).map_err(refused)?;
        let rows = PackedRows::of(&bundle.package, path)?;
        let packed = bundle.package.wanted.clone();
        let blobs = PackedBlobs::new(path.to_owned(), bundle);
        Ok(Store {
            root: path.to_owned(),
            files: Arc::new(DiskFiles),
            database: Box::new(rows),
            blobs: Box::new(blobs),
            packed,
        })
    }

    /// The models that were packed into the file that this store is, as `name@N`; none if it is no file. Their
    /// ancestors are in it too, as far as something is said of them.
    pub fn packed_models(&self) -> &[String] {
        &self.packed
    }
}

fn not_packed(path: &Path, reason: &str) -> StoreError {
    Diagnostic::new("not-a-store", format!("{} holds no packed models: {reason}", path.display()))
        .help("name the folder of a store, a bundle, or a program that `heirloom package --as static` wrote")
        .into()
}

/// A part of a file, as if it were a file of its own.
struct Section {
    file: File,
    start: u64,
    length: u64,
    position: u64,
}

impl Section {
    fn new(file: File, start: u64, length: u64) -> Self {
        Section { file, start, length, position: 0 }
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.file.seek(SeekFrom::Start(self.start + self.position))?;
        let read = self.file.read(&mut buffer[..wanted])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(by) => (self.length, by),
            SeekFrom::Current(by) => (self.position, by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the beginning");
        self.position = from.checked_add_signed(by).ok_or_else(outside)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_file_of_its_own() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let mut section = Section::new(file, 3, 4);
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456");
        assert_eq!(section.seek(SeekFrom::End(-1)).unwrap(), 3);
        let mut byte = [0; 2];
        assert_eq!((section.read(&mut byte).unwrap(), byte[0]), (1, b'6'));
        assert_eq!(section.seek(SeekFrom::Start(9)).unwrap(), 9);
        assert_eq!(section.read(&mut byte).unwrap(), 0);
        assert!(section.seek(SeekFrom::Current(-10)).is_err());
    }
}
