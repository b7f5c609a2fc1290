//! The digests that a signature holds, of bytes in memory and of files read piece by piece.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// How the files of a signed folder are hashed. What this program signs is hashed with SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileHash {
    /// SHA-256 (FIPS 180-4).
    #[default]
    Sha256,
    /// BLAKE3, 256 bits.
    Blake3,
}

/// A digest of either kind.
pub type FileDigest = [u8; 32];

const PIECE_BYTES: usize = 64 << 10;

impl FileHash {
    /// The name in signatures.
    pub fn name(self) -> &'static str {
        match self {
            FileHash::Sha256 => "sha256",
            FileHash::Blake3 => "blake3",
        }
    }

    /// The hash that signatures call `name`, if it is one of these.
    pub fn from_name(name: &str) -> Option<Self> {
        [FileHash::Sha256, FileHash::Blake3].into_iter().find(|hash| hash.name() == name)
    }

    /// The digest of `bytes`.
    pub fn of(self, bytes: &[u8]) -> FileDigest {
        match self {
            FileHash::Sha256 => Sha256::digest(bytes).into(),
            FileHash::Blake3 => *blake3::hash(bytes).as_bytes(),
        }
    }

    /// The digest of everything that `source` gives, read in pieces, and its length.
    pub fn of_reader(self, source: impl Read) -> io::Result<(FileDigest, u64)> {
        match self {
            FileHash::Sha256 => {
                let mut hasher = Sha256::new();
                let length = in_pieces(source, |piece| hasher.update(piece))?;
                Ok((hasher.finalize().into(), length))
            }
            FileHash::Blake3 => {
                let mut hasher = blake3::Hasher::new();
                let length = in_pieces(source, |piece| {
                    hasher.update(piece);
                })?;
                Ok((*hasher.finalize().as_bytes(), length))
            }
        }
    }
}

/// Hands all of `source` to `take`, piece by piece, and returns its length.
fn in_pieces(mut source: impl Read, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(length),
            Ok(count) => {
                take(&piece[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lower-case hexadecimal digits.
pub fn hexadecimal(digest: &FileDigest) -> String {
    base::Digest(*digest).to_string()
}

/// The digest that 64 lower-case hexadecimal digits stand for.
pub(crate) fn from_hexadecimal(text: &str) -> Option<FileDigest> {
    let lower = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !lower {
        return None;
    }
    text.parse().ok().map(|base::Digest(digest)| digest)
}
