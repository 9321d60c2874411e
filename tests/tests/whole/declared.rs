//! Whole runs of systems that are described in a file: what their documents and their users know of traps, each with the
//! outcome that the promises ask for.

use landfall::job::JobState;
use landfall_tests::{Setup, World, assert_failed, land, land_as_retried, resume};
use serde_json::{Value, json};
use simulator::{FhirScenario, Operation, SalesforceScenario, Scenario, SpApiScenario, credentials};

fn fhir_event() -> Value {
    json!({
        "connection": "fhir-demo",
        "export": {
            "kind": "declared", "system": "fhir-bulk", "name": "patients",
            "with": { "operation": "Group/42/$export", "types": ["Patient", "Observation"] },
        },
        "destination": "lake",
        "run_key": "patients-2026-11-21T06:00"
    })
}

fn reports_event() -> Value {
    json!({
        "connection": "sp-api-demo",
        "export": {
            "kind": "declared", "system": "sp-api-reports", "name": "listings",
            "with": {
                "report": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaces": ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"],
                "options": { "custom": "true" },
            },
            "window": { "from": "2026-11-01T00:00:00Z", "until": "2026-11-21T00:00:00Z" },
        },
        "destination": "lake",
        "run_key": "listings-2026-11-21T06:00"
    })
}

/// What a run must come to.
pub(crate) enum Outcome {
    /// Everything has landed, from one job, in this state.
    Lands(JobState),
    /// The run fails with this error's name and a message that holds this text, nothing has landed, and so many jobs were
    /// made.
    Fails(&'static str, &'static str, usize),
}

use Outcome::Fails;

pub(crate) const LANDS: Outcome = Outcome::Lands(JobState::Succeeded);

pub(crate) async fn expect(
    case: &str,
    setup: Setup,
    event: Value,
    jobs: fn(&World) -> usize,
    landed: fn(&World) -> Vec<Vec<u8>>,
    outcome: Outcome,
) -> World {
    let world = World::new(setup).await;
    let came = land_as_retried(&world, event).await;
    match outcome {
        Outcome::Lands(state) => {
            if let Err(error) = came {
                panic!("{case}: {}: {}", error.error_type().name(), error.line());
            }
            assert_eq!(jobs(&world), 1, "{case}: jobs");
            let manifests = world.manifests().await;
            let (key, manifest) =
                manifests.first_key_value().unwrap_or_else(|| panic!("{case}: no manifest"));
            assert_eq!(manifest.state, state, "{case}");
            let mut found = world.landed().await;
            found.remove(key);
            let expected = landed(&world);
            assert_eq!(manifest.objects.len(), expected.len(), "{case}: objects");
            for (object, bytes) in std::iter::zip(&manifest.objects, &expected) {
                let held = found
                    .remove(&object.key)
                    .unwrap_or_else(|| panic!("{case}: {} is not there", object.key));
                assert!(held == *bytes, "{case}: {} holds other bytes than the source made", object.key);
            }
            assert!(found.is_empty(), "{case}: landed, and in no manifest: {:?}", found.keys());
        }
        Fails(name, text, made) => {
            let secrets = [credentials::CLIENT_SECRET, "X-Amz-Signature", "signature="];
            assert_failed(came, (name, text), &secrets, case);
            assert_eq!(jobs(&world), made, "{case}: jobs");
            assert!(world.manifests().await.is_empty(), "{case}: landed nonetheless");
        }
    }
    assert_eq!(world.unfinished_uploads().await, 0, "{case}: unfinished uploads");
    world
}

fn fhir_jobs(world: &World) -> usize {
    world.simulator.fhir_jobs().len()
}

/// Every file of the export, in the order of its manifest.
fn fhir_landed(world: &World) -> Vec<Vec<u8>> {
    let id = world.simulator.fhir_jobs()[0].id;
    world.simulator.fhir_files(id).into_iter().map(|file| file.bytes).collect()
}

async fn expect_fhir(case: &str, faults: Value, fhir: FhirScenario, outcome: Outcome) {
    let scenario = Some(Scenario { fhir, ..landfall_tests::small_scenario() });
    let setup = Setup { faults: json!({ "fhir": faults }), scenario, one_clock: true, ..Setup::default() };
    expect(case, setup, fhir_event(), fhir_jobs, fhir_landed, outcome).await.end().await;
}

