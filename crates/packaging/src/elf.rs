//! As much of the ELF format as tells what a program needs to start: its loader, and what a library is called.
//!
//! Source: System V Application Binary Interface, chapters 4 and 5; 64 bits, little-endian. Safe on any bytes.

const MAGIC: &[u8] = b"\x7fELF\x02\x01";
const PROGRAM_LOAD: u32 = 1;
const PROGRAM_DYNAMIC: u32 = 2;
const PROGRAM_INTERPRETER: u32 = 3;
const DYNAMIC_STRINGS: u64 = 5;
const DYNAMIC_NAME: u64 = 14;
/// More program headers than any file has.
const HEADERS_MAX: u16 = 512;
/// More entries than any dynamic section has.
const ENTRIES_MAX: usize = 4096;
/// Longest name or path.
const TEXT_BYTES_MAX: usize = 4096;

/// One entry of the table of segments.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    bytes: u64,
}

/// A file in the ELF format.
pub(crate) struct Elf<'a> {
    bytes: &'a [u8],
    segments: Vec<Segment>,
}

impl<'a> Elf<'a> {
    /// Reads the table of segments; `None` if it is no such file.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let (table, size, count) = (word(bytes, 32)?, half(bytes, 54)?, half(bytes, 56)?);
        let entry = |index: u16| {
            let at = usize::try_from(table.checked_add(u64::from(index) * u64::from(size))?).ok()?;
            Some(Segment {
                kind: u32::from_le_bytes(array(bytes, at)?),
                offset: word(bytes, at + 8)?,
                address: word(bytes, at + 16)?,
                bytes: word(bytes, at + 32)?,
            })
        };
        let segments = (0..count.min(HEADERS_MAX)).map(entry).collect::<Option<Vec<_>>>()?;
        Some(Elf { bytes, segments })
    }

    /// The path of the loader that the system starts; none of a program that needs none.
    pub(crate) fn interpreter(&self) -> Option<&'a str> {
        let segment = self.segments.iter().find(|segment| segment.kind == PROGRAM_INTERPRETER)?;
        self.text(segment.offset)
    }

    /// What programs call this library.
    pub(crate) fn library_name(&self) -> Option<&'a str> {
        let dynamic = self.segments.iter().find(|segment| segment.kind == PROGRAM_DYNAMIC)?;
        let start = usize::try_from(dynamic.offset).ok()?;
        let entries = usize::try_from(dynamic.bytes).ok()? / 16;
        let (mut strings, mut name) = (None, None);
        for index in 0..entries.min(ENTRIES_MAX) {
            let at = start.checked_add(index * 16)?;
            match (word(self.bytes, at)?, word(self.bytes, at + 8)?) {
                (0, _) => break,
                (DYNAMIC_STRINGS, address) => strings = Some(address),
                (DYNAMIC_NAME, offset) => name = Some(offset),
                _ => {}
            }
        }
        self.text(self.offset_of(strings?)?.checked_add(name?)?)
    }

    /// Where in the file what is loaded at `address` is.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let mut loaded = self.segments.iter().filter(|segment| segment.kind == PROGRAM_LOAD);
        let segment = loaded.find(|segment| {
            address.checked_sub(segment.address).is_some_and(|inside| inside < segment.bytes)
        })?;
        (address - segment.address).checked_add(segment.offset)
    }

    /// The text at `offset`, up to its zero.
    fn text(&self, offset: u64) -> Option<&'a str> {
        let rest = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let end = rest.iter().take(TEXT_BYTES_MAX).position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok().filter(|text| !text.is_empty())
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array(bytes, at)?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(array(bytes, at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a loader, one loaded segment and the name `libx.so.1`.
    fn sample() -> Vec<u8> {
        let mut bytes = vec![0; 64 + 3 * 56];
        bytes[..6].copy_from_slice(MAGIC);
        bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
        bytes[54..58].copy_from_slice(&[56, 0, 3, 0]);
        let body = bytes.len() as u64;
        let texts = b"/lib/loader\0\0libx.so.1\0";
        let dynamic = body + texts.len() as u64;
        let kinds = [
            (PROGRAM_INTERPRETER, body, 0, 12),
            (PROGRAM_LOAD, body, 0x1000, texts.len() as u64),
            (PROGRAM_DYNAMIC, dynamic, 0, 48),
        ];
        for (index, (kind, offset, address, length)) in kinds.into_iter().enumerate() {
            let at = 64 + index * 56;
            bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            for (place, value) in [(8, offset), (16, address), (32, length)] {
                bytes[at + place..at + place + 8].copy_from_slice(&u64::to_le_bytes(value));
            }
        }
        bytes.extend(texts);
        for value in [DYNAMIC_NAME, 1, DYNAMIC_STRINGS, 0x1000 + 12, 0, 0] {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn loader_and_name_are_found() {
        let bytes = sample();
        let elf = Elf::read(&bytes).unwrap();
        assert_eq!((elf.interpreter(), elf.library_name()), (Some("/lib/loader"), Some("libx.so.1")));
    }

    #[test]
    fn any_bytes_are_safe() {
        let bytes = sample();
        for end in 0..bytes.len() {
            if let Some(elf) = Elf::read(&bytes[..end]) {
                let _ = (elf.interpreter(), elf.library_name());
            }
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            if let Some(elf) = Elf::read(&changed) {
                let _ = (elf.interpreter(), elf.library_name());
            }
        }
        assert!(Elf::read(b"#!/bin/sh\n").is_none());
    }
}
