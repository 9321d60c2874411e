//! What the files of an EPM environment hold. It depends on the scenario and the job's id, and nothing else.

use std::fmt::Write as _;
use std::io::{self, Cursor, Write as _};

use fastrand::Rng;
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::faults::LogText;
use super::scenario::EpmFormat;
use super::state::{EpmJob, is_of_planning};
use crate::identity::credentials;
use crate::scenario::Scenario;

const ACCOUNTS: [&str; 6] =
    ["Cash", "Receivables", "Inventory", "Payables", "Net \"Revenue\"", "Travel, Meals"];
const ENTITIES: [&str; 4] = ["US01", "DE10", "SG07", "Zürich"];

/// The table of a job's output.
pub(super) fn table(scenario: &Scenario, job: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(scenario.seed ^ job.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::from("JOB,ROW,ACCOUNT,ENTITY,AMOUNT\n");
    for row in 1..=scenario.epm.rows {
        let account = rng.choice(ACCOUNTS).unwrap_or_default().replace('"', "\"\"");
        let entity = rng.choice(ENTITIES).unwrap_or_default();
        let (whole, cents) = (rng.i64(-9_999_999..=9_999_999), rng.u8(0..100));
        let _ = writeln!(text, "{job},{row},\"{account}\",{entity},{whole}.{cents:02}");
    }
    text.into_bytes()
}

/// What a job's output is written as: Planning exports archives alone.
pub(super) fn format(scenario: &Scenario, job: u64) -> EpmFormat {
    if is_of_planning(job) { EpmFormat::Zip } else { scenario.epm.format }
}

/// A job's output file.
pub(super) fn output(scenario: &Scenario, job: u64) -> io::Result<Vec<u8>> {
    match format(scenario, job) {
        EpmFormat::Csv => Ok(table(scenario, job)),
        EpmFormat::Json => {
            serde_json::to_vec(&json!({ "job": job, "rows": scenario.epm.rows })).map_err(io::Error::other)
        }
        EpmFormat::JsonLikeAnOutcome => {
            serde_json::to_vec(&json!({ "status": 1, "details": format!("rows of job {job}") }))
                .map_err(io::Error::other)
        }
        EpmFormat::Zip => {
            let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
            archive.start_file("Balances.csv", SimpleFileOptions::default()).map_err(io::Error::other)?;
            archive.write_all(&table(scenario, job))?;
            archive.finish().map(Cursor::into_inner).map_err(io::Error::other)
        }
    }
}

/// What the name of a job's output ends in.
pub(super) fn extension(format: EpmFormat) -> &'static str {
    match format {
        EpmFormat::Csv => "csv",
        EpmFormat::Json | EpmFormat::JsonLikeAnOutcome => "json",
        EpmFormat::Zip => "zip",
    }
}

/// The log of a job that has ended.
pub(super) fn log(scenario: &Scenario, job: &EpmJob, kind: LogText) -> Vec<u8> {
    let mut text = String::new();
    for line in 1..=scenario.epm.log_lines {
        let _ = writeln!(text, "2026-11-21 06:00:00,{line:03} INFO  [AIF]: Process {} step {line}", job.id);
    }
    let ended = job.end.as_ref().is_some_and(|end| end.status == 0);
    let last = match kind {
        _ if ended => "INFO  [AIF]: Process ended.".to_owned(),
        LogText::Plain => "ERROR [AIF]: ORA-00600: internal error code".to_owned(),
        LogText::Mapping => "ERROR [AIF]: Account 4110 is not mapped (TDATAMAPSEG)".to_owned(),
        LogText::Connectivity => "FATAL [AIF]: java.net.ConnectException: Connection refused".to_owned(),
        LogText::Parameter => "ERROR [AIF]: Invalid period Foo-06 for application".to_owned(),
        LogText::Cancelled => "WARN  [AIF]: Process was cancelled by admin".to_owned(),
        LogText::Secret => format!("ERROR [AIF]: sign-in as x with {} failed", credentials::PASSWORD),
    };
    let _ = writeln!(text, "2026-11-21 06:00:09,999 {last}");
    text.into_bytes()
}
