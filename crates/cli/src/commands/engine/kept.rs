//! What was measured of this machine, kept in the user's cache folder.
//!
//! The file is a convenience: one that is missing, damaged or of another machine counts as none.

use std::env;
use std::fs;
use std::path::PathBuf;

use engine::{Level, Peak};
use pipeline::KeptRates;
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::disk;
use crate::failure::Failure;

/// The form of the file.
const FORMAT: u32 = 1;
/// A file that was written here is far smaller.
const BYTES_MAX: u64 = 1 << 16;

/// The figures of one machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    format: u32,
    processor: Option<String>,
    machine_threads: usize,
    measured: Vec<Measurement>,
    /// Absent from files of before there were any.
    #[serde(default)]
    rates: Vec<LevelRates>,
}

/// The rates of the kernels of convolutions with one instruction set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LevelRates {
    /// The instruction set.
    pub(super) cpu_level: String,
    /// On one thread.
    #[serde(flatten)]
    pub(super) rates: KeptRates,
}

impl LevelRates {
    /// Measures now.
    pub(super) fn take(level: Level) -> Self {
        LevelRates { cpu_level: level.name().to_owned(), rates: engine::calibrate(level).into() }
    }
}

/// All that was measured of a machine.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Peaks.
    pub(super) measured: Vec<Measurement>,
    /// Rates of convolutions.
    pub(super) rates: Vec<LevelRates>,
}

/// The peak of one instruction set on a number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measurement {
    /// The instruction set.
    pub(super) cpu_level: String,
    /// Threads.
    pub(super) threads: usize,
    /// Floating-point operations per second.
    pub(super) flops: f64,
    /// Bytes per second of reading.
    pub(super) bytes_per_second: f64,
}

impl Measurement {
    /// Measures now.
    pub(super) fn take(level: Level, threads: usize) -> Self {
        let Peak { flops, bytes_per_second } = engine::peak(level, threads);
        Measurement { cpu_level: level.name().to_owned(), threads, flops, bytes_per_second }
    }

    /// As the engine has it.
    pub(super) fn peak(&self) -> Peak {
        Peak { flops: self.flops, bytes_per_second: self.bytes_per_second }
    }
}

impl Kept {
    /// Figures of `machine` that are to be kept.
    pub(super) fn with(machine: &Machine, figures: &Figures) -> Self {
        Kept {
            format: FORMAT,
            processor: machine.processor.clone(),
            machine_threads: machine.threads,
            measured: figures.measured.clone(),
            rates: figures.rates.clone(),
        }
    }

    /// Where the file is: `heirloom/engine.json` in `XDG_CACHE_HOME`, else in `LOCALAPPDATA`, else in `.cache` at home. `None`
    /// for a user without any of them.
    pub(super) fn path() -> Option<PathBuf> {
        let named = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
        let folder = named("XDG_CACHE_HOME").or_else(|| named("LOCALAPPDATA")).or_else(home)?;
        Some(folder.join("heirloom").join("engine.json"))
    }

    /// What was kept.
    pub(super) fn read() -> Option<Self> {
        let path = Kept::path()?;
        let small = fs::metadata(&path).ok()?;
        if !small.is_file() || small.len() > BYTES_MAX {
            return None;
        }
        let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let sound = |each: &Measurement| each.flops > 0.0 && each.bytes_per_second > 0.0;
        let costs = |each: &LevelRates| each.rates.costs().is_some();
        let sound = kept.measured.iter().all(sound) && kept.rates.iter().all(costs);
        (kept.format == FORMAT && sound).then_some(kept)
    }

    /// The figures, if they are of `machine`.
    pub(super) fn of(self, machine: &Machine) -> Figures {
        match self.processor == machine.processor && self.machine_threads == machine.threads {
            true => Figures { measured: self.measured, rates: self.rates },
            false => Figures::default(),
        }
    }

    /// Writes the file.
    ///
    /// Errors   the disk. A user without a cache folder gets the figures on the terminal only.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let Some(path) = Kept::path() else { return Ok(()) };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| disk::failed("make", folder, error))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(Failure::world)?;
        disk::write_whole(&path, format!("{text}\n").as_bytes())
    }
}
