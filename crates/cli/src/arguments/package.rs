//! `heirloom package`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Json, StoreChoice};

/// Makes a model ready for another machine: a folder, an executable, an image, manifests
///
/// The same version gives the same bytes whenever it is packed; an executable and an image hold this program, too.
/// First the model is asked the golden examples that it left: if it answers otherwise, nothing is written.
#[derive(Debug, Args)]
pub(crate) struct Package {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// What to make of it
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub(crate) form: PackageForm,
    /// Where to write it; an image or artifact whose name ends in .tar is one file [default: the model's NAME and the
    /// form's extension, in the working directory]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a package that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Compress: the layers of an image with gzip, the parts of a bundle with zstd
    #[arg(long)]
    pub(crate) compress: bool,
    /// The image that a manifest runs, as a registry names it [default: NAME:VERSION]
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) image: Option<String>,
    /// Package it although it is recalled, for this reason, which is written down
    #[arg(long, value_name = "REASON")]
    pub(crate) despite_recall: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// What a model is packaged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackageForm {
    /// A folder that any program reads: ONNX, safetensors, labels, golden examples, bill of materials, digests
    Dir,
    /// The hand-over file with the whole lineage, as `heirloom model export --format bundle` writes it
    Bundle,
    /// One executable with the model inside: `./NAME infer FILE`, `./NAME serve`
    Static,
    /// An OCI image layout that serves the model; Linux only
    Oci,
    /// An OCI image layout that only carries the model: CNCF ModelPack
    Modelpack,
    /// A Deployment, a Service and a HorizontalPodAutoscaler that run the image
    Kubernetes,
    /// An InferenceService of KServe that runs the image
    Kserve,
    /// A systemd unit that runs the executable
    Systemd,
}

impl PackageForm {
    /// The word that chooses it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PackageForm::Dir => "dir",
            PackageForm::Bundle => "bundle",
            PackageForm::Static => "static",
            PackageForm::Oci => "oci",
            PackageForm::Modelpack => "modelpack",
            PackageForm::Kubernetes => "kubernetes",
            PackageForm::Kserve => "kserve",
            PackageForm::Systemd => "systemd",
        }
    }

    /// What its file or folder is called, if the model is called `name`.
    pub(crate) fn output(self, name: &str) -> String {
        match self {
            PackageForm::Dir => format!("{name}.package"),
            PackageForm::Bundle => format!("{name}.heirloom.zip"),
            PackageForm::Static => format!("{name}{}", std::env::consts::EXE_SUFFIX),
            PackageForm::Oci => format!("{name}.oci"),
            PackageForm::Modelpack => format!("{name}.modelpack"),
            PackageForm::Kubernetes => format!("{name}.kubernetes.yaml"),
            PackageForm::Kserve => format!("{name}.kserve.yaml"),
            PackageForm::Systemd => format!("{name}.service"),
        }
    }
}
