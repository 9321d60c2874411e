//! The source as a whole, against a server that answers as it is told. What takes a store is held in whole runs.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::api::Api;
use super::export::{FolioExport, IdType};
use super::ids::Upload;
use super::wire::moment;
use super::{FolioSource, files, logs};
use crate::folio::settings::FolioConnection;
use crate::testing::{content, line, output_file, read};
use landfall::clock::ManualClock;
use landfall::contract::Source as _;
use landfall::error::Result;
use landfall::job::OutputFile;
use landfall::state::WorkState;
use landfall_http::Transport;
use landfall_http::scripted::{Reply, Scripted, Seen};
use landfall_store::{Store, StoreSettings};

const JOB: &str = "22091d4a-0c70-4a9e-8843-5dcf96c7cdf5";

/// A tenant that answers as told, with a storage of its own origin.
struct Tenant {
    server: Scripted,
    storage: Scripted,
    api: Arc<Api>,
}

impl Tenant {
    async fn start(
        more: Value,
        handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
        storage: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let server = Scripted::start(handler).await;
        let storage = Scripted::start(storage).await;
        let settings = json!({
            "base_url": server.url("/okapi"), "tenant": "diku", "token": "given-token",
            "storage_hosts": [storage.host()],
        });
        let connection: FolioConnection = read(settings, more).unwrap();
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let api = Arc::new(Api::new(&"demo".parse().unwrap(), &connection, clock, None).unwrap());
        Self { server, storage, api }
    }

    async fn answering(reply: Reply) -> Self {
        Self::start(json!({}), move |_, _| reply.clone(), |_, _| Reply::status(500)).await
    }
}

fn file() -> OutputFile {
    output_file("ids-112.mrc", "b975b199-fa3c-4cc8-8257-4e996e64addb".to_owned())
}

/// Every version's list of one job, the oldest documents' bare object, and a list that ignores the question.
#[tokio::test]
async fn a_job_execution_is_found_in_every_form() {
    let execution = json!({ "id": JOB.to_uppercase(), "hrId": "112", "status": "IN_PROGRESS" });
    let other = json!({ "id": "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a", "status": "FAIL" });
    for (body, found) in [
        (json!({ "jobExecutions": [execution], "totalRecords": 1 }), true),
        (json!({ "jobExecutions": [other, execution], "totalRecords": 2 }), true),
        (execution.clone(), true),
        (json!({ "jobExecutions": [other], "totalRecords": 1 }), false),
        (json!({ "jobExecutions": [], "totalRecords": 0 }), false),
    ] {
        let tenant = Tenant::answering(Reply::json(body.clone())).await;
        let execution = tenant.api.execution(JOB).await.unwrap();
        assert_eq!(execution.is_some(), found, "{body}");
        let asked = &tenant.server.seen()[0];
        assert_eq!(asked.path(), "/okapi/data-export/job-executions");
        assert_eq!(asked.query()["query"], format!("id=={JOB}"));
        assert_eq!((asked.header("x-okapi-tenant"), asked.header("x-okapi-token")), ("diku", "given-token"));
        assert_eq!((asked.header("authorization"), asked.header("cookie")), ("", ""));
    }
    let tenant = Tenant::answering(Reply::json(json!({ "executions": [] }))).await;
    assert!(line(tenant.api.execution(JOB).await.unwrap_err(), "ContractBroken").contains("jobExecutions"));
}

/// A job of another call, an export of all records say, may name no profile, and can be landed all the same.
#[tokio::test]
async fn a_job_without_a_profile_is_described() {
    let name = "Default instances export job profile";
    for (more, profile, profile_id) in [
        (json!({ "jobProfileId": "x", "jobProfileName": name }), Some(name), None),
        (json!({ "jobProfileId": "x" }), None, Some("x")),
        (json!({}), None, None),
    ] {
        let mut execution = json!({ "id": JOB, "status": "COMPLETED" });
        execution.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let server = Scripted::start(move |_, _| Reply::json(json!({ "jobExecutions": [execution] }))).await;
        let settings = json!({ "base_url": server.url("/"), "tenant": "diku", "token": "given-token" });
        let connection: FolioConnection = serde_json::from_value(settings).unwrap();
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let work = WorkState::new(Store::open("work", &StoreSettings::default()).await);
        let source = FolioSource::new("demo".parse().unwrap(), &connection, clock, work, None).unwrap();
        let export: FolioExport = source.describe(&JOB.parse().unwrap()).await.unwrap().read().unwrap();
        assert_eq!((export.profile.as_deref(), export.profile_id.as_deref()), (profile, profile_id));
    }
}

