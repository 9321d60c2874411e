//! Downloads that go on where they stopped: across calls with [`ResumeAt`], and inside one body.

mod coded;
mod range;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use self::coded::{Chunks, without_gzip};
use self::range::{Asked, Placed, place};
use super::auth::Authorizer;
use super::client::{Client, Login, Odd, Request, codings, is_page_type, media_type, transport_failure};
use super::error::{Failure, HttpError};
use super::redact::looks_like_a_page;
use super::retry::Budget;

/// How many of a file's first bytes tell a web page from data.
const SNIFFED: usize = 64;

/// Where to go on with a download that stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeAt {
    /// The first byte that is still missing.
    pub offset: u64,
    /// What the server called this version of the file (a strong `ETag`).
    pub validator: String,
}

/// A file being downloaded. Its body survives broken connections by itself, within the client's budget.
pub struct Download<E = HttpError> {
    /// Where the body begins in the file: the offset that was asked for, or 0 where the server started again.
    pub offset: u64,
    /// The file's whole size in bytes, where the server says so.
    pub size: Option<u64>,
    /// What the server calls this version of the file, where it can be resumed: a strong `ETag`.
    pub validator: Option<String>,
    /// Why nothing of the answer will show that the body came whole, where nothing will.
    pub unverified: Option<&'static str>,
    /// The bytes. An error ends them; an end without an error is the file's end as far as the server goes.
    pub body: BoxStream<'static, Result<Bytes, E>>,
}

impl<E> std::fmt::Debug for Download<E> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Download")
            .field("offset", &self.offset)
            .field("size", &self.size)
            .field("validator", &self.validator)
            .finish_non_exhaustive()
    }
}

