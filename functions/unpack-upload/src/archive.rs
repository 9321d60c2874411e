//! An archive: checked as a whole, then landed member by member; or divided, and landed range by range.

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::archive::{
    ArchiveError, Directory, Member, ReadDirectoryError, RefusalKind, read_directory, reread_directory,
};
use landfall::job::{LandedObject, Totals};
use landfall::store::StoreError;
use landfall::store::keys::LONGEST_KEY;
use landfall::{Error, ErrorType, Result};
use tokio::sync::Semaphore;

use crate::attempt::Kept;
use crate::checkpoint::Checkpoint;
use crate::plan::{MemberRange, Plan};
use crate::staged::StagedObject;
use crate::{Asked, Landed, Objects, Unpack, lots, member};

/// The most lots that are on their way at once, where they are so small that memory for more is there.
const LOTS_AT_ONCE: usize = 32;

/// How many objects are deleted at once.
const DELETIONS_AT_ONCE: usize = 16;

/// Lands an archive, or a range of it, or divides it. Nothing lands of one that is refused: what had, before its bytes
/// showed why, is withdrawn.
pub(crate) async fn land(unpack: &Unpack<'_>, object: StagedObject, asked: Asked) -> Result<Landed> {
    let kept = Kept::read(&unpack.work, &unpack.job.job(), unpack.staged.ordinal).await?;
    if let Some(refusal) = kept.standing_refusal(unpack.context.clock().now()) {
        withdraw(unpack).await?;
        return Err(refusal);
    }
    match (asked, &kept.plan) {
        (Asked::Range(range), Some(plan)) if plan.ranges.contains(&range) => {
            land_again(unpack, &object, &kept, plan, Some(range)).await
        }
        (Asked::Range(MemberRange { from, to }), _) => Err(Error::invalid_event(format!(
            "members {from} to {to} are no range that the archive was divided into: call with fan_out to be told those"
        ))),
        (Asked::WholeOrRanges, Some(plan)) => Ok(Landed::Divided(plan.ranges.clone())),
        (Asked::Whole, Some(plan)) => land_again(unpack, &object, &kept, plan, None).await,
        (Asked::Whole | Asked::WholeOrRanges, None) => land_or_divide(unpack, &object, &kept, asked).await,
    }
}

/// Lands an archive that has not been divided, or divides it.
async fn land_or_divide(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    kept: &Kept,
    asked: Asked,
) -> Result<Landed> {
    let Some(directory) = in_time(unpack, Box::pin(checked_directory(unpack, object))).await? else {
        return Ok(Landed::InPart { complete: false, totals: Totals::default() });
    };
    let plan = Plan::of(&directory, &object.info().etag, unpack.context.range_cost());
    if asked == Asked::WholeOrRanges && plan.ranges.len() > 1 {
        let plan = plan.freeze(&unpack.work, &kept.attempt.plan_key()).await?;
        tracing::info!(
            file.ordinal = unpack.staged.ordinal,
            ranges = plan.ranges.len(),
            "the archive is divided"
        );
        return Ok(Landed::Divided(plan.ranges));
    }
    let checkpoint = Checkpoint::read(&kept.attempt, kept.notes(None), 0..plan.members).await?;
    land_directory(unpack, object, directory, checkpoint, Scope { range: None, is_divided: false }).await
}

/// Lands a divided archive, or a range of it. All of it was checked when the plan was made: if it is the same object
/// still, only local headers of what is to land are looked at again.
async fn land_again(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    kept: &Kept,
    plan: &Plan,
    range: Option<MemberRange>,
) -> Result<Landed> {
    let members = range.map_or(0..plan.members, |range| range.from..range.to);
    let checkpoint = Checkpoint::read(&kept.attempt, kept.notes(range), members).await?;
    let directory = async {
        if plan.etag != object.info().etag {
            return checked_directory(unpack, object).await;
        }
        let limits = &unpack.landing.destination.limits;
        let is_missing =
            |member: &Member| range.is_none_or(|range| range.contains(member)) && !checkpoint.has(member);
        reread_directory(object, limits, is_missing).await.map_err(unreadable)
    };
    let Some(directory) = in_time(unpack, Box::pin(directory)).await? else {
        return Ok(Landed::InPart { complete: false, totals: checkpoint.totals() });
    };
    land_directory(unpack, object, directory, checkpoint, Scope { range, is_divided: true }).await
}

