//! What a job's statuses mean.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use super::export::{CONTEXT_PARAMETER, PARENT_PARAMETER};
use super::lenient::{OneOrMany, Scalar, optional};
use landfall::contract::JobStatus;
use landfall::job::JobState;

/// What each status of `saas-batch` means, in upper case.
///
/// Oracle documents `ENQUEUED`, `IN_PROGRESS`, `RUNNING` and `SUCCEEDED` (Data Extraction Tool: Check Job
/// Status) and, for the table behind it, submitted, waiting, running, successful, failed and cancelled
/// (`SBS_JOB_REQUESTS.JOB_STATUS`); the others are what clients of it look for, and the states of the scheduler behind it
/// (Oracle Enterprise Scheduler, `State`).
const TABLE: &[(&str, JobState)] = &[
    ("SUBMITTED", JobState::Running),
    ("ENQUEUED", JobState::Running),
    ("WAITING", JobState::Running),
    ("WAIT", JobState::Running),
    ("QUEUED", JobState::Running),
    ("READY", JobState::Running),
    ("BLOCKED", JobState::Running),
    ("HOLD", JobState::Running),
    ("RUNNING", JobState::Running),
    ("IN_PROGRESS", JobState::Running),
    ("CANCELLING", JobState::Running),
    ("PENDING_VALIDATION", JobState::Running),
    ("ERROR_AUTO_RETRY", JobState::Running),
    // All is over, and how is not said yet.
    (FINISHED, JobState::Running),
    ("SUCCEEDED", JobState::Succeeded),
    ("SUCCESSFUL", JobState::Succeeded),
    ("SUCCESS", JobState::Succeeded),
    ("COMPLETED", JobState::Succeeded),
    ("WARNING", JobState::Partial),
    ("FAILED", JobState::Failed),
    ("ERROR", JobState::Failed),
    ("TIMED_OUT", JobState::Failed),
    ("EXPIRED", JobState::Failed),
    ("VALIDATION_FAILED", JobState::Failed),
    ("SCHEDULE_ENDED", JobState::Failed),
    ("CANCELLED", JobState::Cancelled),
    ("CANCELED", JobState::Cancelled),
    ("PAUSED", JobState::NeedsAttention),
    ("ERROR_MANUAL_RECOVERY", JobState::NeedsAttention),
];
/// What a request is whose outcome is in another field, or comes later.
const FINISHED: &str = "FINISHED";
/// Stands for the status of a job that was accepted and of which nothing is shown yet.
const NO_DETAILS: &str = "NO_DETAILS";

/// What a status means, if the table names it.
fn meaning(status: &str) -> Option<JobState> {
    TABLE.iter().find(|(word, _)| word.eq_ignore_ascii_case(status.trim())).map(|(_, state)| *state)
}

/// A job as an answer describes it, in any of the shapes that were seen: flat, or inside `jobDetails`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobDetails {
    #[serde(deserialize_with = "optional")]
    pub(super) job_request_id: Option<Scalar>,
    #[serde(deserialize_with = "optional")]
    pub(super) job_request: Option<JobRequest>,
    #[serde(deserialize_with = "optional")]
    job_status: Option<String>,
    #[serde(deserialize_with = "optional")]
    job_progress: Option<JobProgress>,
    /// The status of the sub-resource `jobStatus`.
    #[serde(deserialize_with = "optional")]
    status: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobRequest {
    #[serde(deserialize_with = "optional")]
    pub(super) job_definition_name: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) description: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) client_request_uuid: Option<String>,
    #[serde(deserialize_with = "optional")]
    run_at_times: Option<serde_json::Value>,
    #[serde(deserialize_with = "optional")]
    pub(super) request_parameters: Option<serde_json::Map<String, serde_json::Value>>,
}

