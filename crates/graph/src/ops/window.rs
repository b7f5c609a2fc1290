//! Sliding windows: the geometry that convolution and pooling share.
//!
//! Every length comes from outside (a scheme, an ONNX file), so all of them are bounded before anything is
//! computed: with each length at most [`LENGTH_MAX`], no product of two overflows.

use tensor::{Dim, Shape};

use crate::{Attribute, Attributes, OpError};

/// The longest input, kernel, stride, dilation or padding along one axis.
pub const LENGTH_MAX: usize = 1 << 30;

/// The window along one spatial axis. Output `o` reads inputs `o * stride + t * dilation - before` for the taps
/// `t` in `0..kernel`, those outside `0..input` being padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowAxis {
    /// Length of the input.
    pub input: usize,
    /// Length of the output, at least 1.
    pub output: usize,
    /// Number of taps.
    pub kernel: usize,
    /// Step from one output to the next.
    pub stride: usize,
    /// Step from one tap to the next.
    pub dilation: usize,
    /// Padding before the first input.
    pub before: usize,
    /// Padding after the last input.
    pub after: usize,
}

impl WindowAxis {
    /// The input that tap `tap` of output `output` reads, or `None` in the padding.
    pub fn source(&self, output: usize, tap: usize) -> Option<usize> {
        let padded = output * self.stride + tap * self.dilation;
        padded.checked_sub(self.before).filter(|&input| input < self.input)
    }

    /// Number of taps of output `output` that lie on the input or its padding; those beyond occur only in
    /// windows that rounding up added.
    fn padded_taps(&self, output: usize) -> usize {
        let room = self.before + self.input + self.after - output * self.stride;
        self.kernel.min(room.div_ceil(self.dilation))
    }

    /// Number of elements from the first tap to the last, both included.
    fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }
}

/// One tap of a window: offsets in row-major order among the spatial positions of input and kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// The input it reads.
    pub input: usize,
    /// Its place in the kernel.
    pub kernel: usize,
}

/// A window over the spatial axes of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// One per spatial axis, outermost first.
    pub axes: Vec<WindowAxis>,
    /// Whether output lengths are rounded up instead of down.
    pub ceil: bool,
}

/// The attributes that fix a window, as given; `None` takes ONNX's default.
#[derive(Debug, Clone, Default)]
pub struct WindowSettings {
    strides: Option<Vec<i64>>,
    dilations: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
    auto_pad: Option<String>,
    ceil: bool,
}

impl WindowSettings {
    /// Reads those of the attributes `names` that concern the window; `get` looks an attribute up.
    pub fn read(get: &dyn Fn(&str) -> Option<Attribute>, names: &[&str]) -> Result<Self, OpError> {
        let list = |name| if names.contains(&name) { list(get, name) } else { Ok(None) };
        let mut settings = WindowSettings {
            strides: list("strides")?,
            dilations: list("dilations")?,
            pads: list("pads")?,
            ..WindowSettings::default()
        };
        if names.contains(&"auto_pad")
            && let Some(Attribute::Text(text)) = get("auto_pad")
        {
            settings.auto_pad = Some(text);
        }
        if names.contains(&"ceil_mode") {
            settings.ceil = get("ceil_mode").is_some_and(|value| value != Attribute::Int(0));
        }
        Ok(settings)
    }
}

/// The list attribute `name`, refused if it is of another kind.
pub(crate) fn list(get: &dyn Fn(&str) -> Option<Attribute>, name: &str) -> Result<Option<Vec<i64>>, OpError> {
    match get(name) {
        None => Ok(None),
        Some(Attribute::Ints(values)) => Ok(Some(values)),
        Some(other) => {
            Err(OpError::new(format!("attribute {name} should be a list of integers, found {other:?}")))
        }
    }
}

/// The list attribute `name` as lengths of at least 1.
pub(crate) fn lengths_attribute(
    get: &dyn Fn(&str) -> Option<Attribute>,
    name: &str,
) -> Result<Option<Vec<usize>>, OpError> {
    let values = list(get, name)?;
    values.map(|values| values.iter().map(|&value| length(name, value, 1)).collect()).transpose()
}

