//! The world that the step runs in: a configuration, and the records of a job whose one file has been fetched.

use std::path::Path;
use std::sync::Arc;

use landfall::clock::SystemClock;
use landfall::config::ConfigProvider;
use landfall::context::Context;
use landfall::form::ZstdLevel;
use landfall::job::{FileList, JobRecord, JobRef, StagedFile};
use landfall::state::keys;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::data::Archive;
use crate::failure::{Result, While as _};
use crate::sink::WORK;
use crate::wire;

/// The form that members land in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Its name in the destination's settings.
    pub(crate) name: &'static str,
    /// Whether source and destination are one store, as far as landfall can tell.
    pub(crate) is_one_store: bool,
    /// Whether every value is looked at for the columns.
    pub(crate) observes_columns: bool,
    /// The memory of the function that it is landed by, in MiB.
    pub(crate) memory: &'static str,
}

/// A function of this memory has 64 MiB on their way.
const USUAL_MEMORY: &str = "512";
/// Of this, four times as much: the most that there is.
const LARGE_MEMORY: &str = "2048";

impl Form {
    /// A form, from one store to another.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, is_one_store: false, observes_columns: false, memory: USUAL_MEMORY }
    }

    /// The same, inside one store.
    pub(crate) const fn inside_one_store(self) -> Self {
        Self { is_one_store: true, ..self }
    }

    /// The same, by a function of much memory.
    pub(crate) const fn with_much_memory(self) -> Self {
        Self { memory: LARGE_MEMORY, ..self }
    }

    /// Whether the function has much memory.
    pub(crate) fn has_much_memory(self) -> bool {
        self.memory == LARGE_MEMORY
    }

    /// The same, with every value looked at.
    pub(crate) const fn observing_columns(self) -> Self {
        Self { observes_columns: true, ..self }
    }
}

/// The job that is landed.
const CONNECTION: &str = "bench";
const JOB: &str = "1";

/// The configuration of a step that reaches the sink on a port.
pub(crate) fn config(port: u16, form: Form) -> String {
    let store = |region: &str| {
        format!(
            "store = {{ endpoint = \"http://127.0.0.1:{port}\", region = \"{region}\", access_key_id = \"bench\", \
             secret_access_key = \"bench\" }}"
        )
    };
    // Another region is another store.
    let landing = store(if form.is_one_store { "us-east-1" } else { "eu-central-1" });
    let named = match form.name {
        "raw" => String::new(),
        name => format!("form = \"{name}\"\n"),
    };
    let observed = if form.observes_columns { "observe_columns = true\n" } else { "" };
    let work = store("us-east-1");
    format!(
        "[work]\nbucket = \"{WORK}\"\n{work}\n\n[destinations.lake]\ntype = \"s3\"\nbucket = \"landing\"\n{named}{observed}{landing}\n"
    )
}

/// The event that lands the job's file.
pub(crate) fn event() -> Value {
    json!({ "connection": CONNECTION, "job_request_id": JOB, "ordinal": 0 })
}

/// Empties the sink, and puts an archive and the records of its job there.
pub(crate) async fn prepare(port: u16, archive: &Archive, form: Form) -> Result<()> {
    wire::reset(port).await?;
    let job: JobRef = made(json!({ "connection": CONNECTION, "job_request_id": JOB }))?;
    wire::mount(port, WORK, &keys::staged(&job, 0), &archive.path).await?;
    let provider = ConfigProvider::from_toml(&config(port, form), "the bench's configuration");
    let context = Context::new(
        provider.while_doing("configuring landfall")?,
        Arc::new(SystemClock),
        &landfall_systems::SYSTEMS,
    );
    let doing = "recording a job";
    let work = context.work().await.while_doing(doing)?;
    work.record_job(job_record(form)?).await.while_doing(doing)?;
    let name = archive.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = json!({ "ordinal": 0, "name": name, "size": archive.archive_bytes });
    work.freeze_files(&job, made::<FileList>(json!({ "files": [file] }))?).await.while_doing(doing)?;
    let staged: StagedFile = made(json!({
        "ordinal": 0, "name": name, "size": archive.archive_bytes,
        "crc64nvme": archive.crc64nvme, "sha256": archive.sha256,
    }))?;
    work.record_staged(&job, staged).await.while_doing(doing)?;
    Ok(())
}

fn job_record(form: Form) -> Result<JobRecord> {
    let mut record = json!({
        "connection": CONNECTION, "job_request_id": JOB, "destination": "lake",
        "export": { "kind": "file", "name": "bench" },
        "landing_prefix": "bench/1/", "since": "2026-11-21T06:00:00Z",
    });
    let named = match form.name {
        "raw" => None,
        "zstd" => Some(json!({ "zstd": { "level": i32::from(ZstdLevel::default()) } })),
        name => Some(name.into()),
    };
    if let (Some(named), Some(record)) = (named, record.as_object_mut()) {
        record.insert("form".to_owned(), named);
    }
    made(record)
}

fn made<T: DeserializeOwned>(document: Value) -> Result<T> {
    serde_json::from_value(document).while_doing("making a record that this landfall reads")
}

/// Where the staged archive is served, as a path of the sink.
pub(crate) fn staged_path() -> Result<String> {
    let job: JobRef = made(json!({ "connection": CONNECTION, "job_request_id": JOB }))?;
    Ok(format!("/{WORK}/{}", keys::staged(&job, 0)))
}

/// Writes a configuration to a file.
pub(crate) fn write_config(file: &Path, port: u16, form: Form) -> Result<()> {
    std::fs::write(file, config(port, form)).while_doing("writing a configuration")
}

/// Where the job's record is kept.
pub(crate) fn job_record_key() -> Result<String> {
    Ok(keys::job_record(&made::<JobRef>(json!({ "connection": CONNECTION, "job_request_id": JOB }))?))
}

/// Says that the job's file has landed, and held nothing: the step's shortest answer.
pub(crate) async fn record_empty_receipt(port: u16) -> Result<()> {
    let job: JobRef = made(json!({ "connection": CONNECTION, "job_request_id": JOB }))?;
    let path = format!("/{WORK}/{}", keys::receipt(&job, 0));
    let receipt = "{\"ordinal\":0,\"objects\":[\n]}\n".to_owned();
    let mut connection = wire::Connection::open(port).await?;
    connection.send(http::Method::PUT, &path, None, receipt.into(), drop).await
}
