//! What is asked of a source once a job is over, or is to be: to hear that it has landed, and to cancel it. Neither changes
//! what lands.

use landfall::contract::Cancellation;
use landfall::job::{JobRecord, JobRef};
use landfall_tests::systems::{
    EPM_JOB, FHIR_BULK, FUSION_EXTRACT, MARKETO_LEADS, NETSUITE_ASYNC, ORACLE_EXTRACT, SALESFORCE_BULK,
    SHOPIFY_BULK, SP_API_REPORTS, STRIPE_REPORTS, System,
};
use landfall_tests::{Setup, World, assert_failed, land, land_as_retried, resume, submit_event};
use poll_status::poll_status;
use serde_json::{Value, json};

use landfall::clock::Deadline;
use landfall::event::parse;

async fn world(system: System, faults: Value) -> World {
    World::new(Setup { scenario: Some((system.small)()), faults, one_clock: true, ..Setup::default() }).await
}

/// How often each export was to be deleted.
fn deletions(world: &World) -> Vec<u32> {
    world.simulator.fhir_jobs().iter().map(|job| job.deletions).collect()
}

/// What is recorded of the only job of a connection.
async fn record(world: &World, connection: &str) -> JobRecord {
    let work = world.work().await;
    let kept = landfall_tests::objects(&work).await;
    let (_, bytes) = kept
        .iter()
        .find(|(key, _)| key.starts_with(&format!("jobs/{connection}/")) && key.ends_with("/job.json"))
        .unwrap();
    serde_json::from_slice(bytes).unwrap()
}

/// A source that wants to know is told once that all has landed, after the manifest, and nothing is asked again.
#[tokio::test]
async fn a_source_is_told_once_that_a_job_has_landed() {
    let world = world(FHIR_BULK, json!({})).await;
    let published = land(&world.context, (FHIR_BULK.event)()).await.unwrap();
    assert!(published.notify_source && !published.already_published);
    assert_eq!(deletions(&world), [1]);
    let asked = world.simulator.journal().requests().len();
    for _ in 0..2 {
        let again = land(&world.anew(), (FHIR_BULK.event)()).await.unwrap();
        assert!(again.already_published && !again.notify_source);
    }
    let id = world.simulator.fhir_jobs()[0].id.to_string();
    assert!(!resume(&world.anew(), FHIR_BULK.job_event(&id)).await.unwrap().notify_source);
    assert_eq!(world.simulator.journal().requests().len(), asked, "the source was asked again");
    let notice = record(&world, "fhir-demo").await.notice.unwrap();
    assert!(notice.told_at.is_some() && notice.error.is_none(), "{notice:?}");
    world.end().await;
}

/// A source that cannot be told fails nothing: why is recorded, and whoever comes to the landed job next tells it.
#[tokio::test]
async fn a_source_that_was_not_told_is_told_by_who_comes_next() {
    for (case, outage, said) in [
        ("unavailable", json!({ "unavailable": 6 }), "SourceUnavailable"),
        ("throttled", json!({ "throttle": { "times": 6, "retry_after_seconds": 1 } }), "Throttled"),
        ("forbidden", json!({ "forbidden": 1 }), "AuthRejected"),
    ] {
        let world = world(FHIR_BULK, json!({ "fhir": { "delete": { "outage": outage } } })).await;
        let published = land(&world.context, (FHIR_BULK.event)()).await.unwrap();
        assert!(published.notify_source, "{case}");
        assert_eq!((deletions(&world), world.manifests().await.len()), (vec![0], 1), "{case}");
        let notice = record(&world, "fhir-demo").await.notice.unwrap();
        assert!(notice.told_at.is_none() && notice.error.unwrap().starts_with(said), "{case}");
        let again = land(&world.anew(), (FHIR_BULK.event)()).await.unwrap();
        // Whoever goes on with it comes by fetch-files first.
        assert!(again.already_published, "{case}");
        assert_eq!(deletions(&world), [1], "{case}");
        assert!(!land(&world.anew(), (FHIR_BULK.event)()).await.unwrap().notify_source, "{case}");
        world.end().await;
    }
}

