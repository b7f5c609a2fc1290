//! `heirloom inherit prove`.

use std::path::Path;

use base::Diagnostic;
use inherit::prove::{Arm, Estimate, Fraction, plot};
use pipeline::{Flow, ProofDocument, ProofWishes, Proved, RunOptions};
use scheme::ResolvedScheme;
use serde_json::{Value, json};

use super::trials::Trials;
use crate::arguments::Prove;
use crate::commands::run::threads;
use crate::commands::scheme::Checked;
use crate::failure::Failure;
use crate::signals::Interrupt;
use crate::store_place::{Place, here};
use crate::tables::{Column, facts, paragraph, table};
use crate::{author, diagnostics, disk, quantities, terminal};

/// Proves, or shows what was proved last.
pub(super) fn prove(arguments: &Prove) -> Result<(), Failure> {
    let Checked { scheme, sources, .. } = arguments.scheme.resolve(&arguments.store)?;
    if !arguments.quiet {
        diagnostics::report_notes(&scheme.notes, &sources);
    }
    let proved = match arguments.last {
        true => last(&scheme, arguments)?,
        false => carry_out(&scheme, sources, arguments)?,
    };
    let picture = arguments.svg.as_deref();
    if let Some(file) = picture {
        let svg = plot(&proved.document.proof, &title(&proved.document));
        disk::write_whole(file, svg.as_bytes())?;
    }
    if arguments.json.wanted {
        return terminal::print_json(&document(&proved, picture));
    }
    terminal::print(&draw(&proved, picture, terminal::width()))
}

fn carry_out(
    scheme: &ResolvedScheme,
    sources: base::SourceMap,
    arguments: &Prove,
) -> Result<Proved, Failure> {
    let Place(store) = arguments.store.place()?;
    let by = author::by();
    let options = RunOptions {
        threads: threads(arguments.threads),
        resume: false,
        level: engine::Level::detect(),
        rates: pipeline::Rates::Machine(engine::Costs::default()), // trials take these on every machine
        now_unix_ms: by.unix_ms,
        actor: by.actor,
        overrides: None,
        cause: None,
        scheme_sources: Vec::new(),
    };
    let wishes = ProofWishes { fractions: arguments.fractions.clone(), seeds: arguments.seeds };
    let interrupt = Interrupt::listen().map_err(Failure::world)?;
    let mut trials = Trials::new(arguments.quiet);
    let proved = pipeline::prove(scheme, &store, &here(), &wishes, &options, &mut |event| {
        trials.show(event);
        if interrupt.is_asked() { Flow::Stop } else { Flow::Continue }
    });
    drop(trials);
    proved.map_err(|error| {
        Failure::of_run(error, sources, || {
            "interrupted; the same command goes on: the trainings that were done are kept".to_owned()
        })
    })
}

/// The newest proof that is kept.
fn last(scheme: &ResolvedScheme, arguments: &Prove) -> Result<Proved, Failure> {
    let store = arguments.store.open()?;
    let parent = scheme.model.inherit.as_ref().map(|inherit| inherit.parent.as_str());
    match pipeline::last_proof(&store, &scheme.name, parent)? {
        Some((kept_with, document)) => Ok(Proved { document, kept_with }),
        None => {
            let message = format!("the store keeps no proof of {}", scheme.name);
            Err(Diagnostic::new("no-proof", message)
                .help("make one: the same command without `--last`")
                .into())
        }
    }
}

fn title(found: &ProofDocument) -> String {
    format!("{} from {}", found.scheme, found.parent)
}

/// For programs.
fn document(proved: &Proved, picture: Option<&Path>) -> Value {
    let mut document = json!(proved.document);
    document["kept_with"] = json!(proved.kept_with);
    document["svg"] = json!(picture.map(|file| file.display().to_string()));
    document
}

/// For people.
fn draw(proved: &Proved, picture: Option<&Path>, width: usize) -> String {
    let Proved { document, kept_with } = proved;
    let proof = &document.proof;
    let columns = [
        Column::Number("labels"),
        Column::Number("share"),
        Column::Number("inherited %"),
        Column::Number("scratch %"),
        Column::Number("difference"),
        Column::Number("time"),
        Column::Number("scratch"),
    ];
    let head = facts(
        width,
        [
            ("scheme", terminal::printable(&document.scheme)),
            ("parent", terminal::printable(&document.parent)),
            ("seeds", seeds(&document.seeds)),
            ("judged by", quantities::counted(document.cases, "test case")),
        ],
    );
    let mut parts = vec![head, table(width, &columns, proof.fractions.iter().map(row))];
    parts.push(paragraph(width, &proof.verdict));
    parts.push(paragraph(width, &proof.labels_saved_note));
    parts.push(paragraph(width, &proof.time_ratio_note));
    let mut places = vec![("kept with", kept_with.clone())];
    places.extend(picture.map(|file| ("picture", terminal::printable(&file.display().to_string()))));
    parts.push(facts(width, places));
    parts.join("\n")
}

fn seeds(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn row(row: &Fraction) -> [String; 7] {
    let accuracy = |arm: &Arm| interval(arm.accuracy, |share| format!("{:.1}", share * 100.0));
    [
        quantities::count(usize::try_from(row.labels).unwrap_or(usize::MAX)),
        quantities::percent(row.fraction),
        accuracy(&row.inherited),
        accuracy(&row.scratch),
        interval(row.difference, |share| format!("{:+.1}", share * 100.0)),
        quantities::seconds(row.inherited.seconds),
        quantities::seconds(row.scratch.seconds),
    ]
}

/// `93.1 (91.0..95.2)`; a single seed has no interval.
fn interval(of: Estimate, number: impl Fn(f64) -> String) -> String {
    match (of.low, of.high) {
        (Some(low), Some(high)) => format!("{} ({}..{})", number(of.mean), number(low), number(high)),
        _ => number(of.mean),
    }
}

/// A proof in one sentence, for a model's page.
pub(crate) fn in_brief(found: &ProofDocument) -> String {
    terminal::printable(&format!("{}: {}", title(found), found.proof.verdict))
}
