//! Values on their way to PostgreSQL and back.

use std::error::Error;

use postgres::types::{FromSql, ToSql, Type};

use crate::database::Value;

/// Why a column is not what it is asked for.
pub(crate) type Mismatch = Box<dyn Error + Sync + Send>;

/// The type under which a value is sent.
pub(crate) fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

/// `values` as a statement whose parameters have the types `types` is given them.
pub(crate) fn parameters<'a>(values: &'a [Value<'_>], types: &[Type]) -> Vec<Box<dyn ToSql + Sync + 'a>> {
    values.iter().zip(types).map(|(value, of)| parameter(value, of)).collect()
}

fn parameter<'a>(value: &'a Value<'_>, of: &Type) -> Box<dyn ToSql + Sync + 'a> {
    match value {
        Value::Integer(number) => Box::new(*number),
        Value::Text(text) => Box::new(text.as_ref()),
        Value::Bytes(bytes) => Box::new(*bytes),
        // An absent value still has the type that its place has.
        Value::Null if *of == Type::INT8 => Box::new(None::<i64>),
        Value::Null if *of == Type::BYTEA => Box::new(None::<&[u8]>),
        Value::Null => Box::new(None::<&str>),
    }
}

/// A column as the server sent it.
pub(crate) enum Raw<'a> {
    Null,
    Present(Type, &'a [u8]),
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Mismatch> {
        Ok(Raw::Present(of.clone(), raw))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Mismatch> {
        Ok(Raw::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> Raw<'a> {
    pub(crate) fn integer(self) -> Result<Option<i64>, Mismatch> {
        match self {
            Raw::Null => Ok(None),
            Raw::Present(of, raw) if of == Type::INT8 => Ok(Some(i64::from_sql(&of, raw)?)),
            Raw::Present(of, raw) if of == Type::INT4 => Ok(Some(i32::from_sql(&of, raw)?.into())),
            Raw::Present(of, _) => Err(mismatch("a whole number", &of)),
        }
    }

    pub(crate) fn text(self) -> Result<Option<&'a str>, Mismatch> {
        match self {
            Raw::Null => Ok(None),
            Raw::Present(of, raw) if of == Type::TEXT => Ok(Some(<&str>::from_sql(&of, raw)?)),
            Raw::Present(of, _) => Err(mismatch("a text", &of)),
        }
    }

    pub(crate) fn bytes(self) -> Result<Option<&'a [u8]>, Mismatch> {
        match self {
            Raw::Null => Ok(None),
            Raw::Present(of, raw) if of == Type::BYTEA => Ok(Some(raw)),
            Raw::Present(of, _) => Err(mismatch("bytes", &of)),
        }
    }
}

fn mismatch(wanted: &str, found: &Type) -> Mismatch {
    format!("the column holds `{found}` where {wanted} should be").into()
}
