//! Whole runs of Stripe's, Shopify's, Marketo's and Oracle's systems by their descriptions: keys, links, limits, errors under 200, and
//! submissions in two steps, each with the outcome that the promises ask for.

use landfall::job::JobState;
use landfall_tests::systems::{MARKETO_LEADS, NETSUITE_ASYNC, ORACLE_EXTRACT, SHOPIFY_BULK, STRIPE_REPORTS};
use landfall_tests::{Setup, World, land, land_as_retried};
use serde_json::{Value, json};
use simulator::{Operation, Scenario, ShopifyScenario, credentials};

use crate::declared::{LANDS, Outcome, expect};
use crate::epm_job::assert_landed;
use Outcome::Fails;

async fn expect_stripe(case: &str, faults: Value, outcome: Outcome) -> World {
    let setup = Setup { faults: json!({ "stripe": faults }), one_clock: true, ..Setup::default() };
    let jobs = |world: &World| world.simulator.stripe_jobs().len();
    let landed = |world: &World| vec![world.simulator.stripe_report(world.simulator.stripe_jobs()[0].id)];
    expect(case, setup, (STRIPE_REPORTS.event)(), jobs, landed, outcome).await
}

/// The request is a form in which a list is its field once for each element, and a window is written in seconds; the file
/// is at another host, which gets the key since the connection says so.
#[tokio::test]
async fn a_report_run_lands() {
    let world = World::new(Setup { one_clock: true, ..Setup::default() }).await;
    let mut event = (STRIPE_REPORTS.event)();
    event["export"]["window"] = json!({ "from": "2026-11-01T00:00:00Z", "until": "2026-11-21T00:00:00Z" });
    land(&world.context, event).await.unwrap();
    let job = &world.simulator.stripe_jobs()[0];
    let request: Vec<(&str, &str)> =
        job.request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        request,
        [
            ("parameters[columns][]", "created"),
            ("parameters[columns][]", "net"),
            ("parameters[interval_end]", "1795219200"),
            ("parameters[interval_start]", "1793491200"),
            ("report_type", "balance_change_from_activity.itemized.3"),
        ]
    );
    let manifests = world.manifests().await;
    let objects = &manifests.values().next().unwrap().objects;
    assert_eq!((objects[0].file.as_str(), objects[0].rows), ("frr_1.csv", Some(300)));
    world.end().await;
}

/// Promise 1: a run whose answer was lost is found by its key, also while the first call is still at work; a key whose call
/// has failed for good starts no second one.
#[tokio::test]
async fn a_lost_report_run_is_found_by_its_key() {
    for (case, faults, outcome) in [
        ("dropped", json!({ "create_then_drop": 1 }), LANDS),
        ("at work", json!({ "create_then_drop": 1, "key_in_use": 2 }), LANDS),
        ("unavailable", json!({ "create": { "unavailable": 1 } }), LANDS),
        ("failed for good", json!({ "create_fails_for_good": 1 }), Fails("SourceUnavailable", "500", 0)),
    ] {
        expect_stripe(case, faults, outcome).await.end().await;
    }
}

/// Statuses and files: no word but the table's, no error in the place of a file, no key for a host that is not named.
#[tokio::test]
async fn a_report_run_is_what_stripe_says_of_it() {
    for (case, faults, outcome) in [
        ("failed", json!({ "final_status": "failed" }), Fails("JobFailed", "could not be run", 1)),
        (
            "unknown",
            json!({ "final_status": "succeeded_partly" }),
            Fails("UnknownStatus", "succeeded_partly", 1),
        ),
        ("no result", json!({ "no_result": true }), Fails("ContractBroken", "the files", 1)),
        ("a wrong size", json!({ "wrong_size": true }), Fails("IntegrityError", "", 1)),
        ("cut", json!({ "cut": 2 }), LANDS),
        ("unavailable", json!({ "file": { "unavailable": 2 }, "status": { "unavailable": 1 } }), LANDS),
        (
            "an error for a file",
            json!({ "error_for_file": "always" }),
            Fails("ContractBroken", "application/json", 1),
        ),
        (
            "another host",
            json!({ "file_host": "https://elsewhere.example.com" }),
            Fails("ContractBroken", "files.stripe.com", 1),
        ),
    ] {
        let world = expect_stripe(case, faults, outcome).await;
        let secrets = landfall_tests::objects(&world.work().await).await;
        let has_key = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(credentials::STRIPE_KEY);
        assert!(!secrets.values().any(|bytes| has_key(bytes)), "{case}: the key is kept");
        world.end().await;
    }
}

