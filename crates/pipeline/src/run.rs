//! A run: the stages in their order, and what is taken from the store instead.

mod training_stage;

use std::path::Path;
use std::time::Instant;

use base::Digest;
use data::Slices;
use engine::Convolutions;
use scheme::ResolvedScheme;
use store::{Registered, RunState, StoreAddress};

use crate::architecture::{self, Plan};
use crate::convolutions::{Arithmetic, ConvolutionsReport, begun, convolutions};
use crate::deployment;
use crate::error::RunError;
use crate::evaluate::evaluate;
use crate::events::{Event, ModelSummary, Observer, Stage};
use crate::examination::{self, Examination, Examined};
use crate::gates;
use crate::golden;
use crate::image_hashes;
use crate::inheritance::{Parent, accept, features, parent_of};
use crate::judgement;
use crate::keys::{Judges, Keys, prepare_key};
use crate::leak_guard::{self, Ancestors};
use crate::measured;
use crate::memory::peak_bytes;
use crate::metrics::{Leaks, Metrics};
use crate::occasion::Cause;
use crate::options::RunOptions;
use crate::overrides::{self, Overruled};
use crate::package::package;
use crate::prepare::{Examples, Prepared, more_labels_to_choose_by, prepare};
use crate::profile;
use crate::rank::{self, Chosen, RankOptions, Subject};
use crate::records;
use crate::register::{Finished, register};
use crate::rehearsal::{self, Rehearsal, rehearsal_of};
use crate::report::RunReport;
use crate::rival::{Rival, rival_of};
use crate::session::{Open, Session};
use crate::slices;
use crate::source::source_of;
use crate::teacher::{Teacher, teacher_of};
use crate::training::Trained;
use training_stage::train_stage;

/// Carries out `scheme` in the store at `store`, which is made if it does not exist. If that store is shared between
/// machines, the run and its checkpoints are kept in the folder `here`.
///
/// What is in the store already is not done again. Nothing is written before scheme, data and network have passed
/// every check, so a run that ends with [`RunError::Diagnostics`] of those leaves no trace. The whole run holds the
/// store's lock.
pub fn run(
    scheme: &ResolvedScheme,
    store: &StoreAddress,
    here: &Path,
    options: &RunOptions,
    observer: &mut Observer<'_>,
) -> Result<RunReport, RunError> {
    let mut session = Session::new(scheme, Open::new(store, here), options, observer);
    let result = carry_out(&mut session);
    if let Err(error) = &result {
        let state = match error {
            RunError::Interrupted => RunState::Interrupted,
            _ => RunState::Failed,
        };
        session.fail(state, error.to_string());
    }
    result
}

fn carry_out(session: &mut Session<'_, '_>) -> Result<RunReport, RunError> {
    overrides::check(session.scheme, session.options.overrides.as_ref())?;
    session.begin()?;
    session.open_existing()?;
    let mut work = prepare_and_plan(session)?;
    if let Some(report) = finished_before(session, &work)? {
        return Ok(report);
    }
    let leaks = guard(session, &mut work)?;
    session.open_run(work.keys.train)?;
    session.keep_early()?;
    begun::note(session, work.keys.work, work.convolutions)?;
    let trained = train_stage(session, &mut work)?;
    let (mut examined, cases) = evaluate_stage(session, &mut work, &trained, leaks)?;
    judgement::tell(session, &examined)?;
    let early = measured::asked_for(session.scheme).then(|| package_stage(session, &mut work)).transpose()?;
    if let Some(graph) = &early {
        measure(session, &mut work, &trained, graph.len(), &mut examined)?;
    }
    let overruled = judgement::pass(session, &examined, &work.occasion)?;
    let graph = early.map_or_else(|| package_stage(session, &mut work), Ok)?;
    let delivery = Delivery { trained, examined, overruled, cases, graph };
    register_stage(session, &mut work, delivery)
}

/// What the stages before came to, ready to be registered.
struct Delivery {
    trained: Trained,
    examined: Examined,
    overruled: Vec<Overruled>,
    cases: Vec<u8>,
    graph: Vec<u8>,
}

/// Adds what gates say of the model's size and of the time of its answers.
fn measure(
    session: &Session<'_, '_>,
    work: &mut Work,
    trained: &Trained,
    graph_bytes: usize,
    examined: &mut Examined,
) -> Result<(), RunError> {
    work.examples(session.scheme)?;
    let (Some(plan), Some(examples)) = (&work.plan, &work.examples) else {
        unreachable!("evaluation and the line above made them")
    };
    let tensors = trained.tensors.iter().map(|(_, tensor)| tensor.len() * tensor.dtype().size());
    let bytes = (graph_bytes + tensors.sum::<usize>()) as u64;
    examined.gates.extend(measured::judge(session.scheme, session.options, plan, examples, bytes)?);
    gates::in_order(session.scheme, &mut examined.gates);
    Ok(())
}