/// `value` as a length, refused outside `least..=LENGTH_MAX`.
fn length(name: &str, value: i64, least: usize) -> Result<usize, OpError> {
    match usize::try_from(value) {
        Ok(length) if (least..=LENGTH_MAX).contains(&length) => Ok(length),
        _ => Err(OpError::new(format!("{name} should be between {least} and {LENGTH_MAX}, found {value}"))),
    }
}

/// `count` lengths of an optional list attribute, each `default` if it is absent.
fn lengths(
    name: &str,
    values: &Option<Vec<i64>>,
    count: usize,
    default: usize,
) -> Result<Vec<usize>, OpError> {
    let Some(values) = values else { return Ok(vec![default; count]) };
    if values.len() != count {
        return Err(OpError::new(format!("{name} should have {count} elements, found {}", values.len())));
    }
    values.iter().map(|&value| length(name, value, default)).collect()
}

/// The lengths of the spatial axes of a value `[batch, channel, spatial ..]`, all of which must be known.
pub fn spatial(shape: &Shape) -> Result<Vec<usize>, OpError> {
    if shape.rank() < 3 {
        return Err(OpError::new(format!(
            "the input should be [batch, channel, spatial ..] with rank 3 or more, found {shape}"
        )));
    }
    let known = |dim: &Dim| match dim.known() {
        Some(length) if length <= LENGTH_MAX => Ok(length),
        Some(length) => Err(OpError::new(format!("a length should be at most {LENGTH_MAX}, found {length}"))),
        None => Err(OpError::new(format!("the spatial lengths should be known, found {shape}"))),
    };
    shape.0[2..].iter().map(known).collect()
}

/// `[batch, channel, spatial ..]`.
pub(crate) fn output_shape(batch: Dim, channel: Dim, spatial: &[usize]) -> Shape {
    let mut dims = vec![batch, channel];
    dims.extend(spatial.iter().map(|&length| Dim::Known(length)));
    Shape(dims)
}

impl Window {
    /// The window of `kernel` taps that `settings` describe over an input of the spatial lengths `input`.
    pub fn new(settings: &WindowSettings, kernel: &[usize], input: &[usize]) -> Result<Self, OpError> {
        let rank = input.len();
        if kernel.len() != rank {
            return Err(OpError::new(format!(
                "the kernel should have {rank} spatial axes like the input, found {}",
                kernel.len()
            )));
        }
        if let Some(&length) = kernel.iter().chain(input).find(|&&length| length == 0 || length > LENGTH_MAX)
        {
            return Err(OpError::new(format!(
                "kernel and input lengths should be between 1 and {LENGTH_MAX}, found {length}"
            )));
        }
        let strides = lengths("strides", &settings.strides, rank, 1)?;
        let dilations = lengths("dilations", &settings.dilations, rank, 1)?;
        let pads = lengths("pads", &settings.pads, 2 * rank, 0)?;
        let automatic = settings.auto_pad.as_deref().unwrap_or("NOTSET");
        if automatic != "NOTSET" && pads.iter().any(|&pad| pad != 0) {
            return Err(OpError::new(format!(
                "pads and auto_pad {automatic} exclude each other, found pads {pads:?}"
            )));
        }
        let ceil = settings.ceil && automatic == "NOTSET";
        let axes = (0..rank).map(|axis| {
            let bare = WindowAxis {
                input: input[axis],
                output: 0,
                kernel: kernel[axis],
                stride: strides[axis],
                dilation: dilations[axis],
                before: pads[axis],
                after: pads[rank + axis],
            };
            bare.padded(automatic)?.sized(ceil)
        });
        Ok(Window { axes: axes.collect::<Result<_, _>>()?, ceil })
    }

