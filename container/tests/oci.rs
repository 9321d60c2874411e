//! The program of the image, as OCI Functions and others start it: with its configuration in a vault, and its state and what
//! lands in buckets of OCI. Nothing of Amazon's is there.

// The exemption for tests does not reach the functions that they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use landfall::Step;
use landfall::clock::SystemClock;
use landfall_http::scripted::{Reply, Scripted};
use landfall_tests::elsewhere::oci_user;
use landfall_tests::served::{Answer, Served, orchestrate, post};
use landfall_tests::{Setup, World, assert_landed, run_event, say};
use serde_json::{Value, json};

/// What OCI Functions waits for a function to listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(5);

/// A compartment: a vault with the configuration of a world, whose buckets are OCI's.
struct Compartment {
    world: World,
    vault: Scripted,
}

impl Compartment {
    async fn new() -> Self {
        let world = World::new(Setup { in_oci: true, ..Setup::default() }).await;
        // Programs go by the machine's own clock.
        world.anew_by(Arc::new(SystemClock));
        // Who calls one function after the other does not wait between.
        let at_once = "timeout_seconds = 900, poll_seconds = 0, settle_seconds = 0";
        let configuration = world.config().replace("timeout_seconds = 900", at_once);
        let configuration: Value = toml::from_str(&configuration).unwrap();
        let vault = Scripted::start(move |seen, _| {
            let name = seen.query().remove("secretName").unwrap_or_default();
            let path = name.strip_prefix("landfall").unwrap_or_default().replace('.', "/");
            match configuration.pointer(&path) {
                Some(document) => {
                    let content = BASE64.encode(document.to_string());
                    Reply::json(
                        json!({ "secretBundleContent": { "contentType": "BASE64", "content": content } }),
                    )
                }
                None => Reply::status(404).body(r#"{"code":"NotAuthorizedOrNotFound","message":"no"}"#),
            }
        })
        .await;
        Self { world, vault }
    }

    /// The program, with what its function's configuration and OCI Functions say to it, and nothing else.
    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall-functions"));
        command.env_clear().stdin(Stdio::null());
        command.env("LANDFALL_CONFIG", "ocivault:ocid1.vault.oc1.phx.bbpeyeaaafk.abtheljr/landfall");
        command.env("LANDFALL_OCIVAULT_ENDPOINT", self.vault.url("").as_str());
        command.env("OCI_CONFIG_FILE", &oci_user().config_file);
        command.env("FN_MEMORY", "512");
        command
    }

    /// Holds that the one job of the world has landed, and that its configuration came from the vault.
    async fn has_landed(self, published: &Value) {
        assert_eq!(published["already_published"], false, "{published}");
        let jobs = self.world.simulator.jobs();
        assert_eq!(jobs.len(), 1);
        assert_landed(&self.world, jobs[0].id, "the image").await;
        let asked: Vec<String> =
            self.vault.seen().iter().map(|seen| seen.query()["secretName"].clone()).collect();
        for name in ["landfall.work", "landfall.connections.fusion-demo", "landfall.destinations.lake"] {
            assert!(asked.iter().any(|asked| asked == name), "{asked:?}");
        }
        self.world.end().await;
    }
}

