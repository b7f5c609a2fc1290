//! `heirloom store`: one file for each kind of command, and here what they share.

mod check;
mod configure;
mod transfer;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use store::{Arrival, Received};

use crate::arguments::StoreCommand;
use crate::failure::Failure;
use crate::{quantities, terminal};

/// Carries out one of the commands.
pub(crate) fn command(command: StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Verify { json, store } => check::verify(json, &store),
        StoreCommand::Gc { dry_run, stages, json, store } => check::collect(dry_run, stages, json, &store),
        StoreCommand::Stats { json, store } => check::stats(json, &store),
        StoreCommand::Push(arguments) => transfer::push(&arguments),
        StoreCommand::Pull(arguments) => transfer::pull(&arguments),
        StoreCommand::Configure(arguments) => configure::configure(&arguments),
    }
}

/// Progress over bytes: a bar on a terminal, nothing in a pipe.
pub(crate) struct Bytes(Option<ProgressBar>);

impl Bytes {
    pub(crate) fn new(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}").ok();
        Bytes(
            style
                .filter(|_| terminal::is_interactive())
                .map(|style| ProgressBar::new(0).with_style(style).with_message(what)),
        )
    }

    pub(crate) fn show(&mut self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Tells what arrived in a store.
pub(crate) fn arrivals(received: &Received, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let list = |arrivals: &[Arrival]| arrivals.iter().map(arrival).collect::<Vec<_>>();
        return terminal::print_json(&json!({
            "versions": list(&received.versions),
            "schemes": list(&received.schemes),
            "blobs": received.blobs,
            "bytes": received.bytes,
        }));
    }
    let mut text = String::new();
    for (kind, arrivals) in [("model", &received.versions), ("scheme", &received.schemes)] {
        for each in arrivals.iter().filter(|each| each.new) {
            let renamed = if each.from == each.version {
                String::new()
            } else {
                format!("  (was {}@{}: that number is another model here)", each.name, each.from)
            };
            text += &format!("{kind} {}@{}{renamed}\n", each.name, each.version);
        }
    }
    let all = || received.versions.iter().chain(&received.schemes);
    let known = all().filter(|each| !each.new).count();
    let added = all().count() - known;
    text += &format!(
        "{added} added, {known} already there; {}, {}\n",
        quantities::counted(received.blobs as usize, "new blob"),
        quantities::bytes(received.bytes)
    );
    terminal::print(&text)
}

fn arrival(arrival: &Arrival) -> Value {
    json!({
        "name": arrival.name, "version": arrival.version, "from_version": arrival.from, "new": arrival.new,
    })
}
