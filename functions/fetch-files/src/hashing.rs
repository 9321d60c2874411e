//! Hashing what is stored of a file, where no single call has seen all of it: over several invocations where one is not
//! enough.

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::checksum::{Checksums, Hasher, HasherState};
use landfall::job::OutputFile;
use landfall::state::{Document, keys};
use landfall_store::ObjectInfo;
use serde::{Deserialize, Serialize};

use crate::download::Fetch;

/// How far the hashing of an object is.
#[derive(Debug, Serialize, Deserialize)]
struct Hashing {
    /// The object's `ETag`.
    etag: String,
    hashed: HasherState,
}

impl Document for Hashing {}

impl Fetch<'_> {
    /// The checksums of a stored object; `None` if the time was up first: the next call goes on.
    pub(crate) async fn hash(&self, file: &OutputFile, object: &ObjectInfo) -> Result<Option<Checksums>> {
        let key = keys::fetch_hashing(&self.job.job(), file.ordinal);
        let before = self.work.checkpoint::<Hashing>(&key).await?;
        let before = before.filter(|hashing| hashing.etag == object.etag);
        let before = before.and_then(|hashing| Hasher::resumed(&hashing.hashed));
        let mut hasher =
            before.filter(|hasher| hasher.size() <= object.size).unwrap_or_else(|| Hasher::new(true));
        let began_at = hasher.size();
        let read = async {
            let range = began_at..object.size;
            let mut body = self.work.store().read_range(&object.key, &object.etag, range).await?;
            while let Some(bytes) = body.try_next().await? {
                hasher.update(&bytes);
                self.context.observer().hashed(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if self.invocation.is_ending() {
                    return Ok::<_, landfall::Error>(false);
                }
            }
            Ok(true)
        };
        let is_whole = tokio::select! {
            biased;
            read = read => read?,
            () = self.invocation.ending() => false,
        };
        if is_whole || hasher.size() == object.size {
            return Ok(Some(hasher.finish()));
        }
        if hasher.size() > began_at {
            let hashing = Hashing { etag: object.etag.clone(), hashed: hasher.state() };
            self.work.save_checkpoint(&key, &hashing).await?;
            self.invocation.advance();
        }
        Ok(None)
    }
}
