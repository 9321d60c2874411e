//! The endpoints of a FOLIO tenant that an export calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use url::Url;

use super::export::{FolioExport, IdType};
use super::ids::Upload;
use super::wire::{ErrorLogs, Execution, FileDefinition, JobProfile, JobProfiles, Link};
use crate::folio::settings::FolioConnection;
use landfall::clock::Clock;
use landfall::error::{Error, Result};
use landfall::job::ConnectionName;
use landfall_http::auth::Authorizer;

use super::okapi::OkapiTokens;
use crate::server::{client, client_of, policy, url_below};
use landfall::contract::{PlannedCall, Wrap};
use landfall_http::{Answer, Client, HttpError, Redactor, Request};

/// FOLIO's lists have ten entries unless more are asked for.
const PAGE: usize = 200;
/// More job profiles than any tenant has.
const MAX_PROFILES: usize = 20_000;
/// What has been started, the last one first. One that has not has no date, which some databases put first.
const LAST_STARTED: &str =
    "status=(IN_PROGRESS or COMPLETED or COMPLETED_WITH_ERRORS or FAIL) sortby startedDate/sort.descending";
/// How long the call that starts an export may take: another claimant must not meet it.
const START_ENDS: Duration = Duration::from_secs(60);
/// An upload may take this much longer for each MiB.
const UPLOAD_PER_MIB: Duration = Duration::from_secs(2);

/// A tenant, and who calls it.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    /// Calls what links lead to, and knows nobody's token.
    storage: Client,
    base_url: Url,
    tokens: Arc<dyn Authorizer>,
    timeout: Duration,
}

impl Api {
    /// A tenant as a connection describes it; `InvalidConfig` where that cannot be.
    pub(super) fn new(
        name: &ConnectionName,
        connection: &FolioConnection,
        clock: Arc<dyn Clock>,
        wrap: Option<Wrap<'_>>,
    ) -> Result<Self> {
        let FolioConnection { base_url, http, storage_hosts, allow_http, .. } = connection;
        let storage = policy("base_url", base_url, "storage_hosts", storage_hosts)?;
        let storage = storage.advising(format!(
            "if it is the storage of this FOLIO, add it to connections.{name}.storage_hosts"
        ));
        let storage = if *allow_http { storage.allowing_http() } else { storage };
        let client = client(name, base_url, http, Arc::clone(&clock), wrap)?;
        let storage = client_of(storage, http, clock, wrap)?.beside(&client);
        let tokens = OkapiTokens::new(connection, client.clone())?;
        let timeout = Duration::from_secs(http.timeout_seconds.max(1));
        Ok(Self { client, storage, base_url: base_url.clone(), tokens, timeout })
    }

    pub(super) fn redactor(&self) -> &Redactor {
        self.client.redactor()
    }

