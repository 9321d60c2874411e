//! Whole runs over Fusion's REST resources: each trap that its documents and its users know, with the outcome that
//! the promises ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landfall::Error;
use landfall::clock::{Clock as _, Deadline, ManualClock};
use landfall::context::Context;
use landfall::event::JobEvent;
use landfall::job::Window;
use landfall_http::Transport;
use landfall_tests::clock::MovedClock;
use landfall_tests::{Setup, World, assert_failed, land, land_as_retried, resume, submit_event};
use serde_json::{Value, json};
use simulator::{Fate, Operation, RestRow, RestScenario, Scenario, credentials};

/// The event of a read of the simulator's invoices.
fn event(export: Value) -> Value {
    event_as("invoices-2026-11-21T06", export)
}

fn event_as(run_key: &str, more: Value) -> Value {
    let mut export = json!({ "kind": "fusion_rest", "resource": "invoices", "pages_per_file": 1 });
    export.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "connection": "fusion-demo", "export": export, "destination": "lake", "run_key": run_key })
}

fn job_event(submitted: submit::Submitted) -> JobEvent {
    JobEvent {
        connection: "fusion-demo".parse().unwrap(),
        job_request_id: submitted.job_request_id,
        destination: None,
    }
}

fn rows(rows: u64) -> Option<Scenario> {
    Some(Scenario { rest: RestScenario { rows, ..RestScenario::default() }, ..Scenario::default() })
}

fn setup(faults: Value) -> Setup {
    Setup { faults: json!({ "rest": faults }), scenario: rows(1_200), ..Setup::default() }
}

