//! Stores that lack what S3 has.

use std::sync::Arc;

use embedded_store::{Before, Call, Intercept, Options};
use http::StatusCode;
use landfall_tests::{Setup, World, land};
use serde_json::json;
use simulator::RestScenario;

/// Copies nothing, neither objects nor ranges.
struct CopiesNothing;

impl Intercept for CopiesNothing {
    fn before(&self, call: &Call) -> Before {
        match call.operation {
            "CopyObject" | "UploadPartCopy" => Before::Answer(StatusCode::NOT_IMPLEMENTED),
            _ => Before::Proceed,
        }
    }
}

/// A file that is no archive lands where the store copies nothing: it is uploaded.
#[tokio::test]
async fn a_store_that_copies_nothing_is_uploaded_to() {
    let options = Options { fsync: false, intercept: Some(Arc::new(CopiesNothing)) };
    let rest = RestScenario { rows: 7, ..RestScenario::default() };
    let scenario = Some(simulator::Scenario { rest, ..simulator::Scenario::default() });
    let world = World::with_store(Setup { scenario, ..Setup::default() }, options).await;
    let event = json!({
        "connection": "fusion-demo",
        "export": { "kind": "fusion_rest", "resource": "invoices" },
        "destination": "lake",
        "run_key": "invoices-1",
    });
    land(&world.context, event).await.unwrap();
    let landed = world.landed().await;
    let manifests = world.manifests().await;
    let objects: Vec<_> = manifests.values().flat_map(|manifest| &manifest.objects).collect();
    assert_eq!(objects.iter().filter_map(|object| object.rows).sum::<u64>(), 7);
    for object in objects {
        assert_eq!(u64::try_from(landed[&object.key].len()).unwrap(), object.size);
    }
    world.end().await;
}
