//! Writes the text of an architecture, layer by layer.

use std::fmt::Write as _;

/// The text so far.
pub(super) struct Writer(String);

/// How the layers of an architecture start.
#[derive(Clone, Copy)]
pub(super) struct Start {
    /// `init` of its convolutions.
    pub(super) conv: &'static str,
    /// `init` of its dense layers.
    pub(super) dense: &'static str,
}

/// A convolution with square kernels.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    pub(super) filters: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) bias: bool,
}

impl Writer {
    pub(super) fn new(name: &str) -> Self {
        Writer(format!("# The architecture {name}, layer by layer.\n"))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// A layer of the operation `op`, with further lines of settings.
    pub(super) fn layer(&mut self, name: &str, op: &str, settings: &[String]) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "\n[model.layers.\"{name}\"]\nop = \"{op}\"\n");
        for setting in settings {
            let _ = writeln!(self.0, "{setting}");
        }
    }

    pub(super) fn conv(&mut self, name: &str, conv: Conv, start: Start, input: Option<&str>) {
        let Conv { filters, kernel, stride, padding, bias } = conv;
        let mut settings: Vec<String> =
            input.map(|input| format!("input = \"{input}\"")).into_iter().collect();
        settings.extend([format!("filters = {filters}"), format!("kernel = {kernel}")]);
        settings.extend((stride != 1).then(|| format!("stride = {stride}")));
        settings.extend((padding != 0).then(|| format!("padding = {padding}")));
        settings.extend((!bias).then(|| "bias = false".to_owned()));
        settings.push(format!("init = \"{}\"", start.conv));
        self.layer(name, "conv", &settings);
    }

    pub(super) fn batch_norm(&mut self, name: &str) {
        self.layer(name, "batch_norm", &["tensor_names = \"pytorch\"".to_owned()]);
    }

    /// `units` is a number, or `"classes"` in quotes.
    pub(super) fn dense(&mut self, name: &str, units: &str, start: Start) {
        self.layer(name, "dense", &[format!("units = {units}"), format!("init = \"{}\"", start.dense)]);
    }

    pub(super) fn relu(&mut self, name: &str) {
        self.layer(name, "relu", &[]);
    }

    pub(super) fn dropout(&mut self, name: &str) {
        self.layer(name, "dropout", &[]);
    }

    pub(super) fn flatten(&mut self) {
        self.layer("flatten", "flatten", &[]);
    }

    pub(super) fn max_pool(&mut self, name: &str, size: usize, stride: usize, padding: usize) {
        let mut settings = vec![format!("size = {size}"), format!("stride = {stride}")];
        settings.extend((padding != 0).then(|| format!("padding = {padding}")));
        self.layer(name, "max_pool", &settings);
    }

    pub(super) fn grid(&mut self, name: &str, size: usize) {
        self.layer(name, "adaptive_average_pool", &[format!("size = {size}")]);
    }
}
