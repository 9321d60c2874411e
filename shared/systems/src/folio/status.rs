//! What a job execution's status means.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::wire::{Execution, Progress, moment};
use landfall::clock::elapsed;
use landfall::contract::JobStatus;
use landfall::job::{ExpectedRows, JobState};
use landfall_http::Redactor;

/// What each status means, in the words of all versions: `SUCCESS` is that of version 2.1 and before.
///
/// `NEW` is a job that has not been started, and stays for a moment after the start was accepted.
const TABLE: &[(&str, JobState)] = &[
    ("NEW", JobState::Running),
    ("IN_PROGRESS", JobState::Running),
    ("COMPLETED", JobState::Succeeded),
    ("SUCCESS", JobState::Succeeded),
    ("COMPLETED_WITH_ERRORS", JobState::Partial),
    ("FAIL", JobState::Failed),
];

/// After so long without an update a job is probably dead: FOLIO itself says so after an hour, and looks every six.
const STALLED_AFTER: Duration = Duration::from_secs(1800);

/// What a status means, if the table names it.
pub(super) fn meaning(status: &str) -> Option<JobState> {
    TABLE.iter().find(|(word, _)| word.eq_ignore_ascii_case(status.trim())).map(|(_, state)| *state)
}

impl Execution {
    /// The status in FOLIO's word; a new job may have none.
    pub(super) fn word(&self) -> &str {
        self.status.as_deref().map(str::trim).filter(|status| !status.is_empty()).unwrap_or("NEW")
    }

    /// Whether the export has been started: it must not be started again then.
    pub(super) fn has_started(&self) -> bool {
        !self.word().eq_ignore_ascii_case("NEW")
    }

    /// Whether the job completed without a single entry in its log, in a version of which that is known: 5, which alone
    /// counts `readIds`.
    pub(super) fn is_flawless(&self) -> bool {
        self.word().eq_ignore_ascii_case("COMPLETED")
            && self.progress.as_ref().is_some_and(|progress| progress.read_ids.is_some())
    }

    /// How many records its file holds. What `exported` counts is established where version 5 completes a job without a
    /// flaw; in jobs with errors, and in versions before 5, it is what FOLIO claims.
    fn expected_records(&self) -> Option<ExpectedRows> {
        let has_ended_well = meaning(self.word()).is_some_and(JobState::lands);
        let progress = self.progress.as_ref().filter(|_| has_ended_well)?;
        let exported = progress.exported?;
        // A record with two sources is exported by each, or not.
        let has_duplicates = progress.duplicated.is_some_and(|duplicated| duplicated > 0);
        Some(match self.is_flawless() && !has_duplicates {
            true => ExpectedRows::Exactly(exported),
            false => ExpectedRows::Claimed(exported),
        })
    }
}

/// The state of a job.
pub(super) fn of(execution: &Execution, now: Timestamp, redactor: &Redactor) -> JobStatus {
    let word = execution.word();
    let said = meaning(word);
    let state = said.unwrap_or(JobState::Running);
    let progress = execution.progress.clone().unwrap_or_default();
    let mut message = counts(&progress);
    if state == JobState::Running
        && let Some(stalled) = stalled(execution, now)
    {
        message = Some(message.map_or_else(|| stalled.clone(), |counts| format!("{counts}; {stalled}")));
    }
    JobStatus {
        state,
        native_status: redactor.text(word),
        is_known: said.is_some(),
        progress_percent: percent(&progress).filter(|_| state == JobState::Running),
        message,
        expected_rows: execution.expected_records(),
        observed_at: None,
    }
}

fn counts(progress: &Progress) -> Option<String> {
    let exported = progress.exported?;
    let total =
        progress.total.filter(|total| *total > 0).map(|total| format!(" of {total}")).unwrap_or_default();
    let failed = progress.failed.filter(|failed| *failed > 0).map(|failed| format!(", {failed} failed"));
    Some(format!("{exported}{total} records exported{}", failed.unwrap_or_default()))
}

fn percent(progress: &Progress) -> Option<f64> {
    let total = progress.total.filter(|total| *total > 0)?;
    let done = progress.exported?.saturating_add(progress.failed.unwrap_or(0)).min(total);
    // Whole percents are exact enough, and exact.
    done.checked_mul(100)?.checked_div(total).and_then(|percent| u32::try_from(percent).ok()).map(f64::from)
}

