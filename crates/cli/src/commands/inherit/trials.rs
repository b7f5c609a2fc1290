//! What a proof tells while it goes on: a line for each training, and on a terminal a bar over all of them.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use inherit::prove::Trial;
use pipeline::ProofEvent;

use crate::{quantities, terminal};

/// Draws events to standard error.
pub(super) struct Trials {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Trials {
    /// A display that shows nothing yet.
    pub(super) fn new(quiet: bool) -> Self {
        Trials { quiet, bar: None }
    }

    /// Shows one event.
    pub(super) fn show(&mut self, event: &ProofEvent<'_>) {
        match event {
            _ if self.quiet => {}
            ProofEvent::Notice(text) => self.say(&format!("note      {}", terminal::printable(text))),
            ProofEvent::Training(_) => {}
            ProofEvent::Trial { trial, cached, done, of } => {
                self.say(&line(trial, *cached, *done, *of));
                self.draw(*done, *of);
            }
        }
    }

    fn draw(&mut self, done: usize, of: usize) {
        if !terminal::is_interactive() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(of as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("trainings {pos}/{len} [{wide_bar:.cyan}] {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar
        });
        bar.set_position(done as u64);
    }

    fn say(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::say(line)),
            None => terminal::say(line),
        }
    }
}

impl Drop for Trials {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn line(trial: &Trial, cached: bool, done: usize, of: usize) -> String {
    let way = if trial.inherited { "inherited" } else { "scratch" };
    let labels = quantities::counted(usize::try_from(trial.labels).unwrap_or(usize::MAX), "label");
    let time = match cached {
        true => "done before".to_owned(),
        false => quantities::seconds(trial.seconds),
    };
    format!(
        "proof     {done}/{of}: {labels}, seed {}, {way}: accuracy {}, {time}",
        trial.seed,
        quantities::percent(trial.accuracy)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_training_leaves_a_line() {
        let trial = Trial {
            fraction: 0.1,
            labels: 12,
            seed: 2,
            inherited: true,
            accuracy: 0.931,
            seconds: 0.41,
            curve: Vec::new(),
        };
        let expect = "proof     3/16: 12 labels, seed 2, inherited: accuracy 93.10 %, 0.41 s";
        assert_eq!(line(&trial, false, 3, 16), expect);
        let expect = "proof     4/16: 12 labels, seed 2, scratch: accuracy 93.10 %, done before";
        assert_eq!(line(&Trial { inherited: false, ..trial }, true, 4, 16), expect);
    }
}
