//! The message that a webhook gets, whatever it looks like in the end.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::fact::{Fact, Landed, Subject};
use crate::advice;
use crate::config::NotifyEvent;
use crate::job::{ConnectionName, DestinationName, ExportName, Failure, JobRequestId, RunKey};

/// The version of the message's form.
pub const NOTIFICATION_VERSION: u32 = 1;

/// What is posted to a webhook of the form `json`.
///
/// Names stay; fields may come. What is not known, or does not apply, is left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Notification {
    /// The version of this form.
    pub notification_version: u32,
    /// The same for the same message: it may come twice.
    pub id: String,
    /// What has come about.
    pub event: NotifyEvent,
    /// Whether the run was told as failed before, and has landed since.
    pub recovered: bool,
    /// When it was told.
    pub at: Timestamp,
    /// All of it in a line.
    pub text: String,
    /// The connection.
    pub connection: ConnectionName,
    /// What was to be exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportName>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_key: Option<RunKey>,
    /// The job's id at the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_request_id: Option<JobRequestId>,
    /// Where it lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationName>,
    /// What has landed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landed: Option<NotifiedLanding>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<NotifiedFailure>,
}

/// What has landed, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotifiedLanding {
    /// Where the manifest is: bucket and key, as a URI.
    pub manifest: String,
    /// How many files the source put out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// How many objects have landed.
    pub objects: u64,
    /// Their bytes, as stored.
    pub bytes: u64,
    /// Their rows, where any are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// How often the job's columns differ from the schema before, where columns are looked at.
    #[serde(skip_serializing_if = "is_none")]
    pub schema_changes: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// What went wrong, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotifiedFailure {
    /// The step that failed.
    pub step: String,
    /// The error's name.
    pub error: String,
    /// Its line.
    pub message: String,
    /// When it came first, of those in a row.
    pub since: Timestamp,
    /// How often it has come in a row.
    pub times: u64,
    /// What helps, as `landfall status` says it.
    pub advice: String,
    /// The command for that. EVENT in it stands for what only its user has.
    pub command: String,
}

impl Notification {
    /// The message about a fact; none where it is not one for people.
    pub(super) fn about(subject: &Subject, fact: &Fact, recovered: bool, now: Timestamp) -> Option<Self> {
        let event = fact.events(now).into_iter().next()?;
        let (landed, failure) = match fact {
            Fact::Submitted => return None,
            Fact::Landed(landed) => (Some(NotifiedLanding::from(&**landed)), None),
            Fact::Failed(failure) => (None, Some(NotifiedFailure::of(failure, subject, now))),
        };
        let Subject { connection, export, run_key, job_request_id, destination, .. } = subject.clone();
        let of = run_key.as_ref().map(RunKey::as_str).unwrap_or_default();
        let id = Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            format!("landfall:{connection}/{of}/{}", fact.name(subject)).as_bytes(),
        );
        let what = match (&landed, &failure) {
            (Some(landed), _) => landed.in_words(),
            (_, Some(failure)) => format!("{}: {}", failure.error, failure.message),
            (None, None) => String::new(),
        };
        let headline = headline(event, recovered);
        let text = format!("{headline}: {}: {what}", title(export.as_ref(), &connection));
        Some(Self {
            notification_version: NOTIFICATION_VERSION,
            id: id.to_string(),
            event,
            recovered,
            at: now,
            text,
            connection,
            export,
            run_key,
            job_request_id,
            destination,
            landed,
            failure,
        })
    }

    /// What has come about, in a word or three.
    pub(super) fn headline(&self) -> &'static str {
        headline(self.event, self.recovered)
    }

    /// The export and its connection, in words.
    pub(super) fn title(&self) -> String {
        title(self.export.as_ref(), &self.connection)
    }

    /// What people want to see of it, by name.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let run = self.run_key.as_ref().map(|run| ("Run", run.to_string()));
        let job = self.job_request_id.as_ref().map(|job| ("Job", job.to_string()));
        let destination = self.destination.as_ref().map(|name| ("Destination", name.to_string()));
        let landed = self
            .landed
            .iter()
            .flat_map(|landed| [("Landed", landed.in_words()), ("Manifest", landed.manifest.clone())]);
        let failed = self.failure.iter().flat_map(|failure| {
            let often = match failure.times {
                1 => failure.since.to_string(),
                times => format!("{} ({times} times)", failure.since),
            };
            [("Error", format!("{} in {}", failure.error, failure.step)), ("Since", often)]
        });
        run.into_iter().chain(job).chain(destination).chain(landed).chain(failed).collect()
    }
}

