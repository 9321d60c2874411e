//! The output of jobs: which files there are, what is in them, and the bytes themselves.
//!
//! A job's files are made once, in a folder of the job's own, and described by `output.json` beside them,
//! which is written last. What a file holds depends on the scenario, the job's id and mode, and nothing
//! else, so a member's bytes can be made again at any time to compare.

mod archives;
mod expected;
mod tables;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::faults::{ArchiveFaults, ArchiveKind, NameForm};
use super::scenario::{Format, Producer};
use super::state::Job;
use crate::context::Context;
use crate::scenario::Scenario;
use expected::{Digested, MemberPlan, Recipe};
use tables::TableSpec;

pub use expected::{ExpectedFile, ExpectedMember, Landing, MemberReader};

/// A job's identifiers leave room for so many rows in each member.
const IDS_PER_MEMBER: u64 = 1_000_000_000;
/// The first hour of changes; the window of the n-th incremental job is n hours later.
const FIRST_WINDOW_SECOND: i64 = 1_795_219_200;
const OUTPUT_RECORD: &str = "output.json";

/// What a job's output depends on.
#[derive(Clone, Debug)]
struct OutputRequest {
    job_id: u64,
    extract: String,
    incremental: bool,
    /// For an incremental job: how many have succeeded before it.
    window: u64,
    submitted_at: Timestamp,
    name: NameForm,
    archive: ArchiveFaults,
    /// Whether the last archive has a metadata file.
    is_described: bool,
}

/// The output of one job, made once, waited for by many.
type Output = Shared<BoxFuture<'static, Result<Arc<Vec<ExpectedFile>>, Arc<io::Error>>>>;

/// The outputs that have been asked for since the start, by job.
#[derive(Clone, Default)]
pub(super) struct Outputs(Arc<Mutex<HashMap<u64, Output>>>);

impl Outputs {
    /// The output files of a job, made now if they are not there yet. The work goes on when nobody waits
    /// any longer.
    pub(super) fn of(context: &Context, job: &Job) -> Output {
        let Self(outputs) = context.memory();
        let mut outputs = outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.entry(job.id).or_insert_with(|| start(context, job)).clone()
    }
}

fn start(context: &Context, job: &Job) -> Output {
    let faults = context.faults();
    let folder = folder(context, job.id);
    let (scenario, name) = match job.resource() {
        Some(resource) => (of_spectra(&context.scenario, resource), NameForm::Json),
        None => (context.scenario.clone(), faults.output_files.name),
    };
    let request = OutputRequest {
        job_id: job.id,
        extract: job.resource().unwrap_or_else(|| job.extract()).to_owned(),
        incremental: job.is_incremental(),
        window: job.window.unwrap_or(0),
        submitted_at: job.submitted_at,
        name,
        archive: faults.archive,
        is_described: job.resource().is_none(),
    };
    let work = tokio::task::spawn_blocking(move || produce(&folder, &scenario, &request));
    let files = async move {
        match work.await {
            Ok(Ok(files)) => Ok(Arc::new(files)),
            Ok(Err(error)) => Err(Arc::new(error)),
            Err(stopped) => Err(Arc::new(io::Error::other(stopped))),
        }
    };
    files.boxed().shared()
}

/// What an extraction by Spectra puts out: one file, the JSON of its resource.
fn of_spectra(scenario: &Scenario, resource: &str) -> Scenario {
    Scenario {
        views: vec![resource.to_owned()],
        chunks_per_view: 1,
        members_per_chunk: 1,
        format: Format::Json,
        ..scenario.clone()
    }
}

/// The folder of a job's output.
fn folder(context: &Context, job_id: u64) -> PathBuf {
    context.folder.path().join("jobs").join(job_id.to_string())
}

/// Where the bytes of a job's file are that `ordinal` names.
pub(super) fn file_path(context: &Context, job_id: u64, ordinal: u32) -> PathBuf {
    path_in(&folder(context, job_id), ordinal)
}