fn operations(world: &World) -> usize {
    world.simulator.shopify_jobs().len()
}

fn operations_landed(world: &World) -> Vec<Vec<u8>> {
    vec![world.simulator.shopify_objects(world.simulator.shopify_jobs()[0].id)]
}

async fn expect_shopify(case: &str, faults: Value, outcome: Outcome) -> World {
    let setup = Setup { faults: json!({ "shopify": faults }), one_clock: true, ..Setup::default() };
    expect(case, setup, (SHOPIFY_BULK.event)(), operations, operations_landed, outcome).await
}

/// Objects land as they are, and are counted; a query that finds nothing has no file.
#[tokio::test]
async fn a_bulk_operation_lands() {
    let world = expect_shopify("undisturbed", json!({}), LANDS).await;
    assert_eq!(world.simulator.shopify_jobs()[0].query, "{ products { edges { node { id title } } } }");
    let manifests = world.manifests().await;
    let objects = &manifests.values().next().unwrap().objects;
    assert_eq!((objects[0].file.as_str(), objects[0].rows), ("objects.jsonl", Some(300)));
    world.end().await;
    let shopify = ShopifyScenario { objects: 0, ..ShopifyScenario::default() };
    let setup = Setup {
        scenario: Some(Scenario { shopify, ..landfall_tests::small_scenario() }),
        ..Setup::default()
    };
    let outcome = Outcome::Lands(JobState::Empty);
    let world = expect("empty", setup, (SHOPIFY_BULK.event)(), operations, |_| Vec::new(), outcome).await;
    world.end().await;
}

/// Promise 1: an operation whose answer was lost is found by its query, over all pages of the list; while others run, and
/// while calls are throttled, it is waited; of two that are alike, a person says which it is.
#[tokio::test]
async fn a_lost_bulk_operation_is_found_by_its_query() {
    for (case, faults) in [
        ("dropped", json!({ "create_then_drop": 1 })),
        ("unavailable", json!({ "create_then_unavailable": 1 })),
        ("listed late", json!({ "create_then_drop": 1, "unlisted": 2 })),
        ("busy", json!({ "busy": 3 })),
        ("throttled", json!({ "throttled": 2 })),
    ] {
        expect_shopify(case, faults, LANDS).await.end().await;
    }
    let alike = "{ products { edges { node { id title } } } }";
    for (others, outcome) in [
        (["{ orders { edges { node { id } } } }"; 3], LANDS),
        ([alike; 3], Fails("Conflict", "look there which it is", 4)),
    ] {
        let faults = json!({ "shopify": { "create_then_drop": 1 } });
        let shopify = ShopifyScenario { operations_per_page: 2, ..ShopifyScenario::default() };
        let scenario = Some(Scenario { shopify, ..landfall_tests::small_scenario() });
        let world = World::new(Setup { faults, scenario, one_clock: true, ..Setup::default() }).await;
        for query in others {
            world.simulator.shopify_operation_of_others(query).unwrap();
        }
        let came = land_as_retried(&world, (SHOPIFY_BULK.event)()).await;
        match outcome {
            Outcome::Lands(_) => {
                came.unwrap();
                let manifests = world.manifests().await;
                assert_eq!(manifests.values().next().unwrap().job_request_id.as_str(), "7004");
            }
            Fails(name, text, _) => {
                landfall_tests::assert_failed(came, (name, text), &[credentials::SHOPIFY_TOKEN], "alike")
            }
        }
        assert_eq!(operations(&world), 4);
        world.end().await;
    }
}

