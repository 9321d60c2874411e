//! The decompressors behind one face: bytes in, bytes out, and whether the stream has ended.

use deflate64::InflaterManaged;
use flate2::{Decompress, FlushDecompress, Status};

use super::member::Method;

/// What one call of [`MemberDecoder::decode`](crate::MemberDecoder::decode) moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes taken from the input.
    pub consumed: usize,
    /// Bytes written to the output.
    pub produced: usize,
}

/// Why bytes are no stream of their method.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What deflate64 says: no more.
#[derive(Debug, thiserror::Error)]
#[error("deflate64: invalid data")]
struct InvalidDeflate64;

/// What bzip2 says where there is no memory.
#[derive(Debug, thiserror::Error)]
#[error("bzip2: no memory for a block")]
struct NoMemory;

/// What decompresses one member after the other.
pub(super) struct Decompressor {
    inflate: Decompress,
    other: Option<Other>,
}

/// What decompresses a member of the methods that are rare: made for it alone.
enum Other {
    Deflate64 { inflater: Box<InflaterManaged>, consumed: u64 },
    Bzip2(bzip2::Decompress),
}

impl Other {
    fn of(method: Method) -> Option<Self> {
        match method {
            Method::Stored | Method::Deflated => None,
            Method::Deflate64 => {
                Some(Self::Deflate64 { inflater: Box::new(InflaterManaged::new()), consumed: 0 })
            }
            Method::Bzip2 => Some(Self::Bzip2(bzip2::Decompress::new(false))),
        }
    }
}

impl Decompressor {
    pub(super) fn new(method: Method) -> Self {
        Self { inflate: Decompress::new(false), other: Other::of(method) }
    }

    /// Turns to another member, however far the last one came.
    pub(super) fn restart(&mut self, method: Method) {
        self.inflate.reset(false);
        self.other = Other::of(method);
    }

    /// Bytes that were taken of the stream.
    pub(super) fn consumed(&self) -> u64 {
        match &self.other {
            None => self.inflate.total_in(),
            Some(Other::Deflate64 { consumed, .. }) => *consumed,
            Some(Other::Bzip2(decompress)) => decompress.total_in(),
        }
    }

    /// Decompresses from `input` into `output`, until one of them or the stream ends; whether the stream has.
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Fault> {
        match &mut self.other {
            None => inflate(&mut self.inflate, input, output),
            Some(Other::Deflate64 { inflater, consumed }) => {
                let (step, has_ended) = inflate64(inflater, input, output)?;
                *consumed = consumed.saturating_add(u64::try_from(step.consumed).unwrap_or(u64::MAX));
                Ok((step, has_ended))
            }
            Some(Other::Bzip2(decompress)) => bunzip2(decompress, input, output),
        }
    }
}

fn inflate(inflate: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Fault> {
    let before = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None)?;
    let step = Step::between(before, (inflate.total_in(), inflate.total_out()));
    Ok((step, status == Status::StreamEnd))
}

fn inflate64(inflater: &mut InflaterManaged, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Fault> {
    let result = inflater.inflate(input, output);
    if result.data_error {
        return Err(InvalidDeflate64.into());
    }
    let step = Step { consumed: result.bytes_consumed, produced: result.bytes_written };
    Ok((step, inflater.finished()))
}

fn bunzip2(
    decompress: &mut bzip2::Decompress,
    input: &[u8],
    output: &mut [u8],
) -> Result<(Step, bool), Fault> {
    let before = (decompress.total_in(), decompress.total_out());
    let status = decompress.decompress(input, output)?;
    let step = Step::between(before, (decompress.total_in(), decompress.total_out()));
    match status {
        bzip2::Status::MemNeeded => Err(NoMemory.into()),
        status => Ok((step, status == bzip2::Status::StreamEnd)),
    }
}

impl Step {
    fn between(before: (u64, u64), after: (u64, u64)) -> Self {
        let narrow = |after: u64, before| usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
        Self { consumed: narrow(after.0, before.0), produced: narrow(after.1, before.1) }
    }
}
