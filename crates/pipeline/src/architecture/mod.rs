//! From the scheme's words to the model's graph: raw input → preprocessing → network → answer.
//!
//! ```text
//! image | features ─► preprocess.* ─► layers ─► logits | prediction ─► probabilities | value
//! ```

mod answer;
mod branch;
mod builder;
mod copy;
mod freeze;
mod grid;
mod groups;
mod import;
mod initial;
mod layers;
mod lora;
mod preprocess;
#[cfg(test)]
mod torchvision;

use std::collections::BTreeSet;
use std::path::Path;

use base::Diagnostics;
use graph::{Graph, ValueId, ValueType};
use scheme::{Architecture, ResolvedScheme};
use tensor::{DType, Shape, Tensor};

use crate::error::RunError;
use crate::events::ModelSummary;
use crate::inheritance::{self, Parent};
use crate::prepare::{Form, Prepared};
use crate::taken::Taken;
use crate::training::head;

use builder::Builder;
pub(crate) use copy::{Copied, copy_into};
pub(crate) use groups::{layer_of, layers};
pub(crate) use lora::{Adapter, adapted};

/// The model's graph with its weights as they start.
pub(crate) struct Plan {
    /// From raw input to answer.
    pub(crate) graph: Graph,
    /// The value that is compared with the target while learning.
    pub(crate) prediction: ValueId,
    /// Names of the tensors that are learnt.
    pub(crate) learnt: BTreeSet<String>,
    /// Names of the tensors that are the model's own, learnt or frozen, and of running statistics; in the graph's order.
    pub(crate) kept: Vec<String>,
    /// Those of them that learning does not change.
    pub(crate) frozen: BTreeSet<String>,
    /// Which elements come from the parent, if the scheme holds single ones.
    pub(crate) taken: Taken,
    /// The classes, by number, that the parent knows as well.
    pub(crate) known: Vec<usize>,
    /// Low-rank updates that learn in place of their weights.
    pub(crate) adapters: Vec<Adapter>,
    pub(crate) summary: ModelSummary,
    /// What the user should know.
    pub(crate) notices: Vec<String>,
}

impl Plan {
    /// Replaces tensors by name. Errors with the first that does not fit.
    pub(crate) fn set_tensors(&mut self, tensors: &[(String, Tensor)]) -> Result<(), RunError> {
        for (name, tensor) in tensors {
            let value = self.graph.find_value(name).filter(|&id| self.graph.ty(id) == &ValueType::of(tensor));
            match value.filter(|&id| self.graph.value(id).constant.is_some()) {
                Some(id) => self.graph.set_constant(id, tensor.clone()),
                None => {
                    return Err(RunError::damaged(
                        "a trained tensor",
                        format!("`{name}` does not fit the network"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether every element of the tensor `name` comes from the parent.
    pub(crate) fn wholly_inherited(&self, name: &str) -> bool {
        let tensors = self.summary.transfer.iter().flat_map(|transfer| &transfer.tensors);
        let mut found = tensors.filter(|tensor| tensor.name == name);
        found.any(|tensor| tensor.inherited == tensor.parameters)
    }

    /// Whether a training step changes the tensor `name`: one of the model's own, or a factor of an update.
    pub(crate) fn steps(&self, name: &str) -> bool {
        let held = || self.adapters.iter().any(|adapter| adapter.holds(name));
        self.adapters.iter().any(|adapter| adapter.owns(name)) || (self.changes(name) && !held())
    }

    /// Whether training leaves the tensor `name` as it is to the bit.
    pub(crate) fn stays(&self, name: &str) -> bool {
        let beside = |adapter: &Adapter| adapter.holds(name) && adapter.weight != name;
        self.frozen.contains(name) || self.adapters.iter().any(beside)
    }

    /// Whether learning changes the tensor `name`.
    pub(crate) fn changes(&self, name: &str) -> bool {
        self.kept.iter().any(|kept| kept == name) && !self.frozen.contains(name)
    }
}

/// The bytes of the ONNX file that the scheme names, if it names one.
pub(crate) fn read_graph_file(scheme: &ResolvedScheme) -> Result<Option<Vec<u8>>, RunError> {
    match &scheme.model.architecture {
        Architecture::Layers(_) | Architecture::Parent => Ok(None),
        Architecture::Graph(path) => Ok(Some(import::read_file(scheme, path)?)),
    }
}

/// Builds the model's graph.
///
/// Errors   a layer that does not fit its input, a network that does not end in one value per class, or one that
///          would not fit into memory; a parent that cannot be taken over: each points at its place in the scheme.
pub(crate) fn plan(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    graph_file: Option<&[u8]>,
    parent: Option<&Parent>,
) -> Result<Plan, Diagnostics> {
    let mut graph = Graph::new("model");
    let input = graph.input(input_name(prepared.form), input_type(prepared));
    let ready = preprocess::add(scheme, prepared, &mut graph, input)?;
    let mut builder = Builder::new(scheme, prepared, graph, ready);
    match (&scheme.model.architecture, graph_file) {
        (Architecture::Layers(layers), _) => layers::add(&mut builder, layers)?,
        (Architecture::Graph(path), bytes) => {
            import::add(&mut builder, path, bytes.unwrap_or_default(), input)?;
        }
        (Architecture::Parent, _) => match parent.and_then(|parent| parent.layers.as_ref()) {
            Some(inherited) => layers::add(&mut builder, inherited)?,
            None => return Err(inheritance::no_layers(scheme, parent).into()),
        },
    }
    builder.check_result()?;
    answer::add(&mut builder, input)?;
    let mut plan = builder.finish();
    freeze::freeze(scheme, &mut plan)?;
    let head = head::tensors(scheme, &plan)?;
    if let Some(parent) = parent {
        inheritance::take_over(scheme, prepared, parent, &head, &mut plan)?;
    }
    plan.adapters = lora::adapters(scheme, &plan)?;
    groups::check(scheme, &mut plan)?;
    Ok(plan)
}

/// Raw input → preprocessing: the graph of what the network of `scheme` would see, as its one output.
pub(crate) fn preprocessed(scheme: &ResolvedScheme, prepared: &Prepared) -> Result<Graph, Diagnostics> {
    let mut graph = Graph::new("preprocessed");
    let input = graph.input(input_name(prepared.form), input_type(prepared));
    let ready = preprocess::add(scheme, prepared, &mut graph, input)?;
    graph.outputs = vec![ready];
    Ok(graph)
}

fn input_name(form: Form) -> &'static str {
    match form {
        Form::Image => "image",
        Form::Table | Form::Series => "features",
    }
}

/// The type of the raw input.
pub(crate) fn input_type(prepared: &Prepared) -> ValueType {
    let dtype = match prepared.form {
        Form::Image => DType::U8,
        Form::Table | Form::Series => DType::F32,
    };
    ValueType::new(dtype, Shape::batched(&prepared.summary.example_shape))
}

/// The file that a scheme's `model.graph` names, for messages.
fn file_name(path: &Path) -> String {
    path.display().to_string()
}
