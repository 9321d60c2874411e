//! Inflates one member at a time and holds it to what it declares.

use super::error::{ArchiveError, shown};
use super::limits::Limits;
use super::member::{Member, Method};
use super::stream::{Decompressor, Step};

/// Bytes that [`MemberDecoder::push`] inflates at a time: steps under 64 KiB cost a third.
const SCRATCH_BYTES: usize = 256 << 10;

/// A member whose bytes are those that it declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Inflated bytes.
    pub size: u64,
    /// Their CRC-32 (ISO-HDLC).
    pub crc32: u32,
}

/// Inflates members, one after the other, without any I/O: it runs on a blocking thread as well as in a test.
///
/// It counts real bytes: no more than the declared size ever leaves it, the limits hold at every step, and
/// [`MemberDecoder::finish`] succeeds only if size, CRC-32 and the length of the compressed stream are those of the
/// directory. (What follows the end of a Deflate64 stream within its member is not looked at: its decoder reads ahead.)
/// Its buffers (about 300 KiB with [`MemberDecoder::push`], 50 KiB without) serve the next member; the rare methods take
/// [`Method::window_bytes`] besides, for a member each.
pub struct MemberDecoder {
    stream: Decompressor,
    crc: crc32fast::Hasher,
    scratch: Vec<u8>,
    expected: Expected,
    limits: Limits,
    consumed: u64,
    produced: u64,
    stream_ended: bool,
}

/// What the directory says of the member that is being decoded.
struct Expected {
    name: String,
    method: Method,
    crc32: u32,
    compressed_size: u64,
    size: u64,
}

impl std::fmt::Debug for MemberDecoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MemberDecoder")
            .field("member", &self.expected.name)
            .field("consumed", &self.consumed)
            .field("produced", &self.produced)
            .finish_non_exhaustive()
    }
}

impl MemberDecoder {
    /// A decoder for this member; `limits` are those that the directory was read with.
    pub fn new(member: &Member, limits: &Limits) -> Self {
        Self {
            stream: Decompressor::new(member.method()),
            crc: crc32fast::Hasher::new(),
            scratch: Vec::new(),
            expected: Expected::of(member),
            limits: limits.clone(),
            consumed: 0,
            produced: 0,
            stream_ended: member.method() == Method::Stored,
        }
    }

    /// Turns to another member and keeps the buffers, however far the last one came.
    pub fn restart(&mut self, member: &Member) {
        self.stream.restart(member.method());
        self.crc = crc32fast::Hasher::new();
        self.expected = Expected::of(member);
        self.consumed = 0;
        self.produced = 0;
        self.stream_ended = member.method() == Method::Stored;
    }

    /// Whether all compressed bytes have been taken and all inflated ones given.
    pub fn is_complete(&self) -> bool {
        self.stream_ended && self.consumed == self.expected.compressed_size
    }

