//! What a job puts out: read ids, records in slices, one file or one archive of them, and a log.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::faults::{Damage, FolioArchive, FolioOutputFaults};
use super::marc;
use super::scenario::FolioScenario;
use super::uuid::{is_uuid, uuid_of};
use crate::zip_writer;

/// What a job comes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Output {
    /// Its one file, unless it has nothing to put out.
    pub(crate) file: Option<ExportFile>,
    pub(crate) exported: u64,
    pub(crate) failed: u64,
    pub(crate) total: u64,
    pub(crate) logs: Vec<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExportFile {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it holds: one slice is the file itself, several are the members of an archive.
    pub(crate) slices: Vec<Slice>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slice {
    pub(crate) name: String,
    pub(crate) records: u64,
}

impl Output {
    /// A job that puts nothing out, and says why.
    pub(crate) fn nothing(execution: &str, at: Timestamp, code: &str, values: &[&str]) -> Self {
        let logs = vec![entry(execution, 0, at, code, values)];
        Self { file: None, exported: 0, failed: 0, total: 0, logs }
    }

    pub(crate) fn status(&self) -> &'static str {
        match (&self.file, self.logs.is_empty()) {
            (None, _) => "FAIL",
            (Some(_), true) => "COMPLETED",
            (Some(_), false) => "COMPLETED_WITH_ERRORS",
        }
    }
}

/// An entry of a job's log.
pub(super) fn entry(execution: &str, number: usize, at: Timestamp, code: &str, values: &[&str]) -> Value {
    json!({
        "id": uuid_of(&format!("log {number} of {execution}")),
        "jobExecutionId": execution,
        "createdDate": at.to_string(),
        "logLevel": "ERROR",
        "errorMessageCode": code,
        "errorMessageValues": values,
        "affectedRecord": { "id": values.first().unwrap_or(&""), "hrid": "", "recordType": "INSTANCE" },
    })
}

/// Where a job's ids come from.
pub(super) enum Ids {
    /// An uploaded file.
    Uploaded { path: PathBuf, is_query: bool },
    /// A request that names them.
    Named(Vec<String>),
    /// Every record of the tenant.
    All,
}

/// What is exported, and how.
pub(super) struct Job<'a> {
    pub(super) execution: &'a str,
    /// The file's name without its ending.
    pub(super) stem: String,
    pub(super) is_linked_data: bool,
    pub(super) scenario: &'a FolioScenario,
    pub(super) seed: u64,
    pub(super) slice_size: u64,
    pub(super) faults: &'a FolioOutputFaults,
    pub(super) at: Timestamp,
}

/// Where a job's file and its slices are kept.
pub(super) fn folder(data: &Path, execution: &str) -> PathBuf {
    data.join("folio").join("exports").join(execution)
}

/// Makes a job's output.
pub(super) fn produce(data: &Path, job: &Job<'_>, ids: Ids) -> io::Result<Output> {
    let mut read = Reading { job, seen: HashSet::new(), found: Vec::new(), failed: 0, logs: Vec::new() };
    read.all(ids)?;
    let Reading { found, failed, logs, .. } = read;
    let exported = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let mut output = Output { file: None, exported, failed, total: exported + failed, logs };
    if found.is_empty() {
        if output.logs.is_empty() {
            output.logs.push(entry(job.execution, 0, job.at, "error.readingFromInputFile", &["no ids"]));
        }
        return Ok(output);
    }
    let folder = folder(data, job.execution);
    let slices = write_slices(&folder, job, &found)?;
    let (ending, is_archive) = match (job.is_linked_data, slices.len()) {
        (true, 1) => ("json", false),
        (false, 1) => ("mrc", false),
        _ => ("zip", true),
    };
    let name = format!("{}.{ending}", job.stem);
    if is_archive {
        archive(&folder, &folder.join(&name), job, &slices)?;
    } else {
        let slice = slices.first().map(|slice| folder.join("slices").join(&slice.name));
        fs::copy(slice.unwrap_or_default(), folder.join(&name))?;
    }
    output.file = Some(ExportFile { id: uuid_of(&format!("file of {}", job.execution)), name, slices });
    Ok(output)
}

/// Reads ids as the module does: no line is trimmed, and every one counts.
struct Reading<'a> {
    job: &'a Job<'a>,
    seen: HashSet<String>,
    found: Vec<String>,
    failed: u64,
    logs: Vec<Value>,
}

