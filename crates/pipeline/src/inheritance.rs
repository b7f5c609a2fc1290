//! The parent of a run: found in the store, checked, and taken over into the child's plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, Digest};
use graph::{Graph, ValueId};
use inherit::transfer::{self, Action, Network, Rename, TransferPlan, Wishes};
use scheme::{Architecture, Inherit, Layer, MemoryFiles, ResolvedScheme, Steps};
use serde_json::Value;
use store::{ModelVersion, Relation, Store, StoreAddress, StoreError};
use tensor::Tensor;

use crate::architecture::{self, Plan};
use crate::error::{Failure, RunError};
use crate::keys::to_value;
use crate::package::unpack;
use crate::prepare::{Form, Prepared, prepare};
use crate::source::source_of;

/// Under which role the names of a model's input features are kept beside it.
pub(crate) const FEATURES_ROLE: &str = "features";
/// Under which role what a model took over from its parent is kept beside it.
pub(crate) const PLAN_ROLE: &str = "transfer_plan";
/// Generations after which a search for layers gives up.
const GENERATIONS_MAX: usize = 1000;

/// A registered model that another is to start from.
pub(crate) struct Parent {
    /// `name@N`.
    pub(crate) id: String,
    pub(crate) digest: Digest,
    /// The layers of its scheme, or of the nearest ancestor that wrote any; none if that one took an ONNX file.
    pub(crate) layers: Option<Steps<Layer>>,
    graph: Graph,
    prediction: ValueId,
    tensors: Vec<String>,
    labels: Vec<String>,
    features: Vec<String>,
    preprocessing: Value,
}

/// The parent that `scheme` names, if it names one. `store` is the store as far as there is one.
///
/// Errors   no such model; a recalled one; one that cannot be read: its format, its blobs, its graph.
pub(crate) fn parent_of(scheme: &ResolvedScheme, store: Option<&Store>) -> Result<Option<Parent>, RunError> {
    let Some(wanted) = &scheme.model.inherit else { return Ok(None) };
    let Some(store) = store else {
        let message = format!("there is no model `{}` to inherit from: there is no store yet", wanted.parent);
        let found = at(scheme, "model.inherit", Diagnostic::new("unknown-model", message));
        return Err(found.help("run the parent's scheme first, or name its store with `--store`").into());
    };
    load(scheme, store, wanted).map(Some).map_err(|error| match error {
        RunError::Diagnostics(found) => placed(scheme, found).into(),
        other => unreadable(scheme, wanted, other),
    })
}

/// A damaged parent is a wrong model file: the user has to name another, or mend this one. A disk that fails is not.
fn unreadable(scheme: &ResolvedScheme, wanted: &Inherit, error: RunError) -> RunError {
    use StoreError::{Damaged, DamagedBlob, MissingBlob};
    let damaged = matches!(
        error,
        RunError::Failed(
            Failure::Damaged { .. }
                | Failure::Store(DamagedBlob { .. } | MissingBlob { .. } | Damaged { .. })
        )
    );
    if !damaged {
        return error;
    }
    let message = format!("the model `{}` cannot be inherited from: {error}", wanted.parent);
    at(scheme, "model.inherit", Diagnostic::new("damaged-parent", message))
        .help("`heirloom store verify` names everything that is damaged; what is whole in another store can be taken in again")
        .help("or inherit from another version")
        .into()
}

fn load(scheme: &ResolvedScheme, store: &Store, wanted: &Inherit) -> Result<Parent, RunError> {
    let model = store.model(&wanted.parent)?;
    refuse_recalled(store, &model.version)?;
    let graph = unpack(&store.graph(&model)?, &store.tensors(&model)?)?;
    let prediction = prediction(&graph).ok_or_else(|| {
        RunError::damaged("the graph of a model", "nothing in it is compared with a target")
    })?;
    let features = match store.attachment(&model.version, FEATURES_ROLE)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| RunError::damaged("the feature names of a model", error))?,
        None => Vec::new(),
    };
    let layers = match scheme.model.architecture {
        Architecture::Parent => layers(store, model.version.clone())?,
        _ => None,
    };
    Ok(Parent {
        id: model.version.id(),
        digest: model.version.digest,
        layers,
        graph,
        prediction,
        tensors: model.manifest.tensors.iter().map(|tensor| tensor.name.clone()).collect(),
        labels: model.manifest.labels,
        features,
        preprocessing: model.manifest.preprocessing,
    })
}

fn refuse_recalled(store: &Store, version: &ModelVersion) -> Result<(), RunError> {
    let recalls = store.recalls_of(version)?;
    let Some(recall) = recalls.first() else { return Ok(()) };
    let message = format!("{} is recalled: {}", version.id(), recall.reason);
    let found = Diagnostic::new("recalled-parent", message);
    Err(found.help("inherit from a version that is not, or withdraw the recall if it was a mistake").into())
}