fn title(export: Option<&ExportName>, connection: &ConnectionName) -> String {
    match export {
        Some(export) => format!("{} on {connection}", export.name),
        None => format!("a run on {connection}"),
    }
}

fn headline(event: NotifyEvent, recovered: bool) -> &'static str {
    match (event, recovered) {
        (NotifyEvent::LandedPartly, true) => "Recovered, landed partly",
        (NotifyEvent::LandedPartly, false) => "Landed partly",
        (NotifyEvent::Landed, true) => "Recovered",
        (NotifyEvent::Landed | NotifyEvent::SchemaChanged, _) => "Landed",
        (NotifyEvent::Refused, _) => "Refused",
        (NotifyEvent::NeedsPerson, _) => "Needs a decision",
        (NotifyEvent::Failed, _) => "Failed",
    }
}

impl From<&Landed> for NotifiedLanding {
    fn from(landed: &Landed) -> Self {
        let Landed { totals, files, manifest, schema_changes, .. } = landed;
        Self {
            manifest: manifest.clone(),
            files: *files,
            objects: totals.objects,
            bytes: totals.bytes,
            rows: totals.rows,
            schema_changes: *schema_changes,
        }
    }
}

impl NotifiedLanding {
    fn in_words(&self) -> String {
        let rows = self.rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
        let changes = match self.schema_changes {
            0 => String::new(),
            changes => format!(", {changes} changes of columns"),
        };
        format!("{} objects, {} bytes{rows}{changes}", self.objects, self.bytes)
    }
}

impl NotifiedFailure {
    fn of(failure: &Failure, subject: &Subject, now: Timestamp) -> Self {
        let anew = "landfall run EVENT".to_owned();
        let continuing = match &subject.job_request_id {
            Some(job) => format!("landfall resume {} {job}", subject.connection),
            None => anew.clone(),
        };
        let (advice, command) = advice::next(failure, now, &continuing, &anew);
        let Failure { step, error, message, since, times, .. } = failure.clone();
        Self { step, error, message, since, times, advice, command }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fact::samples::{failed, landed, now, subject};
    use super::*;
    use crate::error::ErrorType;
    use crate::job::JobState;

    fn message(fact: &Fact, recovered: bool) -> Notification {
        Notification::about(&subject(), fact, recovered, now()).unwrap()
    }

    /// The documented form, to the field: whoever reads it today can tomorrow.
    #[test]
    fn a_message_about_a_landing_is_of_the_documented_form() {
        let told = serde_json::to_value(message(&landed(JobState::Partial, 0), false)).unwrap();
        let expected = json!({
            "notification_version": 1,
            "id": told["id"],
            "event": "landed_partly",
            "recovered": false,
            "at": "2026-11-21T06:10:00Z",
            "text": "Landed partly: Carriers <&> *all* on fusion-prod: 7 objects, 2000000 bytes, 12000 rows",
            "connection": "fusion-prod",
            "export": { "kind": "fusion_extract", "name": "Carriers <&> *all*" },
            "run_key": "carriers-2026-11-21T06",
            "job_request_id": "44046",
            "destination": "lake",
            "landed": {
                "manifest": "s3://lake/fusion/fusion-prod/Carriers/44046/_manifest.json",
                "files": 6, "objects": 7, "bytes": 2_000_000, "rows": 12_000,
            },
        });
        assert_eq!(told, expected);
    }

    /// A failure is told with what helps, and with the command for it.
    #[test]
    fn a_message_about_a_failure_says_what_helps() {
        let told = message(&failed(ErrorType::LimitExceeded), false).failure.unwrap();
        assert_eq!(told.advice, "continue after raising the limit");
        assert_eq!(told.command, "landfall resume fusion-prod 44046");
        let nowhere = Subject { job_request_id: None, ..subject() };
        let told = Notification::about(&nowhere, &failed(ErrorType::Rejected), false, now()).unwrap();
        assert_eq!(told.failure.unwrap().command, "landfall run EVENT");
        let waiting = message(&failed(ErrorType::SchemaChanged), false).failure.unwrap();
        assert_eq!(waiting.command, "landfall resume fusion-prod 44046 --on-schema-change widen");
    }

    /// What is told twice has the same id, and what is another fact has another.
    #[test]
    fn the_same_message_has_the_same_id() {
        let first = message(&failed(ErrorType::LimitExceeded), false).id;
        assert_eq!(message(&failed(ErrorType::LimitExceeded), false).id, first);
        assert_ne!(message(&failed(ErrorType::UnsafeArchive), false).id, first);
        assert_ne!(message(&landed(JobState::Succeeded, 0), true).id, first);
    }
}