/// Statuses and links: no word but the table's, no link that is kept, no token for the storage.
#[tokio::test]
async fn a_bulk_operation_is_what_shopify_says_of_it() {
    for (case, faults, outcome) in [
        ("failed", json!({ "final_status": "FAILED" }), Fails("JobFailed", "TIMEOUT", 1)),
        ("cancelled", json!({ "final_status": "CANCELED" }), Fails("JobFailed", "CANCELED", 1)),
        ("unknown", json!({ "final_status": "COMPLETING" }), Fails("UnknownStatus", "COMPLETING", 1)),
        ("an expired link", json!({ "expired_links": 1 }), LANDS),
        ("cut", json!({ "cut": 2 }), LANDS),
        ("unavailable", json!({ "graphql": { "unavailable": 1 } }), LANDS),
        ("a wrong count", json!({ "wrong_count": true }), Fails("IntegrityError", "301 rows", 1)),
        (
            "a link to another host",
            json!({ "link_host": "https://elsewhere.example.com" }),
            Fails("ContractBroken", "storage.googleapis.com", 1),
        ),
    ] {
        let world = expect_shopify(case, faults, outcome).await;
        let kept = landfall_tests::objects(&world.work().await).await;
        let has_link = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("Signature=");
        assert!(!kept.iter().any(|(key, bytes)| key.ends_with(".json") && has_link(bytes)), "{case}");
        world.end().await;
    }
    let world = World::new(Setup::default()).await;
    let mut event = (SHOPIFY_BULK.event)();
    event["export"]["with"]["query"] = json!("{ shop { name } }");
    let refused = land_as_retried(&world, event).await;
    let secrets = [credentials::SHOPIFY_TOKEN];
    landfall_tests::assert_failed(refused, ("Rejected", "at least one connection"), &secrets, "refused");
    world.end().await;
}

async fn expect_marketo(case: &str, faults: Value, outcome: Outcome) -> World {
    let setup = Setup { faults: json!({ "marketo": faults }), one_clock: true, ..Setup::default() };
    let jobs = |world: &World| world.simulator.marketo_jobs().len();
    let landed =
        |world: &World| vec![world.simulator.marketo_leads(world.simulator.marketo_jobs()[0].number)];
    expect(case, setup, (MARKETO_LEADS.event)(), jobs, landed, outcome).await
}

/// Promise 1: an extract is created, then started, once: whatever becomes of either answer. What was created twice and
/// started once is one job.
#[tokio::test]
async fn an_extract_is_started_once() {
    for (case, faults) in [
        ("undisturbed", json!({})),
        ("created, and no answer", json!({ "create_then_drop": 1 })),
        ("started, and no answer", json!({ "enqueue_then_drop": 1 })),
        ("started, and a gateway's time-out", json!({ "enqueue_then_unavailable": 1 })),
        ("started, and neither success nor failure", json!({ "enqueue_vaguely": 1 })),
        ("listed late", json!({ "enqueue_then_drop": 1, "unlisted": 2 })),
        ("listed later than is waited", json!({ "enqueue_then_drop": 1, "unlisted": 60 })),
        ("never reached", json!({ "enqueue": { "drop_connection": 1 } })),
        ("the quota of the day", json!({ "quota": 2 })),
        ("an expired token", json!({ "expired_token": 1 })),
        ("too many calls", json!({ "rate": 1 })),
        ("an expired token and too many calls", json!({ "expired_token": 1, "rate": 1 })),
    ] {
        let world = expect_marketo(case, faults, LANDS).await;
        assert_eq!(world.simulator.marketo_jobs()[0].enqueued, 1, "{case}");
        world.end().await;
    }
    let world = expect_marketo("as it is sent", json!({}), LANDS).await;
    let filter =
        json!({ "createdAt": { "startAt": "2026-11-01T00:00:00Z", "endAt": "2026-11-21T00:00:00Z" } });
    assert_eq!(
        Value::Object(world.simulator.marketo_jobs()[0].request.clone()),
        json!({ "format": "CSV", "fields": ["id", "firstName", "email"], "filter": filter })
    );
    assert_eq!(world.simulator.journal().count_of(Operation::SubmitJob), 1);
    world.end().await;
}

