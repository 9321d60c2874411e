//! Listings, by the page.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::Method;
use serde::de::DeserializeOwned;

use super::OciBucket;
use super::answers::{ObjectPage, Upload, UploadedPart};
use super::session::{name_in_path, query};
use crate::error::{Result, StoreError};
use crate::object::{ObjectInfo, UnfinishedUpload};

impl OciBucket {
    /// The objects below a prefix, in the order of their keys.
    pub(crate) fn pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<ObjectInfo>>> {
        self.walk(prefix, "")
            .map(|page| Ok(page?.objects.into_iter().map(ObjectInfo::from).collect()))
            .boxed()
    }

    /// The folders right below a prefix, whole and with a slash behind each.
    pub(crate) fn folder_pages(&self, prefix: &str) -> BoxStream<'_, Result<Vec<String>>> {
        self.walk(prefix, "/").map(|page| Ok(page?.prefixes.unwrap_or_default())).boxed()
    }

    fn walk(&self, prefix: &str, delimiter: &'static str) -> BoxStream<'_, Result<ObjectPage>> {
        let prefix = prefix.to_owned();
        let begin = Some(None);
        stream::try_unfold(begin, move |next: Option<Option<String>>| {
            let prefix = prefix.clone();
            async move {
                let Some(start) = next else { return Ok(None) };
                let page = self.page(&prefix, delimiter, start.as_deref()).await?;
                let next = page.next_start_with.clone();
                // A list that does not move on would be read for ever.
                if next.as_ref().is_some_and(|next| start.as_ref().is_some_and(|start| next <= start)) {
                    return Err(StoreError::body("ListObjects", self.object(&prefix), Standing));
                }
                Ok(Some((page, next.map(Some))))
            }
        })
        .boxed()
    }

    async fn page(&self, prefix: &str, delimiter: &str, start: Option<&str>) -> Result<ObjectPage> {
        let object = self.object(prefix);
        let named = ("ListObjects", object.as_str());
        let session = self.session(named).await?;
        let mut pairs =
            vec![("prefix", prefix), ("fields", "name,size,etag,timeModified"), ("limit", "1000")];
        pairs.extend(start.map(|start| ("start", start)));
        pairs.extend((!delimiter.is_empty()).then_some(("delimiter", delimiter)));
        let behind = format!("/o?{}", query(&pairs));
        let answer = session.call(named, session.request(named, Method::GET, &self.bucket, &behind)?).await?;
        answer.json().map_err(|error| session.failed(named, &error))
    }

    /// The parts that the store has of an upload: number, `ETag` and size of each; `None` where the upload is gone.
    pub(crate) async fn list_parts(
        &self,
        key: &str,
        upload_id: &str,
    ) -> Result<Option<Vec<(i32, String, u64)>>> {
        let path = format!("/u/{}", name_in_path(key));
        let parts = self.all(("ListMultipartUploadParts", key), &path, &[("uploadId", upload_id)]).await;
        match parts {
            Ok(parts) => Ok(Some(
                parts
                    .into_iter()
                    .map(|part: UploadedPart| (part.part_number, part.etag, part.size))
                    .collect(),
            )),
            Err(StoreError::NoSuchUpload { .. } | StoreError::NoSuchObject { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The unfinished uploads below a prefix: OCI lists those of the whole bucket.
    pub(crate) async fn list_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        let uploads: Vec<Upload> = self.all(("ListMultipartUploads", prefix), "/u", &[]).await?;
        let below = uploads.into_iter().filter(|upload| upload.object.starts_with(prefix));
        Ok(below.map(|upload| UnfinishedUpload { key: upload.object, upload_id: upload.upload_id }).collect())
    }

    /// All of a list whose pages say by a header how it goes on.
    async fn all<T: DeserializeOwned>(
        &self,
        (operation, key): (&'static str, &str),
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let object = self.object(key);
        let named = (operation, object.as_str());
        let session = self.session(named).await?;
        let (mut found, mut page): (Vec<T>, Option<String>) = (Vec::new(), None);
        loop {
            let mut pairs = pairs.to_vec();
            pairs.push(("limit", "1000"));
            pairs.extend(page.as_deref().map(|page| ("page", page)));
            let behind = format!("{path}?{}", query(&pairs));
            let answer =
                session.call(named, session.request(named, Method::GET, &self.bucket, &behind)?).await?;
            found.extend(answer.json::<Vec<T>>().map_err(|error| session.failed(named, &error))?);
            let next = answer.headers.get("opc-next-page").and_then(|next| next.to_str().ok());
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(found),
                Some(next) if page.as_deref() == Some(next) => {
                    return Err(StoreError::body(operation, object, Standing));
                }
                Some(next) => page = Some(next.to_owned()),
            }
        }
    }
}

impl From<super::answers::Listed> for ObjectInfo {
    fn from(listed: super::answers::Listed) -> Self {
        Self {
            key: listed.name,
            size: listed.size.unwrap_or_default(),
            etag: listed.etag.unwrap_or_default(),
            crc64nvme: None,
            modified: listed.time_modified.and_then(|time| time.parse().ok()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the list goes on where it has been")]
struct Standing;
