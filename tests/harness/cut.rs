//! Cuts a process at a call that leaves it.
//!
//! One [`Line`] sits on both ways out of a process, the source's transport and the store's front door, and numbers
//! what passes. Told to, it ends the process at one of these calls: the process's future is dropped, and what was
//! under way with it. A new process then starts from what is stored.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use embedded_store::{After, Before, Call, Intercept};
use futures::{StreamExt as _, future, stream};
use http::StatusCode;
use landfall_http::Transport;
use tokio::sync::Notify;

/// After so many bytes of its answer a store's call is cut: documents, lists and objects are all longer.
const INTO_ANSWER: u64 = 16;
/// After so many bytes of its body a small write to the store is cut.
const INTO_DOCUMENT: u64 = 16;
/// After so many bytes of its body the upload of a part is cut; one that has less, in its middle.
const INTO_PART: u64 = 1 << 20;

/// When, in the course of a call, the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before it: it never happens.
    Before,
    /// After it: it was carried out, and its answer never comes.
    AnswerLost,
    /// In the middle of what is sent.
    InRequest,
    /// In the middle of what is answered.
    InAnswer,
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Before => "before",
            Self::AnswerLost => "answer lost",
            Self::InRequest => "in the request's body",
            Self::InAnswer => "in the answer's body",
        })
    }
}

/// Which call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The so-manieth of the process, from 1, in the order in which they happen to leave.
    Number(usize),
    /// The so-manieth of this name, from 1: the same one, whatever happens beside it.
    Named(String, usize),
    /// A download, once so many bytes of its answer have come.
    Download(u64),
}

impl fmt::Display for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "call {number}"),
            Self::Named(name, 1) => formatter.write_str(name),
            Self::Named(name, occurrence) => write!(formatter, "{name} (no. {occurrence})"),
            Self::Download(bytes) => write!(formatter, "a download after {bytes} bytes"),
        }
    }
}

/// Where a process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// At which call.
    pub at: At,
    /// When in the course of it.
    pub moment: Moment,
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {}", self.at, self.moment)
    }
}

/// A call that left the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The step that made it.
    pub step: &'static str,
    /// What it was: the same call has the same name in every run.
    pub name: String,
    /// The so-manieth of this name, from 1.
    pub occurrence: usize,
    /// Whether something is sent with it.
    pub sends: bool,
    /// Whether something comes back with its answer.
    pub receives: bool,
}

impl Made {
    /// The moments at which this call can be cut.
    pub fn moments(&self) -> impl Iterator<Item = Moment> {
        let bodies = [(self.sends, Moment::InRequest), (self.receives, Moment::InAnswer)];
        let bodies = bodies.into_iter().filter_map(|(there, moment)| there.then_some(moment));
        [Moment::Before, Moment::AnswerLost].into_iter().chain(bodies)
    }

    /// This very call, to be cut at it.
    pub fn at(&self) -> At {
        At::Named(self.name.clone(), self.occurrence)
    }
}

/// How a process ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// At the cut.
    Cut,
    /// By itself, with this.
    ByItself(T),
}

/// What sits on the ways out of a process.
#[derive(Default)]
pub struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts the processes; the calls of one that has ended are refused.
    process: u64,
    life: Life,
    death: Arc<Notify>,
    step: &'static str,
    cut: Option<Cut>,
    was_cut: bool,
    /// The store's call whose answer is not to come as it should.
    spoilt: Option<(u64, Moment)>,
    made: Vec<Made>,
    names: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Life {
    /// No process runs: calls are the test's own, and pass unseen.
    #[default]
    None,
    Running,
    /// A body has broken off: whatever the process does next is its end.
    Doomed,
    /// Nothing passes any more.
    Dead,
}

/// What to do with a call of the source.
enum Verdict {
    Pass,
    Never,
    Spoil(Moment),
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a process to its end, or to the cut.
    pub async fn run<T>(&self, cut: Option<Cut>, process: impl Future<Output = T>) -> Ended<T> {
        let death = Arc::new(Notify::new());
        {
            let mut state = self.state();
            *state = State {
                process: state.process + 1,
                life: Life::Running,
                death: Arc::clone(&death),
                cut,
                ..State::default()
            };
        }
        let ended = {
            let mut process = pin!(process);
            tokio::select! {
                biased;
                () = death.notified() => Ended::Cut,
                came = &mut process => Ended::ByItself(came),
            }
        };
        let mut state = self.state();
        state.life = Life::None;
        ended
    }

