//! Cold starts: from exec to the first poll of Lambda's runtime API, and to the first answer, in front of a runtime
//! API of the bench's own. With it each function's size.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufReader, Cursor};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use zip::write::SimpleFileOptions;

use landfall::Step;

use crate::contestants::Surroundings;
use crate::data::Archive;
use crate::failure::{Failure, Result, While as _};
use crate::report::Start;
use crate::sink::WORK;
use crate::world::{self, Form};

/// Each function starts this often a round.
const STARTS_A_ROUND: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(20);
const PYTHON: &str = "Python with requests and boto3";

/// What a function does in front of its runtime API.
enum Observed {
    Poll(Instant),
    Answer(Instant, String),
}

/// Starts every function, and one in Python, again and again.
pub(crate) async fn starts(around: &Surroundings, archive: &Archive, rounds: u32) -> Result<Vec<Start>> {
    let folder = &around.folder;
    std::fs::create_dir_all(folder).while_doing("making a folder for functions")?;
    let form = Form::named("raw").inside_one_store();
    world::prepare(around.sink_port, archive, form).await?;
    world::record_empty_receipt(around.sink_port).await?;
    let config = folder.join("landfall.toml");
    world::write_config(&config, around.sink_port, form)?;
    let key = world::job_record_key()?;

    let mut starts = Vec::new();
    for function in Step::TOGETHER.map(Step::name) {
        let program = around.programs.join(function);
        let (program_bytes, zipped_bytes) = sizes(&program)?;
        let mut start = Start { program_bytes, zipped_bytes, ..named(function) };
        for _ in 0..rounds * STARTS_A_ROUND {
            let mut command = Command::new(&program);
            command.env("LANDFALL_CONFIG", format!("file:{}", config.display()));
            once(&mut command, event(function), &mut start).await?;
        }
        starts.push(start);
    }
    if around.tools.require("requests").and(around.tools.require("boto3")).is_ok() {
        let mut start = named(PYTHON);
        for _ in 0..rounds * STARTS_A_ROUND {
            let mut command = Command::new(around.tools.program("python"));
            let endpoint = format!("http://127.0.0.1:{}", around.sink_port);
            command.arg(around.python.join("function.py")).args([&endpoint, WORK, &key]);
            once(&mut command, json!({}), &mut start).await?;
        }
        starts.push(start);
    }
    Ok(starts)
}

fn named(name: &str) -> Start {
    Start {
        name: name.to_owned(),
        poll_milliseconds: Vec::new(),
        result_milliseconds: Vec::new(),
        poll_bytes: 0,
        result: String::new(),
        program_bytes: None,
        zipped_bytes: None,
    }
}

/// An event that is answered after a call or two of the store: the file has been unpacked, or there is no such job.
fn event(function: &str) -> Value {
    match function {
        "unpack-upload" => world::event(),
        "submit" => json!({
            "connection": "bench", "destination": "lake", "run_key": "bench",
            "export": { "kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "incremental" },
        }),
        "sweep" => json!({ "connection": "bench", "destination": "lake", "exports": ["SimpleCarriers"] }),
        "verify" => json!({}),
        _ => json!({ "connection": "bench", "job_request_id": "unheard-of" }),
    }
}

/// Starts a function once, and ends it when it has answered.
async fn once(command: &mut Command, event: Value, start: &mut Start) -> Result<()> {
    let doing = format!("starting {}", start.name);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.while_doing(&doing)?;
    let address = listener.local_addr().while_doing(&doing)?.to_string();
    let (seen, mut sees) = mpsc::unbounded_channel();
    let api = tokio::spawn(serve(listener, event.to_string(), seen));
    command
        .env("AWS_LAMBDA_RUNTIME_API", &address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut function = Started(command.spawn().while_doing(&doing)?);
    loop {
        let next = tokio::time::timeout(PATIENCE, sees.recv()).await;
        match next.ok().flatten() {
            Some(Observed::Poll(at)) => {
                start.poll_milliseconds.push(milliseconds(at - began));
                start.poll_bytes = start.poll_bytes.max(function.resident_bytes());
            }
            Some(Observed::Answer(at, result)) => {
                start.result_milliseconds.push(milliseconds(at - began));
                start.result = result;
                break;
            }
            None => {
                let ended = function.0.try_wait().while_doing(&doing)?;
                return Err(Failure::new(format!("{} does not answer; it has ended: {ended:?}", start.name)));
            }
        }
    }
    api.abort();
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

struct Started(Child);

impl Started {
    fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let kibibytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        kibibytes.and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It would poll for ever.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A runtime API with one event.
async fn serve(
    listener: TcpListener,
    event: String,
    seen: mpsc::UnboundedSender<Observed>,
) -> io::Result<()> {
    let polled = Arc::new(std::sync::atomic::AtomicBool::new(false));
    loop {
        let (stream, _) = listener.accept().await?;
        let (event, seen, polled) = (event.clone(), seen.clone(), Arc::clone(&polled));
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let at = Instant::now();
                let (event, seen, polled) = (event.clone(), seen.clone(), Arc::clone(&polled));
                async move {
                    let is_poll = request.method() == Method::GET;
                    if is_poll && polled.swap(true, std::sync::atomic::Ordering::Relaxed) {
                        // There is no second event: Lambda lets a function wait, too.
                        std::future::pending::<()>().await;
                    }
                    if is_poll {
                        // Nobody listens any more once the start has been given up.
                        let _ = seen.send(Observed::Poll(at));
                        return Ok::<_, Infallible>(invocation(event));
                    }
                    let is_error = request.uri().path().ends_with("/error");
                    let body = request.into_body().collect().await;
                    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
                    let _ = seen.send(Observed::Answer(at, said(is_error, &body)));
                    let mut accepted = Response::new(Full::new(Bytes::new()));
                    *accepted.status_mut() = StatusCode::ACCEPTED;
                    Ok(accepted)
                }
            });
            // The function is killed in the end: its connection breaks.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn invocation(event: String) -> Response<Full<Bytes>> {
    let deadline = jiff::Timestamp::now().as_millisecond() + 900_000;
    let mut answer = Response::new(Full::new(event.into()));
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("content-type", "application/json");
    set("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000001");
    set("lambda-runtime-deadline-ms", &deadline.to_string());
    set("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench");
    set("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793");
    answer
}

fn said(is_error: bool, body: &[u8]) -> String {
    if !is_error {
        return "a result".to_owned();
    }
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    error.get("errorType").and_then(Value::as_str).unwrap_or("an error").to_owned()
}

/// Bytes of a program, as it is and zipped as the function's package would be.
fn sizes(program: &Path) -> Result<(Option<u64>, Option<u64>)> {
    let doing = format!("zipping {}", program.display());
    let mut file = BufReader::new(File::open(program).while_doing(&doing)?);
    let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
    package.start_file("bootstrap", SimpleFileOptions::default()).while_doing(&doing)?;
    let bytes = io::copy(&mut file, &mut package).while_doing(&doing)?;
    let zipped = package.finish().while_doing(&doing)?.into_inner();
    Ok((Some(bytes), u64::try_from(zipped.len()).ok()))
}