/// That the export is gone already is as good as being told: an answer that was lost is no error.
#[tokio::test]
async fn what_the_source_has_forgotten_it_need_not_be_told() {
    let world = world(FHIR_BULK, json!({ "fhir": { "delete": { "then_drop": 1 } } })).await;
    land(&world.context, (FHIR_BULK.event)()).await.unwrap();
    land(&world.anew(), (FHIR_BULK.event)()).await.unwrap();
    assert!(deletions(&world)[0] >= 2, "{:?}", deletions(&world));
    assert!(record(&world, "fhir-demo").await.notice.unwrap().told_at.is_some());
    world.end().await;
}

/// Promise 3: what has not landed whole is not let go of, and what somebody else has kicked off is theirs.
#[tokio::test]
async fn no_source_is_told_too_soon_or_of_what_is_not_ours() {
    let faults = json!({ "fhir": { "files": { "outcome_for_file": "always" } } });
    let broken = world(FHIR_BULK, faults).await;
    let failed = land_as_retried(&broken, (FHIR_BULK.event)()).await;
    assert_failed(failed, ("ContractBroken", ""), &[], "an error for a file");
    assert_eq!(deletions(&broken), [0]);
    broken.end().await;

    let of_others = world(FHIR_BULK, json!({ "fhir": { "kick_off": { "accept_then_drop": 1 } } })).await;
    land_as_retried(&of_others, (FHIR_BULK.event)()).await.unwrap_err();
    let id = of_others.simulator.fhir_jobs()[0].id.to_string();
    let mut job = FHIR_BULK.job_event(&id);
    job["destination"] = json!("lake");
    assert!(!resume(&of_others.anew(), job).await.unwrap().notify_source);
    assert_eq!((deletions(&of_others), of_others.manifests().await.len()), (vec![0], 1));
    of_others.end().await;
}

/// Submits a system's job, and has it polled so often.
async fn submitted(world: &World, system: System, polls: usize) -> JobRecord {
    let submitted = submit_event(&world.context, (system.event)()).await.unwrap();
    let id = submitted.job_request_id;
    let event = system.job_event(id.as_str());
    for _ in 0..polls {
        let deadline = Deadline::none(world.clock.clone());
        poll_status(&world.context, parse(event.clone()).unwrap(), &deadline).await.unwrap();
    }
    let job = JobRef { connection: system.connection.parse().unwrap(), job_request_id: id };
    world.context.work().await.unwrap().job(&job).await.unwrap().unwrap()
}

async fn cancel(world: &World, job: &JobRecord) -> landfall::Result<Cancellation> {
    world.anew().source(&job.connection).await.unwrap().cancel(job).await
}

/// What a poll says of a job: its state, or the error's name.
async fn polled(world: &World, system: System, job: &JobRecord) -> String {
    let event = parse(system.job_event(job.job_request_id.as_str())).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    match poll_status(&world.anew(), event, &deadline).await {
        Ok(polled) => polled.native_status,
        Err(error) => error.error_type().name().to_owned(),
    }
}

/// A job that runs is cancelled at its source, which says so from then on; the call is told before it is made, and once
/// more does no harm.
#[tokio::test]
async fn a_job_is_cancelled_at_its_source() {
    for (system, polls, call, then) in [
        (FHIR_BULK, 1, "DELETE ", ["NotFound", "NotFound"]),
        (SALESFORCE_BULK, 2, "PATCH ", ["Aborted", "Aborted"]),
        (SHOPIFY_BULK, 2, "POST ", ["CANCELING", "CANCELED"]),
        (SP_API_REPORTS, 1, "DELETE ", ["CANCELLED", "CANCELLED"]),
        (MARKETO_LEADS, 2, "POST ", ["Cancelled", "Cancelled"]),
    ] {
        let world = world(system, json!({})).await;
        let job = submitted(&world, system, polls).await;
        let source = world.context.source(&job.connection).await.unwrap();
        let told = source.cancelling(&job).await.unwrap().unwrap();
        assert!(told.starts_with(call) && told.contains("127.0.0.1"), "{}: {told}", system.kind);
        assert_eq!(cancel(&world, &job).await.unwrap(), Cancellation::Accepted, "{}", system.kind);
        let again = cancel(&world, &job).await.unwrap();
        let known =
            if system.kind == FHIR_BULK.kind { Cancellation::Unknown } else { Cancellation::Accepted };
        assert_eq!(again, known, "{}", system.kind);
        world.pass(std::time::Duration::from_secs(700));
        for state in then {
            assert_eq!(polled(&world, system, &job).await, state, "{}", system.kind);
        }
        let recorded = record(&world, system.connection).await;
        // That its source says so is kept for whoever looks, as of any job that has not ended well.
        assert_eq!(recorded.failure.is_some(), then[1] != "NotFound", "{}", system.kind);
        let recorded = JobRecord { failure: None, ..recorded };
        assert_eq!(recorded, job, "{}: something is recorded of it", system.kind);
        assert!(world.manifests().await.is_empty());
        world.end().await;
    }
}