/// The undisturbed run, and the second one, which changes nothing and asks nothing.
#[tokio::test]
async fn an_undisturbed_export_lands_and_a_second_one_changes_nothing() {
    let setup = Setup { scenario: Some(landfall_tests::small_scenario()), ..Setup::default() };
    let world = expect("undisturbed", setup, fhir_event(), fhir_jobs, fhir_landed, LANDS).await;
    let before = world.landed().await;
    let asked = world.simulator.journal().requests().len();
    assert!(land(&world.anew(), fhir_event()).await.unwrap().already_published);
    assert_eq!(world.landed().await, before);
    assert_eq!(world.simulator.journal().requests().len(), asked, "the server was asked again");
    let request = &world.simulator.fhir_jobs()[0].request;
    assert_eq!(request, "/fhir/Group/42/$export?_type=Patient%2CObservation");
    let manifests = world.manifests().await;
    let manifest = manifests.values().next().unwrap();
    let names: Vec<&str> = manifest.objects.iter().map(|object| object.file.as_str()).collect();
    assert_eq!(
        names,
        [
            "Patient.00000.ndjson",
            "Patient.00001.ndjson",
            "Observation.00002.ndjson",
            "Observation.00003.ndjson"
        ]
    );
    assert!(manifest.objects.iter().all(|object| object.rows == Some(200)));
    world.end().await;
}

/// Promise 1: a kick-off whose answer is lost is settled by a person, and never followed by a second one.
#[tokio::test]
async fn a_lost_kick_off_is_for_a_person() {
    for (case, faults) in [
        ("dropped", json!({ "kick_off": { "accept_then_drop": 1 } })),
        ("a gateway's time-out", json!({ "kick_off": { "accept_then_gateway_timeout": 1 } })),
        ("no Content-Location", json!({ "kick_off": { "no_location": 1 } })),
        ("an id that is huge", json!({ "kick_off": { "long_id": 200 } })),
    ] {
        let outcome = Fails("Conflict", "ask whoever runs the FHIR server", 1);
        expect_fhir(case, faults, FhirScenario::default(), outcome).await;
    }
    let throttled =
        json!({ "kick_off": { "outage": { "throttle": { "times": 1, "retry_after_seconds": 2 } } } });
    expect_fhir("turned away", throttled, FhirScenario::default(), LANDS).await;
}

