//! JSON of a bounded number of values, of whose lists only the beginning is kept: a value takes many times the memory of its
//! bytes, so that what bounds an answer's bytes does not bound its memory. Whoever goes through a list reads it one element
//! after the other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use landfall::error::Result;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// The most values of a document: a list of 100,000 files has some 500,000.
const MAX_VALUES: usize = 1_000_000;
/// How many elements of a list are kept.
pub(super) const KEPT: usize = 100;

/// A document.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) value: Value,
    /// Whether it has lists of which not all is here.
    pub(super) is_cut: bool,
}

impl<'de> Deserialize<'de> for Bounded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (left, is_cut) = (Cell::new(MAX_VALUES), Cell::new(false));
        let value = Within { left: &left, is_cut: &is_cut, keeps: true }.deserialize(deserializer)?;
        Ok(Self { value, is_cut: is_cut.get() })
    }
}

/// Reads a value, counts it, and keeps it or not.
#[derive(Clone, Copy)]
struct Within<'c> {
    left: &'c Cell<usize>,
    is_cut: &'c Cell<bool>,
    keeps: bool,
}

impl Within<'_> {
    fn kept<E>(self, value: impl FnOnce() -> Value) -> std::result::Result<Value, E> {
        Ok(if self.keeps { value() } else { Value::Null })
    }
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
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

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        self.kept(|| text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let keeps = self.keeps && list.len() < KEPT;
            let Some(value) = sequence.next_element_seed(Within { keeps, ..self })? else { break };
            if keeps {
                list.push(value);
            } else {
                self.is_cut.set(true);
            }
        }
        self.kept(|| Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self)?;
            if self.keeps {
                map.insert(name, value);
            }
        }
        self.kept(|| Value::Object(map))
    }
}

/// Visits the elements of the list that a document has in a place (RFC 6901), one after the other. Their number; none where
/// there is no list that can be read.
pub(super) fn each_element(
    document: &[u8],
    pointer: &str,
    visit: &mut dyn FnMut(&Value) -> Result<()>,
) -> Result<Option<usize>> {
    let Some(list) = at(document, pointer) else { return Ok(None) };
    let mut failed = None;
    let elements = Elements { visit, failed: &mut failed };
    let visited = serde_json::Deserializer::from_str(list.get()).deserialize_seq(elements);
    match failed {
        Some(error) => Err(error),
        None => Ok(visited.ok()),
    }
}

/// What a document has in a place, as it is written.
fn at<'d>(document: &'d [u8], pointer: &str) -> Option<&'d RawValue> {
    let mut found: &RawValue = serde_json::from_slice(document).ok()?;
    for token in pointer.split('/').skip(1) {
        let text = found.get();
        found = if text.starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            list.get(token.parse::<usize>().ok()?)?
        } else {
            let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            fields.remove(&token.replace("~1", "/").replace("~0", "~"))?
        };
    }
    Some(found)
}

/// Visits the elements of a list.
struct Elements<'v> {
    visit: &'v mut dyn FnMut(&Value) -> Result<()>,
    failed: &'v mut Option<landfall::Error>,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<usize, A::Error> {
        let mut count = 0_usize;
        while let Some(element) = sequence.next_element()? {
            if let Err(error) = (self.visit)(&element) {
                *self.failed = Some(error);
                return Err(A::Error::custom("it is not gone on with"));
            }
            count = count.saturating_add(1);
        }
        Ok(count)
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
        let Bounded { value, is_cut } = serde_json::from_str(&document.to_string()).unwrap();
        assert_eq!((value, is_cut), (document, false));
    }

    /// Promise 6: of a long list only the beginning is kept, and each of its elements is visited nonetheless.
    #[test]
    fn a_long_list_is_gone_through_and_not_kept() {
        let list: Vec<Value> = (0..1000).map(|number| json!({ "n": number })).collect();
        let document = json!({ "a/b": [{ "list": list }], "after": 1 }).to_string();
        let Bounded { value, is_cut } = serde_json::from_str(&document).unwrap();
        assert!(is_cut && value["a/b"][0]["list"].as_array().unwrap().len() == KEPT && value["after"] == 1);
        let mut seen = Vec::new();
        let count = each_element(document.as_bytes(), "/a~1b/0/list", &mut |element| {
            seen.push(element.clone());
            Ok(())
        });
        assert_eq!((count.unwrap(), seen), (Some(1000), list));
        let mut stops = |_: &Value| Err(landfall::Error::contract_broken("no more"));
        let stopped = each_element(document.as_bytes(), "/a~1b/0/list", &mut stops);
        assert!(stopped.unwrap_err().line().contains("no more"));
        for pointer in ["", "/after", "/a~1b/1", "/c"] {
            let count = each_element(document.as_bytes(), pointer, &mut |_| Ok(()));
            assert_eq!(count.unwrap(), None, "{pointer}");
        }
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
