//! Small neighbouring members: one ranged read over all of them, one thread that decodes them one after the other,
//! and their puts, many at once.

use std::ops::Range;

use futures::{StreamExt as _, stream};
use landfall::archive::{Limits, Member, MemberDecoder};
use landfall::job::LandedObject;
use landfall::store::{ByteBudget, ObjectWriter, PartBuffer, Store};
use landfall::{Error, Result};
use tokio::sync::mpsc;

use crate::Unpack;
use crate::form;
use crate::lots::{Ended, named};
use crate::member::{self, Decode};
use crate::parts::{Outgoing, Parts};
use crate::pipe::{self, PIECES_AHEAD, Pieces, Worked};
use crate::staged::StagedObject;

/// How many puts of one batch are on their way at once. A put takes the store some ten milliseconds, most of which are
/// waiting.
const PUTS_AT_ONCE: usize = 16;

/// Lands neighbours, whose data is within a range of the staged object, in the order of their data.
pub(crate) async fn land<'a>(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    range: Range<u64>,
    members: &[&'a Member],
) -> Ended<'a> {
    let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
    let (made, decoded) = mpsc::channel(1);
    let staged = Pieces::new(coming, range.start);
    let decoding = Decoding::of(unpack, members);
    let working = tokio::task::spawn_blocking(move || decoding.run(staged, &made));
    let (read, mut ended, worked) =
        tokio::join!(pipe::read(object, range, pieces), put_all(unpack, members, decoded), working);
    // What was not read cannot be decoded: that it could not be read is what is wrong.
    let panicked = worked.err().map(|panicked| Error::integrity("the decoder broke").because(panicked));
    ended.error = read.err().or(ended.error).or(panicked);
    ended
}

/// Puts what has been decoded. After a failure nothing more is begun, and what is on its way arrives.
async fn put_all<'a>(unpack: &Unpack<'_>, members: &[&'a Member], mut decoded: Decoded) -> Ended<'a> {
    let halt = unpack.halt.child_token();
    let mut ended = Ended { landed: Vec::with_capacity(members.len()), error: None };
    let coming =
        stream::poll_fn(|context| decoded.poll_recv(context)).zip(stream::iter(members.iter().copied()));
    let mut putting = coming
        .take_until(Box::pin(unpack.over(&halt)))
        .map(|(made, member)| async move { (member, Box::pin(put(unpack, member, made)).await) })
        .buffer_unordered(PUTS_AT_ONCE);
    while let Some((member, landed)) = putting.next().await {
        match landed {
            Ok(object) => ended.landed.push((member, object)),
            Err(error) => {
                halt.cancel();
                ended.error.get_or_insert(named(member, error));
            }
        }
    }
    ended
}

async fn put(unpack: &Unpack<'_>, member: &Member, made: Result<Whole>) -> Result<LandedObject> {
    let Whole { worked, bytes } = made?;
    let (key, form) = (member::key(unpack, member), unpack.job.form);
    let most_bytes = form::most_bytes_of_member(form, member);
    let mut writer =
        ObjectWriter::new(&unpack.landing.store, &key, unpack.context.budget(), Some(most_bytes));
    if let Some(bytes) = bytes {
        writer.write_part(bytes).await?;
    }
    worked.land(unpack, writer, key, form, Some(member)).await
}

/// A member as it lands: an empty one has no bytes.
struct Whole {
    worked: Worked,
    bytes: Option<PartBuffer>,
}

/// Members as they are decoded, in their order, up to the first that cannot be.
type Decoded = mpsc::Receiver<Result<Whole>>;

/// What decodes the members, on a thread of its own.
struct Decoding {
    members: Vec<Decode>,
    limits: Limits,
    landing: Store,
    budget: ByteBudget,
    with_sha256: bool,
}

impl Decoding {
    fn of(unpack: &Unpack<'_>, members: &[&Member]) -> Self {
        let destination = &unpack.landing.destination;
        Self {
            members: members.iter().map(|member| Decode::of(unpack, member)).collect(),
            limits: destination.limits.clone(),
            landing: unpack.landing.store.clone(),
            budget: unpack.context.budget().clone(),
            with_sha256: destination.sha256,
        }
    }

    fn run(mut self, mut pieces: Pieces, made: &mpsc::Sender<Result<Whole>>) {
        let mut decoder = None;
        for decode in std::mem::take(&mut self.members) {
            let decoder = decoder.get_or_insert_with(|| decode.decoder(&self.limits));
            let whole = self.decode(decode, decoder, &mut pieces);
            let goes_on = whole.is_ok();
            if made.blocking_send(whole).is_err() || !goes_on {
                break;
            }
        }
    }

    fn decode(&self, decode: Decode, decoder: &mut MemberDecoder, pieces: &mut Pieces) -> Result<Whole> {
        let (outgoing, mut made) = mpsc::channel(1);
        let part_bytes = self.landing.part_bytes(Some(decode.most_bytes()));
        let parts = Parts::new(outgoing, &self.budget, part_bytes, None, self.with_sha256);
        let worked = decode.run(decoder, pieces, parts)?;
        match made.try_recv() {
            Ok(Outgoing::Part(bytes)) => Ok(Whole { worked, bytes: Some(bytes) }),
            Ok(Outgoing::Copied(_)) | Err(_) => Ok(Whole { worked, bytes: None }),
        }
    }
}