/// Errors in the forms of the module and of both gateways: their words are kept, and no more than a line of them.
#[tokio::test]
async fn errors_are_read_in_every_form() {
    let eureka = r#"{"errors":[{"message":"Access Denied","code":"authorization_error","type":"ForbiddenException"}],"total_records":1}"#;
    for (reply, name, said) in [
        (
            Reply::status(403).body("Access for user 'x' (1) requires permission: data-export.logs"),
            "AuthRejected",
            "requires permission",
        ),
        (
            Reply::status(403).header("Content-Type", "application/json").body(eureka),
            "AuthRejected",
            "Access Denied: authorization_error",
        ),
        (Reply::status(400).body("No such Tenant diku"), "Rejected", "No such Tenant diku"),
        (Reply::status(404).body("No suitable module found for path"), "NotFound", "No suitable module"),
        (
            Reply::status(413).header("Content-Type", "text/html").body("<html>413</html>"),
            "Rejected",
            "a web page",
        ),
        (Reply::status(500).body("Failed to write the file"), "SourceUnavailable", "Failed to write"),
        (Reply::page(), "ContractBroken", "web page"),
    ] {
        let tenant = Tenant::answering(reply).await;
        let said_in = line(tenant.api.logs(JOB, 0, 1).await.unwrap_err(), name);
        assert!(said_in.contains(said), "{said_in}");
    }
}

/// A job that has ended names its file; one that has not, or has failed, names one that will never be.
#[tokio::test]
async fn files_are_those_of_a_job_that_has_ended_well() {
    let listed = |status: &str, file: Value| {
        let execution = json!({
            "id": JOB, "status": status, "exportedFiles": [file], "progress": { "exported": 1, "readIds": 1 },
        });
        serde_json::from_value(execution).unwrap()
    };
    let good = || json!({ "fileId": "b975b199", "fileName": "ids-112.mrc" });
    let tenant = Tenant::answering(Reply::json(json!({ "errorLogs": [{}], "totalRecords": 1 }))).await;
    let job = JOB.parse().unwrap();
    let files = files::list(&tenant.api, &job, &listed("COMPLETED", good())).await.unwrap().files;
    assert_eq!((files.len(), files[0].locator.as_deref(), tenant.server.count()), (1, Some("b975b199"), 0));
    let files = files::list(&tenant.api, &job, &listed("COMPLETED_WITH_ERRORS", good())).await.unwrap().files;
    let shown: Vec<_> = files.iter().map(|file| (file.ordinal, file.name.as_str(), file.is_log)).collect();
    assert_eq!(shown, [(0, "ids-112.mrc", false), (1, "errors.ndjson", true)]);
    for (status, file, said) in [
        ("IN_PROGRESS", good(), "is IN_PROGRESS now"),
        ("FAIL", good(), "is FAIL now"),
        ("COMPLETED", json!({ "fileId": "x" }), "exportedFiles[0].fileName"),
        ("COMPLETED", json!({ "fileName": "a\u{1b}.mrc", "fileId": "x" }), "exportedFiles[0].fileName"),
        ("COMPLETED", json!({ "fileName": "a.mrc", "fileId": null }), "profile deleted"),
    ] {
        let error = files::list(&tenant.api, &job, &listed(status, file)).await.unwrap_err();
        assert!(line(error, "ContractBroken").contains(said), "{said}");
    }
}

