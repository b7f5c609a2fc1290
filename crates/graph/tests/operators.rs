//! Runs every case of every operator: shapes and types, expected values, gradients against central differences,
//! and all of it again with a symbolic batch dimension.

use std::panic::{AssertUnwindSafe, catch_unwind};

use graph::{
    Attributes, Case, Expect, Graph, GraphError, Operator, ValueId, ValueType, differentiate, evaluate, ops,
};
use tensor::{DType, Random, Tensor};

/// The step of central differences; in `f64` their error is then about 1e-10.
const STEP: f64 = 1e-5;
/// The largest relative difference between a gradient and its central difference.
const GRADIENT_TOLERANCE: f64 = 1e-6;

/// Runs `check` on every case and fails with the names of operator and case of all failures at once.
fn every_case(check: impl Fn(&'static dyn Operator, &Case) -> Result<(), String>) {
    let mut failures = Vec::new();
    for op in ops::all() {
        for case in op.cases() {
            let outcome = catch_unwind(AssertUnwindSafe(|| check(op, &case)));
            let outcome = outcome.unwrap_or_else(|_| Err("panicked, see the message above".to_owned()));
            if let Err(message) = outcome {
                failures.push(format!("{} / {}: {message}", op.schema().name, case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// The case as a graph of one node. Fed inputs in `batched` have the symbol `batch` as first dimension.
fn graph_of(op: &dyn Operator, case: &Case, batched: &[usize]) -> Result<Graph, GraphError> {
    let mut graph = Graph::new(case.name);
    let mut inputs = Vec::new();
    for (index, tensor) in case.inputs.iter().enumerate() {
        let name = format!("input{index}");
        inputs.push(tensor.as_ref().map(|tensor| {
            if case.constant[index] {
                return graph.constant(&name, tensor.clone());
            }
            let mut ty = ValueType::of(tensor);
            if batched.contains(&index) {
                ty.shape.0[0] = "batch".into();
            }
            graph.input(&name, ty)
        }));
    }
    let names: Vec<String> = (0..case.output_count).map(|index| format!("output{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    graph.outputs = graph.push_node("node", op.schema().name, case.attributes.clone(), &inputs, &names)?;
    Ok(graph)
}

/// The tensors to feed, in order.
fn fed(case: &Case) -> Vec<Tensor> {
    let given = case.inputs.iter().zip(&case.constant);
    given.filter(|(_, constant)| !**constant).filter_map(|(tensor, _)| tensor.clone()).collect()
}

/// All non-empty sets of fed inputs whose first dimensions are equally long.
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

/// Compares what the graph computes with what inference said and the case expects.
fn check_outputs(graph: &Graph, case: &Case, batch: usize) -> Result<(), String> {
    let outputs = evaluate(graph, &fed(case)).map_err(|error| error.to_string())?;
    for (&id, output) in graph.outputs.iter().zip(&outputs) {
        let mut inferred = graph.ty(id).clone();
        inferred.shape = inferred.shape.bind("batch", batch);
        if inferred != ValueType::of(output) {
            return Err(format!("inference says {inferred}, the reference gives {}", ValueType::of(output)));
        }
    }
    let Expect::Outputs(expected) = &case.expect else {
        return Ok(());
    };
    for (index, (expected, output)) in expected.iter().zip(&outputs).enumerate() {
        if ValueType::of(expected) != ValueType::of(output) {
            let (expected, found) = (ValueType::of(expected), ValueType::of(output));
            return Err(format!("output {index} should be {expected}, found {found}"));
        }
        let close = |(a, b): (f64, f64)| {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= case.tolerance * (1.0 + a.abs())
        };
        if !expected.to_f64().into_iter().zip(output.to_f64()).all(close) {
            return Err(format!("output {index} should be {expected:?}, found {output:?}"));
        }
    }
    Ok(())
}

/// Adds to `graph` the sum over all float outputs of output × coefficient, the coefficients being fed.
/// Returns the loss, `None` if no output is a float, and the coefficients.
fn add_loss(graph: &mut Graph, outputs: &[Tensor]) -> Result<Option<(ValueId, Vec<Tensor>)>, GraphError> {
    let random = Random::new(1, "operator coefficients");
    let mut loss = None;
    let mut coefficients = Vec::new();
    for (&id, output) in graph.outputs.clone().iter().zip(outputs) {
        if !graph.ty(id).dtype.is_float() {
            continue;
        }
        let block = coefficients.len() as u64;
        coefficients.push(normal(random, block, output));
        let weight = graph.input("coefficient", graph.ty(id).clone());
        let product = graph.push("product", "Mul", Attributes::new(), &[id, weight])?;
        let flat = Attributes::from([("keepdims".to_owned(), 0.into())]);
        let sum = graph.push("sum", "ReduceSum", flat, &[product])?;
        loss = Some(match loss {
            None => sum,
            Some(before) => graph.push("loss", "Add", Attributes::new(), &[before, sum])?,
        });
    }
    Ok(loss.map(|loss| (loss, coefficients)))
}

/// Standard normal numbers in the type and shape of `like`.
fn normal(random: Random, block: u64, like: &Tensor) -> Tensor {
    let values: Vec<f64> = (0..like.len()).map(|index| random.normal(block, index as u64) as f64).collect();
    Tensor::from_f64(like.dtype(), like.shape(), &values)
}

/// The loss of a case in `f64` with its gradients by [`differentiate`].
struct Differentiated {
    graph: Graph,
    /// What to feed: the case's inputs, then the coefficients.
    feed: Vec<Tensor>,
    /// For each fed float input: its position in `feed` and its gradient.
    gradients: Vec<(usize, Option<Tensor>)>,
}

/// Differentiates the case; `None` if no output or no fed input is a float.
fn differentiated(graph: &Graph, case: &Case) -> Result<Option<Differentiated>, GraphError> {
    let mut graph = graph.with_floats(DType::F64)?;
    let mut feed: Vec<Tensor> = fed(case);
    for tensor in feed.iter_mut().filter(|tensor| tensor.dtype().is_float()) {
        *tensor = tensor.cast(DType::F64);
    }
    let outputs = evaluate(&graph, &feed)?;
    let floats: Vec<usize> = (0..feed.len()).filter(|&at| feed[at].dtype().is_float()).collect();
    let wrt: Vec<ValueId> = floats.iter().map(|&at| graph.inputs[at]).collect();
    let Some((loss, coefficients)) = add_loss(&mut graph, &outputs)?.filter(|_| !wrt.is_empty()) else {
        return Ok(None);
    };
    feed.extend(coefficients);
    let gradients = differentiate(&mut graph, loss, &wrt)?;
    graph.outputs = [loss].into_iter().chain(gradients.iter().copied().flatten()).collect();
    let mut computed = evaluate(&graph, &feed)?.into_iter().skip(1);
    let gradients =
        floats.into_iter().zip(gradients).map(|(at, id)| (at, id.and_then(|_| computed.next()))).collect();
    Ok(Some(Differentiated { graph, feed, gradients }))
}

impl Differentiated {
    /// The loss with `direction` × `step` added to what is fed at `at`.
    fn loss(&self, at: usize, direction: &Tensor, step: f64) -> f64 {
        let mut feed = self.feed.clone();
        let moved: Vec<f64> =
            feed[at].to_f64().into_iter().zip(direction.to_f64()).map(|(x, d)| x + step * d).collect();
        feed[at] = Tensor::from_f64(DType::F64, feed[at].shape(), &moved);
        let loss = graph_with_first_output(&self.graph);
        evaluate(&loss, &feed).expect("it was evaluated before")[0].to_f64()[0]
    }

    /// Compares the gradients with central differences along two random directions per input.
    fn check(&self) -> Result<(), String> {
        let random = Random::new(2, "operator directions");
        for (at, gradient) in &self.gradients {
            let input = &self.feed[*at];
            if let Some(gradient) = gradient
                && (gradient.shape() != input.shape() || gradient.dtype() != input.dtype())
            {
                let (expected, found) = (ValueType::of(input), ValueType::of(gradient));
                return Err(format!("the gradient of fed input {at} should be {expected}, found {found}"));
            }
            for block in 0..2 {
                let direction = normal(random, 2 * *at as u64 + block, input);
                let numeric =
                    (self.loss(*at, &direction, STEP) - self.loss(*at, &direction, -STEP)) / (2.0 * STEP);
                let gradient = gradient.as_ref().map_or(vec![0.0; input.len()], Tensor::to_f64);
                let exact: f64 = gradient.iter().zip(direction.to_f64()).map(|(g, d)| g * d).sum();
                let tolerance = 1e-8 + GRADIENT_TOLERANCE * exact.abs().max(numeric.abs());
                if (exact - numeric).abs() > tolerance || exact.is_nan() {
                    return Err(format!(
                        "the gradient of fed input {at} gives {exact} along direction {block}, differences {numeric}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The graph with its first output only.
fn graph_with_first_output(graph: &Graph) -> Graph {
    let mut copy = graph.clone();
    copy.outputs.truncate(1);
    copy
}

#[test]
fn every_operator_has_distinct_cases() {
    for op in ops::all() {
        let mut names: Vec<_> = op.cases().iter().map(|case| case.name).collect();
        assert!(!names.is_empty(), "{} has no case", op.schema().name);
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "{} has two cases of one name", op.schema().name);
    }
}

#[test]
fn names_are_distinct_and_found() {
    for op in ops::all() {
        let found = ops::find(op.schema().name).expect("listed").schema();
        assert!(std::ptr::eq(found, op.schema()), "two operators are called {}", found.name);
    }
}

#[test]
fn outputs_are_as_expected() {
    every_case(|op, case| match (graph_of(op, case, &[]), &case.expect) {
        (Ok(_), Expect::Refused(text)) => Err(format!("was accepted, should be refused with {text:?}")),
        (Err(error), Expect::Refused(text)) if error.message.contains(text) => Ok(()),
        (Err(error), _) => Err(format!("was refused: {}", error.message)),
        (Ok(graph), _) => check_outputs(&graph, case, 0),
    });
}

#[test]
fn gradients_agree_with_central_differences() {
    every_case(|op, case| {
        if !case.gradient {
            return Ok(());
        }
        let graph = graph_of(op, case, &[]).map_err(|error| error.to_string())?;
        match differentiated(&graph, case).map_err(|error| error.to_string())? {
            Some(differentiated) => differentiated.check(),
            None => Err("has no float to differentiate; say no_gradient()".to_owned()),
        }
    });
}

#[test]
fn operators_with_a_gradient_have_a_gradient_case() {
    for op in ops::all() {
        let cases = op.cases();
        let differentiable = cases.iter().any(|case| {
            let graph = graph_of(op, case, &[]).ok();
            graph.is_some_and(|graph| matches!(differentiated(&graph, case), Ok(Some(_))))
        });
        let checked = cases.iter().any(|case| case.gradient);
        assert!(checked || !differentiable, "{} has a gradient that no case checks", op.schema().name);
    }
}

#[test]
fn a_symbolic_batch_changes_nothing() {
    every_case(|op, case| {
        if matches!(case.expect, Expect::Refused(_)) {
            return Ok(());
        }
        for (batched, length) in batches(case) {
            let Ok(graph) = graph_of(op, case, &batched) else {
                continue;
            };
            let place = |message: String| format!("with batch in inputs {batched:?}: {message}");
            check_outputs(&graph, case, length).map_err(place)?;
            if !case.gradient {
                continue;
            }
            let differentiated = differentiated(&graph, case).map_err(|error| place(error.to_string()))?;
            differentiated.map_or(Ok(()), |differentiated| differentiated.check().map_err(place))?;
        }
        Ok(())
    });
}
