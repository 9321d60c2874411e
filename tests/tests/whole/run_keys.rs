//! One run key, one job: what frees a run's key, whose job is whose, and what a person may name for it.

use std::sync::Arc;

use landfall::Result;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::parse;
use landfall_tests::{Setup, World, assert_failed, land, run_event, submit_event, systems};
use serde_json::{Value, json};
use simulator::Faults;
use submit::OperatorAnswer;

fn folio_event(profile: &str, ids: &[u32]) -> Value {
    let ids: Vec<String> = ids.iter().map(|number| format!("6f7f3cd7-9f24-42eb-ae91-{number:012}")).collect();
    let mut event = (systems::FOLIO_EXPORT.event)();
    event["export"] = json!({ "kind": "folio_export", "profile": profile, "records": { "ids": ids } });
    event
}

fn rest_event(fields: Value) -> Value {
    let mut event = (systems::FUSION_REST.event)();
    event["export"] = json!({ "kind": "fusion_rest", "resource": "invoices", "fields": fields });
    event
}

fn epm_event(upload_as: &str) -> Value {
    let mut event = (systems::EPM_JOB.event)();
    event["export"]["input"] = json!({ "object": "inputs/missing.csv", "upload_as": upload_as });
    event
}

/// The event of the contract's example, of a ledger.
fn of_ledger(connection: &str, ledger: &str) -> Value {
    let mut event = run_event();
    event["connection"] = json!(connection);
    event["export"]["request_parameters"] = json!({ "ledger": ledger });
    event
}

fn set_faults(world: &World, faults: Value) {
    world.simulator.set_faults(serde_json::from_value::<Faults>(faults).unwrap()).unwrap();
}

async fn settle(context: &Context, event: &Value, seen: OperatorAnswer) -> Result<()> {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    submit::settle(context, &parse(event.clone())?, seen, &deadline).await
}

fn job(id: impl ToString) -> OperatorAnswer {
    OperatorAnswer::Job(id.to_string().parse().unwrap())
}

/// A run that was refused before it had a job frees its key: a mistyped field, a profile that there is not, a refused
/// submission, an input that is missing. The corrected event lands from one job.
#[tokio::test]
async fn a_corrected_event_runs_under_the_same_key() {
    let mut refused = run_event();
    refused["export"]["mode"] = json!("full");
    let default = "Default instances export job profile";
    for (case, faults, wrong, name, right) in [
        (
            "a mistyped field",
            json!({}),
            rest_event(json!(["InvoiceIdd"])),
            "InvalidEvent",
            rest_event(json!([])),
        ),
        ("a wrong profile", json!({}), folio_event("Nobodys", &[1]), "Rejected", folio_event(default, &[1])),
        ("a refusal", json!({ "submit": { "reject": "no" } }), refused, "Rejected", run_event()),
        ("a missing input", json!({}), epm_event("inbox/a.csv"), "NotFound", (systems::EPM_JOB.event)()),
    ] {
        let world = World::new(Setup { faults, ..Setup::default() }).await;
        assert_failed(land(&world.anew(), wrong.clone()).await, (name, ""), &[], case);
        set_faults(&world, json!({}));
        if let Err(error) = Box::pin(land(&world.anew(), right.clone())).await {
            panic!("{case}: {}", error.line());
        }
        // From here on the run has a job.
        assert_failed(land(&world.anew(), wrong).await, ("Conflict", "another export"), &[], case);
        assert_eq!(world.manifests().await.len(), 1, "{case}");
        world.end().await;
    }
}

