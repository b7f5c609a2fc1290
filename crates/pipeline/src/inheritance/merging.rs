//! Several parents: they are loaded, merged, and stand as one.

use std::collections::BTreeMap;

use base::{Diagnostic, DigestWriter};
use inherit::merge::{self, Member, Method};
use inherit::transfer::Network;
use scheme::{Merge, ResolvedScheme};
use store::{Relation, Store};

use super::{Ancestor, Parent, load};
use crate::error::RunError;

/// The parent that the models of `merge` come to.
///
/// Errors   as for one parent; models that are named twice or that are not the same network.
pub(super) fn merged(scheme: &ResolvedScheme, store: &Store, merge: &Merge) -> Result<Parent, RunError> {
    let mut models = Vec::new();
    for reference in merge.parents() {
        let model = load(scheme, store, reference)?;
        if models.iter().any(|other: &Parent| other.id == model.id) {
            let message = format!("`{reference}` is {}, which is named already", model.id);
            return Err(Diagnostic::new("repeated-parent", message).help("name each model once").into());
        }
        models.push(model);
    }
    let base = merge.base().map(|reference| load(scheme, store, reference)).transpose()?;
    let made = {
        let members: Vec<Member<'_>> = models.iter().map(Parent::member).collect();
        merge::merge(&members, &method(merge, base.as_ref(), models.len()))?
    };
    let name = name(&models, base.as_ref());
    let mut digest = DigestWriter::new("heirloom.merge.1");
    models.iter().chain(&base).for_each(|model| {
        digest.field(&model.digest.0);
    });
    let ancestors = models.iter().chain(&base).zip(made.counterparts).map(|(model, names)| Ancestor {
        id: model.id.clone(),
        relation: Relation::MergedFrom,
        names: Some(names),
    });
    let ancestors = ancestors.collect();
    let mut first = models.swap_remove(0);
    for (name, tensor) in made.tensors {
        if let Some(id) = first.graph.find_value(&name) {
            first.graph.set_constant(id, tensor);
        }
    }
    Ok(Parent {
        id: name,
        digest: digest.finish(),
        version: None,
        ancestors,
        remarks: remarks(&made.statistics),
        ..first
    })
}

impl Parent {
    fn member(&self) -> Member<'_> {
        Member { name: &self.id, network: self.network() }
    }

    /// It as inheriting sees it.
    pub(super) fn network(&self) -> Network<'_> {
        Network {
            graph: &self.graph,
            prediction: self.prediction,
            tensors: &self.tensors,
            labels: &self.labels,
            features: &self.features,
        }
    }
}

fn method<'p>(merge: &Merge, base: Option<&'p Parent>, count: usize) -> Method<'p> {
    let weights = |given: &Option<Vec<f64>>| given.clone().unwrap_or_else(|| vec![1.0; count]);
    match (merge, base.map(Parent::member)) {
        (Merge::TaskArithmetic(of), Some(base)) => {
            Method::TaskArithmetic { base, weights: weights(&of.weights), scale: of.scale }
        }
        (Merge::Ties(of), Some(base)) => Method::Ties { base, density: of.density, scale: of.scale },
        (Merge::Average(of), _) => Method::Average { weights: weights(&of.weights) },
        (Merge::TaskArithmetic(_) | Merge::Ties(_), None) => {
            unreachable!("the scheme's checks ask for a base")
        }
    }
}

/// `merge of a@1, b@2 on base@1`.
fn name(models: &[Parent], base: Option<&Parent>) -> String {
    let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    let on = base.map_or(String::new(), |base| format!(" on {}", base.id));
    format!("merge of {}{on}", names.join(", "))
}

fn remarks(statistics: &[String]) -> Vec<String> {
    if statistics.is_empty() {
        return Vec::new();
    }
    let mut layers: Vec<&str> = statistics
        .iter()
        .map(|name| name.rsplit_once('.').map_or(name.as_str(), |(layer, _)| layer))
        .collect();
    layers.dedup();
    vec![format!(
        "the running statistics of {} are means of the parents' and need not suit the merged weights: an epoch of \
         training brings them there",
        layers.join(", ")
    )]
}

/// The tensors of a child by those of an ancestor, where these are called `names` by what the child knows.
pub(super) fn through(
    successors: Vec<(String, String)>,
    names: Option<&BTreeMap<String, String>>,
) -> Vec<(String, String)> {
    let Some(names) = names else { return successors };
    let there = |(own, first): (String, String)| Some((own, names.get(&first)?.clone()));
    successors.into_iter().filter_map(there).collect()
}