/// What the stages hand on. Examples and plan are made when the first stage needs them.
struct Work {
    source: data::Source,
    prepared: Prepared,
    examples: Option<Examples>,
    graph_file: Option<Vec<u8>>,
    parent: Option<Parent>,
    ancestors: Ancestors,
    /// The account of how the parent was chosen, if the scheme leaves that to the ranking.
    ranking: Option<serde_json::Value>,
    teacher: Option<Teacher>,
    rehearsal: Option<Rehearsal>,
    /// What the model should replace, if a gate asks for that.
    rival: Option<Rival>,
    /// What gates divide the test part by, by column; there once the guard has looked at the data.
    slices: Vec<(String, Slices)>,
    /// Under which name the history keeps what is decided.
    occasion: String,
    summary: ModelSummary,
    plan: Option<Plan>,
    prepare_key: Digest,
    keys: Keys,
    /// How convolutions are computed.
    convolutions: Convolutions,
}

impl Work {
    /// The examples, read now unless they were before.
    fn examples(&mut self, scheme: &ResolvedScheme) -> Result<(), RunError> {
        if self.examples.is_none() {
            self.examples = Some(prepare(scheme, &self.source)?.1);
        }
        Ok(())
    }

    /// The plan, made now unless it was before.
    fn plan(&mut self, scheme: &ResolvedScheme) -> Result<(), RunError> {
        if self.plan.is_none() {
            let (file, parent) = (self.graph_file.as_deref(), self.parent.as_ref());
            self.plan = Some(architecture::plan(scheme, &self.prepared, file, parent)?);
        }
        Ok(())
    }
}

/// The stages that only check and describe. They write nothing; their results are kept once there is a run.
fn prepare_and_plan(session: &mut Session<'_, '_>) -> Result<Work, RunError> {
    let scheme = session.scheme;
    let source = source_of(scheme)?;
    let graph_file = architecture::read_graph_file(scheme)?;
    let mut parent = parent_of(scheme, session.open.existing())?;
    let fingerprint = data::fingerprint(&source)?;
    let cause = session.options.cause.unwrap_or(Cause { scheme: scheme.digest(), drift: None });
    let prepare_key = prepare_key(scheme, fingerprint);
    let (prepared, mut examples) = match session.cached::<Prepared>(Stage::Prepare, prepare_key)? {
        Some(prepared) => (prepared, None),
        None => {
            let (prepared, examples) =
                session.stage(Stage::Prepare, prepare_key, |_| prepare(scheme, &source))?;
            session.note_early(prepare_key, &prepared);
            (prepared, Some(examples))
        }
    };
    session.notices(&prepared.notices)?;
    session.notices(more_labels_to_choose_by(scheme, &prepared).as_slice())?;
    session.journal.tell(&Event::DataPrepared(prepared.summary.clone()))?;
    let mut ranking = None;
    if scheme.model.inherit.as_ref().is_some_and(scheme::Inherit::is_auto) {
        let mut subject = Subject { scheme, source: &source, prepared: &prepared, examples: &mut examples };
        let chosen = choose_parent(session, &mut subject, graph_file.as_deref())?;
        ranking = Some(chosen.account());
        parent = chosen.parent;
    }
    let parents = parent.as_ref().map(Parent::ids).unwrap_or_default();
    let ancestors = Ancestors::of(session.open.existing(), &parents)?;

    let graph_digest = graph_file.as_deref().map(Digest::of);
    let parent_digest = parent.as_ref().map(|parent| parent.digest);
    let rehearsal = match (&parent, session.open.existing()) {
        (Some(parent), Some(store)) => rehearsal_of(scheme, &prepared, parent, store)?,
        _ => None,
    };
    let rehearsed = rehearsal.as_ref().map(|rehearsal| rehearsal.digest);
    let rival = rival_of(scheme, session.open.existing())?;
    let judges = Judges {
        ancestors: ancestors.digest(),
        rival: rival.as_ref().map(|rival| rival.digest),
        divided: slices::divides(scheme).then_some(prepare_key),
    };
    let level = session.options.level;
    let keys_of = |convolutions| {
        let arithmetic = Arithmetic { level, convolutions };
        Keys::new(scheme, &prepared, graph_digest, parent_digest, rehearsed, judges, arithmetic)
    };
    let keys = keys_of(convolutions(scheme, session.options.rates.costs()));
    let convolutions = convolutions(scheme, begun::rates(session, keys.work)?);
    let keys = keys_of(convolutions);
    let (summary, plan) = match session.cached::<ModelSummary>(Stage::Plan, keys.plan)? {
        Some(summary) => (summary, None),
        None => {
            let plan = session.stage(Stage::Plan, keys.plan, |_| {
                Ok(architecture::plan(scheme, &prepared, graph_file.as_deref(), parent.as_ref())?)
            })?;
            session.notices(&plan.notices)?;
            session.note_early(keys.plan, &plan.summary);
            (plan.summary.clone(), Some(plan))
        }
    };
    session.journal.tell(&Event::ModelPlanned(summary.clone()))?;
    accept(scheme, summary.transfer.as_ref())?;
    let teacher = teacher_of(scheme, &prepared, parent.as_ref())?;
    Ok(Work {
        source,
        prepared,
        examples,
        graph_file,
        parent,
        ancestors,
        ranking,
        teacher,
        rehearsal,
        rival,
        slices: Vec::new(),
        occasion: cause.occasion(fingerprint).name(),
        summary,
        plan,
        prepare_key,
        keys,
        convolutions,
    })
}

