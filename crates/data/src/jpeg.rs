//! Whether a JPEG file is whole. The decoder fills what is missing with grey and says nothing; we say it.
//!
//! Format: ITU-T T.81, annex B.

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// Whether the bytes stop before the end-of-image marker that closes the picture itself (and not a
/// thumbnail inside a segment).
pub(crate) fn ends_early(bytes: &[u8]) -> bool {
    let mut at = 2; // behind the start-of-image marker
    loop {
        let Some(marker) = next_marker(bytes, &mut at) else { return true };
        match marker {
            END_OF_IMAGE => return false,
            0x01 | 0xd0..=0xd8 => {} // markers without a segment
            _ => {
                let Some(length) = bytes.get(at..at + 2) else { return true };
                at += (u16::from_be_bytes([length[0], length[1]]) as usize).max(2);
                if marker == START_OF_SCAN {
                    skip_scan(bytes, &mut at);
                }
            }
        }
    }
}

/// The next marker's code; `at` moves behind it.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    *at += bytes.get(*at..)?.iter().position(|&byte| byte == 0xff)?;
    *at += bytes[*at..].iter().position(|&byte| byte != 0xff)?;
    *at += 1;
    Some(bytes[*at - 1])
}

/// Moves `at` to the marker behind the scan's coded data, in which a marker's first byte is followed by
/// 0 or a restart code.
fn skip_scan(bytes: &[u8], at: &mut usize) {
    while let Some(pair) = bytes.get(*at..*at + 2) {
        if pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7) {
            return;
        }
        *at += 1;
    }
    *at = bytes.len();
}

#[cfg(test)]
mod tests {
    use super::ends_early;

    #[test]
    fn only_the_outer_end_marker_counts() {
        let check = |bytes: &[u8], expect: bool| assert_eq!(ends_early(bytes), expect, "{bytes:02x?}");
        check(&[0xff, 0xd8], true);
        check(&[0xff, 0xd8, 0xff, 0xd9], false);
        check(&[0xff, 0xd8, 0xff, 0xe1, 0x00, 0x04, 0xff, 0xd9], true); // a thumbnail's
        check(&[0xff, 0xd8, 0xff, 0xda, 0x00, 0x02, 0x12, 0xff, 0x00, 0x34], true);
        check(&[0xff, 0xd8, 0xff, 0xda, 0x00, 0x02, 0x12, 0xff, 0x00, 0x34, 0xff, 0xd9, 0x77], false);
        check(&[0xff, 0xd8, 0xff, 0xda, 0x00, 0x02, 0xff, 0xff, 0xd9], false);
        check(&[0xff, 0xd8, 0xff, 0xda, 0xff, 0xff], true);
    }
}
