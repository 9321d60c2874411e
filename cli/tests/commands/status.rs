//! What `landfall status` tells, and that it only looks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use landfall::job::RunKey;
use landfall::state::RunRecord;
use serde_json::{Value, json};

use crate::machine::{Machine, pod, run_event, text, zip};

/// Everything below the data folder but the folders that an open store has for itself alone.
fn everything(machine: &Machine) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let sessions = machine.path("data/.store/sessions");
    let files = machine.files("data").into_iter().filter(|(path, _)| !path.starts_with(&sessions));
    files.map(|(path, modified)| (path.clone(), (modified, std::fs::read(path).unwrap()))).collect()
}

/// Asks for everything, for a connection and for a job, in words and as JSON; returns the job's line.
///
/// Promise 2, and that of the command itself: whoever looks changes nothing, neither bytes nor times.
async fn looked_at(machine: &Machine, config: &str, id: &str) -> Value {
    let before = everything(machine);
    let json = async |words: &[&str]| {
        let words = [&["status"], words, &["--config", config, "--json"]].concat();
        let done = machine.landfall(&words).await;
        assert_eq!(done.code, 0, "{}", done.out);
        done.line()
    };
    let (all, connection, job) = (json(&[]).await, json(&["pod"]).await, json(&["pod", id]).await);
    assert_eq!(all, connection);
    for (field, value) in all.as_object().unwrap() {
        assert_eq!(job[field], *value, "{field}");
    }
    let table = machine.landfall(&["status", "--config", config]).await.out;
    let details = machine.landfall(&["status", "pod", id, "--config", config]).await.out;
    let state = job["state"].as_str().unwrap();
    assert!(table.starts_with("pod\n") && table.contains(&format!("  {id}  {state} ")), "{table}");
    assert!(details.starts_with(&format!("job {id} on pod: {state}\n")), "{details}");
    assert!(everything(machine) == before, "looking at a {state} job has changed something");
    job
}

/// Every step of a job is seen, with what comes next; nobody is asked, and nothing is changed.
#[tokio::test]
async fn a_job_is_seen_at_every_step() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let config = text(&config);
    let event = machine.file("event.json", run_event("pod"));
    let invoke = async |function: &str, event: &str| {
        let done = machine.landfall(&["invoke", function, event, "--config", config, "--json"]).await;
        assert_eq!(done.code, 0, "{}", done.out);
        done.line()
    };
    let submitted = invoke("submit", text(&event)).await;
    let id = submitted["job_request_id"].as_str().unwrap();
    let look = async || {
        let asked = simulator.journal().requests().len();
        let job = looked_at(&machine, config, id).await;
        assert_eq!(simulator.journal().requests().len(), asked, "the source was asked");
        job
    };
    let resume = format!("landfall resume pod {id} --data {} --config {config}", text(&machine.path("data")));
    let next = |job: &Value, step: &str, what: &str| {
        assert_eq!(job["next"], json!({ "step": step, "what": what, "command": resume }));
    };

    let job = look().await;
    assert_eq!((&job["state"], &job["run_key"]), (&json!("submitted"), &json!("carriers-2026-11-21T06")));
    assert_eq!(job["export"], json!({ "kind": "fusion_extract", "name": "SimpleCarriers" }));
    assert_eq!((&job["manifest"]["is_there"], &job["destination"]), (&json!(false), &json!("lake")));
    next(&job, "poll-status", "ask the source whether it has ended");

    let named = json!({ "connection": "pod", "job_request_id": id });
    let job_event = machine.file("job.json", named.to_string());
    while invoke("poll-status", text(&job_event)).await["state"] == "running" {}
    let job = look().await;
    assert_eq!((&job["state"], &job["outcome"]["native_status"]), (&json!("ended"), &json!("SUCCEEDED")));
    next(&job, "fetch-files", "list its output files");

    let fetched = invoke("fetch-files", text(&job_event)).await;
    let files = fetched["files"].as_array().unwrap();
    let bytes: u64 = files.iter().map(|file| file["size"].as_u64().unwrap()).sum();
    let count = files.len();
    assert!(count > 1);
    let job = look().await;
    assert_eq!(
        (&job["state"], &job["fetched"], &job["files"]),
        (&json!("fetched"), &json!(count), &json!(count))
    );
    assert_eq!((&job["fetched_bytes"], &job["listed_bytes"]), (&json!(bytes), &json!(bytes)));
    next(&job, "unpack-upload", &format!("unpack file 1 of {count}"));

    // As if the second file's record had not been written: the process was killed before.
    let record = machine.path(&format!("data/work/jobs/pod/{id}/staged/1.json"));
    let aside = machine.path("aside.json");
    std::fs::rename(&record, &aside).unwrap();
    let job = look().await;
    assert_eq!((&job["state"], &job["fetched"]), (&json!("fetching"), &json!(count - 1)));
    next(&job, "fetch-files", &format!("fetch file 2 of {count}"));
    std::fs::rename(&aside, &record).unwrap();

    let mut totals = json!(null);
    for ordinal in 0..count {
        let file = json!({ "connection": "pod", "job_request_id": id, "ordinal": ordinal });
        totals = invoke("unpack-upload", text(&machine.file("file.json", file.to_string()))).await;
        let job = look().await;
        let is_last = ordinal + 1 == count;
        assert_eq!(job["state"], if is_last { "unpacked" } else { "unpacking" });
        assert_eq!(job["unpacked"], ordinal + 1);
        match is_last {
            true => next(&job, "publish", "publish the manifest"),
            false => next(&job, "unpack-upload", &format!("unpack file {} of {count}", ordinal + 2)),
        }
    }
    assert!(totals["rows"].as_u64().unwrap() > 0);

    // A function alone leaves what is staged; a command that comes to the landed job deletes it.
    let published = invoke("publish", text(&job_event)).await;
    let job = look().await;
    assert_eq!((&job["state"], &job["landed"]), (&json!("landed"), &published["totals"]));
    assert_eq!(job["manifest"]["key"], published["manifest_key"]);
    assert!(PathBuf::from(job["manifest"]["path"].as_str().unwrap()).is_file());
    assert_eq!(job["next"]["step"], "tidy");
    assert_eq!(machine.landfall(&["resume", "pod", id, "--config", config]).await.code, 0);
    let job = look().await;
    assert_eq!((&job["state"], job.get("next")), (&json!("landed"), None));
    assert_eq!((&job["fetched_bytes"], &job["unfinished_uploads"]), (&json!(bytes), &json!(0)));
    simulator.shutdown().await;
}

