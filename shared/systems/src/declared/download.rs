//! A file's bytes, by a link that is kept or by one that is asked for anew.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, stream};
use landfall::contract::{Download, ResumeAt};
use landfall::error::{Error, Result};
use landfall::job::{JobRequestId, OutputFile};
use landfall_http::HttpError;
use url::Url;

use super::api::Api;
use super::description::{Files, Link};
use super::files::{Listing, Lists, Locator, Wanted, linked};
use super::template::Values;
use crate::links::{FreshLink, LINKS, is_refused, renewing};

/// How many of a file's first bytes tell an error from data.
const SNIFFED: usize = 512;

/// A file of a job, and all that is needed to open it.
pub(super) struct File {
    pub(super) api: Arc<Api>,
    pub(super) values: Values,
    pub(super) job: JobRequestId,
    pub(super) file: OutputFile,
    /// The job's lists, as they were read last.
    pub(super) lists: Arc<Lists>,
}

/// Where a file is, and whether credentials go along.
struct At {
    url: Url,
    with_credentials: bool,
}

impl File {
    /// Opens it, from its beginning or where a download stopped.
    pub(super) async fn open(self, resume: Option<&ResumeAt>) -> Result<Download> {
        match self.locator()? {
            Locator::Url(url) => self
                .fetch(At { url, with_credentials: true }, resume)
                .await
                .map_err(|error| self.named(error)),
            Locator::Entry { .. } | Locator::File { .. } => {
                let download = self.download(resume).await?;
                Ok(renewing(self, download))
            }
        }
    }

    fn locator(&self) -> Result<Locator> {
        let locator = self.file.locator.as_deref().unwrap_or_default();
        serde_json::from_str(locator).map_err(|error| {
            Error::contract_broken(format!(
                "the place of {:?} in the job's record cannot be read",
                self.file.name
            ))
            .because(error)
        })
    }

    /// Where the file is now, and by which lists, if by any. Those whose link was refused are read again.
    async fn at(&self, refused: Option<&Arc<Listing>>) -> Result<(At, Option<Arc<Listing>>)> {
        let Self { api, values, job, file, lists } = self;
        let description = &*api.description;
        let gone = || Error::contract_broken(format!("{} is not listed any more, where it was", file.name));
        match self.locator()? {
            Locator::Url(url) => Ok((At { url, with_credentials: true }, None)),
            Locator::File { list, file } => {
                let Some(Link::Call(call)) = description.files.get(list).map(Files::link) else {
                    return Err(gone());
                };
                let answered = linked(api, call, values, &file).await?;
                let link = call.url.text(&answered).and_then(|link| answered.url.join(&link).ok());
                // A link may grant access: nothing of it goes into an error.
                let url =
                    link.ok_or_else(|| answered.malformed("a file's link", "it is missing, or no URL"))?;
                let with_credentials = description.download.is_with_credentials(&answered);
                Ok((At { url, with_credentials }, None))
            }
            Locator::Entry { list, entry, path } => {
                let path = u64::from_str_radix(&path, 16).unwrap_or_default();
                let wanted = Wanted { list, place: entry, path };
                let listing = lists.of(job, api, values, wanted, refused).await?;
                let found = listing.find(wanted, description, values, file)?;
                let found = found.ok_or_else(gone)?;
                let (url, with_credentials) = (found.url().ok_or_else(gone)?, found.with_credentials);
                Ok((At { url, with_credentials }, Some(listing)))
            }
        }
    }

    async fn fetch(&self, at: At, resume: Option<&ResumeAt>) -> std::result::Result<Download, Refused> {
        let fetched = self.fetch_once(&at, resume).await;
        let may_be_limited = at.with_credentials && self.api.description.limits.is_some();
        match fetched {
            // What a limit looks like is known of calls: this one is made as one. What it shows may have passed by it.
            Err(refused) if may_be_limited && refused.is_said() => match self.api.limit_behind(&at.url).await
            {
                Some(limit) => Err(Refused::Broken(limit)),
                None => self.fetch_once(&at, resume).await,
            },
            fetched => fetched,
        }
    }

