//! Files that were changed with knowledge of the format: whatever stands in them, reading returns.

use std::path::Path;

use proptest::prelude::*;
use prost::Message;

use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto,
};
use super::{Model, read, write};
use crate::{Attributes, Graph, Operator, ValueType, ops};

/// The file of each case that shape inference accepts.
fn files() -> Vec<ModelProto> {
    let of = |op: &'static dyn Operator| op.cases().into_iter().filter_map(move |case| file(op, &case));
    ops::all().flat_map(of).chain([chain()]).collect()
}

fn file(op: &dyn Operator, case: &crate::Case) -> Option<ModelProto> {
    let mut graph = Graph::new("case");
    let mut inputs = Vec::new();
    for (tensor, &constant) in case.inputs.iter().zip(&case.constant) {
        inputs.push(tensor.as_ref().map(|tensor| match constant {
            true => graph.constant("constant", tensor.clone()),
            false => graph.input("input", ValueType::of(tensor)),
        }));
    }
    let names = vec!["output"; case.output_count];
    let attributes = case.attributes.clone();
    graph.outputs = graph.push_node("node", op.schema().name, attributes, &inputs, &names).ok()?;
    decoded(graph)
}

fn decoded(graph: Graph) -> Option<ModelProto> {
    let bytes = write(&Model { graph, ..Model::default() }).ok()?;
    Some(ModelProto::decode(&*bytes).expect("it was just encoded"))
}

/// A file of several nodes.
fn chain() -> ModelProto {
    let mut graph = Graph::new("chain");
    let x = graph.input("x", ValueType::new(tensor::DType::F32, tensor::Shape::batched(&[2, 5, 5])));
    let w = graph.constant("w", tensor::Tensor::zeros(tensor::DType::F32, [3, 2, 3, 3]));
    let mut value = graph.push("conv", "Conv", Attributes::new(), &[x, w]).expect("fits");
    for op in ["Relu", "Flatten", "Softmax"] {
        value = graph.push(op, op, Attributes::new(), &[value]).expect("fits");
    }
    graph.outputs.push(value);
    decoded(graph).expect("standard operators")
}

/// Numbers at which arithmetic breaks if it is not checked.
const ODD: [i64; 10] = [i64::MIN, -3, -1, 0, 1, 2, 17, 1 << 31, 1 << 62, i64::MAX];
const TEXTS: [&str; 8] = ["", "input", "output", "constant", "x", "Constant", "ai.heirloom", "\u{1b}[2J"];

/// One change: what is changed, where, and to what. Counters wrap around what is there.
type Change = (u8, usize, usize);

/// Changes one entry of a list, if it has any.
fn edit<T>(list: &mut [T], at: usize, change: impl FnOnce(&mut T)) {
    let count = list.len();
    if let Some(entry) = at.checked_rem(count).and_then(|at| list.get_mut(at)) {
        change(entry);
    }
}

fn change(model: &mut ModelProto, (what, at, to): Change) {
    let graph = model.graph.get_or_insert_default();
    let (number, text) = (ODD[to % ODD.len()], TEXTS[to % TEXTS.len()].to_owned());
    match what {
        0..8 => edit(&mut graph.node, at, |node| change_node(node, what, at, to)),
        8..14 => edit(&mut graph.initializer, at, |tensor| change_tensor(tensor, what, to)),
        14..17 => edit(&mut graph.input, at, |input| change_value(input, what, at, to)),
        17 => edit(&mut graph.output, at, |output| output.name = Some(text)),
        18 => edit(&mut model.opset_import, at, |set| set.version = Some(number.rem_euclid(30))),
        19 => duplicate(&mut graph.node, at),
        20 => duplicate(&mut graph.initializer, at),
        21 => duplicate(&mut graph.input, at),
        22 => graph.node.reverse(),
        _ => edit(&mut graph.input, at, |input| input.name = Some(text)),
    }
}

