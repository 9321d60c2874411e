//! Submission.

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use serde_json::{Value, json};
use simulator::Operation;

use crate::client::{BOSS, Client, JOBS, export, faults, incremental};

/// Oracle: "Create a schedule using Oracle Managed Storage": 202, a Location, no body.
#[tokio::test]
async fn a_job_is_accepted_with_a_location_and_no_body() {
    let client = Client::with_faults(json!({})).await;
    let first = client.submit(&export("run-1")).await;
    let second = client.submit(&incremental("run-2")).await;
    assert!(second > first);
    let jobs = client.simulator.jobs();
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs[0].id, first);
    assert_eq!(jobs[0].description.as_deref(), Some("run-1::SimpleCarriers::Full::Immediate"));
    assert_eq!(jobs[1].request_parameters["submit.argument2"], "Incremental Data Extract");
    assert_eq!(client.simulator.journal().jobs_submitted(), 2);
}

/// Promise 1 is about this: the job exists, and the client does not know.
#[tokio::test]
async fn a_job_can_be_accepted_without_the_client_hearing_of_it() {
    let client =
        Client::with_faults(json!({ "submit": { "accept_then_drop": 1, "accept_then_gateway_timeout": 1 } }))
            .await;
    assert!(client.post(JOBS, &export("run-1")).await.is_err());
    let lost = client.post(JOBS, &export("run-2")).await.unwrap();
    assert_eq!(lost.status(), StatusCode::GATEWAY_TIMEOUT);
    client.submit(&export("run-3")).await;
    assert_eq!(client.simulator.jobs().len(), 3);
    assert_eq!(client.simulator.journal().jobs_submitted(), 3);
    let submissions: Vec<(Option<u16>, Option<String>)> = client
        .simulator
        .journal()
        .requests()
        .into_iter()
        .filter(|entry| entry.operation == Operation::SubmitJob)
        .map(|entry| (entry.status, entry.fault))
        .collect();
    assert_eq!(submissions[0], (None, Some("submit.accept_then_drop".to_owned())));
    assert_eq!(submissions[1].0, Some(504));
    assert_eq!(submissions[2], (Some(202), None));
}

