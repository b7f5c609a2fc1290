//! `[model.layers.NAME]`: the layers that a network is written in.

use serde::{Deserialize, Serialize};

use super::init::{Init, LAYER_INIT};
use super::placed::{INPUT_SETTING, LAYER_NAME, WITH};
use crate::settings::{Absent, Algorithm, Choice, Family, Kind, Literal, RealRange, Section, Setting};

/// One layer. Images are `[batch, channel, height, width]`, tables `[batch, feature]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Layer {
    /// Convolution.
    Conv(Conv),
    /// `activation(x · weight + bias)`.
    Dense(Dense),
    /// The greatest of each patch.
    MaxPool(Pool),
    /// The mean of each patch.
    AveragePool(Pool),
    /// The mean of each channel.
    GlobalAveragePool,
    /// `[batch, ...]` to `[batch, features]`.
    Flatten,
    /// `max(0, x)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
    /// Normalisation by the statistics of the batch.
    BatchNorm(BatchNorm),
    /// Random zeros while learning.
    Dropout(Dropout),
    /// The sum with another layer's result.
    Add(Add),
    /// The mean of each field of a grid.
    AdaptiveAveragePool(Grid),
}

/// Convolution over height and width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels of the result.
    pub filters: usize,
    /// `[height, width]`.
    pub kernel: [usize; 2],
    /// `[height, width]`.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// `[height, width]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Applied to the result.
    pub activation: Activation,
    /// Whether each filter adds a constant.
    pub bias: bool,
    /// How its weights start, if not as the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
}

/// A layer in which every output sees every input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Outputs.
    pub units: Units,
    /// Applied to the result.
    pub activation: Activation,
    /// Whether each output adds a constant.
    pub bias: bool,
    /// How its weights start, if not as the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
}

/// Pooling over height and width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// `[height, width]` of a patch.
    pub size: [usize; 2],
    /// `[height, width]` from patch to patch.
    pub stride: [usize; 2],
    /// Border around the input; it never wins a maximum nor counts in a mean.
    pub padding: Padding,
}

/// `scale · (x - mean) / √(variance + epsilon) + shift`, per channel or feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f64,
    /// Share of the running statistics kept per step.
    pub momentum: f64,
    /// What its tensors are called.
    #[serde(default, skip_serializing_if = "TensorNames::is_usual")]
    pub tensor_names: TensorNames,
}

/// What the tensors of a batch normalisation are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorNames {
    /// `scale`, `bias`, `running_mean`, `running_variance`.
    #[default]
    Heirloom,
    /// `weight`, `bias`, `running_mean`, `running_var`.
    Pytorch,
}

impl TensorNames {
    fn is_usual(&self) -> bool {
        *self == TensorNames::Heirloom
    }
}

/// `activation(x + y)`, element by element, as a residual connection ends (He et al. 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The layer whose result `y` is.
    pub with: String,
    /// Applied to the sum.
    pub activation: Activation,
}

/// The fields into which an image is divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// `[height, width]` of the result.
    pub size: [usize; 2],
}

/// Zeroes a random share of the values while learning and scales the rest by `1 / (1 - rate)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share.
    pub rate: f64,
}

/// Border around the input of a convolution or pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CountOrWord", into = "CountOrWord")]
pub enum Padding {
    /// None.
    Valid,
    /// As much as makes the result `ceil(input / stride)`; an odd pixel goes to the end (ONNX `SAME_UPPER`).
    Same,
    /// This many pixels on each side.
    Pixels(usize),
}

/// How many outputs a dense layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CountOrWord", into = "CountOrWord")]
pub enum Units {
    /// This many.
    Count(usize),
    /// One for each class of the data.
    Classes,
    /// One for each number to predict.
    Targets,
}

/// What is applied to the result of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
    /// Nothing.
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CountOrWord {
    Count(usize),
    Word(String),
}

impl TryFrom<CountOrWord> for Padding {
    type Error = String;

    fn try_from(value: CountOrWord) -> Result<Self, String> {
        match value {
            CountOrWord::Count(pixels) => Ok(Padding::Pixels(pixels)),
            CountOrWord::Word(word) if word == "valid" => Ok(Padding::Valid),
            CountOrWord::Word(word) if word == "same" => Ok(Padding::Same),
            CountOrWord::Word(word) => Err(format!("no padding is called {word}")),
        }
    }
}

