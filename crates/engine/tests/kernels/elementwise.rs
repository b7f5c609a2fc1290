//! Element-wise operators that follow each other: one step, whose results are those of the references one by one.

use engine::{Level, Options};
use graph::{Attributes, Graph, ValueId, ValueType};
use tensor::{DType, Random, Shape, Tensor};

use crate::{Constants, Run, Setup};

/// A graph of element-wise operators that is being written down.
struct Network {
    graph: Graph,
    input: ValueId,
}

impl Network {
    fn new(dims: &[usize]) -> Self {
        let mut graph = Graph::new("chain");
        let input = graph.input("examples", ValueType::new(DType::F32, Shape::batched(dims)));
        Network { graph, input }
    }

    fn op(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.graph.push(op, op, Attributes::new(), inputs).expect("fits")
    }

    fn numbers(&mut self, shape: &[usize]) -> ValueId {
        let (count, random) = (shape.iter().product::<usize>(), Random::new(1, "numbers"));
        let values = (0..count).map(|index| random.uniform(0, index as u64) + 0.5).collect();
        self.graph.constant("numbers", Tensor::new(shape, values))
    }

    fn number(&mut self, value: f32) -> ValueId {
        self.graph.constant("number", Tensor::scalar(value))
    }

    /// Compares it with the references, batch by batch; `steps` are those of its plan.
    fn check(mut self, output: ValueId, runs: &[Run], steps: &[&str]) {
        self.graph.outputs = vec![output];
        let ty = self.graph.ty(self.input).shape.bind("batch", 1).lengths().expect("only the batch is open");
        let (row_len, examples, random) = (ty.iter().product::<usize>(), 7, Random::new(2, "rows"));
        let rows = (0..examples * row_len).map(|at| 4.0 * random.uniform(0, at as u64) - 2.0).collect();
        let setup = Setup { graph: self.graph, rows, row_len, examples };
        let options = Options { batch: 16, threads: 1, level: Level::Portable };
        let plan = setup.predictor(options, Constants::Replaced).expect("lowers").describe();
        let computed =
            plan.lines().filter(|line| !["load", "results"].iter().any(|step| line.contains(step)));
        assert_eq!(computed.count(), steps.len(), "{plan}");
        for step in steps {
            assert!(plan.contains(step), "no {step} in\n{plan}");
        }
        for run in runs {
            if let Err(message) = setup.check(run, 0.0, false) {
                panic!("{message}, of\n{plan}");
            }
        }
    }
}

fn run(batch: usize, rows: usize, threads: &'static [usize]) -> Run {
    Run { batch, rows, threads, slack: 1.0 }
}

#[test]
fn values_with_one_reader_stay_inside() {
    let mut network = Network::new(&[6, 5, 5]);
    let (x, channels, row) = (network.input, network.numbers(&[6, 1, 1]), network.numbers(&[5]));
    let [low, high, two, half] = [-0.5, 1.0, 2.0, 0.5].map(|value| network.number(value));
    let scaled = network.op("Mul", &[x, channels]);
    let shifted = network.op("Sub", &[row, scaled]);
    // Two read what is shifted.
    let gate = network.op("Sigmoid", &[shifted]);
    let gated = network.op("Mul", &[shifted, gate]);
    let limited = network.op("Clip", &[gated, low, high]);
    let square = network.op("Pow", &[limited, two]);
    // And what is squared.
    let large = network.op("Greater", &[square, half]);
    let chosen = network.op("Where", &[large, square, x]);
    let twice = network.op("Add", &[chosen, chosen]);
    let bent = network.op("Tanh", &[twice]);
    let output = network.op("Div", &[bent, channels]);
    let steps = ["Mul + Sub 150", "Sigmoid + Mul + Clip + Pow 150", "Greater + Where + Add + Tanh + Div 150"];
    // A few examples, blocks of features with a rest, and blocks of examples with a rest.
    let runs = [run(1, 3, &[1, 2]), run(33, 40, &[1, 2, 3]), run(2100, 2107, &[1, 2])];
    network.check(output, &runs, &steps);
}

#[test]
fn a_value_that_is_broadcast_is_one_of_its_own() {
    let mut network = Network::new(&[40, 1, 3]);
    let rows = network.numbers(&[4, 1]);
    let x = network.input;
    let slope = network.op("Exp", &[x]);
    let inverse = network.op("Neg", &[slope]);
    let wide = network.op("Add", &[inverse, rows]); // [batch, 40, 4, 3]
    let rest = network.op("Abs", &[wide]);
    let output = network.op("Mul", &[rest, x]);
    let runs = [run(3, 7, &[1, 2, 3]), run(33, 40, &[1, 2])];
    network.check(output, &runs, &["Exp + Neg 120", "Add + Abs + Mul 480"]);
}
