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
    Choice::new("alexnet", "AlexNet in one tower, Krizhevsky 2014, arXiv:1404.5997; images from 63 × 63"),
    Choice::new("mlp", "dense layers with ReLU, as many as `hidden` says"),
    Choice::new(
        "resnet18",
        "residual network of 18 layers, blocks of two 3 × 3 convolutions, He et al. 2016, arXiv:1512.03385",
    ),
    Choice::new(
        "resnet34",
        "residual network of 34 layers, blocks of two 3 × 3 convolutions, He et al. 2016",
    ),
    Choice::new(
        "resnet50",
        "residual network of 50 layers, bottlenecks whose 3 × 3 convolution takes the stride, He et al. 2016",
    ),
    Choice::new(
        "vgg11",
        "VGG with 11 layers, configuration A of Simonyan and Zisserman 2015, arXiv:1409.1556; images from 32 × 32",
    ),
    Choice::new("vgg11_bn", "`vgg11` with batch normalisation behind each convolution"),
    Choice::new(
        "vgg13",
        "VGG with 13 layers, configuration B of Simonyan and Zisserman 2015, arXiv:1409.1556; images from 32 × 32",
    ),
    Choice::new("vgg13_bn", "`vgg13` with batch normalisation behind each convolution"),
    Choice::new(
        "vgg16",
        "VGG with 16 layers, configuration D of Simonyan and Zisserman 2015, arXiv:1409.1556; images from 32 × 32",
    ),
    Choice::new("vgg16_bn", "`vgg16` with batch normalisation behind each convolution"),
    Choice::new(
        "vgg19",
        "VGG with 19 layers, configuration E of Simonyan and Zisserman 2015, arXiv:1409.1556; images from 32 × 32",
    ),
    Choice::new("vgg19_bn", "`vgg19` with batch normalisation behind each convolution"),
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
