//! An archive: checked as a whole, then landed member by member.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::archive::{ArchiveError, Directory, Member, ReadDirectoryError, RefusalKind, read_directory};
use landfall::clock::elapsed;
use landfall::job::LandedObject;
use landfall::store::StoreError;
use landfall::store::keys::{LONGEST_KEY, unpack_notes};
use landfall::{Error, ErrorType, Result};
use tokio::sync::Semaphore;

use crate::checkpoint::{Checkpoint, Notes};
use crate::staged::StagedObject;
use crate::{Landed, MARGIN, Unpack, lots, member};

/// The most lots that are on their way at once, where they are so small that memory for more is there.
const LOTS_AT_ONCE: usize = 32;

/// How many objects are deleted at once.
const DELETIONS_AT_ONCE: usize = 16;

/// Lands an archive. Nothing lands of one that is refused: what had, before its bytes showed why, is withdrawn.
pub(crate) async fn land(unpack: &Unpack<'_>, object: StagedObject) -> Result<Landed> {
    let limits = &unpack.landing.destination.limits;
    let directory = read_directory(&object, limits).await.map_err(unreadable)?;
    if directory.members().is_empty() {
        return Err(Error::integrity("the archive holds nothing, not even an empty member"));
    }
    let members: Vec<&Member> = directory.files().collect();
    keys_fit(unpack, &members)?;
    let bytes = members.iter().map(|member| member.size()).sum();
    unpack.context.observer().members_listed(u64::try_from(members.len()).unwrap_or(u64::MAX), bytes);

    let notes = notes(unpack);
    let everything = 0..u32::try_from(directory.members().len()).unwrap_or(u32::MAX);
    let mut checkpoint = Checkpoint::read(&unpack.work, notes.clone(), everything).await?;
    let landed_before = checkpoint.totals().objects;
    for member in members.iter().filter(|member| checkpoint.has(member)) {
        unpack.context.observer().unpacked(member.size());
        unpack.context.observer().landed();
    }
    match land_members(unpack, &object, &members, &mut checkpoint).await {
        Ok(true) => Ok(Landed::Whole(checkpoint.objects(unpack, directory.files()).collect())),
        Ok(false) => {
            checkpoint.note().await?;
            made_progress(unpack, &members, &checkpoint, landed_before)?;
            Ok(Landed::InPart(checkpoint.totals()))
        }
        Err(error) if error.retryable() => {
            checkpoint.note().await?;
            Err(error)
        }
        Err(error) => {
            abandon_uploads(unpack).await;
            if is_refusal(&error) {
                withdraw(unpack, &directory, &notes).await?;
            }
            Err(error)
        }
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
    let seconds = elapsed(unpack.started_at, unpack.context.clock().now()).as_secs();
    if checkpoint.totals().objects > landed_before || seconds < MARGIN.as_secs() {
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

fn keys_fit(unpack: &Unpack<'_>, members: &[&Member]) -> Result<()> {
    match members.iter().find(|member| member::key(unpack, member).len() > LONGEST_KEY) {
        None => Ok(()),
        Some(member) => Err(Error::unsafe_archive(format!(
            "the key of member {:?} would be longer than {LONGEST_KEY} bytes",
            member.name()
        ))),
    }
}

/// Where it is noted what has landed of the archive.
fn notes(unpack: &Unpack<'_>) -> Notes {
    let read = unpack_notes(&unpack.job.job(), unpack.staged.ordinal);
    Notes { write: format!("{read}all/"), read }
}

/// Deletes what has landed of an archive that turned out to be one that must not land.
async fn withdraw(unpack: &Unpack<'_>, directory: &Directory, notes: &Notes) -> Result<()> {
    tracing::warn!(
        file.ordinal = unpack.staged.ordinal,
        "the archive is refused: what has landed of it is withdrawn"
    );
    let deletions: Vec<Result<(), StoreError>> = stream::iter(directory.files())
        .map(|member| async move { unpack.landing.store.delete(&member::key(unpack, member)).await })
        .buffer_unordered(DELETIONS_AT_ONCE)
        .collect()
        .await;
    deletions.into_iter().collect::<Result<Vec<()>, _>>()?;
    let work = unpack.work.store();
    let noted = work.list(&notes.read).map_ok(|note| async move { work.delete(&note.key).await });
    Ok(noted.try_buffer_unordered(DELETIONS_AT_ONCE).try_collect().await?)
}

/// Aborts what is under way of an archive that nobody goes on with: members beside the one that failed, and what
/// invocations before this one have left. The failure is what is reported; should the store fail to abort too, a
/// lifecycle rule ends what is left.
async fn abandon_uploads(unpack: &Unpack<'_>) {
    let folder = format!("{}{}", unpack.job.landing_prefix, unpack.place.folder);
    if let Err(error) = unpack.landing.store.abort_uploads(&folder, |_| true).await {
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
        ReadDirectoryError::Refused(refused) => refusal(&refused),
        ReadDirectoryError::Read { source, .. } => source.into(),
        short @ ReadDirectoryError::ShortRead { .. } => {
            Error::store_unavailable("the staged archive could not be read").because(short)
        }
    }
}

/// A refusal, under its stable name.
pub(crate) fn refusal(refused: &ArchiveError) -> Error {
    let message = refused.to_string();
    match refused.kind() {
        RefusalKind::Unsafe | RefusalKind::Unsupported => Error::unsafe_archive(message),
        RefusalKind::LimitExceeded => Error::limit_exceeded(message),
        RefusalKind::Integrity => Error::integrity(message),
    }
}
