//! What a run came to, in tables.

use inherit::compare::Outcome;
use pipeline::metrics::{Baseline, ClassificationMetrics, Metrics, PartMetrics};
use pipeline::{Deployment, DeploymentOutcome, HeadReport, Overruled, RunReport};
use store::StoreAddress;

use super::progress::against_parent;
use crate::tables::{Column, facts, paragraph, table};
use crate::{quantities, terminal};

/// Of more pairs of classes, only the most frequent confusions are listed.
const CONFUSIONS_MAX: usize = 10;

/// The whole report.
pub(crate) fn draw(report: &RunReport, store: &StoreAddress, width: usize) -> String {
    [metrics(&report.metrics, width), circumstances(report, store, width)].join("\n")
}

/// Everything that was measured: a table of metrics, the classes, their confusions, the verdict.
pub(crate) fn metrics(metrics: &Metrics, width: usize) -> String {
    let mut parts = vec![overview(metrics, width)];
    if let PartMetrics::Classification(test) = &metrics.test {
        parts.push(per_class(test, width));
        parts.push(confusion(test, width));
    }
    parts.extend(metrics.verdict.iter().map(|verdict| paragraph(width, &terminal::printable(verdict))));
    parts.join("\n")
}

/// One row per metric; one column per part of the data, and one for the forecast without a model.
fn overview(metrics: &Metrics, width: usize) -> String {
    let mut columns = vec![Column::Text("metric"), Column::Number("test")];
    columns.extend(metrics.baseline.as_ref().map(|baseline| Column::Number(title(baseline))));
    if metrics.validation.is_some() {
        columns.push(Column::Number("validation"));
    }
    let rows = metrics.selected.iter().map(|name| {
        let shown =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| quantities::metric(name, value));
        let mut row = vec![name.clone(), shown(metrics.test.value(name))];
        row.extend(metrics.baseline.as_ref().map(|baseline| shown(of_baseline(baseline, name))));
        row.extend(metrics.validation.as_ref().map(|part| shown(part.value(name))));
        row
    });
    table(width, &columns, rows)
}

/// What the forecast without a model is called.
fn title(baseline: &Baseline) -> &'static str {
    if baseline.name == "majority" { "most frequent class" } else { "naive forecast" }
}

fn of_baseline(baseline: &Baseline, name: &str) -> Option<f64> {
    match name {
        "accuracy" => baseline.accuracy,
        "rmse" => baseline.rmse,
        "mae" => baseline.mae,
        "r2" => baseline.r2,
        "directional_accuracy" => baseline.directional_accuracy,
        _ => None,
    }
}

fn per_class(test: &ClassificationMetrics, width: usize) -> String {
    let columns = [
        Column::Text("class"),
        Column::Number("precision"),
        Column::Number("recall"),
        Column::Number("F1"),
        Column::Number("examples"),
    ];
    let rows = test.per_class.iter().map(|class| {
        let shares = [class.precision, class.recall, class.f1].map(|share| format!("{share:.4}"));
        let [precision, recall, f1] = shares;
        [terminal::printable(&class.class), precision, recall, f1, quantities::count(class.support as usize)]
    });
    table(width, &columns, rows)
}

/// The matrix where it fits, else its greatest entries beside the diagonal.
fn confusion(test: &ClassificationMetrics, width: usize) -> String {
    let names: Vec<String> = test.per_class.iter().map(|class| terminal::printable(&class.class)).collect();
    matrix(&names, &test.confusion, width).unwrap_or_else(|| frequent(&names, &test.confusion, width))
}

fn matrix(names: &[String], confusion: &[Vec<u64>], width: usize) -> Option<String> {
    const TITLE: &str = "answered";
    let first = names.iter().map(|name| console::measure_text_width(name)).max()?.max(TITLE.len());
    let cell = |column: usize| {
        let numbers = confusion.iter().map(|row| row[column].to_string().len());
        numbers.max().unwrap_or(0).max(console::measure_text_width(&names[column])) + 1
    };
    let cells: Vec<usize> = (0..names.len()).map(cell).collect();
    if first + cells.iter().sum::<usize>() > width {
        return None;
    }
    let pad = |text: &str, to: usize| " ".repeat(to - console::measure_text_width(text)) + text;
    let line = |name: &str, texts: &mut dyn Iterator<Item = String>| {
        let cells: String = texts.zip(&cells).map(|(text, &to)| pad(&text, to)).collect();
        format!("{name}{}{cells}\n", " ".repeat(first - console::measure_text_width(name)))
    };
    let head = line(TITLE, &mut names.iter().cloned());
    let rows = names.iter().zip(confusion).map(|(name, row)| {
        line(name, &mut row.iter().map(|count| if *count == 0 { ".".to_owned() } else { count.to_string() }))
    });
    Some(format!("confusion: one row for each class as it is\n{head}{}", rows.collect::<String>()))
}