impl Download {
    /// The same download, its errors those of whoever asked for it.
    pub fn map_err<E: From<HttpError> + 'static>(self) -> Download<E> {
        let Self { offset, size, validator, unverified, body } = self;
        Download {
            offset,
            size,
            validator,
            unverified,
            body: body.map(|chunk| chunk.map_err(E::from)).boxed(),
        }
    }
}

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
        self.download_typed(url, authorizer, resume).await.map(|(download, _)| download)
    }

    /// The same, with the media type that the server names for the body, in lower case and without parameters: some
    /// answer an error where a file should be, and only its type says so.
    pub async fn download_typed(
        &self,
        url: Url,
        authorizer: Option<Arc<dyn Authorizer>>,
        resume: Option<&ResumeAt>,
    ) -> Result<(Download, Option<String>), HttpError> {
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
                Placed::Changed | Placed::Misplaced(_) if asked.is_some() => asked = None,
                placed => {
                    let mut download = self.begin(request, placed, answered.chunks, asked.as_ref())?;
                    if answered.is_coded {
                        // A coded body says itself where it ends.
                        download.unverified = None;
                    }
                    return Ok((download, answered.kind));
                }
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
            Placed::Changed | Placed::Misplaced(_) => {
                let failure = Failure::Range("a precondition failed that was not asked for".to_owned());
                return Err(HttpError::new(self.exchange(&body.request, &body.budget), failure));
            }
        }
        let (offset, size) = (body.position, body.size);
        let validator = body.validator.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = stream::unfold(body, |mut body| async move {
            let next = body.next().await?;
            Some((next, body))
        });
        let unverified = size.is_none().then_some("the server declared no length");
        Ok(Download { offset, size, validator, unverified, body: body.fuse().boxed() })
    }

    /// Asks for a file or the rest of it, again where that makes sense. A server that refuses ranges altogether is
    /// asked for the whole file.
    async fn ask(
        &self,
        request: &Request,
        asked: Option<&Asked>,
        budget: &mut Budget,
    ) -> Result<Answered, HttpError> {
        let Some(asked) = asked else { return self.ask_for(request, None, budget).await };
        let mut ranged = request.clone();
        asked.write(&mut ranged.headers);
        match self.ask_for(&ranged, Some(asked), budget).await {
            Err(error) if error.status() == Some(StatusCode::BAD_REQUEST) => {
                tracing::debug!(file = ?request, "the server refuses a range: asking for the whole file");
                self.ask_for(request, None, budget).await
            }
            answered => answered,
        }
    }

    async fn ask_for(
        &self,
        request: &Request,
        asked: Option<&Asked>,
        budget: &mut Budget,
    ) -> Result<Answered, HttpError> {
        let mut login = Login::default();
        let mut odd_answers = 0;
        loop {
            let failure = match self.ask_once(request, asked, &mut login).await {
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            let odd = match failure {
                Failure::WebPage { .. } => Some(Odd::Page),
                Failure::Range(_) => Some(Odd::Unfit),
                _ => None,
            };
            odd_answers += u32::from(odd.is_some());
            match odd.filter(|odd| odd_answers <= odd.repeats()) {
                Some(odd) if self.asks_again(request, odd, budget, &mut login).await => {}
                _ => self.recover(request, failure, budget, &mut login).await?,
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
            let is_expected = response.status().is_success() || (is_about_ranges && asked.is_some());
            if !is_expected {
                return Err(self.status_failure(request, login, response).await);
            }
            let (status, headers) = (response.status(), response.headers().clone());
            let kind = media_type(&headers);
            if status.is_success() && is_page_type(kind.as_deref()) {
                return Err(Failure::WebPage { wanted: "a file" });
            }
            let placed = place(asked, status, &headers).map_err(Failure::Range)?;
            let chunks = response.bytes_stream().map(|chunk| chunk.map_err(transport_failure)).boxed();
            Answered { placed, kind, chunks, is_coded: false }.decoded(&headers)?.checked().await
        };
        tokio::time::timeout(self.timeout, head).await.unwrap_or(Err(Failure::TimedOut(self.timeout)))
    }
}

struct Answered {
    placed: Placed,
    kind: Option<String>,
    chunks: Chunks,
    /// Whether the body is what was left of a coded one.
    is_coded: bool,
}

impl Answered {
    /// The same without gzip, which some servers apply though asked not to: its length is not that of the file then, and
    /// what is missing of it cannot be asked for.
    fn decoded(self, headers: &HeaderMap) -> Result<Self, Failure> {
        let (is_part, placed) = match (codings(headers).as_slice(), self.placed) {
            ([], placed) => return Ok(Self { placed, ..self }),
            (_, Placed::Part { .. }) => {
                (true, Placed::Misplaced("a part of it was encoded on the way".to_owned()))
            }
            ([coding], Placed::Whole { .. }) if matches!(coding.as_str(), "gzip" | "x-gzip") => {
                (false, Placed::Whole { size: None, validator: None })
            }
            (_, Placed::Whole { .. }) => {
                let why = "it was encoded on the way, although asked not to be, and not as gzip";
                return Err(Failure::Range(why.to_owned()));
            }
            (_, placed) => return Ok(Self { placed, ..self }),
        };
        let chunks = if is_part { self.chunks } else { without_gzip(self.chunks) };
        Ok(Self { placed, chunks, is_coded: true, ..self })
    }

    /// The same, unless its first bytes are those of a web page, whatever its type says.
    async fn checked(mut self) -> Result<Self, Failure> {
        if !matches!(self.placed, Placed::Whole { .. }) {
            return Ok(self);
        }
        let (mut head, mut broken) = (BytesMut::new(), None);
        let mut chunks = self.chunks.fuse();
        while head.len() < SNIFFED {
            match chunks.next().await {
                Some(Ok(chunk)) => head.extend_from_slice(&chunk),
                Some(Err(failure)) => {
                    broken = Some(Err(failure));
                    break;
                }
                None => break,
            }
        }
        if looks_like_a_page(&head) {
            return Err(Failure::WebPage { wanted: "a file" });
        }
        let head = (!head.is_empty()).then(|| Ok(head.freeze()));
        self.chunks = stream::iter(head.into_iter().chain(broken)).chain(chunks).boxed();
        Ok(self)
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
            if self.size == Some(self.position) {
                self.current = None;
                return Ok(None);
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
                Ok(Some(Err(failure))) => self.interrupted(Some(failure)).await?,
                Err(_) => self.interrupted(Some(Failure::TimedOut(self.client.timeout))).await?,
                // Without a declared length, the end of the answer is the end of the file.
                Ok(None) if self.answer_end.is_none() => self.size = Some(self.position),
                Ok(None) if self.answer_end == Some(self.position) => self.current = None,
                Ok(None) => self.interrupted(None).await?,
            }
        }
    }

    /// Takes a chunk of the current answer; `None` where nothing of it is to be handed out yet.
    fn take(&mut self, mut chunk: Bytes) -> Result<Option<Bytes>, HttpError> {
        let known = usize::try_from(self.discard).unwrap_or(usize::MAX).min(chunk.len());
        self.discard = self.discard.saturating_sub(length(known));
        let chunk = chunk.split_off(known);
        if chunk.is_empty() {
            return Ok(None);
        }
        let end = self.position.saturating_add(length(chunk.len()));
        if let Some(declared) = self.answer_end.or(self.size).filter(|declared| end > *declared) {
            return Err(
                self.failed(Failure::Range(format!("more bytes than the {declared} that it declares")))
            );
        }
        self.budget = self.client.budget();
        self.position = end;
        Ok(Some(chunk))
    }

    /// The answer ended too early: waits before the rest is asked for, where it can be.
    async fn interrupted(&mut self, failure: Option<Failure>) -> Result<(), HttpError> {
        self.current = None;
        let retry_after = failure.as_ref().and_then(Failure::retry_after);
        let reason = if self.validator.is_none() {
            "the server does not name its version, so it cannot be continued"
        } else if self.client.pause(&mut self.budget, retry_after).await {
            let position = self.position;
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
        let position = self.position;
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
            Placed::Misplaced(why) => {
                let why = self.failed(Failure::Range(why));
                return Err(
                    self.stopped("its rest came wrongly; it must be fetched from the start", Some(why))
                );
            }
            _ => {
                return Err(self.stopped("it has changed meanwhile; it must be fetched from the start", None));
            }
        }
        self.current = Some(answered.chunks);
        Ok(())
    }

    fn failed(&self, failure: Failure) -> HttpError {
        HttpError::new(self.client.exchange(&self.request, &self.budget), failure)
    }

    fn stopped(&self, reason: &'static str, source: Option<HttpError>) -> HttpError {
        let (position, size) = (self.position, self.size);
        self.failed(Failure::Stopped { position, size, reason, source: source.map(Box::new) })
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ErrorKind;
    type Result<T> = std::result::Result<T, HttpError>;
    use crate::scripted::{Reply, Scripted, Seen};

    /// A file that no two bytes of which are alike by their place.
    fn file() -> Vec<u8> {
        (0..1000_u32).flat_map(|number| format!("{number:03},").into_bytes()).collect()
    }

    fn whole() -> Reply {
        Reply::status(200).header("Content-Type", "application/octet-stream").header("ETag", "\"v1\"")
    }

    /// The rest of the file from `first`, up to and without `end`.
    fn part(first: usize, end: usize) -> Reply {
        let range = format!("bytes {first}-{}/{}", end - 1, file().len());
        Reply::status(206).header("Content-Range", range).header("ETag", "\"v1\"").body(&file()[first..end])
    }

    fn first_missing(seen: &Seen) -> usize {
        seen.header("range").strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap()
    }

    async fn read(download: Download) -> Result<Vec<u8>> {
        let mut body = download.body;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        assert!(body.next().await.is_none());
        Ok(bytes)
    }

    async fn open(server: &Scripted, resume: Option<(u64, &str)>) -> Result<Download> {
        let client = server.client().0.with_timeout(Duration::from_millis(200));
        let resume = resume.map(|(offset, validator)| ResumeAt { offset, validator: validator.to_owned() });
        client.download(server.url("/file"), None, resume.as_ref()).await
    }

    async fn fetch(replies: Vec<Reply>) -> (Result<Vec<u8>>, Vec<Seen>) {
        let server = Scripted::replies(replies).await;
        let read = match open(&server, None).await {
            Ok(download) => read(download).await,
            Err(error) => Err(error),
        };
        (read, server.seen())
    }

    async fn failure(replies: Vec<Reply>) -> (ErrorKind, String) {
        let error = fetch(replies).await.0.unwrap_err();
        (error.kind(), error.line())
    }

    /// The plain case, with and without a declared length.
    #[tokio::test]
    async fn a_file_comes_whole() {
        for reply in [whole().body(file()), whole().body(file()).chunked()] {
            let (bytes, seen) = fetch(vec![reply]).await;
            assert_eq!(bytes.unwrap(), file());
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].header("accept-encoding"), "identity");
            assert!(seen[0].header("accept").starts_with("application/octet-stream"));
        }
        for short in ["", "x", "<htm"] {
            assert_eq!(fetch(vec![whole().body(short)]).await.0.unwrap(), short.as_bytes());
        }
    }

    /// Issue of every long download: a body that breaks is continued, byte by byte where it must be.
    #[tokio::test]
    async fn a_broken_body_is_continued() {
        let length = file().len();
        let server = Scripted::start(move |seen, number| match number {
            0 => whole().body(&file()[..10]).cut_of(length),
            // Broken, refused, silent.
            1 => Reply::status(206)
                .header("Content-Range", format!("bytes 10-{}/{length}", length - 1))
                .body(&file()[10..100])
                .cut_of(length - 10),
            2 => Reply::status(503),
            3 => Reply::status(206)
                .header("Content-Range", format!("bytes 100-{}/{length}", length - 1))
                .body(&file()[100..150])
                .cut_of(length - 100)
                .then_hang(),
            _ => part(first_missing(seen), length),
        })
        .await;
        let download = open(&server, None).await.unwrap();
        assert_eq!((download.offset, download.size), (0, Some(4000)));
        assert_eq!(download.validator.as_deref(), Some("\"v1\""));
        assert_eq!(read(download).await.unwrap(), file());
        let seen = server.seen();
        assert_eq!(first_missing(&seen[1]), 10);
        assert_eq!(first_missing(&seen[2]), 100);
        assert!(seen[1..].iter().all(|seen| seen.header("if-range") == "\"v1\""));
    }

    /// The budget begins anew with every byte: a download outlives more breaks than it has tries.
    #[tokio::test]
    async fn progress_renews_the_budget() {
        let length = file().len();
        let server = Scripted::start(move |seen, number| match number {
            0 => whole().body(&file()[..100]).cut_of(length),
            _ => {
                let first = first_missing(seen);
                let reply = Reply::status(206)
                    .header("Content-Range", format!("bytes {first}-{}/{length}", length - 1));
                reply.body(&file()[first..(first + 100).min(length)]).cut_of(length - first)
            }
        })
        .await;
        assert_eq!(read(open(&server, None).await.unwrap()).await.unwrap(), file());
        assert_eq!(server.count(), 40);
    }

    /// Without progress it ends, with an error after which the next try starts where this one stopped.
    #[tokio::test]
    async fn without_progress_it_ends() {
        let stuck = Reply::status(206).header("Content-Range", "bytes 100-3999/4000").cut_of(3900);
        let (name, line) = failure(vec![whole().body(&file()[..100]).cut_of(4000), stuck]).await;
        assert_eq!(name, ErrorKind::Unavailable);
        assert!(line.contains("stopped after 100 of 4000 bytes: continuing it did not help"), "{line}");
    }

    /// Promise 5: a truncated body is an error, never a file.
    #[tokio::test]
    async fn a_truncated_body_that_cannot_be_continued_is_an_error() {
        for etag in ["W/\"v1\"", "v1"] {
            let cut = Reply::status(200).header("ETag", etag).body(&file()[..100]).cut_of(4000);
            let (name, line) = failure(vec![cut, part(100, 4000)]).await;
            assert_eq!(name, ErrorKind::Unavailable);
            assert!(line.contains("does not name its version"), "{line}");
        }
    }

    /// A stalled body is not waited for for ever.
    #[tokio::test]
    async fn a_stalled_body_is_continued() {
        let stalled = whole().body(&file()[..100]).cut_of(4000).then_hang();
        let (bytes, seen) = fetch(vec![stalled, part(100, 4000)]).await;
        assert_eq!((bytes.unwrap(), seen.len()), (file(), 2));
    }

    /// A server that ignores the range: what is known already is skipped, if it is the same version.
    #[tokio::test]
    async fn a_server_that_ignores_ranges_is_read_past_what_is_known() {
        let cut = whole().body(&file()[..100]).cut_of(4000);
        let (bytes, _) = fetch(vec![cut.clone(), whole().body(file())]).await;
        assert_eq!(bytes.unwrap(), file());
        // Nor is one that refuses the range; what it refuses without one as well is refused.
        let (bytes, seen) = fetch(vec![cut.clone(), Reply::status(400), whole().body(file())]).await;
        assert_eq!((bytes.unwrap(), seen.len()), (file(), 3));
        assert_eq!((seen[1].header("range"), seen[2].header("range")), ("bytes=100-", ""));
        let server = Scripted::replies(vec![Reply::status(400)]).await;
        let refused = open(&server, Some((3000, "\"v1\""))).await.unwrap_err();
        assert_eq!((refused.kind(), server.count()), (ErrorKind::Rejected, 2));
        let changed = Reply::status(200).header("ETag", "\"v2\"").body(vec![b'x'; 4000]);
        let (name, line) = failure(vec![cut, changed]).await;
        assert_eq!(name, ErrorKind::Unavailable);
        assert!(line.contains("it has changed meanwhile"), "{line}");
    }

    /// Supersets and short ranges, in the middle of a body.
    #[tokio::test]
    async fn odd_ranges_are_put_in_place() {
        let cut = whole().body(&file()[..100]).cut_of(4000);
        for replies in [
            vec![cut.clone(), part(50, 4000)],
            vec![cut.clone(), part(0, 4000)],
            vec![cut.clone(), part(100, 2000), part(2000, 3999), part(3999, 4000)],
            vec![cut.clone(), part(20, 101), part(60, 4000)],
        ] {
            let count = replies.len();
            let (bytes, seen) = fetch(replies).await;
            assert_eq!((bytes.unwrap(), seen.len()), (file(), count));
        }
    }

    /// Promise 5: what contradicts itself is refused by name.
    #[tokio::test]
    async fn answers_that_break_the_rules_are_refused() {
        let cut = whole().body(&file()[..100]).cut_of(4000);
        let nameless = Reply::status(206).header("ETag", "\"v1\"").body(&file()[100..]);
        let gap = part(101, 4000);
        let long = Reply::status(206)
            .header("Content-Range", "bytes 100-199/4000")
            .body(&file()[100..300])
            .chunked();
        for (second, kind, said) in [
            // From its beginning it may come well.
            (nameless, ErrorKind::Unavailable, "without Content-Range"),
            (gap, ErrorKind::Unavailable, "byte 100 was asked for"),
            (long, ErrorKind::ContractBroken, "more bytes than the 200 that it declares"),
        ] {
            let (name, line) = failure(vec![cut.clone(), second]).await;
            assert_eq!(name, kind);
            assert!(line.contains(said), "{line}");
        }
        let (name, line) = failure(vec![part(0, 3000)]).await;
        assert!(name == ErrorKind::ContractBroken && line.contains("was not asked for"), "{line}");
        let (name, line) = failure(vec![whole().header("Content-Encoding", "br").body("x")]).await;
        assert!(name == ErrorKind::ContractBroken && line.contains("encoded on the way"), "{line}");
    }

    /// Across calls: what is staged already is not fetched again.
    #[tokio::test]
    async fn a_download_resumes_where_it_stopped() {
        let server = Scripted::replies(vec![part(3000, 4000)]).await;
        let download = open(&server, Some((3000, "\"v1\""))).await.unwrap();
        assert_eq!((download.offset, download.size), (3000, Some(4000)));
        assert_eq!(download.validator.as_deref(), Some("\"v1\""));
        assert_eq!(read(download).await.unwrap(), file()[3000..]);
        let seen = &server.seen()[0];
        assert_eq!((seen.header("range"), seen.header("if-range")), ("bytes=3000-", "\"v1\""));

        let server = Scripted::replies(vec![part(2000, 4000)]).await;
        let download = open(&server, Some((3000, "\"v1\""))).await.unwrap();
        assert_eq!(download.offset, 3000, "a superset begins earlier; the download does not");
        assert_eq!(read(download).await.unwrap(), file()[3000..]);
    }

    /// A file that is not the one that was begun, or a server without ranges: from the beginning.
    #[tokio::test]
    async fn what_cannot_be_resumed_begins_anew() {
        let v2 = || Reply::status(200).header("ETag", "\"v2\"").body(file());
        let other_part = part(3000, 4000);
        for (replies, calls) in [
            (vec![v2()], 1),
            (vec![Reply::status(412), v2()], 2),
            (vec![Reply::status(416).header("Content-Range", "bytes */10"), v2()], 2),
            (vec![Reply::status(416), v2()], 2),
            (vec![other_part, v2()], 2),
            (vec![Reply::status(206).body(&file()[3000..]), v2()], 2),
            (vec![Reply::status(400), v2()], 2),
        ] {
            let server = Scripted::replies(replies).await;
            let download = open(&server, Some((3000, "\"v0\""))).await.unwrap();
            assert_eq!(download.offset, 0);
            let validator = download.validator.clone();
            assert_eq!(read(download).await.unwrap(), file());
            assert_eq!(validator.as_deref(), Some("\"v2\""));
            assert_eq!(server.count(), calls);
        }
    }

    /// Stopped between the last byte and the record of it: there is nothing left, and that is no error.
    #[tokio::test]
    async fn resuming_at_the_end_is_the_end() {
        let server =
            Scripted::replies(vec![Reply::status(416).header("Content-Range", "bytes */4000")]).await;
        let download = open(&server, Some((4000, "\"v1\""))).await.unwrap();
        assert_eq!((download.offset, download.size), (4000, Some(4000)));
        assert_eq!(read(download).await.unwrap(), b"");
    }

    /// Promise 5: a login page is not a file, even if its type says so; data that mentions one is.
    #[tokio::test]
    async fn a_login_page_is_no_file() {
        let lying = |body: &str| whole().body(body.as_bytes().to_vec());
        for page in
            [Reply::page(), lying("<html>"), lying(&format!("\r\n<!doctype HTML>{}", "x".repeat(5000)))]
        {
            let (name, line) = failure(vec![page]).await;
            assert_eq!(name, ErrorKind::ContractBroken);
            assert!(line.contains("a web page instead of a file"), "{line}");
        }
        let data = format!("a,b\n<html>,{}", "x".repeat(500));
        assert_eq!(fetch(vec![lying(&data)]).await.0.unwrap(), data.as_bytes());
    }

    /// Promise 5: what comes once in place of a file, a page of maintenance or the word that it is not ready, is asked for
    /// again; what comes for ever is an error after few calls.
    #[tokio::test]
    async fn what_comes_in_passing_is_no_file() {
        let lying = whole().body("<!doctype html><title>Back soon</title>");
        for odd in [Reply::page(), lying.clone(), Reply::status(202), Reply::status(204)] {
            let (bytes, seen) = fetch(vec![odd, whole().body(file())]).await;
            assert_eq!((bytes.unwrap(), seen.len()), (file(), 2));
        }
        for (odd, calls) in [(lying, 2), (Reply::status(202), 3)] {
            let (error, seen) = fetch(vec![odd]).await;
            assert_eq!((error.unwrap_err().kind(), seen.len()), (ErrorKind::ContractBroken, calls));
        }
    }

    /// RFC 9110, 12.5.3: a server may code what was asked for plainly. It lands as the file that it is, and one that is cut
    /// does not pass for whole, with a length or without.
    #[tokio::test]
    async fn a_file_that_comes_in_gzip_is_the_file() {
        let gzip = coded::tests::gzip(&file());
        let coded = |body: &[u8]| whole().header("Content-Encoding", "gzip").body(body);
        for reply in [coded(&gzip), coded(&gzip).chunked(), coded(&gzip).without_length()] {
            let server = Scripted::replies(vec![reply]).await;
            let download = open(&server, None).await.unwrap();
            assert_eq!((download.size, &download.validator, download.unverified), (None, &None, None));
            assert_eq!(read(download).await.unwrap(), file());
        }
        let cut = coded(&gzip[..gzip.len() - 20]);
        for reply in [cut.clone(), cut.clone().chunked(), cut.without_length()] {
            let (name, line) = failure(vec![reply]).await;
            assert_eq!(name, ErrorKind::Unavailable, "{line}");
        }
        let (bytes, _) = fetch(vec![coded(&file())]).await;
        assert_eq!(bytes.unwrap(), file(), "it was taken off on the way");
        let (bytes, _) = fetch(vec![whole().header("Content-Encoding", "UTF-8").body(file())]).await;
        assert_eq!(bytes.unwrap(), file(), "that is no coding");
        let rest = part(100, 4000).header("Content-Encoding", "gzip");
        let server = Scripted::replies(vec![rest, coded(&gzip)]).await;
        let download = open(&server, Some((100, "\"v1\""))).await.unwrap();
        assert_eq!((download.offset, read(download).await.unwrap()), (0, file()));
    }

    /// A link that expires in the middle: the next open lists the files anew.
    #[tokio::test]
    async fn a_file_that_goes_in_the_middle_can_be_opened_again() {
        let (name, line) = failure(vec![whole().body(&file()[..100]).cut_of(4000), Reply::status(410)]).await;
        assert_eq!(name, ErrorKind::Unavailable);
        assert!(line.contains("its link has expired"), "{line}");
        assert_eq!(failure(vec![Reply::status(404)]).await.0, ErrorKind::NotFound);
    }
}
