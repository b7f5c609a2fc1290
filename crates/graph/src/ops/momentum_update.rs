//! MomentumUpdate.

use tensor::Tensor;

use crate::ops::update::{self, ANCHOR, G, L1, L2, LEARNING_RATE, RATE_FACTOR, STRENGTH, W, W_NEW};
use crate::*;

/// One step of gradient descent with momentum.
pub struct MomentumUpdate;

static SCHEMA: Schema = Schema {
    name: "MomentumUpdate",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`g' = g + l1 * sign(w) + l2 * w + strength * (w - anchor)`, `v' = momentum * v + g'`, `w' = w - learning_rate * rate_factor * v'`; with `nesterov`, `w' = w - learning_rate * rate_factor * (g' + momentum * v')`.\n\nSource: Sutskever et al. 2013, in the form of PyTorch (the rate outside of the velocity).",
    inputs: &[
        W,
        G,
        Formal::required("velocity", "running sum of gradients, as `w`"),
        LEARNING_RATE,
        ANCHOR,
        STRENGTH,
    ],
    outputs: &[W_NEW, Formal::required("velocity_new", "as `w`")],
    attributes: &[
        AttributeDoc {
            name: "momentum",
            default: Default::Float(0.9),
            doc: "what is kept of the velocity, in [0, 1)",
        },
        AttributeDoc { name: "nesterov", default: Default::Int(0), doc: "1 looks one step ahead" },
        L1,
        L2,
        RATE_FACTOR,
    ],
};

impl Operator for MomentumUpdate {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        update::anchored(cx, 4)?;
        update::infer(cx, 1)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (momentum, nesterov) = (cx.float("momentum") as f64, cx.int("nesterov") != 0);
        let rate = update::rate(cx, 3);
        let (mut w, mut v) = (cx.f64(0), cx.f64(2));
        for ((w, v), g) in w.iter_mut().zip(&mut v).zip(update::regularised(cx, 4)) {
            *v = momentum * *v + g;
            *w -= rate * if nesterov { g + momentum * *v } else { *v };
        }
        update::outputs(cx, [w, v])
    }

    fn cases(&self) -> Vec<Case> {
        let step = |name| {
            let case = Case::new(name).input(&[2], &[1.0, -2.0]).input(&[2], &[0.5, 1.0]);
            case.input(&[2], &[0.0, 2.0]).input(&[], &[0.1]).attribute("momentum", 0.5).no_gradient()
        };
        vec![
            step("plain").gives(&[2], &[0.95, -2.2]).gives(&[2], &[0.5, 2.0]),
            step("nesterov").attribute("nesterov", 1).gives(&[2], &[0.925, -2.2]).gives(&[2], &[0.5, 2.0]),
            step("l2").attribute("l2", 0.5).gives(&[2], &[0.9, -2.1]).gives(&[2], &[1.0, 1.0]),
            // g' = [0.5, 1] + [2, 1] * ([1, -2] - [0, -1])
            step("anchor")
                .input(&[2], &[0.0, -1.0])
                .input(&[2], &[2.0, 1.0])
                .attribute("rate_factor", 0.5)
                .gives(&[2], &[0.875, -2.05])
                .gives(&[2], &[2.5, 1.0]),
            Case::new("rate")
                .smooth(&[2], 0)
                .smooth(&[2], 1)
                .smooth(&[2], 2)
                .smooth(&[2], 3)
                .refused("should be a scalar"),
        ]
    }
}
