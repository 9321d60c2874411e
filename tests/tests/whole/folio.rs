//! Whole runs of FOLIO's data export: every trap that its documents, its source and its users know, each with the
//! outcome that the promises ask for.

use std::time::Duration;

use landfall::clock::{Clock as _, Deadline};
use landfall::job::JobState;
use landfall::state::keys;
use landfall_store::Condition;
use landfall_tests::{Setup, World, assert_failed, land, land_as_retried, resume};
use serde_json::{Value, json};
use simulator::{FolioJob, FolioScenario, Operation, Scenario, credentials};

const PROFILE: &str = "Default instances export job profile";

/// The id of the so-manieth record.
pub(crate) fn id(number: u32) -> String {
    format!("6f7f3cd7-9f24-42eb-ae91-{number:012x}")
}

pub(crate) fn event() -> Value {
    event_of(json!({ "ids": (0..25).map(id).collect::<Vec<_>>() }))
}

pub(crate) fn event_of(records: Value) -> Value {
    json!({
        "connection": "folio-demo",
        "export": { "kind": "folio_export", "profile": PROFILE, "records": records },
        "destination": "lake",
        "run_key": "eds-2026-11-21T06:00"
    })
}

pub(crate) fn setup(faults: Value) -> Setup {
    Setup { faults: json!({ "folio": faults }), ..Setup::default() }
}

/// What a run must come to.
pub(crate) enum Outcome {
    /// Everything has landed, from one job that was started once, in this state.
    Lands(JobState),
    /// The run fails with this error's name and a message that holds this text, nothing has landed, and a job was
    /// started so often.
    Fails(&'static str, &'static str, u32),
}

use Outcome::Fails;

pub(crate) const LANDS: Outcome = Outcome::Lands(JobState::Succeeded);
const LANDS_PARTLY: Outcome = Outcome::Lands(JobState::Partial);

pub(crate) async fn expect(case: &str, setup: Setup, event: Value, outcome: Outcome) -> World {
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
            let secrets = [credentials::FOLIO_PASSWORD, "X-Amz-Signature", "folioAccessToken="];
            assert_failed(came, (name, text), &secrets, case);
            assert_eq!(world.simulator.folio_starts(), starts, "{case}: starts");
            assert!(world.manifests().await.is_empty(), "{case}: landed nonetheless");
            // What is missing shows only once everything else is there.
            let landed = world.landed().await;
            assert!(landed.is_empty() || text.contains("have landed"), "{case}: {:?}", landed.keys());
            let uploads = world.landing().await.list_uploads("").await.unwrap();
            assert!(uploads.is_empty(), "{case}: {uploads:?}");
        }
    }
    world
}

