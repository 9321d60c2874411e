//! What an extract holds. It depends on the scenario and the extract's number, and nothing else.

use std::fmt::Write as _;

use fastrand::Rng;

use crate::scenario::Scenario;

/// An extract as CSV.
pub(super) fn leads(scenario: &Scenario, number: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::from("id,firstName,email\n");
    for lead in 1..=scenario.marketo.leads {
        let _ = writeln!(text, "{lead},\"Jürgen, {}\",lead{lead}@example.com", rng.u16(..));
    }
    text.into_bytes()
}
