//! Downloads that go on where they stopped: across calls with [`ResumeAt`], and inside one body.

mod range;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use self::range::{Asked, Placed, place};
use super::auth::Authorizer;
use super::client::{Client, Login, Request, is_page_type, media_type, transport_failure};
use super::error::{Failure, HttpError};
use super::redact::looks_like_a_page;
use super::retry::Budget;
use crate::error::Error;
use crate::source::{Download, ResumeAt};

/// How many of a file's first bytes tell a web page from data.
const SNIFFED: usize = 64;

type Chunks = BoxStream<'static, Result<Bytes, reqwest::Error>>;

impl Client {
    /// Opens a file, from its beginning or where a download stopped.
    ///
    /// The body goes on by itself after a broken, stalled or short answer, where the server names the
    /// version of the file (a strong `ETag`); the budget of tries begins anew with every byte that
    /// comes. It ends without an error only where the length that the server declared was reached.
    /// Where the file has changed, or the server does not resume, the download begins at offset 0.
    pub async fn download(
        &self,
        url: Url,
        authorizer: Option<Arc<dyn Authorizer>>,
        resume: Option<&ResumeAt>,
    ) -> Result<Download, HttpError> {
        let mut request = Request::get(url)
            .header(header::ACCEPT, "application/octet-stream, */*;q=0.5")
            .header(header::ACCEPT_ENCODING, "identity");
        request.authorizer = authorizer;
        let mut asked = resume.and_then(|resume| Asked::new(resume.offset, &resume.validator));
        loop {
            let mut budget = self.budget();
            let answered = self.ask(&request, asked.as_ref(), &mut budget).await?;
            match answered.placed {
                // What is there is another version of the file, or nothing is where we stopped.
                Placed::Changed if asked.is_some() => asked = None,
                placed => return self.begin(request, placed, answered.chunks, asked.as_ref()),
            }
        }
    }

    fn begin(
        &self,
        request: Request,
        placed: Placed,
        chunks: Chunks,
        asked: Option<&Asked>,
    ) -> Result<Download, HttpError> {
        let asked_offset = asked.map_or(0, |asked| asked.offset);
        let budget = self.budget();
        let mut body = Body {
            client: self.clone(),
            request,
            position: 0,
            size: None,
            validator: None,
            current: None,
            discard: 0,
            answer_end: None,
            unchecked: None,
            budget,
            is_over: false,
        };
        match placed {
            Placed::Whole { size, validator } => {
                (body.size, body.validator) = (size, validator);
                body.answer_end = size;
                body.current = Some(chunks);
            }
            Placed::Part { skip, end, size, validator } => {
                body.position = asked_offset;
                (body.size, body.validator) = (size, validator);
                body.answer_end = Some(end);
                body.discard = skip;
                body.current = Some(chunks);
            }
            Placed::AtEnd => {
                body.position = asked_offset;
                body.size = Some(asked_offset);
                body.validator = asked.map(|asked| asked.validator.clone());
            }
            Placed::Changed => {
                let failure = Failure::Range("a precondition failed that was not asked for".to_owned());
                return Err(HttpError::new(self.exchange(&body.request, &body.budget), failure));
            }
        }
        if body.position == 0 {
            body.unchecked = Some(BytesMut::new());
        }
        let (offset, size) = (body.position, body.size);
        let validator = body.validator.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = stream::unfold(body, |mut body| async move {
            let next = body.next().await?;
            Some((next.map_err(Error::from), body))
        });
        Ok(Download { offset, size, validator, body: body.boxed() })
    }

    /// Asks for a file or the rest of it, again where that makes sense.
    async fn ask(
        &self,
        request: &Request,
        asked: Option<&Asked>,
        budget: &mut Budget,
    ) -> Result<Answered, HttpError> {
        let mut request = request.clone();
        if let Some(asked) = asked {
            asked.write(&mut request.headers);
        }
        let mut login = Login::default();
        loop {
            match self.ask_once(&request, asked, &mut login).await {
                Ok(answered) => return Ok(answered),
                Err(failure) => self.recover(&request, failure, budget, &mut login).await?,
            }
        }
    }

