//! Every case of every operator on the engine: at every level, for several batch sizes and numbers of threads,
//! against the operator's reference batch by batch.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine::{Feed, Level, Options, Predictor, Rows, Targets};
use graph::{Attributes, Case, Expect, Graph, GraphError, Operator, ValueId, ValueType, ops};
use tensor::{DType, Shape, Tensor};

mod algorithms;
mod convolutions;
mod elementwise;
#[path = "../reference/mod.rs"]
mod reference;

/// Operators no case of which runs here, and why.
const NOT_COVERED: &[(&str, &str)] = &[
    ("AdamUpdate", "weights are not per example; see the training tests"),
    ("GradientDescentUpdate", "weights are not per example; see the training tests"),
    ("MomentumUpdate", "weights are not per example; see the training tests"),
];

/// Operators with a kernel: at least one of their cases runs without the reference.
const WITH_KERNEL: &[&str] = &[
    "Abs",
    "Add",
    "AveragePool",
    "AveragePoolGrad",
    "BatchNormalization",
    "BatchNormalizationGrad",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "ConvGradInput",
    "ConvGradWeight",
    "DistillationLoss",
    "DistillationLossGrad",
    "Div",
    "Dropout",
    "DropoutGrad",
    "Equal",
    "Exp",
    "Expand",
    "ExpandLike",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "Identity",
    "Log",
    "LogSoftmax",
    "MaxPool",
    "MaxPoolGrad",
    "MeanSquaredError",
    "MeanSquaredErrorGrad",
    "Mul",
    "Neg",
    "Pow",
    "ReduceSum",
    "Relu",
    "ReluGrad",
    "Reshape",
    "Sigmoid",
    "Sign",
    "Slice",
    "SliceGrad",
    "Softmax",
    "SoftmaxCrossEntropyLoss",
    "SoftmaxCrossEntropyLossGrad",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// One case with some of its inputs fed batch by batch, as a graph of one input.
struct Setup {
    graph: Graph,
    /// The examples of the case, one row each.
    rows: Vec<f32>,
    row_len: usize,
    examples: usize,
}

/// Whether the constants of a plan may be replaced.
#[derive(Debug, Clone, Copy)]
enum Constants {
    Replaced,
    Fixed,
}

/// How many examples are run through the engine, `batch` at a time.
struct Run {
    batch: usize,
    rows: usize,
    threads: &'static [usize],
    /// Times the usual tolerance: sums of many repeated rows round the same way again and again.
    slack: f64,
}

/// Sets of fed inputs of equal first lengths, with that length.
fn batches(case: &Case) -> Vec<(Vec<usize>, usize)> {
    let length = |index: usize| match &case.inputs[index] {
        Some(tensor) if !case.constant[index] => tensor.shape().first().copied(),
        _ => None,
    };
    let sets = 1..1usize << case.inputs.len();
    let members = sets.map(|set| (0..case.inputs.len()).filter(|index| set >> index & 1 == 1).collect());
    let equal = |set: Vec<usize>| {
        let first = length(set[0])?;
        set.iter().all(|&index| length(index) == Some(first)).then_some((set, first))
    };
    members.filter_map(equal).collect()
}

fn list(values: &[usize]) -> Tensor {
    Tensor::new([values.len()], values.iter().map(|&value| value as i64).collect())
}

/// The graph's input and the values of `batched` made from it. Several inputs are parts of one row, side by side.
fn feed_inputs(
    graph: &mut Graph,
    case: &Case,
    batched: &[usize],
) -> Result<(ValueId, Vec<ValueId>), GraphError> {
    let tensor = |index: usize| case.inputs[index].as_ref().expect("fed");
    if let &[index] = batched {
        let tensor = tensor(index);
        let input =
            graph.input("examples", ValueType::new(tensor.dtype(), Shape::batched(&tensor.shape()[1..])));
        return Ok((input, vec![input]));
    }
    let count = |index: usize| tensor(index).shape()[1..].iter().product::<usize>();
    let total = batched.iter().map(|&index| count(index)).sum();
    let input = graph.input("examples", ValueType::new(DType::F32, Shape::batched(&[total])));
    let (mut values, mut start) = (Vec::new(), 0);
    for &index in batched {
        let end = start + count(index);
        let [from, to, axes] =
            [("from", start), ("to", end), ("axes", 1)].map(|(name, at)| graph.constant(name, list(&[at])));
        let part = graph.push("part", "Slice", Attributes::new(), &[input, from, to, axes])?;
        let shape = graph.constant("shape", list(&[&[0], &tensor(index).shape()[1..]].concat()));
        let shaped = graph.push("shaped", "Reshape", Attributes::new(), &[part, shape])?;
        values.push(match tensor(index).dtype() {
            DType::F32 => shaped,
            dtype => {
                let to = Attributes::from([("to".to_owned(), ops::cast::onnx_code(dtype).into())]);
                graph.push("cast", "Cast", to, &[shaped])?
            }
        });
        start = end;
    }
    Ok((input, values))
}

/// `value`, if there is one per example; else a copy of it for each example of `examples`.
fn per_example(graph: &mut Graph, value: ValueId, examples: ValueId) -> Result<ValueId, GraphError> {
    let Some(shape) = graph.ty(value).shape.lengths() else { return Ok(value) };
    let [from, to, axes] =
        [("from", 0), ("to", 1), ("axes", 1)].map(|(name, at)| graph.constant(name, list(&[at])));
    let flat = graph.push("flat", "Flatten", Attributes::new(), &[examples])?;
    let first = graph.push("first", "Slice", Attributes::new(), &[flat, from, to, axes])?;
    let row = list(&[1, shape.iter().product()]);
    let row = graph.constant("row", row);
    let like = graph.push("like", "Expand", Attributes::new(), &[first, row])?;
    let float = Attributes::from([("to".to_owned(), 1.into())]);
    let value = graph.push("float", "Cast", float, &[value])?;
    let value = graph.push("row", "Reshape", Attributes::new(), &[value, row])?;
    graph.push("copies", "ExpandLike", Attributes::new(), &[value, like])
}

/// The case as a graph of one input, whose rows hold the inputs `batched`.
fn setup(op: &dyn Operator, case: &Case, batched: &[usize], examples: usize) -> Result<Setup, GraphError> {
    let mut graph = Graph::new(case.name);
    let (input, fed) = feed_inputs(&mut graph, case, batched)?;
    let mut inputs: Vec<Option<ValueId>> = Vec::new();
    for (index, tensor) in case.inputs.iter().enumerate() {
        inputs.push(match batched.iter().position(|&other| other == index) {
            Some(at) => Some(fed[at]),
            None => tensor.as_ref().map(|tensor| graph.constant(&format!("input{index}"), tensor.clone())),
        });
    }
    let names = vec!["output"; case.output_count];
    let outputs = graph.push_node("node", op.schema().name, case.attributes.clone(), &inputs, &names)?;
    graph.outputs = outputs.iter().map(|&id| per_example(&mut graph, id, input)).collect::<Result<_, _>>()?;
    let parts: Vec<Vec<f64>> =
        batched.iter().map(|&index| case.inputs[index].as_ref().expect("fed").to_f64()).collect();
    let mut rows = Vec::new();
    for example in 0..examples {
        for part in &parts {
            let len = part.len() / examples;
            rows.extend(part[example * len..][..len].iter().map(|&value| value as f32));
        }
    }
    Ok(Setup { graph, row_len: rows.len() / examples.max(1), rows, examples })
}

impl Setup {
    /// The rows to run: those of the case forwards and backwards again and again.
    fn order(&self, count: usize) -> Vec<u32> {
        let there = 0..self.examples as u32;
        there.clone().chain(there.rev()).cycle().take(count).collect()
    }

    /// What the references give for the rows of `order`, `batch` at a time.
    fn expected(&self, order: &[u32], batch: usize) -> Result<Vec<Vec<f64>>, GraphError> {
        let mut graph = self.graph.clone();
        let mut results = vec![Vec::new(); graph.outputs.len()];
        let ty = graph.ty(graph.inputs[0]).clone();
        for (index, chunk) in order.chunks(batch).enumerate() {
            let rows: Vec<f32> = chunk
                .iter()
                .flat_map(|&row| &self.rows[row as usize * self.row_len..][..self.row_len])
                .copied()
                .collect();
            let shape = ty.shape.bind("batch", chunk.len()).lengths().expect("only the batch is open");
            let values =
                reference::values(&graph, &[Tensor::new(shape, rows).cast(ty.dtype)], index as u64 + 1)?;
            for (result, id) in results.iter_mut().zip(&graph.outputs) {
                result.extend(values[id].to_f64());
            }
            reference::advance(&mut graph, &values);
        }
        Ok(results)
    }

    /// A plan whose constants may be replaced, or one whose constants stay: the second may pack weights.
    fn predictor(&self, options: Options, constants: Constants) -> Result<Predictor, String> {
        let predictor = match constants {
            Constants::Replaced => Predictor::new(&self.graph, options),
            Constants::Fixed => Predictor::shared(Arc::new(self.graph.clone()), options),
        };
        predictor.map_err(|error| error.to_string())
    }

    fn computed(&self, order: &[u32], options: Options, constants: Constants) -> Result<Vec<Tensor>, String> {
        let feed = Feed { rows: Rows::F32(&self.rows), row_len: self.row_len, targets: Targets::None };
        self.predictor(options, constants)?.run(feed, order).map_err(|error| error.to_string())
    }

    /// The same with the absolute values of all numbers, constants included.
    fn absolute(&self) -> Setup {
        let mut graph = self.graph.clone();
        let weights: Vec<(ValueId, Tensor)> = graph
            .values()
            .filter_map(|(id, value)| Some((id, value.constant.clone()?)))
            .filter(|(_, tensor)| tensor.dtype() == DType::F32)
            .collect();
        for (id, tensor) in weights {
            let values: Vec<f32> = tensor.values::<f32>().iter().map(|value| value.abs()).collect();
            graph.set_constant(id, Tensor::new(tensor.shape(), values));
        }
        let rows = self.rows.iter().map(|value| value.abs()).collect();
        Setup { graph, rows, row_len: self.row_len, examples: self.examples }
    }

    /// Compares engine and reference for one way to cut the rows into batches. Where `linear`, a result may also differ by as much
    /// as rounding leaves of its terms, however they cancel.
    fn check(&self, run: &Run, tolerance: f64, linear: bool) -> Result<(), String> {
        let order = self.order(run.rows);
        let reference =
            |setup: &Setup| setup.expected(&order, run.batch).map_err(|error| format!("reference: {error}"));
        let expected = reference(self)?;
        let terms = if linear { reference(&self.absolute())? } else { vec![Vec::new(); expected.len()] };
        let kinds = [Constants::Replaced, Constants::Fixed];
        for (level, constants) in
            Level::available().into_iter().flat_map(|level| kinds.map(|kind| (level, kind)))
        {
            let mut digests = Vec::new();
            for &threads in run.threads {
                let options = Options { batch: run.batch, threads, level };
                let computed = self.computed(&order, options, constants)?;
                for (index, (found, expected)) in computed.iter().zip(&expected).enumerate() {
                    let bounds = Bounds { tolerance, slack: run.slack, terms: &terms[index] };
                    if let Some(at) = differing(&found.to_f64(), expected, &bounds) {
                        let (found, expected) = (found.to_f64()[at], expected[at]);
                        return Err(format!(
                            "{level}, {constants:?}, batch {}, {threads} threads: output {index} [{at}] should be {expected}, found {found}",
                            run.batch
                        ));
                    }
                }
                digests.push(computed.iter().map(Tensor::digest).collect::<Vec<_>>());
            }
            if digests.windows(2).any(|pair| pair[0] != pair[1]) {
                return Err(format!(
                    "{level}, {constants:?}, batch {}: bytes differ with the threads",
                    run.batch
                ));
            }
        }
        Ok(())
    }
}

/// How close results have to be.
struct Bounds<'a> {
    tolerance: f64,
    slack: f64,
    /// What each result's terms are together, sign apart; empty where results are no sums.
    terms: &'a [f64],
}

