//! The EPM environment: jobs, and the repository of their files.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{EpmFormat, EpmScenario, Operation, Scenario, Simulator, credentials};

use crate::client::{clock, faults};

const JOBS: &str = "/aif/rest/V1/jobs";
const SNAPSHOTS: &str = "/interop/rest/11.1.2.3.600/applicationsnapshots";
const V2: &str = "/interop/rest/v2";

struct Client {
    http: reqwest::Client,
    simulator: Simulator,
}

impl Client {
    async fn with_faults(switches: Value) -> Self {
        Self::of(EpmScenario { rows: 20, ..EpmScenario::default() }, switches).await
    }

    async fn of(epm: EpmScenario, switches: Value) -> Self {
        let simulator = Simulator::builder()
            .scenario(Scenario { epm, ..Scenario::default() })
            .faults(faults(json!({ "epm": switches })))
            .clock(clock())
            .start(0)
            .await
            .unwrap();
        let http =
            landfall_http::client_builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, simulator }
    }

    fn request(&self, method: Method, target: &str) -> RequestBuilder {
        let base = if target.starts_with('/') { self.simulator.base_url() } else { "" };
        let authorization = self.simulator.epm_authorization();
        self.http.request(method, format!("{base}{target}")).header("Authorization", authorization)
    }

    async fn get(&self, target: &str) -> Response {
        self.request(Method::GET, target).send().await.unwrap()
    }

    async fn json(&self, target: &str) -> Value {
        let answer = self.get(target).await;
        assert_eq!(answer.status(), StatusCode::OK, "{target}");
        answer.json().await.unwrap()
    }

    async fn post(&self, target: &str, body: &Value) -> Value {
        self.request(Method::POST, target).json(body).send().await.unwrap().json().await.unwrap()
    }

    async fn submit(&self) -> u64 {
        let job = json!({ "jobType": "INTEGRATION", "jobName": "BESSAPP", "periodName": "{Jan-06}" });
        self.post(JOBS, &job).await["jobId"].as_u64().unwrap()
    }

    /// Polls until the job has ended, and returns the answer that says so.
    async fn finish(&self, id: u64) -> Value {
        for _ in 0..20 {
            let body = self.json(&format!("{JOBS}/{id}")).await;
            if body["status"] != json!("-1") {
                return body;
            }
        }
        panic!("job {id} does not end");
    }

    async fn run(&self) -> u64 {
        let id = self.submit().await;
        self.finish(id).await;
        id
    }

    async fn list(&self) -> Vec<Value> {
        self.json(&format!("{V2}/files/list")).await["items"].as_array().unwrap().clone()
    }

    /// A piece of an upload into the inbox.
    async fn upload(&self, name: &str, bytes: &[u8], first: bool, last: bool) -> Value {
        let q = json!({ "isFirst": first, "chunkSize": bytes.len(), "isLast": last }).to_string();
        let request = self.request(Method::POST, &format!("{SNAPSHOTS}/{name}/contents"));
        let request = request.query(&[("q", q.as_str()), ("extDirPath", "inbox")]).body(bytes.to_vec());
        request.send().await.unwrap().json().await.unwrap()
    }
}

fn link(outcome: &Value, relation: &str) -> String {
    let links = outcome["links"].as_array().unwrap();
    let link = links.iter().find(|link| link["rel"] == relation).unwrap();
    link["href"].as_str().unwrap().to_owned()
}

/// Oracle: "Retrieve Job Status", with the example's own forms.
#[tokio::test]
async fn a_job_is_told_as_documented() {
    let client = Client::with_faults(json!({})).await;
    let id = client.submit().await;
    assert_eq!(id, 1881);
    let running = client.json(&format!("{JOBS}/{id}")).await;
    assert_eq!((&running["status"], &running["jobStatus"]), (&json!("-1"), &json!("RUNNING")));
    let ended = client.finish(id).await;
    for (field, value) in [
        ("links", json!([0])),
        ("status", json!("0")),
        ("details", json!("null")),
        ("jobId", json!("1881")),
        ("jobStatus", json!("SUCCESS")),
        ("logFileName", json!("outbox/logs/BESSAPP-DB_1881.log")),
        ("outputFileName", json!("outbox/BESSAPPJan-06.csv")),
    ] {
        assert_eq!(ended[field], value, "{field}");
    }
    assert_eq!(client.simulator.epm_jobs()[0].final_status, Some(0));
}

/// The version resource, which tells whether the environment is there; away, it answers nothing else either.
#[tokio::test]
async fn an_environment_that_is_away_is_away_for_every_call() {
    let client = Client::with_faults(json!({ "outage": { "unavailable": 3 } })).await;
    for target in ["/aif/rest/V1", "/aif/rest/V1/jobs/1881", "/interop/rest/v2/files/list"] {
        assert_eq!(client.get(target).await.status(), StatusCode::SERVICE_UNAVAILABLE, "{target}");
    }
    assert_eq!(client.json("/aif/rest/V1").await["version"], "V1");
    assert_eq!(client.get("/gateway/aif/rest/V1").await.status(), StatusCode::OK);
    let client = Client::with_faults(json!({ "version": { "absent": true } })).await;
    assert_eq!(client.get("/aif/rest/V1").await.status(), StatusCode::NOT_FOUND);
}

