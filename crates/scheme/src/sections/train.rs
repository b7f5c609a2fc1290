//! `[train]`: how the network learns.

use serde::{Deserialize, Serialize};

use crate::algorithms::{OPTIMIZER, Optimizer};
use crate::settings::{Absent, Choice, Kind, Literal, RealRange, Section, Setting};

use super::distill::{DISTILL, Distill};
use super::ewc::{EWC, Ewc};
use super::head::{HEADS, Head};
use super::lora::{LORA, Lora};
use super::memory_limit::MemoryLimit;
use super::model::PATTERN;
use super::rates::Rate;
use super::rehearse::{LEAVE, Leave, REHEARSE, Rehearse};
use super::unfreeze::{UNFREEZE, Unfreeze};

/// How the network learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training part; 0 leaves the weights as they start.
    pub epochs: usize,
    /// Examples per step.
    pub batch_size: usize,
    /// What is minimised.
    pub loss: Loss,
    /// How the weights follow their gradients.
    pub optimizer: Optimizer,
    /// `l1 · Σ|w|` is added to the loss, over weights without biases.
    pub l1: f64,
    /// `l2 / 2 · Σw²` is added to the loss, over weights without biases.
    pub l2: f64,
    /// Which epoch's weights are kept.
    pub keep: Keep,
    /// When to stop before the last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// Patterns of names of tensors or layers that do not learn.
    pub freeze: Option<Vec<String>>,
    /// Whether what frozen layers give is computed once and kept; the weights come out the same.
    pub cache_frozen: Option<bool>,
    /// How the last layer is found before the first epoch.
    pub head: Option<Head>,
    /// The parent's answers, learnt beside the labels.
    pub distill: Option<Distill>,
    /// `l2_sp / 2 · Σ(w - w_parent)²` is added to the loss, over what comes from the parent.
    pub l2_sp: Option<f64>,
    /// Elastic weight consolidation.
    pub ewc: Option<Ewc>,
    /// Factors on the learning rate of some tensors; the last that fits counts.
    pub rates: Option<Vec<Rate>>,
    /// Factor on the learning rate from each layer to the one before it.
    pub rate_decay: Option<f64>,
    /// Layers that begin to learn later than others.
    pub unfreeze: Option<Unfreeze>,
    /// Low-rank updates of weights that stay.
    pub lora: Option<Lora>,
    /// How convolutions are computed.
    pub convolution: Option<Convolution>,
    /// Training examples that are left for children.
    pub leave: Option<Leave>,
    /// Learning again from examples of the parent.
    pub rehearse: Option<Rehearse>,
    /// Steps between checkpoints; 0: at the end of each epoch only.
    pub checkpoint_steps: u64,
    /// The most memory that a training step may take; the weights come out the same.
    pub memory_limit: Option<MemoryLimit>,
}

/// What is minimised: the mean over the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `-log softmax(x)[class]`, in nats.
    CrossEntropy,
    /// `(x - target)²` in standardised units.
    MeanSquaredError,
}

/// How convolutions are computed in training; it decides the last digits of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Convolution {
    /// By the cheaper of the direct sum and F(2×2, 3×3), as times are measured.
    #[serde(rename = "auto")]
    Auto,
    /// By the direct sum.
    #[serde(rename = "direct")]
    Direct,
    /// By F(2×2, 3×3) wherever lengths alone say that it is worth it.
    #[serde(rename = "winograd_2x2")]
    Winograd2x2,
    /// By F(4×4, 3×3) wherever lengths alone say that it is worth it, else as by `Winograd2x2`.
    #[serde(rename = "winograd_4x4")]
    Winograd4x4,
}

/// Which epoch's weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Those of the lowest validation loss; without a validation part, the last.
    Best,
    /// The last.
    Last,
}

/// Stops when the validation loss has not fallen for `patience` epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs.
    pub patience: usize,
}

