//! The transfer plan: what becomes of every tensor, in words and numbers, and the check that it came true.

use base::{Diagnostic, Diagnostics};
use serde::{Deserialize, Serialize};
use tensor::Tensor;

/// What becomes of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The parent's, bit for bit.
    Copied,
    /// The parts of classes that the parent has too, by their names.
    RowsByClassName,
    /// The parts of input features that the parent has too, by their names.
    ColumnsByFeatureName,
    /// Colour channels summed or shared, or positions of a flattened image brought to another size.
    Converted,
    /// A kernel of another size about the same middle.
    Resized,
    /// More units than the parent, which compute the same function.
    Widened,
    /// The parent's most important units.
    Narrowed,
    /// A layer more than the parent has, which passes on what it reads.
    Deepened,
    /// It starts anew.
    Fresh,
    /// The parent has a tensor for it that cannot be taken over.
    Refused,
}

impl Action {
    /// In words, for tables.
    pub fn words(self) -> &'static str {
        match self {
            Action::Copied => "copied",
            Action::RowsByClassName => "rows by class name",
            Action::ColumnsByFeatureName => "columns by feature name",
            Action::Converted => "converted",
            Action::Resized => "resized",
            Action::Widened => "widened",
            Action::Narrowed => "narrowed",
            Action::Deepened => "deepened",
            Action::Fresh => "fresh",
            Action::Refused => "refused",
        }
    }
}

/// Where a class's or feature's part of a tensor comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The child's class.
    pub class: String,
    /// The parent's; none if it starts anew.
    pub from: Option<String>,
}

/// The same for a feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureColumn {
    /// The child's feature.
    pub feature: String,
    /// The parent's; none if it starts anew.
    pub from: Option<String>,
}

/// What becomes of one tensor of the child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorPlan {
    /// Its name in the child.
    pub name: String,
    /// Its lengths in the child.
    pub shape: Vec<usize>,
    /// What becomes of it.
    pub action: Action,
    /// The parent's tensor.
    pub from: Option<String>,
    /// For each class of the child, if the tensor has parts for classes.
    pub rows: Vec<ClassRow>,
    /// For each input feature of the child, if the tensor has parts for features.
    pub columns: Vec<FeatureColumn>,
    /// Its elements.
    pub parameters: usize,
    /// How many of them come from the parent.
    pub inherited: usize,
    /// How it was found, and what changes.
    pub reason: String,
    /// Digest of its value before the first training step; empty where that is found only later.
    pub digest: String,
}

/// What a child takes over from a parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferPlan {
    /// The parent: `name@N`.
    pub parent: String,
    /// Share of the child's elements that come from the parent, 0 to 1.
    pub inherited_share: f64,
    /// Every tensor of the child that learning changes, in the order of its network.
    pub tensors: Vec<TensorPlan>,
    /// Tensors of the parent that nothing comes of.
    pub left_behind: Vec<String>,
    /// Differences between the two that no tensor shows: settings of layers, the order of labels.
    pub differences: Vec<String>,
}

impl TransferPlan {
    /// Every tensor that the parent has and that cannot be taken over.
    pub fn refusals(&self) -> Diagnostics {
        let refusal = |tensor: &TensorPlan| {
            let Some(from) = tensor.from.as_deref() else {
                let message = format!("`{}` cannot start as the identity: {}", tensor.name, tensor.reason);
                return Diagnostic::new("refused-tensor", message)
                    .help("or take the layer out of `model.identity`: then it starts anew");
            };
            let message =
                format!("`{}` cannot take over `{from}` of {}: {}", tensor.name, self.parent, tensor.reason);
            Diagnostic::new("refused-tensor", message)
                .help("make the layer as it is in the parent")
                .help(format!("or let it start anew: `model.fresh = [\"{}\"]`", tensor.name))
        };
        Diagnostics(
            self.tensors.iter().filter(|tensor| tensor.action == Action::Refused).map(refusal).collect(),
        )
    }

    /// Compares values with what was promised for the state before the first training step: all tensors if `only` is
    /// `None`, else those it holds to, such as the frozen ones after the last step.
    ///
    /// Errors   the names of tensors that are missing or that differ in any bit.
    pub fn check(
        &self,
        values: &[(String, Tensor)],
        only: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<(), Vec<String>> {
        let promised = self.tensors.iter().filter(|tensor| !tensor.digest.is_empty());
        let promised = promised.filter(|tensor| only.is_none_or(|only| only(&tensor.name)));
        let broken = |tensor: &&TensorPlan| {
            let found = values.iter().find(|(name, _)| *name == tensor.name);
            found.is_none_or(|(_, value)| value.digest().to_string() != tensor.digest)
        };
        let broken: Vec<String> = promised.filter(broken).map(|tensor| tensor.name.clone()).collect();
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}
