//! The source against a pod that answers as told.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::export::tests::simple;
use super::*;
use crate::fusion::settings::FusionConnection;
use crate::testing::{self, content, line, read};
use landfall::clock::ManualClock;
use landfall::contract::{Found, Source, Submission, SubmitRequest};
use landfall::error::{ErrorType, Result};
use landfall::export::Export;
use landfall::job::{JobRecord, JobRequestId, JobState, OutputFile, RunKey};
use landfall::state::WorkState;
use landfall_http::scripted::{Reply, Scripted, Seen};
use landfall_store::{Store, StoreSettings};

const INSTALLATION: &str = "5f0c7a52-1d3e-4b8a-9a57-3c2f6f1f9b10";
const JOBS: &str = "/api/saas-batch/jobscheduler/v1/jobRequests";
const FILES: &str = "/api/saas-batch/jobfilemanager/v1/jobRequests/44046/outputFiles";
const DEFINITIONS: &str = "/api/boss/data/objects/ora/commonBoss/dataExport/v1/exportDefinitions";
const GROUPS: &str = "/api/boss/data/objects/ora/commonBoss/dataExport/v1/exportGroupDefinitions";

/// A pod that answers as told; its tokens name their scope.
struct TestPod {
    server: Scripted,
    source: FusionExtractSource,
}

impl TestPod {
    async fn start(handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::configured(json!({}), handler).await
    }

