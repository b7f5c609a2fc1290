//! Operators meet whatever an ONNX file says. Every case is changed at random in types, shapes, settings and
//! presence of inputs; inference and reference must then refuse or agree, and never panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use graph::{Attribute, Case, Graph, Operator, ValueType, evaluate, ops};
use tensor::{DType, Random, Tensor};

/// How many changed versions of each case are tried.
const CHANGED_PER_CASE: u64 = 150;
/// The reference runs only where values stay smaller than this.
const ELEMENTS_MAX: usize = 1 << 14;
/// Integers at which arithmetic breaks if it is not checked.
const ODD: [i64; 14] = [i64::MIN, -(1 << 40), -7, -2, -1, 0, 1, 2, 3, 5, 1 << 20, 1 << 31, 1 << 62, i64::MAX];

/// A stream of choices.
struct Choices {
    random: Random,
    block: u64,
    index: u64,
}

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.index += 1;
        self.random.below(self.block, self.index, bound as u32) as usize
    }

    fn odd(&mut self) -> i64 {
        ODD[self.below(ODD.len())]
    }

    fn shape(&mut self, from: &[usize]) -> Vec<usize> {
        let mut shape = from.to_vec();
        match self.below(4) {
            0 => shape.insert(self.below(from.len() + 1), self.below(3)),
            1 if !from.is_empty() => drop(shape.remove(self.below(from.len()))),
            2 if !from.is_empty() => {
                let axis = self.below(from.len());
                shape[axis] = self.below(5);
            }
            _ => {}
        }
        shape
    }

    /// A tensor like `from` with another type, shape or odd values.
    fn tensor(&mut self, from: &Tensor) -> Tensor {
        let shape = self.shape(from.shape());
        let dtype = if self.below(4) == 0 { DType::ALL[self.below(6)] } else { from.dtype() };
        let count: usize = shape.iter().product();
        if !dtype.is_float() && self.below(3) > 0 {
            return Tensor::new(shape, (0..count).map(|_| self.odd()).collect::<Vec<i64>>()).cast(dtype);
        }
        let old = from.to_f64();
        let values: Vec<f64> = (0..count).map(|index| old.get(index).copied().unwrap_or(f64::NAN)).collect();
        Tensor::from_f64(dtype, shape, &values)
    }

    fn attribute(&mut self, from: &Attribute) -> Attribute {
        match from {
            Attribute::Int(_) => self.odd().into(),
            Attribute::Float(_) => [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e30][self.below(5)].into(),
            Attribute::Text(_) => ["", "none", "SAME_UPPER", "NOTSET", "VALID", "sum"][self.below(6)].into(),
            Attribute::Ints(values) => {
                let mut values = values.clone();
                match self.below(3) {
                    0 => values.push(self.odd()),
                    1 if !values.is_empty() => drop(values.pop()),
                    _ => {
                        let at = self.below(values.len().max(1));
                        values.iter_mut().skip(at).take(1).for_each(|value| *value = self.odd());
                    }
                }
                values.into()
            }
            other => other.clone(),
        }
    }

    /// Changes one thing about the case.
    fn change(&mut self, op: &dyn Operator, case: &mut Case) {
        let input = self.below(case.inputs.len().max(1));
        match self.below(6) {
            0 => case.inputs.iter_mut().skip(input).take(1).for_each(|input| *input = None),
            1 => case.constant.iter_mut().skip(input).take(1).for_each(|constant| *constant = !*constant),
            2 => case.output_count = 1 + self.below(3),
            3 => {
                let declared = op.schema().attributes;
                let Some(chosen) = declared.get(self.below(declared.len().max(1))) else {
                    return;
                };
                let new = match (case.attributes.get(chosen.name), chosen.default) {
                    (Some(old), _) => self.attribute(&old.clone()),
                    (None, graph::Default::Float(_)) => self.attribute(&0f32.into()),
                    (None, graph::Default::Text(_)) => self.attribute(&"".into()),
                    (None, graph::Default::Int(_)) => self.odd().into(),
                    (None, _) => self.attribute(&vec![0, 1].into()),
                };
                case.attributes.insert(chosen.name.to_owned(), new);
            }
            _ => {
                for slot in case.inputs.iter_mut().skip(input).take(1) {
                    *slot = slot.as_ref().map(|tensor| self.tensor(tensor));
                }
            }
        }
    }
}

/// Builds and, if that is accepted and small, evaluates the case.
fn attempt(op: &dyn Operator, case: &Case) -> Result<(), String> {
    let mut graph = Graph::new("hostile");
    let (mut inputs, mut feed) = (Vec::new(), Vec::new());
    for (tensor, constant) in case.inputs.iter().zip(&case.constant) {
        inputs.push(tensor.clone().map(|tensor| {
            if *constant {
                return graph.constant("constant", tensor);
            }
            feed.push(tensor.clone());
            graph.input("input", ValueType::of(&tensor))
        }));
    }
    let names = vec!["output"; case.output_count];
    let Ok(outputs) = graph.push_node("node", op.schema().name, case.attributes.clone(), &inputs, &names)
    else {
        return Ok(());
    };
    graph.outputs = outputs;
    let lengths = |id: &graph::ValueId| graph.ty(*id).shape.lengths().expect("inputs are known");
    if graph.outputs.iter().any(|id| lengths(id).iter().product::<usize>() > ELEMENTS_MAX) {
        return Ok(());
    }
    let Ok(computed) = evaluate(&graph, &feed) else {
        return Ok(());
    };
    for (id, tensor) in graph.outputs.iter().zip(&computed) {
        if *graph.ty(*id) != ValueType::of(tensor) {
            let (said, gave) = (graph.ty(*id), ValueType::of(tensor));
            return Err(format!("inference says {said}, the reference gives {gave}"));
        }
    }
    Ok(())
}

#[test]
fn odd_nodes_are_refused_or_computed_but_never_panic() {
    let mut failures = Vec::new();
    for op in ops::all() {
        for (case_index, case) in op.cases().into_iter().enumerate() {
            let random = Random::new(case_index as u64, op.schema().name);
            for block in 0..CHANGED_PER_CASE {
                let mut choices = Choices { random, block, index: 0 };
                let mut changed = case.clone();
                for _ in 0..=choices.below(3) {
                    choices.change(op, &mut changed);
                }
                let outcome = catch_unwind(AssertUnwindSafe(|| attempt(op, &changed)));
                if let Err(message) = outcome.unwrap_or_else(|_| Err("panicked".to_owned())) {
                    failures.push(format!("{}: {message}: {changed:?}", op.schema().name));
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
