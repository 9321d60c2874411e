//! Whole runs: the pod with every wart and fault that its documents and its users know, each with the outcome that
//! the promises ask for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landfall::clock::{Clock as _, ManualClock};
use landfall::event::parse;
use landfall::job::{JobRef, JobState, Outage, RunKey};
use landfall::state::{WorkState, keys};
use landfall_http::Transport;
use landfall_tests::{
    Setup, World, assert_failed, assert_landed, land, land_as_retried, resume, run_event, small_scenario,
    toml_text,
};
use serde_json::{Value, json};
use simulator::{Format, Operation, Producer, Scenario, credentials};

/// What a run must come to.
enum Outcome {
    /// Everything has landed, from one job.
    Lands,
    /// The run fails with this error's name and a message that holds this text; nothing has landed, and the source
    /// has at most one job.
    Fails(&'static str, &'static str),
}

use Outcome::{Fails, Lands};

async fn expect(case: &str, setup: Setup, event: Value, outcome: Outcome) -> World {
    let world = World::new(setup).await;
    let came = land_as_retried(&world, event).await;
    let jobs = world.simulator.jobs();
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
            assert_failed(came, (name, text), &[credentials::CLIENT_SECRET], case);
            let landed = world.landed().await;
            assert!(landed.is_empty(), "{case}: landed nonetheless: {:?}", landed.keys());
            let landing_uploads = world.landing().await.list_uploads("").await.unwrap();
            assert!(landing_uploads.is_empty(), "{case}: {landing_uploads:?}");
        }
    }
    world
}

async fn with_faults(case: &str, faults: Value, outcome: Outcome) {
    expect(case, Setup { faults, ..Setup::default() }, run_event(), outcome).await.end().await;
}

fn asked(world: &World, operation: Operation) -> usize {
    world.simulator.journal().count_of(operation)
}

async fn all(cases: Vec<(&str, Value, Outcome)>) {
    for (case, faults, outcome) in cases {
        with_faults(case, faults, outcome).await;
    }
}

/// The undisturbed run: all promises at once, and the second run changes nothing and asks the source nothing.
#[tokio::test]
async fn an_undisturbed_run_lands_and_a_second_one_changes_nothing() {
    let world = expect("undisturbed", Setup::default(), run_event(), Lands).await;
    let before = world.landed().await;
    let asked = world.simulator.journal().requests().len();
    let again = land(&world.anew(), run_event()).await.unwrap();
    assert!(again.already_published);
    assert_eq!(world.landed().await, before);
    assert_eq!(world.simulator.journal().requests().len(), asked, "the source was asked again");
    world.end().await;
}

/// Tokens: every grant, expiry, revocation, outages; a refused login is tried once.
#[tokio::test]
async fn tokens() {
    all(vec![
        ("a short life", json!({ "token": { "lifetime_seconds": 1 } }), Lands),
        ("milliseconds", json!({ "token": { "expires_in_milliseconds": true } }), Lands),
        ("revoked in the middle", json!({ "token": { "revoke_after_requests": 4 } }), Lands),
        ("unavailable", json!({ "token": { "outage": { "unavailable": 2 } } }), Lands),
        ("dropped", json!({ "token": { "outage": { "drop_connection": 2 } } }), Lands),
        ("throttled", json!({ "token": { "outage": { "throttle": { "times": 2 } } } }), Lands),
        (
            "throttled, with Retry-After",
            json!({ "token": { "outage": { "throttle": { "times": 1, "retry_after_seconds": 7 } } } }),
            Lands,
        ),
        (
            "a login page",
            json!({ "token": { "outage": { "login_page": "always" } } }),
            Fails("ContractBroken", ""),
        ),
        (
            "another grant only",
            json!({ "token": { "allowed_grants": ["password"] } }),
            Fails("AuthRejected", "unauthorized_client"),
        ),
    ])
    .await;
    let key = toml_text(credentials::PRIVATE_KEY_PEM);
    let (id, secret) = (credentials::CLIENT_ID, toml_text(credentials::CLIENT_SECRET));
    let (user, password) = (credentials::USERNAME, toml_text(credentials::PASSWORD));
    let key_id = credentials::KEY_ID;
    for (case, auth) in [
        (
            "password",
            format!(
                "grant = 'password'\nclient_secret = {secret}\nusername = '{user}'\npassword = {password}"
            ),
        ),
        (
            "in the body",
            format!("grant = 'client_credentials'\nclient_auth = 'body'\nclient_secret = {secret}"),
        ),
        (
            "JWT bearer",
            format!(
                "grant = 'jwt_bearer'\nclient_secret = {secret}\nusername = '{user}'\nprivate_key = {key}\nkey_id = '{key_id}'"
            ),
        ),
        (
            "private key JWT",
            format!(
                "grant = 'client_credentials'\nclient_auth = 'private_key_jwt'\nprivate_key = {key}\nkey_id = '{key_id}'"
            ),
        ),
    ] {
        let auth = format!(
            "[connections.fusion-demo.auth]\ntoken_url = \"{{token_url}}\"\nclient_id = '{id}'\n{auth}"
        );
        expect(case, Setup { auth: Some(auth), ..Setup::default() }, run_event(), Lands).await.end().await;
    }
}

