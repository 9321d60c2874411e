//! An answer that is read whole, and what of any answer its headers say.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::error::{Exchange, Failure, HttpError};
use crate::json::without_repetitions;
use crate::redact::{self, Redactor};
use crate::retry;

/// An answer of success, read whole.
#[derive(Clone)]
pub struct Answer {
    pub(super) exchange: Exchange,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, without codings and in UTF-8.
    pub body: Bytes,
    /// Whether its charset was guessed.
    pub(super) is_guessed: bool,
    pub(super) redactor: Redactor,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {} ({} bytes)", self.status, self.exchange, self.body.len())
    }
}

impl Answer {
    /// The body as what it should be. A web page, another type, a missing field are errors that say so.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        self.parse().map_err(|failure| HttpError::new(self.exchange.clone(), failure))
    }

    /// The same, of an answer whose words are kept as data: one in a charset that it does not name is an error, too.
    pub fn json_to_keep<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        match self.is_guessed {
            true => Err(self.malformed(".", "it is not UTF-8, and does not say what it is")),
            false => self.json(),
        }
    }

    /// Whether it is what comes in place of any answer where somebody has to log in first: 200 with a web page. Whoever
    /// sends it has not handed the call on.
    pub fn is_login_page(&self) -> bool {
        self.status == StatusCode::OK && !self.body.is_empty() && self.is_page()
    }

    fn is_page(&self) -> bool {
        is_page_type(media_type(&self.headers).as_deref()) || redact::looks_like_a_page(&self.body)
    }

    /// What is odd about an answer that should be JSON, so that asking once more may bring another.
    pub(super) fn oddness(&self) -> Option<Odd> {
        if self.is_page() {
            return Some(Odd::Page);
        }
        serde_json::from_slice::<IgnoredAny>(&self.body).is_err().then_some(Odd::Unfit)
    }

    /// JSON is read as such whatever its type says: gateways, and servers that answer texts, call it text.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.is_page() {
            return Err(Failure::WebPage { wanted: "JSON" });
        }
        let names_json =
            |kind: &str| kind == "application/json" || kind == "text/json" || kind.ends_with("+json");
        // A type that is missing is not one that is wrong.
        match media_type(&self.headers).filter(|kind| !names_json(kind)) {
            Some(kind) if !matches!(self.body.trim_ascii_start().first(), Some(b'{' | b'[')) => {
                Err(Failure::NotJson(self.redactor.text(&kind)))
            }
            _ => self.read(),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        let value = match serde_path_to_error::deserialize(&mut deserializer) {
            Ok(value) => value,
            Err(error) => {
                let path = error.path().to_string();
                let error = error.into_inner();
                let read = without_repetitions(&self.body, &error).unwrap_or(Err(error));
                return read.map_err(|error| self.misfit(&path, &error.to_string()));
            }
        };
        deserializer.end().map_err(|error| self.misfit(".", &error.to_string()))?;
        Ok(value)
    }

    /// When it was made, by the server's clock, where it says so.
    pub fn told_time(&self) -> Option<Timestamp> {
        retry::told_time(&self.headers)
    }

    /// An error about this answer: it has another form than it should.
    pub fn malformed(&self, field: &str, reason: &str) -> HttpError {
        HttpError::new(self.exchange.clone(), self.misfit(field, reason))
    }

    /// The path holds names that the server chose: they are its words as much as the reason is.
    fn misfit(&self, field: &str, reason: &str) -> Failure {
        Failure::Malformed { field: self.redactor.text(field), reason: self.redactor.text(reason) }
    }
}

/// What may come in place of JSON or of a file, in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// A web page: of a login, or of maintenance.
    Page,
    /// Nothing, a part of it, or something else.
    Unfit,
    /// JSON of another form.
    Misfit,
}

impl Odd {
    /// How often such an answer is asked for again. A page may be the answer to a password, and each try of one counts.
    pub(crate) fn repeats(self) -> u32 {
        match self {
            Self::Page | Self::Misfit => 1,
            Self::Unfit => 2,
        }
    }
}

/// The type of a body without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::CONTENT_TYPE)?.as_bytes()).into_owned();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!essence.is_empty()).then_some(essence)
}

pub(crate) fn is_page_type(kind: Option<&str>) -> bool {
    matches!(kind, Some("text/html" | "application/xhtml+xml"))
}
