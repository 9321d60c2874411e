//! What people are told.

use landfall::Error;

/// No message is longer, whatever it repeats.
const LONGEST: usize = 4000;

/// Holds an error to what is promised of all: one line, of characters that show.
pub(crate) fn is_one_line(line: &str) {
    assert!(!line.is_empty(), "an error says nothing");
    assert!(!line.contains(char::is_control), "an error holds control characters: {line:?}");
    assert!(line.len() <= LONGEST, "an error has {} bytes: {line:?}", line.len());
}

/// Holds an error of a function to it.
pub(crate) fn is_told(error: &Error) {
    is_one_line(&error.line());
}

/// Holds any error, with its causes, to it.
pub(crate) fn chain_is_told(error: &(dyn std::error::Error + 'static)) {
    is_one_line(&landfall::error::chain(error));
}