/// The first place where two results are not as close as they should be; where large numbers cancel, the largest
/// result tells how close that is.
fn differing(found: &[f64], expected: &[f64], bounds: &Bounds<'_>) -> Option<usize> {
    let Bounds { tolerance, slack, terms } = *bounds;
    let finite = expected.iter().map(|value| value.abs()).filter(|value| value.is_finite());
    let largest = finite.fold(1.0, f64::max);
    let close = |at: usize| {
        let (found, expected) = (found[at], expected[at]);
        let exact = found == expected || (found.is_nan() && expected.is_nan());
        let allowed =
            (slack * (2e-6 * largest + 1e-5 * expected.abs())).max(tolerance * (1.0 + expected.abs()));
        let allowed = allowed.max(slack * 1e-6 * terms.get(at).copied().unwrap_or(0.0));
        exact || (found - expected).abs() <= allowed
    };
    if found.len() != expected.len() {
        return Some(0);
    }
    (0..found.len()).find(|&at| !close(at))
}

/// The ways to cut: batches as large as the case, smaller with a ragged last one, of one, of three, of several vectors with
/// a ragged last one, and, unless an example is so much work that it is cut into pieces anyway, so large that every kernel is.
fn runs(examples: usize, large: bool) -> Vec<Run> {
    let run = |batch: usize, rows: usize, threads| Run { batch, rows, threads, slack: 1.0 };
    let mut runs = vec![run(examples, examples, &[1, 2][..]), run(1, 3, &[1, 2]), run(3, 7, &[1, 2, 3, 5])];
    if examples > 2 {
        runs.push(run(examples - 1, 2 * examples + 1, &[1, 2]));
    }
    match large {
        true => runs.push(run(33, 40, &[1, 2, 3])),
        false => runs.extend([run(33, 40, &[1, 2]), Run { slack: 10.0, ..run(1000, 1003, &[1, 2, 3]) }]),
    }
    runs
}

