//! A body that is received: checked against the checksum that came with it, kept or thrown away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::chunked::{Decoder, Malformed};

const CRC64: &str = "x-amz-checksum-crc64nvme";
const CRC32: &str = "x-amz-checksum-crc32";

/// What was received.
#[derive(Debug)]
pub(super) struct Received {
    /// Bytes of the object, or of its part.
    pub(super) size: u64,
    /// Their CRC-64/NVME.
    pub(super) crc64: u64,
    /// The bytes, where they are kept.
    pub(super) bytes: Option<Bytes>,
    /// Bytes of the body as it travelled.
    pub(super) travelled: u64,
}

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    /// The connection broke.
    #[error("the body ended early")]
    Broken(#[from] hyper::Error),
    /// Its coding is not what its headers say.
    #[error(transparent)]
    Coding(#[from] Malformed),
    /// It is not what its sender has checksummed.
    #[error("the {0} that was sent is not that of the body")]
    BadDigest(&'static str),
}

/// Receives a body.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut body: Incoming,
    is_kept: bool,
) -> Result<Received, ReceiveError> {
    let mut sums = Sums::new(headers);
    let mut decoder = is_chunked(headers).then(Decoder::default);
    let (mut kept, mut travelled) = (is_kept.then(BytesMut::new), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        travelled += length(&data);
        let mut take = |bytes: &[u8]| {
            sums.update(bytes);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
        };
        match &mut decoder {
            Some(decoder) => decoder.decode(&data, take)?,
            None => take(&data),
        }
    }
    let sent = |name: &str| {
        let trailer = decoder.as_ref().and_then(|decoder| decoder.trailer(name));
        trailer.or_else(|| headers.get(name)?.to_str().ok()).map(str::to_owned)
    };
    sums.check(&sent)?;
    Ok(Received {
        size: sums.size,
        crc64: sums.crc64.finalize(),
        bytes: kept.map(BytesMut::freeze),
        travelled,
    })
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(word))
    };
    says("content-encoding", "aws-chunked") || says("x-amz-content-sha256", "STREAMING-")
}

struct Sums {
    size: u64,
    crc64: Digest,
    crc32: Option<crc32fast::Hasher>,
}

impl Sums {
    fn new(headers: &HeaderMap) -> Self {
        let names_crc32 = headers.contains_key(CRC32)
            || headers.get("x-amz-trailer").is_some_and(|names| names.as_bytes() == CRC32.as_bytes());
        Self {
            size: 0,
            crc64: Digest::new(CrcAlgorithm::Crc64Nvme),
            crc32: names_crc32.then(crc32fast::Hasher::new),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.size += length(bytes);
        self.crc64.update(bytes);
        if let Some(crc32) = &mut self.crc32 {
            crc32.update(bytes);
        }
    }

    fn check(&self, sent: &dyn Fn(&str) -> Option<String>) -> Result<(), ReceiveError> {
        if sent(CRC64).is_some_and(|sent| sent != BASE64.encode(self.crc64.finalize().to_be_bytes())) {
            return Err(ReceiveError::BadDigest("CRC-64/NVME"));
        }
        let crc32 = self.crc32.clone().map(|crc32| BASE64.encode(crc32.finalize().to_be_bytes()));
        match (crc32, sent(CRC32)) {
            (Some(received), Some(sent)) if received != sent => Err(ReceiveError::BadDigest("CRC-32")),
            _ => Ok(()),
        }
    }
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
