//! What the output files of a request hold. It depends on the scenario and the request's id, and nothing else.

use std::fmt::Write as _;
use std::io::{self, Cursor, Write as _};

use fastrand::Rng;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::scenario::Scenario;

/// The rows of an output file.
pub(super) fn rows(scenario: &Scenario, id: u64, chunk: u32) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(chunk));
    let mut text = String::from("HEADERID,ORDERNUMBER,AMOUNT,DESCRIPTION\n");
    for row in 1..=scenario.oracle.rows {
        let _ = writeln!(
            text,
            "{id}{chunk:02}{row:05},{},{}.{:02},\"Tee, {}\"",
            rng.u32(..),
            rng.u16(..),
            rng.u8(0..100),
            rng.u8(..)
        );
    }
    text.into_bytes()
}

/// What an output file's archive is called.
pub(super) fn name(id: u64, definition: &str, chunk: u32) -> String {
    format!("{id}_S_{definition}_ordersExtract_7911745_20261121_060000.000000_{chunk}.zip")
}

/// An output file.
pub(super) fn archive(scenario: &Scenario, id: u64, chunk: u32) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("ordersExtract.csv", SimpleFileOptions::default()).map_err(io::Error::other)?;
    archive.write_all(&rows(scenario, id, chunk))?;
    archive.finish().map(Cursor::into_inner).map_err(io::Error::other)
}
