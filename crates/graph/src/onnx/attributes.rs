//! Attributes in ONNX files.

use super::limits::NAME_BYTES_MAX;
use super::proto::AttributeProto;
use super::proto::attribute_proto::AttributeType;
use super::tensors::{read_tensor, write_tensor};
use crate::{Attribute, Attributes};

/// `value` as a message.
pub(super) fn write_attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut message = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Int(value) => {
            message.i = Some(*value);
            AttributeType::Int
        }
        Attribute::Float(value) => {
            message.f = Some(*value);
            AttributeType::Float
        }
        Attribute::Text(value) => {
            message.s = Some(value.clone().into_bytes());
            AttributeType::String
        }
        Attribute::Ints(values) => {
            message.ints = values.clone();
            AttributeType::Ints
        }
        Attribute::Floats(values) => {
            message.floats = values.clone();
            AttributeType::Floats
        }
        Attribute::Tensor(tensor) => {
            message.t = Some(Box::new(write_tensor("", tensor)));
            AttributeType::Tensor
        }
    };
    message.set_type(kind);
    message
}

/// The attributes of a node, or what is wrong with them.
pub(super) fn read_attributes(messages: &[AttributeProto]) -> Result<Attributes, String> {
    let mut attributes = Attributes::new();
    for message in messages {
        let name = message.name();
        if name.len() > NAME_BYTES_MAX {
            return Err(format!("an attribute's name has {} bytes, more than {NAME_BYTES_MAX}", name.len()));
        }
        let value = read_attribute(message).map_err(|problem| format!("attribute {name} {problem}"))?;
        if attributes.insert(name.to_owned(), value).is_some() {
            return Err(format!("attribute {name} is given twice"));
        }
    }
    Ok(attributes)
}

/// One attribute's value, or a phrase that follows its name.
fn read_attribute(message: &AttributeProto) -> Result<Attribute, String> {
    if message.ref_attr_name.is_some() {
        return Err("refers to an attribute of a function".to_owned());
    }
    match message.r#type() {
        AttributeType::Int => Ok(Attribute::Int(message.i())),
        AttributeType::Float => Ok(Attribute::Float(message.f())),
        AttributeType::Ints => Ok(Attribute::Ints(message.ints.clone())),
        AttributeType::Floats => Ok(Attribute::Floats(message.floats.clone())),
        AttributeType::String => match std::str::from_utf8(message.s()) {
            Ok(text) => Ok(Attribute::Text(text.to_owned())),
            Err(_) => Err("is no UTF-8 text".to_owned()),
        },
        AttributeType::Tensor => {
            let tensor = message.t.as_ref().ok_or("holds no tensor")?;
            Ok(Attribute::Tensor(read_tensor(tensor)?))
        }
        AttributeType::Graph | AttributeType::Graphs => {
            Err("holds a graph; graphs within graphs are not supported".to_owned())
        }
        kind => Err(format!("is of the kind {}, which is not supported", kind.as_str_name().to_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use tensor::Tensor;

    use super::*;

    #[test]
    fn attributes_round_trip() {
        let values = [
            Attribute::from(-3),
            Attribute::from(0.5),
            Attribute::from("SAME_UPPER"),
            Attribute::from([1, 2]),
            Attribute::Ints(vec![]),
            Attribute::Floats(vec![1.5]),
            Attribute::from(Tensor::scalar(2.0f32)),
        ];
        for value in values {
            let read = read_attributes(&[write_attribute("a", &value)]);
            assert_eq!(read, Ok(Attributes::from([("a".to_owned(), value)])));
        }
    }

    #[test]
    fn unsupported_attributes_are_refused() {
        let check = |messages: &[AttributeProto], expect: &str| {
            let error = read_attributes(messages).expect_err(expect);
            assert!(error.contains(expect), "{error}");
        };
        let valid = write_attribute("a", &Attribute::from(1));
        check(&[valid.clone(), valid.clone()], "attribute a is given twice");
        check(&[AttributeProto { r#type: Some(5), ..valid.clone() }], "graphs within graphs");
        check(&[AttributeProto { r#type: Some(8), ..valid.clone() }], "kind strings");
        check(&[AttributeProto { r#type: None, ..valid.clone() }], "kind undefined");
        let bytes = AttributeProto { r#type: Some(3), s: Some(vec![0xff]), ..valid.clone() };
        check(&[bytes], "no UTF-8");
        check(&[AttributeProto { ref_attr_name: Some("b".to_owned()), ..valid }], "of a function");
    }
}