/// What has landed of a run, in the order of its files.
async fn lines(world: &World, run_key: &str) -> Vec<String> {
    let manifests = world.manifests().await;
    let mut of_run = manifests
        .values()
        .filter(|manifest| manifest.run_key.as_ref().is_some_and(|key| key.as_str() == run_key));
    let manifest = of_run.next().unwrap_or_else(|| panic!("{run_key} has no manifest"));
    assert!(of_run.next().is_none(), "{run_key} has two manifests");
    let landed = world.landed().await;
    let mut lines = Vec::new();
    for object in &manifest.objects {
        let text = String::from_utf8(landed[&object.key].clone()).unwrap();
        assert_eq!(object.rows, Some(text.lines().count() as u64), "{}", object.key);
        assert!(text.is_empty() || text.ends_with('\n'), "{}", object.key);
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// What the simulator says should have landed.
fn expected(world: &World, resource: &str, fields: &str, expand: &str) -> Vec<String> {
    let mut lines = Vec::new();
    world.simulator.rest_rows(resource, fields, expand, |row| lines.push(row.line));
    lines
}

fn assert_same(case: &str, landed: &[String], expected: &[String]) {
    assert_eq!(landed.len(), expected.len(), "{case}: rows");
    for (landed, expected) in std::iter::zip(landed, expected) {
        assert_eq!(landed, expected, "{case}");
    }
}

fn failure(case: &str, error: Option<Error>, name: &str, text: &str) {
    assert_failed(error.map_or(Ok(()), Err), (name, text), &[credentials::CLIENT_SECRET], case);
}

/// All promises at once: whole rows to the byte, several files, and a second run that changes and asks nothing.
#[tokio::test]
async fn a_resource_lands_whole_and_once() {
    let world = World::new(setup(json!({}))).await;
    let published = land(&world.context, event(json!({}))).await.unwrap();
    assert_eq!((published.totals.rows, published.totals.objects), (Some(1_200), 3));
    let landed = lines(&world, "invoices-2026-11-21T06").await;
    assert_same("all", &landed, &expected(&world, "invoices", "", ""));
    assert!(landed.iter().any(|line| line.contains("12345678901234567.123400")), "decimals are kept");
    let before = world.landed().await;
    let asked = world.simulator.journal().requests().len();
    let again = land(&world.anew(), event(json!({}))).await.unwrap();
    assert!(again.already_published);
    assert_eq!(world.landed().await, before);
    assert_eq!(world.simulator.journal().requests().len(), asked, "the source was asked again");
    assert_eq!(world.simulator.journal().count_of(Operation::DescribeResource), 1);
    world.end().await;
}

const RUN: &str = "invoices-2026-11-21T06";

/// What the source does wrong and can be read nonetheless: the same rows, to the byte, as from one that does not.
#[tokio::test]
async fn what_a_server_may_do_wrong_and_still_be_read() {
    let times = |fault: Value| json!({ "outage": fault, "describe_outage": fault });
    for (case, faults) in [
        ("a server that gives fewer rows than it is asked for", json!({ "page_cap": 100 })),
        ("a server that gives few rows at a time", json!({ "page_cap": 7 })),
        ("full pages that say that nothing follows", json!({ "full_pages_end": true })),
        ("and fewer rows than asked for", json!({ "full_pages_end": true, "page_cap": 100 })),
        ("pages without rows that say that more follow", json!({ "endless": true })),
        ("pages that say nothing of what follows", json!({ "without_has_more": true, "page_cap": 100 })),
        ("offset ignored", json!({ "ignore_offset": true })),
        ("rows at a hash of their keys", json!({ "hashed_addresses": true })),
        ("dropped", times(json!({ "drop_connection": 2 }))),
        ("unavailable", times(json!({ "unavailable": 2 }))),
        ("429 without Retry-After", times(json!({ "throttle": { "times": 2 } }))),
        ("429 with Retry-After", times(json!({ "throttle": { "times": 2, "retry_after_seconds": 20 } }))),
        ("a token that is refused once", times(json!({ "unauthorized": 1 }))),
    ] {
        let world = World::new(setup(faults)).await;
        if let Err(error) = land_as_retried(&world, event(json!({}))).await {
            panic!("{case}: {}: {}", error.error_type().name(), error.line());
        }
        assert_same(case, &lines(&world, RUN).await, &expected(&world, "invoices", "", ""));
        world.end().await;
    }
}

/// A server that gives one row at a time is slow, and no less whole.
#[tokio::test]
async fn one_row_a_page_is_still_a_walk() {
    let faults = json!({ "rest": { "page_cap": 1 } });
    let world = World::new(Setup { faults, scenario: rows(60), ..Setup::default() }).await;
    land(&world.context, event(json!({}))).await.unwrap();
    assert_same("one row", &lines(&world, RUN).await, &expected(&world, "invoices", "", ""));
    world.end().await;
}

/// What cannot be trusted is a named error, and nothing lands.
#[tokio::test]
async fn what_cannot_be_trusted_is_an_error_by_name() {
    for (case, faults, name, text) in [
        ("orderBy ignored", json!({ "ignore_order_by": true }), "ContractBroken", "not ordered by InvoiceId"),
        ("q ignored", json!({ "ignore_q": true }), "ContractBroken", "does not apply q"),
        ("rows answered 500 for ever", json!({ "rows_fail": true }), "Rejected", "even of 100 rows"),
        ("rows without key", json!({ "without_keys": true }), "ContractBroken", "no InvoiceId"),
        ("a row twice", json!({ "repeated_rows": true }), "ContractBroken", "two rows have InvoiceId"),
        (
            "a login page with 200",
            json!({ "outage": { "login_page": "always" } }),
            "JobTimedOut",
            "a login page?",
        ),
        (
            "a redirect to the identity domain's login",
            json!({ "login_redirect": "always" }),
            "ContractBroken",
            "idcs-simulated.identity.example.com",
        ),
        ("no role", json!({ "outage": { "forbidden": "always" } }), "AuthRejected", "403"),
        ("429 for ever", json!({ "outage": { "throttle": { "times": "always" } } }), "JobTimedOut", "429"),
        (
            "429 that asks for an hour",
            json!({ "outage": { "throttle": { "times": "always", "retry_after_seconds": 3600 } } }),
            "JobTimedOut",
            "429",
        ),
    ] {
        let world = World::new(setup(faults)).await;
        failure(case, land_as_retried(&world, event(json!({}))).await.err(), name, text);
        assert!(world.landed().await.is_empty(), "{case}: landed nonetheless");
        world.end().await;
    }
}

/// Trap: before framework version 3 children are arrays, from there on collections that hold 25 rows and say that
/// they have more. What lands is the same.
#[tokio::test]
async fn children_are_whole_arrays_in_every_framework_version() {
    for framework in [1, 2, 3, 4, 9] {
        for (fields, expand) in [
            ("", json!(["invoiceLines.distributions", "invoiceDff"])),
            ("", json!(["invoiceLines"])),
            ("InvoiceId,InvoiceNumber;invoiceLines:InvoiceLineId,LineAmount", json!(["invoiceLines"])),
            // Fields that name no child's key: it is among them all the same, so that all rows are alike.
            (
                "InvoiceId,InvoiceNumber;invoiceLines:InvoiceLineId;invoiceLines.distributions:DistributionId,Amount",
                json!(["invoiceLines.distributions"]),
            ),
        ] {
            let case = format!("framework {framework}, {expand}, {fields:?}");
            let world = World::new(Setup { scenario: rows(160), ..Setup::default() }).await;
            let mut export = json!({ "framework_version": framework, "expand": expand });
            if !fields.is_empty() {
                export["fields"] = match fields.contains("distributions") {
                    true => json!(["InvoiceNumber", "invoiceLines.distributions.Amount"]),
                    false => {
                        json!(["InvoiceNumber", "invoiceLines.InvoiceLineId", "invoiceLines.LineAmount"])
                    }
                };
            }
            if let Err(error) = land(&world.context, event(export)).await {
                panic!("{case}: {}", error.line());
            }
            let paths: Vec<_> =
                expand.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
            let expected = expected(&world, "invoices", fields, &paths.join(","));
            assert!(expected.iter().any(|line| line.matches("InvoiceLineId").count() > 25), "{case}");
            assert_same(&case, &lines(&world, RUN).await, &expected);
            world.end().await;
        }
    }
}

/// Trap: before framework version 3 the array of a child may be cut, and nothing says so.
#[tokio::test]
async fn arrays_that_are_cut_without_a_sign_are_whole_nonetheless() {
    for framework in [1, 2] {
        let faults = json!({ "rest": { "cut_arrays": true } });
        let world = World::new(Setup { faults, scenario: rows(160), ..Setup::default() }).await;
        let export = json!({ "framework_version": framework, "expand": ["invoiceLines.distributions"] });
        land(&world.context, event(export)).await.unwrap();
        let expected = expected(&world, "invoices", "", "invoiceLines.distributions");
        assert!(expected.iter().any(|line| line.matches("InvoiceLineId").count() > 25));
        assert_same("cut arrays", &lines(&world, RUN).await, &expected);
        world.end().await;
    }
}

/// Trap: framework version 1 may know neither `orderBy` nor `onlyData`. Then it is told from which version on rows can
/// be read, and where they come in order by chance, they land without their links.
#[tokio::test]
async fn framework_1_may_know_neither_order_nor_only_data() {
    let faults = json!({ "rest": { "plain_framework_1": true } });
    let at_version = |version: u8| event(json!({ "framework_version": version }));
    let world = World::new(Setup { faults: faults.clone(), scenario: rows(60), ..Setup::default() }).await;
    let error = land(&world.context, at_version(1)).await.err();
    failure("no order", error, "ContractBroken", "Try a later framework_version");
    world.end().await;
    let world = World::new(Setup { faults: faults.clone(), scenario: rows(60), ..Setup::default() }).await;
    land(&world.context, at_version(2)).await.unwrap();
    world.end().await;
    let world = World::new(Setup { faults, scenario: rows(1), ..Setup::default() }).await;
    land(&world.context, at_version(1)).await.unwrap();
    assert_same("one row", &lines(&world, RUN).await, &expected(&world, "invoices", "", ""));
    world.end().await;
}

/// Trap: workers, and rows whose key has several fields, are at a hash of their keys, which only links tell.
#[tokio::test]
async fn children_of_rows_that_are_at_a_hash_of_their_keys_are_whole() {
    for only_data in [true, false] {
        let faults = json!({ "rest": { "hashed_addresses": true } });
        let world = World::new(Setup { faults, scenario: rows(160), ..Setup::default() }).await;
        let export = json!({ "only_data": only_data, "expand": ["invoiceLines.distributions"] });
        land(&world.context, event(export)).await.unwrap();
        let (landed, whole) =
            (lines(&world, RUN).await, expected(&world, "invoices", "", "invoiceLines.distributions"));
        match only_data {
            true => assert_same("hashed", &landed, &whole),
            false => assert_eq!(landed[0].matches("InvoiceLineId").count(), 60),
        }
        world.end().await;
    }
}

/// Trap: keys may be texts, with apostrophes.
#[tokio::test]
async fn text_keys_with_apostrophes_are_walked() {
    for framework in [1, 4] {
        let world = World::new(setup(json!({}))).await;
        let export = json!({
            "resource": "standardLookups", "pillar": "common", "framework_version": framework,
        });
        land(&world.context, event(export)).await.unwrap();
        assert_same("lookups", &lines(&world, RUN).await, &expected(&world, "standardLookups", "", ""));
        world.end().await;
    }
}

/// An export of the simulator's assignments, whose keys have three fields.
fn assignments(more: Value) -> Value {
    let mut export = json!({ "resource": "workerAssignments", "pillar": "hcm" });
    export.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    export
}

/// Promise 5: rows whose keys have several fields land once each, whatever the server makes of its pages: pages begin and
/// end among rows that share their first fields. The key is the resource's own, or the one that the export names.
#[tokio::test]
async fn keys_of_several_fields_are_walked() {
    let named = json!({ "key": ["PersonId", "AssignmentNumber", "EffectiveStartDate"] });
    for (case, faults, export) in [
        ("its own key", json!({}), json!({})),
        ("a named key", json!({}), named),
        ("framework 2", json!({}), json!({ "framework_version": 2 })),
        ("fields", json!({}), json!({ "fields": ["Title"] })),
        ("few rows at a time", json!({ "page_cap": 7 }), json!({})),
        ("fewer rows than asked for", json!({ "page_cap": 100, "without_has_more": true }), json!({})),
        ("full pages that say that nothing follows", json!({ "full_pages_end": true }), json!({})),
        ("offset ignored", json!({ "ignore_offset": true }), json!({})),
    ] {
        let world = World::new(setup(faults)).await;
        let fields =
            export.get("fields").map_or("", |_| "PersonId,AssignmentNumber,EffectiveStartDate,Title");
        if let Err(error) = land(&world.context, event(assignments(export))).await {
            panic!("{case}: {}: {}", error.error_type().name(), error.line());
        }
        let landed = lines(&world, RUN).await;
        assert_eq!(keys(&landed).len(), 1_200, "{case}");
        assert_same(case, &landed, &expected(&world, "workerAssignments", fields, ""));
        world.end().await;
    }
}

/// A key of several fields has no condition in framework version 1, and some of its fields alone are no key: both are said,
/// and nothing lands.
#[tokio::test]
async fn a_key_that_cannot_be_walked_is_named() {
    for (export, name, said) in [
        (json!({ "framework_version": 1 }), "InvalidEvent", "use framework_version 2 or later"),
        (
            json!({ "framework_version": 1, "key": ["PersonId", "Title"] }),
            "InvalidEvent",
            "export.key has several",
        ),
        (json!({ "key": ["PersonId", "Nam"] }), "InvalidEvent", "has no field Nam"),
        (
            json!({ "key": ["PersonId", "AssignmentNumber"] }),
            "ContractBroken",
            "two rows have PersonId, AssignmentN",
        ),
    ] {
        let world = World::new(setup(json!({}))).await;
        let error = land(&world.context, event(assignments(export.clone()))).await.err();
        failure(&export.to_string(), error, name, said);
        assert!(world.landed().await.is_empty());
        world.end().await;
    }
}

/// Children whose keys have several fields are whole, too, wherever their parents are: at a hash of their keys.
#[tokio::test]
async fn children_with_keys_of_several_fields_are_whole() {
    for framework in [2, 4] {
        let world = World::new(Setup { scenario: rows(160), ..Setup::default() }).await;
        let export = json!({ "framework_version": framework, "expand": ["notes"], "fields": ["notes.Text"] });
        land(&world.context, event(assignments(export))).await.unwrap();
        let fields = "PersonId,AssignmentNumber,EffectiveStartDate;notes:NoteType,NoteId,Text";
        let expected = expected(&world, "workerAssignments", fields, "");
        assert!(expected.iter().any(|line| line.matches("NoteId").count() == 60));
        assert_same("notes", &lines(&world, RUN).await, &expected);
        world.end().await;
    }
}

/// Traps: a finder's value may have what separates values; date-effective rows are those of a day.
#[tokio::test]
async fn finders_and_days_choose_among_rows() {
    type Wanted = fn(&str, &str) -> bool;
    let title = |text: &str| json!({ "finder": { "name": "FindByTitle", "variables": { "Title": text } } });
    let both = json!({ "effective_date": "2026-01-05", "finder": title("Clerk, Senior")["finder"] });
    let cases: [(Value, Wanted); 5] = [
        (title("Clerk"), |_, title| title == "Clerk"),
        (title("Clerk, Senior"), |_, title| title == "Clerk, Senior"),
        (title("Lead; Grade=3"), |_, title| title == "Lead; Grade=3"),
        (json!({ "effective_date": "2026-01-05" }), |day, _| day <= "2026-01-05"),
        (both, |day, title| day <= "2026-01-05" && title == "Clerk, Senior"),
    ];
    for (export, is_wanted) in cases {
        let world = World::new(setup(json!({}))).await;
        let mut expected = expected(&world, "workerAssignments", "", "");
        expected.retain(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            is_wanted(row["EffectiveStartDate"].as_str().unwrap(), row["Title"].as_str().unwrap())
        });
        assert!((100..1_100).contains(&expected.len()), "{export}: {}", expected.len());
        land(&world.context, event(assignments(export.clone()))).await.unwrap();
        assert_same(&export.to_string(), &lines(&world, RUN).await, &expected);
        world.end().await;
    }
}

/// Rows that the server prints over many lines are one line each.
#[tokio::test]
async fn pretty_printed_rows_are_one_line_each() {
    let world = World::new(setup(json!({ "pretty": true }))).await;
    land(&world.context, event(json!({}))).await.unwrap();
    let landed = lines(&world, RUN).await;
    let without_spaces = |line: &String| line.replace(' ', "");
    let landed: Vec<_> = landed.iter().map(without_spaces).collect();
    let expected: Vec<_> = expected(&world, "invoices", "", "").iter().map(without_spaces).collect();
    assert_same("pretty", &landed, &expected);
    world.end().await;
}

/// Trap: `q` has two syntaxes; a finder has variables; links come only where they are wanted.
#[tokio::test]
async fn only_the_rows_and_fields_that_are_asked_for_land() {
    for (case, export) in [
        ("query by example", json!({ "framework_version": 1, "q": "Status=OPEN" })),
        ("row match", json!({ "framework_version": 2, "q": "Status = 'OPEN' or Status = 'NONE'" })),
        ("finder", json!({ "finder": { "name": "FindByStatus", "variables": { "Status": "OPEN" } } })),
    ] {
        let world = World::new(setup(json!({}))).await;
        let mut export = export.clone();
        export["fields"] = json!(["InvoiceAmount"]);
        land(&world.context, event(export)).await.unwrap();
        let mut expected = Vec::new();
        world.simulator.rest_rows("invoices", "InvoiceId,InvoiceAmount", "", |row| {
            expected.extend((row.status == "OPEN").then_some(row.line));
        });
        assert_eq!(expected.len(), 400);
        assert_same(case, &lines(&world, RUN).await, &expected);
        world.end().await;
    }
    let world = World::new(Setup { scenario: rows(3_600), ..Setup::default() }).await;
    let finder = json!({ "name": "FindByStatus", "variables": { "Status": "OPEN" } });
    let export = json!({ "finder": finder, "q": "InvoiceId > 0", "fields": ["InvoiceAmount"] });
    let published = land(&world.context, event(export)).await.unwrap();
    assert_eq!(
        (published.totals.rows, published.totals.objects),
        (Some(1_200), 3),
        "a finder and q, over pages"
    );
    let mut expected = Vec::new();
    world.simulator.rest_rows("invoices", "InvoiceId,InvoiceAmount", "", |row| {
        expected.extend((row.status == "OPEN").then_some(row.line));
    });
    assert_same("a finder and q", &lines(&world, RUN).await, &expected);
    world.end().await;

    let world = World::new(Setup { scenario: rows(60), ..Setup::default() }).await;
    let export = json!({ "only_data": false, "expand": ["invoiceLines"] });
    land(&world.context, event(export)).await.unwrap();
    let landed = lines(&world, RUN).await;
    assert!(landed.iter().all(|line| line.contains("\"rel\":\"self\"")));
    assert_eq!(landed[0].matches("InvoiceLineId").count(), 60, "read by the row's own link");
    world.end().await;
}

/// Trap: a misspelt field is answered by 400 in the middle of a run. Here it is refused before there is a job.
#[tokio::test]
async fn what_the_resource_does_not_have_is_refused_before_there_is_a_job() {
    let world = World::new(setup(json!({}))).await;
    for (number, (export, name, text)) in [
        (json!({ "fields": ["InvoiceNumbr"] }), "InvalidEvent", "did you mean InvoiceNumber"),
        (json!({ "fields": ["invoiceDff.costCenter"] }), "InvalidEvent", "did you mean costCentre?"),
        (
            json!({ "fields": ["costCentre"] }),
            "InvalidEvent",
            "flexfield invoiceDff has InvoiceId, costCentre",
        ),
        (json!({ "expand": ["lines"] }), "InvalidEvent", "no child lines"),
        (json!({ "key": "InvoiceIds" }), "InvalidEvent", "did you mean InvoiceId"),
        (json!({ "finder": { "name": "FindByStat" } }), "InvalidEvent", "did you mean FindByStatus?"),
        (json!({ "incremental": { "field": "InvoiceDate" } }), "InvalidEvent", "no time zone"),
        (json!({ "resource": "invoice" }), "NotFound", "no resource invoice"),
        (json!({ "resource": "../users" }), "InvalidEvent", "export.resource"),
    ]
    .into_iter()
    .enumerate()
    {
        let case = export.to_string();
        let refused = land(&world.context, event_as(&format!("refused-{number}"), export)).await;
        failure(&case, refused.err(), name, text);
        let work = landfall_tests::objects(&world.work().await).await;
        assert!(!work.keys().any(|key| key.starts_with("jobs/")), "{case}: there is a job");
    }
    assert_eq!(world.simulator.journal().count_of(Operation::ReadResource), 0);
    world.end().await;
}

/// Trap: old framework versions say what is wrong in plain text, later ones in `o:errorDetails`.
#[tokio::test]
async fn what_the_server_says_of_a_wrong_q_reaches_a_person() {
    for framework in [1, 2, 4, 9] {
        let world = World::new(setup(json!({}))).await;
        let export = json!({ "framework_version": framework, "q": "Colour = 'red'" });
        let error = land(&world.context, event(export)).await.err();
        failure("a wrong q", error, "Rejected", "The attribute Colour is not queryable on invoices.");
        world.end().await;
    }
}

/// A run without rows is an error, unless it is said to be normal.
#[tokio::test]
async fn no_rows_are_an_error_unless_they_are_allowed() {
    let nothing = json!({ "q": "Status = 'NONE'" });
    let world = World::new(setup(json!({}))).await;
    failure("no rows", land(&world.context, event(nothing)).await.err(), "JobFailed", "allow_empty");
    let allowed = json!({ "q": "Status = 'NONE'", "allow_empty": true });
    let published = land(&world.context, event_as("empty", allowed)).await.unwrap();
    assert_eq!((published.totals.rows, published.totals.objects), (None, 0));
    assert_eq!(published.state, landfall::job::JobState::Empty);
    world.end().await;
}

/// The other ways to log in; what a kind of export lacks is named when it is needed, and not before.
#[tokio::test]
async fn each_way_to_log_in() {
    let basic = format!(
        "basic = {{ username = '{}', password = {} }}",
        credentials::USERNAME,
        landfall_tests::toml_text(credentials::PASSWORD)
    );
    let only = |auth: &str| Setup { auth: Some(auth.to_owned()), ..setup(json!({})) };
    let without_scope = |mut setup: Setup| {
        setup.scopes = Some(String::new());
        setup
    };
    let world = World::new(without_scope(only(&basic))).await;
    land(&world.context, event(json!({}))).await.unwrap();
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 0);
    failure(
        "an extraction without auth",
        land(&world.context, landfall_tests::run_event()).await.err(),
        "InvalidConfig",
        "connection fusion-demo has no scopes.batch, which fusion_extract needs",
    );
    world.end().await;

    let world = World::new(without_scope(only(&basic.replace("simulated-password", "wrong-password")))).await;
    failure("a wrong password", land(&world.context, event(json!({}))).await.err(), "AuthRejected", "");
    let refused = "not sent: the server has refused basic.password";
    failure("again", land(&world.context, event(json!({}))).await.err(), "AuthRejected", refused);
    assert_eq!(
        world.simulator.journal().count_of(Operation::DescribeResource),
        1,
        "a wrong password is sent once"
    );
    world.end().await;

    let world = World::new(without_scope(only(""))).await;
    failure(
        "nothing",
        land(&world.context, event(json!({}))).await.err(),
        "InvalidConfig",
        "none of scopes.rest (with auth), basic and bearer",
    );
    world.end().await;

    let world = World::new(only(&basic)).await;
    failure(
        "two",
        land(&world.context, event(json!({}))).await.err(),
        "InvalidConfig",
        "more than one of scopes.rest, basic and bearer",
    );
    world.end().await;
}

