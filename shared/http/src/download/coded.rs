//! A file that was coded on the way, as it was before.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::client::{GZIP, unreadable};
use crate::error::Failure;

/// How many bytes are decoded at once: they become a thousand times as many at most.
const AT_ONCE: usize = 8 * 1024;

/// The body of one answer, or what broke it.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, Failure>>;

/// The body without gzip. Its own length and checksum are held against what came; one that is not gzip at all, as where a
/// proxy has taken it off and left its name, stays as it is.
pub(super) fn without_gzip(chunks: Chunks) -> Chunks {
    let coded = Coded { chunks: chunks.fuse().boxed(), waiting: Bytes::new(), state: State::Beginning };
    let decoded = stream::unfold(coded, |mut coded| async move { Some((coded.next().await?, coded)) });
    decoded.fuse().boxed()
}

struct Coded {
    chunks: Chunks,
    /// What has come and is not decoded yet.
    waiting: Bytes,
    state: State,
}

enum State {
    /// Nothing has come yet that tells whether it is gzip.
    Beginning,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Plain,
    Over,
}

impl Coded {
    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            if self.waiting.is_empty() || self.is_too_short_to_tell() {
                match self.chunks.next().await {
                    Some(Ok(chunk)) => self.waiting = [&self.waiting[..], &chunk].concat().into(),
                    Some(Err(failure)) => return Some(Err(failure)),
                    None => return self.end(),
                }
            }
            match self.decode() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some(Ok(bytes)),
                Err(error) => return Some(Err(unreadable(error))),
            }
        }
    }

    fn is_too_short_to_tell(&self) -> bool {
        matches!(self.state, State::Beginning) && self.waiting.len() < GZIP.len()
    }

    /// Decodes some of what waits.
    fn decode(&mut self) -> io::Result<Bytes> {
        if matches!(self.state, State::Beginning) {
            if self.is_too_short_to_tell() {
                return Ok(Bytes::new());
            }
            self.state = match self.waiting.starts_with(&GZIP) {
                true => State::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
                false => State::Plain,
            };
        }
        match &mut self.state {
            State::Gzip(decoder) => {
                let some = self.waiting.split_to(self.waiting.len().min(AT_ONCE));
                decoder.write_all(&some)?;
                Ok(std::mem::take(decoder.get_mut()).into())
            }
            State::Beginning | State::Plain | State::Over => Ok(std::mem::take(&mut self.waiting)),
        }
    }

    /// What is left when the answer has ended.
    fn end(&mut self) -> Option<Result<Bytes, Failure>> {
        let left = match std::mem::replace(&mut self.state, State::Over) {
            State::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => std::mem::take(decoder.get_mut()).into(),
                Err(error) => return Some(Err(unreadable(error))),
            },
            State::Beginning | State::Plain => std::mem::take(&mut self.waiting),
            State::Over => return None,
        };
        (!left.is_empty()).then_some(Ok(left))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    pub(in crate::download) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(body: &[u8], pieces: usize) -> Result<Vec<u8>, String> {
        let chunks: Vec<_> = body.chunks(pieces).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut decoded = without_gzip(stream::iter(chunks).boxed());
        let mut bytes = Vec::new();
        while let Some(chunk) = decoded.next().await {
            bytes.extend_from_slice(&chunk.map_err(|failure| failure.to_string())?);
        }
        Ok(bytes)
    }

    /// Promise 5: what comes out does not depend on the pieces, and what is cut anywhere is an error.
    #[tokio::test]
    async fn gzip_is_decoded_whole_or_not_at_all() {
        let content: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let two = [gzip(&content[..30_000]), gzip(&content[30_000..])].concat();
        for pieces in [1, 7, 1000, two.len()] {
            assert_eq!(read(&two, pieces).await.unwrap(), content, "{pieces}");
        }
        let one = gzip(b"some bytes");
        for cut in 2..one.len() {
            assert!(read(&one[..cut], 5).await.is_err(), "{cut}");
        }
        for plain in [&b""[..], b"P", b"PK\x03\x04 and more"] {
            assert_eq!(read(plain, 1).await.unwrap(), plain);
        }
    }
}
