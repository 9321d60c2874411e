//! `landfall run --dry-run`: what it says would be done is what is done then, and by itself it does nothing.

use serde_json::{Value, json};

use crate::machine::{Machine, pod, run_event, text};

/// The samples of runs, by their names.
fn samples() -> Vec<(String, Value)> {
    let events = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(events).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let event: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        if name.starts_with("run-") && event["export"].is_object() {
            found.push((name, event));
        }
    }
    assert!(found.len() > 10);
    found
}

/// What was planned: the last line.
fn plan(lines: &[Value]) -> &Value {
    let plan = lines.last().unwrap();
    assert!(plan["would"].is_string(), "{lines:#?}");
    plan
}

/// Whatever the system, a run can be looked at before it is done: it is told that a job would be submitted, by which calls,
/// and where it would land; and not even a folder is made.
#[tokio::test]
async fn every_sample_can_be_looked_at_before_it_is_run() {
    for (name, event) in samples() {
        // It looks at what is delivered already.
        if name == "run-delivery.json" {
            continue;
        }
        let is_http = name != "run-inbox.json";
        let machine = Machine::new();
        let file = machine.file("event.json", event.to_string());
        let done = machine.landfall(&["run", text(&file), "--simulate", "--dry-run", "--json"]).await;
        assert_eq!(done.code, 0, "{name}: {}", done.out);
        let lines = done.lines();
        let plan = plan(&lines);
        assert_eq!(plan["would"], if is_http { "submit" } else { "submit_again" }, "{name}: {plan}");
        assert_eq!(!plan["calls"].as_array().unwrap().is_empty(), is_http, "{name}: {plan}");
        let prefix = plan["prefix"].as_str().unwrap();
        assert!(prefix.ends_with("/JOB_REQUEST_ID/"), "{name}: {prefix}");
        assert!(!machine.path("data").exists(), "{name}");
    }
}

/// A run is planned by how far it is, and looking changes nothing of it: neither here nor at the source.
#[tokio::test]
async fn what_is_planned_follows_from_how_far_the_run_is() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let event = machine.file("event.json", run_event("pod"));
    let dry = async || {
        let before = (machine.files("."), simulator.jobs().len());
        let words = ["run", text(&event), "--config", text(&config), "--dry-run", "--json"];
        let done = machine.landfall(&words).await;
        assert_eq!(done.code, 0, "{}", done.out);
        assert_eq!((machine.files("."), simulator.jobs().len()), before);
        plan(&done.lines()).clone()
    };

    let planned = dry().await;
    assert_eq!((&planned["would"], &planned["job_request_id"]), (&json!("submit"), &Value::Null));

    let words = ["invoke", "submit", text(&event), "--config", text(&config), "--json"];
    let submitted = machine.landfall(&words).await.line();
    let planned = dry().await;
    assert_eq!(planned["would"], "resume");
    assert_eq!(planned["job_request_id"], submitted["job_request_id"]);
    let calls = planned["calls"].as_array().unwrap();
    let what: Vec<&Value> = calls.iter().map(|call| &call["what"]).collect();
    assert_eq!(what, ["poll"], "what is submitted is not submitted again");

    let landed = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await.line();
    let planned = dry().await;
    assert_eq!(planned["would"], "nothing");
    assert_eq!(planned["calls"], json!([]));
    let prefix = planned["prefix"].as_str().unwrap();
    assert_eq!(format!("{prefix}_manifest.json"), landed["manifest_key"]);

    // Another export under this run key is refused as the run itself would be.
    let mut other: Value = serde_json::from_slice(&run_event("pod")).unwrap();
    other["export"]["extract"] = "Another".into();
    let other = machine.file("other.json", other.to_string());
    let words = ["run", text(&other), "--config", text(&config), "--dry-run", "--json"];
    let done = machine.landfall(&words).await;
    assert_eq!(done.code, 1);
    assert_eq!(done.lines().last().unwrap()["error"]["type"], "Conflict", "{}", done.out);
}

/// The call that is told is the call that is made: what was submitted is what was planned.
#[tokio::test]
async fn what_is_told_is_what_is_submitted() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    // The first run makes the mark that all jobs of this installation bear.
    let first = machine.file("first.json", run_event("pod"));
    machine.landfall(&["invoke", "submit", text(&first), "--config", text(&config)]).await;
    let mut event: Value = serde_json::from_slice(&run_event("pod")).unwrap();
    event["run_key"] = "second".into();
    let event = machine.file("event.json", event.to_string());
    let words = ["run", text(&event), "--config", text(&config), "--dry-run", "--json"];
    let planned = plan(&machine.landfall(&words).await.lines()).clone();
    let call = &planned["calls"][0];
    assert_eq!(call["what"], "submit the job");
    machine.landfall(&["invoke", "submit", text(&event), "--config", text(&config)]).await;
    let body: Value = serde_json::from_str(call["body"].as_str().unwrap()).unwrap();
    let submitted = simulator.jobs().last().cloned().unwrap();
    assert_eq!(submitted.description.as_deref(), body["description"].as_str());
}

/// What would end the run is told, with all else that is wrong, and nothing is planned; a secret is not shown.
#[tokio::test]
async fn what_would_end_the_run_is_told_before_it_is_begun() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let text_of = std::fs::read_to_string(&config).unwrap();
    let wrong = text_of.replace(simulator::credentials::CLIENT_SECRET, "not-the-secret");
    let wrong = machine.file("wrong.toml", wrong + "[destinations.elsewhere]\ntype = 's3'\nbucket = 'b'\n");
    let event = machine.file("event.json", run_event("pod"));
    let words = ["run", text(&event), "--config", text(&wrong), "--dry-run", "--json"];
    let done = machine.landfall(&words).await;
    let lines = done.lines();
    let failed: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "failed").collect();
    let named: Vec<_> = failed.iter().map(|line| line["error"]["type"].as_str().unwrap()).collect();
    assert!(named.contains(&"AuthRejected") && named.contains(&"InvalidConfig"), "{}", done.out);
    assert!(lines.iter().all(|line| line["would"].is_null()), "{}", done.out);
    assert_eq!(done.code, 2);
    assert!(!done.out.contains("not-the-secret"), "{}", done.out);
    assert!(simulator.jobs().is_empty());
}

/// A login that would spend a refresh token is not tried, and that is said.
#[tokio::test]
async fn no_refresh_token_is_spent() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let before = simulator.journal().requests().len();
    let given = std::fs::read_to_string(&config).unwrap();
    let spending =
        given.replace("client_credentials", "refresh_token").replace("client_secret", "refresh_token");
    let config = machine.file("spending.toml", spending);
    let event = machine.file("event.json", run_event("pod"));
    let words = ["run", text(&event), "--config", text(&config), "--dry-run", "--json"];
    let done = machine.landfall(&words).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let login = done.lines().into_iter().find(|line| line["what"] == "login").unwrap();
    assert_eq!(login["outcome"], "doubtful");
    assert_eq!(plan(&done.lines())["would"], "submit");
    assert_eq!(simulator.journal().requests().len(), before, "the source was asked");
}
