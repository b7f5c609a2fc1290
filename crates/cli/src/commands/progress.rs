//! What a run tells while it goes on: a bar on a terminal, plain lines anywhere else.

use std::time::Duration;

use ::inherit::compare::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::{AgainstParent, DataSummary, EpochReport, Event, GateReport, ModelSummary, Stage};

use crate::commands::{inherit, report};
use crate::{quantities, terminal};

/// Narrower terminals get a bar with fewer words.
const WIDE: usize = 90;
const TICK: Duration = Duration::from_millis(100);

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Nothing.
    Quiet,
    /// Lines: for files, pipes and logs.
    Lines,
    /// Lines, and a bar that is drawn over itself.
    Bar,
}

/// Draws events to standard error.
pub(crate) struct Progress {
    detail: Detail,
    bar: Option<ProgressBar>,
    /// What an example is called.
    example: &'static str,
}

impl Progress {
    /// A display that shows nothing yet.
    pub(crate) fn new(detail: Detail) -> Self {
        Progress { detail, bar: None, example: "example" }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &Event) {
        if self.detail == Detail::Quiet {
            return;
        }
        match event {
            Event::StageStarted { stage } => self.spin(stage.name()),
            Event::BatchFinished { .. } => self.draw_batch(event),
            Event::DataPrepared(data) if data.example_shape.len() == 3 => self.example = "image",
            _ => {}
        }
        if let Some(line) = line(event, self.example, self.is_wide()) {
            self.clear();
            terminal::say(&line);
        }
    }

    /// A stage whose length is not known.
    fn spin(&mut self, what: &str) {
        if self.detail == Detail::Bar {
            self.clear();
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {msg} {elapsed}"));
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(TICK);
            self.bar = Some(bar);
        }
    }

    fn draw_batch(&mut self, event: &Event) {
        let Event::BatchFinished { epoch, epochs, batch, batches, .. } = *event else { return };
        if self.detail != Detail::Bar {
            return;
        }
        let wide = self.is_wide();
        let bar = match &self.bar {
            Some(bar) if bar.length() == Some(batches as u64) => bar,
            _ => {
                self.clear();
                let bar = ProgressBar::with_draw_target(Some(batches as u64), ProgressDrawTarget::stderr());
                let words = if wide {
                    "epoch {prefix} [{wide_bar:.cyan}] {msg}"
                } else {
                    "{prefix} [{wide_bar:.cyan}] {msg}"
                };
                bar.set_style(style(words));
                self.bar.insert(bar)
            }
        };
        bar.set_prefix(format!("{epoch}/{epochs}"));
        bar.set_message(batch_numbers(event, wide, self.example));
        bar.set_position(batch as u64);
    }

