//! `train.memory_limit`: how much memory a training step may take.

use serde::{Deserialize, Serialize};

/// The units, the largest first.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];
/// Nothing has more memory than this many bytes.
const BYTES_MAX: f64 = 1e15;

/// An amount of memory, written as a number and a unit: `300 MB`, `1.5 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: u64,
}

impl TryFrom<String> for MemoryLimit {
    type Error = String;

    /// Reads `300 MB`. Errors with one sentence that says what is wrong.
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` is no amount of memory: {what}");
        let unit_at = text.find(|letter: char| letter.is_alphabetic()).unwrap_or(text.len());
        let (number, unit) = (text[..unit_at].trim(), text[unit_at..].trim());
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(wrong("it is a number and one of B, kB, MB, GB, KiB, MiB and GiB"));
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let bytes = number.parse::<f64>().ok().filter(|_| digits).map(|number| number * *factor as f64);
        match bytes {
            None => Err(wrong("what stands before the unit is no number")),
            Some(bytes) if (1.0..=BYTES_MAX).contains(&bytes) => Ok(MemoryLimit { bytes: bytes as u64 }),
            Some(_) => Err(wrong("it is from 1 B to 1000000 GB")),
        }
    }
}

impl From<MemoryLimit> for String {
    /// With the largest unit that leaves a whole number.
    fn from(limit: MemoryLimit) -> Self {
        let whole = UNITS.iter().find(|(_, factor)| limit.bytes.is_multiple_of(*factor));
        let (unit, factor) = whole.expect("bytes leave a whole number");
        format!("{} {unit}", limit.bytes / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryLimit;

    fn check(text: &str, expect: Result<u64, &str>) {
        let found = MemoryLimit::try_from(text.to_owned());
        match expect {
            Ok(bytes) => assert_eq!(found, Ok(MemoryLimit { bytes }), "{text}"),
            Err(part) => assert!(found.as_ref().is_err_and(|why| why.contains(part)), "{text}: {found:?}"),
        }
    }

    #[test]
    fn amounts_are_a_number_and_a_unit() {
        check("300 MB", Ok(300_000_000));
        check("300MB", Ok(300_000_000));
        check(" 1.5 GiB ", Ok(3 << 29));
        check("64 KiB", Ok(65_536));
        check("1 B", Ok(1));
        check("300", Err("and one of"));
        check("300 mb", Err("and one of"));
        check("MB", Err("no number"));
        check("-1 MB", Err("no number"));
        check("1e9 B", Err("and one of"));
        check("inf MB", Err("and one of"));
        check("1.2.3 MB", Err("no number"));
        check("0 MB", Err("from 1 B"));
        check("0.1 B", Err("from 1 B"));
        check("99999999999999999999 GB", Err("from 1 B"));
        check("", Err("and one of"));
    }

    #[test]
    fn amounts_are_written_as_they_are_read() {
        for (text, written) in
            [("300 MB", "300 MB"), ("1.5 GB", "1500 MB"), ("512 MiB", "512 MiB"), ("1025 B", "1025 B")]
        {
            let limit = MemoryLimit::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(limit), written);
            assert_eq!(MemoryLimit::try_from(written.to_owned()), Ok(limit));
        }
    }
}
