//! The functions as servers: what an orchestrator posts is what Lambda would be invoked with.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use landfall::step::Step;
use landfall_tests::served::{Served, answer, orchestrate, post};
use serde_json::json;

use crate::machine::{Machine, pod, run_event, text};

fn event_of_pod() -> serde_json::Value {
    serde_json::from_slice(&run_event("pod")).unwrap()
}

fn server(machine: &Machine, config: &Path, words: &[&str]) -> Command {
    let data = machine.path("data");
    let mut command =
        machine.program(&[&["serve", "--config", text(config), "--data", text(&data)], words].concat());
    command.env_remove("FN_LISTENER").env_remove("LANDFALL_SERVE_SECRET").env_remove("LANDFALL_FUNCTION");
    command.stdout(Stdio::piped());
    command
}

/// An orchestrator that can post lands a job, and only who knows the secret can. What it does wrong is named by status and
/// by error type.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_lands_by_posts_alone() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let mut served = server(&machine, &config, &["--listen", "127.0.0.1:0"]);
    let mut served = Served(served.env("LANDFALL_SERVE_SECRET", "open sesame").spawn().unwrap());
    let mut said = String::new();
    BufReader::new(served.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let connect = || TcpStream::connect(&address).unwrap();
    let secret = "Authorization: Bearer open sesame";

    let stranger = post(connect(), "/submit", &["Authorization: Bearer open"], &run_event("pod"));
    assert_eq!((stranger.status, &stranger.body["errorType"]), (401, &json!("Unauthorized")));
    assert!(stranger.head.contains("www-authenticate: bearer"), "{}", stranger.head);
    for (path, headers, body, status, name) in [
        ("/submit", &[secret][..], &b"{"[..], 400, "InvalidEvent"),
        ("/submit", &[secret], b"{}", 400, "InvalidEvent"),
        ("/submit", &[secret, "Fn-Deadline: soon"], b"{}", 400, "InvalidEvent"),
        ("/land", &[secret], b"{}", 404, "NoSuchFunction"),
        ("/publish", &[secret], br#"{"connection":"pod","job_request_id":"1"}"#, 422, "NotFound"),
    ] {
        let refused = post(connect(), path, headers, body);
        assert_eq!((refused.status, &refused.body["errorType"]), (status, &json!(name)), "{}", refused.body);
        assert_eq!(refused.body["retryable"], false);
    }
    let mut asked = connect();
    write!(asked, "GET /submit HTTP/1.1\r\nHost: localhost\r\n{secret}\r\n\r\n").unwrap();
    assert_eq!(answer(asked).status, 405);
    assert!(simulator.jobs().is_empty());

    let published = orchestrate(&event_of_pod(), &|step, event| {
        let answer =
            post(connect(), &format!("/{step}", step = step.name()), &[secret], event.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}: {}", step.name(), answer.body);
        answer.body
    });
    assert_eq!(published["already_published"], false);
    assert_eq!(simulator.jobs().len(), 1);
    assert!(machine.landed().len() > 1);
    simulator.shutdown().await;
}

/// Promise 1: a submission whose caller goes away, killed perhaps, comes to its end all the same: the run has its job, and
/// whoever asks next is told at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_outlives_its_caller() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let mut served = server(&machine, &config, &["--listen", "127.0.0.1:0"]);
    let mut served = Served(served.spawn().unwrap());
    let mut said = String::new();
    BufReader::new(served.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let event = run_event("pod");

    let mut caller = TcpStream::connect(&address).unwrap();
    let length = event.len();
    write!(caller, "POST /submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n").unwrap();
    caller.write_all(&event).unwrap();
    // It is in the middle of it: the claim is there, and the simulator is asked for a token or for the job.
    while !machine.path("data/work/runs").exists() {
        std::thread::yield_now();
    }
    drop(caller);

    let told = post(TcpStream::connect(&address).unwrap(), "/submit", &[], &event);
    assert_eq!((told.status, &told.body["already_submitted"]), (200, &json!(true)), "{}", told.body);
    assert_eq!(simulator.jobs().len(), 1);
    simulator.shutdown().await;
}

/// OCI Functions calls each function over a Unix socket, by Fn's contract: one program is any of them. A failure is 502 to
/// an invocation, and what fits it to a gateway.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_lands_by_the_contract_of_fn() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let sockets = tempfile::tempdir().unwrap();
    let socket = |step: Step| sockets.path().join(step.name());
    let serve = |step: Step| {
        let mut command = server(&machine, &config, &[]);
        let listener = format!("unix:{}", text(&socket(step)));
        let command = command.env("LANDFALL_FUNCTION", step.name()).env("FN_LISTENER", listener);
        Served(command.spawn().unwrap())
    };
    let _served: Vec<Served> = Step::TOGETHER.into_iter().map(serve).collect();
    // It is there only once somebody listens.
    let connect = |step: Step| loop {
        if socket(step).exists() {
            break UnixStream::connect(socket(step)).unwrap();
        }
        std::thread::yield_now();
    };

    let event = run_event("pod");
    let of_gateway = ["Fn-Intent: httprequest"];
    let refused = post(connect(Step::Submit), "/call", &[], b"{}");
    assert_eq!((refused.status, &refused.body["errorType"]), (502, &json!("InvalidEvent")));
    let refused = post(connect(Step::Submit), "/call", &of_gateway, b"{}");
    assert_eq!(refused.status, 200);
    assert!(refused.head.contains("fn-http-status: 400"), "{}", refused.head);
    let late = post(connect(Step::Submit), "/submit", &[], &event);
    assert_eq!((late.status, &late.body["errorType"]), (502, &json!("NoSuchFunction")));
    assert!(simulator.jobs().is_empty());

    let published = orchestrate(&event_of_pod(), &|step, event| {
        let headers = ["Fn-Call-Id: 01", "Fn-Deadline: 2999-01-01T00:00:00Z"];
        let answer = post(connect(step), "/call", &headers, event.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}: {}", step.name(), answer.body);
        answer.body
    });
    assert_eq!(published["already_published"], false);
    assert_eq!(simulator.jobs().len(), 1);
    simulator.shutdown().await;
}

/// What would leave the functions to anybody, or to nobody, is an error before anything is served.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_named() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let file = machine.file("no-socket", "a user's own");
    let at_a_file = format!("unix:{}", file.display());
    for (words, variables, named) in [
        (&["--listen", "0.0.0.0:0"][..], &[][..], "LANDFALL_SERVE_SECRET"),
        (&["--listen", "192.0.2.1:80"], &[("LANDFALL_SERVE_SECRET", "s")], "choose another address"),
        (&[], &[("FN_LISTENER", "unix:/tmp/f")], "LANDFALL_FUNCTION is not set"),
        (&[], &[("FN_LISTENER", "unix:/tmp/f"), ("LANDFALL_FUNCTION", "land")], "there is no such function"),
        (&["--function", "submit"], &[("FN_LISTENER", "tcp:80")], r#"FN_LISTENER is \"tcp:80\""#),
        (&["--function", "submit"], &[("FN_LISTENER", &at_a_file)], "what is there is no socket"),
    ] {
        let done = server(&machine, &config, words).envs(variables.iter().copied()).output().unwrap();
        let said =
            String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(named), "{said}");
        // What logs is JSON to the last line.
        for line in String::from_utf8_lossy(&done.stderr).lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()),
                "{line}"
            );
        }
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a user's own");
    simulator.shutdown().await;
}
