//! The graph in the making, with what is learnt and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, Diagnostics};
use graph::{Attributes, Graph, GraphError, ValueId};
use scheme::{Init, Optimizer, ResolvedScheme};
use tensor::{DType, Dim, Tensor};

use super::{Plan, initial};
use crate::events::{LayerSummary, ModelSummary};
use crate::prepare::Prepared;
use crate::taken::Taken;

/// The most memory that training may need: weights, their gradients and moments, and what a batch makes of them.
pub(super) const TRAINING_BYTES_MAX: u128 = 8 << 30;

/// The graph so far.
pub(super) struct Builder<'a> {
    pub(super) scheme: &'a ResolvedScheme,
    pub(super) prepared: &'a Prepared,
    pub(super) graph: Graph,
    /// The newest value.
    pub(super) value: ValueId,
    /// What each layer gave, by its name.
    pub(super) results: BTreeMap<String, ValueId>,
    pub(super) learnt: BTreeSet<String>,
    /// Running statistics.
    pub(super) statistics: BTreeSet<String>,
    pub(super) layers: Vec<LayerSummary>,
    pub(super) notices: Vec<String>,
    /// The key of the layer under way, to point at.
    pub(super) key: String,
    /// How weights start.
    pub(super) start: Start,
    bytes: u128,
}

/// A weight as it starts, from the seed, its name and [`initial::weight`]'s other words.
pub(super) type Start = fn(u64, &str, Init, &[usize], usize, usize) -> Tensor;

impl<'a> Builder<'a> {
    pub(super) fn new(
        scheme: &'a ResolvedScheme,
        prepared: &'a Prepared,
        graph: Graph,
        value: ValueId,
    ) -> Self {
        Builder {
            scheme,
            prepared,
            graph,
            value,
            results: BTreeMap::new(),
            learnt: BTreeSet::new(),
            statistics: BTreeSet::new(),
            layers: Vec::new(),
            notices: Vec::new(),
            key: "model".to_owned(),
            start: initial::weight,
            bytes: 0,
        }
    }

    /// The lengths of the newest value behind the batch.
    pub(super) fn shape(&self) -> Vec<usize> {
        lengths(&self.graph, self.value)
    }

    /// A diagnostic that points at the layer under way and names its input.
    pub(super) fn refuse(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::new(code, message);
        match self.scheme.span_of(&self.key) {
            Some(span) => diagnostic.at(span, format!("its input is {}", self.graph.ty(self.value).shape)),
            None => diagnostic,
        }
    }

    /// Adds a learnt weight that starts at random: as `init` says, or else as the model's.
    pub(super) fn weight(
        &mut self,
        name: &str,
        shape: &[usize],
        fan_in: usize,
        fan_out: usize,
        init: Option<Init>,
    ) -> Result<ValueId, Diagnostics> {
        self.charge_weight(shape)?;
        let init = init.unwrap_or(self.scheme.model.init);
        let tensor = (self.start)(self.scheme.seed, name, init, shape, fan_in, fan_out);
        Ok(self.learnt(name, tensor))
    }

    /// Adds the learnt biases of a layer whose outputs each sum `fan_in` terms.
    pub(super) fn bias(
        &mut self,
        name: &str,
        count: usize,
        fan_in: usize,
        init: Option<Init>,
    ) -> Result<ValueId, Diagnostics> {
        self.charge_weight(&[count])?;
        let init = init.unwrap_or(self.scheme.model.init);
        Ok(self.learnt(name, initial::bias(self.scheme.seed, name, init, count, fan_in)))
    }

    /// Adds a learnt vector whose elements all start at `start`.
    pub(super) fn vector(&mut self, name: &str, count: usize, start: f32) -> Result<ValueId, Diagnostics> {
        self.charge_weight(&[count])?;
        Ok(self.learnt(name, Tensor::new([count], vec![start; count])))
    }

    fn learnt(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let id = self.graph.constant(name, tensor);
        self.learnt.insert(self.graph.value(id).name.clone());
        id
    }

    /// Adds a running statistic.
    pub(super) fn statistic(&mut self, name: &str, count: usize, start: f32) -> ValueId {
        let id = self.graph.constant(name, Tensor::new([count], vec![start; count]));
        self.statistics.insert(self.graph.value(id).name.clone());
        id
    }

    /// Adds a node with one output behind the newest value, which is its first input.
    pub(super) fn node(
        &mut self,
        name: &str,
        output: &str,
        op: &str,
        attributes: Attributes,
        more: &[ValueId],
    ) -> Result<(), GraphError> {
        let inputs: Vec<Option<ValueId>> =
            std::iter::once(self.value).chain(more.iter().copied()).map(Some).collect();
        self.value = self.graph.push_node(name, op, attributes, &inputs, &[output])?[0];
        Ok(())
    }