/// Holds what has landed against the simulator's own word of it: one job, started once; every slice to the byte, the log
/// beside it, and nothing else.
pub(crate) async fn assert_landed(world: &World, state: JobState, case: &str) -> publish::Manifest {
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
        let mut entries = job.logs.clone();
        entries.sort_by_cached_key(|entry| entry["id"].to_string());
        let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
        expected.push(("errors.ndjson".to_owned(), None, job.logs.len() as u64, lines.into_bytes()));
    }
    let mut landed = world.landed().await;
    landed.remove(&manifest_key);
    assert_eq!(manifest.objects.len(), expected.len(), "{case}: objects");
    for (object, (name, member, records, bytes)) in std::iter::zip(&manifest.objects, expected) {
        assert_eq!((&object.file, &object.member), (&name, &member), "{case}");
        assert_eq!(object.rows, Some(records), "{case}: rows of {}", object.key);
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

fn outage(endpoint: &str, switch: Value) -> Value {
    json!({ endpoint: switch })
}

pub(crate) fn scenario(folio: FolioScenario) -> Option<Scenario> {
    Some(Scenario { folio, ..landfall_tests::small_scenario() })
}

/// Logins: each form, tokens that end while a job is polled, outages; an answer of a gateway that refuses a token.
#[tokio::test]
async fn tokens() {
    all(vec![
        ("unavailable", json!({ "login": { "outage": { "unavailable": 2 } } }), LANDS),
        ("dropped", json!({ "login": { "outage": { "drop_connection": 1 } } }), LANDS),
        (
            "a login page",
            json!({ "login": { "outage": { "login_page": "always" } } }),
            Fails("ContractBroken", "web page", 0),
        ),
        ("401 in the middle of polling", json!({ "executions": { "unauthorized": 1 } }), LANDS),
        ("401 in the middle, Eureka", json!({ "platform": "eureka", "link": { "unauthorized": 1 } }), LANDS),
        ("401 for the start", json!({ "export": { "unauthorized": 1 } }), LANDS),
        (
            "401 for ever",
            json!({ "platform": "eureka", "profiles": { "unauthorized": "always" } }),
            Fails("AuthRejected", "Unauthorized", 0),
        ),
        (
            "no permission, Okapi",
            json!({ "export": { "forbidden": "always" } }),
            Fails("AuthRejected", "requires permission: data-export.export.post", 0),
        ),
        (
            "no permission, Eureka",
            json!({ "platform": "eureka", "create": { "forbidden": "always" } }),
            Fails("AuthRejected", "Access Denied", 0),
        ),
        (
            "no login with expiry",
            json!({ "login": { "no_expiry": true } }),
            Fails("AuthRejected", "login.form = \"legacy\"", 0),
        ),
    ])
    .await;
    let (user, password) =
        (credentials::FOLIO_USERNAME, landfall_tests::toml_text(credentials::FOLIO_PASSWORD));
    let legacy = format!(
        "login = {{ username = '{user}', password = {password}, form = 'legacy' }}\nstorage_hosts = ['{{storage}}']"
    );
    for (case, faults, outcome) in [
        ("legacy", json!({}), LANDS),
        ("legacy, in the body alone", json!({ "platform": "eureka", "login": { "body_only": true } }), LANDS),
        (
            "no legacy tokens",
            json!({ "login": { "no_legacy": true } }),
            Fails("AuthRejected", "login.form = \"expiry\"", 0),
        ),
    ] {
        let setup = Setup { folio: Some(legacy.clone()), ..setup(faults) };
        expect(case, setup, event(), outcome).await.end().await;
    }
}

/// Tokens that live shorter than the job: each is replaced by a login before it ends, and none is refreshed, as two who
/// refresh by one token would have all tokens of the user revoked.
#[tokio::test]
async fn a_job_outlives_its_tokens() {
    let faults = json!({ "login": { "access_seconds": 20 } });
    let folio = FolioScenario { polls: 14, ..FolioScenario::default() };
    let scenario = Some(Scenario { folio, ..Scenario::default() });
    let setup = Setup { one_clock: true, scenario, ..setup(faults) };
    let world = expect("a short life", setup, event(), LANDS).await;
    let journal = world.simulator.journal();
    let requests = journal.requests();
    let times = requests.first().unwrap().at..requests.last().unwrap().at;
    assert!(times.end.duration_since(times.start).as_secs() > 20, "no token has ended: {times:?}");
    assert!(journal.count_of(Operation::Login) > 1);
    assert_eq!(journal.count(|entry| entry.path.ends_with("/authn/refresh")), 0);
    assert_eq!(journal.count(|entry| entry.status == Some(401)), 0, "a token was used for too long");
    world.end().await;
}

/// Five wrong passwords block an account: a refused login is made once, whoever asks, and `AuthRejected`.
#[tokio::test]
async fn a_refused_login_is_made_once() {
    let user = credentials::FOLIO_USERNAME;
    let folio = format!("login = {{ username = '{user}', password = 'wrong-password' }}");
    let setup = Setup { folio: Some(folio), ..Setup::default() };
    let refused = Fails("AuthRejected", "wrong.username.or.wrong.password.or.account.blocked", 0);
    let world = expect("wrong password", setup, event(), refused).await;
    assert_eq!(world.simulator.journal().count_of(Operation::Login), 1);
    assert_eq!(world.simulator.folio_refused_logins(), 1);
    world.end().await;
}

/// A token that was given instead of a login is used as it is, and named once it is no longer valid.
#[tokio::test]
async fn a_given_token_that_is_good_no_more_is_named() {
    let folio = "token = 'given-token'\nstorage_hosts = ['{storage}']".to_owned();
    let setup = Setup { folio: Some(folio), ..Setup::default() };
    let world = expect("token", setup, event(), Fails("AuthRejected", "no longer valid", 0)).await;
    assert_eq!(world.simulator.journal().count_of(Operation::Login), 0);
    world.end().await;
}

/// The tenant has more profiles than a list of ten, and one may be named by its id too.
#[tokio::test]
async fn profiles_by_name_and_by_id() {
    let mut by_id = event();
    by_id["export"].as_object_mut().unwrap().remove("profile");
    by_id["export"]["profile_id"] = json!("6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a");
    let world = expect("by id", setup(json!({})), by_id, LANDS).await;
    let asked = world.simulator.journal().count(|entry| entry.path.ends_with("/job-profiles"));
    assert_eq!(asked, 0, "a profile's id needs no list");
    world.end().await;
    let mut unknown = event();
    unknown["export"]["profile"] = json!("Default instance export job profile");
    let refused = Fails("Rejected", "it has: Nightly export 1", 0);
    expect("unknown", setup(json!({})), unknown, refused).await.end().await;
    let profiles = FolioScenario::default().profiles;
    let twin = profiles
        .iter()
        .map(|profile| simulator::FolioProfile { name: PROFILE.to_owned(), ..profile.clone() });
    let scenario = scenario(FolioScenario { profiles: twin.collect(), ..FolioScenario::default() });
    let setup = Setup { scenario, ..Setup::default() };
    expect("one name twice", setup, event(), Fails("Conflict", "profile_id", 0)).await.end().await;
}

/// Promise 1: one run key, one job, started once, whatever becomes of the answer to any of the calls that make it.
#[tokio::test]
async fn submissions() {
    let drop = |endpoint: &str| outage(endpoint, json!({ "drop_connection": 1 }));
    let down = |endpoint: &str| outage(endpoint, json!({ "unavailable": 1 }));
    all(vec![
        ("definition: answer lost", json!({ "create_then_drop": 1 }), LANDS),
        ("definition: dropped", drop("create"), LANDS),
        ("definition: unavailable", down("create"), LANDS),
        (
            "definition: unavailable, Eureka",
            json!({ "platform": "eureka", "create": { "unavailable": 1 } }),
            LANDS,
        ),
        ("upload: answer lost", json!({ "upload_then_drop": 1 }), LANDS),
        ("upload: answer lost, version 4", json!({ "dialect": "v4", "upload_then_drop": 1 }), LANDS),
        ("upload: dropped", drop("upload"), LANDS),
        ("upload: unavailable", down("upload"), LANDS),
        ("start: answer lost", json!({ "export_then_drop": 1 }), LANDS),
        ("start: answered 500", json!({ "export_then_error": 1 }), LANDS),
        ("start: redirected", json!({ "export_then_redirect": 1 }), LANDS),
        ("start: answer lost, execution not listed", json!({ "export_then_drop": 1, "unlisted": 2 }), LANDS),
        ("start: answer lost, version 3", json!({ "dialect": "v3", "export_then_drop": 1 }), LANDS),
        ("start: dropped", drop("export"), LANDS),
        ("start: unavailable", down("export"), LANDS),
        ("start: throttled", outage("export", json!({ "throttle": { "times": 2 } })), LANDS),
        (
            "everything lost once",
            json!({ "create_then_drop": 1, "upload_then_drop": 1, "export_then_drop": 1 }),
            LANDS,
        ),
        ("execution not listed at first", json!({ "unlisted": 3 }), LANDS),
        (
            "lists dropped",
            json!({ "executions": { "drop_connection": 2 }, "definition": { "drop_connection": 2 } }),
            LANDS,
        ),
        ("upload not stored", json!({ "upload_fails": true }), Fails("Rejected", "another run_key", 0)),
    ])
    .await;
}

/// A lost answer is no reason to do a thing again: a second definition would make a second job execution, a second upload
/// spoil the definition.
#[tokio::test]
async fn a_lost_answer_is_looked_after() {
    for (case, faults) in [
        ("definition", json!({ "create_then_drop": 1 })),
        ("upload", json!({ "upload_then_drop": 1 })),
        ("upload, version 4", json!({ "dialect": "v4", "upload_then_drop": 1 })),
    ] {
        let world = expect(case, setup(faults), event(), LANDS).await;
        assert_eq!(world.simulator.folio_jobs().len(), 1, "{case}: job executions");
        let journal = world.simulator.journal();
        let calls =
            [Operation::CreateFileDefinition, Operation::UploadIds].map(|call| journal.count_of(call));
        assert_eq!(calls, [1, 1], "{case}: definitions and uploads");
        world.end().await;
    }
}

/// A call that a gateway turns away may have been processed behind it: it is looked after before it is made again, and
/// not by the client.
#[tokio::test]
async fn a_call_that_was_turned_away_is_looked_after() {
    let unavailable = json!({ "unavailable": 1 });
    for (case, faults, operation) in [
        ("definition", outage("create", unavailable.clone()), Operation::CreateFileDefinition),
        ("upload", outage("upload", unavailable), Operation::UploadIds),
    ] {
        let world = expect(case, setup(faults), event(), LANDS).await;
        let requests = world.simulator.journal().requests();
        let is_call = |entry: &&simulator::Entry| entry.operation == operation;
        let calls: Vec<u64> = requests.iter().filter(is_call).map(|entry| entry.number).collect();
        let looks = requests.iter().filter(|entry| {
            entry.method == "GET"
                && entry.path.contains("/file-definitions/")
                && (calls[0]..calls[1]).contains(&entry.number)
        });
        assert_eq!((calls.len(), looks.count()), (2, 4), "{case}: calls, and looks between them");
        world.end().await;
    }
}

/// A definition that FOLIO has cleaned up before its export was started is made anew; a start alone does not do it.
#[tokio::test]
async fn a_definition_that_is_cleaned_up_before_the_start_is_made_anew() {
    let world = World::new(setup(json!({}))).await;
    let parsed: landfall::event::RunEvent = landfall::event::parse(event()).unwrap();
    let source = world.anew().source(&parsed.connection).await.unwrap();
    let order =
        landfall::contract::SubmitRequest { export: &parsed.export, run_key: &parsed.run_key, window: None };
    source.prepare(&order).await.unwrap();
    world.simulator.folio_cleans_up().unwrap();
    let error = source.submit(&order).await.unwrap_err();
    assert_eq!(error.error_type().name(), "SourceUnavailable", "{}", error.line());
    assert!(error.line().contains("call again"), "{}", error.line());
    land(&world.anew(), event()).await.unwrap();
    assert_landed(&world, JobState::Succeeded, "cleaned up before the start").await;
    assert_eq!(world.simulator.journal().count_of(Operation::UploadIds), 2);
    world.end().await;
}

/// Only the start has little time: a list of ids may take longer to be stored.
#[tokio::test]
async fn a_list_of_ids_may_take_its_time() {
    // In one call: nothing of it is left to another.
    let world = World::new(setup(json!({ "dialect": "v4", "looks_until_stored": 20 }))).await;
    let before = world.clock.now();
    land(&world.anew(), event()).await.unwrap();
    assert!(world.clock.now().duration_since(before).as_secs() > 60);
    assert_landed(&world, JobState::Succeeded, "a minute").await;
    world.end().await;
    let never = json!({ "dialect": "v4", "looks_until_stored": 100_000 });
    let waits =
        Fails("SourceUnavailable", "FOLIO has not stored the list of ids yet, and 120 s have passed", 0);
    let world = expect("for ever", setup(never), event(), waits).await;
    assert_eq!(world.simulator.journal().count_of(Operation::UploadIds), 1);
    world.end().await;
}

/// What a start is asked with: all that the event says, and nothing that it does not say.
#[tokio::test]
async fn a_start_asks_for_what_the_event_says() {
    let started = |world: &World| {
        let mut request = world.simulator.folio_jobs()[0].request.clone();
        request.as_object_mut().unwrap().remove("fileDefinitionId").unwrap();
        request
    };
    let world = expect("the least", setup(json!({})), event(), LANDS).await;
    let instances = "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a";
    assert_eq!(started(&world), json!({ "jobProfileId": instances, "idType": "instance" }));
    world.end().await;
    let mut all = event();
    let more = json!({
        "profile": "Default authority export job profile", "id_type": "authority", "record_type": "authority",
        "deleted_records": false, "suppressed_from_discovery": true,
    });
    all["export"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let world = expect("all", setup(json!({})), all, LANDS).await;
    let wanted = json!({
        "jobProfileId": "56944b1c-f3f9-475b-bed0-7387c33620ce", "idType": "authority", "recordType": "AUTHORITY",
        "deletedRecords": false, "suppressedFromDiscovery": true,
    });
    assert_eq!(started(&world), wanted);
    world.end().await;
}

/// Versions before 4.3 have no `idType`, and refuse a request with it: instances are exported without, and nothing
/// else can be.
#[tokio::test]
async fn a_version_without_types_of_ids_exports_instances() {
    let v3 = || setup(json!({ "dialect": "v3" }));
    let world = expect("instances", v3(), event(), LANDS).await;
    assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 2);
    assert!(world.simulator.folio_jobs()[0].request.get("idType").is_none());
    world.end().await;
    let mut holdings = event();
    holdings["export"]["id_type"] = json!("holding");
    let refused = Fails("Rejected", "does not know export.id_type = \"holding\": holding came with 4.3", 0);
    expect("holdings", v3(), holdings, refused).await.end().await;
    let mut typed = event();
    typed["export"]["record_type"] = json!("item");
    let refused = Fails("Rejected", "Unrecognized field \"recordType\"", 0);
    expect("a type of records", v3(), typed, refused).await.end().await;
}

/// A list may lack a job that was just started: that is no end, until it lasts.
#[tokio::test]
async fn a_job_that_is_not_listed_is_waited_for() {
    let unlisted = |number: u32| serde_json::from_value(json!({ "folio": { "unlisted": number } })).unwrap();
    for (lists, lands) in [(2, true), (100_000, false)] {
        let world = World::new(setup(json!({}))).await;
        let submitted = landfall_tests::submit_event(&world.anew(), event()).await.unwrap();
        world.simulator.set_faults(unlisted(lists)).unwrap();
        let job = json!({ "connection": "folio-demo", "job_request_id": submitted.job_request_id });
        let deadline = Deadline::none(world.clock.clone());
        let parsed = landfall::event::parse(job.clone()).unwrap();
        let polled = poll_status::poll_status(&world.anew(), parsed, &deadline).await.unwrap();
        assert_eq!((polled.state, polled.native_status.as_str()), (JobState::Running, "NOT LISTED"));
        let came = resume(&world.anew(), job).await;
        if lands {
            came.unwrap();
            assert_landed(&world, JobState::Succeeded, "listed late").await;
        } else {
            let error = came.unwrap_err();
            assert_eq!(error.error_type().name(), "NotFound", "{}", error.line());
        }
        world.end().await;
    }
}

/// FOLIO forgets definitions after a day; the job of a run is found all the same, and not started twice.
#[tokio::test]
async fn a_run_is_found_again_after_its_definition_is_cleaned_up() {
    let world = World::new(setup(json!({ "export_then_drop": 1 }))).await;
    let event = event();
    // The answer to the start is lost, and so is the process: what it knew is in the work bucket.
    let parsed: landfall::event::RunEvent = landfall::event::parse(event.clone()).unwrap();
    let context = world.anew();
    let source = context.source(&parsed.connection).await.unwrap();
    let order =
        landfall::contract::SubmitRequest { export: &parsed.export, run_key: &parsed.run_key, window: None };
    source.prepare(&order).await.unwrap();
    let submitted = source.submit(&order).await.unwrap();
    assert!(matches!(submitted, landfall::contract::Submission::Ambiguous(_)), "{submitted:?}");
    world.simulator.folio_cleans_up().unwrap();
    world.clock.advance(Duration::from_secs(86_400));
    land(&world.anew(), event).await.unwrap();
    assert_landed(&world, JobState::Succeeded, "cleaned up").await;
    world.end().await;
}

/// Two submissions at once: the claim lets one of them call, and the other waits for its job.
#[tokio::test]
async fn two_at_once_start_one_job() {
    let world = World::new(setup(json!({}))).await;
    let (one, other) = (world.anew(), world.anew());
    let (one, other) = tokio::join!(land(&one, event()), land(&other, event()));
    assert!(one.is_ok() && other.is_ok());
    assert_landed(&world, JobState::Succeeded, "at once").await;
    world.end().await;
}

/// Even past the claim, by two that both hold the order at once, the export is not started twice: each looks first.
#[tokio::test]
async fn a_submission_goes_on_where_another_stopped() {
    let world = World::new(setup(json!({}))).await;
    let parsed: landfall::event::RunEvent = landfall::event::parse(event()).unwrap();
    let order =
        landfall::contract::SubmitRequest { export: &parsed.export, run_key: &parsed.run_key, window: None };
    let mut ids = Vec::new();
    for _ in 0..3 {
        let source = world.anew().source(&parsed.connection).await.unwrap();
        source.prepare(&order).await.unwrap();
        let landfall::contract::Submission::Accepted(id) = source.submit(&order).await.unwrap() else {
            panic!()
        };
        let landfall::contract::Found::Job(found) = source.find(&order).await.unwrap() else { panic!() };
        ids.extend([id, found]);
    }
    ids.dedup();
    assert_eq!((ids.len(), world.simulator.folio_starts()), (1, 1));
    assert_eq!(world.simulator.journal().count_of(Operation::UploadIds), 1);
    world.end().await;
}

/// Answers of all versions and of both gateways: words, numbers as texts, an object for a count, uploads that are
/// stored later, the bare object of the oldest documents.
#[tokio::test]
async fn dialects() {
    all(vec![
        ("version 3", json!({ "dialect": "v3" }), LANDS),
        ("version 3, SUCCESS", json!({ "dialect": "v3", "final_status": "SUCCESS" }), LANDS),
        ("version 4, stored after the answer", json!({ "dialect": "v4" }), LANDS),
        ("version 5 on Eureka", json!({ "platform": "eureka" }), LANDS),
        ("a bare job execution", json!({ "bare_execution": true }), LANDS),
    ])
    .await;
}

/// Statuses: what was accepted may fail, what has failed may name a file, what stands still is given up by its deadline.
#[tokio::test]
async fn statuses() {
    let stuck = json!({ "never_ends": true });
    all(vec![
        (
            "204, then FAIL",
            json!({ "export_is_invalid": true }),
            Fails("JobFailed", "only the default authority job profile", 1),
        ),
        (
            "FAIL with a provisional file",
            json!({ "storing_fails": true }),
            Fails("JobFailed", "no file was made", 1),
        ),
        ("stuck in progress", stuck, Fails("JobTimedOut", "still IN_PROGRESS", 1)),
        ("an unknown word", json!({ "final_status": "DONE" }), Fails("UnknownStatus", "DONE", 1)),
        (
            "with errors, and no entry in the log",
            json!({ "final_status": "COMPLETED_WITH_ERRORS" }),
            LANDS_PARTLY,
        ),
        ("polls unavailable", json!({ "executions": { "unavailable": 2 } }), LANDS),
        (
            "a login page for the start",
            outage("export", json!({ "login_page": "always" })),
            Fails("ContractBroken", "web page", 0),
        ),
        (
            "a login page for the definition",
            outage("create", json!({ "login_page": "always" })),
            Fails("ContractBroken", "web page", 0),
        ),
        (
            "a login page for the upload",
            outage("upload", json!({ "login_page": "always" })),
            Fails("ContractBroken", "web page", 0),
        ),
        (
            "a login page for what has been defined",
            json!({ "executions": { "login_page": "always" } }),
            Fails("ContractBroken", "web page", 0),
        ),
    ])
    .await;
}

/// `COMPLETED_WITH_ERRORS` lands as `partial`, its log beside the data and not among the records that are counted.
#[tokio::test]
async fn errors_land_beside_the_data() {
    let unknown_ids: Vec<String> = (0..7).map(id).collect();
    let folio = FolioScenario { unknown_ids, ..FolioScenario::default() };
    for (case, faults) in [
        ("version 5", json!({})),
        ("version 4", json!({ "dialect": "v4" })),
        ("logs unavailable", json!({ "logs": { "unavailable": 1 } })),
        ("no list of errors is lost", json!({ "logs": { "drop_connection": 1 } })),
    ] {
        let setup = Setup { scenario: scenario(folio.clone()), ..setup(faults) };
        let world = expect(case, setup, event(), LANDS_PARTLY).await;
        let manifest = world.manifests().await.pop_first().unwrap().1;
        assert_eq!(manifest.message.as_deref(), Some("18 of 25 records exported, 7 failed"), "{case}");
        assert_eq!(manifest.totals.rows, Some(18 + 7), "{case}");
        world.end().await;
    }
    let all_unknown = FolioScenario { unknown_ids: (0..25).map(id).collect(), ..FolioScenario::default() };
    let setup = Setup { scenario: scenario(all_unknown), ..Setup::default() };
    let failed = Fails("JobFailed", "25 × error.uuidsNotFound (no such record)", 1);
    expect("no record at all", setup, event(), failed).await.end().await;
}

/// Promise 5: a log that the user may not read is missing, and the manifest says so, and by which permission; the data lands.
#[tokio::test]
async fn a_log_that_may_not_be_read_is_a_warning() {
    let folio = FolioScenario { unknown_ids: vec![id(3)], ..FolioScenario::default() };
    for platform in ["okapi", "eureka"] {
        let faults = json!({ "platform": platform, "logs": { "forbidden": "always" } });
        let world = World::new(Setup { scenario: scenario(folio.clone()), ..setup(faults) }).await;
        land(&world.context, event()).await.unwrap();
        let manifest = world.manifests().await.pop_first().unwrap().1;
        assert_eq!((manifest.state, manifest.objects.len()), (JobState::Partial, 1), "{platform}");
        assert_eq!(manifest.totals.rows, Some(24), "{platform}");
        let [warning] = manifest.warnings.as_slice() else { panic!("{:?}", manifest.warnings) };
        assert!(warning.contains("data-export.logs.collection.get"), "{warning}");
        world.end().await;
    }
}

/// An id that comes twice is exported once, and FOLIO says so in the log of a job that it ends with errors.
#[tokio::test]
async fn an_id_twice_lands_once_and_in_the_log() {
    let twice = event_of(json!({ "ids": [id(1), id(2), id(1)] }));
    let world = expect("twice", setup(json!({})), twice, LANDS_PARTLY).await;
    let manifest = world.manifests().await.pop_first().unwrap().1;
    assert_eq!(manifest.totals.rows, Some(3), "two records and an entry of the log");
    let log = manifest.objects.iter().find(|object| object.file == "errors.ndjson").unwrap();
    let landed = String::from_utf8(world.landed().await.remove(&log.key).unwrap()).unwrap();
    assert!(landed.contains("error.duplicatedIds"), "{landed}");
    world.end().await;
}

/// A log of many pages lands whole; one that ends before its own count is an error.
#[tokio::test]
async fn a_long_log_lands_whole_or_not_at_all() {
    let many = event_of(json!({ "ids": (0..650).map(id).collect::<Vec<_>>() }));
    let folio = FolioScenario { unknown_ids: (0..500).map(id).collect(), ..FolioScenario::default() };
    let with = |faults: Value| Setup { scenario: scenario(folio.clone()), ..setup(faults) };
    expect("three pages", with(json!({})), many.clone(), LANDS_PARTLY).await.end().await;
    // Promise 5: how many entries there are is an estimate, and may be wrong either way.
    let more = event_of(json!({ "ids": (0..1300).map(id).collect::<Vec<_>>() }));
    let folio = FolioScenario { unknown_ids: (0..1200).map(id).collect(), ..FolioScenario::default() };
    for estimate in [300, 1187, 5200] {
        let faults = json!({ "dialect": "v4", "log_estimate": estimate });
        let setup = Setup { scenario: scenario(folio.clone()), ..setup(faults) };
        let world = expect("estimated", setup, more.clone(), LANDS_PARTLY).await;
        let manifest = world.manifests().await.pop_first().unwrap().1;
        let log = manifest.objects.iter().find(|object| object.file == "errors.ndjson").unwrap();
        assert_eq!(log.rows, Some(1200), "{estimate}");
        world.end().await;
    }
    let short = Fails("IntegrityError", "has 500 entries, and 200 were given", 1);
    expect("short", with(json!({ "log_is_short": true })), many, short).await.end().await;
}

/// Several slices come as one archive in Java's way, and every member lands.
#[tokio::test]
async fn slices_come_as_an_archive() {
    let sliced = || scenario(FolioScenario { slice_size: 4, ..FolioScenario::default() });
    let with = |faults: Value| Setup { scenario: sliced(), ..setup(faults) };
    let world = expect("seven slices", with(json!({})), event(), LANDS).await;
    let manifest = world.manifests().await.pop_first().unwrap().1;
    assert_eq!(
        (manifest.files[0].name.ends_with(".zip"), manifest.objects.len(), manifest.totals.rows),
        (true, 7, Some(25))
    );
    world.end().await;
    for (case, faults, outcome) in [
        (
            "a member leaves its folder",
            json!({ "output": { "archive": "traversal" } }),
            Fails("UnsafeArchive", "", 1),
        ),
        (
            "two members of one name",
            json!({ "output": { "archive": "duplicate_names" } }),
            Fails("UnsafeArchive", "", 1),
        ),
        (
            "a record lost in the last slice",
            json!({ "output": { "loses_a_record": true } }),
            Fails("IntegrityError", "counts 25 rows or records, but 24 have landed", 1),
        ),
        (
            "a broken record in a member",
            json!({ "output": { "damage": "wrong_length" } }),
            Fails("IntegrityError", "MARC record 1", 1),
        ),
        ("cut in the middle", json!({ "storage": { "cut": 1 } }), LANDS),
    ] {
        expect(case, with(faults), event(), outcome).await.end().await;
    }
}

/// Promises 2 and 5: a file with a broken record does not land unless the destination says so; then it lands as it is, also
/// where it has failed before, and the manifest says which records are broken. FOLIO counts them.
#[tokio::test]
async fn broken_records_land_where_the_destination_says_so() {
    for sliced in [false, true] {
        let faults = setup(json!({ "output": { "damage": "wrong_length" } }));
        let slice_size = if sliced { 4 } else { FolioScenario::default().slice_size };
        let scenario = scenario(FolioScenario { slice_size, ..FolioScenario::default() });
        let world = World::new(Setup { scenario, ..faults }).await;
        let refused = land(&world.context, event()).await.unwrap_err().line();
        assert!(refused.contains("on_broken_record = \"land_and_list\""), "{refused}");
        let otherwise = world.configured_otherwise("on_broken_record = \"land_and_list\"");
        land(&otherwise, event()).await.unwrap();
        let manifest = world.manifests().await.pop_first().unwrap().1;
        assert_eq!(manifest.totals.rows, Some(24));
        let last = manifest.objects.last().unwrap();
        let broken = last.broken_records.as_deref().unwrap();
        assert_eq!((broken.count, broken.first.len()), (1, 1));
        assert_eq!(broken.first[0].record, last.rows.unwrap() + 1);
        assert!(broken.first[0].reason.contains("its leader says"), "{}", broken.first[0].reason);
        let [warning] = manifest.warnings.as_slice() else { panic!("{:?}", manifest.warnings) };
        assert!(warning.contains("1 of them, in 1 of the objects"), "{warning}");
        let job = &world.simulator.folio_jobs()[0];
        let member = job.file.as_ref().unwrap().members.last().unwrap();
        assert!(world.landed().await[&last.key] == std::fs::read(&member.path).unwrap());
        world.end().await;
    }
}

/// The export may say so, too.
#[tokio::test]
async fn broken_records_land_where_the_export_says_so() {
    let world = World::new(setup(json!({ "output": { "damage": "no_terminator" } }))).await;
    let mut event = event();
    event["export"]["on_broken_record"] = json!("land_and_list");
    land(&world.context, event).await.unwrap();
    let manifest = world.manifests().await.pop_first().unwrap().1;
    assert_eq!(manifest.objects[0].broken_records.as_deref().unwrap().count, 1);
    world.end().await;
}

/// Promise 5: a file is read record by record, and held against FOLIO's count.
#[tokio::test]
async fn records_are_checked() {
    let damage = |damage: &str| json!({ "output": { "damage": damage } });
    let lost = json!({ "output": { "loses_a_record": true } });
    let v4 = |faults: Value| {
        let mut faults = faults;
        faults["dialect"] = json!("v4");
        faults
    };
    all(vec![
        ("a wrong length", damage("wrong_length"), Fails("IntegrityError", "MARC record 25", 1)),
        ("no terminator", damage("no_terminator"), Fails("IntegrityError", "do not end", 1)),
        (
            "the file ends early",
            damage("cut"),
            Fails("IntegrityError", "the file ends in the middle of it", 1),
        ),
        (
            "a record is missing",
            lost.clone(),
            Fails("IntegrityError", "counts 25 rows or records, but 24 have landed", 1),
        ),
        (
            "a wrong length, version 4",
            v4(damage("wrong_length")),
            Fails("IntegrityError", "MARC record 25", 1),
        ),
    ])
    .await;
    // What version 4 counts is not known to be records: its count is no judge, and a difference is told.
    let world = expect("a record is missing, version 4", setup(v4(lost)), event(), LANDS).await;
    let manifest = world.manifests().await.pop_first().unwrap().1;
    let [warning] = manifest.warnings.as_slice() else { panic!("{:?}", manifest.warnings) };
    assert!(warning.contains("counts 25 rows or records, but 24 have landed"), "{warning}");
    world.end().await;
    let world = expect("version 4", setup(v4(json!({}))), event(), LANDS).await;
    assert!(world.manifests().await.pop_first().unwrap().1.warnings.is_empty());
    world.end().await;
}

/// Links are fresh for every attempt, lead to another origin, and carry no header of ours; a download goes on by the
/// next link where one has expired.
#[tokio::test]
async fn links_and_storage() {
    let storage = |switch: Value| json!({ "storage": switch });
    all(vec![
        ("expired already", json!({ "expired_links": 1 }), LANDS),
        ("expired for ever", json!({ "expired_links": "always" }), Fails("AuthRejected", "clocks", 1)),
        ("cut in the middle", storage(json!({ "cut": 2 })), LANDS),
        ("cut, and the link expires meanwhile", storage(json!({ "cut_and_expire": 1 })), LANDS),
        ("cut, and ranges are ignored", storage(json!({ "cut": 1, "ignores_range": true })), LANDS),
        ("storage unavailable", storage(json!({ "outage": { "unavailable": 2 } })), LANDS),
        ("storage drops", storage(json!({ "outage": { "drop_connection": 2 } })), LANDS),
        ("no such object", storage(json!({ "missing": true })), Fails("NotFound", "leads to no object", 1)),
        ("a login page", storage(json!({ "login_page": true })), Fails("ContractBroken", "web page", 1)),
        ("no link for now", json!({ "link": { "unavailable": 1 } }), LANDS),
        (
            "another host",
            json!({ "link_host": "http://127.0.0.1:9" }),
            Fails("ContractBroken", "storage_hosts", 1),
        ),
        (
            "plain http to a strange host",
            json!({ "link_host": "http://minio.example" }),
            Fails("ContractBroken", "storage_hosts", 1),
        ),
        (
            "a metadata service",
            json!({ "link_host": "http://169.254.169.254" }),
            Fails("ContractBroken", "storage_hosts", 1),
        ),
        (
            "the profile is deleted",
            json!({ "profile_is_deleted": true }),
            Fails("ContractBroken", "job profile deleted", 1),
        ),
    ])
    .await;
}

/// A download that lasts longer than a link is resumed by a process that comes later, with a link of its own.
#[tokio::test]
async fn no_link_is_kept() {
    let world = expect("kept", setup(json!({})), event(), LANDS).await;
    for (key, bytes) in landfall_tests::objects(&world.work().await).await {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("X-Amz-") && !text.contains("folio-exports"), "{key} holds a link");
        assert!(!text.contains(credentials::FOLIO_PASSWORD), "{key} holds a password");
    }
    world.end().await;
}

