//! What is kept of runs and jobs, as another release leaves it: what it has added is ignored, and what it writes in a
//! form that this one does not know is refused by name, and leads to no second job.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall::clock::Deadline;
use landfall::event::{FileEvent, JobEvent};
use landfall_store::{Condition, Store};
use landfall_tests::systems::{self, System};
use landfall_tests::{Setup, World, assert_failed, fetch, land, objects, submit_event};
use serde_json::{Map, Value, json};

/// What a later release may add.
const ADDED: &str = "a_later_field";

/// What says which rows or bytes land: a field that is not known is refused there.
const EXACT: [&str; 3] = ["export", "form", "ranges"];

async fn world(system: System) -> World {
    let destination = system.destination.to_owned();
    let setup = Setup { scenario: Some((system.small)()), destination, ..Setup::default() };
    let world = World::new(setup).await;
    system.upload(&world).await;
    world
}

/// The documents of the work bucket.
async fn documents(work: &Store) -> BTreeMap<String, Vec<u8>> {
    let mut kept = objects(work).await;
    kept.retain(|key, _| key.ends_with(".json") && !key.starts_with("inputs/"));
    kept
}

async fn put(store: &Store, key: &str, bytes: Vec<u8>) {
    store.put(key, bytes.into(), Condition::Always).await.unwrap();
}

/// The document with fields that nobody knows, wherever there can be some.
fn with_added(key: &str, bytes: &[u8]) -> Vec<u8> {
    if key.contains("/receipts/") {
        // A receipt is read by its lines.
        let text = std::str::from_utf8(bytes).unwrap();
        let text = text.replace("{\"key\":", &format!("{{\"{ADDED}\":1,\"key\":"));
        let text = text.replacen("\"objects\":[", &format!("\"{ADDED}\":{{}},\"objects\":["), 1);
        return text.replace("\n]}", &format!("\n],\"{ADDED}_too\":1}}")).into_bytes();
    }
    let mut document = serde_json::from_slice(bytes).unwrap();
    add(&mut document);
    serde_json::to_vec(&document).unwrap()
}

fn add(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields
                .iter_mut()
                .filter(|(name, _)| !EXACT.contains(&name.as_str()))
                .for_each(|(_, value)| add(value));
            fields.insert(ADDED.to_owned(), json!({ "x": 1 }));
        }
        Value::Array(values) => values.iter_mut().for_each(add),
        _ => {}
    }
}

/// The document as a release with another form would leave it.
fn of_version_2(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    match text.trim_start().strip_prefix('{') {
        Some(rest) => format!("{{\"version\":2,{rest}").into_bytes(),
        None => serde_json::to_vec(&json!({ "version": 2 })).unwrap(),
    }
}

/// Takes the manifest away, and returns it: the job has not landed.
async fn unpublish(world: &World) -> (String, Vec<u8>) {
    let landed = world.landed().await;
    let (key, bytes) = landed.into_iter().find(|(key, _)| key.ends_with("/_manifest.json")).unwrap();
    world.landing().await.delete(&key).await.unwrap();
    (key, bytes)
}

/// Promises 1, 2 and 4: what a later release has added to whatever is kept does not stop this one, whose manifest says
/// the same.
#[tokio::test]
async fn what_another_release_has_added_is_ignored() {
    for &system in systems::ALL {
        let world = world(system).await;
        land(&world.context, (system.event)()).await.unwrap();
        let work = world.work().await;
        for (key, bytes) in documents(&work).await {
            put(&work, &key, with_added(&key, &bytes)).await;
        }
        let (key, manifest) = unpublish(&world).await;
        let jobs = (system.jobs)(&world.simulator);
        land(&world.anew(), (system.event)())
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", system.kind));
        assert_eq!(world.landed().await.get(&key), Some(&manifest), "{}", system.kind);
        assert_eq!((system.jobs)(&world.simulator), jobs, "{}", system.kind);
        // Watermarks and budgets are read by the run behind it.
        let mut next = (system.event)();
        next["run_key"] = "the-next".into();
        next["export"]["allow_empty"] = true.into();
        land(&world.anew(), next).await.unwrap_or_else(|error| panic!("{}: {error}", system.kind));
        world.end().await;
    }
}

