//! The end of a file that holds packed models behind something else: a program that brings its model along.
//!
//! ```text
//! program | packed models, length bytes | BLAKE3 of them, 32 | length, 8 | magic, 8
//! ```
//!
//! Written down in `docs/formats/executable.md`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use base::{Diagnostic, Digest};

use crate::StoreError;
use crate::error::io as io_error;

/// The last bytes of such a file; the last of them is the format's version.
const MAGIC: [u8; 8] = *b"HLMEXEC\x01";
/// The magic without the version.
const FAMILY: usize = 7;
/// Digest, length, magic.
const TRAILER_BYTES: u64 = 32 + 8 + 8;

/// Where the packed models of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// The length of what is before them: the program.
    pub program_bytes: u64,
    /// Their length.
    pub packed_bytes: u64,
    /// Their digest.
    digest: Digest,
}

/// The trailer of the file `path`; `None` if it has none. Reads its last bytes only.
///
/// Errors   a trailer of a newer version, or one whose length the file does not have; the disk.
pub fn find_trailer(path: &Path) -> Result<Option<Trailer>, StoreError> {
    let mut file = File::open(path).map_err(io_error("read", path))?;
    let length = file.metadata().map_err(io_error("read", path))?.len();
    let Some(start) = length.checked_sub(TRAILER_BYTES) else { return Ok(None) };
    let mut bytes = [0; TRAILER_BYTES as usize];
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(io_error("read", path))?;
    parse(&bytes, start).map_err(|reason| damaged(path, &reason))
}

/// Reads a trailer in front of which there are `before` bytes.
fn parse(bytes: &[u8; TRAILER_BYTES as usize], before: u64) -> Result<Option<Trailer>, String> {
    let (digest, rest) = bytes.split_at(32);
    let (length, magic) = rest.split_at(8);
    if magic[..FAMILY] != MAGIC[..FAMILY] {
        return Ok(None);
    }
    if magic != MAGIC {
        return Err(format!("its form has version {}, and this program reads version 1", magic[FAMILY]));
    }
    let (mut number, mut name) = ([0; 8], [0; 32]);
    number.copy_from_slice(length);
    name.copy_from_slice(digest);
    let packed_bytes = u64::from_le_bytes(number);
    let program_bytes = before
        .checked_sub(packed_bytes)
        .ok_or_else(|| format!("{packed_bytes} bytes of models are announced, and {before} are there"))?;
    Ok(Some(Trailer { program_bytes, packed_bytes, digest: Digest(name) }))
}

/// Appends the packed models that `packed` gives, and their trailer.
pub fn append_trailer(program: &mut impl Write, packed: &[u8]) -> io::Result<()> {
    program.write_all(packed)?;
    program.write_all(&Digest::of(packed).0)?;
    program.write_all(&(packed.len() as u64).to_le_bytes())?;
    program.write_all(&MAGIC)
}

impl Trailer {
    /// Whether the models in `file` are those that were appended.
    pub(crate) fn check(&self, file: &mut File, path: &Path) -> Result<(), StoreError> {
        file.seek(SeekFrom::Start(self.program_bytes)).map_err(io_error("read", path))?;
        let found = Digest::of_reader(file.take(self.packed_bytes)).map_err(io_error("read", path))?;
        if found == self.digest {
            return Ok(());
        }
        Err(damaged(path, &format!("its digest is {found}, and {} was written", self.digest)))
    }
}

fn damaged(path: &Path, reason: &str) -> StoreError {
    Diagnostic::new("bad-package", format!("the model in {} is damaged: {reason}", path.display()))
        .help("get the file again, or make it again: `heirloom package MODEL --as static`")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_reads_back_and_strange_ones_do_not() {
        let mut file = b"program".to_vec();
        append_trailer(&mut file, b"models").unwrap();
        assert_eq!(file.len(), 7 + 6 + TRAILER_BYTES as usize);
        assert_eq!(&file[file.len() - 8..], b"HLMEXEC\x01");
        let end: [u8; TRAILER_BYTES as usize] = file[13..].try_into().unwrap();
        let expect = Trailer { program_bytes: 7, packed_bytes: 6, digest: Digest::of(b"models") };
        assert_eq!(parse(&end, 13), Ok(Some(expect)));
        assert!(parse(&end, 5).unwrap_err().contains("6 bytes of models are announced, and 5 are there"));
        let mut newer = end;
        newer[47] = 2;
        assert!(parse(&newer, 13).unwrap_err().contains("version 2"));
        let mut other = end;
        other[40] = b'x';
        assert_eq!(parse(&other, 13), Ok(None));
    }
}
