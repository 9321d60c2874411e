//! What descriptions can say and those that come with landfall do not: submissions in steps, keys, quotas, pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use landfall::clock::ManualClock;
use landfall::contract::{Found, Source as _, Submission, SubmitRequest};
use landfall::export::Export;
use landfall::job::{JobRecord, JobState, RunKey};
use landfall_http::scripted::{Reply, Scripted, Seen};
use serde_json::{Value, json};

use super::DeclaredSource;
use super::settings::DeclaredConnection;
use crate::testing::{self, line, work_at};
use jiff::Timestamp;

const WORK: &str = "/work/";

/// In steps, with errors under 200, a quota, and a list of files on pages.
const STEPS: &str = r#"
[system]
name = "steps"
title = "Steps"

[inputs.fields]
kind = "list"
about = "The fields."
required = true

[[submit]]
call = { post = "bulk/create.json", json = { fields = "{fields}" } }
answer = ["json /errors/0/code", "json /success"]
answers = { true = "ok", 1029 = "quota", false = "refused" }
id = "json /result/0/exportId"
message = "json /errors/0/message"

[[submit]]
call = { post = "bulk/{id}/enqueue.json" }
commits = true
answer = ["json /errors/0/code", "json /success"]
answers = { true = "ok", 1029 = "quota", false = "refused" }
message = "json /errors/0/message"

[find]
by = "person"
look = "look at the exports"

[poll]
call = { get = "bulk/{id}/status.json" }
state = "json /result/0/status"
means = { Queued = "running", Completed = "succeeded", Failed = "failed" }
rows = "json /result/0/numberOfRecords"

[[files]]
call = { get = "bulk/{id}/files.json", query = { offset = "{next}" } }
pages = { offset = true }
each = "json /files"
url = "json /url"
size = "json /size"
sha256 = "json /sha256"
values = { label = "json /label" }
name = "{label}.csv"
"#;

/// With a key by which the source knows a submission again.
const KEYED: &str = r#"
[system]
name = "keyed"
title = "Keyed"

[[submit]]
call = { post = "tasks", headers = { X-Idempotency-Key = "{mark}" }, json = {} }
commits = true
id = "last-segment of header Location"
answers = { 202 = "ok", 400 = "already" }

[find]
by = "repeat"
within_hours = 2

[poll]
call = { get = "tasks/{id}" }
state = "json /state"
means = { DONE = "succeeded" }

[[files]]
each = "json /files"
url = "json /url"
name = "{ordinal}.csv"
"#;

struct Told {
    server: Scripted,
    source: DeclaredSource,
    clock: Arc<ManualClock>,
    export: Export,
    run_key: RunKey,
}

impl Told {
    /// A system that answers so, beside a work bucket that keeps what is put there.
    async fn new(
        text: &str,
        with: Value,
        answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let kept: Mutex<BTreeMap<String, String>> = Mutex::default();
        let calls = Mutex::new(0);
        let server = Scripted::start(move |seen, _| match seen.path().starts_with(WORK) {
            true => stored(&mut kept.lock().unwrap(), seen),
            false => {
                let mut calls = calls.lock().unwrap();
                *calls += 1;
                answer(seen, *calls - 1)
            }
        })
        .await;
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let (source, name) = source_on(&server, text, clock.clone()).await;
        let export = json!({ "kind": "declared", "system": name, "with": with });
        let export = serde_json::from_value(export).unwrap();
        Self { server, source, clock, export, run_key: "run-1".parse().unwrap() }
    }

    fn order(&self) -> SubmitRequest<'_> {
        SubmitRequest { export: &self.export, run_key: &self.run_key, window: None }
    }

    /// The calls to the system so far.
    fn calls(&self) -> Vec<String> {
        let seen = self.server.seen();
        let of_system = seen.iter().filter(|seen| !seen.path().starts_with(WORK));
        of_system.map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    fn record(&self, id: &str) -> JobRecord {
        JobRecord { run_key: Some(self.run_key.clone()), ..testing::record(id, self.export.clone()) }
    }
}

/// The source that a description of one's own makes of a server, and its name.
async fn source_on(server: &Scripted, text: &str, clock: Arc<ManualClock>) -> (DeclaredSource, String) {
    let name = super::description::parse("test", text).unwrap_or_else(|error| panic!("{error}")).name;
    let settings = json!({
        "system": name, "description": text, "base_url": server.url("/rest/"), "http": { "attempts": 2, "retry_seconds": 10 },
    });
    let settings: DeclaredConnection = serde_json::from_value(settings).unwrap();
    let work = work_at(server).await;
    let source = DeclaredSource::new("demo".parse().unwrap(), &settings, work, clock, None);
    (source.unwrap(), name)
}

