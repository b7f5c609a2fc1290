//! Small networks to inherit between.

use graph::{Attribute, Attributes, Graph, ValueId, ValueType};
use inherit::transfer::Network;
use tensor::{DType, Random, Shape, Tensor};

/// A network that owns what [`Network`] borrows.
pub(crate) struct Net {
    pub(crate) graph: Graph,
    pub(crate) prediction: ValueId,
    pub(crate) tensors: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) features: Vec<String>,
}

impl Net {
    pub(crate) fn network(&self) -> Network<'_> {
        Network {
            graph: &self.graph,
            prediction: self.prediction,
            tensors: &self.tensors,
            labels: &self.labels,
            features: &self.features,
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        let id = self.graph.find_value(name).unwrap_or_else(|| panic!("there is no {name}"));
        self.graph.value(id).constant.as_ref().expect("a constant")
    }

    /// The network with other values.
    pub(crate) fn with(&self, tensors: &[(String, Tensor)]) -> Graph {
        let mut graph = self.graph.clone();
        for (name, tensor) in tensors {
            graph.set_constant(graph.find_value(name).expect(name), tensor.clone());
        }
        graph
    }
}

/// `a b c` as owned names.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A graph in the making, with random weights.
pub(crate) struct Build {
    pub(crate) graph: Graph,
    pub(crate) tensors: Vec<String>,
    seed: u64,
}

impl Build {
    /// With the input `x` of these lengths behind the batch.
    pub(crate) fn new(seed: u64, lengths: &[usize]) -> (Self, ValueId) {
        let mut graph = Graph::new("net");
        let input = graph.input("x", ValueType::new(DType::F32, Shape::batched(lengths)));
        (Build { graph, tensors: Vec::new(), seed }, input)
    }

    pub(crate) fn weight(&mut self, name: &str, shape: &[usize]) -> ValueId {
        let random = Random::new(self.seed, name);
        let count: usize = shape.iter().product();
        let positive = name.ends_with("variance");
        let value = |index: u64| random.normal(0, index) * 0.3;
        let values: Vec<f32> = (0..count as u64)
            .map(|index| if positive { value(index).abs() + 0.5 } else { value(index) })
            .collect();
        self.tensors.push(name.to_owned());
        self.graph.constant(name, Tensor::new(shape, values))
    }

    pub(crate) fn op(&mut self, name: &str, op: &str, inputs: &[ValueId]) -> ValueId {
        self.graph.push(name, op, Attributes::new(), inputs).expect(name)
    }

    pub(crate) fn conv(&mut self, name: &str, x: ValueId, filters: usize, kernel: usize) -> ValueId {
        let channels = self.graph.ty(x).shape.0[1].known().expect("channels");
        let weight = self.weight(&format!("{name}.weight"), &[filters, channels, kernel, kernel]);
        let bias = self.weight(&format!("{name}.bias"), &[filters]);
        let pad = (kernel / 2) as i64;
        let attributes = Attributes::from([("pads".to_owned(), Attribute::Ints(vec![pad; 4]))]);
        self.graph.push(name, "Conv", attributes, &[x, weight, bias]).expect(name)
    }

    pub(crate) fn norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.graph.ty(x).shape.0[1].known().expect("channels");
        let mut inputs = vec![x];
        for part in ["scale", "bias", "running_mean", "running_variance"] {
            inputs.push(self.weight(&format!("{name}.{part}"), &[channels]));
        }
        self.op(name, "BatchNormalization", &inputs)
    }

    pub(crate) fn dense(&mut self, name: &str, x: ValueId, units: usize) -> ValueId {
        let inputs = self.graph.ty(x).shape.0[1].known().expect("features");
        let weight = self.weight(&format!("{name}.weight"), &[inputs, units]);
        let bias = self.weight(&format!("{name}.bias"), &[units]);
        self.op(name, "Gemm", &[x, weight, bias])
    }

    pub(crate) fn finish(mut self, prediction: ValueId, labels: &str, features: &str) -> Net {
        self.graph.outputs = vec![prediction];
        Net {
            graph: self.graph,
            prediction,
            tensors: self.tensors,
            labels: words(labels),
            features: words(features),
        }
    }
}

/// What [`cnn`] is made of.
pub(crate) struct Cnn {
    pub(crate) seed: u64,
    pub(crate) channels: usize,
    pub(crate) size: usize,
    pub(crate) filters: usize,
    pub(crate) hidden: usize,
    pub(crate) kernel: usize,
    pub(crate) names: [&'static str; 4],
    pub(crate) labels: &'static str,
}

pub(crate) const CNN: Cnn = Cnn {
    seed: 1,
    channels: 1,
    size: 8,
    filters: 4,
    hidden: 6,
    kernel: 3,
    names: ["conv1", "norm1", "hidden", "head"],
    labels: "zero one two",
};

/// Conv, batch normalisation, ReLU, pooling, flatten, dense, ReLU, dense.
pub(crate) fn cnn(of: &Cnn) -> Net {
    let (mut build, x) = Build::new(of.seed, &[of.channels, of.size, of.size]);
    let [conv, norm, hidden, head] = of.names;
    let x = build.conv(conv, x, of.filters, of.kernel);
    let x = build.norm(norm, x);
    let x = build.op("relu1", "Relu", &[x]);
    let pool = Attributes::from([
        ("kernel_shape".to_owned(), Attribute::Ints(vec![2, 2])),
        ("strides".to_owned(), Attribute::Ints(vec![2, 2])),
    ]);
    let x = build.graph.push("pool", "MaxPool", pool, &[x]).expect("pool");
    let x = build.op("flatten", "Flatten", &[x]);
    let x = build.dense(hidden, x, of.hidden);
    let x = build.op("relu2", "Relu", &[x]);
    let logits = build.dense(head, x, of.labels.split_whitespace().count());
    build.finish(logits, of.labels, "")
}

/// A dense network over named features.
pub(crate) fn table(seed: u64, features: &str, labels: &str) -> Net {
    let (mut build, x) = Build::new(seed, &[features.split_whitespace().count()]);
    let x = build.dense("hidden", x, 5);
    let x = build.op("relu", "Relu", &[x]);
    let logits = build.dense("head", x, labels.split_whitespace().count());
    build.finish(logits, labels, features)
}

/// Two branches from one input, summed. `listed` says in which order their nodes stand in the graph.
pub(crate) fn branches(kernels: [usize; 2], names: [&str; 2], listed: [usize; 2], labels: &str) -> Net {
    let (mut build, x) = Build::new(3, &[2, 6, 6]);
    let mut ends = [x; 2];
    for branch in listed {
        let conv = build.conv(names[branch], x, 3, kernels[branch]);
        ends[branch] = build.op(&format!("{}.relu", names[branch]), "Relu", &[conv]);
    }
    let sum = build.op("sum", "Add", &ends);
    let flat = build.op("flatten", "Flatten", &[sum]);
    let logits = build.dense("head", flat, labels.split_whitespace().count());
    build.finish(logits, labels, "")
}