    /// Refuses windows that could lie wholly in the padding, which have no maximum and no mean.
    pub(crate) fn for_pooling(self) -> Result<Self, OpError> {
        for axis in &self.axes {
            let padding = axis.before.max(axis.after);
            if padding >= axis.extent() {
                return Err(OpError::new(format!(
                    "padding {padding} should be smaller than the kernel's extent {}",
                    axis.extent()
                )));
            }
            if padding > 0 && axis.dilation > axis.input {
                return Err(OpError::new(format!(
                    "dilation {} with padding steps over an input of length {}",
                    axis.dilation, axis.input
                )));
            }
        }
        Ok(self)
    }

    /// The window's output lengths.
    pub fn outputs(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.output).collect()
    }

    /// Number of spatial positions of the input.
    pub fn input_count(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// Number of spatial positions of the output.
    pub fn output_count(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }

    /// Number of taps.
    pub fn kernel_count(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }

    /// The attributes `strides`, `dilations` and (resolved) `pads` of this window, all present.
    pub(crate) fn attributes(&self) -> Attributes {
        let all = |get: fn(&WindowAxis) -> usize| self.axes.iter().map(move |axis| get(axis) as i64);
        Attributes::from([
            ("strides".to_owned(), Attribute::Ints(all(|axis| axis.stride).collect())),
            ("dilations".to_owned(), Attribute::Ints(all(|axis| axis.dilation).collect())),
            (
                "pads".to_owned(),
                Attribute::Ints(all(|axis| axis.before).chain(all(|axis| axis.after)).collect()),
            ),
        ])
    }

    /// The spatial lengths of the input, as the attribute `input_shape` of the gradient operators.
    pub(crate) fn input_shape(&self) -> Attribute {
        Attribute::Ints(self.axes.iter().map(|axis| axis.input as i64).collect())
    }

    /// The number of taps along each axis, as the attribute `kernel_shape`.
    pub(crate) fn kernel_shape(&self) -> Attribute {
        Attribute::Ints(self.axes.iter().map(|axis| axis.kernel as i64).collect())
    }

    /// The taps of output position `output` that lie on the input, in row-major order of the kernel.
    pub fn taps(&self, output: usize) -> Vec<Tap> {
        let mut taps = vec![Tap { input: 0, kernel: 0 }];
        for (axis, at) in self.axes.iter().zip(self.position(output)) {
            let extend = |tap: &Tap| {
                let tap = *tap;
                (0..axis.kernel).filter_map(move |index| {
                    let input = tap.input * axis.input + axis.source(at, index)?;
                    Some(Tap { input, kernel: tap.kernel * axis.kernel + index })
                })
            };
            taps = taps.iter().flat_map(extend).collect();
        }
        taps
    }

    /// Number of taps of output position `output` on the input or its padding.
    pub fn padded_tap_count(&self, output: usize) -> usize {
        self.axes.iter().zip(self.position(output)).map(|(axis, at)| axis.padded_taps(at)).product()
    }

    /// The index along each axis of output position `output`, counted in row-major order.
    fn position(&self, output: usize) -> Vec<usize> {
        let mut rest = output;
        let mut position: Vec<usize> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let at = rest % axis.output;
                rest /= axis.output;
                at
            })
            .collect();
        position.reverse();
        position
    }
}

impl WindowAxis {
    /// With the padding that `automatic` asks for.
    fn padded(mut self, automatic: &str) -> Result<Self, OpError> {
        let same = |axis: &WindowAxis| {
            let output = axis.input.div_ceil(axis.stride);
            ((output - 1) * axis.stride + axis.extent()).saturating_sub(axis.input)
        };
        match automatic {
            "NOTSET" | "VALID" => {}
            "SAME_UPPER" => {
                let total = same(&self);
                (self.before, self.after) = (total / 2, total.div_ceil(2));
            }
            "SAME_LOWER" => {
                let total = same(&self);
                (self.before, self.after) = (total.div_ceil(2), total / 2);
            }
            other => {
                return Err(OpError::new(format!(
                    "auto_pad should be NOTSET, VALID, SAME_UPPER or SAME_LOWER, found {other}"
                )));
            }
        }
        Ok(self)
    }

