//! Whole runs of EPM jobs: every wart and fault that EPM's documents and its users know, each with the outcome that the
//! promises ask for.

use std::sync::Arc;

use bytes::Bytes;
use landfall::clock::{Clock as _, Deadline, ManualClock, elapsed};
use landfall::context::Context;
use landfall::event::{JobEvent, parse};
use landfall::job::JobState;
use landfall_store::Condition;
use landfall_tests::systems::EPM_JOB;
use landfall_tests::{
    Setup, World, assert_failed, epm_user, land, land_as_retried, resume, submit_event, toml_text,
};
use serde_json::{Value, json};
use simulator::{EpmFormat, EpmScenario, Operation, PlantedFile, Scenario, credentials};

/// What a run must come to.
pub(crate) enum Outcome {
    /// The job's file has landed, from one job.
    Lands,
    /// The run fails with this error's name and a message that holds this text; nothing has landed, and EPM has at most
    /// one job.
    Fails(&'static str, &'static str),
}

use Outcome::{Fails, Lands};

fn event() -> Value {
    (EPM_JOB.event)()
}

pub(crate) fn setup(faults: Value) -> Setup {
    Setup { faults: json!({ "epm": faults }), ..Setup::default() }
}

pub(crate) async fn expect(case: &str, setup: Setup, event: Value, outcome: Outcome) -> World {
    let world = World::new(setup).await;
    let came = land_as_retried(&world, event).await;
    let jobs = world.simulator.epm_jobs();
    assert!(jobs.len() <= 1, "{case}: {} jobs at the source", jobs.len());
    // Trap: of what was prepared for a download only a snapshot may be deleted. Nothing is.
    let deleted = world.simulator.journal().count(|entry| entry.method == "DELETE");
    assert_eq!(deleted, 0, "{case}: something was deleted at the source");
    match outcome {
        Lands => {
            if let Err(error) = came {
                panic!("{case}: {}: {}", error.error_type().name(), error.line());
            }
            assert_eq!(jobs.len(), 1, "{case}");
            assert_landed(&world, jobs[0].id, case).await;
        }
        Fails(name, text) => {
            assert_failed(came, (name, text), &[credentials::PASSWORD], case);
            let landed = world.landed().await;
            assert!(landed.is_empty(), "{case}: landed nonetheless: {:?}", landed.keys());
        }
    }
    world
}

