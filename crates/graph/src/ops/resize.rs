//! Resize.

use tensor::{DType, Dim, Tensor};

use crate::operator::axis_of;
use crate::ops::settings;
use crate::*;

/// Linear resizing, of images bilinear.
pub struct Resize;

static SCHEMA: Schema = Schema {
    name: "Resize",
    domain: DOMAIN_ONNX,
    since_version: 18,
    doc: "Along each of `axes`, an axis of length `n` that becomes `m`: `y_o = (1 - t) x_i + t x_{i+1}` with `i + t = (o + 1/2) n / m - 1/2`, places beyond an edge taking the edge; axes one after the other. Only `mode` `linear` with half-pixel coordinates, without smoothing where an axis gets shorter, and lengths given by `sizes`.\n\nGradient `dx = w^T dy` along each axis, `w` being these weights; of the last two axes only.",
    inputs: &[
        Formal::required("x", "any shape, float"),
        Formal::optional("roi", "not used"),
        Formal::optional("scales", "must be absent or empty"),
        Formal::optional("sizes", "int64 constant: the new length of each of `axes`; must be given"),
    ],
    outputs: &[Formal::required("y", "as `x`, with the new lengths")],
    attributes: &[
        AttributeDoc { name: "axes", default: Default::Absent, doc: "the axes that `sizes` speaks of; all" },
        AttributeDoc { name: "mode", default: Default::Text("nearest"), doc: "must be `linear`" },
        AttributeDoc {
            name: "coordinate_transformation_mode",
            default: Default::Text("half_pixel"),
            doc: "must be `half_pixel`",
        },
        AttributeDoc { name: "antialias", default: Default::Int(0), doc: "must be 0" },
        AttributeDoc {
            name: "keep_aspect_ratio_policy",
            default: Default::Text("stretch"),
            doc: "must be `stretch`",
        },
        AttributeDoc { name: "cubic_coeff_a", default: Default::Float(-0.75), doc: "of another mode" },
        AttributeDoc { name: "exclude_outside", default: Default::Int(0), doc: "of another mode" },
        AttributeDoc { name: "extrapolation_value", default: Default::Float(0.0), doc: "of another mode" },
        AttributeDoc {
            name: "nearest_mode",
            default: Default::Text("round_prefer_floor"),
            doc: "of another mode",
        },
    ],
};