impl From<Padding> for CountOrWord {
    fn from(padding: Padding) -> Self {
        match padding {
            Padding::Pixels(pixels) => CountOrWord::Count(pixels),
            Padding::Valid => CountOrWord::Word("valid".to_owned()),
            Padding::Same => CountOrWord::Word("same".to_owned()),
        }
    }
}

impl TryFrom<CountOrWord> for Units {
    type Error = String;

    fn try_from(value: CountOrWord) -> Result<Self, String> {
        match value {
            CountOrWord::Count(count) => Ok(Units::Count(count)),
            CountOrWord::Word(word) if word == "classes" => Ok(Units::Classes),
            CountOrWord::Word(word) if word == "targets" => Ok(Units::Targets),
            CountOrWord::Word(word) => Err(format!("no number of units is called {word}")),
        }
    }
}

impl From<Units> for CountOrWord {
    fn from(units: Units) -> Self {
        match units {
            Units::Count(count) => CountOrWord::Count(count),
            Units::Classes => CountOrWord::Word("classes".to_owned()),
            Units::Targets => CountOrWord::Word("targets".to_owned()),
        }
    }
}

const ACTIVATION: Setting = Setting::new(
    "activation",
    Kind::Choice(&[
        Choice::new("relu", "`max(0, x)`"),
        Choice::new("sigmoid", "`1 / (1 + exp(-x))`"),
        Choice::new("tanh", "`tanh(x)`"),
        Choice::new("none", "nothing"),
    ]),
    Absent::Default(Literal::Text("none")),
    "Applied to the result.",
);
const BIAS: Setting = Setting::new(
    "bias",
    Kind::Bool,
    Absent::Default(Literal::Bool(true)),
    "Whether each output adds a constant.",
);
const PADDING: Setting = Setting::new(
    "padding",
    Kind::IntegerOr {
        min: 0,
        max: 512,
        words: &[
            Choice::new("valid", "none"),
            Choice::new(
                "same",
                "as much as makes the result `ceil(input / stride)`; an odd pixel goes to the end",
            ),
        ],
    },
    Absent::Default(Literal::Text("valid")),
    "Border around the input, or a number of pixels on each side.",
);
const ONES: Absent = Absent::Default(Literal::Pair(1));
const EXTENT: Kind = Kind::Pair { min: 1, max: 1024 };

/// `[model.layers.NAME]`.
pub(crate) const LAYERS: Section = Section {
    title: "`[model.layers.NAME]`: layers",
    doc: "Named layers, in the order written; the names become the names of the tensors. Where `[height, width]` is \
          expected, one number stands for both. A name may have dots, as in `[model.layers.\"layer1.0.conv1\"]`; the quotes \
          may be left out.",
    settings: &[INPUT_SETTING],
    family: Some(Family {
        key: "op",
        what: "layer",
        absent: Absent::Required,
        members: &[
            &CONV,
            &DENSE,
            &MAX_POOL,
            &AVERAGE_POOL,
            &GLOBAL_AVERAGE_POOL,
            &FLATTEN,
            &RELU,
            &SIGMOID,
            &TANH,
            &BATCH_NORM,
            &DROPOUT,
            &ADD,
            &ADAPTIVE_AVERAGE_POOL,
        ],
    }),
};

const CONV: Algorithm = Algorithm {
    name: "conv",
    doc: "Convolution over height and width: `[batch, channels, height, width]` to `[batch, filters, ...]`.",
    source: "LeCun et al. 1989",
    settings: &[
        Setting::new(
            "filters",
            Kind::Integer { min: 1, max: 65_536 },
            Absent::Required,
            "Channels of the result.",
        ),
        Setting::new("kernel", EXTENT, Absent::Required, "Extent of a filter, `[height, width]`."),
        Setting::new("stride", EXTENT, ONES, "Pixels from patch to patch, `[height, width]`."),
        PADDING,
        Setting::new("dilation", EXTENT, ONES, "Pixels from tap to tap of a filter, `[height, width]`."),
        Setting::new(
            "groups",
            Kind::Integer { min: 1, max: 65_536 },
            Absent::Default(Literal::Integer(1)),
            "Groups of channels that do not see each other. Must divide `filters` and the number of input channels.",
        ),
        ACTIVATION,
        BIAS,
        LAYER_INIT,
    ],
};

const DENSE: Algorithm = Algorithm {
    name: "dense",
    doc: "Every output sees every input: `activation(x · weight + bias)`, `[batch, features]` to `[batch, units]`.",
    source: "",
    settings: &[
        Setting::new(
            "units",
            Kind::IntegerOr {
                min: 1,
                max: 1_000_000,
                words: &[
                    Choice::new("classes", "one for each class of the data"),
                    Choice::new("targets", "one for each number to predict"),
                ],
            },
            Absent::Required,
            "Outputs.",
        ),
        ACTIVATION,
        BIAS,
        LAYER_INIT,
    ],
};

