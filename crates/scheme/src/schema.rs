//! The scheme language as a JSON Schema, for editors: written from the settings tables.
//!
//! A scheme file says only what differs from what it inherits, so no key is required. What a key
//! means may depend on a choice (`op = "conv"`); where the file itself makes the choice, only the keys
//! of what was chosen are valid, else those of every possible choice.

use serde_json::{Map, Value as Json, json};

use crate::dotted::DOTTED;
use crate::load::SHORT_FORM;
use crate::merge::join;
use crate::sections::SCHEME;
use crate::settings::{Absent, Choice, Family, Kind, Literal, RealRange, Section, Setting};
use crate::upgrade::{FORMAT, old_keys};

/// The JSON Schema (draft 2020-12) of a scheme file, TOML read as JSON with dates as texts.
pub fn json_schema() -> Json {
    let mut schema = section(&SCHEME, "");
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Heirloom scheme",
    });
    let names = |doc: &str| json!({ "type": "array", "items": { "type": "string" }, "description": doc });
    let mut properties = Map::new();
    properties.insert(
        "format".to_owned(),
        described(
            json!({ "type": "integer", "minimum": 1, "maximum": FORMAT }),
            "The version of the scheme format; the newest unless given.",
        ),
    );
    properties.insert(
        "inherits".to_owned(),
        names("Parents: paths that end in `.toml`, or names of built-in or registered schemes."),
    );
    properties.insert("unset".to_owned(), names("Dotted keys that return to their defaults."));
    for (old, message) in old_keys() {
        properties.insert(old.to_owned(), json!({ "deprecated": true, "description": message }));
    }
    if let Some(Json::Object(own)) = schema.get_mut("properties") {
        properties.append(own);
        *own = properties;
    }
    match (head, schema) {
        (Json::Object(mut head), Json::Object(mut schema)) => {
            head.append(&mut schema);
            Json::Object(head)
        }
        (_, schema) => schema,
    }
}

fn described(mut schema: Json, doc: &str) -> Json {
    if let (Json::Object(schema), false) = (&mut schema, doc.is_empty()) {
        schema.insert("description".to_owned(), doc.into());
    }
    schema
}

/// A table with the keys of `section`.
fn section(section: &Section, path: &str) -> Json {
    let mut properties = properties(section.settings, path);
    let mut schema = json!({ "type": "object", "description": section.doc });
    if let Some(family) = &section.family {
        schema["allOf"] = family_rules(family, section, path);
        for (key, kinds) in family_properties(family, path) {
            properties.insert(key, kinds);
        }
        properties.insert(family.key.to_owned(), choice(family));
    }
    schema["properties"] = Json::Object(properties);
    schema["additionalProperties"] = false.into();
    schema
}

fn properties(settings: &[Setting], path: &str) -> Map<String, Json> {
    settings.iter().map(|setting| (setting.key.to_owned(), property(setting, path))).collect()
}

fn property(setting: &Setting, path: &str) -> Json {
    let mut schema = kind(setting.kind, &join(path, setting.key));
    let doc = match setting.absent {
        Absent::Derived(how) => format!("{} Unless given: {how}.", setting.doc),
        Absent::SameAs(other) => format!("{} Unless given: as `{other}`.", setting.doc),
        Absent::Required | Absent::Nothing | Absent::Default(_) => setting.doc.to_owned(),
    };
    if let Absent::Default(literal) = setting.absent
        && let Some(default) = default(literal)
    {
        schema["default"] = default;
    }
    described(schema, &doc)
}

fn default(literal: Literal) -> Option<Json> {
    match literal {
        Literal::Bool(flag) => Some(flag.into()),
        Literal::Integer(number) | Literal::Pair(number) => Some(number.into()),
        Literal::Real(number) => Some(number.into()),
        Literal::Text(text) => Some(text.into()),
        Literal::Table => None,
    }
}

/// The key that chooses.
fn choice(family: &Family) -> Json {
    let members =
        family.members.iter().map(|member| json!({ "const": member.name, "description": member.doc }));
    json!({ "oneOf": members.collect::<Vec<_>>(), "description": format!("Chooses the {}.", family.what) })
}

/// Every key that some member has, with everything that it may be.
fn family_properties(family: &Family, path: &str) -> Map<String, Json> {
    let mut found: Map<String, Json> = Map::new();
    for setting in family.members.iter().flat_map(|member| member.settings) {
        let schema = property(setting, path);
        match found.get_mut(setting.key) {
            None => {
                found.insert(setting.key.to_owned(), json!({ "anyOf": [schema] }));
            }
            Some(Json::Object(known)) => {
                if let Some(Json::Array(kinds)) = known.get_mut("anyOf")
                    && !kinds.contains(&schema)
                {
                    kinds.push(schema);
                }
            }
            Some(_) => {}
        }
    }
    found
}

