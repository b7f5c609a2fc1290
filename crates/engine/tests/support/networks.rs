//! Networks of the field with random weights, for benchmarks: `resnet18`, `resnet50`, `vgg11`, `alexnet`, `mlp`.

use graph::{Attribute, Attributes, Graph, ValueId, ValueType};
use tensor::{DType, Random, Shape, Tensor};

/// A graph in the making.
struct Network {
    graph: Graph,
    value: ValueId,
    channels: usize,
    count: usize,
}

/// The network called `name` for images of `side` by `side` pixels in three channels (`mlp`: 784 numbers) and `classes`
/// classes; `None` for a name there is none of.
pub(crate) fn network(name: &str, side: usize, classes: usize) -> Option<Graph> {
    let mut graph = Graph::new(name);
    let lengths: Vec<usize> = if name == "mlp" { vec![784] } else { vec![3, side, side] };
    let value = graph.input("input", ValueType::new(DType::F32, Shape::batched(&lengths)));
    let mut net = Network { graph, value, channels: lengths[0], count: 0 };
    match name {
        "resnet18" => net.resnet(&[2, 2, 2, 2], false, classes),
        "resnet50" => net.resnet(&[3, 4, 6, 3], true, classes),
        "vgg11" => net.vgg(side, classes),
        "alexnet" => net.alexnet(side, classes),
        "mlp" => {
            net.dense(784, 512);
            net.relu();
            net.dense(512, 256);
            net.relu();
            net.dense(256, classes);
        }
        _ => return None,
    }
    net.graph.outputs = vec![net.value];
    Some(net.graph)
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

impl Network {
    fn push(&mut self, op: &str, attributes: &[(&str, Attribute)], more: &[ValueId]) {
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let name = format!("{op}{}", self.count);
        self.count += 1;
        let inputs = [&[self.value], more].concat();
        self.value = self.graph.push(&name, op, attributes, &inputs).expect("the network is well formed");
    }

    fn constant(&mut self, shape: &[usize], bound: f32, centre: f32) -> ValueId {
        let name = format!("weight{}", self.count);
        self.count += 1;
        let random = Random::new(1, &name);
        let count = shape.iter().product::<usize>() as u64;
        let values =
            (0..count).map(|index| centre + (2.0 * random.uniform(0, index) - 1.0) * bound).collect();
        self.graph.constant(&name, Tensor::new(shape, values))
    }

    fn conv(&mut self, filters: usize, kernel: usize, stride: usize, pad: usize, bias: bool) {
        let fan_in = self.channels * kernel * kernel;
        let mut more =
            vec![self.constant(&[filters, self.channels, kernel, kernel], (6.0 / fan_in as f32).sqrt(), 0.0)];
        if bias {
            more.push(self.constant(&[filters], 0.0, 0.0));
        }
        let attributes = [
            ("kernel_shape", ints(&[kernel; 2])),
            ("strides", ints(&[stride; 2])),
            ("pads", ints(&[pad; 4])),
        ];
        self.push("Conv", &attributes, &more);
        self.channels = filters;
    }

    fn norm(&mut self) {
        let channels = self.channels;
        let more = [1.0, 0.0, 0.0, 1.0].map(|centre| self.constant(&[channels], 0.0, centre));
        self.push("BatchNormalization", &[], &more);
    }

    fn relu(&mut self) {
        self.push("Relu", &[], &[]);
    }

    fn pool(&mut self, size: usize, stride: usize, pad: usize) {
        let attributes =
            [("kernel_shape", ints(&[size; 2])), ("strides", ints(&[stride; 2])), ("pads", ints(&[pad; 4]))];
        self.push("MaxPool", &attributes, &[]);
    }

    fn dense(&mut self, from: usize, to: usize) {
        let more =
            [self.constant(&[from, to], (6.0 / from as f32).sqrt(), 0.0), self.constant(&[to], 0.0, 0.0)];
        self.push("Gemm", &[], &more);
    }

    fn resnet(&mut self, blocks: &[usize], deep: bool, classes: usize) {
        self.conv(64, 7, 2, 3, false);
        self.norm();
        self.relu();
        self.pool(3, 2, 1);
        for (stage, &count) in blocks.iter().enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                self.block(64 << stage, stride, deep);
            }
        }
        self.push("GlobalAveragePool", &[], &[]);
        self.push("Flatten", &[], &[]);
        self.dense(self.channels, classes);
    }

    fn block(&mut self, width: usize, stride: usize, deep: bool) {
        let (input, channels) = (self.value, self.channels);
        if deep {
            self.conv(width, 1, 1, 0, false);
            self.norm();
            self.relu();
            self.conv(width, 3, stride, 1, false);
            self.norm();
            self.relu();
            self.conv(4 * width, 1, 1, 0, false);
        } else {
            self.conv(width, 3, stride, 1, false);
            self.norm();
            self.relu();
            self.conv(width, 3, 1, 1, false);
        }
        self.norm();
        let (main, wide) = (self.value, self.channels);
        (self.value, self.channels) = (input, channels);
        if stride > 1 || channels != wide {
            self.conv(wide, 1, stride, 0, false);
            self.norm();
        }
        let side = self.value;
        (self.value, self.channels) = (main, wide);
        self.push("Add", &[], &[side]);
        self.relu();
    }

    fn vgg(&mut self, side: usize, classes: usize) {
        let mut side = side;
        for (filters, pooled) in [
            (64, true),
            (128, true),
            (256, false),
            (256, true),
            (512, false),
            (512, true),
            (512, false),
            (512, true),
        ] {
            self.conv(filters, 3, 1, 1, true);
            self.relu();
            if pooled {
                self.pool(2, 2, 0);
                side /= 2;
            }
        }
        self.push("Flatten", &[], &[]);
        self.head(512 * side * side, 4096, classes);
    }

    fn alexnet(&mut self, side: usize, classes: usize) {
        self.conv(64, 11, 4, 2, true);
        self.relu();
        self.pool(3, 2, 0);
        self.conv(192, 5, 1, 2, true);
        self.relu();
        self.pool(3, 2, 0);
        for filters in [384, 256, 256] {
            self.conv(filters, 3, 1, 1, true);
            self.relu();
        }
        self.pool(3, 2, 0);
        let mut side = (side + 4 - 11) / 4 + 1;
        for _ in 0..3 {
            side = (side - 3) / 2 + 1;
        }
        self.push("Flatten", &[], &[]);
        self.head(256 * side * side, 4096, classes);
    }

    fn head(&mut self, features: usize, width: usize, classes: usize) {
        self.dense(features, width);
        self.relu();
        self.dense(width, width);
        self.relu();
        self.dense(width, classes);
    }
}