/// Notes when requests leave for REST resources.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn Transport>,
    clock: Arc<ManualClock>,
    left_at: Arc<Mutex<Vec<Timestamp>>>,
}

#[async_trait::async_trait]
impl Transport for Noting {
    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, reqwest::Error> {
        if request.url().path().contains("/resources/") {
            self.left_at.lock().unwrap().push(self.clock.now());
        }
        self.inner.execute(request).await
    }
}

/// Lands as whoever waits for as long as he is told, each time by a function that remembers nothing.
async fn land_as_told(
    world: &World,
    context: &Context,
    event: Value,
) -> landfall::Result<publish::Published> {
    for _ in 0..10 {
        match Box::pin(land(context, event.clone())).await {
            Err(error) => match error.wait_seconds() {
                Some(seconds) => world.pass(Duration::from_secs(seconds)),
                None => return Err(error),
            },
            came => return came,
        }
    }
    panic!("the requests of ten hours were not enough")
}

/// The budget of an hour is kept over processes: no hour sees more, tries that were in vain included, and a run that
/// has spent it waits by its clock.
#[tokio::test]
async fn no_hour_sees_more_requests_than_are_allowed() {
    const ALLOWED: usize = 8;
    for (case, outage) in [
        ("nothing wrong", json!({})),
        ("unavailable", json!({ "unavailable": 3 })),
        ("a token that is refused", json!({ "unauthorized": 1 })),
    ] {
        let connection = format!("rest = {{ requests_per_hour = {ALLOWED} }}");
        let world = World::new(Setup { connection, ..setup(json!({ "outage": outage })) }).await;
        let left_at: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
        for run in ["first", "second", "third"] {
            let (clock, noted) = (Arc::clone(&world.clock), Arc::clone(&left_at));
            let context = world.anew().with_transport(Box::new(move |inner| {
                Arc::new(Noting { inner, clock: Arc::clone(&clock), left_at: Arc::clone(&noted) })
            }));
            if let Err(error) = land_as_told(&world, &context, event_as(run, json!({}))).await {
                panic!("{case}: {}", error.line());
            }
            world.pass(Duration::from_secs(60));
        }
        let left_at = left_at.lock().unwrap().clone();
        assert!(left_at.len() > 3 * ALLOWED - ALLOWED, "{case}: {} requests", left_at.len());
        let hour = SignedDuration::from_hours(1);
        for later in left_at.windows(ALLOWED + 1) {
            let between = later[ALLOWED].duration_since(later[0]);
            assert!(between > hour, "{case}: {} requests within {between}", ALLOWED + 1);
        }
        world.end().await;
    }
}

