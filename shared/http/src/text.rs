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
    let line = text.split(is_between).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    without_types(&line)
}

/// What a parser says that it expects, in words for whoever wrote the text: it names the types of this program.
const EXPECTED: [(&str, &str); 10] = [
    ("internally tagged enum", "an object"),
    ("adjacently tagged enum", "an object"),
    ("tuple struct", "a list"),
    ("unit struct", "nothing"),
    ("struct variant", "an object"),
    ("tuple variant", "a list"),
    ("newtype variant", "a value"),
    ("unit variant", "a name alone"),
    ("struct", "an object"),
    ("enum", "one of its names"),
];

/// The same of numbers.
const NUMBERS: [(&str, &str); 12] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number that is not negative"),
    ("usize", "a whole number that is not negative"),
    ("i8", "a whole number from -128 to 127"),
    ("i16", "a whole number from -32768 to 32767"),
    ("i32", "a whole number from -2147483648 to 2147483647"),
    ("i64", "a whole number"),
    ("isize", "a whole number"),
    ("f32", "a number"),
    ("f64", "a number"),
];

/// The line without types of this program, which a parser of what a person or a server wrote names in its errors.
fn without_types(line: &str) -> String {
    const EXPECTED: &str = "expected ";
    const NO_VARIANT: &str = "did not match any variant of untagged enum ";
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let next = rest.find(' ').map_or(rest.len(), |at| at.saturating_add(1));
        if let Some((said, after)) = rest.strip_prefix(EXPECTED).and_then(expected) {
            plain.push_str(EXPECTED);
            plain.push_str(said);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(NO_VARIANT).and_then(without_path) {
            plain.push_str("has none of the forms that it may have");
            rest = after;
        } else {
            let (word, after) = rest.split_at(next);
            plain.push_str(word);
            rest = after;
        }
    }
    plain
}

/// What is expected, in plain words, and what follows it, where it is a type.
fn expected(text: &str) -> Option<(&'static str, &str)> {
    let named = EXPECTED.iter().find_map(|(kind, said)| {
        let rest = text.strip_prefix(kind)?;
        let behind = rest.strip_prefix(' ').and_then(without_path);
        // One word alone may be a word of the text; of two, the name is left out at times.
        behind.or_else(|| kind.contains(' ').then_some(rest)).map(|behind| (*said, behind))
    });
    named.or_else(|| {
        let text = text.strip_prefix("a nonzero ").unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        NUMBERS.iter().find(|(number, _)| *number == word).map(|(_, said)| (*said, rest))
    })
}

/// What follows the path of a type.
fn without_path(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '<' | '>')));
    let path = text.get(..end.unwrap_or(text.len()))?.trim_end_matches(':');
    let rest = text.strip_prefix(path)?;
    path.starts_with(|c: char| c.is_ascii_uppercase()).then_some(rest)
}

/// Whether a character turns the direction of a text: Unicode's property `Bidi_Control`.
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Named {
        #[serde(default)]
        _count: u32,
        #[serde(default)]
        _nonzero: Option<NonZeroU32>,
        #[serde(default)]
        _mode: Option<Mode>,
        #[serde(default)]
        _either: Option<Either>,
    }

    #[derive(Debug, Deserialize)]
    enum Mode {
        _Full,
        _Part { _of: u8 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        _One { _of: Mode },
        _Other { _named: Box<Named> },
    }

    /// Promise 5: what does not fit is told in words for whoever wrote it, and names no type of this program.
    #[test]
    fn a_line_names_no_type() {
        for (value, said) in [
            (json!("x"), "invalid type: string \"x\", expected an object"),
            (
                json!({ "_count": -1 }),
                "invalid value: integer `-1`, expected a whole number from 0 to 4294967295",
            ),
            (
                json!({ "_count": "x" }),
                "invalid type: string \"x\", expected a whole number from 0 to 4294967295",
            ),
            (
                json!({ "_nonzero": 0 }),
                "invalid value: integer `0`, expected a whole number from 0 to 4294967295",
            ),
            (json!({ "_mode": { "_Part": 7 } }), "invalid type: integer `7`, expected an object"),
            (json!({ "_either": 7 }), "data has none of the forms that it may have"),
        ] {
            let error = serde_json::from_value::<Named>(value.clone()).unwrap_err();
            assert_eq!(one_line(&error.to_string()), said, "{value}");
        }
        let error = serde_json::from_str::<Named>("[[]]").unwrap_err().to_string();
        assert!(
            one_line(&error).contains("expected a whole number from 0 to 4294967295 at line 1"),
            "{error}"
        );
        for kept in ["expected struct", "expected 5 bytes, found 3", "we expected us", "expected", ""] {
            assert_eq!(one_line(kept), kept);
        }
        assert_eq!(one_line("expected struct Foo: and a cause"), "expected an object: and a cause");
    }
}