    /// With the output length that follows from all others.
    fn sized(mut self, ceil: bool) -> Result<Self, OpError> {
        let padding = self.before + self.after;
        let Some(room) = (self.input + padding).checked_sub(self.extent()) else {
            let dilated = match self.dilation {
                1 => String::new(),
                dilation => format!(" at dilation {dilation}"),
            };
            return Err(OpError::new(format!(
                "kernel {}{dilated} with padding {padding} does not fit an input of length {}",
                self.kernel, self.input
            )));
        };
        self.output = if ceil { room.div_ceil(self.stride) } else { room / self.stride } + 1;
        // Rounding up may add a window that starts beyond the input; ONNX leaves that one out.
        if ceil && (self.output - 1) * self.stride >= self.input + self.before {
            self.output -= 1;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, input: usize, attributes: &[(&str, Attribute)]) -> Result<Window, OpError> {
        let get =
            |name: &str| attributes.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone());
        let names = ["strides", "dilations", "pads", "auto_pad", "ceil_mode"];
        Window::new(&WindowSettings::read(&get, &names)?, &[kernel], &[input])
    }

    #[test]
    fn output_lengths_and_paddings() {
        let check = |kernel, input, attributes: &[(&str, Attribute)], expect: (usize, usize, usize)| {
            let axis = window(kernel, input, attributes).expect("fits").axes[0].clone();
            assert_eq!((axis.output, axis.before, axis.after), expect, "{axis:?}");
        };
        check(3, 5, &[], (3, 0, 0));
        check(3, 6, &[("strides", [2].into())], (2, 0, 0));
        check(3, 5, &[("pads", [1, 2].into())], (6, 1, 2));
        check(3, 7, &[("dilations", [3].into())], (1, 0, 0));
        check(2, 5, &[("auto_pad", "SAME_UPPER".into())], (5, 0, 1));
        check(2, 5, &[("auto_pad", "SAME_LOWER".into())], (5, 1, 0));
        check(1, 4, &[("auto_pad", "SAME_UPPER".into()), ("strides", [3].into())], (2, 0, 0));
        check(2, 5, &[("strides", [2].into()), ("ceil_mode", 1.into())], (3, 0, 0));
        // The third window would start in the padding.
        check(2, 4, &[("strides", [4].into()), ("pads", [0, 1].into()), ("ceil_mode", 1.into())], (1, 0, 1));
    }

    #[test]
    fn odd_settings_are_refused() {
        let check = |kernel, input, attributes: &[(&str, Attribute)], expect: &str| {
            let error = window(kernel, input, attributes).expect_err(expect);
            assert!(error.0.contains(expect), "{error}");
        };
        check(5, 3, &[], "kernel 5 with padding 0 does not fit an input of length 3");
        check(3, 3, &[("strides", [0].into())], "strides should be between 1");
        check(3, 3, &[("strides", [1, 1].into())], "strides should have 1 elements");
        check(3, 3, &[("strides", 1.into())], "list of integers");
        check(3, 3, &[("pads", [-1, 0].into())], "pads should be between 0");
        check(3, 3, &[("dilations", [i64::MAX].into())], "dilations should be between 1");
        check(3, 0, &[], "between 1 and");
        check(3, 3, &[("auto_pad", "SAME".into())], "auto_pad should be");
        check(3, 3, &[("auto_pad", "VALID".into()), ("pads", [1, 1].into())], "exclude each other");
    }

    #[test]
    fn taps_run_over_the_kernel_in_row_major_order() {
        let settings = WindowSettings { pads: Some(vec![1, 0, 0, 0]), ..WindowSettings::default() };
        let window = Window::new(&settings, &[2, 2], &[2, 3]).expect("fits");
        assert_eq!(window.outputs(), [2, 2]);
        let top: Vec<_> = window.taps(1).iter().map(|tap| (tap.input, tap.kernel)).collect();
        assert_eq!(top, [(1, 2), (2, 3)]);
        let bottom: Vec<_> = window.taps(2).iter().map(|tap| (tap.input, tap.kernel)).collect();
        assert_eq!(bottom, [(0, 0), (1, 1), (3, 2), (4, 3)]);
    }
}