/// Promise 6: an invocation does not sleep for the rest of the hour. It says how long to wait, and the next one goes on.
#[tokio::test]
async fn a_spent_hour_is_waited_for_outside_of_the_invocation() {
    let connection = "rest = { requests_per_hour = 8 }".to_owned();
    let world = World::new(Setup { connection, ..setup(json!({})) }).await;
    let submitted = submit_event(&world.context, event(json!({}))).await.unwrap();
    let job = job_event(submitted);
    let (mut waits, mut staged) = (Vec::new(), Vec::new());
    loop {
        let ends = world.clock.now() + SignedDuration::from_mins(15);
        let deadline = Deadline::at(ends, MovedClock::of(&world.clock));
        let fetched = fetch_files::fetch_all(&world.anew(), job.clone(), &deadline).await.unwrap();
        assert!(world.clock.now() < ends, "the invocation would have been killed");
        staged.push(fetched.files.len());
        match fetched.complete {
            true => break,
            false => {
                waits.push(fetched.wait_seconds.expect("how long to wait"));
                world.pass(Duration::from_secs(waits[waits.len() - 1]));
            }
        }
    }
    assert!(waits.iter().all(|wait| (3600..=3900).contains(wait)), "{waits:?}");
    assert!(!waits.is_empty() && staged.is_sorted(), "{waits:?} {staged:?}");
    world.pass(Duration::from_secs(3901));
    land(&world.anew(), event(json!({}))).await.unwrap();
    assert_same("waited", &lines(&world, RUN).await, &expected(&world, "invoices", "", ""));

    world.end().await;
}

