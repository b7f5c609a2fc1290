//! AdamUpdate.

use tensor::{DType, Tensor};

use crate::ops::update::{self, ANCHOR, G, L1, L2, LEARNING_RATE, RATE_FACTOR, STRENGTH, W, W_NEW};
use crate::*;

/// One step of Adam, or of AdamW with `weight_decay`.
pub struct AdamUpdate;

static SCHEMA: Schema = Schema {
    name: "AdamUpdate",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`g' = g + l1 * sign(w) + l2 * w + strength * (w - anchor)`, `m' = beta1 * m + (1 - beta1) * g'`, `v' = beta2 * v + (1 - beta2) * g'^2`, and with `t = step - steps_before` and `r = learning_rate * rate_factor`, `w' = w - r * weight_decay * w - r / (1 - beta1^t) * m' / (sqrt(v') / sqrt(1 - beta2^t) + epsilon)`.\n\nSource: Kingma and Ba 2015; Loshchilov and Hutter 2019 for the weight decay.",
    inputs: &[
        W,
        G,
        Formal::required("m", "running mean of the gradient, as `w`"),
        Formal::required("v", "running mean of its square, as `w`"),
        LEARNING_RATE,
        Formal::required("step", "int64 scalar, counting from 1"),
        ANCHOR,
        STRENGTH,
    ],
    outputs: &[W_NEW, Formal::required("m_new", "as `w`"), Formal::required("v_new", "as `w`")],
    attributes: &[
        AttributeDoc { name: "beta1", default: Default::Float(0.9), doc: "what is kept of `m`, in [0, 1)" },
        AttributeDoc { name: "beta2", default: Default::Float(0.999), doc: "what is kept of `v`, in [0, 1)" },
        AttributeDoc {
            name: "epsilon",
            default: Default::Float(1e-8),
            doc: "keeps the quotient finite, in units of the gradient",
        },
        AttributeDoc {
            name: "weight_decay",
            default: Default::Float(0.0),
            doc: "the share of `w` that is taken off per unit of learning rate, apart from the gradient",
        },
        AttributeDoc {
            name: "steps_before",
            default: Default::Int(0),
            doc: "steps before this parameter's first: its running means began then",
        },
        L1,
        L2,
        RATE_FACTOR,
    ],
};

impl Operator for AdamUpdate {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        update::scalar(cx, 5, DType::I64)?;
        update::anchored(cx, 6)?;
        update::infer(cx, 2)
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let [beta1, beta2, epsilon, decay] =
            ["beta1", "beta2", "epsilon", "weight_decay"].map(|name| cx.float(name) as f64);
        let (rate, step) = (update::rate(cx, 4), cx.f64(5)[0] - cx.int("steps_before") as f64);
        if step < 1.0 {
            return Err(OpError::new(format!("step counts from 1, found {step}")));
        }
        let [correct1, correct2] = [beta1, beta2].map(|beta| 1.0 - beta.powf(step));
        let (mut w, mut m, mut v) = (cx.f64(0), cx.f64(2), cx.f64(3));
        for (index, g) in update::regularised(cx, 6).into_iter().enumerate() {
            m[index] = beta1 * m[index] + (1.0 - beta1) * g;
            v[index] = beta2 * v[index] + (1.0 - beta2) * g * g;
            let scale = v[index].sqrt() / correct2.sqrt() + epsilon;
            w[index] -= rate * decay * w[index] + rate / correct1 * m[index] / scale;
        }
        update::outputs(cx, [w, m, v])
    }

    fn cases(&self) -> Vec<Case> {
        let step = |name, step: i64| {
            let case = Case::new(name).input(&[2], &[1.0, -2.0]).input(&[2], &[0.5, -1.0]);
            let case = case.input(&[2], &[0.0, 1.0]).input(&[2], &[0.0, 1.0]).input(&[], &[0.1]);
            case.tensor(Tensor::scalar(step)).attribute("beta1", 0.5).attribute("beta2", 0.75).no_gradient()
        };
        let moments = |case: Case| case.gives(&[2], &[0.25, 0.0]).gives(&[2], &[0.0625, 1.0]);
        vec![
            // The first step from zero moments goes by the learning rate against the sign of the gradient.
            moments(step("first", 1).gives(&[2], &[0.9, -2.0])),
            moments(step("decay", 1).attribute("weight_decay", 0.5).gives(&[2], &[0.85, -1.9])),
            // 1 - 0.5^2 = 0.75, 1 - 0.75^2 = 0.4375: w = 1 - 0.1 / 0.75 * 0.25 * sqrt(0.4375) / 0.25
            moments(step("second", 2).gives(&[2], &[0.911808289, -2.0])),
            step("l1_l2", 1)
                .attribute("l1", 0.25)
                .attribute("l2", 0.25)
                .gives(&[2], &[0.9, -1.969539615])
                .gives(&[2], &[0.5, -0.375])
                .gives(&[2], &[0.25, 1.515625]),
            // As "second": the fifth step of all is the second of this parameter.
            moments(step("later", 5).attribute("steps_before", 3).gives(&[2], &[0.911808289, -2.0])),
            moments(step("factor", 1).attribute("rate_factor", 0.5).gives(&[2], &[0.95, -2.0])),
            // g' = [0.5, -1] + [1, 2] * ([1, -2] - [1.5, -2.5]) = [0, 0]
            step("anchor", 1)
                .input(&[2], &[1.5, -2.5])
                .input(&[2], &[1.0, 2.0])
                .gives(&[2], &[1.0, -2.057735027])
                .gives(&[2], &[0.0, 0.5])
                .gives(&[2], &[0.0, 0.75]),
            Case::new("step")
                .smooth(&[2], 0)
                .smooth(&[2], 1)
                .smooth(&[2], 2)
                .smooth(&[2], 3)
                .smooth(&[], 4)
                .smooth(&[], 5)
                .refused("a scalar of int64"),
        ]
    }
}
