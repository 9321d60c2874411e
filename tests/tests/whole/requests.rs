//! How often a run that nothing disturbs asks its source: nobody asks a source for what it has just said.

use std::collections::BTreeSet;

use landfall_tests::systems::{self, FUSION_REST, System};
use landfall_tests::{Setup, World, land, objects, run_event, submit_event};
use serde_json::{Value, json};
use simulator::Operation;

/// The most requests of a system's smallest run, but for those that ask what has become of the job: how many these are
/// follows from how long it takes.
fn most(system: System) -> usize {
    match system.kind {
        // What each row has below it is asked for by itself.
        "fusion_rest" => 25,
        // Ids are uploaded before an export is started.
        "folio_export" => 20,
        _ => 9,
    }
}

async fn requests(system: System) -> Vec<String> {
    let setup = Setup { scenario: Some((system.small)()), ..Setup::default() };
    let world = World::new(setup).await;
    system.upload(&world).await;
    Box::pin(land(&world.context, (system.event)()))
        .await
        .unwrap_or_else(|error| panic!("{}: {}", system.kind, error.line()));
    let entries = world.simulator.journal().requests();
    let asked = entries.iter().filter(|entry| entry.operation != Operation::JobStatus);
    let asked = asked.map(|entry| format!("{} {}", entry.method, entry.path)).collect();
    world.end().await;
    asked
}

/// A source counts requests, and some let in only so many an hour: a run makes no more than it needs.
#[tokio::test]
async fn a_run_that_nothing_disturbs_asks_its_source_no_more_than_it_needs() {
    for system in systems::ALL {
        let asked = requests(*system).await;
        assert!(
            asked.len() <= most(*system),
            "{}: {} requests:\n{}",
            system.kind,
            asked.len(),
            asked.join("\n")
        );
    }
}

/// What is kept of the jobs that have landed, by id.
async fn remembered(world: &World) -> Vec<String> {
    let work = objects(&world.work().await).await;
    let kept = work.iter().filter(|(key, _)| key.starts_with("history/"));
    let kept = kept.map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).unwrap());
    kept.flat_map(|history| history["jobs"].as_array().unwrap().clone())
        .map(|job| job["job_request_id"].as_str().unwrap().to_owned())
        .collect()
}

/// A job is first asked for when it may have ended: what usually takes long, later than what nothing is known of; what is
/// there already, at once. What is usual is remembered of each job once, also by whoever finds it published.
#[tokio::test]
async fn a_job_is_first_asked_for_when_it_may_have_ended() {
    let faults = json!({ "status": { "polls_per_status": 8 } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let of_run = |run_key: &str| {
        let mut event = run_event();
        event["run_key"] = json!(run_key);
        event
    };
    let waits = async |event| submit_event(&world.context, event).await.unwrap().wait_seconds;
    assert_eq!(waits(of_run("first")).await, 2);
    assert_eq!(waits(of_run("first")).await, 0, "it may have ended since it was submitted");
    land(&world.context, of_run("first")).await.unwrap();
    let first = remembered(&world).await;
    assert_eq!(first.len(), 1);

    assert_eq!(waits(of_run("second")).await, 30);
    assert_eq!(waits((FUSION_REST.event)()).await, 0, "nothing runs at the source");
    land(&world.context, of_run("first")).await.unwrap();
    assert_eq!(remembered(&world).await, first, "a job is remembered once");

    let work = world.work().await;
    let kept: BTreeSet<String> = objects(&work).await.into_keys().collect();
    for key in kept.iter().filter(|key| key.starts_with("history/")) {
        work.delete(key).await.unwrap();
    }
    land(&world.context, of_run("first")).await.unwrap();
    assert_eq!(remembered(&world).await, first, "whoever finds the manifest remembers the job");
    world.end().await;
}