/// Holds what has landed of a job against the simulator's own word of it, to the byte.
pub(crate) async fn assert_landed(world: &World, job: u64, case: &str) -> publish::Manifest {
    let expected = world.simulator.epm_output(job).unwrap().unwrap();
    let jobs = world.simulator.epm_jobs();
    let job = &jobs.iter().find(|known| known.id == job).unwrap().job_request_id;
    let manifests = world.manifests().await;
    let (key, manifest) = manifests
        .into_iter()
        .find(|(_, manifest)| manifest.job_request_id.as_str() == job)
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

/// The EPM connection with a further line.
pub(crate) fn with_line(line: &str) -> String {
    format!("base_url = \"{{base_url}}\"\n{}\njob = {{ timeout_seconds = 900 }}\n{line}", epm_user())
}

/// Both download APIs, by the line of the connection that asks for each.
pub(crate) const APIS: [&str; 2] = ["download = \"v2\"", "download = \"v1\""];

async fn by_either_api(cases: Vec<(&str, Value, Outcome)>) {
    for (case, faults, outcome) in cases {
        let (name, text) = match outcome {
            Lands => (None, ""),
            Fails(name, text) => (Some(name), text),
        };
        for api in APIS {
            let outcome = name.map_or(Lands, |name| Fails(name, text));
            let setup = Setup { epm: Some(with_line(api)), ..setup(faults.clone()) };
            expect(&format!("{case}, {api}"), setup, event(), outcome).await.end().await;
        }
    }
}

fn scenario(epm: EpmScenario) -> Option<Scenario> {
    Some(Scenario { epm, ..Scenario::default() })
}

/// Trap: a user's name with and without the identity domain; OAuth instead, whose tokens may be revoked meanwhile.
#[tokio::test]
async fn sign_in_by_password_and_by_oauth() {
    let (user, password) = (credentials::USERNAME, toml_text(credentials::PASSWORD));
    let plain =
        format!("base_url = \"{{base_url}}\"\nbasic = {{ username = '{user}', password = {password} }}");
    let (id, secret, scope) =
        (credentials::CLIENT_ID, toml_text(credentials::CLIENT_SECRET), credentials::EPM_SCOPE);
    let oauth = format!(
        "base_url = \"{{base_url}}\"\nscope = '{scope}'\nauth = {{ grant = 'client_credentials', token_url = \
         \"{{token_url}}\", client_id = '{id}', client_secret = {secret} }}"
    );
    let refresh = format!(
        "base_url = \"{{base_url}}\"\nscope = '{scope}'\nauth = {{ grant = 'refresh_token', token_url = \"{{token_url}}\", \
         client_id = '{id}', client_secret = {secret}, refresh_token = '{{refresh_token}}' }}"
    );
    let blocked = json!({ "epm": { "sign_in": "redirect" } });
    let spent =
        json!({ "epm": { "sign_in": "redirect" }, "token": { "refresh_once": true, "lifetime_seconds": 1 } });
    for (case, epm, faults) in [
        ("a plain name", &plain, json!({})),
        ("OAuth", &oauth, blocked.clone()),
        ("OAuth, a refresh token", &refresh, blocked),
        ("OAuth, a refresh token that is good for one use", &refresh, spent),
        ("OAuth, revoked", &oauth, json!({ "token": { "revoke_after_requests": 3 } })),
        ("OAuth, a short life", &oauth, json!({ "token": { "lifetime_seconds": 1 } })),
    ] {
        let setup = Setup { faults, epm: Some(epm.clone()), ..Setup::default() };
        expect(case, setup, event(), Lands).await.end().await;
    }
}

/// Trap: with multi-factor authentication a password is refused, redirected, or answered with a login page; each is told
/// with what to do, after one call.
#[tokio::test]
async fn a_password_that_is_not_taken_is_told_once_and_explained() {
    for (sign_in, name) in
        [("unauthorized", "AuthRejected"), ("redirect", "ContractBroken"), ("login_page", "ContractBroken")]
    {
        let faults = json!({ "sign_in": sign_in });
        let world = expect(sign_in, setup(faults), event(), Fails(name, "OAuth only")).await;
        assert_eq!(world.simulator.journal().requests().len(), 1, "{sign_in}");
        world.end().await;
    }
}

/// A connection says how it signs in, once.
#[tokio::test]
async fn a_connection_without_one_way_to_sign_in_is_refused() {
    let base = "base_url = \"{base_url}\"";
    let auth = "auth = { grant = 'client_credentials', token_url = \"{token_url}\", client_id = 'c', client_secret = 's' }";
    for (epm, said) in [
        (base.to_owned(), "either basic"),
        (format!("{base}\n{}\n{auth}", epm_user()), "either basic"),
        (format!("{base}\n{auth}"), "scope is missing"),
        (format!("{base}\nbasic = {{ username = 'a:b', password = 'x' }}"), "basic.username"),
        (format!("{base}\n{}\ndownload = 'v3'", epm_user()), "download"),
    ] {
        let setup = Setup { epm: Some(epm.clone()), ..Setup::default() };
        let world = expect(&epm, setup, event(), Fails("InvalidConfig", said)).await;
        assert_eq!(world.simulator.journal().requests().len(), 0, "{epm}");
        world.end().await;
    }
}

/// Promise 1: one run key, one job, however the submission is answered. EPM lists no jobs: what cannot be known is a
/// `Conflict` that says where to look.
#[tokio::test]
async fn submissions() {
    let submit = |faults: Value| json!({ "submit": faults });
    let outage = |faults: Value| json!({ "submit": { "outage": faults } });
    all(vec![
        ("answer lost", submit(json!({ "accept_then_drop": 1 })), Fails("Conflict", "Process Details")),
        (
            "gateway time-out",
            submit(json!({ "accept_then_gateway_timeout": 1 })),
            Fails("Conflict", "Process Details"),
        ),
        ("no job id", submit(json!({ "no_job_id": 1 })), Fails("Conflict", "names no job")),
        ("redirected", submit(json!({ "accept_then_redirect": 1 })), Fails("Conflict", "is not redirected")),
        ("named in a header alone", submit(json!({ "only_in_header": 1 })), Lands),
        ("dropped", outage(json!({ "drop_connection": 1 })), Fails("Conflict", "Process Details")),
        // Trap: a balancer says 503 of a server that went away while it was at work.
        ("unavailable", outage(json!({ "unavailable": 1 })), Fails("Conflict", "Process Details")),
        (
            "unavailable when it is looked for",
            json!({ "version": { "outage": { "unavailable": 2 } } }),
            Lands,
        ),
        ("not shown to everybody", json!({ "version": { "outage": { "forbidden": "always" } } }), Lands),
        ("without a version of its own", json!({ "version": { "absent": true } }), Lands),
        ("throttled", outage(json!({ "throttle": { "times": 2, "retry_after_seconds": 3 } })), Lands),
        ("forbidden", outage(json!({ "forbidden": "always" })), Fails("AuthRejected", "403")),
        ("a login page", outage(json!({ "login_page": "always" })), Fails("ContractBroken", "web page")),
    ])
    .await;
}

/// Trap: HTTP 200 with a body that says that the submission has failed.
#[tokio::test]
async fn a_failure_under_200_is_a_failure() {
    let failed = |status: i64, with_job: bool| {
        let body = json!({ "status": status, "details": "periodName is wrong", "with_job": with_job });
        json!({ "submit": { "failed_body": body } })
    };
    for (case, faults, outcome, jobs) in [
        ("an error", failed(1, false), Fails("Rejected", "periodName is wrong"), 0),
        ("a parameter", failed(4, false), Fails("Rejected", "invalid parameter: periodName is wrong"), 0),
        ("an error of a job", failed(1, true), Fails("JobFailed", "periodName is wrong"), 1),
        ("a parameter of a job", failed(4, true), Fails("JobFailed", "parameter error"), 1),
    ] {
        let world = expect(case, setup(faults), event(), outcome).await;
        assert_eq!(world.simulator.epm_jobs().len(), jobs, "{case}");
        world.end().await;
    }
}

/// Promise 1: a run whose submission has no known outcome is never submitted again by itself, however often it is
/// started; a person who has looked settles it, either way.
#[tokio::test]
async fn a_lost_answer_waits_for_a_person() {
    for (seen_there, cause, faults) in [
        (true, "the connection broke", json!({ "accept_then_drop": 1 })),
        (false, "the connection broke", json!({ "outage": { "drop_connection": 1 } })),
        (false, "503", json!({ "outage": { "unavailable": 1 } })),
    ] {
        let world = World::new(setup(json!({ "submit": faults }))).await;
        let began = world.clock.now();
        for _ in 0..3 {
            let error = land(&world.anew(), event()).await.unwrap_err();
            assert_eq!(error.error_type().name(), "Conflict", "{}", error.line());
            assert!(error.line().contains(cause), "the cause is kept: {}", error.line());
        }
        assert!(
            elapsed(began, world.clock.now()) < submit::LEASE,
            "nobody waits for a claim that nobody has"
        );
        let jobs = world.simulator.epm_jobs();
        assert_eq!(jobs.len(), usize::from(seen_there));
        assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 1);
        let seen = match jobs.first() {
            Some(job) => submit::OperatorAnswer::Job(job.id.to_string().parse().unwrap()),
            None => submit::OperatorAnswer::NoJob,
        };
        let deadline = Deadline::none(world.clock.clone());
        submit::settle(&world.anew(), &parse(event()).unwrap(), seen, &deadline).await.unwrap();
        land(&world.anew(), event()).await.unwrap();
        let jobs = world.simulator.epm_jobs();
        assert_eq!(jobs.len(), 1);
        assert_landed(&world, jobs[0].id, "settled").await;
        world.end().await;
    }
}

