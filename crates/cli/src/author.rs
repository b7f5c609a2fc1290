//! Who gives the command, and when: what the store's history says.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use store::By;

/// The user's name as the system has it, and the present time.
pub(crate) fn by() -> By {
    let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| env::var(name).ok());
    let actor = names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    By { actor, unix_ms: now_unix_ms() }
}

/// Milliseconds since 1970.
fn now_unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