    /// Whether there is room for all words. Files have it.
    fn is_wide(&self) -> bool {
        self.detail == Detail::Lines || terminal::message_width() >= WIDE
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Templates are constants of this file; one that does not parse would show as indicatif's own bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn batch_numbers(event: &Event, wide: bool, example: &str) -> String {
    let Event::BatchFinished { loss, accuracy, images_per_second, seconds_left, .. } = event else {
        return String::new();
    };
    let right = accuracy.map(|share| format!(" accuracy {}", quantities::percent(share)));
    let speed = quantities::count(*images_per_second as usize);
    let left = quantities::seconds_left(*seconds_left);
    if wide {
        format!("loss {loss:.4}{}  {speed} {example}s/s  {left} left", right.unwrap_or_default())
    } else {
        let right = accuracy.map(|share| format!(" {:.1}%", share * 100.0)).unwrap_or_default();
        format!("{loss:.3}{right} {speed}/s {left}")
    }
}

/// The line that an event leaves behind.
fn line(event: &Event, example: &str, wide: bool) -> Option<String> {
    Some(match event {
        Event::RunStarted { scheme, seed, threads, cpu_level, .. } => named(
            "run",
            &format!("{scheme}, seed {seed}, {}, {cpu_level}", quantities::counted(*threads, "thread")),
        ),
        Event::Notice { text } => named("note", &terminal::printable(text)),
        Event::StageCached { stage, .. } => named(stage.name(), "done before, taken from the store"),
        Event::StageFinished { stage: Stage::Train, .. } => return None,
        Event::StageFinished { stage, seconds, .. } => named(stage.name(), &quantities::seconds(*seconds)),
        Event::DataPrepared(data) => named("data", &data_line(data)),
        Event::ModelPlanned(model) => model_lines(model),
        Event::TrainingStarted { epoch, epochs, batches, done, .. } if *epoch > 1 || *done > 0 => {
            named("resume", &format!("in epoch {epoch} of {epochs}, after {done} of {batches} batches"))
        }
        Event::EpochFinished { report, epochs, best } if wide => {
            named("epoch", &epoch_line(report, *epochs, *best, example))
        }
        Event::EpochFinished { report, epochs, best } => {
            named("epoch", &short_epoch_line(report, *epochs, *best))
        }
        Event::TrainingFinished { best_epoch, epochs, stopped_early } => {
            let early = if *stopped_early { ", stopped early" } else { "" };
            named(
                "train",
                &format!("{}{early}; kept: epoch {best_epoch}", quantities::counted(*epochs, "epoch")),
            )
        }
        Event::ComparedWithParent(brief) => named("compare", &against_parent(brief)),
        Event::GatesJudged { gates } => {
            gates.iter().map(|gate| named("gate", &gate_line(gate))).collect::<Vec<_>>().join("\n")
        }
        Event::Deployed(deployment) => named("deploy", &report::deployed(deployment)),
        Event::StageStarted { .. }
        | Event::RunOpened { .. }
        | Event::TrainingStarted { .. }
        | Event::BatchFinished { .. }
        | Event::CheckpointSaved { .. }
        | Event::Evaluated { .. }
        | Event::ModelRegistered { .. }
        | Event::RunFinished { .. }
        | Event::RunFailed { .. } => return None,
    })
}

fn named(name: &str, text: &str) -> String {
    format!("{name:<9} {text}")
}

/// What the new model does differently from its parent.
pub(super) fn against_parent(brief: &AgainstParent) -> String {
    let [broken, fixed] =
        [brief.newly_broken, brief.newly_fixed].map(|count| quantities::count(count as usize));
    let cases = quantities::counted(brief.cases as usize, "case");
    let measured = match (brief.accuracy, brief.mae) {
        (Some([before, after]), _) => {
            format!("accuracy {} before, {} now", quantities::percent(before), quantities::percent(after))
        }
        (_, Some([before, after])) => format!(
            "mean absolute error {} before, {} now",
            quantities::measure(before),
            quantities::measure(after)
        ),
        (None, None) => String::new(),
    };
    format!("{broken} of {cases} newly broken, {fixed} newly fixed against {}; {measured}", brief.parent)
}

fn gate_line(gate: &GateReport) -> String {
    let word = match gate.outcome {
        Outcome::Pass => "passes",
        Outcome::Refuse => "REFUSES",
    };
    terminal::printable(&format!("{} {word}: {}", gate.gate, gate.sentence))
}

/// The network, and below it what it takes over.
fn model_lines(model: &ModelSummary) -> String {
    let (layers, parameters) = (
        quantities::counted(model.layers.len(), "layer"),
        quantities::counted(model.parameters, "parameter"),
    );
    let frozen = match model.frozen {
        0 => String::new(),
        count => format!(", {} of them frozen", quantities::count(count)),
    };
    let network = named("model", &format!("{layers}, {parameters}{frozen}"));
    let Some(plan) = &model.transfer else { return network };
    let inherited = named("inherit", &format!("from {}: {}", plan.parent, inherit::summary(plan)));
    let notes = plan.differences.iter().map(|difference| named("note", &terminal::printable(difference)));
    [network, inherited].into_iter().chain(notes).collect::<Vec<_>>().join("\n")
}

fn data_line(data: &DataSummary) -> String {
    let answer = match &data.target {
        Some(target) => format!("target {}", terminal::printable(target)),
        None => format!("{} classes", data.classes.len()),
    };
    let unused = match data.unused {
        0 => String::new(),
        count => format!(", {} not used", quantities::count(count)),
    };
    format!(
        "{}: {} to learn from, {} to validate, {} to test{unused}; {answer}",
        terminal::printable(&data.name),
        quantities::count(data.train),
        quantities::count(data.validation),
        quantities::count(data.test)
    )
}

fn epoch_line(report: &EpochReport, epochs: usize, best: bool, example: &str) -> String {
    let loss = loss_and_accuracy(report.train_loss, report.train_accuracy);
    let mut line = format!("{}/{epochs}: loss {loss}", report.epoch);
    if let Some(loss) = report.validation_loss {
        let mark = if best { " (best)" } else { "" };
        line += &format!(", validation {}{mark}", loss_and_accuracy(loss, report.validation_accuracy));
    }
    let speed = quantities::count((report.images as f64 / report.seconds.max(1e-9)) as usize);
    line + &format!(", {}, {speed} {example}s/s", quantities::seconds(report.seconds))
}

/// What matters most, for narrow terminals: the loss that chooses the epoch.
fn short_epoch_line(report: &EpochReport, epochs: usize, best: bool) -> String {
    let (part, loss) = match report.validation_loss {
        Some(loss) => ("validation", loss_and_accuracy(loss, report.validation_accuracy)),
        None => ("loss", loss_and_accuracy(report.train_loss, report.train_accuracy)),
    };
    let mark = if best { " (best)" } else { "" };
    format!("{}/{epochs}: {part} {loss}{mark}, {}", report.epoch, quantities::seconds(report.seconds))
}

fn loss_and_accuracy(loss: f64, accuracy: Option<f64>) -> String {
    let right = accuracy.map(|share| format!(" {}", quantities::percent(share))).unwrap_or_default();
    format!("{}{right}", quantities::measure(loss))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &Event, expect: Option<&str>) {
        assert_eq!(line(event, "image", true).as_deref(), expect);
    }