/// Promise 1: while the environment is away, as every day for its maintenance, a run is not submitted and nothing is in
/// doubt; started again later it lands from one job.
#[tokio::test]
async fn a_maintenance_leaves_nothing_in_doubt() {
    for (outage, name) in [("unavailable", "SourceUnavailable"), ("drop_connection", "SourceUnavailable")] {
        let world = World::new(setup(json!({ "outage": { outage: "always" } }))).await;
        for _ in 0..2 {
            let error = land(&world.anew(), event()).await.unwrap_err();
            assert_eq!(error.error_type().name(), name, "{outage}: {}", error.line());
            assert!(error.retryable());
        }
        assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 0, "{outage}");
        world.simulator.set_faults(simulator::Faults::default()).unwrap();
        land(&world.anew(), event()).await.unwrap();
        let jobs = world.simulator.epm_jobs();
        assert_eq!(jobs.len(), 1, "{outage}");
        assert_landed(&world, jobs[0].id, outage).await;
        world.end().await;
    }
}

/// Who has to look for a job in doubt is told when it was called, of what kind it is and for which period.
#[tokio::test]
async fn a_person_is_told_what_to_look_for_and_when() {
    let at: jiff::Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
    let world =
        World::new(Setup { at: Some(at), ..setup(json!({ "submit": { "accept_then_drop": 1 } })) }).await;
    for _ in 0..2 {
        let line = land(&world.anew(), event()).await.unwrap_err().line();
        for said in ["\"BESSAPP\" (INTEGRATION) for {Jan-06}", "at 2026-11-21T06:00:00Z (UTC)"] {
            assert!(line.contains(said), "{line}");
        }
        world.pass(std::time::Duration::from_secs(7_200));
    }
    world.end().await;
}

/// A pipeline is submitted with its variables as they are.
#[tokio::test]
async fn a_pipeline_is_submitted_with_its_variables() {
    let variables =
        json!({ "STARTPERIOD": "Jan-23", "ENDPERIOD": "Jan-23", "SEND_MAIL": { "ON": [true, 2] } });
    let mut event = event();
    event["export"]["job_type"] = json!("pipeline");
    event["export"]["job_name"] = json!("PIPE01");
    event["export"]["parameters"] = json!({ "variables": variables });
    let world = expect("a pipeline", Setup::default(), event, Lands).await;
    let expected = json!({ "jobType": "pipeline", "jobName": "PIPE01", "variables": variables });
    assert_eq!(json!(world.simulator.epm_jobs()[0].request), expected);
    world.end().await;
}

/// Promise 2: a job that is on record for its run needs no person, though the process that recorded it died before it wrote
/// the id behind the run's claim. Promise 1: a person who says that there is none is not believed then.
#[tokio::test]
async fn a_recorded_job_needs_no_person() {
    for is_said_to_have_none in [false, true] {
        is_found_on_record(is_said_to_have_none).await;
    }
}

async fn is_found_on_record(is_said_to_have_none: bool) {
    let world = World::new(Setup::default()).await;
    let submitted = submit_event(&world.context, event()).await.unwrap();
    let key = "runs/epm-demo/bessapp-2026-11-21T06.json";
    let run = world.work().await.read(key, u64::MAX).await.unwrap().unwrap();
    let mut run: Value = serde_json::from_slice(&run.bytes).unwrap();
    assert!(run.as_object_mut().unwrap().remove("job_request_id").is_some());
    let without_id = Bytes::from(run.to_string());
    world.work().await.put(key, without_id, Condition::Always).await.unwrap();
    if is_said_to_have_none {
        let deadline = Deadline::none(world.clock.clone());
        let event = parse(event()).unwrap();
        submit::settle(&world.anew(), &event, submit::OperatorAnswer::NoJob, &deadline).await.unwrap();
    }
    let again = submit_event(&world.anew(), event()).await.unwrap();
    assert_eq!(again.job_request_id, submitted.job_request_id);
    assert_eq!(world.simulator.epm_jobs().len(), 1);
    world.end().await;
}

