//! Cast.

use tensor::{DType, Tensor};

use crate::*;

/// Conversion to another element type.
pub struct Cast;

static SCHEMA: Schema = Schema {
    name: "Cast",
    domain: DOMAIN_ONNX,
    since_version: 13,
    doc: "`y_i = x_i` as the element type `to`. Float to integer truncates towards zero and saturates; to `bool`: not zero.\n\nGradient `dx = dy` between float types; none through integers.",
    inputs: &[Formal::required("x", "any shape and type")],
    outputs: &[Formal::required("y", "shape of `x`, type `to`")],
    attributes: &[AttributeDoc {
        name: "to",
        default: Default::Int(1),
        doc: "element type by its ONNX number: 1 float32, 2 uint8, 6 int32, 7 int64, 9 bool, 11 float64",
    }],
};

/// The number ONNX gives an element type.
pub fn onnx_code(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F64 => 11,
    }
}

/// The element type with the ONNX number `code`.
pub fn dtype_of(code: i64) -> Option<DType> {
    DType::ALL.into_iter().find(|&dtype| onnx_code(dtype) == code)
}

impl Operator for Cast {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn infer(&self, cx: &Inference<'_>) -> Result<Vec<ValueType>, OpError> {
        let code = cx.int("to");
        let to = dtype_of(code)
            .ok_or_else(|| OpError::new(format!("element type number {code} is not supported")))?;
        cx.one(to, cx.input(0).shape.clone())
    }

    fn reference(&self, cx: &Call<'_>) -> Result<Vec<Tensor>, OpError> {
        let to = dtype_of(cx.int("to")).expect("inference accepted it");
        Ok(vec![cx.input(0).cast(to)])
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Result<(), OpError> {
        let back = onnx_code(cx.dtype(cx.input(0)));
        let dx = cx.op_with("Cast", &[cx.dy()], Attributes::from([("to".to_owned(), back.into())]));
        cx.set(0, dx);
        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let pixels = Tensor::new([3], vec![0u8, 7, 255]);
        vec![
            Case::new("pixels")
                .tensor(pixels)
                .attribute("to", 1)
                .gives(&[3], &[0.0, 7.0, 255.0])
                .no_gradient(),
            Case::new("truncates")
                .input(&[2], &[-1.7, 2.9])
                .attribute("to", 7)
                .gives_tensor(Tensor::new([2], vec![-1i64, 2]))
                .no_gradient(),
            Case::new("unknown").smooth(&[1], 0).attribute("to", 99).refused("not supported"),
        ]
    }
}
