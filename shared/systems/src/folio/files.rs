//! What a job has put out: its file behind links of ten minutes, and its log.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;

use super::api::Api;
use super::wire::{Execution, ExportedFile};
use super::{logs, status};
use crate::links::{FreshLink, LINKS, is_refused, renewing};
use landfall::contract::{Download, ResumeAt};
use landfall::error::{Error, Result};
use landfall::job::{FileList, JobRequestId, OutputFile};
use landfall_http::HttpError;

/// The name of the file that a job's log lands as.
const LOG_NAME: &str = "errors.ndjson";
/// What reading it takes.
const LOG_PERMISSION: &str = "data-export.logs.collection.get";
const MAX_NAME: usize = 1024;

/// The files of a job that has ended. The list is right only then: before, it names a file that will not be.
///
/// A log that may not be read is missed, and keeps back nothing but itself.
pub(super) async fn list(api: &Api, job: &JobRequestId, execution: &Execution) -> Result<FileList> {
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
    let files: Vec<OutputFile> =
        files.map(|(file, ordinal)| exported(file, ordinal)).collect::<Result<_>>()?;
    let mut list = FileList::from(files);
    if execution.is_flawless() {
        return Ok(list);
    }
    match logs::has_any(api, job).await {
        Ok(true) => list.files.push(log(&list.files)),
        Ok(false) => {}
        Err(error) if is_forbidden(&error) && !list.files.is_empty() => list.warnings.push(format!(
            "the job's log has not landed: the user may not read it, and lacks the permission {LOG_PERMISSION}"
        )),
        Err(error) if is_forbidden(&error) => {
            return Err(error.while_doing(format!(
                "reading the job's log, the only thing that it put out, which takes the permission {LOG_PERMISSION}"
            )));
        }
        Err(error) => return Err(error),
    }
    Ok(list)
}

/// The job's log, behind its other files.
fn log(others: &[OutputFile]) -> OutputFile {
    let ordinal = u32::try_from(others.len()).unwrap_or(u32::MAX);
    let name = LOG_NAME.to_owned();
    OutputFile { ordinal, name, size: None, sha256: None, locator: None, is_log: true }
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
    Ok(renewing(linked, download))
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
}

#[async_trait]
impl FreshLink for Linked {
    async fn download(&self, resume: Option<&ResumeAt>) -> Result<Download> {
        Linked::download(self, resume).await
    }
}

/// Whether FOLIO does not let the user do that.
fn is_forbidden(error: &Error) -> bool {
    error.cause::<HttpError>().is_some_and(|error| error.status() == Some(StatusCode::FORBIDDEN))
}