/// Statuses and files: errors come under 200, also in the place of a file; size, checksum and count are held.
#[tokio::test]
async fn an_extract_is_what_marketo_says_of_it() {
    for (case, faults, outcome) in [
        ("failed", json!({ "final_status": "Failed" }), Fails("JobFailed", "cannot be evaluated", 1)),
        ("cancelled", json!({ "final_status": "Cancelled" }), Fails("JobFailed", "Cancelled", 1)),
        ("unknown", json!({ "final_status": "Complete" }), Fails("UnknownStatus", "Complete", 1)),
        ("a wrong checksum", json!({ "wrong_checksum": true }), Fails("IntegrityError", "", 1)),
        ("a wrong count", json!({ "wrong_count": true }), Fails("IntegrityError", "301 rows", 1)),
        ("cut", json!({ "cut": 2 }), LANDS),
        ("unavailable", json!({ "file": { "unavailable": 2 }, "status": { "unavailable": 1 } }), LANDS),
        (
            "an error for a file",
            json!({ "error_for_file": "always" }),
            Fails("ContractBroken", "application/json", 1),
        ),
        ("a token that is never good", json!({ "expired_token": "always" }), Fails("AuthRejected", "602", 0)),
    ] {
        expect_marketo(case, faults, outcome).await.end().await;
    }
}

async fn expect_netsuite(case: &str, faults: Value, outcome: Outcome) -> World {
    let scenario = Some((NETSUITE_ASYNC.small)());
    let setup =
        Setup { faults: json!({ "netsuite": faults }), scenario, one_clock: true, ..Setup::default() };
    let jobs = |world: &World| world.simulator.netsuite_jobs().len();
    let landed = |world: &World| world.simulator.netsuite_results(world.simulator.netsuite_jobs()[0].id);
    expect(case, setup, (NETSUITE_ASYNC.event)(), jobs, landed, outcome).await
}

/// Promise 1: a request whose answer was lost is found by its key, by an answer that refuses the second one and names the
/// first; one that is refused for what it says is none.
#[tokio::test]
async fn a_lost_request_is_found_by_its_key() {
    for (case, faults) in [
        ("undisturbed", json!({})),
        ("dropped", json!({ "take_then_drop": 1 })),
        ("unavailable", json!({ "take_then_unavailable": 1 })),
        ("no Location", json!({ "no_location": 1 })),
        ("never reached", json!({ "request": { "drop_connection": 1 } })),
    ] {
        let world = expect_netsuite(case, faults, LANDS).await;
        assert_eq!(world.simulator.netsuite_jobs()[0].request, "/services/rest/record/v1/customer");
        let manifests = world.manifests().await;
        let objects = &manifests.values().next().unwrap().objects;
        let names: Vec<&str> = objects.iter().map(|object| object.file.as_str()).collect();
        assert_eq!(names, ["task-00000.json", "task-00001.json"], "{case}");
        world.end().await;
    }
    let world = World::new(Setup::default()).await;
    let mut event = (NETSUITE_ASYNC.event)();
    event["export"]["with"]["q"] = json!("companyName CONTANS \"x\"");
    let refused = land_as_retried(&world, event).await;
    let secrets = [credentials::CLIENT_SECRET];
    landfall_tests::assert_failed(refused, ("Rejected", "Unknown operator CONTANS"), &secrets, "refused");
    world.end().await;
}

