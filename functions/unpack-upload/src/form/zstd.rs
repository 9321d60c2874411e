//! `zstd` (RFC 8878): one frame, with its content's size and checksum.

use landfall::form::ZstdLevel;
use landfall::{Error, Result};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

use super::blocks::BlockEncoder;
use super::encoder::ContentDigest;
use crate::parts::{Parts, STEP_BYTES};

/// The most bytes that content of a size can become: what cannot be compressed is kept in blocks of 128 KiB, each with a
/// header of 3 bytes.
pub(super) fn max_bytes(size: u64) -> u64 {
    size.saturating_add(size / 256).saturating_add(1 << 10)
}

/// Content, compressed.
pub(super) struct Frame {
    encoder: Encoder<'static>,
    output: Vec<u8>,
}

impl Frame {
    /// A frame for content of exactly this size: the header says it, and no more memory is taken than it needs.
    pub(super) fn new(level: ZstdLevel, size: u64) -> Result<Self> {
        let mut encoder = Encoder::new(level.into()).map_err(broke)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true)).map_err(broke)?;
        encoder.set_pledged_src_size(Some(size)).map_err(broke)?;
        Ok(Self { encoder, output: vec![0; STEP_BYTES] })
    }
}

impl BlockEncoder for Frame {
    fn encode(&mut self, block: &[u8], parts: &mut Parts) -> Result<()> {
        let mut input = InBuffer::around(block);
        while input.pos() < block.len() {
            let mut output = OutBuffer::around(self.output.as_mut_slice());
            self.encoder.run(&mut input, &mut output).map_err(broke)?;
            parts.write(output.as_slice())?;
        }
        Ok(())
    }

    fn finish(&mut self, _: ContentDigest, parts: &mut Parts) -> Result<()> {
        loop {
            let mut output = OutBuffer::around(self.output.as_mut_slice());
            let left = self.encoder.finish(&mut output, true).map_err(broke)?;
            parts.write(output.as_slice())?;
            if left == 0 {
                return Ok(());
            }
        }
    }
}

fn broke(error: std::io::Error) -> Error {
    Error::integrity("zstd broke").because(error)
}
