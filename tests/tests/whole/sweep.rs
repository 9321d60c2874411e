//! What was started elsewhere lands too, once (promises 1, 2 and 5).

use std::collections::BTreeSet;

use landfall::Step;
use landfall::clock::{Clock as _, Deadline};
use landfall::event::{RunEvent, parse};
use landfall::job::{JobRef, JobState};
use landfall_tests::{Setup, World, assert_landed, land, resume, run_event, small_scenario, submit_event};
use serde_json::{Value, json};
use simulator::{PlantedJob, Scenario};
use sweep::{NextPage, SweepEvent, Swept, ToLand};

/// A pod whose list has nothing older.
fn without_look_alikes() -> Setup {
    Setup { faults: json!({ "listing": { "look_alikes": false } }), ..Setup::default() }
}

fn sweep_event() -> Value {
    json!({ "connection": "fusion-demo", "exports": ["SimpleCarriers"], "destination": "lake" })
}

/// One call.
async fn sweep_once(world: &World, event: &Value) -> Swept {
    let event: SweepEvent = parse(event.clone()).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    sweep::sweep(&world.anew(), event, &deadline).await.unwrap()
}

/// A whole sweep: whatever an answer reports is passed on, and the next call says so.
async fn sweep_for(world: &World, event: Value) -> Swept {
    let mut swept = sweep_once(world, &event).await;
    while let Some(next) = swept.next.take() {
        let mut more = sweep_once(world, &going_on(&event, &next)).await;
        swept.jobs.append(&mut more.jobs);
        swept.failed.append(&mut more.failed);
        swept.problems.append(&mut more.problems);
        swept.landed += more.landed;
        (swept.complete, swept.next) = (more.complete, more.next);
    }
    swept
}

fn going_on(event: &Value, next: &NextPage) -> Value {
    let mut event = event.clone();
    let Value::Object(next) = serde_json::to_value(next).unwrap() else { panic!("{next:?}") };
    event.as_object_mut().unwrap().extend(next);
    event
}

async fn land_all(world: &World, jobs: &[ToLand]) {
    for job in jobs {
        resume(&world.anew(), serde_json::to_value(job).unwrap()).await.unwrap();
    }
}

fn ids(swept: &Swept) -> Vec<u64> {
    swept.jobs.iter().map(|job| job.job_request_id.as_str().parse().unwrap()).collect()
}

fn recurring() -> Value {
    let mut event = run_event();
    event["export"]["schedule"] = json!({
        "recurrence": "hourly", "every": { "interval": 1, "time_unit": "hour" },
        "start_date": "2026-05-15", "end_date": "2026-05-15", "start_time": "1200", "end_time": "1400"
    });
    event
}

/// Of three occurrences, one failed: two land, one is told of, once, and a second sweep has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_occurrences_of_a_recurring_request_land_by_the_sweep() {
    let faults = json!({ "status": { "failed_occurrence": 2 }, "listing": { "look_alikes": false } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let submitted = submit_event(&world.context, recurring()).await.unwrap();
    assert!(submitted.recurring && !submitted.landed);
    let again = submit_event(&world.anew(), recurring()).await.unwrap();
    assert!(again.recurring && again.already_submitted);
    let parent: u64 = submitted.job_request_id.as_str().parse().unwrap();
    let occurrences: Vec<u64> = world.simulator.occurrences(parent).iter().map(|job| job.id).collect();
    assert_eq!(occurrences.len(), 3);

    let mut swept = sweep_for(&world, sweep_event()).await;
    for _ in 0..6 {
        // Each look at the list lets the occurrences run on, and a failure is told only by the sweep that sees it first.
        let mut more = sweep_for(&world, sweep_event()).await;
        more.failed.append(&mut swept.failed);
        swept = more;
    }
    assert_eq!(ids(&swept), [occurrences[2], occurrences[0]], "the newest first");
    assert_eq!(swept.failed.len(), 1);
    assert_eq!(swept.failed[0].job_request_id.as_str(), occurrences[1].to_string());
    assert_eq!(swept.failed[0].state, JobState::Failed);

    land_all(&world, &swept.jobs).await;
    for occurrence in [occurrences[0], occurrences[2]] {
        assert_landed(&world, occurrence, "an occurrence").await;
    }
    let second = sweep_for(&world, sweep_event()).await;
    assert_eq!((second.jobs, second.failed, second.landed), (Vec::new(), Vec::new(), 2));
    assert_eq!(world.simulator.journal().jobs_submitted(), 1);
    world.end().await;
}

/// More than a state machine passes on comes in several answers, each of which fits; what an answer reports is reported
/// again until it was passed on, and once after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_fits_and_what_is_lost_on_its_way_is_told_again() {
    const MAX_PAYLOAD: usize = 256 * 1024;
    let failed = |number: usize| PlantedJob {
        description: format!("Nightly::SimpleCarriers::Full::Daily {number}"),
        extract: "SimpleCarriers".to_owned(),
        status: Some("ERROR".to_owned()),
        message: Some("\"ORA-01555\": snapshot too old; ".repeat(30)),
        ..PlantedJob::default()
    };
    let planted_jobs = (0..520).map(failed).collect();
    let scenario = Some(Scenario { planted_jobs, ..small_scenario() });
    let world = World::new(Setup { scenario, ..without_look_alikes() }).await;

    let first = sweep_once(&world, &sweep_event()).await;
    assert!(!first.complete && (50..500).contains(&first.failed.len()), "{} of 520", first.failed.len());
    assert_eq!(sweep_once(&world, &sweep_event()).await, first, "its answer was lost");

    let (mut told, mut answer) = (BTreeSet::new(), first);
    loop {
        let bytes = serde_json::to_vec(&answer).unwrap().len();
        assert!(bytes < MAX_PAYLOAD * 3 / 4, "{bytes} bytes leave no room for what a state machine adds");
        for failed in &answer.failed {
            assert!(told.insert(failed.job_request_id.to_string()), "{failed:?} is told twice");
        }
        let Some(next) = answer.next else { break };
        answer = sweep_once(&world, &going_on(&sweep_event(), &next)).await;
    }
    assert!(answer.complete && told.len() == 520, "{} told", told.len());
    assert_eq!(sweep_once(&world, &sweep_event()).await.failed, []);
    world.end().await;
}