/// Cases beside those of the operators: operators none of whose own cases leaves the first dimension to the batch,
/// and forms that reach a kernel.
fn more_cases() -> Vec<(&'static str, Case)> {
    let case = |name| Case::new(name).smooth(&[3, 4, 5], 0);
    let sliced = |case: Case| case.integers(&[3, 1]).integers(&[0, 5]).integers(&[1, -1]).integers(&[-2, 3]);
    let indices = Tensor::new([2, 2], vec![3i64, 0, -1, 3]);
    let nan = [1.0, f64::NAN, 0.0, f64::INFINITY, f64::NEG_INFINITY];
    let pads = |case: Case| case.attribute("kernel_shape", [3, 2]).attribute("pads", [1, 1, 2, 0]);
    vec![
        ("Transpose", case("features").attribute("perm", [0, 2, 1])),
        ("Transpose", Case::new("cycle").smooth(&[2, 3, 4, 2], 0).attribute("perm", [0, 2, 3, 1])),
        ("Squeeze", Case::new("features").smooth(&[3, 1, 4, 1], 0).integers(&[1, -1])),
        ("Slice", sliced(case("features"))),
        ("SliceGrad", sliced(Case::new("features").smooth(&[3, 2, 2], 0).smooth(&[3, 4, 5], 1))),
        ("Concat", case("last").smooth(&[3, 4, 2], 1).smooth(&[3, 4, 1], 2).attribute("axis", -1)),
        ("Expand", Case::new("features").smooth(&[3, 1, 2], 0).integers(&[1, 4, 2])),
        ("ExpandLike", case("features").smooth(&[3, 4, 5], 1)),
        ("ExpandLike", Case::new("share").smooth(&[3, 1, 5], 0).smooth(&[3, 4, 5], 1).attribute("share", 1)),
        ("Gather", case("features").constant(indices).attribute("axis", 1)),
        (
            "Dropout",
            Case::new("wide")
                .smooth(&[3, 7, 43], 0)
                .constant(Tensor::scalar(0.25f32))
                .constant(Tensor::scalar(true))
                .attribute("seed", -3)
                .outputs(2),
        ),
        ("MaxPool", Case::new("nan").input(&[1, 1, 5], &nan).attribute("kernel_shape", [2])),
        ("MaxPool", Case::new("volume").smooth(&[3, 2, 3, 3, 4], 0).attribute("kernel_shape", [2, 2, 2])),
        (
            "AveragePoolGrad",
            pads(Case::new("image").smooth(&[3, 2, 5, 6], 5))
                .attribute("input_shape", [4, 6])
                .attribute("count_include_pad", 1),
        ),
        (
            "ReduceSum",
            Case::new("channels").smooth(&[4, 3, 2, 5], 0).integers(&[0, 2, 3]).attribute("keepdims", 0),
        ),
        ("ReduceSum", Case::new("positions").smooth(&[4, 3, 2, 5], 0).integers(&[-1, 2])),
        ("ReduceSum", Case::new("rows").smooth(&[4, 3, 2, 5], 0).integers(&[3]).attribute("keepdims", 0)),
    ]
}

