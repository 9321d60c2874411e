//! Word of how far transfers are, and of which job the log lines are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

    /// So much of what was reported does not count: the attempt that it was part of has failed, and another one will report
    /// it again.
    fn taken_back(&self, _amounts: Amounts) {}
}

/// Amounts of what is reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Bytes that have come from the source.
    pub fetched_bytes: u64,
    /// Bytes that have gone towards the landing bucket.
    pub unpacked_bytes: u64,
    /// Objects that have landed.
    pub objects: u64,
    /// Objects that were to land.
    pub listed_objects: u64,
    /// Their bytes.
    pub listed_bytes: u64,
}

/// What one attempt reports. Unless it comes to its end, all of that is taken back when the attempt is over.
pub struct Tally {
    observer: Arc<dyn Observer>,
    is_kept: AtomicBool,
    fetched_bytes: AtomicU64,
    unpacked_bytes: AtomicU64,
    objects: AtomicU64,
    listed_objects: AtomicU64,
    listed_bytes: AtomicU64,
}

impl Tally {
    /// The tally of an attempt that begins.
    pub fn new(observer: &Arc<dyn Observer>) -> Self {
        Self {
            observer: Arc::clone(observer),
            is_kept: AtomicBool::default(),
            fetched_bytes: AtomicU64::default(),
            unpacked_bytes: AtomicU64::default(),
            objects: AtomicU64::default(),
            listed_objects: AtomicU64::default(),
            listed_bytes: AtomicU64::default(),
        }
    }

    /// Bytes of a file have come from the source.
    pub fn fetched(&self, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.observer.fetched(bytes);
    }

    /// Bytes of a file had come before this call.
    pub fn fetched_before(&self, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.observer.fetched_before(bytes);
    }

    /// What unpacking will land.
    pub fn members_listed(&self, members: u64, bytes: u64) {
        self.listed_objects.fetch_add(members, Ordering::Relaxed);
        self.listed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.observer.members_listed(members, bytes);
    }

    /// Bytes have gone towards the landing bucket.
    pub fn unpacked(&self, bytes: u64) {
        self.unpacked_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.observer.unpacked(bytes);
    }

    /// Bytes had gone there before this call.
    pub fn unpacked_before(&self, bytes: u64) {
        self.unpacked_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.observer.unpacked_before(bytes);
    }

    /// An object has landed.
    pub fn landed(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.observer.landed();
    }

    /// Bytes that were reported as unpacked have to go again.
    pub fn take_back(&self, bytes: u64) {
        self.unpacked_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.observer.taken_back(Amounts { unpacked_bytes: bytes, ..Amounts::default() });
    }

    /// The attempt has come to its end: what it has reported counts.
    pub fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::Relaxed) {
            return;
        }
        let amounts = Amounts {
            fetched_bytes: self.fetched_bytes.load(Ordering::Relaxed),
            unpacked_bytes: self.unpacked_bytes.load(Ordering::Relaxed),
            objects: self.objects.load(Ordering::Relaxed),
            listed_objects: self.listed_objects.load(Ordering::Relaxed),
            listed_bytes: self.listed_bytes.load(Ordering::Relaxed),
        };
        if amounts != Amounts::default() {
            self.observer.taken_back(amounts);
        }
    }
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
