//! Content in blocks of one size: an encoder may make other bytes of the same content if it comes in other pieces, and
//! how it comes is the network's doing.

use landfall::Result;
use landfall::rows::RowCount;

use super::encoder::{ContentDigest, ContentEncoder};
use crate::parts::{Parts, STEP_BYTES};

/// An encoder that takes blocks of [`STEP_BYTES`], of which only the last may be shorter.
pub(super) trait BlockEncoder: Send {
    /// Takes the next block.
    fn encode(&mut self, block: &[u8], parts: &mut Parts) -> Result<()>;

    /// Ends the object, whose content was this.
    fn finish(&mut self, content: ContentDigest, parts: &mut Parts) -> Result<()>;
}

/// Gathers pieces to blocks.
pub(super) struct InBlocks<E> {
    encoder: E,
    block: Vec<u8>,
}

impl<E> InBlocks<E> {
    pub(super) fn of(encoder: E) -> Self {
        Self { encoder, block: Vec::new() }
    }
}

impl<E: BlockEncoder> ContentEncoder for InBlocks<E> {
    fn encode(&mut self, mut content: &[u8], parts: &mut Parts) -> Result<()> {
        while !content.is_empty() {
            let missing = STEP_BYTES - self.block.len();
            let (fits, others) = content.split_at(content.len().min(missing));
            content = others;
            if fits.len() == STEP_BYTES {
                self.encoder.encode(fits, parts)?;
                continue;
            }
            self.block.extend_from_slice(fits);
            if self.block.len() == STEP_BYTES {
                self.encoder.encode(&self.block, parts)?;
                self.block.clear();
            }
        }
        Ok(())
    }

    fn finish(&mut self, content: ContentDigest, _: Option<&RowCount>, parts: &mut Parts) -> Result<()> {
        if !self.block.is_empty() {
            self.encoder.encode(&self.block, parts)?;
        }
        self.encoder.finish(content, parts)
    }
}