#[tokio::test]
async fn nothing_is_accepted_during_an_outage() {
    let client = Client::with_faults(json!({ "submit": { "outage": {
        "drop_connection": 1, "unavailable": 2, "throttle": { "times": 1, "retry_after_seconds": 3 },
        "unauthorized": 1, "forbidden": 1, "login_page": 1,
    } } }))
    .await;
    assert!(client.post(JOBS, &export("run-1")).await.is_err());
    for status in [503, 503, 429, 401, 403, 200] {
        let answer = client.post(JOBS, &export("run-1")).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    assert_eq!(client.simulator.jobs().len(), 0);
    assert_eq!(client.simulator.journal().jobs_submitted(), 0);
    client.submit(&export("run-1")).await;
}

#[tokio::test]
async fn a_location_takes_every_form_that_was_seen() {
    let cases = [
        ("absolute", Some("http://127.0.0.1:*/api/saas-batch/jobscheduler/v1/jobRequests/44046")),
        (
            "explicit_port",
            Some("https://simulated-test:443/api/saas-batch/jobscheduler/v1/jobRequests/44046"),
        ),
        ("relative", Some("/api/saas-batch/jobscheduler/v1/jobRequests/44046")),
        ("other_case", Some("http://127.0.0.1:*/api/saas-batch/jobScheduler/v1/jobRequests/44046")),
        ("trailing_slash", Some("http://127.0.0.1:*/api/saas-batch/jobscheduler/v1/jobRequests/44046/")),
        (
            "with_query",
            Some("http://127.0.0.1:*/api/saas-batch/jobscheduler/v1/jobRequests/44046?expand=all"),
        ),
        ("not_an_id", Some("http://127.0.0.1:*/api/saas-batch/jobscheduler/v1/jobRequests/pending")),
        ("missing", None),
    ];
    for (form, expected) in cases {
        let client = Client::with_faults(json!({ "submit": { "location": form } })).await;
        let answer = client.post(JOBS, &export("run-1")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let base = client.simulator.base_url();
        let location = answer.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        let expected = expected.map(|text| text.replace("http://127.0.0.1:*", base));
        assert_eq!(location, expected, "{form}");
    }
}

#[tokio::test]
async fn unknown_fields_are_accepted_or_refused() {
    let mut request = export("run-1");
    request["clientRequestUuid"] = json!("run-1");
    let client = Client::with_faults(json!({})).await;
    client.submit(&request).await;
    assert_eq!(client.simulator.jobs()[0].client_request_uuid.as_deref(), Some("run-1"));

    let client = Client::with_faults(json!({ "submit": { "strict": true } })).await;
    let refused = client.post(JOBS, &request).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let body: Value = refused.json().await.unwrap();
    assert!(body["detail"].as_str().unwrap().contains("clientRequestUuid"), "{body}");
    client.submit(&export("run-1")).await;
}

#[tokio::test]
async fn what_cannot_run_is_refused() {
    let client = Client::with_faults(json!({ "submit": { "require_definition": true } })).await;
    let mut wrong = vec![json!([]), json!({}), export("unknown extract")];
    for (pointer, value) in [
        ("/serviceName", json!("ess")),
        ("/jobDefinitionName", json!("Other")),
        ("/requestParameters/submit.argument1", json!("")),
        ("/requestParameters/submit.argument2", json!("Some Data Extract")),
    ] {
        let mut request = export("run-1");
        *request.pointer_mut(pointer).unwrap() = value;
        wrong.push(request);
    }
    let mut long = export("run-1");
    long["clientRequestUuid"] = json!("x".repeat(65));
    wrong.push(long);
    for request in wrong {
        let answer = client.post(JOBS, &request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{request}");
    }
    assert!(client.simulator.jobs().is_empty());

    client.post(&format!("{BOSS}/exportDefinitions"), &json!({ "name": "SimpleCarriers" })).await.unwrap();
    client.submit(&export("run-1")).await;
    client
        .simulator
        .set_faults(faults(json!({ "submit": { "reject": "The extract is running." } })))
        .unwrap();
    let body: Value = client.post(JOBS, &export("run-2")).await.unwrap().json().await.unwrap();
    assert_eq!(body["detail"], "The extract is running.");
}

/// The scheduler's path is written in two ways by public client code.
#[tokio::test]
async fn the_path_may_have_its_other_case() {
    let client = Client::with_faults(json!({})).await;
    let path = JOBS.replace("jobscheduler", "jobScheduler");
    assert_eq!(client.post(&path, &export("run-1")).await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(client.get(&format!("{path}/44046")).await.status(), StatusCode::OK);
}

fn hourly(dates: [&str; 2]) -> Value {
    let mut request = incremental("hourly");
    request["runAtTimes"] = json!({
        "fixedInterval": { "interval": 1, "timeUnit": "HOUR" },
        "startDate": dates[0], "endDate": dates[1], "startTime": "1200", "endTime": "1500",
    });
    request
}

/// A recurring request runs as jobs of their own, which name it among their parameters.
#[tokio::test]
async fn a_schedule_makes_a_parent_and_occurrences() {
    let client = Client::with_faults(json!({ "status": { "failed_occurrence": 2 } })).await;
    let parent = client.submit(&hourly(["2026-05-15", "2026-05-15"])).await;
    assert_eq!(client.simulator.jobs().len(), 1);
    assert!(client.simulator.jobs()[0].is_recurring);
    let runs = client.simulator.occurrences(parent);
    assert_eq!(runs.len(), 3, "four hours, of which the scenario runs three");
    assert_eq!(runs[1].request_parameters["parentRequest"], json!(parent.to_string()));
    assert_eq!(runs[1].request_parameters["requestExecutionContext"], json!(format!("{parent},2")));
    assert_eq!(runs[1].client_request_uuid, Some(format!("{parent},2")));

    for _ in 0..4 {
        client.get(JOBS).await;
    }
    let ends: Vec<Option<String>> =
        client.simulator.occurrences(parent).into_iter().map(|run| run.final_status).collect();
    assert_eq!(ends, ["SUCCEEDED", "FAILED", "SUCCEEDED"].map(|end| Some(end.to_owned())));
    let first = client.simulator.expected_files(runs[0].id).await.unwrap();
    let third = client.simulator.expected_files(runs[2].id).await.unwrap();
    assert_ne!(first[0].sha256, third[0].sha256);
    assert!(client.simulator.expected_files(runs[1].id).await.is_err());
    client.finish(parent).await;
    assert!(client.output_files(parent).await.is_empty());
}

#[tokio::test]
async fn a_schedule_that_makes_no_sense_is_refused() {
    let client = Client::with_faults(json!({})).await;
    client.submit(&hourly(["05/15/2026", "05/15/2026"])).await;
    for dates in [["2026-05-16", "2026-05-15"], ["tomorrow", "2026-05-15"]] {
        let answer = client.post(JOBS, &hourly(dates)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{dates:?}");
    }
}

/// A balancer says 503 of a server that has accepted the job; an id that is unique is refused when it comes again.
#[tokio::test]
async fn a_job_can_be_there_whatever_the_answer_says() {
    let client = Client::with_faults(
        json!({ "submit": { "accept_then_unavailable": 1, "unique_client_request_uuid": true } }),
    )
    .await;
    let mut request = export("run-1");
    request["clientRequestUuid"] = json!("a");
    for status in [503, 409] {
        assert_eq!(client.post(JOBS, &request).await.unwrap().status().as_u16(), status);
    }
    assert_eq!(client.simulator.jobs().len(), 1);
    request["clientRequestUuid"] = json!("b");
    client.submit(&request).await;
}
