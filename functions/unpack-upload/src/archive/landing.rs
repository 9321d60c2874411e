//! The landing of an archive's members: several work units at once, within the byte budget, until all has landed, the
//! invocation must end, or something fails.

use std::collections::HashSet;
use std::pin::pin;

use futures::{StreamExt as _, stream};
use landfall::{Error, Result};
use landfall_zip::Member;
use tokio::sync::Semaphore;

use super::compressed::NamesTaken;
use super::opening::OpenArchive;
use super::outcome::{ArchiveOutcome, LandedArchive};
use super::progress::Progress;
use super::work_unit::coalesce;
use crate::cleanup;
use crate::refusal::is_refusal;
use crate::task::Task;

/// The most units that are on their way at once, where they are so small that memory for more is there.
const UNITS_AT_ONCE: usize = 32;

/// Lands what is missing. Nothing stays of an archive that is refused: what has landed before its bytes showed why
/// is withdrawn.
pub(crate) async fn land(task: &Task<'_>, archive: OpenArchive) -> Result<ArchiveOutcome> {
    let OpenArchive { directory, checkpoint, is_divided } = archive;
    let members: Vec<&Member> = directory.files().filter(|member| task.covers(member)).collect();
    let taken = NamesTaken::of(task.job.form, &directory);
    let mut progress = Progress::begin(task, &members, checkpoint);
    let landed = land_missing(task, &taken, &mut progress).await;
    match progress.settle(landed, is_divided).await {
        Ok(true) if task.range.is_none() => {
            let checkpoint = progress.checkpoint;
            Ok(ArchiveOutcome::Whole(Box::new(LandedArchive { directory, checkpoint })))
        }
        Ok(complete) => {
            if !complete {
                progress.ensure_advanced()?;
            }
            Ok(ArchiveOutcome::Partial { complete, totals: progress.checkpoint.totals() })
        }
        Err(error) if error.retryable() => Err(error),
        Err(error) => {
            let is_refused = is_refusal(&error);
            if is_refused {
                progress.checkpoint.attempt().refuse(&error, task.context.clock().as_ref()).await?;
            }
            cleanup::give_up(task, &own_keys(task, &taken, &members), is_refused).await?;
            Err(error)
        }
    }
}

/// The keys that these members may land under.
fn own_keys(task: &Task<'_>, taken: &NamesTaken, members: &[&Member]) -> HashSet<String> {
    let may_be_as_it_is = |member: &&&Member| task.job.form.is_for_tables() || !taken.has(member);
    let as_they_are = members.iter().filter(may_be_as_it_is);
    let as_they_are = as_they_are.map(|member| task.member_key_as_it_is(member.name()));
    members.iter().map(|member| task.member_key(member.name())).chain(as_they_are).collect()
}

/// Lands what is missing, or as much of it as there is time for.
async fn land_missing(task: &Task<'_>, taken: &NamesTaken, progress: &mut Progress<'_>) -> Result<()> {
    let stop = task.invocation.stop_signal();
    let room = Semaphore::new(usize::try_from(task.context.budget().kibibytes()).unwrap_or(usize::MAX));
    let mut landing = stream::iter(coalesce(task.job.form, progress.missing().collect()))
        .map(|unit| unit.land(task, taken, &room, &stop))
        .buffer_unordered(UNITS_AT_ONCE);
    let mut first_error: Option<Error> = None;
    let mut over = pin!(task.invocation.over());
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = landing.next() => outcome,
            // What is on its way may land unrecorded: it lands again, as the same bytes.
            () = &mut over => None,
        };
        let Some(outcome) = outcome else { break };
        let recorded = progress.record(&outcome.landed).await;
        if let Some(error) = outcome.error.or(recorded.err()) {
            // What is on its way has to arrive before anybody can say what has landed, or withdraw it.
            stop.give();
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}
