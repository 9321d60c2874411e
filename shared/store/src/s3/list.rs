//! Listings, by the page.

use aws_sdk_s3::types::{EncodingType, Object as Listed};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::abilities::Ability;
use super::{S3Bucket, size};
use crate::error::{NoNextPage, Result, StoreError};
use crate::object::{ObjectInfo, UnfinishedUpload};

impl S3Bucket {
    /// The objects below a prefix, in the order of their keys.
    pub(crate) fn pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<ObjectInfo>>> {
        let start = if self.dialect.has_second_listing() { Next::Token(None) } else { Next::Marker(None) };
        let prefix = prefix.to_owned();
        let pages = stream::try_unfold(Some(start), move |next| {
            let prefix = prefix.clone();
            async move {
                match next {
                    None => Ok(None),
                    Some(Next::Token(token)) => self.page(&prefix, token).await.map(Some),
                    Some(Next::Marker(marker)) => self.page_by_marker(&prefix, marker).await.map(Some),
                }
            }
        });
        pages.boxed()
    }

    /// The folders right below a prefix, whole and with a slash behind each.
    pub(crate) fn folder_pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<String>>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let pages = request.encoding_type(EncodingType::Url).into_paginator().send();
        let object = self.object(prefix);
        let truncated = object.clone();
        stream::unfold(pages, |mut pages| async { pages.next().await.map(|page| (page, pages)) })
            .map_err(move |error| StoreError::of("ListObjectsV2", object.clone(), &error))
            .and_then(move |page| {
                let has_next = page.next_continuation_token().is_some_and(|token| !token.is_empty());
                std::future::ready(match page.is_truncated() == Some(true) && !has_next {
                    true => Err(StoreError::body("ListObjectsV2", truncated.clone(), NoNextPage)),
                    false => Ok(page),
                })
            })
            .map_ok(|page| {
                let names = Names::of(page.encoding_type());
                let folders = page.common_prefixes.unwrap_or_default();
                folders.iter().map(|folder| names.name(folder.prefix().unwrap_or_default())).collect()
            })
            .boxed()
    }

    /// A page of S3's second listing, and where it goes on. A store that knows the first one alone takes it for that, and
    /// says that there is more without a token: it is gone on with as it would be there.
    async fn page(&self, prefix: &str, token: Option<String>) -> Result<(Vec<ObjectInfo>, Option<Next>)> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let request = request.encoding_type(EncodingType::Url).set_continuation_token(token.clone());
        let page = request.send().await;
        let page = page.map_err(|error| StoreError::of("ListObjectsV2", self.object(prefix), &error))?;
        let names = Names::of(page.encoding_type());
        let goes_on = page.is_truncated() == Some(true);
        let next = page.next_continuation_token().filter(|next| !next.is_empty()).map(str::to_owned);
        let objects = names.objects(page.contents.unwrap_or_default());
        let next = match (next, objects.last()) {
            _ if !goes_on => None,
            (Some(next), _) if token.as_ref() != Some(&next) => Some(Next::Token(Some(next))),
            (None, Some(last)) if token.is_none() => Some(Next::Marker(Some(last.key.clone()))),
            _ => return Err(StoreError::body("ListObjectsV2", self.object(prefix), NoNextPage)),
        };
        Ok((objects, next))
    }

    /// A page of S3's first listing, which goes on behind the last key that it has shown.
    async fn page_by_marker(
        &self,
        prefix: &str,
        marker: Option<String>,
    ) -> Result<(Vec<ObjectInfo>, Option<Next>)> {
        let request = self.client.list_objects().bucket(&self.bucket).prefix(prefix);
        let page = request.set_marker(marker.clone()).send().await;
        let page = page.map_err(|error| StoreError::of("ListObjects", self.object(prefix), &error))?;
        let names = Names::of(page.encoding_type());
        let goes_on = page.is_truncated() == Some(true);
        let next_marker = page.next_marker().map(|marker| names.name(marker));
        let objects = names.objects(page.contents.unwrap_or_default());
        match objects.last().map(|last| last.key.clone()).or(next_marker) {
            _ if !goes_on => Ok((objects, None)),
            Some(next) if marker.as_ref() != Some(&next) => Ok((objects, Some(Next::Marker(Some(next))))),
            _ => Err(StoreError::body("ListObjects", self.object(prefix), NoNextPage)),
        }
    }

    /// Whether the store lists unfinished uploads, as far as is known: it does until it has refused to.
    pub(crate) fn lists_uploads(&self) -> bool {
        self.abilities.has(Ability::UploadLists)
    }

    /// The unfinished uploads below a prefix; none from a store that does not list them, where what is left of them is for
    /// a lifecycle rule. Encoded names are not asked for: SeaweedFS says here that they are, and writes them as they are.
    pub(crate) async fn list_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(|error| StoreError::of("ListMultipartUploads", self.object(prefix), &error));
            let page = match page {
                Err(error @ StoreError::NotImplemented { .. }) => {
                    tracing::info!(store.bucket = self.bucket, %error, "unfinished uploads are not listed");
                    self.abilities.lose(Ability::UploadLists);
                    return Ok(found);
                }
                page => page?,
            };
            let uploads = page.uploads().iter().map(|upload| UnfinishedUpload {
                key: upload.key().unwrap_or_default().to_owned(),
                upload_id: upload.upload_id().unwrap_or_default().to_owned(),
            });
            // Whoever asks for them may abort them: a store that does not know the prefix must not name another's.
            found.extend(uploads.filter(|upload| upload.key.starts_with(prefix)));
            if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
                return Ok(found);
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            id_marker = page.next_upload_id_marker().map(str::to_owned);
        }
    }
}

/// Where a listing goes on: in S3's second one by the token that a page gave, in the first behind a key.
enum Next {
    Token(Option<String>),
    Marker(Option<String>),
}

/// How a page writes names: as they are, or encoded like a form, as it was asked for. XML cannot carry every name.
#[derive(Debug, Clone, Copy)]
struct Names {
    encoded: bool,
}

impl Names {
    /// A store that does not know what it is asked for says nothing of it.
    fn of(encoding: Option<&EncodingType>) -> Self {
        Self { encoded: encoding == Some(&EncodingType::Url) }
    }

    fn name(self, written: &str) -> String {
        match self.encoded {
            true => percent_decode_str(&written.replace('+', " ")).decode_utf8_lossy().into_owned(),
            false => written.to_owned(),
        }
    }

    fn objects(self, listed: Vec<Listed>) -> Vec<ObjectInfo> {
        let object = |object: Listed| ObjectInfo {
            key: self.name(object.key().unwrap_or_default()),
            size: size(object.size()),
            etag: object.e_tag().unwrap_or_default().to_owned(),
            crc64nvme: None,
            modified: object.last_modified().and_then(|time| Timestamp::from_second(time.secs()).ok()),
        };
        listed.into_iter().map(object).collect()
    }
}
