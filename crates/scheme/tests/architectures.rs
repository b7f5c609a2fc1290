//! Architectures: what is shown of them is what they are, and every value says where it comes from.

use std::path::Path;

use scheme::{
    Architecture, Decisions, MemoryFiles, Origin, Rebase, Resolution, ResolvedScheme, Winner, diff, format,
    resolve,
};

const DATA: &str = "inherits = ['vision/classifier']\n[data]\nsource = 'photos'\nheight = 64\nwidth = 64\n";

fn files(texts: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles(texts.iter().map(|(name, text)| ((*name).into(), text.as_bytes().to_vec())).collect())
}

fn resolved(files: &MemoryFiles, root: &str, overrides: &[&str]) -> (ResolvedScheme, Resolution) {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let found = resolve(Path::new(root), &overrides, files);
    let scheme = found.result.clone().unwrap_or_else(|problems| panic!("{problems}"));
    (scheme, found)
}

fn names(scheme: &ResolvedScheme) -> Vec<&str> {
    let Architecture::Layers(layers) = &scheme.model.architecture else { panic!("layers") };
    layers.iter().map(|layer| layer.name.as_str()).collect()
}

/// `FILE:LINE` of a value.
fn place(found: &Resolution, origin: Origin) -> String {
    let (Origin::File { span, .. } | Origin::Architecture { span, .. } | Origin::Override { span }) = origin
    else {
        panic!("written down")
    };
    let line = found.sources.line_column(span).line;
    let source = found.sources.get(span.file);
    format!("{} | {}", source.name, source.text.lines().nth(line - 1).unwrap_or_default())
}

#[test]
fn what_is_shown_resolves_to_the_same() {
    for name in ["alexnet", "mlp", "resnet18", "resnet34", "resnet50", "vgg11", "vgg19_bn"] {
        let text = format!("{DATA}[model]\narchitecture = '{name}'\n");
        let (first, _) = resolved(&files(&[("a.toml", &text)]), "a.toml", &["train.epochs=2"]);
        let (second, _) = resolved(&files(&[("b.toml", &first.to_toml())]), "b.toml", &["name=a"]);
        assert_eq!((first.to_toml(), first.digest()), (second.to_toml(), second.digest()), "{name}");
        assert!(!first.to_toml().contains("architecture"), "{name}");
    }
}

/// A child's changes hold, and are shown: another kernel, a layer less and one more, in either way of writing.
#[test]
fn a_child_changes_single_layers() {
    let text = format!("{DATA}[model]\narchitecture = 'resnet18'\n");
    let child = "inherits = ['a.toml']\n[model.layers.maxpool]\nremove = true\n\
                 [model.layers.layer1.0.conv1]\ninput = 'relu'\nkernel = 5\npadding = 2\n\
                 [model.layers.\"layer1.0.add\"]\nwith = 'relu'\n\
                 [model.layers.layer4.1.drop]\nop = 'dropout'\nafter = 'layer4.1.add'\n";
    let files = files(&[("a.toml", &text), ("b.toml", child)]);
    let set = "model.layers.layer1.0.conv1.bias=true";
    let (scheme, found) = resolved(&files, "b.toml", &[set]);
    let names = names(&scheme);
    assert_eq!(names[..4], ["conv1", "bn1", "relu", "layer1.0.conv1"]);
    assert_eq!(names[names.len() - 5..], ["layer4.1.add", "layer4.1.drop", "avgpool", "flatten", "fc"]);
    let origin = |key: &str| place(&found, scheme.origin(key).expect("a value"));
    assert_eq!(origin("model.layers.layer1.0.conv1.kernel"), "b.toml | kernel = 5");
    assert_eq!(origin("model.layers.layer1.0.conv1.bias"), format!("--set | {set}"));
    assert_eq!(origin("model.layers.layer1.0.conv1.filters"), "architecture resnet18 | filters = 64");
    let (again, _) = resolved(
        &MemoryFiles([("c.toml".into(), scheme.to_toml().into_bytes())].into()),
        "c.toml",
        &["name=b"],
    );
    assert_eq!(scheme.digest(), again.digest());
    let changed = diff(&resolved(&files, "a.toml", &["name=b"]).0, &scheme);
    let keys: Vec<&str> = changed.changed.iter().map(|change| change.key.as_str()).collect();
    assert!(keys.contains(&"model.layers.layer1.0.conv1.kernel"), "{keys:?}");
}