impl JobRequest {
    /// A parameter that is a text and says something.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.request_parameters.as_ref()?.get(name)?.as_str()?;
        (!value.trim().is_empty()).then_some(value)
    }

    /// Whether this is submitted once and runs again and again, as far as it says: a request for a moment to come
    /// has `runAtTimes` too, and no interval.
    pub(super) fn is_recurring(&self) -> bool {
        let interval = self.run_at_times.as_ref().and_then(|times| times.get("fixedInterval"));
        !self.is_occurrence() && interval.is_some_and(|interval| !interval.is_null())
    }

    /// The recurring request that this is an occurrence of, as occurrences name it: in `parentRequest`, or before
    /// the comma of `requestExecutionContext` or of `clientRequestUuid`. Any of them may be missing or empty.
    pub(super) fn parent(&self) -> Option<String> {
        let of_context = || before_comma(&self.parameter_text(CONTEXT_PARAMETER)?).map(str::to_owned);
        let of_uuid = || {
            let (parent, _) = self.client_request_uuid.as_deref()?.split_once(',')?;
            let is_id = !parent.is_empty() && parent.bytes().all(|byte| byte.is_ascii_digit());
            is_id.then(|| parent.to_owned())
        };
        self.parameter_text(PARENT_PARAMETER).or_else(of_context).or_else(of_uuid)
    }

    /// Whether this is an occurrence of a recurring request.
    pub(super) fn is_occurrence(&self) -> bool {
        self.parent().is_some()
    }

    /// A parameter's value as text, if it says something.
    pub(super) fn parameter_text(&self, name: &str) -> Option<String> {
        let text = match self.request_parameters.as_ref()?.get(name)? {
            serde_json::Value::Null => return None,
            serde_json::Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }
}

