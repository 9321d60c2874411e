//! Job requests of `saas-batch`: submitted, found again, looked at.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::export::{EXTRACT_PARAMETER, FusionExtract, MODE_PARAMETER, Mode, Schedule};
use super::lenient::{OneOrMany, Scalar, optional};
use super::status::{JobAnswer, JobDetails, JobRequest};
use crate::created;
use crate::entries::entries;
use crate::fusion::pod::Pod;
use crate::fusion::settings::ScheduleDates;
use landfall::contract::{EndedJob, Submission};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::job::{JobRequestId, JobState, RunKey};
use landfall_http::auth::Authorizer;
use landfall_http::{Answer, ErrorKind, HttpError, Request};

const SCHEDULER: [&str; 4] = ["api", "saas-batch", "jobscheduler", "v1"];
const JOB_REQUESTS: &str = "jobRequests";
const DATA_EXPORT: &str = "DataExport";
/// What leads the run key in a description.
const MARK: &str = "landfall-";
/// Makes run keys into `clientRequestUuid`s: the same key gives the same id, from any machine.
const RUN_KEYS: Uuid = Uuid::from_u128(0x6c61_6e64_6661_4c4c_8a5e_7275_6e6b_6579);
/// How many job requests a list is walked through for: more is a server that never says that it is done.
const MAX_LISTED: usize = 1_000_000;
/// How large a page may be; a server that does not page sends all in one.
const MAX_PAGE_BYTES: u64 = 32 * 1024 * 1024;
/// How many of them are kept to be looked at together, and from pages of how many bytes: the function that keeps all has
/// 512 MB.
const MAX_KEPT: usize = 200_000;
const MAX_KEPT_BYTES: usize = 128 * 1024 * 1024;

/// The collection of job requests.
pub(super) struct Batch<'a> {
    pod: &'a Pod,
    authorizer: Arc<dyn Authorizer>,
}

/// How a submission is put, besides what it exports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) client_request_uuid: bool,
    pub(super) schedule_dates: ScheduleDates,
}

impl<'a> Batch<'a> {
    pub(super) fn new(pod: &'a Pod, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { pod, authorizer }
    }

