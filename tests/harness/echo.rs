//! A source that repeats what it was told: secrets come back in whatever it answers.
//!
//! An [`Echo`] sits on the way to the source, learns every secret that passes, and from a call on that the test names
//! answers in the source's place, with all of them in it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use landfall::context::WrapTransport;
use landfall_http::Transport;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// Shorter words are parts of others.
const SHORTEST: usize = 8;

/// How a source repeats what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// An error's JSON, in each form that is read.
    Problem,
    /// An error in plain words; one that is worth a retry.
    Words,
    /// An error in plain words, percent-encoded.
    Percent,
    /// An error in plain words, in base64.
    Base64,
    /// A refused login, with a challenge.
    Challenge,
    /// A page.
    Page,
    /// A redirect to another host, the secrets in its path and query.
    Redirect,
    /// A success, whose content type and fields are the secrets.
    Shape,
    /// Too many requests, to be repeated after the secrets.
    Throttle,
    /// What it would have answered, with the secrets in every text of it.
    InItsWords,
    /// What it would have answered, with the secrets as the status of its job.
    InItsStatus,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Problem,
        Self::Words,
        Self::Percent,
        Self::Base64,
        Self::Challenge,
        Self::Page,
        Self::Redirect,
        Self::Shape,
        Self::Throttle,
        Self::InItsWords,
        Self::InItsStatus,
    ];
}

/// What RFC 3986 escapes.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret, and the ways in which it may be written.
pub fn spellings(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, UNRESERVED).to_string(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
}

/// What sits on the way to the source.
#[derive(Debug, Default)]
pub struct Echo(Mutex<State>);

#[derive(Default)]
struct State {
    secrets: BTreeSet<String>,
    /// Those that have passed since the source was opened.
    recent: BTreeSet<String>,
    calls: usize,
    from: Option<(usize, Manner)>,
    /// Whose calls are not the source's.
    others: BTreeSet<String>,
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Echo {
    /// One that repeats everything from the call of this number on, from 1.
    pub fn from(call: usize, manner: Manner) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { from: Some((call, manner)), ..State::default() })))
    }

    /// What puts it on the way.
    ///
    /// A source that is opened anew, as one is in every process, cannot know the tokens of the one before: those are
    /// recognised by their form alone, and a simulator's have none. They are not repeated.
    pub fn wrap(self: &Arc<Self>) -> WrapTransport {
        let echo = Arc::clone(self);
        Box::new(move |wire| {
            echo.state().recent.clear();
            Arc::new(Echoing { echo: Arc::clone(&echo), wire }) as Arc<dyn Transport>
        })
    }

    /// Lets the calls of another server than the source through: what that is told, no source can repeat.
    pub fn leave_alone(&self, authority: &str) {
        self.state().others.insert(authority.to_owned());
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// The secrets that have passed.
    pub fn secrets(&self) -> BTreeSet<String> {
        self.state().secrets.clone()
    }

    /// Learns a secret.
    pub fn learn(&self, secret: &str) {
        if secret.len() >= SHORTEST {
            let mut state = self.state();
            state.secrets.insert(secret.to_owned());
            state.recent.insert(secret.to_owned());
        }
    }

    /// Learns a token, or a pair of name and password and the password alone.
    fn learn_credentials(&self, credentials: &str) {
        self.learn(credentials);
        let pair = STANDARD.decode(credentials).ok().and_then(|pair| String::from_utf8(pair).ok());
        if let Some((_, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
            // In the header of a token request its parts are written as a form's (RFC 6749, 2.3.1).
            self.learn(password);
            self.learn(&percent_decode_str(password).decode_utf8_lossy());
        }
    }

    /// Learns what signs a link that has not been called yet. It is repeated as a part of the link alone: until then
    /// nothing tells a bare one from a checksum.
    fn learn_signature(&self, signature: &str) {
        if signature.len() >= SHORTEST {
            self.state().secrets.insert(signature.to_owned());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; how it is answered, if not by the source.
    fn count(&self) -> Option<Manner> {
        let mut state = self.state();
        state.calls += 1;
        let (from, manner) = state.from?;
        (state.calls >= from).then_some(manner)
    }

    fn learn_from_request(&self, request: &reqwest::Request) {
        for (name, value) in request.headers() {
            let Ok(value) = value.to_str() else { continue };
            match name.as_str() {
                "authorization" => self.learn_credentials(value.rsplit(' ').next().unwrap_or_default()),
                "x-okapi-token" => self.learn(value),
                "cookie" => value.split(';').for_each(|cookie| self.learn(value_of(cookie))),
                _ => {}
            }
        }
        for (name, value) in request.url().query_pairs() {
            if ["X-Amz-Signature", "X-Amz-Security-Token", "sig"].contains(&&*name) {
                self.learn(&value);
            }
        }
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        match serde_json::from_slice::<Value>(body) {
            Ok(body) => self.learn_from_json(&body),
            Err(_) => {
                let Ok(url) = reqwest::Url::parse(&format!("x:?{}", String::from_utf8_lossy(body))) else {
                    return;
                };
                let fields = url.query_pairs().filter(|(name, _)| is_secret(name));
                fields.for_each(|(_, value)| self.learn(&value));
            }
        }
    }

    fn learn_from_json(&self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if is_secret(name) => self.learn(text),
                        _ => self.learn_from_json(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_from_json(item)),
            Value::String(text) if text.contains("X-Amz-Signature=") => {
                let signature = text.split("X-Amz-Signature=").nth(1).unwrap_or_default();
                self.learn_signature(signature.split('&').next().unwrap_or_default());
            }
            _ => {}
        }
    }

    /// All secrets, the short ones first: an excerpt of what a server says begins at its beginning.
    fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.state().recent.iter().cloned().collect();
        told.sort_by_key(String::len);
        told
    }
}

fn value_of(cookie: &str) -> &str {
    cookie.split_once('=').map_or("", |(_, value)| value.split(';').next().unwrap_or_default())
}

fn is_secret(field: &str) -> bool {
    [
        "password",
        "client_secret",
        "assertion",
        "client_assertion",
        "access_token",
        "refresh_token",
        "okapiToken",
        "refreshToken",
    ]
    .contains(&field)
}

struct Echoing {
    echo: Arc<Echo>,
    wire: Arc<dyn Transport>,
}

impl fmt::Debug for Echoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Echoing")
    }
}

