//! Files that are there already, by the steps that land a source's: objects of the inbox, and nothing else that an event
//! names. What an earlier release's step `take-in` has left is written out here as it wrote it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall::ErrorType;
use landfall::checksum::{Crc64Nvme, Sha256};
use landfall::clock::{Clock, Deadline, ManualClock};
use landfall::context::Context;
use landfall::event::{JobEvent, parse};
use landfall_store::{Condition, PART_BYTES};
use landfall_tests::{Setup, World, assert_failed, land, objects, resume, submit_event};
use serde_json::{Value, json};

const KEY: &str = "inbox/march/orders.csv";
const ROWS: &[u8] = b"ID\n1\n2\n";

/// What a rule of EventBridge sends for an object, as the definition makes a run event of it.
fn event(key: &str) -> Value {
    json!({
        "connection": "inbox",
        "export": { "kind": "file", "object": { "bucket": "work", "key": key } },
        "destination": "lake",
        "run_key": "the-name-of-an-execution",
    })
}

fn job_event(id: &str) -> Value {
    json!({ "connection": "inbox", "job_request_id": id })
}

/// Worlds that begin at one moment land the same bytes.
fn at() -> Setup {
    Setup { at: Some("2026-11-21T06:00:00Z".parse().unwrap()), ..Setup::default() }
}

async fn put(world: &World, key: &str, bytes: &[u8]) {
    let work = world.work().await;
    work.put(key, bytes.to_vec().into(), Condition::Always).await.unwrap();
}

/// The id that an object's job has always had.
async fn id_of(world: &World, key: &str) -> String {
    let object = world.work().await.head(key).await.unwrap().unwrap();
    let digest = Sha256::of(format!("{key}\n{}", object.etag).as_bytes()).to_string();
    digest.split_at(32).0.to_owned()
}

async fn fetch_within(context: &Context, id: &str, deadline: &Deadline) -> landfall::Result<bool> {
    let event: JobEvent = parse(job_event(id))?;
    fetch_files::fetch_all(context, event, deadline).await.map(|fetched| fetched.complete)
}

async fn fetch(world: &World, id: &str) -> landfall::Result<bool> {
    fetch_within(&world.anew(), id, &Deadline::none(world.clock.clone())).await
}

/// A clock by which every look at it takes ten seconds.
#[derive(Debug)]
struct Passing(ManualClock);

#[async_trait]
impl Clock for Passing {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_secs(10));
        self.0.now()
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// Promises 2 and 6: an object for which one invocation has no time lands over several, each from where the one before
/// it stopped, by the job's id alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_goes_on_by_its_id_when_the_deadline_has_cut_its_fetch() {
    let world = World::new(at()).await;
    let parts = 6;
    let bytes: Vec<u8> = (0..parts * PART_BYTES).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
    put(&world, "inbox/large.bin", &bytes).await;
    let submitted = submit_event(&world.context, event("inbox/large.bin")).await.unwrap();
    let id = submitted.job_request_id.as_str();
    for _ in 0..2 {
        let start = world.clock.now();
        let ends = start + SignedDuration::from_secs(35);
        let deadline = Deadline::at(ends, Arc::new(Passing(ManualClock::new(start))));
        assert!(!fetch_within(&world.anew(), id, &deadline).await.unwrap(), "there was time for all of it");
    }
    assert!(fetch(&world, id).await.unwrap());
    assert_eq!(world.store_requests()["UploadPart"], parts as u64, "a part was fetched twice");
    resume(&world.anew(), job_event(id)).await.unwrap();
    let landed = world.landed().await;
    assert!(landed[&format!("inbox/large/{id}/large.bin")] == bytes);
    assert_eq!(world.unfinished_uploads().await, 0);
    world.end().await;
}

