//! What a job has put out: its file behind links of ten minutes, and its log.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use http::StatusCode;

use super::api::Api;
use super::wire::{Execution, ExportedFile};
use super::{logs, status};
use landfall::contract::{Download, ResumeAt};
use landfall::error::{Error, Result};
use landfall::job::{JobRequestId, OutputFile};
use landfall_http::HttpError;

/// The name of the file that a job's log lands as.
const LOG_NAME: &str = "errors.ndjson";
const MAX_NAME: usize = 1024;
/// How many links in a row may be refused: the clocks of FOLIO and its storage may differ a little.
const LINKS: u32 = 2;

/// The files of a job that has ended. The list is right only then: before, it names a file that will not be.
pub(super) async fn list(api: &Api, job: &JobRequestId, execution: &Execution) -> Result<Vec<OutputFile>> {
    if !status::meaning(execution.word()).is_some_and(|state| state.lands()) {
        return Err(Error::contract_broken(format!(
            "job execution {job} had succeeded, but is {} now",
            api.redactor().text(execution.word())
        )));
    }
    // One id is one file, however often it is listed.
    let mut known = HashSet::new();
    let is_new = |file: &&ExportedFile| file.file_id.is_none() || known.insert(file.file_id.clone());
    let files = execution.exported_files.iter().filter(is_new).zip(0..);
    let mut files: Vec<OutputFile> =
        files.map(|(file, ordinal)| exported(file, ordinal)).collect::<Result<_>>()?;
    if !execution.is_flawless() && logs::has_any(api, job).await? {
        let ordinal = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let name = LOG_NAME.to_owned();
        files.push(OutputFile { ordinal, name, size: None, sha256: None, locator: None, is_log: true });
    }
    Ok(files)
}

fn exported(file: &ExportedFile, ordinal: u32) -> Result<OutputFile> {
    let broken = |field: &str, reason: &str| {
        Error::contract_broken(format!("exportedFiles[{ordinal}].{field} {reason}"))
    };
    let name = file.file_name.as_deref().filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| broken("fileName", "is missing"))?;
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(broken("fileName", "is no name of a file"));
    }
    // FOLIO forgets the file's id with the profile, and cannot make a link then.
    let id = file.file_id.clone().filter(|id| !id.is_empty());
    let id =
        id.ok_or_else(|| broken("fileId", "is missing: was the job profile deleted after the export?"))?;
    Ok(OutputFile {
        ordinal,
        name: name.to_owned(),
        size: None,
        sha256: None,
        locator: Some(id),
        is_log: false,
    })
}

/// Opens a file. Every attempt has a link of its own, which is kept nowhere.
pub(super) async fn open(
    api: &Arc<Api>,
    job: &JobRequestId,
    file: &OutputFile,
    resume: Option<&ResumeAt>,
) -> Result<Download> {
    let Some(file_id) = file.locator.clone().filter(|_| !file.is_log) else {
        return Ok(logs::open(api, job));
    };
    let linked = Linked { api: Arc::clone(api), job: job.clone(), name: file.name.clone(), file_id };
    let download = linked.download(resume).await?;
    Ok(linked.renewing(download))
}

/// A file, by what links to it are made from.
struct Linked {
    api: Arc<Api>,
    job: JobRequestId,
    name: String,
    file_id: String,
}

impl Linked {
    async fn download(&self, resume: Option<&ResumeAt>) -> Result<Download> {
        let mut links = 1;
        loop {
            let link = self.api.link(self.job.as_str(), &self.file_id).await?;
            let host = link.host_str().unwrap_or_default().to_owned();
            match self.api.storage().download(link, None, resume).await {
                Err(error) if is_refused(&error) && links < LINKS => links += 1,
                Err(error) => return Err(self.named(&host, error)),
                Ok(download) => return Ok(download.map_err()),
            }
        }
    }

    fn named(&self, host: &str, error: HttpError) -> Error {
        if error.is_host_refused() {
            return Error::contract_broken(format!(
                "the link of {} leads to {host}, which is not called: FOLIO's own storage belongs into storage_hosts, and takes \
                 allow_http = true if it has no https",
                self.name
            ))
            .because(error);
        }
        if error.is_gone() {
            return Error::not_found(format!(
                "the link of {} leads to no object: the job wrote none, or it has been deleted",
                self.name
            ))
            .because(error);
        }
        if is_refused(&error) {
            return Error::auth_rejected(format!(
                "the storage refuses a link of {} that FOLIO has just made: do their clocks differ, or its keys?",
                self.name
            ))
            .because(error);
        }
        error.into()
    }

    /// The same download, which goes on by another link where the one that it began with has expired.
    fn renewing(self, download: Download) -> Download {
        let Download { offset, size, validator, unverified, body } = download;
        let renewing = Renewing {
            linked: self,
            position: offset,
            validator: validator.clone(),
            body,
            links: 1,
            is_over: false,
        };
        let body = stream::unfold(renewing, |mut renewing| async move {
            let next = renewing.next().await.transpose()?;
            Some((next, renewing))
        });
        Download { offset, size, validator, unverified, body: body.boxed() }
    }
}

struct Renewing {
    linked: Linked,
    position: u64,
    validator: Option<String>,
    body: stream::BoxStream<'static, Result<bytes::Bytes>>,
    /// Links in a row that no byte came by.
    links: u32,
    is_over: bool,
}

impl Renewing {
    async fn next(&mut self) -> Result<Option<bytes::Bytes>> {
        if self.is_over {
            return Ok(None);
        }
        let next = self.advance().await;
        self.is_over = !matches!(next, Ok(Some(_)));
        next
    }

    async fn advance(&mut self) -> Result<Option<bytes::Bytes>> {
        loop {
            let error = match self.body.next().await {
                None => return Ok(None),
                Some(Ok(bytes)) => {
                    self.position =
                        self.position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    self.links = 1;
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => error,
            };
            let Some(validator) =
                self.validator.clone().filter(|_| has_expired(&error) && self.links < LINKS)
            else {
                return Err(error);
            };
            self.links = self.links.saturating_add(1);
            let resume = ResumeAt { offset: self.position, validator };
            let download = self.linked.download(Some(&resume)).await?;
            if download.offset != self.position {
                // Another version of the file: the next call begins anew.
                return Err(error);
            }
            self.body = download.body;
        }
    }
}

/// Whether the storage refuses the link: it has expired, or is not good yet.
fn is_refused(error: &HttpError) -> bool {
    error.status() == Some(StatusCode::FORBIDDEN)
}

fn has_expired(error: &Error) -> bool {
    error.source().and_then(|source| source.downcast_ref::<HttpError>()).is_some_and(is_refused)
}
