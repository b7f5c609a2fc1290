//! AlexNet in its one-tower form (Krizhevsky 2014), as torchvision has it.

use super::writer::{Conv, Start, Writer};

/// As torchvision leaves them.
const START: Start = Start { conv: "pytorch_uniform", dense: "pytorch_uniform" };

/// The layers.
pub(super) fn text() -> String {
    let mut writer = Writer::new("AlexNet");
    let conv = |filters, kernel, stride, padding| Conv { filters, kernel, stride, padding, bias: true };
    let convolutions = [
        (0, conv(64, 11, 4, 2)),
        (3, conv(192, 5, 1, 2)),
        (6, conv(384, 3, 1, 1)),
        (8, conv(256, 3, 1, 1)),
        (10, conv(256, 3, 1, 1)),
    ];
    for (module, conv) in convolutions {
        writer.conv(&format!("features.{module}"), conv, START, None);
        writer.relu(&format!("features.{}", module + 1));
        if [0, 3, 10].contains(&module) {
            writer.max_pool(&format!("features.{}", module + 2), 3, 2, 0);
        }
    }
    writer.grid("avgpool", 6);
    writer.flatten();
    for (module, units) in [(0, "4096"), (3, "4096")] {
        writer.dropout(&format!("classifier.{module}"));
        writer.dense(&format!("classifier.{}", module + 1), units, START);
        writer.relu(&format!("classifier.{}", module + 2));
    }
    writer.dense("classifier.6", "\"classes\"", START);
    writer.finish()
}
