//! Questions from messages, messages from answers.
//!
//! Tensors come raw or typed, never mixed within one request; they go raw.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tensor::DType;

use super::inference::infer_parameter::ParameterChoice;
use super::inference::model_infer_response::InferOutputTensor;
use super::inference::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use crate::error::Refusal;
use crate::model::Served;
use crate::protocol::{
    Answer, Column, Examples, Question, RawTensor, Signature, Values, columns, examples, outputs,
};

/// A checked question.
///
/// Errors   anything that is not a question to this model; more than `rows_max` examples.
pub(super) fn question(
    signature: &Signature,
    request: &mut ModelInferRequest,
    rows_max: usize,
) -> Result<Question, Refusal> {
    let [input] = request.inputs.as_mut_slice() else {
        let name = &signature.input.name;
        let found = request.inputs.len();
        return Err(Refusal::invalid(format!("the model takes one input, `{name}`; found {found}")));
    };
    let raw = RawTensor { name: &input.name, datatype: &input.datatype, shape: &input.shape };
    let count = examples(signature, &raw, rows_max)?;
    let examples = match (input.contents.take(), request.raw_input_contents.as_mut_slice()) {
        (None, [bytes]) => Examples::from_bytes(signature, count, std::mem::take(bytes))?,
        (Some(contents), []) => Examples { values: typed(signature, contents, count)?, count },
        (None, []) => return Err(Refusal::invalid("the request has no tensor contents")),
        _ => {
            return Err(Refusal::invalid(
                "expected one tensor, either in `raw_input_contents` or in `contents`",
            ));
        }
    };
    let asked = request.outputs.iter().map(|output| {
        let classes = integer(&output.parameters, "classification");
        (output.name.as_str(), true, classes.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    });
    let timeout = integer(&request.parameters, "timeout").filter(|&us| us > 0);
    Ok(Question {
        id: std::mem::take(&mut request.id),
        examples,
        wanted: outputs(signature, asked, true)?,
        timeout: timeout.map(Duration::from_micros),
    })
}

fn integer(parameters: &HashMap<String, InferParameter>, name: &str) -> Option<u64> {
    match parameters.get(name)?.parameter_choice.as_ref()? {
        ParameterChoice::Int64Param(value) => u64::try_from(*value).ok(),
        ParameterChoice::Uint64Param(value) => Some(*value),
        _ => None,
    }
}

fn typed(signature: &Signature, contents: InferTensorContents, count: usize) -> Result<Values, Refusal> {
    let (found, values) = match signature.dtype {
        DType::U8 => {
            let bytes: Result<Vec<u8>, _> =
                contents.uint_contents.iter().map(|&value| u8::try_from(value)).collect();
            let bytes = bytes.map_err(|_| Refusal::invalid("`uint_contents` holds a number above 255"))?;
            (bytes.len(), Values::U8(bytes.into()))
        }
        _ => (contents.fp32_contents.len(), Values::F32(contents.fp32_contents)),
    };
    let expected = count * signature.row_len;
    match found == expected {
        true => Ok(values),
        false => {
            let field = if signature.dtype == DType::U8 { "uint_contents" } else { "fp32_contents" };
            Err(Refusal::invalid(format!("expected {expected} numbers in `{field}`, found {found}")))
        }
    }
}

/// The answer as a message.
pub(super) fn response(served: &Served, question: &Question, answer: &Answer) -> ModelInferResponse {
    let (mut tensors, mut raw) = (Vec::new(), Vec::new());
    for (port, shape, column) in columns(&served.signature, &question.wanted, answer) {
        let datatype = if matches!(column, Column::Texts(_)) { "BYTES" } else { port.datatype };
        let mut bytes = Vec::new();
        column.write_raw(&mut bytes);
        raw.push(Bytes::from(bytes));
        tensors.push(InferOutputTensor {
            name: port.name.clone(),
            datatype: datatype.to_owned(),
            shape,
            ..InferOutputTensor::default()
        });
    }
    ModelInferResponse {
        model_name: served.name.clone(),
        model_version: served.version.clone(),
        id: question.id.clone(),
        parameters: HashMap::new(),
        outputs: tensors,
        raw_output_contents: raw,
    }
}
