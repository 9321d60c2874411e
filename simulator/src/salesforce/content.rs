//! What a query finds. It depends on the scenario and the job's id, and nothing else.

use std::fmt::Write as _;
use std::ops::Range;

use fastrand::Rng;

use crate::scenario::Scenario;

/// A page of results: each has a line with the names of the columns, and some records have a line break in them.
pub(super) fn page(scenario: &Scenario, id: &str, records: Range<u32>) -> Vec<u8> {
    let mut text = String::from("\"Id\",\"Name\",\"Description\"\n");
    let of_job = id.bytes().fold(scenario.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    for record in records {
        let mut rng = Rng::with_seed(of_job ^ u64::from(record).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text = &mut text;
        let _ = writeln!(
            text,
            "\"001R{record:014}\",\"Müller, {} & Söhne\",\"said \"\"{}\"\"\nin line two\"",
            rng.u16(..),
            rng.u8(..)
        );
    }
    text.into_bytes()
}