    /// What fetches what a link leads to.
    pub(super) fn storage(&self) -> &Client {
        &self.storage
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let segments = [&["data-export"], segments].concat();
        let mut url = url_below(&self.base_url, &segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn getting(&self, segments: &[&str], query: &[(&str, &str)]) -> Request {
        Request::get_json(self.url(segments, query)).authorized_by(Arc::clone(&self.tokens))
    }

    async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Answer, HttpError> {
        self.client.call(&self.getting(segments, query)).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, HttpError> {
        self.client.json(&self.getting(segments, query)).await
    }

    /// The id of the job profile that an export names. A list that ignores the query is read all the same.
    pub(super) async fn profile_id(&self, export: &FolioExport) -> Result<String> {
        let name = match (&export.profile, &export.profile_id) {
            (_, Some(id)) => return Ok(id.clone()),
            (Some(name), None) => name,
            (None, None) => return Err(Error::invalid_event("export.profile is missing")),
        };
        let query = format!("name=={}", quoted(name));
        let mut found = self.profiles(Some(&query)).await?;
        found.retain(|profile| profile.name.as_deref() == Some(name.as_str()));
        match found.as_slice() {
            [profile] => Ok(profile.id.clone()),
            [] => {
                let others = self.profiles(None).await?;
                let others: Vec<_> = others.into_iter().filter_map(|profile| profile.name).take(20).collect();
                let others = self.redactor().text(&others.join(", "));
                Err(Error::rejected(format!("FOLIO has no job profile named {name:?}; it has: {others}")))
            }
            several => {
                let ids: Vec<_> = several.iter().map(|profile| profile.id.as_str()).collect();
                Err(Error::conflict(format!(
                    "FOLIO has {} job profiles named {name:?}: name one by profile_id ({})",
                    several.len(),
                    ids.join(", ")
                )))
            }
        }
    }

    /// All profiles, to a page that brings no other: a server may give fewer at a time than it is asked for.
    async fn profiles(&self, query: Option<&str>) -> Result<Vec<JobProfile>> {
        let limit = PAGE.to_string();
        let mut profiles: Vec<JobProfile> = Vec::new();
        let mut known: HashSet<String> = HashSet::new();
        loop {
            let offset = profiles.len().to_string();
            let mut parameters = vec![("limit", limit.as_str()), ("offset", offset.as_str())];
            parameters.extend(query.map(|query| ("query", query)));
            let page: JobProfiles = self.read(&["job-profiles"], &parameters).await?;
            let before = profiles.len();
            profiles.extend(page.job_profiles.into_iter().filter(|profile| known.insert(profile.id.clone())));
            if profiles.len() == before || profiles.len() > MAX_PROFILES {
                return Ok(profiles);
            }
        }
    }

    /// Looks at the list of job profiles, for nothing but to see that it can be had: how many there are.
    pub(super) async fn look(&self) -> Result<usize> {
        let page: JobProfiles = self.read(&["job-profiles"], &[("limit", "100")]).await?;
        Ok(page.job_profiles.len())
    }

    /// The time by the servers' clocks.
    pub(super) fn told_time(&self) -> Option<Timestamp> {
        self.client.told_time()
    }

    /// A file definition, if there is one of this id.
    pub(super) async fn definition(&self, id: &str) -> Result<Option<FileDefinition>> {
        match self.read(&["file-definitions", id], &[]).await {
            Ok(definition) => Ok(Some(definition)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Announces a file. It is asked for once: the same call again would make another job execution for it.
    pub(super) async fn create_definition(&self, id: &str, upload: &Upload) -> Result<(), HttpError> {
        let body = json!({
            "id": id,
            "fileName": upload.file_name,
            "uploadFormat": upload.format,
            "size": upload.kilobytes(),
        });
        let request = Request::post_json(self.url(&["file-definitions"], &[]), &body)?
            .once()
            .authorized_by(Arc::clone(&self.tokens));
        self.client.json::<FileDefinition>(&request).await.map(|_| ())
    }

    /// Uploads a file's bytes. It is asked for once: the same call again would spoil the definition.
    pub(super) async fn upload(&self, id: &str, upload: &Upload) -> Result<(), HttpError> {
        let mebibytes = u32::try_from(upload.length() >> 20).unwrap_or(u32::MAX);
        let request = upload
            .request(self.url(&["file-definitions", id, "upload"], &[]))
            .once()
            .within(self.timeout.saturating_add(UPLOAD_PER_MIB.saturating_mul(mebibytes)))
            .authorized_by(Arc::clone(&self.tokens));
        self.client.json::<FileDefinition>(&request).await.map(|_| ())
    }

    /// Starts an export, of ids of this type where the version knows types. It is asked for once, within a minute: the
    /// same call again would run the job again.
    ///
    /// What is neither 204 nor a login page leaves open whether FOLIO has seen the request.
    pub(super) async fn start(
        &self,
        definition: &str,
        profile: &str,
        id_type: Option<IdType>,
        export: &FolioExport,
    ) -> Result<(), HttpError> {
        let body = start_body(definition, profile, id_type, export);
        let request = Request::post_json(self.url(&["export"], &[]), &body)?
            .once()
            .within(self.timeout.min(START_ENDS))
            .authorized_by(Arc::clone(&self.tokens));
        let answer = self.client.call(&request).await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        if answer.is_login_page() {
            answer.json::<IgnoredAny>()?;
        }
        Err(answer.malformed(".", &format!("a start is answered by 204, not by {}", answer.status)))
    }

    /// Makes a call that makes and starts a job at once. It is asked for once, within a minute: the same call again would
    /// make another job.
    pub(super) async fn call_directly(&self, call: &str, body: &Value) -> Result<Answer, HttpError> {
        let request = Request::post_json(self.url(&[call], &[]), body)?
            .once()
            .within(self.timeout.min(START_ENDS))
            .authorized_by(Arc::clone(&self.tokens));
        self.client.call(&request).await
    }

    /// The call that makes and starts a job at once, not made.
    pub(super) fn direct_call(&self, call: &str, body: &Value) -> PlannedCall {
        PlannedCall::new("make and start the job", "POST", &self.url(&[call], &[]))
            .carrying(body)
            .submitting()
    }

    /// The calls of a submission, not made; the profile that the export names is looked up.
    pub(super) async fn submission_calls(&self, export: &FolioExport) -> Result<Vec<PlannedCall>> {
        let profile = self.profile_id(export).await?;
        let definitions = self.url(&["file-definitions"], &[]);
        let upload = self.url(&["file-definitions", "{definition}", "upload"], &[]);
        let start = start_body("{definition}", &profile, Some(export.id_type), export);
        Ok(vec![
            PlannedCall::new("announce the list of ids", "POST", &definitions).submitting(),
            PlannedCall::new("upload the list of ids", "POST", &upload).submitting(),
            PlannedCall::new("start the job", "POST", &self.url(&["export"], &[]))
                .carrying(&start)
                .submitting(),
        ])
    }

    /// The call that asks for a job's status, not made.
    pub(super) fn poll_call(&self) -> PlannedCall {
        let query = [("query", "id=={id}"), ("limit", "1")];
        PlannedCall::new("poll", "GET", &self.url(&["job-executions"], &query))
    }

    /// A job execution, if FOLIO lists it. There is no call for one: the list is asked for it.
    pub(super) async fn execution(&self, id: &str) -> Result<Option<Execution>> {
        let listed = self.executions(&format!("id=={id}"), "1").await?;
        let is_it = |execution: &Execution| {
            execution.id.as_deref().is_some_and(|listed| listed.eq_ignore_ascii_case(id))
        };
        Ok(listed.into_iter().find(is_it))
    }

    /// The job executions that were started last, as far as FOLIO keeps to the order that it is asked for.
    pub(super) async fn last_started(&self) -> Result<Vec<Execution>> {
        self.executions(LAST_STARTED, &PAGE.to_string()).await
    }

    /// A page of job executions. The seed's bare object is read as a list of one.
    async fn executions(&self, query: &str, limit: &str) -> Result<Vec<Execution>> {
        let answer = self.get(&["job-executions"], &[("query", query), ("limit", limit)]).await?;
        let body: Value = answer.json()?;
        let listed = match body.get("jobExecutions") {
            Some(Value::Null) => Vec::new(),
            Some(Value::Array(listed)) => listed.clone(),
            None if body.get("totalRecords").is_some() => Vec::new(),
            None if body.get("status").is_some() => vec![body],
            None => return Err(answer.malformed("jobExecutions", "it is missing").into()),
            Some(_) => return Err(answer.malformed("jobExecutions", "it is no list").into()),
        };
        let listed = listed.into_iter().map(serde_json::from_value::<Execution>);
        let listed = listed.filter_map(|execution| {
            execution.inspect_err(|error| tracing::warn!(%error, "a listed job execution is none")).ok()
        });
        Ok(listed.collect())
    }

    /// A link to a file, good for some minutes. One without a host is FOLIO's own.
    pub(super) async fn link(&self, execution: &str, file_id: &str) -> Result<Url> {
        let link = self.read::<Link>(&["job-executions", execution, "download", file_id], &[]).await?.link;
        // A link grants access: nothing of it goes into an error.
        let link = self.base_url.join(link.trim()).ok().filter(|_| !link.trim().is_empty());
        link.ok_or_else(|| Error::contract_broken(format!("FOLIO's link to file {file_id} is none")))
    }

    /// A page of a job's log, in the order of its entries' ids. An order by their dates has ties, so that pages would
    /// repeat entries and lack others; and version 5, whose table calls the date `creationDate`, answers 500 to the
    /// `createdDate` of an entry (mod-data-export, `ErrorLogEntity`).
    pub(super) async fn logs(&self, execution: &str, offset: u64, limit: u64) -> Result<ErrorLogs> {
        let query = format!("jobExecutionId=={execution} sortby id");
        let (offset, limit) = (offset.to_string(), limit.to_string());
        let parameters = [("query", query.as_str()), ("limit", limit.as_str()), ("offset", offset.as_str())];
        Ok(self.read(&["logs"], &parameters).await?)
    }
}

/// What starts an export.
fn start_body(definition: &str, profile: &str, id_type: Option<IdType>, export: &FolioExport) -> Value {
    let mut body = json!({ "fileDefinitionId": definition, "jobProfileId": profile });
    let optional = [
        ("idType", id_type.map(|id_type| json!(id_type.word()))),
        ("recordType", export.record_type.map(|record_type| json!(record_type.word()))),
        ("deletedRecords", export.deleted_records.map(Value::from)),
        ("suppressedFromDiscovery", export.suppressed_from_discovery.map(Value::from)),
    ];
    if let Some(fields) = body.as_object_mut() {
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    body
}

/// Whether an answer says that the body was too large for the gateway before FOLIO.
pub(super) fn is_too_large(error: &HttpError) -> bool {
    error.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
}

/// A text as a term of CQL: nothing in it is a wildcard.
fn quoted(text: &str) -> String {
    let mut term = String::from("\"");
    for character in text.chars() {
        if matches!(character, '\\' | '"' | '*' | '?' | '^') {
            term.push('\\');
        }
        term.push(character);
    }
    term.push('"');
    term
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile's name is looked up as it is, whatever CQL reads into its characters.
    #[test]
    fn a_name_is_no_pattern() {
        assert_eq!(quoted("Default \"x\" *?^\\"), "\"Default \\\"x\\\" \\*\\?\\^\\\\\"");
    }
}
