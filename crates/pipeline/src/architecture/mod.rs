//! From the scheme's words to the model's graph: raw input → preprocessing → network → answer.
//!
//! ```text
//! image | features ─► preprocess.* ─► layers ─► logits | prediction ─► probabilities | value
//! ```

mod answer;
mod builder;
mod copy;
mod import;
mod initial;
mod layers;
mod preprocess;

use std::collections::BTreeSet;
use std::path::Path;

use base::Diagnostics;
use graph::{Graph, ValueId, ValueType};
use scheme::{Architecture, ResolvedScheme};
use tensor::{DType, Shape, Tensor};

use crate::error::RunError;
use crate::events::ModelSummary;
use crate::prepare::{Form, Prepared};

use builder::Builder;
pub(crate) use copy::{Copied, copy_into};

/// The model's graph with its weights as they start.
pub(crate) struct Plan {
    /// From raw input to answer.
    pub(crate) graph: Graph,
    /// The value that is compared with the target while learning.
    pub(crate) prediction: ValueId,
    /// Names of the tensors that are learnt.
    pub(crate) learnt: BTreeSet<String>,
    /// Names of the tensors that learning changes: those learnt, and running statistics; in the graph's order.
    pub(crate) kept: Vec<String>,
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

    /// The name of the value that is compared with the target.
    pub(crate) fn prediction_name(&self) -> &str {
        &self.graph.value(self.prediction).name
    }
}

/// The bytes of the ONNX file that the scheme names, if it names one.
pub(crate) fn read_graph_file(scheme: &ResolvedScheme) -> Result<Option<Vec<u8>>, RunError> {
    match &scheme.model.architecture {
        Architecture::Layers(_) => Ok(None),
        Architecture::Graph(path) => Ok(Some(import::read_file(scheme, path)?)),
    }
}

/// Builds the model's graph.
///
/// Errors   a layer that does not fit its input, a network that does not end in one value per class, or one that
///          would not fit into memory: each points at its place in the scheme.
pub(crate) fn plan(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    graph_file: Option<&[u8]>,
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
    }
    builder.check_result()?;
    answer::add(&mut builder, input)?;
    Ok(builder.finish())
}

fn input_name(form: Form) -> &'static str {
    match form {
        Form::Image => "image",
        Form::Table | Form::Series => "features",
    }
}

fn input_type(prepared: &Prepared) -> ValueType {
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