/// What the ranking puts first. Tells.
fn choose_parent(
    session: &mut Session<'_, '_>,
    subject: &mut Subject<'_>,
    graph_file: Option<&[u8]>,
) -> Result<Chosen, RunError> {
    let RunOptions { threads, level, .. } = *session.options;
    let options = RankOptions { threads, level, budget: None };
    let journal = &mut session.journal;
    let mut tell = |name: &str, done: usize, count: usize| {
        let text = format!("scoring {name}, {} of {count}", done + 1);
        journal.tell(&Event::Notice { text })
    };
    let chosen = rank::choose(subject, graph_file, session.open.existing(), &options, &mut tell)?;
    session.notices(&chosen.notices())?;
    Ok(chosen)
}

/// The report of the run that did all of this before, if its model is still there.
fn finished_before(session: &mut Session<'_, '_>, work: &Work) -> Result<Option<RunReport>, RunError> {
    let Some(report) = session.peek::<RunReport>(work.keys.register)? else { return Ok(None) };
    if !session.has_model(&report.model, &report.digest)? {
        return Ok(None);
    }
    for stage in Stage::ALL {
        if !session.stages.iter().any(|known| known.name == stage) {
            session.cached_stage(stage, work.keys.of(stage, work.prepare_key))?;
        }
    }
    let stages = std::mem::take(&mut session.stages);
    session.finish(&report.model, &report.digest, true)?;
    Ok(Some(RunReport { cached: true, stages, ..report }))
}

/// Takes test cases that an ancestor was trained on out of what judges, before anything is trained.
fn guard(session: &mut Session<'_, '_>, work: &mut Work) -> Result<Option<Leaks>, RunError> {
    work.examples(session.scheme)?;
    let Some(examples) = &mut work.examples else { unreachable!("they were read just now") };
    let (store, threads) = (session.open.existing(), session.options.threads);
    work.slices = slices::divide(session.scheme, &work.source, examples)?;
    let leaks = leak_guard::guard(session.scheme, store, &work.ancestors, examples, threads)?;
    if let Some(found) = &leaks {
        session.notices(&leak_guard::notices(found, &work.prepared))?;
    }
    Ok(leaks)
}

fn evaluate_stage(
    session: &mut Session<'_, '_>,
    work: &mut Work,
    trained: &Trained,
    leaks: Option<Leaks>,
) -> Result<(Examined, Vec<u8>), RunError> {
    let key = work.keys.evaluate;
    work.plan(session.scheme)?;
    if let Some(plan) = &mut work.plan {
        plan.set_tensors(&trained.tensors)?;
    }
    if let Some(found) = session.cached_both(Stage::Evaluate, key)? {
        return Ok(found);
    }
    work.examples(session.scheme)?;
    let (Some(plan), Some(examples)) = (&work.plan, &work.examples) else {
        unreachable!("both were made just now")
    };
    let (prepared, parent) = (&work.prepared, work.parent.as_ref());
    let (rival, slices) = (work.rival.as_ref(), work.slices.as_slice());
    let (examined, cases) = session.stage(Stage::Evaluate, key, |session| {
        let (scheme, options, store) = (session.scheme, session.options, session.open.store());
        let metrics = Metrics { leaks, ..evaluate(scheme, options, plan, examples)? };
        Examination { scheme, options, store, prepared, examples, plan, parent, rival, slices }
            .examine(metrics)
    })?;
    session.keep_both(key, &examined, &cases)?;
    Ok((examined, cases))
}