    async fn fetch_once(&self, at: &At, resume: Option<&ResumeAt>) -> std::result::Result<Download, Refused> {
        let host = at.url.host_str().unwrap_or_default().to_owned();
        let authorizer = self.api.authorizer().filter(|_| at.with_credentials);
        let opened = self.api.client.download_typed(at.url.clone(), authorizer, resume).await;
        let (download, kind) = opened.map_err(|error| Refused::Call(host, Box::new(error)))?;
        let rule = &self.api.description.download;
        if let Some(kind) = kind.filter(|kind| !self.file.is_log && rule.refuse_types.contains(kind)) {
            return Err(Refused::Instead(format!("{kind:?} came")));
        }
        let download: Download = download.map_err();
        match self.file.is_log || rule.refuse_starts.is_empty() || download.offset > 0 {
            true => Ok(download),
            false => checked(download, &rule.refuse_starts).await,
        }
    }

    fn named(&self, refused: Refused) -> Error {
        let name = &self.file.name;
        match refused {
            Refused::Instead(what) => Error::contract_broken(format!(
                "{what} in the place of {name}: the source's error, and no file"
            )),
            Refused::Call(host, error) if error.is_host_refused() => {
                let hosts = self.api.description.hosts.join(", ");
                let hosts = if hosts.is_empty() {
                    String::new()
                } else {
                    format!(" ({} has its files at {hosts})", self.api.description.title)
                };
                Error::contract_broken(format!(
                    "the link of {name} leads to {host}, which is not called: if it is the source's storage, add it to \
                     http.allowed_hosts of the connection{hosts}"
                ))
                .because(*error)
            }
            Refused::Call(_, error) if error.is_gone() => Error::not_found(format!(
                "{name} is gone: the source keeps its files for a while only, or has deleted them"
            ))
            .because(*error),
            Refused::Call(_, error) => Error::from(*error).while_doing(format!("opening {name}")),
            Refused::Broken(error) => error,
        }
    }
}

/// Why a file is not opened.
enum Refused {
    /// The call failed, to this host.
    Call(String, Box<HttpError>),
    /// Something else came.
    Instead(String),
    /// Its body broke before it could be looked at, or no more calls are answered for now.
    Broken(Error),
}

impl Refused {
    /// Whether it is the server's own word.
    fn is_said(&self) -> bool {
        match self {
            Self::Call(_, error) => error.refusal().is_some(),
            Self::Instead(_) => true,
            Self::Broken(_) => false,
        }
    }
}

#[async_trait]
impl FreshLink for File {
    async fn download(&self, resume: Option<&ResumeAt>) -> Result<Download> {
        let (mut links, mut listing) = (1, None);
        loop {
            let at;
            (at, listing) = self.at(listing.as_ref()).await?;
            match self.fetch(at, resume).await {
                Err(Refused::Call(_, error)) if is_refused(&error) && links < LINKS => links += 1,
                opened => return opened.map_err(|refused| self.named(refused)),
            }
        }
    }
}

/// The same download, unless it begins as an error does.
async fn checked(download: Download, starts: &[String]) -> std::result::Result<Download, Refused> {
    let Download { offset, size, validator, unverified, mut body } = download;
    let mut head = BytesMut::new();
    while head.len() < SNIFFED {
        match body.next().await {
            Some(Ok(bytes)) => head.extend_from_slice(&bytes),
            Some(Err(error)) => return Err(Refused::Broken(error)),
            None => break,
        }
    }
    let begins: Vec<u8> =
        head.iter().take(SNIFFED).copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if starts.iter().any(|start| begins.starts_with(start.as_bytes())) {
        return Err(Refused::Instead("something that begins as an error does came".to_owned()));
    }
    let head: Bytes = head.freeze();
    let head = (!head.is_empty()).then(|| Ok(head));
    let body = stream::iter(head).chain(body).boxed();
    Ok(Download { offset, size, validator, unverified, body })
}