    /// Says which step the process has come to.
    pub fn enter(&self, step: &'static str) {
        self.state().step = step;
    }

    /// The calls of the last process, in the order in which they left it.
    pub fn made(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    /// Whether the last process has come to where it was to be cut.
    pub fn was_cut(&self) -> bool {
        self.state().was_cut
    }

    /// The process as the line knows it, for [`Tapped`].
    fn process(&self) -> u64 {
        self.state().process
    }

    fn die(&self, process: u64) {
        let mut state = self.state();
        if state.process == process {
            state.die();
        }
    }

    fn source_call(&self, process: u64, name: String, sends: bool) -> (Verdict, usize) {
        let mut state = self.state();
        if state.process != process || state.life == Life::Dead || state.life == Life::None {
            return (Verdict::Never, 0);
        }
        if state.life == Life::Doomed {
            state.die();
            return (Verdict::Never, 0);
        }
        let moment = state.note(name, sends, false);
        let index = state.made.len() - 1;
        let verdict = match moment {
            None => Verdict::Pass,
            Some(Moment::Before) => {
                state.die();
                Verdict::Never
            }
            Some(moment) => Verdict::Spoil(moment),
        };
        (verdict, index)
    }

    fn answered(&self, process: u64, index: usize, bytes: Option<u64>) {
        let mut state = self.state();
        if state.process == process
            && let Some(made) = state.made.get_mut(index)
        {
            made.receives = bytes.is_some_and(|bytes| bytes > 1);
        }
    }

    /// After how many bytes a download is to be cut.
    fn download_bytes(&self, process: u64) -> Option<u64> {
        let state = self.state();
        match state.cut {
            Some(Cut { at: At::Download(bytes), .. }) if state.process == process => Some(bytes),
            _ => None,
        }
    }
}

impl State {
    fn die(&mut self) {
        self.life = Life::Dead;
        self.was_cut = true;
        self.death.notify_one();
    }

    /// Counts a call; the moment at which it is to be cut, if it is the one.
    fn note(&mut self, name: String, sends: bool, receives: bool) -> Option<Moment> {
        let occurrence = self.names.entry(name.clone()).or_default();
        *occurrence += 1;
        let made = Made { step: self.step, name, occurrence: *occurrence, sends, receives };
        self.made.push(made.clone());
        let cut = self.cut.as_ref()?;
        let is_it = match &cut.at {
            At::Number(number) => *number == self.made.len(),
            at => *at == made.at(),
        };
        is_it.then_some(cut.moment)
    }
}

fn sends(operation: &str) -> bool {
    matches!(operation, "PutObject" | "UploadPart" | "CompleteMultipartUpload")
}

fn receives(operation: &str) -> bool {
    matches!(
        operation,
        "GetObject"
            | "ListObjectsV2"
            | "ListParts"
            | "ListMultipartUploads"
            | "CreateMultipartUpload"
            | "CompleteMultipartUpload"
            | "CopyObject"
            | "UploadPartCopy"
    )
}

impl Intercept for Line {
    fn before(&self, call: &Call) -> Before {
        let mut state = self.state();
        match state.life {
            Life::None => return Before::Proceed,
            Life::Running => {}
            Life::Doomed => {
                state.die();
                return Before::Drop;
            }
            Life::Dead => return Before::Drop,
        }
        let place = [call.bucket.as_deref(), call.key.as_deref()];
        let place: Vec<&str> = place.into_iter().flatten().collect();
        let name = format!("{} {}", call.operation, place.join("/"));
        let moment = state.note(name, sends(call.operation), receives(call.operation));
        match moment {
            None => Before::Proceed,
            Some(Moment::Before) => {
                state.die();
                Before::Drop
            }
            Some(Moment::InRequest) => {
                state.life = Life::Doomed;
                state.was_cut = true;
                let into = if call.operation == "UploadPart" { INTO_PART } else { INTO_DOCUMENT };
                Before::CutRequest(into.min(call.body_bytes / 2))
            }
            Some(moment) => {
                state.spoilt = Some((call.sequence, moment));
                Before::Proceed
            }
        }
    }