#[async_trait]
impl Transport for Echoing {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        if self.echo.state().others.contains(request.url().authority()) {
            return self.wire.execute(request).await;
        }
        self.echo.learn_from_request(&request);
        let manner = self.echo.count();
        match manner {
            Some(manner) if !matches!(manner, Manner::InItsWords | Manner::InItsStatus) => {
                Ok(answer(manner, &request, &self.echo.told()))
            }
            manner => {
                let response = self.wire.execute(request).await?;
                self.pass(response, manner).await
            }
        }
    }
}

impl Echoing {
    /// The source's answer, once its secrets are known, and with them where it is to have them.
    async fn pass(
        &self,
        response: reqwest::Response,
        manner: Option<Manner>,
    ) -> Result<reqwest::Response, reqwest::Error> {
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            self.echo.learn(value_of(cookie.to_str().unwrap_or_default()));
        }
        if let Some(token) = response.headers().get("x-okapi-token").and_then(|value| value.to_str().ok()) {
            self.echo.learn(token);
        }
        let is_json = |value: &header::HeaderValue| value.to_str().is_ok_and(|text| text.contains("json"));
        if !response.headers().get(header::CONTENT_TYPE).is_some_and(is_json) {
            return Ok(response);
        }
        let mut head = http::Response::builder().status(response.status());
        if let Some(headers) = head.headers_mut() {
            headers.clone_from(response.headers());
            headers.remove(header::CONTENT_LENGTH);
            headers.remove(header::TRANSFER_ENCODING);
        }
        let mut body = response.bytes().await?;
        if let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
            self.echo.learn_from_json(&value);
            if let Some(manner) = manner {
                put_into(&mut value, manner, &self.echo.told().join(" "));
                body = value.to_string().into();
            }
        }
        Ok(head.body(reqwest::Body::from(body)).expect("the parts of an answer").into())
    }
}

