//! Questions and answers as JSON, with the binary tensor extension: after the JSON part, whose length a header tells,
//! the raw bytes of tensors follow in order.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use tensor::DType;
use utoipa::ToSchema;

use super::answer::{Answer, Column, columns, length_prefixed};
use super::numbers::{numbers, plain_bytes};
use super::question::{Examples, Question, RawTensor, Values, examples, outputs};
use super::signature::Signature;
use crate::error::{Kind, Refusal};

/// A question to a model. After the JSON part raw tensors may follow: the binary tensor extension.
#[derive(Deserialize, ToSchema)]
#[schema(as = InferenceRequest)]
pub(crate) struct QuestionBody<'a> {
    /// The caller's own name for the question; it comes back with the answer.
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(default, borrow)]
    outputs: Option<Vec<Output<'a>>>,
}

/// A tensor that goes in.
#[derive(Deserialize, ToSchema)]
#[schema(as = RequestInput)]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    shape: Vec<i64>,
    #[serde(default)]
    parameters: Parameters,
    /// Numbers, row-major, flat or nested.
    #[serde(default, borrow)]
    #[schema(value_type = Option<Vec<f64>>)]
    data: Option<&'a RawValue>,
}

/// An output that is asked for.
#[derive(Deserialize, ToSchema)]
#[schema(as = RequestOutput)]
pub(crate) struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    parameters: Parameters,
}

/// The parameters that mean something here; others are the caller's.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = RequestParameters)]
pub(crate) struct Parameters {
    /// Of an input: its bytes behind the JSON part.
    binary_data_size: Option<u64>,
    /// Of an output: give it as raw bytes.
    binary_data: Option<bool>,
    /// Of the request: give every output as raw bytes.
    binary_data_output: Option<bool>,
    /// Of an output: only so many best classes, as `value:number:label`.
    classification: Option<u64>,
    /// Microseconds, as Triton has it.
    timeout: Option<u64>,
}

/// Reads a question. `json_len` is the length of the JSON part if raw bytes follow it.
///
/// Errors   anything that is not a question to this model; more than `rows_max` examples.
pub(crate) fn parse(
    signature: &Signature,
    body: &Bytes,
    json_len: Option<usize>,
    rows_max: usize,
) -> Result<Question, Refusal> {
    let json_len = json_len.unwrap_or(body.len());
    if json_len > body.len() {
        let message = format!("the header says {json_len} bytes of JSON, and the body has {}", body.len());
        return Err(Refusal::invalid(message));
    }
    let parsed: QuestionBody<'_> = serde_json::from_slice(&body[..json_len])
        .map_err(|error| Refusal::invalid(format!("the request is no inference request: {error}")))?;
    let [input] = parsed.inputs.as_slice() else {
        let name = &signature.input.name;
        let message = format!("the model takes one input, `{name}`; found {}", parsed.inputs.len());
        return Err(Refusal::invalid(message));
    };
    let raw = RawTensor { name: &input.name, datatype: &input.datatype, shape: &input.shape };
    let count = examples(signature, &raw, rows_max)?;
    let rest = body.slice(json_len..);
    let examples = match (input.parameters.binary_data_size, input.data) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid("an input has both `data` and `binary_data_size`"));
        }
        (None, None) => return Err(Refusal::invalid("the input has neither `data` nor `binary_data_size`")),
        (Some(size), None) if size == rest.len() as u64 => Examples::from_bytes(signature, count, rest)?,
        (Some(size), None) => {
            let message =
                format!("`binary_data_size` is {size}, and {} bytes follow the JSON part", rest.len());
            return Err(Refusal::invalid(message));
        }
        (None, Some(_)) if !rest.is_empty() => {
            return Err(Refusal::invalid(format!(
                "{} bytes follow the JSON part, and no input says so",
                rest.len()
            )));
        }
        (None, Some(data)) => Examples { values: from_json(signature, data, count)?, count },
    };
    let binary = parsed.parameters.binary_data_output.unwrap_or(false);
    let asked = parsed.outputs.iter().flatten().map(|output| {
        let Parameters { binary_data, classification, .. } = &output.parameters;
        let classes = classification.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        (&*output.name, binary_data.unwrap_or(binary), classes)
    });
    Ok(Question {
        id: parsed.id.map(Cow::into_owned).unwrap_or_default(),
        examples,
        wanted: outputs(signature, asked, binary)?,
        timeout: parsed.parameters.timeout.filter(|&us| us > 0).map(Duration::from_micros),
    })
}

