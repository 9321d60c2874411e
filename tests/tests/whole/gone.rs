//! What is gone in the middle of a job, a staged file or an object that has landed, is made again by the step that is
//! asked for it, or named where nothing can make it again (promises 2, 4 and 5).

use std::sync::{Arc, Mutex};

use embedded_store::{Before, Call, Intercept, Options};
use landfall::event::{JobEvent, parse};
use landfall::state::keys;
use landfall::step::MAX_RETURNS;
use landfall_store::Condition;
use landfall_tests::staged::{publish_for, stage, unpack};
use landfall_tests::{
    Setup, World, assert_failed, assert_landed, fetch, land, resume, run_event, submit_event,
};
use serde_json::{Value, json};

/// A world whose job has come as far as a step.
pub(super) async fn come_to(faults: Value, step: &str) -> (World, JobEvent) {
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let context = &world.context;
    let id = submit_event(context, run_event()).await.unwrap().job_request_id;
    let event: JobEvent = parse(json!({ "connection": "fusion-demo", "job_request_id": id })).unwrap();
    let deadline = landfall::clock::Deadline::none(world.clock.clone());
    let poll = async || poll_status::poll_status(context, event.clone(), &deadline).await.unwrap();
    while poll().await.wait_seconds.is_some() {}
    let files = fetch(context, &event, &deadline).await.unwrap().ordinals();
    if step == "publish" {
        for ordinal in files {
            let file = json!({ "connection": "fusion-demo", "job_request_id": id, "ordinal": ordinal });
            let file = parse(file).unwrap();
            assert!(Box::pin(unpack_upload::unpack_file(context, file, &deadline)).await.unwrap().complete);
        }
    }
    (world, event)
}

/// The keys of what has landed, the first file's before the second's.
async fn landed(world: &World) -> Vec<String> {
    world.landed().await.into_keys().collect()
}

async fn assert_resumes(world: &World, event: &JobEvent, case: &str) {
    let id = event.job_request_id.as_str();
    let resumed = resume(&world.anew(), json!({ "connection": "fusion-demo", "job_request_id": id })).await;
    resumed.unwrap_or_else(|error| panic!("{case}: {}", error.line()));
    assert_landed(world, id.parse().unwrap(), case).await;
}

/// Before it has been unpacked, a staged file whose bytes are gone, or are others by now, is fetched again.
#[tokio::test]
async fn a_staged_file_that_is_gone_is_fetched_again() {
    for (case, other) in [("gone", None), ("overwritten", Some("other bytes"))] {
        let (world, event) = come_to(Value::Null, "unpack-upload").await;
        let key = keys::staged(&event.job(), 0);
        let work = world.work().await;
        match other {
            Some(other) => drop(work.put(&key, other.into(), Condition::Always).await.unwrap()),
            None => work.delete(&key).await.unwrap(),
        }
        assert_resumes(&world, &event, case).await;
        world.end().await;
    }
}