    /// Takes note of a weight's cost: itself, its gradient and its moments.
    pub(super) fn charge_weight(&mut self, shape: &[usize]) -> Result<(), Diagnostics> {
        let moments = match self.scheme.train.optimizer {
            Optimizer::Adam(_) | Optimizer::AdamW(_) => 2,
            Optimizer::Momentum(_) => 1,
            Optimizer::Sgd(_) | Optimizer::GradientDescent(_) => 0,
        };
        let factors = shape.iter().map(|&length| length as u128);
        let elements = factors.fold(1u128, |product, length| product.saturating_mul(length));
        self.charge(elements.saturating_mul((2 + moments) * 4))
    }

    /// Takes note of the newest value's cost: itself and its gradient, for each example of a batch.
    pub(super) fn charge_value(&mut self) -> Result<(), Diagnostics> {
        self.charge_lengths(&self.shape())
    }

    /// Takes note of the cost of a value with these lengths behind the batch.
    pub(super) fn charge_lengths(&mut self, lengths: &[usize]) -> Result<(), Diagnostics> {
        let factors = lengths.iter().map(|&length| length as u128);
        let elements = factors.fold(1u128, |product, length| product.saturating_mul(length));
        self.charge(elements.saturating_mul(self.batch_size() as u128 * 2 * 4))
    }

    /// Examples per step.
    pub(super) fn batch_size(&self) -> usize {
        crate::training::batch_size(self.scheme, self.prepared.summary.train)
    }

    fn charge(&mut self, bytes: u128) -> Result<(), Diagnostics> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= TRAINING_BYTES_MAX {
            return Ok(());
        }
        let batch = self.batch_size();
        let message = format!(
            "training would need at least {} of memory up to here with batches of {batch}, more than the limit of {}",
            bytes_text(self.bytes),
            bytes_text(TRAINING_BYTES_MAX)
        );
        let help = match self.scheme.train.optimizer {
            Optimizer::GradientDescent(_) => {
                "gradient_descent takes all examples at once; `sgd` takes them in batches"
            }
            _ => "make the layer or `train.batch_size` smaller, or put a pooling layer before it",
        };
        Err(self.refuse("model-too-large", message).help(help).into())
    }

    /// Refuses a network that does not end in one value per class or in one number.
    pub(super) fn check_result(&self) -> Result<(), Diagnostics> {
        let classes = &self.prepared.summary.classes;
        let wanted = if classes.is_empty() { 1 } else { classes.len() };
        let ty = self.graph.ty(self.value);
        let batched = matches!(ty.shape.0.first(), Some(Dim::Symbol(name)) if name == "batch");
        if batched && ty.shape.rank() == 2 && self.shape() == [wanted] && ty.dtype == DType::F32 {
            return Ok(());
        }
        let (needs, help) = match classes.len() {
            0 => {
                ("one number for the target".to_owned(), "end with a dense layer with `units = \"targets\"`")
            }
            count => (
                format!("one value for each of the {count} classes"),
                "end with a dense layer with `units = \"classes\"`",
            ),
        };
        let message = format!("the network gives {}, not [batch, {wanted}]: {needs}", ty.shape);
        let diagnostic = Diagnostic::new("network-output", message).help(help);
        Err(match self.scheme.span_of(&self.key) {
            Some(span) => diagnostic.at(span, "the network ends here").into(),
            None => diagnostic.into(),
        })
    }

    /// The finished plan. The answer stands in the graph's outputs.
    pub(super) fn finish(self) -> Plan {
        let Builder { graph, value, learnt, statistics, layers, notices, .. } = self;
        let changed = |name: &str| learnt.contains(name) || statistics.contains(name);
        let constants = || graph.values().filter_map(|(_, value)| Some((value, value.constant.as_ref()?)));
        let kept = constants()
            .filter(|(value, _)| changed(&value.name))
            .map(|(value, _)| value.name.clone())
            .collect();
        let sizes =
            constants().filter(|(value, _)| learnt.contains(&value.name)).map(|(_, tensor)| tensor.len());
        let summary = ModelSummary { layers, parameters: sizes.sum(), frozen: 0, transfer: None };
        Plan {
            graph,
            prediction: value,
            learnt,
            kept,
            frozen: BTreeSet::new(),
            taken: Taken::new(),
            known: Vec::new(),
            adapters: Vec::new(),
            summary,
            notices,
        }
    }
}

/// The lengths of a value behind its first dimension; unknown ones count as 1.
pub(super) fn lengths(graph: &Graph, value: ValueId) -> Vec<usize> {
    graph.ty(value).shape.0.iter().skip(1).map(|dim| dim.known().unwrap_or(1)).collect()
}

/// Elements of a constant.
pub(super) fn elements(graph: &Graph, value: ValueId) -> usize {
    graph.ty(value).shape.lengths().map_or(0, |lengths| lengths.iter().product())
}

/// `12.3 GiB`.
fn bytes_text(bytes: u128) -> String {
    let mut size = bytes as f64;
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{size:.1} {}", units[unit]) }
}
