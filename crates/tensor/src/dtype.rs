//! Element types.

use std::fmt;

use crate::{Data, Tensor};

/// The type of a tensor's elements. The names are those of ONNX and numpy, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// 32-bit two's complement.
    I32,
    /// 64-bit two's complement.
    I64,
    /// 8-bit unsigned.
    U8,
    /// Truth values, one byte each, 0 or 1.
    Bool,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 6] = [DType::F32, DType::F64, DType::I32, DType::I64, DType::U8, DType::Bool];

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// The name used in files and messages: `float32`, `int64`, `uint8`, `bool` ...
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::Bool => "bool",
        }
    }

    /// The type called `name`, the inverse of [`DType::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that can be a tensor's element.
pub trait Element: Copy + PartialEq + fmt::Debug + Default + Send + Sync + 'static {
    /// The element type's run-time name.
    const DTYPE: DType;
    /// Wraps a vector.
    fn wrap(values: Vec<Self>) -> Data;
    /// The elements of `tensor`, if it is of this type.
    fn slice(tensor: &Tensor) -> Option<&[Self]>;
}

macro_rules! element {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
            fn wrap(values: Vec<Self>) -> Data {
                Data::$variant(values)
            }
            fn slice(tensor: &Tensor) -> Option<&[Self]> {
                match tensor.data() {
                    Data::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    )*};
}
element!(f32 => F32, f64 => F64, i32 => I32, i64 => I64, u8 => U8, bool => Bool);