fn path_in(folder: &Path, ordinal: u32) -> PathBuf {
    folder.join(format!("{ordinal}.bin"))
}

/// The job's files: those that its folder holds, or new ones made into it.
fn produce(folder: &Path, scenario: &Scenario, request: &OutputRequest) -> io::Result<Vec<ExpectedFile>> {
    let record = folder.join(OUTPUT_RECORD);
    match fs::read(&record) {
        Ok(bytes) => return serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(folder)?;
    let files = make_files(folder, scenario, request)?;
    let unfinished = folder.join("output.json.new");
    fs::write(&unfinished, serde_json::to_vec_pretty(&files)?)?;
    fs::rename(&unfinished, &record)?;
    Ok(files)
}

/// Writes one archive of a scenario's first view to a path, as a job's first file would hold it: no pod needs to run.
pub fn write_archive(path: &Path, scenario: &Scenario) -> io::Result<Landing> {
    let request = OutputRequest {
        job_id: 1,
        extract: "SimpleCarriers".to_owned(),
        incremental: false,
        window: 0,
        submitted_at: window_start(0),
        name: NameForm::default(),
        archive: ArchiveFaults::default(),
        is_described: true,
    };
    let view = scenario.views.first().map_or("", String::as_str);
    let chunk = Chunk { ordinal: 1, view, number: 1, last: false };
    let producer = scenario.producers.first().copied().unwrap_or(Producer::JavaStream);
    let members = chunk_members(scenario, &request, &chunk);
    archives::write(File::create(path)?, producer, ArchiveKind::Sound, members)
}

fn make_files(folder: &Path, scenario: &Scenario, request: &OutputRequest) -> io::Result<Vec<ExpectedFile>> {
    let producers = if scenario.producers.is_empty() { &Producer::ALL[..] } else { &scenario.producers };
    let chunks = chunks_of(scenario);
    let spoilt = request.archive.file.unwrap_or(1);
    let mut files: Vec<ExpectedFile> = Vec::with_capacity(chunks.len());
    for (chunk, producer) in chunks.iter().zip(producers.iter().cycle()) {
        let kind = if chunk.ordinal == spoilt { request.archive.kind } else { ArchiveKind::Sound };
        let mut members = chunk_members(scenario, request, chunk);
        if chunk.last && request.is_described {
            members.push(describe_extraction(scenario, request, &files)?);
        }
        let path = path_in(folder, chunk.ordinal);
        let landing = archives::write(File::create(&path)?, *producer, kind, members)?;
        let (size, sha256) = digest_file(&path)?;
        files.push(ExpectedFile {
            ordinal: chunk.ordinal,
            name: file_name(request, chunk, kind),
            size,
            sha256,
            time_created: request.submitted_at,
            landing,
        });
    }
    Ok(files)
}

struct Chunk<'a> {
    ordinal: u32,
    view: &'a str,
    /// From 1, within the view.
    number: u32,
    /// Whether it is the job's last one.
    last: bool,
}

fn chunks_of(scenario: &Scenario) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let mut ordinal = 0;
    for view in &scenario.views {
        for number in 1..=scenario.chunks_per_view {
            ordinal += 1;
            chunks.push(Chunk { ordinal, view, number, last: false });
        }
    }
    if let Some(last) = chunks.last_mut() {
        last.last = true;
    }
    chunks
}

fn chunk_members(scenario: &Scenario, request: &OutputRequest, chunk: &Chunk<'_>) -> Vec<MemberPlan> {
    let extension = scenario.format.extension();
    let member = |index: u32| MemberPlan {
        name: if index == 0 {
            format!("{}.{extension}", chunk.view)
        } else {
            format!("{}_{}.{extension}", chunk.view, index + 1)
        },
        recipe: Recipe::Table(table_spec(scenario, request, chunk, index)),
    };
    (0..scenario.members_per_chunk).map(member).collect()
}

