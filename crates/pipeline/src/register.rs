//! The stage `register`: the model gets its name and number.

use graph::{Graph, ValueId};
use scheme::ResolvedScheme;
use store::{About, By, EngineFacts, ModelRecord, ModelVersion, Port, Registered, Store};
use tensor::Tensor;

use crate::architecture::Plan;
use crate::error::RunError;
use crate::inheritance::{self, Parent};
use crate::keys::{self, to_value};
use crate::metrics::Metrics;
use crate::options::RunOptions;
use crate::overrides::{self, Overruled};
use crate::prepare::Prepared;
use crate::profile;
use crate::rank;
use crate::rehearsal;

/// Under which role a scheme's files are kept beside the model that it made.
const SOURCES_ROLE: &str = "scheme_sources";

/// What is to be registered.
pub(crate) struct Finished<'a> {
    pub(crate) scheme: &'a ResolvedScheme,
    pub(crate) options: &'a RunOptions,
    pub(crate) prepared: &'a Prepared,
    pub(crate) parent: Option<&'a Parent>,
    /// How the parent was chosen, if it was not named.
    pub(crate) ranking: Option<&'a serde_json::Value>,
    pub(crate) plan: &'a Plan,
    /// What it has seen, by role: the list of records, and how training images look.
    pub(crate) seen: Vec<(String, Vec<u8>)>,
    /// The training examples that it leaves for children.
    pub(crate) left: Option<Vec<u8>>,
    /// The packaged graph.
    pub(crate) graph: Vec<u8>,
    pub(crate) tensors: Vec<(String, Tensor)>,
    pub(crate) metrics: &'a Metrics,
    /// The test cases that it leaves, by role.
    pub(crate) cases: Vec<(String, Vec<u8>)>,
    /// The gates that refused it and were overruled.
    pub(crate) overruled: &'a [Overruled],
    pub(crate) run: &'a str,
}

/// Registers.
pub(crate) fn register(store: &Store, finished: Finished<'_>) -> Result<Registered, RunError> {
    let Finished {
        scheme,
        options,
        prepared,
        parent,
        ranking,
        plan,
        seen,
        left,
        graph,
        tensors,
        metrics,
        cases,
        overruled,
        run,
    } = finished;
    let mut attachments = seen;
    attachments.extend(cases);
    if !options.scheme_sources.is_empty() {
        let sources = to_value(&options.scheme_sources).to_string();
        attachments.push((SOURCES_ROLE.to_owned(), sources.into_bytes()));
    }
    let features = inheritance::features(prepared);
    if !features.is_empty() {
        attachments
            .push((inheritance::FEATURES_ROLE.to_owned(), to_value(&features).to_string().into_bytes()));
    }
    attachments.extend(left.map(|left| (rehearsal::ROLE.to_owned(), left)));
    if let Some(transfer) = &plan.summary.transfer {
        attachments.push((inheritance::PLAN_ROLE.to_owned(), to_value(transfer).to_string().into_bytes()));
    }
    if let Some(ranking) = ranking {
        attachments.push((rank::ROLE.to_owned(), ranking.to_string().into_bytes()));
    }
    if !overruled.is_empty() {
        attachments.push((overrides::ROLE.to_owned(), overrides::encode(overruled)));
    }
    let parents = parent.map(|parent| parent.records(plan)).unwrap_or_default();
    let data_digest = prepared.summary.digest.parse();
    let record = ModelRecord {
        name: scheme.name.clone(),
        graph,
        tensors,
        inputs: ports(&plan.graph, &plan.graph.inputs),
        outputs: ports(&plan.graph, &plan.graph.outputs),
        labels: prepared.summary.classes.clone(),
        preprocessing: to_value(&prepared.steps),
        scheme: scheme.to_toml(),
        scheme_digest: scheme.digest(),
        data_digest: data_digest.map_err(|error| RunError::damaged("the digest of the data", error))?,
        metrics: to_value(metrics),
        run: Some(run.to_owned()),
        engine: EngineFacts {
            cpu_level: options.level.name().to_owned(),
            format_version: keys::ENGINE_VERSION,
        },
        about: about(scheme),
        parents,
        attachments,
        overrides: overrides::for_history(overruled),
        by: By { actor: options.actor.clone(), unix_ms: options.now_unix_ms },
    };
    let registered = store.register(&record)?;
    if let Registered::Existing(version) = &registered {
        add_profile(store, version, &record)?;
        if !overruled.is_empty() {
            // What is beside a version stays; what came later has a role of its own.
            let role = format!("{}.{}", overrides::ROLE, options.now_unix_ms);
            store.attach(&version.id(), &role, &overrides::encode(overruled), &record.by)?;
        }
    }
    Ok(registered)
}

/// Keeps a profile beside a version that was registered before there were any.
fn add_profile(store: &Store, version: &ModelVersion, record: &ModelRecord) -> Result<(), RunError> {
    let made = record.attachments.iter().find(|(role, _)| role == profile::ROLE);
    if let Some((role, bytes)) = made
        && store.attachment_digest(version, role)?.is_none()
    {
        store.attach(&version.id(), role, bytes, &record.by)?;
    }
    Ok(())
}

/// What the scheme says about what it delivers.
fn about(scheme: &ResolvedScheme) -> About {
    let said = &scheme.about;
    About {
        description: said.description.clone(),
        licence: said.licence.clone().unwrap_or_default(),
        intended_use: said.intended_use.clone().unwrap_or_default(),
        tags: said.tags.clone(),
        deprecated: None,
    }
}

fn ports(graph: &Graph, values: &[ValueId]) -> Vec<Port> {
    let port = |&id: &ValueId| {
        let value = graph.value(id);
        Port { name: value.name.clone(), dtype: value.ty.dtype, shape: value.ty.shape.clone() }
    };
    values.iter().map(port).collect()
}
