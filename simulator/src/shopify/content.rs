//! What an operation finds. It depends on the scenario and the operation's id, and nothing else.

use fastrand::Rng;
use serde_json::json;

use crate::scenario::Scenario;

/// The objects, one a line.
pub(super) fn objects(scenario: &Scenario, id: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::new();
    for object in 1..=scenario.shopify.objects {
        let title = format!("Teekanne größe {}", rng.u8(..));
        let object = json!({ "id": format!("gid://shopify/Product/{id}{object:06}"), "title": title });
        text.push_str(&object.to_string());
        text.push('\n');
    }
    text.into_bytes()
}
