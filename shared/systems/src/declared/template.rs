//! Texts with `{name}` in them, and what the names stand for.

use std::collections::BTreeMap;

use landfall::error::{Error, Result};
use serde_json::{Map, Value};

use crate::tables::{Form, Node, Read, Spot};

/// The longest that a value may be where it goes into a URL or a header: more is no id, and no name.
const MAX_VALUE: usize = 4096;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    pub(super) value: Value,
    /// Whether its slashes are those of a path.
    pub(super) is_path: bool,
}

/// What each name stands for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Values(BTreeMap<String, Bound>);

impl Values {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), Bound { value: value.into(), is_path: false });
    }

    pub(super) fn set_bound(&mut self, name: &str, bound: Bound) {
        self.0.insert(name.to_owned(), bound);
    }

    fn get(&self, name: &str) -> Option<&Bound> {
        self.0.get(name).filter(|bound| !bound.value.is_null())
    }

    /// What a name stands for, as a text; nothing where it stands for nothing.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|bound| text(&bound.value))
    }

    /// The elements of the list that a name stands for, as texts.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let Value::Array(list) = &self.get(name)?.value else { return None };
        Some(list.iter().filter_map(text).collect())
    }
}

/// A value as a text, a list with commas; nothing where it says nothing.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(list) => {
            let texts: Vec<String> = list.iter().filter_map(text).collect();
            Some(texts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// A text with names in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
    /// Where it stands in its description.
    at: Spot,
}

impl Read for Template {
    const FORM: Form = Form::Called("template", "A text in which {name} stands for a value.", &Form::Text);

    fn read(node: &Node<'_>) -> Option<Self> {
        let parsed = Self::parse(node.text()?).map_err(|reason| node.fault(reason));
        parsed.map(|template| Self { at: node.spot(), ..template }).ok()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    /// A template as it is written: `{name}`, and `{{` and `}}` for braces.
    pub(super) fn parse(text: &str) -> std::result::Result<Self, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, found) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = found.strip_prefix("{{").or_else(|| found.strip_prefix("}}")) {
                plain.push_str(found.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let name = found.strip_prefix('{').and_then(|name| name.split_once('}'));
            let Some((name, after)) = name.filter(|(name, _)| is_name(name)) else {
                return Err(format!(
                    "{text:?} has a brace that is not of a {{name}}, of small letters, digits and underscores: write {{{{ or }}}} for \
                     a brace"
                ));
            };
            if plain.ends_with('$') {
                return Err(format!(
                    "{text:?} has a $ before {{{name}}}, which would be sent: braces are enough"
                ));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Name(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts, at: Spot::default() })
    }

    /// The names in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Whether what stands between its names is such.
    pub(super) fn has_text(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Text(text) if is_such(text)))
    }

    pub(super) fn at(&self) -> &Spot {
        &self.at
    }

    /// The name that it consists of, where it is nothing else.
    pub(super) fn alone(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Name(name)] => Some(name),
            _ => None,
        }
    }

    /// The text; none where it is a name alone that stands for nothing.
    pub(super) fn text(&self, values: &Values) -> Result<Option<String>> {
        self.written(values, |_, text| Ok(text))
    }

    /// The text as a path: what a name stands for is one segment, unless it is a path itself, and leads nowhere else.
    pub(super) fn path(&self, values: &Values) -> Result<Option<String>> {
        self.written(values, |bound, text| {
            let is_path = bound.is_path || self.alone().is_some();
            let segments: Vec<&str> = if is_path { text.split('/').collect() } else { vec![&text] };
            match segments.iter().any(|segment| matches!(*segment, "." | "..")) {
                true => Err(unusable(&text, "it would lead elsewhere")),
                false => Ok(segments.into_iter().map(encoded).collect::<Vec<_>>().join("/")),
            }
        })
    }

    /// The text as it stands in XML.
    pub(super) fn xml(&self, values: &Values) -> Result<Option<String>> {
        self.written(values, |_, text| {
            let escaped = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&apos;")];
            Ok(escaped.iter().fold(text, |text, (character, name)| text.replace(*character, name)))
        })
    }

    /// What it stands for in JSON: a name alone is whatever value it has.
    pub(super) fn json(&self, values: &Values) -> Result<Option<Value>> {
        match self.alone() {
            Some(name) => Ok(values.get(name).map(|bound| bound.value.clone())),
            None => Ok(self.text(values)?.map(Value::String)),
        }
    }

    fn written(
        &self,
        values: &Values,
        write: impl Fn(&Bound, String) -> Result<String>,
    ) -> Result<Option<String>> {
        let mut written = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => written.push_str(text),
                Part::Name(name) => match values.get(name) {
                    Some(bound) => written.push_str(&write(bound, plain(name, &bound.value)?)?),
                    None if self.alone().is_some() => return Ok(None),
                    // The check of the description has seen to it that it is there; a job of others may lack it.
                    None => {
                        return Err(Error::invalid_event(format!(
                            "nothing is known for {{{name}}}: name it in export.with"
                        )));
                    }
                },
            }
        }
        Ok(Some(written))
    }
}