    /// Submits once: neither here nor below is that repeated. What cannot be known is said, not guessed.
    pub(super) async fn submit(
        &self,
        export: &FusionExtract,
        run_key: &RunKey,
        form: Form,
    ) -> Result<Submission> {
        let request = Request::post_json(self.collection(), &submission(export, run_key, form))?
            .authorized_by(Arc::clone(&self.authorizer))
            .once();
        match self.pod.client.call(&request).await {
            Ok(answer) => match (submitted_id(&answer), answer.json::<IgnoredAny>()) {
                (Some(id), _) => Ok(Submission::Accepted(id)),
                // A login page has submitted nothing.
                (None, Err(error)) if answer.is_login_page() => Err(error.into()),
                _ => Ok(Submission::Ambiguous(format!("{answer:?} names no job request"))),
            },
            // A conflict says that the job is there, under our own `clientRequestUuid`: an answer of it was lost.
            Err(error) if error.outcome_is_unknown() || error.status() == Some(StatusCode::CONFLICT) => {
                Ok(Submission::Ambiguous(Error::from(error).line()))
            }
            Err(error) if error.is_gone() => Err(Error::not_found(
                "the pod knows no job requests: it may lack the service that runs data extractions, or base_url \
                 names another system",
            )
            .because(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// The job request that was submitted for this run key. Two are a `Conflict`, and so is one of another export.
    pub(super) async fn find(
        &self,
        export: &FusionExtract,
        run_key: &RunKey,
    ) -> Result<Option<JobRequestId>> {
        let mine = self.list(|job| is_of(job, run_key)).await?;
        let id = |job: &JobDetails| {
            let id = job.job_request_id.as_ref().map(Scalar::text).unwrap_or_default();
            id.parse::<JobRequestId>().map_err(|error| {
                Error::contract_broken("a listed job request has no usable id").because(error)
            })
        };
        match mine.as_slice() {
            [] => Ok(None),
            [one] if exports(one, export) => id(one).map(Some),
            [one] => Err(Error::conflict(format!(
                "run key {run_key} was submitted before for another export, as job request {}: use another run key",
                id(one)?
            ))),
            several => {
                let ids: Vec<String> =
                    several.iter().map(|job| id(job).map(String::from)).collect::<Result<_>>()?;
                Err(Error::conflict(format!(
                    "run key {run_key} has {} job requests, {}: decide which of them lands, and resume it by its id",
                    ids.len(),
                    ids.join(" and ")
                )))
            }
        }
    }

    /// One job request, and what it says, if it shows anything.
    pub(super) async fn get(&self, id: &JobRequestId) -> Result<(Option<JobDetails>, Answer), HttpError> {
        let mut url = self.collection();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id.as_str());
        }
        let answer = self.pod.client.call(&self.reading(url)).await?;
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

    /// The data extractions that have ended; of recurring requests their occurrences.
    ///
    /// What the list says of a job may not be enough to know whether it is one: that is logged, and not an error, as
    /// one job of another service would keep all others from landing.
    pub(super) async fn ended(&self) -> Result<Vec<EndedJob>> {
        let Sifted { ended, unreadable } = sifted(&self.list(|_| true).await?);
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
            for job in page.items.into_iter().flat_map(ListedJob::into_jobs) {
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
            if listed > MAX_LISTED || jobs.len() > MAX_KEPT || kept_bytes > MAX_KEPT_BYTES {
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<ListedJob>,
    #[serde(default, deserialize_with = "optional")]
    has_more: Option<bool>,
    #[serde(default, deserialize_with = "optional")]
    total_items: Option<Scalar>,
}

/// A listed job: flat, as clients of the list read it, or inside `jobDetails` as a single one is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedJob {
    job_details: Option<OneOrMany<JobDetails>>,
    #[serde(flatten)]
    flat: JobDetails,
}

impl ListedJob {
    fn into_jobs(self) -> Vec<JobDetails> {
        match self.job_details {
            Some(details) => details.into_vec(),
            None => vec![self.flat],
        }
    }
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

fn sifted(listed: &[JobDetails]) -> Sifted {
    let parents: HashSet<String> =
        listed.iter().filter_map(|job| job.job_request.as_ref()?.parent()).collect();
    let mut sifted = Sifted::default();
    for job in listed {
        match ended(job, &parents) {
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
fn ended(job: &JobDetails, parents: &HashSet<String>) -> Result<Option<EndedJob>, String> {
    let request = job.job_request.as_ref().ok_or("its request is not shown")?;
    if request.is_foreign() || request.is_recurring() {
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
    let of_run = request.description.as_deref().and_then(Described::parse);
    let run_key =
        of_run.and_then(|described| described.run_key()?.parse().ok()).filter(|_| !request.is_occurrence());
    Ok(Some(EndedJob { job_request_id: id, export, run_key, status, ended_at: job.ended_at() }))
}

/// The names inside a description: `schedule::extract::Full|Incremental::recurrence`, as landfall and the vendor's own
/// screen write it. It is free text, so what is not of this form says nothing.
struct Described<'a> {
    schedule: &'a str,
    extract: &'a str,
    mode: Mode,
}

impl<'a> Described<'a> {
    fn parse(description: &'a str) -> Option<Self> {
        let (rest, _recurrence) = description.rsplit_once("::")?;
        let (rest, mode) = rest.rsplit_once("::")?;
        let (schedule, extract) = rest.rsplit_once("::")?;
        let mode = Mode::from_argument(mode)?;
        (!extract.trim().is_empty()).then_some(Self { schedule, extract, mode })
    }

    /// The run key, if landfall wrote this.
    fn run_key(&self) -> Option<&'a str> {
        self.schedule.strip_prefix(MARK)
    }
}

/// The description of a submission, from which it is found again.
fn description(export: &FusionExtract, run_key: &RunKey) -> String {
    let (mode, recurrence) = (export.mode.word(), export.recurrence().word());
    format!("{MARK}{run_key}::{}::{mode}::{recurrence}", export.extract)
}

/// The id that the client gives a submission: at most 64 characters (`SBS_JOB_REQUESTS.CLIENT_REQUEST_UUID`).
fn client_request_uuid(run_key: &RunKey) -> String {
    Uuid::new_v5(&RUN_KEYS, run_key.as_str().as_bytes()).to_string()
}

/// Whether a job request is the one of this run key: exactly, and not an occurrence of a recurring one.
fn is_of(job: &JobDetails, run_key: &RunKey) -> bool {
    let Some(request) = &job.job_request else { return false };
    let described = request.description.as_deref().and_then(Described::parse);
    let is_described = described.and_then(|described| described.run_key()) == Some(run_key.as_str());
    let has_uuid = request.client_request_uuid.as_deref() == Some(client_request_uuid(run_key).as_str());
    (is_described || has_uuid) && !request.is_occurrence()
}

/// Whether a job request exports this, as far as it says.
fn exports(job: &JobDetails, export: &FusionExtract) -> bool {
    let described = job
        .job_request
        .as_ref()
        .and_then(|request| request.description.as_deref())
        .and_then(Described::parse);
    described.is_none_or(|described| described.extract == export.extract && described.mode == export.mode)
}

fn submission(export: &FusionExtract, run_key: &RunKey, form: Form) -> Value {
    let mut parameters: Map<String, Value> =
        export.request_parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    parameters.insert(EXTRACT_PARAMETER.to_owned(), json!(export.submitted_name()));
    parameters.insert(MODE_PARAMETER.to_owned(), json!(export.mode.argument()));
    let mut body = Map::new();
    body.insert("serviceName".to_owned(), json!("boss"));
    body.insert("jobDefinitionName".to_owned(), json!(DATA_EXPORT));
    body.insert("description".to_owned(), json!(description(export, run_key)));
    body.insert("requestParameters".to_owned(), Value::Object(parameters));
    if form.client_request_uuid {
        body.insert("clientRequestUuid".to_owned(), json!(client_request_uuid(run_key)));
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
    if let Some(other) = request.job_definition_name.as_deref().filter(|_| request.is_foreign()) {
        return Err(format!("it runs {other}, which is no data extraction"));
    }
    let described = request.description.as_deref().and_then(Described::parse);
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
        submit_name: submitted.filter(|submitted| *submitted != extract).map(str::to_owned),
        definition: None,
        group: None,
        request_parameters: std::collections::BTreeMap::new(),
        schedule: None,
        allow_empty: false,
    })
}

impl JobRequest {
    /// Whether it says that it is a job of another kind: the scheduler runs more than data extractions.
    fn is_foreign(&self) -> bool {
        self.job_definition_name.as_deref().is_some_and(|name| name != DATA_EXPORT)
    }
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

    fn with_description(description: &str) -> JobDetails {
        job(json!({ "jobRequestId": 1, "jobRequest": { "description": description } }))
    }

    const FORM: Form = Form { client_request_uuid: true, schedule_dates: ScheduleDates::Iso };

    /// The body of Oracle's page, with the run key where it is found again.
    #[test]
    fn a_submission_carries_the_run_key_twice() {
        let mut export = simple("SimpleCarriers");
        export.request_parameters.insert("boss.outputFormat".to_owned(), "json".to_owned());
        let body = submission(&export, &key("carriers-06"), FORM);
        assert_eq!(
            body,
            json!({
                "serviceName": "boss",
                "jobDefinitionName": "DataExport",
                "description": "landfall-carriers-06::SimpleCarriers::Incremental::Immediate",
                "requestParameters": {
                    "boss.outputFormat": "json",
                    "submit.argument1": "SimpleCarriers",
                    "submit.argument2": "Incremental Data Extract",
                },
                "clientRequestUuid": client_request_uuid(&key("carriers-06")),
            })
        );
        let off = Form { client_request_uuid: false, ..FORM };
        assert_eq!(submission(&export, &key("x"), off).get("clientRequestUuid"), None);
        export.submit_name = Some("SimpleCarriersGroup".to_owned());
        let body = submission(&export, &key("x"), FORM);
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
        assert!(description(&export, &key("x")).ends_with("::Hourly"));
    }

    /// The id is stable: another machine, after a crash, looks for the very same.
    #[test]
    fn a_run_keys_uuid_never_changes() {
        let uuid = client_request_uuid(&key("carriers-2026-11-21T06"));
        assert_eq!(uuid, client_request_uuid(&key("carriers-2026-11-21T06")));
        assert_eq!(Uuid::parse_str(&uuid).unwrap().get_version_num(), 5);
        assert_ne!(uuid, client_request_uuid(&key("carriers-2026-11-21t06")));
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
        // A run key may hold colons itself.
        let colons = key("a::b:");
        let described = description(&simple("E"), &colons);
        assert!(is_of(&with_description(&described), &colons));
        assert!(!is_of(&with_description(&described), &key("a::b")));
        assert!(!is_of(&with_description(&described), &key("a")));
    }

    /// The id that we gave finds the job too, and an occurrence of a recurring request is not the request.
    #[test]
    fn the_uuid_matches_and_occurrences_do_not() {
        let mine = key("carriers-06");
        let uuid = client_request_uuid(&mine);
        let by = |uuid: &str, parameters: Value| {
            job(
                json!({ "jobRequestId": 1, "jobRequest": { "clientRequestUuid": uuid, "requestParameters": parameters } }),
            )
        };
        assert!(is_of(&by(&uuid, json!({})), &mine));
        assert!(!is_of(&by(&format!("{uuid},1"), json!({})), &mine));
        assert!(!is_of(&by(&uuid.to_uppercase(), json!({})), &key("other")));
        let described = description(&simple("A"), &mine);
        for parameters in [
            json!({ "parentRequest": "7" }),
            json!({ "parentRequest": 7 }),
            json!({ "requestExecutionContext": "7,1" }),
        ] {
            assert!(!is_of(&by(&uuid, parameters.clone()), &mine), "{parameters}");
            let child =
                job(json!({ "jobRequest": { "description": described, "requestParameters": parameters } }));
            assert!(!is_of(&child, &mine));
        }
        assert!(!is_of(&job(json!({ "jobRequestId": 1 })), &mine));
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
        let Sifted { ended, unreadable } = sifted(&listed);
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