#[test]
fn values_come_from_the_architecture() {
    let text = format!("{DATA}[model]\narchitecture = 'resnet18'\n");
    let child = "inherits = ['a.toml']\nmodel.layers.conv1.kernel = 3\n";
    let files = files(&[("a.toml", &text), ("b.toml", child)]);
    let (scheme, found) = resolved(&files, "b.toml", &[]);
    let explained = |key: &str| scheme.explain(Some(key)).expect("a value").remove(0);
    let filters = explained("model.layers.layer2.0.downsample.0.filters");
    assert!(matches!(filters.origin, Origin::Architecture { generation: 2, .. }), "{filters:?}");
    let kernel = explained("model.layers.conv1.kernel");
    let older: Vec<String> = kernel.overrode.iter().map(|older| place(&found, older.origin)).collect();
    assert_eq!(older, ["architecture resnet18 | kernel = 7", "built-in vision/classifier@1 | kernel = 3"]);
    let chosen = explained("model.architecture");
    assert_eq!(
        (chosen.value, place(&found, chosen.origin).as_str()),
        ("resnet18".into(), "a.toml | architecture = 'resnet18'")
    );
    // What a child chooses takes the place of all layers before.
    let (other, _) = resolved(&files, "b.toml", &["model.architecture=mlp", "model.hidden=[7]"]);
    assert_eq!(names(&other), ["flatten", "hidden1", "output"]);
    assert_eq!(other.explain(Some("model.layers.hidden1.units")).expect("a value")[0].value, 7);
}

#[test]
fn a_rebase_finds_layers_with_dots() {
    let text = |name: &str, kernel: &str| {
        format!("{DATA}[model]\narchitecture = '{name}'\nlayers.layer1.0.conv1.kernel = {kernel}\n")
    };
    let child = "inherits = [\"one.toml\"]\n[model.layers.layer1.0.conv1]\nkernel = 5\n[model.layers.conv1]\nstride = 1\n";
    let files = files(&[
        ("child.toml", child),
        ("one.toml", &text("resnet18", "1")),
        ("two.toml", &text("resnet18", "3")),
    ]);
    let rebase = |decisions: &Decisions| {
        Rebase { child: Path::new("child.toml"), onto: "two.toml", from: None, decisions }
            .carry_out(&files)
            .result
    };
    let undecided = rebase(&Decisions::default()).expect_err("both change the kernel");
    assert!(undecided.to_string().contains("model.layers.layer1.0.conv1.kernel"), "{undecided}");
    let theirs = rebase(&Decisions { rest: Some(Winner::Theirs), keys: Vec::new() }).expect("decided");
    assert_eq!(theirs.text, "inherits = [\"two.toml\"]\n[model.layers.conv1]\nstride = 1\n");
}

/// The order of the texts is the order of the layers, and stays it.
#[test]
fn layers_with_dots_keep_their_order() {
    let layer = |name: &str| format!("[model.layers.{name}]\nop = \"relu\"\n");
    for names in [["b.0", "a", "b.1"], ["\"b.0\"", "a", "b.1"], ["b", "a", "b.1"]] {
        let text = names.map(layer).join("\n");
        assert_eq!(format(&text, base::FileId(0)).map_err(|found| found.to_string()), Ok(text));
    }
    let inside = "[model.layers]\nb.0.op = \"relu\"\n\n[model.layers.a]\nop = \"relu\"\n";
    assert_eq!(format(inside, base::FileId(0)).map_err(|found| found.to_string()), Ok(inside.to_owned()));
}
