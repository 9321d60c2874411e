//! Holding a file against the MD5 that its manifest lists, as its bytes pass.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use landfall::checksum::{Md5, Md5Hasher};
use landfall::{Error, Result};

/// The same bytes; behind the last of them an error, if their MD5 is another than it should be. `object` names the file
/// in messages.
pub(super) fn held_against(
    listed: Md5,
    object: String,
    body: BoxStream<'static, Result<Bytes>>,
) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold((body, Md5Hasher::default()), move |(mut body, mut hasher)| {
        let object = object.clone();
        async move {
            let Some(bytes) = body.try_next().await? else {
                let found = hasher.finish();
                return if found == listed { Ok(None) } else { Err(differs(&object, listed, found)) };
            };
            hasher.update(&bytes);
            Ok(Some((bytes, (body, hasher))))
        }
    })
    .boxed()
}

fn differs(object: &str, listed: Md5, found: Md5) -> Error {
    Error::integrity(format!(
        "{object} has the MD5 {found}, and its manifest lists {listed}: it was damaged on its way into the bucket, or \
         replaced. Put the right file there again under its name, then continue the job"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn came(listed: Md5, pieces: &[&'static [u8]]) -> Result<Vec<u8>> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
        let body = held_against(listed, "s3://b/a.zip".to_owned(), stream::iter(pieces).boxed());
        body.try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
    }

    /// Promise 5: bytes in whatever pieces are those of the MD5, or an error that says what to do.
    #[tokio::test]
    async fn other_bytes_end_with_an_error() {
        let listed = Md5::of(b"message digest");
        assert_eq!(came(listed, &[b"message", b" ", b"digest"]).await.unwrap(), b"message digest");
        for pieces in [&[&b"message"[..]][..], &[b"message digest", b"s"], &[]] {
            let error = came(listed, pieces).await.unwrap_err();
            assert_eq!(error.error_type().name(), "IntegrityError");
            assert!(error.line().contains("Put the right file there again"), "{}", error.line());
        }
    }
}
