//! Signals as ordinary values.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether somebody asked the program to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Notes ctrl-c and the request to terminate from now on, instead of dying of them. The second
    /// one ends the program at once.
    pub(crate) fn listen() -> io::Result<Self> {
        let asked = Interrupt::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order, so that the first signal only sets the flag.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked.0))?;
            flag::register(signal, Arc::clone(&asked.0))?;
        }
        Ok(asked)
    }

    /// Whether it is time to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets a write past the limit on file sizes fail as on a full disk; the signal's own action would
/// kill the process in the middle of it.
pub(crate) fn survive_size_limit() -> io::Result<()> {
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
    Ok(())
}