/// A token is asked for once a scope and kept, and asked for again before it has ended.
#[tokio::test]
async fn tokens_are_kept_as_long_as_they_live() {
    let mut defined = run_event();
    defined["export"]["definition"] = definition("SimpleCarriers");
    for (event, scopes) in [(run_event(), 1), (defined, 2)] {
        let world = World::new(Setup::default()).await;
        land(&world.context, event).await.unwrap();
        assert_eq!(asked(&world, Operation::Token), scopes);
        world.end().await;
    }
    let faults = json!({ "token": { "lifetime_seconds": 60 }, "status": { "polls_per_status": 8 } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    land(&world.context, run_event()).await.unwrap();
    let tokens = asked(&world, Operation::Token);
    assert!(tokens >= 2, "{tokens} tokens");
    let refused = world.simulator.journal().count(|entry| entry.status == Some(401));
    assert_eq!(refused, 0, "a token was used that had ended");
    world.end().await;
}

/// A wrong secret is `AuthRejected` after one request: no retries that lock an account.
#[tokio::test]
async fn a_wrong_secret_is_tried_once() {
    let auth = format!(
        "auth = {{ grant = 'client_credentials', token_url = '{{token_url}}', client_id = '{}', client_secret = 'wrong' }}",
        credentials::CLIENT_ID
    );
    let setup = Setup { auth: Some(auth), ..Setup::default() };
    let world = expect("wrong secret", setup, run_event(), Fails("AuthRejected", "invalid_client")).await;
    assert_eq!(world.simulator.journal().requests().len(), 1);
    world.end().await;
}

fn definition(name: &str) -> Value {
    json!({
        "name": name,
        "description": "carriers",
        "owner": "integration.user",
        "owner_role": "DATA_EXTRACT",
        "export_configuration": { "type": "BV", "outputDataFormat": "CSV" },
        "extraction_query": "{}"
    })
}

fn group(name: &str) -> Value {
    json!({ "name": name, "owner": "integration.user", "owner_role": "DATA_EXTRACT" })
}

/// Definitions and groups share one name space: a group by the name of an extract is refused, and nothing is submitted.
#[tokio::test]
async fn a_group_cannot_have_the_name_of_an_extract() {
    let mut event = run_event();
    event["export"]["definition"] = definition("SimpleCarriers");
    event["export"]["group"] = group("SimpleCarriers");
    let outcome = Fails("Rejected", "already exists");
    let world = expect("one name", Setup::default(), event, outcome).await;
    assert_eq!(asked(&world, Operation::SubmitJob), 0);
    world.end().await;
}

/// A definition whose creation's answer was lost, and which the search does not find yet, is refused as a duplicate:
/// that refusal is the proof that it is there.
#[tokio::test]
async fn a_duplicate_is_what_was_looked_for() {
    for duplicate in ["conflict", "bad_request"] {
        let mut event = run_event();
        event["export"]["definition"] = definition("SimpleCarriers");
        let faults = json!({ "boss": { "duplicate": duplicate, "create_then_drop": 1, "lag_calls": 2 } });
        let world = expect(duplicate, Setup { faults, ..Setup::default() }, event, Lands).await;
        let creations = world.simulator.journal().requests();
        let creations = creations.iter().filter(|entry| entry.operation == Operation::CreateDefinition);
        let answers: Vec<_> = creations.map(|entry| entry.status).collect();
        let refusal = if duplicate == "conflict" { 409 } else { 400 };
        assert_eq!(answers, [None, Some(refusal)], "{duplicate}");
        world.end().await;
    }
}

/// A pod that ignores the filter answers other definitions: theirs are not taken for ours.
#[tokio::test]
async fn another_definition_is_not_the_one_that_is_looked_for() {
    let faults = json!({ "boss": { "ignore_filter": true }, "submit": { "require_definition": true } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    for name in ["OtherCarriers", "SimpleCarriers", "SimpleCarriers"] {
        let mut event = run_event();
        event["export"]["extract"] = json!(name);
        event["export"]["definition"] = definition(name);
        event["run_key"] = json!(format!("run-{}", world.simulator.jobs().len()));
        land(&world.anew(), event).await.unwrap_or_else(|error| panic!("{name}: {}", error.line()));
    }
    assert_eq!(asked(&world, Operation::CreateDefinition), 2);
    world.end().await;
}

/// Definitions and groups are looked up by name and created once, whatever happens to the answer.
#[tokio::test]
async fn definitions_and_groups() {
    let mut event = run_event();
    event["export"]["definition"] = definition("SimpleCarriers");
    event["export"]["group"] = group("SimpleCarriersGroup");
    for (case, faults) in [
        ("created", json!({ "submit": { "require_definition": true } })),
        ("answer lost", json!({ "boss": { "create_then_drop": 1 } })),
        ("filter ignored", json!({ "boss": { "ignore_filter": true } })),
        ("relative location", json!({ "boss": { "location": "relative" } })),
        ("no location", json!({ "boss": { "location": "missing" } })),
        ("duplicates are 409", json!({ "boss": { "duplicate": "conflict", "create_then_drop": 1 } })),
        ("unavailable", json!({ "boss": { "outage": { "unavailable": 1 } } })),
    ] {
        let setup = Setup { faults, ..Setup::default() };
        expect(case, setup, event.clone(), Lands).await.end().await;
    }
}

/// Promise 1: one run key, one job, however the submission is answered.
#[tokio::test]
async fn submissions() {
    let location = |form: &str| json!({ "submit": { "location": form } });
    all(vec![
        ("accepted, answer lost", json!({ "submit": { "accept_then_drop": 1 } }), Lands),
        ("accepted, gateway time-out", json!({ "submit": { "accept_then_gateway_timeout": 1 } }), Lands),
        ("answer lost, list lags", json!({ "submit": { "accept_then_drop": 1 }, "listing": { "lag_calls": 3 } }), Lands),
        ("answer lost, list pages", json!({ "submit": { "accept_then_drop": 1 }, "listing": { "page_size": 2 } }), Lands),
        ("answer lost, newest first", json!({ "submit": { "accept_then_drop": 1 }, "listing": { "newest_first": true } }), Lands),
        ("answer lost, wrapped", json!({ "submit": { "accept_then_drop": 1 }, "listing": { "wrapped": true } }), Lands),
        (
            "answer lost, id forgotten",
            json!({ "submit": { "accept_then_drop": 1 }, "listing": { "forgets_client_request_uuid": true } }),
            Lands,
        ),
        ("explicit port", location("explicit_port"), Lands),
        ("relative", location("relative"), Lands),
        ("other case", location("other_case"), Lands),
        ("trailing slash", location("trailing_slash"), Lands),
        ("with a query", location("with_query"), Lands),
        ("missing", location("missing"), Lands),
        ("not an id", location("not_an_id"), Lands),
        ("in the other header", location("content_location"), Lands),
        ("accepted, redirected", json!({ "submit": { "accept_then_redirect": 1 } }), Lands),
        ("accepted, unavailable", json!({ "submit": { "accept_then_unavailable": 1 } }), Lands),
        (
            "accepted, unavailable, list lags",
            json!({ "submit": { "accept_then_unavailable": 1 }, "listing": { "lag_calls": 3 } }),
            Lands,
        ),
        ("unavailable", json!({ "submit": { "outage": { "unavailable": 1 } } }), Lands),
        (
            "unavailable again and again",
            json!({ "submit": { "outage": { "unavailable": "always" } } }),
            Fails("Conflict", "it is unknown whether the source accepted any of"),
        ),
        ("dropped", json!({ "submit": { "outage": { "drop_connection": 1 } } }), Lands),
        (
            "answer lost, list silent, id unique",
            json!({ "submit": { "accept_then_drop": 1, "unique_client_request_uuid": true }, "listing": { "lag_calls": 1_000_000 } }),
            Fails("Conflict", "409"),
        ),
        ("throttled", json!({ "submit": { "outage": { "throttle": { "times": 2, "retry_after_seconds": 3 } } } }), Lands),
        ("unauthorized once", json!({ "submit": { "outage": { "unauthorized": 1 } } }), Lands),
        ("forbidden", json!({ "submit": { "outage": { "forbidden": "always" } } }), Fails("AuthRejected", "403")),
        ("a login page", json!({ "submit": { "outage": { "login_page": "always" } } }), Fails("ContractBroken", "web page")),
        ("refused", json!({ "submit": { "reject": "the extract is on hold" } }), Fails("Rejected", "the extract is on hold")),
        ("unknown fields refused", json!({ "submit": { "strict": true } }), Fails("Rejected", "clientRequestUuid")),
    ])
    .await;
    let setup = Setup {
        faults: json!({ "submit": { "strict": true, "accept_then_drop": 1 } }),
        connection: "client_request_uuid = false".to_owned(),
        ..Setup::default()
    };
    expect("unknown fields left out", setup, run_event(), Lands).await.end().await;
}

/// Promise 1: a list that takes its time was asked for before the job showed up in it, and is asked for again.
#[tokio::test]
async fn a_list_that_answers_late_and_lags_is_asked_again() {
    let faults = json!({ "submit": { "accept_then_drop": 1 }, "listing": { "lag_calls": 1 } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let clock = Arc::clone(&world.clock);
    let context = world.anew().with_transport(Box::new(move |wire| {
        Arc::new(LateLists { wire, clock: Arc::clone(&clock) }) as Arc<dyn Transport>
    }));
    land(&context, run_event()).await.unwrap();
    assert_eq!(world.simulator.jobs().len(), 1);
    world.end().await;
}

/// Lists of jobs take 70 s.
#[derive(Debug)]
struct LateLists {
    wire: Arc<dyn Transport>,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Transport for LateLists {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        let is_list = request.method() == "GET" && request.url().path().ends_with("/jobRequests");
        let answer = self.wire.execute(request).await;
        if is_list {
            self.clock.advance(Duration::from_secs(70));
        }
        answer
    }
}

/// Extraction by Spectra: another job definition with its own parameters, found again like any other when the answer to
/// its submission is lost. What only the Data Extraction Tool takes is refused before anything is called.
#[tokio::test]
async fn another_job_definition_is_submitted_once_and_lands() {
    let mut event = run_event();
    event["export"] = json!({
        "kind": "fusion_extract", "extract": "Workers", "mode": "full", "job_definition": "AsyncDataExtraction",
        "request_parameters": {
            "boss.module": "oraHcmHrCore", "boss.resource.name": "workerAssignmentExtracts",
            "boss.resource.version": "v1", "boss.outputFormat": "json",
            "boss.request.system.param.effectiveDate": "2026-11-21",
            "boss.advancedQuery": "{\"collection\":{\"filter\":\"timeUpdated > '2026-11-20T00:00:00Z'\"},\"fields\":[\"id\"]}"
        }
    });
    let faults = json!({ "submit": { "accept_then_drop": 1 } });
    let world =
        expect("Spectra, answer lost", Setup { faults, ..Setup::default() }, event.clone(), Lands).await;
    let jobs = world.simulator.jobs();
    assert_eq!(jobs[0].job_definition.as_deref(), Some("AsyncDataExtraction"));
    assert_eq!(json!(jobs[0].request_parameters), event["export"]["request_parameters"]);
    let landed = world.landed().await;
    assert!(
        landed.keys().any(|key| key.ends_with("/workerAssignmentExtracts.json")),
        "{:?}",
        landed.keys().collect::<Vec<_>>()
    );
    let asked = world.simulator.journal().requests().len();
    for (field, value) in [("submit_name", json!("Group")), ("mode", json!("incremental"))] {
        let mut event = event.clone();
        event["run_key"] = json!("workers-2");
        event["export"][field] = value;
        assert_failed(land(&world.anew(), event).await, ("InvalidEvent", field), &[], field);
    }
    assert_eq!(world.simulator.journal().requests().len(), asked, "the pod was called");
    world.end().await;
}

/// A source that knows the run's id refuses a second submission with 409: that is the word of a job that the list does
/// not show yet, and no refusal of the run.
#[tokio::test]
async fn a_conflict_tells_of_the_job_that_is_there() {
    // Hidden for longer than the first submission is looked for, and not for as long as both are.
    let faults = json!({
        "submit": { "accept_then_drop": 1, "unique_client_request_uuid": true },
        "listing": { "lag_calls": 50 }
    });
    let world = expect("id unique", Setup { faults, ..Setup::default() }, run_event(), Lands).await;
    let submissions = world.simulator.journal().requests();
    let submissions = submissions.iter().filter(|entry| entry.operation == Operation::SubmitJob);
    let answers: Vec<_> = submissions.map(|entry| entry.status).collect();
    assert_eq!(answers, [None, Some(409)]);
    world.end().await;
}

/// Promise 1: a submission that is refused because the job is there is not repeated, also where the job is not listed: then
/// it is looked for, and a person does. Once it is listed, it is found.
#[tokio::test]
async fn a_job_that_is_there_and_not_listed_is_not_submitted_again() {
    let faults = |lag_calls: u32| json!({ "submit": { "unique_client_request_uuid": true }, "listing": { "lag_calls": lag_calls } });
    let world = World::new(Setup { faults: faults(u32::MAX), ..Setup::default() }).await;
    land(&world.context, run_event()).await.unwrap();
    // What is known of the run is lost, and its job is there.
    let run: RunKey = run_event()["run_key"].as_str().unwrap().parse().unwrap();
    world.work().await.delete(&keys::run(&"fusion-demo".parse().unwrap(), &run)).await.unwrap();
    let answers = |world: &World| {
        let submissions = world.simulator.journal().requests();
        let submissions = submissions.iter().filter(|entry| entry.operation == Operation::SubmitJob);
        submissions.map(|entry| entry.status).collect::<Vec<_>>()
    };
    let refused = land(&world.anew(), run_event()).await;
    assert_failed(refused, ("Conflict", "has a job of run"), &[], "not listed");
    assert_eq!(answers(&world), [Some(202), Some(409)]);
    world.simulator.set_faults(serde_json::from_value(faults(0)).unwrap()).unwrap();
    land(&world.anew(), run_event()).await.unwrap();
    assert_eq!((answers(&world).len(), world.simulator.jobs().len()), (2, 1));
    world.end().await;
}

/// Statuses: what ends well lands, what does not fails by name, what nobody knows is never success (promise 5).
#[tokio::test]
async fn statuses() {
    let ends = |status: &str| json!({ "status": { "final_status": status, "final_message": "the ledger is closed" } });
    let shape = |shape: &str| json!({ "status": { "shape": shape } });
    all(vec![
        ("COMPLETED", ends("COMPLETED"), Lands),
        ("Successful", ends("Successful"), Lands),
        ("WARNING", ends("WARNING"), Lands),
        ("FAILED", ends("FAILED"), Fails("JobFailed", "the ledger is closed")),
        ("ERROR", ends("ERROR"), Fails("JobFailed", "ERROR")),
        ("CANCELLED", ends("CANCELLED"), Fails("JobFailed", "CANCELLED")),
        ("CANCELED", ends("CANCELED"), Fails("JobFailed", "CANCELED")),
        ("EXPIRED", ends("EXPIRED"), Fails("JobFailed", "EXPIRED")),
        ("PAUSED", ends("PAUSED"), Fails("JobFailed", "PAUSED")),
        ("unknown", ends("FROBNICATED"), Fails("UnknownStatus", "FROBNICATED")),
        ("never ends", json!({ "status": { "never_ends": true } }), Fails("JobTimedOut", "RUNNING")),
        ("not known at once", json!({ "status": { "not_found": 2 } }), Lands),
        ("flat", shape("flat"), Lands),
        ("array", shape("array"), Lands),
        ("progress only", shape("progress_only"), Lands),
        ("status only", shape("status_only"), Lands),
        ("no status", shape("nothing"), Fails("ContractBroken", "status")),
        ("unknown job", json!({ "status": { "not_found": "always" } }), Fails("NotFound", "fusion-demo")),
        (
            "outage",
            json!({ "status": { "outage": { "unavailable": 2, "drop_connection": 1, "unauthorized": 1 } } }),
            Lands,
        ),
        (
            "a login page",
            json!({ "status": { "outage": { "login_page": "always" } } }),
            Fails("JobTimedOut", "web page"),
        ),
    ])
    .await;
}

/// A source that cannot be asked while its job runs, or ends, is waited for: for as long as it wants, for longer than a step
/// is retried, and until the job's deadline, from one call to the next. What was noted of the outage goes with it.
#[tokio::test]
async fn a_source_that_cannot_be_asked_is_waited_for() {
    let away = json!({ "outage": { "unavailable": 40 } });
    let asks = json!({ "outage": { "throttle": { "times": 2, "retry_after_seconds": 360 } } });
    for (case, faults, waited) in [
        ("polls", json!({ "status": away }), 300),
        ("the list", json!({ "output_files": away }), 300),
        ("a file", json!({ "content": { "outage": { "unavailable": 7 } } }), 30),
        ("polls, for a time that it names", json!({ "status": asks }), 720),
        (
            "a file, for a time that it names",
            json!({ "content": { "outage": { "throttle": { "times": 1, "retry_after_seconds": 130 } } } }),
            130,
        ),
    ] {
        let world = World::new(Setup { faults, ..Setup::default() }).await;
        let began = world.clock.now();
        if let Err(error) = land(&world.anew(), run_event()).await {
            panic!("{case}: {}", error.line());
        }
        let job = world.simulator.jobs()[0].id;
        assert_landed(&world, job, case).await;
        let took = landfall::clock::elapsed(began, world.clock.now()).as_secs();
        assert!(took >= waited, "{case}: {took} s");
        assert_eq!(outage_of(&world, job).await, None, "{case}");
        world.end().await;
    }
}

/// Promise 5, and damage in transit is not for ever: what unpacking shows of a file that the source lists no checksum of is
/// fetched anew; what comes twice alike is the file's own damage.
#[tokio::test]
async fn a_file_that_was_damaged_on_its_way_is_fetched_anew() {
    let setup = |content: Value| {
        let faults = json!({ "output_files": { "checksum": "absent" }, "content": content });
        Setup { faults, ..Setup::default() }
    };
    // The look at the last file's end may be one of them.
    let mut is_fetched_anew = false;
    for times in 1..=2 {
        let world = World::new(setup(json!({ "wrong_bytes": times }))).await;
        let came = land(&world.anew(), run_event()).await;
        let kept = landfall_tests::objects(&world.work().await).await;
        if came.is_ok() && kept.keys().any(|key| key.contains("/checkpoints/damaged/")) {
            assert_landed(&world, world.simulator.jobs()[0].id, "damaged once").await;
            is_fetched_anew = true;
        }
        world.end().await;
    }
    assert!(is_fetched_anew, "nothing was fetched anew");

    let once = World::new(setup(json!({}))).await;
    land(&once.anew(), run_event()).await.unwrap();
    let undisturbed = asked(&once, Operation::Download);
    once.end().await;
    let setup = setup(
        json!({ "wrong_bytes": "always", "only_file": last_file(&World::new(Setup::default()).await).await }),
    );
    let world = World::new(setup).await;
    let came = land_as_retried(&world, run_event()).await;
    assert_failed(came, ("IntegrityError", ""), &[credentials::CLIENT_SECRET], "always damaged");
    assert!(world.manifests().await.is_empty());
    assert!(asked(&world, Operation::Download) <= undisturbed + 2);
    world.end().await;
}

/// The ordinal, from 1, of the last file that a job puts out.
async fn last_file(world: &World) -> usize {
    land(&world.anew(), run_event()).await.unwrap();
    world.simulator.expected_files(world.simulator.jobs()[0].id).await.unwrap().len()
}

/// Promise 5: a list counts that is the same in two looks, seconds apart: what answers for a source may lag behind it.
#[tokio::test]
async fn two_looks_at_a_list_are_seconds_apart() {
    let setup = Setup { one_clock: true, ..Setup::default() };
    let world = expect("undisturbed", setup, run_event(), Lands).await;
    let requests = world.simulator.journal().requests();
    let looks = requests.iter().filter(|entry| entry.operation == Operation::ListOutputFiles);
    let times: Vec<_> = looks.map(|entry| entry.at).collect();
    // Each is asked for what follows it, too.
    assert_eq!(times.len(), 4);
    assert!(times[2].duration_since(times[1]).as_secs() >= 4, "{times:?}");
    world.end().await;
}

/// A frozen list whose checksum does not hold is looked at once more: the source may have corrected it.
#[tokio::test]
async fn a_list_that_was_wrong_is_looked_at_once_more() {
    let world = expect("undisturbed", Setup::default(), run_event(), Lands).await;
    // Each is asked for what follows it, too.
    let lists = asked(&world, Operation::ListOutputFiles) / 2;
    world.end().await;
    with_faults("corrected", json!({ "output_files": { "wrong_checksum_calls": lists } }), Lands).await;
}

/// Once the job's deadline has passed, an outage ends the run by name; until then its beginning is kept, for `status`.
#[tokio::test]
async fn an_outage_is_kept_and_ends_with_the_jobs_deadline() {
    let faults = json!({ "status": { "outage": { "unavailable": "always" } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let submitted = landfall_tests::submit_event(&world.anew(), run_event()).await.unwrap();
    let event: landfall::event::JobEvent = landfall::event::parse(
        json!({ "connection": "fusion-demo", "job_request_id": submitted.job_request_id.as_str() }),
    )
    .unwrap();
    let mut since = None;
    let error = loop {
        let context = world.anew();
        let deadline = landfall::clock::Deadline::none(std::sync::Arc::clone(context.clock()));
        match poll_status::poll_status(&context, event.clone(), &deadline).await {
            Ok(polled) => {
                assert_eq!((polled.state, polled.native_status.as_str()), (JobState::Running, "NOT_ASKED"));
                let outage = outage_of(&world, world.simulator.jobs()[0].id).await.unwrap();
                assert!(
                    outage.error.starts_with("SourceUnavailable: GET ") && outage.error.contains("503"),
                    "{outage:?}"
                );
                assert_eq!(*since.get_or_insert(outage.since), outage.since, "an outage begins once");
                context.clock().sleep(std::time::Duration::from_secs(polled.wait_seconds.unwrap())).await;
            }
            Err(error) => break error,
        }
    };
    let named = ("JobTimedOut", "connections.fusion-demo.job.timeout_seconds allows 900");
    assert_failed(Err::<(), _>(error), named, &[credentials::CLIENT_SECRET], "the outage lasts");
    let polls = asked(&world, Operation::JobStatus);
    assert!(polls <= 6 * 20, "{polls} polls in 900 s");
    world.end().await;
}

async fn outage_of(world: &World, job: u64) -> Option<Outage> {
    let job = JobRef {
        connection: "fusion-demo".parse().unwrap(),
        job_request_id: job.to_string().parse().unwrap(),
    };
    WorkState::new(world.work().await).job(&job).await.unwrap().unwrap().outage
}

/// Oracle defines success as `completed` and `SUCCEEDED` together, and a service may run a job twice: polled until then,
/// exactly, and no more after.
#[tokio::test]
async fn a_job_is_polled_until_it_is_complete() {
    const PENDING: [&str; 11] = [
        "SUBMITTED",
        "ENQUEUED",
        "WAITING",
        "WAIT",
        "QUEUED",
        "READY",
        "BLOCKED",
        "HOLD",
        "RUNNING",
        "IN_PROGRESS",
        "CANCELLING",
    ];
    for (case, faults, polls) in [
        ("undisturbed", json!({}), 3 + 1),
        ("completed lags", json!({ "completed_lags": 2 }), 3 + 2 + 1),
        ("retried by the service", json!({ "service_retry": true }), 3 + 3 + 1),
        ("every word for pending", json!({ "progression": PENDING }), 11 + 1),
    ] {
        let setup = Setup { faults: json!({ "status": faults }), ..Setup::default() };
        let world = expect(case, setup, run_event(), Lands).await;
        assert_eq!(asked(&world, Operation::JobStatus), polls, "{case}");
        world.end().await;
    }
}

/// A job that failed and was started again at the source, under its id, lands when it is resumed: a failure is not kept.
#[tokio::test]
async fn a_failed_job_that_is_started_again_lands() {
    let setup = Setup { faults: json!({ "status": { "fails_first": true } }), ..Setup::default() };
    let world = expect("fails first", setup, run_event(), Fails("JobFailed", "FAILED")).await;
    let job = world.simulator.jobs()[0].id;
    world.simulator.start_again(job).unwrap();
    let event = json!({ "connection": "fusion-demo", "job_request_id": job.to_string() });
    landfall_tests::resume(&world.anew(), event).await.unwrap();
    assert_landed(&world, job, "started again").await;
    assert_eq!(world.simulator.journal().jobs_submitted(), 1);
    world.end().await;
}

/// A request for a moment to come, without an interval, is a job like any other: it runs once, and lands.
#[tokio::test]
async fn a_request_for_later_lands_itself() {
    let mut event = run_event();
    event["export"]["schedule"] = json!({ "recurrence": "simple", "start_date": "2026-05-15", "end_date": "2026-05-15", "start_time": "1200" });
    expect("once, later", Setup::default(), event, Lands).await.end().await;
}

/// What the members hold, and who wrote the archives: all formats and all five producers, each in a run.
#[tokio::test]
async fn every_format_and_every_producer_lands() {
    let five = Scenario { chunks_per_view: 3, ..small_scenario() };
    assert!(five.producers.is_empty() && five.views.len() * 3 >= 5, "every producer has its turn");
    let one = |producer| Scenario { producers: vec![producer], ..small_scenario() };
    for (case, scenario) in [
        ("JSON", Scenario { format: Format::Json, ..small_scenario() }),
        ("NDJSON", Scenario { format: Format::Ndjson, ..small_scenario() }),
        ("all producers", five),
        ("stored alone", one(Producer::Stored)),
    ] {
        let setup = Setup { scenario: Some(scenario), ..Setup::default() };
        expect(case, setup, run_event(), Lands).await.end().await;
    }
}

/// A job that ended with warnings lands, and its manifest says so.
#[tokio::test]
async fn warnings_are_marked() {
    let setup = Setup { faults: json!({ "status": { "final_status": "WARNING" } }), ..Setup::default() };
    let world = expect("WARNING", setup, run_event(), Lands).await;
    let manifests = world.manifests().await;
    let manifest = manifests.values().next().unwrap();
    assert_eq!(manifest.state, JobState::Partial);
    assert_eq!(manifest.native_status, "WARNING");
    world.end().await;
}

/// Lists of files: late, paged, short, misleading (promises 5 and 7).
#[tokio::test]
async fn lists_of_files() {
    let files = |faults: Value| json!({ "output_files": faults });
    all(vec![
        ("wrong checksum", files(json!({ "checksum": "wrong" })), Fails("IntegrityError", "SHA-256")),
        ("no checksum", files(json!({ "checksum": "absent" })), Lands),
        ("upper-case checksum", files(json!({ "checksum": "upper_case" })), Lands),
        ("unknown algorithm", files(json!({ "checksum": "unknown_algorithm" })), Lands),
        ("short list", files(json!({ "total_items": "larger" })), Fails("ContractBroken", "5")),
        ("no total", files(json!({ "total_items": "absent" })), Lands),
        ("wrong size", files(json!({ "file_size": "wrong" })), Fails("IntegrityError", "bytes")),
        (
            "no bytes",
            files(json!({ "file_size": "zero" })),
            Fails("IntegrityError", "with 0 bytes, but sent more"),
        ),
        ("no size", files(json!({ "file_size": "absent" })), Lands),
        ("size as text", files(json!({ "file_size": "text" })), Lands),
        ("empty at first", files(json!({ "empty_calls": 3 })), Lands),
        ("one file late", files(json!({ "late_calls": 3 })), Lands),
        ("pages", files(json!({ "page_size": 3 })), Lands),
        (
            "pages that repeat",
            files(json!({ "page_size": 3, "ignore_offset": true })),
            Fails("ContractBroken", ""),
        ),
        ("a file appears late, and the total with it", files(json!({ "growing_calls": 1 })), Lands),
        ("the list stalls, and grows", files(json!({ "growing_calls": 5 })), Lands),
        // Of two views with two archives each, the last of which is there from the beginning. A look is 30 s after the other.
        ("an archive before the last one appears late", files(json!({ "listed_after": { "1": 4 } })), Lands),
        (
            "archives before the last one appear one after the other",
            files(json!({ "listed_after": { "1": 1, "3": 6 } })),
            Lands,
        ),
        (
            "the end of the first view appears long after its beginning, and after the job's end",
            files(json!({ "listed_after": { "1": 1, "2": 11 } })),
            Lands,
        ),
        ("a file is listed no more", files(json!({ "lost_after": 1 })), Fails("ContractBroken", "no more")),
        ("order changes from page to page", files(json!({ "page_size": 2, "unstable_pages": 1 })), Lands),
        (
            "order always changes from page to page",
            files(json!({ "page_size": 2, "unstable_pages": "always" })),
            Fails("ContractBroken", "twice"),
        ),
        ("counts of a page", files(json!({ "page_size": 2, "counts_are_of_the_page": true })), Lands),
        ("traversal", files(json!({ "name": "traversal" })), Lands),
        ("absolute name", files(json!({ "name": "absolute" })), Lands),
        ("spaces", files(json!({ "name": "spaces" })), Lands),
        ("percent", files(json!({ "name": "percent" })), Lands),
        ("unicode", files(json!({ "name": "unicode" })), Lands),
        ("an archive named .json", files(json!({ "name": "json" })), Lands),
        ("a long name", files(json!({ "name": "long" })), Lands),
        ("relative link", files(json!({ "href": "relative" })), Lands),
        ("other case", files(json!({ "href": "other_case" })), Lands),
        ("no link", files(json!({ "href": "absent" })), Lands),
        ("foreign host", files(json!({ "href": "foreign_host" })), Fails("ContractBroken", "allow")),
        ("other port", files(json!({ "href": "other_port" })), Fails("ContractBroken", "allow")),
        ("metadata address", files(json!({ "href": "metadata_address" })), Fails("ContractBroken", "")),
        ("user info", files(json!({ "href": "user_info" })), Fails("ContractBroken", "")),
        ("local file", files(json!({ "href": "local_file" })), Fails("ContractBroken", "")),
        ("outage", files(json!({ "outage": { "unavailable": 2, "drop_connection": 1 } })), Lands),
    ])
    .await;
}

/// A list that is asked for again, because a link has expired, may be in another order: each file keeps its place, also
/// two of one name.
#[tokio::test]
async fn a_list_in_another_order_mixes_up_no_files() {
    for duplicate in ["no", "other_content"] {
        let faults = json!({
            "output_files": { "unstable_order": true, "duplicate_name": duplicate },
            "content": { "gone": { "times": 1 } }
        });
        let world = World::new(Setup { faults, ..Setup::default() }).await;
        land(&world.context, run_event()).await.unwrap();
        assert!(
            asked(&world, Operation::ListOutputFiles) > 2,
            "{duplicate}: the list was not asked for again"
        );
        // What tells that the list is whole could be looked at in the third look, which therefore counts; the one after
        // it had it the other way round.
        assert_landed_bytes(&world, &[0, 1, 2, 3], duplicate).await;
        world.end().await;
    }
}

/// Holds the landed bytes against those of the source's files: the manifest's objects, in their order, come from the
/// files of these places. Names are left aside.
async fn assert_landed_bytes(world: &World, places: &[usize], case: &str) {
    let job = world.simulator.jobs()[0].id;
    let expected = world.simulator.expected_files(job).await.unwrap();
    let manifests = world.manifests().await;
    let objects = &manifests.values().next().unwrap().objects;
    let landed = world.landed().await;
    let mut landed = objects.iter().map(|object| &landed[&object.key]);
    for place in places {
        let simulator::Landing::Members(members) = &expected[*place].landing else {
            panic!("{case}: no archive")
        };
        for member in members {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut member.reader(), &mut bytes).unwrap();
            assert!(
                landed.next() == Some(&bytes),
                "{case}: {} of file {place} holds other bytes",
                member.name
            );
        }
    }
    assert_eq!(landed.next(), None, "{case}");
}

/// Two files of one name are two files: both land, under keys of their own (promise 4). One that is listed twice is one.
#[tokio::test]
async fn files_of_one_name_both_land() {
    for (form, files, places) in
        [("same_file", 4, [0, 1, 2, 3].as_slice()), ("other_content", 4, [0, 1, 2, 3].as_slice())]
    {
        let setup =
            Setup { faults: json!({ "output_files": { "duplicate_name": form } }), ..Setup::default() };
        let world = World::new(setup).await;
        land(&world.context, run_event()).await.unwrap_or_else(|error| panic!("{form}: {}", error.line()));
        let manifests = world.manifests().await;
        let manifest = manifests.values().next().unwrap();
        let mut keys: Vec<_> = manifest.objects.iter().map(|object| &object.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), manifest.objects.len(), "{form}");
        assert_eq!(manifest.files.len(), files, "{form}");
        assert_landed_bytes(&world, places, form).await;
        world.end().await;
    }
}

/// A job without output is an error, unless its export says that it is normal; then the manifest says so.
#[tokio::test]
async fn jobs_without_output() {
    let nothing = Scenario { views: Vec::new(), ..small_scenario() };
    let setup = Setup { scenario: Some(nothing), ..Setup::default() };
    let outcome = Fails("ContractBroken", "allow_empty");
    expect("nothing put out", setup.clone(), run_event(), outcome).await.end().await;

    let mut event = run_event();
    event["export"]["allow_empty"] = json!(true);
    let world = World::new(setup).await;
    land(&world.context, event).await.unwrap();
    let manifests = world.manifests().await;
    assert_eq!(manifests.values().next().unwrap().totals.objects, 0);
    world.end().await;
}

/// Downloads that break, lie or change (promises 4, 5 and 7).
#[tokio::test]
async fn downloads() {
    let content = |faults: Value| json!({ "content": faults });
    all(vec![
        (
            "ranges refused",
            content(json!({ "refuse_range": "always", "cut": { "times": 1, "after_bytes": 500 } })),
            Lands,
        ),
        ("an archive by its type", content(json!({ "content_type": "application/zip" })), Lands),
        ("called text", content(json!({ "content_type": "text/plain; charset=utf-8" })), Lands),
        ("called JSON", content(json!({ "content_type": "application/json" })), Lands),
        (
            "called a web page",
            content(json!({ "content_type": "text/html" })),
            Fails("ContractBroken", "web page"),
        ),
        ("no length", content(json!({ "no_content_length": true })), Lands),
        (
            "no length, cut",
            content(json!({ "no_content_length": true, "cut": { "times": 1, "after_bytes": 500 } })),
            Lands,
        ),
        ("cut twice", content(json!({ "cut": { "times": 2, "after_bytes": 700 } })), Lands),
        ("coded on the way", content(json!({ "gzip": true })), Lands),
        ("shortened by a proxy", content(json!({ "short_answer": 1 })), Lands),
        (
            "shifted",
            content(json!({ "shifted_range": "always", "cut": { "times": 1, "after_bytes": 700 } })),
            Lands,
        ),
        ("gone once", content(json!({ "gone": { "times": 1 } })), Lands),
        ("being scanned", content(json!({ "gone": { "times": 6 } })), Lands),
        ("one file being scanned", content(json!({ "only_file": 2, "gone": { "times": 6 } })), Lands),
        ("never there", content(json!({ "gone": { "times": "always" } })), Fails("NotFound", "404")),
        (
            "expired",
            content(json!({ "gone": { "times": "always", "expired": true } })),
            Fails("NotFound", "it has expired"),
        ),
        ("wrong bytes", content(json!({ "wrong_bytes": "always" })), Fails("IntegrityError", "SHA-256")),
        (
            "changing tag",
            content(json!({ "etag": "changing", "cut": { "times": 1, "after_bytes": 700 } })),
            Lands,
        ),
        ("weak tag", content(json!({ "etag": "weak", "cut": { "times": 1, "after_bytes": 700 } })), Lands),
        ("no tag", content(json!({ "etag": "absent", "cut": { "times": 1, "after_bytes": 700 } })), Lands),
        (
            "redirect elsewhere",
            content(json!({ "redirect_to": "https://elsewhere.example/x" })),
            Fails("ContractBroken", "elsewhere.example"),
        ),
        ("token revoked", content(json!({ "outage": { "unauthorized": 1 } })), Lands),
        ("unavailable", content(json!({ "outage": { "unavailable": 2 } })), Lands),
        (
            "throttled",
            content(json!({ "outage": { "throttle": { "times": 1, "retry_after_seconds": 2 } } })),
            Lands,
        ),
        (
            "a login page",
            content(json!({ "outage": { "login_page": "always" } })),
            Fails("ContractBroken", "web page"),
        ),
        ("a page once", content(json!({ "outage": { "login_page": 1 } })), Lands),
        (
            "one file's page",
            content(json!({ "only_file": 2, "outage": { "login_page": "always" } })),
            Fails("ContractBroken", "web page"),
        ),
    ])
    .await;
}

/// What is known already is not fetched again, whatever the server makes of a range: each cut costs one request more.
#[tokio::test]
async fn a_cut_costs_one_request() {
    for (case, faults) in [
        ("undisturbed", json!({})),
        ("cut", json!({ "cut": { "times": 1, "after_bytes": 500 } })),
        ("ranges ignored", json!({ "ignore_range": true, "cut": { "times": 1, "after_bytes": 500 } })),
        ("superset", json!({ "superset_range": 1, "cut": { "times": 1, "after_bytes": 1500 } })),
    ] {
        let setup = Setup { faults: json!({ "content": faults }), ..Setup::default() };
        let world = expect(case, setup, run_event(), Lands).await;
        let journal = world.simulator.journal();
        let cuts = journal.count(|entry| entry.fault.as_deref() == Some("content.cut"));
        assert_eq!(cuts > 0, case != "undisturbed", "{case}");
        // One look is for the last file's end, which tells that the list is whole.
        assert_eq!(asked(&world, Operation::Download), 4 + 1 + cuts, "{case}");
        world.end().await;
    }
}

/// A list that says neither size nor checksum, and a body that a proxy has shortened: nobody says that it is short but
/// the archive itself (promise 5).
#[tokio::test]
async fn a_short_archive_that_nobody_measured_is_refused() {
    let scenario =
        Scenario { views: vec!["carriersExtract".to_owned()], chunks_per_view: 1, ..small_scenario() };
    let faults = json!({
        "output_files": { "file_size": "absent", "checksum": "absent" },
        "content": { "short_answer": "always" }
    });
    let setup = Setup { faults, scenario: Some(scenario), ..Setup::default() };
    expect("short", setup, run_event(), Fails("IntegrityError", "")).await.end().await;
}

/// Archives: what is sound lands, what is not lands nothing, by name (promises 3, 5 and 7).
#[tokio::test]
async fn archives() {
    for (kind, outcome) in [
        ("zip_slip", Fails("UnsafeArchive", "contains the component \"..\"")),
        ("absolute_path", Fails("UnsafeArchive", "is absolute")),
        ("backslash_path", Fails("UnsafeArchive", "contains the component \"..\"")),
        ("duplicate_names", Fails("UnsafeArchive", "")),
        ("directory_entries", Lands),
        ("zero_byte_member", Lands),
        ("bomb", Fails("LimitExceeded", "")),
        ("understated_size", Fails("IntegrityError", "")),
        ("truncated_central_directory", Fails("IntegrityError", "")),
        ("not_a_zip", Fails("IntegrityError", "")),
        ("encrypted", Fails("Unsupported", "encrypted")),
        ("symlink", Fails("UnsafeArchive", "link")),
        ("gzip", Lands),
        ("zip_named_json", Lands),
        ("empty_archive", Fails("IntegrityError", "nothing")),
        ("folders_alone", Fails("IntegrityError", "nothing but folders")),
        ("empty_file", Fails("IntegrityError", "")),
        ("bad_crc", Fails("IntegrityError", "crc-32")),
        ("overlapping", Fails("UnsafeArchive", "ends at")),
        ("html_page", Fails("ContractBroken", "web page")),
    ] {
        with_archive(kind, outcome).await;
    }
}

/// Promise 5: an archive without a file lands as nothing where a job without output is normal: where the event says so, and
/// where the job is continued as its error proposes.
#[tokio::test]
async fn an_archive_without_files_lands_where_that_is_normal() {
    for kind in ["empty_archive", "folders_alone"] {
        for is_said_at_once in [true, false] {
            let faults = json!({ "archive": { "kind": kind } });
            let world = World::new(Setup { faults, ..Setup::default() }).await;
            let mut event = run_event();
            event["export"]["allow_empty"] = json!(is_said_at_once);
            let landed = land(&world.context, event).await;
            if is_said_at_once {
                landed.unwrap();
            } else {
                let id = world.simulator.jobs()[0].id.to_string();
                let proposal = format!("`landfall resume fusion-demo {id} --allow-empty`");
                assert_failed(landed, ("IntegrityError", &proposal), &[], kind);
                let job = json!({ "connection": "fusion-demo", "job_request_id": id });
                world.context.allow_empty(&parse(job.clone()).unwrap()).await.unwrap();
                resume(&world.anew(), job).await.unwrap();
            }
            let manifest = world.manifests().await.pop_first().unwrap().1;
            let of = |file: &str| manifest.objects.iter().filter(|object| object.file == file).count();
            let objects: Vec<_> = manifest.files.iter().map(|file| of(&file.name)).collect();
            assert!(objects[0] == 0 && objects[1..].iter().all(|count| *count > 0), "{kind}: {objects:?}");
            world.end().await;
        }
    }
}

async fn with_archive(kind: &str, outcome: Outcome) {
    let faults = json!({ "archive": { "kind": kind } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let came = land(&world.context, run_event()).await;
    match (outcome, came) {
        (Lands, came) => {
            came.unwrap_or_else(|error| panic!("{kind}: {}", error.line()));
            assert_landed(&world, world.simulator.jobs()[0].id, kind).await;
        }
        (Fails(name, text), came) => {
            assert_failed(came, (name, text), &[], kind);
            assert!(world.manifests().await.is_empty(), "{kind}: a manifest is there");
            let landed = world.landed().await;
            let file = &world.simulator.expected_files(world.simulator.jobs()[0].id).await.unwrap()[0];
            let stem = file.name.trim_end_matches(".zip");
            let of_it: Vec<_> = landed.keys().filter(|key| key.contains(stem)).collect();
            assert!(of_it.is_empty(), "{kind}: landed of the refused archive: {of_it:?}");
            assert_eq!(world.unfinished_uploads().await, 0, "{kind}");
        }
    }
    world.end().await;
}

/// A run key stands for one run: the same key with another export is refused, and nothing is called (promise 1).
#[tokio::test]
async fn a_run_key_with_another_export_is_a_conflict() {
    let world = expect("first", Setup::default(), run_event(), Lands).await;
    let asked = world.simulator.journal().requests().len();
    let mut other = run_event();
    other["export"]["mode"] = json!("full");
    let error = land(&world.anew(), other).await.unwrap_err();
    assert_eq!(error.error_type().name(), "Conflict");
    assert_eq!(world.simulator.journal().requests().len(), asked);
    world.end().await;
}

/// Promise 4: landing the same job from nothing, twice, gives the same keys and the same bytes, manifest included.
#[tokio::test]
async fn publishing_twice_writes_the_same_bytes() {
    let world = expect("first", Setup::default(), run_event(), Lands).await;
    let before = world.landed().await;
    for key in before.keys() {
        world.landing().await.delete(key).await.unwrap();
    }
    let job = world.simulator.jobs()[0].id.to_string();
    let work = world.work().await;
    for ordinal in 0..4 {
        work.delete(&format!("jobs/fusion-demo/{job}/receipts/{ordinal}.json")).await.unwrap();
    }
    land(&world.anew(), run_event()).await.unwrap();
    assert_eq!(world.landed().await, before);
    world.end().await;
}

/// Nothing secret is written anywhere: neither to the work bucket nor to the landing bucket (promise 7).
#[tokio::test]
async fn no_secret_is_stored() {
    let world = expect("undisturbed", Setup::default(), run_event(), Lands).await;
    let secrets = [credentials::CLIENT_SECRET, "Bearer ", "eyJ", "access_token"];
    let kept = landfall_tests::objects(&world.work().await).await;
    let documents = kept.iter().filter(|(key, _)| key.ends_with(".json"));
    for (key, bytes) in documents {
        let text = String::from_utf8_lossy(bytes);
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{key}: {text}");
    }
    world.end().await;
}

/// A job that somebody else submitted lands when the event says where (promise 2).
#[tokio::test]
async fn a_job_from_elsewhere_lands_by_its_id() {
    let world = World::new(Setup::default()).await;
    let event = landfall::event::parse(run_event()).unwrap();
    let deadline = landfall::clock::Deadline::none(world.context.clock().clone());
    let submitted = submit::submit(&world.context, event, &deadline).await.unwrap();
    let job = submitted.job_request_id;
    // Whoever submitted it, nothing of that is known here.
    let work = world.work().await;
    work.delete(&format!("jobs/fusion-demo/{job}/job.json")).await.unwrap();
    let mut event = json!({ "connection": "fusion-demo", "job_request_id": job });
    let error = landfall_tests::resume(&world.anew(), event.clone()).await.unwrap_err();
    assert_eq!(error.error_type().name(), "NotFound");
    event["destination"] = json!("lake");
    landfall_tests::resume(&world.anew(), event).await.unwrap();
    assert_landed(&world, world.simulator.jobs()[0].id, "from elsewhere").await;
    world.end().await;
}