/// A value as a text that may stand in a URL or a header.
fn plain(name: &str, value: &Value) -> Result<String> {
    let text = text(value).ok_or_else(|| {
        Error::invalid_event(format!("{{{name}}} is a table, which only a JSON body takes"))
    })?;
    if text.len() > MAX_VALUE || text.chars().any(char::is_control) {
        return Err(unusable(name, "its value is too long, or has control characters"));
    }
    Ok(text)
}

fn unusable(what: &str, why: &str) -> Error {
    let what: String = what.chars().take(100).collect();
    Error::invalid_event(format!("{what:?} cannot stand in a call: {why}"))
}

/// A text as one segment of a path, a slash in it included.
fn encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b':')
        .remove(b'$');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// Whether a name can stand between braces.
pub(super) fn is_name(text: &str) -> bool {
    let is_of_it = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 64 && text.chars().all(is_of_it)
}

/// A JSON document with templates in the place of texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonTemplate {
    /// A text.
    Text(Template),
    /// What has no names in it.
    Literal(Value),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object. A field whose value is a name that stands for nothing is left out.
    Object(Vec<(String, JsonTemplate)>),
}

impl Read for JsonTemplate {
    const FORM: Form = Form::Called("JSON", "JSON in which texts are templates.", &Form::Any);

    fn read(node: &Node<'_>) -> Option<Self> {
        if node.is_text() {
            return Template::read(node).map(Self::Text);
        }
        if node.is_list() {
            return Some(Self::List(node.several().iter().filter_map(Self::read).collect()));
        }
        match node.is_table() {
            true => Vec::read(node).map(Self::Object),
            false => Some(Self::Literal(node.json())),
        }
    }
}

impl JsonTemplate {
    /// The document.
    pub(super) fn json(&self, values: &Values) -> Result<Option<Value>> {
        Ok(match self {
            Self::Text(template) => template.json(values)?,
            Self::Literal(value) => Some(value.clone()),
            Self::List(list) => {
                let mut written = Vec::new();
                for element in list {
                    written.extend(element.json(values)?);
                }
                Some(Value::Array(written))
            }
            Self::Object(fields) => {
                let mut written = Map::new();
                for (name, field) in fields {
                    if let Some(value) = field.json(values)? {
                        written.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(written))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        let mut values = Values::default();
        values.set("id", "a/b?c=../d");
        values.set("list", json!(["x y", "z&"]));
        values.set("count", json!(3));
        values.set("dots", "..");
        values.set_bound("folder", Bound { value: json!("Group/42"), is_path: true });
        values.set_bound("up", Bound { value: json!("a/../../b"), is_path: true });
        values
    }

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    /// Promise 7: nothing that a name stands for leaves its place, wherever that is.
    #[test]
    fn a_value_stays_in_its_place() {
        let values = values();
        assert_eq!(template("jobs/{id}").path(&values).unwrap().unwrap(), "jobs/a%2Fb%3Fc%3D..%2Fd");
        assert_eq!(template("{folder}/$export").path(&values).unwrap().unwrap(), "Group/42/$export");
        for bad in ["x/{dots}", "{up}"] {
            assert!(template(bad).path(&values).is_err(), "{bad}");
        }
        let mut odd = Values::default();
        odd.set("a", "<&\"'>");
        assert_eq!(template("<x>{a}</x>").xml(&odd).unwrap().unwrap(), "<x>&lt;&amp;&quot;&apos;&gt;</x>");
        for bad in ["a\nb".to_owned(), "x".repeat(5000)] {
            odd.set("a", bad);
            assert!(template("{a}").text(&odd).is_err());
        }
    }

    /// A name alone is the value that it stands for; what stands for nothing is left out.
    #[test]
    fn a_name_alone_is_its_value() {
        let values = values();
        let body = JsonTemplate::Object(vec![
            ("list".to_owned(), JsonTemplate::Text(template("{list}"))),
            ("count".to_owned(), JsonTemplate::Text(template("{count}"))),
            ("text".to_owned(), JsonTemplate::Text(template("n={count}, {{{list}}}"))),
            ("none".to_owned(), JsonTemplate::Text(template("{nothing}"))),
        ]);
        let written = body.json(&values).unwrap().unwrap();
        assert_eq!(written, json!({ "list": ["x y", "z&"], "count": 3, "text": "n=3, {x y,z&}" }));
        assert!(template("a{nothing}").text(&values).is_err());
    }

    /// What is no name is a mistake, and not a text.
    #[test]
    fn a_brace_that_is_of_no_name_is_refused() {
        for bad in ["{", "}", "{}", "{Id}", "{a b}", "{a", "a}", "{{a}", "${a}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