/// Statuses and results: no word but the table's, and a link that is asked for at each try.
#[tokio::test]
async fn a_request_is_what_netsuite_says_of_it() {
    for (case, faults, outcome) in [
        ("failed", json!({ "final_progress": "failed" }), Fails("JobFailed", "failed", 1)),
        ("unknown", json!({ "final_progress": "done" }), Fails("UnknownStatus", "done", 1)),
        ("no result", json!({ "no_result": true }), Fails("ContractBroken", "a file's link", 1)),
        ("cut", json!({ "cut": 2 }), LANDS),
        ("unavailable", json!({ "result": { "unavailable": 2 }, "status": { "unavailable": 1 } }), LANDS),
        ("revoked", json!({ "result": { "unauthorized": 1 } }), LANDS),
    ] {
        expect_netsuite(case, faults, outcome).await.end().await;
    }
}

/// The form is strong enough for a system that landfall has built in: EPM's jobs by a description, held by what the
/// built-in ones are held by.
#[tokio::test]
async fn a_built_in_system_is_described() {
    let text = include_str!("../../../docs/guide/descriptions/epm-job.toml");
    let lost = |said: &'static str| Some(("Conflict", said));
    for (case, faults, outcome) in [
        ("undisturbed", json!({}), None),
        ("answer lost", json!({ "submit": { "accept_then_drop": 1 } }), lost("Process Details")),
        (
            "gateway time-out",
            json!({ "submit": { "accept_then_gateway_timeout": 1 } }),
            lost("Process Details"),
        ),
        ("no job id", json!({ "submit": { "no_job_id": 1 } }), lost("named no job")),
        ("redirected", json!({ "submit": { "accept_then_redirect": 1 } }), lost("is not redirected")),
        ("named in a header alone", json!({ "submit": { "only_in_header": 1 } }), None),
        ("dropped", json!({ "submit": { "outage": { "drop_connection": 1 } } }), lost("Process Details")),
        ("unavailable", json!({ "submit": { "outage": { "unavailable": 1 } } }), lost("Process Details")),
        (
            "forbidden",
            json!({ "submit": { "outage": { "forbidden": "always" } } }),
            Some(("AuthRejected", "403")),
        ),
        (
            "a login page",
            json!({ "submit": { "outage": { "login_page": "always" } } }),
            Some(("ContractBroken", "web page")),
        ),
        (
            "a failure under 200",
            json!({ "submit": { "failed_body": { "status": 1, "details": "periodName is wrong", "with_job": false } } }),
            Some(("Rejected", "periodName is wrong")),
        ),
        ("unknown for a while", json!({ "status": { "unknown_polls": 2 } }), None),
        ("a cancellation that is pending", json!({ "status": { "cancel_pending_polls": 2 } }), None),
        ("an error", json!({ "status": { "final_status": 1 } }), Some(("JobFailed", "1"))),
        ("cancelled", json!({ "status": { "final_status": 3 } }), Some(("JobFailed", "3"))),
        ("a parameter", json!({ "status": { "final_status": 4 } }), Some(("JobFailed", "4"))),
        ("an unknown number", json!({ "status": { "final_status": 7 } }), Some(("UnknownStatus", "7"))),
        ("numbers", json!({ "status": { "form": "numbers" } }), None),
        ("a number alone", json!({ "status": { "form": "number_only" } }), None),
        ("a word alone", json!({ "status": { "form": "word_only" } }), None),
        ("never ends", json!({ "status": { "never_ends": true } }), Some(("JobTimedOut", "-1"))),
    ] {
        let world = World::new(Setup { faults: json!({ "epm": faults }), ..Setup::default() }).await;
        let known = simulator::SYSTEMS.iter().find(|system| system.connection_name == "epm-demo").unwrap();
        let mut connection = known.connection(world.simulator.endpoints());
        connection["type"] = json!("declared");
        connection["system"] = json!("epm-job");
        connection["description"] = json!(text);
        connection["job"] = json!({ "timeout_seconds": 900 });
        let table = toml::to_string(&json!({ "connections": { "epm-described": connection } })).unwrap();
        let context = world.configured_anew(|config| format!("{config}\n{table}"));
        let event = json!({
            "connection": "epm-described",
            "export": {
                "kind": "declared", "system": "epm-job", "name": "bessapp",
                "with": { "job_name": "BESSAPP", "period": "{Jan-06}", "import_mode": "Replace", "export_mode": "Merge" },
            },
            "destination": "lake",
            "run_key": "bessapp-2026-11-21T06",
        });
        let came = land(&context, event).await;
        let jobs = world.simulator.epm_jobs();
        assert!(jobs.len() <= 1, "{case}: {} jobs at the source", jobs.len());
        match outcome {
            None => {
                came.unwrap_or_else(|error| {
                    panic!("{case}: {}: {}", error.error_type().name(), error.line())
                });
                assert_landed(&world, jobs[0].id, case).await;
            }
            Some(expected) => {
                landfall_tests::assert_failed(came, expected, &[credentials::PASSWORD], case);
                assert!(world.landed().await.is_empty(), "{case}: landed nonetheless");
            }
        }
        world.end().await;
    }
}