/// Promise 5: one id is one file, however often it is listed and whatever it is called; one of another id is another one.
#[tokio::test]
async fn a_file_that_is_listed_twice_is_one() {
    let file = |id: &str, name: &str| json!({ "fileId": id, "fileName": name });
    let execution = json!({
        "id": JOB, "status": "COMPLETED", "progress": { "exported": 2, "readIds": 2.0 },
        "exportedFiles": [file("a", "1.mrc"), file("a", "1.mrc"), file("b", "1.mrc"), 0, file("a", "2.mrc")],
    });
    let tenant = Tenant::answering(Reply::status(500)).await;
    let execution = serde_json::from_value(execution).unwrap();
    let files = files::list(&tenant.api, &JOB.parse().unwrap(), &execution).await.unwrap().files;
    let shown: Vec<_> = files.iter().map(|file| (file.ordinal, file.locator.as_deref().unwrap())).collect();
    assert_eq!(shown, [(0, "a"), (1, "b")]);
}

/// A link without a host is FOLIO's own, below no path of ours, and is followed as others are: without any header of ours.
#[tokio::test]
async fn a_relative_link_leads_to_folio_itself() {
    for link in
        ["/storage/ids-112.mrc?X-Amz-Signature=1", " //{host}/storage/ids-112.mrc?X-Amz-Signature=1\n"]
    {
        let answer = move |seen: &Seen, _| match seen.path() {
            "/storage/ids-112.mrc" => Reply::status(200).body("bytes"),
            _ => Reply::json(json!({ "fileId": "x", "link": link.replace("{host}", seen.header("host")) })),
        };
        let tenant = Tenant::start(json!({}), answer, |_, _| Reply::status(500)).await;
        let download = files::open(&tenant.api, &JOB.parse().unwrap(), &file(), None).await.unwrap();
        assert_eq!(content(download).await.unwrap(), b"bytes");
        let asked = tenant.server.seen();
        assert_eq!((asked.len(), asked[1].query()["X-Amz-Signature"].as_str()), (2, "1"));
        assert!(asked[1].header("x-okapi-token").is_empty() && tenant.storage.count() == 0);
    }
}

/// A log that may not be read keeps nothing back but itself, and what is missing is said; where it is all that a job has
/// put out, and where nothing says that it may not be read, the job has not landed.
#[tokio::test]
async fn a_log_that_may_not_be_read_is_missed() {
    let listed = |status: &str, files: Value| {
        serde_json::from_value(json!({ "id": JOB, "status": status, "exportedFiles": files })).unwrap()
    };
    let file = || json!([{ "fileId": "b975b199", "fileName": "ids-112.mrc" }]);
    let job = JOB.parse().unwrap();
    let tenant = Tenant::answering(Reply::status(403).body("Access Denied")).await;
    // A version before 5 may have entries in its log whatever its word.
    for status in ["COMPLETED_WITH_ERRORS", "COMPLETED"] {
        let list = files::list(&tenant.api, &job, &listed(status, file())).await.unwrap();
        assert_eq!((list.files.len(), list.files[0].is_log), (1, false));
        let [warning] = list.warnings.as_slice() else { panic!("{:?}", list.warnings) };
        assert!(warning.contains("data-export.logs.collection.get"), "{warning}");
    }
    let error =
        files::list(&tenant.api, &job, &listed("COMPLETED_WITH_ERRORS", json!([]))).await.unwrap_err();
    assert!(line(error, "AuthRejected").contains("data-export.logs.collection.get"));
    for (reply, name) in [(Reply::status(404), "NotFound"), (Reply::status(401), "AuthRejected")] {
        let tenant = Tenant::answering(reply).await;
        line(files::list(&tenant.api, &job, &listed("COMPLETED", file())).await.unwrap_err(), name);
    }
}

/// Promise 7: what a link leads to is asked without any header of ours, and nowhere but where the connection says.
#[tokio::test]
async fn a_link_is_followed_without_our_headers() {
    let storage_url = Arc::new(std::sync::OnceLock::<String>::new());
    let known = Arc::clone(&storage_url);
    let tenant = Tenant::start(
        json!({}),
        move |_, number| Reply::json(json!({ "fileId": "x", "link": format!("{}?X-Amz-Signature={number}", known.get().unwrap()) })),
        |_, _| Reply::status(200).body("bytes"),
    )
    .await;
    storage_url.set(tenant.storage.url("/bucket/ids-112.mrc").to_string()).unwrap();
    let job = JOB.parse().unwrap();
    let download = files::open(&tenant.api, &job, &file(), None).await.unwrap();
    assert_eq!(content(download).await.unwrap(), b"bytes");
    let asked = &tenant.storage.seen()[0];
    assert_eq!(asked.query()["X-Amz-Signature"], "0");
    let ours = ["authorization", "x-okapi-token", "x-okapi-tenant", "cookie"];
    assert!(ours.iter().all(|name| asked.header(name).is_empty()), "{:?}", asked.headers);
    assert_eq!(
        tenant.server.seen()[0].path(),
        format!("/okapi/data-export/job-executions/{JOB}/download/{}", file().locator.unwrap())
    );
}

