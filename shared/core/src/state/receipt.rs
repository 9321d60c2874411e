//! Receipts: what unpacking a file landed, `receipts/<ordinal>.json`.
//!
//! A receipt of an archive names each of its members, of which there may be more than memory would hold: it is
//! written and read an object at a time, in the archive's order. It is one JSON document, with each object on a line
//! of its own.

use bytes::Bytes;
use futures::io::AsyncBufReadExt as _;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};

use landfall_store::{ByteBudget, ObjectWriter, StoreError};

use super::document::must_be_readable;
use super::{Result, WorkState, keys};
use crate::job::{JobRef, LandedObject, Totals};

/// A receipt of at most so many bytes is read in one call.
const SMALL: u64 = 1 << 20;

/// The newest version of a receipt that this program reads; it writes the first, which is not named.
const NEWEST: u32 = 1;

/// The line behind the last object.
const END: &str = "]}";

impl WorkState {
    /// What unpacking a file landed, in the archive's order; `None` for a file that has not been unpacked. A large one is read
    /// once its objects are asked for: an answer that stays unread would hold up those on the same connection.
    pub async fn receipt(
        &self,
        job: &JobRef,
        ordinal: u32,
    ) -> Result<Option<BoxStream<'static, Result<LandedObject>>>> {
        let key = keys::receipt(job, ordinal);
        let store = self.store().clone();
        let object = store.object(&key);
        match store.read(&key, SMALL).await {
            Ok(Some(small)) => {
                let body = stream::once(future::ready(Ok(small.bytes))).boxed();
                objects(body, object, ordinal).await.map(Some)
            }
            Ok(None) => Ok(None),
            Err(StoreError::TooLarge { .. }) => {
                let Some(info) = store.head(&key).await? else { return Ok(None) };
                let read = async move {
                    let body = store.read_range(&key, &info.etag, 0..info.size).await?;
                    objects(body, object, ordinal).await
                };
                Ok(Some(stream::once(read).try_flatten().boxed()))
            }
            Err(error) => Err(error),
        }
    }

    /// What unpacking a file landed, summed; `None` for a file that has not been unpacked.
    pub async fn landed(&self, job: &JobRef, ordinal: u32) -> Result<Option<Totals>> {
        let Some(receipt) = self.receipt(job, ordinal).await? else { return Ok(None) };
        let totals = receipt.try_fold(Totals::default(), async |mut totals, object| {
            totals.add(&object);
            Ok(totals)
        });
        totals.await.map(Some)
    }

    /// Forgets what unpacking a file landed, for what is there now to be recorded.
    pub async fn forget_receipt(&self, job: &JobRef, ordinal: u32) -> Result<()> {
        self.store().delete(&keys::receipt(job, ordinal)).await
    }

    /// Records what unpacking a file landed, in the archive's order, unless that is recorded already: then by somebody
    /// who has landed the same.
    pub async fn record_receipt(
        &self,
        job: &JobRef,
        ordinal: u32,
        objects: impl Iterator<Item = LandedObject>,
        budget: &ByteBudget,
    ) -> Result<()> {
        let key = keys::receipt(job, ordinal);
        let mut writer = ObjectWriter::new(self.store(), &key, budget, None);
        let written = async {
            write(&mut writer, &key, ordinal, objects).await?;
            writer.finish().await
        };
        match written.await {
            Ok(_) => Ok(()),
            Err(error) => {
                writer.abandon().await;
                Err(error)
            }
        }
    }
}

async fn write(
    writer: &mut ObjectWriter,
    key: &str,
    ordinal: u32,
    objects: impl Iterator<Item = LandedObject>,
) -> Result<()> {
    writer.write(head(ordinal).as_bytes()).await?;
    let mut behind = "\n";
    for object in objects {
        let line = serde_json::to_string(&object)
            .map_err(|source| StoreError::Malformed { object: key.to_owned(), source })?;
        writer.write(format!("{behind}{line}").as_bytes()).await?;
        behind = ",\n";
    }
    writer.write(format!("\n{END}\n").as_bytes()).await.map(|_| ())
}

fn head(ordinal: u32) -> String {
    format!("{{\"ordinal\":{ordinal},\"objects\":[")
}

