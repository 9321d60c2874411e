//! JSON of a bounded number of values: a value takes many times the memory of its bytes, so that what bounds an answer's
//! bytes does not bound its memory.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The most values of a document: a list of 100,000 files has some 500,000.
const MAX_VALUES: usize = 1_000_000;

/// A document.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) Value);

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Within(&Cell::new(MAX_VALUES)).deserialize(deserializer).map(Self)
    }
}

/// Reads a value, and counts it.
struct Within<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0.get().checked_sub(1) {
            Some(left) => self.0.set(left),
            None => return Err(D::Error::custom(format_args!("more than {MAX_VALUES} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = sequence.next_element_seed(Within(self.0))? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            map.insert(name, fields.next_value_seed(Within(self.0))?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is read is what was written.
    #[test]
    fn a_document_is_read_as_it_is() {
        let document = json!({ "a": [1, -2, 2.5, "x", null, true, {}], "b": { "c": [] } });
        let Bounded(read) = serde_json::from_str(&document.to_string()).unwrap();
        assert_eq!(read, document);
    }

    /// Promise 6: a document of nothing takes no more memory than one that says something.
    #[test]
    fn a_document_has_a_bounded_number_of_values() {
        let list = |count: usize| format!("[{}{{}}]", "{},".repeat(count - 1));
        assert!(serde_json::from_str::<Bounded>(&list(MAX_VALUES - 1)).is_ok());
        let error = serde_json::from_str::<Bounded>(&list(MAX_VALUES)).unwrap_err();
        assert!(error.to_string().contains("more than 1000000 values"), "{error}");
    }
}