/// Promise 5: a file that was listed and is no more is missed, once: whoever goes on with the job has read it.
#[tokio::test]
async fn a_list_that_has_lost_a_file_is_an_error_once() {
    let faults = json!({ "output_files": { "lost_after": 1 } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let lost = land(&world.context, run_event()).await;
    assert_failed(lost, ("ContractBroken", "landfall resume"), &[], "lost");
    assert!(world.manifests().await.is_empty());
    let id = submit_event(&world.context, run_event()).await.unwrap().job_request_id;
    let event = json!({ "connection": "fusion-demo", "job_request_id": id });
    resume(&world.anew(), event).await.unwrap();
    assert_eq!(world.manifests().await.len(), 1);
    world.end().await;
}

/// One that the source has no more ends the run by its name, and not by an endless round.
#[tokio::test]
async fn a_staged_file_that_the_source_has_no_more_is_named() {
    let (world, event) = come_to(Value::Null, "unpack-upload").await;
    world.work().await.delete(&keys::staged(&event.job(), 0)).await.unwrap();
    let job: u64 = event.job_request_id.as_str().parse().unwrap();
    let ordinal = world.simulator.expected_files(job).await.unwrap()[0].ordinal;
    std::fs::remove_file(world.simulator.file_path(job, ordinal)).unwrap();
    let id = event.job_request_id.as_str();
    let resumed = resume(&world.anew(), json!({ "connection": "fusion-demo", "job_request_id": id })).await;
    let error = resumed.unwrap_err();
    assert!(error.line().contains("fetching"), "{}", error.line());
    assert!(world.manifests().await.is_empty());
    world.end().await;
}

/// What has landed and is gone before the manifest is there lands again: a member, all members of a file, and also where
/// the staged file is gone with them. What is there still is left as it is.
#[tokio::test]
async fn what_has_landed_and_is_gone_lands_again() {
    for (case, count, is_staged) in
        [("a member", 1, true), ("all", usize::MAX, true), ("all, and what was staged", usize::MAX, false)]
    {
        let (world, event) = come_to(Value::Null, "publish").await;
        let landing = world.landing().await;
        for key in landed(&world).await.iter().take(count) {
            landing.delete(key).await.unwrap();
        }
        if !is_staged {
            world.work().await.delete(&keys::staged(&event.job(), 0)).await.unwrap();
        }
        let deadline = landfall::clock::Deadline::none(world.clock.clone());
        let published = publish::publish(&world.anew(), event.clone(), &deadline).await;
        assert_failed(published, ("NotFound", "no longer there"), &[], case);
        assert_resumes(&world, &event, case).await;
        world.end().await;
    }
}

/// Neither the step that unpacks nor its answer hides what is gone, whether an archive or a plain file landed; and a
/// staged file that nobody needs any more is not missed.
#[tokio::test]
async fn the_step_that_unpacks_lands_what_is_gone() {
    let world = World::new(Setup::default()).await;
    stage(&world.context, &[("rows.csv", b"id\n1\n2\n")]).await;
    let before = unpack(&world.context, 0).await.unwrap();
    let all = world.landed().await;
    world.landing().await.delete("forms/1/rows.csv").await.unwrap();
    assert_eq!(unpack(&world.anew(), 0).await.unwrap(), before);
    assert_eq!(world.landed().await, all);
    world.work().await.delete("jobs/local/1/staged/0").await.unwrap();
    assert_eq!(unpack(&world.anew(), 0).await.unwrap(), before);
    publish_for(&world.anew(), "1").await.unwrap();
    world.end().await;
}

/// An object that somebody has written over before the manifest is there gets none, also where its size is the same: it
/// is named, and once it has been deleted it lands again.
#[tokio::test]
async fn what_was_written_over_gets_no_manifest() {
    let (world, event) = come_to(Value::Null, "publish").await;
    let (landing, key) = (world.landing().await, landed(&world).await.remove(0));
    let mut bytes = world.landed().await.remove(&key).unwrap();
    bytes[0] ^= 1;
    landing.put(&key, bytes.into(), Condition::Always).await.unwrap();
    let deadline = landfall::clock::Deadline::none(world.clock.clone());
    let published = publish::publish(&world.anew(), event.clone(), &deadline).await;
    assert_failed(published, ("IntegrityError", "somebody has written over it"), &[], &key);
    assert!(world.manifests().await.is_empty());
    landing.delete(&key).await.unwrap();
    assert_resumes(&world, &event, "deleted").await;
    world.end().await;
}

/// The same bytes written again are no other object, though the store may call them so.
#[tokio::test]
async fn what_was_written_again_with_the_same_bytes_is_the_same() {
    let (world, event) = come_to(Value::Null, "publish").await;
    let key = landed(&world).await.remove(0);
    // As an earlier release wrote it, which knew no ETag.
    let (work, receipt) = (world.work().await, keys::receipt(&event.job(), 0));
    let text = work.read(&receipt, 1 << 20).await.unwrap().unwrap().bytes;
    let lines =
        std::str::from_utf8(&text).unwrap().lines().map(|line| match line.split_once(",\"etag_digest\"") {
            Some((before, after)) => format!("{before}}}{}", if after.ends_with(',') { "," } else { "" }),
            None => line.to_owned(),
        });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    work.put(&receipt, text.into(), Condition::Always).await.unwrap();
    assert!(world.landed().await.contains_key(&key));
    assert_resumes(&world, &event, "without ETags").await;
    world.end().await;
}

/// The definition goes back as the local loop does: from the same errors, and as often. Not from a map of very many files,
/// whose errors have no names there: whoever continues the job fetches what is gone.
#[test]
fn the_state_machine_goes_back_as_often() {
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/../statemachine/export-job.asl.json");
    let definition: Value = serde_json::from_str(&std::fs::read_to_string(definition).unwrap()).unwrap();
    let states = &definition["States"];
    for state in ["UnpackFiles", "Publish"] {
        let catches = states[state]["Catch"].as_array().unwrap();
        let goes_back =
            |catch: &&Value| catch["ErrorEquals"].as_array().unwrap().contains(&json!("NotFound"));
        let catch = catches.iter().find(goes_back).unwrap_or_else(|| panic!("{state}"));
        assert_eq!(catch["Next"], "MayReturn", "{state}");
    }
    let choice = &states["MayReturn"]["Choices"][0];
    assert_eq!(choice["Condition"], format!("{{% $returns <= {MAX_RETURNS} %}}"));
    assert_eq!(choice["Next"], "FetchFiles");
}

/// The calls that read a receipt, or list what has landed.
#[derive(Default)]
struct Looks(Mutex<Vec<String>>);

impl Intercept for Looks {
    fn before(&self, call: &Call) -> Before {
        let is_receipt = call.key.as_deref().is_some_and(|key| key.contains("/receipts/"));
        let is_list = call.operation == "ListObjectsV2" && call.bucket.as_deref() == Some("landing");
        if is_list || is_receipt && call.operation == "GetObject" {
            self.0.lock().unwrap().push(call.operation.to_owned());
        }
        Before::Proceed
    }
}

/// A file that is called for again has its receipt read once; and once the job has its manifest, what has landed is its
/// readers' business, and is not looked for.
#[tokio::test]
async fn a_file_that_landed_long_ago_is_not_looked_for() {
    let looks = Arc::new(Looks::default());
    let intercept = Some(Arc::clone(&looks) as Arc<dyn Intercept>);
    let world = World::with_store(Setup::default(), Options { fsync: false, intercept }).await;
    stage(&world.context, &[("a.csv", b"id\n1\n")]).await;
    let first = unpack(&world.context, 0).await.unwrap();
    for (is_published, expected) in [(false, 1), (true, 0)] {
        if is_published {
            publish_for(&world.context, "1").await.unwrap();
        }
        looks.0.lock().unwrap().clear();
        let again = unpack(&world.context, 0).await.unwrap();
        assert_eq!((again.complete, &again.totals), (true, &first.totals));
        let seen = std::mem::take(&mut *looks.0.lock().unwrap());
        assert_eq!(seen.iter().filter(|call| *call == "GetObject").count(), 1, "{seen:?}");
        // The folder and the file of its name are two prefixes.
        assert_eq!(seen.len() - 1, 2 * expected, "{seen:?}");
    }
    world.end().await;
}
