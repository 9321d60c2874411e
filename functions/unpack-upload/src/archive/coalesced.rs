//! Small neighbouring members: one ranged read over all of them, one thread that decodes them one after the other,
//! and their puts, many at once.

use std::ops::Range;

use futures::{StreamExt as _, stream};
use landfall::job::LandedObject;
use landfall::{Error, Result};
use landfall_store::{ByteBudget, PartBuffer, Store};
use landfall_zip::{Limits, Member, MemberDecoder};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::compressed::NamesTaken;
use super::member;
use super::outcome::UnitOutcome;
use super::plan::{MemberEncoding, MemberPlan};
use crate::invocation::StopSignal;
use crate::parts::{Outgoing, Parts};
use crate::pipeline::{self, EncodedObject, PIECES_AHEAD, Pieces};
use crate::task::Task;

/// How many puts of one read are on their way at once. A put takes the store some ten milliseconds, most of which are
/// waiting.
const PUTS_AT_ONCE: usize = 16;

/// Lands neighbours, whose data is within a range of the staged object, in the order of their data.
pub(crate) async fn land<'a>(
    task: &Task<'_>,
    taken: &NamesTaken,
    range: Range<u64>,
    members: &[&'a Member],
    stop: &StopSignal<'_>,
) -> UnitOutcome<'a> {
    let plans: Vec<MemberPlan<'a>> =
        members.iter().map(|member| MemberPlan::of(task, taken, member)).collect();
    let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
    let (encoded, arriving) = mpsc::channel(1);
    let given_up = CancellationToken::new();
    let _with_this = given_up.clone().drop_guard();
    let coming = Pieces::new(coming, range.start, given_up.clone());
    let encoding = Encoding::of(task, &plans);
    let encoding = tokio::task::spawn_blocking(move || encoding.run(coming, &encoded));
    let reading = async {
        tokio::select! {
            biased;
            read = pipeline::read(&task.staged, range, pieces) => read.map(|()| true),
            () = stop.arrival() => {
                given_up.cancel();
                Ok(false)
            }
        }
    };
    let (read, mut outcome, ended) = tokio::join!(reading, put_all(task, plans, arriving, stop), encoding);
    if matches!(read, Ok(false)) {
        // What comes next looked cut to the decoder: nothing is wrong with it.
        outcome.error = None;
        return outcome;
    }
    // What was not read cannot be decoded: that it could not be read is what is wrong.
    let panicked = ended.err().map(|panicked| Error::integrity("the decoder broke").because(panicked));
    outcome.error = read.err().or(outcome.error).or(panicked);
    outcome
}

/// Puts what has been encoded. After a failure nothing more is begun, and what is on its way arrives.
async fn put_all<'a>(
    task: &Task<'_>,
    plans: Vec<MemberPlan<'a>>,
    mut arriving: mpsc::Receiver<Result<Option<Encoded>>>,
    stop: &StopSignal<'_>,
) -> UnitOutcome<'a> {
    let stop = &stop.derive();
    let mut outcome = UnitOutcome { landed: Vec::with_capacity(plans.len()), error: None };
    let arriving = stream::poll_fn(|context| arriving.poll_recv(context)).zip(stream::iter(plans));
    let mut putting = arriving
        .take_until(Box::pin(stop.arrival()))
        .map(|(encoded, plan)| async move {
            let landed = Box::pin(put(task, &plan, encoded, stop)).await;
            (plan.member, landed.map_err(|error| plan.failed(error)))
        })
        .buffer_unordered(PUTS_AT_ONCE);
    while let Some((member, landed)) = putting.next().await {
        match landed {
            Ok(landed) => outcome.landed.extend(landed.map(|object| (member, object))),
            Err(error) => {
                stop.give();
                outcome.error.get_or_insert(error);
            }
        }
    }
    outcome
}

/// Puts a member; `None` if it was time to stop first. One that is compressed already is read anew, and lands as it is.
async fn put(
    task: &Task<'_>,
    plan: &MemberPlan<'_>,
    encoded: Result<Option<Encoded>>,
    stop: &StopSignal<'_>,
) -> Result<Option<LandedObject>> {
    let Some(Encoded { object, bytes }) = encoded? else {
        return Box::pin(member::land(task, &plan.as_it_is(task), stop)).await;
    };
    let mut writer = task.writer(&plan.key, plan.max_bytes);
    if let Some(bytes) = bytes {
        writer.write_part(bytes).await?;
    }
    object.commit(task, writer, plan.key.clone(), Some(plan.member.name())).await.map(Some)
}

/// A member as it lands: an empty one has no bytes.
struct Encoded {
    object: EncodedObject,
    bytes: Option<PartBuffer>,
}

/// What encodes the members, on a thread of its own, in their order, up to the first that cannot be.
struct Encoding {
    members: Vec<MemberEncoding>,
    limits: Limits,
    landing: Store,
    budget: ByteBudget,
    with_sha256: bool,
}

impl Encoding {
    fn of(task: &Task<'_>, plans: &[MemberPlan<'_>]) -> Self {
        let destination = &task.landing.destination;
        Self {
            members: plans.iter().map(|plan| plan.encoding(task)).collect(),
            limits: destination.limits.clone(),
            landing: task.landing.store.clone(),
            budget: task.context.budget().clone(),
            with_sha256: destination.sha256,
        }
    }

    fn run(mut self, mut pieces: Pieces, results: &mpsc::Sender<Result<Option<Encoded>>>) {
        let mut decoder = None;
        for member in std::mem::take(&mut self.members) {
            let decoder = decoder.get_or_insert_with(|| member.decoder(&self.limits));
            let encoded = self.encode(member, decoder, &mut pieces);
            let goes_on = encoded.is_ok();
            if results.blocking_send(encoded).is_err() || !goes_on {
                break;
            }
        }
    }

    fn encode(
        &self,
        member: MemberEncoding,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
    ) -> Result<Option<Encoded>> {
        let (outgoing, mut parts) = mpsc::channel(1);
        let part_bytes = self.landing.part_bytes(Some(member.max_bytes));
        let object = member.run(
            decoder,
            pieces,
            Parts::new(outgoing, &self.budget, part_bytes, None, self.with_sha256),
        )?;
        let Some(object) = object else { return Ok(None) };
        let bytes = match parts.try_recv() {
            Ok(Outgoing::Part(bytes)) => Some(bytes),
            Ok(Outgoing::Copy(_)) | Err(_) => None,
        };
        Ok(Some(Encoded { object, bytes }))
    }
}