/// Plain http is called only where the connection says so, and then only by the hosts that it names.
#[tokio::test]
async fn plain_http_is_a_matter_of_the_connection() {
    let job = JOB.parse().unwrap();
    for (allow_http, hosts, link, said) in [
        (false, json!(["minio.internal.example:9000"]), "http://minio.internal.example:9000/a", "allow_http"),
        (true, json!(["minio.internal.example:9000"]), "http://other.example/a", "storage_hosts"),
        (true, json!(["minio.internal.example:9000"]), "http://169.254.169.254/latest", "storage_hosts"),
        (
            true,
            json!(["minio.internal.example:9000"]),
            "ftp://minio.internal.example:9000/a",
            "storage_hosts",
        ),
    ] {
        let reply = Reply::json(json!({ "fileId": "x", "link": link }));
        let more = json!({ "allow_http": allow_http, "storage_hosts": hosts });
        let tenant = Tenant::start(more, move |_, _| reply.clone(), |_, _| Reply::status(500)).await;
        let error = files::open(&tenant.api, &job, &file(), None).await.unwrap_err();
        assert!(line(error, "ContractBroken").contains(said), "{link}");
    }
}

/// A host that is allowed plain http is called by it.
#[tokio::test]
async fn plain_http_that_is_allowed_is_tried() {
    let connection = json!({
        "base_url": "https://folio.example", "tenant": "diku", "token": "given-token", "allow_http": true,
        "storage_hosts": ["minio.internal.example:9000"],
    });
    let connection: FolioConnection = serde_json::from_value(connection).unwrap();
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    let network = Arc::new(Network::default());
    let wrap = |_| -> Arc<dyn Transport> { network.clone() };
    let api = Arc::new(Api::new(&"demo".parse().unwrap(), &connection, clock, Some(&wrap)).unwrap());
    let error = files::open(&api, &JOB.parse().unwrap(), &file(), None).await.unwrap_err();
    line(error, "SourceUnavailable");
    let called = network.0.lock().unwrap();
    assert!(called.iter().any(|host| host == "http://minio.internal.example:9000"), "{called:?}");
}

/// A network in which FOLIO gives a link to a storage that cannot serve now.
#[derive(Debug, Default)]
struct Network(Mutex<Vec<String>>);

#[async_trait]
impl Transport for Network {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        let origin = request.url().origin().ascii_serialization();
        let link = json!({ "fileId": "x", "link": "http://minio.internal.example:9000/bucket/ids-112.mrc" });
        let (status, body) = match origin.starts_with("https:") {
            true => (200, link.to_string()),
            false => (503, String::new()),
        };
        self.0.lock().unwrap().push(origin);
        Ok(::http::Response::builder().status(status).body(body).unwrap().into())
    }
}

/// A link that FOLIO cannot make now is asked for again, and no storage without one.
#[tokio::test]
async fn a_link_that_cannot_be_made_is_asked_for_again() {
    let tenant = Tenant::answering(Reply::status(500).body("S3 is away")).await;
    let error = files::open(&tenant.api, &JOB.parse().unwrap(), &file(), None).await.unwrap_err();
    assert!(line(error, "SourceUnavailable").contains("S3 is away"));
    assert!(tenant.server.count() > 1);
    assert_eq!(tenant.storage.count(), 0);
}

