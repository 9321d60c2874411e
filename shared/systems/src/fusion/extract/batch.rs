//! Job requests of `saas-batch`: submitted, found again, looked at.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::export::{DATA_EXPORT, EXTRACT_PARAMETER, FusionExtract, MODE_PARAMETER, Mode, Schedule};
use super::lenient::{Scalar, optional};
use super::status::{JobAnswer, JobDetails, JobRequest};
use crate::created;
use crate::entries::entries;
use crate::fusion::pod::Pod;
use crate::fusion::settings::ScheduleDates;
use landfall::contract::{EndedJob, PlannedCall, Submission};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::job::{ConnectionName, JobRequestId, JobState, RunKey};
use landfall_http::auth::Authorizer;
use landfall_http::{Answer, ErrorKind, HttpError, Request};

const SCHEDULER: [&str; 4] = ["api", "saas-batch", "jobscheduler", "v1"];
const JOB_REQUESTS: &str = "jobRequests";
/// What an extraction of another job definition extracts (Spectra's `AsyncDataExtraction`).
const RESOURCE_PARAMETERS: [&str; 2] = ["boss.resource.name", "boss.resource.path"];
/// What leads the run key in a description.
const PREFIX: &str = "landfall-";
/// Makes runs into `clientRequestUuid`s: the same run gives the same id, from any machine.
const RUN_KEYS: Uuid = Uuid::from_u128(0x6c61_6e64_6661_4c4c_8a5e_7275_6e6b_6579);
/// How many job requests a list is walked through for: more is a server that never says that it is done.
const MAX_LISTED: usize = 1_000_000;
/// How large a page may be; a server that does not page sends all in one.
const MAX_PAGE_BYTES: u64 = 32 * 1024 * 1024;
/// How large the answer about one job may be.
const MAX_JOB_BYTES: u64 = 2 * 1024 * 1024;
/// How many of them are kept to be looked at together, and from pages of how many bytes: the function that keeps all has
/// 512 MB.
const MAX_KEPT: usize = 200_000;
pub(super) const MAX_KEPT_BYTES: usize = 128 * 1024 * 1024;

/// The collection of job requests.
pub(super) struct Batch<'a> {
    pod: &'a Pod,
    authorizer: Arc<dyn Authorizer>,
    max_kept_bytes: usize,
}

/// How a submission is put, besides what it exports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) client_request_uuid: bool,
    pub(super) schedule_dates: ScheduleDates,
}

impl<'a> Batch<'a> {
    /// Of a list that is longer, no more pages are kept than have so many bytes.
    pub(super) fn new(pod: &'a Pod, authorizer: Arc<dyn Authorizer>, max_kept_bytes: usize) -> Self {
        Self { pod, authorizer, max_kept_bytes }
    }

    /// The calls of a job, not made. Before an installation's first run it is not known what its jobs are marked by.
    pub(super) fn calls(
        &self,
        export: &FusionExtract,
        mark: &Mark<'_>,
        form: Form,
        is_known: bool,
    ) -> Vec<PlannedCall> {
        let form = Form { client_request_uuid: form.client_request_uuid && is_known, ..form };
        let mut body = submission(export, mark, form);
        if let Some(fields) = body.as_object_mut().filter(|_| !is_known) {
            let description = format!("{} {{mark}}", mark.earlier_description(export));
            fields.insert("description".to_owned(), json!(description));
        }
        let mut job = self.collection();
        if let Ok(mut path) = job.path_segments_mut() {
            path.push("{id}");
        }
        vec![
            PlannedCall::new("submit the job", "POST", &self.collection()).carrying(&body).submitting(),
            PlannedCall::new("poll", "GET", &job),
        ]
    }