fn duplicate<T: Clone>(list: &mut Vec<T>, at: usize) {
    let mut copy = None;
    edit(list, at, |entry| copy = Some(entry.clone()));
    list.extend(copy);
}

fn change_node(node: &mut NodeProto, what: u8, at: usize, to: usize) {
    let text = TEXTS[to % TEXTS.len()].to_owned();
    match what {
        0 => {
            node.op_type =
                Some(ops::all().nth(to % ops::all().count()).expect("counted").schema().name.into())
        }
        1 => edit(&mut node.input, at, |input| *input = text),
        2 => edit(&mut node.output, at, |output| *output = text),
        3 => node.input.push(text),
        4 => node.output.push(format!("more.{to}")),
        5 => node.domain = Some(text),
        6 => node.attribute.push(AttributeProto {
            name: Some(["axes", "axis", "kernel_shape", "pads", "group", "to", "value"][to % 7].to_owned()),
            r#type: Some([1, 2, 3, 4, 7][at % 5]),
            ints: ODD[..to % 4].to_vec(),
            i: Some(ODD[at % ODD.len()]),
            ..AttributeProto::default()
        }),
        _ => edit(&mut node.attribute, at, |attribute| {
            attribute.i = Some(ODD[to % ODD.len()]);
            attribute.f = Some(f32::NAN);
            edit(&mut attribute.ints, at, |value| *value = ODD[to % ODD.len()]);
        }),
    }
}

fn change_tensor(tensor: &mut TensorProto, what: u8, to: usize) {
    let number = ODD[to % ODD.len()];
    match what {
        8 => tensor.dims.push(number),
        9 => edit(&mut tensor.dims, to, |length| *length = number),
        10 => tensor.data_type = Some(to as i32 % 25),
        11 => tensor.raw_data.iter_mut().for_each(|bytes| bytes.truncate(to % 9)),
        12 => tensor.raw_data = Some(number.to_le_bytes().repeat(to % 4)),
        _ => tensor.int64_data = ODD[..to % 5].to_vec(),
    }
}

fn change_value(value: &mut ValueInfoProto, what: u8, at: usize, to: usize) {
    let Some(type_proto::Value::TensorType(tensor)) =
        value.r#type.as_mut().and_then(|message| message.value.as_mut())
    else {
        return;
    };
    let dims = &mut tensor.shape.get_or_insert_default().dim;
    let dim = match to % 3 {
        0 => None,
        1 => Some(dimension::Value::DimParam(TEXTS[at % TEXTS.len()].to_owned())),
        _ => Some(dimension::Value::DimValue(ODD[at % ODD.len()])),
    };
    match what {
        14 => dims.push(Dimension { value: dim, ..Dimension::default() }),
        15 => edit(dims, at, |old| old.value = dim),
        _ => tensor.elem_type = Some(to as i32 % 25),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn changed_models_are_read_or_refused(
        file in any::<prop::sample::Selector>(),
        changes in prop::collection::vec((0..24u8, any::<usize>(), any::<usize>()), 1..6),
    ) {
        let mut model: ModelProto = file.select(files_once());
        changes.into_iter().for_each(|each| change(&mut model, each));
        if let Ok(model) = read(&model.encode_to_vec(), Path::new("changed.onnx")) {
            let again = write(&model).expect("what was read can be written");
            prop_assert!(read(&again, Path::new("again.onnx")).is_ok());
        }
    }
}

fn files_once() -> Vec<ModelProto> {
    static FILES: std::sync::OnceLock<Vec<ModelProto>> = std::sync::OnceLock::new();
    FILES.get_or_init(files).clone()
}

#[test]
fn messages_take_no_more_than_the_scan_assumes() {
    let sizes = [
        size_of::<NodeProto>(),
        size_of::<AttributeProto>(),
        size_of::<TensorProto>(),
        size_of::<ValueInfoProto>(),
        size_of::<GraphProto>(),
        size_of::<ModelProto>(),
    ];
    assert!(sizes.iter().all(|&size| size <= super::scan::MESSAGE_BYTES), "{sizes:?}");
}