/// Ids from an object of the work bucket, cleaned of what FOLIO would count as failed records.
#[tokio::test]
async fn ids_from_an_object() {
    let lists = [
        ("plain", (0..25).map(|number| format!("{}\n", id(number))).collect::<String>()),
        (
            "a byte order mark, a header, quotes, blank lines, no last line break",
            format!(
                "\u{feff}uuid\r\n{}",
                (0..25).map(|number| format!("\"{}\" \r\n\r\n", id(number))).collect::<String>().trim_end()
            ),
        ),
    ];
    for (case, list) in lists {
        let world = World::new(setup(json!({}))).await;
        put_input(&world, "inputs/ids.csv", &list).await;
        land_as_retried(&world, event_of(json!({ "object": "inputs/ids.csv" }))).await.unwrap();
        assert_landed(&world, JobState::Succeeded, case).await;
        world.end().await;
    }
    for (case, list, said) in [
        ("no id", "uuid\n", "holds no id"),
        (
            "a line that is none",
            "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a\nnot-a-uuid\n",
            "line 2 holds \"not-a-uuid\"",
        ),
    ] {
        let world = World::new(setup(json!({}))).await;
        put_input(&world, "inputs/ids.csv", list).await;
        let error = land(&world.context, event_of(json!({ "object": "inputs/ids.csv" }))).await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent", "{case}");
        assert!(error.line().contains(said), "{case}: {}", error.line());
        assert_eq!(world.simulator.journal().requests().len(), 0, "{case}: FOLIO was called");
        world.end().await;
    }
    let missing = event_of(json!({ "object": "inputs/none" }));
    expect("missing", setup(json!({})), missing, Fails("InvalidEvent", "inputs/none is not in work", 0))
        .await
        .end()
        .await;
}