fn table_spec(scenario: &Scenario, request: &OutputRequest, chunk: &Chunk<'_>, index: u32) -> TableSpec {
    let tables_before =
        u64::from(chunk.ordinal - 1) * u64::from(scenario.members_per_chunk) + u64::from(index);
    let hours = if request.incremental { request.window } else { 0 };
    TableSpec {
        seed: seed_of(scenario.seed, request, tables_before),
        view: chunk.view.to_owned(),
        format: scenario.format,
        size: scenario.member_size,
        first_id: (request.job_id % 1_000_000)
            .wrapping_mul(10_000)
            .wrapping_add(tables_before)
            .wrapping_mul(IDS_PER_MEMBER)
            % 1_000_000_000_000_000,
        changed_in: window_start(hours),
    }
}

fn window_start(hours: u64) -> Timestamp {
    let start = Timestamp::from_second(FIRST_WINDOW_SECOND).unwrap_or(Timestamp::UNIX_EPOCH);
    let passed = SignedDuration::from_hours(i64::try_from(hours % 100_000).unwrap_or(0));
    start.checked_add(passed).unwrap_or(start)
}

fn seed_of(seed: u64, request: &OutputRequest, table: u64) -> u64 {
    let mut hasher = Sha256::new();
    for part in [seed, request.job_id, u64::from(request.incremental), request.window, table] {
        hasher.update(part.to_le_bytes());
    }
    hasher.finalize().iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// The metadata file that the last chunk alone has. Its name and form are not published; this is one.
fn describe_extraction(
    scenario: &Scenario,
    request: &OutputRequest,
    files_before: &[ExpectedFile],
) -> io::Result<MemberPlan> {
    let description = serde_json::json!({
        "extractName": request.extract,
        "jobRequestId": request.job_id,
        "extractType": if request.incremental { "Incremental" } else { "Full" },
        "views": scenario.views,
        "chunks": files_before.len() + 1,
        "windowEnd": window_start(request.window + 1).to_string(),
    });
    Ok(MemberPlan {
        name: format!("{}_metadata.json", request.extract),
        recipe: Recipe::Text(serde_json::to_string_pretty(&description)?),
    })
}

/// "Extract Output File and Manifest Details": the job, `S`, extract, view, a number, a moment, the chunk.
fn file_name(request: &OutputRequest, chunk: &Chunk<'_>, kind: ArchiveKind) -> String {
    let moment = request.submitted_at.strftime("%Y%m%d_%H%M%S.%6f");
    let millisecond = request.submitted_at.as_millisecond();
    let stem = format!(
        "{}_S_{}_{}_{millisecond}_{moment}_{}",
        request.job_id, request.extract, chunk.view, chunk.number
    );
    let documented = match kind {
        ArchiveKind::ZipNamedJson => format!("{stem}.json"),
        _ => format!("{stem}.zip"),
    };
    if chunk.ordinal != 1 {
        return documented;
    }
    match request.name {
        NameForm::Documented => documented,
        NameForm::Traversal => format!("../../{documented}"),
        NameForm::Absolute => format!("/{documented}"),
        NameForm::Spaces => format!(" {} .zip", stem.replace('_', " ")),
        NameForm::Percent => format!("100%_a%2Fb_{documented}"),
        NameForm::Unicode => format!("Größe_北京_{documented}"),
        NameForm::Json => format!("result_{}.json", request.job_id),
        NameForm::Long => format!("{}{documented}", "x".repeat(300_usize.saturating_sub(documented.len()))),
    }
}

fn digest_file(path: &Path) -> io::Result<(u64, String)> {
    let mut digest = Digested::new(File::open(path)?);
    io::copy(&mut digest, &mut io::sink())?;
    Ok((digest.size, digest.sha256()))
}

#[cfg(test)]
mod tests;
