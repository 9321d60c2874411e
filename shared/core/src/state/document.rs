//! The form of a kept document.
//!
//! Programs of several releases work on one bucket: during a deployment, after a rollback, on a colleague's machine.
//! So a kept document may have fields that its reader does not know, and names the version of its form where that is
//! not the first.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use landfall_store::StoreError;

/// The field that names a document's version.
const VERSION: &str = "version";

/// The version of a document that names none.
const FIRST_VERSION: u32 = 1;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

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
