//! Sources: whatever their servers answer, a step ends soon, says what is wrong in one line, repeats no secret and calls
//! no other host.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use futures::StreamExt as _;
use http::HeaderValue;
use http::header::SET_COOKIE;
use jiff::Timestamp;
use landfall::Error;
use landfall::clock::ManualClock;
use landfall::config::Connection;
use landfall::contract::{Source, SourceDeps, SubmitRequest};
use landfall::event::RunEvent;
use landfall::job::{JobRecord, Window};
use landfall::state::WorkState;
use landfall::systems::Capabilities;
use landfall_http::Transport;
use landfall_systems::SYSTEMS;
use reqwest::{Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use crate::events::places_are_apart;
use crate::memory::{self, MIB};
use crate::script::{self, Script};
use crate::text::{is_one_line, is_told};

const BASE: &str = "https://pod.example.com/";
const IDENTITY: &str = "https://identity.example.com/";
const STORAGE: &str = "https://storage.example.com/";
/// Every connection's secret in `sources/`, so that each must keep it to itself even where the fuzzer has found it.
const SECRET: &str = "MARKED-s3cret";
/// The same behind the name `user`, as the Basic scheme sends it.
const PAIR: &str = "dXNlcjpNQVJLRUQtczNjcmV0";
/// Bytes of a download that are looked at.
const ENOUGH: usize = 1 << 20;

/// Makes one call of one source on a server that answers as the bytes say: the source, the call, the answers.
pub fn answers(bytes: &[u8]) {
    let [letter, call, answers @ ..] = bytes else { return };
    let chosen = CASES.iter().find(|case| case.letter == *letter);
    let case = chosen.unwrap_or(&CASES[usize::from(*letter) % CASES.len()]);
    let script = Script::parse(answers, may_be_called, may_have_secrets);
    let server: Arc<dyn Transport> = Arc::new(Server { script, has_login: call & 0x80 == 0 });
    let wrap = move |_: Arc<dyn Transport>| Arc::clone(&server);
    let work = WORK.clone();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let connection = &case.run.connection;
    let deps = SourceDeps { clock, work, wrap: Some(&wrap), disk: None, bucket: None };
    let source = SYSTEMS.open(connection, &case.connection, deps);
    let source = source.expect("the connection holds");
    memory::within(16 * MIB + 256 * bytes.len(), || script::block_on(run(call & 0x7f, case, &*source)));
}

static WORK: LazyLock<WorkState> = LazyLock::new(|| script::block_on(crate::store::work()));

/// A connection, and what is run on it: a file of `sources/`.
struct Case {
    /// What its file's name begins with: the byte that chooses it, so that inputs keep their meaning.
    letter: u8,
    connection: Connection,
    run: RunEvent,
    job: JobRecord,
    window: Option<Window>,
}

/// A case as a file of `sources/` has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    connection: Value,
    /// A file of the folder `events`.
    event: String,
    job_request_id: String,
    window: Option<Window>,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("sources");
    let mut cases: Vec<Case> = sources
        .read_dir()
        .expect("the cases are there")
        .map(|file| Case::read(&file.expect("a case can be read").path()))
        .collect();
    cases.sort_by_key(|case| case.letter);
    // Where nobody signs in there is no server that answers, and where a store does, all that is anybody's is a manifest.
    let is_served = |kind: &Capabilities| !kind.auth.is_empty() && kind.connection_type != "delivery";
    for kind in SYSTEMS.kinds().map(|kind| kind.capabilities()).filter(is_served) {
        assert!(cases.iter().any(|case| case.run.export.kind() == kind.kind), "{} has no case", kind.kind);
    }
    cases
});

impl Case {
    fn read(path: &Path) -> Self {
        let written: Written = read(json_of(path));
        let system = written.connection["type"].as_str().expect("a connection has a type");
        let connection = Connection::of(system, written.connection.clone()).expect("the settings hold");
        let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
        let run: RunEvent = read(json_of(&events.join(&written.event)));
        let job = read(json!({
            "connection": run.connection, "job_request_id": written.job_request_id, "export": run.export,
            "destination": run.destination, "landing_prefix": "a/b/", "run_key": run.run_key,
            "window": written.window, "since": "2026-01-01T00:00:00Z",
        }));
        let name = path.file_name().and_then(OsStr::to_str).expect("a name that is text");
        Self { letter: name.as_bytes()[0], connection, run, job, window: written.window }
    }
}

fn json_of(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the value holds")
}

fn may_be_called(url: &Url) -> bool {
    [BASE, IDENTITY, STORAGE].iter().any(|base| url.as_str().starts_with(base))
}

