//! Lines of a segment: a header, schemas, records.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base::DigestWriter;
use serde::{Deserialize, Serialize};

use super::{Answered, FORMAT_VERSION, FieldPolicy, ID_BYTES_MAX, LogOptions, Record, Schema, Status};

/// Digits of a hash that are kept.
const HASH_DIGITS: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    heirloom_request_log: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaLine<'a> {
    schema: u32,
    #[serde(borrow)]
    model: Cow<'a, str>,
    version: u32,
    fields: Vec<(String, FieldPolicy)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordLine<'a> {
    of: u32,
    #[serde(borrow)]
    id: Cow<'a, str>,
    unix_ms: i64,
    #[serde(rename = "in")]
    inputs: Vec<Input>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    class: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<f64>,
    us: u32,
    status: Status,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Input {
    Number(Option<f32>),
    Hashed(String),
}

/// Which fields are written, and how.
pub(super) struct Written {
    schema: Arc<Schema>,
    policies: Vec<FieldPolicy>,
}

impl Written {
    pub(super) fn new(schema: Arc<Schema>, policies: &BTreeMap<String, FieldPolicy>) -> Self {
        let policy = |field: &String| policies.get(field).copied().unwrap_or(FieldPolicy::Keep);
        let policies = schema.fields.iter().map(policy).collect();
        Written { schema, policies }
    }

    pub(super) fn is_of(&self, schema: &Arc<Schema>) -> bool {
        Arc::ptr_eq(&self.schema, schema) || self.schema == *schema
    }

    /// The line that says what the records with the number `number` have in common.
    pub(super) fn line(&self, number: u32) -> Vec<u8> {
        let fields = self.schema.fields.iter().cloned().zip(self.policies.iter().copied());
        text(&SchemaLine {
            schema: number,
            model: self.schema.model.as_str().into(),
            version: self.schema.version,
            fields: fields.filter(|(_, policy)| *policy != FieldPolicy::Drop).collect(),
        })
    }

    /// The line of a record.
    pub(super) fn record(&self, number: u32, record: &Record, options: &LogOptions) -> Vec<u8> {
        let values = record.inputs.iter().copied().map(|value| value.filter(|value| value.is_finite()));
        let inputs =
            self.policies.iter().zip(values).enumerate().filter_map(
                |(place, (policy, value))| match policy {
                    FieldPolicy::Keep => Some(Input::Number(value)),
                    FieldPolicy::Hash => Some(value.map_or(Input::Number(None), |value| {
                        Input::Hashed(hashed(&options.hash_key, &self.schema.fields[place], value))
                    })),
                    FieldPolicy::Drop => None,
                },
            );
        let (class, p, value) = match &record.answer {
            Some(Answered::Class(label, p)) => (Some(&**label), Some(*p), None),
            Some(Answered::Value(value)) => (None, None, Some(*value)),
            None => (None, None, None),
        };
        text(&RecordLine {
            of: number,
            id: short(&record.id).into(),
            unix_ms: record.unix_ms,
            inputs: inputs.collect(),
            class: class.map(Into::into),
            p,
            value,
            us: record.latency_us,
            status: record.status,
        })
    }
}

/// The first line of a segment.
pub(super) fn header() -> Vec<u8> {
    text(&Header { heirloom_request_log: FORMAT_VERSION })
}

fn text(line: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists: nothing that JSON refuses.
    let mut bytes = serde_json::to_vec(line).unwrap_or_else(|error| panic!("a line cannot be JSON: {error}"));
    bytes.push(b'\n');
    bytes
}

fn hashed(key: &[u8], field: &str, value: f32) -> String {
    let mut writer = DigestWriter::new("heirloom.monitor.field.1");
    writer.field(key).field(field.as_bytes()).field(&(value + 0.0).to_le_bytes());
    writer.finish().to_string()[..HASH_DIGITS].to_owned()
}

/// At most [`ID_BYTES_MAX`] bytes of an id, whole characters.
fn short(id: &str) -> &str {
    &id[..id.floor_char_boundary(ID_BYTES_MAX)]
}

/// Reads the lines of one segment; safe on any bytes.
#[derive(Default)]
pub(super) struct Lines {
    schemas: BTreeMap<u32, Arc<Schema>>,
    begun: bool,
}

/// Schemas of one segment: more are no log of ours.
const SCHEMAS_MAX: usize = 10_000;

impl Lines {
    /// The record of a line; `None` if it is a header or a schema.
    ///
    /// Errors   why it is neither.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Option<Record>, String> {
        // Nearly all lines are records; the others are tried only where one is none.
        match serde_json::from_slice::<RecordLine<'_>>(line) {
            Ok(record) if self.begun => self.record(record).map(Some),
            Ok(_) => Err("a segment begins with its version".to_owned()),
            Err(error) => self.other(line, &error).map(|()| None),
        }
    }

    /// Takes in a header or a schema.
    fn other(&mut self, line: &[u8], error: &serde_json::Error) -> Result<(), String> {
        if let Ok(header) = serde_json::from_slice::<Header>(line) {
            if header.heirloom_request_log != FORMAT_VERSION {
                return Err(format!("version {} of logs is not known here", header.heirloom_request_log));
            }
            self.begun = true;
            return Ok(());
        }
        let line: SchemaLine<'_> = serde_json::from_slice(line).map_err(|_| error.to_string())?;
        if !self.begun || self.schemas.len() >= SCHEMAS_MAX {
            return Err(format!("a schema before the version, or more than {SCHEMAS_MAX} of them"));
        }
        let fields = line.fields.into_iter().map(|(name, _)| name).collect();
        let schema = Schema { model: line.model.into_owned(), version: line.version, fields };
        self.schemas.insert(line.schema, Arc::new(schema));
        Ok(())
    }

    /// Whether the segment's version was read.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    fn record(&self, line: RecordLine<'_>) -> Result<Record, String> {
        let schema = self.schemas.get(&line.of).ok_or_else(|| format!("no schema {}", line.of))?;
        if line.inputs.len() > schema.fields.len() {
            return Err(format!("{} inputs for {} fields", line.inputs.len(), schema.fields.len()));
        }
        let inputs = line.inputs.into_iter().map(|input| match input {
            // What was no finite number is known to be none.
            Input::Number(number) => Some(number.unwrap_or(f32::NAN)),
            Input::Hashed(_) => None,
        });
        Ok(Record {
            schema: Arc::clone(schema),
            id: line.id.into_owned(),
            unix_ms: line.unix_ms,
            inputs: inputs.collect(),
            answer: match (line.class, line.value) {
                (Some(class), _) => Some(Answered::Class(class.into(), line.p.unwrap_or(f32::NAN))),
                (None, value) => value.map(Answered::Value),
            },
            latency_us: line.us,
            status: line.status,
        })
    }
}
