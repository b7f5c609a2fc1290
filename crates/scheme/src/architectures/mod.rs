//! Well-known networks, written out as layers.
//!
//! An architecture is a text in the scheme language, `[model.layers.NAME]` tables, made for what a scheme chooses by
//! `model.architecture`. It is laid over what the scheme inherits and under what the scheme says itself, so that everything
//! behind it sees layers only. Names of layers are the module paths of torchvision, hence tensors are called as there.

mod alexnet;
mod expand;
mod mlp;
mod resnet;
mod vgg;
mod writer;

use crate::settings::Choice;
pub(crate) use expand::{Chosen, EXPANDED, chosen, put_layers};
pub(crate) use mlp::HIDDEN;

/// Every architecture, by name.
pub(crate) const ARCHITECTURES: &[Choice] = &[
    Choice::new("alexnet", "Krizhevsky 2014, arXiv:1404.5997; images of at least 63 × 63"),
    Choice::new("mlp", "dense layers with ReLU, see `hidden`"),
    Choice::new("resnet18", "He et al. 2016, arXiv:1512.03385"),
    Choice::new("resnet34", "the same, 34 layers"),
    Choice::new("resnet50", "the same, 50 layers in bottlenecks, the second convolution of each strided"),
    Choice::new(
        "vgg11",
        "Simonyan and Zisserman 2015, arXiv:1409.1556, configuration A; images of at least 32 × 32",
    ),
    Choice::new("vgg11_bn", "the same with batch normalisation"),
    Choice::new("vgg13", "configuration B"),
    Choice::new("vgg13_bn", "the same with batch normalisation"),
    Choice::new("vgg16", "configuration D"),
    Choice::new("vgg16_bn", "the same with batch normalisation"),
    Choice::new("vgg19", "configuration E"),
    Choice::new("vgg19_bn", "the same with batch normalisation"),
];

/// The text of the architecture `name`; `None` if none is called so. `hidden` is a setting of `mlp`.
fn text(name: &str, hidden: Option<&[i64]>) -> Option<String> {
    let (plain, normalised) = match name.strip_suffix("_bn") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    match (name, vgg::text(plain, normalised)) {
        (_, Some(text)) => Some(text),
        ("alexnet", _) => Some(alexnet::text()),
        ("mlp", _) => Some(mlp::text(hidden)),
        _ => resnet::text(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_text() {
        assert!(ARCHITECTURES.is_sorted_by_key(|choice| choice.name));
        assert!(ARCHITECTURES.iter().all(|choice| text(choice.name, None).is_some()));
        assert!(
            ["resnet19", "vgg12", "resnet18_bn", "_bn", ""].iter().all(|name| text(name, None).is_none())
        );
    }
}
