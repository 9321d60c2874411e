//! Logs as JSON lines, and word of how far transfers are.

use tracing_subscriber::EnvFilter;

use crate::job::JobRecord;

/// Is told how far transfers are. Calls come often and from many tasks at once: they must be cheap.
pub trait Observer: Send + Sync {
    /// How many files the job put out, and their bytes where the source says so.
    fn files_listed(&self, _files: u64, _bytes: Option<u64>) {}

    /// Bytes of a file have come from the source.
    fn fetched(&self, _bytes: u64) {}

    /// What unpacking will land, as an archive's directory says.
    fn members_listed(&self, _members: u64, _bytes: u64) {}

    /// Bytes have gone towards the landing bucket.
    fn unpacked(&self, _bytes: u64) {}

    /// An object has landed.
    fn landed(&self) {}
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// What is logged where nothing is said: all that landfall says, and warnings of the libraries below it.
const USUAL: &str =
    "warn,landfall=info,submit=info,poll_status=info,fetch_files=info,unpack_upload=info,publish=info";

/// Logs to stderr, one JSON object a line, from the level that `LANDFALL_LOG` names (default `info`).
///
/// The fields of a line: `timestamp`, `level`, `message`, what the event says, and those of the step that it
/// happened in: `step`, `connection`, `job_request_id`, `run_key`.
pub fn log_json() {
    let filter = EnvFilter::try_from_env("LANDFALL_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Whoever has set a subscriber before us wants that one.
    let _ = subscriber.try_init();
}

/// Names the job in the log lines of this invocation from here on.
pub fn name_job(job: &JobRecord) {
    let span = tracing::Span::current();
    span.record("connection", job.connection.as_str());
    span.record("job_request_id", job.job_request_id.as_str());
    if let Some(run_key) = &job.run_key {
        span.record("run_key", run_key.as_str());
    }
}