fn from_json(signature: &Signature, data: &RawValue, count: usize) -> Result<Values, Refusal> {
    let wanted = count * signature.row_len;
    let wrong = |error| Refusal::invalid(format!("`data` of input `{}`: {error}", signature.input.name));
    match signature.dtype {
        DType::U8 => plain_bytes(data, wanted)
            .map_or_else(|| numbers(data, wanted), Ok)
            .map(|values: Vec<u8>| Values::U8(values.into()))
            .map_err(wrong),
        _ => numbers(data, wanted).map(Values::F32).map_err(wrong),
    }
}

/// An answer as bytes; `json_len` is the length of the JSON part if raw bytes follow it.
pub(crate) struct JsonAnswer {
    pub(crate) body: Vec<u8>,
    pub(crate) json_len: Option<usize>,
}

/// The answer to a question.
#[derive(Serialize, ToSchema)]
#[schema(as = InferenceResponse)]
pub(crate) struct AnswerBody<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    outputs: Vec<AnswerOutput<'a>>,
}

/// A tensor that comes out.
#[derive(Serialize, ToSchema)]
#[schema(as = ResponseOutput)]
pub(crate) struct AnswerOutput<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    /// Numbers, or texts for the datatype `BYTES`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    data: Option<Column<'a>>,
}

/// How many raw bytes of an output follow the JSON part.
#[derive(Serialize, ToSchema)]
#[schema(as = ResponseParameters)]
pub(crate) struct BinarySize {
    binary_data_size: usize,
}

impl Serialize for Column<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Column::Texts(texts) => {
                let mut list = to.serialize_seq(Some(texts.len()))?;
                texts.iter().try_for_each(|text| list.serialize_element(text))?;
                list.end()
            }
            Column::Numbers(numbers) => numbers.serialize(to),
        }
    }
}

/// Writes the answer of version `version` of `model`.
///
/// Errors   a value that JSON has no number for and that was not asked for as raw bytes.
pub(crate) fn write(
    (model, version): (&str, &str),
    signature: &Signature,
    question: &Question,
    answer: &Answer,
) -> Result<JsonAnswer, Refusal> {
    let mut raw = Vec::new();
    let mut written = Vec::with_capacity(question.wanted.len());
    for (wanted, (port, shape, column)) in
        question.wanted.iter().zip(columns(signature, &question.wanted, answer))
    {
        let datatype = match column {
            Column::Texts(_) => "BYTES",
            Column::Numbers(_) => port.datatype,
        };
        let mut output = AnswerOutput { name: &port.name, datatype, shape, parameters: None, data: None };
        if wanted.binary {
            let before = raw.len();
            column.write_raw(&mut raw);
            output.parameters = Some(BinarySize { binary_data_size: raw.len() - before });
        } else {
            finite(&port.name, &column)?;
            output.data = Some(column);
        }
        written.push(output);
    }
    let body = AnswerBody { model_name: model, model_version: version, id: &question.id, outputs: written };
    let mut bytes = Vec::with_capacity(256 + raw.len());
    serde_json::to_writer(&mut bytes, &body)
        .map_err(|error| Refusal::new(Kind::Internal, format!("the answer cannot be written: {error}")))?;
    let json_len = question.wanted.iter().any(|wanted| wanted.binary).then_some(bytes.len());
    bytes.extend(raw);
    Ok(JsonAnswer { body: bytes, json_len })
}

fn finite(name: &str, column: &Column<'_>) -> Result<(), Refusal> {
    match column {
        Column::Numbers(numbers) if !numbers.iter().all(|number| number.is_finite()) => {
            let message = format!(
                "output `{name}` holds a value that is not finite, for which JSON has no number; ask for it with `binary_data`"
            );
            Err(Refusal::new(Kind::Internal, message))
        }
        _ => Ok(()),
    }
}