/// `[train]`.
pub(crate) const TRAIN: Section = Section {
    title: "`[train]`: learning",
    doc: "How the network learns.",
    settings: &[
        Setting::new(
            "epochs",
            Kind::Integer { min: 0, max: 100_000 },
            Absent::Default(Literal::Integer(10)),
            "Passes over the training part. 0 delivers the weights as they start, which must then come from a model: \
             with `model.inherit`, `model.merge` or `model.graph`.",
        ),
        Setting::new(
            "batch_size",
            Kind::Integer { min: 1, max: 65_536 },
            Absent::Default(Literal::Integer(32)),
            "Examples per step.",
        ),
        Setting::new(
            "loss",
            Kind::Choice(&[
                Choice::new("cross_entropy", "`-log softmax(x)[class]`, in nats; for classification"),
                Choice::new("mean_squared_error", "`(x - target)²` in standardised units; for regression"),
            ]),
            Absent::Derived("`cross_entropy` for classification, `mean_squared_error` for regression"),
            "What is minimised: the mean over the batch.",
        ),
        Setting::new(
            "optimizer",
            Kind::Table(&OPTIMIZER),
            Absent::Default(Literal::Table),
            "How the weights follow their gradients: a name, or a table.",
        ),
        Setting::new(
            "l1",
            Kind::Real(RealRange::closed(0.0, 1000.0)),
            Absent::Default(Literal::Real(0.0)),
            "`l1 · Σ|w|` is added to the loss, over weights without biases.",
        ),
        Setting::new(
            "l2",
            Kind::Real(RealRange::closed(0.0, 1000.0)),
            Absent::Default(Literal::Real(0.0)),
            "`l2 / 2 · Σw²` is added to the loss, over weights without biases.",
        ),
        Setting::new(
            "keep",
            Kind::Choice(&[
                Choice::new(
                    "best",
                    "those of the lowest validation loss; without a validation part, the last",
                ),
                Choice::new("last", "the last"),
            ]),
            Absent::Default(Literal::Text("best")),
            "Which epoch's weights are kept.",
        ),
        Setting::new(
            "early_stopping",
            Kind::Table(&EARLY_STOPPING),
            Absent::Nothing,
            "When to stop before the last epoch. Needs a validation part.",
        ),
        Setting::new(
            "freeze",
            Kind::List { of: &PATTERN, min: 1, max: 1000 },
            Absent::Nothing,
            "Tensors or layers that do not learn; `*` stands for any text. Running statistics of a frozen \
             normalisation stay as well, and it normalises by them.",
        ),
        Setting::new(
            "cache_frozen",
            Kind::Bool,
            Absent::Nothing,
            "Whether what the frozen layers before the first learning one give is computed once and kept in the \
             store, up to 512 MiB of it. The weights come out the same. By default it is.",
        ),
        Setting::new(
            "head",
            Kind::Choice(HEADS),
            Absent::Nothing,
            "How the weights of the last dense layer are found before the first epoch: from what the network gives before \
             it for the training examples, without gradients. It suits a few examples a class. With `epochs = 0` it is all \
             that is learnt; with more, the head is where they start. Only for classes, and with a model to start from.",
        ),
        Setting::new(
            "distill",
            Kind::Table(&DISTILL),
            Absent::Nothing,
            "The parent's answers, learnt beside the labels.",
        ),
        Setting::new(
            "l2_sp",
            Kind::Real(RealRange::above(0.0, 1000.0)),
            Absent::Nothing,
            "`l2_sp / 2 · Σ(w - w_parent)²` is added to the loss, over the elements that come from the parent, biases \
             included. Of these tensors, `l2` then holds what starts anew. Only with `model.inherit`. (Li et al. 2018, \
             arXiv:1802.01483)",
        ),
        Setting::new("ewc", Kind::Table(&EWC), Absent::Nothing, "Elastic weight consolidation."),
        Setting::new(
            "rates",
            Kind::List { of: &Kind::Text { max: 400 }, min: 1, max: 1000 },
            Absent::Nothing,
            "Factors on the learning rate of tensors or layers, `\"conv* = 0.1\"`; `*` stands for any text, and the last rule \
             that fits counts.",
        ),
        Setting::new(
            "rate_decay",
            Kind::Real(RealRange::above(0.0, 1.0)),
            Absent::Nothing,
            "Factor on the learning rate from each layer to the one before it: the last layer learns at the full rate, the one \
             before it at `rate_decay` times that, and so on. (Howard and Ruder 2018, arXiv:1801.06146)",
        ),
        Setting::new(
            "unfreeze",
            Kind::Table(&UNFREEZE),
            Absent::Nothing,
            "Layers that begin to learn later than others.",
        ),
        Setting::new("lora", Kind::Table(&LORA), Absent::Nothing, "Low-rank updates of weights that stay."),
        Setting::new(
            "convolution",
            Kind::Choice(&[
                Choice::new(
                    "auto",
                    "each by the cheaper of the direct sum and Winograd's F(2×2, 3×3), at the machine's rates",
                ),
                Choice::new("direct", "by the direct sum"),
                Choice::new(
                    "winograd_2x2",
                    "by Winograd's F(2×2, 3×3) wherever it has at most seven in ten of the products",
                ),
                Choice::new(
                    "winograd_4x4",
                    "by Winograd's F(4×4, 3×3), forwards and back to the input, wherever it has at most seven in ten of the \
                     products of `winograd_2x2`, and else as that; results are less exact",
                ),
            ]),
            Absent::Nothing,
            "How convolutions of 3×3 windows are computed in training. It decides the last digits of the weights. By default \
             `auto`, with the rates of `heirloom engine calibrate`, which are recorded with the model; the others depend on \
             no machine's rates. (Lavin and Gray 2015, arXiv:1509.09308)",
        ),
        Setting::new(
            "leave",
            Kind::Table(&LEAVE),
            Absent::Nothing,
            "Training examples that are left for children.",
        ),
        Setting::new(
            "rehearse",
            Kind::Table(&REHEARSE),
            Absent::Nothing,
            "Learning again from the examples that the parent leaves.",
        ),
        Setting::new(
            "checkpoint_steps",
            Kind::Integer { min: 0, max: 1_000_000_000 },
            Absent::Default(Literal::Integer(0)),
            "Steps between checkpoints; 0: at the end of each epoch only.",
        ),
        Setting::new(
            "memory_limit",
            Kind::Text { max: 40 },
            Absent::Nothing,
            "The most memory that a training step may take, `\"300 MB\"`: weights, what the optimizer keeps of each, and what a \
             batch makes of them, but neither the data nor the validation. What does not fit is computed again on the way \
             back, which takes time; the weights come out the same. Units are B, kB, MB, GB, KiB, MiB and GiB. \
             (Chen et al. 2016, arXiv:1604.06174)",
        ),
    ],
    family: None,
};

const EARLY_STOPPING: Section = Section {
    title: "`[train.early_stopping]`",
    doc: "Stops when the validation loss has not fallen for some epochs.",
    settings: &[Setting::new(
        "patience",
        Kind::Integer { min: 1, max: 100_000 },
        Absent::Required,
        "How many epochs.",
    )],
    family: None,
};