fn package_stage(session: &mut Session<'_, '_>, work: &mut Work) -> Result<Vec<u8>, RunError> {
    let key = work.keys.package;
    if let Some(bytes) = session.cached_blob(Stage::Package, key)? {
        return Ok(bytes);
    }
    work.plan(session.scheme)?;
    let Some(plan) = &work.plan else { unreachable!("it was made just now") };
    let bytes = session.stage(Stage::Package, key, |_| package(plan))?;
    session.keep_blob(key, &bytes)?;
    Ok(bytes)
}

fn register_stage(
    session: &mut Session<'_, '_>,
    work: &mut Work,
    delivery: Delivery,
) -> Result<RunReport, RunError> {
    let Delivery { trained, examined, overruled, cases, graph } = delivery;
    let key = work.keys.register;
    work.examples(session.scheme)?;
    let (Some(plan), Some(examples)) = (&work.plan, &work.examples) else {
        unreachable!("evaluation and the line above made them")
    };
    let mut seen = vec![(records::ROLE.to_owned(), records::encode(&examples.dataset, &examples.splits))];
    let train = &examples.splits.train;
    if let Some(hashes) = image_hashes::encode(&examples.dataset, train, session.options.threads) {
        seen.push((image_hashes::ROLE.to_owned(), hashes));
        if train.len() > image_hashes::IMAGES_MAX {
            let most = image_hashes::IMAGES_MAX;
            session.notices(&[format!(
                "of {} training images, the looks of the first {most} are kept",
                train.len()
            )])?;
        }
    }
    let features = features(&work.prepared);
    let left = rehearsal::encode(session.scheme, &examples.dataset, &examples.splits, &features);
    if let Some((_, count)) = &left {
        let text =
            format!("{count} training examples are left for children of this model, as `train.leave` says");
        session.notices(&[text])?;
    }
    let Examined { metrics, against_parent, gates, .. } = examined;
    let Trained { history, tensors } = trained;
    let run = session.run.clone().unwrap_or_default();
    let (prepared, parent, ranking) = (&work.prepared, work.parent.as_ref(), work.ranking.as_ref());
    let registered = session.stage(Stage::Register, key, |session| {
        let (scheme, options, graph_trained) = (session.scheme, session.options, &plan.graph);
        let making =
            profile::Making { scheme, options, prepared, examples, graph: graph_trained, cases: &cases };
        seen.extend(profile::make(&making)?.map(|profile| (profile::ROLE.to_owned(), profile)));
        let mut cases = examination::attachments(scheme, examples, cases);
        cases.extend(golden::attachment(scheme, plan, examples, options)?);
        cases.extend(history.convolutions.as_ref().map(ConvolutionsReport::attachment));
        let finished = Finished {
            scheme,
            options,
            prepared,
            parent,
            ranking,
            plan,
            seen,
            left: left.map(|(bytes, _)| bytes),
            graph,
            tensors,
            metrics: &metrics,
            cases,
            overruled: &overruled,
            run: &run,
        };
        register(session.open.store(), finished)
    })?;
    let version = registered.version();
    let (model, digest) = (version.id(), version.digest.to_string());
    let new = matches!(registered, Registered::New(_));
    if !new {
        let text = format!("the same model is registered already as {model}; its entry stays as it was");
        session.journal.tell_last(&Event::Notice { text })?;
    }
    session.journal.tell_last(&Event::ModelRegistered {
        model: model.clone(),
        digest: digest.clone(),
        new,
    })?;
    let deployment = deployment::deploy(session, version, &work.occasion)?;
    let report = RunReport {
        format_version: RunReport::FORMAT_VERSION,
        model,
        digest,
        scheme_digest: session.scheme.digest().to_string(),
        run,
        cached: false,
        metrics,
        against_parent,
        gates,
        overruled,
        deployment,
        epochs: history.epochs,
        best_epoch: history.best_epoch,
        head: history.head,
        convolutions: history.convolutions,
        threads: session.options.threads,
        seed: session.scheme.seed,
        cpu_level: session.options.level.name().to_owned(),
        parameters: work.summary.parameters,
        size_bytes: version.bytes,
        seconds_total: session.seconds(),
        peak_memory_bytes: peak_bytes(),
        data: work.prepared.summary.clone(),
        stages: session.stages.clone(),
    };
    session.write_report(&report)?;
    session.keep(key, &report)?;
    session.finish(&report.model, &report.digest, false)?;
    Ok(report)
}

/// Wall time since `started`.
pub(crate) fn seconds_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64()
}
