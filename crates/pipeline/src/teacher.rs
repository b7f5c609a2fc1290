//! `train.distill`: the parent as a teacher of the classes that both know.

use base::{Diagnostic, Diagnostics};
use graph::{Attributes, Graph, GraphError, ValueId, ValueType};
use scheme::ResolvedScheme;
use tensor::Tensor;

use crate::architecture::{Copied, copy_into, input_type};
use crate::error::RunError;
use crate::inheritance::{Parent, at, features};
use crate::prepare::Prepared;

/// A parent that is asked about the child's examples.
pub(crate) struct Teacher {
    /// From the child's raw input to the parent's scores of the classes that both know.
    pub(crate) graph: Graph,
    /// The child's number of each of them.
    pub(crate) classes: Vec<usize>,
    /// What is told of it.
    pub(crate) notice: String,
}

/// The teacher that `scheme` asks for, if it asks for one.
///
/// Errors   a parent that does not take the child's examples; fewer than two classes in common.
pub(crate) fn teacher_of(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    parent: Option<&Parent>,
) -> Result<Option<Teacher>, RunError> {
    let (Some(_), Some(parent)) = (&scheme.train.distill, parent) else { return Ok(None) };
    let own = &prepared.summary.classes;
    let place = |name: &String| parent.labels.iter().position(|label| label == name);
    let (classes, columns): (Vec<usize>, Vec<i64>) = own
        .iter()
        .enumerate()
        .filter_map(|(class, name)| Some((class, i64::try_from(place(name)?).ok()?)))
        .unzip();
    if classes.len() < 2 {
        let message =
            format!("{} and these data have too few classes in common: {}", parent.id, classes.len());
        let found = at(scheme, "train.distill", Diagnostic::new("nothing-to-distill", message));
        return Err(found
            .help("classes are matched by their names: `data.class_names` gives them")
            .help(format!("here: {}; there: {}", own.join(", "), parent.labels.join(", ")))
            .into());
    }
    let input = &input_type(prepared);
    let picked = picked_features(scheme, prepared, input, parent)?;
    let graph = build(parent, input, picked, &columns)
        .map_err(|error| RunError::damaged("the graph of a model", error))?;
    let names: Vec<&str> = classes.iter().map(|&class| own[class].as_str()).collect();
    let notice =
        format!("{} teaches {} of {} classes: {}", parent.id, names.len(), own.len(), names.join(", "));
    Ok(Some(Teacher { graph, classes, notice }))
}

/// Where the parent's input features stand among the child's; none if it takes the input as it is.
fn picked_features(
    scheme: &ResolvedScheme,
    prepared: &Prepared,
    input: &ValueType,
    parent: &Parent,
) -> Result<Option<Vec<i64>>, Diagnostics> {
    let Some(expected) = parent.graph.inputs.first().map(|&id| parent.graph.ty(id)) else { return Ok(None) };
    let (own, other) = (features(prepared), &parent.features);
    if other.is_empty() || own.is_empty() {
        if expected == input {
            return Ok(None);
        }
        return Err(refused(scheme, parent, &format!("it takes {expected}, and these examples are {input}")));
    }
    let place = |name: &String| own.iter().position(|feature| feature == name).map(|place| place as i64);
    let missing: Vec<&str> = other.iter().filter(|name| place(name).is_none()).map(String::as_str).collect();
    if !missing.is_empty() {
        let reason = format!("it takes features that these data do not have: {}", missing.join(", "));
        return Err(refused(scheme, parent, &reason));
    }
    let around = |ty: &ValueType| ty.shape.0.split_last().map(|(_, around)| around.to_vec());
    if around(expected) != around(input) {
        return Err(refused(scheme, parent, &format!("it takes {expected}, and these examples are {input}")));
    }
    Ok((own != *other).then(|| other.iter().filter_map(place).collect()))
}

fn refused(scheme: &ResolvedScheme, parent: &Parent, reason: &str) -> Diagnostics {
    let message = format!("{} cannot be asked about these examples: {reason}", parent.id);
    at(scheme, "train.distill", Diagnostic::new("other-examples", message))
        .help("leave [train.distill] out; the parent's weights can be inherited all the same")
        .into()
}

fn build(
    parent: &Parent,
    input: &ValueType,
    picked: Option<Vec<i64>>,
    columns: &[i64],
) -> Result<Graph, GraphError> {
    let mut graph = Graph::new("teacher");
    let from = &parent.graph;
    let raw = graph.input("examples", input.clone());
    let taken = match picked {
        None => raw,
        Some(places) => pick(&mut graph, "features", raw, &places, input.shape.rank() as i64 - 1)?,
    };
    let mut of = |id: ValueId, value: &graph::Value| match &value.constant {
        Some(tensor) => Copied::Constant(tensor.clone()),
        None if from.inputs.first() == Some(&id) => Copied::Given(taken),
        None => Copied::Input,
    };
    let made = copy_into(&mut graph, from, &[parent.prediction], &mut of)?;
    let scores = pick(&mut graph, "classes", made[&parent.prediction], columns, 1)?;
    graph.outputs = vec![scores];
    Ok(graph)
}

/// Some places of `x` along an axis.
fn pick(graph: &mut Graph, what: &str, x: ValueId, places: &[i64], axis: i64) -> Result<ValueId, GraphError> {
    let places = graph.constant(&format!("teacher.{what}"), Tensor::new([places.len()], places.to_vec()));
    let attributes = Attributes::from([("axis".to_owned(), axis.into())]);
    graph.push(&format!("teacher.{what}.picked"), "Gather", attributes, &[x, places])
}