/// The value that is compared with the target: what the softmax of an answer reads, or what the answer's number is made
/// of.
fn prediction(graph: &Graph) -> Option<ValueId> {
    let answer = *graph.outputs.first()?;
    let node = |name: &str| graph.nodes().map(|(_, node)| node).find(|node| node.name == name);
    let softmax = graph
        .nodes()
        .map(|(_, node)| node)
        .find(|node| node.outputs.contains(&answer) && node.op_name() == "Softmax");
    match softmax.or_else(|| node("target.spread")) {
        Some(node) => node.inputs.first().copied().flatten(),
        None => Some(answer),
    }
}

/// The layers that the scheme of `version` says, or that of the parent it took them from.
fn layers(store: &Store, mut version: ModelVersion) -> Result<Option<Steps<Layer>>, RunError> {
    for _ in 0..GENERATIONS_MAX {
        match registered_scheme(store, &version)?.model.architecture {
            Architecture::Layers(layers) => return Ok(Some(layers)),
            Architecture::Graph(_) => return Ok(None),
            Architecture::Parent => {
                let parents = store.parents(&version)?;
                let Some(edge) = parents.iter().find(|edge| edge.relation == Relation::FineTunedFrom) else {
                    return Ok(None);
                };
                version = store.resolve(&format!("{}@{}", edge.parent.0, edge.parent.1))?;
            }
        }
    }
    Ok(None)
}

/// The scheme that made a model.
fn registered_scheme(store: &Store, version: &ModelVersion) -> Result<ResolvedScheme, RunError> {
    let name = PathBuf::from("scheme.toml");
    let files = MemoryFiles(BTreeMap::from([(name.clone(), store.scheme(version)?.into_bytes())]));
    let resolved = scheme::resolve(&name, &[], &files).result;
    resolved.map_err(|problems| RunError::damaged("the scheme of a model", problems))
}

/// Why a scheme without layers of its own has none.
pub(crate) fn no_layers(scheme: &ResolvedScheme, parent: Option<&Parent>) -> Diagnostic {
    let id = parent.map_or("the parent", |parent| parent.id.as_str());
    let message = format!("the network of {id} came from an ONNX file, and this scheme has no layers");
    at(scheme, "model.inherit", Diagnostic::new("missing-layers", message))
        .help("name the file again: `model.graph`; its tensors are then taken over from the parent")
}

/// Gives `plan` what it inherits, and the account of it.
///
/// Errors   what the transfer refuses, and too small a share.
pub(crate) fn take_over(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    parent: &Parent,
    plan: &mut Plan,
) -> Result<(), Diagnostics> {
    let Some(wanted) = &scheme.model.inherit else { return Ok(()) };
    let features = features(prepared);
    let child = Network {
        graph: &plan.graph,
        prediction: plan.prediction,
        tensors: &plan.kept,
        labels: &prepared.summary.classes,
        features: &features,
    };
    let other = Network {
        graph: &parent.graph,
        prediction: parent.prediction,
        tensors: &parent.tensors,
        labels: &parent.labels,
        features: &parent.features,
    };
    let wishes = wishes(scheme, wanted)?;
    let made =
        transfer::transfer(child, other, &parent.id, &wishes).map_err(|found| placed(scheme, found))?;
    let mut account = made.plan;
    account.differences.extend(preprocessing_difference(prepared, parent));
    for (name, tensor) in &made.tensors {
        if let Some(id) = plan.graph.find_value(name) {
            plan.graph.set_constant(id, tensor.clone());
        }
    }
    plan.summary.transfer = Some(account);
    Ok(())
}

/// Refuses a plan that refuses tensors, or that takes over less than the scheme asks for.
pub(crate) fn accept(scheme: &ResolvedScheme, transfer: Option<&TransferPlan>) -> Result<(), Diagnostics> {
    let (Some(plan), Some(wanted)) = (transfer, &scheme.model.inherit) else { return Ok(()) };
    let refusals = plan.refusals();
    if !refusals.0.is_empty() {
        return Err(placed(scheme, refusals));
    }
    if plan.inherited_share >= wanted.min_inherited {
        return Ok(());
    }
    let mut anew: Vec<_> =
        plan.tensors.iter().filter(|tensor| tensor.inherited < tensor.parameters).collect();
    anew.sort_by_key(|tensor| std::cmp::Reverse(tensor.parameters - tensor.inherited));
    let most: Vec<String> = anew
        .iter()
        .take(5)
        .map(|tensor| {
            format!(
                "`{}` ({} of {}: {})",
                tensor.name,
                tensor.parameters - tensor.inherited,
                tensor.parameters,
                tensor.reason
            )
        })
        .collect();
    let message = format!(
        "{:.1} % of the network comes from {}, less than `min_inherited` = {}",
        100.0 * plan.inherited_share,
        plan.parent,
        wanted.min_inherited
    );
    let found = at(scheme, "model.min_inherited", Diagnostic::new("too-little-inherited", message));
    Err(found.help(format!("what starts anew: {}", most.join(", "))).into())
}

