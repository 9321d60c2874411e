//! JSON as most read it: of a name that an object has twice, the last value counts (RFC 8259, 4).

use serde::de::DeserializeOwned;
use serde_json::Value;

/// How large a text may be that is read by way of its values, which take some twenty times as much memory.
const MAX_BYTES: usize = 1 << 20;

/// Reads a value as [`serde_json::from_slice`] does, which refuses a name that an object has twice.
pub fn last_of_each<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|error| without_repetitions(text, &error).unwrap_or(Err(error)))
}

/// The value, if it is one whose objects have names twice, and that is what is wrong with it.
pub(crate) fn without_repetitions<T: DeserializeOwned>(
    text: &[u8],
    error: &serde_json::Error,
) -> Option<serde_json::Result<T>> {
    let is_why = text.len() <= MAX_BYTES && error.to_string().contains("duplicate field");
    is_why.then(|| T::deserialize(serde_json::from_slice::<Value>(text)?))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Job {
        status: String,
    }

    /// Gateways add what is there already; whoever reads it in another language sees the last one.
    #[test]
    fn the_last_value_of_a_name_counts() {
        let read = |text: &str| last_of_each::<Vec<Job>>(text.as_bytes());
        assert_eq!(read(r#"[{"status": "RUNNING", "x": 1, "status": "DONE"}]"#).unwrap()[0].status, "DONE");
        assert!(read(r#"[{"status": "RUNNING", "status": 7}]"#).is_err());
        assert!(read(r#"[{"status": "RUNNING", "status""#).is_err());
        let large = format!(r#"[{{"status": "{}", "status": ""}}]"#, "x".repeat(MAX_BYTES));
        assert!(read(&large).unwrap_err().to_string().contains("duplicate field"));
    }
}
