//! Named steps in order.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A step and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<T> {
    /// The name given in the scheme, unique among its siblings.
    pub name: String,
    /// What the step does.
    pub op: T,
}

/// Named steps in the order in which they run. Written as a map in that order.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps<T>(pub Vec<Step<T>>);

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Steps(Vec::new())
    }
}

impl<T> Deref for Steps<T> {
    type Target = [Step<T>];

    fn deref(&self) -> &[Step<T>] {
        &self.0
    }
}

impl<T: Serialize> Serialize for Steps<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for step in &self.0 {
            map.serialize_entry(&step.name, &step.op)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Steps<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StepsVisitor(PhantomData))
    }
}

struct StepsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StepsVisitor<T> {
    type Value = Steps<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of named steps")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut steps = Vec::new();
        while let Some((name, op)) = map.next_entry()? {
            steps.push(Step { name, op });
        }
        Ok(Steps(steps))
    }
}