    /// Submits once: neither here nor below is that repeated. What cannot be known is said, not guessed.
    pub(super) async fn submit(
        &self,
        export: &FusionExtract,
        mark: &Mark<'_>,
        form: Form,
    ) -> Result<Submission> {
        let request = Request::post_json(self.collection(), &submission(export, mark, form))?
            .authorized_by(Arc::clone(&self.authorizer))
            .once();
        match self.pod.client.call(&request).await {
            Ok(answer) => match (submitted_id(&answer), answer.json::<IgnoredAny>()) {
                (Some(id), _) => Ok(Submission::Accepted(id)),
                // A login page has submitted nothing.
                (None, Err(error)) if answer.is_login_page() => Err(error.into()),
                _ => Ok(Submission::Ambiguous(format!("{answer:?} names no job request"))),
            },
            Err(error) if error.outcome_is_unknown() => Ok(Submission::Ambiguous(Error::from(error).line())),
            // A conflict says that the job is there, under our own `clientRequestUuid`: an answer of it was lost.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                Ok(Submission::Exists(Error::from(error).line()))
            }
            Err(error) if error.is_gone() => Err(Error::not_found(
                "the pod knows no job requests: it may lack the service that runs data extractions, or base_url \
                 names another system",
            )
            .because(error)),
            Err(error) if form.client_request_uuid && is_about_uuid(&error) => Err(Error::rejected(
                "the pod refuses a submission with a clientRequestUuid: set client_request_uuid = false in the connection",
            )
            .because(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// The job request that was submitted for this run. Two are a `Conflict`. One whose parameters are others is another
    /// run's, whatever it is called.
    pub(super) async fn find(&self, export: &FusionExtract, mark: &Mark<'_>) -> Result<Option<JobRequestId>> {
        let marked = self.list(|job| mark.on(job, export).is_some()).await?;
        let of_another = |job: &&JobDetails| {
            let difference = difference(job.job_request.as_ref()?, export)?;
            Some((job.job_request_id.as_ref().map(Scalar::text), difference))
        };
        for (id, difference) in marked.iter().filter_map(|job| of_another(&job)) {
            let difference = self.pod.client.redactor().text(&difference);
            tracing::warn!(id, difference, "a job request has the run's mark, and is another run's");
        }
        let (mut ours, mut of_earlier_release) = (Vec::new(), Vec::new());
        for job in marked.iter().filter(|job| of_another(job).is_none()) {
            match mark.on(job, export) {
                Some(Marked::AsThisRun) => ours.push(id(job)?),
                _ => of_earlier_release.push(id(job)?),
            }
        }
        let mut ours = if ours.is_empty() { of_earlier_release } else { ours };
        if ours.len() < 2 {
            return Ok(ours.pop());
        }
        Err(Error::conflict(format!(
            "run key {} has {} job requests, {}: decide which of them lands, and resume it by its id",
            mark.run_key,
            ours.len(),
            ours.iter().map(JobRequestId::as_str).collect::<Vec<_>>().join(" and ")
        )))
    }

    /// One job request, and what it says, if it shows anything.
    pub(super) async fn get(&self, id: &JobRequestId) -> Result<(Option<JobDetails>, Answer), HttpError> {
        let mut url = self.collection();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id.as_str());
        }
        let answer = self.pod.client.call(&self.reading(url).at_most(MAX_JOB_BYTES)).await?;
        let job = answer.json::<JobAnswer>()?.job(id.as_str());
        let job = job.map_err(|reason| answer.malformed("jobDetails", &reason))?;
        Ok((job, answer))
    }

    /// The job request of this id, from the list, which says what others leave out.
    pub(super) async fn listed(&self, id: &JobRequestId) -> Result<Option<JobRequest>> {
        let is_it =
            |job: &JobDetails| job.job_request_id.as_ref().is_some_and(|other| other.text() == id.as_str());
        let found = self.list(is_it).await?.into_iter().next();
        Ok(found.and_then(|job| job.job_request))
    }

    /// How many job requests the first page of the list has.
    pub(super) async fn first_page(&self) -> Result<usize, HttpError> {
        let page: Listed = self.pod.client.json(&self.reading(self.collection())).await?;
        Ok(page.items.len())
    }

    /// The data extractions that have ended; of recurring requests their occurrences. `runs` tells which are of runs of
    /// this installation's.
    ///
    /// What the list says of a job may not be enough to know whether it is one: that is logged, and not an error, as
    /// one job of another service would keep all others from landing.
    pub(super) async fn ended(&self, runs: &Runs<'_>) -> Result<Vec<EndedJob>> {
        let Sifted { ended, unreadable } = sifted(&self.list(|_| true).await?, runs);
        if let Some(first) = unreadable.first() {
            let first = self.pod.client.redactor().text(first);
            tracing::warn!(jobs = unreadable.len(), first, "listed jobs cannot be read, and are not swept");
        }
        Ok(ended)
    }

    /// Every job request that is wanted, from a server that pages and from one that does not: nothing of it is
    /// documented. Of the others only a hash of their id is kept, so that a long list takes little memory.
    ///
    /// Whatever it says of its length, it is asked for more until nothing new comes: a run key that is overlooked behind
    /// the end of a page would be submitted again.
    async fn list(&self, is_wanted: impl Fn(&JobDetails) -> bool) -> Result<Vec<JobDetails>> {
        let mut answer = self.pod.client.call(&self.reading(self.collection())).await?;
        let mut jobs: Vec<JobDetails> = Vec::new();
        let (hasher, mut known) = (RandomState::new(), HashSet::new());
        let (mut listed, mut kept_bytes) = (0_usize, 0_usize);
        loop {
            let page: Listed = answer.json()?;
            let (has_more, total) = (page.has_more, page.total_items.as_ref().and_then(Scalar::whole));
            let (before, kept_before) = (known.len(), jobs.len());
            for job in page.items.into_iter().flat_map(JobAnswer::into_jobs) {
                let id = job.job_request_id.as_ref().map(Scalar::text);
                // Of one without an id nobody can tell whether it comes again.
                if id.map_or(before == 0, |id| known.insert(hasher.hash_one(id))) {
                    listed = listed.saturating_add(1);
                    jobs.extend(Some(job).filter(&is_wanted));
                }
            }
            let is_promised = has_more == Some(true) || total.is_some_and(|total| total > count(listed));
            let came = known.len() > before;
            if is_promised && !came {
                let said = "the list says that there is more, and does not give it";
                return Err(answer.malformed("items", said).into());
            }
            if jobs.len() > kept_before {
                kept_bytes = kept_bytes.saturating_add(answer.body.len());
            }
            if listed > MAX_LISTED || jobs.len() > MAX_KEPT || kept_bytes > self.max_kept_bytes {
                return Err(Error::limit_exceeded(format!(
                    "the list of job requests does not end: {listed} so far, {kept_bytes} bytes of what is wanted of them"
                )));
            }
            if !came {
                return Ok(jobs);
            }
            let next = self.pod.client.call(&self.reading(self.page(listed))).await;
            answer = match next {
                // It does not page, and says so in its own way.
                Err(error) if !is_promised && error.kind() == ErrorKind::Rejected => return Ok(jobs),
                next => next?,
            };
        }
    }

    fn page(&self, offset: usize) -> Url {
        let mut url = self.collection();
        url.query_pairs_mut().append_pair("$offset", &offset.to_string()).append_pair("$limit", "500");
        url
    }

    fn reading(&self, url: Url) -> Request {
        Request::get_json(url).at_most(MAX_PAGE_BYTES).authorized_by(Arc::clone(&self.authorizer))
    }

    fn collection(&self) -> Url {
        let segments: Vec<&str> = SCHEDULER.into_iter().chain([JOB_REQUESTS]).collect();
        self.pod.url(&segments)
    }
}

/// Whether a refusal is about the field that carries the run key's id.
fn is_about_uuid(error: &HttpError) -> bool {
    error.refusal().is_some_and(|said| said.to_ascii_lowercase().contains("clientrequestuuid"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<JobAnswer>,
    #[serde(default, deserialize_with = "optional")]
    has_more: Option<bool>,
    #[serde(default, deserialize_with = "optional")]
    total_items: Option<Scalar>,
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

/// What a list comes to.
#[derive(Debug, Default)]
struct Sifted {
    ended: Vec<EndedJob>,
    /// Of each job that cannot be read, which it is and why.
    unreadable: Vec<String>,
}

fn sifted(listed: &[JobDetails], runs: &Runs<'_>) -> Sifted {
    let parents: HashSet<String> =
        listed.iter().filter_map(|job| job.job_request.as_ref()?.parent()).collect();
    let mut sifted = Sifted::default();
    for job in listed {
        match ended(job, &parents, runs) {
            Ok(Some(ended)) => sifted.ended.push(ended),
            Ok(None) => {}
            Err(reason) => {
                let id = job.job_request_id.as_ref().map_or_else(|| "without id".to_owned(), Scalar::text);
                sifted.unreadable.push(format!("job {id}: {reason}"));
            }
        }
    }
    sifted
}

/// A listed job as one that has ended; nothing if it has not, or is no data extraction; an error where it does not say.
///
/// The scheduler runs more than data extractions: of other job definitions only what was submitted for a run of ours is
/// known to be one.
fn ended(job: &JobDetails, parents: &HashSet<String>, runs: &Runs<'_>) -> Result<Option<EndedJob>, String> {
    let request = job.job_request.as_ref().ok_or("its request is not shown")?;
    let ours = request.described().and_then(|job| runs.run_key(&job));
    if (!request.is_data_export() && ours.is_none()) || request.is_recurring() {
        return Ok(None);
    }
    let id = job.job_request_id.as_ref().ok_or("it has no id")?.text();
    if parents.contains(&id) {
        return Ok(None);
    }
    let id = id.parse().map_err(|error| format!("its id is unusable: {error}"))?;
    let status = job.status().ok_or("it has no status")?;
    if !status.is_known {
        return Err(format!("no table names its status {:?}", status.native_status));
    }
    if status.state == JobState::Running {
        return Ok(None);
    }
    let export = Export::of(&described(request)?);
    let run_key = ours.filter(|_| !request.is_occurrence());
    Ok(Some(EndedJob { job_request_id: id, export, run_key, status, ended_at: job.ended_at() }))
}

/// The names inside a description: `schedule::extract::Full|Incremental::recurrence`, as landfall and the vendor's own
/// screen write it. It is free text, so what is not of this form says nothing.
struct Described<'a> {
    schedule: &'a str,
    extract: &'a str,
    mode: Mode,
    recurrence: &'a str,
}

impl<'a> Described<'a> {
    fn parse(description: &'a str) -> Option<Self> {
        let (rest, recurrence) = description.rsplit_once("::")?;
        let (rest, mode) = rest.rsplit_once("::")?;
        let (schedule, extract) = rest.rsplit_once("::")?;
        let mode = Mode::from_argument(mode)?;
        (!extract.trim().is_empty()).then_some(Self { schedule, extract, mode, recurrence })
    }
}

/// The runs of a connection, by what their jobs are known by at the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runs<'a> {
    /// The installation whose runs they are; none before its first one.
    pub(super) installation: Option<&'a str>,
    pub(super) connection: &'a ConnectionName,
}

impl Runs<'_> {
    /// The run of ours that a job was submitted for: not one of the same key on another connection, or of another
    /// installation. Of a job that a release before this one has marked, nobody can tell.
    fn run_key(&self, job: &Described<'_>) -> Option<RunKey> {
        let run_key: RunKey = job.schedule.strip_prefix(PREFIX)?.parse().ok()?;
        match job.recurrence.split_once(' ') {
            None => Some(run_key),
            Some((_, uuid)) => {
                let is_ours = Mark::new(self.installation?, self.connection, &run_key).uuid == uuid;
                is_ours.then_some(run_key)
            }
        }
    }
}

/// What a run's job is known by in the list of job requests: a `clientRequestUuid` that follows from the installation, the
/// connection and the run key, which stands in the description, too, as not every pod takes or keeps the other.
#[derive(Debug, Clone)]
pub(super) struct Mark<'a> {
    run_key: &'a RunKey,
    uuid: String,
}

