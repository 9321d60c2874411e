//! Receiving a body: to a temporary file, hashed on the way, and checked before anybody sees it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use http::HeaderMap;
use s3s::dto::{StreamingBlob, Timestamp, TimestampFormat};
use s3s::{S3Result, TrailingHeaders, s3_error};

use crate::checksum::{Algorithm, Checksums, Digested, Digests, Expected};
use crate::record::Headers;
use crate::session::TempFile;
use crate::store::{Store, failed};

/// How much of a body is in memory at a time, besides what the connection buffers.
const BATCH: usize = 1 << 20;

const USER_METADATA: &str = "x-amz-meta-";

/// A body that arrived whole, and is what its sender says.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) temp: TempFile,
    pub(crate) content: Digested,
}

/// What is said of a body besides it.
#[derive(Debug)]
pub(crate) struct Described {
    /// Its length, decoded.
    pub(crate) length: Option<i64>,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<TrailingHeaders>,
    /// An algorithm to compute whether or not the sender gives a value.
    pub(crate) also: Option<Algorithm>,
}

/// Receives a body.
///
/// # Errors
/// `IncompleteBody`, `BadDigest`, `InvalidDigest`. The file is then deleted.
pub(crate) async fn receive(
    store: &Arc<Store>,
    body: Option<StreamingBlob>,
    described: &Described,
) -> S3Result<Received> {
    let announced = announced(&described.headers);
    let mut expected =
        Expected { md5: text(&described.headers, "content-md5"), checksums: said(&described.headers) };
    let asked: Vec<_> =
        expected.checksums.algorithms().chain(announced.iter().copied()).chain(described.also).collect();

    let session = Arc::clone(store);
    let temp = blocking(move || session.session.file().map_err(failed("make a temporary file"))).await?;
    let (temp, content) = write(body, temp, Digests::new(asked)).await?;

    let whole =
        described.length.is_none_or(|length| u64::try_from(length).is_ok_and(|said| said == content.size));
    if !whole {
        return Err(s3_error!(IncompleteBody, "{} bytes came, not the number that was said", content.size));
    }
    let trailers = described.trailers.as_ref().and_then(TrailingHeaders::take).unwrap_or_default();
    for algorithm in announced {
        let value = text(&trailers, algorithm.header());
        if value.is_none() {
            return Err(s3_error!(IncompleteBody, "the trailer {} did not come", algorithm.header()));
        }
        expected.checksums.set(algorithm, value);
    }
    expected.verify(&content)?;
    Ok(Received { temp, content })
}

async fn write(
    body: Option<StreamingBlob>,
    temp: TempFile,
    digests: Digests,
) -> S3Result<(TempFile, Digested)> {
    let mut sink = (temp, digests);
    let mut body = body;
    while let Some(stream) = &mut body {
        let (batch, more) = next_batch(stream).await?;
        sink = blocking(move || {
            let (mut temp, mut digests) = sink;
            for data in batch {
                digests.update(&data);
                temp.write_all(&data).map_err(failed("write a temporary file"))?;
            }
            Ok((temp, digests))
        })
        .await?;
        if !more {
            body = None;
        }
    }
    let (temp, digests) = sink;
    Ok((temp, digests.finish()))
}

async fn next_batch(stream: &mut StreamingBlob) -> S3Result<(Vec<Bytes>, bool)> {
    let mut batch = Vec::new();
    let mut size = 0;
    while size < BATCH {
        match stream.next().await {
            Some(Ok(data)) => {
                size += data.len();
                batch.push(data);
            }
            Some(Err(error)) => {
                return Err(s3_error!(IncompleteBody, "the body broke off or was not as signed: {error}"));
            }
            None => return Ok((batch, false)),
        }
    }
    Ok((batch, true))
}

/// The checksums that a request gives in its headers.
pub(crate) fn said(headers: &HeaderMap) -> Checksums {
    let mut checksums = Checksums::default();
    for algorithm in Algorithm::ALL {
        checksums.set(algorithm, text(headers, algorithm.header()));
    }
    checksums
}

/// The checksums that a request says will follow its body.
fn announced(headers: &HeaderMap) -> Vec<Algorithm> {
    let trailers = text(headers, "x-amz-trailer").unwrap_or_default();
    let named = |algorithm: &Algorithm| {
        trailers.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()))
    };
    Algorithm::ALL.into_iter().filter(named).collect()
}

/// The headers of a request that are kept with the object.
///
/// # Errors
/// `InvalidRequest` for an `Expires` that is no time.
pub(crate) fn kept(headers: &HeaderMap) -> S3Result<Headers> {
    let expires = text(headers, "expires")
        .map(|value| Timestamp::parse(TimestampFormat::HttpDate, &value))
        .transpose()
        .map_err(|error| s3_error!(error, InvalidRequest, "Expires is not a time as HTTP has it"))?;
    let user: BTreeMap<String, String> = headers
        .keys()
        .filter_map(|name| {
            let key = name.as_str().strip_prefix(USER_METADATA)?;
            Some((key.to_owned(), text(headers, name.as_str())?))
        })
        .collect();
    Ok(Headers {
        content_type: text(headers, "content-type"),
        content_encoding: text(headers, "content-encoding").and_then(|value| without_framing(&value)),
        content_disposition: text(headers, "content-disposition"),
        content_language: text(headers, "content-language"),
        cache_control: text(headers, "cache-control"),
        expires,
        website_redirect_location: text(headers, "x-amz-website-redirect-location"),
        user,
    })
}

/// `aws-chunked` is how the body travels, not how the object is encoded: S3 does not keep it.
fn without_framing(encoding: &str) -> Option<String> {
    let kept: Vec<_> = encoding
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Runs what blocks on a thread that may.
///
/// # Errors
/// Those of `work`; `InternalError` if it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(s3_error!(error, InternalError, "the store failed at this request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Promise 4: the framing of a request is no property of the object.
    #[test]
    fn the_framing_of_the_body_is_not_kept() {
        for (sent, expected) in [
            ("aws-chunked", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("gzip", Some("gzip")),
        ] {
            let found = kept(&headers(&[("content-encoding", sent)])).unwrap();
            assert_eq!(found.content_encoding.as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn metadata_and_announced_checksums_are_found() {
        let headers = headers(&[("x-amz-meta-a", "1"), ("x-amz-trailer", "x-amz-checksum-crc32, other")]);
        assert_eq!(kept(&headers).unwrap().user.get("a").map(String::as_str), Some("1"));
        assert_eq!(announced(&headers), [Algorithm::Crc32]);
    }
}