/// The directory of an archive of which every member can land.
async fn checked_directory(unpack: &Unpack<'_>, object: &StagedObject) -> Result<Directory> {
    let directory = read_directory(object, &unpack.landing.destination.limits).await.map_err(unreadable)?;
    if directory.members().is_empty() {
        return Err(Error::integrity("the archive holds nothing, not even an empty member"));
    }
    keys_fit(unpack, &directory)?;
    Ok(directory)
}

/// The directory, if it is read before the invocation must end. One that takes all of an invocation would take all of
/// the next one too: that is an error.
async fn in_time(
    unpack: &Unpack<'_>,
    reading: impl Future<Output = Result<Directory>>,
) -> Result<Option<Directory>> {
    tokio::select! {
        biased;
        read = reading => return read.map(Some),
        () = unpack.over(&unpack.halt) => {}
    }
    let Some(seconds) = unpack.seconds_of_a_whole_invocation() else { return Ok(None) };
    Err(Error::limit_exceeded(format!(
        "the archive's directory could not be read within an invocation of {seconds} s: give the function more memory, \
         which brings more network, or more time"
    )))
}

/// What of an archive lands.
struct Scope {
    /// The members; all where there is no range.
    range: Option<MemberRange>,
    /// Whether others may be landing other members.
    is_divided: bool,
}

/// Lands what is in scope and has not landed yet.
async fn land_directory(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    directory: Directory,
    mut checkpoint: Checkpoint,
    scope: Scope,
) -> Result<Landed> {
    let is_in_scope = |member: &&Member| scope.range.is_none_or(|range| range.contains(member));
    let members: Vec<&Member> = directory.files().filter(is_in_scope).collect();
    let bytes = members.iter().map(|member| member.size()).sum();
    unpack.context.observer().members_listed(u64::try_from(members.len()).unwrap_or(u64::MAX), bytes);
    let landed_before = checkpoint.totals().objects;
    for member in members.iter().filter(|member| checkpoint.has(member)) {
        unpack.context.observer().unpacked(member.size());
        unpack.context.observer().landed();
    }
    let landed = land_members(unpack, object, &members, &mut checkpoint).await;
    match noted(landed, &mut checkpoint, &scope).await {
        Ok(complete) if scope.range.is_some() || !complete => {
            if !complete {
                made_progress(unpack, &members, &checkpoint, landed_before)?;
            }
            Ok(Landed::InPart { complete, totals: checkpoint.totals() })
        }
        Ok(_) => Ok(Landed::Whole(Box::new(Objects::Members { directory, checkpoint }))),
        Err(error) if error.retryable() => Err(error),
        Err(error) => {
            let is_refusal = is_refusal(&error);
            if is_refusal {
                checkpoint.attempt().refuse(&error, unpack.context.clock().now()).await?;
            }
            abandon_uploads(unpack, &members, is_refusal).await;
            if is_refusal {
                withdraw(unpack).await?;
            }
            Err(error)
        }
    }
}

/// Notes what has landed, whatever came after it, and learns whether others have refused the archive meanwhile.
async fn noted(landed: Result<bool>, checkpoint: &mut Checkpoint, scope: &Scope) -> Result<bool> {
    match landed {
        // The receipt says it all.
        Ok(true) if !scope.is_divided => Ok(true),
        Ok(complete) => checkpoint.note().await.map(|()| complete),
        Err(error) if is_refusal(&error) => Err(error),
        Err(error) => match checkpoint.note().await {
            Err(refusal) if is_refusal(&refusal) => Err(refusal),
            _ => Err(error),
        },
    }
}

