//! MatMul.

use tensor::{Dim, Shape, Tensor};

use crate::ops::broadcast;
use crate::*;

/// Matrix product.
pub struct MatMul;

static SCHEMA: Schema = Schema {
    name: "MatMul",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`c_ij = sum_k a_ik b_kj` over the last two axes, the axes before them broadcast as numpy does; a vector stands for a row on the left and for a column on the right.\n\nGradient `da = dc b^T`, `db = a^T dc`, each summed over the axes along which it was broadcast.",
    inputs: &[
        Formal::required("a", "`[.., m, k]` or `[k]`, number"),
        Formal::required("b", "`[.., k, n]` or `[k]`, same type"),
    ],
    outputs: &[Formal::required("c", "`[.., m, n]`, without `m` or `n` for a vector")],
    attributes: &[],
};

/// A product of stacks of matrices.
struct Product {
    /// Shapes of the stacks of `a`, of `b` and of the result.
    stacks: [Shape; 3],
    m: Dim,
    k: Dim,
    n: Dim,
    /// The shape of the result.
    shape: Shape,
}

fn product(a: &Shape, b: &Shape) -> Result<Product, OpError> {
    let scalar = || OpError::new("a scalar has no matrix product");
    let one = || Dim::Known(1);
    let (rows, m, k) = match a.0.as_slice() {
        [] => return Err(scalar()),
        [k] => (&[][..], one(), k),
        [stack @ .., m, k] => (stack, m.clone(), k),
    };
    let (columns, inner, n) = match b.0.as_slice() {
        [] => return Err(scalar()),
        [k] => (&[][..], k, one()),
        [stack @ .., k, n] => (stack, k, n.clone()),
    };
    if k != inner {
        return Err(OpError::new(format!(
            "inner lengths of {a} and {b} should agree, found {k} and {inner}"
        )));
    }
    let (stack_a, stack_b) = (Shape(rows.to_vec()), Shape(columns.to_vec()));
    let stack = broadcast::shape(&stack_a, &stack_b)?;
    let mut shape = stack.clone();
    shape.0.extend((a.rank() > 1).then(|| m.clone()));
    shape.0.extend((b.rank() > 1).then(|| n.clone()));
    Ok(Product { stacks: [stack_a, stack_b, stack], m, k: k.clone(), n, shape })
}

/// `value` with its last two axes exchanged.
fn transposed(cx: &mut Gradient<'_>, value: ValueId) -> ValueId {
    let rank = cx.shape(value).rank();
    let mut perm: Vec<i64> = (0..rank as i64).collect();
    perm.swap(rank - 1, rank - 2);
    cx.op_with("Transpose", &[value], Attributes::from([("perm".to_owned(), perm.into())]))
}

/// `value` with a new axis at `axis` if `vector`.
fn as_matrix(cx: &mut Gradient<'_>, value: ValueId, vector: bool, axis: i64) -> ValueId {
    if !vector {
        return value;
    }
    let axes = cx.integers(&[axis]);
    cx.op("Unsqueeze", &[value, axes])
}

impl Operator for MatMul {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.number_input(0)?;
        cx.one(cx.same_dtype(0, 1)?, product(&cx.input(0).shape, &cx.input(1).shape)?.shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let product = product(&Shape::known(cx.input(0).shape()), &Shape::known(cx.input(1).shape()))?;
        let length = |dim: &Dim| dim.known().expect("made of known lengths");
        let (m, k, n) = (length(&product.m), length(&product.k), length(&product.n));
        let [stack_a, stack_b, stack] =
            product.stacks.map(|shape| shape.lengths().expect("made of known lengths"));
        let (a, b) = (cx.f64(0), cx.f64(1));
        let mut c = Vec::new();
        let starts_b = broadcast::offsets(&stack_b, &stack);
        for (at_a, at_b) in broadcast::offsets(&stack_a, &stack).into_iter().zip(starts_b) {
            let (a, b) = (&a[at_a * m * k..][..m * k], &b[at_b * k * n..][..k * n]);
            for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
                c.push((0..k).map(|inner| a[row * k + inner] * b[inner * n + column]).sum());
            }
        }
        cx.one(&product.shape.lengths().expect("made of known lengths"), &c)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (a, b, dy) = (cx.input(0), cx.input(1), cx.dy());
        let [row, column] = [a, b].map(|value| cx.shape(value).rank() == 1);
        if cx.shape(a).rank() == 2 && cx.shape(b).rank() == 2 {
            let flag = |name: &str| Attributes::from([(name.to_owned(), 1.into())]);
            if cx.needs(0) {
                let da = cx.op_with("Gemm", &[dy, b], flag("transB"));
                cx.set(0, da);
            }
            if cx.needs(1) {
                let db = cx.op_with("Gemm", &[a, dy], flag("transA"));
                cx.set(1, db);
            }
            return Ok(());
        }
        let dy = as_matrix(cx, dy, column, -1); // [.., m, 1]
        let dy = as_matrix(cx, dy, row, -2); // [.., 1, n]
        let a = as_matrix(cx, a, row, 0); // [1, k]
        let b = as_matrix(cx, b, column, 1); // [k, 1]
        if cx.needs(0) {
            let flipped = transposed(cx, b);
            let stacked = cx.op("MatMul", &[dy, flipped]);
            let summed = cx.sum_to(stacked, a);
            let da = if row { cx.reshape_like(summed, cx.input(0))? } else { summed };
            cx.set(0, da);
        }
        if cx.needs(1) {
            let flipped = transposed(cx, a);
            let stacked = cx.op("MatMul", &[flipped, dy]);
            let summed = cx.sum_to(stacked, b);
            let db = if column { cx.reshape_like(summed, cx.input(1))? } else { summed };
            cx.set(1, db);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let known = Case::new("known").input(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).input(&[2, 1], &[5.0, 6.0]);
        vec![
            known.gives(&[2, 1], &[17.0, 39.0]),
            Case::new("matrices").smooth(&[4, 3], 0).smooth(&[3, 5], 1),
            Case::new("stacks").smooth(&[2, 1, 2, 3], 0).smooth(&[4, 3, 2], 1),
            Case::new("sequence").smooth(&[2, 4, 3], 0).smooth(&[3, 2], 1),
            Case::new("vectors").smooth(&[3], 0).smooth(&[3], 1),
            Case::new("row").smooth(&[3], 0).smooth(&[2, 3, 4], 1),
            Case::new("column").smooth(&[2, 4, 3], 0).smooth(&[3], 1),
            Case::new("empty").input(&[2, 0], &[]).input(&[0, 1], &[]).gives(&[2, 1], &[0.0, 0.0]),
            Case::new("inner").smooth(&[2, 3], 0).smooth(&[2, 3], 1).refused("inner lengths"),
            Case::new("scalar").smooth(&[], 0).smooth(&[2, 3], 1).refused("a scalar"),
            Case::new("clash").smooth(&[2, 2, 3], 0).smooth(&[3, 3, 2], 1).refused("do not broadcast"),
        ]
    }
}