impl Plan {
    /// Compares tensors with what the transfer plan promised for the start of training: all, or those of `only`.
    pub(crate) fn check_inherited(
        &self,
        tensors: &[(String, Tensor)],
        only: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<(), RunError> {
        let Some(plan) = &self.summary.transfer else { return Ok(()) };
        plan.check(tensors, only).map_err(|broken| {
            RunError::damaged(
                "what was inherited",
                format!("differs from the transfer plan in {}", broken.join(", ")),
            )
        })
    }
}

/// The tensors that something was taken over into, with the parent's.
pub(crate) fn successors(plan: &Plan) -> Vec<(String, String)> {
    let tensors = plan.summary.transfer.iter().flat_map(|transfer| &transfer.tensors);
    let taken = tensors.filter(|tensor| tensor.inherited > 0);
    taken.filter_map(|tensor| Some((tensor.name.clone(), tensor.from.clone()?))).collect()
}

fn wishes(scheme: &ResolvedScheme, wanted: &Inherit) -> Result<Wishes, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut rename = Vec::new();
    for text in &wanted.rename {
        let (own, other) = text.split_once('=').unwrap_or((text, ""));
        match Rename::new(own.trim(), other.trim()) {
            Ok(rule) => rename.push(rule),
            Err(reason) => {
                let message = format!("`{text}`: {reason}");
                problems.push(at(scheme, "model.rename", Diagnostic::new("invalid-rule", message)));
            }
        }
    }
    problems.or(Wishes { rename, fresh: wanted.fresh.clone(), seed: scheme.seed })
}

/// The names of a table's input features; none for images, whose channels have an order of their own.
pub(crate) fn features(prepared: &Prepared) -> Vec<String> {
    match prepared.form {
        Form::Image => Vec::new(),
        Form::Table | Form::Series => prepared.summary.features.clone(),
    }
}

/// Other preprocessing than the parent's, whose weights expect its own.
fn preprocessing_difference(prepared: &Prepared, parent: &Parent) -> Option<String> {
    let own = to_value(&prepared.steps);
    (own != parent.preprocessing).then(|| {
        let names = |steps: &Value| {
            let steps = steps.as_array().into_iter().flatten();
            let names: Vec<&str> = steps.filter_map(|step| step.get("name")?.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let (here, there) = (names(&own), names(&parent.preprocessing));
        if here == there {
            format!("preprocessing has other constants than in {}: {here}", parent.id)
        } else {
            format!("preprocessing is {here}, in {} it is {there}", parent.id)
        }
    })
}

fn at(scheme: &ResolvedScheme, key: &str, diagnostic: Diagnostic) -> Diagnostic {
    match scheme.span_of(key) {
        Some(span) => diagnostic.at(span, ""),
        None => diagnostic,
    }
}

/// Diagnostics without a place of their own point at the parent's name.
fn placed(scheme: &ResolvedScheme, found: Diagnostics) -> Diagnostics {
    let place = |diagnostic: Diagnostic| match diagnostic.labels.is_empty() {
        true => at(scheme, "model.inherit", diagnostic),
        false => diagnostic,
    };
    Diagnostics(found.0.into_iter().map(place).collect())
}

/// The transfer plan of a scheme, without training anything or writing anywhere. `None` if it has no parent. The plan may
/// hold refusals.
pub fn plan_transfer(
    scheme: &ResolvedScheme,
    store: &StoreAddress,
    here: &Path,
) -> Result<Option<TransferPlan>, RunError> {
    let store = match Store::open_at(store, here) {
        Ok(store) => Some(store),
        Err(StoreError::NotAStore { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(parent) = parent_of(scheme, store.as_ref())? else { return Ok(None) };
    let graph_file = architecture::read_graph_file(scheme)?;
    let (prepared, _) = prepare(scheme, &source_of(scheme)?)?;
    let plan = architecture::plan(scheme, &prepared, graph_file.as_deref(), Some(&parent))?;
    Ok(plan.summary.transfer)
}

/// How much of a plan is of each kind: action, tensors and parameters, in the order of the actions.
pub fn by_action(plan: &TransferPlan) -> Vec<(Action, usize, usize)> {
    let mut counts: BTreeMap<Action, (usize, usize)> = BTreeMap::new();
    for tensor in &plan.tensors {
        let entry = counts.entry(tensor.action).or_default();
        *entry = (entry.0 + 1, entry.1 + tensor.parameters);
    }
    counts.into_iter().map(|(action, (tensors, parameters))| (action, tensors, parameters)).collect()
}