/// The objects that the lines of a receipt's body name. One that ends early is no receipt.
async fn objects(
    body: BoxStream<'static, Result<Bytes>>,
    object: String,
    ordinal: u32,
) -> Result<BoxStream<'static, Result<LandedObject>>> {
    let mut lines = body.map_err(std::io::Error::other).into_async_read().lines();
    let malformed = |source| StoreError::Malformed { object: object.clone(), source };
    let first = next(&mut lines, &object).await?;
    // As the document that it begins, without the objects that come.
    let first = first.filter(|line| line.ends_with('[')).map(|line| line + END).unwrap_or_default();
    must_be_readable(first.as_bytes(), NEWEST, &object)?;
    if !serde_json::from_str(&first).is_ok_and(|head: Head| head.ordinal == ordinal) {
        return Err(malformed(serde_json::Error::custom("its first line is not a receipt's")));
    }
    let objects = stream::try_unfold((lines, object), async |(mut lines, object)| {
        let line = next(&mut lines, &object).await?;
        let line = line.as_deref().map(|line| line.trim_end_matches(','));
        match line.map(serde_json::from_str) {
            _ if line.is_some_and(is_end) => Ok(None),
            Some(Ok(landed)) => Ok(Some((landed, (lines, object)))),
            Some(Err(source)) => Err(StoreError::Malformed { object, source }),
            None => Err(StoreError::Malformed { object, source: serde_json::Error::custom("it ends early") }),
        }
    });
    Ok(objects.boxed())
}

/// The document that a receipt's first line begins.
#[derive(Deserialize)]
struct Head {
    ordinal: u32,
    #[serde(rename = "objects")]
    _objects: [(); 0],
}

/// Whether a line ends the list of objects, and the document behind it, with fields of later releases or without.
fn is_end(line: &str) -> bool {
    line.starts_with(']') && serde_json::from_str::<IgnoredAny>(&format!("{{\"objects\":[{line}")).is_ok()
}

async fn next(
    lines: &mut (impl Stream<Item = std::io::Result<String>> + Unpin),
    object: &str,
) -> Result<Option<String>> {
    let line = lines.try_next().await;
    line.map_err(|error| {
        error.downcast::<StoreError>().unwrap_or_else(|error| StoreError::Malformed {
            object: object.to_owned(),
            source: serde_json::Error::custom(error),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str =
        r#"{"key":"k","size":1,"crc32":"00000000","crc64nvme":"0000000000000000","file":"a.zip"}"#;

    async fn read(text: &str) -> Result<usize> {
        let body = stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]).boxed();
        let objects = objects(body, "s3://work/receipts/7.json".to_owned(), 7).await?;
        objects.try_collect::<Vec<_>>().await.map(|objects| objects.len())
    }

    /// Promise 5: a receipt that breaks off, or is another's, is no shorter receipt.
    #[tokio::test]
    async fn what_is_no_whole_receipt_is_refused() {
        let head = head(7);
        assert_eq!(read(&format!("{head}\n]}}\n")).await.unwrap(), 0);
        assert_eq!(read(&format!("{head}\n{OBJECT},\n{OBJECT}\n]}}\n")).await.unwrap(), 2);
        for text in [
            String::new(),
            head.clone(),
            format!("{head}\n{OBJECT},\n"),
            format!("{head}\n{OBJECT},\n{{\"key\":\n]}}\n"),
            format!("{}\n]}}\n", super::head(8)),
        ] {
            let refused = read(&text).await.unwrap_err();
            assert!(matches!(refused, StoreError::Malformed { .. }), "{text:?}: {refused}");
        }
    }

    /// Programs of two releases side by side: what the newer one adds to a receipt does not stop the older one, and a
    /// receipt of a form that it does not know is no receipt to it.
    #[tokio::test]
    async fn a_receipt_of_a_later_release_is_read_or_refused_by_name() {
        let object = OBJECT.replacen('{', r#"{"later":[1],"#, 1);
        let added = format!(
            "{{\"ordinal\":7,\"later\":{{}},\"objects\":[\n{object},\n{object}\n],\"later_too\":1}}\n"
        );
        assert_eq!(read(&added).await.unwrap(), 2);
        let newer = format!("{{\"version\":2,\"ordinal\":7,\"objects\":[\n{OBJECT}\n]}}\n");
        let refused = read(&newer).await.unwrap_err();
        assert!(matches!(refused, StoreError::NewerVersion { version: 2, newest: 1, .. }), "{refused}");
    }

    /// A receipt is JSON that anything else can read too.
    #[test]
    fn a_receipt_is_one_document() {
        let text = format!("{}\n{OBJECT},\n{OBJECT}\n{END}\n", head(7));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((read["ordinal"].as_u64(), read["objects"].as_array().map(Vec::len)), (Some(7), Some(2)));
    }
}
