//! What is asked of a collection: which rows, in which order, from where.

use jiff::Timestamp;
use jiff::civil::Date;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;
use url::Url;

use super::describe::{KeyAttributes, ROW_MATCH_SINCE};
use super::export::{Finder, FusionRest};
use landfall::error::{Error, Result};
use landfall::job::Window;

/// What need not be encoded in a query (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The value of a field of a key.
///
/// Numbers are ordered as numbers. Texts are ordered by their bytes, as a database does whose sort is binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyValue {
    Number(i128),
    Text(String),
}

impl KeyValue {
    /// The value in a row; the reason why it is none.
    pub(super) fn of(value: &RawValue, is_numeric: bool) -> Result<Self, String> {
        let text = value.get();
        match serde_json::from_str::<String>(text) {
            Ok(text) => Self::parse(&text, is_numeric),
            Err(_) if is_numeric => Self::parse(text, true),
            Err(_) => Err(format!("{} is not a text", shortened(text))),
        }
    }

    /// A value from its text.
    pub(super) fn parse(text: &str, is_numeric: bool) -> Result<Self, String> {
        if !is_numeric {
            return Ok(Self::Text(text.to_owned()));
        }
        text.parse().map(Self::Number).map_err(|_| format!("{} is not a whole number", shortened(text)))
    }

    fn literal(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => quoted(text),
        }
    }
}

/// The value's text.
impl std::fmt::Display for KeyValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) => text.fmt(formatter),
        }
    }
}

/// A row's key: a value for each of the key's fields. Rows are ordered by the first that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) Vec<KeyValue>);

impl std::fmt::Display for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values: Vec<String> = self.0.iter().map(KeyValue::to_string).collect();
        formatter.write_str(&values.join(", "))
    }
}

#[cfg(test)]
impl Key {
    pub(super) fn number(number: i128) -> Self {
        Self(vec![KeyValue::Number(number)])
    }

    pub(super) fn text(text: &str) -> Self {
        Self(vec![KeyValue::Text(text.to_owned())])
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A range of keys: those after one, up to and with another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) after: Option<Key>,
    pub(super) through: Option<Key>,
}

impl KeyRange {
    /// The reason why a key that came is not one that was asked for.
    pub(super) fn check(&self, key: &Key, names: &KeyAttributes) -> Result<(), String> {
        let is_in = self.after.as_ref().is_none_or(|after| key > after)
            && self.through.as_ref().is_none_or(|through| key <= through);
        match is_in {
            true => Ok(()),
            false => Err(format!(
                "a row with {names} {key} came where keys{}{} were asked for: the server does not apply q",
                self.after.as_ref().map(|after| format!(" after {after}")).unwrap_or_default(),
                self.through.as_ref().map(|through| format!(" up to {through}")).unwrap_or_default(),
            )),
        }
    }
}

/// A collection, and what every request about its rows has in common.
#[derive(Debug, Clone)]
pub(super) struct Collection {
    pub(super) url: Url,
    /// What messages call it.
    pub(super) name: String,
    pub(super) framework: u8,
    pub(super) key: KeyAttributes,
    pub(super) only_data: bool,
    pub(super) fields: Vec<String>,
    pub(super) expand: Vec<String>,
    q: Option<String>,
    finder: Option<Finder>,
    effective_date: Option<Date>,
    window: Option<Window>,
}

impl Collection {
    /// The rows that an export asks for.
    ///
    /// `InvalidEvent` where a query by example has conditions on a field that this needs for itself: it takes only
    /// one on each.
    pub(super) fn new(
        url: Url,
        export: &FusionRest,
        key: KeyAttributes,
        window: Option<&Window>,
    ) -> Result<Self> {
        let collection = Self {
            url,
            name: export.resource.clone(),
            framework: export.framework_version,
            key,
            only_data: export.only_data,
            fields: export.fields.clone(),
            expand: export.expand.clone(),
            q: export.q.clone(),
            finder: export.finder.clone(),
            effective_date: export.effective_date,
            window: window.cloned(),
        };
        collection.check_example()?;
        Ok(collection)
    }

    /// The same collection, whose rows are asked for with these fields.
    pub(super) fn with_fields(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }

