//! Which elements of a child's tensors come from its parent.

use std::collections::BTreeMap;

use base::Diagnostics;
use inherit::transfer::{self, Network, Wishes};
use scheme::ResolvedScheme;
use tensor::{DType, Tensor};

/// For each tensor of which something comes from the parent: of which elements.
pub(crate) type Taken = BTreeMap<String, Vec<bool>>;

/// Whether something of `scheme` asks for single elements.
pub(crate) fn asked_for(scheme: &ResolvedScheme) -> bool {
    scheme.train.l2_sp.is_some() || scheme.train.ewc.is_some()
}

/// The elements that `child` takes from `parent`.
///
/// The transfer is made a second time, into a network that holds no number at all: where one stands afterwards, it came
/// from the parent.
pub(crate) fn taken(
    child: Network<'_>,
    parent: Network<'_>,
    name: &str,
    wishes: &Wishes,
) -> Result<Taken, Diagnostics> {
    let mut blank = child.graph.clone();
    for tensor in child.tensors {
        let Some(id) = blank.find_value(tensor) else { continue };
        let Some(shape) = blank.value(id).constant.as_ref().map(|tensor| tensor.shape().to_vec()) else {
            continue;
        };
        if blank.ty(id).dtype == DType::F32 {
            let count = shape.iter().product();
            blank.set_constant(id, Tensor::new(shape, vec![f32::NAN; count]));
        }
    }
    let made = transfer::transfer(Network { graph: &blank, ..child }, parent, name, wishes)?;
    let elements = |tensor: &Tensor| -> Option<Vec<bool>> {
        let elements: Vec<bool> = tensor.get::<f32>()?.iter().map(|value| !value.is_nan()).collect();
        elements.contains(&true).then_some(elements)
    };
    let tensors = made.tensors.into_iter();
    Ok(tensors.filter_map(|(name, tensor)| Some((name, elements(&tensor)?))).collect())
}
