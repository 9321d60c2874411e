//! Finding a job again.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{PlantedJob, Scenario, Simulator};

use crate::client::{Client, FILES, JOBS, export, small};

async fn items(client: &Client) -> Vec<Value> {
    client.json(&format!("{JOBS}/")).await["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<u64> {
    items.iter().map(|item| item["jobRequestId"].as_u64().unwrap()).collect()
}

/// Public client code reads items without `jobDetails`, and both marks of a run.
#[tokio::test]
async fn a_job_is_found_by_its_description_and_its_uuid() {
    let client = Client::with_faults(json!({})).await;
    let mut request = export("carriers-T06");
    request["clientRequestUuid"] = json!("carriers-T06");
    let id = client.submit(&request).await;
    let items = items(&client).await;
    let matching: Vec<&Value> =
        items.iter().filter(|item| item["jobRequest"]["description"] == request["description"]).collect();
    assert_eq!(matching.len(), 1);
    assert_eq!(matching[0]["jobRequestId"], json!(id));
    assert_eq!(matching[0]["jobStatus"], "ENQUEUED");
    let by_uuid =
        items.iter().filter(|item| item["jobRequest"]["clientRequestUuid"] == "carriers-T06").count();
    assert_eq!(by_uuid, 1);
}

/// Promise 1: look-alikes must not match.
#[tokio::test]
async fn older_jobs_resemble_it() {
    let client = Client::with_faults(json!({})).await;
    let id = client.submit(&export("carriers-T06")).await;
    let items = items(&client).await;
    let descriptions: BTreeSet<&str> =
        items.iter().filter_map(|item| item["jobRequest"]["description"].as_str()).collect();
    for alike in
        ["carriers-T06-2", "re-carriers-T06", "carriers-T060", "carriers-T0", "CARRIERS-T06", "carriers-t06"]
    {
        let description = format!("{alike}::SimpleCarriers::Full::Immediate");
        assert!(descriptions.contains(description.as_str()), "{description} is not among {descriptions:?}");
    }
    let older: Vec<u64> = ids(&items).into_iter().filter(|other| *other != id).collect();
    assert!(older.iter().all(|other| *other < id));
    assert_eq!(older.iter().collect::<BTreeSet<_>>().len(), older.len());
    // They are jobs like others: finished, though without output.
    let path = format!("{JOBS}/{}", older[0]);
    assert_eq!(client.json(&path).await["jobDetails"]["jobStatus"], "SUCCEEDED");
    assert_eq!(client.json(&format!("{FILES}/{}/outputFiles", older[0])).await["totalItems"], 0);
    assert_eq!(client.simulator.jobs().len(), 1);
}

#[tokio::test]
async fn a_quiet_pod_lists_what_was_submitted_alone() {
    let client = Client::with_faults(json!({ "listing": { "look_alikes": false } })).await;
    let first = client.submit(&export("run-1")).await;
    let second = client.submit(&export("run-2")).await;
    assert_eq!(ids(&items(&client).await), [first, second]);
    client
        .simulator
        .set_faults(crate::client::faults(
            json!({ "listing": { "look_alikes": false, "newest_first": true } }),
        ))
        .unwrap();
    assert_eq!(ids(&items(&client).await), [second, first]);
}

#[tokio::test]
async fn the_list_can_lag_behind() {
    let client = Client::with_faults(json!({ "listing": { "lag_calls": 2, "look_alikes": false } })).await;
    let first = client.submit(&export("run-1")).await;
    assert!(items(&client).await.is_empty());
    let second = client.submit(&export("run-2")).await;
    assert!(items(&client).await.is_empty());
    assert_eq!(ids(&items(&client).await), [first]);
    assert_eq!(ids(&items(&client).await), [first, second]);
}

#[tokio::test]
async fn the_server_can_page_by_itself() {
    let client = Client::with_faults(json!({ "listing": { "page_size": 2, "look_alikes": false } })).await;
    let mut submitted = Vec::new();
    for run in 0..5 {
        submitted.push(client.submit(&export(&format!("run-{run}"))).await);
    }
    let mut seen = Vec::new();
    for (offset, more) in [("$offset=0", true), ("offset=2&limit=50", true), ("$offset=4", false)] {
        let body = client.json(&format!("{JOBS}?{offset}")).await;
        assert_eq!(body["hasMore"], json!(more));
        seen.extend(ids(body["items"].as_array().unwrap()));
    }
    assert_eq!(seen, submitted);
}

#[tokio::test]
async fn items_can_be_wrapped_and_uuids_forgotten() {
    let client = Client::with_faults(json!({ "listing": {
        "wrapped": true, "look_alikes": false, "forgets_client_request_uuid": true,
    } }))
    .await;
    let mut request = export("run-1");
    request["clientRequestUuid"] = json!("run-1");
    let id = client.submit(&request).await;
    let item = &items(&client).await[0]["jobDetails"];
    assert_eq!(item["jobRequestId"], json!(id));
    assert!(item["jobRequest"].get("clientRequestUuid").is_none());
}

#[tokio::test]
async fn jobs_can_be_planted() {
    let planted = PlantedJob {
        description: "run-1".to_owned(),
        extract: "Other".to_owned(),
        client_request_uuid: Some("u".to_owned()),
        ..PlantedJob::default()
    };
    let scenario = Scenario { planted_jobs: vec![planted], ..small() };
    let client = Client::of(Simulator::builder().scenario(scenario)).await;
    let items = items(&client).await;
    assert_eq!(items[0]["jobRequest"]["description"], "run-1");
    assert_eq!(items[0]["jobRequest"]["requestParameters"]["submit.argument1"], "Other");
    assert_eq!(items[0]["jobRequest"]["clientRequestUuid"], "u");
    assert!(client.simulator.jobs().is_empty());
}

#[tokio::test]
async fn the_list_meets_outages() {
    let client = Client::with_faults(json!({ "listing": { "outage": { "unavailable": 1 } } })).await;
    assert_eq!(client.get(JOBS).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get(JOBS).await.status(), StatusCode::OK);
}
