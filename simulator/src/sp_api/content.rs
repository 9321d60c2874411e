//! What a report's document holds. It depends on the scenario and the report's id, and nothing else.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::scenario::Scenario;

/// A report as text.
pub(super) fn text(scenario: &Scenario, id: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::from("seller-sku\titem-name\tprice\tquantity\n");
    for row in 1..=scenario.sp_api.rows {
        let _ = writeln!(
            text,
            "SKU-{id}-{row}\tTeekanne größe {}\t{}.{:02}\t{}",
            rng.u8(..),
            rng.u16(..),
            rng.u8(0..100),
            rng.u8(..)
        );
    }
    text.into_bytes()
}

/// A report's document.
pub(super) fn document(scenario: &Scenario, id: u64) -> io::Result<Vec<u8>> {
    let text = text(scenario, id);
    if !scenario.sp_api.gzip {
        return Ok(text);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text)?;
    encoder.finish()
}