/// Promises 1 and 4: an object that is told of twice is one job, under the id that it has always had, and says where in the
/// inbox it was; other bytes under its name are another job, and so are its bytes under another name.
#[tokio::test]
async fn an_object_is_the_job_that_it_has_always_been() {
    let world = World::new(at()).await;
    put(&world, KEY, ROWS).await;
    let id = id_of(&world, KEY).await;
    let published = land(&world.context, event(KEY)).await.unwrap();
    assert_eq!(published.manifest_key, format!("inbox/march/orders/{id}/_manifest.json"));
    let told_again = submit_event(&world.anew(), event(KEY)).await.unwrap();
    assert_eq!((told_again.job_request_id.as_str(), told_again.landed), (id.as_str(), true));
    assert!(told_again.already_submitted);

    let bytes = world.landed().await.remove(&published.manifest_key).unwrap();
    let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let objects = manifest.as_object_mut().unwrap().remove("objects").unwrap();
    assert_eq!(objects[0]["key"], format!("inbox/march/orders/{id}/orders.csv"));
    assert_eq!(
        manifest,
        json!({
            "manifest_version": 1,
            "connection": "inbox",
            "job_request_id": id,
            "export": { "kind": "file", "name": "orders", "object": { "bucket": "work", "key": KEY } },
            "destination": "lake",
            "submitted_at": "2026-11-21T06:00:00Z",
            "files": [{ "name": "orders.csv", "size": 7, "sha256": Sha256::of(ROWS) }],
            "state": "succeeded",
            "native_status": "PUT",
            "totals": { "objects": 1, "bytes": 7, "rows": 2 },
        })
    );
    let work = landfall_tests::objects(&world.work().await).await;
    assert!(
        !work.keys().any(|key| key.starts_with("runs/")),
        "a job that follows from its file needs no claim"
    );

    put(&world, KEY, b"ID\n3\n").await;
    put(&world, "inbox/april/orders.csv", ROWS).await;
    for key in [KEY, "inbox/april/orders.csv"] {
        let other = submit_event(&world.context, event(key)).await.unwrap();
        assert_ne!(other.job_request_id.as_str(), id);
        assert!(!other.already_submitted);
    }
    world.end().await;
}

/// A job's record, as the step `take-in` wrote it.
fn record(id: &str) -> Value {
    json!({
        "connection": "inbox",
        "job_request_id": id,
        "export": { "kind": "file", "name": "orders" },
        "destination": "lake",
        "landing_prefix": format!("inbox/orders/{id}/"),
        "since": "2026-11-21T06:00:00Z",
    })
}

/// What the step `take-in` had written of an object, one after the other.
async fn take_in(world: &World, id: &str, writes: usize) {
    let sha256 = Sha256::of(ROWS);
    let outcome = json!({ "state": "succeeded", "native_status": "PUT", "since": "2026-11-21T06:00:00Z" });
    let files = json!({ "files": [{ "ordinal": 0, "name": "orders.csv", "size": 7, "sha256": sha256 }] });
    let staged = json!({
        "ordinal": 0, "name": "orders.csv", "size": 7,
        "crc64nvme": Crc64Nvme::of(ROWS), "sha256": sha256,
    });
    let written = [
        ("job.json", record(id).to_string().into_bytes()),
        ("outcome.json", outcome.to_string().into_bytes()),
        ("staged/0", ROWS.to_vec()),
        ("files.json", files.to_string().into_bytes()),
        ("staged/0.json", staged.to_string().into_bytes()),
    ];
    for (name, bytes) in written.into_iter().take(writes) {
        put(world, &format!("jobs/inbox/{id}/{name}"), &bytes).await;
    }
}

/// Promises 2 and 4, over a change of programs: whatever the step `take-in` had come to, the object lands as it would
/// have, by its event and by its job's id.
#[tokio::test]
async fn what_an_older_program_took_in_lands() {
    let mut expected = None;
    for writes in 1..=5 {
        for by_id in [false, true] {
            let world = World::new(at()).await;
            put(&world, KEY, ROWS).await;
            let id = id_of(&world, KEY).await;
            take_in(&world, &id, writes).await;
            let published = match by_id {
                true => resume(&world.context, job_event(&id)).await,
                false => land(&world.context, event(KEY)).await,
            };
            published.unwrap_or_else(|error| panic!("{writes}, by id {by_id}: {}", error.line()));
            let landed = world.landed().await;
            assert_eq!(landed[&format!("inbox/orders/{id}/orders.csv")], ROWS);
            let expected = expected.get_or_insert_with(|| landed.clone());
            assert!(landed == *expected, "{writes}, by id {by_id}: other objects or bytes");
            world.end().await;
        }
    }
}

/// Promise 7: nothing but the inbox is read, whatever an event says.
#[tokio::test]
async fn only_objects_of_the_inbox_land() {
    let world = World::new(at()).await;
    put(&world, "tokens/fusion.json", b"{}").await;
    for key in ["tokens/fusion.json", "inbox/", "inbox", "inbox/folder/", "inbox/../tokens/fusion.json"] {
        let came = submit_event(&world.context, event(key)).await;
        let expected = match key.starts_with("inbox/.") {
            true => ("NotFound", "is not there any more: put it there again"),
            false => ("InvalidEvent", "is no object of the inbox, which is s3://work/inbox/"),
        };
        assert_failed(came, expected, &[], key);
    }
    let mut elsewhere = event(KEY);
    elsewhere["export"]["object"]["bucket"] = json!("landing");
    let came = submit_event(&world.context, elsewhere).await;
    assert_failed(came, ("InvalidEvent", "is no object of the inbox"), &[], "another bucket");
    let mut nothing = event(KEY);
    nothing["export"] = json!({ "kind": "file", "name": "orders" });
    let came = submit_event(&world.context, nothing).await;
    assert_failed(came, ("InvalidEvent", "names `object`"), &[], "no object");
    world.end().await;
}