/// What was prepared for an event that was corrected is not started: the ids of the corrected one are exported.
#[tokio::test]
async fn a_corrected_list_of_ids_is_the_one_that_is_exported() {
    let profile = "Default instances export job profile";
    let faults = json!({ "folio": { "export": { "forbidden": 1 } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let refused = land(&world.anew(), folio_event(profile, &[1, 2, 3])).await;
    assert_failed(refused, ("AuthRejected", "403"), &[], "a start that is refused");
    land(&world.anew(), folio_event(profile, &[4, 5])).await.unwrap();
    assert_eq!(world.simulator.folio_starts(), 1);
    let manifests = world.manifests().await;
    let rows: u64 =
        manifests.values().flat_map(|manifest| &manifest.objects).filter_map(|object| object.rows).sum();
    assert_eq!((manifests.len(), rows), (1, 2));
    world.end().await;
}

/// A run that may have a job keeps its key, whatever comes after: a corrected event is a `Conflict`, and the job is found
/// once the list shows it.
#[tokio::test]
async fn a_run_in_doubt_keeps_its_key() {
    let faults = json!({ "submit": { "accept_then_drop": 2 }, "listing": { "lag_calls": 1_000_000 } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let mut event = run_event();
    event["export"]["definition"] = json!({
        "owner": "o", "owner_role": "r", "export_configuration": {}, "extraction_query": "{}"
    });
    let doubt = land(&world.anew(), event.clone()).await;
    assert_failed(doubt, ("Conflict", "it is unknown whether"), &[], "two answers lost");
    let mut corrected = event.clone();
    corrected["export"]["mode"] = json!("full");
    let jobs = world.simulator.jobs().len();
    for _ in 0..2 {
        world.clock.advance(submit::LEASE);
        // The next claimant finds nothing, and its preparation fails: that says nothing of the first submission.
        set_faults(
            &world,
            json!({ "listing": { "lag_calls": 1_000_000 }, "boss": { "outage": { "forbidden": "always" } } }),
        );
        assert_failed(land(&world.anew(), event.clone()).await, ("AuthRejected", "403"), &[], "the next");
        let other = submit_event(&world.anew(), corrected.clone()).await;
        assert_failed(
            other,
            ("Conflict", "was started before with another export"),
            &[],
            "a corrected event",
        );
        assert_eq!(world.simulator.jobs().len(), jobs);
    }
    world.end().await;
}

/// Two corrections of one event at once: one of them takes the key over, and the other is a `Conflict`, or waits for it.
#[tokio::test]
async fn two_corrections_at_once_make_one_job() {
    let world =
        World::new(Setup { faults: json!({ "submit": { "reject": "no" } }), ..Setup::default() }).await;
    assert_failed(land(&world.anew(), run_event()).await, ("Rejected", "no"), &[], "the first");
    set_faults(&world, json!({}));
    let contexts: Vec<Context> = (0..6).map(|_| world.anew()).collect();
    let ledgers = ["US", "DE", "FR", "US", "DE", "FR"];
    let submissions = std::iter::zip(&contexts, ledgers)
        .map(|(context, ledger)| Box::pin(submit_event(context, of_ledger("fusion-demo", ledger))));
    let came = futures::future::join_all(submissions).await;
    let accepted: Vec<_> = came.iter().flatten().map(|submitted| &submitted.job_request_id).collect();
    assert_eq!(world.simulator.jobs().len(), 1);
    assert_eq!(accepted.len(), 2, "the one that won, and its like: {came:?}");
    for refused in came.iter().filter_map(|came| came.as_ref().err()) {
        assert_eq!(refused.error_type().name(), "Conflict", "{}", refused.line());
    }
    world.end().await;
}

/// The configuration with another connection to the same pod.
fn with_connection(config: &str, name: &str) -> String {
    let at = config.find("[connections.fusion-demo]").unwrap();
    let own = config.split_at(at).1.split("[connections.deliveries]").next().unwrap();
    format!("{config}\n{}", own.replace("fusion-demo", name))
}

/// Submits a run whose own submission comes to nothing at first, so that it looks for its job: the pod has another of the
/// same run key.
async fn submits_its_own(world: &World, context: &Context, event: Value, case: &str) {
    let before = world.simulator.jobs().len();
    set_faults(world, json!({ "submit": { "outage": { "drop_connection": 1 } } }));
    let submitted =
        submit_event(context, event).await.unwrap_or_else(|error| panic!("{case}: {}", error.line()));
    let jobs = world.simulator.jobs();
    assert_eq!(jobs.len(), before + 1, "{case}");
    let newest = jobs.iter().map(|job| job.id).max().unwrap();
    assert_eq!(submitted.job_request_id.as_str(), newest.to_string(), "{case}");
}

/// Two connections lead to one pod, and their runs have one key: of other ledgers, or of one.
#[tokio::test]
async fn a_run_takes_no_job_of_another_connection() {
    for ledger in ["DE", "US"] {
        let world = World::new(Setup::default()).await;
        submit_event(&world.anew(), of_ledger("fusion-demo", "US")).await.unwrap();
        let context = world.configured_anew(|config| with_connection(config, "fusion-too"));
        submits_its_own(&world, &context, of_ledger("fusion-too", ledger), ledger).await;
        world.end().await;
    }
}

/// Two installations, a stack for tests and one for good say, have one schedule and so one run key, on one system: each
/// finds its own job again.
#[tokio::test]
async fn a_run_takes_no_job_of_another_installation() {
    let world = World::new(Setup::default()).await;
    std::fs::create_dir(world.folder.path().join("work-too")).unwrap();
    let other = world.configured_anew(|config| config.replace("bucket = 'work'", "bucket = 'work-too'"));
    submit_event(&world.anew(), run_event()).await.unwrap();
    submits_its_own(&world, &other, run_event(), "extraction").await;

    let event = systems::FOLIO_EXPORT.event;
    let ours = submit_event(&world.anew(), event()).await.unwrap();
    let others = submit_event(&other, event()).await.unwrap();
    assert_ne!(ours.job_request_id, others.job_request_id);
    assert_eq!(world.simulator.folio_starts(), 2);
    world.end().await;
}

/// Promise 1: what a release before this one has submitted is found by the mark that it gave: its description, and the
/// id that followed from the run key alone.
#[tokio::test]
async fn a_job_that_an_earlier_release_has_marked_is_found() {
    let planted = simulator::PlantedJob {
        description: "landfall-carriers-2026-11-21T06::SimpleCarriers::Full::Immediate".to_owned(),
        extract: "SimpleCarriers".to_owned(),
        client_request_uuid: None,
        job_definition_name: None,
        status: None,
        message: None,
    };
    let scenario = simulator::Scenario { planted_jobs: vec![planted], ..landfall_tests::small_scenario() };
    let faults = json!({ "submit": { "outage": { "drop_connection": 1 } } });
    let world = World::new(Setup { scenario: Some(scenario), faults, ..Setup::default() }).await;
    let mut event = run_event();
    event["export"]["mode"] = json!("full");
    let submitted = submit_event(&world.anew(), event).await.unwrap();
    assert_eq!(submitted.job_request_id.as_str(), "40000");
    assert_eq!(world.simulator.journal().jobs_submitted(), 0);
    world.end().await;
}

/// A job that the source does not know, or that is of another export, is not made a run's, and what it is is said; the
/// run is as it was.
#[tokio::test]
async fn a_job_that_cannot_be_the_runs_is_refused() {
    let world = World::new(Setup::default()).await;
    let mut others = run_event();
    others["export"]["extract"] = json!("OtherCarriers");
    others["run_key"] = json!("others");
    let other = submit_event(&world.anew(), others).await.unwrap().job_request_id;
    for (seen, name, said) in [
        (job("99999"), "NotFound", "knows no job 99999"),
        (job(&other), "Conflict", "it exports OtherCarriers"),
    ] {
        assert_failed(settle(&world.anew(), &run_event(), seen).await, (name, said), &[], said);
    }
    let submitted = submit_event(&world.anew(), run_event()).await.unwrap();
    assert!(!submitted.already_submitted);

    let epm = (systems::EPM_JOB.event)();
    let mut others = epm.clone();
    (others["export"]["job_name"], others["run_key"]) = (json!("LOADRATES"), json!("others"));
    let other = submit_event(&world.anew(), others).await.unwrap().job_request_id;
    for (seen, name, said) in
        [(job("99999"), "NotFound", "knows no job 99999"), (job(&other), "Conflict", "it runs \"LOADRATES\"")]
    {
        assert_failed(settle(&world.anew(), &epm, seen).await, (name, said), &[], said);
    }

    let folio = folio_event("Default instances export job profile", &[1]);
    let mut others = folio_event("Default holdings export job profile", &[1]);
    (others["export"]["id_type"], others["run_key"]) = (json!("holding"), json!("others"));
    let other = submit_event(&world.anew(), others).await.unwrap().job_request_id;
    let unknown = "6f7f3cd7-9f24-42eb-ae91-000000009999";
    for (seen, name, said) in [
        (job(unknown), "NotFound", "knows no job execution"),
        (job(&other), "Conflict", "its job profile is \"Default holdings export job profile\""),
    ] {
        assert_failed(settle(&world.anew(), &folio, seen).await, (name, said), &[], said);
    }
    world.end().await;
}

/// A person settles a run by the event that it was started with, also where that says what is usual: it is the same export.
#[tokio::test]
async fn a_run_is_settled_by_an_event_that_says_what_is_usual() {
    let faults = json!({ "epm": { "submit": { "accept_then_drop": 1 } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let mut event = (systems::EPM_JOB.event)();
    event["export"]["allow_empty"] = json!(false);
    let in_doubt = land(&world.context, event.clone()).await;
    assert_failed(in_doubt, ("Conflict", "Process Details"), &[], "in doubt");
    let submitted = world.simulator.epm_jobs().remove(0).job_request_id;
    settle(&world.anew(), &event, job(submitted)).await.unwrap();
    land(&world.anew(), event).await.unwrap();
    assert_eq!(world.simulator.epm_jobs().len(), 1);
    world.end().await;
}

/// The job that a person has named wrongly gives way to the one that is named after it, and is free for the run that it
/// is of; one that landfall has submitted for the run does not.
#[tokio::test]
async fn a_job_that_was_named_wrongly_is_corrected() {
    let faults = json!({ "epm": { "submit": { "accept_then_drop": 2 } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let one = (systems::EPM_JOB.event)();
    let mut two = one.clone();
    two["run_key"] = json!("bessapp-2");
    for event in [&one, &two] {
        assert_failed(land(&world.anew(), event.clone()).await, ("Conflict", "Process Details"), &[], "lost");
    }
    let ids: Vec<String> = world.simulator.epm_jobs().iter().map(|job| job.id.to_string()).collect();
    let [first, second] = ids.as_slice() else { panic!("{ids:?}") };
    settle(&world.anew(), &one, job(second)).await.unwrap();
    settle(&world.anew(), &one, job(first)).await.unwrap();
    settle(&world.anew(), &two, job(second)).await.unwrap();
    for (event, id) in [(&one, first), (&two, second)] {
        let submitted = submit_event(&world.anew(), event.clone()).await.unwrap();
        assert_eq!((submitted.job_request_id.as_str(), submitted.already_submitted), (id.as_str(), true));
        let landed = land(&world.anew(), event.clone()).await.unwrap();
        assert!(landed.manifest_key.contains(id.as_str()), "{}", landed.manifest_key);
    }
    assert_eq!(world.simulator.epm_jobs().len(), 2);

    let mut three = one.clone();
    three["run_key"] = json!("bessapp-3");
    submit_event(&world.anew(), three.clone()).await.unwrap();
    let kept = settle(&world.anew(), &three, job(first)).await;
    assert_failed(kept, ("Conflict", "has job"), &[], "a job that landfall has submitted");
    world.end().await;
}

/// A job of another export that a release before this one has bound to a run gives way, too.
#[tokio::test]
async fn a_wrong_job_of_an_earlier_release_is_corrected() {
    let world = World::new(Setup::default()).await;
    let right = submit_event(&world.anew(), run_event()).await.unwrap().job_request_id;
    let work = world.work().await;
    let key = "runs/fusion-demo/carriers-2026-11-21T06.json";
    let run = work.read(key, u64::MAX).await.unwrap().unwrap();
    let bound = String::from_utf8(run.bytes.to_vec()).unwrap().replace(right.as_str(), "99999");
    work.put(key, bound.into(), landfall_store::Condition::Always).await.unwrap();
    settle(&world.anew(), &run_event(), job(&right)).await.unwrap();
    land(&world.anew(), run_event()).await.unwrap();
    let manifests = world.manifests().await;
    assert!(manifests.values().all(|manifest| manifest.job_request_id == right), "{:?}", manifests.keys());
    assert_eq!((manifests.len(), world.simulator.jobs().len()), (1, 1));
    world.end().await;
}
