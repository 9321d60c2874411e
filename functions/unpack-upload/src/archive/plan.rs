//! What one member becomes, where, and by what: decided once, before any of it is read.

use landfall::archive::{Limits, Member, MemberDecoder};
use landfall::form::JobForm;
use landfall::{Error, Result};

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
}

impl<'a> MemberPlan<'a> {
    /// Plans how a member lands in the job's form.
    pub(crate) fn of(task: &Task<'_>, member: &'a Member) -> Self {
        let landing = &task.landing.store;
        let may_copy = landing.is_one_store_with(task.staged.store()) && landing.copies_ranges();
        Self {
            member,
            key: task.member_key(member.name()),
            max_bytes: form::max_member_bytes(task.job.form, member),
            copy_range: form::copy_range(task.job.form, member).filter(|_| may_copy),
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
            form: task.job.form,
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
    content: Content,
    /// The most bytes that the object can have.
    pub max_bytes: u64,
}

impl MemberEncoding {
    /// A decoder that it can run with.
    pub(crate) fn decoder(&self, limits: &Limits) -> MemberDecoder {
        MemberDecoder::new(&self.member, limits)
    }

    /// Makes parts of what the archive has of the member. The pieces may begin before that and go on behind it.
    pub(crate) fn run(
        mut self,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
        mut parts: Parts,
    ) -> Result<EncodedObject> {
        decoder.restart(&self.member);
        let mut encoder = form::member_encoder(self.form, &self.member)?;
        let data = self.member.data_range();
        pieces.skip_to(data.start);
        while let Some(piece) = pieces.next_before(data.end) {
            encoder.take(&piece, decoder, &mut self.content, &mut parts)?;
        }
        let decoded = decoder.finish().map_err(refused)?;
        let content = ContentDigest { size: decoded.size, crc32: decoded.crc32 };
        encoder.finish(content, &mut parts)?;
        Ok(EncodedObject { content, parts: parts.finish()?, rows: self.content.rows()? })
    }
}
