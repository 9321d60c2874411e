//! What a report holds. It depends on the scenario and the run's id, and nothing else.

use std::fmt::Write as _;

use fastrand::Rng;

use crate::scenario::Scenario;

/// A report as CSV.
pub(super) fn report(scenario: &Scenario, id: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::from("\"balance_transaction_id\",\"created\",\"net\",\"description\"\n");
    for row in 1..=scenario.stripe.rows {
        let _ = writeln!(
            text,
            "\"txn_{id}_{row}\",\"2026-11-{:02} 06:00:00\",\"{}.{:02}\",\"Tee, {}\"",
            rng.u8(1..=28),
            rng.u16(..),
            rng.u8(0..100),
            rng.u8(..)
        );
    }
    text.into_bytes()
}
