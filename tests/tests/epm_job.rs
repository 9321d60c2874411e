//! Whole runs of EPM jobs: every wart and fault that EPM's documents and its users know, each with the outcome that the
//! promises ask for.

use landfall::Error;
use landfall::job::JobState;
use landfall_tests::{Setup, World, epm_user, land, resume, submit_event};
use serde_json::{Value, json};
use simulator::{EpmFormat, EpmScenario, Operation, Scenario, credentials};

/// What a run must come to.
enum Outcome {
    /// The job's file has landed, from one job.
    Lands,
    /// The run fails with this error's name and a message that holds this text; nothing has landed, and EPM has at most
    /// one job.
    Fails(&'static str, &'static str),
}

use Outcome::{Fails, Lands};

fn event() -> Value {
    json!({
        "connection": "epm-demo",
        "export": {
            "kind": "epm_job", "job_type": "INTEGRATION", "job_name": "BESSAPP",
            "parameters": { "periodName": "{Jan-06}", "importMode": "Replace", "exportMode": "Merge" }
        },
        "destination": "lake",
        "run_key": "bessapp-2026-11-21T06"
    })
}

fn setup(faults: Value) -> Setup {
    Setup { faults: json!({ "epm": faults }), ..Setup::default() }
}

async fn expect(case: &str, setup: Setup, event: Value, outcome: Outcome) -> World {
    let world = World::new(setup).await;
    let came = land_as_retried(&world, event).await;
    let jobs = world.simulator.epm_jobs();
    assert!(jobs.len() <= 1, "{case}: {} jobs at the source", jobs.len());
    match outcome {
        Lands => {
            if let Err(error) = came {
                panic!("{case}: {}: {}", error.error_type().name(), error.line());
            }
            assert_eq!(jobs.len(), 1, "{case}");
            assert_landed(&world, jobs[0].id, case).await;
        }
        Fails(name, text) => {
            let error: Error =
                came.err().unwrap_or_else(|| panic!("{case}: landed, and should have failed with {name}"));
            let line = error.line();
            assert_eq!(error.error_type().name(), name, "{case}: {line}");
            assert!(line.contains(text), "{case}: {line:?} does not hold {text:?}");
            assert!(!line.contains('\n') && !line.contains(credentials::PASSWORD), "{case}: {line}");
            let landed = world.landed().await;
            assert!(landed.is_empty(), "{case}: landed nonetheless: {:?}", landed.keys());
        }
    }
    world
}

/// Lands as a state machine does: what retrying helps is tried again, by a function that remembers nothing.
async fn land_as_retried(world: &World, event: Value) -> landfall::Result<publish::Published> {
    const TRIES: usize = 4;
    for _ in 1..TRIES {
        match Box::pin(land(&world.anew(), event.clone())).await {
            Err(error) if error.retryable() => {}
            came => return came,
        }
    }
    Box::pin(land(&world.anew(), event)).await
}

/// Holds what has landed of a job against the simulator's own word of it, to the byte.
async fn assert_landed(world: &World, job: u64, case: &str) -> publish::Manifest {
    let expected = world.simulator.epm_output(job).unwrap().unwrap();
    let manifests = world.manifests().await;
    let (key, manifest) = manifests
        .into_iter()
        .find(|(_, manifest)| manifest.job_request_id.as_str() == job.to_string())
        .unwrap_or_else(|| panic!("{case}: job {job} has no manifest"));
    assert_eq!(manifest.objects.len(), 1, "{case}");
    let object = &manifest.objects[0];
    assert_eq!(object.rows, expected.rows, "{case}");
    let label = expected.name.replace('\\', "/");
    assert_eq!(object.file, label.rsplit('/').next().unwrap(), "{case}");
    let mut landed = world.landed().await;
    landed.remove(&key);
    let bytes = landed.remove(&object.key).unwrap_or_else(|| panic!("{case}: {} is not there", object.key));
    assert!(bytes == expected.landed, "{case}: {} holds other bytes than EPM wrote", object.key);
    let prefix = key.trim_end_matches("_manifest.json");
    let others: Vec<_> = landed.keys().filter(|key| key.starts_with(prefix)).collect();
    assert!(others.is_empty(), "{case}: landed, and in no manifest: {others:?}");
    assert_eq!(world.unfinished_uploads().await, 0, "{case}: unfinished uploads");
    manifest
}

async fn all(cases: Vec<(&str, Value, Outcome)>) {
    for (case, faults, outcome) in cases {
        expect(case, setup(faults), event(), outcome).await.end().await;
    }
}

/// The undisturbed run: all promises at once, and the second run changes nothing and asks EPM nothing.
#[tokio::test]
async fn an_undisturbed_run_lands_and_a_second_one_changes_nothing() {
    let world = expect("undisturbed", Setup::default(), event(), Lands).await;
    let before = world.landed().await;
    let asked = world.simulator.journal().requests().len();
    let again = land(&world.anew(), event()).await.unwrap();
    assert!(again.already_published);
    assert_eq!(world.landed().await, before);
    assert_eq!(world.simulator.journal().requests().len(), asked, "EPM was asked again");
    world.end().await;
}