/// An answer holds whatever a source says of one job, however much that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_says_of_one_job_hides_no_other() {
    let failed = PlantedJob {
        description: "Nightly::SimpleCarriers::Full::Daily".to_owned(),
        extract: "SimpleCarriers".to_owned(),
        status: Some("ERROR".to_owned()),
        message: Some("é".repeat(400_000)),
        ..PlantedJob::default()
    };
    let planted_jobs = vec![failed; 3];
    let scenario = Some(Scenario { planted_jobs, ..small_scenario() });
    let world = World::new(Setup { scenario, ..without_look_alikes() }).await;
    let swept = sweep_for(&world, sweep_event()).await;
    assert_eq!(swept.failed.len(), 3);
    assert!(swept.failed.iter().all(|failed| failed.message.as_ref().unwrap().ends_with("é…")));
    assert_eq!(sweep_for(&world, sweep_event()).await.failed, []);
    world.end().await;
}

/// An occurrence without output lands empty where the request says that this is normal, or where a person says so
/// afterwards; otherwise it is an error that says how.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_occurrence_lands_where_its_request_or_a_person_allows_that() {
    let faults = json!({ "output_files": { "empty_calls": 1_000_000 }, "listing": { "look_alikes": false } });
    for allowed_by_request in [true, false] {
        let world = World::new(Setup { faults: faults.clone(), ..Setup::default() }).await;
        let mut event = recurring();
        event["export"]["allow_empty"] = json!(allowed_by_request);
        submit_event(&world.context, event).await.unwrap();
        for _ in 0..6 {
            sweep_for(&world, sweep_event()).await;
        }
        let jobs = sweep_for(&world, sweep_event()).await.jobs;
        assert_eq!(jobs.len(), 3);
        let (first, others) = jobs.split_first().unwrap();
        let landed = resume(&world.anew(), serde_json::to_value(first).unwrap()).await;
        if allowed_by_request {
            assert_eq!(landed.unwrap().totals.objects, 0);
        } else {
            let said = landed.unwrap_err().line();
            let command = format!("landfall resume fusion-demo {} --allow-empty", first.job_request_id);
            assert!(said.contains(&command), "{said}");
            let event = serde_json::from_value(serde_json::to_value(first).unwrap()).unwrap();
            world.anew().allow_empty(&event).await.unwrap();
            let landed = resume(&world.anew(), serde_json::to_value(first).unwrap()).await;
            assert_eq!(landed.unwrap().totals.objects, 0);

            let mut allowing = sweep_event();
            allowing["allow_empty"] = json!(true);
            assert_eq!(sweep_for(&world, allowing).await.jobs, others);
            land_all(&world, others).await;
        }
        world.end().await;
    }
}

