//! Which vector instructions the processor has.

use std::fmt;

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

    /// Every level this processor has, the best first.
    pub fn available() -> Vec<Self> {
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
