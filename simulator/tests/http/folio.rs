//! The simulated FOLIO: every answer is one that the module's own schemas allow, and its warts are there.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use jsonschema::Validator;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{FolioScenario, ManualClock, Scenario, Simulator, credentials};

use crate::client::{clock, faults};

const PROFILE: &str = "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a";

/// The schemas of folio-org/mod-data-export, by name, where they have been put beside the project.
#[expect(clippy::print_stdout, reason = "a reader of the test run is told what it does not hold")]
static SCHEMAS: LazyLock<Option<HashMap<String, Validator>>> = LazyLock::new(|| {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/folio/bundled-schemas.json");
    let Ok(bundle) = std::fs::read(&bundle) else {
        println!("answers are not held against FOLIO's schemas: there is no {}", bundle.display());
        return None;
    };
    let bundle: Value = serde_json::from_slice(&bundle).unwrap();
    let schemas = bundle["schemas"].as_object().unwrap();
    let validator = |schema| jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    Some(schemas.iter().map(|(name, schema)| (name.clone(), validator(schema))).collect())
});

#[track_caller]
fn valid(schema: &str, value: &Value) {
    let Some(schemas) = &*SCHEMAS else { return };
    let errors: Vec<String> = schemas[schema].iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{schema}: {errors:?} in {value}");
}

fn id(number: u32) -> String {
    format!("6f7f3cd7-9f24-42eb-ae91-{number:012x}")
}

struct Folio {
    http: reqwest::Client,
    simulator: Simulator,
    clock: Arc<ManualClock>,
    token: String,
}

impl Folio {
    async fn with(switches: Value) -> Self {
        Self::of(FolioScenario::default(), switches).await
    }

    async fn of(folio: FolioScenario, switches: Value) -> Self {
        let clock = clock();
        let scenario = Scenario { folio, ..Scenario::default() };
        let builder = Simulator::builder().scenario(scenario).faults(faults(json!({ "folio": switches })));
        let simulator = builder.clock(clock.clone()).start(0).await.unwrap();
        let http =
            landfall_http::client_builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut folio = Self { http, simulator, clock, token: String::new() };
        folio.token = folio.log_in().await;
        folio
    }

