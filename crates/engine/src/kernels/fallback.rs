//! Operators without a kernel: computed by their reference, so that every graph runs.

use graph::{Graph, Node, NodeId, ValueId};
use tensor::{DType, Tensor};

use super::memory::{Memory, Slot};
use crate::layout::{Layout, read_lanes, repeat_first, write_lanes};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};
use crate::survey::changed_values;

/// A value with its place.
struct Place {
    slot: Slot,
    layout: Layout,
    dtype: DType,
    /// Whether it depends on the gradient of a loss.
    gradient: bool,
}

/// An input: fixed, or read from memory for each batch.
enum Input {
    Absent,
    Fixed(Tensor),
    Memory(Place),
}

struct Reference {
    node: Node,
    inputs: Vec<Input>,
    outputs: Vec<Place>,
    pieces: Pieces,
    lanes: usize,
}

impl Place {
    fn of(cx: &mut Lowering<'_>, value: ValueId) -> Self {
        Place {
            slot: cx.slot(value),
            layout: cx.layout(value),
            dtype: cx.graph.ty(value).dtype,
            gradient: cx.is_gradient(value),
        }
    }

    fn read(&self, memory: &Memory, lanes: usize, live: usize) -> Tensor {
        // SAFETY: the step is serial and states that it reads this buffer.
        let values = unsafe { memory.slice(self.slot) };
        let tensor = match &self.layout {
            Layout::Lanes { features } => read_lanes(features, lanes, live, values),
            Layout::Plain(plain) => plain.read(values),
        };
        tensor.cast(self.dtype)
    }

    fn write(&self, tensor: &Tensor, memory: &Memory, lanes: usize, live: usize) {
        // SAFETY: the step is serial and states that it writes this buffer.
        let values = unsafe { memory.slice_mut(self.slot) };
        match &self.layout {
            Layout::Lanes { .. } => {
                write_lanes(tensor, lanes, live, values);
                if !self.gradient {
                    values.chunks_exact_mut(lanes).for_each(|feature| repeat_first(feature, live));
                }
            }
            Layout::Plain(plain) => plain.write(tensor, values),
        }
    }
}

impl Step for Reference {
    fn name(&self) -> String {
        format!("reference {}", self.node.op_name())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let read = self.inputs.iter().filter_map(|input| match input {
            Input::Memory(place) => Some(Access::read(place.slot)),
            _ => None,
        });
        read.chain(self.outputs.iter().map(|place| Access::write(place.slot))).collect()
    }

    fn run(&self, _: usize, cx: &Context<'_>) {
        let live = cx.live();
        let inputs = self.inputs.iter().map(|input| match input {
            Input::Absent => None,
            Input::Fixed(tensor) => Some(tensor.clone()),
            Input::Memory(place) => Some(place.read(cx.memory, self.lanes, live)),
        });
        let inputs: Vec<Option<Tensor>> = inputs.collect();
        let outputs = self.node.call(inputs.iter().map(Option::as_ref).collect());
        match outputs {
            Err(error) => cx.fail(error),
            Ok(outputs) => self.keep(&outputs, cx),
        }
    }
}

impl Reference {
    fn keep(&self, outputs: &[Tensor], cx: &Context<'_>) {
        for (place, tensor) in self.outputs.iter().zip(outputs) {
            place.write(tensor, cx.memory, self.lanes, cx.live());
        }
    }
}

/// Lowers any node to its operator's reference.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) {
    let graph: &Graph = cx.graph;
    let node = graph.node(id).clone();
    let changed = changed_values(graph);
    let inputs = node.inputs.iter().map(|input| match input {
        None => Input::Absent,
        Some(value) => match cx.constant(*value).filter(|_| !changed.contains(value)) {
            Some(tensor) => Input::Fixed(tensor.clone()),
            None => Input::Memory(Place::of(cx, *value)),
        },
    });
    let inputs = inputs.collect();
    let outputs = node.outputs.iter().map(|&value| Place::of(cx, value)).collect();
    let lanes = cx.lanes;
    cx.push(Reference { node, inputs, outputs, pieces: Pieces::serial(1), lanes });
}
