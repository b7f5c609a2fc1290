//! What a model answered, cut into the outputs that were asked for.

use std::fmt::Write;

use pipeline::metrics::greatest;

use super::question::Wanted;
use super::signature::{Contents, Port, Signature};

/// The answers to the examples of one question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// How many examples.
    pub(crate) count: usize,
    /// For each output of the graph its values, row after row.
    pub(crate) numbers: Vec<Vec<f32>>,
}

/// One output of an answer.
pub(crate) enum Column<'a> {
    /// `BYTES`.
    Texts(Vec<std::borrow::Cow<'a, str>>),
    /// `FP32`.
    Numbers(&'a [f32]),
}

impl Answer {
    /// The number of the most likely class of each example, by the first output of the graph; the first of equals.
    pub(crate) fn classes(&self, signature: &Signature) -> impl Iterator<Item = usize> {
        let rows = self.numbers[0].chunks_exact(signature.labels.len().max(1));
        rows.map(greatest)
    }
}

/// The outputs that were asked for: port, shape and values.
pub(crate) fn columns<'a>(
    signature: &'a Signature,
    wanted: &'a [Wanted],
    answer: &'a Answer,
) -> impl Iterator<Item = (&'a Port, Vec<i64>, Column<'a>)> {
    wanted.iter().map(move |wanted| {
        let (port, contents) = &signature.outputs[wanted.output];
        let mut shape = port.shape.clone();
        shape[0] = answer.count as i64;
        let column = match (*contents, wanted.classes) {
            (Contents::Label, _) => {
                let labels = answer.classes(signature).map(|class| signature.labels[class].as_str().into());
                Column::Texts(labels.collect())
            }
            (Contents::Numbers { output, .. }, None) => Column::Numbers(&answer.numbers[output]),
            (Contents::Numbers { output, width }, Some(count)) => {
                shape = vec![answer.count as i64, count as i64];
                let rows = answer.numbers[output].chunks_exact(width);
                Column::Texts(
                    rows.flat_map(|row| best(row, &signature.labels, count)).map(Into::into).collect(),
                )
            }
        };
        (port, shape, column)
    })
}

/// The `count` greatest values as `value:number:label`, as Triton's classification extension writes them.
fn best(row: &[f32], labels: &[String], count: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&left, &right| row[right].total_cmp(&row[left]).then(left.cmp(&right)));
    let text = |&class: &usize| {
        let mut text = String::new();
        let _ = write!(text, "{:.6}:{class}:{}", row[class], labels[class]); // writing to a String cannot fail
        text
    };
    order.iter().take(count).map(text).collect()
}

/// `BYTES` elements as raw data: each its length in four little-endian bytes, then itself.
pub(crate) fn length_prefixed<'a>(texts: impl IntoIterator<Item = &'a str>, to: &mut Vec<u8>) {
    for text in texts {
        to.extend((text.len() as u32).to_le_bytes());
        to.extend(text.as_bytes());
    }
}