/// What it says in words of a job: `Completed or Error`.
#[tokio::test]
async fn an_end_is_described() {
    for (status, said) in [(0, "Completed"), (1, "Error"), (3, "Error"), (4, "Error")] {
        let client = Client::with_faults(json!({ "status": { "final_status": status } })).await;
        let id = client.submit().await;
        assert_eq!(client.json(&format!("{JOBS}/{id}")).await["descriptiveStatus"], "In progress");
        assert_eq!(client.finish(id).await["descriptiveStatus"], said, "{status}");
    }
}

/// The forms that clients see instead, and the numbers on the way.
#[tokio::test]
async fn statuses_can_be_written_otherwise() {
    let client = Client::with_faults(json!({ "status": {
        "form": "numbers", "running_polls": 1, "cancel_pending_polls": 1, "unknown_polls": 1, "final_status": 3
    } }))
    .await;
    let id = client.submit().await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(client.json(&format!("{JOBS}/{id}")).await["status"].as_i64().unwrap());
    }
    assert_eq!(seen, [-1, 2, 2_147_483_647, 3]);
    for (form, has_number, has_word) in
        [("number_only", true, false), ("word_only", false, true), ("nothing", false, false)]
    {
        let client = Client::with_faults(json!({ "status": { "form": form } })).await;
        let id = client.submit().await;
        let body = client.json(&format!("{JOBS}/{id}")).await;
        assert_eq!((body.get("status").is_some(), body.get("jobStatus").is_some()), (has_number, has_word));
    }
}

/// Oracle: "Download Application Snapshot (v2)": prepared, looked at, fetched, by links that keep the caller's path.
#[tokio::test]
async fn a_file_is_downloaded_in_three_steps() {
    let client = Client::with_faults(json!({})).await;
    let id = client.run().await;
    for prefix in ["", "/gateway"] {
        let wanted = json!({ "fileName": "outbox/BESSAPPJan-06.csv" });
        let prepared = client.post(&format!("{prefix}{V2}/files/download"), &wanted).await;
        assert_eq!(prepared["status"], -1);
        let status = link(&prepared, "Job Status");
        assert!(status.starts_with(&format!("{}{prefix}{V2}/", client.simulator.base_url())), "{status}");
        let ready = client.json(&status).await;
        let bytes = client.get(&link(&ready, "Download link")).await.bytes().await.unwrap();
        assert_eq!(bytes, client.simulator.epm_output(id).unwrap().unwrap().file);
    }
    let missing = client.post(&format!("{V2}/files/download"), &json!({ "fileName": "outbox/x" })).await;
    assert_eq!((missing["status"].as_i64(), missing["details"].is_string()), (Some(8), true));
}

/// Oracle: "Download": one call, the whole path encoded; an error is JSON under 200.
#[tokio::test]
async fn a_file_is_downloaded_in_one_step() {
    let client = Client::with_faults(json!({})).await;
    let id = client.run().await;
    let answer = client.get(&format!("{SNAPSHOTS}/outbox%2FBESSAPPJan-06.csv/contents")).await;
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let output = client.simulator.epm_output(id).unwrap().unwrap();
    assert_eq!(answer.bytes().await.unwrap(), output.file);
    let answer = client.get(&format!("{SNAPSHOTS}/outbox%2Fx/contents")).await;
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], 8);
    assert_eq!(client.simulator.journal().count_of(Operation::Download), 2);
}

/// The next run of the same period writes over the file of the one before.
#[tokio::test]
async fn a_later_run_overwrites_the_output() {
    let client = Client::with_faults(json!({})).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let id = client.run().await;
        let items = client.list().await;
        let item = items.into_iter().find(|item| item["name"] == "outbox/BESSAPPJan-06.csv").unwrap();
        let bytes = client
            .get(&format!("{SNAPSHOTS}/outbox%2FBESSAPPJan-06.csv/contents"))
            .await
            .bytes()
            .await
            .unwrap();
        assert_eq!(item["size"], json!(bytes.len().to_string()));
        assert_eq!(bytes, client.simulator.epm_output(id).unwrap().unwrap().file);
        seen.push((item["lastmodifiedtime"].as_i64().unwrap(), bytes));
    }
    assert!(seen[0].0 < seen[1].0 && seen[0].1 != seen[1].1);
}