/// The other steps say it too: poll-status of a job that may not be asked about, and submit, which has no job yet, by
/// an error that is worth another try.
#[tokio::test]
async fn each_step_says_how_long_an_hour_is_spent() {
    let connection = "rest = { requests_per_hour = 1 }".to_owned();
    let world = World::new(Setup { connection, ..setup(json!({})) }).await;
    let submitted = submit_event(&world.context, event(json!({}))).await.unwrap();
    let job = job_event(submitted);
    let deadline = Deadline::none(world.clock.clone());
    let polled = poll_status::poll_status(&world.context, job, &deadline).await.unwrap();
    assert_eq!(polled.state, landfall::job::JobState::Running);
    assert!((3600..=3900).contains(&polled.wait_seconds.unwrap()), "{polled:?}");

    let error = submit_event(&world.anew(), event_as("later", json!({}))).await.unwrap_err();
    assert_eq!((error.error_type().name(), error.retryable()), ("Throttled", true), "{}", error.line());
    assert!(error.line().contains("rest.requests_per_hour are spent: call again in 3"), "{}", error.line());
    assert!((3600..=3900).contains(&error.wait_seconds().unwrap()));
    world.pass(Duration::from_secs(error.wait_seconds().unwrap()));
    submit_event(&world.anew(), event_as("later", json!({}))).await.unwrap();
    world.end().await;
}

/// What needs more than an hour's requests, and begins anew each hour, is an error that says so, and not for ever.
#[tokio::test]
async fn a_file_that_no_hour_is_enough_for_is_an_error() {
    let connection = "rest = { requests_per_hour = 20 }".to_owned();
    let faults = json!({ "rest": { "page_cap": 10 } });
    let world = World::new(Setup { connection, faults, scenario: rows(400), ..Setup::default() }).await;
    failure(
        "too large",
        land_as_told(&world, &world.context, event(json!({ "pages_per_file": 20 }))).await.err(),
        "LimitExceeded",
        "lower export.pages_per_file, or raise rest.requests_per_hour",
    );
    world.end().await;
}

/// Promise 1: a run that is begun several times at once has one job, and lands once.
#[tokio::test]
async fn a_run_that_is_begun_several_times_at_once_has_one_job() {
    let world = World::new(setup(json!({}))).await;
    let contexts: Vec<_> = (0..4).map(|_| world.anew()).collect();
    let runs = contexts.iter().map(|context| land(context, event(json!({}))));
    let landed = futures::future::join_all(runs).await;
    assert!(
        landed.iter().any(Result::is_ok),
        "{:?}",
        landed.iter().filter_map(|run| run.as_ref().err()).next()
    );
    for error in landed.into_iter().filter_map(Result::err) {
        assert!(error.retryable(), "{}", error.line());
    }
    land(&world.anew(), event(json!({}))).await.unwrap();
    assert_eq!(world.manifests().await.len(), 1);
    assert_same("at once", &lines(&world, RUN).await, &expected(&world, "invoices", "", ""));
    world.end().await;
}

/// A job that was begun elsewhere is none that the source knows.
#[tokio::test]
async fn a_job_of_somebody_else_is_not_found() {
    let world = World::new(Setup {
        scopes: Some(format!("rest = '{}'", credentials::REST_SCOPE)),
        ..setup(json!({}))
    })
    .await;
    let job = json!({
        "connection": "fusion-demo", "destination": "lake",
        "job_request_id": "d0d6b4dc-2207-52ec-ac6b-3c30300e4307",
    });
    failure("unknown", resume(&world.context, job).await.err(), "NotFound", "knows no job d0d6b4dc");
    world.end().await;
}