/// Traps: statuses as texts, numbers and words; details that are the text `null`; `"links": [0]`; `Integer.MAX_VALUE`;
/// numbers and words that contradict each other. What nobody knows is never success (promise 5).
#[tokio::test]
async fn statuses() {
    let status = |faults: Value| json!({ "status": faults });
    let ends = |status: i64, word: Value| json!({ "status": { "final_status": status, "final_word": word } });
    all(vec![
        ("numbers", status(json!({ "form": "numbers" })), Lands),
        ("a number alone", status(json!({ "form": "number_only" })), Lands),
        ("a word alone", status(json!({ "form": "word_only" })), Lands),
        ("a word in lower case", status(json!({ "form": "lower_case" })), Lands),
        ("neither", status(json!({ "form": "nothing" })), Fails("ContractBroken", "status")),
        ("a cancellation that did not come", status(json!({ "cancel_pending_polls": 2 })), Lands),
        ("unknown for a while", status(json!({ "unknown_polls": 3 })), Lands),
        (
            "unknown for ever",
            status(json!({ "unknown_polls": 1_000_000 })),
            Fails("UnknownStatus", "2147483647"),
        ),
        (
            "unknown, with the word of success",
            ends(2_147_483_647, json!("SUCCESS")),
            Fails("UnknownStatus", "2147483647 (SUCCESS)"),
        ),
        ("a number of nobody's", ends(7, json!("SUCCESS")), Fails("UnknownStatus", "7 (SUCCESS)")),
        (
            "a number of nobody's, with details",
            status(json!({ "final_status": 7, "details": "waits for a lock" })),
            Fails("UnknownStatus", "the source says: waits for a lock"),
        ),
        (
            "never ends, and says how far it is",
            status(json!({ "never_ends": true })),
            Fails("JobTimedOut", "the source says: In progress"),
        ),
        ("an error without details", ends(1, Value::Null), Fails("JobFailed", "Error")),
        ("a contradiction", ends(0, json!("FAILED")), Fails("UnknownStatus", "0 (FAILED)")),
        ("a finer word", ends(0, json!("EXPORT_COMPLETED")), Lands),
        ("an error", ends(1, Value::Null), Fails("JobFailed", "1 (FAILED)")),
        ("cancelled", ends(3, Value::Null), Fails("JobFailed", "cancelled")),
        (
            "an invalid parameter",
            ends(4, Value::Null),
            Fails("JobFailed", "parameter error: invalid parameter"),
        ),
        ("never ends", status(json!({ "never_ends": true })), Fails("JobTimedOut", "-1 (RUNNING)")),
        (
            "an unknown job",
            status(json!({ "not_found": "always" })),
            Fails("NotFound", "epm-demo knows no job 1881"),
        ),
        ("outage", status(json!({ "outage": { "unavailable": 2, "drop_connection": 1 } })), Lands),
        (
            "a login page",
            status(json!({ "outage": { "login_page": "always" } })),
            Fails("JobTimedOut", "web page"),
        ),
    ])
    .await;
}

/// A job that failed says why: the end of its log, and what kind of failure that is; no secret of it (promise 7).
#[tokio::test]
async fn a_failed_job_is_explained_by_its_log() {
    let failed =
        |log: &str| json!({ "status": { "final_status": 1, "log": log, "details": "Process failed" } });
    by_either_api(vec![
        (
            "mapping",
            failed("mapping"),
            Fails("JobFailed", "mapping error: Process failed: outbox/logs/BESSAPP-DB_1881.log says:"),
        ),
        ("mapping, its words", failed("mapping"), Fails("JobFailed", "Account 4110 is not mapped")),
        ("connectivity", failed("connectivity"), Fails("JobFailed", "connectivity error")),
        ("parameter", failed("parameter"), Fails("JobFailed", "parameter error")),
        ("cancelled", failed("cancelled"), Fails("JobFailed", "cancelled: Process failed")),
        ("neither", failed("plain"), Fails("JobFailed", "1 (FAILED) Process failed")),
        ("a secret", failed("secret"), Fails("JobFailed", "[redacted]")),
        (
            "a log that is missing",
            json!({ "status": { "final_status": 1, "details": "Process failed", "log_missing": true } }),
            Fails("JobFailed", "Process failed: its log outbox/logs/BESSAPP-DB_1881.log cannot be read"),
        ),
        (
            "no log named",
            json!({ "status": { "final_status": 1, "details": "Process failed", "log_unnamed": true } }),
            Fails("JobFailed", "Process failed"),
        ),
        (
            "backslashes",
            json!({ "status": { "final_status": 1, "log": "mapping" }, "list": { "backslashes": true } }),
            Fails("JobFailed", "mapping error"),
        ),
    ])
    .await;
}