/// A file is announced by its name, its form and its size in Kbyte, and uploaded as bytes: each call once, whatever the
/// answer is.
#[tokio::test]
async fn a_file_is_announced_and_uploaded_once() {
    let upload = Upload::of(vec![b'a'; 1500]);
    let id = "b975b199-fa3c-4cc8-8257-4e996e64addb";
    for (reply, is_good) in
        [(Reply::json(json!({ "id": id })), true), (Reply::status(503), false), (Reply::status(429), false)]
    {
        let tenant = Tenant::answering(reply).await;
        assert_eq!(tenant.api.create_definition(id, &upload).await.is_ok(), is_good);
        assert_eq!(tenant.api.upload(id, &upload).await.is_ok(), is_good);
        let [made, uploaded] = tenant.server.seen().try_into().unwrap();
        assert_eq!((made.method.as_str(), made.path()), ("POST", "/okapi/data-export/file-definitions"));
        let body: Value = serde_json::from_str(&made.body).unwrap();
        assert_eq!(body, json!({ "id": id, "fileName": "ids.csv", "uploadFormat": "csv", "size": 2 }));
        assert_eq!(uploaded.path(), format!("/okapi/data-export/file-definitions/{id}/upload"));
        assert_eq!(uploaded.header("content-type"), "application/octet-stream");
        assert_eq!(uploaded.body.len(), 1500);
    }
}

/// Promise 1: a start is one that was answered by 204. A web page is none; of any other answer nobody knows.
#[tokio::test]
async fn only_204_is_a_start() {
    let export = FolioExport::default();
    for (reply, is_unknown) in [
        (Reply::status(204), None),
        (Reply::page(), Some(false)),
        (Reply::status(200), Some(true)),
        (Reply::status(202).header("Content-Type", "text/html").body("<html>Accepted</html>"), Some(true)),
        (Reply::status(302).header("Location", "/login"), Some(true)),
        (Reply::json(json!({})), Some(true)),
        (Reply::status(200).header("Content-Type", "text/plain").body("ok"), Some(true)),
        (Reply::status(503), Some(true)),
        (Reply::status(422).body("Unrecognized field"), Some(false)),
    ] {
        let tenant = Tenant::answering(reply).await;
        let started = tenant.api.start("d-1", "p-1", Some(IdType::Instance), &export).await;
        assert_eq!(started.err().map(|error| error.outcome_is_unknown()), is_unknown);
        assert_eq!(tenant.server.count(), 1);
    }
}

/// A list of profiles that ignores what is asked for is read to its end, a page at a time.
#[tokio::test]
async fn a_profile_is_found_in_a_list_of_any_length() {
    let tenant = Tenant::start(
        json!({}),
        |seen, _| {
            let number = |name: &str| seen.query()[name].parse::<u64>().unwrap();
            let (offset, limit) = (number("offset"), number("limit"));
            let page: Vec<Value> = (offset..(offset + limit).min(450))
                .map(|number| json!({ "id": format!("id {number}"), "name": format!("profile {number}") }))
                .collect();
            Reply::json(json!({ "jobProfiles": page, "totalRecords": 450 }))
        },
        |_, _| Reply::status(500),
    )
    .await;
    let named = |name: &str| FolioExport { profile: Some(name.to_owned()), ..FolioExport::default() };
    assert_eq!(tenant.api.profile_id(&named("profile 430")).await.unwrap(), "id 430");
    let asked: Vec<_> = tenant.server.seen().iter().map(|seen| seen.query()["offset"].clone()).collect();
    assert_eq!(asked, ["0", "200", "400", "450"]);
}

