//! Two schemes compared by key.

use std::path::Path;

use scheme::{MemoryFiles, ResolvedScheme, diff, resolve};
use serde_json::json;

fn scheme(text: &str) -> ResolvedScheme {
    let files = MemoryFiles([("a.toml".into(), text.as_bytes().to_vec())].into());
    resolve(Path::new("a.toml"), &[], &files).result.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn texts_that_say_the_same_do_not_differ() {
    let one = scheme("inherits = [\"mnist\"]\ntrain.epochs = 10 # as before\n");
    let other = scheme("inherits = [\"mnist\"]\nmodel.layers.conv1.kernel = [3, 3]\n");
    assert!(diff(&one, &other).is_empty());
}

#[test]
fn values_steps_and_their_order() {
    let before = scheme("inherits = [\"mnist\"]\ntrain.early_stopping.patience = 3\n");
    let after = scheme(
        "inherits = [\"mnist\"]\ntrain.epochs = 5\nmodel.layers.conv1.kernel = 5\n\
         model.layers.drop = { op = \"dropout\", before = \"hidden\" }\n",
    );
    let expect = json!({
        "added": [
            { "key": "model.layers.drop.op", "value": "dropout" },
            { "key": "model.layers.drop.rate", "value": 0.5 },
        ],
        "removed": [{ "key": "train.early_stopping.patience", "value": 3 }],
        "changed": [
            {
                "key": "model.layers",
                "before": ["conv1", "pool1", "flatten", "hidden", "output"],
                "after": ["conv1", "pool1", "flatten", "drop", "hidden", "output"],
            },
            { "key": "model.layers.conv1.kernel", "before": [3, 3], "after": [5, 5] },
            { "key": "train.epochs", "before": 10, "after": 5 },
        ],
    });
    assert_eq!(json!(diff(&before, &after)), expect);
}

/// Steps added at the end and steps taken out are no change of order.
#[test]
fn order_that_follows_is_not_told() {
    let one = scheme("inherits = [\"mnist\"]\n");
    let other =
        scheme("inherits = [\"mnist\"]\nmodel.layers.pool1.remove = true\nmodel.layers.last.op = \"relu\"\n");
    assert!(diff(&one, &other).changed.is_empty() && !diff(&one, &other).is_empty());
}
