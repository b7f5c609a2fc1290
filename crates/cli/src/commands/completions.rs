//! `heirloom completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::terminal;

/// Prints the completion script for `shell`.
pub(crate) fn write(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "heirloom", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))
}
