//! A job's course.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, FILES, JOBS, export, incremental};

async fn poll(client: &Client, id: u64) -> Value {
    client.json(&format!("{JOBS}/{id}")).await
}

async fn statuses(client: &Client, id: u64, polls: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..polls {
        seen.push(poll(client, id).await["jobDetails"]["jobStatus"].as_str().unwrap().to_owned());
    }
    seen
}

/// Oracle: "Check job status using Oracle Managed Storage": four bodies, the first one whole.
#[tokio::test]
async fn a_job_goes_as_documented() {
    let client = Client::with_faults(json!({})).await;
    let id = client.submit(&export("run-1")).await;
    let first = poll(&client, id).await;
    assert_eq!(first["jobDetails"]["jobRequestId"], json!(id));
    assert_eq!(first["jobDetails"]["jobRequest"]["jobRetryNumber"], 0);
    assert_eq!(first["jobDetails"]["jobRequest"]["timeoutThreshold"], 36_000);
    let mut told = vec![first];
    for _ in 0..3 {
        told.push(poll(&client, id).await);
    }
    let told: Vec<Value> = told
        .iter()
        .map(|body| {
            let details = &body["jobDetails"];
            let progress = &details["jobProgress"];
            assert!(progress["endTime"].is_string(), "endTime is filled even while the job is enqueued");
            assert_eq!(details["jobStatus"], progress["status"]);
            json!([
                details["jobStatus"],
                progress["message"],
                progress["completedPercentage"],
                progress["completed"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["ENQUEUED", "Job Request has been enqueued", "0", false]),
            json!(["IN_PROGRESS", "Job Request is in progress", "0", false]),
            json!(["RUNNING", "Job status is changed to RUNNING", "50", false]),
            json!(["SUCCEEDED", "Job status is changed to SUCCEEDED", "100", true]),
        ]
    );
    assert!(poll(&client, id).await["jobDetails"].get("jobRequest").is_none(), "later bodies are abridged");
}

#[tokio::test]
async fn each_status_can_last_and_be_another_one() {
    let client = Client::with_faults(
        json!({ "status": { "polls_per_status": 2, "progression": ["SUBMITTED", "WAIT"] } }),
    )
    .await;
    let id = client.submit(&export("run-1")).await;
    assert_eq!(statuses(&client, id, 5).await, ["SUBMITTED", "SUBMITTED", "WAIT", "WAIT", "SUCCEEDED"]);
}

#[tokio::test]
async fn a_job_can_end_in_every_way() {
    for status in ["FAILED", "ERROR", "CANCELLED", "CANCELED", "PAUSED", "HALF_DONE"] {
        let client = Client::with_faults(
            json!({ "status": { "final_status": status, "final_message": "ORA-00942" } }),
        )
        .await;
        let id = client.submit(&export("run-1")).await;
        assert_eq!(statuses(&client, id, 4).await[3], status);
        let body = poll(&client, id).await;
        assert_eq!(body["jobDetails"]["jobProgress"]["message"], "ORA-00942");
        assert!(client.output_files(id).await.is_empty(), "{status}");
        assert!(client.simulator.expected_files(id).await.is_err(), "{status}");
    }
    let client = Client::with_faults(json!({ "status": { "final_status": "WARNING" } })).await;
    let id = client.run().await;
    assert_eq!(client.output_files(id).await.len(), 6);
}

#[tokio::test]
async fn an_ended_job_stays_as_it_ended() {
    let client = Client::with_faults(json!({ "status": { "final_status": "FAILED" } })).await;
    let id = client.submit(&export("run-1")).await;
    statuses(&client, id, 4).await;
    client.simulator.set_faults(simulator::Faults::default()).unwrap();
    assert_eq!(statuses(&client, id, 1).await, ["FAILED"]);
}

#[tokio::test]
async fn a_job_may_never_end() {
    let client = Client::with_faults(json!({ "status": { "never_ends": true } })).await;
    let id = client.submit(&export("run-1")).await;
    assert_eq!(statuses(&client, id, 10).await[9], "RUNNING");
}

/// Success is defined as both: `completed` and `SUCCEEDED`.
#[tokio::test]
async fn success_can_be_told_before_completion() {
    let client = Client::with_faults(json!({ "status": { "completed_lags": 2 } })).await;
    let id = client.submit(&export("run-1")).await;
    statuses(&client, id, 3).await;
    let mut completed = Vec::new();
    for _ in 0..3 {
        let body = poll(&client, id).await;
        assert_eq!(body["jobDetails"]["jobStatus"], "SUCCEEDED");
        completed.push(body["jobDetails"]["jobProgress"]["completed"].as_bool().unwrap());
    }
    assert_eq!(completed, [false, false, true]);
}

#[tokio::test]
async fn the_service_can_retry_a_job_by_itself() {
    let client = Client::with_faults(json!({ "status": { "service_retry": true } })).await;
    let id = client.submit(&export("run-1")).await;
    assert_eq!(statuses(&client, id, 3).await, ["ENQUEUED", "IN_PROGRESS", "RUNNING"]);
    let again = poll(&client, id).await;
    assert_eq!(again["jobDetails"]["jobStatus"], "ENQUEUED");
    assert_eq!(again["jobDetails"]["jobRequest"]["jobRetryNumber"], 1);
    assert_eq!(statuses(&client, id, 3).await, ["IN_PROGRESS", "RUNNING", "SUCCEEDED"]);
}

#[tokio::test]
async fn an_answer_can_have_every_shape_that_was_seen() {
    let at = [
        ("flat", "/jobStatus"),
        ("array", "/jobDetails/0/jobStatus"),
        ("progress_only", "/jobProgress/status"),
        ("status_only", "/jobDetails/jobStatus"),
    ];
    for (shape, pointer) in at {
        let client = Client::with_faults(json!({ "status": { "shape": shape } })).await;
        let id = client.submit(&export("run-1")).await;
        let body = poll(&client, id).await;
        assert_eq!(body.pointer(pointer), Some(&json!("ENQUEUED")), "{shape}: {body}");
    }
    let client = Client::with_faults(json!({ "status": { "shape": "nothing" } })).await;
    let id = client.submit(&export("run-1")).await;
    assert!(!poll(&client, id).await.to_string().contains("ENQUEUED"));
}

#[tokio::test]
async fn the_status_is_a_resource_of_its_own_too() {
    let client = Client::with_faults(json!({})).await;
    let id = client.submit(&export("run-1")).await;
    let body = client.json(&format!("{JOBS}/{id}/jobStatus")).await;
    assert_eq!(body, json!({ "id": id, "status": "ENQUEUED", "related_output_files": [] }));
    assert_eq!(statuses(&client, id, 1).await, ["IN_PROGRESS"], "it counts as a poll");
}

#[tokio::test]
async fn an_unknown_job_is_not_found() {
    let client = Client::with_faults(json!({ "status": { "not_found": 1 } })).await;
    for id in ["1", "x", "99999999999999999999999"] {
        assert_eq!(client.get(&format!("{JOBS}/{id}")).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(client.get(&format!("{FILES}/{id}/outputFiles")).await.status(), StatusCode::NOT_FOUND);
    }
    let id = client.submit(&export("run-1")).await;
    assert_eq!(client.get(&format!("{JOBS}/{id}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(client.get(&format!("{JOBS}/{id}")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn polls_meet_outages() {
    let client =
        Client::with_faults(json!({ "status": { "outage": { "unavailable": 1, "login_page": 1 } } })).await;
    let id = client.submit(&export("run-1")).await;
    let path = format!("{JOBS}/{id}");
    assert_eq!(client.get(&path).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get(&path).await.headers()["content-type"], "text/html;charset=UTF-8");
    assert_eq!(statuses(&client, id, 1).await, ["ENQUEUED"], "an outage is no poll");
}

/// Why promise 1 exists: the second of two incremental jobs holds another delta than the first.
#[tokio::test]
async fn incremental_jobs_yield_one_delta_each() {
    let client = Client::with_faults(json!({})).await;
    let first = client.submit(&incremental("run-1")).await;
    let second = client.submit(&incremental("run-2")).await;
    client.finish(second).await;
    client.finish(first).await;
    let window = async |id: u64| {
        let files = client.simulator.expected_files(id).await.unwrap();
        let simulator::Landing::Members(members) = files[5].landing.clone() else { panic!("no archive") };
        let mut text = String::new();
        std::io::Read::read_to_string(&mut members.last().unwrap().reader(), &mut text).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["windowEnd"].as_str().unwrap().to_owned()
    };
    assert!(window(second).await < window(first).await, "the window moves in the order of success");
}

/// An operator starts a failed job again, under its id.
#[tokio::test]
async fn a_failed_job_can_be_started_again() {
    let client = Client::with_faults(json!({ "status": { "fails_first": true } })).await;
    let id = client.submit(&export("run-1")).await;
    assert_eq!(statuses(&client, id, 5).await[3..], ["FAILED", "FAILED"]);
    client.simulator.start_again(id).unwrap();
    assert_eq!(statuses(&client, id, 4).await, ["ENQUEUED", "IN_PROGRESS", "RUNNING", "SUCCEEDED"]);
    assert_eq!(client.simulator.jobs().len(), 1);
}

/// Whoever measures says when a job has ended, whatever the switches say, and it then has its output.
#[tokio::test]
async fn a_job_can_be_ended_from_outside() {
    let client = Client::with_faults(json!({ "status": { "never_ends": true } })).await;
    let id = client.submit(&export("run-1")).await;
    assert_eq!(statuses(&client, id, 4).await[3], "RUNNING");
    client.simulator.end_job(id).await.unwrap();
    assert_eq!(client.simulator.expected_files(id).await.unwrap().len(), 6);
    assert_eq!(statuses(&client, id, 1).await, ["SUCCEEDED"]);
}