/// Promise 7: no function reads a file of its own machine, be it that an event names one, or that what is kept of a job
/// does: a process's environment has its credentials.
#[tokio::test]
async fn no_function_reads_a_file_of_its_machine() {
    let world = World::new(at()).await;
    let file = json!({
        "url": "file:///proc/self/environ", "name": "environ", "size": 0, "sha256": "0".repeat(64), "version": "0-0",
    });
    for connection in ["local", "inbox"] {
        let event = json!({
            "connection": connection,
            "export": { "kind": "file", "name": "environ", "file": file },
            "destination": "lake",
            "run_key": "r",
        });
        let came = submit_event(&world.context, event).await;
        assert_failed(came, ("InvalidEvent", "no function reads"), &[], connection);
    }
    let id = "0".repeat(32);
    put(&world, &format!("jobs/inbox/{id}/job.json"), record(&id).to_string().as_bytes()).await;
    let origin = json!({ "name": "environ", "place": { "disk": file } }).to_string();
    put(&world, &format!("jobs/inbox/{id}/origin.json"), origin.as_bytes()).await;
    assert_failed(fetch(&world, &id).await, ("InvalidEvent", "no function reads"), &[], "origin");
    let work = objects(&world.work().await).await;
    assert!(!work.keys().any(|key| key.contains("/staged/")), "{:?}", work.keys());
    world.end().await;
}

/// Promise 5: an object that has gone, or was replaced, since its job was submitted is a named error at once; what is
/// there now lands as the job that it is.
#[tokio::test]
async fn an_object_that_has_gone_or_was_replaced_is_named() {
    let world = World::new(at()).await;
    let came = submit_event(&world.context, event(KEY)).await;
    assert_failed(came, ("NotFound", "s3://work/inbox/march/orders.csv is not there any more"), &[], "gone");

    put(&world, KEY, ROWS).await;
    let first = submit_event(&world.context, event(KEY)).await.unwrap().job_request_id;
    world.work().await.delete(KEY).await.unwrap();
    assert_failed(fetch(&world, first.as_str()).await, ("NotFound", "put it there again"), &[], "gone later");

    put(&world, KEY, b"ID\n3\n").await;
    let came = fetch(&world, first.as_str()).await;
    assert_failed(came, ("Conflict", "was replaced before all of it was read"), &[], "replaced");
    land(&world.context, event(KEY)).await.unwrap();

    // The same bytes under the same name are the same object again.
    put(&world, KEY, ROWS).await;
    resume(&world.context, job_event(first.as_str())).await.unwrap();
    assert_eq!(world.manifests().await.len(), 2);
    world.end().await;
}

/// Promise 2: an id of which nothing is known says how to go on with the file.
#[tokio::test]
async fn a_job_whose_file_is_not_known_is_named() {
    let world = World::new(at()).await;
    let mut event = job_event(&"0".repeat(32));
    event["destination"] = json!("lake");
    let came = resume(&world.context, event).await;
    assert_failed(came, ("NotFound", "`landfall unpack FILE` goes on with"), &[], "unknown");
    world.end().await;
}

/// Promise 4: an object lands in one destination.
#[tokio::test]
async fn an_object_lands_in_one_destination() {
    let destination = "[destinations.other]\ntype = 's3'\nbucket = 'landing'".to_owned();
    let world = World::new(Setup { destination, ..at() }).await;
    put(&world, KEY, ROWS).await;
    submit_event(&world.context, event(KEY)).await.unwrap();
    let mut other = event(KEY);
    other["destination"] = json!("other");
    let error = submit_event(&world.context, other).await.unwrap_err();
    assert_eq!(error.error_type(), ErrorType::Conflict, "{}", error.line());
    assert!(error.line().contains("lands in lake"), "{}", error.line());
    world.end().await;
}

/// What a user has configured under one of the names that need no configuration is what counts.
#[tokio::test]
async fn a_configured_connection_counts_before_a_built_in_one() {
    let world = World::new(at()).await;
    let configured =
        world.configured_anew(|config| config.replace("[connections.fusion-demo]", "[connections.inbox]"));
    put(&world, KEY, ROWS).await;
    let came = submit_event(&configured, event(KEY)).await;
    assert_failed(came, ("InvalidEvent", ""), &[], "a Fusion pod of this name");
    world.end().await;
}