async fn put_input(world: &World, key: &str, text: &str) {
    let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
    world.work().await.put(key, bytes, landfall_store::Condition::Always).await.unwrap();
}

/// A query instead of ids; one that FOLIO cannot read fails the job with its reason.
#[tokio::test]
async fn records_by_a_query() {
    let cql = |query: &str| event_of(json!({ "cql": query }));
    expect("a query", setup(json!({})), cql("keyword all \"nod\""), LANDS).await.end().await;
    let failed = Fails("JobFailed", "the CQL query cannot be read", 1);
    expect("malformed", setup(json!({})), cql("keyword all ((nod"), failed).await.end().await;
}

/// Linked data comes as JSON lines in a `.json`, which lands as it is and whose lines are held against FOLIO's count.
#[tokio::test]
async fn linked_data_lands_as_it_is() {
    let mut event = event();
    event["export"]["profile"] = json!("Linked data export job profile");
    event["export"]["record_type"] = json!("linked_data");
    for (case, slice_size, objects) in [("one file", 100_000, 1), ("an archive of slices", 4, 7)] {
        let sliced = |slice_size| scenario(FolioScenario { slice_size, ..FolioScenario::default() });
        let with = Setup { scenario: sliced(slice_size), ..setup(json!({})) };
        let world = expect(case, with, event.clone(), LANDS).await;
        let request = &world.simulator.folio_jobs()[0].request;
        assert_eq!((&request["recordType"], &request["idType"]), (&json!("LINKED_DATA"), &json!("instance")));
        let manifest = world.manifests().await.pop_first().unwrap().1;
        assert_eq!((manifest.objects.len(), manifest.totals.rows), (objects, Some(25)), "{case}");
        world.end().await;
        let setup = setup(json!({ "output": { "loses_a_record": true } }));
        let lost = Fails("IntegrityError", "counts 25 rows or records, but 24 have landed", 1);
        expect(case, Setup { scenario: sliced(slice_size), ..setup }, event.clone(), lost).await.end().await;
    }
}

