//! Listings, by the page.

use aws_sdk_s3::types::{EncodingType, Object as Listed};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::percent_decode_str;

use super::{S3Bucket, size};
use crate::error::{Result, StoreError};
use crate::object::{ObjectInfo, UnfinishedUpload};

impl S3Bucket {
    /// The objects below a prefix, in the order of their keys.
    pub(crate) fn pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<ObjectInfo>>> {
        match self.dialect.has_second_listing() {
            true => self.pages_by_token(prefix),
            false => self.pages_by_marker(prefix),
        }
    }

    /// The folders right below a prefix, whole and with a slash behind each.
    pub(crate) fn folder_pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<String>>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let pages = request.encoding_type(EncodingType::Url).into_paginator().send();
        let object = self.object(prefix);
        stream::unfold(pages, |mut pages| async { pages.next().await.map(|page| (page, pages)) })
            .map_err(move |error| StoreError::of("ListObjectsV2", object.clone(), &error))
            .map_ok(|page| {
                let names = Names::of(page.encoding_type());
                let folders = page.common_prefixes.unwrap_or_default();
                folders.iter().map(|folder| names.name(folder.prefix().unwrap_or_default())).collect()
            })
            .boxed()
    }

    fn pages_by_token(&self, prefix: &str) -> BoxStream<'_, Result<Vec<ObjectInfo>>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let pages = request.encoding_type(EncodingType::Url).into_paginator().send();
        let object = self.object(prefix);
        stream::unfold(pages, |mut pages| async { pages.next().await.map(|page| (page, pages)) })
            .map_err(move |error| StoreError::of("ListObjectsV2", object.clone(), &error))
            .map_ok(|page| {
                let names = Names::of(page.encoding_type());
                names.objects(page.contents.unwrap_or_default())
            })
            .boxed()
    }

    /// The first listing of S3, which goes on behind the last key that it has shown.
    fn pages_by_marker(&self, prefix: &str) -> BoxStream<'_, Result<Vec<ObjectInfo>>> {
        let prefix = prefix.to_owned();
        stream::try_unfold(Some(None), move |next: Option<Option<String>>| {
            let prefix = prefix.clone();
            async move {
                let Some(marker) = next else { return Ok(None) };
                let request = self.client.list_objects().bucket(&self.bucket).prefix(&prefix);
                let page = request.set_marker(marker).send().await;
                let page =
                    page.map_err(|error| StoreError::of("ListObjects", self.object(&prefix), &error))?;
                let names = Names::of(page.encoding_type());
                let goes_on = page.is_truncated() == Some(true);
                let next_marker = page.next_marker().map(|marker| names.name(marker));
                let objects = names.objects(page.contents.unwrap_or_default());
                let next = match objects.last().map(|last| last.key.clone()).or(next_marker) {
                    Some(marker) if goes_on => Some(Some(marker)),
                    None if goes_on => {
                        return Err(StoreError::body("ListObjects", self.object(&prefix), NoNextPage));
                    }
                    _ => None,
                };
                Ok(Some((objects, next)))
            }
        })
        .boxed()
    }

    /// The unfinished uploads below a prefix. Encoded names are not asked for: SeaweedFS says here that they are, and
    /// writes them as they are.
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
                .map_err(|error| StoreError::of("ListMultipartUploads", self.object(prefix), &error))?;
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
        };
        listed.into_iter().map(object).collect()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the list is not complete, but the store does not say where it continues")]
struct NoNextPage;
