//! A TOML document read field by field, so that one reading finds all that is wrong with it, each with its place.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How far a word may be from one that is known to be meant for it.
const SIMILAR: f64 = 0.7;

/// Something that is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The path of the key: `poll.call.get`.
    pub key: String,
    /// What is wrong, and what was meant.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, reason } = self;
        let about = if key.is_empty() { String::new() } else { format!("{key}: ") };
        write!(formatter, "line {line}, column {column}: {about}{reason}")
    }
}

/// Where something stands in a description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    start: usize,
    key: String,
}

/// What has been found wrong with a text so far.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, faults: RefCell::default() }
    }

    pub(crate) fn fault(&self, at: Range<usize>, key: &str, reason: impl Into<String>) {
        self.fault_at(&Spot { start: at.start, key: key.to_owned() }, reason);
    }

    pub(crate) fn fault_at(&self, Spot { start, key }: &Spot, reason: impl Into<String>) {
        let before = self.text.get(..*start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        let fault = Fault { line, column, key: key.clone(), reason: reason.into() };
        self.faults.borrow_mut().push(fault);
    }

    /// All that was found, in the order of the text.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }
}

/// A table, of which is noted what was asked for: the rest is unknown.
pub(crate) struct Fields<'r> {
    pub(crate) reader: &'r Reader<'r>,
    path: String,
    span: Range<usize>,
    table: &'r DeTable<'r>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'r> Fields<'r> {
    pub(crate) fn of(
        reader: &'r Reader<'r>,
        path: String,
        span: Range<usize>,
        table: &'r DeTable<'r>,
    ) -> Self {
        Self { reader, path, span, table, asked: RefCell::default() }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// What a key has, if it is there: for a fault about it.
    pub(crate) fn node(&self, key: &str) -> Option<Node<'r>> {
        let value = self.table.get(key)?;
        Some(Node { reader: self.reader, path: self.below(key), value })
    }

    /// The same, noted as one that there may be.
    pub(crate) fn ask(&self, key: &'static str) -> Option<Node<'r>> {
        let key = written(key);
        self.asked.borrow_mut().push(key);
        self.node(key)
    }

    /// What is below these keys, one below the other, if it is there.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<Node<'r>> {
        let (first, rest) = keys.split_first()?;
        let node = self.node(first)?;
        if rest.is_empty() { Some(node) } else { node.table()?.at(rest) }
    }

    /// The tables that a key has.
    pub(crate) fn tables(&self, key: &str) -> Vec<Fields<'r>> {
        self.node(key).map(|node| node.several()).unwrap_or_default().iter().filter_map(Node::table).collect()
    }

    /// Every key, and what it has: of a table whose keys the author chooses.
    pub(crate) fn entries(&self) -> Vec<(Name<'r>, Node<'r>)> {
        let entry = |(key, value): (&'r Spanned<std::borrow::Cow<'r, str>>, &'r Spanned<DeValue<'r>>)| {
            let path = self.below(key.get_ref());
            let name =
                Name { reader: self.reader, path: path.clone(), text: key.get_ref(), span: key.span() };
            (name, Node { reader: self.reader, path, value })
        };
        self.table.iter().map(entry).collect()
    }

    pub(crate) fn fault(&self, reason: impl Into<String>) {
        self.reader.fault(self.span.clone(), &self.path, reason);
    }

    /// Says which keys nobody has asked for.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            if !asked.contains(&key.get_ref().as_ref()) {
                let meant = meant(key.get_ref(), asked.iter().copied());
                let keys = asked.join(", ");
                let reason = format!("unknown key{meant} (keys: {keys})");
                self.reader.fault(key.span(), &self.below(key.get_ref()), reason);
            }
        }
    }
}

/// A key as it is written: some are words of Rust's.
pub(crate) fn written(key: &str) -> &str {
    key.strip_prefix("r#").unwrap_or(key)
}

/// A key that the author has chosen.
pub(crate) struct Name<'r> {
    reader: &'r Reader<'r>,
    path: String,
    pub(crate) text: &'r str,
    span: Range<usize>,
}

impl Name<'_> {
    pub(crate) fn fault(&self, reason: impl Into<String>) {
        self.reader.fault(self.span.clone(), &self.path, reason);
    }
}

/// A value, and where it stands.
#[derive(Clone)]
pub(crate) struct Node<'r> {
    reader: &'r Reader<'r>,
    path: String,
    value: &'r Spanned<DeValue<'r>>,
}

impl<'r> Node<'r> {
    pub(crate) fn fault(&self, reason: impl Into<String>) {
        self.reader.fault(self.value.span(), &self.path, reason);
    }

    /// Where it stands.
    pub(crate) fn spot(&self) -> Spot {
        Spot { start: self.value.span().start, key: self.path.clone() }
    }

    fn wanted<T>(&self, found: Option<T>, what: &str) -> Option<T> {
        if found.is_none() {
            self.fault(format!("{what} is wanted here, not {}", kind(self.value.get_ref())));
        }
        found
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    pub(crate) fn is_flag(&self) -> bool {
        self.value.get_ref().is_bool()
    }

    pub(crate) fn text(&self) -> Option<&'r str> {
        self.wanted(self.value.get_ref().as_str(), "a text")
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        self.wanted(self.value.get_ref().as_bool(), "true or false")
    }

    pub(crate) fn fields(&self) -> Option<Fields<'r>> {
        let table = self.wanted(self.value.get_ref().as_table(), "a table")?;
        Some(Fields::of(self.reader, self.path.clone(), self.value.span(), table))
    }

    /// The table that stands here, if one does.
    fn table(&self) -> Option<Fields<'r>> {
        if self.is_table() { self.fields() } else { None }
    }

    /// Whether it is this word.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.value.get_ref().as_str() == Some(word)
    }

    /// The elements of a list; a value that is none is a list of one.
    pub(crate) fn several(&self) -> Vec<Node<'r>> {
        let Some(list) = self.value.get_ref().as_array() else { return vec![self.clone()] };
        let element = |(index, value): (usize, &'r Spanned<DeValue<'r>>)| Node {
            reader: self.reader,
            path: format!("{}[{index}]", self.path),
            value,
        };
        list.iter().enumerate().map(element).collect()
    }

    /// One of a closed list of words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let meant = meant(text, known.iter().copied());
            self.fault(format!("{text:?} is not one of: {}{meant}", known.join(", ")));
        }
        found
    }

    /// The value as JSON. A date is a text.
    pub(crate) fn json(&self) -> Value {
        match self.value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix()).map(Value::from);
                read.unwrap_or_else(|_| {
                    self.fault("the number is too large");
                    Value::Null
                })
            }
            DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(_) => self.several().iter().map(Node::json).collect(),
            DeValue::Table(_) => {
                let entries = self.fields().map(|fields| fields.entries()).unwrap_or_default();
                let entry = |(name, node): &(Name<'r>, Node<'r>)| (name.text.to_owned(), node.json());
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }

    /// Whether a text stands here, as templates do in a body.
    pub(crate) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(crate) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What a word was probably meant to be, in words; nothing where nothing is near.
pub(crate) fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known.map(|known| (strsim::jaro_winkler(word, known), known));
    let nearest = near.filter(|(score, _)| *score >= SIMILAR).max_by(|(one, _), (two, _)| one.total_cmp(two));
    nearest.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"))
}
