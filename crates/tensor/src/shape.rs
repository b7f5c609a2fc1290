//! Shapes with known and symbolic dimensions.

use std::fmt;

/// One dimension of a shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A fixed length.
    Known(usize),
    /// A length that is known by name until the graph runs, such as `batch`.
    Symbol(String),
}

impl Dim {
    /// The length, if it is known.
    pub fn known(&self) -> Option<usize> {
        match self {
            Dim::Known(length) => Some(*length),
            Dim::Symbol(_) => None,
        }
    }
}

impl From<usize> for Dim {
    fn from(length: usize) -> Self {
        Dim::Known(length)
    }
}

impl From<&str> for Dim {
    fn from(symbol: &str) -> Self {
        Dim::Symbol(symbol.to_owned())
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(length) => write!(f, "{length}"),
            Dim::Symbol(symbol) => f.write_str(symbol),
        }
    }
}

/// The dimensions of a value in a graph, outermost first. Rank 0 is a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// A shape of known lengths.
    pub fn known(lengths: &[usize]) -> Self {
        Shape(lengths.iter().map(|&length| Dim::Known(length)).collect())
    }

    /// A shape whose first dimension is the symbol `batch`.
    pub fn batched(lengths: &[usize]) -> Self {
        let mut dims = vec![Dim::from("batch")];
        dims.extend(lengths.iter().map(|&length| Dim::Known(length)));
        Shape(dims)
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The lengths, if all are known.
    pub fn lengths(&self) -> Option<Vec<usize>> {
        self.0.iter().map(Dim::known).collect()
    }

    /// The shape with `symbol` replaced by `length`.
    pub fn bind(&self, symbol: &str, length: usize) -> Self {
        let dims = self.0.iter().map(|dim| match dim {
            Dim::Symbol(name) if name == symbol => Dim::Known(length),
            other => other.clone(),
        });
        Shape(dims.collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, dim) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}