/// A job of which a step has said for good that it cannot land is left alone, until somebody asks for it by name, by an
/// option, or allows what it was refused for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_cannot_land_is_not_tried_again_by_itself() {
    let planted_jobs = vec![PlantedJob {
        description: "Nightly::SimpleCarriers::Full::Daily".to_owned(),
        extract: "SimpleCarriers".to_owned(),
        ..PlantedJob::default()
    }];
    let scenario = Some(Scenario { planted_jobs, ..small_scenario() });
    let world = World::new(Setup { scenario, ..without_look_alikes() }).await;
    let found = sweep_for(&world, sweep_event()).await.jobs;
    let error = resume(&world.anew(), serde_json::to_value(&found[0]).unwrap()).await.unwrap_err();
    let ToLand { connection, job_request_id, .. } = found[0].clone();
    let job = JobRef { connection, job_request_id };
    let passing = landfall::Error::source_unavailable("503");
    world.context.note_failure(Step::FetchFiles, &job, &passing).await;
    assert_eq!(sweep_for(&world, sweep_event()).await.jobs, found, "that passes");

    world.context.note_failure(Step::FetchFiles, &job, &error).await;
    let key = format!("swept/fusion-demo/{}.json", job.job_request_id);
    let kept = world.work().await.read(&key, 1000).await.unwrap().unwrap();
    let kept: Value = serde_json::from_slice(&kept.bytes).unwrap();
    let reported = json!({ "native_status": "ContractBroken", "asked_by": "landfall:cannot-land" });
    assert_eq!(
        kept,
        json!({ "told": reported }),
        "a release that knows no such jobs reads it as one that was told"
    );
    assert_eq!(sweep_for(&world, sweep_event()).await.jobs, []);
    for option in ["again", "allow_empty"] {
        let mut event = sweep_event();
        event[option] = json!(true);
        assert_eq!(sweep_for(&world, event).await.jobs, found, "{option}");
    }
    land_all(&world, &found).await;
    let swept = sweep_for(&world, sweep_event()).await;
    assert_eq!((swept.jobs.len(), swept.landed), (0, 1));
    world.end().await;
}

/// What a group's jobs are submitted under is the group's name: they are found by the name of the export all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_group_are_found_by_the_export() {
    let world = World::new(without_look_alikes()).await;
    let mut event = recurring();
    event["export"]["submit_name"] = json!("SimpleCarriersGroup");
    let submitted = submit_event(&world.context, event).await.unwrap();
    let parent: u64 = submitted.job_request_id.as_str().parse().unwrap();
    for _ in 0..6 {
        sweep_for(&world, sweep_event()).await;
    }
    let swept = sweep_for(&world, sweep_event()).await;
    let occurrences = world.simulator.occurrences(parent);
    let occurrences: Vec<u64> = occurrences.iter().rev().map(|job| job.id).collect();
    assert_eq!(ids(&swept), occurrences, "the newest first");
    land_all(&world, &swept.jobs[..1]).await;
    assert_landed(&world, occurrences[0], "of a group").await;
    world.end().await;
}

/// Other services' jobs stand in the same list: they are neither swept nor in the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_no_data_extraction_are_left_alone() {
    let planted = |definition: Option<&str>| PlantedJob {
        description: "Nightly::SimpleCarriers::Full::Daily".to_owned(),
        extract: "SimpleCarriers".to_owned(),
        job_definition_name: definition.map(str::to_owned),
        ..PlantedJob::default()
    };
    let planted_jobs = vec![planted(Some("AsyncDataExtraction")), planted(None)];
    let scenario = Some(Scenario { planted_jobs, ..small_scenario() });
    let world = World::new(Setup { scenario, ..without_look_alikes() }).await;
    for exports in [json!(["SimpleCarriers"]), json!(["*"])] {
        let mut event = sweep_event();
        event["exports"] = exports;
        let swept = sweep_for(&world, event).await;
        assert_eq!((swept.jobs.len(), swept.failed.len()), (1, 0), "the extraction, and it alone");
    }
    world.end().await;
}

/// The recurring request itself never has files: going on with it says so instead of waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recurring_request_itself_does_not_land() {
    let world = World::new(without_look_alikes()).await;
    let submitted = submit_event(&world.context, recurring()).await.unwrap();
    let event = json!({ "connection": "fusion-demo", "job_request_id": submitted.job_request_id });
    let error = resume(&world.anew(), event).await.unwrap_err();
    assert_eq!(error.error_type().name(), "InvalidEvent");
    assert!(error.line().contains("occurrences") && error.line().contains("sweep"), "{}", error.line());
    world.end().await;
}