/// Puts a text wherever people read.
fn put_into(value: &mut Value, manner: Manner, text: &str) {
    let said: &[&str] = match manner {
        Manner::InItsStatus => &["status", "jobstatus", "jobprogress", "state"],
        _ => &["message", "error", "description", "detail", "reason", "title", "cause", "log", "text"],
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let is_said = match manner {
                    Manner::InItsStatus => said.contains(&name.as_str()),
                    _ => said.iter().any(|word| name.contains(word)),
                };
                match value {
                    Value::String(words) if is_said => *words = format!("{words} {text}"),
                    Value::Null if is_said => *value = text.into(),
                    _ => put_into(value, manner, text),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_into(item, manner, text)),
        _ => {}
    }
}

fn answer(manner: Manner, request: &reqwest::Request, secrets: &[String]) -> reqwest::Response {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let plain = secrets.join(" ");
    let words = format!("{plain} refused: {} Authorization: {authorization}", request.url());
    let encoded = |encode: fn(&str) -> String| {
        secrets.iter().map(|secret| encode(secret)).collect::<Vec<_>>().join(" ")
    };
    let response = http::Response::builder();
    let text = |status: StatusCode, body: String| (status, "text/plain", body);
    let json = |status: StatusCode, body: Value| (status, "application/json", body.to_string());
    let first = secrets.first().map_or("", String::as_str);
    let percent: fn(&str) -> String = |secret| utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let (response, (status, kind, body)) = match manner {
        Manner::Problem => (response, json(StatusCode::BAD_REQUEST, problem(&words))),
        Manner::Words => (response, text(StatusCode::INTERNAL_SERVER_ERROR, words)),
        Manner::Percent => (response, text(StatusCode::BAD_REQUEST, encoded(percent))),
        Manner::Base64 => {
            (response, text(StatusCode::BAD_REQUEST, encoded(|secret| STANDARD_NO_PAD.encode(secret))))
        }
        Manner::Challenge => {
            let challenge =
                format!("Bearer error=\"invalid_token\", error_description=\"{}\"", percent(first));
            (response.header(header::WWW_AUTHENTICATE, challenge), text(StatusCode::UNAUTHORIZED, words))
        }
        Manner::Page => {
            let page = format!("<!DOCTYPE html><html><title>{words}</title>{words}</html>");
            (response, (StatusCode::FORBIDDEN, "text/html", page))
        }
        Manner::Redirect => {
            let (path, query) = (secrets.iter().map(|secret| percent(secret)), percent(first));
            let path = path.collect::<Vec<_>>().join("/");
            let to = format!("https://elsewhere.example/{path}?access_token={query}");
            (response.header(header::LOCATION, to), text(StatusCode::FOUND, words))
        }
        Manner::Shape => {
            let kind = format!("application/json; charset={}", percent(first));
            let fields: Value =
                secrets.iter().map(|secret| (secret.clone(), json!({ secret: words }))).collect();
            let response = response.header("X-Said", percent(first));
            return made(
                response.status(StatusCode::OK).header(header::CONTENT_TYPE, kind),
                fields.to_string(),
            );
        }
        Manner::Throttle => (
            response.header(header::RETRY_AFTER, percent(first)),
            json(StatusCode::TOO_MANY_REQUESTS, problem(&words)),
        ),
        Manner::InItsWords | Manner::InItsStatus => unreachable!("the source answers by itself"),
    };
    made(response.status(status).header(header::CONTENT_TYPE, kind), body)
}

fn made(head: http::response::Builder, body: String) -> reqwest::Response {
    head.body(reqwest::Body::from(body)).expect("the parts of an answer").into()
}

/// An error in every form in which sources give them.
fn problem(words: &str) -> Value {
    json!({
        "title": words,
        "detail": words,
        "o:errorDetails": [{ "detail": words, "o:errorCode": words }],
        "error": words,
        "error_description": words,
        "message": words,
        "errors": [{ "message": words, "code": words, "parameters": [{ "key": words, "value": words }] }],
        "status": 400,
        "details": words,
    })
}
