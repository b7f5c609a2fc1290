//! Bounds the memory that decoding will take, by walking over the bytes without keeping anything.
//!
//! Two bytes of a file can become a message of half a kilobyte, so the length of a file says little. This walk
//! follows the wire format of protobuf (tag, then a number, or a length and that many bytes) with the layout of
//! the messages, which is generated from their definition.

use super::limits::DECODED_BYTES_MAX;

/// The messages by index, and the kinds of their fields by number.
struct MessageLayout {
    name: &'static str,
    fields: &'static [(u32, FieldKind)],
}

#[derive(Clone, Copy)]
enum FieldKind {
    /// A message, by index.
    Message(usize),
    /// Text or bytes.
    Bytes,
    /// A number, or a list of them.
    Number,
}

include!(concat!(env!("OUT_DIR"), "/layout.rs"));

/// What a message takes at most besides its fields, with the room that growing lists keep spare.
pub(super) const MESSAGE_BYTES: usize = 1024;
/// What a field takes at most besides its contents: the entry of a list of texts.
const FIELD_BYTES: usize = 32;
/// The most a byte of packed numbers becomes: a number of 8 bytes.
const NUMBER_BYTES: usize = 8;
/// Messages within messages; a model without subgraphs has fewer than 10.
const DEPTH_MAX: usize = 32;

/// Why a file cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanError {
    /// The bytes are not of the wire format.
    Malformed {
        /// The first byte that does not fit.
        byte: usize,
    },
    /// It would take more than [`DECODED_BYTES_MAX`], or nests deeper than [`DEPTH_MAX`].
    TooLarge,
}

/// Checks that `bytes` can be decoded as a model within the limits.
pub(super) fn scan(bytes: &[u8]) -> Result<(), ScanError> {
    let model = LAYOUT.iter().position(|message| message.name == "onnx.ModelProto");
    let mut scan = Scan { bytes, at: 0, budget: DECODED_BYTES_MAX };
    scan.message(model.expect("the definition has a model"), bytes.len(), 0)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    budget: usize,
}

impl Scan<'_> {
    /// Walks over a message that ends at byte `end`.
    fn message(&mut self, index: usize, end: usize, depth: usize) -> Result<(), ScanError> {
        if depth > DEPTH_MAX {
            return Err(ScanError::TooLarge);
        }
        self.charge(MESSAGE_BYTES)?;
        while self.at < end {
            let start = self.at;
            let tag = self.number(end)?;
            let field = LAYOUT[index].fields.iter().find(|(number, _)| u64::from(*number) == tag >> 3);
            self.charge(FIELD_BYTES)?;
            match tag & 7 {
                0 => drop(self.number(end)?),
                1 => self.skip(8, end)?,
                5 => self.skip(4, end)?,
                2 => {
                    let length = self.number(end)?;
                    let length = usize::try_from(length).map_err(|_| self.malformed())?;
                    let stop = self.at.checked_add(length).filter(|&stop| stop <= end);
                    let stop = stop.ok_or(ScanError::Malformed { byte: start })?;
                    match field {
                        Some((_, FieldKind::Message(inner))) => self.message(*inner, stop, depth + 1)?,
                        Some((_, FieldKind::Bytes)) => self.charge(length)?,
                        Some((_, FieldKind::Number)) => self.charge(length.saturating_mul(NUMBER_BYTES))?,
                        None => {}
                    }
                    self.at = stop;
                }
                _ => return Err(ScanError::Malformed { byte: start }), // groups, which ONNX does not use
            }
        }
        Ok(())
    }

    /// A base-128 number.
    fn number(&mut self, end: usize) -> Result<u64, ScanError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes[..end].get(self.at).ok_or_else(|| self.malformed())?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }

    fn skip(&mut self, count: usize, end: usize) -> Result<(), ScanError> {
        self.at += count;
        if self.at <= end { Ok(()) } else { Err(ScanError::Malformed { byte: end }) }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), ScanError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(ScanError::TooLarge)?;
        Ok(())
    }

    fn malformed(&self) -> ScanError {
        ScanError::Malformed { byte: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_messages_are_refused_with_their_place() {
        let check = |bytes: &[u8], expect| assert_eq!(scan(bytes), expect, "{bytes:?}");
        check(&[], Ok(()));
        check(&[0x08, 9], Ok(()));
        check(&[0x08], Err(ScanError::Malformed { byte: 1 }));
        check(&[0x3a, 2, 0x0a], Err(ScanError::Malformed { byte: 0 }));
        check(&[0x3a, 2, 0x0a, 1], Err(ScanError::Malformed { byte: 2 }));
        check(&[0x0b], Err(ScanError::Malformed { byte: 0 }));
        check(&[0xff; 12], Err(ScanError::Malformed { byte: 10 }));
    }

    #[test]
    fn small_files_that_would_become_large_are_refused() {
        // A graph of empty nodes, two bytes each, which would take a kilobyte each.
        let nodes = [0x0a, 0].repeat(4_500_000);
        let mut model = vec![0x3a];
        let mut length = nodes.len();
        while length >= 0x80 {
            model.push(length as u8 | 0x80);
            length >>= 7;
        }
        model.push(length as u8);
        model.extend(nodes);
        assert_eq!(scan(&model), Err(ScanError::TooLarge));
    }
}
