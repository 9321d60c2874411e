//! Values as the pod writes them: numbers as texts, texts as numbers, one thing or a list of one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A value that comes as text or as a number.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    /// A whole number.
    Whole(u64),
    /// Another number.
    Number(f64),
    /// Text.
    Text(String),
}

impl Scalar {
    /// The value as text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Whole(whole) => whole.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }

    /// The value as a whole number.
    pub(super) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(whole) => Some(*whole),
            Self::Number(number) if number.fract() == 0.0 => number.to_string().parse().ok(),
            Self::Number(_) => None,
            Self::Text(text) => text.trim().parse().ok(),
        }
    }

    /// Whether the value stands for one that is not known: an empty text, or a number below zero where none is.
    pub(super) fn is_unknown(&self) -> bool {
        self.text().is_empty() || self.number().is_some_and(|number| number < 0.0)
    }

    /// The value as a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Whole(_) | Self::Text(_) => self.text().parse().ok(),
        }
        .filter(|number| number.is_finite())
    }
}

/// One object, or a list of some.
#[derive(Debug, Clone)]
pub(super) enum OneOrMany<T> {
    /// A list.
    Many(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMany<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(OneOrMany::One)
    }
}

/// A field that nothing depends on: what does not fit is as good as missing.
pub(super) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(text.and_then(|text| landfall_http::last_of_each(text.get().as_bytes()).ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Oracle's own examples have `"completedPercentage": "50"` beside `"jobRequestId": 44046`.
    #[test]
    fn numbers_and_texts_are_one() {
        let read = |value: Value| serde_json::from_value::<Scalar>(value).unwrap();
        assert_eq!(read(json!("44046")).text(), read(json!(44046)).text());
        assert_eq!(read(json!("50")).number(), Some(50.0));
        assert_eq!(read(json!(50.5)).number(), Some(50.5));
        assert_eq!(read(json!(" 2876 ")).whole(), Some(2876));
        assert_eq!(read(json!(2876.0)).whole(), Some(2876));
        assert_eq!(read(json!(2876.5)).whole(), None);
        assert_eq!(read(json!(-1)).whole(), None);
        let unknown = [json!(-1), json!("-1"), json!(" ")].map(read);
        assert!(unknown.iter().all(Scalar::is_unknown) && !read(json!(0)).is_unknown());
        assert_eq!(read(json!("NaN")).number(), None);
        assert_eq!(read(json!("many")).number(), None);
    }
}
