//! How often a run that nothing disturbs asks its source: nobody asks a source for what it has just said.

use landfall_tests::systems::{self, System};
use landfall_tests::{Setup, World, land};
use simulator::Operation;

/// The most requests of each system's smallest run, but for those that ask what has become of the job: how many these
/// are follows from how long it takes.
const MOST: &[(&str, usize)] = &[
    ("fusion_extract", 9),
    ("fusion_rest", 25),
    ("epm_job", 8),
    ("epm_job of Planning", 8),
    ("folio_export", 20),
    ("folio_export of all records", 8),
    ("declared", 5),
    ("declared: sp-api-reports", 5),
    ("delivery", 0),
    ("declared: salesforce-bulk", 8),
    ("declared: stripe-reports", 2),
    ("declared: shopify-bulk", 6),
    ("declared: marketo-leads", 4),
    ("declared: netsuite-async", 7),
    ("fusion_extract as gzip", 9),
];

async fn requests(system: System) -> Vec<String> {
    let setup = Setup { scenario: Some((system.small)()), ..Setup::default() };
    let world = World::new(setup).await;
    system.upload(&world).await;
    Box::pin(land(&world.context, (system.event)()))
        .await
        .unwrap_or_else(|error| panic!("{}: {}", system.kind, error.line()));
    let entries = world.simulator.journal().requests();
    let asked = entries.iter().filter(|entry| entry.operation != Operation::JobStatus);
    let asked = asked.map(|entry| format!("{} {}", entry.method, entry.path)).collect();
    world.end().await;
    asked
}

/// A source counts requests, and some let in only so many an hour: a run makes no more than it needs.
#[tokio::test]
async fn a_run_that_nothing_disturbs_asks_its_source_no_more_than_it_needs() {
    for system in systems::ALL {
        let asked = requests(*system).await;
        let most = MOST.iter().find(|(kind, _)| *kind == system.kind);
        let (_, most) = most.unwrap_or_else(|| panic!("{}: {} requests", system.kind, asked.len()));
        assert!(asked.len() <= *most, "{}: {} requests:\n{}", system.kind, asked.len(), asked.join("\n"));
    }
}