fn oracle_requests(world: &World) -> usize {
    world.simulator.oracle_jobs().len()
}

fn oracle_landed(world: &World) -> Vec<Vec<u8>> {
    world.simulator.oracle_rows(world.simulator.oracle_jobs()[0].id)
}

async fn expect_oracle(case: &str, faults: Value, event: Value, outcome: Outcome) -> World {
    let setup = Setup { faults: json!({ "oracle": faults }), one_clock: true, ..Setup::default() };
    expect(case, setup, event, oracle_requests, oracle_landed, outcome).await
}

/// An extract definition is run by its name and nothing else, as the API would ignore it; each chunk is unpacked, and held
/// against its SHA-256.
#[tokio::test]
async fn an_extract_definition_is_run() {
    let world = expect_oracle("undisturbed", json!({}), (ORACLE_EXTRACT.event)(), LANDS).await;
    let request = Value::Object(world.simulator.oracle_jobs()[0].request.clone());
    assert_eq!(request, json!({ "Type": "ORA_ASYNC", "ExtractDefinitionName": "SalesExtract" }));
    let manifests = world.manifests().await;
    let objects = &manifests.values().next().unwrap().objects;
    assert!(objects.iter().all(|object| object.rows == Some(300)), "{objects:?}");
    assert!(
        objects.iter().all(|object| object.member.as_deref() == Some("ordersExtract.csv")),
        "{objects:?}"
    );
    world.end().await;
    let mut event = (ORACLE_EXTRACT.event)();
    event["export"]["with"]["parameters"] = json!({ "pOrgCode": "M1" });
    let refused = Fails("InvalidEvent", "with.parameters: unknown", 0);
    expect_oracle("parameters", json!({}), event, refused).await.end().await;
}

/// Promise 1: what becomes of a submission without an answer that says so is for a person; what is refused has no request.
#[tokio::test]
async fn a_lost_extract_request_is_for_a_person() {
    for (case, faults, outcome) in [
        ("dropped", json!({ "submit_then_drop": 1 }), Fails("Conflict", "Extract Schedules", 1)),
        ("unavailable", json!({ "submit_then_unavailable": 1 }), Fails("Conflict", "Extract Schedules", 1)),
        ("no id", json!({ "no_id": 1 }), Fails("Conflict", "Extract Schedules", 1)),
        ("failed under 200", json!({ "fails_under_200": 1 }), Fails("Conflict", "Extract Schedules", 0)),
        (
            "an active schedule",
            json!({ "active_schedule": 1 }),
            Fails("Rejected", "An active schedule exists", 0),
        ),
        ("turned away", json!({ "submit": { "throttle": { "times": 1, "retry_after_seconds": 1 } } }), LANDS),
    ] {
        expect_oracle(case, faults, (ORACLE_EXTRACT.event)(), outcome).await.end().await;
    }
    let mut event = (ORACLE_EXTRACT.event)();
    event["export"]["with"]["definition"] = json!("NoSuchExtract");
    let refused = Fails("Rejected", "The extract definition NoSuchExtract is not valid", 0);
    expect_oracle("a name that is not there", json!({}), event, refused).await.end().await;
}