impl Column<'_> {
    /// As raw little-endian bytes.
    pub(crate) fn write_raw(&self, to: &mut Vec<u8>) {
        match self {
            Column::Texts(texts) => length_prefixed(texts.iter().map(|text| &**text), to),
            Column::Numbers(numbers) => to.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::signature::{Contents, Port};
    use super::*;

    fn signature(dtype: DType) -> Signature {
        let port = |name: &str, datatype, shape: &[i64]| Port {
            name: name.to_owned(),
            datatype,
            shape: shape.to_vec(),
        };
        Signature {
            input: port("x", if dtype == DType::U8 { "UINT8" } else { "FP32" }, &[-1, 2, 2]),
            dtype,
            row_len: 4,
            outputs: vec![
                (port("label", "BYTES", &[-1]), Contents::Label),
                (port("y", "FP32", &[-1, 2]), Contents::Numbers { output: 0, width: 2 }),
            ],
            labels: vec!["no".to_owned(), "yes".to_owned()],
        }
    }

    fn question(text: &str) -> Result<Question, Refusal> {
        parse(&signature(DType::F32), &Bytes::copy_from_slice(text.as_bytes()), None, 100)
    }

    #[test]
    fn lists_of_numbers_may_be_nested_in_any_way() {
        for data in ["[1,2,3,4.5]", "[[1,2],[3,4.5]]", "[[[1],[2,3]],4.5]", " [ 1 , [ 2 ] , 3,4.5 ] "] {
            let text = format!(
                r#"{{"id":"7","inputs":[{{"name":"x","shape":[1,2,2],"datatype":"FP32","data":{data}}}]}}"#
            );
            let found = question(&text).expect("a question");
            let Values::F32(values) = found.examples.values else { panic!("floats") };
            assert_eq!((values, found.id.as_str(), found.wanted.len()), (vec![1.0, 2.0, 3.0, 4.5], "7", 2));
        }
    }

    #[test]
    fn bytes_are_read_alike_on_both_ways() {
        for data in [
            "[0,255,7,10]",
            "[[ 0 , 255 ],[7,\n10]]",
            "[0,255,7,-0]",
            "[0,255,7,1e1]",
            "[0,256,7,10]",
            "[0,1000000000000,7,10]",
            "[0,255,7]",
            "[0,1,2,3,4]",
            "7",
            "[0,255,7,null]",
            "[]",
        ] {
            let raw = serde_json::from_str::<&RawValue>(data).expect("JSON");
            let slow: Result<Vec<u8>, String> = numbers(raw, 4);
            match plain_bytes(raw, 4) {
                Some(quick) => assert_eq!(Ok(quick), slow, "{data}"),
                None => assert!(slow.is_err() || data.contains(['-', 'e']), "{data}"),
            }
        }
    }

    #[test]
    fn an_answer_says_what_was_asked_for() {
        let mut found = question(
            r#"{"inputs":[{"name":"x","shape":[1,2,2],"datatype":"FP32","data":[1,2,3,4]}],
            "outputs":[{"name":"label"},{"name":"y","parameters":{"classification":1}}]}"#,
        )
        .expect("a question");
        let answer = Answer { count: 1, numbers: vec![vec![0.25, 0.75]] };
        let signature = signature(DType::F32);
        let written = write(("m", "3"), &signature, &found, &answer).expect("finite");
        let document: serde_json::Value = serde_json::from_slice(&written.body).expect("JSON");
        let label = json!({ "name": "label", "datatype": "BYTES", "shape": [1], "data": ["yes"] });
        let best = json!({ "name": "y", "datatype": "BYTES", "shape": [1, 1], "data": ["0.750000:1:yes"] });
        assert_eq!(document, json!({ "model_name": "m", "model_version": "3", "outputs": [label, best] }));

        found.wanted[1].classes = None;
        let nothing = Answer { count: 1, numbers: vec![vec![f32::NAN, 0.0]] };
        assert_eq!(
            write(("m", "3"), &signature, &found, &nothing).err().expect("no number").kind,
            Kind::Internal
        );
        found.wanted[1].binary = true;
        let written = write(("m", "3"), &signature, &found, &answer).expect("raw");
        assert_eq!(
            written.body[written.json_len.expect("raw bytes follow")..],
            [0, 0, 0x80, 0x3e, 0, 0, 0x40, 0x3f]
        );
    }

    proptest! {
        /// Whatever arrives, it is a question that fits the model or a refusal.
        #[test]
        fn any_bytes_are_a_question_or_a_refusal(body in proptest::collection::vec(any::<u8>(), 0..200), json_len in proptest::option::of(0usize..300)) {
            for dtype in [DType::U8, DType::F32] {
                let _ = parse(&signature(dtype), &Bytes::from(body.clone()), json_len, 100);
            }
        }

        #[test]
        fn any_shape_and_data_are_a_question_or_a_refusal(
            shape in proptest::collection::vec(any::<i64>(), 0..5),
            data in proptest::collection::vec(prop_oneof![any::<f64>().prop_map(|x| json!(x)), any::<i64>().prop_map(|x| json!(x)), Just(json!(null)), Just(json!([1, [2]]))], 0..12),
            rows in 1i64..3,
            fits in any::<bool>(),
        ) {
            let shape = if fits { vec![rows, 2, 2] } else { shape };
            let text = json!({ "inputs": [{ "name": "x", "shape": shape, "datatype": "FP32", "data": data }] }).to_string();
            if let Ok(found) = question(&text) {
                let Values::F32(values) = found.examples.values else { panic!("floats") };
                prop_assert_eq!(values.len(), found.examples.count * 4);
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }
}