    async fn ask_once(
        &self,
        request: &Request,
        asked: Option<&Asked>,
        login: &mut Login,
    ) -> Result<Answered, Failure> {
        let head = async {
            let response = self.send(request, login).await?;
            let is_about_ranges = matches!(
                response.status(),
                StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE
            );
            if !response.status().is_success() && !(is_about_ranges && asked.is_some()) {
                return Err(self.status_failure(response).await);
            }
            check_type(response.status(), response.headers())?;
            let placed = place(asked, response.status(), response.headers()).map_err(Failure::Range)?;
            Ok(Answered { placed, chunks: response.bytes_stream().boxed() })
        };
        tokio::time::timeout(self.timeout, head).await.unwrap_or(Err(Failure::TimedOut(self.timeout)))
    }
}

struct Answered {
    placed: Placed,
    chunks: Chunks,
}

/// Refuses what cannot be the file's own bytes.
fn check_type(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if !status.is_success() {
        return Ok(());
    }
    let kind = media_type(headers);
    if is_page_type(kind.as_deref()) {
        return Err(Failure::WebPage { wanted: "a file" });
    }
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match encoding {
        None | Some(b"") => Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Failure::Range("it was encoded on the way, although asked not to be".to_owned())),
    }
}

/// A body being read, over as many answers as it takes.
struct Body {
    client: Client,
    request: Request,
    /// The next byte of the file to be handed out.
    position: u64,
    size: Option<u64>,
    validator: Option<HeaderValue>,
    current: Option<Chunks>,
    /// How many of the current answer's bytes were handed out before.
    discard: u64,
    /// Where in the file the current answer says that it ends.
    answer_end: Option<u64>,
    /// The file's first bytes, until there are enough to tell a web page.
    unchecked: Option<BytesMut>,
    budget: Budget,
    is_over: bool,
}

impl Body {
    async fn next(&mut self) -> Option<Result<Bytes, HttpError>> {
        if self.is_over {
            return None;
        }
        let next = self.advance().await;
        self.is_over = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    /// The next bytes, or `None` at the file's end.
    async fn advance(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            if self.size == Some(self.received()) {
                self.current = None;
                return self.last_bytes();
            }
            let Some(chunks) = &mut self.current else {
                self.go_on().await?;
                continue;
            };
            match tokio::time::timeout(self.client.timeout, chunks.next()).await {
                Ok(Some(Ok(chunk))) => {
                    if let Some(bytes) = self.take(chunk)? {
                        return Ok(Some(bytes));
                    }
                }
                Ok(Some(Err(error))) => self.interrupted(Some(transport_failure(error))).await?,
                Err(_) => self.interrupted(Some(Failure::TimedOut(self.client.timeout))).await?,
                // Without a declared length, the end of the answer is the end of the file.
                Ok(None) if self.answer_end.is_none() => self.size = Some(self.received()),
                Ok(None) if self.answer_end == Some(self.received()) => self.current = None,
                Ok(None) => self.interrupted(None).await?,
            }
        }
    }

    /// How many of the file's bytes have come, those included that wait to be checked.
    fn received(&self) -> u64 {
        let waiting = self.unchecked.as_ref().map_or(0, BytesMut::len);
        self.position.saturating_add(length(waiting))
    }