    async fn log_in(&self) -> String {
        let answer = self.login("login-with-expiry", credentials::FOLIO_PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let cookies: Vec<&str> =
            answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
        let access = cookies.iter().find_map(|cookie| cookie.strip_prefix("folioAccessToken=")).unwrap();
        assert!(access.contains("Secure") && access.contains("Max-Age=600"));
        access.split(';').next().unwrap().to_owned()
    }

    async fn login(&self, endpoint: &str, password: &str) -> Response {
        let url = format!("{}/authn/{endpoint}", self.simulator.base_url());
        let body = json!({ "username": credentials::FOLIO_USERNAME, "password": password });
        let request = self.http.post(url).header("x-okapi-tenant", credentials::FOLIO_TENANT).json(&body);
        request.send().await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Response {
        let request = self
            .http
            .request(method, format!("{}/data-export/{path}", self.simulator.base_url()))
            .header("x-okapi-tenant", credentials::FOLIO_TENANT)
            .header("x-okapi-token", &self.token);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, Some(body.to_string().into_bytes())).await
    }

    /// Takes a file of ids as far as its export's start; the job execution's id.
    async fn start(&self, file: &str, number: u32) -> String {
        let definition =
            json!({ "id": id(900 + number), "fileName": "ids.csv", "uploadFormat": "csv", "size": 1 });
        valid("fileDefinition", &definition);
        let answer = self.post("file-definitions", &definition).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let made: Value = answer.json().await.unwrap();
        valid("fileDefinition", &made);
        let path = format!("file-definitions/{}/upload", id(900 + number));
        let uploaded = self.send(Method::POST, &path, Some(file.as_bytes().to_vec())).await;
        assert_eq!(uploaded.status(), StatusCode::OK);
        valid("fileDefinition", &uploaded.json().await.unwrap());
        valid("fileDefinition", &self.get(&format!("file-definitions/{}", id(900 + number))).await);
        let request =
            json!({ "fileDefinitionId": id(900 + number), "jobProfileId": PROFILE, "idType": "instance" });
        valid("exportRequest", &request);
        assert_eq!(self.post("export", &request).await.status(), StatusCode::NO_CONTENT);
        made["jobExecutionId"].as_str().unwrap().to_owned()
    }

    async fn execution(&self, execution: &str) -> Value {
        let listed = self.get(&format!("job-executions?query=id==%22{execution}%22")).await;
        valid("jobExecutionCollection", &listed);
        assert_eq!(listed["totalRecords"], 1);
        valid("jobExecution", &listed["jobExecutions"][0]);
        listed["jobExecutions"][0].clone()
    }

    /// Polls until the job has ended.
    async fn ended(&self, execution: &str) -> Value {
        for _ in 0..10 {
            let polled = self.execution(execution).await;
            if polled["status"] != "IN_PROGRESS" {
                return polled;
            }
        }
        panic!("the job does not end")
    }

    async fn link(&self, execution: &Value) -> String {
        let file = execution["exportedFiles"][0]["fileId"].as_str().unwrap();
        let path = format!("job-executions/{}/download/{file}", execution["id"].as_str().unwrap());
        let link = self.get(&path).await;
        valid("fileDownload", &link);
        link["link"].as_str().unwrap().to_owned()
    }
}

/// The whole flow, every answer held against the module's schemas.
#[tokio::test]
async fn every_answer_is_one_that_the_modules_schemas_allow() {
    let folio = Folio::with(json!({})).await;
    let profiles =
        folio.get("job-profiles?query=name==%22Default%20instances%20export%20job%20profile%22").await;
    valid("jobProfileCollection", &profiles);
    assert_eq!((&profiles["totalRecords"], &profiles["jobProfiles"][0]["id"]), (&json!(1), &json!(PROFILE)));
    let all = folio.get("job-profiles").await;
    assert_eq!(
        (all["jobProfiles"].as_array().unwrap().len(), &all["totalRecords"]),
        (10, &json!(15)),
        "ten by default"
    );

    let file = format!("{}\n{}\nnot-a-uuid\n{}\n", id(1), id(2), id(2));
    let execution = folio.start(&file, 1).await;
    let running = folio.execution(&execution).await;
    let provisional = running["exportedFiles"][0].clone();
    assert_eq!(
        (&running["status"], &provisional["fileName"]),
        (&json!("IN_PROGRESS"), &json!("ids-112.mrc"))
    );
    let ended = folio.ended(&execution).await;
    assert_eq!(ended["status"], "COMPLETED_WITH_ERRORS");
    assert_ne!(ended["exportedFiles"][0]["fileId"], provisional["fileId"], "the provisional id is none");
    let progress = json!({ "exported": 2, "failed": 1, "duplicatedSrs": 0, "total": 3, "readIds": 3 });
    assert_eq!(ended["progress"], progress);
    let logs = folio.get(&format!("logs?query=jobExecutionId=={execution}&limit=100")).await;
    valid("errorLogCollection", &logs);
    let codes: Vec<_> =
        logs["errorLogs"].as_array().unwrap().iter().map(|log| log["errorMessageCode"].clone()).collect();
    assert_eq!(codes, ["error.invalidUuidFormat", "error.duplicatedIds"]);

    let request = json!({ "type": "uuid", "recordType": "INSTANCE", "uuids": [id(1)] });
    valid("quickExportRequest", &request);
    let quick: Value = folio.post("quick-export", &request).await.json().await.unwrap();
    valid("quickExportResponse", &quick);
    let all = json!({ "idType": "instance" });
    valid("exportAllRequest", &all);
    // The module itself answers 200, where its document says 204.
    assert_eq!(folio.post("export-all", &all).await.status(), StatusCode::OK);
    assert_eq!(folio.get("job-executions?query=status=(IN_PROGRESS or NEW)").await["totalRecords"], 2);
    folio.simulator.shutdown().await;
}

/// Version 5 orders a log by the columns of its table, and answers 500 to an entry's own date; pages make a whole in the
/// order of ids alone. Before, any order is taken.
#[tokio::test]
async fn a_log_is_whole_in_the_order_of_ids_alone() {
    let file: String = (0..25).map(|number| format!("not-a-uuid {number}\n")).collect();
    for (dialect, by_date) in [("v5", StatusCode::INTERNAL_SERVER_ERROR), ("v4", StatusCode::OK)] {
        let folio = Folio::with(json!({ "dialect": dialect })).await;
        let execution = folio.start(&file, 1).await;
        for _ in 0..FolioScenario::default().polls {
            folio.get(&format!("job-executions?query=id=={execution}")).await;
        }
        let path = |order: &str| format!("logs?query=jobExecutionId=={execution}{order}");
        assert_eq!(folio.send(Method::GET, &path(" sortby createdDate"), None).await.status(), by_date);
        for (order, is_whole) in [(" sortby id", true), (" sortby creationDate", false), ("", false)] {
            let mut ids = Vec::new();
            for offset in [0, 10, 20] {
                let page = folio.get(&format!("{}&offset={offset}", path(order))).await;
                let entries = page["errorLogs"].as_array().unwrap();
                ids.extend(entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
            }
            assert_eq!((ids.len(), ids.is_sorted()), (25, is_whole), "{dialect}{order}");
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len() == 25, is_whole, "{dialect}{order}");
        }
        folio.simulator.shutdown().await;
    }
}

/// Version 3 starts an export of ids, whatever they are ids of: a request that says it is refused, and starts nothing.
#[tokio::test]
async fn version_3_knows_no_types() {
    let folio = Folio::with(json!({ "dialect": "v3" })).await;
    let definition = json!({ "id": id(901), "fileName": "ids.csv" });
    assert_eq!(folio.post("file-definitions", &definition).await.status(), StatusCode::CREATED);
    let file = Some(format!("{}\n", id(1)).into_bytes());
    folio.send(Method::POST, &format!("file-definitions/{}/upload", id(901)), file).await;
    let mut request = json!({ "fileDefinitionId": id(901), "jobProfileId": PROFILE, "idType": "instance" });
    let refused = folio.post("export", &request).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("Unrecognized field \\\"idType\\\""));
    assert_eq!(folio.simulator.folio_starts(), 0);
    request.as_object_mut().unwrap().remove("idType");
    assert_eq!(folio.post("export", &request).await.status(), StatusCode::NO_CONTENT);
    folio.simulator.shutdown().await;
}

