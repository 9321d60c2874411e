//! How often a run that nothing disturbs asks its source: nobody asks a source for what it has just said.

use landfall_tests::systems::{self, System};
use landfall_tests::{Setup, World, land};
use simulator::Operation;

/// The most requests of a system's smallest run, but for those that ask what has become of the job: how many these are
/// follows from how long it takes.
fn most(system: System) -> usize {
    match system.kind {
        // What each row has below it is asked for by itself.
        "fusion_rest" => 25,
        // Ids are uploaded before an export is started.
        "folio_export" => 20,
        _ => 9,
    }
}

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
        assert!(
            asked.len() <= most(*system),
            "{}: {} requests:\n{}",
            system.kind,
            asked.len(),
            asked.join("\n")
        );
    }
}
