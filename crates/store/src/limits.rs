//! The largest things the store accepts and reads back. They bound memory on damaged or hostile
//! input and are far above what a model needs.

/// One blob.
pub(crate) const BLOB_BYTES_MAX: u64 = 16 << 30;
/// One checkpoint: its manifest and its tensors.
pub(crate) const CHECKPOINT_BYTES_MAX: u64 = 64 << 30;
/// Any one JSON document: a manifest, metrics, a stage's result.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 64 << 20;
/// Tensors of one model.
pub(crate) const TENSORS_MAX: u64 = 100_000;
/// Dimensions of one tensor.
pub(crate) const RANK_MAX: u64 = 32;
/// Labels of one model.
pub(crate) const LABELS_MAX: u64 = 1_000_000;
/// Inputs, and outputs, of one model.
pub(crate) const PORTS_MAX: u64 = 10_000;
/// Blobs of one stage's result.
pub(crate) const STAGE_BLOBS_MAX: u64 = 100_000;
/// The name of a model, an alias or a run.
pub(crate) const NAME_BYTES_MAX: u64 = 128;
/// The name of a tensor, a label, an input or an output.
pub(crate) const TEXT_BYTES_MAX: u64 = 4096;
/// Checkpoints kept for one run.
pub(crate) const CHECKPOINTS_KEPT: usize = 2;
/// How many known names, versions or aliases a message lists.
pub(crate) const LISTED_MAX: usize = 10;
/// Blobs up to this length are kept beside their rows: one write to the disk less for each.
pub(crate) const INLINE_BYTES_MAX: usize = 16 << 10;
/// What people say about a version: a description, a licence, a reason.
pub(crate) const ANNOTATION_BYTES_MAX: u64 = 64 << 10;
/// Direct parents of one version or scheme.
pub(crate) const PARENTS_MAX: u64 = 1_000;
/// Blobs beside one version, and files of one scheme's sources.
pub(crate) const ATTACHMENTS_MAX: u64 = 1_000;
/// Versions, and schemes, of one package.
pub(crate) const PACKAGE_VERSIONS_MAX: u64 = 1_000_000;
/// Blobs of one package.
pub(crate) const PACKAGE_BLOBS_MAX: u64 = 10_000_000;
/// Bytes that are fetched before they are written down, so that a cut transfer loses no more.
pub(crate) const TRANSFER_BATCH_BYTES: u64 = 32 << 20;
