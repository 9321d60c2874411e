//! Submissions by one call that makes a job and starts it: all records, a few, or those that were deleted.
//!
//! Nothing of such a job is the client's: it can be given no id and no name. The export of all records does not even tell
//! which job it has made (mod-data-export, `DataExportAllController`). So what was there before the call is noted, and
//! after an answer that names no job the only new one of its kind is that job. Where the answer itself was lost, a new one
//! may be anybody's: then a person decides, and is told what is there.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::{Api, is_too_large};
use super::export::{DirectCall, FolioExport, IdType};
use super::wire::{Execution, Started, moment};
use landfall::clock::{Clock, elapsed};
use landfall::contract::{Found, Submission};
use landfall::error::{Error, Result};
use landfall::job::{ConnectionName, JobRequestId, RunKey};
use landfall::state::{Document, WorkState, keys};
use landfall_http::{Answer, HttpError};

/// How long the list is looked at for a job that an answer does not name. FOLIO has stored it before it answers.
const LISTED_WITHIN: Duration = Duration::from_secs(20);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(4);
/// How far a job's start may lie before the time that FOLIO told with the list before the call: that has whole seconds.
const ONE_MOMENT: SignedDuration = SignedDuration::from_secs(5);

/// One submission.
pub(super) struct Direct<'a> {
    api: &'a Api,
    work: &'a WorkState,
    clock: &'a dyn Clock,
    connection: &'a ConnectionName,
    export: &'a FolioExport,
    call: DirectCall<'a>,
    run_key: &'a RunKey,
}

/// What was there before the call: `submissions/<connection>/calls/<run key>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    /// When, by our clock.
    at: Timestamp,
    /// When, by FOLIO's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Timestamp>,
    /// The highest number that a job execution had.
    last_number: u64,
}

impl Document for Before {}

impl Before {
    /// Whether a job execution was started since then.
    fn precedes(&self, execution: &Execution) -> bool {
        let started = execution.started_date.as_ref().and_then(Value::as_str).and_then(moment);
        let is_later = match (self.told, started) {
            (Some(told), Some(started)) => started.duration_since(told) >= -ONE_MOMENT,
            _ => true,
        };
        is_later && execution.hr_id.is_some_and(|number| number > self.last_number)
    }
}

impl<'a> Direct<'a> {
    /// The submission of an export whose records are exported by a call of their own; none for any other.
    pub(super) fn of(
        api: &'a Api,
        work: &'a WorkState,
        clock: &'a dyn Clock,
        connection: &'a ConnectionName,
        export: &'a FolioExport,
        run_key: &'a RunKey,
    ) -> Option<Self> {
        let call = export.direct_call()?;
        Some(Self { api, work, clock, connection, export, call, run_key })
    }

