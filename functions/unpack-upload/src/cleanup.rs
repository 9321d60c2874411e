//! What is taken back from the landing bucket: uploads that nobody goes on with, and archives that must not land.

use std::collections::HashSet;

use futures::TryStreamExt as _;
use landfall::Result;
use landfall::job::LandedObject;
use landfall_store::may_be_of_parts;

use crate::task::Task;

/// How many objects are deleted at once.
const DELETIONS_AT_ONCE: usize = 16;

/// Aborts the uploads that invocations before this one have left of what has landed by now, below a prefix.
pub(crate) async fn abort_leftovers(
    task: &Task<'_>,
    prefix: &str,
    landed: impl Iterator<Item = LandedObject>,
) -> Result<()> {
    let in_parts = landed.filter(|object| may_be_of_parts(object.size));
    let in_parts: HashSet<String> = in_parts.map(|object| object.key).collect();
    if in_parts.is_empty() {
        return Ok(());
    }
    Ok(task.landing.store.abort_uploads(prefix, |key| in_parts.contains(key)).await?)
}

/// Gives up members after a failure, by the keys that they may land under. What is under way of them is aborted: of
/// those beside the one that failed, and what invocations before this one have left. Of a refused archive nobody goes on
/// with any, and what has landed of it is withdrawn; otherwise those of other ranges are not touched. The failure is what
/// is reported; should the store fail to abort too, a lifecycle rule ends what is left.
pub(crate) async fn give_up(task: &Task<'_>, own: &HashSet<String>, is_refused: bool) -> Result<()> {
    let is_abandoned = |key: &str| is_refused || own.contains(key);
    if let Err(error) = task.landing.store.abort_uploads(&task.folder(), is_abandoned).await {
        tracing::warn!(%error, "unfinished multipart uploads could not be aborted");
    }
    if is_refused { withdraw(task).await } else { Ok(()) }
}

/// Deletes what has landed of an archive that turned out to be one that must not land. The folder is the archive's
/// own.
pub(crate) async fn withdraw(task: &Task<'_>) -> Result<()> {
    tracing::warn!(
        file.ordinal = task.file.ordinal,
        "the archive is refused: what has landed of it is withdrawn"
    );
    let store = &task.landing.store;
    let folder = task.folder();
    let landed = store.list(&folder);
    let deletions = landed.map_ok(|object| async move { store.delete(&object.key).await });
    Ok(deletions.try_buffer_unordered(DELETIONS_AT_ONCE).try_collect().await?)
}
