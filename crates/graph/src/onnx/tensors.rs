//! Tensors in ONNX files.

use tensor::{DType, Data, DecodeError, Tensor};

use super::proto::TensorProto;
use super::proto::tensor_proto::{DataLocation, DataType};
use crate::RANK_MAX;
use crate::ops::cast::{dtype_of, onnx_code};

/// `tensor` as a message, its values as raw little-endian bytes.
pub(super) fn write_tensor(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(onnx_code(tensor.dtype()) as i32),
        dims: tensor.shape().iter().map(|&length| length as i64).collect(),
        raw_data: Some(tensor.to_bytes()),
        ..TensorProto::default()
    }
}

/// The tensor in a message, or what is wrong with it: a phrase that follows the tensor's name.
pub(super) fn read_tensor(message: &TensorProto) -> Result<Tensor, String> {
    if message.data_location() == DataLocation::External || !message.external_data.is_empty() {
        return Err("keeps its values in another file".to_owned());
    }
    if message.segment.is_some() {
        return Err("is only a segment of a tensor".to_owned());
    }
    let dtype = element_type(message.data_type())?;
    let shape = lengths(&message.dims)?;
    let typed = typed_count(message);
    match &message.raw_data {
        Some(bytes) if typed == 0 => {
            Tensor::from_bytes(dtype, &shape, bytes).map_err(|error| describe(&error))
        }
        Some(bytes) if !bytes.is_empty() => Err("holds its values twice".to_owned()),
        _ => typed_tensor(message, dtype, shape, typed),
    }
}

/// The element type with an ONNX number, or a phrase that names the unsupported type.
pub(super) fn element_type(code: i32) -> Result<DType, String> {
    dtype_of(i64::from(code)).ok_or_else(|| match DataType::try_from(code) {
        Ok(name) => {
            format!("has the element type {}, which is not supported", name.as_str_name().to_lowercase())
        }
        Err(_) => format!("has the element type number {code}, which does not exist"),
    })
}

fn lengths(dims: &[i64]) -> Result<Vec<usize>, String> {
    if dims.len() > RANK_MAX {
        return Err(format!("has {} dimensions, more than {RANK_MAX}", dims.len()));
    }
    dims.iter()
        .map(|&length| usize::try_from(length).map_err(|_| format!("has a dimension of length {length}")))
        .collect()
}

fn describe(error: &DecodeError) -> String {
    format!("cannot be decoded: {error}")
}

fn typed_count(message: &TensorProto) -> usize {
    message.float_data.len()
        + message.double_data.len()
        + message.int32_data.len()
        + message.int64_data.len()
        + message.uint64_data.len()
        + message.string_data.len()
}

/// The tensor of `dtype` whose values stand in the field meant for them, which holds all of the `typed` values.
fn typed_tensor(
    message: &TensorProto,
    dtype: DType,
    shape: Vec<usize>,
    typed: usize,
) -> Result<Tensor, String> {
    let data = match dtype {
        DType::F32 => Data::F32(message.float_data.clone()),
        DType::F64 => Data::F64(message.double_data.clone()),
        DType::I32 => Data::I32(message.int32_data.clone()),
        DType::I64 => Data::I64(message.int64_data.clone()),
        DType::U8 => Data::U8(narrowed(&message.int32_data, dtype, |value| u8::try_from(value).ok())?),
        DType::Bool => Data::Bool(narrowed(&message.int32_data, dtype, truth)?),
    };
    if data.len() != typed {
        return Err(format!("of type {dtype} holds values of another type"));
    }
    let expected = shape.iter().try_fold(1usize, |count, &length| count.checked_mul(length));
    if expected != Some(data.len()) {
        return Err(format!("of shape {shape:?} holds {} values", data.len()));
    }
    Ok(Tensor::from_data(shape, data))
}

fn narrowed<T>(values: &[i32], dtype: DType, narrow: impl Fn(i32) -> Option<T>) -> Result<Vec<T>, String> {
    let narrow = |&value| narrow(value).ok_or_else(|| format!("of type {dtype} holds {value}"));
    values.iter().map(narrow).collect()
}

fn truth(value: i32) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_round_trip_for_every_type() {
        for dtype in DType::ALL {
            let tensor = Tensor::from_f64(dtype, [1, 3], &[0.0, 1.0, 1.0]);
            assert_eq!(read_tensor(&write_tensor("t", &tensor)), Ok(tensor));
        }
        let empty = Tensor::zeros(DType::F32, [0]);
        assert_eq!(read_tensor(&write_tensor("t", &empty)), Ok(empty));
    }

    #[test]
    fn values_in_typed_fields_are_read() {
        let check = |message: TensorProto, expect: Tensor| assert_eq!(read_tensor(&message), Ok(expect));
        let of = |data_type: DataType, dims: &[i64]| TensorProto {
            data_type: Some(data_type as i32),
            dims: dims.to_vec(),
            ..TensorProto::default()
        };
        let floats = TensorProto { float_data: vec![0.5, 2.0], ..of(DataType::Float, &[2, 1]) };
        check(floats, Tensor::new([2, 1], vec![0.5f32, 2.0]));
        let scalar = TensorProto { int64_data: vec![-7], ..of(DataType::Int64, &[]) };
        check(scalar, Tensor::scalar(-7i64));
        let bytes = TensorProto { int32_data: vec![0, 255], ..of(DataType::Uint8, &[2]) };
        check(bytes, Tensor::new([2], vec![0u8, 255]));
        let truths = TensorProto { int32_data: vec![1, 0], ..of(DataType::Bool, &[2]) };
        check(truths, Tensor::new([2], vec![true, false]));
        let empty = TensorProto { raw_data: Some(vec![]), ..of(DataType::Double, &[3, 0]) };
        check(empty, Tensor::zeros(DType::F64, [3, 0]));
    }

    #[test]
    fn hostile_tensors_are_refused() {
        let check = |message: TensorProto, expect: &str| {
            let error = read_tensor(&message).expect_err(expect);
            assert!(error.contains(expect), "{error}");
        };
        let valid = || write_tensor("t", &Tensor::new([2], vec![1.0f32, 2.0]));
        check(TensorProto { dims: vec![-1], ..valid() }, "length -1");
        check(TensorProto { dims: vec![i64::MAX, i64::MAX], ..valid() }, "more elements");
        check(TensorProto { dims: vec![1; 17], ..valid() }, "17 dimensions");
        check(TensorProto { dims: vec![3], ..valid() }, "12 bytes, found 8");
        check(TensorProto { data_type: Some(10), ..valid() }, "float16");
        check(TensorProto { data_type: Some(99), ..valid() }, "number 99");
        check(TensorProto { data_location: Some(1), ..valid() }, "another file");
        check(TensorProto { float_data: vec![1.0], ..valid() }, "twice");
        check(TensorProto { raw_data: None, ..valid() }, "holds 0 values");
        check(TensorProto { raw_data: None, int32_data: vec![1, 2], ..valid() }, "another type");
        let large = TensorProto { raw_data: None, int32_data: vec![300, 2], data_type: Some(2), ..valid() };
        check(large, "holds 300");
    }
}