/// Promise 1: whichever document is of a form that this release does not know, it says so and stops; the source sees
/// no second job.
#[tokio::test]
async fn a_document_of_a_newer_version_stops_the_run_by_name() {
    const READ: [&str; 5] = ["job.json", "outcome.json", "files.json", "staged/0.json", "receipts/0.json"];
    for &system in systems::ALL {
        let world = world(system).await;
        land(&world.context, (system.event)()).await.unwrap();
        let work = world.work().await;
        unpublish(&world).await;
        let jobs = (system.jobs)(&world.simulator);
        for (key, bytes) in documents(&work).await {
            put(&work, &key, of_version_2(&bytes)).await;
            let came = land(&world.anew(), (system.event)()).await;
            let case = format!("{}: {key}", system.kind);
            // Of which installation it is matters to a run that has yet to submit its job.
            let is_run = key.starts_with("runs/") && key != "runs/installation.json";
            if came.is_err() || is_run || READ.iter().any(|read| key.ends_with(read)) {
                let text = "was written by a newer landfall (version 2; this one reads 1): update it";
                assert_failed(came, ("Conflict", text), &[], &case);
            } else {
                unpublish(&world).await;
            }
            assert_eq!((system.jobs)(&world.simulator), jobs, "{case}");
            put(&work, &key, bytes).await;
        }
        world.end().await;
    }
}

/// Promise 1: a claim of a newer version is nobody's to take over, and no watermark of one is begun anew.
#[tokio::test]
async fn a_newer_claim_is_not_taken_over() {
    let system = systems::FUSION_EXTRACT;
    let world = world(system).await;
    let event = (system.event)();
    let key = format!("runs/{}/{}.json", system.connection, event["run_key"].as_str().unwrap());
    put(&world.work().await, &key, br#"{"version":2,"claims":[]}"#.to_vec()).await;
    let came = submit_event(&world.context, event).await;
    assert_failed(came, ("Conflict", "was written by a newer landfall"), &[], "a claim");
    assert_eq!((system.jobs)(&world.simulator), 0);
    world.end().await;
}

/// An export is data to whoever lands its files: what a later release says there is for the source alone to judge.
#[tokio::test]
async fn a_job_whose_export_says_more_lands_and_its_source_refuses_it_by_name() {
    let system = systems::FUSION_REST;
    let world = world(system).await;
    let submitted = submit_event(&world.context, (system.event)()).await.unwrap();
    let event: JobEvent =
        landfall::event::parse(system.job_event(submitted.job_request_id.as_str())).unwrap();
    let deadline = Deadline::none(Arc::clone(world.context.clock()));
    let record = format!("jobs/{}/{}/job.json", event.connection, event.job_request_id);
    let work = world.work().await;
    let say_more = async || {
        let kept = work.read(&record, u64::MAX).await.unwrap().unwrap();
        let mut document: Map<String, Value> = serde_json::from_slice(&kept.bytes).unwrap();
        document["export"][ADDED] = true.into();
        put(&work, &record, serde_json::to_vec(&document).unwrap()).await;
        kept.bytes.to_vec()
    };

    let as_it_was = say_more().await;
    let refused = fetch(&world.anew(), &event, &deadline).await.map(|_| ());
    assert_failed(refused, ("InvalidEvent", &format!("unknown field `{ADDED}`")), &[], "fetch-files");
    put(&work, &record, as_it_was).await;
    poll_status::poll_status(&world.context, event.clone(), &deadline).await.unwrap();
    let files = fetch(&world.context, &event, &deadline).await.unwrap().ordinals();

    say_more().await;
    let context = world.anew();
    let polled = poll_status::poll_status(&context, event.clone(), &deadline).await.unwrap();
    assert!(polled.state.lands());
    for ordinal in files {
        let JobEvent { connection, job_request_id, destination } = event.clone();
        let file = FileEvent { connection, job_request_id, destination, ordinal };
        while !unpack_upload::unpack_file(&context, file.clone(), &deadline).await.unwrap().complete {}
    }
    publish::publish(&context, event, &deadline).await.unwrap();
    assert_eq!(world.manifests().await.len(), 1);
    world.end().await;
}
