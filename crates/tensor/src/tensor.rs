//! The tensor: shape and values.

use base::{Digest, DigestWriter};

use crate::{DType, Element};

/// The values of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the variants are the element types
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

/// Runs `$body` with `$values` bound to the typed vector inside `$data`.
macro_rules! each_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            Data::F32($values) => $body,
            Data::F64($values) => $body,
            Data::I32($values) => $body,
            Data::I64($values) => $body,
            Data::U8($values) => $body,
            Data::Bool($values) => $body,
        }
    };
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A dense array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor of `shape` holding `values`. Panics unless there are exactly as many values as the shape has.
    pub fn new<T: Element>(shape: impl Into<Vec<usize>>, values: Vec<T>) -> Self {
        Tensor::from_data(shape.into(), T::wrap(values))
    }

    /// A tensor of `shape` holding `data`. Panics unless there are exactly as many values as the shape has.
    pub fn from_data(shape: Vec<usize>, data: Data) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} needs as many values");
        Tensor { shape, data }
    }

    /// A tensor of rank 0.
    pub fn scalar<T: Element>(value: T) -> Self {
        Tensor::new([], vec![value])
    }

    /// A tensor of `shape` with all elements zero (`false`).
    pub fn zeros(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let count = shape.iter().product();
        let data = match dtype {
            DType::F32 => Data::F32(vec![0.0; count]),
            DType::F64 => Data::F64(vec![0.0; count]),
            DType::I32 => Data::I32(vec![0; count]),
            DType::I64 => Data::I64(vec![0; count]),
            DType::U8 => Data::U8(vec![0; count]),
            DType::Bool => Data::Bool(vec![false; count]),
        };
        Tensor { shape, data }
    }

    /// Lengths of the dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::F64(_) => DType::F64,
            Data::I32(_) => DType::I32,
            Data::I64(_) => DType::I64,
            Data::U8(_) => DType::U8,
            Data::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements, if they are of type `T`.
    pub fn get<T: Element>(&self) -> Option<&[T]> {
        T::slice(self)
    }

    /// The elements. Panics if they are not of type `T`; for places that have checked the type.
    pub fn values<T: Element>(&self) -> &[T] {
        T::slice(self).unwrap_or_else(|| panic!("expected {} elements, found {}", T::DTYPE, self.dtype()))
    }

    /// The same elements under another shape of equal size. Panics if the sizes differ.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Self {
        Tensor::from_data(shape.into(), self.data)
    }

    /// Every element as `f64`: exact for all types but `int64` beyond 2^53; `false` is 0, `true` is 1.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(values) => values.iter().map(|&value| value as f64).collect(),
            Data::F64(values) => values.clone(),
            Data::I32(values) => values.iter().map(|&value| value as f64).collect(),
            Data::I64(values) => values.iter().map(|&value| value as f64).collect(),
            Data::U8(values) => values.iter().map(|&value| value as f64).collect(),
            Data::Bool(values) => values.iter().map(|&value| value as u8 as f64).collect(),
        }
    }

    /// A tensor of type `dtype` from `f64` values, converted as Rust's `as` does (truncating towards zero,
    /// saturating; for `bool`: not zero). Panics unless there are as many values as the shape has.
    pub fn from_f64(dtype: DType, shape: impl Into<Vec<usize>>, values: &[f64]) -> Self {
        let data = match dtype {
            DType::F32 => Data::F32(values.iter().map(|&value| value as f32).collect()),
            DType::F64 => Data::F64(values.to_vec()),
            DType::I32 => Data::I32(values.iter().map(|&value| value as i32).collect()),
            DType::I64 => Data::I64(values.iter().map(|&value| value as i64).collect()),
            DType::U8 => Data::U8(values.iter().map(|&value| value as u8).collect()),
            DType::Bool => Data::Bool(values.iter().map(|&value| value != 0.0).collect()),
        };
        Tensor::from_data(shape.into(), data)
    }

    /// The same values as another element type; see [`Tensor::from_f64`] for the conversion.
    pub fn cast(&self, dtype: DType) -> Self {
        if dtype == self.dtype() {
            return self.clone();
        }
        if let (Data::I64(values), DType::I32) = (&self.data, dtype) {
            return Tensor::new(self.shape.clone(), values.iter().map(|&value| value as i32).collect());
        }
        Tensor::from_f64(dtype, self.shape.clone(), &self.to_f64())
    }

    /// The digest of element type, shape and values.
    pub fn digest(&self) -> Digest {
        let mut writer = DigestWriter::new("heirloom.tensor.1");
        writer.field(self.dtype().name().as_bytes());
        for &length in &self.shape {
            writer.field(&(length as u64).to_le_bytes());
        }
        writer.field(b"values").field(&self.to_bytes());
        writer.finish()
    }
}
