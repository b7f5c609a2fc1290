//! ONNX files: every operator case comes back as it was written, and foreign files are read or refused in words.

use std::path::Path;

use graph::onnx::{Model, WriteError, read, write};
use graph::{Attributes, Case, DOMAIN_ONNX, Expect, Graph, Operator, ValueId, ValueType, evaluate, ops};
use proptest::prelude::*;
use tensor::{DType, Shape, Tensor};

/// The case as a model of one node, with the symbol `batch` wherever that is accepted.
fn model_of(op: &dyn Operator, case: &Case) -> Option<Model> {
    let build = |symbolic: bool| {
        let mut graph = Graph::new(case.name);
        let mut inputs = Vec::new();
        for (index, tensor) in case.inputs.iter().enumerate() {
            let name = format!("input{index}");
            inputs.push(tensor.as_ref().map(|tensor| {
                if case.constant[index] {
                    return graph.constant(&name, tensor.clone());
                }
                let mut ty = ValueType::of(tensor);
                if symbolic && index == 0 && !ty.shape.0.is_empty() {
                    ty.shape.0[0] = "batch".into();
                }
                graph.input(&name, ty)
            }));
        }
        let names: Vec<String> = (0..case.output_count).map(|index| format!("output{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let attributes = case.attributes.clone();
        graph.outputs = graph.push_node("node", op.schema().name, attributes, &inputs, &names).ok()?;
        Some(graph)
    };
    let graph = build(true).or_else(|| build(false))?;
    let metadata = [("labels".to_owned(), "[\"a\", \"ä\"]".to_owned())].into();
    Some(Model { graph, metadata, producer: "heirloom".to_owned(), doc: "a case".to_owned() })
}

/// Everything about a graph but the order in which its values were added.
fn description(graph: &Graph) -> String {
    let name = |id: ValueId| graph.value(id).name.clone();
    let names = |ids: &[ValueId]| ids.iter().copied().map(name).collect::<Vec<_>>();
    let mut values: Vec<String> = graph.values().map(|(_, value)| format!("{value:?}")).collect();
    values.sort();
    let nodes: Vec<String> = graph
        .nodes()
        .map(|(_, node)| {
            let inputs: Vec<_> = node.inputs.iter().map(|input| input.map(name)).collect();
            format!(
                "{} {} {:?} {inputs:?} {:?}",
                node.name,
                node.op_name(),
                node.attributes,
                names(&node.outputs)
            )
        })
        .collect();
    format!("{} {:?} {:?} {values:#?} {nodes:#?}", graph.name, names(&graph.inputs), names(&graph.outputs))
}

fn standard_cases() -> impl Iterator<Item = (&'static dyn Operator, Case)> {
    let standard = ops::all().filter(|op| op.schema().domain == DOMAIN_ONNX);
    standard.flat_map(|op| op.cases().into_iter().map(move |case| (op, case)))
}

#[test]
fn every_case_comes_back_as_it_was_written() {
    let mut count = 0;
    for (op, case) in standard_cases().filter(|(_, case)| !matches!(case.expect, Expect::Refused(_))) {
        let place = format!("{} / {}", op.schema().name, case.name);
        let model = model_of(op, &case).unwrap_or_else(|| panic!("{place} was refused"));
        let bytes = write(&model).expect("standard operators can be written");
        let back = read(&bytes, Path::new("case.onnx")).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(description(&back.graph), trimmed(&model.graph), "{place}");
        assert_eq!(
            (&back.metadata, &back.producer, &back.doc),
            (&model.metadata, &model.producer, &model.doc)
        );
        assert_eq!(write(&back).expect("as before"), bytes, "{place}: other bytes");
        count += 1;
    }
    assert!(count > 100, "only {count} cases");
}

/// The description of a graph whose absent last inputs are left out, as in a file.
fn trimmed(graph: &Graph) -> String {
    let mut text = description(graph);
    while let Some(at) = text.find(", None] ") {
        text.replace_range(at..at + 6, "");
    }
    text
}

fn network() -> Model {
    let mut graph = Graph::new("network");
    let smooth = |shape: &[usize]| {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|index| (1.0 + 0.7 * index as f64).sin() / 3.0).collect();
        Tensor::from_f64(DType::F32, shape, &values)
    };
    let x = graph.input("x", ValueType::new(DType::F32, Shape::batched(&[1, 8, 8])));
    let w = graph.constant("conv.weight", smooth(&[4, 1, 3, 3]));
    let b = graph.constant("conv.bias", smooth(&[4]));
    let dense = graph.constant("dense.weight", smooth(&[36, 3]));
    let bias = graph.constant("dense.bias", smooth(&[3]));
    let none = Attributes::new;
    let conv = graph.push("conv", "Conv", none(), &[x, w, b]).expect("fits");
    let relu = graph.push("relu", "Relu", none(), &[conv]).expect("fits");
    let pool =
        Attributes::from([("kernel_shape".to_owned(), [2, 2].into()), ("strides".to_owned(), [2, 2].into())]);
    let pool = graph.push("pool", "MaxPool", pool, &[relu]).expect("fits");
    let flat = graph.push("flat", "Flatten", none(), &[pool]).expect("fits");
    let logits = graph.push("logits", "Gemm", none(), &[flat, dense, bias]).expect("fits");
    let output = graph.push("probabilities", "Softmax", none(), &[logits]).expect("fits");
    graph.outputs.push(output);
    Model { graph, producer: "heirloom".to_owned(), ..Model::default() }
}

#[test]
fn a_network_computes_the_same_after_a_round_trip() {
    let model = network();
    let back = read(&write(&model).expect("standard"), Path::new("network.onnx")).expect("valid");
    let x =
        Tensor::from_f64(DType::F32, [2, 1, 8, 8], &(0..128).map(|i| f64::from(i).cos()).collect::<Vec<_>>());
    let feed = [x];
    assert_eq!(evaluate(&back.graph, &feed), evaluate(&model.graph, &feed));
}

#[test]
fn internal_operators_cannot_be_written() {
    let mut graph = Graph::new("training");
    let x = graph.input("x", ValueType::new(DType::F32, Shape::known(&[2])));
    let dx = graph.push("dx", "ReluGrad", Attributes::new(), &[x, x]).expect("fits");
    graph.outputs.push(dx);
    let error = write(&Model { graph, ..Model::default() });
    assert_eq!(error, Err(WriteError::Internal { node: "dx".to_owned(), op: "ReluGrad".to_owned() }));
}

/// A message in the wire format: fields with text, bytes or messages as contents.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, contents) in fields {
        assert!(contents.len() < 128, "one byte of length");
        bytes.extend([number << 3 | 2, contents.len() as u8]);
        bytes.extend(*contents);
    }
    bytes
}

