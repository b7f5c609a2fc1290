//! The leak guard: a test case that an ancestor was trained on judges nothing.
//!
//! What a model was trained on is kept beside it: digests of the inputs (`records`) and, of images, hashes of how they look
//! (`image_hashes`). Equal digests are equal inputs and leave a case out of every figure of the test part; a resemblance
//! only warns. Ancestors are looked through one after the other, so that one list is in memory at a time.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, Digest, DigestWriter};
use data::Layout;
use inherit::leak::{Leak, leaked};
use scheme::ResolvedScheme;
use store::{Direction, ModelVersion, Store};

use crate::cases;
use crate::error::RunError;
use crate::image_hashes::{self, Gallery};
use crate::inheritance::{FEATURES_ROLE, feature_names};
use crate::metrics::{Leaks, Resemblance};
use crate::prepare::{Examples, Prepared};
use crate::records::{self, Records};

/// Records that a notice names.
const NAMED_MAX: usize = 3;

/// Everything that a run's model is going to descend from.
pub(crate) struct Ancestors(Vec<Ancestor>);

struct Ancestor {
    version: ModelVersion,
    /// What is kept beside it, by role.
    kept: BTreeMap<String, Digest>,
    /// Lengths of one example's dimensions.
    shape: Vec<usize>,
    features: Vec<String>,
}

impl Ancestors {
    /// The models `parents`, as `name@N`, and everything that they descend from, nearest first.
    pub(crate) fn of(store: Option<&Store>, parents: &[&str]) -> Result<Self, RunError> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let Some(store) = store else { return Ok(Ancestors(found)) };
        for parent in parents {
            for version in store.lineage(&store.resolve(parent)?, Direction::Ancestors)?.versions {
                if seen.insert(version.id()) {
                    found.push(Ancestor::of(store, version)?);
                }
            }
        }
        Ok(Ancestors(found))
    }

    /// What the guard's findings, and the outcome of its cases, are a function of besides the data; `None` without
    /// ancestors.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let mut writer = DigestWriter::new("heirloom.ancestors.1");
        for ancestor in &self.0 {
            writer.field(ancestor.version.id().as_bytes()).field(&ancestor.version.digest.0);
            for role in [records::ROLE, image_hashes::ROLE, FEATURES_ROLE, cases::ROLE] {
                writer.field(ancestor.kept.get(role).map_or(b"".as_slice(), |digest| &digest.0));
            }
        }
        (!self.0.is_empty()).then(|| writer.finish())
    }
}

impl Ancestor {
    fn of(store: &Store, version: ModelVersion) -> Result<Self, RunError> {
        let model = store.model(&version.id())?;
        let shape = model.manifest.inputs.first().map(|input| {
            let lengths = input.shape.0.iter().skip(1);
            lengths.filter_map(|dim| dim.known()).collect()
        });
        let features = feature_names(store, &version)?;
        let kept = store.attachments(&version)?.into_iter().collect();
        Ok(Ancestor { version, kept, shape: shape.unwrap_or_default(), features })
    }

    /// Whether an example has the same content for it as for a model of `examples`.
    fn takes(&self, examples: &Examples) -> bool {
        let dataset = &examples.dataset;
        // Names of features were not always kept; then the shape has to do.
        let named = self.features.is_empty() || self.features == dataset.feature_names;
        self.shape == dataset.example_shape() && (dataset.layout == Layout::Image || named)
    }
}

/// Looks the test part through, and takes what an ancestor was trained on out of what judges. `None` if there is nothing
/// to say.
///
/// Errors   no case is left.
pub(crate) fn guard(
    scheme: &ResolvedScheme,
    store: Option<&Store>,
    ancestors: &Ancestors,
    examples: &mut Examples,
    threads: usize,
) -> Result<Option<Leaks>, RunError> {
    let mut found = Leaks { cases: examples.splits.test.len(), own: own(examples), ..Leaks::default() };
    let mut leaks: BTreeMap<Digest, Leak> = BTreeMap::new();
    let test = digests(examples, &examples.splits.test);
    for ancestor in &ancestors.0 {
        let id = ancestor.version.id();
        match (ancestor.takes(examples), store, ancestor.kept.get(records::ROLE)) {
            (false, ..) => found.other_input.push(id),
            (true, Some(store), Some(&digest)) => {
                for leak in leaked(&test, &[(&id, &Records::read(store, digest)?)]) {
                    let entry = leaks.entry(leak.digest);
                    entry.or_insert(Leak { seen_by: Vec::new(), ..leak }).seen_by.push(id.clone());
                }
                found.compared.push(id);
            }
            (true, ..) => found.unknown.push(id),
        }
    }
    let seen = |row: &u32| leaks.contains_key(&examples.dataset.input_digests[*row as usize]);
    examples.judges = examples.splits.test.iter().copied().filter(|row| !seen(row)).collect();
    found.excluded = found.cases - examples.judges.len();
    let near = resembling(store, ancestors, examples, threads)?;
    found.resembling = near.len();
    found.near = near.into_iter().take(Leaks::LISTED_MAX).collect();
    if found.cases > 0 && examples.judges.is_empty() {
        return Err(nothing_left(scheme, found.cases, leaks.values()).into());
    }
    found.leaked = leaks.into_values().take(Leaks::LISTED_MAX).collect();
    Ok((found.own > 0 || !ancestors.0.is_empty()).then_some(found))
}

