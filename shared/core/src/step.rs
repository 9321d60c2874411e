//! The steps, and when one that has failed is called again: the same on one machine and on many.

use std::time::Duration;

use crate::error::ErrorType;

/// A step: a function that is deployed under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Submits a run's job, once.
    Submit,
    /// Asks what has become of a job.
    PollStatus,
    /// Stages a job's files.
    FetchFiles,
    /// Lands a staged file.
    UnpackUpload,
    /// Writes the manifest.
    Publish,
    /// Appends what has landed to a table, where the destination names one.
    RegisterTable,
    /// Finds jobs that have ended and not landed.
    Sweep,
    /// Holds what has landed against its manifests.
    Verify,
}

/// How often, and after which waits, what has failed is called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// How often it is called again, at most.
    pub retries: u32,
    /// The longest wait before the first of these calls.
    pub first_wait: Duration,
    /// By what each further wait is multiplied.
    pub factor: u32,
    /// No wait is longer.
    pub max_wait: Duration,
}

/// Something cannot be reached: ten minutes of waits outlast a restart or a failover.
pub const OUTAGE: RetryPolicy = RetryPolicy {
    retries: 6,
    first_wait: Duration::from_secs(10),
    factor: 2,
    max_wait: Duration::from_secs(300),
};

/// A source asks to be left alone, which may be for an hour.
pub const THROTTLING: RetryPolicy = RetryPolicy {
    retries: 24,
    first_wait: Duration::from_secs(10),
    factor: 2,
    max_wait: Duration::from_secs(900),
};

/// How often a run goes back to its files when a step finds that something is gone which a step before it has left: a
/// staged file, or an object that has landed. Whoever deletes more often would do so for ever.
pub const MAX_RETURNS: u32 = 2;

impl RetryPolicy {
    /// The longest wait before a retry, counted from 1.
    pub fn wait(&self, retry: u32) -> Duration {
        let multiplied = self.factor.saturating_pow(retry.saturating_sub(1));
        self.first_wait.checked_mul(multiplied).map_or(self.max_wait, |wait| wait.min(self.max_wait))
    }
}

impl Step {
    /// Every step.
    pub const ALL: [Step; 8] = [
        Self::Submit,
        Self::PollStatus,
        Self::FetchFiles,
        Self::UnpackUpload,
        Self::Publish,
        Self::RegisterTable,
        Self::Sweep,
        Self::Verify,
    ];

    /// All but `register-table`, which is a program of its own: these are compiled together.
    pub const TOGETHER: [Step; 7] = [
        Self::Submit,
        Self::PollStatus,
        Self::FetchFiles,
        Self::UnpackUpload,
        Self::Publish,
        Self::Sweep,
        Self::Verify,
    ];

    /// The step of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::PollStatus => "poll-status",
            Self::FetchFiles => "fetch-files",
            Self::UnpackUpload => "unpack-upload",
            Self::Publish => "publish",
            Self::RegisterTable => "register-table",
            Self::Sweep => "sweep",
            Self::Verify => "verify",
        }
    }

    /// How it is called again after an error of this name; `None` where that cannot help.
    pub fn retry(self, error: ErrorType) -> Option<RetryPolicy> {
        match (self, error) {
            (_, error) if !error.retryable() => None,
            // A sweep is made again anyway, and the others ask no source.
            (Self::Submit | Self::PollStatus | Self::FetchFiles, ErrorType::Throttled) => Some(THROTTLING),
            _ => Some(OUTAGE),
        }
    }

    /// Whether a job over which this step fails with an error of this name cannot land as things are, and a sweep that
    /// tries it again would only fail again. What a configuration lacks is not among these: once it is right, all jobs
    /// go on.
    pub fn fails_for_good(self, error: ErrorType) -> bool {
        let is_of_the_files = matches!(self, Self::FetchFiles | Self::UnpackUpload | Self::Publish);
        let is_for_good = matches!(
            error,
            ErrorType::Rejected
                | ErrorType::ContractBroken
                | ErrorType::IntegrityError
                | ErrorType::UnsafeArchive
                | ErrorType::Unsupported
                | ErrorType::LimitExceeded
                | ErrorType::SchemaChanged
        );
        (is_of_the_files && is_for_good) || (self == Self::FetchFiles && error == ErrorType::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6: waits double, and are bounded.
    #[test]
    fn waits_grow_up_to_the_longest() {
        let waits = |policy: RetryPolicy| (1..=policy.retries).map(move |retry| policy.wait(retry).as_secs());
        assert_eq!(waits(OUTAGE).collect::<Vec<_>>(), [10, 20, 40, 80, 160, 300]);
        assert_eq!(waits(THROTTLING).max(), Some(900));
        assert_eq!(OUTAGE.wait(u32::MAX), OUTAGE.max_wait);
    }
}