/// A job that has ended is not cancelled, where its source does not take that; and a source that is busy, or does not know
/// the job, says so.
#[tokio::test]
async fn a_job_that_has_ended_is_not_cancelled() {
    for (system, said) in [
        (SALESFORCE_BULK, Ok("Aborting already JobComplete Job not allowed")),
        (SHOPIFY_BULK, Ok("cannot be canceled when it is completed")),
        (SP_API_REPORTS, Err("Only a report in the queue")),
        (MARKETO_LEADS, Err("has ended")),
    ] {
        let world = world(system, json!({})).await;
        let job = submitted(&world, system, 3).await;
        match (cancel(&world, &job).await, said) {
            (Ok(Cancellation::TooLate(came)), Ok(said)) => assert!(came.contains(said), "{came}"),
            (Err(error), Err(said)) => {
                assert_eq!(error.error_type().name(), "Rejected", "{}", error.line());
                assert!(error.line().contains(said), "{}", error.line());
            }
            (came, _) => panic!("{}: {came:?}", system.kind),
        }
        // What has ended lands all the same.
        land(&world.anew(), (system.event)()).await.unwrap();
        let nobodys = JobRecord { job_request_id: "1".parse().unwrap(), ..job };
        if [SALESFORCE_BULK.kind, SP_API_REPORTS.kind].contains(&system.kind) {
            assert_eq!(cancel(&world, &nobodys).await.unwrap(), Cancellation::Unknown, "{}", system.kind);
        }
        world.end().await;
    }
    let throttled = json!({ "throttle": { "times": "always" } });
    for (system, faults) in [
        (FHIR_BULK, json!({ "fhir": { "delete": { "outage": throttled } } })),
        (SALESFORCE_BULK, json!({ "salesforce": { "abort": throttled } })),
        (SP_API_REPORTS, json!({ "sp_api": { "cancel": throttled } })),
        (MARKETO_LEADS, json!({ "marketo": { "cancel": throttled } })),
    ] {
        let world = world(system, faults).await;
        let job = submitted(&world, system, 1).await;
        let error = cancel(&world, &job).await.unwrap_err();
        assert_eq!(error.error_type().name(), "Throttled", "{}: {}", system.kind, error.line());
        world.end().await;
    }
}

/// Whoever cannot cancel says so before anything is called.
#[tokio::test]
async fn a_system_that_cannot_cancel_says_so() {
    for system in [FUSION_EXTRACT, EPM_JOB, STRIPE_REPORTS, NETSUITE_ASYNC, ORACLE_EXTRACT] {
        let world = world(system, json!({})).await;
        let job = submitted(&world, system, 0).await;
        let asked = world.simulator.journal().requests().len();
        let source = world.context.source(&job.connection).await.unwrap();
        assert_eq!(source.cancelling(&job).await.unwrap(), None, "{}", system.kind);
        assert_eq!(
            cancel(&world, &job).await.unwrap_err().error_type().name(),
            "Rejected",
            "{}",
            system.kind
        );
        assert_eq!(world.simulator.journal().requests().len(), asked, "{}", system.kind);
        world.end().await;
    }
}
