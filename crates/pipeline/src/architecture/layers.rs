//! The layers of a scheme as nodes.

use base::{Diagnostic, Diagnostics};
use graph::{Attributes, GraphError};
use scheme::{
    Activation, BatchNorm, Conv, Dense, Dropout, Layer, Padding, Placed, Pool, Step, Steps, TensorNames,
    Units,
};
use tensor::Tensor;

use super::builder::{Builder, elements};
use super::groups::layer_of;
use super::{branch, grid};
use crate::events::LayerSummary;

/// Why a layer cannot be added.
pub(super) enum Refused {
    /// The operator does not take its input.
    Node(GraphError),
    /// Anything that has its own words.
    Said(Diagnostics),
}

impl From<GraphError> for Refused {
    fn from(error: GraphError) -> Self {
        Refused::Node(error)
    }
}

impl From<Diagnostics> for Refused {
    fn from(diagnostics: Diagnostics) -> Self {
        Refused::Said(diagnostics)
    }
}

/// Adds every layer. The last value is called `logits` in a classifier, `prediction` in a regression.
pub(super) fn add(builder: &mut Builder<'_>, layers: &Steps<Placed>) -> Result<(), Diagnostics> {
    let result = if builder.prepared.summary.classes.is_empty() { "prediction" } else { "logits" };
    for (index, layer) in layers.iter().enumerate() {
        let last = index + 1 == layers.len();
        builder.key = format!("model.layers.{}", layer.name);
        branch::read(builder, layer.op.input.as_deref())?;
        add_layer(builder, layer, last.then_some(result))
            .map_err(|refused| explain(builder, layer, refused))?;
        builder.results.insert(layer.name.clone(), builder.value);
    }
    Ok(())
}

fn add_layer(builder: &mut Builder<'_>, layer: &Step<Placed>, result: Option<&str>) -> Result<(), Refused> {
    let name = layer.name.as_str();
    let output = result.unwrap_or(name);
    let op = match &layer.op.layer {
        Layer::Conv(conv) => add_conv(builder, name, conv, result)?,
        Layer::Dense(dense) => add_dense(builder, name, dense, result)?,
        Layer::MaxPool(pool) => add_pool(builder, name, output, "MaxPool", pool)?,
        Layer::AveragePool(pool) => add_pool(builder, name, output, "AveragePool", pool)?,
        Layer::GlobalAveragePool => {
            need_rank(builder, 3, "images")?;
            plain(builder, name, output, "GlobalAveragePool", "global_average_pool")?
        }
        Layer::Flatten => plain(builder, name, output, "Flatten", "flatten")?,
        Layer::Relu => plain(builder, name, output, "Relu", "relu")?,
        Layer::Sigmoid => plain(builder, name, output, "Sigmoid", "sigmoid")?,
        Layer::Tanh => plain(builder, name, output, "Tanh", "tanh")?,
        Layer::BatchNorm(norm) => add_batch_norm(builder, name, output, norm)?,
        Layer::Dropout(dropout) => add_dropout(builder, name, output, dropout)?,
        Layer::Add(add) => branch::add(builder, name, add, result)?,
        Layer::AdaptiveAveragePool(size) => grid::add(builder, name, output, size)?,
    };
    let learnt = builder.learnt.iter().filter(|tensor| layer_of(tensor) == name);
    let sizes = learnt.filter_map(|tensor| builder.graph.find_value(tensor));
    let parameters = sizes.map(|id| elements(&builder.graph, id)).sum();
    let shape = builder.shape();
    builder.layers.push(LayerSummary { name: name.to_owned(), op: op.to_owned(), shape, parameters });
    Ok(())
}

/// What is wrong, where, and what would fit.
fn explain(builder: &Builder<'_>, layer: &Step<Placed>, refused: Refused) -> Diagnostics {
    let error = match refused {
        Refused::Said(diagnostics) => return diagnostics,
        Refused::Node(error) => error,
    };
    let message = format!("the layer `{}` cannot take its input: {}", layer.name, error.message);
    let diagnostic = builder.refuse("layer-shape", message);
    let window = |size: [usize; 2], what: &str| {
        let [height, width] = [builder.shape()[1], builder.shape()[2]];
        let larger = size[0] > height || size[1] > width;
        larger.then(|| format!("a {what} of at most [{height}, {width}] fits; or write `padding = \"same\"`"))
    };
    let help = match &layer.op.layer {
        Layer::Conv(conv) => {
            let reach = |axis: usize| (conv.kernel[axis] - 1) * conv.dilation[axis] + 1;
            window([reach(0), reach(1)], "kernel, dilation included,")
        }
        Layer::MaxPool(pool) | Layer::AveragePool(pool) => window(pool.size, "patch"),
        _ => None,
    };
    match help {
        Some(help) => diagnostic.help(help).into(),
        None => diagnostic.into(),
    }
}

