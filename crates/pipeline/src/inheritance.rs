//! The parent of a run: found in the store, checked, and taken over into the child's plan.

mod merging;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, Digest};
use graph::{Graph, ValueId};
use inherit::transfer::{self, Action, Network, Rename, TransferPlan, Wishes};
use scheme::{Architecture, Inherit, MemoryFiles, Placed, ResolvedScheme, Steps};
use serde_json::Value;
use store::{ModelVersion, ParentRecord, Relation, Store, StoreAddress, StoreError};
use tensor::Tensor;

use crate::architecture::{self, Plan};
use crate::error::{Failure, RunError};
use crate::keys::to_value;
use crate::package::unpack;
use crate::prepare::{Form, Prepared, prepare};
use crate::rank::{self, RankOptions, Subject};
use crate::sitting::Candidate;
use crate::source::source_of;
use crate::taken;
use crate::training::head;

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
    /// The version; none of several that were merged.
    pub(crate) version: Option<ModelVersion>,
    /// The layers of its scheme, or of the nearest ancestor that wrote any; none if that one took an ONNX file.
    pub(crate) layers: Option<Steps<Placed>>,
    pub(crate) graph: Graph,
    /// What is compared with the target.
    pub(crate) prediction: ValueId,
    tensors: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) features: Vec<String>,
    preprocessing: Value,
    /// The models that it is, or was made of.
    ancestors: Vec<Ancestor>,
    /// What the user should know about how it came about.
    remarks: Vec<String>,
}

/// A registered model that a child goes back to.
struct Ancestor {
    /// `name@N`.
    id: String,
    relation: Relation,
    /// Its tensors by what the parent calls them, where that is another.
    names: Option<BTreeMap<String, String>>,
}

/// The parent that `scheme` names, if it names one. `store` is the store as far as there is one.
///
/// Errors   no such model; a recalled one; one that cannot be read: its format, its blobs, its graph.
pub(crate) fn parent_of(scheme: &ResolvedScheme, store: Option<&Store>) -> Result<Option<Parent>, RunError> {
    // `auto` is decided when the data is there: see `rank::choose`.
    let Some(wanted) = scheme.model.inherit.as_ref().filter(|wanted| !wanted.is_auto()) else {
        return Ok(None);
    };
    let Some(store) = store else {
        let message = format!("there is no model `{}` to inherit from: there is no store yet", wanted.parent);
        let found = at(scheme, origin(scheme), Diagnostic::new("unknown-model", message));
        return Err(found.help("run the parent's scheme first, or name its store with `--store`").into());
    };
    let found = match &wanted.merge {
        Some(merge) => merging::merged(scheme, store, merge),
        None => load(scheme, store, &wanted.parent),
    };
    found.map(Some).map_err(|error| match error {
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
    at(scheme, origin(scheme), Diagnostic::new("damaged-parent", message))
        .help("`heirloom store verify` names everything that is damaged; what is whole in another store can be taken in again")
        .help("or inherit from another version")
        .into()
}

/// The names of the input features that a version kept; empty where it kept none.
pub(crate) fn feature_names(store: &Store, version: &ModelVersion) -> Result<Vec<String>, RunError> {
    match store.attachment(version, FEATURES_ROLE)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| RunError::damaged("the feature names of a model", error)),
        None => Ok(Vec::new()),
    }
}