/// What the walk over all cases found.
#[derive(Default)]
struct Tally {
    covered: BTreeSet<&'static str>,
    with_kernel: BTreeSet<&'static str>,
    checked: usize,
    skipped: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Tally {
    fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    fn case(&mut self, op: &'static dyn Operator, case: &Case) {
        let name = op.schema().name;
        let sets = batches(case);
        if sets.is_empty() {
            return self.skip("no fed input with a first dimension");
        }
        for (batched, examples) in sets {
            if examples == 0 {
                self.skip("no examples");
                continue;
            }
            let Ok(setup) = setup(op, case, &batched, examples) else {
                self.skip("the first dimension cannot be open");
                continue;
            };
            if setup.row_len == 0 {
                self.skip("rows without elements");
                continue;
            }
            let options = Options { batch: examples, threads: 1, level: Level::Portable };
            let Ok(predictor) = setup.predictor(options, Constants::Replaced) else {
                self.skip("the batch is not the first dimension");
                continue;
            };
            if !predictor.describe().contains(&format!("reference {name} ")) {
                self.with_kernel.insert(name);
            }
            let large = case.inputs.iter().flatten().any(|tensor| tensor.len() > 1000);
            for run in runs(examples, large) {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    setup.check(&run, case.tolerance, name.starts_with("Conv"))
                }));
                match outcome.unwrap_or_else(|_| Err("panicked, see the message above".to_owned())) {
                    Ok(()) => self.checked += 1,
                    Err(message) if message.starts_with("reference: ") => {
                        self.skip("the reference refuses batches of this size");
                        continue;
                    }
                    Err(message) => {
                        self.failures.push(format!("{name} / {} {batched:?}: {message}", case.name));
                        break;
                    }
                }
                self.covered.insert(name);
            }
        }
    }
}

#[test]
fn engine_and_reference_agree_on_every_case() {
    let mut tally = Tally::default();
    for op in ops::all().filter(|op| !op.schema().name.ends_with("Update")) {
        for case in op.cases() {
            if !matches!(case.expect, Expect::Refused(_)) {
                tally.case(op, &case);
            }
        }
    }
    for (name, case) in more_cases().into_iter().chain(convolutions::cases()) {
        tally.case(ops::find(name).expect("an operator"), &case);
    }
    println!("{} runs, skipped: {:#?}", tally.checked, tally.skipped);
    let (failures, count) = (tally.failures.join("\n"), tally.failures.len());
    assert!(count == 0, "{count} failures:\n{failures}");
    let missing: Vec<&str> =
        ops::all().map(|op| op.schema().name).filter(|name| !tally.covered.contains(name)).collect();
    let excused: Vec<&str> = NOT_COVERED.iter().map(|&(name, _)| name).collect();
    assert_eq!(missing, excused, "operators without a case that runs");
    let with_kernel: Vec<&str> = tally.with_kernel.into_iter().collect();
    assert_eq!(with_kernel, WITH_KERNEL, "operators with a kernel");
}