/// Says that a job has stood still for long. No call cancels a job; FOLIO expires it some hours later.
fn stalled(execution: &Execution, now: Timestamp) -> Option<String> {
    let updated = moment(execution.last_updated_date.as_ref()?.as_str()?)?;
    let still = elapsed(updated, now);
    let minutes = SignedDuration::try_from(still).ok()?.as_mins();
    (still >= STALLED_AFTER).then(|| {
        format!(
            "no progress for {minutes} minutes, since {updated}: it may be dead, which FOLIO itself notices within 7 hours"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(execution: Value) -> JobStatus {
        let execution: Execution = serde_json::from_value(execution).unwrap();
        of(&execution, "2026-04-24T12:00:00Z".parse().unwrap(), &Redactor::default())
    }

    /// The whole table, in any case: a status that it does not name is never success.
    #[test]
    fn statuses_mean_what_the_table_says() {
        for (word, state, is_known) in [
            ("NEW", JobState::Running, true),
            ("IN_PROGRESS", JobState::Running, true),
            ("COMPLETED", JobState::Succeeded, true),
            ("SUCCESS", JobState::Succeeded, true),
            ("COMPLETED_WITH_ERRORS", JobState::Partial, true),
            ("FAIL", JobState::Failed, true),
            ("completed", JobState::Succeeded, true),
            ("COMPLETED_ALMOST", JobState::Running, false),
        ] {
            let found = status(json!({ "status": word }));
            assert_eq!((found.state, found.is_known, found.native_status.as_str()), (state, is_known, word));
        }
        assert_eq!(status(json!({})).native_status, "NEW");
        assert_eq!(TABLE.len(), 6);
    }

    /// A failed job keeps its provisional file: that is no output.
    #[test]
    fn a_failed_job_with_files_has_failed() {
        let file = json!([{ "fileId": "x", "fileName": "a-1.mrc" }]);
        let found = status(
            json!({ "status": "FAIL", "exportedFiles": file, "progress": { "exported": 0, "readIds": 3 } }),
        );
        assert_eq!((found.state, found.expected_rows), (JobState::Failed, None));
    }

    /// Promise 5: what lands is held against FOLIO's count where that is known to count records, MARC or linked data, and
    /// compared with it elsewhere.
    #[test]
    fn records_are_expected_where_they_are_counted() {
        let expected = |word: &str, name: &str, progress: Value| {
            status(json!({ "status": word, "exportedFiles": [{ "fileName": name }], "progress": progress }))
                .expected_rows
        };
        let v5 = || json!({ "exported": 25, "failed": 0, "duplicatedSrs": 0, "total": 25, "readIds": 25 });
        for name in ["a-1.mrc", "a-1.zip", "a-1.json"] {
            assert_eq!(expected("COMPLETED", name, v5()), Some(ExpectedRows::Exactly(25)), "{name}");
        }
        assert_eq!(expected("COMPLETED_WITH_ERRORS", "a-1.mrc", v5()), Some(ExpectedRows::Claimed(25)));
        assert_eq!(expected("IN_PROGRESS", "a-1.mrc", v5()), None);
        let v4 = json!({ "exported": 25, "failed": { "duplicatedSrs": 0, "otherFailed": 0 }, "total": 25 });
        assert_eq!(expected("COMPLETED", "a-1.mrc", v4), Some(ExpectedRows::Claimed(25)));
        assert_eq!(expected("COMPLETED", "a-1.mrc", json!({ "total": 25 })), None);
        let mut twice = v5();
        twice["duplicatedSrs"] = json!(1);
        assert_eq!(expected("COMPLETED", "a-1.mrc", twice), Some(ExpectedRows::Claimed(25)));
    }

    /// A total of 0 is one that FOLIO does not know yet: no share of it is one.
    #[test]
    fn progress_is_a_share_of_what_is_known() {
        let percent = |progress: Value| {
            status(json!({ "status": "IN_PROGRESS", "progress": progress })).progress_percent
        };
        assert_eq!(percent(json!({ "exported": 0, "failed": 0, "total": 0 })), None);
        assert_eq!(percent(json!({ "exported": 5, "total": 0 })), None);
        assert_eq!(percent(json!({ "exported": 0, "total": 25 })), Some(0.0));
        assert_eq!(percent(json!({ "exported": 30, "failed": 1, "total": 25 })), Some(100.0));
    }

    /// A job that stands still says so, since when, and that nobody will end it soon; dates come in two forms.
    #[test]
    fn a_stalled_job_says_so() {
        for date in ["2026-04-24T10:18:19.852+00:00", "2026-04-24T10:18:19.852+0000"] {
            let progress = json!({ "exported": 12, "failed": 1, "total": "25" });
            let found =
                status(json!({ "status": "IN_PROGRESS", "lastUpdatedDate": date, "progress": progress }));
            let message = found.message.unwrap();
            assert!(
                message.starts_with("12 of 25 records exported, 1 failed; no progress for 101 minutes"),
                "{message}"
            );
            assert_eq!(found.progress_percent, Some(52.0));
        }
        let recent = status(json!({ "status": "IN_PROGRESS", "lastUpdatedDate": "2026-04-24T11:50:00Z" }));
        assert_eq!(recent.message, None);
    }
}
