//! Operators that move features without computing: Slice, Transpose, Concat, Expand, Gather and their gradients. What
//! goes where is found out by the operator's own reference, which is given the numbers of the features to move.

use graph::{Attribute, Node, NodeId, ValueId};
use tensor::{DType, Tensor};

use super::memory::Slot;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Neighbouring features of the output that are neighbours where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// The first feature of the output.
    to: usize,
    count: usize,
    /// The source and its first feature; `None` for zeros.
    from: Option<(usize, usize)>,
}

/// `y[feature][lane] = scale * source[from][lane]`.
struct GatherFeatures {
    op: &'static str,
    sources: Vec<Slot>,
    y: Slot,
    runs: Vec<Run>,
    scale: Option<f32>,
    pieces: Pieces,
    lanes: usize,
}

impl Step for GatherFeatures {
    fn name(&self) -> String {
        format!("gather features ({}) {}", self.op, self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let reads = self.sources.iter().map(|&source| Access::read(source));
        reads.chain([Access::write_own(self.y, &self.pieces, self.lanes)]).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let first = self.runs.partition_point(|run| run.to + run.count <= range.start);
        for run in self.runs[first..].iter().take_while(|run| run.to < range.end) {
            let (start, end) = (run.to.max(range.start), range.end.min(run.to + run.count));
            let len = (end - start) * self.lanes;
            // SAFETY: features `start..end` of `y` belong to this piece; the run lies inside of its source, which is
            // another buffer.
            let y = unsafe {
                let y = cx.memory.at(self.y).add(start * self.lanes);
                match run.from {
                    None => y.write_bytes(0, len),
                    Some((source, feature)) => {
                        let feature = feature + start - run.to;
                        let from = cx.memory.at(self.sources[source]).add(feature * self.lanes);
                        std::ptr::copy_nonoverlapping(from, y, len);
                    }
                }
                std::slice::from_raw_parts_mut(y, len)
            };
            if let Some(scale) = self.scale {
                y.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}

/// Which inputs of an operator are moved; of the others only the shape or the constant value matters.
fn moved_inputs(node: &Node, op: &str) -> usize {
    if op == "Concat" { node.inputs.len() } else { 1 }
}

/// The features of `moved`, one after the other, numbered from 1, as one example.
fn numbered(cx: &Lowering<'_>, moved: &[ValueId]) -> Option<Vec<Tensor>> {
    let mut next = 1;
    let number = |&value: &ValueId| {
        let dims = cx.feature_dims(value)?;
        let count: usize = dims.iter().product();
        let numbers: Vec<f64> = (next..next + count).map(|number| number as f64).collect();
        next += count;
        Some(Tensor::new([&[1], dims.as_slice()].concat(), numbers))
    };
    moved.iter().map(number).collect()
}

/// For each feature of the output the number of the feature it comes from, 0 for none; `None` where the operator
/// does more than move features of one example.
fn origins(cx: &Lowering<'_>, node: &Node, moved: &[ValueId]) -> Option<Vec<usize>> {
    let mut given = numbered(cx, moved)?;
    for input in &node.inputs[moved.len()..] {
        given.push(match *input {
            None => Tensor::zeros(DType::F64, [0]),
            Some(value) => match (cx.constant(value), cx.feature_dims(value)) {
                (Some(constant), _) => constant.clone(),
                (None, Some(dims)) => Tensor::zeros(DType::F64, [&[1], dims.as_slice()].concat()),
                (None, None) => return None,
            },
        });
    }
    let inputs = node.inputs.iter().zip(&given).map(|(input, tensor)| input.map(|_| tensor)).collect();
    let outputs = node.call(inputs).ok()?;
    Some(outputs[0].to_f64().iter().map(|&number| number as usize).collect())
}

/// Neighbours joined; `counts` are the features of each source.
fn runs_of(origins: &[usize], counts: &[usize]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (to, &number) in origins.iter().enumerate() {
        let from = number.checked_sub(1).map(|mut feature| {
            let mut source = 0;
            while feature >= counts[source] {
                feature -= counts[source];
                source += 1;
            }
            (source, feature)
        });
        let continues = |run: &Run| match (run.from, from) {
            (None, None) => true,
            (Some((source, start)), Some(from)) => (source, start + run.count) == from,
            _ => false,
        };
        match runs.last_mut().filter(|run| continues(run)) {
            Some(run) => run.count += 1,
            None => runs.push(Run { to, count: 1, from }),
        }
    }
    runs
}

/// Lowers an operator that moves features, if it leaves the examples where they are.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let (node, op) = cx.node(id);
    let output = node.outputs[0];
    let Some(features) = cx.features(output) else { return false };
    let moved: Option<Vec<ValueId>> = node.inputs[..moved_inputs(node, op)].iter().copied().collect();
    let Some(moved) = moved else { return false };
    // A gradient times its share is moved first and scaled then.
    let share = op == "ExpandLike" && node.attribute("share") != Some(Attribute::Int(0));
    let mut mover = node.clone();
    mover.attributes.remove("share");
    let Some(origins) = origins(cx, &mover, &moved) else { return false };
    if origins.len() != features {
        return false;
    }
    let counts: Vec<usize> = moved.iter().map(|&value| cx.features(value).unwrap_or(0)).collect();
    let scale = share.then(|| counts[0] as f32 / features.max(1) as f32);
    let runs = runs_of(&origins, &counts);
    let lanes = cx.lanes;
    let pieces = Pieces::of(features, features * lanes * 4);
    cx.set_cut(output, pieces.clone());
    let sources = moved.iter().map(|&value| cx.slot(value)).collect();
    let y = cx.slot(output);
    cx.push(GatherFeatures { op, sources, y, runs, scale, pieces, lanes });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_moved_together() {
        let run = |to, count, from| Run { to, count, from };
        let expected = [run(0, 2, Some((0, 1))), run(2, 1, None), run(3, 2, Some((1, 0)))];
        assert_eq!(runs_of(&[2, 3, 0, 4, 5], &[3, 2]), expected);
    }
}