/// Promise 2: a job of which only the id is known is gone on with, though nothing was kept of its submission.
#[tokio::test]
async fn a_job_is_gone_on_with_from_its_id_alone() {
    let faults = json!({ "fhir": { "kick_off": { "accept_then_drop": 1 } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    land_as_retried(&world, fhir_event()).await.unwrap_err();
    let id = world.simulator.fhir_jobs()[0].id;
    let job = json!({ "connection": "fhir-demo", "job_request_id": id.to_string(), "destination": "lake" });
    resume(&world.anew(), job).await.unwrap();
    assert_eq!(fhir_jobs(&world), 1);
    assert_eq!(world.manifests().await.len(), 1);
    world.end().await;
}

/// Promise 5: what a poll says is what the job is, and what no table names is never success.
#[tokio::test]
async fn the_status_is_what_the_server_says() {
    let whole = FhirScenario::default;
    expect_fhir("transient errors", json!({ "status": { "transient": 2 } }), whole(), LANDS).await;
    expect_fhir(
        "throttled",
        json!({ "status": { "outage": { "throttle": { "times": 2, "retry_after_seconds": 1 } } } }),
        whole(),
        LANDS,
    )
    .await;
    expect_fhir(
        "401 in the middle",
        json!({ "status": { "outage": { "unauthorized": 1 } } }),
        whole(),
        LANDS,
    )
    .await;
    let fails = Fails("JobFailed", "a resource cannot be read", 1);
    expect_fhir("failed", json!({ "status": { "fails": true } }), whole(), fails).await;
    let unknown = Fails("UnknownStatus", "206", 1);
    expect_fhir("an unknown status", json!({ "status": { "unknown_status": true } }), whole(), unknown).await;
    let page = Fails("JobTimedOut", "web page", 1);
    expect_fhir("a login page", json!({ "status": { "outage": { "login_page": "always" } } }), whole(), page)
        .await;
    let none = Fails("ContractBroken", "the answer has none where they should be", 1);
    expect_fhir("no manifest", json!({ "status": { "outcome_for_manifest": true } }), whole(), none).await;
    let late = Fails("JobTimedOut", "202", 1);
    expect_fhir("never ends", json!({ "status": { "never_ends": true } }), whole(), late).await;
}

/// Promise 5: all that a manifest lists lands, on however many pages; what it counts is held against what came.
#[tokio::test]
async fn a_manifest_is_read_to_its_end() {
    let pages = FhirScenario { files_per_page: 1, files_per_type: 3, ..FhirScenario::default() };
    expect_fhir("pages", json!({}), pages.clone(), LANDS).await;
    let partial = FhirScenario { error_files: 2, deleted: true, ..FhirScenario::default() };
    expect_fhir("errors and deletions", json!({}), partial, Outcome::Lands(JobState::Partial)).await;
    // What went wrong is on the last page alone.
    let on_pages = FhirScenario { error_files: 1, files_per_page: 2, ..FhirScenario::default() };
    expect_fhir("errors on a later page", json!({}), on_pages.clone(), Outcome::Lands(JobState::Partial))
        .await;
    let counts = json!({ "status": { "wrong_counts": true } });
    expect_fhir("wrong counts, on pages", counts, on_pages, Fails("IntegrityError", "rows", 1)).await;
    let empty = FhirScenario { files_per_type: 0, ..FhirScenario::default() };
    expect_fhir("nothing", json!({}), empty, Outcome::Lands(JobState::Empty)).await;
    let circle = Fails("ContractBroken", "in a circle", 1);
    expect_fhir("a circle", json!({ "status": { "circle": true } }), pages.clone(), circle).await;
    let host = json!({ "status": { "next_host": "https://elsewhere.example.com" } });
    expect_fhir("a page elsewhere", host, pages, Fails("ContractBroken", "elsewhere.example.com", 1)).await;
    let counts = json!({ "status": { "wrong_counts": true } });
    expect_fhir("wrong counts", counts, FhirScenario::default(), Fails("IntegrityError", "rows", 1)).await;
}

/// Files: by closed and by open links, broken bodies, errors in the place of files, hosts that are not allowed.
#[tokio::test]
async fn files_land_by_whatever_link() {
    let whole = FhirScenario::default;
    for (case, faults, outcome) in [
        ("open links", json!({ "files": { "open_links": true } }), LANDS),
        (
            "an open link that has expired",
            json!({ "files": { "open_links": true, "expired_links": 1 } }),
            LANDS,
        ),
        (
            "a list in another order",
            json!({ "files": { "open_links": true, "expired_links": 1 }, "status": { "reversed": true } }),
            LANDS,
        ),
        ("no length", json!({ "files": { "no_content_length": true } }), LANDS),
        ("cut", json!({ "files": { "cut": 1 } }), LANDS),
        ("unavailable", json!({ "files": { "outage": { "unavailable": 2 } } }), LANDS),
        ("revoked", json!({ "files": { "outage": { "unauthorized": 1 } } }), LANDS),
        (
            "an error for a file",
            json!({ "files": { "outcome_for_file": "always" } }),
            Fails("ContractBroken", "begins as an error", 1),
        ),
        ("expired", json!({ "files": { "expired": true } }), Fails("NotFound", "is gone", 1)),
        (
            "another host",
            json!({ "files": { "host": "https://elsewhere.example.com" } }),
            Fails("ContractBroken", "http.allowed_hosts", 1),
        ),
        (
            "the metadata service",
            json!({ "files": { "host": "http://169.254.169.254", "open_links": true } }),
            Fails("ContractBroken", "169.254.169.254", 1),
        ),
    ] {
        expect_fhir(case, faults, whole(), outcome).await;
    }
}

/// Promise 7: a link that opens a file by itself is kept nowhere, and a file that needs credentials gets them alone.
#[tokio::test]
async fn an_open_link_is_kept_nowhere() {
    let faults = json!({ "fhir": { "files": { "open_links": true } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    land_as_retried(&world, fhir_event()).await.unwrap();
    let kept = landfall_tests::objects(&world.work().await).await;
    let has_it = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("signature=");
    assert!(kept.iter().filter(|(key, _)| key.ends_with(".json")).all(|(_, bytes)| !has_it(bytes)));
    // One look at the list serves all files of a moment.
    let polls = world.simulator.journal().count_of(Operation::JobStatus);
    assert!(polls <= 6, "{polls} looks at the manifest for four files");
    world.end().await;
}

/// An increment asks for what has changed since the last one that landed.
#[tokio::test]
async fn increments_follow_each_other() {
    let world = World::new(Setup { one_clock: true, ..Setup::default() }).await;
    for (run, hours) in [("first", 0_u64), ("second", 6)] {
        world.pass(std::time::Duration::from_secs(3600 * hours));
        let mut event = fhir_event();
        event["export"]["incremental"] = json!({});
        event["run_key"] = json!(run);
        land_as_retried(&world, event).await.unwrap();
    }
    let requests: Vec<String> = world.simulator.fhir_jobs().into_iter().map(|job| job.request).collect();
    assert!(!requests[0].contains("_since") && requests[1].contains("?_since=20"), "{requests:?}");
    world.end().await;
}

/// Bad input: an event that does not fit the description is refused before anything is called, all of it at once.
#[tokio::test]
async fn an_event_that_does_not_fit_is_refused() {
    let world = World::new(Setup::default()).await;
    for (change, said) in [
        (json!({ "with": { "typs": ["Patient"] } }), "with.typs: unknown, expected one of: elements"),
        (
            json!({ "with": { "types": "Patient", "operation": "../x" } }),
            "with.operation: it is to be a path",
        ),
        (json!({ "system": "sp-api-reports" }), "the system here is fhir-bulk"),
        (json!({ "name": " " }), "export.name"),
        (
            json!({ "window": { "from": "2026-11-21T00:00:00Z", "until": "2026-11-01T00:00:00Z" } }),
            "end after it begins",
        ),
    ] {
        let mut event = fhir_event();
        for (field, value) in change.as_object().unwrap() {
            event["export"][field] = value.clone();
        }
        let error = land(&world.context, event).await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent", "{}", error.line());
        assert!(error.line().contains(said), "{}", error.line());
    }
    assert!(world.simulator.journal().requests().is_empty());
    world.end().await;
}

fn reports(world: &World) -> usize {
    world.simulator.sp_api_jobs().len()
}

fn reports_landed(world: &World) -> Vec<Vec<u8>> {
    let id = world.simulator.sp_api_jobs()[0].id;
    vec![world.simulator.sp_api_document(id).unwrap()]
}

async fn expect_report(case: &str, faults: Value, sp_api: SpApiScenario, outcome: Outcome) -> World {
    let scenario = Some(Scenario { sp_api, ..landfall_tests::small_scenario() });
    let setup = Setup { faults: json!({ "sp_api": faults }), scenario, one_clock: true, ..Setup::default() };
    expect(case, setup, reports_event(), reports, reports_landed, outcome).await
}

/// The request is what Amazon's contract takes, and the document lands as it is, under a name that says how it is written.
#[tokio::test]
async fn a_report_lands() {
    for (gzip, name) in
        [(false, "GET_MERCHANT_LISTINGS_ALL_DATA.txt"), (true, "GET_MERCHANT_LISTINGS_ALL_DATA.txt.gz")]
    {
        let scenario = SpApiScenario { gzip, ..SpApiScenario::default() };
        let world = expect_report(name, json!({}), scenario, LANDS).await;
        assert_eq!(
            Value::Object(world.simulator.sp_api_jobs()[0].request.clone()),
            json!({
                "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA",
                "marketplaceIds": ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"],
                "reportOptions": { "custom": "true" },
                "dataStartTime": "2026-11-01T00:00:00Z",
                "dataEndTime": "2026-11-21T00:00:00Z",
            })
        );
        let manifests = world.manifests().await;
        assert_eq!(manifests.values().next().unwrap().objects[0].file, name);
        world.end().await;
    }
}

/// Promise 1: a report whose answer was lost is found in the list, over all of its pages, and is not asked for again.
#[tokio::test]
async fn a_lost_report_is_found_in_the_list() {
    for (case, faults) in [
        ("dropped", json!({ "create_then_drop": 1 })),
        ("unavailable", json!({ "create_then_unavailable": 1 })),
        ("listed late", json!({ "create_then_drop": 1, "unlisted": 2 })),
        ("turned away", json!({ "create": { "throttle": { "times": 1, "retry_after_seconds": 1 } } })),
    ] {
        expect_report(case, faults, SpApiScenario::default(), LANDS).await.end().await;
    }
    let circle = json!({ "create_then_drop": 1, "circle": true });
    let fails = Fails("ContractBroken", "in a circle", 1);
    expect_report("a list without end", circle, SpApiScenario::default(), fails).await.end().await;
}

/// Promise 1: of other reports in the list, by other programs and of other times, none is taken for the run's.
#[tokio::test]
async fn another_report_is_not_taken_for_the_runs() {
    let faults = json!({ "sp_api": { "create_then_drop": 1 } });
    let sp_api = SpApiScenario { reports_per_page: 1, ..SpApiScenario::default() };
    let scenario = Some(Scenario { sp_api, ..landfall_tests::small_scenario() });
    let world = World::new(Setup { faults, scenario, one_clock: true, ..Setup::default() }).await;
    let of_another_time = json!({
        "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["ATVPDKIKX0DER"],
        "dataStartTime": "2026-10-01T00:00:00Z", "dataEndTime": "2026-10-21T00:00:00Z",
    });
    for _ in 0..3 {
        world.simulator.sp_api_report_of_others(of_another_time.as_object().unwrap().clone()).unwrap();
    }
    land_as_retried(&world, reports_event()).await.unwrap();
    let ours = world.simulator.sp_api_jobs();
    assert_eq!(ours.len(), 4);
    assert_eq!(
        world.manifests().await.values().next().unwrap().job_request_id.as_str(),
        ours[3].id.to_string()
    );
    world.end().await;
}

/// Promise 1: two reports that may both be the run's are for a person to tell apart.
#[tokio::test]
async fn two_reports_that_are_alike_are_for_a_person() {
    let faults = json!({ "sp_api": { "create_then_drop": 1 } });
    let world = World::new(Setup { faults, one_clock: true, ..Setup::default() }).await;
    let alike = json!({
        "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["ATVPDKIKX0DER"],
        "dataStartTime": "2026-11-01T00:00:00Z", "dataEndTime": "2026-11-21T00:00:00Z",
    });
    world.simulator.sp_api_report_of_others(alike.as_object().unwrap().clone()).unwrap();
    let came = land_as_retried(&world, reports_event()).await;
    assert_failed(came, ("Conflict", "look there which it is"), &[credentials::CLIENT_SECRET], "alike");
    assert_eq!(reports(&world), 2);
    world.end().await;
}

/// Statuses and documents: no word but the table's, no data that is none, no link that is kept.
#[tokio::test]
async fn a_report_is_what_amazon_says_of_it() {
    for (case, faults, outcome) in [
        ("fatal", json!({ "final_status": "FATAL" }), Fails("JobFailed", "FATAL", 1)),
        ("cancelled", json!({ "final_status": "CANCELLED" }), Fails("JobFailed", "CANCELLED", 1)),
        ("unknown", json!({ "final_status": "DONE_WITH_CARE" }), Fails("UnknownStatus", "DONE_WITH_CARE", 1)),
        ("no document", json!({ "no_document": true }), Fails("ContractBroken", "the files", 1)),
        ("an expired link", json!({ "expired_links": 1 }), LANDS),
        ("a link that expires under way", json!({ "cut_and_expire": 1 }), LANDS),
        (
            "links that have always expired",
            json!({ "expired_links": "always" }),
            Fails("AuthRejected", "403", 1),
        ),
        (
            "a link to another host",
            json!({ "link_host": "https://elsewhere.example.com" }),
            Fails("ContractBroken", "*.amazonaws.com", 1),
        ),
        ("unavailable", json!({ "status": { "unavailable": 2 }, "document": { "unavailable": 1 } }), LANDS),
    ] {
        expect_report(case, faults, SpApiScenario::default(), outcome).await.end().await;
    }
    // The source calls a report without data cancelled, which the event allows.
    let faults = json!({ "sp_api": { "final_status": "CANCELLED" } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let mut event = reports_event();
    event["export"]["allow_empty"] = json!(true);
    land_as_retried(&world, event).await.unwrap();
    assert_eq!(world.manifests().await.values().next().unwrap().state, JobState::Empty);
    world.end().await;
}

/// A description of one's own runs as those do that come with landfall: by the connection's own text.
#[tokio::test]
async fn a_description_of_ones_own_is_run() {
    let text =
        landfall_systems::declared::builtin::text("fhir-bulk").unwrap().replace("fhir-bulk", "our-fhir");
    let world = World::new(Setup::default()).await;
    let own = |text: &str| our_fhir(&world, "description", text);
    let context = world.configured_anew(|config| format!("{config}\n{}", own(&text)));
    land(&context, our_fhir_event("first")).await.unwrap();
    assert_eq!(world.manifests().await.len(), 1);
    let bad = world.configured_anew(|config| format!("{config}\n{}", own(&text.replace("means", "meens"))));
    let error = land(&bad, our_fhir_event("first")).await.unwrap_err();
    assert_eq!(error.error_type().name(), "InvalidConfig");
    assert!(error.line().contains("did you mean means?"), "{}", error.line());
    world.end().await;
}

/// The connection `our-fhir`, whose description is where this key says.
fn our_fhir(world: &World, key: &str, value: &str) -> String {
    let known = simulator::SYSTEMS.iter().find(|system| system.connection_name == "fhir-demo").unwrap();
    let mut connection = known.connection(world.simulator.endpoints());
    connection["system"] = json!("our-fhir");
    connection[key] = json!(value);
    toml::to_string(&json!({ "connections": { "our-fhir": connection } })).unwrap()
}

fn our_fhir_event(run_key: &str) -> Value {
    let mut event = fhir_event();
    event["connection"] = json!("our-fhir");
    event["export"]["system"] = json!("our-fhir");
    event["run_key"] = json!(run_key);
    event
}

/// Promise 2: a description in the work bucket is read there by every step; a change meets the runs that begin after it,
/// in the same process too, and neither mistakes in it nor its absence stop a job that runs.
#[tokio::test]
async fn a_description_in_the_work_bucket_is_run() {
    const KEY: &str = "systems/hospital/our-fhir.toml";
    let text =
        landfall_systems::declared::builtin::text("fhir-bulk").unwrap().replace("fhir-bulk", "our-fhir");
    let world = World::new(Setup::default()).await;
    let table = our_fhir(&world, "description_object", KEY.trim_start_matches("systems/"));
    let context = world.configured_anew(|config| format!("{config}\n{table}"));
    let put = async |text: String| {
        world.work().await.put(KEY, text.into(), landfall_store::Condition::Always).await.unwrap();
    };
    let refused = async |run_key: &str, said: &str| {
        let error = land(&context, our_fhir_event(run_key)).await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidConfig", "{}", error.line());
        assert!(error.line().contains(said), "{}", error.line());
    };
    refused("first", "the work bucket has no object systems/hospital/our-fhir.toml").await;
    put(text.replace("means", "meens")).await;
    refused("first", "did you mean means?").await;
    put(text.replace("our-fhir", "their-fhir")).await;
    refused("first", "the description is called \"their-fhir\"").await;
    put(text.clone()).await;
    land(&context, our_fhir_event("first")).await.unwrap();
    // The next run has another description; the one after it is of a job that began by this one.
    put(text.replace("{type}.{ordinal}.ndjson", "changed-{ordinal}.ndjson")).await;
    land(&context, our_fhir_event("second")).await.unwrap();
    let event: landfall::event::RunEvent = landfall::event::parse(our_fhir_event("third")).unwrap();
    let submitted =
        submit::submit(&context, event, &landfall::clock::Deadline::none(world.clock.clone())).await.unwrap();
    put("not TOML = ".to_owned()).await;
    let job = json!({ "connection": "our-fhir", "job_request_id": submitted.job_request_id });
    resume(&context, job).await.unwrap();
    let mut names: Vec<String> =
        world.manifests().await.values().map(|manifest| manifest.objects[0].file.clone()).collect();
    names.sort();
    assert_eq!(names, ["Patient.00000.ndjson", "changed-00000.ndjson", "changed-00000.ndjson"]);
    let outside = our_fhir(&world, "description_object", "../jobs/x.toml");
    let outside = world.configured_anew(|config| format!("{config}\n{outside}"));
    let error = land(&outside, our_fhir_event("fourth")).await.unwrap_err();
    assert!(error.line().contains("no key below systems/"), "{}", error.line());
    world.end().await;
}

fn query_event() -> Value {
    json!({
        "connection": "salesforce-demo",
        "export": {
            "kind": "declared", "system": "salesforce-bulk", "name": "accounts",
            "with": { "soql": "SELECT Id, Name, Description FROM Account WHERE Name != 'x'", "operation": "queryAll" },
        },
        "destination": "lake",
        "run_key": "accounts-2026-11-21T06:00"
    })
}

fn queries(world: &World) -> usize {
    world.simulator.salesforce_jobs().len()
}

fn queries_landed(world: &World) -> Vec<Vec<u8>> {
    world.simulator.salesforce_pages(&world.simulator.salesforce_jobs()[0].id)
}

async fn expect_query(case: &str, faults: Value, outcome: Outcome) -> World {
    let setup = Setup { faults: json!({ "salesforce": faults }), one_clock: true, ..Setup::default() };
    expect(case, setup, query_event(), queries, queries_landed, outcome).await
}

/// Each page of the results lands as a file of its own, whose records are counted and held against the job's.
#[tokio::test]
async fn every_page_of_a_query_lands() {
    let world = expect_query("pages", json!({}), LANDS).await;
    assert_eq!(
        Value::Object(world.simulator.salesforce_jobs()[0].request.clone()),
        json!({
            "operation": "queryAll", "query": "SELECT Id, Name, Description FROM Account WHERE Name != 'x'",
            "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
        })
    );
    let manifests = world.manifests().await;
    let manifest = manifests.values().next().unwrap();
    let told: Vec<_> = manifest.objects.iter().map(|object| (object.file.as_str(), object.rows)).collect();
    assert_eq!(
        told,
        [
            ("records.00000.csv", Some(200)),
            ("records.00001.csv", Some(200)),
            ("records.00002.csv", Some(100))
        ]
    );
    // Each page is asked for twice: for what leads to the next, and for itself.
    assert_eq!(world.simulator.journal().count_of(Operation::Download), 6);
    world.end().await;
    let of_one = SalesforceScenario { records: 3, records_per_page: 10 };
    for (records, pages) in [(of_one.clone(), 1), (SalesforceScenario { records: 0, ..of_one }, 1)] {
        let scenario = Some(Scenario { salesforce: records, ..landfall_tests::small_scenario() });
        let setup = Setup { scenario, ..Setup::default() };
        let world = expect("few", setup, query_event(), queries, queries_landed, LANDS).await;
        assert_eq!(world.manifests().await.values().next().unwrap().objects.len(), pages);
        world.end().await;
    }
}

/// Fewer records in each file, where the export says so.
#[tokio::test]
async fn the_pages_of_a_query_are_as_large_as_the_export_says() {
    let world = World::new(Setup::default()).await;
    let mut event = query_event();
    event["export"]["with"]["records_per_file"] = json!(90);
    land(&world.context, event).await.unwrap();
    let manifests = world.manifests().await;
    let rows: Vec<_> =
        manifests.values().next().unwrap().objects.iter().map(|object| object.rows.unwrap()).collect();
    assert_eq!(rows, [90, 90, 90, 90, 90, 50]);
    world.end().await;
}

/// Promise 1: a query whose answer is lost is settled by a person; one that was turned away is made again.
#[tokio::test]
async fn a_lost_query_is_for_a_person() {
    for (case, faults) in [
        ("dropped", json!({ "create_then_drop": 1 })),
        ("unavailable", json!({ "create_then_unavailable": 1 })),
        ("no id", json!({ "no_id": 1 })),
    ] {
        let outcome = Fails("Conflict", "Bulk Data Load Jobs", 1);
        expect_query(case, faults, outcome).await.end().await;
    }
    for (case, faults) in [
        ("limit", json!({ "create_limit": 2 })),
        ("throttled", json!({ "create": { "throttle": { "times": 1, "retry_after_seconds": 2 } } })),
        ("an expired session", json!({ "create": { "unauthorized": 1 } })),
    ] {
        expect_query(case, faults, LANDS).await.end().await;
    }
    let world = World::new(Setup::default()).await;
    let mut event = query_event();
    event["export"]["with"]["soql"] = json!("DELETE FROM Account");
    let refused = land_as_retried(&world, event).await;
    assert_failed(
        refused,
        ("Rejected", "does not begin with SELECT"),
        &[credentials::CLIENT_SECRET],
        "refused",
    );
    assert_eq!(queries(&world), 0);
    world.end().await;
}

/// Promise 5: a limit that is reached is waited for, whichever call meets it; what does not say how it goes on is no end.
#[tokio::test]
async fn results_are_read_to_their_end() {
    for (case, faults, outcome) in [
        ("limits", json!({ "results_limit": 2 }), LANDS),
        ("a limit as files are fetched", json!({ "results_limit": 5 }), LANDS),
        ("cut", json!({ "cut": 2 }), LANDS),
        ("unavailable", json!({ "results": { "unavailable": 2 }, "status": { "unavailable": 2 } }), LANDS),
        (
            "an expired session",
            json!({ "results": { "unauthorized": 1 }, "status": { "unauthorized": 1 } }),
            LANDS,
        ),
        ("failed", json!({ "final_state": "Failed" }), Fails("JobFailed", "No such column", 1)),
        ("aborted", json!({ "final_state": "Aborted" }), Fails("JobFailed", "Aborted", 1)),
        ("unknown", json!({ "final_state": "JobCompleteish" }), Fails("UnknownStatus", "JobCompleteish", 1)),
        ("no locator", json!({ "no_locator": "always" }), Fails("ContractBroken", "the next page", 1)),
        ("a circle", json!({ "circle": true }), Fails("ContractBroken", "in a circle", 1)),
        ("no content", json!({ "no_content": "always" }), Fails("ContractBroken", "the next page", 1)),
        ("a wrong count", json!({ "wrong_count": true }), Fails("IntegrityError", "501 rows", 1)),
        ("a limit that outlasts the job", json!({ "status_limit": 2 }), Fails("JobTimedOut", "900", 1)),
        ("deleted", json!({ "deleted": true }), Fails("NotFound", "does not exist", 1)),
        ("forbidden", json!({ "results": { "forbidden": "always" } }), Fails("AuthRejected", "403", 1)),
    ] {
        expect_query(case, faults, outcome).await.end().await;
    }
}

/// An export's own query has the moments of its increments in it; one that would come whole each time, or would have a
/// moment that stands for nothing, is refused before anything is called.
#[tokio::test]
async fn increments_are_in_the_exports_own_query() {
    let world = World::new(Setup { one_clock: true, ..Setup::default() }).await;
    let soql = "SELECT Id FROM Account WHERE SystemModstamp >= {from} AND SystemModstamp < {until}";
    let event = |soql: &str, incremental: Value, run: &str| {
        let mut event = query_event();
        event["export"]["with"]["soql"] = json!(soql);
        event["export"]["incremental"] = incremental;
        event["run_key"] = json!(run);
        event
    };
    let incremental = json!({ "initial_from": "2026-11-01T00:00:00Z" });
    for (soql, incremental, said) in [
        ("SELECT Id FROM Account", incremental.clone(), "with.soql: say {until}"),
        (soql, json!({}), "initial_from is missing"),
        (soql, Value::Null, "stand for nothing without incremental or window"),
    ] {
        let error = land(&world.context, event(soql, incremental, "refused")).await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent", "{}", error.line());
        assert!(error.line().contains(said), "{}", error.line());
    }
    assert!(world.simulator.journal().requests().is_empty());
    for run in ["first", "second"] {
        land_as_retried(&world, event(soql, incremental.clone(), run)).await.unwrap();
        world.pass(std::time::Duration::from_secs(6 * 3600));
    }
    let asked: Vec<String> = world
        .simulator
        .salesforce_jobs()
        .iter()
        .map(|job| job.request["query"].as_str().unwrap().to_owned())
        .collect();
    assert!(asked[0].contains(">= 2026-11-01T00:00:00Z AND"), "{asked:?}");
    let until = asked[0].rsplit("< ").next().unwrap().parse::<jiff::Timestamp>().unwrap();
    let from = asked[1].split(">= ").nth(1).unwrap().split(' ').next().unwrap();
    let from = from.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(until.duration_since(from).as_secs(), 600, "{asked:?}");
    world.end().await;
}

/// SMART Backend Services: a client has a key and no secret, and signs with RS384.
#[tokio::test]
async fn a_client_signs_in_with_its_key() {
    let world = World::new(Setup::default()).await;
    let connection = json!({ "connections": { "with-key": {
        "type": "declared", "system": "fhir-bulk", "base_url": format!("{}/fhir", world.simulator.base_url()),
        "scope": "system/*.read",
        "auth": {
            "grant": "client_credentials", "client_auth": "private_key_jwt", "token_url": world.simulator.token_url(),
            "client_id": credentials::CLIENT_ID, "key_id": credentials::KEY_ID,
            "private_key": credentials::PRIVATE_KEY_PEM, "assertion_audience": credentials::AUDIENCE,
            "assertion_algorithm": "RS384",
        },
    } } });
    let table = toml::to_string(&connection).unwrap();
    let context = world.configured_anew(|config| format!("{config}\n{table}"));
    let mut event = fhir_event();
    event["connection"] = json!("with-key");
    land(&context, event).await.unwrap();
    assert_eq!((fhir_jobs(&world), world.manifests().await.len()), (1, 1));
    world.end().await;
}
