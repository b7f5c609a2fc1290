//! BatchNormalization.

use tensor::{Shape, Tensor};

use crate::ops::conv::{channel_sum, channels};
use crate::*;

/// Normalisation of each channel by its mean and variance.
pub struct BatchNormalization;

static SCHEMA: Schema = Schema {
    name: "BatchNormalization",
    domain: DOMAIN_ONNX,
    since_version: 15,
    doc: "`y = scale * (x - mean) / sqrt(var + epsilon) + bias` for each channel. In inference `mean` and `var` are the \
          inputs; in training those of the batch over all axes but the channels (population variance, divisor \
          `count`), and `running = momentum * input + (1 - momentum) * batch`.\n\nGradient in training: \
          `BatchNormalizationGrad`; the running statistics have none. In inference: with respect to all five inputs.\n\n\
          Source: Ioffe and Szegedy 2015.",
    inputs: &[
        Formal::required("x", "[batch, channel, ..], float"),
        Formal::required("scale", "[channel]"),
        Formal::required("bias", "[channel]"),
        Formal::required("mean", "[channel]"),
        Formal::required("var", "[channel], not negative"),
    ],
    outputs: &[
        Formal::required("y", "as `x`"),
        Formal::optional("running_mean", "[channel]; training only"),
        Formal::optional("running_var", "[channel]; training only"),
    ],
    attributes: &[
        AttributeDoc {
            name: "epsilon",
            default: Default::Float(1e-5),
            doc: "added to the variance; positive",
        },
        AttributeDoc { name: "momentum", default: Default::Float(0.9), doc: "weight of the old statistics" },
        AttributeDoc {
            name: "training_mode",
            default: Default::Int(0),
            doc: "1 in training, 0 in inference",
        },
    ],
};

/// The channel count of `x`, with the parameters `1..=last` checked to be `[channel]`.
pub(crate) fn check(cx: &Inference<'_>, x: usize, parameters: &[usize]) -> Result<usize, OpError> {
    cx.float_input(x)?;
    let count = channels(&cx.input(x).shape)?;
    for &index in parameters {
        cx.same_dtype(x, index)?;
        let shape = &cx.input(index).shape;
        if *shape != Shape::known(&[count]) {
            return Err(OpError::new(format!(
                "input {index} should have one element per channel, [{count}], found {shape}"
            )));
        }
    }
    let epsilon = cx.float("epsilon");
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        return Err(OpError::new(format!("epsilon should be a number not below 0, found {epsilon}")));
    }
    Ok(count)
}

/// For each channel of `x: [batch, channel, ..]` the offsets of its elements.
pub(crate) fn channel_elements(shape: &[usize]) -> Vec<Vec<usize>> {
    let (channels, inner) = (shape[1], shape[2..].iter().product::<usize>());
    let of = |channel: usize| {
        let start = move |sample: usize| (sample * channels + channel) * inner;
        (0..shape[0]).flat_map(move |sample| start(sample)..start(sample) + inner).collect()
    };
    (0..channels).map(of).collect()
}