/// How a job bears a run's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marked {
    /// As no other run's job does.
    AsThisRun,
    /// By its run key alone, as the releases before this one marked it.
    ByRunKey,
}

impl<'a> Mark<'a> {
    pub(super) fn new(installation: &str, connection: &ConnectionName, run_key: &'a RunKey) -> Self {
        // A run key has no slash: no release has made this id of another run.
        Self { run_key, uuid: request_uuid(&format!("{installation}/{connection}/{run_key}")) }
    }

    /// The description of a submission. Releases before this one look for its beginning, and find the job by it.
    fn description(&self, export: &FusionExtract) -> String {
        format!("{} {}", self.earlier_description(export), self.uuid)
    }

    fn earlier_description(&self, export: &FusionExtract) -> String {
        let (mode, recurrence) = (export.mode.word(), export.recurrence().word());
        format!("{PREFIX}{}::{}::{mode}::{recurrence}", self.run_key, export.extract)
    }

    /// How a job request bears the mark, exactly; an occurrence of a recurring one does not.
    fn on(&self, job: &JobDetails, export: &FusionExtract) -> Option<Marked> {
        let request = job.job_request.as_ref().filter(|request| !request.is_occurrence())?;
        let is_described = |as_: String| request.description.as_deref() == Some(as_.as_str());
        let has_uuid = |uuid: &str| request.client_request_uuid.as_deref() == Some(uuid);
        if has_uuid(&self.uuid) || is_described(self.description(export)) {
            Some(Marked::AsThisRun)
        } else if has_uuid(&request_uuid(self.run_key.as_str()))
            || is_described(self.earlier_description(export))
        {
            Some(Marked::ByRunKey)
        } else {
            None
        }
    }
}

