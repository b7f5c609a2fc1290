//! Pad.

use tensor::{DType, Dim, Tensor};

use crate::operator::axis_of;
use crate::ops::{movement, settings};
use crate::*;

/// A border around a value.
pub struct Pad;

static SCHEMA: Schema = Schema {
    name: "Pad",
    domain: DOMAIN_ONNX,
    since_version: 18,
    doc: "`y` is `x` with `pads` elements of the value `constant_value` before and behind it along each of `axes`. Only `mode` `constant`, and no negative `pads`.\n\nGradient: `dy` without the border.",
    inputs: &[
        Formal::required("x", "any shape, number"),
        Formal::required("pads", "int64 constant: elements before each axis, then elements behind each axis"),
        Formal::optional("constant_value", "one element of the type of `x`; 0"),
        Formal::optional(
            "axes",
            "int64 constant: the axes that `pads` speaks of, negative from the end; all",
        ),
    ],
    outputs: &[Formal::required("y", "as `x`, longer by the border")],
    attributes: &[AttributeDoc {
        name: "mode",
        default: Default::Text("constant"),
        doc: "must be `constant`",
    }],
};

/// Elements before and behind each of the `rank` axes.
fn border(pads: &[i64], axes: Option<Vec<i64>>, rank: usize) -> Result<Vec<[usize; 2]>, OpError> {
    let axes = match axes {
        None => (0..rank).collect(),
        Some(given) => {
            settings::axes(&given, rank)?; // each once
            given.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?
        }
    };
    if pads.len() != 2 * axes.len() {
        let (pads, axes) = (pads.len(), axes.len());
        return Err(OpError::new(format!("pads should be two for each axis, found {pads} for {axes}")));
    }
    let count = |count: i64| {
        usize::try_from(count)
            .map_err(|_| OpError::new(format!("pads should not be negative, found {count}")))
    };
    let mut border = vec![[0, 0]; rank];
    for (index, &axis) in axes.iter().enumerate() {
        border[axis] = [count(pads[index])?, count(pads[axes.len() + index])?];
    }
    Ok(border)
}

impl Operator for Pad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let dtype = cx.number_input(0)?;
        if cx.text("mode") != "constant" {
            return Err(OpError::new(format!("mode should be constant, found {}", cx.text("mode"))));
        }
        if let Some(value) = cx.optional(2) {
            let one = value.shape.lengths().is_some_and(|lengths| lengths.iter().product::<usize>() == 1);
            if value.dtype != dtype || !one {
                return Err(OpError::new(format!("constant_value should be one {dtype}, found {value}")));
            }
        }
        let pads = settings::integers(cx, 1)?.unwrap_or_default();
        let mut shape = cx.input(0).shape.clone();
        let border = border(&pads, settings::integers(cx, 3)?, shape.rank())?;
        for (axis, [before, behind]) in border.into_iter().enumerate().filter(|(_, border)| *border != [0, 0])
        {
            let length =
                shape.0[axis].known().and_then(|length| length.checked_add(before)?.checked_add(behind));
            let length = length.ok_or_else(|| {
                OpError::new(format!(
                    "axis {axis} of {} cannot get {before} + {behind} longer",
                    cx.input(0).shape
                ))
            })?;
            shape.0[axis] = Dim::Known(length);
        }
        cx.one(dtype, shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = cx.input(0);
        let border =
            border(&settings::given(cx, 1).unwrap_or_default(), settings::given(cx, 3), x.shape().len())?;
        let strides = movement::strides(x.shape());
        let mut shape = Vec::with_capacity(border.len());
        // For each element of `y` so far: its offset in `x`, or none in the border.
        let mut offsets = vec![Some(0)];
        for (axis, &[before, behind]) in border.iter().enumerate() {
            let (length, stride) = (x.shape()[axis], strides[axis]);
            let along = |start: Option<usize>| {
                (0..before + length + behind).map(move |index| {
                    let inside = index.checked_sub(before).filter(|&index| index < length)?;
                    Some(start? + inside * stride)
                })
            };
            offsets = offsets.into_iter().flat_map(along).collect();
            shape.push(before + length + behind);
        }
        let zero = Tensor::from_f64(x.dtype(), [1], &[0.0]);
        let value = cx.optional(2).unwrap_or(&zero);
        let from = offsets.into_iter().map(|offset| offset.map_or((1, 0), |offset| (0, offset)));
        Ok(vec![movement::pick(&[x, value], &shape, from)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if cx.needs(2) {
            return Err(OpError::new("Pad has no gradient with respect to constant_value"));
        }
        let list = |index: usize| {
            let constant = cx.optional_input(index).and_then(|id| cx.constant_of(id));
            constant.map(settings::list)
        };
        let border = border(&list(1).unwrap_or_default(), list(3), cx.shape(cx.input(0)).rank())?;
        let padded: Vec<(usize, [usize; 2])> =
            border.into_iter().enumerate().filter(|(_, border)| *border != [0, 0]).collect();
        if padded.is_empty() {
            cx.set(0, cx.dy());
            return Ok(());
        }
        let lists: [Vec<i64>; 3] = [
            padded.iter().map(|(_, [before, _])| *before as i64).collect(),
            padded
                .iter()
                .map(|(_, [_, behind])| if *behind == 0 { i64::MAX } else { -(*behind as i64) })
                .collect(),
            padded.iter().map(|(axis, _)| *axis as i64).collect(),
        ];
        let [starts, ends, axes] = lists.map(|list| cx.integers(&list));
        let dx = cx.op("Slice", &[cx.dy(), starts, ends, axes]);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let row = |name| Case::new(name).input(&[1, 2], &[1.0, 2.0]);
        let image = |name| Case::new(name).smooth(&[2, 3, 2, 2], 0);
        let one = || Tensor::from_f64(DType::F32, [], &[7.0]);
        vec![
            row("both").integers(&[0, 1, 0, 2]).gives(&[1, 5], &[0.0, 1.0, 2.0, 0.0, 0.0]),
            row("value")
                .integers(&[0, 1, 1, 0])
                .constant(one())
                .gives(&[2, 3], &[7.0, 1.0, 2.0, 7.0, 7.0, 7.0]),
            row("one_axis").integers(&[1, 0]).absent().integers(&[-1]).gives(&[1, 3], &[0.0, 1.0, 2.0]),
            row("nothing").integers(&[0, 0, 0, 0]).gives(&[1, 2], &[1.0, 2.0]),
            Case::new("bytes")
                .tensor(Tensor::new([2], vec![1u8, 2]))
                .integers(&[1, 0])
                .gives_tensor(Tensor::new([3], vec![0u8, 1, 2]))
                .no_gradient(),
            image("frame").integers(&[0, 0, 4, 4, 0, 0, 4, 4]),
            image("two_axes").integers(&[1, 0, 2, 3]).absent().integers(&[3, 2]),
            Case::new("empty").smooth(&[0, 2], 0).integers(&[0, 1, 0, 1]),
            image("reflected").attribute("mode", "reflect").integers(&[0; 8]).refused("should be constant"),
            image("counts").integers(&[1, 1]).refused("two for each axis"),
            image("negative").integers(&[0, 0, -1, 0, 0, 0, 0, 0]).refused("negative"),
            image("twice").integers(&[1, 1, 1, 1]).absent().integers(&[2, -2]).refused("named twice"),
            image("huge").integers(&[0, 0, 1 << 60, 1 << 60, 0, 0, 0, 0]).refused("elements"),
            row("other_type")
                .integers(&[0, 1, 0, 0])
                .constant(Tensor::new([1], vec![1i64]))
                .refused("constant_value"),
        ]
    }
}