/// Oracle: "Upload": piece by piece, and never over what is there.
#[tokio::test]
async fn an_upload_comes_in_pieces_and_overwrites_nothing() {
    let client = Client::with_faults(json!({})).await;
    let status = |outcome: Value| outcome["status"].as_i64().unwrap();
    assert_eq!(status(client.upload("a%20b.csv", b"one,", true, false).await), 0);
    assert_eq!(client.simulator.epm_uploaded("inbox/a b.csv"), None, "visible before its end");
    assert_eq!(status(client.upload("a%20b.csv", b"two", false, true).await), 0);
    assert_eq!(client.simulator.epm_uploaded("inbox/a b.csv").unwrap(), b"one,two");
    let refused = client.upload("a%20b.csv", b"three", true, true).await;
    assert!(refused["details"].as_str().unwrap().contains("already exists"), "{refused}");
    assert_eq!(client.simulator.epm_uploaded("inbox/a b.csv").unwrap(), b"one,two");
    assert_eq!(status(client.upload("c.csv", b"x", false, true).await), 1, "it has not begun");
}

/// A job that reads a file which is not there fails, and its log can be read.
#[tokio::test]
async fn a_job_without_its_input_fails() {
    let client = Client::with_faults(json!({})).await;
    let job = json!({ "jobType": "INTEGRATION", "jobName": "LOAD", "fileName": "#epminbox/x.csv" });
    let id = client.post(JOBS, &job).await["jobId"].as_u64().unwrap();
    let ended = client.finish(id).await;
    assert_eq!(ended["status"], "1");
    assert!(ended["details"].as_str().unwrap().contains("inbox/x.csv"));
    let log = client
        .get(&format!("{SNAPSHOTS}/outbox%2Flogs%2FLOAD-DB_{id}.log/contents"))
        .await
        .text()
        .await
        .unwrap();
    assert!(log.trim_end().ends_with("ORA-00600: internal error code"), "{log}");
}

/// A password is taken with and without the identity domain, a token of the environment's scope too, and nothing else.
#[tokio::test]
async fn who_may_call() {
    let client = Client::with_faults(json!({})).await;
    let url = format!("{}{V2}/files/list", client.simulator.base_url());
    let basic = |name: &str, password: &str| client.http.get(&url).basic_auth(name, Some(password)).send();
    let domain = credentials::IDENTITY_DOMAIN;
    for (name, password, status) in [
        (credentials::USERNAME.to_owned(), credentials::PASSWORD, 200),
        (format!("{domain}.{}", credentials::USERNAME), credentials::PASSWORD, 200),
        (format!("other.{}", credentials::USERNAME), credentials::PASSWORD, 401),
        (credentials::USERNAME.to_owned(), "wrong", 401),
    ] {
        assert_eq!(basic(&name, password).await.unwrap().status(), status, "{name}");
    }
    for (scope, status) in [(credentials::EPM_SCOPE, 200), (credentials::BATCH_SCOPE, 403)] {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let request = client.http.post(client.simulator.token_url()).form(&form);
        let request = request.basic_auth(credentials::CLIENT_ID, Some(credentials::CLIENT_SECRET));
        let token: Value = request.send().await.unwrap().json().await.unwrap();
        let token = token["access_token"].as_str().unwrap();
        assert_eq!(
            client.http.get(&url).bearer_auth(token).send().await.unwrap().status(),
            status,
            "{scope}"
        );
    }
    assert_eq!(client.http.get(&url).send().await.unwrap().status(), 401);
}

/// The same scenario and the same ids give the same bytes, whoever runs it when.
#[tokio::test]
async fn output_depends_on_scenario_and_id_alone() {
    for format in [EpmFormat::Csv, EpmFormat::Json, EpmFormat::Zip] {
        let mut files = Vec::new();
        for _ in 0..2 {
            let epm = EpmScenario { format, rows: 20, ..EpmScenario::default() };
            let client = Client::of(epm, json!({})).await;
            let id = client.run().await;
            files.push(client.simulator.epm_output(id).unwrap().unwrap());
        }
        assert_eq!(files[0], files[1], "{format:?}");
    }
}

/// Behind a gateway nothing is served beside its path.
#[tokio::test]
async fn a_gateway_can_be_the_only_way_in() {
    let client = Client::with_faults(json!({ "only_below_gateway": true })).await;
    assert_eq!(client.get(&format!("{V2}/files/list")).await.status(), 404);
    let gateway = client.simulator.epm_gateway_url();
    assert_eq!(client.get(&format!("{gateway}{V2}/files/list")).await.status(), 200);
}

/// Whoever measures says when a job has ended, whatever the switches say.
#[tokio::test]
async fn a_job_can_be_ended_from_outside() {
    let client = Client::with_faults(json!({ "status": { "never_ends": true } })).await;
    let id = client.submit().await;
    let status = async || client.json(&format!("{JOBS}/{id}")).await["status"].clone();
    assert_eq!(status().await, "-1");
    client.simulator.end_epm_job(id).unwrap();
    assert_eq!(status().await, "0");
    assert!(client.simulator.epm_output(id).unwrap().is_some());
}
