//! How a value is taken out of an answer.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, StatusCode};
use landfall_http::{Answer, HttpError};
use serde_json::Value;
use serde_json_path::JsonPath;
use url::Url;

use super::bounded::{Bounded, KEPT, each_element};
use super::template;
use crate::tables::{Form, Node, Read};

/// The longest text that is taken: more is no id, no status and no link.
const MAX_TEXT: usize = 8192;

/// Where a value is: the first of several places that has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Take(pub(super) Vec<Place>);

/// A place in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// The HTTP status.
    Status,
    /// A header.
    Header(HeaderName),
    /// The last segment of the path of the URL, or of the name, that is in a place.
    LastSegment(Box<Place>),
    /// JSON, by a pointer (RFC 6901).
    Pointer(String),
    /// JSON, by a path (RFC 9535): the first that it finds.
    Path(JsonPath),
}

impl Read for Take {
    const FORM: Form = Form::Called(
        "take",
        "Where a value is taken from: status, header NAME, last-segment of …, json /pointer, json $.path; or the first of several.",
        &Form::Several(&Form::Text),
    );

    fn read(node: &Node<'_>) -> Option<Self> {
        let places = node.several();
        if places.is_empty() {
            node.fault("it does not say where to take it: name one place at least");
        }
        let place = |node: &Node<'_>| Place::parse(node.text()?).map_err(|reason| node.fault(reason)).ok();
        let parsed: Vec<Place> = places.iter().filter_map(place).collect();
        (!places.is_empty() && parsed.len() == places.len()).then_some(Self(parsed))
    }
}

impl Place {
    /// A place as it is written.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let header =
            |name: &str| name.parse::<HeaderName>().map_err(|_| format!("{name:?} is not a header's name"));
        match words.as_slice() {
            ["status"] => Ok(Self::Status),
            ["header", name] => Ok(Self::Header(header(name)?)),
            ["last-segment", "of", place @ ..] if !place.is_empty() => {
                Ok(Self::LastSegment(Box::new(Self::parse(&place.join(" "))?)))
            }
            ["json"] => Ok(Self::Pointer(String::new())),
            ["json", pointer] if pointer.starts_with('/') => Ok(Self::Pointer((*pointer).to_owned())),
            ["json", path, ..] if path.starts_with('$') => {
                let path = text.trim_start().trim_start_matches("json").trim();
                let parsed = JsonPath::parse(path);
                parsed.map(Self::Path).map_err(|error| format!("{path:?} is not a path of RFC 9535: {error}"))
            }
            _ => Err(format!(
                "{text:?} does not say where to take it: status, header NAME, last-segment of header NAME, json /pointer, or \
                 json $.path"
            )),
        }
    }

    /// Whether it is in the body.
    fn is_json(&self) -> bool {
        match self {
            Self::Pointer(_) | Self::Path(_) => true,
            Self::LastSegment(place) => place.is_json(),
            Self::Status | Self::Header(_) => false,
        }
    }

    fn find<'v>(&self, answer: &'v Answered) -> Option<Cow<'v, Value>> {
        let made = |text: String| Some(Cow::Owned(Value::String(text)));
        match self {
            Self::Status => made(answer.status.as_u16().to_string()),
            Self::Header(name) => made(answer.headers.get(name)?.to_str().ok()?.to_owned()),
            Self::LastSegment(place) => made(last_segment(place.find(answer)?.as_str()?)?),
            Self::Pointer(_) | Self::Path(_) if answer.is_cut && self.may_be_cut_off() => {
                let whole: Value = serde_json::from_slice(answer.body()).ok()?;
                self.find_in(&whole).map(|found| Cow::Owned(found.into_owned()))
            }
            Self::Pointer(_) | Self::Path(_) => self.find_in(answer.json.as_ref()?),
        }
    }

    /// Whether it may be further down a list than is kept of one.
    fn may_be_cut_off(&self) -> bool {
        match self {
            Self::Pointer(pointer) => {
                pointer.split('/').any(|token| token.parse::<usize>().is_ok_and(|index| index >= KEPT))
            }
            _ => true,
        }
    }

    fn find_in<'v>(&self, value: &'v Value) -> Option<Cow<'v, Value>> {
        match self {
            Self::Pointer(pointer) => value.pointer(pointer).map(Cow::Borrowed),
            Self::Path(path) => path.query(value).first().map(Cow::Borrowed),
            Self::LastSegment(place) => {
                let last = last_segment(place.find_in(value)?.as_str()?)?;
                Some(Cow::Owned(Value::String(last)))
            }
            Self::Status | Self::Header(_) => None,
        }
    }
}

