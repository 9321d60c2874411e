//! The form of a kept document, and the one way to change a document that others change too.
//!
//! Programs of several releases work on one bucket: during a deployment, after a rollback, on a colleague's machine.
//! So a kept document may have fields that its reader does not know, and names the version of its form where that is
//! not the first.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use landfall_store::{Condition, StoreError, Written};

use super::{MAX_DOCUMENT, WorkState};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// The field that names a document's version.
const VERSION: &str = "version";

/// The version of a document that names none.
const FIRST_VERSION: u32 = 1;

/// How often a document that others are changing is tried to be changed.
const TRIES: usize = 50;

/// How long is waited before a document that others have just changed is read again.
const PAUSE: Duration = Duration::from_millis(50);

/// A kind of kept document.
///
/// A program ignores fields that it does not know, and loses them where it changes the document. So a field is added
/// without another version if programs that do not know it do no harm; whatever they must not overlook raises the
/// version.
pub trait Document: Serialize + DeserializeOwned {
    /// The version of the form that this program writes, and the newest that it reads.
    const VERSION: u32 = FIRST_VERSION;
}

/// What is to become of a document that others change too, and what the caller gets.
#[derive(Debug)]
pub enum Change<T, A> {
    /// It stays as it is.
    Keep(A),
    /// It is written, if nobody has changed it meanwhile.
    Write(T, A),
}

/// Reads a document, unless it is of a version that this program does not know.
pub(super) fn parse<T: Document>(bytes: &[u8], object: &str) -> Result<T, StoreError> {
    must_be_readable(bytes, T::VERSION, object)?;
    serde_json::from_slice(bytes)
        .map_err(|source| StoreError::Malformed { object: object.to_owned(), source })
}

/// Refuses a document that is newer than what this program reads, before anything else of it is believed.
pub(super) fn must_be_readable(bytes: &[u8], newest: u32, object: &str) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    // Without a number there, it is of the first version, or no document at all, which its reader says better.
    match serde_json::from_slice(bytes) {
        Ok(Versioned { version }) if version > newest => {
            Err(StoreError::NewerVersion { object: object.to_owned(), version, newest })
        }
        _ => Ok(()),
    }
}

/// A document as it is written.
pub(super) fn json<T: Document>(document: &T, key: &str) -> Result<Bytes, StoreError> {
    let malformed = |source| StoreError::Malformed { object: key.to_owned(), source };
    // The first version is not named: the releases that know no versions refuse every field that they do not know.
    let bytes = if T::VERSION == FIRST_VERSION {
        serde_json::to_vec_pretty(document)
    } else {
        let mut value = serde_json::to_value(document).map_err(malformed)?;
        if let Value::Object(fields) = &mut value {
            fields.insert(VERSION.to_owned(), T::VERSION.into());
        }
        serde_json::to_vec_pretty(&value)
    };
    let mut bytes = bytes.map_err(malformed)?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

impl WorkState {
    /// A document, and the `ETag` to change it by.
    pub(super) async fn read<T: Document>(&self, key: &str) -> Result<Option<(T, String)>, StoreError> {
        let Some(object) = self.store().read(key, MAX_DOCUMENT).await? else { return Ok(None) };
        Ok(Some((parse(&object.bytes, &self.store().object(key))?, object.etag)))
    }

    /// Writes a document if nobody has changed it: with no `ETag` if there is none yet. The `ETag` of what is written;
    /// `None` if somebody was first.
    pub(super) async fn write<T: Document>(
        &self,
        key: &str,
        document: &T,
        unchanged_since: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let condition = unchanged_since.map_or(Condition::Absent, Condition::Unchanged);
        match self.store().put(key, json(document, key)?, condition).await? {
            Written::Done(etag) => Ok(Some(etag)),
            Written::NotWritten => Ok(None),
        }
    }

    /// Changes a document that several processes change: `change` is given what is there, and decides. It is called
    /// again with what is there by then as long as others were first, and so finds what it has written itself where the
    /// answer to that was lost.
    ///
    /// # Errors
    /// `StoreUnavailable` where others were first every time; what `change` fails with.
    pub async fn update<T: Document, A, F: Future<Output = Result<Change<T, A>>>>(
        &self,
        key: &str,
        clock: &dyn Clock,
        mut change: impl FnMut(Option<T>) -> F,
    ) -> Result<A> {
        for _ in 0..TRIES {
            let (there, etag) = self.read(key).await?.unzip();
            match change(there).await? {
                Change::Keep(answer) => return Ok(answer),
                Change::Write(document, answer) => {
                    if self.write(key, &document, etag.as_deref()).await?.is_some() {
                        return Ok(answer);
                    }
                }
            }
            clock.sleep(PAUSE).await;
        }
        Err(Error::store_unavailable(format!("{key} keeps changing: call again")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct First {
        name: String,
    }

    impl Document for First {}

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Second {
        name: String,
    }

    impl Document for Second {
        const VERSION: u32 = 2;
    }

    fn refusal<T: Document + std::fmt::Debug>(text: &str) -> Error {
        parse::<T>(text.as_bytes(), "s3://work/runs/pod/r.json").unwrap_err().into()
    }

    /// A rollback goes on: the first version is written as the releases before wrote it, which know no version.
    #[test]
    fn the_first_version_is_not_named() {
        let bytes = json(&First { name: "a".to_owned() }, "key").unwrap();
        assert_eq!(bytes, "{\n  \"name\": \"a\"\n}\n");
        let bytes = json(&Second { name: "a".to_owned() }, "key").unwrap();
        assert_eq!(bytes, "{\n  \"name\": \"a\",\n  \"version\": 2\n}\n");
        assert_eq!(parse::<Second>(&bytes, "key").unwrap(), Second { name: "a".to_owned() });
    }

    /// Programs of two releases side by side: what the newer one adds does not stop the older one.
    #[test]
    fn what_a_program_does_not_know_is_ignored() {
        for text in [r#"{"name":"a","later":{"x":1}}"#, r#"{"version":1,"name":"a"}"#] {
            assert_eq!(parse::<First>(text.as_bytes(), "key").unwrap(), First { name: "a".to_owned() });
        }
        assert_eq!(parse::<Second>(br#"{"name":"a"}"#, "key").unwrap(), Second { name: "a".to_owned() });
    }

    /// Promise 1: a document of a form that is not known is no reason to begin anew. It says what to do.
    #[test]
    fn a_newer_version_is_refused_by_name() {
        // Whether the rest of it can be read does not matter.
        for text in [r#"{"version":2,"name":"a"}"#, r#"{"version":2,"title":"a"}"#] {
            let refused = refusal::<First>(text);
            assert_eq!(refused.error_type().name(), "Conflict");
            assert_eq!(
                refused.to_string(),
                "s3://work/runs/pod/r.json was written by a newer landfall (version 2; this one reads 1): update it; \
                 nothing was changed"
            );
        }
        assert_eq!(refusal::<Second>(r#"{"version":3,"name":"a"}"#).error_type().name(), "Conflict");
        assert_eq!(refusal::<First>(r#"{"version":"2"}"#).error_type().name(), "IntegrityError");
    }
}
