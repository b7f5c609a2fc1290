//! Little-endian bytes of a tensor's values, as ONNX `raw_data` and safetensors keep them.

use std::fmt;

use crate::{DType, Data, Tensor};

/// Bytes that cannot be the values of a tensor of the stated type and shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The shape's element count does not fit in memory's address range.
    TooLarge,
    /// There are more or fewer bytes than the shape needs.
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes present.
        found: usize,
    },
    /// A truth value that is neither 0 nor 1.
    NotBool(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::TooLarge => f.write_str("the shape has more elements than can be addressed"),
            DecodeError::Length { expected, found } => {
                write!(f, "the shape needs {expected} bytes, found {found}")
            }
            DecodeError::NotBool(byte) => write!(f, "a truth value is 0 or 1, found {byte}"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Tensor {
    /// The values as little-endian bytes, in row-major order.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.data() {
            Data::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::U8(values) => values.clone(),
            Data::Bool(values) => values.iter().map(|&value| value as u8).collect(),
        }
    }

    /// The tensor whose little-endian bytes are `bytes`. The inverse of [`Tensor::to_bytes`]; safe on any bytes.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Self, DecodeError> {
        let expected = shape
            .iter()
            .try_fold(dtype.size(), |size, &length| size.checked_mul(length))
            .ok_or(DecodeError::TooLarge)?;
        if bytes.len() != expected {
            return Err(DecodeError::Length { expected, found: bytes.len() });
        }
        let data = match dtype {
            DType::F32 => Data::F32(words(bytes).map(f32::from_le_bytes).collect()),
            DType::F64 => Data::F64(words(bytes).map(f64::from_le_bytes).collect()),
            DType::I32 => Data::I32(words(bytes).map(i32::from_le_bytes).collect()),
            DType::I64 => Data::I64(words(bytes).map(i64::from_le_bytes).collect()),
            DType::U8 => Data::U8(bytes.to_vec()),
            DType::Bool => Data::Bool(bytes.iter().map(|&byte| truth(byte)).collect::<Result<_, _>>()?),
        };
        Ok(Tensor::from_data(shape.to_vec(), data))
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

fn truth(byte: u8) -> Result<bool, DecodeError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::NotBool(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_for_every_type() {
        for dtype in DType::ALL {
            let tensor = Tensor::from_f64(dtype, [2, 2], &[0.0, 1.0, 1.0, 0.0]);
            assert_eq!(Tensor::from_bytes(dtype, &[2, 2], &tensor.to_bytes()), Ok(tensor));
        }
    }

    #[test]
    fn hostile_shapes_are_refused() {
        assert_eq!(Tensor::from_bytes(DType::F64, &[usize::MAX, 2], &[]), Err(DecodeError::TooLarge));
        let wrong = DecodeError::Length { expected: 4, found: 3 };
        assert_eq!(Tensor::from_bytes(DType::F32, &[1], &[0; 3]), Err(wrong));
    }
}
