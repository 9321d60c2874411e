//! Programs that serve the functions, and whoever calls them over a connection.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::Child;

use landfall::step::Step;
use serde_json::{Value, json};

/// A program that serves, until it is dropped.
#[derive(Debug)]
pub struct Served(pub Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: Value,
}

/// Posts over a connection and reads the answer.
pub fn post(mut stream: impl Read + Write, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n")
        .expect("a connection that holds");
    stream.write_all(body).expect("a connection that holds");
    answer(stream)
}

/// Reads an answer.
pub fn answer(stream: impl Read) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(
            reader.read_line(&mut head).expect("a connection that holds") > 0,
            "the answer is cut: {head}"
        );
    }
    let head = head.to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a connection that holds");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: serde_json::from_slice(&body).expect("JSON") }
}

/// Runs an event's job by calling one function after the other.
pub fn orchestrate(event: &Value, call: &dyn Fn(Step, &Value) -> Value) -> Value {
    let submitted = call(Step::Submit, event);
    let connection = &event["connection"];
    let job = json!({ "connection": connection, "job_request_id": submitted["job_request_id"] });
    while call(Step::PollStatus, &job)["state"] == "running" {}
    let mut fetched = call(Step::FetchFiles, &job);
    while fetched["complete"] == false {
        fetched = call(Step::FetchFiles, &job);
    }
    for file in fetched["files"].as_array().expect("files") {
        let mut event = job.clone();
        event["ordinal"] = file["ordinal"].clone();
        while call(Step::UnpackUpload, &event)["complete"] == false {}
    }
    call(Step::Publish, &job)
}