/// A model of format version `ir` and operator set `opset` with `graph`.
fn file(ir: u8, opset: u8, graph: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x08, ir];
    bytes.extend(message(&[(8, &[0x10, opset]), (7, graph)]));
    bytes
}

/// A node of `op` that reads `input` and computes `output`.
fn node(op: &str, input: &str, output: &str) -> Vec<u8> {
    message(&[(1, input.as_bytes()), (2, output.as_bytes()), (4, op.as_bytes())])
}

/// An input or output called `name`: float32 with one dimension.
fn value(name: &str, dimension: &[u8]) -> Vec<u8> {
    let shape = message(&[(1, dimension)]);
    let mut tensor = vec![0x08, 1];
    tensor.extend(message(&[(2, &shape)]));
    message(&[(1, name.as_bytes()), (2, &message(&[(1, &tensor)]))])
}

/// A graph from `x` to `y`.
fn graph(nodes: &[Vec<u8>], dimension: &[u8]) -> Vec<u8> {
    let (x, y) = (value("x", dimension), value("y", &[]));
    let mut fields: Vec<(u8, &[u8])> = nodes.iter().map(|node| (1, node.as_slice())).collect();
    fields.extend([(11, x.as_slice()), (12, y.as_slice())]);
    message(&fields)
}

#[test]
fn unnamed_and_named_dimensions_become_symbols() {
    let check = |dimension: &[u8], expect: &str| {
        let bytes = file(8, 17, &graph(&[node("Relu", "x", "y")], dimension));
        let model = read(&bytes, Path::new("a.onnx")).expect("valid");
        assert_eq!(model.graph.ty(model.graph.inputs[0]).to_string(), expect);
    };
    check(&[], "float32[batch]");
    check(&[0x12, 1, b'n'], "float32[n]");
    check(&[0x08, 5], "float32[5]");
}