/// Promise 6: a log of any length is read a page at a time.
#[tokio::test]
async fn a_log_is_read_page_by_page() {
    let tenant = Tenant::start(
        json!({}),
        |seen, _| {
            let offset: u64 = seen.query()["offset"].parse().unwrap();
            let limit: u64 = seen.query()["limit"].parse().unwrap();
            let page: Vec<Value> =
                (offset..(offset + limit).min(450)).map(|number| json!({ "n": number })).collect();
            Reply::json(json!({ "errorLogs": page, "totalRecords": 450 }))
        },
        |_, _| Reply::status(500),
    )
    .await;
    let text =
        String::from_utf8(content(logs::open(&tenant.api, &JOB.parse().unwrap())).await.unwrap()).unwrap();
    let lines: Vec<String> = (0..450).map(|number| format!("{{\"n\":{number}}}")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    assert_eq!(tenant.server.count(), 4);
    for seen in tenant.server.seen() {
        assert_eq!(seen.query()["query"], format!("jobExecutionId=={JOB} sortby id"));
    }
}

/// A log of so many entries, of which a page has no more than the cap, with a total as the server tells it.
async fn log_of(
    entries: u64,
    cap: u64,
    total: impl Fn(u64, u64) -> Value + Send + Sync + 'static,
) -> Result<usize> {
    let handler = move |seen: &Seen, _: usize| {
        let number = |name: &str| seen.query()[name].parse::<u64>().unwrap();
        let (offset, limit) = (number("offset"), number("limit").min(cap));
        let page: Vec<Value> =
            (offset..(offset + limit).min(entries)).map(|number| json!({ "id": number })).collect();
        let total = total(offset, page.len() as u64);
        Reply::json(json!({ "errorLogs": page, "totalRecords": total }))
    };
    let tenant = Tenant::start(json!({}), handler, |_, _| Reply::status(500)).await;
    let text = content(logs::open(&tenant.api, &JOB.parse().unwrap())).await?;
    Ok(String::from_utf8(text).unwrap().lines().count())
}

/// Promise 5: how many entries a log has is an estimate from 1,000 on: neither too low a one ends the reading nor does too
/// high a one make a job impossible to land. Below that it is exact, and held against what came.
#[tokio::test]
async fn a_log_is_read_to_its_end_whatever_is_estimated() {
    for (entries, estimate) in [(5000, 1000), (1200, 1000), (1200, 5200), (1200, 1187)] {
        let log = log_of(entries, 200, move |_, _| json!(estimate)).await;
        assert_eq!(log.unwrap(), usize::try_from(entries).unwrap(), "{estimate}");
    }
    // What such a server corrects by what it has just given.
    let log =
        log_of(3000, 200, |offset, found| json!(if found == 0 { offset } else { 1000.max(offset + found) }))
            .await;
    assert_eq!(log.unwrap(), 3000);
    assert_eq!(log_of(450, 100, |_, _| json!(null)).await.unwrap(), 450);
    assert_eq!(log_of(450, 100, |_, _| json!("450")).await.unwrap(), 450);
    let said = line(log_of(450, 100, |_, _| json!(451)).await.unwrap_err(), "IntegrityError");
    assert!(said.contains("has 451 entries, and 450 were given"), "{said}");
}

/// Promise 6: a server that does not page gives a short log whole at once, and a long one not at all.
#[tokio::test]
async fn a_log_that_begins_again_ends() {
    for (there, given) in [(3, Some(3)), (200, None)] {
        let entries: Vec<Value> = (0..there).map(|number| json!({ "id": number })).collect();
        let tenant = Tenant::answering(Reply::json(json!({ "errorLogs": entries }))).await;
        let log = content(logs::open(&tenant.api, &JOB.parse().unwrap())).await;
        match given {
            Some(given) => assert_eq!(String::from_utf8(log.unwrap()).unwrap().lines().count(), given),
            None => assert!(line(log.unwrap_err(), "ContractBroken").contains("begins again")),
        }
    }
}

/// A profile is found behind pages that are shorter than they were asked to be.
#[tokio::test]
async fn a_profile_is_found_behind_short_pages() {
    let tenant = Tenant::start(
        json!({}),
        |seen, _| {
            let offset = seen.query()["offset"].parse::<u64>().unwrap();
            let page: Vec<Value> = (offset..(offset + 10).min(25))
                .map(|number| json!({ "id": format!("id {number}"), "name": format!("profile {number}") }))
                .collect();
            Reply::json(json!({ "jobProfiles": page, "totalRecords": 10 }))
        },
        |_, _| Reply::status(500),
    )
    .await;
    let export = FolioExport { profile: Some("profile 23".to_owned()), ..FolioExport::default() };
    assert_eq!(tenant.api.profile_id(&export).await.unwrap(), "id 23");
}

/// Versions 2 to 4 write `+0000`, version 5 ISO 8601.
#[test]
fn moments_are_read_in_both_forms() {
    for text in
        ["2026-04-24T10:18:19.852+00:00", "2026-04-24T10:18:19.852+0000", "2026-04-24T12:18:19.852+0200"]
    {
        assert_eq!(moment(text), "2026-04-24T10:18:19.852Z".parse().ok(), "{text}");
    }
    assert_eq!(moment("yesterday"), None);
}
