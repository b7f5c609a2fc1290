//! Gemm.

use tensor::{Dim, Shape, Tensor};

use crate::ops::broadcast;
use crate::*;

/// General matrix product: the dense layer.
pub struct Gemm;

static SCHEMA: Schema = Schema {
    name: "Gemm",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y = alpha * a' b' + beta * c`, where `a'` is `a` or its transpose and `b'` likewise.\n\nGradient, for `y = a b + c`: `da = dy b^T`, `db = a^T dy`, `dc` the sum of `dy` over the axes along which `c` was broadcast; transposed and scaled accordingly otherwise.",
    inputs: &[
        Formal::required("a", "`[m, k]`, or `[k, m]` if `transA`, number"),
        Formal::required("b", "`[k, n]`, or `[n, k]` if `transB`, same type"),
        Formal::optional("c", "broadcasts to `[m, n]`, same type; 0 if absent"),
    ],
    outputs: &[Formal::required("y", "`[m, n]`")],
    attributes: &[
        AttributeDoc { name: "alpha", default: Default::Float(1.0), doc: "factor of the product" },
        AttributeDoc { name: "beta", default: Default::Float(1.0), doc: "factor of `c`" },
        AttributeDoc { name: "transA", default: Default::Int(0), doc: "1 transposes `a`" },
        AttributeDoc { name: "transB", default: Default::Int(0), doc: "1 transposes `b`" },
    ],
};

/// The lengths of a matrix, exchanged if `transposed`.
fn lengths(shape: &Shape, transposed: bool) -> Result<(Dim, Dim), OpError> {
    match shape.0.as_slice() {
        [rows, columns] if transposed => Ok((columns.clone(), rows.clone())),
        [rows, columns] => Ok((rows.clone(), columns.clone())),
        _ => Err(OpError::new(format!("a factor should be a matrix, found {shape}"))),
    }
}

/// Attributes of a product with these factors transposed; what equals the default is left out.
fn product(cx: &Gradient<'_>, trans_a: bool, trans_b: bool) -> Attributes {
    let alpha = cx.float("alpha");
    let scale = (alpha != 1.0).then(|| ("alpha".to_owned(), alpha.into()));
    let flags = [("transA", trans_a), ("transB", trans_b)].into_iter().filter(|flag| flag.1);
    flags.map(|(name, _)| (name.to_owned(), 1.into())).chain(scale).collect()
}

impl Operator for Gemm {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        cx.number_input(0)?;
        let (a, b) = (&cx.input(0).shape, &cx.input(1).shape);
        let (m, k) = lengths(a, cx.int("transA") != 0)?;
        let (inner, n) = lengths(b, cx.int("transB") != 0)?;
        if k != inner {
            return Err(OpError::new(format!(
                "inner lengths of {a} and {b} should agree, found {k} and {inner}"
            )));
        }
        let shape = Shape(vec![m, n]);
        if let Some(c) = cx.optional(2) {
            cx.same_dtype(0, 2)?;
            if broadcast::shape(&c.shape, &shape)? != shape {
                return Err(OpError::new(format!("c of shape {} does not broadcast to {shape}", c.shape)));
            }
        }
        cx.one(cx.same_dtype(0, 1)?, shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (trans_a, trans_b) = (cx.int("transA") != 0, cx.int("transB") != 0);
        let (rows, columns) = (cx.input(0).shape(), cx.input(1).shape());
        let (m, k) = if trans_a { (rows[1], rows[0]) } else { (rows[0], rows[1]) };
        let n = if trans_b { columns[0] } else { columns[1] };
        let (a, b) = (cx.f64(0), cx.f64(1));
        let at_a = |row: usize, inner: usize| a[if trans_a { inner * m + row } else { row * k + inner }];
        let at_b =
            |inner: usize, column: usize| b[if trans_b { column * k + inner } else { inner * n + column }];
        let (alpha, beta) = (cx.float("alpha") as f64, cx.float("beta") as f64);
        let cells = (0..m).flat_map(|row| (0..n).map(move |column| (row, column)));
        let sum = |(row, column)| (0..k).map(|inner| at_a(row, inner) * at_b(inner, column)).sum::<f64>();
        let mut y: Vec<f64> = cells.map(|cell| alpha * sum(cell)).collect();
        if let Some(c) = cx.optional(2) {
            let values = c.to_f64();
            let offsets = broadcast::offsets(c.shape(), &[m, n]);
            y.iter_mut().zip(offsets).for_each(|(y, at)| *y += beta * values[at]);
        }
        cx.one(&[m, n], &y)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (a, b, dy) = (cx.input(0), cx.input(1), cx.dy());
        let (trans_a, trans_b) = (cx.int("transA") != 0, cx.int("transB") != 0);
        if cx.needs(0) {
            let da = match trans_a {
                false => cx.op_with("Gemm", &[dy, b], product(cx, false, !trans_b)),
                true => cx.op_with("Gemm", &[b, dy], product(cx, trans_b, true)),
            };
            cx.set(0, da);
        }
        if cx.needs(1) {
            let db = match trans_b {
                false => cx.op_with("Gemm", &[a, dy], product(cx, !trans_a, false)),
                true => cx.op_with("Gemm", &[dy, a], product(cx, true, trans_a)),
            };
            cx.set(1, db);
        }
        if cx.needs(2) {
            let mut dc = cx.sum_to(dy, cx.input(2));
            if cx.float("beta") != 1.0 {
                let beta = cx.number(dc, cx.float("beta") as f64);
                dc = cx.op("Mul", &[dc, beta]);
            }
            cx.set(2, dc);
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let known = |name| Case::new(name).input(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).input(&[2, 1], &[5.0, 6.0]);
        let scaled = |case: Case| case.attribute("alpha", 0.5).attribute("beta", -2.0);
        vec![
            known("product").gives(&[2, 1], &[17.0, 39.0]),
            scaled(known("scaled").input(&[1], &[1.0])).gives(&[2, 1], &[6.5, 17.5]),
            Case::new("dense").smooth(&[4, 3], 0).smooth(&[3, 5], 1).smooth(&[5], 2),
            Case::new("trans_b").smooth(&[4, 3], 0).smooth(&[5, 3], 1).smooth(&[5], 2).attribute("transB", 1),
            scaled(Case::new("trans_a").smooth(&[3, 4], 0).smooth(&[3, 5], 1).smooth(&[4, 1], 2))
                .attribute("transA", 1),
            scaled(Case::new("trans_both").smooth(&[3, 4], 0).smooth(&[5, 3], 1).smooth(&[], 2))
                .attribute("transA", 1)
                .attribute("transB", 1),
            Case::new("inner").smooth(&[2, 3], 0).smooth(&[2, 3], 1).refused("inner lengths"),
            Case::new("rank").smooth(&[2, 3, 1], 0).smooth(&[3, 1], 1).refused("should be a matrix"),
            Case::new("bias")
                .smooth(&[2, 3], 0)
                .smooth(&[3, 1], 1)
                .smooth(&[2], 2)
                .refused("does not broadcast to"),
        ]
    }
}