    /// What the call is called.
    pub(super) fn name(&self) -> &'static str {
        self.call.name()
    }

    /// Notes what is there before the call.
    pub(super) async fn prepare(&self) -> Result<()> {
        self.body().await?;
        let listed = self.api.last_started().await?;
        let last_number = listed.iter().filter_map(|execution| execution.hr_id).max().unwrap_or_default();
        let before = Before { at: self.clock.now(), told: self.api.told_time(), last_number };
        Ok(self.work.save_checkpoint(&self.key(), &before).await?)
    }

    /// Makes the call, once.
    pub(super) async fn submit(&self) -> Result<Submission> {
        let body = self.body().await?;
        // Without it an old job could be taken for the one that this call makes.
        let before = self.before().await?.ok_or_else(|| {
            Error::source_unavailable(format!(
                "it is not noted any more what was there before the call of run {}: call again",
                self.run_key
            ))
        })?;
        match self.api.call_directly(self.call.name(), &body).await {
            Ok(answer) => self.submitted(&answer, &before).await,
            Err(error) if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Where a person can look for the run's job, and what is there that may be it.
    pub(super) async fn find(&self) -> Result<Found> {
        let file = self.call.stem(self.export.id_type).unwrap_or_else(|| "quick-export-".to_owned());
        let job = format!("look in FOLIO under Data export, Logs, for a job whose file is {file}<number>");
        let Some(before) = self.before().await? else {
            return Ok(Found::CannotTell(format!("{job}, started at the time of this run")));
        };
        let since = Timestamp::from_second(before.at.as_second()).unwrap_or(before.at);
        let listed = match self.new_ones(&before).await?.as_slice() {
            [] => "FOLIO lists none that was started since".to_owned(),
            several => format!("FOLIO lists since then: {}", self.told(several)),
        };
        Ok(Found::CannotTell(format!(
            "{job}, started at {since} (UTC) or within seconds after it ({listed})"
        )))
    }

    /// What an answer says: a job, or nothing that can be relied upon. Whatever goes wrong now, the call was made.
    async fn submitted(&self, answer: &Answer, before: &Before) -> Result<Submission> {
        // A login page has submitted nothing.
        if answer.is_login_page() {
            answer.json::<IgnoredAny>()?;
        }
        if !matches!(self.call, DirectCall::All) {
            let named: Result<JobRequestId, String> = match answer.json::<Started>() {
                Ok(started) => started.job_execution_id.parse().map_err(|invalid| format!("{invalid}")),
                Err(error) => Err(Error::from(error).line()),
            };
            return Ok(named.map_or_else(Submission::Ambiguous, Submission::Accepted));
        }
        let only = self.only_new_one(before).await;
        Ok(only.unwrap_or_else(|error| {
            Submission::Ambiguous(format!(
                "FOLIO has taken the call, and cannot be asked which job it made ({})",
                error.line()
            ))
        }))
    }

    /// The only new job of this kind, once there is one.
    async fn only_new_one(&self, before: &Before) -> Result<Submission> {
        let (since, mut wait) = (self.clock.now(), FIRST_WAIT);
        loop {
            match self.new_ones(before).await?.as_slice() {
                [one] => {
                    let id = one.id.as_deref().unwrap_or_default().parse::<JobRequestId>();
                    return Ok(id.map_or_else(
                        |invalid| Submission::Ambiguous(invalid.to_string()),
                        Submission::Accepted,
                    ));
                }
                [] if elapsed(since, self.clock.now()) < LISTED_WITHIN => {}
                [] => {
                    return Ok(Submission::Ambiguous(
                        "FOLIO has taken the call, and lists no new job".to_owned(),
                    ));
                }
                several => {
                    let several = self.told(several);
                    return Ok(Submission::Ambiguous(format!(
                        "FOLIO has taken the call without saying which job it made, and has several new ones: {several}"
                    )));
                }
            }
            self.clock.sleep(wait).await;
            wait = MAX_WAIT.min(wait * 2);
        }
    }

    /// The jobs of this kind that were started since what was noted.
    async fn new_ones(&self, before: &Before) -> Result<Vec<Execution>> {
        let mut listed = self.api.last_started().await?;
        listed.retain(|execution| before.precedes(execution) && self.export.difference(execution).is_none());
        Ok(listed)
    }

    fn told(&self, executions: &[Execution]) -> String {
        let told = executions.iter().map(|execution| {
            let id = execution.id.as_deref().unwrap_or("without id");
            let number = execution.hr_id.map(|number| format!("number {number}, ")).unwrap_or_default();
            format!("{id} ({number}{})", execution.word())
        });
        self.api.redactor().text(&told.collect::<Vec<_>>().join(", "))
    }

    fn refused(&self, error: HttpError) -> Error {
        let name = self.call.name();
        if error.is_gone() {
            let message = format!(
                "this FOLIO has no {name}, which came with mod-data-export {}: name the records by ids or by a query",
                self.call.since()
            );
            return Error::rejected(message).because(error);
        }
        if is_too_large(&error) {
            let message = "the gateway in front of FOLIO accepts no body as large as this list of ids: name them in \
                           records.ids, which are uploaded, or split them over several runs";
            return Error::limit_exceeded(message).because(error);
        }
        Error::from(error).while_doing(format!("calling {name} for run {}", self.run_key))
    }

    /// What the call carries; the profile that the export names is looked up.
    pub(super) async fn body(&self) -> Result<Value> {
        let mut body = Map::new();
        let mut say =
            |field: &str, value: Option<Value>| body.extend(value.map(|value| (field.to_owned(), value)));
        let FolioExport { id_type, deleted_records, suppressed_from_discovery, .. } = self.export;
        match self.call {
            DirectCall::All => {
                say("idType", Some(json!(id_type.word())));
                say("jobProfileId", Some(json!(self.api.profile_id(self.export).await?)));
                say("deletedRecords", deleted_records.map(Value::from));
                say("suppressedFromDiscovery", suppressed_from_discovery.map(Value::from));
            }
            DirectCall::Quick(ids) => {
                let record_type = match id_type {
                    IdType::Authority => "AUTHORITY",
                    IdType::Instance | IdType::Holding => "INSTANCE",
                };
                say("type", Some(json!("uuid")));
                say("uuids", Some(json!(ids)));
                say("recordType", Some(json!(record_type)));
                say("jobProfileId", Some(json!(self.api.profile_id(self.export).await?)));
            }
            DirectCall::Deleted(days) => {
                say("from", days.from.map(|day| json!(day)));
                say("to", days.to.map(|day| json!(day)));
            }
        }
        Ok(Value::Object(body))
    }

    fn key(&self) -> String {
        keys::submission_call(self.connection, self.run_key)
    }

    async fn before(&self) -> Result<Option<Before>> {
        Ok(self.work.checkpoint(&self.key()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1: a job is taken for a new one only if its number is higher than any before, and it was started since, by
    /// FOLIO's own clock: a list in another order than asked for may have hidden it.
    #[test]
    fn a_job_is_new_by_its_number_and_its_start() {
        let before = Before {
            at: Timestamp::UNIX_EPOCH,
            told: Some("2026-11-21T06:00:00Z".parse().unwrap()),
            last_number: 112,
        };
        let execution = |number: Value, started: Value| {
            serde_json::from_value::<Execution>(json!({ "hrId": number, "startedDate": started })).unwrap()
        };
        for (number, started, is_new) in [
            (json!(113), json!("2026-11-21T06:00:03.123+00:00"), true),
            (json!("113"), json!("2026-11-21T06:00:03.123+0000"), true),
            (json!(113), json!("2026-11-21T05:59:57.000+00:00"), true),
            (json!(113), json!(null), true),
            (json!(112), json!("2026-11-21T06:00:03.123+00:00"), false),
            (json!(113), json!("2026-11-20T06:00:00.000+00:00"), false),
            (json!(null), json!("2026-11-21T06:00:03.123+00:00"), false),
        ] {
            assert_eq!(
                before.precedes(&execution(number.clone(), started.clone())),
                is_new,
                "{number} {started}"
            );
        }
    }
}
