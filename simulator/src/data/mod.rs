//! The output of jobs: which files there are, what is in them, and the bytes themselves.
//!
//! A job's files are made once, in a folder of the job's own, and described by `output.json` beside them,
//! which is written last. What a file holds depends on the scenario, the job's id and mode, and nothing
//! else, so a member's bytes can be made again at any time to compare.

pub(crate) mod archives;
mod erp;
mod zip_writer;

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::faults::{ArchiveFaults, ArchiveKind, NameForm};
use crate::scenario::{Producer, Scenario};
use erp::{TableReader, TableSpec};

/// A job's identifiers leave room for so many rows in each member.
const IDS_PER_MEMBER: u64 = 1_000_000_000;
/// The first hour of changes; the window of the n-th incremental job is n hours later.
const FIRST_WINDOW_SECOND: i64 = 1_795_219_200;
const OUTPUT_RECORD: &str = "output.json";

/// One output file of a job: what the source serves, and what a correct landing of it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedFile {
    /// Its place in the list of files, from 1.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// When the job made it.
    pub time_created: Timestamp,
    /// What becomes of it.
    pub landing: Landing,
}

/// Writes files into an archive in the way of Java's `ZipOutputStream`.
pub(crate) fn write_java_zip(
    path: &Path,
    members: impl Iterator<Item = (String, PathBuf)>,
) -> io::Result<()> {
    use zip_writer::{Entry, Layout, Method, Quirks, ZipWriter};
    let mut archive = ZipWriter::new(io::BufWriter::new(File::create(path)?));
    for (name, file) in members {
        let entry = Entry {
            name: &name,
            method: Method::Deflated,
            layout: Layout::Descriptor { signature: true },
            quirks: Quirks::default(),
        };
        archive.add(&entry, &mut io::BufReader::new(File::open(file)?))?;
    }
    archive.finish().map(|_| ())
}

/// What a correct landing makes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landing {
    /// An archive: these members, and nothing else.
    Members(Vec<ExpectedMember>),
    /// No archive: the file itself.
    Copied,
    /// Nothing: it has to be refused.
    Refused,
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedMember {
    /// Its name in the archive.
    pub name: String,
    /// Its bytes, unpacked.
    pub size: u64,
    /// The CRC-32 of its bytes.
    pub crc32: u32,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Rows of data without a header, where it is a table.
    pub rows: Option<u64>,
    recipe: Recipe,
}

impl ExpectedMember {
    /// The member's bytes, made again as they are read: nothing grows with their number.
    pub fn reader(&self) -> MemberReader {
        self.recipe.reader()
    }
}

/// How a member's bytes are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Recipe {
    Table(TableSpec),
    Text(String),
}

impl Recipe {
    fn reader(&self) -> MemberReader {
        MemberReader(match self {
            Self::Table(spec) => Source::Table(Box::new(TableReader::new(spec))),
            Self::Text(text) => Source::Text(Cursor::new(text.clone().into_bytes())),
        })
    }
}

/// Reads the bytes of a member.
pub struct MemberReader(Source);

enum Source {
    Table(Box<TableReader>),
    Text(Cursor<Vec<u8>>),
}

impl MemberReader {
    fn rows(&self) -> Option<u64> {
        match &self.0 {
            Source::Table(table) => Some(table.rows()),
            Source::Text(_) => None,
        }
    }
}

impl Read for MemberReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Table(reader) => reader.read(target),
            Source::Text(reader) => reader.read(target),
        }
    }
}

/// What a job's output depends on.
#[derive(Clone, Debug)]
pub(crate) struct OutputOrder {
    pub(crate) job_id: u64,
    pub(crate) extract: String,
    pub(crate) incremental: bool,
    /// For an incremental job: how many have succeeded before it.
    pub(crate) window: u64,
    pub(crate) submitted_at: Timestamp,
    pub(crate) name: NameForm,
    pub(crate) archive: ArchiveFaults,
}

/// Where the bytes of the file are that `ordinal` names.
pub(crate) fn file_path(folder: &Path, ordinal: u32) -> PathBuf {
    folder.join(format!("{ordinal}.bin"))
}

