//! Whole runs of FOLIO's data export: every trap that its documents, its source and its users know, each with the
//! outcome that the promises ask for.

use std::time::Duration;

use landfall::job::JobState;
use landfall_tests::{Setup, World, land, resume, usual_folio};
use serde_json::{Value, json};
use simulator::{FolioJob, FolioScenario, Operation, Scenario, credentials};

const PROFILE: &str = "Default instances export job profile";

/// The id of the so-manieth record.
fn id(number: u32) -> String {
    format!("6f7f3cd7-9f24-42eb-ae91-{number:012x}")
}

fn event() -> Value {
    event_of(json!({ "ids": (0..25).map(id).collect::<Vec<_>>() }))
}

fn event_of(records: Value) -> Value {
    json!({
        "connection": "folio-demo",
        "export": { "kind": "folio_export", "profile": PROFILE, "records": records },
        "destination": "lake",
        "run_key": "eds-2026-11-21T06:00"
    })
}

fn setup(faults: Value) -> Setup {
    Setup { faults: json!({ "folio": faults }), ..Setup::default() }
}

/// What a run must come to.
enum Outcome {
    /// Everything has landed, from one job that was started once, in this state.
    Lands(JobState),
    /// The run fails with this error's name and a message that holds this text, nothing has landed, and a job was
    /// started so often.
    Fails(&'static str, &'static str, u32),
}

use Outcome::Fails;

const LANDS: Outcome = Outcome::Lands(JobState::Succeeded);
const LANDS_PARTLY: Outcome = Outcome::Lands(JobState::Partial);

async fn expect(case: &str, setup: Setup, event: Value, outcome: Outcome) -> World {
    let world = World::new(setup).await;
    let came = land_as_retried(&world, event).await;
    match outcome {
        Outcome::Lands(state) => {
            if let Err(error) = came {
                panic!("{case}: {}: {}", error.error_type().name(), error.line());
            }
            assert_landed(&world, state, case).await;
        }
        Fails(name, text, starts) => {
            let error =
                came.err().unwrap_or_else(|| panic!("{case}: landed, and should have failed with {name}"));
            let line = error.line();
            assert_eq!(error.error_type().name(), name, "{case}: {line}");
            assert!(line.contains(text), "{case}: {line:?} does not hold {text:?}");
            let secrets = [credentials::FOLIO_PASSWORD, "X-Amz-Signature", "folioAccessToken="];
            assert!(
                !line.contains('\n') && !secrets.iter().any(|secret| line.contains(secret)),
                "{case}: {line}"
            );
            assert_eq!(world.simulator.folio_starts(), starts, "{case}: starts");
            let landed = world.landed().await;
            assert!(landed.is_empty(), "{case}: landed nonetheless: {:?}", landed.keys());
            let uploads = world.landing().await.list_uploads("").await.unwrap();
            assert!(uploads.is_empty(), "{case}: {uploads:?}");
        }
    }
    world
}

/// Lands as a state machine does: what retrying helps is tried again, by a function that remembers nothing.
async fn land_as_retried(world: &World, event: Value) -> landfall::Result<publish::Published> {
    const TRIES: usize = 5;
    for _ in 1..TRIES {
        match Box::pin(land(&world.anew(), event.clone())).await {
            Err(error) if error.retryable() => {}
            came => return came,
        }
    }
    Box::pin(land(&world.anew(), event)).await
}

/// Holds what has landed against the simulator's own word of it: one job, started once; every slice to the byte, the log
/// beside it, and nothing else.
async fn assert_landed(world: &World, state: JobState, case: &str) -> publish::Manifest {
    let started: Vec<FolioJob> =
        world.simulator.folio_jobs().into_iter().filter(|job| job.starts > 0).collect();
    assert_eq!(started.iter().map(|job| job.starts).collect::<Vec<_>>(), [1], "{case}: starts of each job");
    let job = &started[0];
    let (manifest_key, manifest) =
        world.manifests().await.pop_first().unwrap_or_else(|| panic!("{case}: no manifest"));
    assert_eq!(manifest.job_request_id.as_str(), job.id, "{case}");
    assert_eq!(manifest.state, state, "{case}");
    let file = job.file.as_ref().unwrap_or_else(|| panic!("{case}: the job has no file"));
    let mut expected: Vec<(String, Option<String>, u64, Vec<u8>)> = Vec::new();
    for member in &file.members {
        let bytes = std::fs::read(&member.path).unwrap();
        expected.push((file.name.clone(), member.name.clone(), member.records, bytes));
    }
    if !job.logs.is_empty() {
        let lines: String = job.logs.iter().map(|entry| format!("{entry}\n")).collect();
        expected.push(("errors.ndjson".to_owned(), None, job.logs.len() as u64, lines.into_bytes()));
    }
    let mut landed = world.landed().await;
    landed.remove(&manifest_key);
    assert_eq!(manifest.objects.len(), expected.len(), "{case}: objects");
    for (object, (name, member, records, bytes)) in std::iter::zip(&manifest.objects, expected) {
        assert_eq!((&object.file, &object.member), (&name, &member), "{case}");
        if !name.ends_with(".json") {
            assert_eq!(object.rows, Some(records), "{case}: rows of {name}");
        }
        let found =
            landed.remove(&object.key).unwrap_or_else(|| panic!("{case}: {} is not there", object.key));
        assert!(found == bytes, "{case}: {} holds other bytes than FOLIO exported", object.key);
    }
    assert!(landed.is_empty(), "{case}: landed, and in no manifest: {:?}", landed.keys());
    assert_eq!(world.unfinished_uploads().await, 0, "{case}: unfinished uploads");
    manifest
}

async fn all(cases: Vec<(&str, Value, Outcome)>) {
    for (case, faults, outcome) in cases {
        expect(case, setup(faults), event(), outcome).await.end().await;
    }
}

/// The undisturbed run, and the second one, which changes nothing and asks FOLIO nothing.
#[tokio::test]
async fn an_undisturbed_run_lands_and_a_second_one_changes_nothing() {
    let world = expect("undisturbed", setup(json!({})), event(), LANDS).await;
    let before = world.landed().await;
    let asked = world.simulator.journal().requests().len();
    assert!(land(&world.anew(), event()).await.unwrap().already_published);
    assert_eq!(world.landed().await, before);
    assert_eq!(world.simulator.journal().requests().len(), asked, "FOLIO was asked again");
    assert_eq!(world.simulator.journal().count_of(Operation::CreateFileDefinition), 1);
    assert_eq!(world.simulator.journal().count_of(Operation::UploadIds), 1);
    world.end().await;
}
