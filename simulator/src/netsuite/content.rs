//! What a request finds. It depends on the scenario, the job's id and the task's, and nothing else.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::scenario::Scenario;

/// The answer to a request: a collection.
pub(super) fn result(scenario: &Scenario, id: u64, task: u32) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(task));
    let item = |number: u32| json!({ "id": format!("{task}{number:04}"), "companyName": format!("Müller {}", rng.u16(..)) });
    let items: Vec<Value> = (1..=scenario.netsuite.records).map(item).collect();
    json!({ "count": items.len(), "hasMore": false, "items": items, "offset": 0, "totalResults": items.len() })
        .to_string()
        .into_bytes()
}
