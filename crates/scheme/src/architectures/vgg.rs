//! VGG: stacks of 3×3 convolutions, halved by pooling (Simonyan and Zisserman 2015).

use super::writer::{Conv, Start, Writer};

/// As torchvision starts them: deviations of He over `fan_out`, and 0.01 in dense layers.
const START: Start = Start { conv: "he_normal_fan_out", dense: "small_normal" };

/// Convolutions in each of the five stacks.
fn depths(name: &str) -> Option<[usize; 5]> {
    Some(match name {
        "vgg11" => [1, 1, 2, 2, 2],
        "vgg13" => [2, 2, 2, 2, 2],
        "vgg16" => [2, 2, 3, 3, 3],
        "vgg19" => [2, 2, 4, 4, 4],
        _ => return None,
    })
}

/// The layers of `name`, with batch normalisation behind each convolution if `normalised`.
pub(super) fn text(name: &str, normalised: bool) -> Option<String> {
    let depths = depths(name)?;
    let mut writer = Writer::new(if normalised { "VGG with batch normalisation" } else { "VGG" });
    let mut module = 0; // torchvision numbers the modules of `features`
    let mut next = || {
        module += 1;
        format!("features.{}", module - 1)
    };
    for (depth, filters) in depths.into_iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..depth {
            let conv = Conv { filters, kernel: 3, stride: 1, padding: 1, bias: true };
            writer.conv(&next(), conv, START, None);
            if normalised {
                writer.batch_norm(&next());
            }
            writer.relu(&next());
        }
        writer.max_pool(&next(), 2, 2, 0);
    }
    writer.grid("avgpool", 7);
    writer.flatten();
    writer.dense("classifier.0", "4096", START);
    writer.relu("classifier.1");
    writer.dropout("classifier.2");
    writer.dense("classifier.3", "4096", START);
    writer.relu("classifier.4");
    writer.dropout("classifier.5");
    writer.dense("classifier.6", "\"classes\"", START);
    Some(writer.finish())
}
