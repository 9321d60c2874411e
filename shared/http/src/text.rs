//! Errors as they are passed on, and as one line that a person reads, at a terminal or in a log.

use std::error::Error as StdError;

/// An error of whoever plugs something into the client.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error and its causes in one line, outermost first; a cause that only repeats what is said already is left out.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = one_line(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let text = one_line(&cause.to_string());
        if !text.is_empty() && !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

/// A text in one line. It may repeat what a stranger wrote: nothing in it moves a terminal's cursor or turns the
/// direction of a line.
pub fn one_line(text: &str) -> String {
    let is_between = |c: char| c.is_whitespace() || c.is_control() || is_bidirectional(c);
    text.split(is_between).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a character turns the direction of a text: Unicode's property `Bidi_Control`.
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
