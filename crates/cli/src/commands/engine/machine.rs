//! What the system tells about the processor.

use std::fs;
use std::num::NonZero;
use std::path::Path;

use serde::Serialize;

/// The processor, as far as the system describes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Machine {
    /// Its maker's name for it.
    pub(super) processor: Option<String>,
    /// How many threads it runs at a time.
    pub(super) threads: usize,
    /// The first core's caches.
    pub(super) caches: Vec<Cache>,
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cache {
    /// 1 is nearest to the core.
    pub(super) level: u8,
    /// `data`, `instruction` or `unified`.
    pub(super) kind: String,
    /// Its size.
    pub(super) bytes: u64,
}

impl Machine {
    /// Asks the system: Linux tells all of it, others the number of threads.
    pub(super) fn look() -> Self {
        Machine {
            processor: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor(&text)),
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
        }
    }
}

/// The first `model name` of /proc/cpuinfo.
fn processor(text: &str) -> Option<String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mut names =
        fields.filter(|(key, _)| key.trim() == "model name").map(|(_, name)| name.trim().to_owned());
    names.next()
}

fn caches(folder: &Path) -> Vec<Cache> {
    let one = |index: usize| {
        let of = |name: &str| fs::read_to_string(folder.join(format!("index{index}/{name}"))).ok();
        Some(Cache {
            level: of("level")?.trim().parse().ok()?,
            kind: of("type")?.trim().to_lowercase(),
            bytes: size(of("size")?.trim())?,
        })
    };
    (0..).map_while(one).collect()
}

/// `48K` in bytes.
fn size(text: &str) -> Option<u64> {
    let (number, unit) =
        text.split_at_checked(text.find(|each: char| !each.is_ascii_digit()).unwrap_or(text.len()))?;
    let factor = match unit {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_are_read() {
        assert_eq!(size("48K"), Some(49_152));
        assert_eq!(size("266240K"), Some(272_629_760));
        assert_eq!(size("1M"), Some(1 << 20));
        assert_eq!([size("12X"), size(""), size("99999999999999999999G")], [None; 3]);
        let text = "processor\t: 0\nmodel name\t: Some Processor @ 2 GHz\nmodel name\t: another\n";
        assert_eq!(processor(text).as_deref(), Some("Some Processor @ 2 GHz"));
        assert_eq!(processor("nothing of the kind"), None);
    }
}