/// The last segment of the path of a URL, decoded.
fn last_segment(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let path = path.split_once("://").map_or(Some(path), |(_, rest)| Some(rest.split_once('/')?.1))?;
    let last = path.split('/').rfind(|segment| !segment.is_empty())?;
    Some(percent_encoding::percent_decode_str(last).decode_utf8().ok()?.into_owned())
}

/// A value that says something.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

impl Take {
    /// What is there first of the places; nothing where all are empty, null or missing.
    pub(super) fn value<'v>(&self, answer: &'v Answered) -> Option<Cow<'v, Value>> {
        self.0.iter().find_map(|place| place.find(answer).filter(|found| says_something(found)))
    }

    /// The same as a text. What is too long to be one is none.
    pub(super) fn text(&self, answer: &Answered) -> Option<String> {
        self.value(answer).and_then(|value| short_text(&value))
    }

    /// The texts of all places that have one, in their order.
    pub(super) fn texts(&self, answer: &Answered) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|place| place.find(answer).and_then(|found| short_text(&found)))
    }

    /// The same of an entry of a list.
    pub(super) fn text_in(&self, entry: &Value) -> Option<String> {
        let found =
            self.0.iter().find_map(|place| place.find_in(entry).filter(|found| says_something(found)));
        found.and_then(|found| short_text(&found))
    }

    /// Whether anything is there, be it an empty list.
    pub(super) fn is_there(&self, answer: &Answered) -> bool {
        self.list(answer).is_some()
    }

    /// What is there, be it an empty list, and where.
    fn list<'v>(&'v self, answer: &'v Answered) -> Option<(&'v Place, Cow<'v, Value>)> {
        let found = |place| Place::find(place, answer).map(|found| (place, found));
        self.0.iter().filter_map(found).find(|(_, found)| !found.is_null())
    }

    /// Visits the entries that are there: those of a list, or what stands there as the only one. Their number; none where
    /// nothing is there.
    pub(super) fn each(
        &self,
        answer: &Answered,
        visit: &mut dyn FnMut(&Value) -> landfall::Result<()>,
    ) -> landfall::Result<Option<usize>> {
        let Some((place, found)) = self.list(answer) else { return Ok(None) };
        match (found.as_ref(), place) {
            (Value::Array(_), Place::Pointer(pointer)) if answer.is_cut => {
                each_element(answer.body(), pointer, visit)
            }
            (Value::Array(list), _) => {
                list.iter().try_for_each(visit)?;
                Ok(Some(list.len()))
            }
            (Value::String(text), _) if text.trim().is_empty() => Ok(Some(0)),
            (one, _) => visit(one).map(|()| Some(1)),
        }
    }

    /// Whether all of its places are in a body.
    pub(super) fn reads_only_json(&self) -> bool {
        self.0.iter().all(Place::is_json)
    }

    /// Whether it needs a body.
    pub(super) fn reads_json(&self) -> bool {
        self.0.iter().any(Place::is_json)
    }
}

fn short_text(value: &Value) -> Option<String> {
    let text = template::text(value)?.trim().to_owned();
    (!text.is_empty() && text.len() <= MAX_TEXT).then_some(text)
}

/// An answer, and what its body says where that is JSON.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from: what its links are relative to.
    pub(super) url: Url,
    /// What its body says, the beginnings of its lists.
    pub(super) json: Option<Value>,
    /// Whether its lists have more.
    is_cut: bool,
    answer: Option<Answer>,
}

