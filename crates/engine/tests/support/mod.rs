//! The network of the main job, for tests and benchmarks: convolution 32 of 3 x 3, ReLU, max pooling 2, dense 128,
//! ReLU, dense 10.

use graph::{Attribute, Attributes, Graph, ValueType};
use tensor::{DType, Random, Shape, Tensor};

/// A tensor of Glorot-uniform numbers.
pub(crate) fn glorot(name: &str, shape: &[usize], fan_in: usize, fan_out: usize) -> Tensor {
    let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
    let random = Random::new(1, name);
    let count: usize = shape.iter().product();
    let values = (0..count).map(|index| (2.0 * random.uniform(0, index as u64) - 1.0) * limit).collect();
    Tensor::new(shape, values)
}

/// The graph from bytes to logits.
pub(crate) fn mnist_graph() -> Graph {
    let mut graph = Graph::new("mnist");
    let attributes = |list: &[(&str, Attribute)]| -> Attributes {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let image = graph.input("image", ValueType::new(DType::U8, Shape::batched(&[1, 28, 28])));
    let cast = graph.push("cast", "Cast", attributes(&[("to", Attribute::Int(1))]), &[image]).unwrap();
    let scale = graph.constant("scale", Tensor::scalar(255.0f32));
    let scaled = graph.push("scaled", "Div", Attributes::new(), &[cast, scale]).unwrap();
    let weight = graph.constant("conv1.weight", glorot("conv1", &[32, 1, 3, 3], 9, 288));
    let bias = graph.constant("conv1.bias", Tensor::zeros(DType::F32, [32]));
    let conv = graph.push("conv1", "Conv", Attributes::new(), &[scaled, weight, bias]).unwrap();
    let relu = graph.push("relu1", "Relu", Attributes::new(), &[conv]).unwrap();
    let two = Attribute::Ints(vec![2, 2]);
    let pool = attributes(&[("kernel_shape", two.clone()), ("strides", two)]);
    let pool = graph.push("pool1", "MaxPool", pool, &[relu]).unwrap();
    let flat = graph.push("flatten", "Flatten", Attributes::new(), &[pool]).unwrap();
    let weight = graph.constant("hidden.weight", glorot("hidden", &[5408, 128], 5408, 128));
    let bias = graph.constant("hidden.bias", Tensor::zeros(DType::F32, [128]));
    let hidden = graph.push("hidden", "Gemm", Attributes::new(), &[flat, weight, bias]).unwrap();
    let hidden = graph.push("relu2", "Relu", Attributes::new(), &[hidden]).unwrap();
    let weight = graph.constant("output.weight", glorot("output", &[128, 10], 128, 10));
    let bias = graph.constant("output.bias", Tensor::zeros(DType::F32, [10]));
    let logits = graph.push("logits", "Gemm", Attributes::new(), &[hidden, weight, bias]).unwrap();
    graph.outputs = vec![logits];
    graph
}
