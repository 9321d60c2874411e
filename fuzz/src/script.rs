//! A server that answers what a fuzzer has made up, in place of the network.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use landfall_http::Transport;
use reqwest::{Request, Response};
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// So many requests are answered as the script says; the others are refused.
const ANSWERED: usize = 100;
/// Whoever goes on asking then, asks for ever.
const MOST: usize = 2 * ANSWERED;
/// Headers of an answer.
const MAX_HEADERS: usize = 100;
/// What stands between two answers.
const SEPARATOR: u8 = 0x1e;

/// Runs what calls a server, on one thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime can be made"));
    RUNTIME.block_on(future)
}

/// An answer: a status and headers, an empty line, a body.
#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&bytes[..at], &bytes[at + 2..]),
            None => (&b"200"[..], bytes),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let status =
            lines.next().and_then(|line| StatusCode::from_bytes(line).ok()).unwrap_or(StatusCode::OK);
        let headers = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
        });
        Self { status, headers: headers.take(MAX_HEADERS).collect(), body: body.to_vec() }
    }

    /// The answer to this request, some of whose parts it may repeat: servers do, and so do attackers.
    fn to(&self, request: &Request) -> Response {
        let mut body = Vec::with_capacity(self.body.len());
        for byte in &self.body {
            match byte {
                1 => body.extend_from_slice(credentials(request).as_bytes()),
                2 => body.extend_from_slice(request.url().as_str().as_bytes()),
                3 => body
                    .extend_from_slice(request.body().and_then(|body| body.as_bytes()).unwrap_or_default()),
                other => body.push(*other),
            }
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers.clone();
        answer.into()
    }
}

/// What a request's headers hold that is secret.
fn credentials(request: &Request) -> String {
    let values = request.headers().iter().filter(|(name, value)| is_secret(name, value));
    values.filter_map(|(_, value)| value.to_str().ok()).collect::<Vec<_>>().join(" ")
}

fn is_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || [header::AUTHORIZATION, header::COOKIE].contains(name)
}

/// The server, and what its callers are held to.
#[derive(Debug)]
pub(crate) struct Script {
    answers: Vec<Answer>,
    asked: AtomicUsize,
    may_be_called: fn(&Url) -> bool,
    may_have_secrets: fn(&Url) -> bool,
}

impl Script {
    /// A server that gives these answers in turn. Of its callers, no request goes elsewhere than where it may go.
    pub(crate) fn parse(
        bytes: &[u8],
        may_be_called: fn(&Url) -> bool,
        may_have_secrets: fn(&Url) -> bool,
    ) -> Self {
        let answers = bytes.split(|byte| *byte == SEPARATOR).take(ANSWERED).map(Answer::parse).collect();
        Self { answers, asked: AtomicUsize::new(0), may_be_called, may_have_secrets }
    }

    /// The headers of the first answer.
    pub(crate) fn first_headers(&self) -> HeaderMap {
        self.answers.first().map(|answer| answer.headers.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Transport for Script {
    async fn execute(&self, request: Request) -> Result<Response, reqwest::Error> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(number < MOST, "{number} requests, and no end");
        let url = request.url();
        assert!((self.may_be_called)(url), "{url} is called");
        let has_secrets = request.headers().iter().any(|(name, value)| is_secret(name, value));
        assert!(!has_secrets || (self.may_have_secrets)(url), "{url} is given secrets");
        Ok(match self.answers.get(number % self.answers.len().max(1)) {
            Some(answer) if number < ANSWERED => answer.to(&request),
            _ => {
                let mut refused = http::Response::new(Vec::new());
                *refused.status_mut() = StatusCode::FORBIDDEN;
                refused.into()
            }
        })
    }
}
