//! Tensors as NPY files, which NumPy reads: `numpy.load("inputs.npy")`.
//!
//! Source: NEP 1, "A simple file format for NumPy arrays", version 1.0.

use tensor::{DType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The values begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// `tensor` as an NPY file: little-endian, row-major.
pub fn npy(tensor: &Tensor) -> Vec<u8> {
    let lengths: Vec<String> = tensor.shape().iter().map(|length| format!("{length},")).collect();
    let header = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
        descriptor(tensor.dtype()),
        lengths.join(" ")
    );
    let before = MAGIC.len() + 2 + header.len() + 1;
    let padding = before.next_multiple_of(ALIGNMENT) - before;
    let header = format!("{header}{}\n", " ".repeat(padding));
    // A model has at most 32 dimensions, so a header never comes near 64 KiB.
    let length = u16::try_from(header.len()).unwrap_or_else(|_| panic!("a header of {} bytes", header.len()));
    [MAGIC, &length.to_le_bytes(), header.as_bytes(), &tensor.to_bytes()].concat()
}

fn descriptor(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U8 => "|u1",
        DType::Bool => "|b1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `numpy.save` 1.26 writes `numpy.array([[1, 2, 3]], dtype="float32")`, but for spaces, which do not count.
    #[test]
    fn the_header_is_numpys() {
        let bytes = npy(&Tensor::new([1, 3], vec![1.0f32, 2.0, 3.0]));
        assert_eq!(bytes.len(), 128 + 12);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let header = std::str::from_utf8(&bytes[10..128]).unwrap();
        assert_eq!(header.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3,), }");
        assert!(header.ends_with('\n'));
        assert_eq!(&bytes[128..132], 1.0f32.to_le_bytes());
    }
}
