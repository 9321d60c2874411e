//! Downloads by links that are good for some minutes: each try asks for a link of its own, which is kept nowhere.

use std::error::Error as _;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use http::StatusCode;
use landfall::contract::{Download, ResumeAt};
use landfall::error::{Error, Result};
use landfall_http::HttpError;

/// How many links in a row may be refused: the clocks of a source and its storage may differ a little.
pub(crate) const LINKS: u32 = 2;

/// What a file is downloaded by: a link that is asked for anew.
#[async_trait]
pub(crate) trait FreshLink: Send + Sync {
    /// Opens the file by a link of its own.
    async fn download(&self, resume: Option<&ResumeAt>) -> Result<Download>;
}

/// The same download, which goes on by another link where the one that it began with has expired.
pub(crate) fn renewing(link: impl FreshLink + 'static, download: Download) -> Download {
    let Download { offset, size, validator, unverified, body } = download;
    let renewing =
        Renewing { link, position: offset, validator: validator.clone(), body, links: 1, is_over: false };
    let body = stream::unfold(renewing, |mut renewing| async move {
        let next = renewing.next().await.transpose()?;
        Some((next, renewing))
    });
    Download { offset, size, validator, unverified, body: body.boxed() }
}

struct Renewing<L> {
    link: L,
    position: u64,
    validator: Option<String>,
    body: stream::BoxStream<'static, Result<bytes::Bytes>>,
    /// Links in a row that no byte came by.
    links: u32,
    is_over: bool,
}

impl<L: FreshLink> Renewing<L> {
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
            let download = self.link.download(Some(&resume)).await?;
            if download.offset != self.position {
                // Another version of the file: the next call begins anew.
                return Err(error);
            }
            self.body = download.body;
        }
    }
}

/// Whether the storage refuses the link: it has expired, or is not good yet.
pub(crate) fn is_refused(error: &HttpError) -> bool {
    error.status() == Some(StatusCode::FORBIDDEN)
}

fn has_expired(error: &Error) -> bool {
    error.source().and_then(|source| source.downcast_ref::<HttpError>()).is_some_and(is_refused)
}