/// The keys of what has landed; none may be there twice.
fn keys(lines: &[String]) -> BTreeSet<String> {
    let key = |line: &String| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        match row.get("PersonId") {
            Some(person) => format!("{person}|{}|{}", text("AssignmentNumber"), text("EffectiveStartDate")),
            None => row["InvoiceId"].to_string(),
        }
    };
    let keys: BTreeSet<_> = lines.iter().map(key).collect();
    assert_eq!(keys.len(), lines.len(), "a row landed twice");
    keys
}

fn rows_with(world: &World, resource: &str, expand: &str) -> Vec<RestRow> {
    let mut rows = Vec::new();
    world.simulator.rest_rows(resource, "", expand, |row| rows.push(row));
    rows
}

/// Rows are changed, deleted and inserted after every page: what was there throughout lands once, as it is.
async fn lands_whole_while_others_change_it(count: u64, export: Value) {
    let faults = json!({ "rest": { "churn": { "updates": 20, "deletes": 10, "inserts": 10 } } });
    let at = Some(landfall_tests::matrix::beginning());
    let world = World::new(Setup { faults, scenario: rows(count), at, ..Setup::default() }).await;
    let is_incremental = export.get("incremental").is_some();
    let expand = export.get("expand").map(|paths| paths[0].as_str().unwrap().to_owned());
    let resource =
        export.get("resource").map_or("invoices", |resource| resource.as_str().unwrap()).to_owned();
    land(&world.context, event(export)).await.unwrap();
    let landed = lines(&world, RUN).await;
    let found = keys(&landed);
    let by_line: BTreeSet<&String> = landed.iter().collect();
    let rows_of = |world: &World| rows_with(world, &resource, expand.as_deref().unwrap_or_default());
    let (mut untouched, mut touched) = (0, 0);
    for row in rows_of(&world) {
        match world.simulator.rest_fate(&resource, &row.key).unwrap() {
            Fate::Untouched => {
                untouched += 1;
                assert!(by_line.contains(&row.line), "missing, or not as it is: {}", row.key);
            }
            _ => touched += 1,
        }
    }
    assert!(untouched > 0 && touched > 0, "{untouched} rows untouched, {touched} touched");
    for key in &found {
        world.simulator.rest_fate(&resource, key).expect("a key of the resource");
    }
    // What changed while it was read has left the window, and is the next increment's.
    if is_incremental {
        world.pass(Duration::from_secs(7200));
        world.simulator.set_faults(simulator::Faults::default()).unwrap();
        let next = event_as("next", json!({ "incremental": {} }));
        land(&world.anew(), next).await.unwrap();
        let next = lines(&world, "next").await;
        let later = keys(&next);
        for row in rows_of(&world) {
            assert!(found.contains(&row.key) || later.contains(&row.key), "{} was lost", row.key);
            let is_current = by_line.contains(&row.line) || next.contains(&row.line);
            assert!(is_current, "{} landed only as it was", row.key);
        }
    }
    world.end().await;
}

/// Traps: rows that change, go and come between two pages, in a read of all rows.
#[tokio::test]
async fn all_rows_land_once_while_others_change_them() {
    lands_whole_while_others_change_it(6_000, json!({ "pages_per_file": 3 })).await;
}

/// The same with keys of several fields.
#[tokio::test]
async fn rows_with_keys_of_several_fields_land_once_while_others_change_them() {
    lands_whole_while_others_change_it(6_000, assignments(json!({ "pages_per_file": 3 }))).await;
}

/// The same with children that are read after their parents, some of which have gone by then.
#[tokio::test]
async fn parents_that_go_before_their_children_are_read_do_not_end_the_run() {
    let export = json!({ "pages_per_file": 3, "expand": ["invoiceLines"] });
    lands_whole_while_others_change_it(6_000, export).await;
}

/// The same in an increment, and the next one has what was changed.
#[tokio::test]
async fn increments_miss_nothing_that_changes_meanwhile() {
    lands_whole_while_others_change_it(6_000, json!({ "pages_per_file": 3, "incremental": {} })).await;
}

/// A million rows, changed meanwhile. Run it alone: it takes minutes without optimisation.
#[tokio::test]
#[ignore = "takes minutes"]
async fn a_million_rows_land_once_while_others_change_them() {
    lands_whole_while_others_change_it(1_000_000, json!({ "pages_per_file": 20 })).await;
}

const AT: &str = "2026-11-21T06:00:00Z";

/// A world in which it is six o'clock, with few old rows.
async fn at_six() -> World {
    let at = AT.parse().unwrap();
    World::new(Setup { scenario: rows(40), at: Some(at), ..Setup::default() }).await
}

fn increment(run_key: &str) -> Value {
    event_as(run_key, json!({ "incremental": {}, "allow_empty": true }))
}

async fn window(world: &World, run_key: &str) -> Window {
    let manifests = world.manifests().await;
    let of_run =
        |manifest: &&publish::Manifest| manifest.run_key.as_ref().is_some_and(|key| key.as_str() == run_key);
    manifests.values().find(of_run).unwrap().window.clone().unwrap()
}

fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

/// Makes or changes the row at a place, and returns its key.
fn put(world: &World, place: u64, updated_at: Timestamp) -> String {
    world.simulator.put_rest_row("invoices", place, updated_at).unwrap();
    world.simulator.rest_key("invoices", place).unwrap()
}

/// The rules of increments, row by row: what lies at a boundary, in the overlap, before it.
#[tokio::test]
async fn increments_follow_each_other_without_a_gap() {
    let world = at_six().await;
    let before_until = put(&world, 101, at("2026-11-21T05:58:59.999Z"));
    let at_until = put(&world, 103, at("2026-11-21T05:59:00Z"));
    land(&world.anew(), increment("six")).await.unwrap();
    let six = keys(&lines(&world, "six").await);
    assert_eq!(window(&world, "six").await.until, at("2026-11-21T05:59:00Z"));
    assert!(six.contains(&before_until) && !six.contains(&at_until), "a window ends before its end");
    assert_eq!(six.len(), 41);

    // Transactions that began before six o'clock's end and ended after it.
    let late = put(&world, 105, at("2026-11-21T05:55:00Z"));
    let at_from = put(&world, 107, at("2026-11-21T05:49:00Z"));
    let too_late = put(&world, 109, at("2026-11-21T05:48:59.999Z"));
    world.pass(Duration::from_secs(3600));
    land(&world.anew(), increment("seven")).await.unwrap();
    let seven = keys(&lines(&world, "seven").await);
    assert_eq!(
        window(&world, "seven").await,
        Window {
            field: "LastUpdateDate".to_owned(),
            from: Some(at("2026-11-21T05:49:00Z")),
            until: at("2026-11-21T06:59:00Z"),
            overlap_until: Some(at("2026-11-21T05:59:00Z")),
        }
    );
    let expected: BTreeSet<_> = [before_until, at_until, late, at_from].into();
    assert_eq!(seven, expected, "all since the overlap, and none before it such as {too_late}");
    world.end().await;
}