/// The axes in the order of `sizes`.
fn axes(given: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, OpError> {
    let Some(given) = given else { return Ok((0..rank).collect()) };
    settings::axes(&given, rank)?; // each once
    given.into_iter().map(|axis| axis_of(axis, rank)).collect()
}

/// For each place of an axis of length `to`: its two neighbours along the axis of length `from`, and the share of the
/// second.
fn neighbours(from: usize, to: usize) -> Vec<(usize, usize, f64)> {
    let last = from - 1;
    let place = |index: usize| {
        let at = ((index as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, last as f64);
        let low = at.floor() as usize;
        (low, (low + 1).min(last), at - low as f64)
    };
    (0..to).map(place).collect()
}

/// `x` of `shape` with `axis` brought to `length`; `shape` follows.
fn stretch(x: Vec<f64>, shape: &mut [usize], axis: usize, length: usize) -> Vec<f64> {
    let from = std::mem::replace(&mut shape[axis], length);
    if from == length || x.is_empty() {
        return x;
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let places = neighbours(from, length);
    let mut y = Vec::with_capacity(x.len() / from * length);
    for part in x.chunks_exact(from * inner) {
        for &(low, high, share) in &places {
            let (low, high) = (&part[low * inner..][..inner], &part[high * inner..][..inner]);
            y.extend(low.iter().zip(high).map(|(low, high)| low + share * (high - low)));
        }
    }
    y
}

/// The weights as a matrix `[to, from]`, or transposed.
fn weights(dtype: DType, from: usize, to: usize, transposed: bool) -> Tensor {
    let mut matrix = vec![0.0; from * to];
    for (row, (low, high, share)) in neighbours(from, to).into_iter().enumerate() {
        for (column, weight) in [(low, 1.0 - share), (high, share)] {
            matrix[if transposed { column * to + row } else { row * from + column }] += weight;
        }
    }
    Tensor::from_f64(dtype, if transposed { [from, to] } else { [to, from] }, &matrix)
}

impl Operator for Resize {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let dtype = cx.float_input(0)?;
        for (name, only) in [
            ("mode", "linear"),
            ("coordinate_transformation_mode", "half_pixel"),
            ("keep_aspect_ratio_policy", "stretch"),
        ] {
            if cx.text(name) != only {
                return Err(OpError::new(format!("{name} should be {only}, found {}", cx.text(name))));
            }
        }
        if cx.int("antialias") != 0 {
            return Err(OpError::new("antialias should be 0"));
        }
        if cx.optional(2).is_some_and(|scales| scales.shape.0 != [Dim::Known(0)]) {
            return Err(OpError::new("the new lengths should be given by sizes, found scales"));
        }
        let sizes = settings::integers(cx, 3)?.ok_or_else(|| OpError::new("sizes should be given"))?;
        let mut shape = cx.input(0).shape.clone();
        let axes = axes(cx.ints("axes"), shape.rank())?;
        if axes.len() != sizes.len() {
            let (axes, sizes) = (axes.len(), sizes.len());
            return Err(OpError::new(format!(
                "there should be a size for each axis, found {sizes} for {axes}"
            )));
        }
        for (axis, size) in axes.into_iter().zip(sizes) {
            let length = usize::try_from(size).ok().filter(|&length| length > 0);
            let length =
                length.ok_or_else(|| OpError::new(format!("a size should be above 0, found {size}")))?;
            match shape.0[axis].known() {
                Some(from) if from > 0 => shape.0[axis] = Dim::Known(length),
                _ => {
                    let found = &shape.0[axis];
                    return Err(OpError::new(format!(
                        "axis {axis} should have a known length, found {found}"
                    )));
                }
            }
        }
        cx.one(dtype, shape)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let mut shape = cx.input(0).shape().to_vec();
        let axes = axes(cx.ints("axes"), shape.len())?;
        let mut x = cx.f64(0);
        for (axis, size) in axes.into_iter().zip(settings::given(cx, 3).unwrap_or_default()) {
            x = stretch(x, &mut shape, axis, size as usize);
        }
        cx.one(&shape, &x)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let (from, to) = (cx.shape(cx.input(0)), cx.shape(cx.dy()));
        let (mut dx, dtype, rank) = (cx.dy(), cx.dtype(cx.dy()), from.rank());
        for axis in 0..rank {
            let (Some(before), Some(after)) = (from.0[axis].known(), to.0[axis].known()) else { continue };
            if before == after {
                continue;
            }
            dx = match rank - axis {
                1 if rank > 1 => {
                    let matrix = cx.constant(weights(dtype, before, after, false)); // [after, before]
                    cx.op("MatMul", &[dx, matrix]) // [.., before]
                }
                2 => {
                    let matrix = cx.constant(weights(dtype, before, after, true)); // [before, after]
                    cx.op("MatMul", &[matrix, dx]) // [.., before, width]
                }
                _ => return Err(OpError::new("Resize has a gradient along the last two of its axes only")),
            };
        }
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let linear = |name| Case::new(name).attribute("mode", "linear");
        let row = |name| linear(name).input(&[1, 2], &[0.0, 4.0]).absent().absent();
        let image = |name| linear(name).smooth(&[2, 3, 4, 5], 0).absent().absent().attribute("axes", [2, 3]);
        vec![
            row("doubled").integers(&[1, 4]).gives(&[1, 4], &[0.0, 1.0, 3.0, 4.0]),
            row("one_axis").integers(&[4]).attribute("axes", [-1]).gives(&[1, 4], &[0.0, 1.0, 3.0, 4.0]),
            row("to_one").integers(&[1]).attribute("axes", [1]).gives(&[1, 1], &[2.0]),
            linear("halved")
                .input(&[1, 4], &[0.0, 2.0, 4.0, 8.0])
                .absent()
                .absent()
                .integers(&[1, 2])
                .gives(&[1, 2], &[1.0, 6.0]),
            linear("square")
                .input(&[1, 1, 2, 2], &[0.0, 4.0, 8.0, 12.0])
                .absent()
                .absent()
                .integers(&[1, 1, 2, 4])
                .gives(&[1, 1, 2, 4], &[0.0, 1.0, 3.0, 4.0, 8.0, 9.0, 11.0, 12.0]),
            image("larger").integers(&[9, 7]),
            image("smaller").integers(&[3, 2]),
            image("same").integers(&[4, 5]),
            image("other_order").attribute("axes", [3, 2]).integers(&[7, 4]),
            image("channels").attribute("axes", [1]).integers(&[2]).no_gradient(),
            image("nearest").attribute("mode", "nearest").integers(&[8, 8]).refused("should be linear"),
            image("corners")
                .attribute("coordinate_transformation_mode", "align_corners")
                .integers(&[8, 8])
                .refused("should be half_pixel"),
            image("smoothed").attribute("antialias", 1).integers(&[2, 2]).refused("antialias"),
            image("counts").integers(&[8]).refused("for each axis"),
            image("nothing").integers(&[0, 8]).refused("above 0"),
            image("twice").attribute("axes", [2, 2]).integers(&[8, 8]).refused("named twice"),
            image("huge").integers(&[1 << 40, 1 << 40]).refused("elements"),
            linear("no_sizes").smooth(&[2, 3], 0).refused("sizes should be given"),
            linear("scales")
                .smooth(&[2, 3], 0)
                .absent()
                .constant(Tensor::new([2], vec![1.0f32, 2.0]))
                .integers(&[2, 6])
                .refused("found scales"),
        ]
    }
}