/// A run that has no job is shown with how old its claim is: somebody died over it, gave it up, or its job is forgotten.
#[tokio::test]
async fn runs_without_a_job_are_shown() {
    let machine = Machine::new();
    assert_eq!(
        machine.landfall(&["unpack", text(&machine.file("a.zip", zip(&[("a.csv", b"H\n1\n")])))]).await.code,
        0
    );
    std::fs::create_dir_all(machine.path("data/work/runs/pod")).unwrap();
    let hours_ago = |hours: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    for (run_key, hours, released, job) in [
        ("a-claimed", 5, false, None),
        ("b-released", 6, true, None),
        ("c-expired", 7, false, Some("44046")),
        ("d-unsettled", 8, false, None),
    ] {
        let record = RunRecord {
            export: serde_json::from_value(
                json!({ "kind": "fusion_extract", "extract": "E", "mode": "full" }),
            )
            .unwrap(),
            destination: "lake".parse().unwrap(),
            claimed_by: "somebody".to_owned(),
            claimed_at: hours_ago(hours),
            released,
            called: false,
            unsettled: (run_key == "d-unsettled").then(|| "the connection broke".to_owned()),
            parent: None,
            window: None,
            job_request_id: job.map(|job| job.parse().unwrap()),
            named_by_operator: false,
            landing_prefix: None,
        };
        let run_key: RunKey = run_key.parse().unwrap();
        machine.file(&format!("data/work/runs/pod/{run_key}.json"), serde_json::to_vec(&record).unwrap());
    }

    let lines = machine.landfall(&["status", "--json"]).await.lines();
    let shown: Vec<_> =
        lines.iter().map(|line| (line["connection"].as_str(), line["state"].as_str())).collect();
    let expected = [
        ("local", "landed"),
        ("pod", "claimed"),
        ("pod", "released"),
        ("pod", "expired"),
        ("pod", "needs_person"),
    ];
    assert_eq!(shown, expected.map(|(connection, state)| (Some(connection), Some(state))));
    let run = format!("landfall run EVENT --data {}", text(&machine.path("data")));
    assert_eq!(lines[1]["next"]["command"], run);
    assert_eq!((&lines[1]["next"]["step"], &lines[2]["next"]["step"]), (&json!("submit"), &json!("submit")));
    assert!(lines[4]["next"]["what"].as_str().unwrap().contains("the connection broke"), "{}", lines[4]);
    assert!(
        lines[4]["next"]["command"].as_str().unwrap().ends_with(" --job ID, or --no-job"),
        "{}",
        lines[4]
    );
    assert_eq!((&lines[3]["job_request_id"], lines[3].get("next")), (&json!("44046"), None));

    let table = machine.landfall(&["status", "pod"]).await.out;
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[2], ["-", "claimed", "-", "5h", "a-claimed"]);
    assert_eq!(rows[4], ["44046", "expired", "-", "7h", "c-expired"]);
}

/// Where there is nothing, that is what is said, and still nothing is there.
#[tokio::test]
async fn where_nothing_is_nothing_is_made() {
    let machine = Machine::new();
    for words in [&["status"][..], &["status", "pod"]] {
        let done = machine.landfall(words).await;
        assert!(done.code == 0 && done.out.starts_with("nothing has run with --data "), "{}", done.out);
        let json = machine.landfall(&[words, &["--json"]].concat()).await;
        assert_eq!((json.code, json.out.as_str()), (0, ""));
    }
    let unknown = ["status", "pod", "44046", "--json"];
    assert_eq!(machine.landfall(&unknown).await.error(), (1, "NotFound".to_owned()));
    assert!(!machine.path("data").exists());

    // Nor is a bucket made beside one that is there.
    std::fs::create_dir_all(machine.path("data/work")).unwrap();
    let done = machine.landfall(&["status"]).await;
    assert_eq!((done.code, done.out.as_str()), (0, "no runs or jobs\n"));
    let done = machine.landfall(&["status", "pod"]).await;
    assert_eq!((done.code, done.out.as_str()), (0, "no runs or jobs of connection pod\n"));
    assert_eq!(machine.landfall(&unknown).await.error(), (1, "NotFound".to_owned()));
    assert!(!machine.path("data/landing").exists());
    assert_eq!(std::fs::read_dir(machine.path("data/work")).unwrap().count(), 0);
}
