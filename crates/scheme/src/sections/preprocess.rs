//! `[preprocess.NAME]`: what happens to an example before the first layer.

use serde::{Deserialize, Serialize};

use crate::settings::{Absent, Algorithm, Family, Kind, Literal, RealRange, Section, Setting};

/// One step of preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Preprocess {
    /// `x / divide_by`.
    Scale(Scale),
    /// `(x - mean) / std` with given constants.
    Normalize(MeanDeviation),
    /// `(x - mean) / std`, fitted per feature on the training part.
    Standardize,
    /// `(x - min) / (max - min)`, fitted per feature on the training part.
    MinMax,
    /// `x[t] / x[t - 1] - 1` along the window.
    Returns,
    /// Another height and width.
    Resize(Resize),
}

/// `x / divide_by`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Not 0.
    pub divide_by: f64,
}

/// `(x - mean) / std`; one value for all, or one for each channel or feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanDeviation {
    /// What is subtracted.
    pub mean: Vec<f64>,
    /// What is divided by; above 0.
    pub std: Vec<f64>,
}

/// Pictures of another size: bilinear, and a border of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Height and width, the border included.
    pub size: [usize; 2],
    /// Rows of the border above and below, columns left and right.
    pub pad: [usize; 2],
}

/// `[preprocess.NAME]`.
pub(crate) const PREPROCESS: Section = Section {
    title: "`[preprocess.NAME]`: before the first layer",
    doc: "Named steps, in the order written. They are part of the model's graph, so training, the exported file and \
          serving cannot disagree. Constants are fitted on the training part only.",
    settings: &[],
    family: Some(Family {
        key: "op",
        what: "preprocessing step",
        absent: Absent::Required,
        members: &[&SCALE, &NORMALIZE, &STANDARDIZE, &MIN_MAX, &RETURNS, &RESIZE],
    }),
};

const SCALE: Algorithm = Algorithm {
    name: "scale",
    doc: "`x / divide_by`.",
    source: "",
    settings: &[Setting::new(
        "divide_by",
        Kind::Real(RealRange::NONZERO),
        Absent::Required,
        "255 for bytes.",
    )],
};

const NORMALIZE: Algorithm = Algorithm {
    name: "normalize",
    doc: "`(x - mean) / std` with given constants: a number for all, or an array with one for each channel or feature.",
    source: "",
    settings: &[
        Setting::new("mean", Kind::Reals(RealRange::FINITE), Absent::Required, "What is subtracted."),
        Setting::new(
            "std",
            Kind::Reals(RealRange::above(0.0, f64::MAX)),
            Absent::Required,
            "What is divided by.",
        ),
    ],
};

const STANDARDIZE: Algorithm = Algorithm {
    name: "standardize",
    doc: "`(x - mean) / std`, fitted per channel or feature on the training part. A feature that does not vary is \
          only centred.",
    source: "",
    settings: &[],
};

const MIN_MAX: Algorithm = Algorithm {
    name: "min_max",
    doc: "`(x - min) / (max - min)`, fitted per channel or feature on the training part. A feature that does not vary \
          is only centred.",
    source: "",
    settings: &[],
};

const RETURNS: Algorithm = Algorithm {
    name: "returns",
    doc: "`x[t] / x[t - 1] - 1` along the window, which gets one row shorter. Needs `data.window` of 2 or more.",
    source: "",
    settings: &[],
};

const RESIZE: Algorithm = Algorithm {
    name: "resize",
    doc: "Pictures of another size: bilinear between the centres of pixels, without smoothing where they get smaller, \
          within a border of zeros. Exported as ONNX `Resize` and `Pad`. Steps that are fitted stand before it.",
    source: "",
    settings: &[
        Setting::new(
            "size",
            Kind::Pair { min: 1, max: 4096 },
            Absent::Required,
            "What comes out, `[height, width]` in pixels, the border included.",
        ),
        Setting::new(
            "pad",
            Kind::Pair { min: 0, max: 2047 },
            Absent::Default(Literal::Pair(0)),
            "How much of it is border: rows above and below, columns left and right.",
        ),
    ],
};
