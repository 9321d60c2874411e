//! The last jobs of an export that have landed: what is usual.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Change, Document, WorkState};
use crate::clock::{Clock, elapsed};
use crate::error::Error;
use crate::job::{JobRecord, JobRequestId, Outcome, RunKey, Totals};
use landfall_store::StoreError;

/// So many jobs of an export are remembered.
const MAX_JOBS: usize = 30;

/// Of so many jobs the shortest says how long one takes at least: what was once shorter may never be so again.
const RECENT_JOBS: usize = 10;

/// An export's last jobs that have landed, in the order in which they did: `history/<connection>/<export>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHistory {
    /// The newest last.
    pub jobs: Vec<PastJob>,
}

impl Document for ExportHistory {}

/// A job that has landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastJob {
    /// Its id at the source.
    pub job_request_id: JobRequestId,
    /// The run that it belongs to; none for a job that somebody else submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<RunKey>,
    /// When landfall submitted it, or first saw it.
    pub since: Timestamp,
    /// When landfall saw first that it had ended.
    pub ended_at: Timestamp,
    /// When its manifest was written, or found.
    pub landed_at: Timestamp,
    /// What has landed.
    pub totals: Totals,
}

impl PastJob {
    /// A job that has landed just now.
    pub fn new(job: &JobRecord, outcome: &Outcome, totals: Totals, landed_at: Timestamp) -> Self {
        Self {
            job_request_id: job.job_request_id.clone(),
            run_key: job.run_key.clone(),
            since: job.since,
            ended_at: outcome.since,
            landed_at,
            totals,
        }
    }
}

impl ExportHistory {
    /// How long the export's jobs take at least, as far as its last ones show. A job that somebody else submitted shows
    /// nothing of that.
    pub fn usual_duration(&self) -> Option<Duration> {
        let submitted = self.jobs.iter().rev().filter(|job| job.run_key.is_some());
        submitted.take(RECENT_JOBS).map(|job| elapsed(job.since, job.ended_at)).min()
    }

    fn with(mut self, job: PastJob) -> Self {
        self.jobs.push(job);
        let old = self.jobs.len().saturating_sub(MAX_JOBS);
        self.jobs.drain(..old);
        self
    }
}

impl WorkState {
    /// The last jobs of an export that have landed, kept at this key.
    pub async fn history(&self, key: &str) -> Result<ExportHistory, StoreError> {
        Ok(self.read(key).await?.map(|(history, _)| history).unwrap_or_default())
    }

    /// Remembers that a job has landed, once.
    pub async fn remember(&self, key: &str, job: &PastJob, clock: &dyn Clock) -> Result<(), Error> {
        let change = |history: Option<ExportHistory>| {
            let history = history.unwrap_or_default();
            let is_there = history.jobs.iter().any(|past| past.job_request_id == job.job_request_id);
            std::future::ready(Ok(match is_there {
                true => Change::Keep(()),
                false => Change::Write(history.with(job.clone()), ()),
            }))
        };
        self.update(key, clock, change).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(number: u64, seconds: u64, run_key: Option<&str>) -> PastJob {
        let since = Timestamp::UNIX_EPOCH;
        let ended_at = since + Duration::from_secs(seconds);
        PastJob {
            job_request_id: number.to_string().parse().unwrap(),
            run_key: run_key.map(|key| key.parse().unwrap()),
            since,
            ended_at,
            landed_at: ended_at,
            totals: Totals::default(),
        }
    }

    fn history(jobs: impl IntoIterator<Item = PastJob>) -> ExportHistory {
        jobs.into_iter().fold(ExportHistory::default(), ExportHistory::with)
    }

    /// However many jobs an export has, what is kept of them is bounded, and of the newest.
    #[test]
    fn the_newest_jobs_are_remembered() {
        let history = history((0..100).map(|number| past(number, 1, None)));
        assert_eq!(history.jobs.len(), MAX_JOBS);
        assert_eq!(history.jobs.last().unwrap().job_request_id.to_string(), "99");
    }

    /// What is usual is what the last jobs took that landfall has submitted, the shortest of them.
    #[test]
    fn the_shortest_of_the_last_jobs_is_usual() {
        assert_eq!(history([]).usual_duration(), None);
        assert_eq!(
            history([past(1, 60, None)]).usual_duration(),
            None,
            "it may have ended long before it was seen"
        );
        let long_ago = past(0, 5, Some("short"));
        let since = (1..=10).map(|number| past(number, 100 + number, Some("run")));
        let history = history([long_ago].into_iter().chain(since).chain([past(11, 1, None)]));
        assert_eq!(history.usual_duration(), Some(Duration::from_secs(101)));
    }
}
