//! Which vector instructions the processor has.

use std::{env, fmt};

/// The environment variable that names the best instruction set to be used, of those the processor has: to get the bytes that a
/// lesser machine gets, and to test what such a machine would do.
pub const INSTRUCTIONS: &str = "HEIRLOOM_INSTRUCTIONS";

/// An instruction set the kernels are compiled for. Results are the same bytes for one level; different levels
/// may differ in the last digits, so the level is recorded with every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// AVX-512F with FMA: sixteen `float32` at a time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with FMA: eight at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain Rust, for every processor.
    Portable,
}

impl Level {
    /// The best level this processor has.
    pub fn detect() -> Self {
        Level::available()[0]
    }

    /// Every level this processor has, the best first; from the one that [`INSTRUCTIONS`] names on, if it names one of them.
    pub fn available() -> Vec<Self> {
        let mut levels = Level::of_processor();
        if let Ok(Some(best)) = Level::limit() {
            let better = levels.iter().position(|level| *level == best).unwrap_or(0);
            levels.drain(..better);
        }
        levels
    }

    /// The level that [`INSTRUCTIONS`] names, if it is set.
    ///
    /// # Errors
    ///
    /// [`UnknownLevel`] if it names no level that this processor has.
    pub fn limit() -> Result<Option<Self>, UnknownLevel> {
        let Some(name) = env::var_os(INSTRUCTIONS) else { return Ok(None) };
        let levels = Level::of_processor();
        match levels.iter().find(|level| name == level.name()) {
            Some(level) => Ok(Some(*level)),
            None => Err(UnknownLevel { name: name.to_string_lossy().into_owned(), levels }),
        }
    }

    /// Every level this processor has, the best first.
    fn of_processor() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if fma && is_x86_feature_detected!("avx512f") {
                levels.push(Level::Avx512);
            }
            if fma {
                levels.push(Level::Avx2);
            }
        }
        levels.push(Level::Portable);
        levels
    }

    /// The name in reports: `avx512`, `avx2`, `portable`.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            Level::Portable => "portable",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// [`INSTRUCTIONS`] names no instruction set that this processor has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{INSTRUCTIONS} is {name:?}, but this processor has {}", names(levels))]
pub struct UnknownLevel {
    name: String,
    levels: Vec<Level>,
}

fn names(levels: &[Level]) -> String {
    let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
    names.join(", ")
}