/// Downloads that break, lie or lead elsewhere (promises 4, 5 and 7).
#[tokio::test]
async fn downloads() {
    let download = |faults: Value| json!({ "download": faults });
    by_either_api(vec![
        ("no length", download(json!({ "no_content_length": true })), Lands),
        ("cut", download(json!({ "cut": 1 })), Lands),
        ("cut, no length", download(json!({ "cut": 1, "no_content_length": true })), Lands),
        ("shortened once", download(json!({ "short_answer": 1 })), Lands),
        (
            "shortened always",
            download(json!({ "short_answer": "always" })),
            Fails("IntegrityError", "bytes, but sent"),
        ),
        (
            "a failure under 200",
            download(json!({ "failed_body": "always" })),
            Fails("Rejected", "locked by another process"),
        ),
        ("gone", download(json!({ "gone": "always" })), Fails("NotFound", "outbox/BESSAPPJan-06.csv")),
        ("unavailable", download(json!({ "outage": { "unavailable": 2, "drop_connection": 1 } })), Lands),
        (
            "a login page",
            download(json!({ "outage": { "login_page": "always" } })),
            Fails("ContractBroken", "web page"),
        ),
        (
            "a table called JSON",
            download(json!({ "typed_as_json": true })),
            Fails("ContractBroken", "answered with JSON"),
        ),
    ])
    .await;
    let href = |href: &str| download(json!({ "href": href }));
    all(vec![
        ("prepared slowly", download(json!({ "pending_polls": 9 })), Lands),
        ("prepared at once", download(json!({ "pending_polls": 0 })), Lands),
        (
            "never ready",
            download(json!({ "never_ready": true })),
            Fails("SourceUnavailable", "longer than 600 s"),
        ),
        ("a relative link", href("relative"), Lands),
        ("a foreign host", href("foreign_host"), Fails("ContractBroken", "allowed_hosts")),
        ("a metadata address", href("metadata_address"), Fails("ContractBroken", "169.254.169.254")),
        ("no link", href("absent"), Fails("ContractBroken", "link")),
    ])
    .await;
}

/// Trap: EPM answers errors as JSON under 200, and a job may put JSON out. What has the listed size is the file, what has
/// not the shape of an outcome is too; what has the shape and no known size is not.
#[tokio::test]
async fn a_file_of_json_is_told_from_an_error() {
    for (case, format, faults, outcome) in [
        (
            "an error",
            EpmFormat::Csv,
            json!({ "download": { "failed_body": "always" } }),
            Fails("Rejected", "locked"),
        ),
        ("a file", EpmFormat::Json, json!({}), Lands),
        ("a file, not listed", EpmFormat::Json, json!({ "list": { "absent": true } }), Lands),
        ("a file like an error", EpmFormat::JsonLikeAnOutcome, json!({}), Lands),
        (
            "a file like an error, not listed",
            EpmFormat::JsonLikeAnOutcome,
            json!({ "list": { "absent": true } }),
            Fails("Rejected", "rows of job"),
        ),
        (
            "an error where a file of JSON should be",
            EpmFormat::Json,
            json!({ "download": { "failed_body": "always" } }),
            Fails("Rejected", "locked"),
        ),
    ] {
        for api in APIS {
            let setup = Setup {
                scenario: scenario(EpmScenario { format, ..EpmScenario::default() }),
                epm: Some(with_line(api)),
                ..setup(faults.clone())
            };
            let outcome = match &outcome {
                Lands => Lands,
                Fails(name, text) => Fails(name, text),
            };
            expect(&format!("{case}, {api}"), setup, event(), outcome).await.end().await;
        }
    }
}

/// The list of files: missing, without what it should have, wrong (promise 5).
#[tokio::test]
async fn lists_of_files() {
    let list = |faults: Value| json!({ "list": faults });
    by_either_api(vec![
        ("no list", list(json!({ "absent": true })), Lands),
        ("outputs left out", list(json!({ "leaves_out_outputs": true })), Lands),
        ("no sizes", list(json!({ "no_sizes": true })), Lands),
        ("wrong sizes", list(json!({ "wrong_sizes": true })), Fails("IntegrityError", "bytes, but sent")),
        ("a failure under 200", list(json!({ "failed_body": "always" })), Fails("Rejected", "maintained")),
        ("outage", list(json!({ "outage": { "unavailable": 1, "drop_connection": 1 } })), Lands),
    ])
    .await;
}

/// Traps: spaces, percent signs, letters beyond ASCII, folders and backslashes in names; and no name leads out.
#[tokio::test]
async fn names_of_files() {
    let named = |name: &str| json!({ "status": { "output_name": name } });
    by_either_api(vec![
        ("spaces", named("outbox/Plan FY06/Balances of 1 Jan.csv"), Lands),
        ("percent", named("outbox/100% %2F a.csv"), Lands),
        ("unicode", named("outbox/Größe 北京.csv"), Lands),
        ("question and hash", named("outbox/what?#1.csv"), Lands),
        ("backslashes, known by no other writing", json!({ "list": { "backslashes": true } }), Lands),
        ("traversal", named("outbox/../../etc/passwd"), Fails("ContractBroken", "no usable name")),
    ])
    .await;
}

/// Trap: a base URL with a path. Links are followed as they come, and nothing is called beside that path.
#[tokio::test]
async fn a_base_url_may_carry_a_path() {
    for api in APIS {
        for href in ["environment", "relative"] {
            let faults = json!({ "only_below_gateway": true, "download": { "href": href } });
            let epm = with_line(api).replace("{base_url}", "{base_url}/gateway");
            let world = expect(api, Setup { epm: Some(epm), ..setup(faults) }, event(), Lands).await;
            let beside = world.simulator.journal().count(|entry| !entry.path.starts_with("/gateway/"));
            assert_eq!(beside, 0, "{api} {href}");
            world.end().await;
        }
    }
}