/// Refuses an input that is not `[batch, ..]` with `rank` lengths behind the batch.
pub(super) fn need_rank(builder: &Builder<'_>, rank: usize, what: &str) -> Result<(), Diagnostics> {
    let found = builder.shape();
    if found.len() == rank {
        return Ok(());
    }
    let shape = &builder.graph.ty(builder.value).shape;
    let message = format!("this layer takes {what}, and its input is {shape}");
    let diagnostic: Diagnostic = builder.refuse("layer-shape", message);
    Err(match rank {
        1 => diagnostic.help("put a `flatten` layer before it").into(),
        _ => diagnostic.help("put it before the layer that turns images into features").into(),
    })
}

/// A node without settings.
fn plain(
    builder: &mut Builder<'_>,
    name: &str,
    output: &str,
    op: &str,
    word: &'static str,
) -> Result<&'static str, Refused> {
    builder.node(name, output, op, Attributes::new(), &[])?;
    builder.charge_value()?;
    Ok(word)
}

/// Adds the activation of a layer, named after both: `conv1.relu`.
pub(super) fn add_activation(
    builder: &mut Builder<'_>,
    name: &str,
    activation: Activation,
    result: Option<&str>,
) -> Result<(), Refused> {
    let (op, word) = match activation {
        Activation::None => return Ok(()),
        Activation::Relu => ("Relu", "relu"),
        Activation::Sigmoid => ("Sigmoid", "sigmoid"),
        Activation::Tanh => ("Tanh", "tanh"),
    };
    let name = format!("{name}.{word}");
    builder.node(&name, result.unwrap_or(&name), op, Attributes::new(), &[])?;
    Ok(builder.charge_value()?)
}

/// What the node of a layer's own operator is called to give: the result, unless an activation follows.
pub(super) fn inner_output<'n>(name: &'n str, activation: Activation, result: Option<&'n str>) -> &'n str {
    if activation == Activation::None { result.unwrap_or(name) } else { name }
}

/// `[batch, channels, height, width]` to `[batch, filters, height', width']`.
fn add_conv(
    builder: &mut Builder<'_>,
    name: &str,
    conv: &Conv,
    result: Option<&str>,
) -> Result<&'static str, Refused> {
    need_rank(builder, 3, "images [batch, channels, height, width]")?;
    let [channels, height, width] = builder.shape()[..] else { unreachable!("the rank is 3") };
    if channels % conv.groups != 0 {
        let message = format!("{channels} channels cannot be divided into {} groups", conv.groups);
        return Err(Refused::Said(builder.refuse("layer-shape", message).into()));
    }
    let shape = [conv.filters, channels / conv.groups, conv.kernel[0], conv.kernel[1]];
    let taps = conv.kernel[0] * conv.kernel[1];
    let weight = builder.weight(
        &format!("{name}.weight"),
        &shape,
        shape[1] * taps,
        conv.filters / conv.groups * taps,
        conv.init,
    )?;
    let mut inputs = vec![weight];
    if conv.bias {
        inputs.push(builder.bias(&format!("{name}.bias"), conv.filters, shape[1] * taps, conv.init)?);
    }
    let extent = |axis: usize| (conv.kernel[axis] - 1) * conv.dilation[axis] + 1;
    let mut attributes = Attributes::from([
        ("kernel_shape".to_owned(), pair(conv.kernel)),
        ("strides".to_owned(), pair(conv.stride)),
        ("dilations".to_owned(), pair(conv.dilation)),
        ("group".to_owned(), (conv.groups as i64).into()),
    ]);
    let pads = pads(conv.padding, [height, width], [extent(0), extent(1)], conv.stride);
    attributes.insert("pads".to_owned(), pads.into());
    builder.node(name, inner_output(name, conv.activation, result), "Conv", attributes, &inputs)?;
    builder.charge_value()?;
    add_activation(builder, name, conv.activation, result)?;
    Ok("conv")
}

/// `[batch, features]` to `[batch, units]`; the weight is `[features, units]`.
fn add_dense(
    builder: &mut Builder<'_>,
    name: &str,
    dense: &Dense,
    result: Option<&str>,
) -> Result<&'static str, Refused> {
    need_rank(builder, 1, "features [batch, features]")?;
    let features = builder.shape()[0];
    let units = match dense.units {
        Units::Count(count) => count,
        Units::Classes => builder.prepared.summary.classes.len(),
        Units::Targets => 1,
    };
    let weight =
        builder.weight(&format!("{name}.weight"), &[features, units], features, units, dense.init)?;
    let mut inputs = vec![weight];
    if dense.bias {
        inputs.push(builder.bias(&format!("{name}.bias"), units, features, dense.init)?);
    }
    builder.node(name, inner_output(name, dense.activation, result), "Gemm", Attributes::new(), &inputs)?;
    builder.charge_value()?;
    add_activation(builder, name, dense.activation, result)?;
    Ok("dense")
}