/// The storage is another origin, and takes a link by `GET`, alone, until it expires; it resumes.
#[tokio::test]
async fn a_link_is_good_for_one_method_and_ten_minutes() {
    let folio = Folio::with(json!({})).await;
    let execution = folio.start(&format!("{}\n", id(1)), 1).await;
    let link = folio.link(&folio.ended(&execution).await).await;
    assert!(link.starts_with(folio.simulator.storage_url()) && !link.starts_with(folio.simulator.base_url()));
    let whole = folio.http.get(&link).send().await.unwrap();
    let etag = whole.headers()["etag"].clone();
    let whole = whole.bytes().await.unwrap();
    let job = &folio.simulator.folio_jobs()[0];
    assert_eq!(whole, std::fs::read(&job.file.as_ref().unwrap().path).unwrap());
    let rest =
        folio.http.get(&link).header("range", "bytes=10-").header("if-range", &etag).send().await.unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.bytes().await.unwrap(), whole[10..]);
    assert_eq!(folio.http.head(&link).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    for (name, value) in [("authorization", "Bearer x"), ("x-okapi-token", "x")] {
        let refused = folio.http.get(&link).header(name, value).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert!(refused.text().await.unwrap().contains("Only one auth mechanism"));
    }
    let forged = link.replace("X-Amz-Expires=600", "X-Amz-Expires=6000");
    assert_eq!(folio.http.get(forged).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    folio.clock.advance(SignedDuration::from_secs(599));
    assert_eq!(folio.http.get(&link).send().await.unwrap().status(), StatusCode::OK);
    folio.clock.advance(SignedDuration::from_secs(1));
    let expired = folio.http.get(&link).send().await.unwrap();
    assert_eq!(expired.status(), StatusCode::FORBIDDEN);
    assert!(expired.text().await.unwrap().contains("Request has expired"));
    let secrets = folio
        .simulator
        .journal()
        .requests()
        .iter()
        .any(|entry| entry.query.as_deref().is_some_and(|query| query.contains("X-Amz")));
    assert!(!secrets, "the journal keeps a link");
    folio.simulator.shutdown().await;
}

/// A failed job keeps its provisional file, and a link to it leads to nothing.
#[tokio::test]
async fn a_failed_jobs_link_leads_to_nothing() {
    let folio = Folio::with(json!({ "storing_fails": true })).await;
    let execution = folio.start(&format!("{}\n", id(1)), 1).await;
    let failed = folio.ended(&execution).await;
    assert_eq!(failed["status"], "FAIL");
    let answer = folio.http.get(folio.link(&failed).await).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(answer.text().await.unwrap().contains("NoSuchKey"));
    folio.simulator.shutdown().await;
}

/// A second upload spoils the definition and not the export; a second definition of one id makes another job execution;
/// a second start runs the job again.
#[tokio::test]
async fn nothing_is_idempotent() {
    let folio = Folio::with(json!({})).await;
    let execution = folio.start(&format!("{}\n", id(1)), 1).await;
    let again =
        folio.send(Method::POST, &format!("file-definitions/{}/upload", id(901)), Some(vec![b'x'])).await;
    assert_eq!(again.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(again.text().await.unwrap().contains("File already uploaded for file definition with id"));
    assert_eq!(folio.get(&format!("file-definitions/{}", id(901))).await["status"], "ERROR");
    let request = json!({ "fileDefinitionId": id(901), "jobProfileId": PROFILE, "idType": "instance" });
    assert_eq!(folio.post("export", &request).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(folio.simulator.folio_starts(), 2);
    let definition = json!({ "id": id(901), "fileName": "ids.csv" });
    let twin: Value = folio.post("file-definitions", &definition).await.json().await.unwrap();
    assert_ne!(twin["jobExecutionId"], json!(execution));
    folio.simulator.shutdown().await;
}

/// The module's refusals, in its own words.
#[tokio::test]
async fn refusals_are_in_plain_text() {
    let folio = Folio::with(json!({})).await;
    for (path, body, status, said) in [
        (
            "file-definitions",
            json!({ "fileName": "invalid.txt" }),
            422,
            "Incorrect file extension of invalid.txt",
        ),
        (
            "file-definitions",
            json!({ "fileName": "a.csv", "size": 600_000 }),
            413,
            "File size is too large: '600000'",
        ),
        ("export", json!({ "fileDefinitionId": id(1), "jobProfileId": PROFILE }), 404, "Unable to find"),
    ] {
        let answer = folio.post(path, &body).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["content-type"], "text/plain");
        assert!(answer.text().await.unwrap().contains(said));
    }
    let bad = folio.send(Method::GET, "job-executions?query=id==((", None).await;
    assert_eq!(bad.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let unknown = folio.get(&format!("job-executions?query=id=={}", id(1))).await;
    assert_eq!(unknown, json!({ "jobExecutions": [], "totalRecords": 0 }));
    folio.simulator.shutdown().await;
}

/// Who may pass, in the words of both gateways; five wrong passwords block the account; a refresh token is good once.
#[tokio::test]
async fn the_gateways_refuse_in_their_own_forms() {
    let okapi = Folio::with(json!({})).await;
    let eureka = Folio::with(json!({ "platform": "eureka" })).await;
    for (folio, status, said) in [(&okapi, 401, "Invalid token"), (&eureka, 401, "\"Unauthorized\"")] {
        folio.clock.advance(SignedDuration::from_secs(600));
        let refused = folio.send(Method::GET, "logs", None).await;
        assert_eq!(refused.status().as_u16(), status);
        assert!(refused.text().await.unwrap().contains(said));
    }
    for (folio, status, said) in [(&okapi, 400, "conflicts with Cookie"), (&eureka, 404, "errors")] {
        let url = format!("{}/data-export/logs", folio.simulator.base_url());
        let request = folio.http.get(url).header("x-okapi-tenant", credentials::FOLIO_TENANT);
        let refused = request
            .header("x-okapi-token", "one")
            .header("cookie", "folioAccessToken=other")
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status().as_u16(), status);
        assert!(refused.text().await.unwrap().contains(said));
    }
    for _ in 0..5 {
        assert_eq!(
            okapi.login("login-with-expiry", "wrong").await.status(),
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    let blocked = okapi.login("login-with-expiry", credentials::FOLIO_PASSWORD).await;
    assert!(blocked.text().await.unwrap().contains("account.blocked"));
    let login = eureka.login("login-with-expiry", credentials::FOLIO_PASSWORD).await;
    let cookies: Vec<String> = login
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect();
    let refresh = cookies.iter().find(|cookie| cookie.starts_with("folioRefreshToken=")).unwrap();
    let refresh = refresh.split(';').next().unwrap();
    let refreshed = async || {
        let url = format!("{}/authn/refresh", eureka.simulator.base_url());
        let request = eureka.http.post(url).header("x-okapi-tenant", credentials::FOLIO_TENANT);
        request.header("cookie", refresh).send().await.unwrap().status()
    };
    assert_eq!(refreshed().await, StatusCode::CREATED);
    assert_eq!(refreshed().await, StatusCode::UNPROCESSABLE_ENTITY);
    let revoked = eureka.send(Method::GET, "logs", None).await;
    assert_eq!(revoked.status(), StatusCode::UNAUTHORIZED, "a second use revokes every token");
    okapi.simulator.shutdown().await;
    eureka.simulator.shutdown().await;
}

/// A job that stands still is expired by the module's timer, six hours later; slices become one archive.
#[tokio::test]
async fn a_job_that_stands_still_is_expired_late() {
    let folio = Folio::with(json!({ "never_ends": true })).await;
    let execution = folio.start(&format!("{}\n", id(1)), 1).await;
    let expire = async |hours: i64| {
        folio.clock.advance(SignedDuration::from_hours(hours));
        let token = folio.log_in().await;
        let url = format!("{}/data-export/expire-jobs", folio.simulator.base_url());
        let request = folio.http.post(url).header("x-okapi-tenant", credentials::FOLIO_TENANT);
        request.header("x-okapi-token", token).send().await.unwrap();
        folio.simulator.folio_jobs()[0].status.clone()
    };
    assert_eq!(expire(1).await, "IN_PROGRESS");
    assert_eq!(expire(1).await, "FAIL");
    assert!(folio.simulator.folio_jobs()[0].logs[0].to_string().contains("no updates for more than 1 hour"));
    assert_eq!(folio.simulator.folio_jobs()[0].id, execution);
    folio.simulator.shutdown().await;
}

/// More ids than a slice takes come as one archive, its members numbered from 1.
#[tokio::test]
async fn slices_come_as_one_archive() {
    let folio = Folio::with(json!({})).await;
    let setting = json!({ "key": "slice_size", "value": "1" });
    assert_eq!(folio.post("configuration", &setting).await.status(), StatusCode::CREATED);
    let execution = folio.start(&format!("{}\n{}\n", id(1), id(2)), 1).await;
    let ended = folio.ended(&execution).await;
    assert_eq!(
        (&ended["status"], &ended["exportedFiles"][0]["fileName"]),
        (&json!("COMPLETED"), &json!("ids-112.zip"))
    );
    let file = folio.simulator.folio_jobs()[0].file.clone().unwrap();
    let names: Vec<_> = file.members.iter().map(|member| member.name.clone().unwrap()).collect();
    assert_eq!(names, ["ids-112-1.mrc", "ids-112-2.mrc"]);
    let bytes = std::fs::read(&file.path).unwrap();
    assert_eq!(&bytes[6..8], &[8, 0], "a data descriptor, as Java writes it");
    folio.simulator.shutdown().await;
}

/// Version 4 stores an upload after it has answered, and checks a file's id; version 3 writes numbers as texts.
#[tokio::test]
async fn older_versions_answer_in_their_own_ways() {
    let folio = Folio::with(json!({ "dialect": "v4" })).await;
    let definition = json!({ "id": id(1), "fileName": "ids.csv" });
    folio.post("file-definitions", &definition).await;
    let path = format!("file-definitions/{}", id(1));
    folio.send(Method::POST, &format!("{path}/upload"), Some(format!("{}\n", id(1)).into_bytes())).await;
    let looks = [folio.get(&path).await, folio.get(&path).await, folio.get(&path).await];
    assert_eq!(looks.map(|look| look["status"].clone()), ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]);
    let again = folio.send(Method::POST, &format!("{path}/upload"), Some(vec![b'x'])).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    folio.simulator.shutdown().await;
    let folio = Folio::with(json!({ "dialect": "v3" })).await;
    let made: Value = folio.post("file-definitions", &definition).await.json().await.unwrap();
    assert!(made.get("jobExecutionId").is_none(), "version 3 names the job execution after the upload");
    folio.simulator.shutdown().await;
}

/// Whoever measures says when a job has ended, whatever the switches say.
#[tokio::test]
async fn a_job_can_be_ended_from_outside() {
    let folio = Folio::with(json!({ "never_ends": true })).await;
    let job = folio.start(&id(1), 1).await;
    assert_eq!(folio.execution(&job).await["status"], "IN_PROGRESS");
    let hr_id = folio.simulator.folio_jobs()[0].hr_id;
    folio.simulator.end_folio_job(hr_id).unwrap();
    assert_eq!(folio.execution(&job).await["status"], "COMPLETED");
}
