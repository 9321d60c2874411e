//! One member of an archive: ranged read, checks, landed form, upload.
//!
//! Its data is decoded whatever the form, and its object becomes visible only once size and CRC-32 hold. Where source
//! and destination are one store, data that lands as the archive keeps it is copied inside the store while it is read
//! and checked here: only the edges travel up.

use landfall::Result;
use landfall::archive::{Limits, Member, MemberDecoder};
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::store::ObjectWriter;

use crate::Unpack;
use crate::archive::refusal;
use crate::content::Content;
use crate::form::{self, Ended};
use crate::parts::{Parts, Splice};
use crate::pipe::{self, Flow, Pieces, Worked};
use crate::staged::StagedObject;

/// The key that a member lands under.
pub(crate) fn key(unpack: &Unpack<'_>, member: &Member) -> String {
    let suffix = unpack.job.form.name().suffix();
    format!("{}{}{suffix}", unpack.folder(), member.name())
}

/// Lands a member; `None` if the invocation was over first.
pub(crate) async fn land(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    member: &Member,
) -> Result<Option<LandedObject>> {
    let landing = &unpack.landing.store;
    let is_one_store = landing.is_one_store_with(object.store()) && landing.copies_ranges();
    let splice = form::splice(unpack.job.form, member).filter(|_| is_one_store);
    let is_spliced = splice.is_some();
    match land_by(unpack, object, member, splice).await {
        // It was not known before that this store does not copy ranges.
        Err(_) if is_spliced && !landing.copies_ranges() => land_by(unpack, object, member, None).await,
        landed => landed,
    }
}

async fn land_by(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    member: &Member,
    splice: Option<Splice>,
) -> Result<Option<LandedObject>> {
    if unpack.is_over() {
        return Ok(None);
    }
    let key = key(unpack, member);
    let form = unpack.job.form;
    let most_bytes = form::most_bytes_of_member(form, member);
    let mut writer =
        ObjectWriter::new(&unpack.landing.store, &key, unpack.context.budget(), Some(most_bytes));
    let decode = Decode::of(unpack, member);
    let mut decoder = decode.decoder(&unpack.landing.destination.limits);
    let flow = Flow { object, range: member.data_range(), most_bytes, splice };
    let piping = pipe::run(unpack, flow, &mut writer, move |mut pieces, parts| {
        decode.run(&mut decoder, &mut pieces, parts)
    });
    let decoded = tokio::select! {
        decoded = Box::pin(piping) => decoded,
        () = unpack.over(&unpack.halt) => {
            writer.abandon().await;
            return Ok(None);
        }
    };
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => {
            writer.abandon().await;
            return Err(error);
        }
    };
    decoded.land(unpack, writer, key, form, Some(member)).await.map(Some)
}

/// What makes a member's object, on a thread that may block.
pub(crate) struct Decode {
    member: Member,
    form: JobForm,
    content: Content,
}

impl Decode {
    pub(crate) fn of(unpack: &Unpack<'_>, member: &Member) -> Self {
        Self { member: member.clone(), form: unpack.job.form, content: Content::named(unpack, member.name()) }
    }

    /// A decoder that it can run with.
    pub(crate) fn decoder(&self, limits: &Limits) -> MemberDecoder {
        MemberDecoder::new(&self.member, limits)
    }

    /// The most bytes that the object can have.
    pub(crate) fn most_bytes(&self) -> u64 {
        form::most_bytes_of_member(self.form, &self.member)
    }

    /// Makes parts of what the archive has of the member. The pieces may begin before that and go on behind it.
    pub(crate) fn run(
        mut self,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
        mut parts: Parts,
    ) -> Result<Worked> {
        decoder.restart(&self.member);
        let mut form = form::of_member(self.form, &self.member)?;
        let data = self.member.data_range();
        pieces.skip_to(data.start);
        while let Some(piece) = pieces.next_before(data.end) {
            form.take(&piece, decoder, &mut self.content, &mut parts)?;
        }
        let decoded = decoder.finish().map_err(refusal)?;
        let content = Ended { size: decoded.size, crc32: decoded.crc32 };
        form.finish(content, &mut parts)?;
        Ok(Worked { content, made: parts.finish()?, rows: self.content.rows()? })
    }
}
