//! Reshape.

use tensor::{Dim, Shape, Tensor};

use crate::ops::settings;
use crate::*;

/// The same elements under another shape.
pub struct Reshape;

static SCHEMA: Schema = Schema {
    name: "Reshape",
    domain: DOMAIN_ONNX,
    since_version: 14,
    doc: "`y` has the elements of `x` in row-major order. In `shape`, 0 keeps the length of `x` at that axis and one -1 stands for what is left over. A symbolic length is kept by 0, or by -1 if the other lengths leave exactly it.\n\nGradient: `dy` in the shape of `x`.",
    inputs: &[
        Formal::required("x", "any shape and type"),
        Formal::required("shape", "int64 constant, one length per axis of `y`"),
    ],
    outputs: &[Formal::required("y", "`shape`, as many elements as `x`")],
    attributes: &[AttributeDoc {
        name: "allowzero",
        default: Default::Int(0),
        doc: "1: a 0 in `shape` is the length 0 rather than the length of `x`",
    }],
};

/// The product of the known lengths; the symbols among `dims` in order.
fn product<'a>(dims: impl Iterator<Item = &'a Dim>) -> Result<(usize, Vec<&'a Dim>), OpError> {
    let (mut known, mut symbols) = (1usize, Vec::new());
    for dim in dims {
        match dim.known() {
            None => symbols.push(dim),
            Some(length) => {
                known = known.checked_mul(length).ok_or_else(|| OpError::new("the shape is too large"))?;
            }
        }
    }
    symbols.sort_by_key(|dim| dim.to_string());
    Ok((known, symbols))
}

/// The length that `-1` stands for: what the other lengths `rest` of `y` leave of `x`.
fn left_over(x: &Shape, rest: &[Dim]) -> Result<Dim, OpError> {
    let misfit = || OpError::new(format!("the elements of {x} do not divide into {}", Shape(rest.to_vec())));
    let (all, mut symbols) = product(x.0.iter())?;
    let (other, others) = product(rest.iter())?;
    for symbol in others {
        symbols.remove(symbols.iter().position(|&own| own == symbol).ok_or_else(misfit)?);
    }
    match symbols[..] {
        [] if other != 0 && all % other == 0 => Ok(Dim::Known(all / other)),
        [symbol] if other == all && all != 0 => Ok(symbol.clone()),
        _ => Err(misfit()),
    }
}

/// The shape of `y`.
fn target(x: &Shape, lengths: &[i64], allow_zero: bool) -> Result<Shape, OpError> {
    let refuse = |what: &str| OpError::new(format!("shape {lengths:?} {what}"));
    let mut dims = Vec::new();
    let mut hole = None;
    for (axis, &length) in lengths.iter().enumerate() {
        match length {
            0 if !allow_zero => {
                dims.push(
                    x.0.get(axis).cloned().ok_or_else(|| refuse("keeps an axis that x does not have"))?,
                );
            }
            -1 if hole.is_none() => hole = Some(axis),
            -1 => return Err(refuse("has -1 twice")),
            length => dims.push(Dim::Known(
                usize::try_from(length).map_err(|_| refuse("should not be negative but for -1"))?,
            )),
        }
    }
    match hole {
        Some(axis) => dims.insert(axis, left_over(x, &dims)?),
        None if product(dims.iter())? == product(x.0.iter())? => {}
        None => {
            let y = Shape(dims);
            return Err(OpError::new(format!("{x} has other elements than {y}")));
        }
    }
    Ok(Shape(dims))
}

impl Operator for Reshape {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let lengths = settings::integers(cx, 1)?.unwrap_or_default();
        let shape = target(&cx.input(0).shape, &lengths, cx.int("allowzero") != 0)?;
        cx.one(cx.input(0).dtype, shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let lengths = settings::given(cx, 1).unwrap_or_default();
        let shape = target(&Shape::known(cx.input(0).shape()), &lengths, cx.int("allowzero") != 0)?;
        let shape = shape.lengths().expect("made of known lengths");
        Ok(vec![cx.input(0).clone().reshaped(shape)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let dx = cx.reshape_like(cx.dy(), cx.input(0))?;
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let x = |name| Case::new(name).smooth(&[2, 3, 4], 0);
        vec![
            Case::new("known")
                .input(&[2, 2], &[1.0, 2.0, 3.0, 4.0])
                .integers(&[4])
                .gives(&[4], &[1.0, 2.0, 3.0, 4.0]),
            x("keep").integers(&[0, -1]),
            x("split").integers(&[-1, 3, 2, 2]),
            x("scalar").integers(&[]).refused("has other elements"),
            x("twice").integers(&[-1, -1]).refused("-1 twice"),
            x("negative").integers(&[-2]).refused("negative"),
            x("beyond").integers(&[2, 3, 4, 0]).refused("does not have"),
            x("uneven").integers(&[5, -1]).refused("do not divide"),
            Case::new("empty")
                .input(&[0, 3], &[])
                .integers(&[3, 0])
                .attribute("allowzero", 1)
                .gives(&[3, 0], &[]),
        ]
    }
}