/// A store of JSON documents, as S3 has it.
fn stored(kept: &mut BTreeMap<String, String>, seen: &Seen) -> Reply {
    let path = seen.path().to_owned();
    match (seen.method.as_str(), kept.get(&path)) {
        ("PUT", Some(_)) if seen.header("if-none-match") == "*" => Reply::status(412),
        ("PUT", _) => {
            let document =
                seen.body.find('{').zip(seen.body.rfind('}')).map(|(from, to)| &seen.body[from..=to]);
            kept.insert(path, document.unwrap_or_default().to_owned());
            Reply::status(200).header("ETag", "\"e\"")
        }
        (_, Some(document)) => Reply::status(200).header("ETag", "\"e\"").body(document.clone()),
        (_, None) => Reply::status(404),
    }
}

fn created(id: &str) -> Reply {
    Reply::json(json!({ "success": true, "result": [{ "exportId": id }] }))
}

/// Promise 1: what a step has given is kept before the next is made: after a crash no step is made again that was answered.
#[tokio::test]
async fn a_submission_in_steps_goes_on_where_it_stopped() {
    let told = Told::new(STEPS, json!({ "fields": ["id", "email"] }), |seen, _| match seen.path() {
        "/rest/bulk/create.json" => created("ex-7"),
        _ => Reply::json(json!({ "success": true })),
    })
    .await;
    told.source.prepare(&told.order()).await.unwrap();
    // Another process goes on.
    told.source.prepare(&told.order()).await.unwrap();
    let submitted = told.source.submit(&told.order()).await.unwrap();
    assert_eq!(submitted, Submission::Accepted("ex-7".parse().unwrap()));
    assert_eq!(told.calls(), ["POST /rest/bulk/create.json", "POST /rest/bulk/ex-7/enqueue.json"]);
    assert_eq!(
        told.server.seen().iter().find(|seen| seen.path().ends_with("create.json")).unwrap().body,
        r#"{"fields":["id","email"]}"#
    );
    let Found::CannotTell(text) = told.source.find(&told.order()).await.unwrap() else { panic!() };
    assert!(text.contains("look at the exports; it was submitted at 1970-01-01T00:00:00Z"), "{text}");
}

/// Trap: an error under 200. A quota says when to come again, a refusal does not, and what no table names is a doubt.
#[tokio::test]
async fn an_answer_means_what_the_table_says() {
    for (answer, name, said) in [
        (
            json!({ "success": false, "errors": [{ "code": "1029", "message": "Export daily quota exceeded" }] }),
            "Throttled",
            "quota",
        ),
        (
            json!({ "success": false, "errors": [{ "code": "610", "message": "not found" }] }),
            "Rejected",
            "not found",
        ),
    ] {
        let told = Told::new(STEPS, json!({ "fields": ["id"] }), move |seen, _| match seen.path() {
            "/rest/bulk/create.json" => created("ex-7"),
            _ => Reply::json(answer.clone()),
        })
        .await;
        told.source.prepare(&told.order()).await.unwrap();
        let error = told.source.submit(&told.order()).await.unwrap_err();
        let waits = error.wait_seconds();
        assert!(line(error, name).contains(said));
        assert_eq!(waits.is_some(), name == "Throttled");
    }
    for reply in
        [Reply::json(json!({ "success": "maybe" })), Reply::nothing(), Reply::status(500), Reply::status(204)]
    {
        let shown = format!("{reply:?}");
        let told = Told::new(STEPS, json!({ "fields": ["id"] }), move |seen, _| match seen.path() {
            "/rest/bulk/create.json" => created("ex-7"),
            _ => reply.clone(),
        })
        .await;
        told.source.prepare(&told.order()).await.unwrap();
        let submitted = told.source.submit(&told.order()).await.unwrap();
        assert!(matches!(submitted, Submission::Ambiguous(_)), "{shown}");
        assert_eq!(told.calls().len(), 2, "{shown}");
    }
}

/// Promise 1: a submission that has a key is found by making the call again, under the same key, while the source knows it.
#[tokio::test]
async fn a_keyed_submission_is_found_by_repeating_it() {
    let told = Told::new(KEYED, json!({}), |_, number| match number {
        0 => Reply::nothing(),
        // The second of a key is refused, and names the first.
        _ => Reply::status(400).header("Location", "https://h.example/async/v1/tasks/42"),
    })
    .await;
    told.source.prepare(&told.order()).await.unwrap();
    assert!(matches!(told.source.submit(&told.order()).await.unwrap(), Submission::Ambiguous(_)));
    let found = told.source.find(&told.order()).await.unwrap();
    assert_eq!(found, Found::Job("42".parse().unwrap()));
    let seen = told.server.seen();
    let keys: Vec<&str> = seen
        .iter()
        .filter(|seen| seen.path() == "/rest/tasks")
        .map(|seen| seen.header("x-idempotency-key"))
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1] && keys[0].len() == 36, "{keys:?}");
    told.clock.advance(std::time::Duration::from_secs(2 * 3600));
    assert!(matches!(told.source.find(&told.order()).await.unwrap(), Found::CannotTell(_)));
    assert_eq!(told.calls().len(), 2, "a key that may be forgotten is not used");
}