fn before_comma(text: &str) -> Option<&str> {
    text.split(',').next().map(str::trim).filter(|before| !before.is_empty())
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JobProgress {
    #[serde(deserialize_with = "optional")]
    status: Option<String>,
    #[serde(deserialize_with = "optional")]
    message: Option<String>,
    #[serde(deserialize_with = "optional")]
    completed_percentage: Option<Scalar>,
    #[serde(deserialize_with = "completed")]
    completed: Option<bool>,
    #[serde(deserialize_with = "optional")]
    end_time: Option<String>,
}

/// `completed`, as a truth value or its text.
fn completed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Truth {
        Value(bool),
        Text(String),
    }
    Ok(match optional::<D, Truth>(deserializer)? {
        Some(Truth::Value(value)) => Some(value),
        Some(Truth::Text(text)) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(Truth::Text(text)) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// What an answer about one job, or an entry of a list, shows: a job, flat or inside `jobDetails`, or several there.
#[derive(Debug, Clone)]
pub(super) struct JobAnswer(Vec<JobDetails>);

impl<'de> Deserialize<'de> for JobAnswer {
    /// Reads the text twice: serde's `flatten` would keep all of its values at once, in many times their size.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Nested {
            job_details: Option<OneOrMany<JobDetails>>,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let Nested { job_details } = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let jobs = match job_details {
            Some(details) => details.into_vec(),
            None => vec![serde_json::from_str(text.get()).map_err(D::Error::custom)?],
        };
        Ok(Self(jobs))
    }
}

impl JobAnswer {
    /// All that it shows.
    pub(super) fn into_jobs(self) -> Vec<JobDetails> {
        self.0
    }

    /// The job that was asked for; nothing where the answer shows none, as it may of one that was just accepted; an error
    /// where it is about others.
    pub(super) fn job(self, id: &str) -> Result<Option<JobDetails>, String> {
        let mut found = self.0;
        let is_asked_for =
            |job: &JobDetails| job.job_request_id.as_ref().is_some_and(|other| other.text() == id);
        let is_nameless = |job: &JobDetails| job.job_request_id.is_none();
        if let Some(position) = found.iter().position(is_asked_for) {
            return Ok(Some(found.swap_remove(position)));
        }
        match found.as_slice() {
            [one] if is_nameless(one) => Ok(found.pop().filter(|job| !job.is_empty())),
            [] => Ok(None),
            _ => Err(format!("it describes other jobs than {id}")),
        }
    }
}

/// What is known of a job of which nothing is shown: it is looked at again, until its deadline.
pub(super) fn without_details() -> JobStatus {
    JobStatus {
        state: JobState::Running,
        native_status: NO_DETAILS.to_owned(),
        is_known: true,
        progress_percent: None,
        message: Some("the pod shows no details of the job yet".to_owned()),
        expected_rows: None,
        observed_at: None,
    }
}

impl JobDetails {
    fn is_empty(&self) -> bool {
        self.job_request_id.is_none()
            && self.job_request.is_none()
            && self.job_status.is_none()
            && self.job_progress.is_none()
            && self.status.is_none()
    }

    /// When it ended, for a job that has: of one that is only enqueued, `endTime` is filled as well.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.job_progress.as_ref()?.end_time.as_ref()?.trim().parse().ok()
    }

    /// What has become of the job; `None` where nothing in it is a status.
    ///
    /// Oracle defines success as `completed` and `SUCCEEDED` together: a success that the progress
    /// contradicts is still running.
    pub(super) fn status(&self) -> Option<JobStatus> {
        let progress = self.job_progress.clone().unwrap_or_default();
        let own = self.job_status.as_ref().or(self.status.as_ref());
        let native = own.or(progress.status.as_ref()).filter(|status| !status.trim().is_empty())?;
        let native = native.trim().to_owned();
        let said = meaning(&native);
        let mut state = said.unwrap_or(JobState::Running);
        if native.eq_ignore_ascii_case(FINISHED) {
            state = progress.status.as_deref().and_then(meaning).unwrap_or(state);
        }
        if matches!(state, JobState::Succeeded | JobState::Partial) {
            let in_progress = progress.status.as_deref().and_then(meaning);
            match in_progress {
                Some(JobState::Succeeded) | None => {}
                Some(other) => state = other,
            }
            if progress.completed == Some(false) {
                state = JobState::Running;
            }
        }
        Some(JobStatus {
            expected_rows: None,
            observed_at: None,
            state,
            native_status: native,
            is_known: said.is_some(),
            progress_percent: progress
                .completed_percentage
                .and_then(|percent| percent.number())
                .map(|percent| percent.clamp(0.0, 100.0)),
            message: progress.message.filter(|message| !message.trim().is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(answer: Value) -> Option<JobStatus> {
        serde_json::from_value::<JobAnswer>(answer).unwrap().job("44046").unwrap()?.status()
    }

    fn state(answer: Value) -> JobState {
        status(answer).unwrap().state
    }

    /// The whole table, in any case: no status means success but these.
    #[test]
    fn statuses_mean_what_the_table_says() {
        let of = |wanted: JobState| -> Vec<&str> {
            TABLE.iter().filter(|(_, state)| *state == wanted).map(|(word, _)| *word).collect()
        };
        assert_eq!(of(JobState::Succeeded), ["SUCCEEDED", "SUCCESSFUL", "SUCCESS", "COMPLETED"]);
        assert_eq!(of(JobState::Partial), ["WARNING"]);
        assert_eq!(
            of(JobState::Failed),
            ["FAILED", "ERROR", "TIMED_OUT", "EXPIRED", "VALIDATION_FAILED", "SCHEDULE_ENDED"]
        );
        assert_eq!(of(JobState::Cancelled), ["CANCELLED", "CANCELED"]);
        assert_eq!(of(JobState::NeedsAttention), ["PAUSED", "ERROR_MANUAL_RECOVERY"]);
        assert_eq!(
            of(JobState::Running),
            [
                "SUBMITTED",
                "ENQUEUED",
                "WAITING",
                "WAIT",
                "QUEUED",
                "READY",
                "BLOCKED",
                "HOLD",
                "RUNNING",
                "IN_PROGRESS",
                "CANCELLING",
                "PENDING_VALIDATION",
                "ERROR_AUTO_RETRY",
                "FINISHED"
            ]
        );
        assert_eq!(of(JobState::Empty).len(), 0);
        for (word, wanted) in TABLE {
            for text in [word.to_string(), word.to_lowercase(), format!(" {word} ")] {
                let found = status(json!({ "jobStatus": text })).unwrap();
                assert_eq!((found.state, found.is_known), (*wanted, true), "{text}");
            }
        }
    }

    /// Promise 5: an unknown status is never taken for success; its raw value is kept.
    #[test]
    fn an_unknown_status_keeps_running_under_its_own_name() {
        let found =
            status(json!({ "jobStatus": "Succeeded_ish", "jobProgress": { "completed": true } })).unwrap();
        assert_eq!((found.state, found.is_known), (JobState::Running, false));
        assert_eq!(found.native_status, "Succeeded_ish");
    }

    /// All shapes that Oracle's page and its clients' code have.
    #[test]
    fn every_shape_is_read() {
        let details = json!({
            "jobRequestId": 44046, "jobStatus": "RUNNING",
            "jobProgress": { "status": "RUNNING", "message": "half", "completedPercentage": "50", "completed": false }
        });
        for shape in [
            json!({ "jobDetails": details }),
            json!({ "jobDetails": [details] }),
            json!({ "jobDetails": [{ "jobRequestId": 1, "jobStatus": "FAILED" }, details] }),
            details,
        ] {
            let found = status(shape.clone()).unwrap();
            assert_eq!(found.native_status, "RUNNING", "{shape}");
            assert_eq!(found.progress_percent, Some(50.0), "{shape}");
            assert_eq!(found.message.as_deref(), Some("half"), "{shape}");
        }
        assert_eq!(state(json!({ "jobProgress": { "status": "FAILED" } })), JobState::Failed);
        assert_eq!(
            state(json!({ "id": "44046", "status": "SUCCEEDED", "related_output_files": [] })),
            JobState::Succeeded
        );
        assert_eq!(state(json!({ "jobDetails": { "jobStatus": "SUCCEEDED" } })), JobState::Succeeded);
    }

    /// Oracle's example of a job that is only enqueued has an `endTime`: that is no end.
    #[test]
    fn an_end_time_is_not_an_end() {
        let progress = json!({ "status": "ENQUEUED", "endTime": "2025-12-18T07:42:13Z", "completed": false });
        assert_eq!(state(json!({ "jobStatus": "ENQUEUED", "jobProgress": progress })), JobState::Running);
        assert_eq!(state(json!({ "jobProgress": progress })), JobState::Running);
    }

    /// Only an interval makes a request recur: a moment to come does not, nor does an empty field.
    #[test]
    fn a_request_recurs_by_its_interval() {
        let recurs = |request: Value| serde_json::from_value::<JobRequest>(request).unwrap().is_recurring();
        let interval = json!({ "interval": 1, "timeUnit": "HOUR" });
        assert!(recurs(json!({ "runAtTimes": { "fixedInterval": interval, "startDate": "2026-05-15" } })));
        for once in [
            json!({}),
            json!({ "runAtTimes": null }),
            json!({ "runAtTimes": {} }),
            json!({ "runAtTimes": { "startDate": "2026-05-15" } }),
            json!({ "runAtTimes": { "fixedInterval": null, "startDate": "2026-05-15" } }),
        ] {
            assert!(!recurs(once.clone()), "{once}");
        }
        let occurrence = json!({
            "runAtTimes": { "fixedInterval": interval }, "requestParameters": { "parentRequest": "7" }
        });
        assert!(!recurs(occurrence));
    }

    /// Any of the three fields names the parent; one that is empty hides no other.
    #[test]
    fn an_occurrence_names_its_parent_in_any_of_three_fields() {
        let parent = |request: Value| {
            let request: JobRequest = serde_json::from_value(request).unwrap();
            assert_eq!(request.is_occurrence(), request.parent().is_some());
            request.parent()
        };
        let of = |parameters: Value| parent(json!({ "requestParameters": parameters }));
        for parameters in [
            json!({ "parentRequest": "7" }),
            json!({ "parentRequest": 7 }),
            json!({ "requestExecutionContext": "7,1" }),
            json!({ "parentRequest": "", "requestExecutionContext": "7,1" }),
            json!({ "parentRequest": null, "requestExecutionContext": " 7 ,1" }),
            json!({ "parentRequest": " 7 ", "requestExecutionContext": "8,1" }),
        ] {
            assert_eq!(of(parameters.clone()).as_deref(), Some("7"), "{parameters}");
        }
        assert_eq!(parent(json!({ "clientRequestUuid": "7,1" })).as_deref(), Some("7"));
        let empty = json!({ "parentRequest": "", "requestExecutionContext": "" });
        let both = json!({ "clientRequestUuid": "7,1", "requestParameters": empty });
        assert_eq!(parent(both).as_deref(), Some("7"));
        for none in ["7", "", ",1", "a7,1", "1b671a64-40d5-591e-99b0-da01ff1f3341"] {
            assert_eq!(parent(json!({ "clientRequestUuid": none })), None, "{none:?}");
        }
        assert_eq!(of(empty), None);
        assert_eq!(of(json!({ "requestExecutionContext": ",1" })), None);
    }

    /// Oracle: success is `completed` and `SUCCEEDED` together.
    #[test]
    fn success_that_its_progress_contradicts_is_still_running() {
        let with = |progress: Value| state(json!({ "jobStatus": "SUCCEEDED", "jobProgress": progress }));
        assert_eq!(with(json!({ "status": "SUCCEEDED", "completed": false })), JobState::Running);
        assert_eq!(with(json!({ "completed": "false" })), JobState::Running);
        assert_eq!(with(json!({ "status": "RUNNING" })), JobState::Running);
        assert_eq!(with(json!({ "status": "FAILED", "completed": true })), JobState::Failed);
        assert_eq!(with(json!({ "status": "WARNING", "completed": true })), JobState::Partial);
        assert_eq!(
            with(json!({ "status": "SUCCEEDED", "completed": true, "completedPercentage": 100 })),
            JobState::Succeeded
        );
        assert_eq!(with(json!("nonsense")), JobState::Succeeded);
    }

    /// A request that has finished has the outcome that its progress says, and is waited for while that says none.
    #[test]
    fn what_has_finished_waits_for_its_outcome() {
        let with = |progress: Value| state(json!({ "jobStatus": "FINISHED", "jobProgress": progress }));
        for (word, expected) in [
            ("SUCCEEDED", JobState::Succeeded),
            ("WARNING", JobState::Partial),
            ("ERROR", JobState::Failed),
            ("FINISHED", JobState::Running),
        ] {
            assert_eq!(with(json!({ "status": word, "completed": true })), expected, "{word}");
        }
        assert_eq!(with(json!({})), JobState::Running);
        assert_eq!(with(json!({ "status": "SUCCEEDED", "completed": false })), JobState::Running);
    }

    /// Promise 5: an answer without a status, or about another job, is not a status.
    #[test]
    fn an_answer_about_nothing_or_another_job_is_no_status() {
        assert_eq!(status(json!({ "jobDetails": {} })), None);
        assert_eq!(status(json!({ "jobStatus": " " })), None);
        let job = |answer: Value| serde_json::from_value::<JobAnswer>(answer).unwrap().job("44046");
        assert!(job(json!({ "jobDetails": { "jobRequestId": 1, "jobStatus": "SUCCEEDED" } })).is_err());
        for nothing in [
            json!({ "jobDetails": [] }),
            json!({ "jobDetails": null }),
            json!({ "jobDetails": {} }),
            json!({}),
        ] {
            assert!(job(nothing.clone()).unwrap().is_none(), "{nothing}");
        }
        assert_eq!(without_details().state, JobState::Running);
    }
}