/// The watermark moves with the manifest and not before: a run that did not land leaves its rows to the next.
#[tokio::test]
async fn a_run_that_did_not_land_leaves_its_rows_to_the_next() {
    let world = at_six().await;
    land(&world.anew(), increment("six")).await.unwrap();
    world.pass(Duration::from_secs(3600));
    let row = put(&world, 101, at("2026-11-21T06:30:00Z"));
    let faults = json!({ "rest": { "without_keys": true } });
    world.simulator.set_faults(serde_json::from_value(faults).unwrap()).unwrap();
    failure("seven", land(&world.anew(), increment("seven")).await.err(), "ContractBroken", "");
    world.simulator.set_faults(simulator::Faults::default()).unwrap();
    world.pass(Duration::from_secs(3600));
    land(&world.anew(), increment("eight")).await.unwrap();
    assert!(keys(&lines(&world, "eight").await).contains(&row));
    let marked = window(&world, "eight").await;
    assert_eq!(marked.from, Some(at("2026-11-21T05:49:00Z")));
    assert_eq!(
        marked.overlap_until,
        Some(at("2026-11-21T06:59:00Z")),
        "what seven has been given may land, too"
    );
    // It can still be gone on with, with the window that it was given.
    land(&world.anew(), increment("seven")).await.unwrap();
    assert!(keys(&lines(&world, "seven").await).contains(&row));
    assert_eq!(window(&world, "seven").await.overlap_until, Some(at("2026-11-21T05:59:00Z")));
    world.end().await;
}

/// Two runs that are begun before either has landed both have what changed; the next goes on after the later one.
#[tokio::test]
async fn runs_that_are_begun_together_lose_nothing() {
    let world = at_six().await;
    land(&world.anew(), increment("six")).await.unwrap();
    world.pass(Duration::from_secs(3600));
    let row = put(&world, 101, at("2026-11-21T06:30:00Z"));
    submit_event(&world.anew(), increment("seven")).await.unwrap();
    world.pass(Duration::from_secs(3600));
    submit_event(&world.anew(), increment("eight")).await.unwrap();
    for run in ["eight", "seven"] {
        land(&world.anew(), increment(run)).await.unwrap();
        assert!(keys(&lines(&world, run).await).contains(&row), "{run}");
    }
    world.pass(Duration::from_secs(3600));
    land(&world.anew(), increment("nine")).await.unwrap();
    assert_eq!(window(&world, "nine").await.overlap_until, Some(window(&world, "eight").await.until));
    assert!(keys(&lines(&world, "nine").await).is_empty());
    world.end().await;
}

/// A backfill is what it is given, `from` included and `until` not, and moves nothing.
#[tokio::test]
async fn a_backfill_moves_no_watermark() {
    let world = at_six().await;
    let marks = async || -> BTreeMap<String, Vec<u8>> {
        let work = landfall_tests::objects(&world.work().await).await;
        work.into_iter().filter(|(key, _)| key.starts_with("watermarks/")).collect()
    };
    land(&world.anew(), increment("six")).await.unwrap();
    let before = marks().await;
    let first = put(&world, 101, at("2026-11-20T00:00:00Z"));
    put(&world, 103, at("2026-11-21T00:00:00Z"));
    let range = json!({ "from": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z" });
    let backfill = event_as("backfill", json!({ "incremental": {}, "window": range, "allow_empty": true }));
    land(&world.anew(), backfill).await.unwrap();
    assert_eq!(keys(&lines(&world, "backfill").await), [first].into());
    assert_eq!(marks().await, before);
    assert_eq!(before.len(), 1);
    world.end().await;
}

/// A world whose connection has another `auth`, which may need something of the simulator.
async fn world_with_auth(faults: Value, auth: &str) -> World {
    let auth = format!(
        "[connections.fusion-demo.auth]\ntoken_url = \"{{token_url}}\"\nclient_id = '{}'\nclient_secret = {}\n{auth}",
        credentials::CLIENT_ID,
        landfall_tests::toml_text(credentials::CLIENT_SECRET)
    );
    let scopes = Some(format!("rest = '{}'", credentials::REST_SCOPE));
    World::new(Setup { faults, scenario: rows(60), auth: Some(auth), scopes, ..Setup::default() }).await
}

/// A token by a SAML assertion; a refused one says so.
#[tokio::test]
async fn a_saml_assertion_gives_a_token() {
    for (assertion, accepted) in [(credentials::SAML_ASSERTION, true), ("<saml2:Assertion>other", false)] {
        let auth = format!("grant = 'saml2_bearer'\nassertion = '{assertion}'");
        let world = world_with_auth(json!({}), &auth).await;
        let landed = land(&world.context, event(json!({}))).await;
        match accepted {
            true => assert_eq!(landed.unwrap().totals.rows, Some(60)),
            false => failure("refused", landed.err(), "AuthRejected", "SAML assertion"),
        }
        world.end().await;
    }
}

/// A refresh token that is good once is spent once, however many processes need it, and the next one is kept so that
/// nobody can read it.
#[tokio::test]
async fn refresh_tokens_are_rotated_and_never_spent_twice() {
    let faults = json!({ "token": { "refresh_once": true, "lifetime_seconds": 300 } });
    let world = world_with_auth(faults, "grant = 'refresh_token'\nrefresh_token = '{refresh_token}'").await;
    let contexts: Vec<_> = (0..4).map(|_| world.anew()).collect();
    let runs = contexts.iter().enumerate();
    let landed = futures::future::join_all(
        runs.map(|(number, context)| land(context, event_as(&format!("run-{number}"), json!({})))),
    )
    .await;
    for run in landed {
        run.unwrap();
    }
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 1, "the others took the first one's");
    let work = landfall_tests::objects(&world.work().await).await;
    let kept = String::from_utf8(work["tokens/fusion-demo.json"].clone()).unwrap();
    assert!(!kept.contains("eyJ"), "{kept}");
    // A good while later the token that was kept is spent, and so on.
    for later in 0..3 {
        world.pass(Duration::from_secs(600));
        land(&world.anew(), event_as(&format!("later-{later}"), json!({}))).await.unwrap();
    }
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 4);
    world.end().await;
}