/// Two sweeps at once find the same jobs; each lands once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_sweeps_find_at_once_lands_once() {
    let world = World::new(without_look_alikes()).await;
    let submitted = submit_event(&world.context, recurring()).await.unwrap();
    let parent: u64 = submitted.job_request_id.as_str().parse().unwrap();
    let mut swept = sweep_for(&world, sweep_event()).await;
    while swept.jobs.len() < 3 {
        swept = sweep_for(&world, sweep_event()).await;
    }
    let (first, second) =
        futures::join!(Box::pin(land_all(&world, &swept.jobs)), Box::pin(land_all(&world, &swept.jobs)));
    assert_eq!((first, second), ((), ()));
    assert_eq!(world.manifests().await.len(), 3);
    for job in world.simulator.occurrences(parent) {
        assert_landed(&world, job.id, "swept twice").await;
    }
    world.end().await;
}

/// A run whose state machine was lost is found once it is sure that nobody is at work on it; a landed one never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_nobody_goes_on_with_is_found_after_a_while() {
    let world = World::new(without_look_alikes()).await;
    let mut other = run_event();
    other["run_key"] = json!("carriers-that-landed");
    land(&world.context, other).await.unwrap();
    let submitted = submit_event(&world.anew(), run_event()).await.unwrap();
    let event: RunEvent = parse(run_event()).unwrap();
    let mut swept = sweep_for(&world, sweep_event()).await;
    for _ in 0..4 {
        swept = sweep_for(&world, sweep_event()).await;
    }
    assert_eq!((swept.jobs.len(), swept.landed), (0, 1), "somebody may be at work on it");
    let mut now = sweep_event();
    now["grace_seconds"] = json!(0);
    let status = json!({ "connection": "fusion-demo", "job_request_id": submitted.job_request_id });
    let deadline = Deadline::none(world.clock.clone());
    for _ in 0..6 {
        poll_status::poll_status(&world.context, parse(status.clone()).unwrap(), &deadline).await.unwrap();
    }
    let swept = sweep_for(&world, now).await;
    assert_eq!(swept.jobs.len(), 1);
    assert_eq!(swept.jobs[0].job_request_id, submitted.job_request_id);
    assert_eq!(swept.jobs[0].destination, event.destination);
    land_all(&world, &swept.jobs).await;
    assert_eq!(sweep_for(&world, sweep_event()).await.landed, 2);
    world.end().await;
}

/// Only what it is told of: other exports' jobs are nobody's business here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_looks_at_the_exports_that_it_is_told_of() {
    let world = World::new(without_look_alikes()).await;
    submit_event(&world.context, recurring()).await.unwrap();
    let mut other = sweep_event();
    other["exports"] = json!(["OtherExtract"]);
    for _ in 0..6 {
        let swept = sweep_for(&world, other.clone()).await;
        assert_eq!((swept.jobs, swept.failed, swept.landed), (Vec::new(), Vec::new(), 0));
        assert_eq!(swept.unseen, ["OtherExtract"]);
    }
    let mut all = sweep_event();
    all["exports"] = json!(["*"]);
    assert_eq!(sweep_for(&world, all.clone()).await.jobs.len(), 3);
    let none = json!({ "connection": "fusion-demo", "exports": [], "destination": "lake" });
    let event: SweepEvent = parse(none).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    let error = sweep::sweep(&world.anew(), event, &deadline).await.unwrap_err();
    assert_eq!(error.error_type().name(), "InvalidEvent");
    world.end().await;
}

/// A pod's list goes far back, and the files of what it lists are gone after a while: `since` leaves out what is old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_before_the_given_time_is_left_alone() {
    let world = World::new(Setup::default()).await;
    let submitted = submit_event(&world.context, recurring()).await.unwrap();
    let parent: u64 = submitted.job_request_id.as_str().parse().unwrap();
    let occurrences: Vec<u64> = world.simulator.occurrences(parent).iter().map(|job| job.id).collect();
    let mut since = sweep_event();
    since["since"] = json!(world.clock.now() - jiff::SignedDuration::from_mins(30));
    for _ in 0..6 {
        sweep_for(&world, since.clone()).await;
    }
    let mut found = ids(&sweep_for(&world, since).await);
    found.sort_unstable();
    assert_eq!(found, occurrences);
    assert!(sweep_for(&world, sweep_event()).await.jobs.len() > 3, "the list has older jobs");
    world.end().await;
}
