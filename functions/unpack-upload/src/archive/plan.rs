//! What one member becomes, where, and by what: decided once, before any of it is read.

use bytes::Bytes;
use landfall::form::JobForm;
use landfall::{Error, Result};
use landfall_zip::{Kind, Limits, Member, MemberDecoder, sniff};

use super::compressed::NamesTaken;
use crate::content::Content;
use crate::form::{self, ContentDigest};
use crate::parts::{CopyRange, Parts};
use crate::pipeline::{EncodedObject, Pieces};
use crate::refusal::refused;
use crate::task::Task;

/// How a member lands.
pub(crate) struct MemberPlan<'a> {
    /// The member.
    pub member: &'a Member,
    /// The key that it lands under.
    pub key: String,
    /// The most bytes that its object can have.
    pub max_bytes: u64,
    /// Which of those the store itself copies: where source and destination are one store, and it has not shown that
    /// it does not copy ranges.
    pub copy_range: Option<CopyRange>,
    form: JobForm,
    /// Whether it lands as it is, and by another plan, should it be compressed already.
    may_be_compressed: bool,
}

/// So many bytes of a member's data show what its content begins with, in all but odd cases.
const FIRST_BYTES: usize = 512;

/// The longest mark that compressed content begins with: that of an archive's segment, and a header's behind it.
const MARK_BYTES: usize = 8;

impl<'a> MemberPlan<'a> {
    /// Plans how a member lands in the job's form.
    pub(crate) fn of(task: &Task<'_>, taken: &NamesTaken, member: &'a Member) -> Self {
        let form = task.job.form;
        Self {
            may_be_compressed: !form.is_raw() && !taken.has(member),
            ..Self::in_form(task, member, form, task.member_key(member.name()))
        }
    }

    /// Plans how the member lands as it is.
    pub(crate) fn as_it_is(&self, task: &Task<'_>) -> Self {
        Self::in_form(task, self.member, JobForm::Raw, task.member_key_as_it_is(self.member.name()))
    }

    fn in_form(task: &Task<'_>, member: &'a Member, form: JobForm, key: String) -> Self {
        let landing = &task.landing.store;
        let may_copy = landing.is_one_store_with(task.staged.store()) && landing.copies_ranges();
        Self {
            member,
            key,
            max_bytes: form::max_member_bytes(form, member),
            copy_range: form::copy_range(form, member).filter(|_| may_copy),
            form,
            may_be_compressed: false,
        }
    }

    /// The same member, uploaded as a whole.
    pub(crate) fn without_copying(&self) -> Self {
        Self { key: self.key.clone(), copy_range: None, ..*self }
    }

    /// An error about the member.
    pub(crate) fn failed(&self, error: Error) -> Error {
        error.while_doing(format_args!("member {:?}", self.member.name()))
    }

    /// What makes its object.
    pub(crate) fn encoding(&self, task: &Task<'_>) -> MemberEncoding {
        MemberEncoding {
            member: self.member.clone(),
            form: self.form,
            may_be_compressed: self.may_be_compressed,
            content: Content::named(task, self.member.name()),
            max_bytes: self.max_bytes,
        }
    }
}

/// What makes a member's object, on a thread that may block. Its data is decoded whatever the form, so that its size
/// and CRC-32 are known to hold.
pub(crate) struct MemberEncoding {
    member: Member,
    form: JobForm,
    may_be_compressed: bool,
    content: Content,
    /// The most bytes that the object can have.
    pub max_bytes: u64,
}

impl MemberEncoding {
    /// A decoder that it can run with.
    pub(crate) fn decoder(&self, limits: &Limits) -> MemberDecoder {
        MemberDecoder::new(&self.member, limits)
    }

    /// Makes parts of what the archive has of the member; `None` where it is compressed already, and is to land as it is.
    /// The pieces may begin before that and go on behind it.
    pub(crate) fn run(
        mut self,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
        mut parts: Parts,
    ) -> Result<Option<EncodedObject>> {
        decoder.restart(&self.member);
        let data = self.member.data_range();
        pieces.skip_to(data.start);
        let mut first_pieces = Vec::new();
        if self.may_be_compressed {
            if is_compressed(decoder, pieces, data.end, &mut first_pieces) {
                return Ok(None);
            }
            decoder.restart(&self.member);
        }
        let mut encoder = form::member_encoder(self.form, &self.member)?;
        let mut first_pieces = first_pieces.into_iter();
        while let Some(piece) = first_pieces.next().or_else(|| pieces.next_before(data.end)) {
            encoder.take(&piece, decoder, &mut self.content, &mut parts)?;
        }
        let decoded = decoder.finish().map_err(refused)?;
        let content = ContentDigest { size: decoded.size, crc32: decoded.crc32 };
        encoder.finish(content, &mut parts)?;
        let (rows, reported) = self.content.finish()?;
        Ok(Some(EncodedObject { form: self.form, content, parts: parts.finish()?, rows, reported }))
    }
}

/// Whether the content of the member that the decoder is at begins as compressed content does. The pieces that show it
/// are kept. What cannot be decoded is not compressed content: what is wrong with it, decoding all of it will say.
fn is_compressed(
    decoder: &mut MemberDecoder,
    pieces: &mut Pieces,
    end: u64,
    first_pieces: &mut Vec<Bytes>,
) -> bool {
    let mut beginning = Vec::new();
    while let Some(piece) = pieces.next_before(end) {
        first_pieces.push(piece.clone());
        for part in piece.chunks(FIRST_BYTES) {
            let mut room = [0; 64];
            let Ok(step) = decoder.decode(part, &mut room) else { return false };
            beginning.extend_from_slice(room.get(..step.produced).unwrap_or_default());
            if beginning.len() >= MARK_BYTES {
                return is_marked(&beginning);
            }
        }
    }
    is_marked(&beginning)
}

/// Whether content that begins so is compressed: as a whole, or inside, as an archive is and a document of that form.
fn is_marked(beginning: &[u8]) -> bool {
    matches!(sniff(beginning), Kind::Gzip | Kind::Zstd | Kind::Zip | Kind::EmptyZip)
}
