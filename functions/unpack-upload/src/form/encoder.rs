//! What a form implements: how a member's data, or content, becomes the parts of an object.

use landfall::rows::RowCount;
use landfall::{Error, Result};
use landfall_zip::{ArchiveError, MemberDecoder};

use crate::content::Content;
use crate::parts::Parts;
use crate::refusal::refused;

/// Makes an object of a member's data as the archive keeps it, while the decoder holds that against the directory.
pub(crate) trait MemberEncoder: Send {
    /// Takes the next bytes of the data.
    fn take(
        &mut self,
        piece: &[u8],
        decoder: &mut MemberDecoder,
        content: &mut Content,
        parts: &mut Parts,
    ) -> Result<()>;

    /// Whether the content is not what it was expected to be, and the object is none.
    fn has_misfit(&self) -> bool {
        false
    }

    /// Ends the object, whose content is known to be this, and to have had these rows.
    fn finish(
        &mut self,
        _content: ContentDigest,
        _rows: Option<&RowCount>,
        _parts: &mut Parts,
    ) -> Result<()> {
        Ok(())
    }
}

/// Makes an object of content.
pub(crate) trait ContentEncoder: Send {
    /// Takes the next bytes of the content.
    fn encode(&mut self, content: &[u8], parts: &mut Parts) -> Result<()>;

    /// Whether the content is not what it was expected to be, and the object is none.
    fn has_misfit(&self) -> bool {
        false
    }

    /// Ends the object, whose content was this, and had these rows.
    fn finish(
        &mut self,
        _content: ContentDigest,
        _rows: Option<&RowCount>,
        _parts: &mut Parts,
    ) -> Result<()> {
        Ok(())
    }
}

/// What all of an object's content was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContentDigest {
    /// Its size in bytes.
    pub size: u64,
    /// Its CRC-32.
    pub crc32: u32,
}

/// Decodes the data and encodes its content.
pub(super) struct Recoded(pub Box<dyn ContentEncoder>);

impl MemberEncoder for Recoded {
    fn take(
        &mut self,
        piece: &[u8],
        decoder: &mut MemberDecoder,
        content: &mut Content,
        parts: &mut Parts,
    ) -> Result<()> {
        decode(decoder, piece, |bytes| {
            content.inspect(bytes)?;
            self.0.encode(bytes, parts)
        })
    }

    fn has_misfit(&self) -> bool {
        self.0.has_misfit()
    }

    fn finish(&mut self, content: ContentDigest, rows: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        self.0.finish(content, rows, parts)
    }
}

/// Decodes a piece and hands on what it holds, in steps that stay in the cache.
pub(crate) fn decode(
    decoder: &mut MemberDecoder,
    piece: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    decoder.push(piece, |bytes| take(bytes).map_err(Stopped)).map_err(|Stopped(error)| error)
}

/// Why the decoder stopped, under its stable name.
struct Stopped(Error);

impl From<ArchiveError> for Stopped {
    fn from(reason: ArchiveError) -> Self {
        Self(refused(reason))
    }
}