impl Reading<'_> {
    fn all(&mut self, ids: Ids) -> io::Result<()> {
        match ids {
            Ids::All => self.found = self.tenants_own("all"),
            Ids::Named(ids) => ids.iter().for_each(|id| self.one(id)),
            Ids::Uploaded { path, is_query: true } => {
                let query = fs::read_to_string(path)?;
                match query.contains("((") {
                    true => self.log("error.invalidCqlSyntax", &[&query]),
                    false => self.found = self.tenants_own(&query),
                }
            }
            Ids::Uploaded { path, is_query: false } => {
                for (number, line) in BufReader::new(File::open(path)?).lines().enumerate() {
                    let line = line?.replace('"', "");
                    let line = if number == 0 { line.trim_start_matches('\u{feff}') } else { &line };
                    self.one(line);
                }
            }
        }
        Ok(())
    }

    fn tenants_own(&self, query: &str) -> Vec<String> {
        (0..self.job.scenario.query_finds).map(|number| uuid_of(&format!("{query} {number}"))).collect()
    }

    fn one(&mut self, id: &str) {
        if !is_uuid(id) {
            self.failed += 1;
            self.log("error.invalidUuidFormat", &[id]);
        } else if !self.seen.insert(id.to_owned()) {
            self.log("error.duplicatedIds", &[id]);
        } else if self.job.scenario.unknown_ids.iter().any(|unknown| unknown == id) {
            self.failed += 1;
            self.log("error.uuidsNotFound", &[id]);
        } else {
            self.found.push(id.to_owned());
        }
    }

    fn log(&mut self, code: &str, values: &[&str]) {
        self.logs.push(entry(self.job.execution, self.logs.len(), self.job.at, code, values));
    }
}

fn write_slices(folder: &Path, job: &Job<'_>, ids: &[String]) -> io::Result<Vec<Slice>> {
    let slices_folder = folder.join("slices");
    fs::create_dir_all(&slices_folder)?;
    let size = usize::try_from(job.slice_size.max(1)).unwrap_or(usize::MAX);
    let all = ids.len();
    let is_one = all <= size;
    let ending = if job.is_linked_data { "json" } else { "mrc" };
    let mut slices = Vec::new();
    for (number, ids) in ids.chunks(size).enumerate() {
        let name = match is_one {
            true => format!("{}.{ending}", job.stem),
            false => format!("{}-{}.{ending}", job.stem, number + 1),
        };
        let mut out = BufWriter::new(File::create(slices_folder.join(&name))?);
        let is_last_slice = (number + 1).saturating_mul(size) >= all;
        let mut records = 0;
        for (place, id) in ids.iter().enumerate() {
            let is_last = is_last_slice && place + 1 == ids.len();
            if is_last && job.faults.loses_a_record {
                continue;
            }
            let mut record = match job.is_linked_data {
                true => marc::line(job.seed, id),
                false => marc::record(job.seed, id, job.scenario.record_bytes),
            };
            if is_last {
                damage(&mut record, job.faults.damage);
            }
            out.write_all(&record)?;
            records += 1;
        }
        out.flush()?;
        slices.push(Slice { name, records });
    }
    Ok(slices)
}

fn damage(record: &mut Vec<u8>, damage: Option<Damage>) {
    match damage {
        None => {}
        Some(Damage::Cut) => record.truncate(record.len().saturating_sub(9)),
        Some(Damage::NoTerminator) => {
            record.pop();
            record.push(b'.');
        }
        Some(Damage::WrongLength) => {
            let length = format!("{:05}", record.len() + 1);
            record.splice(..5, length.into_bytes());
        }
    }
}

/// An archive as Java's `ZipOutputStream` writes it, from front to back.
fn archive(folder: &Path, path: &Path, job: &Job<'_>, slices: &[Slice]) -> io::Result<()> {
    let first = slices.first().map(|slice| slice.name.clone()).unwrap_or_default();
    let members = slices.iter().enumerate().map(|(number, slice)| {
        let name = match job.faults.archive {
            Some(FolioArchive::Traversal) if number > 0 => format!("../../{}", slice.name),
            Some(FolioArchive::DuplicateNames) => first.clone(),
            _ => slice.name.clone(),
        };
        (name, folder.join("slices").join(&slice.name))
    });
    zip_writer::write_java_zip(path, members)
}