/// A process that dies between spending a refresh token and keeping the next one leaves a connection that a person
/// must authorise anew, which is said; with a new first token, put there by that person, all is well.
#[tokio::test]
async fn a_spent_refresh_token_without_its_successor_needs_a_person() {
    let faults = json!({ "token": { "refresh_once": true, "issue_then_drop": 1 } });
    let world = world_with_auth(faults, "grant = 'refresh_token'\nrefresh_token = '{refresh_token}'").await;
    failure("lost", land(&world.anew(), event(json!({}))).await.err(), "SourceUnavailable", "");
    failure(
        "spent",
        land(&world.anew(), event(json!({}))).await.err(),
        "AuthRejected",
        "could not keep the next one: authorise the connection again and put the new refresh token into auth.refresh_token",
    );
    let new = world.simulator.refresh_token(credentials::REST_SCOPE).unwrap();
    let authorised = world.configured_anew(|config| {
        let (before, after) = config.split_once("refresh_token = '").unwrap();
        let (_, after) = after.split_once('\'').unwrap();
        format!("{before}refresh_token = '{new}'{after}")
    });
    land(&authorised, event(json!({}))).await.unwrap();
    assert_same("anew", &lines(&world, RUN).await, &expected(&world, "invoices", "", ""));
    world.end().await;
}

/// A server that gives no next refresh token means that the one that it took stays good.
#[tokio::test]
async fn a_refresh_token_without_a_successor_is_used_again() {
    let faults = json!({ "token": { "without_next_refresh_token": true, "lifetime_seconds": 300 } });
    let world = world_with_auth(faults, "grant = 'refresh_token'\nrefresh_token = '{refresh_token}'").await;
    for run in 0..3 {
        land(&world.anew(), event_as(&format!("run-{run}"), json!({}))).await.unwrap();
        world.pass(Duration::from_secs(600));
    }
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 3);
    world.end().await;
}

/// An access token that is kept for all processes may have been revoked: once it is refused, the refresh token is spent.
#[tokio::test]
async fn a_kept_access_token_that_is_refused_is_replaced() {
    let faults = json!({ "token": { "refresh_once": true } });
    let world = world_with_auth(faults, "grant = 'refresh_token'\nrefresh_token = '{refresh_token}'").await;
    land(&world.anew(), event_as("first", json!({}))).await.unwrap();
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 1);
    let faults =
        json!({ "token": { "refresh_once": true }, "rest": { "describe_outage": { "unauthorized": 1 } } });
    world.simulator.set_faults(serde_json::from_value(faults).unwrap()).unwrap();
    land(&world.anew(), event_as("second", json!({}))).await.unwrap();
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 2);
    land(&world.anew(), event_as("third", json!({}))).await.unwrap();
    assert_eq!(world.simulator.journal().count_of(Operation::Token), 2, "the new one is kept");
    world.end().await;
}

/// Rows carry the source's time: an increment ends by its clock where ours is ahead of it.
#[tokio::test]
async fn a_source_whose_clock_is_behind_ours_leaves_no_gap() {
    let world = at_six().await;
    world.clock.advance(Duration::from_secs(600));
    land(&world.anew(), increment("six")).await.unwrap();
    assert_eq!(window(&world, "six").await.until, at("2026-11-21T05:59:00Z"));
    world.end().await;
}

/// A watermark that is ahead of the clock is for a person to judge: either is wrong.
#[tokio::test]
async fn a_watermark_ahead_of_the_clock_is_a_conflict() {
    let world = at_six().await;
    land(&world.anew(), increment("six")).await.unwrap();
    let behind = Arc::new(ManualClock::new(at("2026-11-21T05:00:00Z")));
    let error = submit_event(&world.anew_by(behind), increment("wrong")).await.err();
    failure("behind", error, "Conflict", "a clock was wrong");
    world.end().await;
}

async fn watermarks(world: &World) -> Vec<Value> {
    let work = landfall_tests::objects(&world.work().await).await;
    let marks = work.into_iter().filter(|(key, _)| key.starts_with("watermarks/"));
    marks.map(|(_, bytes)| serde_json::from_slice(&bytes).unwrap()).collect()
}

/// A run that is refused gives its window back: the rows are the next run's.
#[tokio::test]
async fn a_refused_run_gives_its_window_back() {
    let world = at_six().await;
    let refused = event_as("refused", json!({ "incremental": {}, "fields": ["InvoiceNumbr"] }));
    let error = land(&world.anew(), refused).await.err();
    failure("refused", error, "InvalidEvent", "did you mean InvoiceNumber");
    let marks = watermarks(&world).await;
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0].get("given").unwrap_or(&json!([])), &json!([]));
    world.end().await;
}

/// What an event says of its increments is what they are; a window without increments leaves no watermark.
#[tokio::test]
async fn increments_are_as_the_event_says() {
    let world = at_six().await;
    let incremental = json!({
        "initial_from": "2026-11-21T04:00:00Z", "overlap_seconds": 1800, "lag_seconds": 300,
    });
    let row = put(&world, 101, at("2026-11-21T04:00:00Z"));
    put(&world, 103, at("2026-11-21T03:59:59.999Z"));
    let run = |key: &str| event_as(key, json!({ "incremental": incremental, "allow_empty": true }));
    land(&world.anew(), run("six")).await.unwrap();
    let first = window(&world, "six").await;
    let moments = (first.from, first.until, first.overlap_until);
    assert_eq!(moments, (Some(at("2026-11-21T04:00:00Z")), at("2026-11-21T05:55:00Z"), None));
    assert_eq!(keys(&lines(&world, "six").await), [row].into());
    world.pass(Duration::from_secs(3600));
    land(&world.anew(), run("seven")).await.unwrap();
    let next = window(&world, "seven").await;
    assert_eq!((next.from, next.until), (Some(at("2026-11-21T05:25:00Z")), at("2026-11-21T06:55:00Z")));
    world.end().await;

    let world = at_six().await;
    put(&world, 101, at("2026-11-20T00:00:00Z"));
    let range = json!({ "from": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z" });
    land(&world.anew(), event_as("backfill", json!({ "window": range }))).await.unwrap();
    assert!(watermarks(&world).await.is_empty());
    world.end().await;
}

/// A run whose window cannot be told, as the source does not answer, leaves no claim that the next start would wait for.
#[tokio::test]
async fn a_run_without_a_window_leaves_no_claim_behind() {
    let world = World::new(Setup {
        faults: json!({ "token": { "outage": { "unavailable": "always" } } }),
        ..setup(Value::Null)
    })
    .await;
    let event = || event(json!({ "incremental": {} }));
    let error = submit_event(&world.context, event()).await.err();
    failure("no window", error, "SourceUnavailable", "");
    world.simulator.set_faults(simulator::Faults::default()).unwrap();
    let began = world.clock.now();
    submit_event(&world.anew(), event()).await.unwrap();
    assert!(landfall::clock::elapsed(began, world.clock.now()) < Duration::from_secs(30));
    world.end().await;
}
