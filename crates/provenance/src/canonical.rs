//! JSON in one form only, so that the same facts have the same bytes.

use serde::Serialize;
use serde_json::Value;

/// `value` as JSON without spaces, structures in the order of their fields, the keys of free objects
/// as they stand: sort those with [`sorted`].
pub(crate) fn text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

/// `value` with the keys of every object in the order of their bytes.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(fields.into_iter().collect())
        }
        other => other.clone(),
    }
}