    #[test]
    fn every_epoch_leaves_a_line() {
        let report = EpochReport {
            epoch: 3,
            seconds: 2.0,
            validation_seconds: 0.1,
            images: 54_000,
            train_loss: 0.03125,
            train_accuracy: Some(0.9891),
            validation_loss: Some(0.0451),
            validation_accuracy: Some(0.9861),
        };
        check(
            &Event::EpochFinished { report: report.clone(), epochs: 10, best: true },
            Some(
                "epoch     3/10: loss 0.0312 98.91 %, validation 0.0451 98.61 % (best), 2.00 s, 27,000 images/s",
            ),
        );
        let short = short_epoch_line(&report, 10, true);
        assert_eq!(short, "3/10: validation 0.0451 98.61 % (best), 2.00 s");
        let report = EpochReport {
            train_accuracy: None,
            validation_loss: None,
            validation_accuracy: None,
            seconds: 0.0,
            images: 0,
            ..report
        };
        check(
            &Event::EpochFinished { report, epochs: 10, best: false },
            Some("epoch     3/10: loss 0.0312, 0.0 ms, 0 images/s"),
        );
    }

    #[test]
    fn a_resumed_run_says_where_it_goes_on() {
        let started =
            |epoch, done| Event::TrainingStarted { epochs: 5, batch_size: 32, batches: 1688, epoch, done };
        check(&started(1, 0), None);
        check(&started(2, 0), Some("resume    in epoch 2 of 5, after 0 of 1688 batches"));
        check(&started(1, 7), Some("resume    in epoch 1 of 5, after 7 of 1688 batches"));
    }

    #[test]
    fn bars_fit_sixty_columns() {
        let event = Event::BatchFinished {
            epoch: 10,
            epochs: 10,
            batch: 1687,
            batches: 1688,
            loss: 12.345,
            accuracy: Some(1.0),
            images_per_second: 123_456.0,
            seconds_left: 98.0,
        };
        assert_eq!(batch_numbers(&event, false, "image"), "12.345 100.0% 123,456/s 98 s");
        assert_eq!(
            batch_numbers(&event, true, "image"),
            "loss 12.3450 accuracy 100.00 %  123,456 images/s  98 s left"
        );
    }
}