fn digests(examples: &Examples, rows: &[u32]) -> Vec<Digest> {
    rows.iter().map(|&row| examples.dataset.input_digests[row as usize]).collect()
}

/// How many test cases have the input of an example of the training part. A split by content has none; a source's own
/// test part, or a split by order, may.
fn own(examples: &Examples) -> usize {
    let mut train = digests(examples, &examples.splits.train);
    train.sort_unstable();
    let test = digests(examples, &examples.splits.test);
    test.iter().filter(|digest| train.binary_search(digest).is_ok()).count()
}

/// The cases that judge and look like an image that an ancestor was trained on, ascending by digest.
fn resembling(
    store: Option<&Store>,
    ancestors: &Ancestors,
    examples: &Examples,
    threads: usize,
) -> Result<Vec<Resemblance>, RunError> {
    let known =
        ancestors.0.iter().filter_map(|ancestor| Some((ancestor, *ancestor.kept.get(image_hashes::ROLE)?)));
    let known: Vec<(&Ancestor, Digest)> = known.collect();
    let (Some(store), false) = (store, known.is_empty()) else { return Ok(Vec::new()) };
    let rows = &examples.judges;
    let looks = image_hashes::looks(&examples.dataset, rows, threads);
    let mut nearest: BTreeMap<Digest, Resemblance> = BTreeMap::new();
    for (ancestor, blob) in known {
        let gallery = Gallery::new(&store.get(blob)?)?;
        // Data that are no images have no looks, and then there is nothing to compare.
        for (&row, &look) in rows.iter().zip(&looks) {
            let Some(distance) = gallery.nearest(look) else { continue };
            let digest = examples.dataset.input_digests[row as usize];
            let resemblance =
                Resemblance { digest: digest.to_string(), ancestor: ancestor.version.id(), distance };
            let entry = nearest.entry(digest).or_insert_with(|| resemblance.clone());
            if distance < entry.distance {
                *entry = resemblance;
            }
        }
    }
    Ok(nearest.into_values().collect())
}

fn nothing_left<'a>(
    scheme: &ResolvedScheme,
    cases: usize,
    leaks: impl Iterator<Item = &'a Leak>,
) -> Diagnostic {
    let names: BTreeSet<&str> = leaks.flat_map(|leak| leak.seen_by.iter().map(String::as_str)).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!(
        "all {cases} cases of the test part were in the training data of {names}: nothing is left to judge by"
    );
    let found = Diagnostic::new("test-part-leaked", message);
    let place = ["data.split", "data.source", "data"].into_iter().find_map(|key| scheme.span_of(key));
    let found = match place {
        Some(span) => found.at(span, "the test part comes from here"),
        None => found,
    };
    found.help("test on examples that no ancestor was trained on; `heirloom data who-saw` tells who saw one")
}

/// What the user should know of the guard's findings.
pub(crate) fn notices(found: &Leaks, prepared: &Prepared) -> Vec<String> {
    let mut notices = Vec::new();
    let Leaks { cases, excluded, .. } = found;
    if *excluded > 0 {
        let who: BTreeSet<&str> =
            found.leaked.iter().flat_map(|leak| leak.seen_by.iter().map(String::as_str)).collect();
        let mut named: Vec<String> =
            found.leaked.iter().take(NAMED_MAX).map(|leak| leak.digest.short()).collect();
        if found.leaked.len() > NAMED_MAX {
            named.push("...".to_owned());
        }
        notices.push(format!(
            "{excluded} of {cases} test cases are left out of every figure: {} was trained on them (records {})",
            who.into_iter().collect::<Vec<_>>().join(", "),
            named.join(", ")
        ));
    }
    if found.resembling > 0 {
        let who: BTreeSet<&str> = found.near.iter().map(|near| near.ancestor.as_str()).collect();
        notices.push(format!(
            "{} of {cases} test cases look like images that {} was trained on: copies that were changed would; they stay in \
             the figures",
            found.resembling,
            who.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    if found.own > 0 {
        notices.push(format!(
            "{} of {cases} test cases have the same input as an example of the training part; they stay in the figures",
            found.own
        ));
    }
    if !found.unknown.is_empty() {
        notices.push(format!(
            "whether test cases leaked is not known for {}: what it was trained on is not kept",
            found.unknown.join(", ")
        ));
    }
    if !found.other_input.is_empty() {
        notices.push(format!(
            "whether test cases leaked cannot be told for {}, which takes other inputs than {:?}: the same example has \
             another content there",
            found.other_input.join(", "),
            prepared.summary.example_shape
        ));
    }
    notices
}
