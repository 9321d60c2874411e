//! Whole runs over Fusion's REST resources: each trap that its documents and its users know, with the outcome that
//! the promises ask for.

use std::collections::BTreeMap;

use landfall::Error;
use landfall_tests::{Setup, World, land};
use serde_json::{Value, json};
use simulator::{Operation, RestScenario, Scenario, credentials};

/// The event of a read of the simulator's invoices.
fn event(export: Value) -> Value {
    event_as("invoices-2026-11-21T06", export)
}

fn event_as(run_key: &str, more: Value) -> Value {
    let mut export = json!({ "kind": "fusion_rest", "resource": "invoices", "pages_per_file": 1 });
    export.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "connection": "fusion-demo", "export": export, "destination": "lake", "run_key": run_key })
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
    let error = error.unwrap_or_else(|| panic!("{case}: landed, and should have failed with {name}"));
    let line = error.line();
    assert_eq!(error.error_type().name(), name, "{case}: {line}");
    assert!(line.contains(text), "{case}: {line:?} does not hold {text:?}");
    assert!(!line.contains('\n') && !line.contains(credentials::CLIENT_SECRET), "{case}: {line}");
}

/// All promises at once: whole rows to the byte, several files, and a second run that changes and asks nothing.
#[tokio::test]
async fn a_resource_lands_whole_and_once() {
    let world = World::new(setup(json!({}))).await;
    let published = land(&world.context, event(json!({}))).await.unwrap();
    assert_eq!((published.totals.rows, published.totals.objects), (1_200, 3));
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
