//! Choosing among the examples of a source: some of its classes, a few examples of each.

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics, Digest, DigestWriter, nearest};

use crate::dataset::gather;
use crate::error::Findings;
use crate::{Dataset, Splits, Target};

/// Keeps the examples of the classes called `wanted`, which get the numbers 0, 1, ... in this order.
///
/// Errors, all at once: a name that no class of the source has, a class without examples; answers that are numbers; a
/// test part of the source's own in which none of the classes occurs.
pub fn keep_classes(dataset: Dataset, wanted: &[String]) -> Result<Dataset, Diagnostics> {
    let Target::Classes { labels, names } = &dataset.target else {
        let message = format!("the answers of `{}` are numbers, so no classes can be chosen", dataset.name);
        return Err(Diagnostic::new("no-classes", message).into());
    };
    // For each class of the source, its new number.
    let mut numbers: Vec<Option<u32>> = vec![None; names.len()];
    let mut findings = Findings::default();
    for (number, name) in (0..).zip(wanted) {
        match names.iter().position(|known| known == name) {
            Some(class) => numbers[class] = Some(number),
            None => findings.push(unknown(&dataset.name, name, names)),
        }
    }
    findings.finish()?;
    let number = |row: u32| numbers[labels[row as usize] as usize];
    let rows: Vec<u32> = (0..dataset.rows() as u32).filter(|&row| number(row).is_some()).collect();
    let labels: Vec<u32> = rows.iter().filter_map(|&row| number(row)).collect();
    let counts = counts(&labels, wanted.len());
    let mut found = Diagnostics::default();
    for (name, _) in wanted.iter().zip(counts).filter(|(_, count)| *count == 0) {
        let message = format!("the class `{name}` has no example in `{}`", dataset.name);
        found.push(Diagnostic::new("class-without-examples", message).help("leave it out, or add examples"));
    }
    let test_from = dataset.test_from.map(|from| rows.partition_point(|&row| row < from) as u32);
    if found.0.is_empty() && test_from == Some(rows.len() as u32) {
        let message = format!("none of these classes occurs in the test part of `{}`", dataset.name);
        found.push(Diagnostic::new("empty-split", message).help("choose others, or add test examples"));
    }
    found.or(())?;
    Ok(Dataset { target: Target::Classes { labels, names: wanted.to_vec() }, ..pick(&dataset, &rows) })
}

/// The rows `rows`, ascending, of a classification, as a data set of their own.
fn pick(dataset: &Dataset, rows: &[u32]) -> Dataset {
    let digests = |digests: &[Digest]| rows.iter().map(|&row| digests[row as usize]).collect();
    let keys = |keys: &Vec<String>| rows.iter().map(|&row| keys[row as usize].clone()).collect();
    let target = match &dataset.target {
        Target::Classes { labels, names } => Target::Classes {
            labels: rows.iter().map(|&row| labels[row as usize]).collect(),
            names: names.clone(),
        },
        Target::Values { .. } => unreachable!("what calls this has refused answers that are numbers"),
    };
    Dataset {
        name: dataset.name.clone(),
        input: gather(&dataset.input, rows),
        layout: dataset.layout,
        feature_names: dataset.feature_names.clone(),
        target,
        test_from: dataset.test_from.map(|from| rows.partition_point(|&row| row < from) as u32),
        keys: dataset.keys.as_ref().map(keys),
        overlapping: dataset.overlapping,
        input_digests: digests(&dataset.input_digests),
        digests: digests(&dataset.digests),
    }
}

fn unknown(source: &str, name: &str, names: &[String]) -> Diagnostic {
    let found = Diagnostic::new("unknown-class", format!("`{source}` has no class `{name}`"));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(known) => found.help(format!("did you mean `{known}`?")),
        None => {
            let shown: Vec<String> = names.iter().take(12).map(|name| format!("`{name}`")).collect();
            let more = if names.len() > 12 { " ..." } else { "" };
            found.help(format!("its classes are {}{more}", shown.join(", ")))
        }
    }
}

fn counts(labels: &[u32], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

/// Leaves `count` examples of each class in the training part; the others of it are unused.
///
/// Which ones is a function of `seed` and of each question's content: every question has a place in an order that no
/// other row has a say in, and the first `count` of each class stay. So a row that is added takes the place of at most
/// one other, and a larger `count` keeps those of a smaller one.
///
/// Errors, all at once: classes with fewer training examples; answers that are numbers.
pub fn few_per_class(
    dataset: &Dataset,
    mut splits: Splits,
    count: usize,
    seed: u64,
) -> Result<Splits, Diagnostics> {
    let Target::Classes { labels, names } = &dataset.target else {
        let message =
            format!("the answers of `{}` are numbers, so it has no examples of a class", dataset.name);
        return Err(Diagnostic::new("no-classes", message).into());
    };
    let mut start = DigestWriter::new("heirloom.few.1");
    start.field(&seed.to_le_bytes());
    let mut classes: BTreeMap<u32, Vec<(Digest, u32)>> = BTreeMap::new();
    for &row in &splits.train {
        let place = start.clone().field(&dataset.input_digests[row as usize].0).finish();
        classes.entry(labels[row as usize]).or_default().push((place, row));
    }
    let mut findings = Findings::default();
    let mut train = Vec::new();
    for (class, name) in (0..).zip(names) {
        let mut rows = classes.remove(&class).unwrap_or_default();
        if rows.len() < count {
            findings.push(too_few(name, rows.len(), count));
            continue;
        }
        rows.sort_unstable_by_key(|(place, row)| (place.0, *row));
        splits.unused.extend(rows.drain(count..).map(|(_, row)| row));
        train.extend(rows.into_iter().map(|(_, row)| row));
    }
    findings.finish()?;
    train.sort_unstable();
    splits.unused.sort_unstable();
    Ok(Splits { train, ..splits })
}

/// The data set without the rows that [`few_per_class`] left unused, and the parts as its rows are numbered then: who
/// learns from a hundred pictures of sixty thousand need not hold the others in memory.
pub fn without_unused(dataset: Dataset, splits: Splits) -> (Dataset, Splits) {
    if splits.unused.is_empty() {
        return (dataset, splits);
    }
    let rows: Vec<u32> =
        (0..dataset.rows() as u32).filter(|row| splits.unused.binary_search(row).is_err()).collect();
    let renumbered = |part: &[u32]| {
        let place = |row: &u32| rows.partition_point(|kept| kept < row) as u32; // each row of a part was kept
        part.iter().map(place).collect()
    };
    let splits = Splits {
        train: renumbered(&splits.train),
        validation: renumbered(&splits.validation),
        test: renumbered(&splits.test),
        unused: Vec::new(),
    };
    (pick(&dataset, &rows), splits)
}

fn too_few(name: &str, found: usize, wanted: usize) -> Diagnostic {
    let message = format!(
        "class `{name}` has {found} examples in the training part, fewer than the {wanted} asked for"
    );
    Diagnostic::new("too-few-examples", message)
        .help("ask for fewer, add examples of it, or leave the class out")
}