/// The id that the client gives a submission: at most 64 characters (`SBS_JOB_REQUESTS.CLIENT_REQUEST_UUID`).
fn request_uuid(run: &str) -> String {
    Uuid::new_v5(&RUN_KEYS, run.as_bytes()).to_string()
}

fn id(job: &JobDetails) -> Result<JobRequestId> {
    let id = job.job_request_id.as_ref().map(Scalar::text).unwrap_or_default();
    id.parse().map_err(|error| Error::contract_broken("a listed job request has no usable id").because(error))
}

/// What of a job request is another than in a submission of this export; nothing if all agrees that it shows. What a pod
/// adds to the parameters says nothing.
pub(super) fn difference(request: &JobRequest, export: &FusionExtract) -> Option<String> {
    if let Some(other) = request.job_definition_name.as_deref().filter(|name| *name != export.job_definition)
    {
        return Some(format!("it runs {other}, and not {}", export.job_definition));
    }
    if request.is_recurring() && !export.recurs() {
        return Some("it is a recurring request, whose occurrences are jobs of their own".to_owned());
    }
    let described = request.described();
    if let Some(other) =
        described.filter(|other| other.extract != export.extract || other.mode != export.mode)
    {
        return Some(format!("it exports {} ({})", other.extract, other.mode.word()));
    }
    parameters(export).into_iter().find_map(|(name, asked)| {
        let shown = request.parameter_text(&name)?;
        let agrees = match name.as_str() {
            MODE_PARAMETER => Mode::from_argument(&shown) == Mode::from_argument(&asked),
            _ => shown == asked.trim(),
        };
        (!agrees).then(|| format!("its {name} is {shown:?}, and not {asked:?}"))
    })
}

/// The parameters of a submission.
fn parameters(export: &FusionExtract) -> BTreeMap<String, String> {
    let mut parameters = export.request_parameters.clone();
    if export.is_data_export() {
        parameters.insert(EXTRACT_PARAMETER.to_owned(), export.submitted_name().to_owned());
        parameters.insert(MODE_PARAMETER.to_owned(), export.mode.argument().to_owned());
    }
    parameters
}

fn submission(export: &FusionExtract, mark: &Mark<'_>, form: Form) -> Value {
    let mut body = Map::new();
    body.insert("serviceName".to_owned(), json!("boss"));
    body.insert("jobDefinitionName".to_owned(), json!(export.job_definition));
    body.insert("description".to_owned(), json!(mark.description(export)));
    body.insert("requestParameters".to_owned(), json!(parameters(export)));
    if form.client_request_uuid {
        body.insert("clientRequestUuid".to_owned(), json!(mark.uuid));
    }
    if let Some(schedule) = &export.schedule {
        body.insert("runAtTimes".to_owned(), run_at_times(schedule, form.schedule_dates));
    }
    Value::Object(body)
}

fn run_at_times(schedule: &Schedule, dates: ScheduleDates) -> Value {
    let written = |date: jiff::civil::Date| match dates {
        ScheduleDates::Iso => date.to_string(),
        ScheduleDates::Us => date.strftime("%m/%d/%Y").to_string(),
    };
    let mut times = Map::new();
    if let Some(every) = schedule.every {
        let interval = json!({ "interval": every.interval, "timeUnit": every.time_unit.word() });
        times.insert("fixedInterval".to_owned(), interval);
    }
    times.insert("startDate".to_owned(), json!(written(schedule.start_date)));
    times.insert("endDate".to_owned(), json!(written(schedule.end_date)));
    for (name, time) in [("startTime", &schedule.start_time), ("endTime", &schedule.end_time)] {
        if let Some(time) = time {
            times.insert(name.to_owned(), json!(time));
        }
    }
    Value::Object(times)
}

/// The id of a job request that has just been accepted: from a header that names it, or from a body that does.
fn submitted_id(answer: &Answer) -> Option<JobRequestId> {
    created::job_id(&answer.headers, JOB_REQUESTS).or_else(|| id_from_body(answer))
}