/// Promise 5: a file that one list lacks is looked for in the other. What neither lists, and comes without a length, is
/// marked in the manifest, unless something of it tells that it is whole.
#[tokio::test]
async fn what_nobody_measured_is_marked() {
    let unmeasured = |list: Value, more: Value| {
        let mut download = json!({ "no_content_length": true });
        download.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "list": list, "download": download })
    };
    let absent = || json!({ "absent": true });
    let older = || json!({ "absent": true, "older": true });
    for (case, faults, is_marked) in [
        ("no list, no length", unmeasured(absent(), json!({})), true),
        ("not in the list", unmeasured(json!({ "leaves_out_outputs": true }), json!({})), true),
        ("the older list", unmeasured(older(), json!({})), false),
        (
            "in the older list",
            unmeasured(json!({ "leaves_out_outputs": true, "older": true }), json!({})),
            false,
        ),
        (
            "its size in the older list",
            unmeasured(json!({ "no_sizes": true, "older": true }), json!({})),
            false,
        ),
        ("no list, a length", json!({ "list": absent() }), false),
        ("cut once", unmeasured(older(), json!({ "short_answer": 1 })), false),
    ] {
        let world = expect(case, setup(faults), event(), Lands).await;
        let manifest = world.manifests().await.pop_first().unwrap().1;
        let marked = manifest.objects[0].unverified.as_deref();
        assert_eq!(marked.is_some(), is_marked, "{case}: {marked:?}");
        assert!(marked.is_none_or(|reason| reason.contains("declared no length")), "{case}: {marked:?}");
        world.end().await;
    }
    let zipped = scenario(EpmScenario { format: EpmFormat::Zip, ..EpmScenario::default() });
    let with = Setup { scenario: zipped, ..setup(unmeasured(absent(), json!({}))) };
    let world = expect("an archive", with, event(), Lands).await;
    assert_eq!(world.manifests().await.pop_first().unwrap().1.objects[0].unverified, None);
    world.end().await;
    let cut = unmeasured(older(), json!({ "short_answer": "always" }));
    expect("cut always", setup(cut), event(), Fails("IntegrityError", "lists")).await.end().await;
}

/// An archive is unpacked like any other.
#[tokio::test]
async fn an_archive_is_unpacked() {
    let zipped = scenario(EpmScenario { format: EpmFormat::Zip, ..EpmScenario::default() });
    expect("zip", Setup { scenario: zipped, ..Setup::default() }, event(), Lands).await.end().await;
}

fn run_of(run_key: &str) -> Value {
    let mut event = event();
    event["run_key"] = json!(run_key);
    event
}

/// Trap: the next run of the same period reuses the output's name. Each lands its own bytes under its own key.
#[tokio::test]
async fn a_reused_output_name_does_not_collide() {
    let world = World::new(Setup::default()).await;
    for run_key in ["first", "second"] {
        land(&world.context, run_of(run_key)).await.unwrap();
    }
    let jobs = world.simulator.epm_jobs();
    let outputs: Vec<_> =
        jobs.iter().map(|job| world.simulator.epm_output(job.id).unwrap().unwrap()).collect();
    assert_eq!((jobs.len(), &outputs[0].name), (2, &outputs[1].name));
    assert!(outputs[0].file != outputs[1].file);
    for job in jobs {
        assert_landed(&world, job.id, "reused name").await;
    }
    world.end().await;
}

/// Trap: a later run has overwritten the file between its listing and its download's end, or it was deleted. What is lost
/// is named, and another run's bytes never land under this job.
#[tokio::test]
async fn an_overwritten_output_is_an_error() {
    let list = |faults: Value| json!({ "list": faults });
    by_either_api(vec![
        (
            "before the first list",
            list(json!({ "overwritten_at": 1 })),
            Fails("IntegrityError", "had ended by"),
        ),
        ("before the download", list(json!({ "overwritten_at": 2 })), Fails("IntegrityError", "overwritten")),
        ("during the download", list(json!({ "overwritten_at": 3 })), Fails("IntegrityError", "overwritten")),
        (
            "during the download, without sizes",
            list(json!({ "overwritten_at": 3, "no_sizes": true })),
            Fails("IntegrityError", "overwritten"),
        ),
        (
            "deleted",
            list(json!({ "deleted_at": 2 })),
            Fails("NotFound", "no longer lists \"outbox/BESSAPPJan-06.csv\""),
        ),
    ])
    .await;
}

async fn poll_to_the_end(context: &Context, job: &JobEvent) {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    while poll_status::poll_status(context, job.clone(), &deadline).await.unwrap().wait_seconds.is_some() {}
}

/// The same, where the later run came before the first listing: the file is younger than the job's end. Both times are
/// by EPM's clock: seconds are enough to tell, and ours may be wrong by an hour either way.
#[tokio::test]
async fn an_output_that_is_younger_than_its_job_is_an_error() {
    let at: jiff::Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
    for hours in [-1, 0, 1] {
        let world = World::new(Setup { at: Some(at), ..Setup::default() }).await;
        let ours = at + jiff::SignedDuration::from_hours(hours);
        overwritten_within_seconds(&world, &world.anew_by(Arc::new(ManualClock::new(ours)))).await;
        world.end().await;
    }
}

