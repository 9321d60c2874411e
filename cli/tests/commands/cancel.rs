//! `landfall cancel`: what it asks the source, and what it says where it asks nothing.

use serde_json::{Value, json};

use crate::machine::{Done, Machine, text};

async fn simulated(machine: &Machine, words: &[&str]) -> Done {
    machine.landfall(&[words, &["--simulate", "--json"]].concat()).await
}

fn sample(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn submitted(machine: &Machine, event: &Value) -> String {
    let file = machine.file("event.json", event.to_string());
    let line = simulated(machine, &["invoke", "submit", text(&file)]).await.line();
    line["job_request_id"].as_str().unwrap().to_owned()
}

/// A job is named by its id or by its run; the call is told before it is made, and what becomes of the job is what its
/// source says.
#[tokio::test]
async fn a_job_is_cancelled_by_its_id_or_by_its_run() {
    let machine = Machine::new();
    let event = sample("run-fhir-bulk.json");
    let id = submitted(&machine, &event).await;
    let job =
        machine.file("job.json", json!({ "connection": "fhir-demo", "job_request_id": id }).to_string());
    let poll = async || simulated(&machine, &["invoke", "poll-status", text(&job)]).await;

    let dry = simulated(&machine, &["cancel", "fhir-demo", &id, "--dry-run"]).await.line();
    let call = dry["would_call"].as_str().unwrap();
    assert!(call.starts_with("DELETE http://127.0.0.1:") && call.ends_with(&format!("/{id}")), "{call}");
    assert_eq!(poll().await.line()["state"], "running");

    let run_key = event["run_key"].as_str().unwrap();
    let done = simulated(&machine, &["cancel", "fhir-demo", "--run", run_key, "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.out);
    assert_eq!((&done.line()["called"], &done.line()["job_request_id"]), (&dry["would_call"], &json!(id)));
    // The server may not know a new export yet: it is asked on for a while.
    assert_eq!(poll().await.line()["native_status"], "NOT_FOUND");
    for words in [
        &["cancel", "fhir-demo", &id, "--yes"][..],
        &["cancel", "fhir-demo", "7999", "--yes"],
        &["cancel", "fhir-demo", "--run", "no-such-run", "--yes"],
    ] {
        assert_eq!(simulated(&machine, words).await.error(), (1, "NotFound".to_owned()), "{words:?}");
    }
}

/// Where a system has no call for it, that is said, and where to do it; and a job that has ended is left alone, as its
/// files may be discarded.
#[tokio::test]
async fn what_cannot_be_cancelled_is_left_alone() {
    let machine = Machine::new();
    let id = submitted(&machine, &sample("run-fusion-extract.json")).await;
    let done = simulated(&machine, &["cancel", "fusion-demo", &id, "--yes"]).await;
    assert_eq!(done.error(), (2, "InvalidEvent".to_owned()), "{}", done.out);
    assert!(done.out.contains("in the source's own user interface"), "{}", done.out);

    let event = machine.file("event.json", sample("run-fhir-bulk.json").to_string());
    let landed = simulated(&machine, &["run", text(&event)]).await.line();
    let id = landed["job_request_id"].as_str().unwrap();
    let done = simulated(&machine, &["cancel", "fhir-demo", id, "--yes"]).await;
    assert_eq!(done.error(), (1, "Rejected".to_owned()), "{}", done.out);
    assert!(done.out.contains("has ended"), "{}", done.out);
    // That the source was told of the landing is seen.
    let status = machine.landfall(&["status", "fhir-demo", id]).await;
    assert!(
        status.out.contains("that the job has landed") && !status.out.contains("not told"),
        "{}",
        status.out
    );
}