fn frequent(names: &[String], confusion: &[Vec<u64>], width: usize) -> String {
    let mut wrong: Vec<(u64, usize, usize)> = confusion
        .iter()
        .enumerate()
        .flat_map(|(is, row)| row.iter().enumerate().map(move |(answered, &count)| (count, is, answered)))
        .filter(|(count, is, answered)| is != answered && *count > 0)
        .collect();
    wrong.sort_by_key(|&(count, is, answered)| (std::cmp::Reverse(count), is, answered));
    if wrong.is_empty() {
        return "confusions: none\n".to_owned();
    }
    let note = match wrong.len() {
        many if many > CONFUSIONS_MAX => {
            format!("the most frequent of {} confusions; all are in --json\n", quantities::count(many))
        }
        _ => String::new(),
    };
    let columns = [Column::Text("class"), Column::Text("answered"), Column::Number("examples")];
    let rows = wrong.iter().take(CONFUSIONS_MAX).map(|&(count, is, answered)| {
        [names[is].clone(), names[answered].clone(), quantities::count(count as usize)]
    });
    table(width, &columns, rows) + &note
}

/// What is left to say: where the model is, how large, how long it took.
fn circumstances(report: &RunReport, store: &StoreAddress, width: usize) -> String {
    let head = report.head.as_ref().map(|head| ("head", head_line(head)));
    let memory = report.peak_memory_bytes.map(|bytes| ("peak memory", quantities::bytes(bytes)));
    let all = [
        ("model", report.model.clone()),
        ("digest", digest(&report.digest, width)),
        ("store", store.to_string()),
        ("parameters", quantities::count(report.parameters)),
        ("size", quantities::bytes(report.size_bytes)),
        ("trained", trained(report)),
        ("time", time(report)),
    ];
    let parent = report.against_parent.as_ref().map(|brief| ("parent", against_parent(brief)));
    let refused = report.gates.iter().filter(|gate| gate.outcome == Outcome::Refuse).count();
    let held = |count: usize| format!("{} hold", quantities::counted(count, "condition"));
    let gates = match (report.gates.len(), refused) {
        (0, _) => None,
        (count, 0) => Some(("gates", held(count))),
        (count, refused) => Some(("gates", format!("{}, {refused} refused", held(count - refused)))),
    };
    let overruled = report.overruled.iter().map(|one| ("OVERRULED", overruled(one)));
    let deployed = report.deployment.as_ref().map(|found| ("deployed", deployed(found)));
    let more = head.into_iter().chain(parent).chain(gates).chain(overruled).chain(deployed);
    facts(width, all.into_iter().chain(more).chain(memory))
}

/// A gate that was overruled, and why.
pub(crate) fn overruled(one: &Overruled) -> String {
    let Overruled { gate, said, reason, actor, unix_ms } = one;
    let when = quantities::moment(*unix_ms);
    terminal::printable(&format!("`{gate}` by {actor}, {when}: {reason} ({said})"))
}

/// What became of the version.
pub(crate) fn deployed(found: &Deployment) -> String {
    let Deployment { alias, outcome, replaced, percent, reason } = found;
    let before = replaced.as_ref().map_or(String::new(), |before| format!(", before: {before}"));
    match outcome {
        DeploymentOutcome::Promoted => format!("`{alias}` points at it{before}"),
        DeploymentOutcome::RollingOut => {
            format!("to `{alias}` step by step, {} % first{before}", percent.unwrap_or(0))
        }
        DeploymentOutcome::Before => format!("to `{alias}` on this occasion before"),
        DeploymentOutcome::Withheld => {
            let reason = reason.as_deref().unwrap_or_default();
            terminal::printable(&format!("not: `{alias}` stays: {reason}"))
        }
    }
}

fn time(report: &RunReport) -> String {
    let (all, threads) =
        (quantities::seconds(report.seconds_total), quantities::counted(report.threads, "thread"));
    let seconds = report.epochs.iter().map(|epoch| epoch.seconds);
    match report.epochs.len() {
        0 => format!("{all} in all on {threads}"),
        epochs => {
            let mean = seconds.sum::<f64>() / epochs as f64;
            format!("{all} in all, {} an epoch on {threads}", quantities::seconds(mean))
        }
    }
}

fn trained(report: &RunReport) -> String {
    match report.epochs.len() {
        0 if report.head.is_some() => "the head alone".to_owned(),
        0 => "not at all: the weights are those that it started with".to_owned(),
        epochs => format!("{}, epoch {} kept", quantities::counted(epochs, "epoch"), report.best_epoch),
    }
}

/// How the last layer was found.
fn head_line(head: &HeadReport) -> String {
    let how = head.strength.map_or(String::new(), |strength| format!(", L2 strength {strength}"));
    format!(
        "{}{how}, from {} of {}",
        head.method,
        quantities::counted(head.features, "feature"),
        quantities::counted(head.examples, "example")
    )
}

/// The digest, or where that is too long, enough of it to name the model.
fn digest(digest: &str, width: usize) -> String {
    if width < 80 { digest.chars().take(16).collect() } else { digest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_line_up_or_give_way() {
        let names = ["cat".to_owned(), "dog".to_owned()];
        let confusion = [vec![1000, 2], vec![0, 5]];
        let expect = "confusion: one row for each class as it is\n\
                      answered  cat dog\n\
                      cat      1000   2\n\
                      dog         .   5\n";
        assert_eq!(matrix(&names, &confusion, 60).as_deref(), Some(expect));
        assert_eq!(matrix(&names, &confusion, 10), None);
        assert_eq!(
            frequent(&names, &confusion, 60),
            "class  answered  examples\ncat    dog              2\n"
        );
        assert_eq!(frequent(&names, &[vec![1, 0], vec![0, 1]], 60), "confusions: none\n");
    }
}
