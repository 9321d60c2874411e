//! Whole runs of FOLIO's calls that make and start a job at once: all records, a few, deleted ones. Nothing of such a job is
//! the client's, and the first does not even tell its id.

use landfall::clock::Deadline;
use landfall::event::parse;
use landfall::job::JobState;
use landfall_tests::{World, assert_failed, land, submit_event};
use serde_json::{Value, json};
use simulator::Operation;

use crate::folio::Outcome::Fails;
use crate::folio::{LANDS, assert_landed, event_of, expect, id, setup};

/// An event of each call, and what the call is sent besides.
fn events() -> [(&'static str, Value, Value); 3] {
    let mut deleted = event_of(json!({ "deleted": { "from": "2026-11-01", "to": "2026-11-20" } }));
    deleted["export"].as_object_mut().unwrap().remove("profile");
    let profile = "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a";
    let ids = [id(1), id(2)];
    [
        ("export-all", event_of(json!("all")), json!({ "idType": "instance", "jobProfileId": profile })),
        (
            "quick-export",
            event_of(json!({ "quick": ids })),
            json!({ "type": "uuid", "uuids": ids, "recordType": "INSTANCE", "jobProfileId": profile }),
        ),
        ("export-deleted", deleted, json!({ "from": "2026-11-01", "to": "2026-11-20" })),
    ]
}

/// Each call lands its job, from one call; a second run changes nothing and asks nothing.
#[tokio::test]
async fn each_call_lands_its_job_once() {
    for (call, event, sent) in events() {
        let world = expect(call, setup(json!({})), event.clone(), LANDS).await;
        let jobs = world.simulator.folio_jobs();
        assert_eq!((jobs.len(), &jobs[0].request), (1, &sent), "{call}");
        let journal = world.simulator.journal();
        assert_eq!(journal.count_of(Operation::SubmitJob), 1, "{call}");
        assert_eq!(journal.count(|entry| entry.path == format!("/data-export/{call}")), 1);
        assert_eq!(journal.count_of(Operation::CreateFileDefinition), 0, "{call}");
        let (before, asked) = (world.landed().await, journal.requests().len());
        assert!(land(&world.anew(), event).await.unwrap().already_published);
        assert_eq!(world.landed().await, before, "{call}");
        assert_eq!(world.simulator.journal().requests().len(), asked, "{call}: FOLIO was asked again");
        world.end().await;
    }
}

/// What all records are may be narrowed as FOLIO does it, and nothing that is not said is sent.
#[tokio::test]
async fn what_the_event_says_is_what_is_sent() {
    let mut event = event_of(json!("all"));
    let more = json!({ "id_type": "authority", "deleted_records": false, "suppressed_from_discovery": true });
    event["export"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let world = expect("all authorities", setup(json!({})), event, LANDS).await;
    let request = world.simulator.folio_jobs().remove(0).request;
    assert_eq!(
        (&request["idType"], &request["deletedRecords"], &request["suppressedFromDiscovery"]),
        (&json!("authority"), &json!(false), &json!(true))
    );
    world.end().await;
}

/// Promise 1: where nothing tells whose a job is, a call of unknown outcome is a `Conflict` that names what may be it, and is
/// not made again.
#[tokio::test]
async fn a_call_of_unknown_outcome_is_a_conflict() {
    for (call, event, _) in events() {
        for (case, faults, said, starts) in [
            ("answer lost", json!({ "direct_then_drop": 1 }), "FOLIO lists since then: ", 1),
            ("an error after it", json!({ "direct_then_error": 1 }), "(number 112, IN_PROGRESS)", 1),
            ("dropped", json!({ "direct": { "drop_connection": 1 } }), "FOLIO lists none", 0),
            (
                "unavailable",
                json!({ "direct": { "unavailable": 1 } }),
                "look in FOLIO under Data export, Logs",
                0,
            ),
        ] {
            let case = format!("{call}: {case}");
            let world = expect(&case, setup(faults), event.clone(), Fails("Conflict", said, starts)).await;
            assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 1, "{case}");
            world.end().await;
        }
    }
}

/// Promise 1: an answer that names no job is held against what was there before. A job of somebody else that began with ours
/// could be ours as well, so a person decides.
#[tokio::test]
async fn all_records_are_the_only_new_job_or_a_persons_choice() {
    let faults = json!({ "direct_by_others": 1 });
    let (_, event, _) = &events()[0];
    let conflict = Fails("Conflict", "has several new ones", 2);
    let world = expect("two began", setup(faults), event.clone(), conflict).await;
    let jobs = world.simulator.folio_jobs();
    let line = land(&world.anew(), event.clone()).await.unwrap_err().line();
    assert!(jobs.iter().all(|job| line.contains(&job.id)), "{line}");
    assert_eq!(world.simulator.folio_starts(), 2, "it was called again");
    world.end().await;

    // Jobs that were there before, of the same kind and of others, are not taken for it; and each run has its own.
    let world = World::new(setup(json!({}))).await;
    land(&world.context, event_of(json!({ "ids": [id(1)] }))).await.unwrap();
    let mut taken = Vec::new();
    for run in ["all-1", "all-2"] {
        let mut event = event.clone();
        event["run_key"] = json!(run);
        taken.push(submit_event(&world.anew(), event).await.unwrap().job_request_id.to_string());
    }
    let jobs: Vec<_> = world.simulator.folio_jobs().into_iter().map(|job| job.id).collect();
    assert_eq!(taken, jobs[1..]);
    world.end().await;
}

/// Promise 1: a person who has looked names the job, of which it is seen that it can be the run's; or says that there is
/// none, and the call is made.
#[tokio::test]
async fn a_person_settles_what_is_in_doubt() {
    let (_, event, _) = &events()[0];
    let settle = async |world: &World, seen: submit::OperatorAnswer| {
        let deadline = Deadline::none(world.clock.clone());
        submit::settle(&world.anew(), &parse(event.clone()).unwrap(), seen, &deadline).await
    };
    let world = World::new(setup(json!({ "direct_then_drop": 1 }))).await;
    let other = event_of(json!({ "ids": [id(1)] }));
    let other = submit_event(&world.context, {
        let mut other = other;
        other["run_key"] = json!("other");
        other
    });
    let other = other.await.unwrap().job_request_id;
    assert_failed(land(&world.anew(), event.clone()).await, ("Conflict", "instance-all-"), &[], "in doubt");
    let wrong = settle(&world, submit::OperatorAnswer::Job(other)).await;
    assert_failed(wrong, ("Conflict", "and not instance-all-<number>"), &[], "another call's");
    let job = world.simulator.folio_jobs().pop().unwrap();
    settle(&world, submit::OperatorAnswer::Job(job.id.parse().unwrap())).await.unwrap();
    assert!(!land(&world.anew(), event.clone()).await.unwrap().already_published);
    assert_eq!(world.simulator.folio_starts(), 2);
    world.end().await;

    let world = World::new(setup(json!({ "direct": { "drop_connection": 1 } }))).await;
    land(&world.context, event.clone()).await.unwrap_err();
    settle(&world, submit::OperatorAnswer::NoJob).await.unwrap();
    land(&world.anew(), event.clone()).await.unwrap();
    assert_landed(&world, JobState::Succeeded, "settled").await;
    world.end().await;
}

/// What certainly started nothing is an error that says what to do: a version without the call, a user without the
/// permission, a call that is turned away.
#[tokio::test]
async fn what_started_nothing_is_named() {
    for (call, event, _) in events() {
        for (faults, name, said) in [
            (
                json!({ "no_direct": true }),
                "Rejected",
                format!("has no {call}, which came with mod-data-export"),
            ),
            (
                json!({ "direct": { "forbidden": "always" } }),
                "AuthRejected",
                "requires permission: data-export.".to_owned(),
            ),
        ] {
            let said: &'static str = said.leak();
            expect(call, setup(faults), event.clone(), Fails(name, said, 0)).await.end().await;
        }
        let throttled = json!({ "direct": { "throttle": { "times": 1, "retry_after_seconds": 2 } } });
        expect(call, setup(throttled), event, LANDS).await.end().await;
    }
}
