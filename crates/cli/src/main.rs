//! The binary `heirloom`: arguments in, results and an exit status out.
//!
//! The decision that shaped it: *this is the only crate that prints or exits, and it decides nothing
//! else*. What a run does is told by `pipeline` in typed events and one report, what is wrong by
//! diagnostics and errors; here they become bars, lines, tables or JSON. So whatever the terminal
//! shows, a program gets too, and the libraries serve a web page as well as a terminal.
//!
//! Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed
//! (disk, lock), 2 wrong usage or an invalid scheme, data or model file, 3 refused by a gate or an
//! alarm of monitoring, 130 interrupted.

mod arguments;
mod author;
mod commands;
mod diagnostics;
mod disk;
mod edits;
mod failure;
mod inside;
mod quantities;
mod scheme_files;
mod signals;
mod store_place;
mod tables;
mod terminal;
mod webhook;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Algorithm, Arguments, Command, Data};
use commands::{
    algorithm, completions, data as datasets, engine as machine, infer, inherit as inheriting,
    init as project, key, look, model, monitor as monitoring, package, profile as profiling, run as runs,
    scheme as schemes, serve as serving, store as store_commands, watch,
};
use failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    let words = inside::words(std::env::args_os().collect())?;
    let Some(words) = words else { return inside::introduce() };
    let arguments = Arguments::try_parse_from(words).map_err(Failure::Usage)?;
    machine::check_instructions()?;
    signals::survive_size_limit().map_err(Failure::world)?;
    match arguments.command {
        Command::Init(init) => project::init(&init),
        Command::Run(run) => runs::run(&run),
        Command::Watch(arguments) => watch::watch(&arguments),
        Command::Infer(infer) => infer::infer(&infer),
        Command::Serve(serve) => serving::serve(&serve),
        Command::Package(arguments) => package::package(&arguments),
        Command::Monitor(monitor) => monitoring::monitor(&monitor),
        Command::Profile(arguments) => profiling::profile(&arguments),
        Command::Engine(command) => machine::command(command),
        Command::Scheme(command) => schemes::command(command),
        Command::Inherit(command) => inheriting::command(command),
        Command::Model(command) => model::command(command),
        Command::Data(Data::Inspect { path, json }) => look::inspect(&path, json),
        Command::Key(command) => key::command(command),
        Command::Store(command) => store_commands::command(command),
        Command::Data(Data::List { json }) => datasets::list(json),
        Command::Data(Data::WhoSaw { record, json, store }) => datasets::who_saw(&record, json, &store),
        Command::Algorithm(Algorithm::List { json }) => algorithm::list(json),
        Command::Algorithm(Algorithm::Show { name, json }) => algorithm::show(&name, json),
        Command::Completions { shell } => completions::write(shell),
    }
}
