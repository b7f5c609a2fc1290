//! "Did you mean", within limits: names come from outside and may be long and many.

use base::nearest;

/// Names longer than this are no slip of the pen.
const NAME_BYTES_MAX: usize = 100;
/// Among more names than this, none is suggested.
const NAMES_MAX: usize = 200;

/// The one of `names` that `name` was probably meant to be.
pub(crate) fn suggest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX || names.len() > NAMES_MAX {
        return None;
    }
    nearest(name, names.iter().copied().filter(|candidate| candidate.len() <= NAME_BYTES_MAX))
}