#[test]
fn foreign_files_are_refused_in_words() {
    let check = |bytes: &[u8], expect: &[(&str, &str)]| {
        let found = read(bytes, Path::new("bad.onnx")).expect_err("refused").0;
        let found: Vec<_> = found.iter().map(|each| (each.code, each.message.as_str())).collect();
        assert_eq!(found, expect);
    };
    check(b"", &[("not-onnx", "the file is no ONNX model")]);
    check(b"# Read me\n", &[("not-onnx", "the file is no ONNX model")]);
    check(&[0x08, 8], &[("not-onnx", "the file is no ONNX model")]);
    let relu = || node("Relu", "x", "y");
    check(
        &file(8, 2, &graph(&[relu()], &[])),
        &[("onnx-version", "ONNX operator sets 7 to 25 are supported, this file declares 2")],
    );
    check(
        &file(99, 17, &graph(&[relu()], &[])),
        &[("onnx-version", "ONNX format versions 3 to 14 are supported, this file is of 99")],
    );
    let unknown = [node("Foo", "x", "a"), node("Rely", "a", "b"), node("Foo", "b", "y")];
    check(
        &file(8, 17, &graph(&unknown, &[])),
        &[
            ("onnx-operator", "operator Foo is not supported; used by a, y"),
            ("onnx-operator", "operator Rely is not supported; used by b"),
        ],
    );
    check(
        &file(8, 12, &graph(&[node("Softmax", "x", "y")], &[])),
        &[(
            "onnx-node",
            "node y (Softmax): before operator set 13, Softmax works on all axes from `axis` on at once (this file: 12)",
        )],
    );
    check(
        &file(8, 17, &graph(&[node("Relu", "z", "y")], &[])),
        &[("onnx-node", "node y (Relu): reads z, which is no input, constant or output of an earlier node")],
    );
    check(
        &file(8, 17, &graph(&[node("MaxPool", "x", "a"), node("Relu", "a", "y")], &[])),
        &[(
            "onnx-node",
            "node a (MaxPool): the input should be [batch, channel, spatial ..] with rank 3 or more, found [batch]",
        )],
    );
    check(&file(8, 17, &graph(&[relu(), relu()], &[])), &[("onnx-graph", "value y is defined twice")]);
    check(&file(8, 17, &graph(&[], &[])), &[("onnx-graph", "output y is computed by no node")]);
    let negative = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    check(
        &file(8, 17, &graph(&[relu()], &negative)),
        &[("onnx-graph", "input x has a dimension of length -1")],
    );
}

#[test]
fn the_place_of_the_damage_is_named() {
    let mut bytes = write(&network()).expect("standard");
    bytes.truncate(300);
    let error = read(&bytes, Path::new("cut.onnx")).expect_err("cut off");
    assert!(error.to_string().contains("cut.onnx, byte"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, Path::new("random.onnx"));
    }

    #[test]
    fn damaged_models_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = write(&network()).expect("standard");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read(&bytes, Path::new("damaged.onnx"));
    }
}