    fn after(&self, call: &Call, _status: StatusCode) -> After {
        let mut state = self.state();
        match state.spoilt {
            Some((sequence, moment)) if sequence == call.sequence => {
                state.spoilt = None;
                if moment == Moment::InAnswer && state.life == Life::Running {
                    state.life = Life::Doomed;
                    state.was_cut = true;
                    return After::CutAnswer(INTO_ANSWER);
                }
                state.die();
                After::Drop
            }
            _ => After::Proceed,
        }
    }
}

/// The way to the source, with a [`Line`] on it.
#[derive(Clone)]
pub struct Tapped {
    line: Arc<Line>,
    process: u64,
    wire: Arc<dyn Transport>,
}

impl Tapped {
    /// What puts the line on the way to the source, for the process that is about to run.
    pub fn wrap(line: &Arc<Line>) -> landfall::context::WrapTransport {
        let line = Arc::clone(line);
        Box::new(move |wire| {
            Arc::new(Tapped { line: Arc::clone(&line), process: line.process(), wire }) as Arc<dyn Transport>
        })
    }

    fn end(&self) {
        self.line.die(self.process);
    }

    /// Nothing more comes, as the process has ended.
    fn silence<T: Send>(&self) -> impl Future<Output = T> + Send + 'static {
        let this = self.clone();
        async move {
            this.end();
            future::pending().await
        }
    }

    /// The request, which breaks off in the middle of its body.
    fn halved(&self, mut request: reqwest::Request) -> reqwest::Request {
        let whole = request.body().and_then(reqwest::Body::as_bytes).map(Bytes::copy_from_slice);
        let whole = whole.unwrap_or_default();
        let half = whole.slice(..whole.len() / 2);
        request.headers_mut().insert(http::header::CONTENT_LENGTH, whole.len().into());
        let rest = stream::once(self.silence::<Result<Bytes, std::io::Error>>());
        *request.body_mut() =
            Some(reqwest::Body::wrap_stream(stream::once(future::ready(Ok(half))).chain(rest)));
        request
    }

    /// The answer, whose body comes as far as the process lives.
    fn cut_after(&self, response: reqwest::Response, bytes: u64) -> reqwest::Response {
        let mut head = http::Response::builder().status(response.status());
        if let Some(headers) = head.headers_mut() {
            *headers = response.headers().clone();
        }
        let first = response.bytes_stream().scan(bytes, |left, piece| {
            let piece = piece.map(|mut piece| {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                piece
            });
            future::ready(match &piece {
                Ok(bytes) if bytes.is_empty() => None,
                _ => Some(piece),
            })
        });
        let rest = stream::once(self.silence());
        let body = reqwest::Body::wrap_stream(first.chain(rest));
        head.body(body).expect("the parts of an answer").into()
    }
}

#[async_trait]
impl Transport for Tapped {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let name = format!("{} {}{query}", request.method(), url.path());
        let sends = request.body().and_then(reqwest::Body::as_bytes).is_some_and(|body| body.len() > 1);
        let is_download = url.path().ends_with("/content");
        let (verdict, index) = self.line.source_call(self.process, name, sends);
        match verdict {
            Verdict::Never => future::pending().await,
            Verdict::Spoil(Moment::InRequest) => self.wire.execute(self.halved(request)).await,
            Verdict::Spoil(Moment::InAnswer) => {
                let response = self.wire.execute(request).await?;
                let length = response.content_length().unwrap_or_default();
                Ok(self.cut_after(response, length / 2))
            }
            Verdict::Spoil(Moment::Before | Moment::AnswerLost) => {
                let _ = self.wire.execute(request).await;
                self.silence().await
            }
            Verdict::Pass => {
                let response = self.wire.execute(request).await?;
                self.line.answered(self.process, index, response.content_length());
                match self.line.download_bytes(self.process).filter(|_| is_download) {
                    Some(bytes) if response.content_length().is_some_and(|length| length > bytes) => {
                        Ok(self.cut_after(response, bytes))
                    }
                    _ => Ok(response),
                }
            }
        }
    }
}

impl fmt::Debug for Tapped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tapped").field("process", &self.process).finish_non_exhaustive()
    }
}
