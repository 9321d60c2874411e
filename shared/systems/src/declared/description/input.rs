//! What an export says in `with`, by the kinds that there are.

use jiff::Timestamp;
use serde_json::Value;

use crate::tables::{Words, table};

/// The longest that a text may be.
const MAX_TEXT: usize = 32 << 10;
/// The most elements of a list.
const MAX_ELEMENTS: usize = 1000;

table! {
    /// Something that an export says.
    pub struct Input {
        /// What it is; a text, if not said.
        kind: or InputKind = InputKind::default(),
        /// What it is for.
        about: needed String,
        /// Whether it must be said.
        required: or bool = false,
        /// What it is where it is not said.
        default: maybe Value,
        /// What it may be; anything, if not said.
        one_of: or Vec<String> = Vec::new(),
        /// Whether `{from}` and `{until}` in it are the moments of the export's window.
        window: or bool = false,
    }
    |input, fields| if let (Some(node), Some(value)) = (fields.node("default"), &input.default) {
        if let Err(reason) = input.check(value) {
            node.fault(reason);
        }
        if input.required {
            node.fault("what is required has no default");
        }
    }
}

/// What an input is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InputKind {
    /// A text.
    #[default]
    Text,
    /// A path, whose slashes stay.
    Path,
    /// A list of texts.
    List,
    /// A moment (RFC 3339).
    Time,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
    /// A table.
    Table,
}

impl Words for InputKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("path", Self::Path),
        ("list", Self::List),
        ("time", Self::Time),
        ("number", Self::Number),
        ("flag", Self::Flag),
        ("table", Self::Table),
    ];
}

impl Input {
    /// Whether a value says this moment of the window.
    pub(in crate::declared) fn says(&self, value: &Value, moment: &str) -> bool {
        self.window && value.to_string().contains(moment)
    }

    /// Why a value cannot be this, in words.
    pub(in crate::declared) fn check(&self, value: &Value) -> std::result::Result<(), String> {
        let fine = |text: &str| {
            !text.trim().is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
        };
        let (is_it, what) = match self.kind {
            InputKind::Text => (
                value.as_str().is_some_and(fine),
                "a text that is neither empty nor longer than 32,768 bytes",
            ),
            InputKind::Path => {
                (value.as_str().is_some_and(is_path), "a path: segments with / between, none of them . or ..")
            }
            InputKind::List => {
                let list = value.as_array().filter(|list| !list.is_empty() && list.len() <= MAX_ELEMENTS);
                let all = list.is_some_and(|list| list.iter().all(|text| text.as_str().is_some_and(fine)));
                (all, "a list of texts")
            }
            InputKind::Time => {
                let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                (time.is_some(), "a moment such as 2026-11-21T06:00:00Z")
            }
            InputKind::Number => (value.is_i64() || value.is_u64(), "a whole number"),
            InputKind::Flag => (value.is_boolean(), "true or false"),
            InputKind::Table => (value.is_object(), "a table"),
        };
        if !is_it {
            return Err(format!("it is to be {what}"));
        }
        let words: Vec<&str> = match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        match words
            .iter()
            .find(|word| !self.one_of.is_empty() && !self.one_of.iter().any(|known| known == *word))
        {
            Some(word) => Err(format!("{word:?} is not one of: {}", self.one_of.join(", "))),
            None => Ok(()),
        }
    }
}

fn is_path(text: &str) -> bool {
    let fine = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.chars().any(char::is_control);
    text.len() <= MAX_TEXT && text.strip_prefix('/').unwrap_or(text).split('/').all(fine)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(kind: InputKind) -> Input {
        Input { kind, ..Input::default() }
    }

    /// Bad input: what an export says is refused by what it was to be, before anything is called.
    #[test]
    fn a_value_is_of_its_kind() {
        for (kind, good, bad) in [
            (
                InputKind::Text,
                json!("x"),
                vec![json!(""), json!(" "), json!(1), json!("a\nb"), json!("x".repeat(40_000))],
            ),
            (
                InputKind::Path,
                json!("/fhir/Group/1"),
                vec![json!("a/../b"), json!("a//b"), json!(""), json!("/")],
            ),
            (InputKind::List, json!(["a"]), vec![json!([]), json!("a"), json!([1]), json!([""])]),
            (InputKind::Time, json!("2026-11-21T06:00:00Z"), vec![json!("yesterday"), json!(1)]),
            (InputKind::Number, json!(3), vec![json!("3"), json!(1.5)]),
            (InputKind::Flag, json!(true), vec![json!("true")]),
            (InputKind::Table, json!({}), vec![json!([])]),
        ] {
            let input = input(kind);
            assert_eq!(input.check(&good), Ok(()));
            for bad in bad {
                assert!(input.check(&bad).is_err(), "{kind:?} {bad}");
            }
        }
        let chosen = Input { one_of: vec!["a".to_owned()], ..input(InputKind::List) };
        assert!(chosen.check(&json!(["a"])).is_ok() && chosen.check(&json!(["a", "b"])).is_err());
    }
}
