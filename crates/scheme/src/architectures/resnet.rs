//! Residual networks (He et al. 2016).

use super::writer::{Conv, Start, Writer};

/// As torchvision starts them.
const START: Start = Start { conv: "he_normal_fan_out", dense: "pytorch_uniform" };

/// What a network is made of.
#[derive(Clone, Copy, PartialEq)]
enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3 and 1×1, the last with four times the filters.
    Bottleneck,
}

/// The layers of `name`; `None` if it is none of these networks.
pub(super) fn text(name: &str) -> Option<String> {
    let (block, depths) = match name {
        "resnet18" => (Block::Basic, [2, 2, 2, 2]),
        "resnet34" => (Block::Basic, [3, 4, 6, 3]),
        "resnet50" => (Block::Bottleneck, [3, 4, 6, 3]),
        _ => return None,
    };
    let mut writer = Writer::new(name);
    writer.conv("conv1", conv(64, 7, 2), START, None);
    writer.batch_norm("bn1");
    writer.relu("relu");
    writer.max_pool("maxpool", 3, 2, 1);
    let (mut input, mut channels) = ("maxpool".to_owned(), 64);
    for (stage, (depth, filters)) in depths.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for index in 0..depth {
            let prefix = format!("layer{}.{index}", stage + 1);
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            (input, channels) = add_block(&mut writer, &prefix, block, &input, channels, filters, stride);
        }
    }
    writer.layer("avgpool", "global_average_pool", &[]);
    writer.flatten();
    writer.dense("fc", "\"classes\"", START);
    Some(writer.finish())
}

/// A convolution that keeps the size but for its stride, without a bias.
fn conv(filters: usize, kernel: usize, stride: usize) -> Conv {
    Conv { filters, kernel, stride, padding: kernel / 2, bias: false }
}

/// One block behind the layer `input` of so many channels; the layer that it ends in, and its channels.
fn add_block(
    writer: &mut Writer,
    prefix: &str,
    block: Block,
    input: &str,
    channels: usize,
    filters: usize,
    stride: usize,
) -> (String, usize) {
    let (convolutions, outputs) = match block {
        Block::Basic => (vec![conv(filters, 3, stride), conv(filters, 3, 1)], filters),
        Block::Bottleneck => {
            (vec![conv(filters, 1, 1), conv(filters, 3, stride), conv(4 * filters, 1, 1)], 4 * filters)
        }
    };
    let last = convolutions.len();
    for (index, conv) in (1..).zip(convolutions) {
        writer.conv(&format!("{prefix}.conv{index}"), conv, START, None);
        writer.batch_norm(&format!("{prefix}.bn{index}"));
        if index < last {
            writer.relu(&format!("{prefix}.relu{index}"));
        }
    }
    let mut shortcut = input.to_owned();
    if stride != 1 || channels != outputs {
        writer.conv(&format!("{prefix}.downsample.0"), conv(outputs, 1, stride), START, Some(input));
        shortcut = format!("{prefix}.downsample.1");
        writer.batch_norm(&shortcut);
    }
    let sum = format!("{prefix}.add");
    let settings = [
        format!("input = \"{prefix}.bn{last}\""),
        format!("with = \"{shortcut}\""),
        "activation = \"relu\"".to_owned(),
    ];
    writer.layer(&sum, "add", &settings);
    (sum, outputs)
}
