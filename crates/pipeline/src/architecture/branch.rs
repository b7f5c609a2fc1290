//! Networks that branch: a layer reads an earlier one, and two of them are added.

use base::Diagnostics;
use graph::Attributes;
use scheme::Add;

use super::builder::Builder;
use super::layers::{Refused, add_activation, inner_output};

/// Makes the result of the layer `input` the builder's newest value; leaves it if there is no such name.
pub(super) fn read(builder: &mut Builder<'_>, input: Option<&str>) -> Result<(), Diagnostics> {
    if let Some(input) = input {
        builder.value = result_of(builder, input)?;
    }
    Ok(())
}

/// `activation(x + y)`, where `y` is what an earlier layer gave; both have the same shape, which stays.
pub(super) fn add(
    builder: &mut Builder<'_>,
    name: &str,
    add: &Add,
    result: Option<&str>,
) -> Result<&'static str, Refused> {
    let other = result_of(builder, &add.with)?;
    let (own_shape, other_shape) = (&builder.graph.ty(builder.value).shape, &builder.graph.ty(other).shape);
    if own_shape != other_shape {
        let message = format!(
            "the layer `{name}` adds {own_shape} and {other_shape}, what `{}` gives: both must have the same shape",
            add.with
        );
        let diagnostic = builder.refuse("layer-shape", message);
        let diagnostic = match builder.scheme.span_of(&format!("model.layers.{}", add.with)) {
            Some(span) => diagnostic.at(span, format!("gives {other_shape}")),
            None => diagnostic,
        };
        let help = "a `conv` with kernel 1 and the same `stride` brings a shortcut to the shape of what it passes by";
        return Err(Refused::Said(diagnostic.help(help).into()));
    }
    let output = inner_output(name, add.activation, result);
    builder.node(name, output, "Add", Attributes::new(), &[other])?;
    builder.charge_value()?;
    add_activation(builder, name, add.activation, result)?;
    Ok("add")
}

/// What the layer `name` gave. The scheme's own checks leave none that stands behind.
fn result_of(builder: &Builder<'_>, name: &str) -> Result<graph::ValueId, Diagnostics> {
    let found = builder.results.get(name).copied();
    let none = || builder.refuse("unknown-step", format!("there is no layer `{name}` before this one"));
    Ok(found.ok_or_else(none)?)
}