/// For each member: if it is chosen, its keys and no others.
fn family_rules(family: &Family, section: &Section, path: &str) -> Json {
    let rule = |member: &&crate::settings::Algorithm| {
        let mut names: Vec<&str> = vec![family.key];
        names.extend(section.settings.iter().chain(member.settings).map(|setting| setting.key));
        if family.key == STEP_FAMILY {
            names.extend(DIRECTIVES);
        }
        json!({
            "if": { "properties": { family.key: { "const": member.name } }, "required": [family.key] },
            "then": {
                "properties": properties(member.settings, path),
                "propertyNames": { "enum": names },
            },
        })
    };
    family.members.iter().map(rule).collect()
}

/// The key by which steps choose what they do.
const STEP_FAMILY: &str = "op";
/// What a step says of its place.
const DIRECTIVES: [&str; 3] = ["after", "before", "remove"];

/// Named steps.
fn steps(inner: &'static Section, path: &str) -> Json {
    let mut step = section(inner, &join(path, "*"));
    let place = |side: &str| json!({ "type": "string", "description": format!("The step to stand {side}.") });
    step["properties"]["after"] = place("after");
    step["properties"]["before"] = place("before");
    step["properties"]["remove"] =
        json!({ "type": "boolean", "description": "Takes an inherited step out." });
    let mut name = "^[A-Za-z][A-Za-z0-9_-]*$";
    if path == DOTTED {
        name = "^[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+)*$";
        // A name with dots and without quotes is tables in tables; the settings of a layer are none.
        step["additionalProperties"] = json!({ "type": "object" });
    }
    json!({
        "type": "object",
        "propertyNames": { "maxLength": 64 },
        "patternProperties": { name: step },
        "additionalProperties": false,
    })
}

fn kind(kind: Kind, path: &str) -> Json {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => integer(min, max),
        Kind::Real(range) => real(range),
        Kind::Text { max } => json!({ "type": "string", "maxLength": max }),
        Kind::Name => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$", "maxLength": 64 }),
        Kind::Licence => json!({ "type": "string", "maxLength": 1000 }),
        Kind::Date => json!({ "type": "string", "maxLength": 200 }),
        Kind::Path => file(),
        Kind::NameOrPath(choices) => json!({ "anyOf": [words(choices), file()] }),
        Kind::Choice(choices) => words(choices),
        Kind::IntegerOr { min, max, words: choices } => {
            json!({ "anyOf": [integer(min, max), words(choices)] })
        }
        Kind::Pair { min, max } => {
            let both = json!({ "type": "array", "items": integer(min, max), "minItems": 2, "maxItems": 2 });
            json!({ "anyOf": [integer(min, max), both] })
        }
        Kind::Reals(range) => {
            let each = json!({ "type": "array", "items": real(range), "minItems": 1, "maxItems": 10_000 });
            json!({ "anyOf": [real(range), each] })
        }
        Kind::List { of, min, max } => json!({
            "type": "array", "items": self::kind(*of, path), "minItems": min, "maxItems": max, "uniqueItems": true,
        }),
        Kind::Table(inner) => match (&inner.family, path == SHORT_FORM) {
            (Some(family), true) => json!({ "anyOf": [choice(family), section(inner, path)] }),
            _ => section(inner, path),
        },
        Kind::Steps(inner) => steps(inner, path),
    }
}

fn integer(min: i64, max: i64) -> Json {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn real(range: RealRange) -> Json {
    let mut schema = json!({ "type": "number" });
    if range.min != f64::MIN {
        schema[if range.above_min { "exclusiveMinimum" } else { "minimum" }] = range.min.into();
    }
    if range.max != f64::MAX {
        schema[if range.below_max { "exclusiveMaximum" } else { "maximum" }] = range.max.into();
    }
    if range.nonzero {
        schema["not"] = json!({ "const": 0 });
    }
    schema
}

fn file() -> Json {
    json!({ "type": "string", "minLength": 1, "maxLength": 4096 })
}

fn words(choices: &[Choice]) -> Json {
    let each = choices.iter().map(|choice| json!({ "const": choice.name, "description": choice.doc }));
    json!({ "oneOf": each.collect::<Vec<_>>() })
}