async fn overwritten_within_seconds(world: &World, context: &Context) {
    let submitted = submit_event(context, event()).await.unwrap();
    let job = json!({ "connection": "epm-demo", "job_request_id": submitted.job_request_id });
    poll_to_the_end(context, &parse(job.clone()).unwrap()).await;
    world.pass(std::time::Duration::from_secs(20));
    land(context, run_of("later")).await.unwrap();
    let error = resume(&world.anew(), job).await.unwrap_err();
    assert_eq!(error.error_type().name(), "IntegrityError", "{}", error.line());
    assert!(error.line().contains("a later run"), "{}", error.line());
    assert_eq!(world.manifests().await.len(), 1);
}

/// A clock of ours that is wrong does not make a job's own output look younger than the job.
#[tokio::test]
async fn a_wrong_clock_of_ours_does_not_hide_an_output() {
    let world = World::new(Setup::default()).await;
    let an_hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    land(&world.anew_by(Arc::new(ManualClock::new(an_hour_ago))), event()).await.unwrap();
    assert_landed(&world, world.simulator.epm_jobs()[0].id, "our clock is an hour behind").await;
    world.end().await;
}

/// Promise 6: a job that failed is told within an invocation, though its log cannot be read.
#[tokio::test]
async fn a_log_that_is_never_ready_does_not_hold_up_what_became_of_the_job() {
    let faults = json!({ "status": { "final_status": 1, "details": "Process failed" }, "download": { "never_ready": true } });
    let world = World::new(setup(faults)).await;
    let submitted = submit_event(&world.context, event()).await.unwrap();
    let job = json!({ "connection": "epm-demo", "job_request_id": submitted.job_request_id });
    let job: JobEvent = parse(job).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    let (before, polled) = loop {
        let before = world.clock.now();
        let polled = poll_status::poll_status(&world.context, job.clone(), &deadline).await.unwrap();
        if polled.wait_seconds.is_none() {
            break (before, polled);
        }
    };
    let took = elapsed(before, world.clock.now());
    assert!(took < std::time::Duration::from_secs(240), "{took:?}");
    assert_eq!(polled.state, JobState::Failed);
    let message = polled.message.unwrap();
    assert!(message.contains("Process failed") && message.contains("cannot be read"), "{message}");
    world.end().await;
}

/// A job without output is an error, unless its export says that it is normal; then the manifest says so.
#[tokio::test]
async fn jobs_without_output() {
    let faults = json!({ "status": { "no_output": true } });
    let outcome = Fails("ContractBroken", "allow_empty");
    expect("nothing put out", setup(faults.clone()), event(), outcome).await.end().await;
    let mut event = event();
    event["export"]["allow_empty"] = json!(true);
    let world = World::new(setup(faults)).await;
    land(&world.context, event).await.unwrap();
    let manifests = world.manifests().await;
    let manifest = manifests.values().next().unwrap();
    assert_eq!((manifest.state, manifest.totals.objects), (JobState::Empty, 0));
    world.end().await;
}

/// Files that the job does not name itself land too, where the export names them; one that is not there is an error.
#[tokio::test]
async fn further_output_files() {
    let file =
        PlantedFile { name: "outbox/Rates 2006.csv".to_owned(), text: "CUR,RATE\nEUR,1.25\n".to_owned() };
    let text = file.text.clone();
    let setup = Setup {
        scenario: scenario(EpmScenario { files: vec![file], ..EpmScenario::default() }),
        ..Setup::default()
    };
    let mut event = event();
    event["export"]["output_files"] = json!(["outbox\\Rates 2006.csv", "outbox/BESSAPPJan-06.csv"]);
    let world = World::new(setup.clone()).await;
    land(&world.context, event.clone()).await.unwrap();
    let manifests = world.manifests().await;
    let manifest = manifests.values().next().unwrap();
    let files: Vec<_> = manifest.objects.iter().map(|object| object.file.as_str()).collect();
    assert_eq!(files, ["BESSAPPJan-06.csv", "Rates 2006.csv"], "the job's own first, and none twice");
    assert_eq!(world.landed().await[&manifest.objects[1].key], text.into_bytes());
    world.end().await;

    event["export"]["output_files"] = json!(["outbox/Nothing.csv"]);
    expect("not there", setup, event, Fails("NotFound", "outbox/Nothing.csv")).await.end().await;
}

/// More than one piece of input, and not a multiple of one.
fn input() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(|row| format!("{row:010},\n").into_bytes()).chain(*b"end").collect()
}

fn reading_event() -> Value {
    let mut event = event();
    event["export"]["input"] = json!({ "object": "inputs/gl 06.csv", "upload_as": "inbox/gl/gl 06.csv" });
    event["export"]["parameters"]["fileName"] = json!("inbox/gl/gl 06.csv");
    event
}

async fn world_with_input(setup: Setup) -> World {
    let world = World::new(setup).await;
    let bytes = Bytes::from(input());
    world.work().await.put("inputs/gl 06.csv", bytes, Condition::Always).await.unwrap();
    world
}