    async fn configured(
        more: Value,
        handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let server = Scripted::start(move |seen, _| {
            if seen.path() == "/token" {
                let scope = seen.form()["scope"].clone();
                return Reply::json(json!({ "access_token": format!("for-{scope}"), "expires_in": 3600 }));
            }
            if seen.path().starts_with("/work/") {
                return Reply::json(json!({ "id": INSTALLATION }));
            }
            handler(seen, calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
        })
        .await;
        let settings = json!({
            "base_url": server.url("/"),
            "auth": { "token_url": server.url("/token"), "client_id": "c", "client_secret": "s", "grant": "client_credentials" },
            "scopes": { "batch": "batch", "boss": "boss" },
        });
        let connection: FusionConnection = read(settings, more).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let work = testing::work_at(&server).await;
        let source = FusionExtractSource::new("demo".parse().unwrap(), &connection, clock, work).unwrap();
        Self { server, source }
    }

    async fn answering(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// What was asked, without the tokens' requests and those to the work bucket.
    fn asked(&self) -> Vec<Seen> {
        let is_own = |seen: &Seen| seen.path() == "/token" || seen.path().starts_with("/work/");
        self.server.seen().into_iter().filter(|seen| !is_own(seen)).collect()
    }
}

fn record() -> JobRecord {
    testing::record("44046", export())
}

fn export() -> Export {
    Export::of(&simple("SimpleCarriers"))
}

fn order<'a>(export: &'a Export, run_key: &'a RunKey) -> SubmitRequest<'a> {
    SubmitRequest { export, run_key, window: None }
}

fn key() -> RunKey {
    "carriers-06".parse().unwrap()
}

/// The seed's submission, with the token of its own scope.
#[tokio::test]
async fn a_submission_is_one_post_with_the_batch_token() {
    let location = "https://pod.example.com:443/api/saas-batch/jobScheduler/v1/jobRequests/44046/";
    let pod = TestPod::answering(Reply::status(202).header("Location", location)).await;
    let submitted = pod.source.submit(&order(&export(), &key())).await.unwrap();
    assert_eq!(submitted, Submission::Accepted("44046".parse().unwrap()));
    let asked = pod.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("POST", JOBS));
    assert_eq!(asked[0].header("authorization"), "Bearer for-batch");
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    let description = "landfall-carriers-06::SimpleCarriers::Incremental::Immediate";
    let uuid = body["clientRequestUuid"].as_str().unwrap();
    assert_eq!(body["description"], format!("{description} {uuid}"));
}

/// Promise 1: an answer that is lost or says nothing is ambiguous, and never followed by a second submission.
#[tokio::test]
async fn a_lost_answer_is_ambiguous() {
    for reply in [
        Reply::nothing(),
        Reply::status(500),
        Reply::status(503),
        Reply::status(504),
        Reply::status(409),
        Reply::status(202),
        Reply::status(202).header("Location", "/elsewhere/x"),
        Reply::status(202).header("Content-Type", "text/html").body("<html>Accepted</html>"),
        Reply::status(302).header("Location", "/login"),
        Reply::status(303).header("Location", format!("{JOBS}/44046")),
        Reply::status(307),
        Reply::json(json!({ "jobRequestId": {} })),
    ] {
        let pod = TestPod::answering(reply.clone()).await;
        let submitted = pod.source.submit(&order(&export(), &key())).await.unwrap();
        assert!(matches!(submitted, Submission::Ambiguous(_)), "{reply:?}");
        assert_eq!(pod.asked().len(), 1, "{reply:?}");
    }
    // A body that names the id, or the other header, is as good as a Location.
    for named in [
        Reply::json(json!({ "jobRequestId": 44046 })),
        Reply::status(202).header("Content-Location", format!("{JOBS}/44046")),
        Reply::status(201).header("Location", "/queue").header("Content-Location", "jobRequests/44046"),
    ] {
        let pod = TestPod::answering(named.clone()).await;
        let submitted = pod.source.submit(&order(&export(), &key())).await.unwrap();
        assert_eq!(submitted, Submission::Accepted("44046".parse().unwrap()), "{named:?}");
    }
}

/// What certainly did not start a job is an error, not a doubt.
#[tokio::test]
async fn a_refused_submission_is_an_error() {
    for (reply, name) in [
        (Reply::status(400).body("{\"detail\":\"unknown extract\"}"), "Rejected"),
        (Reply::status(403), "AuthRejected"),
        (Reply::status(429), "Throttled"),
        (Reply::status(404), "NotFound"),
        (Reply::page(), "ContractBroken"),
    ] {
        let pod = TestPod::answering(reply).await;
        let said = line(pod.source.submit(&order(&export(), &key())).await.unwrap_err(), name);
        assert_eq!(pod.asked().len(), 1, "{name}");
        assert!(name != "NotFound" || said.contains("may lack the service"), "{said}");
    }
}

/// A pod that does not know the field by which a job is found again says so, and the setting that leaves it out is named.
#[tokio::test]
async fn a_refused_uuid_names_its_setting() {
    for reply in [
        Reply::status(400).body("{\"detail\":\"Unrecognized field \\\"clientRequestUuid\\\"\"}"),
        Reply::status(422).body("unknown property: CLIENTREQUESTUUID"),
    ] {
        let pod = TestPod::answering(reply).await;
        let said = line(pod.source.submit(&order(&export(), &key())).await.unwrap_err(), "Rejected");
        assert!(said.contains("client_request_uuid = false"), "{said}");
    }
}

fn listed(id: u64, run_key: &str, extract: &str) -> Value {
    json!({
        "jobRequestId": id, "jobStatus": "RUNNING",
        "jobRequest": { "description": format!("landfall-{run_key}::{extract}::Incremental::Immediate") }
    })
}

/// Does what a submission of an export with a definition and a group does.
async fn prepared(pod: &TestPod) -> Result<Submission> {
    pod.source.prepare(&order(&defined(), &key())).await?;
    pod.source.submit(&order(&defined(), &key())).await
}

async fn found(pod: &TestPod) -> Result<Option<JobRequestId>> {
    match pod.source.find(&order(&export(), &key())).await? {
        Found::Job(id) => Ok(Some(id)),
        Found::Nothing => Ok(None),
        Found::CannotTell(where_to_look) => panic!("{where_to_look}"),
    }
}

async fn find(reply: Value) -> Result<Option<JobRequestId>> {
    let pod = TestPod::answering(Reply::json(reply)).await;
    found(&pod).await
}

/// Ours is found between look-alikes, with the list's items flat and wrapped.
#[tokio::test]
async fn a_submission_is_found_again() {
    let mine = listed(7, "carriers-06", "SimpleCarriers");
    let others =
        [listed(1, "carriers-0", "SimpleCarriers"), listed(2, "Carriers-06", "SimpleCarriers"), json!({})];
    let flat = json!({ "items": [others[0], mine, others[1], others[2]] });
    assert_eq!(find(flat).await.unwrap().unwrap().as_str(), "7");
    let wrapped = json!({ "items": [{ "jobDetails": others[0] }, { "jobDetails": mine }] });
    assert_eq!(find(wrapped).await.unwrap().unwrap().as_str(), "7");
    assert_eq!(find(json!({ "items": others })).await.unwrap(), None);
    assert_eq!(find(json!({ "items": [] })).await.unwrap(), None);
}

/// Two jobs of one run key are for a person to decide.
#[tokio::test]
async fn two_matches_are_a_conflict_that_names_both() {
    let twice = [listed(7, "carriers-06", "SimpleCarriers"), listed(9, "carriers-06", "SimpleCarriers")];
    let said = line(find(json!({ "items": twice })).await.unwrap_err(), "Conflict");
    assert!(said.contains("7 and 9"), "{said}");
}

/// What the run's submission makes, as the list shows it under this id.
async fn submitted(pod: &TestPod, id: u64) -> Value {
    pod.source.submit(&order(&export(), &key())).await.unwrap();
    let body = pod.asked().into_iter().rfind(|seen| seen.method == "POST").unwrap().body;
    json!({ "jobRequestId": id, "jobStatus": "RUNNING", "jobRequest": serde_json::from_str::<Value>(&body).unwrap() })
}

/// Promise 1: a job of the same run key is this run's only where all parameters agree that the pod shows, and none is it
/// that another installation or connection has marked. One that bears the mark of this run goes before those that a
/// release before this one may have marked.
#[tokio::test]
async fn a_job_with_other_parameters_is_another_runs() {
    let pod = TestPod::answering(Reply::status(202)).await;
    let ours = submitted(&pod, 7).await;
    let with = |job: &Value, field: &str, value: Value| {
        let mut job = job.clone();
        job["jobRequest"][field] = value;
        job
    };
    let earlier = listed(5, "carriers-06", "SimpleCarriers");
    let parameters = |mode: &str, more: Value| {
        let mut parameters = json!({ "submit.argument1": "SimpleCarriers", "submit.argument2": mode });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameters
    };
    let same = |mode: &str| parameters(mode, json!({}));
    let mut of_another_installation = with(&ours, "clientRequestUuid", json!("6b1b"));
    of_another_installation["jobRequestId"] = json!(6);
    let description = ours["jobRequest"]["description"].as_str().unwrap();
    of_another_installation["jobRequest"]["description"] = json!(format!("{description}0"));
    for (case, items, found) in [
        ("ours", vec![ours.clone()], Some("7")),
        ("known by its description", vec![with(&ours, "clientRequestUuid", json!(null))], Some("7")),
        ("known by its uuid", vec![with(&ours, "description", json!("changed by hand"))], Some("7")),
        ("another mode", vec![with(&ours, "requestParameters", same("full"))], None),
        (
            "parameters that the pod has added",
            vec![with(&ours, "requestParameters", parameters("Incremental", json!({ "x.y": "1" })))],
            Some("7"),
        ),
        (
            "another extract",
            vec![with(&ours, "requestParameters", json!({ "submit.argument1": "Other" }))],
            None,
        ),
        ("no parameters shown", vec![with(&ours, "requestParameters", json!(null))], Some("7")),
        ("of another installation", vec![of_another_installation.clone()], None),
        ("of another kind", vec![with(&ours, "jobDefinitionName", json!("Payroll"))], None),
        ("of a release before", vec![earlier.clone()], Some("5")),
        (
            "of a release before, the same parameters",
            vec![with(&earlier, "requestParameters", same("Incremental Data Extract"))],
            Some("5"),
        ),
        (
            "of a release before, others",
            vec![with(&earlier, "requestParameters", same("Full Data Extract"))],
            None,
        ),
        ("of a release before, another extract", vec![listed(5, "carriers-06", "OtherExtract")], None),
        ("both", vec![earlier, of_another_installation, ours], Some("7")),
    ] {
        let found_id = find(json!({ "items": items })).await.unwrap();
        assert_eq!(found_id.as_ref().map(JobRequestId::as_str), found, "{case}");
    }
}

/// The ledger that a connection's runs are of is a parameter like any other.
#[tokio::test]
async fn a_ledger_is_a_parameter() {
    let of = |ledger: &str| {
        let mut export = simple("SimpleCarriers");
        export.request_parameters.insert("ledger".to_owned(), ledger.to_owned());
        Export::of(&export)
    };
    let mut job = listed(5, "carriers-06", "SimpleCarriers");
    job["jobRequest"]["requestParameters"] = json!({ "ledger": "DE" });
    let pod = TestPod::answering(Reply::json(json!({ "items": [job] }))).await;
    for (ledger, found) in [("US", Found::Nothing), ("DE", Found::Job("5".parse().unwrap()))] {
        assert_eq!(pod.source.find(&order(&of(ledger), &key())).await.unwrap(), found, "{ledger}");
    }
}

/// Promise 1: a list that pages is walked to its end; one that stays short is no answer.
#[tokio::test]
async fn a_paged_list_is_walked_to_its_end() {
    let pod = TestPod::start(|seen, _| {
        let offset: usize = seen.query().get("$offset").map_or(0, |offset| offset.parse().unwrap());
        let all: Vec<Value> =
            (0..5).map(|id| listed(id, &format!("carriers-0{}", id + 2), "SimpleCarriers")).collect();
        let page: Vec<_> = all.iter().skip(offset).take(2).cloned().collect();
        Reply::json(json!({ "items": page, "hasMore": offset + 2 < all.len() }))
    })
    .await;
    assert_eq!(found(&pod).await.unwrap().unwrap().as_str(), "4");
    assert_eq!(pod.asked().len(), 4);
    // Promise 1: one whose pages say that they are all is walked on.
    let pod = TestPod::start(|seen, _| {
        let offset: u64 = seen.query().get("$offset").map_or(0, |offset| offset.parse().unwrap());
        let page: Vec<_> = (offset..(offset + 2).min(5))
            .map(|id| listed(id, &format!("carriers-0{}", id + 2), "SimpleCarriers"))
            .collect();
        Reply::json(json!({ "items": page, "hasMore": false, "totalItems": page.len() }))
    })
    .await;
    assert_eq!(found(&pod).await.unwrap().unwrap().as_str(), "4");
    // A list that says nothing of its length is asked for more until nothing new comes.
    let pod = TestPod::start(|seen, _| {
        let offset: u64 = seen.query().get("$offset").map_or(0, |offset| offset.parse().unwrap());
        let page: Vec<_> = (offset..(offset + 2).min(3))
            .map(|id| listed(id, &format!("carriers-0{}", id + 4), "SimpleCarriers"))
            .collect();
        Reply::json(json!({ "items": page }))
    })
    .await;
    assert_eq!(found(&pod).await.unwrap().unwrap().as_str(), "2");
    let pod = TestPod::start(|seen, _| match seen.query().is_empty() {
        true => Reply::json(json!({ "items": [listed(1, "carriers-06", "SimpleCarriers")] })),
        false => Reply::status(400),
    })
    .await;
    assert_eq!(found(&pod).await.unwrap().unwrap().as_str(), "1");
    let short = json!({ "items": [listed(1, "x", "y")], "totalItems": 2 });
    let said = line(find(short).await.unwrap_err(), "ContractBroken");
    assert!(said.contains("does not give it"), "{said}");
}

/// Promise 6: lists that do not end take no more memory than a function has. What is only looked at is not kept: a
/// run is found behind more than may be kept.
#[tokio::test]
async fn a_list_is_kept_up_to_a_bound() {
    const ITEMS: usize = 27;
    let text = || "x".repeat(1_000_000);
    let pod = TestPod::start(move |_, call| {
        let mut job = listed(call as u64, "carriers-06", "SimpleCarriers");
        let items = match call {
            ..5 => {
                job["jobRequest"]["description"] = json!(text());
                let of = |item| {
                    let mut job = job.clone();
                    job["jobRequestId"] = json!(1000 * (call + 1) + item);
                    job
                };
                (0..ITEMS).map(of).collect()
            }
            5 => vec![job],
            _ => Vec::new(),
        };
        Reply::json(json!({ "items": items, "hasMore": call < 5 }))
    })
    .await;
    assert_eq!(found(&pod).await.unwrap().unwrap().as_str(), "5");

    let pod = TestPod::start(move |_, call| {
        let description = format!("landfall-{call}::{}::Full::Immediate", text());
        let request = json!({ "jobDefinitionName": "DataExport", "description": description });
        let of = |item| json!({ "jobRequestId": 1000 * call + item, "jobRequest": request });
        Reply::json(json!({ "items": (0..ITEMS).map(of).collect::<Vec<_>>(), "hasMore": true }))
    })
    .await;
    let said = line(pod.source.ended().await.unwrap_err(), "LimitExceeded");
    assert!(said.contains("does not end: 135 so far"), "{said}");
    assert_eq!(pod.asked().len(), 5);

    let pod = TestPod::start(move |_, call| {
        let of = |item| json!({ "fileName": format!("{call}-{item}-{}", text()) });
        Reply::json(json!({ "items": (0..ITEMS).map(of).collect::<Vec<_>>(), "hasMore": true }))
    })
    .await;
    let said = line(pod.source.output_files(&record()).await.unwrap_err(), "LimitExceeded");
    assert!(said.contains("67108864 are read"), "{said}");
    assert_eq!(pod.asked().len(), 3);
}

/// The documented answer, and what of it a caller gets.
#[tokio::test]
async fn a_status_is_read() {
    let pod = TestPod::answering(Reply::json(json!({ "jobDetails": {
        "jobRequestId": 44046, "jobStatus": "FAILED",
        "jobProgress": { "status": "FAILED", "message": "bad\nquery, password=hunter2", "completedPercentage": "30" }
    } })))
    .await;
    let status = pod.source.status(&record()).await.unwrap();
    assert_eq!((status.state, status.native_status.as_str()), (JobState::Failed, "FAILED"));
    assert_eq!(status.progress_percent, Some(30.0));
    assert_eq!(status.message.as_deref(), Some("bad query, password=[redacted]"));
    assert_eq!(pod.source.explain(&record()).await.unwrap(), status.message);
    assert_eq!(pod.asked()[0].target, format!("{JOBS}/44046"));
}

/// An unknown job is named, with where it is unknown; an answer without a status is no status.
#[tokio::test]
async fn an_unknown_job_is_not_found() {
    let pod = TestPod::answering(Reply::status(404)).await;
    let said = line(pod.source.status(&record()).await.unwrap_err(), "NotFound");
    assert!(said.contains("connection demo knows no job 44046"), "{said}");
    line(pod.source.describe(&"44046".parse().unwrap()).await.unwrap_err(), "NotFound");
    let pod = TestPod::answering(Reply::json(json!({ "jobDetails": { "jobRequestId": 44046 } }))).await;
    line(pod.source.status(&record()).await.unwrap_err(), "ContractBroken");
    // Of one that was just accepted there may be no details yet.
    let pod = TestPod::answering(Reply::json(json!({ "jobDetails": [] }))).await;
    let status = pod.source.status(&record()).await.unwrap();
    assert_eq!((status.state, status.native_status.as_str()), (JobState::Running, "NO_DETAILS"));
    let pod = TestPod::answering(Reply::page()).await;
    line(pod.source.status(&record()).await.unwrap_err(), "ContractBroken");
}

/// A job that somebody else submitted, from its own answer or, when that is abridged, from the list.
#[tokio::test]
async fn a_foreign_job_is_described() {
    let request = json!({
        "jobDefinitionName": "DataExport", "description": "by hand",
        "requestParameters": { "submit.argument1": "Labels", "submit.argument2": "Incremental Data Extract" }
    });
    let abridged = json!({ "jobDetails": { "jobStatus": "SUCCEEDED" } });
    for own in [json!({ "jobDetails": { "jobRequestId": 44046, "jobRequest": request } }), abridged] {
        let list = json!({ "items": [{ "jobRequestId": 44046, "jobRequest": request }] });
        let pod = TestPod::start(move |seen, _| {
            Reply::json(if seen.path() == JOBS { list.clone() } else { own.clone() })
        })
        .await;
        let found = pod.source.describe(&"44046".parse().unwrap()).await.unwrap();
        assert_eq!(found, Export::of(&simple("Labels")));
    }
}

fn item(server: &str, name: &str) -> Value {
    let href = format!("{server}{FILES}/{name}/content");
    json!({
        "fileName": name, "fileSize": 2876, "timeCreated": "2025-12-18 07:42:13.287",
        "checksum": format!("sha-256={}", "b1".repeat(32)),
        "$context": { "links": { "enclosure": { "href": href } } }
    })
}

async fn list(reply: Value) -> Result<Vec<OutputFile>> {
    let pod = TestPod::answering(Reply::json(reply)).await;
    pod.source.output_files(&record()).await
}

/// Oracle's example, its numbers as texts too; names are labels, twins are told apart by their links, and a file that
/// is listed twice is one.
#[tokio::test]
async fn files_are_listed_as_the_source_has_them() {
    let mut text = item("", "../etc/pass wd%41.zip");
    text["fileSize"] = json!("2876");
    text.as_object_mut().unwrap().remove("checksum");
    text.as_object_mut().unwrap().remove("$context");
    let mut twin = item("", "a.zip");
    twin["$context"]["links"]["enclosure"]["href"] = json!(format!("{FILES}/a.zip/content?jobExecutionId=2"));
    // One that is listed again, link and all, is no other file.
    let items = [item("", "a.zip"), twin, text, item("", "a.zip")];
    let files = list(json!({ "items": items, "totalItems": "4" })).await.unwrap();
    let of = |file: &OutputFile| (file.ordinal, file.name.clone(), file.size);
    assert_eq!(of(&files[0]), (0, "a.zip".to_owned(), Some(2876)));
    assert_eq!(of(&files[1]), (1, "a.zip".to_owned(), Some(2876)));
    assert_eq!(of(&files[2]), (2, "../etc/pass wd%41.zip".to_owned(), Some(2876)));
    assert_eq!(files.len(), 3);
    assert_eq!(files[0].sha256.unwrap().to_string(), "b1".repeat(32));
    assert_eq!(files[2].sha256, None);
    assert!(files[0].locator.as_ref().unwrap().ends_with(&format!("{FILES}/a.zip/content")));
    let built = files[2].locator.as_ref().unwrap();
    assert!(built.ends_with(&format!("{FILES}/..%2Fetc%2Fpass%20wd%2541.zip/content")), "{built}");
    assert_eq!(list(json!({ "items": [], "totalItems": 0 })).await.unwrap(), []);
}

/// What a list says beside its files does not keep them from landing: entries that are none, totals that are no counts,
/// checksums in base64 or of another kind.
#[tokio::test]
async fn files_are_listed_whatever_stands_beside_them() {
    let of_kind = |checksum: &str| {
        let mut item = item("", "a.zip");
        item["checksum"] = json!(checksum);
        item
    };
    let sha256 = Some("b1".repeat(32));
    for (listing, expected) in [
        (json!({ "items": [item("", "a.zip"), null, "x", {}] }), sha256.clone()),
        (json!({ "items": [item("", "a.zip")], "totalItems": "some", "hasMore": "no" }), sha256.clone()),
        (json!({ "items": [item("", "a.zip")], "totalItems": -1 }), sha256.clone()),
        (json!({ "items": [of_kind(&format!("SHA-256={}", BASE64_STANDARD.encode([0xb1; 32])))] }), sha256),
        (json!({ "items": [of_kind("md5=00")] }), None),
        (json!({ "items": [of_kind("none")] }), None),
    ] {
        let files = list(listing.clone()).await.unwrap_or_else(|error| panic!("{listing}: {}", error.line()));
        let sums: Vec<_> = files.iter().map(|file| file.sha256.map(|sha256| sha256.to_string())).collect();
        assert_eq!(sums, [expected], "{listing}");
    }
}

/// Promise 5: a short list is an error with both counts, after paging was tried in both spellings.
#[tokio::test]
async fn a_short_list_is_an_error() {
    let short = json!({ "items": [item("", "a.zip")], "totalItems": 2 });
    let pod = TestPod::answering(Reply::json(short)).await;
    let said = line(pod.source.output_files(&record()).await.unwrap_err(), "ContractBroken");
    assert!(said.contains("put out 2 files, and lists 1"), "{said}");
    let queries: Vec<_> = pod.asked().iter().map(Seen::query).collect();
    assert!(queries[1].contains_key("offset") && queries[2].contains_key("$offset"), "{queries:?}");
}

/// Promise 5: a list whose order changes from page to page has as many items as it says, and not all of them.
#[tokio::test]
async fn pages_that_overlap_are_an_error() {
    let pod = TestPod::start(|seen, _| {
        let names = if seen.query().is_empty() { ["a", "b"] } else { ["b", "a"] };
        let items: Vec<_> = names.iter().map(|name| item("", name)).collect();
        Reply::json(json!({ "items": items, "totalItems": 4 }))
    })
    .await;
    let said = line(pod.source.output_files(&record()).await.unwrap_err(), "ContractBroken");
    assert!(said.contains("\"b\" twice"), "{said}");
}

/// A list that pages, by either spelling, is whole.
#[tokio::test]
async fn a_paged_list_of_files_is_whole() {
    for spelling in ["offset", "$offset"] {
        for counts in [true, false] {
            let pod = TestPod::start(move |seen, _| {
                let offset: usize = seen.query().get(spelling).map_or(0, |offset| offset.parse().unwrap());
                let names: Vec<_> = (0..5).map(|number| format!("{number}.zip")).collect();
                let items: Vec<_> = names.iter().skip(offset).take(2).map(|name| item("", name)).collect();
                let mut page = json!({ "items": items });
                if counts {
                    page["totalItems"] = json!(5)
                } else {
                    page["hasMore"] = json!(offset + 2 < 5)
                }
                Reply::json(page)
            })
            .await;
            let files = pod.source.output_files(&record()).await.unwrap();
            let names: Vec<_> = files.iter().map(|file| (file.ordinal, file.name.as_str())).collect();
            let wanted = [(0, "0.zip"), (1, "1.zip"), (2, "2.zip"), (3, "3.zip"), (4, "4.zip")];
            assert_eq!(names, wanted, "{spelling} {counts}");
        }
    }
}

/// Promise 5: neither a count nor a flag ends a list that has more, and a list that is whole costs one call more.
#[tokio::test]
async fn a_list_of_files_is_read_on_whatever_it_says() {
    for spelling in ["offset", "$offset"] {
        let pod = TestPod::start(move |seen, _| {
            let offset: usize = seen.query().get(spelling).map_or(0, |offset| offset.parse().unwrap());
            let items: Vec<_> =
                (offset..5.min(offset + 2)).map(|number| item("", &format!("{number}.zip"))).collect();
            Reply::json(json!({ "items": items, "hasMore": false, "totalItems": items.len() }))
        })
        .await;
        assert_eq!(pod.source.output_files(&record()).await.unwrap().len(), 5, "{spelling}");
    }
    // Whoever does not page answers the same again, with other links to it, perhaps, or refuses.
    for refuses in [true, false] {
        let pod = TestPod::start(move |seen, number| {
            let mut item = item("", "a.zip");
            item["$context"]["links"]["enclosure"]["href"] = json!(format!("/fresh?sig={number}"));
            match refuses && !seen.query().is_empty() {
                true => Reply::status(400),
                false => Reply::json(json!({ "items": [item], "totalItems": 1 })),
            }
        })
        .await;
        assert_eq!(pod.source.output_files(&record()).await.unwrap().len(), 1, "{refuses}");
        assert_eq!(pod.asked().len(), 2, "{refuses}");
    }
}

/// Promise 5: a server that says of every page that more follows is read to where nothing new comes, unless it knows no
/// pages: then nobody can tell what is missing.
#[tokio::test]
async fn what_brings_nothing_new_is_the_end_of_a_list() {
    for (is_clamped, total, is_whole) in
        [(Some(false), None, true), (Some(true), None, true), (None, None, false), (None, Some(5), true)]
    {
        let pod = TestPod::start(move |seen, _| {
            let offset: usize = seen.query().get("offset").map_or(0, |offset| offset.parse().unwrap());
            let (first, end) = match is_clamped {
                Some(is_clamped) => (if is_clamped { offset.min(3) } else { offset }, 5.min(offset + 2)),
                None => (0, 5),
            };
            let end = if is_clamped == Some(true) { 5.min(first + 2) } else { end };
            let items: Vec<_> = (first..end).map(|number| item("", &format!("{number}.zip"))).collect();
            Reply::json(json!({ "items": items, "hasMore": true, "totalItems": total }))
        })
        .await;
        let listed = pod.source.output_files(&record()).await;
        let listed = listed.map(|files| files.len()).map_err(|error| error.error_type());
        match (is_clamped, is_whole) {
            // The last page begins with what is known already: the order may have changed.
            (Some(true), _) => assert_eq!(listed, Err(ErrorType::ContractBroken)),
            (_, true) => assert_eq!(listed, Ok(5), "{is_clamped:?} {total:?}"),
            (_, false) => assert_eq!(listed, Err(ErrorType::ContractBroken)),
        }
    }
}

/// Promise 4: one place is one file, in whatever form its link comes; and a size that says nothing is none.
#[tokio::test]
async fn a_file_with_two_forms_of_one_link_is_one() {
    let pod = TestPod::start(move |seen, _| {
        let listed = |link: String, size: serde_json::Value| {
            let mut item = item("", "a.zip");
            item["$context"]["links"]["enclosure"]["href"] = json!(link);
            item["fileSize"] = size;
            item
        };
        let place = format!("{FILES}/a.zip/content");
        let host = seen.header("host").to_owned();
        let items = match seen.query().is_empty() {
            true => vec![
                listed(place.clone(), json!(-1)),
                listed(format!("HTTP://{host}{place}"), json!("")),
                listed(format!("{place}#1"), json!(null)),
                listed(format!("{place}?version=2"), json!(0)),
                listed(format!("{place}?version=3"), json!(11.0)),
            ],
            false => vec![],
        };
        Reply::json(json!({ "items": items }))
    })
    .await;
    let files = pod.source.output_files(&record()).await.unwrap();
    let sizes: Vec<_> = files.iter().map(|file| (file.ordinal, file.size)).collect();
    assert_eq!(sizes, [(0, None), (1, Some(0)), (2, Some(11))]);
}

/// Promise 5: the metadata file tells that the last archive is there; what cannot be looked into tells nothing.
#[tokio::test]
async fn the_last_archive_is_known_by_its_metadata_file() {
    let entry = |name: &str| {
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        [b"PK\x01\x02".as_slice(), &[0; 24], &length, &[0; 16], name.as_bytes()].concat()
    };
    let of =
        |names: &[&str]| [b"data".to_vec(), names.iter().flat_map(|name| entry(name)).collect()].concat();
    let last = of(&["a.csv", "x/SimpleCarriers_Metadata.json"]);
    for (bodies, is_known) in [
        ([Some(of(&["a.csv"])), Some(last.clone())], true),
        ([Some(last.clone()), Some(of(&["metadata/b.csv"]))], true),
        ([Some(of(&["a.csv"])), Some(of(&["b.csv"]))], false),
        ([Some(b"PK\x01\x02".to_vec()), None], false),
    ] {
        let pod = TestPod::start(move |seen, _| {
            let place = usize::from(seen.path().contains("_2.zip"));
            match (seen.path() == FILES, &bodies[place]) {
                (true, _) => Reply::json(json!({ "items": [item("", "a_1.zip"), item("", "a_2.zip")] })),
                (false, Some(body)) => {
                    Reply::status(206).header("Content-Type", "application/octet-stream").body(body.clone())
                }
                (false, None) => Reply::status(500),
            }
        })
        .await;
        let files = pod.source.output_files(&record()).await.unwrap();
        let before = pod.asked().len();
        assert_eq!(pod.source.has_last_file(&record(), &files).await, is_known);
        let asked = pod.asked().split_off(before);
        assert!(asked[0].path().contains("a_2.zip") && asked[0].header("range") == "bytes=-65536");
    }
}

/// What a list must not hold is refused when it is listed, with the item and the field.
#[tokio::test]
async fn malformed_files_are_refused_by_name() {
    let with = |field: &str, value: Value| {
        let mut item = item("", "a.zip");
        item[field] = value;
        json!({ "items": [item] })
    };
    let link = |href: &str| with("$context", json!({ "links": { "enclosure": { "href": href } } }));
    for (listing, said) in [
        (with("fileName", json!("a\u{1b}b")), "items[0].fileName"),
        (with("fileName", json!(" ")), "items[0].fileName"),
        (with("fileName", Value::Null), "items[0].fileName"),
        (with("checksum", json!("sha-256=00")), "items[0].checksum"),
        (with("fileSize", json!("many")), "items[0].fileSize"),
        (link("https://evil.example/a.zip"), "evil.example is not a host of this connection"),
        (link("http://evil.example/a.zip"), "over http"),
        (link("http://169.254.169.254/latest"), "over http"),
        (link("https://[::1]/a.zip"), "not a host of this connection"),
        (json!({ "items": {} }), "expected a list"),
    ] {
        let said_in = line(list(listing).await.unwrap_err(), "ContractBroken");
        assert!(said_in.contains(said), "{said_in}");
    }
}

/// A file is fetched from where it was listed, with the batch token.
#[tokio::test]
async fn a_file_is_opened_where_it_was_listed() {
    let pod = TestPod::start(|seen, _| match seen.path() {
        FILES => Reply::json(json!({ "items": [item("", "a.zip")] })),
        _ => Reply::status(200).body("bytes"),
    })
    .await;
    let file = pod.source.output_files(&record()).await.unwrap().remove(0);
    assert_eq!(content(pod.source.open(&record(), &file, None).await.unwrap()).await.unwrap(), b"bytes");
    let asked = pod.asked().pop().unwrap();
    assert_eq!(asked.path(), format!("{FILES}/a.zip/content"));
    assert_eq!(asked.header("authorization"), "Bearer for-batch");
}

/// Promise 7: a link that grants access by itself is used and never kept; a link that is gone is listed anew.
#[tokio::test]
async fn an_expired_link_is_listed_anew() {
    let pod = TestPod::start(|seen, number| match seen.path() {
        FILES => {
            let mut item = item("", "a.zip");
            item["$context"]["links"]["enclosure"]["href"] = json!(format!("/fresh?sig={number}"));
            Reply::json(json!({ "items": [item] }))
        }
        "/fresh" => Reply::status(200).body("bytes"),
        _ => Reply::status(410),
    })
    .await;
    let mut file = pod.source.output_files(&record()).await.unwrap().remove(0);
    assert_eq!(file.locator, None);
    for locator in [None, Some(pod.server.url("/old").to_string())] {
        file.locator = locator;
        assert_eq!(content(pod.source.open(&record(), &file, None).await.unwrap()).await.unwrap(), b"bytes");
    }
    let lists = pod.asked().into_iter().filter(|seen| !seen.query().contains_key("offset"));
    let targets: Vec<_> = lists.map(|seen| seen.target).collect();
    assert_eq!(targets, [FILES, FILES, "/fresh?sig=2", "/old", FILES, "/fresh?sig=6"]);
    file.name = "b.zip".to_owned();
    let said = line(pod.source.open(&record(), &file, None).await.unwrap_err(), "NotFound");
    assert!(said.contains("lists \"b.zip\" no more"), "{said}");
}

/// Promise 7: a locator that was stored is checked like any other URL. One that the connection does not call,
/// because it was tampered with or the pod has another name now, is not called, and listed anew.
#[tokio::test]
async fn a_stored_locator_is_checked_too() {
    let pod = TestPod::start(|seen, _| match seen.path() {
        FILES => Reply::json(json!({ "items": [item("", "a.zip")] })),
        _ => Reply::status(200).body("bytes"),
    })
    .await;
    let mut file = pod.source.output_files(&record()).await.unwrap().remove(0);
    file.locator = Some("https://evil.example/a.zip".to_owned());
    let before = pod.asked().len();
    assert_eq!(content(pod.source.open(&record(), &file, None).await.unwrap()).await.unwrap(), b"bytes");
    assert!(pod.asked()[before..].iter().any(|seen| seen.path() == FILES));
}

fn defined() -> Export {
    let definition = json!({
        "owner": "o", "owner_role": "r", "export_configuration": { "type": "BV", "outputDataFormat": "CSV" },
        "extraction_query": { "viewQueries": {} }
    });
    let group = json!({ "name": "O'Group", "owner": "o", "owner_role": "r" });
    let extract = json!({ "extract": "Carriers", "mode": "full", "definition": definition, "group": group });
    Export::of(&serde_json::from_value::<FusionExtract>(extract).unwrap())
}

/// Definition and group are looked up by name, with the other scope's token, and created if missing.
#[tokio::test]
async fn what_is_missing_is_created() {
    let pod = TestPod::start(|seen, _| match (seen.method.as_str(), seen.path()) {
        ("POST", JOBS) => Reply::status(202).header("Location", "/x/jobRequests/1"),
        // A filter that is looser than ours: the name is compared again.
        ("GET", _) => Reply::json(json!({ "items": [{ "name": "carriers" }], "hasMore": false })),
        _ => Reply::status(201).header("Location", "/300100641963646"),
    })
    .await;
    prepared(&pod).await.unwrap();
    let asked = pod.asked();
    let calls: Vec<_> = asked.iter().map(|seen| (seen.method.as_str(), seen.path())).collect();
    // A page that comes again ends a list.
    let of = |collection| [("GET", collection), ("GET", collection), ("POST", collection)];
    assert_eq!(calls, [of(DEFINITIONS).as_slice(), &of(GROUPS), &[("POST", JOBS)]].concat());
    assert!(asked[..6].iter().all(|seen| seen.header("authorization") == "Bearer for-boss"));
    assert_eq!(asked[0].query()["$filter"], "name='Carriers'");
    assert_eq!(asked[3].query()["$filter"], "name='O''Group'");
    let definition: Value = serde_json::from_str(&asked[2].body).unwrap();
    assert_eq!(definition["bossArtifacts"]["extractionQuery"], "{\"viewQueries\":{}}");
    let group: Value = serde_json::from_str(&asked[5].body).unwrap();
    assert_eq!(definition["extractClient"], "FA_DATA_EXTRACT_UI");
    assert_eq!(group["extractClient"], "FA_DATA_EXTRACT_UI");
    assert_eq!(group["groupedExtracts"], json!({ "items": [{ "name": "Carriers" }] }));
}

/// A query that is given as text is the source's own: not a character of it is touched.
#[tokio::test]
async fn a_query_as_text_stays_as_it_is() {
    const QUERY: &str = "{ \"viewQueries\" : {\"b\":1,\n  \"a\":2.50},\"a\":\"\\u00e9\" }";
    let mut extract: FusionExtract = defined().read().unwrap();
    extract.definition.as_mut().unwrap().extraction_query = json!(QUERY);
    let export = Export::of(&extract);
    let pod = TestPod::start(|seen, _| match (seen.method.as_str(), seen.path()) {
        ("POST", JOBS) => Reply::status(202).header("Location", "/x/jobRequests/1"),
        ("GET", _) => Reply::json(json!({ "items": [], "hasMore": false })),
        _ => Reply::status(201),
    })
    .await;
    pod.source.prepare(&order(&export, &key())).await.unwrap();
    let definition: Value = serde_json::from_str(&pod.asked()[1].body).unwrap();
    assert_eq!(definition["bossArtifacts"]["extractionQuery"], QUERY);
}

/// A search that answers in pages, as one does whose filter is ignored, is read to the page that has the name.
#[tokio::test]
async fn a_definition_is_looked_for_on_every_page() {
    let pod = TestPod::start(|seen, _| match (seen.method.as_str(), seen.path()) {
        ("POST", JOBS) => Reply::status(202).header("Location", "/x/jobRequests/1"),
        ("GET", _) => {
            let names = ["A", "B", "C", "Carriers", "O'Group"];
            let offset: usize = seen.query()["$offset"].parse().unwrap();
            let page: Vec<_> =
                names.iter().skip(offset).take(2).map(|name| json!({ "name": name })).collect();
            // What it says of the rest is not believed.
            Reply::json(json!({ "items": page, "hasMore": offset == 0 }))
        }
        _ => Reply::status(500),
    })
    .await;
    prepared(&pod).await.unwrap();
    let asked = pod.asked();
    let offsets: Vec<_> = asked.iter().filter_map(|seen| seen.query().get("$offset").cloned()).collect();
    assert_eq!(offsets, ["0", "2", "0", "2", "4"], "definitions, then groups");
    assert_eq!(asked.iter().filter(|seen| seen.method == "POST").count(), 1, "nothing is created");
}

/// What is there is left alone, also where it only shows up after a creation that failed or got lost.
#[tokio::test]
async fn what_exists_is_not_created_twice() {
    let duplicate =
        Reply::status(400).body("{\"detail\":\"cannot have the same name as existing extract group\"}");
    for (creation, creations) in
        [(None, 0), (Some(Reply::status(409)), 2), (Some(duplicate), 2), (Some(Reply::nothing()), 2)]
    {
        let is_there_at_first = creation.is_none();
        let created = std::sync::Mutex::new(std::collections::HashSet::new());
        let pod = TestPod::start(move |seen, _| match (seen.method.as_str(), seen.path()) {
            ("POST", JOBS) => Reply::status(202).header("Location", "/x/jobRequests/1"),
            ("GET", path) => {
                let shows = is_there_at_first || created.lock().unwrap().contains(path);
                let items =
                    if shows { json!([{ "name": "Carriers" }, { "name": "O'Group" }]) } else { json!([]) };
                Reply::json(json!({ "items": items, "hasMore": false }))
            }
            (_, path) => {
                created.lock().unwrap().insert(path.to_owned());
                creation.clone().unwrap()
            }
        })
        .await;
        prepared(&pod).await.unwrap();
        let posts = pod.asked().iter().filter(|seen| seen.method == "POST" && seen.path() != JOBS).count();
        assert_eq!(posts, creations);
    }
}

/// A creation that is refused for another reason is that refusal, and nothing is submitted.
#[tokio::test]
async fn a_refused_creation_submits_nothing() {
    let pod = TestPod::start(|seen, _| match seen.method.as_str() {
        "GET" => Reply::json(json!({ "items": [], "hasMore": false })),
        _ => Reply::status(400).body("{\"title\":\"owner is unknown\"}"),
    })
    .await;
    let said = line(prepared(&pod).await.unwrap_err(), "Rejected");
    assert!(said.contains("creating \"Carriers\"") && said.contains("owner is unknown"), "{said}");
    assert!(pod.asked().iter().all(|seen| seen.path() != JOBS));
}

/// A connection without the scope that a definition needs says so before anything is called.
#[tokio::test]
async fn a_definition_needs_its_scope() {
    let pod = TestPod::configured(json!({ "scopes": { "batch": "batch" } }), |_, _| Reply::status(500)).await;
    let said = line(pod.source.accepts(&defined()).unwrap_err(), "InvalidConfig");
    assert!(said.contains("scopes.boss"), "{said}");
    line(prepared(&pod).await.unwrap_err(), "InvalidConfig");
    assert_eq!(pod.server.count(), 0);
}

/// Settings that cannot be are named when the source is made.
#[tokio::test]
async fn a_connection_that_cannot_be_is_refused() {
    for (field, value, said) in [
        ("base_url", json!("http://pod.example.com"), "base_url"),
        ("http", json!({ "allowed_hosts": ["https://x/"] }), "http.allowed_hosts"),
    ] {
        let mut settings = json!({
            "base_url": "https://pod.example.com/",
            "auth": { "token_url": "https://id.example.com/token", "client_id": "c", "client_secret": "s", "grant": "client_credentials" },
            "scopes": { "batch": "batch" },
        });
        settings[field] = value;
        let connection: FusionConnection = serde_json::from_value(settings).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let work = WorkState::new(Store::open("work", &StoreSettings::default()).await);
        let error = FusionExtractSource::new("demo".parse().unwrap(), &connection, clock, work).unwrap_err();
        assert!(line(error, "InvalidConfig").contains(said));
    }
}