/// Promise 5: the words of the status count, and nothing else; a list that is not there yet, or is short, is waited for.
#[tokio::test]
async fn an_extract_request_is_what_oracle_says_of_it() {
    for (case, faults, outcome) in [
        ("the list comes late", json!({ "url_late": 3 }), LANDS),
        (
            "no list",
            json!({ "url_late": 1_000_000 }),
            Fails("ContractBroken", "the job's status does not have it", 1),
        ),
        ("short once", json!({ "short_list": 1 }), LANDS),
        (
            "short",
            json!({ "short_list": "always" }),
            Fails("ContractBroken", "1 entries, and says that there are 2", 1),
        ),
        ("some failed", json!({ "failed_extracts": 1 }), Outcome::Lands(JobState::Partial)),
        ("failed", json!({ "final_status": "Error" }), Fails("JobFailed", "ended in error", 1)),
        ("unknown", json!({ "final_status": "Purged" }), Fails("UnknownStatus", "Purged", 1)),
        ("another checksum", json!({ "wrong_checksum": true }), Fails("IntegrityError", "", 1)),
        ("cut", json!({ "cut": 1 }), LANDS),
        (
            "a revoked token",
            json!({ "list": { "unauthorized": 1 }, "content": { "unauthorized": 1 } }),
            LANDS,
        ),
        ("busy", json!({ "status": { "unavailable": 2 }, "content": { "unavailable": 2 } }), LANDS),
    ] {
        expect_oracle(case, faults, (ORACLE_EXTRACT.event)(), outcome).await.end().await;
    }
}

/// A pod's user may sign in by name and password; and a user-defined query is run with its parameters by the guide's own
/// example.
#[tokio::test]
async fn a_user_defined_query_is_run_by_the_guides_example() {
    let example = "../docs/guide/descriptions/oracle-query.toml";
    let text =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(example)).unwrap();
    let world = World::new(Setup { one_clock: true, ..Setup::default() }).await;
    let connection = json!({
        "type": "declared", "system": "oracle-query", "description": text,
        "base_url": world.simulator.base_url(),
        "basic": { "username": credentials::USERNAME, "password": credentials::PASSWORD },
    });
    let table = toml::to_string(&json!({ "connections": { "oracle-demo": connection } })).unwrap();
    let context = world.configured_anew(|config| format!("{config}\n{table}"));
    let mut event = (ORACLE_EXTRACT.event)();
    event["export"]["system"] = json!("oracle-query");
    event["export"]["with"] =
        json!({ "query": "PendingInvoice", "parameters": { "pFrom": "{from}", "pUntil": "{until}" } });
    event["export"]["window"] = json!({ "from": "2026-11-01T00:00:00Z", "until": "2026-11-21T00:00:00Z" });
    land(&context, event).await.unwrap();
    let parameters = json!({ "pFrom": "2026-11-01T00:00:00Z", "pUntil": "2026-11-21T00:00:00Z" });
    let request = Value::Object(world.simulator.oracle_jobs()[0].request.clone());
    assert_eq!(
        request,
        json!({
            "Type": "ORA_ASYNC", "UserDefinedQueryName": "PendingInvoice", "OutputFormat": "CSV",
            "Parameters": parameters,
        })
    );
    assert_eq!(world.manifests().await.values().next().unwrap().objects.len(), 2);
    world.end().await;
}
