//! `gzip` (RFC 1952): one member, without name or time, so that its bytes depend on its content alone.
//!
//! A deflated member of an archive holds a deflate stream already: it is framed anew and not compressed again.

use flate2::{Compress, Compression, FlushCompress, Status};
use landfall::rows::RowCount;
use landfall::{Error, Result};
use landfall_zip::MemberDecoder;

use super::blocks::BlockEncoder;
use super::encoder::{ContentDigest, MemberEncoder, decode};
use crate::content::Content;
use crate::parts::{Parts, STEP_BYTES};

/// Magic, deflate, no flags, no time, no extra flags, an unknown system (RFC 1952, 2.3).
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

const TRAILER_BYTES: u64 = 8;

/// How hard content is compressed that the archive has not. Of rows as ERPs have them, in MB a second and core: level 1
/// 274 (to 1/2.8), 2 174 (1/3.8), 3 143 (1/4.0), 6 78 (1/4.2).
const LEVEL: u32 = 3;

/// CRC-32 and size. A size from 4 GiB on is written modulo 2^32, as the format has it.
pub(super) fn trailer(content: ContentDigest) -> [u8; 8] {
    let [c0, c1, c2, c3] = content.crc32.to_le_bytes();
    let [s0, s1, s2, s3, ..] = content.size.to_le_bytes();
    [c0, c1, c2, c3, s0, s1, s2, s3]
}

/// The bytes of a deflate stream in its frame.
pub(super) fn framed_bytes(stream: u64) -> u64 {
    stream.saturating_add(HEADER.len() as u64 + TRAILER_BYTES)
}

/// The most bytes that content of a size can become: the fast levels code what they cannot compress by 9 bits a byte.
pub(super) fn max_bytes(size: u64) -> u64 {
    framed_bytes(size.saturating_add(size / 8).saturating_add(1 << 10))
}

/// A member's deflate stream, framed. It is inflated beside that, and the content is only inspected.
#[derive(Default)]
pub(super) struct Reframed {
    has_begun: bool,
}

impl MemberEncoder for Reframed {
    fn take(
        &mut self,
        piece: &[u8],
        decoder: &mut MemberDecoder,
        content: &mut Content,
        parts: &mut Parts,
    ) -> Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            parts.write(&HEADER)?;
        }
        decode(decoder, piece, |bytes| content.inspect(bytes))?;
        parts.write(piece)
    }

    fn finish(&mut self, content: ContentDigest, _: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        parts.write(&trailer(content))
    }
}

/// Content, compressed.
pub(super) struct Deflate {
    stream: Compress,
    output: Vec<u8>,
    has_begun: bool,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self {
            stream: Compress::new(Compression::new(LEVEL), false),
            output: vec![0; STEP_BYTES],
            has_begun: false,
        }
    }

    /// Compresses a block, and with [`FlushCompress::Finish`] what is held back, too.
    fn compress(&mut self, mut content: &[u8], flush: FlushCompress, parts: &mut Parts) -> Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            parts.write(&HEADER)?;
        }
        loop {
            let (taken, given) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.compress(content, &mut self.output, flush);
            let status = status.map_err(|error| Error::integrity("deflate broke").because(error))?;
            let taken = length(self.stream.total_in().saturating_sub(taken));
            let given = length(self.stream.total_out().saturating_sub(given));
            content = content.get(taken..).unwrap_or_default();
            parts.write(self.output.get(..given).unwrap_or_default())?;
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => content.is_empty() && given < self.output.len(),
            };
            if is_done {
                return Ok(());
            }
            if taken == 0 && given == 0 {
                return Err(Error::integrity("deflate does not go on"));
            }
        }
    }
}

impl BlockEncoder for Deflate {
    fn encode(&mut self, block: &[u8], parts: &mut Parts) -> Result<()> {
        self.compress(block, FlushCompress::None, parts)
    }

    fn finish(&mut self, content: ContentDigest, parts: &mut Parts) -> Result<()> {
        self.compress(&[], FlushCompress::Finish, parts)?;
        parts.write(&trailer(content))
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
