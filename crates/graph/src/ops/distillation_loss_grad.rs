//! DistillationLossGrad.

use tensor::Tensor;

use crate::ops::distillation_loss::{CLASSES, TEMPERATURE, check, columns, logarithms};
use crate::*;

/// Gradient of the distillation loss.
pub struct DistillationLossGrad;

static SCHEMA: Schema = Schema {
    name: "DistillationLossGrad",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "`dscores[b, classes_k] = T (q_bk - p_bk) * dloss / batch` with `p` and `q` as in `DistillationLoss`; 0 in the other columns.",
    inputs: &[
        Formal::required("dloss", "gradient of the loss, scalar"),
        Formal::required("scores", "`[batch, classes]`, float"),
        Formal::required("teacher", "`[batch, known]`, type of `scores`"),
    ],
    outputs: &[Formal::required("dscores", "as `scores`")],
    attributes: &[CLASSES, TEMPERATURE],
};

impl Operator for DistillationLossGrad {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        check(cx, 1)?;
        if cx.input(0).shape.rank() != 0 {
            return Err(OpError::new(format!("dloss should be a scalar, found {}", cx.input(0))));
        }
        cx.one(cx.same_dtype(0, 1)?, cx.input(1).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (shape, columns, rows) = (cx.input(1).shape(), columns(cx), logarithms(cx, 1));
        let scale = f64::from(cx.float("temperature")) * cx.f64(0)[0] / rows.len() as f64;
        let mut dscores = vec![0.0; cx.input(1).len()];
        for (row, [p, q]) in rows.iter().enumerate() {
            for ((column, p), q) in columns.iter().zip(p).zip(q) {
                dscores[row * shape[1] + column] = scale * (q.exp() - p.exp());
            }
        }
        cx.one(shape, &dscores)
    }

    fn cases(&self) -> Vec<Case> {
        let case = |name| {
            let case = Case::new(name).attribute("classes", [2, 0]).no_gradient();
            case.input(&[], &[3.0]).input(&[1, 3], &[0.0, 7.0, 0.0])
        };
        vec![
            // p - q = [0.231059, -0.231059] for the columns 2 and 0.
            case("known").input(&[1, 2], &[1.0, 0.0]).gives(&[1, 3], &[0.693175736, 0.0, -0.693175736]),
            // softmax([1/2, 0]) = [0.622459, 0.377541], times T.
            case("soft")
                .input(&[1, 2], &[1.0, 0.0])
                .attribute("temperature", 2.0)
                .gives(&[1, 3], &[0.734755987, 0.0, -0.734755987]),
            case("width").input(&[1, 3], &[1.0, 0.0, 0.0]).refused("the teacher should be"),
            Case::new("dloss")
                .attribute("classes", [1, 0])
                .input(&[1], &[1.0])
                .smooth(&[1, 2], 0)
                .smooth(&[1, 2], 1)
                .refused("a scalar"),
        ]
    }
}
