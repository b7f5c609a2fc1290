//! The bill of materials of a registered model.

use pipeline::network_kind;
use provenance::{Card, Lineage};

use crate::{PackageError, Subject};

/// CycloneDX 1.6 with a model card, JSON, from what the store knows about the model. The same version has the same text.
///
/// Errors   the store.
pub fn bill_of_materials(subject: Subject<'_>) -> Result<String, PackageError> {
    let Subject { store, model } = subject;
    let lineage = Lineage::of(store, &model.version)?;
    let about = store.about(&model.version)?;
    let said = |text: String| (!text.is_empty()).then_some(text);
    let classifies = !model.manifest.labels.is_empty();
    let card = Card {
        model,
        lineage: &lineage,
        description: said(about.description),
        licences: said(about.licence).into_iter().collect(),
        intended_use: said(about.intended_use).into_iter().collect(),
        task: Some(if classifies { "classification" } else { "regression" }.to_owned()),
        architecture: network_kind(&store.graph(model)?).map(str::to_owned),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        timestamp: None,
    };
    Ok(card.encode()?)
}