    /// All rows of a child of one of this collection's rows.
    pub(super) fn child(&self, name: &str, url: Url, key: KeyAttributes) -> Self {
        Self {
            url,
            name: format!("{}.{name}", self.name),
            framework: self.framework,
            key,
            only_data: self.only_data,
            fields: below(name, &self.fields),
            expand: below(name, &self.expand),
            q: None,
            finder: None,
            effective_date: self.effective_date,
            window: None,
        }
    }

    /// The children that come with rows.
    pub(super) fn expanded(&self) -> Vec<&str> {
        let paths = self.expand.iter().chain(self.fields.iter().filter(|field| field.contains('.')));
        let mut children: Vec<&str> = paths.filter_map(|path| path.split('.').next()).collect();
        children.sort_unstable();
        children.dedup();
        children
    }

    fn check_example(&self) -> Result<()> {
        let Some(q) = self.q.as_ref().filter(|_| self.framework < ROW_MATCH_SINCE) else { return Ok(()) };
        let window = self.window.as_ref().map(|window| window.field.as_str());
        for field in self.key.names().into_iter().chain(window) {
            let names = |clause: &str| {
                clause
                    .trim()
                    .strip_prefix(field)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            if q.split(';').any(names) {
                return Err(Error::invalid_event(format!(
                    "export.q has a condition on {field}, which the run itself is divided by: framework version 1 takes \
                     one condition a field, so leave it out, or use framework_version 2 or later"
                )));
            }
        }
        Ok(())
    }

    /// One page of whole rows.
    pub(super) fn page(&self, range: &KeyRange, offset: usize, limit: usize) -> Url {
        self.ask(range, offset, limit, self.fields_text(), true)
    }

    /// The keys alone.
    pub(super) fn keys(&self, range: &KeyRange, offset: usize, limit: usize) -> Url {
        self.ask(range, offset, limit, Some(self.key.names().join(",")), false)
    }

    /// The row of a key, whatever else the rows must satisfy: its key alone, and where it is.
    pub(super) fn one(&self, key: &Key) -> Url {
        let mut query = Query::default();
        let equal = |(field, value): (_, &KeyValue)| (field, vec![format!("= {}", value.literal())]);
        let bounds: Vec<_> = std::iter::zip(self.key.names(), &key.0).map(equal).collect();
        query.add("limit", "1");
        query.add("q", &self.conditions(None, &[], &bounds));
        query.add("fields", &self.key.names().join(","));
        self.add_effective_date(&mut query);
        query.of(&self.url)
    }

    fn add_effective_date(&self, query: &mut Query) {
        if let Some(date) = self.effective_date {
            query.add("effectiveDate", &date.to_string());
        }
    }

    fn ask(
        &self,
        range: &KeyRange,
        offset: usize,
        limit: usize,
        fields: Option<String>,
        is_whole: bool,
    ) -> Url {
        let mut query = Query::default();
        let order: Vec<String> = self.key.names().iter().map(|name| format!("{name}:asc")).collect();
        query.add("orderBy", &order.join(","));
        query.add("limit", &limit.to_string());
        query.add("offset", &offset.to_string());
        // What reads keys alone needs no links either.
        if self.only_data || !is_whole {
            query.add("onlyData", "true");
        }
        if let Some(q) = self.q_text(range) {
            query.add("q", &q);
        }
        if let Some(finder) = &self.finder {
            query.add("finder", &finder_text(finder));
        }
        self.add_effective_date(&mut query);
        match fields {
            Some(fields) => query.add("fields", &fields),
            None if is_whole && !self.expand.is_empty() => query.add("expand", &self.expand.join(",")),
            None => {}
        }
        query.of(&self.url)
    }

    /// `A,B;child:C,D`. The source takes either this or `expand`.
    fn fields_text(&self) -> Option<String> {
        if self.fields.is_empty() {
            return None;
        }
        let mut groups: Vec<(&str, Vec<&str>)> = vec![("", self.key.names())];
        for field in &self.fields {
            let (child, name) = field.rsplit_once('.').unwrap_or(("", field));
            match groups.iter_mut().find(|(group, _)| *group == child) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => groups.push((child, vec![name])),
            }
        }
        let texts = groups.into_iter().map(|(child, names)| match child {
            "" => names.join(","),
            child => format!("{child}:{}", names.join(",")),
        });
        Some(texts.collect::<Vec<_>>().join(";"))
    }

