//! GlobalAveragePool.

use tensor::{Dim, Shape, Tensor};

use crate::ops::window::{self, Window, WindowSettings};
use crate::ops::{max_pool, window::Tap};
use crate::*;

/// Mean over all spatial axes.
pub struct GlobalAveragePool;

static SCHEMA: Schema = Schema {
    name: "GlobalAveragePool",
    domain: DOMAIN_ONNX,
    since_version: 1,
    doc: "`y[n, c, 0 ..]` is the mean of `x[n, c, ..]`.\n\nGradient `AveragePoolGrad` with one window.\n\nSource: Lin et al. 2014.",
    inputs: &[Formal::required("x", "[batch, channel, spatial ..], float")],
    outputs: &[Formal::required("y", "[batch, channel, 1 ..]")],
    attributes: &[],
};

/// The one window that covers an input of the spatial lengths `input`.
pub(crate) fn whole_window(input: &[usize]) -> Result<Window, OpError> {
    Window::new(&WindowSettings::default(), input, input)
}

/// The output's type of a global pooling operator.
pub(crate) fn infer_global(cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
    let dtype = cx.float_input(0)?;
    let x = &cx.input(0).shape;
    whole_window(&window::spatial(x)?)?;
    let mut dims = x.0.clone();
    dims[2..].fill(Dim::Known(1));
    cx.one(dtype, Shape(dims))
}

/// The output of a global pooling operator: `of` each plane.
pub(crate) fn reference_global(
    cx: &Call<'_>,
    mut of: impl FnMut(&[f64], &[Tap]) -> f64,
) -> Result<Vec<Tensor>, OpError> {
    let shape = cx.input(0).shape();
    let window = whole_window(&shape[2..])?;
    let y = max_pool::pooled(&cx.f64(0), &window, |plane, _, taps| of(plane, taps));
    cx.one(&[&shape[..2], &window.outputs()].concat(), &y)
}

impl Operator for GlobalAveragePool {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        infer_global(cx)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        reference_global(cx, |plane, _| plane.iter().sum::<f64>() / plane.len() as f64)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let window = whole_window(&window::spatial(&cx.shape(cx.input(0)))?)?;
        let mut attributes = max_pool::gradient_attributes(&window);
        attributes.insert("input_shape".to_owned(), window.input_shape());
        let dx = cx.op_with("AveragePoolGrad", &[cx.dy()], attributes);
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            Case::new("square").input(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 6.0]).gives(&[1, 1, 1, 1], &[3.0]),
            Case::new("row").smooth(&[2, 3, 4], 0),
            Case::new("image").smooth(&[2, 3, 4, 5], 0),
            Case::new("flat").smooth(&[2, 3], 0).refused("rank 3 or more"),
            Case::new("empty").input(&[1, 1, 0], &[]).refused("between 1 and"),
        ]
    }
}
