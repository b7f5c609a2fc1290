//! Test cases of operators: data that every implementation (reference, kernels, after every pass, through an
//! ONNX round trip) is run on.

use tensor::{Shape, Tensor};

use crate::{Attribute, Attributes};

/// What a case expects.
#[derive(Debug, Clone)]
pub enum Expect {
    /// These outputs, within the case's tolerance.
    Outputs(Vec<Tensor>),
    /// Whatever the reference gives: the case serves to compare implementations and gradients.
    Reference,
    /// Refused by shape inference with a message that contains this text.
    Refused(&'static str),
}

/// One test case of an operator.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique within the operator.
    pub name: &'static str,
    /// The node's attributes.
    pub attributes: Attributes,
    /// The inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<Tensor>>,
    /// Which inputs are constants of the graph (axes, shapes) rather than fed.
    pub constant: Vec<bool>,
    /// Number of outputs asked for.
    pub output_count: usize,
    /// What should come out.
    pub expect: Expect,
    /// Whether the gradient is compared with central differences, with respect to every fed float input.
    pub gradient: bool,
    /// Absolute and relative tolerance for outputs.
    pub tolerance: f64,
}

impl Case {
    /// A case without inputs that expects what the reference gives, with gradient check.
    pub fn new(name: &'static str) -> Self {
        Case {
            name,
            attributes: Attributes::new(),
            inputs: Vec::new(),
            constant: Vec::new(),
            output_count: 1,
            expect: Expect::Reference,
            gradient: true,
            tolerance: 1e-6,
        }
    }

    /// Sets an attribute.
    pub fn attribute(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a fed `float32` input.
    pub fn input(self, shape: &[usize], values: &[f64]) -> Self {
        self.tensor(Tensor::from_f64(tensor::DType::F32, shape, values))
    }

    /// Adds a fed `float32` input with smooth, distinct, sign-changing values in about [-1.5, 1.5], for which no
    /// two elements tie: element `i` is `1.5 sin(1 + 0.7 i + seed)`.
    pub fn smooth(self, shape: &[usize], seed: usize) -> Self {
        let count = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|i| 1.5 * (1.0 + 0.7 * i as f64 + seed as f64).sin()).collect();
        self.input(shape, &values)
    }

    /// Adds a fed input.
    pub fn tensor(mut self, tensor: Tensor) -> Self {
        self.inputs.push(Some(tensor));
        self.constant.push(false);
        self
    }

    /// Adds a constant input, such as a ratio.
    pub fn constant(mut self, tensor: Tensor) -> Self {
        self.inputs.push(Some(tensor));
        self.constant.push(true);
        self
    }

    /// Adds a constant list of integers, such as axes.
    pub fn integers(self, values: &[i64]) -> Self {
        self.constant(Tensor::new([values.len()], values.to_vec()))
    }

    /// Leaves an optional input out.
    pub fn absent(mut self) -> Self {
        self.inputs.push(None);
        self.constant.push(false);
        self
    }

    /// Asks for `count` outputs.
    pub fn outputs(mut self, count: usize) -> Self {
        self.output_count = count;
        self
    }

    /// Expects one more output: `float32`.
    pub fn gives(self, shape: &[usize], values: &[f64]) -> Self {
        self.gives_tensor(Tensor::from_f64(tensor::DType::F32, shape, values))
    }

    /// Expects one more output.
    pub fn gives_tensor(mut self, tensor: Tensor) -> Self {
        let mut outputs = match self.expect {
            Expect::Outputs(outputs) => outputs,
            _ => Vec::new(),
        };
        outputs.push(tensor);
        self.output_count = outputs.len();
        self.expect = Expect::Outputs(outputs);
        self
    }

    /// Expects shape inference to refuse, with a message that contains `text`.
    pub fn refused(mut self, text: &'static str) -> Self {
        self.expect = Expect::Refused(text);
        self.gradient = false;
        self
    }

    /// Leaves the gradient check out: the operator has no gradient, or not at this point.
    pub fn no_gradient(mut self) -> Self {
        self.gradient = false;
        self
    }

    /// The shape of input `index`. Panics if it is absent.
    pub fn shape(&self, index: usize) -> Shape {
        Shape::known(self.inputs[index].as_ref().expect("present").shape())
    }
}