fn id_from_body(answer: &Answer) -> Option<JobRequestId> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "jobRequestId")]
        id: Scalar,
    }
    answer.json::<Created>().ok()?.id.text().parse().ok()
}

/// What a job request exports, as far as it says; an error says what is missing.
///
/// The first parameter is the name that was submitted, a group's say. The export's own name stands in the description,
/// if that has the usual form. A list may leave parameters out: then the description stands for them.
pub(super) fn described(request: &JobRequest) -> Result<FusionExtract, String> {
    let described = request.described();
    if !request.is_data_export() {
        return described_other(request, described.as_ref());
    }
    let submitted = request.parameter(EXTRACT_PARAMETER);
    let extract = described.as_ref().map(|described| described.extract).or(submitted);
    let extract =
        extract.ok_or(format!("it has no {EXTRACT_PARAMETER}, and its description names no extract"))?;
    let mode = match request.parameter(MODE_PARAMETER) {
        Some(argument) => Mode::from_argument(argument)
            .ok_or(format!("its {MODE_PARAMETER} is neither full nor incremental"))?,
        None => {
            described.as_ref().map(|described| described.mode).ok_or(format!("it has no {MODE_PARAMETER}"))?
        }
    };
    Ok(FusionExtract {
        extract: extract.to_owned(),
        mode,
        job_definition: DATA_EXPORT.to_owned(),
        submit_name: submitted.filter(|submitted| *submitted != extract).map(str::to_owned),
        definition: None,
        group: None,
        request_parameters: BTreeMap::new(),
        schedule: None,
        allow_empty: false,
    })
}

impl JobRequest {
    /// The names that its description holds, if it has the usual form.
    fn described(&self) -> Option<Described<'_>> {
        self.description.as_deref().and_then(Described::parse)
    }

    /// Whether it is the Data Extraction Tool's, as far as it says.
    fn is_data_export(&self) -> bool {
        self.job_definition_name.as_deref().is_none_or(|name| name == DATA_EXPORT)
    }
}

