//! Lists as servers send them: null or nothing where they are empty, and now and then an entry that is none.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many entries a page of a list may have. Entries of two bytes become values of hundreds, so what bounds an answer's
/// bytes does not bound its memory.
const MAX_ENTRIES: usize = 100_000;

/// How many bytes an entry may have. Of small values, objects take some twenty times as much memory as bytes.
const MAX_ENTRY_BYTES: usize = 1 << 20;

/// The entries of a list, none where it is null. One that is not of its kind among others is left out, with a warning; a
/// list of nothing else is an error, as is what is no list.
pub(crate) fn entries<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Entries { may_misfit: true, kind: PhantomData })
}

/// The same, of a list of which no entry may be overlooked: what is left out is no object at all, and one that does not
/// fit is an error.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Entries { may_misfit: false, kind: PhantomData })
}

/// Reads one entry.
fn read<T: DeserializeOwned>(entry: &str) -> serde_json::Result<T> {
    match entry.len() {
        ..=MAX_ENTRY_BYTES => landfall_http::last_of_each(entry.as_bytes()),
        bytes => Err(serde_json::Error::custom(format_args!(
            "an entry of {bytes} bytes, where {MAX_ENTRY_BYTES} are many"
        ))),
    }
}

struct Entries<T> {
    may_misfit: bool,
    kind: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Entries<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut entries = Vec::new();
        let (mut odd, mut left_out) = (None, 0_u64);
        while let Some(entry) = sequence.next_element::<Box<RawValue>>()? {
            if entries.len() >= MAX_ENTRIES {
                return Err(A::Error::custom(format_args!("more than {MAX_ENTRIES} items")));
            }
            match read(entry.get()) {
                Ok(entry) => entries.push(entry),
                Err(error) if self.may_misfit || !entry.get().starts_with('{') => {
                    odd.get_or_insert(error);
                    left_out += 1;
                }
                Err(error) => return Err(A::Error::custom(error)),
            }
        }
        match odd {
            Some(error) if entries.is_empty() => return Err(A::Error::custom(error)),
            // Once, however many there are: whoever sends them may send very many.
            Some(error) => {
                tracing::warn!(%error, left_out, "some entries of a list are none, and are left out")
            }
            None => {}
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Named {
        name: String,
    }

    #[derive(Deserialize, Debug)]
    struct Page {
        #[serde(default, deserialize_with = "entries")]
        items: Vec<Named>,
    }

    fn names(page: &Value) -> Result<Vec<String>, serde_json::Error> {
        let page: Page = serde_json::from_str(&page.to_string())?;
        Ok(page.items.into_iter().map(|item| item.name).collect())
    }

    /// An empty list is written in three ways, and one odd entry does not take the good ones with it.
    #[test]
    fn a_list_is_read_as_servers_send_it() {
        for empty in [json!({}), json!({ "items": null }), json!({ "items": [] })] {
            assert_eq!(names(&empty).unwrap(), [""; 0]);
        }
        let odd = json!({ "items": [0, { "name": "a" }, null, { "name": 7 }, "x", { "name": "b" }] });
        assert_eq!(names(&odd).unwrap(), ["a", "b"]);
        #[derive(Deserialize, Debug)]
        struct Strict {
            #[serde(deserialize_with = "objects")]
            items: Vec<Named>,
        }
        let strict = |items: Value| serde_json::from_value::<Strict>(json!({ "items": items }));
        assert_eq!(strict(json!([null, { "name": "a" }])).unwrap().items.len(), 1);
        assert!(strict(json!([{ "name": 7 }, { "name": "a" }])).is_err());
        for none in [json!({ "items": {} }), json!({ "items": "none" }), json!({ "items": [0] })] {
            assert!(names(&none).is_err(), "{none}");
        }
    }

    /// Promise 6: one entry of a page may not be most of it: it takes far more memory than it has bytes.
    #[test]
    fn an_entry_has_a_bounded_size() {
        let large = "x".repeat(MAX_ENTRY_BYTES);
        let page = json!({ "items": [{ "name": large }, { "name": "a" }] });
        assert_eq!(names(&page).unwrap(), ["a"]);
        let error = names(&json!({ "items": [{ "name": large }] })).unwrap_err();
        assert!(error.to_string().contains("an entry of 1048587 bytes"), "{error}");
    }

    /// Promise 6: a page of nothing takes no more memory than one that says something.
    #[test]
    fn a_page_has_a_bounded_number_of_items() {
        #[derive(Deserialize, Debug)]
        struct Page {
            #[serde(deserialize_with = "entries")]
            items: Vec<Option<u8>>,
        }
        let read =
            |count: usize| serde_json::from_value::<Page>(json!({ "items": vec![Value::Null; count] }));
        assert_eq!(read(MAX_ENTRIES).unwrap().items.len(), MAX_ENTRIES);
        assert!(read(MAX_ENTRIES + 1).unwrap_err().to_string().contains("more than 100000 items"));
    }
}
