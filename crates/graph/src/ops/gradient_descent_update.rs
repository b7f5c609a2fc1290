//! GradientDescentUpdate.

use tensor::Tensor;

use crate::ops::update::{self, ANCHOR, G, L1, L2, LEARNING_RATE, RATE_FACTOR, STRENGTH, W, W_NEW};
use crate::*;

/// One step of gradient descent.
pub struct GradientDescentUpdate;

static SCHEMA: Schema = Schema {
    name: "GradientDescentUpdate",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`g' = g + l1 * sign(w) + l2 * w + strength * (w - anchor)`, `w' = w - learning_rate * rate_factor * g'`.\n\nSource: Goodfellow et al. 2016, sections 7.1 and 8.3.1.",
    inputs: &[W, G, LEARNING_RATE, ANCHOR, STRENGTH],
    outputs: &[W_NEW],
    attributes: &[L1, L2, RATE_FACTOR],
};

impl Operator for GradientDescentUpdate {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        update::anchored(cx, 3)?;
        update::infer(cx, 0)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let rate = update::rate(cx, 2);
        let w = cx.f64(0).into_iter().zip(update::regularised(cx, 3)).map(|(w, g)| w - rate * g);
        update::outputs(cx, [w.collect()])
    }

    fn cases(&self) -> Vec<Case> {
        let step = |name| {
            let case = Case::new(name).input(&[3], &[1.0, -2.0, 0.0]).input(&[3], &[0.5, 1.0, -1.0]);
            case.input(&[], &[0.1]).no_gradient()
        };
        vec![
            step("plain").gives(&[3], &[0.95, -2.1, 0.1]),
            step("l1").attribute("l1", 0.5).gives(&[3], &[0.9, -2.05, 0.1]),
            step("l2").attribute("l2", 0.5).gives(&[3], &[0.9, -2.0, 0.1]),
            step("factor").attribute("rate_factor", 0.5).gives(&[3], &[0.975, -2.05, 0.05]),
            // g' = [0.5, 1, -1] + [2, 0, 1] * ([1, -2, 0] - [0, 0, 3])
            step("anchor")
                .input(&[3], &[0.0, 0.0, 3.0])
                .input(&[3], &[2.0, 0.0, 1.0])
                .gives(&[3], &[0.75, -2.1, 0.4]),
            step("alone").input(&[3], &[0.0, 0.0, 3.0]).refused("given together"),
            step("strength")
                .input(&[3], &[0.0, 0.0, 3.0])
                .input(&[1], &[1.0])
                .refused("should be float32[3]"),
            Case::new("rate").smooth(&[2], 0).smooth(&[2], 1).smooth(&[1], 2).refused("should be a scalar"),
            Case::new("shape").smooth(&[2], 0).smooth(&[3], 1).smooth(&[], 2).refused("input 1 should be"),
        ]
    }
}