/// Kong takes bodies of 1 MB unless told otherwise, and says so in HTML: what to do about it is said.
#[tokio::test]
async fn a_gateway_that_takes_no_large_body_is_named() {
    let faults = json!({ "platform": "eureka", "gateway_takes": 500 });
    let refused = Fails("LimitExceeded", "client_max_body_size", 0);
    expect("413", setup(faults), event(), refused).await.end().await;
}

/// A job that somebody else started lands too, by its id.
#[tokio::test]
async fn a_job_of_somebody_else_lands() {
    let world = expect("first", setup(json!({})), event(), LANDS).await;
    let job = world.simulator.folio_jobs()[0].id.clone();
    let before = world.landed().await;
    // Another pipeline, which has never heard of the job.
    let work = world.work().await;
    for key in landfall_tests::objects(&work).await.into_keys() {
        work.delete(&key).await.unwrap();
    }
    let event = json!({ "connection": "folio-demo", "job_request_id": job, "destination": "lake" });
    resume(&world.anew(), event.clone()).await.unwrap();
    assert_eq!(world.landed().await.len(), before.len());
    let unknown = json!({ "connection": "folio-demo", "job_request_id": id(1), "destination": "lake" });
    let error = resume(&world.anew(), unknown).await.unwrap_err();
    assert_eq!(error.error_type().name(), "NotFound", "{}", error.line());
    world.end().await;
}

/// Promise 4: the same run of the same installation in another world of the same seed lands the same bytes.
#[tokio::test]
async fn the_same_run_lands_the_same_bytes() {
    let at = "2026-11-21T06:00:00Z".parse().ok();
    let unknown_ids = vec![id(3)];
    let folio = FolioScenario { slice_size: 10, unknown_ids, ..FolioScenario::default() };
    let key = keys::INSTALLATION;
    let (mut landed, mut installation) = (Vec::new(), None);
    for _ in 0..2 {
        let setup = Setup { scenario: scenario(folio.clone()), at, ..setup(json!({})) };
        let world = World::new(setup).await;
        let work = world.work().await;
        if let Some(installation) = installation.take() {
            work.put(key, installation, Condition::Always).await.unwrap();
        }
        land(&world.anew(), event()).await.unwrap();
        landed.push(world.landed().await);
        installation = landfall_tests::objects(&work).await.remove(key).map(Into::into);
        world.end().await;
    }
    assert!(landed[0] == landed[1]);
}
