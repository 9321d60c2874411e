//! A submission: calls in order, of which one starts the job, and how the job of a lost one is found again.
//!
//! What an answer gave is kept in the work bucket before the next call is made. Only the calls before the one that
//! commits are made again after a crash: what they leave behind starts nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::elapsed;
use landfall::contract::{Found, Submission};
use landfall::error::{Error, ErrorType, Result};
use landfall::export::Export;
use landfall::job::{ConnectionName, JobRecord, JobRef, JobRequestId, RunKey, Window};
use landfall::state::{Document, WorkState, keys};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::api::{Api, Expected, Mode};
use super::chosen::{self, Chosen};
use super::description::{Description, Find, FindInList, Step};
use super::export::DeclaredExport;
use super::pages::walk;
use super::table::Meaning;
use super::take::Answered;
use super::template::Values;

/// What marks are made below (`UUIDv5`).
const MARKS: Uuid = Uuid::from_u128(0x5d0c_2b1e_94f7_4b0a_8f6d_3e52_c1a9_7b44);
/// How far the source's clock and ours are taken to be apart at most.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);

/// What is remembered of a submission: `submissions/<connection>/<run key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// What it is of: another export's values are not this one's.
    export: Export,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// How many of its calls were made.
    steps: usize,
    /// What their answers gave.
    values: Map<String, Value>,
    /// What it is submitted by, where that does not come with landfall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The job that it has become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobRequestId>,
}

impl Document for Kept {}

/// When a run was about to be submitted first.
#[derive(Debug, Serialize, Deserialize)]
struct Called {
    at: Timestamp,
    /// The same by the source's clock, where it had told the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Timestamp>,
}

impl Document for Called {}

/// A run's submission.
pub(super) struct Submitting<'a> {
    pub(super) api: Arc<Api>,
    pub(super) work: &'a WorkState,
    pub(super) connection: &'a ConnectionName,
    pub(super) export: DeclaredExport,
    pub(super) run_key: &'a RunKey,
    pub(super) window: Option<&'a Window>,
}