    /// Inflates from `input`, the next compressed bytes, into `output`, such as the part that is uploaded next.
    ///
    /// Call it again with the rest of `input` while it fills `output`. Bytes beyond the member's compressed size
    /// are not taken.
    ///
    /// # Errors
    /// The first thing that the data shows to be otherwise than declared. Abandon the member then.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, ArchiveError> {
        let left = self.expected.compressed_size.saturating_sub(self.consumed);
        let input = input.get(..at_most(input.len(), left)).unwrap_or_default();
        let room = self.expected.size.saturating_sub(self.produced);
        let room = at_most(output.len(), room);
        let output = output.get_mut(..room).unwrap_or_default();
        let step = match self.expected.method {
            Method::Stored => copy(input, output),
            Method::Deflate64 if self.stream_ended => Step { consumed: input.len(), produced: 0 },
            _ if output.is_empty() => self.probe(input)?,
            _ => self.decompress(input, output)?,
        };
        self.crc.update(output.get(..step.produced).unwrap_or_default());
        self.consumed = self.consumed.saturating_add(wide(step.consumed));
        self.produced = self.produced.saturating_add(wide(step.produced));
        self.check_progress()?;
        Ok(step)
    }

    /// Inflates all of `input` and hands the data on in pieces of up to 256 KiB.
    ///
    /// # Errors
    /// As [`MemberDecoder::decode`], [`ArchiveError::TrailingData`] if `input` goes beyond the member, and
    /// whatever `sink` returns.
    pub fn push<E: From<ArchiveError>>(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(SCRATCH_BYTES, 0);
        let result = loop {
            let step = match self.decode(input, &mut scratch) {
                Ok(step) => step,
                Err(error) => break Err(error.into()),
            };
            input = input.get(step.consumed..).unwrap_or_default();
            if step.produced > 0
                && let Err(error) = sink(scratch.get(..step.produced).unwrap_or_default())
            {
                break Err(error);
            }
            let is_idle = step.consumed == 0 && step.produced == 0;
            if is_idle && !input.is_empty() {
                break Err(self.trailing_data(wide(input.len())).into());
            }
            if is_idle || (input.is_empty() && step.produced < scratch.len()) {
                break Ok(());
            }
        };
        self.scratch = scratch;
        result
    }

    /// Inflates all of `input` only to check it: for data that lands as it is compressed.
    ///
    /// # Errors
    /// As [`MemberDecoder::push`].
    pub fn verify(&mut self, input: &[u8]) -> Result<(), ArchiveError> {
        self.push(input, |_| Ok(()))
    }

    /// Checks what only the end shows, once all of the compressed data has been taken.
    ///
    /// # Errors
    /// Truncated data, an unfinished deflate stream, too few bytes, or another CRC-32 than declared.
    pub fn finish(&mut self) -> Result<Decoded, ArchiveError> {
        if !self.stream_ended {
            // A decoder that reads ahead may have taken the stream's end, and not come to it.
            self.probe(&[])?;
        }
        let expected = &self.expected;
        if self.consumed != expected.compressed_size {
            return Err(ArchiveError::TruncatedData {
                member: expected.shown(),
                expected: expected.compressed_size,
                found: self.consumed,
            });
        }
        if !self.stream_ended {
            return Err(ArchiveError::UnfinishedStream {
                member: expected.shown(),
                expected: expected.compressed_size,
            });
        }
        if self.produced != expected.size {
            return Err(ArchiveError::TooLittleData {
                member: expected.shown(),
                expected: expected.size,
                found: self.produced,
            });
        }
        let found = self.crc.clone().finalize();
        if found != expected.crc32 {
            return Err(ArchiveError::Crc { member: expected.shown(), expected: expected.crc32, found });
        }
        Ok(Decoded { size: self.produced, crc32: found })
    }

    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, ArchiveError> {
        if self.stream_ended {
            return Ok(Step { consumed: 0, produced: 0 });
        }
        let (step, has_ended) =
            self.stream.decompress(input, output).map_err(|source| ArchiveError::Inflate {
                member: self.expected.shown(),
                method: self.expected.method.stream_name(),
                offset: self.stream.consumed(),
                source,
            })?;
        self.stream_ended = has_ended;
        Ok(step)
    }

    /// Lets the stream end where all declared bytes are there already, or the caller gave no room.
    fn probe(&mut self, input: &[u8]) -> Result<Step, ArchiveError> {
        if self.produced < self.expected.size {
            return Ok(Step { consumed: 0, produced: 0 });
        }
        let step = self.decompress(input, &mut [0])?;
        if step.produced > 0 {
            return Err(ArchiveError::TooMuchData {
                member: self.expected.shown(),
                expected: self.expected.size,
            });
        }
        Ok(step)
    }

    /// The ratio is that of all its compressed bytes, which are there and no other member's (`layout`): a file that
    /// begins with empty columns and ends with full ones is no bomb.
    fn check_progress(&self) -> Result<(), ArchiveError> {
        self.limits.check_member(&self.expected.name, self.produced, self.expected.compressed_size)?;
        let is_exact = matches!(self.expected.method, Method::Deflated | Method::Bzip2);
        if is_exact && self.stream_ended && self.consumed < self.expected.compressed_size {
            return Err(self.trailing_data(0));
        }
        Ok(())
    }

    fn trailing_data(&self, beyond: u64) -> ArchiveError {
        ArchiveError::TrailingData {
            member: self.expected.shown(),
            expected: self.expected.compressed_size.saturating_add(beyond),
            found: self.consumed,
        }
    }
}

impl Expected {
    fn of(member: &Member) -> Self {
        Self {
            name: member.name().to_owned(),
            method: member.method(),
            crc32: member.crc32(),
            compressed_size: member.compressed_size(),
            size: member.size(),
        }
    }

    fn shown(&self) -> String {
        shown(&self.name)
    }
}

fn copy(input: &[u8], output: &mut [u8]) -> Step {
    let count = input.len().min(output.len());
    if let (Some(from), Some(to)) = (input.get(..count), output.get_mut(..count)) {
        to.copy_from_slice(from);
    }
    Step { consumed: count, produced: count }
}

/// `length`, or `limit` if that is less.
fn at_most(length: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(length, |limit| length.min(limit))
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
