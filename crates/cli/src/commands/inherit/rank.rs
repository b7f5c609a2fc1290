//! `heirloom inherit rank`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::{RankOptions, RankedCandidate, Ranking, RunError, Standing};
use serde_json::json;

use crate::arguments::Rank;
use crate::commands::run::threads;
use crate::commands::scheme::Checked;
use crate::failure::Failure;
use crate::quantities;
use crate::signals::Interrupt;
use crate::store_place::{Place, here};
use crate::tables::{Column, paragraph, table};
use crate::terminal;

/// Nothing is said about work that takes less.
const SILENT: Duration = Duration::from_secs(1);

/// Shows which model a scheme would best start from.
pub(super) fn rank(arguments: &Rank) -> Result<(), Failure> {
    let Checked { scheme, sources, .. } = arguments.scheme.resolve(&arguments.store)?;
    let Place(address) = arguments.store.place()?;
    let options = RankOptions {
        threads: threads(arguments.threads),
        level: engine::Level::detect(),
        budget: arguments.budget,
    };
    let interrupt = Interrupt::listen().map_err(Failure::world)?;
    let mut progress = Progress::new();
    let ranked = pipeline::rank_parents(&scheme, &address, &here(), &options, &mut |name, done, count| {
        progress.show(name, done, count);
        if interrupt.is_asked() { Err(RunError::Interrupted) } else { Ok(()) }
    });
    progress.clear();
    let interrupted = || "interrupted; what was scored is kept".to_owned();
    let ranking = ranked.map_err(|error| Failure::of_run(error, sources, interrupted))?;
    if arguments.json.wanted {
        return terminal::print_json(&json!(ranking));
    }
    terminal::print(&draw(&ranking, terminal::width()))
}

/// A bar on a terminal, lines elsewhere; neither in the first second.
struct Progress {
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new() -> Self {
        Progress { started: Instant::now(), bar: None }
    }

    fn show(&mut self, name: &str, done: usize, count: usize) {
        let name = terminal::printable(name);
        if !terminal::is_interactive() {
            if self.started.elapsed() >= SILENT {
                terminal::say(&format!("rank      {name}, {} of {count}", done + 1));
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
            // The template is a constant; one that did not parse would show as indicatif's own bar.
            let style = ProgressStyle::with_template("rank [{wide_bar:.cyan}] {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        bar.set_message(name);
        bar.set_position(done as u64);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// The ranking for people.
fn draw(ranking: &Ranking, width: usize) -> String {
    let columns = [
        Column::Number("place"),
        Column::Text("start from"),
        Column::Number("evidence"),
        Column::Number("probe"),
        Column::Number("LogME"),
        Column::Number("LEEP"),
        Column::Number("H-score"),
        Column::Number("labels"),
        Column::Number("parameters"),
        Column::Number("latency"),
        Column::Text("licence"),
    ];
    let mut place = 0;
    let rows = ranking.candidates.iter().map(|each| {
        let shown = match each.standing {
            Standing::Ranked => {
                place += 1;
                place.to_string()
            }
            _ => "-".to_owned(),
        };
        let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let number = |value: Option<f64>| optional(value.map(|value| format!("{value:.3}")));
        [
            shown,
            name(each),
            number(each.score),
            number(each.scores.probe),
            number(each.scores.logme),
            number(each.scores.leep),
            number(each.scores.h_score),
            match each.model {
                Some(_) => optional(each.label_overlap.map(|share| format!("{:.0} %", 100.0 * share))),
                None => "-".to_owned(),
            },
            optional(each.parameters.map(quantities::count)),
            optional(each.latency_ms.map(|ms| quantities::seconds(ms / 1000.0))),
            optional(each.licence.as_deref().map(terminal::printable)),
        ]
    });
    let mut text = table(width, &columns, rows);
    text.push('\n');
    text.push_str(&paragraph(width, &terminal::printable(&ranking.explanation)));
    text.push_str(&reasons(ranking, width));
    if let Some(examples) = ranking.examples {
        text.push_str(&format!(
            "\nlooked at {} of {} training examples\n",
            quantities::count(examples),
            quantities::count(ranking.examples_of)
        ));
    }
    text
}

fn name(candidate: &RankedCandidate) -> String {
    candidate.model.clone().unwrap_or_else(|| "from scratch".to_owned())
}

/// Why each stands where it does, what was done to the examples for it, and what was left out.
fn reasons(ranking: &Ranking, width: usize) -> String {
    let rows = ranking.candidates.iter().map(|each| {
        let told = each.preprocessing.iter().map(|told| format!("; {told}")).collect::<String>();
        [name(each), terminal::printable(&format!("{}{told}", each.reason))]
    });
    let left_out = ranking.left_out.iter().map(|left| {
        let count = if left.versions == 1 { String::new() } else { format!("{} versions: ", left.versions) };
        [left.model.clone(), terminal::printable(&format!("not considered: {count}{}", left.reason))]
    });
    let columns = [Column::Text(""), Column::Text("")];
    format!("\n{}", table(width, &columns, rows.chain(left_out)))
}