/// `[batch, channels, height, width]` to `[batch, channels, height', width']`.
fn add_pool(
    builder: &mut Builder<'_>,
    name: &str,
    output: &str,
    op: &str,
    pool: &Pool,
) -> Result<&'static str, Refused> {
    need_rank(builder, 3, "images [batch, channels, height, width]")?;
    let [_, height, width] = builder.shape()[..] else { unreachable!("the rank is 3") };
    let attributes = Attributes::from([
        ("kernel_shape".to_owned(), pair(pool.size)),
        ("strides".to_owned(), pair(pool.stride)),
        ("pads".to_owned(), pads(pool.padding, [height, width], pool.size, pool.stride).into()),
    ]);
    builder.node(name, output, op, attributes, &[])?;
    builder.charge_value()?;
    Ok(if op == "MaxPool" { "max_pool" } else { "average_pool" })
}

fn add_batch_norm(
    builder: &mut Builder<'_>,
    name: &str,
    output: &str,
    norm: &BatchNorm,
) -> Result<&'static str, Refused> {
    let Some(&channels) = builder.shape().first() else {
        return Err(Refused::Said(
            builder.refuse("layer-shape", "there is no channel or feature to normalise").into(),
        ));
    };
    let (scale, variance) = match norm.tensor_names {
        TensorNames::Heirloom => ("scale", "running_variance"),
        TensorNames::Pytorch => ("weight", "running_var"),
    };
    let inputs = [
        builder.vector(&format!("{name}.{scale}"), channels, 1.0)?,
        builder.vector(&format!("{name}.bias"), channels, 0.0)?,
        builder.statistic(&format!("{name}.running_mean"), channels, 0.0),
        builder.statistic(&format!("{name}.{variance}"), channels, 1.0),
    ];
    let attributes = Attributes::from([
        ("epsilon".to_owned(), (norm.epsilon as f32).into()),
        ("momentum".to_owned(), (norm.momentum as f32).into()),
    ]);
    builder.node(name, output, "BatchNormalization", attributes, &inputs)?;
    builder.charge_value()?;
    Ok("batch_norm")
}

fn add_dropout(
    builder: &mut Builder<'_>,
    name: &str,
    output: &str,
    dropout: &Dropout,
) -> Result<&'static str, Refused> {
    let ratio = builder.graph.constant(&format!("{name}.ratio"), Tensor::scalar(dropout.rate as f32));
    builder.node(name, output, "Dropout", Attributes::new(), &[ratio])?;
    builder.charge_value()?;
    Ok("dropout")
}

pub(super) fn pair([height, width]: [usize; 2]) -> graph::Attribute {
    graph::Attribute::Ints(vec![height as i64, width as i64])
}

/// ONNX's `pads`: top, left, bottom, right. `same` is written out, so that it means the same to every reader.
fn pads(padding: Padding, input: [usize; 2], extent: [usize; 2], stride: [usize; 2]) -> Vec<i64> {
    let sides = |axis: usize| match padding {
        Padding::Valid => [0, 0],
        Padding::Pixels(pixels) => [pixels, pixels],
        Padding::Same => {
            let outputs = input[axis].div_ceil(stride[axis]);
            let total = ((outputs - 1) * stride[axis] + extent[axis]).saturating_sub(input[axis]);
            [total / 2, total - total / 2]
        }
    };
    let ([top, bottom], [left, right]) = (sides(0), sides(1));
    [top, left, bottom, right].map(|pixels| pixels as i64).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_that_of_onnx() {
        for (input, extent, stride, expect) in [
            ([28, 28], [3, 3], [1, 1], [1, 1, 1, 1]),
            ([28, 27], [2, 4], [1, 1], [0, 1, 1, 2]),
            ([7, 7], [3, 3], [2, 2], [1, 1, 1, 1]),
            ([8, 8], [3, 3], [2, 2], [0, 0, 1, 1]),
            ([5, 5], [1, 1], [3, 3], [0, 0, 0, 0]),
        ] {
            assert_eq!(pads(Padding::Same, input, extent, stride), expect, "{input:?} {extent:?} {stride:?}");
        }
        assert_eq!(pads(Padding::Pixels(2), [5, 5], [3, 3], [1, 1]), [2, 2, 2, 2]);
    }
}
