//! DistillationLoss.

use tensor::{Shape, Tensor};

use crate::ops::lanes::log_softmax;
use crate::*;

/// How far softened scores are from a teacher's.
pub struct DistillationLoss;

/// Attribute documentation of the columns that the teacher speaks of.
pub(crate) const CLASSES: AttributeDoc = AttributeDoc {
    name: "classes",
    default: Default::Absent,
    doc: "the column of `scores` that each column of `teacher` speaks of, without repetition; must be given",
};
/// Attribute documentation of what softens both.
pub(crate) const TEMPERATURE: AttributeDoc = AttributeDoc {
    name: "temperature",
    default: Default::Float(1.0),
    doc: "above 0; scores are divided by it, so that a high one softens them",
};

static SCHEMA: Schema = Schema {
    name: "DistillationLoss",
    domain: DOMAIN_HEIRLOOM,
    since_version: 1,
    doc: "With `p = softmax(teacher / T)` and `q = softmax(scores[classes] / T)` per row, `loss = T^2 * mean_b sum_k p_k (ln p_k - ln q_k)`, in nats. The factor keeps the size of the gradient whatever `T` is. Columns of `scores` outside of `classes` play no part.\n\nGradient `dscores[classes_k] = T (q_k - p_k) * dloss / batch`; the teacher is given, so nothing flows to it.\n\nSource: Hinton et al. 2015, arXiv:1503.02531; Li and Hoiem 2016, arXiv:1606.09282.",
    inputs: &[
        Formal::required("scores", "`[batch, classes]`, float"),
        Formal::required("teacher", "`[batch, known]`, type of `scores`"),
    ],
    outputs: &[Formal::required("loss", "scalar")],
    attributes: &[CLASSES, TEMPERATURE],
};

/// Refuses scores in input `first` and a teacher's in the next unless they fit each other and the attributes.
pub(crate) fn check(cx: &Inference<'_>, first: usize) -> Result<(), OpError> {
    cx.same_dtype(first, first + 1)?;
    cx.float_input(first)?;
    let (scores, teacher) = (&cx.input(first).shape, &cx.input(first + 1).shape);
    let ([batch, classes], [same, known]) = (scores.0.as_slice(), teacher.0.as_slice()) else {
        return Err(OpError::new(format!(
            "scores and teacher should be [batch, classes], found {scores}, {teacher}"
        )));
    };
    let columns = cx.ints("classes").unwrap_or_default();
    let distinct: std::collections::BTreeSet<i64> = columns.iter().copied().collect();
    let inside = |column: &i64| {
        classes.known().is_none_or(|classes| usize::try_from(*column).is_ok_and(|at| at < classes))
    };
    if batch != same || known.known() != Some(columns.len()) {
        return Err(OpError::new(format!(
            "the teacher should be [{batch}, {}] for {} classes, found {teacher}",
            columns.len(),
            columns.len()
        )));
    }
    if distinct.len() != columns.len() || !columns.iter().all(inside) {
        return Err(OpError::new(format!(
            "classes should be different columns of {scores}, found {columns:?}"
        )));
    }
    let temperature = cx.float("temperature");
    if temperature > 0.0 && temperature.is_finite() {
        return Ok(());
    }
    Err(OpError::new(format!("temperature should be above 0, found {temperature}")))
}

/// Which columns of the scores the teacher speaks of.
pub(crate) fn columns(cx: &Call<'_>) -> Vec<usize> {
    cx.ints("classes").unwrap_or_default().into_iter().map(|column| column as usize).collect()
}

/// For each row, `ln p` and `ln q` of scores in input `first` and a teacher's in the next.
pub(crate) fn logarithms(cx: &Call<'_>, first: usize) -> Vec<[Vec<f64>; 2]> {
    let (scores, teacher, columns) = (cx.f64(first), cx.f64(first + 1), columns(cx));
    let temperature = f64::from(cx.float("temperature"));
    let classes = cx.input(first).shape()[1];
    let soft =
        |values: Vec<f64>| log_softmax(&values.iter().map(|value| value / temperature).collect::<Vec<_>>());
    let row = |row: usize| {
        let given = teacher[row * columns.len()..][..columns.len()].to_vec();
        let own = columns.iter().map(|column| scores[row * classes + column]).collect();
        [soft(given), soft(own)]
    };
    (0..cx.input(first).shape()[0]).map(row).collect()
}

impl Operator for DistillationLoss {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        check(cx, 0)?;
        cx.one(cx.input(0).dtype, Shape(Vec::new()))
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let divergence =
            |[p, q]: &[Vec<f64>; 2]| -> f64 { p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum() };
        let rows = logarithms(cx, 0);
        let sum: f64 = rows.iter().map(divergence).sum();
        cx.one(&[], &[f64::from(cx.float("temperature")).powi(2) * sum / rows.len() as f64])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let inputs = [cx.dy(), cx.input(0), cx.input(1)];
        let dscores = cx.op_with("DistillationLossGrad", &inputs, cx.attributes().clone());
        cx.set(0, dscores);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let case = |name, classes: [i64; 2]| Case::new(name).attribute("classes", classes);
        let known = |name| {
            case(name, [0, 1]).input(&[1, 3], &[0.0, 0.0, 5.0]).input(&[1, 2], &[1.0, 0.0]).no_gradient()
        };
        vec![
            // p = [0.731059, 0.268941], q = [1/2, 1/2]; the third score plays no part.
            known("known").gives(&[], &[0.110944072]),
            // p = softmax([1/2, 0]) = [0.622459, 0.377541]
            known("soft").attribute("temperature", 2.0).gives(&[], &[0.121199448]),
            case("same", [2, 0])
                .input(&[1, 3], &[0.5, 9.0, 1.5])
                .input(&[1, 2], &[1.5, 0.5])
                .no_gradient()
                .gives(&[], &[0.0]),
            // Nothing flows to the teacher, so it is a constant here.
            case("batch", [3, 1])
                .smooth(&[3, 4], 0)
                .constant(Tensor::new([3, 2], vec![0.3f32, -1.0, 2.0, 0.1, -0.4, 0.9]))
                .attribute("temperature", 1.5),
            case("twice", [1, 1]).smooth(&[2, 3], 0).smooth(&[2, 2], 1).refused("different columns"),
            case("outside", [1, 3]).smooth(&[2, 3], 0).smooth(&[2, 2], 1).refused("different columns"),
            case("width", [0, 1]).smooth(&[2, 3], 0).smooth(&[2, 3], 1).refused("the teacher should be"),
            case("cold", [0, 1])
                .smooth(&[2, 3], 0)
                .smooth(&[2, 2], 1)
                .attribute("temperature", 0.0)
                .refused("above 0"),
            case("rank", [0, 1]).smooth(&[3], 0).smooth(&[2, 2], 1).refused("[batch, classes]"),
        ]
    }
}
