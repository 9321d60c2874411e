//! The landed forms: what becomes of a member's data on its way into the parts of an object. One module a form.
//!
//! A form either takes the data as the archive keeps it ([`Form`]: `raw`, and `gzip` of what is deflated already), or
//! only the content ([`Encode`]: everything else, and files that are no archives). A further form is one more
//! [`Encode`].
//!
//! The bytes depend on the content alone, never on the pieces that it came in.

mod blocks;
mod gzip;
mod raw;
mod zstd;

use landfall::archive::{ArchiveError, Member, MemberDecoder, Method};
use landfall::form::{JobForm, LandedForm};
use landfall::store::LEAST_PART_BYTES;
use landfall::{Error, Result};

use crate::archive::refusal;
use crate::content::Content;
use crate::parts::{Parts, Splice};

/// Makes an object of a member's data as the archive keeps it, while the decoder holds that against the directory.
pub(crate) trait Form: Send {
    /// Takes the next bytes of the data.
    fn take(
        &mut self,
        piece: &[u8],
        decoder: &mut MemberDecoder,
        content: &mut Content,
        parts: &mut Parts,
    ) -> Result<()>;

    /// Ends the object, whose content is known to be this.
    fn finish(&mut self, content: Ended, parts: &mut Parts) -> Result<()>;
}

/// Makes an object of content.
pub(crate) trait Encode: Send {
    /// Takes the next bytes of the content.
    fn encode(&mut self, content: &[u8], parts: &mut Parts) -> Result<()>;

    /// Ends the object, whose content was this.
    fn finish(&mut self, content: Ended, parts: &mut Parts) -> Result<()>;
}

/// All of an object's content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Its size in bytes.
    pub size: u64,
    /// Its CRC-32.
    pub crc32: u32,
}

/// What a member becomes in a form.
pub(crate) fn of_member(form: JobForm, member: &Member) -> Result<Box<dyn Form>> {
    match (form, member.method()) {
        (JobForm::Raw, Method::Deflated) => Ok(Box::new(raw::Inflated)),
        (JobForm::Raw, Method::Stored) => Ok(Box::new(raw::Kept)),
        (JobForm::Gzip, Method::Deflated) => Ok(Box::new(gzip::Reframed::default())),
        (JobForm::Gzip, Method::Stored) | (JobForm::Zstd { .. }, _) => {
            Ok(Box::new(Decoded(of_content(form, member.size())?)))
        }
    }
}

/// What content of a known size becomes in a form that is not `raw`.
pub(crate) fn of_content(form: JobForm, size: u64) -> Result<Box<dyn Encode>> {
    match form {
        JobForm::Raw => Ok(Box::new(raw::AsItIs)),
        JobForm::Gzip => Ok(Box::new(blocks::InBlocks::of(gzip::Deflate::new()))),
        JobForm::Zstd { level } => Ok(Box::new(blocks::InBlocks::of(zstd::Frame::new(level, size)?))),
    }
}

/// The most bytes that a member can become in a form.
pub(crate) fn most_bytes_of_member(form: JobForm, member: &Member) -> u64 {
    match (form, member.method()) {
        (JobForm::Gzip, Method::Deflated) => gzip::framed_bytes(member.compressed_size()),
        _ => most_bytes(form, member.size()),
    }
}

/// The most bytes that content of a size can become in a form.
pub(crate) fn most_bytes(form: JobForm, size: u64) -> u64 {
    match form {
        JobForm::Raw => size,
        JobForm::Gzip => gzip::most_bytes(size),
        JobForm::Zstd { .. } => zstd::most_bytes(size),
    }
}

/// What is told of an object in a form: the form and its content's size, where it is not the content itself.
pub(crate) fn told(form: JobForm, content_bytes: u64) -> (Option<LandedForm>, Option<u64>) {
    match form.name() {
        LandedForm::Raw => (None, None),
        name => (Some(name), Some(content_bytes)),
    }
}

/// What of a member's data the store can copy by itself, as it lands as the archive keeps it: all of it, or all but
/// the first part, which begins with a frame's header.
pub(crate) fn splice(form: JobForm, member: &Member) -> Option<Splice> {
    let header_bytes = match (form, member.method()) {
        (JobForm::Raw, Method::Stored) => 0,
        (JobForm::Gzip, Method::Deflated) => gzip::HEADER.len(),
        _ => return None,
    };
    let before = if header_bytes == 0 { 0 } else { LEAST_PART_BYTES };
    let uploaded = u64::try_from(before - header_bytes).ok()?;
    let data = member.data_range();
    let copied = data.start.checked_add(uploaded)?..data.end;
    let bytes = usize::try_from(copied.end.checked_sub(copied.start)?).unwrap_or(usize::MAX);
    (bytes >= LEAST_PART_BYTES).then_some(Splice { before, copied })
}

/// Encodes what the decoder gives.
struct Decoded(Box<dyn Encode>);

impl Form for Decoded {
    fn take(
        &mut self,
        piece: &[u8],
        decoder: &mut MemberDecoder,
        content: &mut Content,
        parts: &mut Parts,
    ) -> Result<()> {
        each_step(decoder, piece, |bytes| {
            content.look_at(bytes)?;
            self.0.encode(bytes, parts)
        })
    }

    fn finish(&mut self, content: Ended, parts: &mut Parts) -> Result<()> {
        self.0.finish(content, parts)
    }
}

/// Decodes a piece and shows what it holds, in steps that stay in the cache.
fn each_step(
    decoder: &mut MemberDecoder,
    piece: &[u8],
    mut look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    decoder.push(piece, |bytes| look(bytes).map_err(Stopped)).map_err(|Stopped(error)| error)
}

/// Why the decoder stopped, under its stable name.
struct Stopped(Error);

impl From<ArchiveError> for Stopped {
    fn from(error: ArchiveError) -> Self {
        Self(refusal(error))
    }
}

#[cfg(test)]
mod tests;
