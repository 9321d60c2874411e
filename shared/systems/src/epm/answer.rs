//! Answers as EPM writes them: numbers as texts, nothing as the text `null`, a zero where a link should be.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Number, Value};

/// A value as a text, whether it came as a text or as a number; nothing where it says nothing.
///
/// Oracle's own example of a job's status has `"status": "0"`, `"jobId": "1881"` and `"details": "null"` (Retrieve Job
/// Status); clients see numbers there.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number_text(&number),
        _ => String::new(),
    };
    Ok(Some(text).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("null")))
}

/// A number as a text; one that is whole has no fraction, though it may have come with one.
fn number_text(number: &Number) -> String {
    let text = number.to_string();
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// What EPM says, as a text: what it says in several fields (granular job details, since 26.04) as compact JSON.
pub(super) fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(fields) if fields.is_empty() => Ok(None),
        Value::Array(items) if items.is_empty() => Ok(None),
        several @ (Value::Object(_) | Value::Array(_)) => Ok(Some(several.to_string())),
        one => text(one).map_err(D::Error::custom),
    }
}

/// A whole number that came as a number or as a text.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// The links of an answer; what is none (`"links": [0]` in Oracle's example) is left out.
pub(super) fn links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Link>, D::Error> {
    let links = match Value::deserialize(deserializer)? {
        Value::Array(links) => links,
        one => vec![one],
    };
    Ok(links.into_iter().filter_map(|link| Link::deserialize(link).ok()).collect())
}

/// A link, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Link {
    rel: String,
    href: String,
}

impl Link {
    /// The number that a link to a job ends in.
    fn job_number(&self) -> Option<&str> {
        let path = self.href.split(['?', '#']).next()?.trim().trim_end_matches('/');
        let (parent, number) = path.rsplit_once('/')?;
        parent.ends_with("/jobs").then_some(number)
    }
}

/// The number of the job that an answer's link to itself leads to.
pub(super) fn own_job_number(links: &[Link]) -> Option<&str> {
    links.iter().filter(|link| link.rel.trim().eq_ignore_ascii_case("self")).find_map(Link::job_number)
}

/// The target of the link of this relation.
pub(super) fn target<'a>(links: &'a [Link], relation: &str) -> Option<&'a str> {
    links.iter().find(|link| link.rel.trim().eq_ignore_ascii_case(relation)).map(|link| link.href.trim())
}

/// What every answer of the repository has: its outcome is in the body, under HTTP 200 (Migration Status Codes).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Outcome {
    #[serde(default, deserialize_with = "text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "said")]
    pub(super) details: Option<String>,
    #[serde(default, deserialize_with = "links")]
    pub(super) links: Vec<Link>,
}

/// What a status of the repository means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// 0
    Done,
    /// -1
    UnderWay,
    /// Above zero.
    Failed(i64),
    /// Anything else.
    Unknown,
}

impl Outcome {
    pub(super) fn progress(&self) -> Progress {
        match self.status.as_deref().map(str::parse::<i64>) {
            Some(Ok(0)) => Progress::Done,
            Some(Ok(-1)) => Progress::UnderWay,
            Some(Ok(status)) if status > 0 => Progress::Failed(status),
            _ => Progress::Unknown,
        }
    }

    /// Reads bytes that have the shape of an outcome: an object with a whole `status`, and `details` or `links`.
    pub(super) fn of_shape(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let is_accompanied = value.get("details").is_some() || value.get("links").is_some();
        let outcome = Self::deserialize(value).ok()?;
        (is_accompanied && outcome.progress() != Progress::Unknown).then_some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(value: &Value) -> Option<Outcome> {
        Outcome::of_shape(value.to_string().as_bytes())
    }

    /// Traps: a status as text, details that are the text `null`, a link that is the number 0.
    #[test]
    fn an_outcome_is_read_in_every_form() {
        for (value, progress) in [
            (json!({ "status": 0, "details": null }), Progress::Done),
            (json!({ "status": "0", "details": "null", "links": [0] }), Progress::Done),
            (json!({ "status": -1, "links": 0 }), Progress::UnderWay),
            (json!({ "status": "8", "details": "gone" }), Progress::Failed(8)),
        ] {
            let outcome = outcome(&value).unwrap();
            assert_eq!(outcome.progress(), progress, "{value}");
            assert!(outcome.links.is_empty());
        }
        let failed = outcome(&json!({ "status": 8, "details": " gone " })).unwrap();
        assert_eq!(failed.details.as_deref(), Some("gone"));
    }

    /// A file of JSON is not an outcome only because it is JSON.
    #[test]
    fn what_lacks_the_shape_is_no_outcome() {
        for value in [
            json!({ "status": 0 }),
            json!({ "status": "open", "details": "x" }),
            json!([{ "status": 1, "details": "x" }]),
            json!({ "details": "x" }),
            json!({ "status": -2, "details": "x" }),
        ] {
            assert_eq!(outcome(&value), None, "{value}");
        }
        assert_eq!(Outcome::of_shape(b"a,b\n1,2\n"), None);
    }

    /// Relations are compared as people write them.
    #[test]
    fn a_link_is_found_by_its_relation() {
        let links = json!({ "status": 0, "links": [
            { "rel": "self", "href": "/a" }, 0, { "rel": "Download Link", "action": "GET", "href": " /b " }
        ] });
        assert_eq!(target(&outcome(&links).unwrap().links, "download link"), Some("/b"));
        assert_eq!(target(&outcome(&links).unwrap().links, "Job Status"), None);
    }
}