    fn q_text(&self, range: &KeyRange) -> Option<String> {
        let mut bounds: Vec<(&str, Vec<String>)> = Vec::new();
        let mut across: Vec<String> = Vec::new();
        match self.key.names().as_slice() {
            [name] => bounds.push((name, bounds_of_one(range))),
            names => across = bounds_of_several(names, range),
        }
        if let Some(window) = &self.window {
            let time = |operator: &str, at: Timestamp| format!("{operator} {}", quoted(&moment(at)));
            let times = [window.from.map(|from| time(">=", from)), Some(time("<", window.until))];
            bounds.push((&window.field, times.into_iter().flatten().collect()));
        }
        bounds.retain(|(_, conditions)| !conditions.is_empty());
        let text = self.conditions(self.q.as_deref(), &across, &bounds);
        (!text.is_empty()).then_some(text)
    }

    /// `across` are conditions on several fields, which a query by example has no word for: there are none then.
    fn conditions(&self, user: Option<&str>, across: &[String], bounds: &[(&str, Vec<String>)]) -> String {
        match self.framework < ROW_MATCH_SINCE {
            true => by_example(user, bounds),
            false => row_match(user, across, bounds),
        }
    }
}

/// What a range says of a key of one field.
fn bounds_of_one(range: &KeyRange) -> Vec<String> {
    let condition = |operator: &str, key: &Key| {
        key.0.iter().map(|value| format!("{operator} {}", value.literal())).collect::<Vec<_>>()
    };
    let after = range.after.iter().flat_map(|after| condition(">", after));
    after.chain(range.through.iter().flat_map(|through| condition("<=", through))).collect()
}

/// What a range says of a key of several fields.
fn bounds_of_several(names: &[&str], range: &KeyRange) -> Vec<String> {
    let condition = |strict: &str, last: &str, key: &Key| {
        let values = key.0.iter().map(KeyValue::literal);
        beyond(strict, last, &std::iter::zip(names.iter().copied(), values).collect::<Vec<_>>())
    };
    let after = range.after.iter().map(|after| condition(">", ">", after));
    after.chain(range.through.iter().map(|through| condition("<", "<=", through))).collect()
}

/// `A >= 1 and (A > 1 or (B > 'x'))`: rows are compared by the first field that differs. The condition on the first field
/// alone, which follows from the rest, lets the database use an index.
fn beyond(strict: &str, last: &str, parts: &[(&str, String)]) -> String {
    match parts {
        [] => String::new(),
        [(field, value)] => format!("{field} {last} {value}"),
        [(field, value), rest @ ..] => {
            let rest = beyond(strict, last, rest);
            format!("{field} {strict}= {value} and ({field} {strict} {value} or ({rest}))")
        }
    }
}

/// What a list of paths says of what is below a child.
fn below(child: &str, paths: &[String]) -> Vec<String> {
    let rest = |path: &String| path.strip_prefix(child)?.strip_prefix('.').map(str::to_owned);
    paths.iter().filter_map(rest).collect()
}

/// `Status=OPEN;InvoiceId> 5 and <= 10`: one condition a field, all of which hold.
fn by_example(user: Option<&str>, bounds: &[(&str, Vec<String>)]) -> String {
    let own = bounds.iter().map(|(field, conditions)| format!("{field}{}", conditions.join(" and ")));
    user.map(str::to_owned).into_iter().chain(own).collect::<Vec<_>>().join(";")
}

/// `(Status = 'OPEN') and InvoiceId > 5 and InvoiceId <= 10`
fn row_match(user: Option<&str>, across: &[String], bounds: &[(&str, Vec<String>)]) -> String {
    let own = bounds.iter().flat_map(|(field, conditions)| {
        conditions.iter().map(move |condition| format!("{field} {condition}"))
    });
    let user = user.map(|user| format!("({user})")).into_iter();
    user.chain(across.iter().cloned()).chain(own).collect::<Vec<_>>().join(" and ")
}

/// `ByStatus;Status=OPEN,Source="Mail, Fax"`: a value that has what separates values is written in quotation marks.
fn finder_text(finder: &Finder) -> String {
    let written = |value: &str| match value.contains([',', ';', '=']) || value.trim() != value {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    };
    let variables = finder.variables.iter().map(|(name, value)| format!("{name}={}", written(value)));
    let variables: Vec<_> = variables.collect();
    match variables.is_empty() {
        true => finder.name.clone(),
        false => format!("{};{}", finder.name, variables.join(",")),
    }
}