const POOL: &[Setting] = &[
    Setting::new("size", EXTENT, Absent::Default(Literal::Pair(2)), "Extent of a patch, `[height, width]`."),
    Setting::new("stride", EXTENT, Absent::SameAs("size"), "Pixels from patch to patch, `[height, width]`."),
    PADDING,
];

const MAX_POOL: Algorithm = Algorithm {
    name: "max_pool",
    doc: "The greatest value of each patch. The border never wins.",
    source: "",
    settings: POOL,
};

const AVERAGE_POOL: Algorithm = Algorithm {
    name: "average_pool",
    doc: "The mean of each patch. The border does not count.",
    source: "",
    settings: POOL,
};

const GLOBAL_AVERAGE_POOL: Algorithm = Algorithm {
    name: "global_average_pool",
    doc: "The mean of each channel: `[batch, channels, height, width]` to `[batch, channels, 1, 1]`.",
    source: "Lin et al. 2014, arXiv:1312.4400",
    settings: &[],
};

const FLATTEN: Algorithm =
    Algorithm { name: "flatten", doc: "`[batch, ...]` to `[batch, features]`.", source: "", settings: &[] };

const RELU: Algorithm = Algorithm { name: "relu", doc: "`max(0, x)`.", source: "", settings: &[] };

const SIGMOID: Algorithm =
    Algorithm { name: "sigmoid", doc: "`1 / (1 + exp(-x))`.", source: "", settings: &[] };

const TANH: Algorithm = Algorithm { name: "tanh", doc: "`tanh(x)`.", source: "", settings: &[] };

const BATCH_NORM: Algorithm = Algorithm {
    name: "batch_norm",
    doc: "`scale · (x - mean) / √(variance + epsilon) + shift`, per channel or feature; statistics of the batch while \
          learning, running statistics afterwards.",
    source: "Ioffe and Szegedy 2015, arXiv:1502.03167",
    settings: &[
        Setting::new(
            "epsilon",
            Kind::Real(RealRange::above(0.0, 1.0)),
            Absent::Default(Literal::Real(1e-5)),
            "Added to the variance.",
        ),
        Setting::new(
            "momentum",
            Kind::Real(RealRange::below(0.0, 1.0)),
            Absent::Default(Literal::Real(0.9)),
            "Share of the running statistics that is kept per step (ONNX convention).",
        ),
        Setting::new(
            "tensor_names",
            Kind::Choice(&[
                Choice::new("heirloom", "`scale`, `bias`, `running_mean`, `running_variance`"),
                Choice::new("pytorch", "`weight`, `bias`, `running_mean`, `running_var`"),
            ]),
            Absent::Nothing,
            "What the layer's tensors are called behind its own name; `heirloom` unless given.",
        ),
    ],
};

const DROPOUT: Algorithm = Algorithm {
    name: "dropout",
    doc: "While learning, zeroes a random share of the values and scales the rest by `1 / (1 - rate)`; afterwards nothing.",
    source: "Srivastava et al. 2014",
    settings: &[Setting::new(
        "rate",
        Kind::Real(RealRange::below(0.0, 1.0)),
        Absent::Default(Literal::Real(0.5)),
        "The share.",
    )],
};

const ADD: Algorithm = Algorithm {
    name: "add",
    doc: "`activation(x + y)`, element by element, where `y` is the result of the layer `with`; both have the same shape. \
          So a residual connection ends.",
    source: "He et al. 2016, arXiv:1512.03385",
    settings: &[
        Setting::new(
            WITH,
            LAYER_NAME,
            Absent::Required,
            "The name of an earlier layer, whose result is added.",
        ),
        ACTIVATION,
    ],
};

const ADAPTIVE_AVERAGE_POOL: Algorithm = Algorithm {
    name: "adaptive_average_pool",
    doc: "The mean of each field of a grid laid over the image: output row `i` of `n` is the mean of the input's rows \
          `⌊i · height / n⌋` to `⌈(i + 1) · height / n⌉ - 1`, columns alike. Where the image is smaller than the grid, \
          pixels repeat.",
    source: "as PyTorch's `AdaptiveAvgPool2d`",
    settings: &[Setting::new("size", EXTENT, Absent::Required, "Extent of the grid, `[height, width]`.")],
};
