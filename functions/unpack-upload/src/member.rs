//! One member of an archive: ranged read, checks, landed form, upload.
//!
//! Its data is decoded whatever the form, and its object becomes visible only once size and CRC-32 hold. Where source
//! and destination are one store, data that lands as the archive keeps it is copied inside the store while it is read
//! and checked here: only the edges travel up.

use std::time::Duration;

use landfall::Result;
use landfall::archive::{Member, MemberDecoder};
use landfall::job::LandedObject;
use landfall::store::ObjectWriter;

use crate::Unpack;
use crate::archive::refusal;
use crate::content::Content;
use crate::form::{self, Ended, Form};
use crate::parts::{Parts, Splice};
use crate::pipe::{self, Flow, Pieces, Worked};
use crate::staged::StagedObject;

/// What is left of the invocation when no member is begun any more, and one under way is left to the next.
pub(crate) const MARGIN: Duration = Duration::from_secs(10);

/// The key that a member lands under.
pub(crate) fn key(unpack: &Unpack<'_>, member: &Member) -> String {
    let suffix = unpack.job.form.name().suffix();
    format!("{}{}{suffix}", unpack.folder(), member.name())
}

/// Lands a member; `None` if the deadline came first.
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
    if unpack.deadline.is_within(MARGIN) {
        return Ok(None);
    }
    let key = key(unpack, member);
    let form = unpack.job.form;
    let most_bytes = form::most_bytes_of_member(form, member);
    let mut writer =
        ObjectWriter::new(&unpack.landing.store, &key, unpack.context.budget(), Some(most_bytes));
    let decode = Decode {
        form: form::of_member(form, member)?,
        decoder: MemberDecoder::new(member, &unpack.landing.destination.limits),
        content: Content::named(unpack, member.name()),
    };
    let flow = Flow { object, range: member.data_range(), most_bytes, splice };
    let piping = pipe::run(unpack, flow, &mut writer, |pieces, parts| decode.run(pieces, parts));
    let decoded = tokio::select! {
        decoded = Box::pin(piping) => decoded,
        () = unpack.deadline.wait_until_within(MARGIN) => {
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

/// What makes the object, on a thread of its own.
struct Decode {
    form: Box<dyn Form>,
    decoder: MemberDecoder,
    content: Content,
}

impl Decode {
    fn run(mut self, mut pieces: Pieces, mut parts: Parts) -> Result<Worked> {
        while let Some(piece) = pieces.next() {
            self.form.take(&piece, &mut self.decoder, &mut self.content, &mut parts)?;
        }
        let decoded = self.decoder.finish().map_err(|error| refusal(&error))?;
        let content = Ended { size: decoded.size, crc32: decoded.crc32 };
        self.form.finish(content, &mut parts)?;
        Ok(Worked { content, made: parts.finish()?, rows: self.content.rows()? })
    }
}
