//! The members of a row as they were written, and its key among them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::describe::{KeyAttribute, KeyAttributes};
use super::query::{Key, KeyValue};

/// An object's members in their order, their values as they were written.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of a row; the reason why it has none.
pub(super) fn members(row: &RawValue) -> Result<Members<'_>, String> {
    serde_json::from_str(row.get()).map_err(|error| format!("a row is no object: {error}"))
}

/// The key of a row; the reason why there is none.
pub(super) fn key(row: &RawValue, attributes: &KeyAttributes) -> Result<Key, String> {
    let Members(members) = members(row)?;
    attributes.0.iter().map(|attribute| key_value(&members, attribute)).collect::<Result<_, _>>().map(Key)
}

fn key_value(members: &[(Cow<'_, str>, &RawValue)], attribute: &KeyAttribute) -> Result<KeyValue, String> {
    let mut values = members.iter().filter(|(name, _)| *name == attribute.name);
    let name = &attribute.name;
    match (values.next(), values.next()) {
        (Some((_, value)), None) => KeyValue::of(value, attribute.is_numeric)
            .map_err(|why| format!("a row has no usable {name}: {why}")),
        (None, _) => Err(format!("a row has no {name}, which is its key")),
        (Some(_), Some(_)) => Err(format!("a row has {name} twice, which is its key")),
    }
}