/// Starts a program to whose log nobody listens.
fn spawned(mut command: Command) -> Served {
    Served(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn answered(step: Step, answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{}: {}", step.name(), answer.body);
    answer.body
}

/// Each function, chosen by its configuration, listens in time at the socket that Fn names; called there one after the other
/// they land one job.
#[tokio::test(flavor = "multi_thread")]
async fn each_function_listens_in_time_and_a_job_lands_by_the_contract_of_fn() {
    let compartment = Box::pin(Compartment::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let socket = |step: Step| inside.join(step.name());
    let mut slowest = Duration::ZERO;
    let mut served = Vec::new();
    for step in Step::TOGETHER {
        let began = Instant::now();
        let mut command = compartment.program();
        command.env("LANDFALL_FUNCTION", step.name());
        command
            .env("FN_LISTENER", format!("unix:{}", socket(step).display()))
            .env("FN_FORMAT", "http-stream");
        served.push(spawned(command));
        connect(&socket(step), began);
        slowest = slowest.max(began.elapsed());
    }
    // Fn sees the folder from outside of the container, at another path.
    let outside = folder.path().join("outside");
    std::fs::rename(&inside, &outside).unwrap();
    say(&format!("from start to listening: {slowest:.0?} at most"));

    let call = |step: Step, event: &Value| {
        let stream = UnixStream::connect(outside.join(step.name())).unwrap();
        let headers = ["Fn-Call-Id: 01", "Fn-Deadline: 2999-01-01T00:00:00Z"];
        answered(step, post(stream, "/call", &headers, event.to_string().as_bytes()))
    };
    let published = orchestrate(&run_event(), &call);
    compartment.has_landed(&published).await;
}

/// Connects as soon as somebody listens, as Fn does.
fn connect(socket: &Path, began: Instant) -> UnixStream {
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(began.elapsed() < LISTENS_WITHIN, "{}: {error}", socket.display()),
        }
        std::thread::yield_now();
    }
}

/// A container without `LANDFALL_FUNCTION` is all functions, by HTTP, to who knows the secret; and ends when it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_serves_all_functions_by_http() {
    let compartment = Box::pin(Compartment::new()).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut command = compartment.program();
    command.env("LANDFALL_LISTEN", &address).env("LANDFALL_SERVE_SECRET", "open sesame");
    let mut served = spawned(command);
    let began = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(began.elapsed() < LISTENS_WITHIN);
        std::thread::yield_now();
    }
    let stranger = post(TcpStream::connect(&address).unwrap(), "/submit", &[], b"{}");
    assert_eq!(stranger.status, 401);
    let call = |step: Step, event: &Value| {
        let (stream, path) = (TcpStream::connect(&address).unwrap(), format!("/{}", step.name()));
        let secret = ["Authorization: Bearer open sesame"];
        answered(step, post(stream, &path, &secret, event.to_string().as_bytes()))
    };
    let published = orchestrate(&run_event(), &call);
    compartment.has_landed(&published).await;

    let killed = Command::new("kill").arg(served.0.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(served.0.wait().unwrap().code(), Some(0), "SIGTERM ends it as what is meant to end");
}

/// What would leave the functions to anybody, or be none of them, is said, and nothing is served.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_named() {
    let compartment = Box::pin(Compartment::new()).await;
    for (variables, said) in [
        (&[][..], "LANDFALL_SERVE_SECRET"),
        (&[("LANDFALL_LISTEN", "8080")], "an address and port are expected"),
        (&[("FN_LISTENER", "unix:/tmp/f")], "LANDFALL_FUNCTION is not set"),
        (&[("LANDFALL_FUNCTION", "land"), ("FN_LISTENER", "unix:/tmp/f")], "there is no such function"),
    ] {
        let done = compartment.program().envs(variables.iter().copied()).output().unwrap();
        let printed =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{printed}");
        assert!(printed.contains(said), "{said}: {printed}");
    }
    compartment.world.end().await;
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The image has the program, what it is linked with and the authorities that it trusts; with nothing but these it starts.
#[test]
fn the_image_has_what_the_program_needs() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("files");
    let program = env!("CARGO_BIN_EXE_landfall-functions");
    assert!(Command::new(script).arg(program).arg(folder.path()).status().unwrap().success());
    let files = files_below(folder.path());
    let named = |begins: &str| {
        let is_it = |file: &&PathBuf| file.file_name().unwrap().to_str().unwrap().starts_with(begins);
        files.iter().find(is_it).unwrap_or_else(|| panic!("{begins} is not in {files:?}"))
    };
    let authorities =
        std::fs::read_to_string(folder.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.contains("BEGIN CERTIFICATE"));
    let started = Command::new(named("ld-linux"))
        .env_clear()
        .args([Path::new("--inhibit-cache"), Path::new("--library-path"), named("libc.so").parent().unwrap()])
        .arg(named("landfall-functions"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&started.stderr);
    assert!(said.contains("LANDFALL_SERVE_SECRET"), "{said}");
}

fn file(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

/// Each function has its folder as `fn deploy` reads it: its name, its part of the one image, and sizes that OCI has.
#[test]
fn each_function_has_its_func_yaml() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    let mut folders: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut steps = Step::TOGETHER.map(Step::name).to_vec();
    steps.sort_unstable();
    assert_eq!(folders, steps);
    for step in steps {
        let (path, text) = file(&format!("functions/{step}/func.yaml"));
        let has =
            |line: &str| assert!(text.lines().any(|found| found == line), "{line} in {}", path.display());
        has("schema_version: 20180708");
        has(&format!("name: {step}"));
        has("runtime: docker");
        has(&format!("  LANDFALL_FUNCTION: {step}"));
        let number = |key: &str| -> u32 {
            let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            value.trim().parse().unwrap()
        };
        assert!([128, 256, 512, 1024, 2048, 3072].contains(&number("memory:")), "{step}");
        assert!(number("timeout:") <= 300, "{step}");
        let (_, dockerfile) = file(&format!("functions/{step}/Dockerfile"));
        assert!(dockerfile.ends_with("FROM ${IMAGE}\n"), "{dockerfile}");
    }
}
