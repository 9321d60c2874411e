//! Reading an event from a file or from stdin.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use landfall::event::MAX_EVENT;
use landfall::{Error, Result};
use serde_json::Value;

/// Reads the JSON of an event; `-` is stdin.
pub(crate) fn read(path: &Path) -> Result<Value> {
    if path == Path::new("-") {
        return from(io::stdin().lock(), "the event on stdin");
    }
    let label = path.display().to_string();
    let file = File::open(path);
    let file =
        file.map_err(|error| Error::invalid_event(format!("cannot read the event {label}")).because(error))?;
    from(file, &label)
}

fn from(reader: impl Read, label: &str) -> Result<Value> {
    let mut text = Vec::new();
    let read = reader.take(MAX_EVENT as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| Error::invalid_event(format!("cannot read {label}")).because(error))?;
    if text.len() > MAX_EVENT {
        return Err(Error::invalid_event(format!("{label} is larger than {MAX_EVENT} bytes")));
    }
    serde_json::from_slice(&text)
        .map_err(|error| Error::invalid_event(format!("{label} is not JSON")).because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &[u8]) -> String {
        let error = from(text, "event.json").unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent");
        error.line()
    }

    /// A malformed event is an `InvalidEvent` that says where it breaks.
    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let line = refusal(b"{\n  \"connection\": }");
        assert!(line.starts_with("event.json is not JSON: ") && line.contains("line 2"), "{line}");
        assert!(refusal(b"").contains("event.json is not JSON"));
        assert!(refusal(b"{} {}").contains("trailing"));
    }

    /// Promise 6: no input makes memory grow without bound.
    #[test]
    fn an_endless_event_is_refused() {
        let error = from(io::repeat(b' '), "stdin").unwrap_err();
        assert!(error.line().contains("is larger than"), "{}", error.line());
    }

    /// A file that is not there is the event's fault, and named.
    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/such/event.json")).unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent");
        assert!(error.line().contains("no/such/event.json"), "{}", error.line());
    }
}