/// A moment as Fusion writes it. It keeps milliseconds: what is finer is cut off from a window's end as from the
/// next one's beginning, so that no row falls between.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

/// A query, encoded so that no server takes a plus for a space, or a space for a plus.
#[derive(Default)]
struct Query(String);

impl Query {
    fn add(&mut self, name: &str, value: &str) {
        let separator = if self.0.is_empty() { "" } else { "&" };
        self.0.push_str(&format!("{separator}{name}={}", utf8_percent_encode(value, UNRESERVED)));
    }

    fn of(self, url: &Url) -> Url {
        let mut url = url.clone();
        url.set_query(Some(&self.0));
        url
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::describe::KeyAttribute;
    use super::super::export::tests::rest;
    use super::*;

    fn asked(
        export: Value,
        key: &KeyAttributes,
        range: &KeyRange,
        window: Option<&Window>,
    ) -> BTreeMap<String, String> {
        let url = Url::parse("https://pod.example.com/fscmRestApi/resources/latest/invoices").unwrap();
        let collection = Collection::new(url, &rest(export), key.clone(), window).unwrap();
        collection.page(range, 0, 499).query_pairs().into_owned().collect()
    }

    fn key_of(names: &[(&str, bool)]) -> KeyAttributes {
        let attribute = |(name, is_numeric): &(&str, bool)| KeyAttribute {
            name: (*name).to_owned(),
            is_numeric: *is_numeric,
        };
        KeyAttributes(names.iter().map(attribute).collect())
    }

    fn numeric() -> KeyAttributes {
        key_of(&[("InvoiceId", true)])
    }

    fn range() -> KeyRange {
        KeyRange { after: Some(Key::number(5)), through: Some(Key::number(10)) }
    }

    fn window() -> Window {
        Window {
            field: "LastUpdateDate".to_owned(),
            from: Some("2026-11-21T06:00:00.1239Z".parse().unwrap()),
            until: "2026-11-21T07:00:00Z".parse().unwrap(),
            overlap_until: None,
        }
    }

    /// Trap: `q` has another syntax in framework version 1 than later.
    #[test]
    fn both_syntaxes_of_q() {
        let asked_by = |framework: u8, q: &str| {
            asked(json!({ "framework_version": framework, "q": q }), &numeric(), &range(), Some(&window()))
                .remove("q")
                .unwrap()
        };
        assert_eq!(
            asked_by(1, "Status=OPEN"),
            "Status=OPEN;InvoiceId> 5 and <= 10;LastUpdateDate>= '2026-11-21T06:00:00.123+00:00' and < '2026-11-21T07:00:00.000+00:00'"
        );
        assert_eq!(
            asked_by(4, "Status = 'OPEN' or Status = 'HELD'"),
            "(Status = 'OPEN' or Status = 'HELD') and InvoiceId > 5 and InvoiceId <= 10 and LastUpdateDate >= \
             '2026-11-21T06:00:00.123+00:00' and LastUpdateDate < '2026-11-21T07:00:00.000+00:00'"
        );
    }

    /// Promise 5: a query by example takes one condition a field, so a second one would silently win.
    #[test]
    fn a_second_condition_on_a_field_is_refused_in_framework_1() {
        let url = Url::parse("https://pod.example.com/").unwrap();
        for (q, refused) in
            [("InvoiceId>7", true), ("A=1; LastUpdateDate>x", true), ("InvoiceIdOld>7", false)]
        {
            let export = rest(json!({ "framework_version": 1, "q": q }));
            let made = Collection::new(url.clone(), &export, numeric(), Some(&window()));
            assert_eq!(made.is_err(), refused, "{q}");
        }
    }

    /// Keys of text are quoted, an apostrophe in them doubled.
    #[test]
    fn text_keys_are_quoted() {
        let key = key_of(&[("Code", false)]);
        let range = KeyRange { after: Some(Key::text("O'Brien & Söhne+")), through: None };
        let asked = asked(json!({}), &key, &range, None);
        assert_eq!(asked["q"], "Code > 'O''Brien & Söhne+'");
    }

    /// Traps: the default of 25 rows a page; a limit of 500 that gives 499.
    #[test]
    fn a_page_says_its_limit_and_its_order() {
        let asked = asked(json!({}), &numeric(), &KeyRange::default(), None);
        assert_eq!((asked["limit"].as_str(), asked["orderBy"].as_str()), ("499", "InvoiceId:asc"));
        assert_eq!(asked["onlyData"], "true");
        assert!(!asked.contains_key("q") && !asked.contains_key("totalResults"));
    }

    /// The key is always among the fields; children's fields are named by child, as `expand` is ignored then.
    #[test]
    fn fields_name_the_key_and_the_childrens() {
        let export = json!({
            "fields": ["InvoiceNumber", "invoiceLines.LineNumber", "invoiceLines.distributions.Amount", "invoiceLines.Amount"],
            "expand": ["invoiceLines"],
        });
        let asked = asked(export, &numeric(), &KeyRange::default(), None);
        assert_eq!(
            asked["fields"],
            "InvoiceId,InvoiceNumber;invoiceLines:LineNumber,Amount;invoiceLines.distributions:Amount"
        );
        assert!(!asked.contains_key("expand"));
    }

    /// A finder with its variables.
    #[test]
    fn a_finder_has_its_variables() {
        let export =
            json!({ "finder": { "name": "ByStatus", "variables": { "Status": "OPEN", "Type": "X" } } });
        let asked = asked(export, &numeric(), &KeyRange::default(), None);
        assert_eq!(asked["finder"], "ByStatus;Status=OPEN,Type=X");
        assert!(!asked.contains_key("q"));
    }

    /// A value with what separates values is in quotation marks, as Oracle's own examples write such values; it reaches the
    /// server whole, whatever it has.
    #[test]
    fn values_of_finders_are_carried_whole() {
        let value = |text: &str| {
            let variables = json!({ "Source": text });
            let export = json!({ "finder": { "name": "Search", "variables": variables } });
            asked(export, &numeric(), &KeyRange::default(), None)["finder"].clone()
        };
        for (text, written) in [
            ("OPEN", "OPEN"),
            ("Receivables Import", "Receivables Import"),
            ("Smith, John", "\"Smith, John\""),
            ("a;b", "\"a;b\""),
            ("a=b", "\"a=b\""),
            (" a", "\" a\""),
            ("50 % & +", "50 % & +"),
        ] {
            assert_eq!(value(text), format!("Search;Source={written}"));
        }
    }

    /// The day as of which rows are read is said with every request about them, their children's too.
    #[test]
    fn the_effective_date_is_said_with_every_request() {
        let url = Url::parse("https://pod.example.com/").unwrap();
        let export = rest(json!({ "effective_date": "2026-11-21" }));
        let collection = Collection::new(url.clone(), &export, numeric(), None).unwrap();
        let range = KeyRange::default();
        let child = collection.child("lines", url.clone(), numeric());
        for asked in [
            collection.page(&range, 0, 499),
            collection.keys(&range, 0, 1),
            collection.one(&Key::number(5)),
            child.page(&range, 0, 499),
        ] {
            assert!(asked.query().unwrap().contains("effectiveDate=2026-11-21"), "{asked}");
        }
        let collection = Collection::new(url, &rest(json!({})), numeric(), None).unwrap();
        assert!(!collection.page(&range, 0, 499).query().unwrap().contains("effectiveDate"));
    }

    fn of_three() -> KeyAttributes {
        key_of(&[("TypeId", true), ("Code", false), ("Day", false)])
    }

    fn three(number: i128, code: &str, day: &str) -> Key {
        let text = |text: &str| KeyValue::Text(text.to_owned());
        Key(vec![KeyValue::Number(number), text(code), text(day)])
    }

    /// A key of several fields is ordered by all of them, and what comes behind a row is said by the first that differs.
    #[test]
    fn a_key_of_several_fields_is_asked_by_all_of_them() {
        let range = KeyRange {
            after: Some(three(5, "O'B", "2026-11-21")),
            through: Some(three(7, "C", "2026-01-02")),
        };
        let asked = asked(
            json!({ "q": "Status = 'OPEN'", "fields": ["Rate"] }),
            &of_three(),
            &range,
            Some(&window()),
        );
        assert_eq!(asked["orderBy"], "TypeId:asc,Code:asc,Day:asc");
        assert_eq!(asked["fields"], "TypeId,Code,Day,Rate");
        assert_eq!(
            asked["q"],
            "(Status = 'OPEN') and \
             TypeId >= 5 and (TypeId > 5 or (Code >= 'O''B' and (Code > 'O''B' or (Day > '2026-11-21')))) and \
             TypeId <= 7 and (TypeId < 7 or (Code <= 'C' and (Code < 'C' or (Day <= '2026-01-02')))) and \
             LastUpdateDate >= '2026-11-21T06:00:00.123+00:00' and LastUpdateDate < '2026-11-21T07:00:00.000+00:00'"
        );
        let url = Url::parse("https://pod.example.com/").unwrap();
        let collection = Collection::new(url, &rest(json!({})), of_three(), None).unwrap();
        let one: BTreeMap<String, String> =
            collection.one(&three(5, "O'B", "2026-11-21")).query_pairs().into_owned().collect();
        assert_eq!(one["q"], "TypeId = 5 and Code = 'O''B' and Day = '2026-11-21'");
    }

    /// Promise 5: keys of several fields are ordered by the first that differs, numbers as numbers.
    #[test]
    fn keys_of_several_fields_are_ordered_field_by_field() {
        let ordered = [
            three(9, "B", "2026-01-02"),
            three(10, "A", "2026-01-01"),
            three(10, "A", "2026-01-02"),
            three(10, "a", ""),
        ];
        assert!(ordered.is_sorted_by(|one, other| one < other));
        let range = KeyRange { after: Some(ordered[1].clone()), through: Some(ordered[2].clone()) };
        let is_in = ordered.map(|key| range.check(&key, &of_three()).is_ok());
        assert_eq!(is_in, [false, false, true, false]);
        let refusal = range.check(&three(9, "B", "x"), &of_three()).unwrap_err();
        assert!(refusal.contains("TypeId, Code, Day 9, B, x"), "{refusal}");
    }

    /// Trap: a finder does not stand in the way of the keys, nor of a `q` of the export's own.
    #[test]
    fn a_finder_goes_with_conditions() {
        for (framework, q) in
            [(1, "Type=X;InvoiceId> 5 and <= 10"), (4, "(Type=X) and InvoiceId > 5 and InvoiceId <= 10")]
        {
            let finder = json!({ "name": "ByStatus", "variables": { "Status": "OPEN" } });
            let export = json!({ "framework_version": framework, "finder": finder, "q": "Type=X" });
            let asked = asked(export, &numeric(), &range(), None);
            assert_eq!((asked["finder"].as_str(), asked["q"].as_str()), ("ByStatus;Status=OPEN", q));
        }
    }

    /// One row is asked for by its key alone, whether or not it is in the window still, and with its links.
    #[test]
    fn one_row_is_asked_for_by_its_key() {
        let url = Url::parse("https://pod.example.com/").unwrap();
        for (framework, key, q) in [
            (1, Key::number(5), "InvoiceId= 5"),
            (4, Key::number(5), "InvoiceId = 5"),
            (4, Key::text("O'B"), "InvoiceId = 'O''B'"),
        ] {
            let export = rest(json!({ "framework_version": framework, "q": "Status=OPEN" }));
            let collection = Collection::new(url.clone(), &export, numeric(), Some(&window())).unwrap();
            let asked: BTreeMap<String, String> = collection.one(&key).query_pairs().into_owned().collect();
            assert_eq!((asked["q"].as_str(), asked["fields"].as_str()), (q, "InvoiceId"));
            assert!(!asked.contains_key("onlyData"));
        }
    }

    /// Keys that are numbers compare as numbers, however they are written.
    #[test]
    fn keys_are_what_their_attribute_says() {
        let of = |text: &str, is_numeric| {
            KeyValue::of(&RawValue::from_string(text.to_owned()).unwrap(), is_numeric)
        };
        assert!(of("9", true).unwrap() < of("\"10\"", true).unwrap());
        assert!(of("\"9\"", false).unwrap() > of("\"10\"", false).unwrap());
        for (text, is_numeric) in
            [("1.5", true), ("null", true), ("null", false), ("7", false), ("[1]", true)]
        {
            assert!(of(text, is_numeric).is_err(), "{text}");
        }
    }
}