/// Mean and population variance of the elements `at` of `x`; 0 and 0 if there are none.
pub(crate) fn moments(x: &[f64], at: &[usize]) -> (f64, f64) {
    let count = at.len().max(1) as f64;
    let mean = at.iter().map(|&index| x[index]).sum::<f64>() / count;
    let variance = at.iter().map(|&index| (x[index] - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}

impl Operator for BatchNormalization {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let count = check(cx, 0, &[1, 2, 3, 4])?;
        if cx.int("training_mode") == 0 && cx.output_count() > 1 {
            return Err(OpError::new(format!(
                "has 1 output in inference, {} were asked for",
                cx.output_count()
            )));
        }
        let x = cx.input(0);
        let statistic = ValueType::new(x.dtype, Shape::known(&[count]));
        Ok(vec![x.clone(), statistic.clone(), statistic])
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, scale, bias) = (cx.f64(0), cx.f64(1), cx.f64(2));
        let (mut means, mut variances) = (cx.f64(3), cx.f64(4));
        let training = cx.int("training_mode") != 0;
        let (epsilon, momentum) = (cx.float("epsilon") as f64, cx.float("momentum") as f64);
        let mut y = vec![0.0; x.len()];
        for (channel, at) in channel_elements(cx.input(0).shape()).iter().enumerate() {
            let (old_mean, old_variance) = (means[channel], variances[channel]);
            let (mean, variance) = if training { moments(&x, at) } else { (old_mean, old_variance) };
            let slope = scale[channel] / (variance + epsilon).sqrt();
            at.iter().for_each(|&index| y[index] = slope * (x[index] - mean) + bias[channel]);
            means[channel] = momentum * old_mean + (1.0 - momentum) * mean;
            variances[channel] = momentum * old_variance + (1.0 - momentum) * variance;
        }
        let dtype = cx.input(0).dtype();
        let statistic = |values: &[f64]| Tensor::from_f64(dtype, [values.len()], values);
        let mut outputs = cx.one(cx.input(0).shape(), &y)?;
        outputs.extend([statistic(&means), statistic(&variances)]);
        outputs.truncate(cx.output_count());
        Ok(outputs)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        if cx.output_gradient(1).or(cx.output_gradient(2)).is_some() {
            return Err(OpError::new("the running statistics have no gradient"));
        }
        if cx.int("training_mode") != 0 {
            training_gradient(cx)
        } else {
            inference_gradient(cx)
        }
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let statistics = |case: Case| case.smooth(&[3], 1).smooth(&[3], 2).smooth(&[3], 3);
        let image = |name| statistics(Case::new(name).smooth(&[4, 3, 2, 2], 0)).input(&[3], &[0.5, 1.0, 2.0]);
        vec![
            Case::new("inference")
                .input(&[1, 2, 2], &[1.0, 3.0, 5.0, 9.0])
                .input(&[2], &[2.0, 1.0])
                .input(&[2], &[0.0, 10.0])
                .input(&[2], &[1.0, 5.0])
                .input(&[2], &[4.0, 1.0])
                .attribute("epsilon", 0.0)
                .gives(&[1, 2, 2], &[0.0, 2.0, 10.0, 14.0])
                .no_gradient(),
            Case::new("training")
                .input(&[2, 1], &[1.0, 3.0])
                .input(&[1], &[2.0])
                .input(&[1], &[1.0])
                .input(&[1], &[0.0])
                .input(&[1], &[5.0])
                .attribute("epsilon", 0.0)
                .attribute("momentum", 0.5)
                .attribute("training_mode", 1)
                .gives(&[2, 1], &[-1.0, 3.0])
                .gives(&[1], &[1.0])
                .gives(&[1], &[3.0])
                .no_gradient(),
            image("inference_image"),
            image("training_image").attribute("training_mode", 1),
            image("training_statistics").attribute("training_mode", 1).outputs(3).no_gradient(),
            statistics(Case::new("rows").smooth(&[4, 3], 0)).input(&[3], &[0.5, 1.0, 2.0]),
            image("outputs").outputs(3).refused("1 output in inference"),
            image("epsilon").attribute("epsilon", -1.0).refused("epsilon should be"),
            statistics(Case::new("short").smooth(&[4, 3, 2], 0))
                .smooth(&[2], 4)
                .refused("one element per channel"),
            statistics(Case::new("rank").smooth(&[3], 0)).smooth(&[3], 4).refused("channels should be known"),
        ]
    }
}

fn training_gradient(cx: &mut Gradient<'_>) {
    let epsilon = Attributes::from([("epsilon".to_owned(), cx.float("epsilon").into())]);
    let inputs = [Some(cx.dy()), Some(cx.input(0)), Some(cx.input(1))];
    let gradients = cx.op_many("BatchNormalizationGrad", &inputs, epsilon, 3);
    (0..3).for_each(|index| cx.set(index, gradients[index]));
}

/// With `slope = scale / deviation`, `deviation = sqrt(var + epsilon)`, `total = sum dy`, `moment = sum dy * (x - mean)`:
/// `dx = dy * slope`, `dscale = moment / deviation`, `dbias = total`, `dmean = -slope * total`,
/// `dvar = -slope * moment / (2 deviation^2)`.
fn inference_gradient(cx: &mut Gradient<'_>) {
    let (x, scale, mean, variance, dy) = (cx.input(0), cx.input(1), cx.input(3), cx.input(4), cx.dy());
    let epsilon = cx.number(variance, f64::from(cx.float("epsilon")));
    let square = cx.op("Add", &[variance, epsilon]); // [channel]
    let deviation = cx.op("Sqrt", &[square]); // [channel]
    let slope = cx.op("Div", &[scale, deviation]); // [channel]
    if cx.needs(0) {
        let column = as_column(cx, slope, x);
        let dx = cx.op("Mul", &[dy, column]);
        cx.set(0, dx);
    }
    if (1..5).all(|index| !cx.needs(index)) {
        return;
    }
    let total = channel_sum(cx, dy); // [channel]
    cx.set(2, total);
    if cx.needs(3) {
        let product = cx.op("Mul", &[slope, total]);
        let minus = cx.number(product, -1.0);
        let dmean = cx.op("Mul", &[product, minus]);
        cx.set(3, dmean);
    }
    if !cx.needs(1) && !cx.needs(4) {
        return;
    }
    let column = as_column(cx, mean, x);
    let centred = cx.op("Sub", &[x, column]); // [batch, channel, ..]
    let product = cx.op("Mul", &[dy, centred]); // [batch, channel, ..]
    let moment = channel_sum(cx, product); // [channel]
    let dscale = cx.op("Div", &[moment, deviation]);
    cx.set(1, dscale);
    if cx.needs(4) {
        let product = cx.op("Mul", &[slope, moment]);
        let ratio = cx.op("Div", &[product, square]);
        let half = cx.number(ratio, -0.5);
        let dvar = cx.op("Mul", &[ratio, half]);
        cx.set(4, dvar);
    }
}

/// `value: [channel]` as `[channel, 1 ..]`, which broadcasts with `like: [batch, channel, ..]`.
fn as_column(cx: &mut Gradient<'_>, value: ValueId, like: ValueId) -> ValueId {
    let mut lengths = vec![1; cx.shape(like).rank() - 1];
    lengths[0] = -1;
    let lengths = cx.integers(&lengths);
    cx.op("Reshape", &[value, lengths])
}
