//! Whole runs of Planning's jobs, where they differ from those of Data Integration: other paths, parameters in a field of
//! their own, a status that tells no file, and numbers that both APIs give.

use landfall::clock::Deadline;
use landfall::event::parse;
use landfall_tests::systems::{EPM_JOB, EPM_PLANNING};
use landfall_tests::{Setup, World, assert_failed, land};
use serde_json::{Value, json};
use simulator::Operation;

use crate::epm_job::Outcome::{Fails, Lands};
use crate::epm_job::{APIS, assert_landed, expect, setup, with_line};

fn event() -> Value {
    (EPM_PLANNING.event)()
}

fn with(field: &str, value: Value) -> Value {
    let mut event = event();
    event["export"][field] = value;
    event
}

/// Promises 2 and 4: a Planning job lands by either download API. Data Integration's job of the same number is another
/// job on the same connection: both land, and neither is taken for the other.
#[tokio::test]
async fn jobs_of_one_number_are_two_jobs() {
    for api in APIS {
        let world =
            expect(api, Setup { epm: Some(with_line(api)), ..setup(json!({})) }, event(), Lands).await;
        land(&world.anew(), (EPM_JOB.event)()).await.unwrap();
        let jobs = world.simulator.epm_jobs();
        let ids: Vec<_> = jobs.iter().map(|job| job.job_request_id.as_str()).collect();
        assert_eq!(ids, ["1881", "Vision.1881"]);
        for job in &jobs {
            assert_landed(&world, job.id, api).await;
        }
        let (before, asked) = (world.landed().await, world.simulator.journal().requests().len());
        assert!(land(&world.anew(), event()).await.unwrap().already_published);
        assert_eq!(world.landed().await, before);
        assert_eq!(world.simulator.journal().requests().len(), asked, "EPM was asked again");
        world.end().await;
    }
}

/// The file of a Planning job is what its parameters name, or is named like the job, or is what the event says.
#[tokio::test]
async fn the_file_is_what_the_event_says() {
    for (case, event, faults) in [
        ("named by no parameter", with("parameters", json!({})), json!({})),
        (
            "of metadata",
            {
                let mut event = with("parameters", json!({ "exportZipFileName": "accounts.zip" }));
                event["export"]["job_type"] = json!("Export Metadata");
                event
            },
            json!({}),
        ),
        (
            "named by the event alone",
            {
                let mut event = with("output_files", json!(["audit.zip"]));
                event["export"]["job_type"] = json!("EXPORT_AUDIT");
                event["export"]["parameters"] = json!({});
                event
            },
            json!({ "status": { "output_name": "audit.zip" } }),
        ),
    ] {
        expect(case, setup(faults), event, Lands).await.end().await;
    }
    let nowhere = json!({ "status": { "output_name": "elsewhere.zip" } });
    let said = Fails("NotFound", "balances.zip");
    expect("it is not where it was said to be", setup(nowhere), event(), said).await.end().await;
}

/// Promise 1: Planning lists no jobs either. However its submission is answered there is one job at most, and what cannot
/// be known is a `Conflict` that says where to look in which application.
#[tokio::test]
async fn submissions() {
    let submit = |faults: Value| json!({ "submit": faults });
    let look = "in the application Vision under Jobs, Recent Activity";
    for (case, faults, outcome) in [
        ("answer lost", submit(json!({ "accept_then_drop": 1 })), Fails("Conflict", look)),
        ("gateway time-out", submit(json!({ "accept_then_gateway_timeout": 1 })), Fails("Conflict", look)),
        ("dropped", submit(json!({ "outage": { "drop_connection": 1 } })), Fails("Conflict", look)),
        ("unavailable", submit(json!({ "outage": { "unavailable": 1 } })), Fails("Conflict", look)),
        ("no job id", submit(json!({ "no_job_id": 1 })), Fails("Conflict", "names no job")),
        ("named in a header alone", submit(json!({ "only_in_header": 1 })), Lands),
        ("applications not shown", json!({ "version": { "outage": { "forbidden": "always" } } }), Lands),
        ("applications not listed", json!({ "version": { "absent": true } }), Lands),
    ] {
        expect(case, setup(faults), event(), outcome).await.end().await;
    }
}

/// Promise 1: a submission in doubt waits for a person, who names the job by its application and number.
#[tokio::test]
async fn a_lost_answer_waits_for_a_person() {
    let world = World::new(setup(json!({ "submit": { "accept_then_drop": 1 } }))).await;
    for _ in 0..2 {
        let came = land(&world.anew(), event()).await;
        assert_failed(came, ("Conflict", "\"Daily balances\" (EXPORT_DATA)"), &[], "in doubt");
    }
    assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 1);
    let job = world.simulator.epm_jobs()[0].clone();
    let deadline = Deadline::none(world.clock.clone());
    let settle = async |id: &str| {
        let seen = submit::OperatorAnswer::Job(id.parse().unwrap());
        submit::settle(&world.anew(), &parse(event()).unwrap(), seen, &deadline).await
    };
    assert_failed(settle("1881").await, ("Conflict", "an id like Vision.145"), &[], "a number alone");
    assert_failed(settle("Vision.7").await, ("NotFound", "Vision.7"), &[], "another number");
    settle(&job.job_request_id).await.unwrap();
    land(&world.anew(), event()).await.unwrap();
    assert_landed(&world, job.id, "settled").await;
    assert_eq!(world.simulator.epm_jobs().len(), 1);
    world.end().await;
}

/// An application that is not there is refused before anything is submitted, and those that are there are named; a
/// failure is told with what the application says of it.
#[tokio::test]
async fn what_is_wrong_is_named() {
    let refused = with("application", json!("Vison"));
    let world =
        expect("another application", setup(json!({})), refused, Fails("Rejected", "it has: Vision")).await;
    assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 0);
    world.end().await;
    let failed = setup(json!({ "status": { "final_status": 1, "details": "Export failed" } }));
    let told = Fails("JobFailed", "\"msgText\":\"The data slice has an unknown member.\"");
    expect("a failure", failed, event(), told).await.end().await;
}