fn may_have_secrets(url: &Url) -> bool {
    [BASE, IDENTITY].iter().any(|base| url.as_str().starts_with(base))
}

/// The server: logins may go as they should, so that what comes after them is reached.
#[derive(Debug)]
struct Server {
    script: Script,
    has_login: bool,
}

#[async_trait]
impl Transport for Server {
    async fn execute(&self, request: Request) -> Result<Response, reqwest::Error> {
        let url = request.url();
        let is_login = url.as_str().starts_with(IDENTITY) || url.path().starts_with("/authn/login");
        if !(self.has_login && is_login) {
            return self.script.execute(request).await;
        }
        let token = r#"{ "access_token": "issued-token", "token_type": "Bearer", "expires_in": 3600 }"#;
        let mut answer = http::Response::new(token.as_bytes().to_vec());
        let cookie = HeaderValue::from_static("folioAccessToken=issued-token; Max-Age=600; Secure; HttpOnly");
        answer.headers_mut().insert(SET_COOKIE, cookie);
        Ok(answer.into())
    }
}

async fn run(call: u8, case: &Case, source: &dyn Source) {
    let Case { run, job, window, .. } = case;
    let order = SubmitRequest { export: &run.export, run_key: &run.run_key, window: window.as_ref() };
    match call {
        // Beyond the others, which keep their numbers.
        126 => return said(source.notify_landed(job).await),
        127 => return said(source.cancel(job).await),
        _ => {}
    }
    match call % 12 {
        0 => said(source.submit(&order).await),
        1 => said(source.find(&order).await),
        2 => status(source, job).await,
        3 => said(source.explain(job).await),
        4 => files(source, job).await,
        5 => said(
            source.check().await.into_iter().map(|finding| (finding.what, finding.found)).collect::<Vec<_>>(),
        ),
        6 => said(source.prepare(&order).await),
        7 => ended(source).await,
        8 => said(source.ended_at(&job.job_request_id).await),
        9 => said(source.describe(&job.job_request_id).await),
        10 => said(source.time().await),
        _ => download(source, job).await,
    }
}

/// Nothing that a person may read holds a secret, and an error is one line.
trait Said {
    fn held(&self);
}

impl<T: std::fmt::Debug> Said for Result<T, Error> {
    fn held(&self) {
        match self {
            Ok(value) => has_no_secret(&format!("{value:?}")),
            Err(error) => failed(error),
        }
    }
}

impl<T: std::fmt::Debug> Said for Vec<T> {
    fn held(&self) {
        has_no_secret(&format!("{self:?}"));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is looked at, and gone")]
fn said(what: impl Said) {
    what.held();
}

fn failed(error: &Error) {
    is_told(error);
    has_no_secret(&error.line());
    has_no_secret(&format!("{error:?}"));
}

fn has_no_secret(text: &str) {
    for secret in [SECRET, PAIR] {
        assert!(!text.contains(secret), "the secret shows in {text:?}");
    }
}

async fn status(source: &dyn Source, job: &JobRecord) {
    let status = source.status(job).await;
    if let Ok(status) = &status {
        assert!(!status.native_status.contains(char::is_control), "{:?}", status.native_status);
        assert!(status.progress_percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)), "{status:?}");
        if let Some(message) = &status.message {
            is_one_line(message);
        }
    }
    said(status);
}

async fn ended(source: &dyn Source) {
    match source.ended().await {
        Ok(jobs) => said(jobs.into_iter().map(|job| job.status).collect::<Vec<_>>()),
        Err(error) => failed(&error),
    }
}

async fn files(source: &dyn Source, job: &JobRecord) {
    match source.output_files(job).await {
        Ok(files) => {
            assert!(files.iter().zip(0..).all(|(file, ordinal)| file.ordinal == ordinal), "{files:?}");
            places_are_apart(files);
        }
        Err(error) => failed(&error),
    }
}

async fn download(source: &dyn Source, job: &JobRecord) {
    let files = match source.output_files(job).await {
        Ok(files) => files,
        Err(error) => return failed(&error),
    };
    for file in files.iter().take(2) {
        match source.open(job, file, None).await {
            Ok(mut download) => {
                let mut length = 0;
                while let Some(piece) = download.body.next().await {
                    match piece {
                        Ok(piece) => length += piece.len(),
                        Err(error) => return failed(&error),
                    }
                    if length > ENOUGH {
                        return;
                    }
                }
            }
            Err(error) => failed(&error),
        }
    }
}