/// The job's files: those that its folder holds, or new ones made into it.
pub(crate) fn produce(
    folder: &Path,
    scenario: &Scenario,
    order: &OutputOrder,
) -> io::Result<Vec<ExpectedFile>> {
    let record = folder.join(OUTPUT_RECORD);
    match fs::read(&record) {
        Ok(bytes) => return serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(folder)?;
    let files = make_files(folder, scenario, order)?;
    let unfinished = folder.join("output.json.new");
    fs::write(&unfinished, serde_json::to_vec_pretty(&files)?)?;
    fs::rename(&unfinished, &record)?;
    Ok(files)
}

/// Writes one archive of a scenario's first view to a path, as a job's first file would hold it: no pod needs to run.
pub fn write_archive(path: &Path, scenario: &Scenario) -> io::Result<Landing> {
    let order = OutputOrder {
        job_id: 1,
        extract: "SimpleCarriers".to_owned(),
        incremental: false,
        window: 0,
        submitted_at: window_start(0),
        name: NameForm::default(),
        archive: ArchiveFaults::default(),
    };
    let view = scenario.views.first().map_or("", String::as_str);
    let chunk = Chunk { ordinal: 1, view, number: 1, last: false };
    let producer = scenario.producers.first().copied().unwrap_or(Producer::JavaStream);
    let members = chunk_members(scenario, &order, &chunk);
    archives::write(File::create(path)?, producer, ArchiveKind::Sound, members)
}

fn make_files(folder: &Path, scenario: &Scenario, order: &OutputOrder) -> io::Result<Vec<ExpectedFile>> {
    let producers = if scenario.producers.is_empty() { &Producer::ALL[..] } else { &scenario.producers };
    let chunks = chunks_of(scenario);
    let spoilt = order.archive.file.unwrap_or(1);
    let mut files: Vec<ExpectedFile> = Vec::with_capacity(chunks.len());
    for (chunk, producer) in chunks.iter().zip(producers.iter().cycle()) {
        let kind = if chunk.ordinal == spoilt { order.archive.kind } else { ArchiveKind::Sound };
        let mut members = chunk_members(scenario, order, chunk);
        if chunk.last {
            members.push(describe_extraction(scenario, order, &files)?);
        }
        let path = file_path(folder, chunk.ordinal);
        let landing = archives::write(File::create(&path)?, *producer, kind, members)?;
        let (size, sha256) = digest_file(&path)?;
        files.push(ExpectedFile {
            ordinal: chunk.ordinal,
            name: file_name(order, chunk, kind),
            size,
            sha256,
            time_created: order.submitted_at,
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

/// A member that is still to be written.
struct Planned {
    name: String,
    recipe: Recipe,
}

fn chunk_members(scenario: &Scenario, order: &OutputOrder, chunk: &Chunk<'_>) -> Vec<Planned> {
    let extension = scenario.format.extension();
    let member = |index: u32| Planned {
        name: if index == 0 {
            format!("{}.{extension}", chunk.view)
        } else {
            format!("{}_{}.{extension}", chunk.view, index + 1)
        },
        recipe: Recipe::Table(table_spec(scenario, order, chunk, index)),
    };
    (0..scenario.members_per_chunk).map(member).collect()
}

fn table_spec(scenario: &Scenario, order: &OutputOrder, chunk: &Chunk<'_>, index: u32) -> TableSpec {
    let tables_before =
        u64::from(chunk.ordinal - 1) * u64::from(scenario.members_per_chunk) + u64::from(index);
    let hours = if order.incremental { order.window } else { 0 };
    TableSpec {
        seed: seed_of(scenario.seed, order, tables_before),
        view: chunk.view.to_owned(),
        format: scenario.format,
        size: scenario.member_size,
        first_id: (order.job_id % 1_000_000)
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

fn seed_of(seed: u64, order: &OutputOrder, table: u64) -> u64 {
    let mut hasher = Sha256::new();
    for part in [seed, order.job_id, u64::from(order.incremental), order.window, table] {
        hasher.update(part.to_le_bytes());
    }
    hasher.finalize().iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// The metadata file that the last chunk alone has. Its name and form are not published; this is one.
fn describe_extraction(
    scenario: &Scenario,
    order: &OutputOrder,
    files_before: &[ExpectedFile],
) -> io::Result<Planned> {
    let description = serde_json::json!({
        "extractName": order.extract,
        "jobRequestId": order.job_id,
        "extractType": if order.incremental { "Incremental" } else { "Full" },
        "views": scenario.views,
        "chunks": files_before.len() + 1,
        "windowEnd": window_start(order.window + 1).to_string(),
    });
    Ok(Planned {
        name: format!("{}_metadata.json", order.extract),
        recipe: Recipe::Text(serde_json::to_string_pretty(&description)?),
    })
}

/// "Extract Output File and Manifest Details": the job, `S`, extract, view, a number, a moment, the chunk.
fn file_name(order: &OutputOrder, chunk: &Chunk<'_>, kind: ArchiveKind) -> String {
    let moment = order.submitted_at.strftime("%Y%m%d_%H%M%S.%6f");
    let millisecond = order.submitted_at.as_millisecond();
    let stem = format!(
        "{}_S_{}_{}_{millisecond}_{moment}_{}",
        order.job_id, order.extract, chunk.view, chunk.number
    );
    let documented = match kind {
        ArchiveKind::ZipNamedJson => format!("{stem}.json"),
        _ => format!("{stem}.zip"),
    };
    if chunk.ordinal != 1 {
        return documented;
    }
    match order.name {
        NameForm::Documented => documented,
        NameForm::Traversal => format!("../../{documented}"),
        NameForm::Absolute => format!("/{documented}"),
        NameForm::Spaces => format!(" {} .zip", stem.replace('_', " ")),
        NameForm::Percent => format!("100%_a%2Fb_{documented}"),
        NameForm::Unicode => format!("Größe_北京_{documented}"),
        NameForm::Json => format!("result_{}.json", order.job_id),
        NameForm::Long => format!("{}{documented}", "x".repeat(300_usize.saturating_sub(documented.len()))),
    }
}

fn digest_file(path: &Path) -> io::Result<(u64, String)> {
    let mut digest = Digested::new(File::open(path)?);
    io::copy(&mut digest, &mut io::sink())?;
    Ok((digest.size, digest.sha256()))
}

/// Passes bytes on and takes their size and checksums.
struct Digested<R> {
    inner: R,
    size: u64,
    crc32: crc32fast::Hasher,
    sha256: Sha256,
}

impl<R> Digested<R> {
    fn new(inner: R) -> Self {
        Self { inner, size: 0, crc32: crc32fast::Hasher::new(), sha256: Sha256::new() }
    }

    fn sha256(self) -> String {
        hex::encode(self.sha256.finalize())
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        let bytes = target.get(..count).unwrap_or_default();
        self.crc32.update(bytes);
        self.sha256.update(bytes);
        self.size = self.size.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