/// Lands what has not landed yet. Returns whether all has; not all, if the deadline came first.
async fn land_members(
    unpack: &Unpack<'_>,
    object: &StagedObject,
    members: &[&Member],
    checkpoint: &mut Checkpoint,
) -> Result<bool> {
    let missing: Vec<&Member> = members.iter().copied().filter(|member| !checkpoint.has(member)).collect();
    let room = Semaphore::new(usize::try_from(unpack.context.budget().kibibytes()).unwrap_or(usize::MAX));
    let mut landing = stream::iter(lots::of(unpack.job.form, missing))
        .map(|lot| lot.land(unpack, object, &room))
        .buffer_unordered(LOTS_AT_ONCE);
    let mut first_error = None;
    while let Some(ended) = landing.next().await {
        let noted = note(unpack, checkpoint, &ended.landed).await;
        if let Some(error) = ended.error.or(noted.err()) {
            // What is on its way has to arrive before anybody can say what has landed, or withdraw it.
            unpack.halt.cancel();
            first_error.get_or_insert(error);
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(members.iter().all(|member| checkpoint.has(member))),
    }
}

async fn note(
    unpack: &Unpack<'_>,
    checkpoint: &mut Checkpoint,
    landed: &[(&Member, LandedObject)],
) -> Result<()> {
    for (member, object) in landed {
        unpack.context.observer().landed();
        checkpoint.add(member, object).await?;
    }
    Ok(())
}

/// A call that could not land one member more would be repeated for ever.
fn made_progress(
    unpack: &Unpack<'_>,
    members: &[&Member],
    checkpoint: &Checkpoint,
    landed_before: u64,
) -> Result<()> {
    let Some(seconds) = unpack.seconds_of_a_whole_invocation() else { return Ok(()) };
    if checkpoint.totals().objects > landed_before {
        return Ok(());
    }
    let missing = members.iter().filter(|member| !checkpoint.has(member));
    let largest = missing.max_by_key(|member| member.size());
    Err(Error::limit_exceeded(format!(
        "no member more could land within an invocation of {seconds} s; the largest that is missing has {} bytes: \
         give the function more memory, which brings more network, or more time",
        largest.map_or(0, |member| member.size())
    )))
}

fn keys_fit(unpack: &Unpack<'_>, directory: &Directory) -> Result<()> {
    match directory.files().find(|member| member::key(unpack, member).len() > LONGEST_KEY) {
        None => Ok(()),
        Some(member) => Err(Error::limit_exceeded(format!(
            "the key of member {:?} would be longer than {LONGEST_KEY} bytes",
            member.name()
        ))),
    }
}

/// Deletes what has landed of an archive that turned out to be one that must not land. The folder is the archive's
/// own.
async fn withdraw(unpack: &Unpack<'_>) -> Result<()> {
    tracing::warn!(
        file.ordinal = unpack.staged.ordinal,
        "the archive is refused: what has landed of it is withdrawn"
    );
    let store = &unpack.landing.store;
    let folder = unpack.folder();
    let landed = store.list(&folder);
    let deletions = landed.map_ok(|object| async move { store.delete(&object.key).await });
    Ok(deletions.try_buffer_unordered(DELETIONS_AT_ONCE).try_collect().await?)
}

/// Aborts what is under way of members that nobody goes on with: those beside the one that failed, and what invocations
/// before this one have left. Of a refused archive nobody goes on with any; otherwise those of other ranges are not
/// touched. The failure is what is reported; should the store fail to abort too, a lifecycle rule ends what is left.
async fn abandon_uploads(unpack: &Unpack<'_>, members: &[&Member], is_refusal: bool) {
    let own: HashSet<String> = members.iter().map(|member| member::key(unpack, member)).collect();
    let is_abandoned = |key: &str| is_refusal || own.contains(key);
    if let Err(error) = unpack.landing.store.abort_uploads(&unpack.folder(), is_abandoned).await {
        tracing::warn!(%error, "unfinished multipart uploads could not be aborted");
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(
        error.error_type(),
        ErrorType::UnsafeArchive | ErrorType::LimitExceeded | ErrorType::IntegrityError
    )
}

fn unreadable(error: ReadDirectoryError<StoreError>) -> Error {
    match error {
        ReadDirectoryError::Refused(refused) => refusal(refused),
        ReadDirectoryError::Read { source, .. } => source.into(),
        short @ ReadDirectoryError::ShortRead { .. } => {
            Error::store_unavailable("the staged archive could not be read").because(short)
        }
    }
}

/// A refusal, under its stable name.
pub(crate) fn refusal(refused: ArchiveError) -> Error {
    let message = refused.to_string();
    let error = match refused.kind() {
        RefusalKind::Unsafe | RefusalKind::Unsupported => Error::unsafe_archive(message),
        RefusalKind::LimitExceeded => Error::limit_exceeded(message),
        RefusalKind::Integrity => Error::integrity(message),
    };
    error.because(refused)
}
