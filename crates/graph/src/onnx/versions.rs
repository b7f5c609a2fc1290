//! Operator sets: which versions of an operator mean what our operator means, and how older forms become
//! today's.

use tensor::Tensor;

use crate::{Attribute, Attributes, Operator};

/// The oldest operator set that is read: the first with numpy broadcasting.
pub(super) const OPSET_MIN: i64 = 7;
/// The newest operator set that is read: the newest whose changes were looked through.
pub(super) const OPSET_MAX: i64 = 25;

/// From which operator set on an operator has had today's meaning, where that is older than the version our
/// operator states (versions in between added element types, or attributes whose defaults change nothing).
const SAME_MEANING: &[(i64, &[&str])] = &[
    (1, &["Conv", "Flatten", "Identity", "MatMul", "MaxPool", "Transpose"]),
    (4, &["Concat"]),
    (5, &["Reshape"]),
    (6, &["Abs", "Cast", "Exp", "Log", "Neg", "Relu", "Sigmoid", "Sqrt", "Tanh"]),
    (
        7,
        &["Add", "AveragePool", "BatchNormalization", "Div", "Equal", "Gemm", "Greater", "Mul", "Pow", "Sub"],
    ),
    (8, &["Expand"]),
    (9, &["Sign", "Where"]),
    (10, &["Slice"]),
    (11, &["ArgMax", "Clip", "Gather", "Pad", "Resize"]),
    (12, &["Dropout", "SoftmaxCrossEntropyLoss"]),
];

/// Operators whose `axes` were once an attribute, with the first operator set in which they are an input.
const AXES_INPUT_SINCE: &[(&str, i64)] = &[
    ("ReduceMax", 18),
    ("ReduceMean", 18),
    ("ReduceMin", 18),
    ("ReduceProd", 18),
    ("ReduceSum", 13),
    ("Squeeze", 13),
    ("Unsqueeze", 13),
];

/// Turns a node of operator set `opset` into today's form. Returns the constant inputs to append, by position
/// and name; errors with what is different where the meaning is another.
pub(super) fn modernise(
    op: &dyn Operator,
    opset: i64,
    attributes: &mut Attributes,
) -> Result<Vec<(usize, &'static str, Tensor)>, String> {
    let (name, since) = (op.schema().name, op.schema().since_version);
    if let Some((_, first)) = AXES_INPUT_SINCE.iter().find(|(candidate, _)| *candidate == name)
        && opset < *first
    {
        return match attributes.remove("axes") {
            None => Ok(Vec::new()),
            Some(Attribute::Ints(axes)) => Ok(vec![(1, "axes", Tensor::new([axes.len()], axes))]),
            Some(other) => Err(format!("attribute axes should be a list of integers, found {other:?}")),
        };
    }
    let same = SAME_MEANING.iter().find(|(_, names)| names.contains(&name));
    let oldest = same.map_or(since, |(version, _)| since.min(*version));
    match (name, opset) {
        ("Dropout", 7..12) => {
            let ratio = match attributes.remove("ratio") {
                None => 0.5,
                Some(Attribute::Float(ratio)) => ratio,
                Some(other) => return Err(format!("attribute ratio should be a number, found {other:?}")),
            };
            Ok(vec![(1, "ratio", Tensor::scalar(ratio))])
        }
        _ if opset >= oldest => Ok(Vec::new()),
        ("Softmax" | "LogSoftmax", _) => Err(format!(
            "before operator set 13, {name} works on all axes from `axis` on at once (this file: {opset})"
        )),
        _ => Err(format!("{name} is supported from operator set {oldest} on; this file declares {opset}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops;

    #[test]
    fn the_tables_name_known_operators() {
        let same = SAME_MEANING.iter().flat_map(|(_, names)| names.iter());
        for name in same.chain(AXES_INPUT_SINCE.iter().map(|(name, _)| name)) {
            assert!(ops::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn older_forms_become_todays() {
        let check = |op: &str, opset, given: Attributes, expect: Result<usize, &str>| {
            let mut attributes = given;
            let outcome = modernise(ops::find(op).expect("known"), opset, &mut attributes);
            match (&outcome, expect) {
                (Ok(inputs), Ok(count)) => assert_eq!((inputs.len(), attributes.len()), (count, 0), "{op}"),
                (Err(error), Err(text)) => assert!(error.contains(text), "{error}"),
                _ => panic!("{op} in operator set {opset}: {outcome:?}"),
            }
        };
        let axes = || Attributes::from([("axes".to_owned(), Attribute::from([1, 2]))]);
        check("ReduceMean", 13, axes(), Ok(1));
        check("ReduceSum", 11, axes(), Ok(1));
        check("Unsqueeze", 12, axes(), Ok(1));
        check("Squeeze", 12, Attributes::new(), Ok(0));
        check("Relu", 8, Attributes::new(), Ok(0));
        check("Dropout", 10, Attributes::from([("ratio".to_owned(), Attribute::from(0.25))]), Ok(1));
        check("Softmax", 13, Attributes::new(), Ok(0));
        check("Softmax", 12, Attributes::new(), Err("all axes from `axis` on at once"));
        check("Clip", 10, Attributes::new(), Err("supported from operator set 11 on"));
    }
}