impl Submitting<'_> {
    fn description(&self) -> &Description {
        &self.api.description
    }

    fn key(&self) -> String {
        keys::submission(self.connection, self.run_key)
    }

    fn nothing_kept(&self) -> Kept {
        Kept {
            export: Export::of(&self.export),
            window: self.window.cloned(),
            steps: 0,
            values: Map::new(),
            description: self.description().own_text.as_deref().map(str::to_owned),
            job: None,
        }
    }

    /// What an earlier process has kept of this very submission.
    async fn kept(&self) -> Result<Kept> {
        let nothing = self.nothing_kept();
        if !keeps(self.description()) {
            return Ok(nothing);
        }
        let kept = self.work.checkpoint::<Kept>(&self.key()).await?;
        Ok(kept
            .filter(|kept| {
                (&kept.export, &kept.window, &kept.description)
                    == (&nothing.export, &nothing.window, &nothing.description)
            })
            .unwrap_or(nothing))
    }

    async fn keep(&self, kept: &Kept) -> Result<()> {
        Ok(self.work.save_checkpoint(&self.key(), kept).await?)
    }

    /// What the names stand for in the calls of a submission.
    async fn values(&self, kept: &Kept) -> Result<Values> {
        let mut values = self.description().values(&self.export.with, self.window);
        values.set("run_key", self.run_key.as_str());
        let mark = format!("{}/{}/{}", self.work.installation().await?, self.connection, self.run_key);
        values.set("mark", Uuid::new_v5(&MARKS, mark.as_bytes()).to_string());
        for (name, value) in &kept.values {
            values.set(name, value.clone());
        }
        Ok(values)
    }

    /// Makes the calls before the one that commits, if an earlier process has not.
    pub(super) async fn prepare(&self) -> Result<()> {
        let mut kept = self.kept().await?;
        for (number, step) in self.description().submit.iter().enumerate() {
            if step.commits || number < kept.steps {
                continue;
            }
            let values = self.values(&kept).await?;
            let answered = self.make(step, &values, Mode::Usual).await?.map_err(Error::from)?;
            match meaning(step, &answered) {
                Some(Meaning::Ok | Meaning::Already) => {}
                Some(other) => return Err(self.api.refusal(&answered, other, step.message.as_ref())),
                None if answered.status.is_success() => {
                    return Err(answered.malformed("the answer", "no table of the description names it"));
                }
                None => return Err(self.api.refusal(&answered, Meaning::Refused, step.message.as_ref())),
            }
            take_kept(step, &answered, &mut kept.values)?;
            if let Some(id) = &step.id {
                let id =
                    id.text(&answered).ok_or_else(|| answered.malformed("the job's id", "it is missing"))?;
                kept.values.insert("id".to_owned(), job_id(&id)?.as_str().into());
            }
            kept.steps = number.saturating_add(1);
            self.keep(&kept).await?;
        }
        if self.description().own_text.is_some() {
            self.keep(&kept).await?;
        }
        // Whoever looks for the run's job later has to know since when there may be one.
        let called = Called { at: self.api.clock.now(), told: self.api.time().await? };
        self.work.write_once(&keys::submission_call(self.connection, self.run_key), called).await?;
        Ok(())
    }

    async fn make(
        &self,
        step: &Step,
        values: &Values,
        mode: Mode,
    ) -> Result<std::result::Result<Answered, landfall_http::HttpError>> {
        let expected = Expected { refusals: true, json: false };
        self.api.call(&step.call, values, None, mode, expected).await
    }

    /// Makes the call that commits, once.
    pub(super) async fn submit(&self) -> Result<Submission> {
        let Some(step) = self.description().committing() else {
            return Err(Error::invalid_config(format!(
                "{} has no call that commits",
                self.description().name
            )));
        };
        let mut kept = self.kept().await?;
        let values = self.values(&kept).await?;
        let answered = match self.make(step, &values, Mode::Once).await? {
            Ok(answered) => answered,
            Err(error) => {
                let named = error.status().and_then(|status| step.answers.of_status(status));
                return match named {
                    Some(Meaning::Wait | Meaning::Quota | Meaning::Refused) => Err(error.into()),
                    _ if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
                    _ => Err(error.into()),
                };
            }
        };
        match meaning(step, &answered) {
            Some(Meaning::Ok) => self.accepted(step, &answered, &mut kept).await,
            Some(Meaning::Already) => match self.accepted(step, &answered, &mut kept).await? {
                Submission::Ambiguous(what) => Ok(Submission::Exists(what)),
                accepted => Ok(accepted),
            },
            Some(other) => {
                if other == Meaning::Refused && !kept.values.is_empty() {
                    // What it was refused for may be what was kept.
                    self.keep(&self.nothing_kept()).await?;
                }
                Err(self.api.refusal(&answered, other, step.message.as_ref()))
            }
            None if answered.status.is_client_error() => {
                Err(self.api.refusal(&answered, Meaning::Refused, step.message.as_ref()))
            }
            None => Ok(Submission::Ambiguous(format!(
                "{} answered {}, which no table of the description names",
                answered.url.path(),
                answered.status
            ))),
        }
    }

    /// The job that an answer names.
    async fn accepted(&self, step: &Step, answered: &Answered, kept: &mut Kept) -> Result<Submission> {
        let named = match &step.id {
            Some(id) => id.text(answered),
            None => kept.values.get("id").and_then(Value::as_str).map(str::to_owned),
        };
        let Some(id) = named else {
            return Ok(Submission::Ambiguous(format!(
                "{} answered {} and named no job, where the description takes its id",
                answered.url.path(),
                answered.status
            )));
        };
        let id = match job_id(&id) {
            Ok(id) => id,
            Err(error) => return Ok(Submission::Ambiguous(error.line())),
        };
        if keeps(self.description()) {
            let taken = take_kept(step, answered, &mut kept.values);
            kept.job = Some(id.clone());
            kept.steps = self.description().submit.len();
            let saved = match taken {
                Ok(()) => self.keep(kept).await,
                Err(error) => Err(error),
            };
            // The job is there: its id matters more than what else the answer had, which has a substitute.
            if let Err(error) = saved {
                tracing::warn!(error = error.line(), %id, "what else the submission's answer said is not kept");
            }
        }
        Ok(Submission::Accepted(id))
    }

    async fn called(&self) -> Result<Option<Called>> {
        Ok(self.work.checkpoint(&keys::submission_call(self.connection, self.run_key)).await?)
    }

    /// The run's job, as far as the source can be asked for it: by the description that it was submitted by.
    pub(super) async fn find(&self) -> Result<Found> {
        match self.begun_otherwise().await? {
            Some(begun) => begun.found().await,
            None => self.found().await,
        }
    }

    /// The same submission by the description that it was begun by, where that is another one.
    async fn begun_otherwise(&self) -> Result<Option<Self>> {
        let nothing = self.nothing_kept();
        if nothing.description.is_none() {
            return Ok(None);
        }
        let kept = self.work.checkpoint::<Kept>(&self.key()).await?;
        let kept = kept.filter(|kept| (&kept.export, &kept.window) == (&nothing.export, &nothing.window));
        let Some(text) =
            kept.and_then(|kept| kept.description).filter(|text| Some(text) != nothing.description.as_ref())
        else {
            return Ok(None);
        };
        let api = self.api.by(chosen::kept(&self.export.system, &text)?);
        let Self { work, connection, run_key, window, .. } = *self;
        Ok(Some(Self { api, work, connection, export: self.export.clone(), run_key, window }))
    }

    async fn found(&self) -> Result<Found> {
        let Some(called) = self.called().await? else { return self.person("at the time of this run") };
        match &self.description().find {
            Find::Person(_) => self.person(&at(called.at)),
            Find::Repeat(repeat) => self.repeat(called.at, repeat.within_hours).await,
            Find::List(list) => self.find_in(list, &called).await,
        }
    }

    fn person(&self, when: &str) -> Result<Found> {
        let named = match &self.description().find {
            Find::Person(person) => person.look.clone(),
            Find::Repeat(_) | Find::List(_) => {
                format!("look in {} for the job", self.description().title)
            }
        };
        Ok(Found::CannotTell(format!("{named}; it was submitted {when}")))
    }

    /// Finds the job by making the same call again, which its source does once for each key.
    async fn repeat(&self, called: Timestamp, within_hours: u64) -> Result<Found> {
        if elapsed(called, self.api.clock.now()).as_secs() / 3600 >= within_hours {
            return self.person(&at(called));
        }
        match self.submit().await {
            Ok(Submission::Accepted(id)) => Ok(Found::Job(id)),
            Ok(Submission::Exists(_)) => self.person(&at(called)),
            Ok(Submission::Ambiguous(what)) => Err(Error::source_unavailable(what)),
            Err(error) if error.error_type() == ErrorType::Rejected => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    async fn find_in(&self, list: &FindInList, called: &Called) -> Result<Found> {
        let kept = self.kept().await?;
        let mut values = self.values(&kept).await?;
        let called = called.told.map_or(called.at, |told| told.min(called.at));
        let since = called.checked_sub(CLOCKS_DIFFER).unwrap_or(called);
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        values.set("called_at", since.to_string());
        let wanted: Vec<_> = list
            .r#match
            .iter()
            .map(|wanted| Ok((&wanted.take, wanted.is.text(&values)?)))
            .collect::<Result<_>>()?;
        let mut ids = Vec::new();
        walk(&self.api, &list.call, &values, list.pages.as_ref(), None, &mut |page| {
            let count = list.each.each(page, &mut |entry| {
                let is_it =
                    wanted.iter().all(|(take, is)| is_alike(take.text_in(entry).as_deref(), is.as_deref()));
                if is_it {
                    let id = list.id.text_in(entry);
                    let id =
                        id.ok_or_else(|| page.malformed("the list of jobs", "one of the run's has no id"))?;
                    ids.push(job_id(&id)?);
                }
                Ok(())
            })?;
            count.ok_or_else(|| page.malformed("the list of jobs", "there is none"))
        })
        .await?;
        ids.sort();
        ids.dedup();
        let mut ours = Vec::new();
        for id in ids {
            let job = JobRef { connection: self.connection.clone(), job_request_id: id.clone() };
            let record = self.work.job(&job).await?;
            if record.is_none_or(|record| record.run_key.is_none_or(|of| of == *self.run_key)) {
                ours.push(id);
            }
        }
        match ours.as_slice() {
            [] => Ok(Found::Nothing),
            [id] => Ok(Found::Job(id.clone())),
            [one, other, ..] => Err(Error::conflict(format!(
                "{} jobs of {} may be that of run {}, {one} and {other} among them: look there which it is, then start the run \
                 with its id (`landfall run EVENT --job ID`)",
                ours.len(),
                self.connection,
                self.run_key
            ))),
        }
    }
}

fn at(called: Timestamp) -> String {
    let second = Timestamp::from_second(called.as_second()).unwrap_or(called);
    format!("at {second} (UTC) or within minutes after it")
}

/// Whether an entry says what is wanted: of moments, the same one however it is written.
fn is_alike(said: Option<&str>, wanted: Option<&str>) -> bool {
    let (Some(said), Some(wanted)) = (said, wanted) else { return wanted.is_none() };
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    said == wanted || moment(said).is_some_and(|said| Some(said) == moment(wanted))
}

/// Whether anything has to be remembered of a submission.
fn keeps(description: &Description) -> bool {
    description.submit.len() > 1 || description.own_text.is_some() || description.kept().next().is_some()
}

/// What an answer to a step means, as far as a table says so.
fn meaning(step: &Step, answered: &Answered) -> Option<Meaning> {
    step.answers.of_answer(step.answer.as_ref(), answered)
}

fn take_kept(step: &Step, answered: &Answered, values: &mut Map<String, Value>) -> Result<()> {
    for (name, keep) in &step.keep {
        match keep.take.text(answered) {
            Some(value) => {
                values.insert(name.clone(), value.into());
            }
            None if keep.or.is_some() => {}
            None => return Err(answered.malformed(name, "the answer does not have it")),
        }
    }
    Ok(())
}

/// A job's id as the source has it. What cannot be one leads to no job.
fn job_id(id: &str) -> Result<JobRequestId> {
    id.parse()
        .map_err(|error| Error::contract_broken("the source's id of the job cannot be used").because(error))
}

/// What a job goes by: the description that it was submitted by, and what the names stand for in its calls.
pub(super) async fn of_job(
    chosen: &Chosen,
    work: &WorkState,
    job: &JobRecord,
) -> Result<(Arc<Description>, Values)> {
    let export: DeclaredExport = job.export.read()?;
    let current = chosen.current();
    let kept = match &job.run_key {
        Some(run_key) if current.as_deref().map_or(true, keeps) => {
            work.checkpoint::<Kept>(&keys::submission(&job.connection, run_key)).await?
        }
        _ => None,
    };
    let said = Export::of(&export);
    let is_its_own =
        |kept: &Kept| kept.export == said && kept.job.as_ref().is_none_or(|id| *id == job.job_request_id);
    let kept = kept.filter(is_its_own);
    let then = kept.as_ref().and_then(|kept| kept.description.as_deref());
    let description = match (then, current) {
        (Some(text), Ok(current)) if current.own_text.as_deref() == Some(text) => current,
        (Some(text), _) => chosen::kept(&export.system, text)?,
        (None, current) => current?,
    };
    let mut values = description.values(&export.with, job.window.as_ref());
    values.set("id", job.job_request_id.as_str());
    set_kept(&description, kept.map(|kept| kept.values).as_ref(), &mut values)?;
    Ok((description, values))
}

/// Has the names of what is kept stand for it, or for their substitutes.
fn set_kept(description: &Description, kept: Option<&Map<String, Value>>, values: &mut Values) -> Result<()> {
    for (name, keep) in description.kept() {
        let value = kept.and_then(|kept| kept.get(name).cloned());
        match (value, &keep.or) {
            (Some(value), _) => values.set(name, value),
            (None, Some(or)) => {
                if let Some(substitute) = or.text(values)? {
                    values.set(name, substitute);
                }
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// What the names stand for in the calls about a job of which only the id is known.
pub(super) fn values_of_id(description: &Description, id: &JobRequestId) -> Result<Values> {
    let mut values = description.values(&Map::new(), None);
    values.set("id", id.as_str());
    set_kept(description, None, &mut values)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wanted and not said is no match; a moment is one however it is written.
    #[test]
    fn an_entry_is_the_runs_by_what_it_says() {
        for (said, wanted, alike) in [
            (Some("A"), Some("A"), true),
            (Some("A"), Some("B"), false),
            (None, Some("A"), false),
            (Some("A"), None, true),
            (Some("2026-11-21T06:00:00+00:00"), Some("2026-11-21T06:00:00Z"), true),
            (Some("2026-11-21T06:00:01Z"), Some("2026-11-21T06:00:00Z"), false),
        ] {
            assert_eq!(is_alike(said, wanted), alike, "{said:?} {wanted:?}");
        }
    }
}
