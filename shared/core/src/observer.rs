//! Word of how far transfers are, and of which job the log lines are about.

use crate::job::JobRecord;

/// Learns how far transfers are. Calls come often and from many tasks at once: they must be cheap.
pub trait Observer: Send + Sync {
    /// How many files the job put out, and their bytes where the source says so.
    fn files_listed(&self, _files: u64, _bytes: Option<u64>) {}

    /// Bytes of a file have come from the source.
    fn fetched(&self, _bytes: u64) {}

    /// Bytes of a file had come before this call.
    fn fetched_before(&self, bytes: u64) {
        self.fetched(bytes);
    }

    /// Bytes that are staged have been read back and hashed.
    fn hashed(&self, _bytes: u64) {}

    /// All of a file is staged.
    fn file_fetched(&self) {}

    /// What unpacking will land, as an archive's directory says.
    fn members_listed(&self, _members: u64, _bytes: u64) {}

    /// Bytes have gone towards the landing bucket.
    fn unpacked(&self, _bytes: u64) {}

    /// Bytes had gone there before this call.
    fn unpacked_before(&self, bytes: u64) {
        self.unpacked(bytes);
    }

    /// An object has landed.
    fn landed(&self) {}
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Names the job in the log lines of this invocation from here on.
pub fn name_job(job: &JobRecord) {
    let span = tracing::Span::current();
    span.record("connection", job.connection.as_str());
    span.record("job_request_id", job.job_request_id.as_str());
    if let Some(run_key) = &job.run_key {
        span.record("run_key", run_key.as_str());
    }
}