/// An input is uploaded before the job is submitted, piece by piece, whatever happens to a piece, once in effect; and one
/// run has one job.
#[tokio::test]
async fn an_input_is_uploaded_whole_before_its_job() {
    for (case, faults, pieces) in [
        ("undisturbed", json!({}), 2),
        ("a piece is lost", json!({ "upload": { "drop": 1 } }), 3),
        ("the answer to the first piece is lost", json!({ "upload": { "take_then_drop": 1 } }), 3),
        ("the answer to the last piece is lost", json!({ "upload": { "take_then_drop": 2 } }), 2),
        ("no list of files", json!({ "list": { "absent": true } }), 2),
        ("unavailable", json!({ "upload": { "outage": { "unavailable": 1 } } }), 3),
    ] {
        let world = world_with_input(setup(faults)).await;
        land_as_retried(&world, reading_event())
            .await
            .unwrap_or_else(|error| panic!("{case}: {}", error.line()));
        assert!(world.simulator.epm_uploaded("inbox/gl/gl 06.csv").unwrap() == input(), "{case}");
        let jobs = world.simulator.epm_jobs();
        assert_eq!(jobs.len(), 1, "{case}");
        assert_eq!(world.simulator.journal().count_of(Operation::UploadFile), pieces, "{case}");
        assert_landed(&world, jobs[0].id, case).await;
        world.end().await;
    }
}

/// Trap: a piece that a 503 turns away may have been appended all the same. It is not sent again by itself: the step
/// begins again with the first one.
#[tokio::test]
async fn a_piece_that_was_turned_away_is_not_sent_again_by_itself() {
    let world = world_with_input(setup(json!({ "upload": { "outage": { "unavailable": 1 } } }))).await;
    let error = submit_event(&world.anew(), reading_event()).await.unwrap_err();
    assert_eq!(error.error_type().name(), "SourceUnavailable", "{}", error.line());
    assert_eq!(world.simulator.journal().count_of(Operation::UploadFile), 1);
    land(&world.anew(), reading_event()).await.unwrap();
    assert!(world.simulator.epm_uploaded("inbox/gl/gl 06.csv").unwrap() == input());
    assert_eq!(world.simulator.epm_jobs().len(), 1);
    world.end().await;
}

/// Trap: an upload never overwrites, and the list tells a file's size alone. What another has put there, be it as long as
/// ours, is not what the job is meant to read: a person decides.
#[tokio::test]
async fn an_upload_never_overwrites() {
    let there = |text: String| {
        let file = PlantedFile { name: "inbox/gl/gl 06.csv".to_owned(), text };
        let epm = EpmScenario { files: vec![file], ..EpmScenario::default() };
        Setup { scenario: scenario(epm), ..Setup::default() }
    };
    let as_long = String::from_utf8(input()).unwrap().replace('1', "2");
    for (text, said) in [(as_long, "as long as the run's input"), ("another".to_owned(), "7 bytes")] {
        let world = world_with_input(there(text)).await;
        let error = land(&world.context, reading_event()).await.unwrap_err();
        assert_eq!(error.error_type().name(), "Conflict");
        assert!(
            error.line().contains("overwrites nothing") && error.line().contains(said),
            "{}",
            error.line()
        );
        assert_eq!(world.simulator.journal().count_of(Operation::UploadFile), 0);
        assert_eq!(world.simulator.epm_jobs(), []);
        world.end().await;
    }

    // Without a list, a name that is taken cannot be told for ours.
    let faults = json!({ "list": { "absent": true }, "upload": { "take_then_drop": 2 } });
    let world = world_with_input(setup(faults)).await;
    let error = land_as_retried(&world, reading_event()).await.unwrap_err();
    assert_eq!(error.error_type().name(), "Conflict", "{}", error.line());
    assert_eq!(world.simulator.epm_jobs(), []);
    world.end().await;
}

/// An input that is not there is named before anything is submitted.
#[tokio::test]
async fn a_missing_input_is_named() {
    let outcome = Fails("NotFound", "inputs/gl 06.csv");
    let world = expect("no input", Setup::default(), reading_event(), outcome).await;
    assert_eq!(world.simulator.epm_jobs(), []);
    world.end().await;
}

/// A job that was started in EPM's own screen lands by its id.
#[tokio::test]
async fn a_job_of_others_lands() {
    let world = World::new(Setup::default()).await;
    let id = world.simulator.epm_job_of_others("Month End").unwrap();
    let job = json!({ "connection": "epm-demo", "job_request_id": id.to_string(), "destination": "lake" });
    resume(&world.context, job).await.unwrap();
    let manifest = assert_landed(&world, id, "of others").await;
    assert!(manifest.objects[0].key.starts_with("epm-demo/Month End/1881/"), "{}", manifest.objects[0].key);
    world.end().await;
}

/// An event that this connection cannot run is refused before anything is called.
#[tokio::test]
async fn events_that_do_not_fit_are_refused() {
    let mut other = landfall_tests::run_event();
    other["connection"] = json!("epm-demo");
    let mut on_fusion = event();
    on_fusion["connection"] = json!("fusion-demo");
    let mut twice = event();
    twice["export"]["parameters"]["jobName"] = json!("Other");
    for (event, said) in
        [(other, "it takes epm_job"), (on_fusion, "it takes fusion_extract"), (twice, "jobName")]
    {
        let world = expect(said, Setup::default(), event, Fails("InvalidEvent", said)).await;
        assert_eq!(world.simulator.journal().requests().len(), 0);
        world.end().await;
    }
}

/// Promise 1: two that start one run at once have one job.
#[tokio::test]
async fn two_at_once_have_one_job() {
    let world = World::new(Setup::default()).await;
    let (one, other) = (world.anew(), world.anew());
    let (first, second) = tokio::join!(submit_event(&one, event()), submit_event(&other, event()));
    assert_eq!(first.unwrap().job_request_id, second.unwrap().job_request_id);
    assert_eq!(world.simulator.epm_jobs().len(), 1);
    world.end().await;
}
