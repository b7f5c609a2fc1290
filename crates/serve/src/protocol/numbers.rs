//! A JSON list of numbers, nested in any way, as one row-major list of known length.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A type that a JSON number may be read as.
pub(super) trait Number: Copy {
    /// The protocol's name.
    const NAME: &'static str;
    fn from_unsigned(value: u64) -> Option<Self>;
    fn from_signed(value: i64) -> Option<Self>;
    fn from_float(value: f64) -> Option<Self>;
}

impl Number for u8 {
    const NAME: &'static str = "UINT8, 0 to 255";

    fn from_unsigned(value: u64) -> Option<Self> {
        u8::try_from(value).ok()
    }

    fn from_signed(value: i64) -> Option<Self> {
        u8::try_from(value).ok()
    }

    fn from_float(_: f64) -> Option<Self> {
        None
    }
}

impl Number for f32 {
    const NAME: &'static str = "FP32";

    fn from_unsigned(value: u64) -> Option<Self> {
        Some(value as f32)
    }

    fn from_signed(value: i64) -> Option<Self> {
        Some(value as f32)
    }

    fn from_float(value: f64) -> Option<Self> {
        Some(value as f32).filter(|value| value.is_finite())
    }
}

/// Reads exactly `count` bytes where they are written as plain digits, which most pictures are, in an eighth of the time of
/// [`numbers`]; `None` for anything else, which that reads or refuses in words.
pub(super) fn plain_bytes(raw: &RawValue, count: usize) -> Option<Vec<u8>> {
    // That it is JSON was seen when it was cut out of the request.
    let text = raw.get().as_bytes();
    if text.first() != Some(&b'[') {
        return None;
    }
    let mut found = Vec::with_capacity(count.min(text.len() / 2 + 1));
    let mut number: Option<u32> = None;
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                number = Some(number.unwrap_or(0) * 10 + u32::from(byte - b'0')).filter(|&value| value <= 255)
            }
            b',' | b']' => found.extend(number.take().map(|value| value as u8)),
            b'[' | b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => return None,
        }
        if byte.is_ascii_digit() && number.is_none() {
            return None; // above 255
        }
    }
    (found.len() == count).then_some(found)
}

/// Reads exactly `count` numbers. Memory is set aside for no more numbers than the text can hold.
pub(super) fn numbers<T: Number>(raw: &RawValue, count: usize) -> Result<Vec<T>, String> {
    let text = raw.get();
    // A number and what parts it from the next take two bytes.
    let mut found = Vec::with_capacity(count.min(text.len() / 2 + 1));
    let mut reader = serde_json::Deserializer::from_str(text);
    let list = Item { found: &mut found, count, depth: 0 };
    list.deserialize(&mut reader).map_err(|error| error.to_string())?;
    match found.len() == count {
        true => Ok(found),
        false => Err(format!("expected {count} numbers, found {}", found.len())),
    }
}

/// A number inside of a list, or a list.
struct Item<'a, T> {
    found: &'a mut Vec<T>,
    count: usize,
    depth: usize,
}

impl<T: Number> Item<'_, T> {
    fn push<E: Error>(self, number: Option<T>, shown: impl fmt::Display) -> Result<(), E> {
        if self.depth == 0 {
            return Err(E::custom("expected a list of numbers"));
        }
        if self.found.len() == self.count {
            return Err(E::custom(format!("expected {} numbers, found more", self.count)));
        }
        self.found
            .push(number.ok_or_else(|| E::custom(format!("{shown} is no number of type {}", T::NAME)))?);
        Ok(())
    }
}

impl<'de, T: Number> DeserializeSeed<'de> for Item<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Number> Visitor<'de> for Item<'_, T> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "a list of {} numbers of type {}", self.count, T::NAME)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(T::from_unsigned(value), value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(T::from_signed(value), value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(T::from_float(value), value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Item { found, count, depth } = self;
        while items.next_element_seed(Item { found: &mut *found, count, depth: depth + 1 })?.is_some() {}
        Ok(())
    }
}