/// A list by offsets ends with a page of nothing, and what an entry says of its file is kept.
#[tokio::test]
async fn a_list_by_offsets_is_read_to_its_end() {
    let told = Told::new(STEPS, json!({ "fields": ["id"] }), |seen, _| {
        if seen.path().ends_with("status.json") {
            return Reply::json(json!({ "result": [{ "status": "Completed", "numberOfRecords": "5" }] }));
        }
        let offset: usize = seen.query()["offset"].parse().unwrap();
        let files: Vec<Value> = (offset..5).take(2).map(|number| {
            json!({ "label": format!("part-{number}"), "url": format!("/files/{number}"), "size": 10, "sha256": "00".repeat(32) })
        }).collect();
        Reply::json(json!({ "files": files }))
    })
    .await;
    let job = told.record("ex-7");
    let status = told.source.status(&job).await.unwrap();
    assert_eq!((status.state, status.native_status.as_str()), (JobState::Succeeded, "Completed"));
    assert_eq!(status.expected_rows, Some(landfall::job::ExpectedRows::Exactly(5)));
    let files = told.source.output_files(&job).await.unwrap();
    let told_of: Vec<_> =
        files.iter().map(|file| (file.name.as_str(), file.size, file.sha256.is_some())).collect();
    assert_eq!(told_of[4], ("part-4.csv", Some(10), true));
    assert_eq!(files.len(), 5);
    assert_eq!(told.calls().len(), 1 + 4);
}

/// Promise 2: a job goes on by the description that it was submitted by, whatever the connection's says by now.
#[tokio::test]
async fn a_changed_description_does_not_meet_a_running_job() {
    let told = Told::new(KEYED, json!({}), |seen, _| match seen.method.as_str() {
        "POST" => Reply::status(202).header("Location", "/tasks/42"),
        _ => Reply::json(json!({ "state": "DONE", "files": [] })),
    })
    .await;
    told.source.prepare(&told.order()).await.unwrap();
    told.source.submit(&told.order()).await.unwrap();
    let changed = KEYED.replace("tasks/{id}", "v2/tasks/{id}");
    let (source, _) = source_on(&told.server, &changed, told.clock.clone()).await;
    source.status(&told.record("42")).await.unwrap();
    // Of another job nothing was kept.
    source.status(&JobRecord { run_key: None, ..told.record("43") }).await.unwrap();
    assert_eq!(told.calls(), ["POST /rest/tasks", "GET /rest/tasks/42", "GET /rest/v2/tasks/43"]);
}

/// Promise 1: a submission whose answer was lost is looked for as it was made, whatever the description says by now.
#[tokio::test]
async fn a_changed_description_does_not_meet_a_lost_submission() {
    let told = Told::new(KEYED, json!({}), |_, number| match number {
        0 => Reply::nothing(),
        _ => Reply::status(400).header("Location", "/async/v1/tasks/42"),
    })
    .await;
    told.source.prepare(&told.order()).await.unwrap();
    assert!(matches!(told.source.submit(&told.order()).await.unwrap(), Submission::Ambiguous(_)));
    let changed = KEYED.replace("post = \"tasks\"", "post = \"v2/tasks\"");
    let (source, _) = source_on(&told.server, &changed, told.clock.clone()).await;
    assert_eq!(source.find(&told.order()).await.unwrap(), Found::Job("42".parse().unwrap()));
    assert_eq!(told.calls(), ["POST /rest/tasks", "POST /rest/tasks"]);
    // What was found goes on as it began.
    source.status(&told.record("42")).await.unwrap_err();
    assert_eq!(told.calls()[2], "GET /rest/tasks/42");
}

/// Promise 6: a list of very many files is read, and an answer of more values than any list has is refused.
#[tokio::test]
async fn very_many_files_are_listed() {
    let told = Told::new(KEYED, json!({}), |seen, _| {
        let count = if seen.path().ends_with("/1") { 100_000 } else { 400_000 };
        let file = |number| json!({ "url": format!("/files/{number}"), "of": number });
        Reply::json(json!({ "state": "DONE", "files": (0..count).map(file).collect::<Vec<_>>() }))
    })
    .await;
    let files = told.source.output_files(&told.record("1")).await.unwrap();
    assert_eq!(files.len(), 100_000);
    assert_eq!(files[99_999].name, "99999.csv");
    let error = told.source.output_files(&told.record("2")).await.unwrap_err();
    assert!(line(error, "ContractBroken").contains("more than 1000000 values"));
}