/// What a request of another job definition extracts: its name stands in the description, if that has the usual form, or
/// in the parameter that names the resource. A job that has neither may be no extraction at all.
fn described_other(request: &JobRequest, described: Option<&Described<'_>>) -> Result<FusionExtract, String> {
    let job_definition = request.job_definition_name.clone().unwrap_or_default();
    let resource = || RESOURCE_PARAMETERS.iter().find_map(|name| request.parameter(name));
    let extract = described.map(|described| described.extract).or_else(resource).ok_or_else(|| {
        let [name, _] = RESOURCE_PARAMETERS;
        format!("it runs {job_definition}, and has no {name}, nor a description that names an extract")
    })?;
    Ok(FusionExtract {
        extract: extract.to_owned(),
        mode: Mode::Full,
        job_definition,
        submit_name: None,
        definition: None,
        group: None,
        request_parameters: BTreeMap::new(),
        schedule: None,
        allow_empty: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::export::tests::simple;
    use super::*;

    fn key(text: &str) -> RunKey {
        text.parse().unwrap()
    }

    fn job(value: Value) -> JobDetails {
        serde_json::from_value(value).unwrap()
    }

    fn mark(run_key: &RunKey) -> Mark<'_> {
        Mark::new("i-1", &"pod".parse().unwrap(), run_key)
    }

    /// Whether a job is taken for the run's, of that extract and mode.
    fn is_of(job: &JobDetails, run_key: &RunKey) -> bool {
        mark(run_key).on(job, &FusionExtract { mode: Mode::Full, ..simple("SimpleCarriers") }).is_some()
    }

    fn with_description(description: &str) -> JobDetails {
        job(json!({ "jobRequestId": 1, "jobRequest": { "description": description } }))
    }

    const FORM: Form = Form { client_request_uuid: true, schedule_dates: ScheduleDates::Iso };

    /// The body of Oracle's page, with the run key where it is found again.
    #[test]
    fn a_submission_carries_the_run_key_twice() {
        let mut export = simple("SimpleCarriers");
        export.request_parameters.insert("boss.outputFormat".to_owned(), "json".to_owned());
        let run_key = key("carriers-06");
        let mark = mark(&run_key);
        let body = submission(&export, &mark, FORM);
        assert_eq!(
            body,
            json!({
                "serviceName": "boss",
                "jobDefinitionName": "DataExport",
                "description": format!("landfall-carriers-06::SimpleCarriers::Incremental::Immediate {}", mark.uuid),
                "requestParameters": {
                    "boss.outputFormat": "json",
                    "submit.argument1": "SimpleCarriers",
                    "submit.argument2": "Incremental Data Extract",
                },
                "clientRequestUuid": mark.uuid,
            })
        );
        let off = Form { client_request_uuid: false, ..FORM };
        assert_eq!(submission(&export, &mark, off).get("clientRequestUuid"), None);
        export.submit_name = Some("SimpleCarriersGroup".to_owned());
        let body = submission(&export, &mark, FORM);
        assert_eq!(body["requestParameters"]["submit.argument1"], "SimpleCarriersGroup");
    }

    /// Oracle's pages disagree about dates: both forms can be written.
    #[test]
    fn a_schedule_is_written_in_the_connections_form() {
        let schedule: Schedule = serde_json::from_value(json!({
            "recurrence": "hourly", "every": { "interval": 2, "time_unit": "hour" },
            "start_date": "2026-05-15", "end_date": "2026-12-16", "start_time": "1200"
        }))
        .unwrap();
        assert_eq!(
            run_at_times(&schedule, ScheduleDates::Iso),
            json!({
                "fixedInterval": { "interval": 2, "timeUnit": "HOUR" },
                "startDate": "2026-05-15", "endDate": "2026-12-16", "startTime": "1200"
            })
        );
        assert_eq!(run_at_times(&schedule, ScheduleDates::Us)["endDate"], "12/16/2026");
        let export = FusionExtract { schedule: Some(schedule), ..simple("A") };
        assert!(mark(&key("x")).description(&export).contains("::Hourly "));
    }

    /// The id is stable: another machine, after a crash, looks for the very same, and so does another release. It is no
    /// other run's: neither that of the same key on another connection, nor another installation's.
    #[test]
    fn a_runs_uuid_never_changes() {
        let (run_key, pod) = (key("carriers-06"), "pod".parse().unwrap());
        let uuid = |installation: &str, connection: &ConnectionName, run_key: &RunKey| {
            Mark::new(installation, connection, run_key).uuid
        };
        assert_eq!(uuid("i-1", &pod, &run_key), "74059cdd-10eb-559d-9465-bf664274c316");
        assert_eq!(request_uuid(run_key.as_str()), "12689bea-bee8-5733-bfe4-1a6f6e5b38ce");
        for (installation, connection, run_key) in
            [("i-2", "pod", "carriers-06"), ("i-1", "pod-2", "carriers-06"), ("i-1", "pod", "Carriers-06")]
        {
            let other = uuid(installation, &connection.parse().unwrap(), &key(run_key));
            assert_ne!(
                other, "74059cdd-10eb-559d-9465-bf664274c316",
                "{installation}/{connection}/{run_key}"
            );
        }
    }

    /// Promise 1: what only looks like our job must not be taken for it, nor ours be overlooked.
    #[test]
    fn look_alikes_do_not_match() {
        let mine = key("carriers-06");
        assert!(is_of(&with_description("landfall-carriers-06::SimpleCarriers::Full::Immediate"), &mine));
        for other in [
            "landfall-carriers-061::SimpleCarriers::Full::Immediate",
            "landfall-carriers-0::SimpleCarriers::Full::Immediate",
            "landfall-xcarriers-06::SimpleCarriers::Full::Immediate",
            "landfall-CARRIERS-06::SimpleCarriers::Full::Immediate",
            "Landfall-carriers-06::SimpleCarriers::Full::Immediate",
            "carriers-06::SimpleCarriers::Full::Immediate",
            " landfall-carriers-06::SimpleCarriers::Full::Immediate",
            "landfall-other::landfall-carriers-06::Full::Immediate",
            "landfall-carriers-06::x::SimpleCarriers::Full::Immediate",
            "landfall-carriers-06",
            "",
        ] {
            assert!(!is_of(&with_description(other), &mine), "{other:?}");
        }
        let full = FusionExtract { mode: Mode::Full, ..simple("SimpleCarriers") };
        let described = mark(&mine).description(&full);
        assert!(is_of(&with_description(&described), &mine));
        for other in [
            described.to_uppercase(),
            format!("{described}0"),
            format!("{described} "),
            described.replace("Immediate", "Hourly"),
            described.replace("::Full", "::Incremental"),
            Mark::new("i-2", &"pod".parse().unwrap(), &mine).description(&full),
            Mark::new("i-1", &"pod-2".parse().unwrap(), &mine).description(&full),
        ] {
            assert!(!is_of(&with_description(&other), &mine), "{other:?}");
        }
        // A run key may hold colons itself.
        let colons = key("a::b:");
        let described = mark(&colons).description(&full);
        assert!(is_of(&with_description(&described), &colons));
        assert!(!is_of(&with_description(&described), &key("a::b")));
        assert!(!is_of(&with_description(&described), &key("a")));
    }

    /// The id that we gave finds the job too, and so does the one that a release before this one gave; an occurrence of
    /// a recurring request is not the request.
    #[test]
    fn the_uuid_matches_and_occurrences_do_not() {
        let mine = key("carriers-06");
        let by = |uuid: &str, parameters: Value| {
            job(
                json!({ "jobRequestId": 1, "jobRequest": { "clientRequestUuid": uuid, "requestParameters": parameters } }),
            )
        };
        for uuid in [mark(&mine).uuid, request_uuid("carriers-06")] {
            assert!(is_of(&by(&uuid, json!({})), &mine));
            assert!(!is_of(&by(&format!("{uuid},1"), json!({})), &mine));
            assert!(!is_of(&by(&uuid, json!({})), &key("other")));
            for parameters in [
                json!({ "parentRequest": "7" }),
                json!({ "parentRequest": 7 }),
                json!({ "requestExecutionContext": "7,1" }),
            ] {
                assert!(!is_of(&by(&uuid, parameters.clone()), &mine), "{parameters}");
            }
        }
        let full = FusionExtract { mode: Mode::Full, ..simple("SimpleCarriers") };
        let child = json!({ "jobRequest": {
            "description": mark(&mine).description(&full), "requestParameters": { "parentRequest": "7" }
        } });
        assert!(!is_of(&job(child), &mine));
        assert!(!is_of(&job(json!({ "jobRequestId": 1 })), &mine));
    }

    /// Promise 1: a sweep takes no job for a run's that another installation, or a run of another connection, has
    /// submitted under the same key.
    #[test]
    fn a_listed_job_is_of_a_run_of_ours_by_its_mark() {
        let (mine, export) = (key("carriers-06"), simple("SimpleCarriers"));
        let of = |installation: &str, connection: &str| {
            Mark::new(installation, &connection.parse().unwrap(), &mine).description(&export)
        };
        let run_key = |installation: Option<&str>, description: &str| {
            let connection = "pod".parse().unwrap();
            let runs = Runs { installation, connection: &connection };
            Described::parse(description).and_then(|described| runs.run_key(&described))
        };
        assert_eq!(run_key(Some("i-1"), &of("i-1", "pod")).as_ref(), Some(&mine));
        assert_eq!(run_key(Some("i-1"), &of("i-2", "pod")), None);
        assert_eq!(run_key(Some("i-1"), &of("i-1", "pod-2")), None);
        assert_eq!(run_key(None, &of("i-1", "pod")), None);
        for installation in [Some("i-1"), None] {
            let earlier = "landfall-carriers-06::SimpleCarriers::Incremental::Immediate";
            assert_eq!(run_key(installation, earlier).as_ref(), Some(&mine));
        }
        assert_eq!(run_key(Some("i-1"), "Nightly::SimpleCarriers::Full::Daily"), None);
    }

    /// A job that somebody started in Oracle's own screen tells what it exports.
    #[test]
    fn a_request_is_described_from_its_parameters() {
        let of = |value: Value| described(&serde_json::from_value(value).unwrap());
        let found = of(json!({
            "jobDefinitionName": "DataExport",
            "requestParameters": { "submit.argument1": "Labels", "submit.argument2": "full data extract" }
        }));
        assert_eq!(found, Ok(FusionExtract { mode: Mode::Full, ..simple("Labels") }));
        assert!(of(json!({ "jobDefinitionName": "Payroll" })).unwrap_err().contains("Payroll"));
        assert!(of(json!({})).unwrap_err().contains("submit.argument1"));
        let odd = json!({ "requestParameters": { "submit.argument1": "A", "submit.argument2": "Some" } });
        assert!(of(odd).unwrap_err().contains("submit.argument2"));
    }

    fn spectra(parameters: &Value) -> FusionExtract {
        serde_json::from_value(json!({
            "extract": "Workers", "mode": "full", "job_definition": "AsyncDataExtraction", "request_parameters": parameters
        }))
        .unwrap()
    }

    /// A job definition that is another than the Data Extraction Tool's gets its own parameters and nothing else, and is
    /// found again by the same marks.
    #[test]
    fn another_job_definition_is_submitted_with_its_own_parameters() {
        let parameters =
            json!({ "boss.resource.name": "workers", "boss.advancedQuery": "{\"fields\":[\"id\"]}" });
        let export = spectra(&parameters);
        let run_key = key("workers-06");
        let body = submission(&export, &mark(&run_key), FORM);
        assert_eq!(body["jobDefinitionName"], "AsyncDataExtraction");
        assert_eq!(body["requestParameters"], parameters);
        let listed = |definition: &str, parameters: &Value| {
            job(json!({ "jobRequestId": 1, "jobRequest": {
                "jobDefinitionName": definition, "description": body["description"], "requestParameters": parameters
            } }))
        };
        let found = listed("AsyncDataExtraction", &parameters);
        assert_eq!(mark(&run_key).on(&found, &export), Some(Marked::AsThisRun));
        assert_eq!(difference(found.job_request.as_ref().unwrap(), &export), None);
        let other = listed("DataExport", &parameters).job_request.unwrap();
        assert_eq!(difference(&other, &export).unwrap(), "it runs DataExport, and not AsyncDataExtraction");
        let other =
            listed("AsyncDataExtraction", &json!({ "boss.resource.name": "absences" })).job_request.unwrap();
        assert!(difference(&other, &export).unwrap().contains("boss.resource.name"), "another resource");
    }

    /// A sweep takes the extractions of other job definitions that are of our runs, whatever the scheduler runs besides.
    #[test]
    fn of_other_job_definitions_only_our_own_are_listed_as_ended() {
        let run_key = key("workers-06");
        let described = mark(&run_key).description(&spectra(&json!({})));
        let ended_by = |description: &str, parameters: Value| {
            let job = job(json!({ "jobRequestId": 9, "jobStatus": "SUCCEEDED", "jobRequest": {
                "jobDefinitionName": "AsyncDataExtraction", "description": description, "requestParameters": parameters
            } }));
            let connection = "pod".parse().unwrap();
            let runs = Runs { installation: Some("i-1"), connection: &connection };
            ended(&job, &HashSet::new(), &runs).unwrap()
        };
        let ours = ended_by(&described, json!({})).unwrap();
        assert_eq!((ours.run_key, ours.export), (Some(run_key), Export::of(&spectra(&json!({})))));
        let occurrence = ended_by(&described, json!({ "parentRequest": "7" })).unwrap();
        assert_eq!(occurrence.run_key, None, "an occurrence is a job of its own");
        assert_eq!(ended_by("Nightly::Workers::Full::Daily", json!({})), None);
    }

    /// A job of another job definition tells what it extracts by its description or its resource.
    #[test]
    fn a_request_of_another_job_definition_is_described() {
        let of = |value: Value| described(&serde_json::from_value(value).unwrap());
        let request = |more: Value| {
            let mut request = json!({ "jobDefinitionName": "AsyncDataExtraction" });
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            request
        };
        let named = of(request(json!({ "requestParameters": { "boss.resource.path": "workers" } })));
        assert_eq!(named, Ok(FusionExtract { extract: "workers".to_owned(), ..spectra(&json!({})) }));
        let named = of(request(json!({ "description": "landfall-k::Workers::Full::Immediate" })));
        assert_eq!(named, Ok(spectra(&json!({}))));
        let refusal = of(request(json!({ "description": "by hand" }))).unwrap_err();
        assert!(
            refusal.contains("AsyncDataExtraction") && refusal.contains("boss.resource.name"),
            "{refusal}"
        );
    }

    /// The export's own name stands in the description; what was submitted, a group's name say, beside it.
    #[test]
    fn a_request_is_named_by_its_description() {
        let of = |value: Value| described(&serde_json::from_value(value).unwrap());
        let parameters =
            json!({ "submit.argument1": "LabelsGroup", "submit.argument2": "Incremental Data Extract" });
        let grouped = FusionExtract { submit_name: Some("LabelsGroup".to_owned()), ..simple("Labels") };
        let named =
            |description: &str| json!({ "description": description, "requestParameters": parameters });
        assert_eq!(of(named("Nightly::Labels::Incremental::Daily")), Ok(grouped.clone()));
        assert_eq!(of(named("landfall-k::Labels::Incremental::Immediate")), Ok(grouped));
        for free in ["by hand", "", "a::b", "a::b::c::d", "x::y::Some::Daily", "x:: ::Full::Daily"] {
            assert_eq!(of(named(free)), Ok(simple("LabelsGroup")), "{free:?}");
        }
        // A list that shows no parameters.
        let bare = of(json!({ "description": "Nightly::Labels::Full::Daily" }));
        assert_eq!(bare, Ok(FusionExtract { mode: Mode::Full, ..simple("Labels") }));
        assert!(of(json!({ "description": "by hand" })).is_err());
    }

    fn ended_ids(listed: Value) -> (Vec<String>, Vec<String>) {
        let listed: Vec<JobDetails> = serde_json::from_value(listed).unwrap();
        let connection = "pod".parse().unwrap();
        let Sifted { ended, unreadable } =
            sifted(&listed, &Runs { installation: None, connection: &connection });
        (ended.into_iter().map(|job| job.job_request_id.into()).collect(), unreadable)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a value made on the spot reads best")]
    fn ended_job(id: Value, changes: Value) -> Value {
        let mut job = json!({ "jobRequestId": id, "jobStatus": "SUCCEEDED", "jobRequest": {
            "jobDefinitionName": "DataExport", "description": "Nightly::Labels::Full::Daily"
        } });
        for (name, value) in changes.as_object().unwrap() {
            job["jobRequest"][name] = value.clone();
        }
        job
    }

    /// Promise 5: what cannot be read is said, with its reason, and keeps nothing else from being found.
    #[test]
    fn what_the_list_does_not_tell_is_not_dropped_in_silence() {
        let mut strange = ended_job(json!(2), json!({}));
        strange["jobStatus"] = json!("FROBNICATED");
        let mut silent = ended_job(json!(3), json!({}));
        silent.as_object_mut().unwrap().remove("jobStatus");
        let (ended, unreadable) = ended_ids(json!([
            ended_job(json!(1), json!({})),
            strange,
            silent,
            ended_job(json!("../4"), json!({})),
            ended_job(json!(null), json!({})),
            ended_job(json!(6), json!({ "description": "by hand" })),
            { "jobRequestId": 7, "jobStatus": "SUCCEEDED" },
            ended_job(json!(8), json!({ "jobDefinitionName": "AsyncDataExtraction", "description": null })),
        ]));
        assert_eq!(ended, ["1"]);
        let reasons = [
            "job 2: no table names its status \"FROBNICATED\"",
            "job 3: it has no status",
            "job ../4: its id is unusable",
            "job without id: it has no id",
            "job 6: it has no submit.argument1",
            "job 7: its request is not shown",
        ];
        assert_eq!(unreadable.len(), reasons.len(), "{unreadable:?}");
        for (said, reason) in std::iter::zip(&unreadable, reasons) {
            assert!(said.starts_with(reason), "{said}");
        }
    }

    /// Neither a recurring request itself nor what has not ended is an ended job; a request that ran once is.
    #[test]
    fn what_has_not_ended_is_not_listed_as_ended() {
        let mut enqueued = ended_job(json!(1), json!({}));
        enqueued["jobStatus"] = json!("ENQUEUED");
        enqueued["jobProgress"] = json!({ "status": "ENQUEUED", "endTime": "2025-12-18T07:42:13Z" });
        let interval = json!({ "fixedInterval": { "interval": 1, "timeUnit": "DAY" } });
        let (ended, unreadable) = ended_ids(json!([
            enqueued,
            ended_job(json!(2), json!({ "runAtTimes": interval })),
            ended_job(json!(3), json!({})),
            ended_job(json!(4), json!({ "requestParameters": { "parentRequest": "3" } })),
            ended_job(json!(5), json!({ "clientRequestUuid": "3,2" })),
            ended_job(json!(6), json!({ "runAtTimes": { "startDate": "2026-05-15" } })),
        ]));
        assert_eq!((ended, unreadable), (["4", "5", "6"].map(str::to_owned).to_vec(), Vec::new()));
    }
}
