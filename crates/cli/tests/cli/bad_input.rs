//! Every kind of wrong input: exit status 2, a clear text, nothing printed as a result, nothing written.

use std::fmt::Write;

use crate::place::Place;
use crate::samples::{gzip, houses, idx, photos, pixels, png, small_mnist};

/// Collects what the program says to each wrong input.
#[derive(Default)]
struct Cases {
    text: String,
}

impl Cases {
    /// Runs `line` in `place` and expects a refusal.
    fn refused(&mut self, title: &str, place: &Place, line: &str) {
        let before = place.files();
        let said = place.heirloom(line).failed(2);
        assert_eq!(place.files(), before, "{title}: something was written");
        let said = said.replace(&place.path().display().to_string(), "PLACE");
        let said: String = said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let _ = write!(self.text, "== {title}\n$ heirloom {line}\n{said}\n");
    }

    /// The same for `heirloom run a.toml` with the scheme `text`.
    fn scheme(&mut self, title: &str, text: &str) {
        let place = Place::new();
        place.write("a.toml", text);
        self.refused(title, &place, "run --quiet a.toml");
    }
}

fn mnist(more: &str) -> String {
    format!("inherits = [\"mnist\"]\n{more}")
}

#[test]
fn schemes() {
    let mut cases = Cases::default();
    cases.scheme("unknown key", &mnist("[train]\nepoch = 3\n"));
    cases.scheme("wrong type", &mnist("[train]\nepochs = \"many\"\n"));
    cases.scheme("a rate out of range", &mnist("[train.optimizer]\nlearning_rate = -0.1\n"));
    cases.scheme("several at once", &mnist("[train]\nepoch = 3\nbatch_size = 0\nloss = \"cross\"\n"));
    cases.scheme("no TOML", "[train\n");
    cases.scheme("a parent that is missing", "inherits = [\"base.toml\"]\n");

    let place = Place::new();
    place.write("a.toml", "inherits = [\"b.toml\"]\n");
    place.write("b.toml", "inherits = [\"a.toml\"]\n");
    cases.refused("cyclic inherits", &place, "run --quiet a.toml");
    cases.refused("no scheme", &place, "run --quiet c.toml");
    cases.refused("no scheme built in", &place, "run mnits");
    cases.refused("a wrong override", &place, "run mnist --set train.epochs=many");
    insta::assert_snapshot!("schemes", cases.text);
}

#[test]
fn layers() {
    let mut cases = Cases::default();
    cases.scheme("a kernel larger than its input", &mnist("[model.layers.conv1]\nkernel = 40\n"));
    cases.scheme(
        "pooling what is flat",
        &mnist("[model.layers.pool2]\nop = \"max_pool\"\nafter = \"flatten\"\n"),
    );
    let place = Place::new();
    place.write("net.onnx", b"\x08\x07garbage, no protobuf at all");
    let graph = "[data]\nsource = \"mnist\"\n[model]\ngraph = \"net.onnx\"\n[train]\nepochs = 1\n";
    place.write("a.toml", graph);
    cases.refused("an ONNX file with garbage", &place, "run --quiet a.toml");
    cases.refused("an ONNX file with garbage, shown", &place, "model show net.onnx");
    cases.refused("an ONNX file that is missing", &place, "model show nothing.onnx");
    insta::assert_snapshot!("layers", cases.text);
}

#[test]
fn data_files() {
    let mut cases = Cases::default();
    let place = Place::new();
    small_mnist(&place);
    let run = "run --quiet schemes/mnist.toml";
    let images: Vec<u8> = (0..200).flat_map(|number| pixels(0, number, 28)).collect();

    place.write("schemes/images.idx", idx(2051, &[201, 28, 28], &images));
    cases.refused("IDX with a wrong count", &place, run);
    let packed = gzip(&idx(2051, &[200, 28, 28], &images));
    place.write("schemes/images.idx", &packed[..packed.len() / 2]);
    cases.refused("truncated gzip", &place, run);
    place.write("schemes/images.idx", "these are no images");
    cases.refused("no IDX at all", &place, run);
    std::fs::remove_file(place.path().join("schemes/images.idx")).expect("it is there");
    cases.refused("a missing file", &place, run);

    let place = Place::new();
    photos(&place);
    let scheme = "[data]\nsource = \"photos\"\nchannels = 1\nheight = 16\nwidth = 16\n";
    place.write("a.toml", format!("inherits = [\"vision/classifier\"]\n{scheme}"));
    place.write("photos/cat/7.png", "this is no image");
    place.write("photos/dog/8.jpg", &png(1, 8, 16)[..40]);
    cases.refused("images that are no images", &place, "run --quiet a.toml");

    let place = Place::new();
    houses(&place);
    let text = std::fs::read_to_string(place.path().join("houses.csv")).expect("it was written");
    place.write("houses.csv", text.replacen("40,1,1950,41000", "forty,1,1950,", 1));
    place.write("a.toml", crate::samples::HOUSES);
    cases.refused("cells that are no numbers", &place, "run --quiet a.toml");
    cases.refused("a column that is not there", &place, "run --quiet a.toml --set data.target=prize");
    insta::assert_snapshot!("data_files", cases.text);
}

#[test]
fn a_class_that_occurs_once() {
    let mut cases = Cases::default();
    let place = Place::new();
    photos(&place);
    place.write("photos/hamster/0.png", png(1, 99, 16));
    let scheme = "[data]\nsource = \"photos\"\nchannels = 1\nheight = 16\nwidth = 16\n";
    place.write("a.toml", format!("inherits = [\"vision/classifier\"]\n{scheme}"));
    cases.refused("a class that occurs once", &place, "run --quiet a.toml");
    insta::assert_snapshot!("a_class_that_occurs_once", cases.text);
}

#[test]
fn usage() {
    let mut cases = Cases::default();
    let place = Place::new();
    for line in [
        "",
        "rum mnist",
        "run",
        "run mnist --threads 0",
        "run mnist --epochs 3",
        "model list",
        "model show mnist --store elsewhere",
        "infer mnist photo.png",
        "algorithm show adan",
    ] {
        cases.refused("usage", &place, line);
    }
    place.write("notes/todo.txt", "no store");
    cases.refused("a folder that is no store", &place, "model list --store notes");
    cases.refused("a folder of other things is not made a store", &place, "run --quiet mnist --store notes");
    insta::assert_snapshot!("usage", cases.text);
}