/// The parent that `reference` names: `name`, `name@N` or `name@alias`.
pub(crate) fn load(scheme: &ResolvedScheme, store: &Store, reference: &str) -> Result<Parent, RunError> {
    let model = store.model(reference)?;
    refuse_recalled(store, &model.version)?;
    let graph = unpack(&store.graph(&model)?, &store.tensors(&model)?)?;
    let prediction = prediction(&graph).ok_or_else(|| {
        RunError::damaged("the graph of a model", "nothing in it is compared with a target")
    })?;
    let features = feature_names(store, &model.version)?;
    let layers = match scheme.model.architecture {
        Architecture::Parent => layers(store, model.version.clone())?,
        _ => None,
    };
    Ok(Parent {
        id: model.version.id(),
        digest: model.version.digest,
        version: Some(model.version.clone()),
        layers,
        graph,
        prediction,
        tensors: model.manifest.tensors.iter().map(|tensor| tensor.name.clone()).collect(),
        labels: model.manifest.labels,
        features,
        preprocessing: model.manifest.preprocessing,
        ancestors: vec![Ancestor { id: model.version.id(), relation: Relation::FineTunedFrom, names: None }],
        remarks: Vec::new(),
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
pub(crate) fn prediction(graph: &Graph) -> Option<ValueId> {
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
fn layers(store: &Store, mut version: ModelVersion) -> Result<Option<Steps<Placed>>, RunError> {
    for _ in 0..GENERATIONS_MAX {
        match registered_scheme(store, &version)?.model.architecture {
            Architecture::Layers(layers) => return Ok(Some(layers)),
            Architecture::Graph(_) => return Ok(None),
            Architecture::Parent => match layered_parent(store, &version)? {
                Some(parent) => version = parent,
                None => return Ok(None),
            },
        }
    }
    Ok(None)
}

/// The parent whose layers a model without any in its scheme has: of several that were merged, one whose tensors have the
/// same names.
fn layered_parent(store: &Store, version: &ModelVersion) -> Result<Option<ModelVersion>, RunError> {
    let names = |version: &ModelVersion| -> Result<Vec<String>, RunError> {
        let tensors = store.model(&version.id())?.manifest.tensors;
        Ok(tensors.into_iter().map(|tensor| tensor.name).collect())
    };
    for edge in store.parents(version)? {
        let parent = store.resolve(&format!("{}@{}", edge.parent.0, edge.parent.1))?;
        match edge.relation {
            Relation::FineTunedFrom => return Ok(Some(parent)),
            Relation::MergedFrom if names(&parent)? == names(version)? => return Ok(Some(parent)),
            _ => {}
        }
    }
    Ok(None)
}

/// The scheme that made a model.
pub(crate) fn registered_scheme(store: &Store, version: &ModelVersion) -> Result<ResolvedScheme, RunError> {
    let name = PathBuf::from("scheme.toml");
    let files = MemoryFiles(BTreeMap::from([(name.clone(), store.scheme(version)?.into_bytes())]));
    let resolved = scheme::resolve(&name, &[], &files).result;
    resolved.map_err(|problems| RunError::damaged("the scheme of a model", problems))
}

/// Why a scheme without layers of its own has none.
pub(crate) fn no_layers(scheme: &ResolvedScheme, parent: Option<&Parent>) -> Diagnostic {
    let id = parent.map_or("the parent", |parent| parent.id.as_str());
    let message = format!("the network of {id} came from an ONNX file, and this scheme has no layers");
    at(scheme, origin(scheme), Diagnostic::new("missing-layers", message))
        .help("name the file again: `model.graph`; its tensors are then taken over from the parent")
}

/// Gives `plan` what it inherits, and the account of it.
///
/// `head`: tensors that `train.head` finds, so they are not the parent's.
///
/// Errors   what the transfer refuses, and too small a share.
pub(crate) fn take_over(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    parent: &Parent,
    head: &[String],
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
    let mut wishes = wishes(scheme, wanted)?;
    wishes.fresh.extend_from_slice(head);
    let made = transfer::transfer(child, parent.network(), &parent.id, &wishes)
        .map_err(|found| placed(scheme, found))?;
    if taken::asked_for(scheme) {
        let taken = taken::taken(child, parent.network(), &parent.id, &wishes)
            .map_err(|found| placed(scheme, found))?;
        plan.taken = taken;
    }
    let classes = prepared.summary.classes.iter().enumerate();
    plan.known = classes.filter(|(_, name)| parent.labels.contains(name)).map(|(class, _)| class).collect();
    let mut account = made.plan;
    head::announce(scheme, head, &mut account);
    account.differences.extend(preprocessing_difference(prepared, &parent.preprocessing, &parent.id));
    account.differences.extend(parent.remarks.iter().cloned());
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

impl Parent {
    /// The models that it is or was made of, as `name@N`.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.ancestors.iter().map(|ancestor| ancestor.id.as_str()).collect()
    }

    /// The model, to sit test cases.
    pub(crate) fn candidate(&self, options: engine::Options) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            graph: &self.graph,
            labels: &self.labels,
            features: &self.features,
            options,
        }
    }
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

impl Parent {
    /// What the lineage notes of the models that a child made by `plan` goes back to.
    pub(crate) fn records(&self, plan: &Plan) -> Vec<ParentRecord> {
        let record = |ancestor: &Ancestor| ParentRecord {
            reference: ancestor.id.clone(),
            relation: ancestor.relation,
            successors: merging::through(successors(plan), ancestor.names.as_ref()),
        };
        self.ancestors.iter().map(record).collect()
    }
}

/// The tensors that something was taken over into, with the parent's.
fn successors(plan: &Plan) -> Vec<(String, String)> {
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
    let (fresh, identity) = (wanted.fresh.clone(), wanted.identity.clone());
    problems.or(Wishes { rename, fresh, identity, seed: scheme.seed })
}

/// The names of a table's input features; none for images, whose channels have an order of their own.
pub(crate) fn features(prepared: &Prepared) -> Vec<String> {
    match prepared.form {
        Form::Image => Vec::new(),
        Form::Table | Form::Series => prepared.summary.features.clone(),
    }
}

/// Other preprocessing than that of the parent called `id`, whose weights expect its own.
pub(crate) fn preprocessing_difference(prepared: &Prepared, parents: &Value, id: &str) -> Option<String> {
    let own = to_value(&prepared.steps);
    (own != *parents).then(|| {
        let names = |steps: &Value| {
            let steps = steps.as_array().into_iter().flatten();
            let names: Vec<&str> = steps.filter_map(|step| step.get("name")?.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let (here, there) = (names(&own), names(parents));
        if here == there {
            format!("preprocessing has other constants than in {id}: {here}")
        } else {
            format!("preprocessing is {here}, in {id} it is {there}")
        }
    })
}

/// Puts a diagnostic at its place in the scheme.
pub(crate) fn at(scheme: &ResolvedScheme, key: &str, diagnostic: Diagnostic) -> Diagnostic {
    match scheme.span_of(key) {
        Some(span) => diagnostic.at(span, ""),
        None => diagnostic,
    }
}

/// The key that says where the network starts.
fn origin(scheme: &ResolvedScheme) -> &'static str {
    let merges = scheme.model.inherit.as_ref().is_some_and(|inherit| inherit.merge.is_some());
    if merges { "model.merge.parents" } else { "model.inherit" }
}

/// Diagnostics without a place of their own point at the parent's name.
fn placed(scheme: &ResolvedScheme, found: Diagnostics) -> Diagnostics {
    let place = |diagnostic: Diagnostic| match diagnostic.labels.is_empty() {
        true => at(scheme, origin(scheme), diagnostic),
        false => diagnostic,
    };
    Diagnostics(found.0.into_iter().map(place).collect())
}

/// The transfer plan of a scheme, without training anything or writing anywhere, but for the scores that
/// `inherit = "auto"` keeps. `None` if it has no parent, or if starting from scratch was chosen. The plan may hold refusals.
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
    let graph_file = architecture::read_graph_file(scheme)?;
    let Some((prepared, parent)) = parent_to_plan(scheme, store.as_ref(), graph_file.as_deref())? else {
        return Ok(None);
    };
    let plan = architecture::plan(scheme, &prepared, graph_file.as_deref(), Some(&parent))?;
    Ok(plan.summary.transfer)
}

/// The data, and the parent that is named or chosen.
fn parent_to_plan(
    scheme: &ResolvedScheme,
    store: Option<&Store>,
    graph_file: Option<&[u8]>,
) -> Result<Option<(Prepared, Parent)>, RunError> {
    let auto = scheme.model.inherit.as_ref().is_some_and(Inherit::is_auto);
    let named = parent_of(scheme, store)?;
    if named.is_none() && !auto {
        return Ok(None);
    }
    let source = source_of(scheme)?;
    if let Some(parent) = named {
        return Ok(Some((prepare(scheme, &source)?.0, parent)));
    }
    let (prepared, mut examples) = rank::prepared(scheme, &source, store)?;
    let mut subject = Subject { scheme, source: &source, prepared: &prepared, examples: &mut examples };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = RankOptions { threads, level: engine::Level::detect(), budget: None };
    let chosen = rank::choose(&mut subject, graph_file, store, &options, &mut |_, _, _| Ok(()))?;
    Ok(chosen.parent.map(|parent| (prepared, parent)))
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