    /// Takes a chunk of the current answer; `None` where nothing of it is to be handed out yet.
    fn take(&mut self, mut chunk: Bytes) -> Result<Option<Bytes>, HttpError> {
        let known = usize::try_from(self.discard).unwrap_or(usize::MAX).min(chunk.len());
        self.discard = self.discard.saturating_sub(length(known));
        let chunk = chunk.split_off(known);
        if chunk.is_empty() {
            return Ok(None);
        }
        let end = self.received().saturating_add(length(chunk.len()));
        if let Some(declared) = self.answer_end.or(self.size).filter(|declared| end > *declared) {
            return Err(
                self.failed(Failure::Range(format!("more bytes than the {declared} that it declares")))
            );
        }
        self.budget = self.client.budget();
        match self.unchecked.take() {
            None => Ok(Some(self.hand_out(chunk))),
            Some(mut waiting) => {
                waiting.extend_from_slice(&chunk);
                if waiting.len() < SNIFFED {
                    self.unchecked = Some(waiting);
                    return Ok(None);
                }
                self.checked(waiting.freeze()).map(Some)
            }
        }
    }

    fn hand_out(&mut self, bytes: Bytes) -> Bytes {
        self.position = self.position.saturating_add(length(bytes.len()));
        bytes
    }

    fn checked(&mut self, head: Bytes) -> Result<Bytes, HttpError> {
        if looks_like_a_page(&head) {
            return Err(self.failed(Failure::WebPage { wanted: "a file" }));
        }
        Ok(self.hand_out(head))
    }

    /// What of a short file still waits to be checked; then its end.
    fn last_bytes(&mut self) -> Result<Option<Bytes>, HttpError> {
        match self.unchecked.take() {
            Some(waiting) if !waiting.is_empty() => self.checked(waiting.freeze()).map(Some),
            _ => Ok(None),
        }
    }

    /// The answer ended too early: waits before the rest is asked for, where it can be.
    async fn interrupted(&mut self, failure: Option<Failure>) -> Result<(), HttpError> {
        self.current = None;
        let retry_after = failure.as_ref().and_then(Failure::retry_after);
        let reason = if self.validator.is_none() {
            "the server does not name its version, so it cannot be continued"
        } else if self.client.pause(&mut self.budget, retry_after).await {
            let position = self.received();
            tracing::debug!(file = ?self.request, position, failure = ?failure.map(|f| f.to_string()), "continuing a download");
            return Ok(());
        } else {
            "continuing it did not help"
        };
        let source = failure.map(|failure| self.failed(failure));
        Err(self.stopped(reason, source))
    }

    /// Asks for the rest of the file.
    async fn go_on(&mut self) -> Result<(), HttpError> {
        let position = self.received();
        let Some(asked) =
            self.validator.as_ref().map(|validator| Asked { offset: position, validator: validator.clone() })
        else {
            return Err(self.stopped("the server does not name its version, so it cannot be continued", None));
        };
        let mut budget = self.budget.clone();
        let answered = self.client.ask(&self.request, Some(&asked), &mut budget).await;
        self.budget = budget;
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) if error.is_gone() => {
                return Err(self.stopped("it is gone, or its link has expired", Some(error)));
            }
            Err(error) => return Err(error),
        };
        match answered.placed {
            Placed::AtEnd if self.size.is_none_or(|size| size == position) => {
                self.size = Some(position);
                return Ok(());
            }
            Placed::Part { skip, end, size, .. }
                if size.is_none() || self.size.is_none() || size == self.size =>
            {
                (self.discard, self.answer_end) = (skip, Some(end));
                self.size = self.size.or(size);
            }
            // The same version from its beginning: the server ignores ranges.
            Placed::Whole { size, validator }
                if validator == self.validator && (size.is_none() || size == self.size) =>
            {
                (self.discard, self.answer_end) = (position, size.or(self.size));
            }
            _ => return Err(self.stopped("it has changed meanwhile; it must begin anew", None)),
        }
        self.current = Some(answered.chunks);
        Ok(())
    }

    fn failed(&self, failure: Failure) -> HttpError {
        HttpError::new(self.client.exchange(&self.request, &self.budget), failure)
    }

    fn stopped(&self, reason: &'static str, source: Option<HttpError>) -> HttpError {
        let (position, size) = (self.received(), self.size);
        self.failed(Failure::Stopped { position, size, reason, source: source.map(Box::new) })
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
