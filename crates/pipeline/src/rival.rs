//! What a new model should replace: the version that the scheme's alias points at, for gates against production.

use base::Digest;
use scheme::{Against, Deploy, ResolvedScheme};
use store::Store;

use crate::error::RunError;
use crate::leak_guard::Ancestors;
use crate::sitting::Registered;

/// What the scheme's alias points at while a run goes on.
pub(crate) struct Rival {
    /// `name@alias`.
    pub(crate) alias: String,
    /// The version; none if the alias points at nothing.
    pub(crate) model: Option<Registered>,
    /// What a comparison with it is a function of, besides the new model and its data.
    pub(crate) digest: Digest,
}

/// The alias that a model of `scheme` is deployed to: `production` where it has no `[deploy]`.
pub fn alias_of(scheme: &ResolvedScheme) -> &str {
    scheme.deploy.as_ref().map_or(Deploy::ALIAS, |deploy| deploy.alias.as_str())
}

/// What the alias points at, if a gate of `scheme` compares with it.
pub(crate) fn rival_of(scheme: &ResolvedScheme, store: Option<&Store>) -> Result<Option<Rival>, RunError> {
    if !scheme.evaluate.gate.iter().any(|step| step.op.against == Some(Against::Production)) {
        return Ok(None);
    }
    let alias = format!("{}@{}", scheme.name, alias_of(scheme));
    let target = match store {
        Some(store) => store.alias_target(&scheme.name, alias_of(scheme))?.map(|version| (store, version)),
        None => None,
    };
    let Some((store, version)) = target else {
        return Ok(Some(Rival { alias, model: None, digest: Digest::of(b"nothing") }));
    };
    let id = format!("{}@{version}", scheme.name);
    let seen = Ancestors::of(Some(store), &[&id])?.digest();
    let digest = seen.unwrap_or_else(|| Digest::of(id.as_bytes()));
    Ok(Some(Rival { alias, model: Some(Registered::load(store, &id)?), digest }))
}