impl Answered {
    /// An answer to a call of this URL. A web page in its place is an error, whatever is taken of it.
    pub(super) fn new(answer: Answer, url: Url) -> Result<Self, HttpError> {
        let (json, is_cut) = match answer.json::<Bounded>() {
            Ok(Bounded { value, is_cut }) => (Some(value), is_cut),
            Err(error) if answer.is_login_page() => return Err(error),
            Err(_) => (None, false),
        };
        let (status, headers) = (answer.status, answer.headers.clone());
        Ok(Self { status, headers, url, json, is_cut, answer: Some(answer) })
    }

    /// An answer of which the body is not read.
    pub(super) fn of_head(status: StatusCode, headers: HeaderMap, url: Url) -> Self {
        Self { status, headers, url, json: None, is_cut: false, answer: None }
    }

    /// An error about it: something is not as the description has it.
    pub(super) fn malformed(&self, what: &str, reason: &str) -> landfall::Error {
        match &self.answer {
            Some(answer) => answer.malformed(what, reason).into(),
            None => landfall::Error::contract_broken(format!("{}: {what}: {reason}", self.url.path())),
        }
    }

    /// The body as text, for what a refusal says.
    pub(super) fn body(&self) -> &[u8] {
        self.answer.as_ref().map(|answer| answer.body.as_ref()).unwrap_or_default()
    }

    /// Its error, where a body was wanted and there is none that can be read.
    pub(super) fn must_be_json(&self) -> landfall::Result<()> {
        match (&self.json, &self.answer) {
            (None, Some(answer)) => Ok(answer.json::<Bounded>().map(drop)?),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn take(places: &[&str]) -> Take {
        Take(places.iter().map(|place| Place::parse(place).unwrap()).collect())
    }

    fn answered(json: Value) -> Answered {
        let mut headers = HeaderMap::new();
        headers.insert("content-location", "https://h.example/fhir/bulkstatus/ab%20c/?x=/y".parse().unwrap());
        let url = "https://h.example/".parse().unwrap();
        Answered { status: StatusCode::ACCEPTED, headers, url, json: Some(json), is_cut: false, answer: None }
    }

    /// Each way of taking a value, and the first of several that has one.
    #[test]
    fn a_value_is_taken_from_where_it_is() {
        let answer = answered(json!({
            "id": 7, "blank": " ", "none": null, "empty": [],
            "link": [{ "relation": "self", "url": "/a" }, { "relation": "next", "url": "/b" }],
        }));
        for (places, found) in [
            (&["status"][..], Some("202")),
            (&["last-segment of header Content-Location"], Some("ab c")),
            (&["last-segment of json /link/1/url"], Some("b")),
            (&["header X-None"], None),
            (&["json /id"], Some("7")),
            (&["json /none", "json /blank", "json /id"], Some("7")),
            (&["json $.link[?@.relation == 'next'].url"], Some("/b")),
            (&["json $.link[?@.relation == 'last'].url"], None),
            (&["json /link"], None),
        ] {
            assert_eq!(take(places).text(&answer).as_deref(), found, "{places:?}");
        }
        assert!(take(&["json /empty"]).value(&answer).is_none());
        assert!(take(&["json /empty"]).is_there(&answer));
        assert!(!take(&["json /none"]).is_there(&answer));
    }

    /// What does not say where is refused with what would.
    #[test]
    fn a_place_that_is_none_is_refused() {
        for bad in [
            "",
            "body",
            "header",
            "header a b",
            "json id",
            "json $[",
            "header (x)",
            "last-segment X",
            "last-segment of",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    /// A location is read in each form that servers send.
    #[test]
    fn the_last_segment_is_that_of_the_path() {
        for (url, last) in [
            ("https://h/x/42", Some("42")),
            ("/x/42/", Some("42")),
            ("42", Some("42")),
            ("https://h", None),
            ("https://h/", None),
            ("", None),
            ("https://h/x/42?a=/1#/2", Some("42")),
        ] {
            assert_eq!(last_segment(url).as_deref(), last, "{url}");
        }
    }
}
