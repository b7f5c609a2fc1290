//! Statements and rows, the same for every database.
//!
//! Statements are kept to SQL that SQLite and PostgreSQL both understand; parameters are written
//! `?1`, `?2`, ... and there are three types of values: whole numbers, texts and bytes.

use std::borrow::Cow;

use base::Digest;

use crate::error::RowError;

/// A value that a statement is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

/// The values of a statement: `values![name, version]`.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::database::rows::Value::from($value)),*][..] };
}
pub(crate) use values;

/// Rows inside one transaction.
pub(crate) trait Rows {
    /// Carries out a statement and returns how many rows it changed.
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<u64, RowError>;

    /// Hands each row of the answer to `visit`.
    fn each(
        &self,
        query: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&dyn Row) -> Result<(), RowError>,
    ) -> Result<(), RowError>;
}

/// One row of an answer. A column of another type than asked for is an error, `NULL` is `None`.
pub(crate) trait Row {
    fn integer(&self, column: usize) -> Result<Option<i64>, RowError>;
    fn text(&self, column: usize) -> Result<Option<&str>, RowError>;
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, RowError>;
}

impl dyn Rows + '_ {
    /// Everything that the answer holds.
    pub(crate) fn all<T>(
        &self,
        query: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, RowError>,
    ) -> Result<Vec<T>, RowError> {
        let mut found = Vec::new();
        self.each(query, values, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row of the answer, if there is one.
    pub(crate) fn first<T>(
        &self,
        query: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, RowError>,
    ) -> Result<Option<T>, RowError> {
        let mut found = None;
        self.each(query, values, &mut |row| {
            if found.is_none() {
                found = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The first column of the only row, such as a count.
    pub(crate) fn only<T: Column>(&self, query: &str, values: &[Value<'_>]) -> Result<T, RowError> {
        self.first(query, values, |row| row.get(0))?
            .ok_or_else(|| RowError::damaged("an answer", "it is empty"))
    }

    /// Whether the answer holds anything.
    pub(crate) fn exists(&self, query: &str, values: &[Value<'_>]) -> Result<bool, RowError> {
        Ok(self.first(query, values, |_| Ok(()))?.is_some())
    }
}

impl dyn Row + '_ {
    /// The value in a column.
    pub(crate) fn get<T: Column>(&self, column: usize) -> Result<T, RowError> {
        T::read(self, column)
    }
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError>;
}

impl Column for String {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError> {
        present(row.text(column)?.map(str::to_owned), column)
    }
}

impl Column for i64 {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError> {
        present(row.integer(column)?, column)
    }
}

impl Column for u64 {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError> {
        number(row.get::<i64>(column)?, column)
    }
}

impl Column for u32 {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError> {
        number(row.get::<i64>(column)?, column)
    }
}

impl Column for Digest {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError> {
        let text = present(row.text(column)?, column)?;
        text.parse().map_err(|error| RowError::damaged(format!("column {column}"), error))
    }
}

impl<T: Column> Column for Option<T> {
    fn read(row: &dyn Row, column: usize) -> Result<Self, RowError> {
        if is_null(row, column)? { Ok(None) } else { T::read(row, column).map(Some) }
    }
}

/// Whatever its type, a column that holds `NULL` says so under each of them.
fn is_null(row: &dyn Row, column: usize) -> Result<bool, RowError> {
    match row.text(column) {
        Ok(text) => Ok(text.is_none()),
        Err(_) => Ok(row.integer(column)?.is_none()),
    }
}

fn present<T>(value: Option<T>, column: usize) -> Result<T, RowError> {
    value.ok_or_else(|| RowError::damaged(format!("column {column}"), "it is empty"))
}

fn number<T: TryFrom<i64>>(value: i64, column: usize) -> Result<T, RowError> {
    T::try_from(value)
        .map_err(|_| RowError::damaged(format!("column {column}"), format!("{value} is out of range")))
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Integer(number.into())
    }
}

impl From<Digest> for Value<'_> {
    fn from(digest: Digest) -> Self {
        Value::Text(digest.to_string().into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text.into())
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text.as_str().into())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'a, T> From<Option<T>> for Value<'a>
where
    Value<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Value::from)
    }
}
