//! `raw`: content lands as it is.

use landfall::{Error, Result};
use landfall_zip::MemberDecoder;

use super::encoder::{ContentEncoder, MemberEncoder};
use crate::content::Content;
use crate::parts::Parts;
use crate::refusal::refused;

/// A compressed member, decompressed straight into the part that is uploaded next.
pub(super) struct Inflated;

impl MemberEncoder for Inflated {
    fn take(
        &mut self,
        mut piece: &[u8],
        decoder: &mut MemberDecoder,
        content: &mut Content,
        parts: &mut Parts,
    ) -> Result<()> {
        loop {
            let room = parts.room();
            let room_bytes = room.len();
            let step = decoder.decode(piece, room).map_err(refused)?;
            piece = piece.get(step.consumed..).unwrap_or_default();
            content.inspect(parts.filled(step.produced))?;
            parts.hand_on_full()?;
            let is_idle = step.consumed == 0 && step.produced == 0;
            if is_idle && !piece.is_empty() {
                let ended = decoder.finish().map_err(refused).err();
                return Err(
                    ended.unwrap_or_else(|| Error::integrity("there are bytes behind the member's data"))
                );
            }
            let has_more = !piece.is_empty() || (step.produced == room_bytes && !is_idle);
            if !has_more {
                return Ok(());
            }
        }
    }
}

/// Content, as it is.
pub(super) struct Unchanged;

impl ContentEncoder for Unchanged {
    fn encode(&mut self, content: &[u8], parts: &mut Parts) -> Result<()> {
        parts.write(content)
    }
}
