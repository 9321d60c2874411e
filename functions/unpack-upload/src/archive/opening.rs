//! What there is to land of an archive: its directory, checked, and what has landed of it before.

use std::ops::ControlFlow;

use landfall::form::JobForm;
use landfall::job::Totals;
use landfall::{Error, Result};
use landfall_zip::{Directory, Member};

use super::attempt::ArchiveState;
use super::checkpoint::Checkpoint;
use super::directory;
use super::division::Division;
use super::outcome::ArchiveOutcome;
use crate::file;
use crate::task::Task;
use crate::trigger::MemberRange;

/// An archive of which members can land.
pub(crate) struct OpenArchive {
    /// Its members.
    pub directory: Directory,
    /// Those that have landed.
    pub checkpoint: Checkpoint,
    /// Whether others may be landing members of it too.
    pub is_divided: bool,
}

/// An open archive, or how far it is if no member of it is to land now.
pub(crate) type Opening = ControlFlow<ArchiveOutcome, OpenArchive>;

/// Opens the task's archive.
pub(crate) async fn open(task: &Task<'_>, state: &ArchiveState) -> Result<Opening> {
    // Of an archive whose receipt names what is gone, all of that lands again, whatever was asked for.
    let is_range = |range: &MemberRange| state.division.as_ref().is_some_and(|it| it.ranges.contains(range));
    if let Some(MemberRange { from, to }) = task.range.filter(|range| !is_range(range)) {
        return Err(Error::invalid_event(format!(
            "members {from} to {to} are not a range that the archive was divided into: call with fan_out to get the ranges"
        )));
    }
    match &state.division {
        _ if task.gone.is_some() => open_or_divide(task, state).await,
        None => open_or_divide(task, state).await,
        Some(division) if task.may_divide => Ok(divided(division.ranges.clone())),
        Some(division) => open_divided(task, state, division).await,
    }
}

/// Opens an archive that has not been divided, or divides it.
async fn open_or_divide(task: &Task<'_>, state: &ArchiveState) -> Result<Opening> {
    let read = directory::read(task).await;
    if !state.has_landed_members() && Box::pin(directory::is_of_a_document(task, &read)).await? {
        // It is compressed inside.
        let document = Box::pin(file::land(task, JobForm::Raw)).await?;
        let outcome = document.map(|document| Opening::Break(ArchiveOutcome::Document(document)));
        return Ok(outcome.unwrap_or_else(|| out_of_time(Totals::default())));
    }
    let Some(directory) = read? else { return Ok(out_of_time(Totals::default())) };
    let division = Division::of(&directory, &task.staged.info().etag, task.context.range_cost());
    if task.may_divide && task.gone.is_none() && division.ranges.len() > 1 {
        let ranges = division.freeze(&task.work, &state.attempt.division_key()).await?.ranges;
        tracing::info!(file.ordinal = task.file.ordinal, ranges = ranges.len(), "the archive is divided");
        return Ok(divided(ranges));
    }
    let checkpoint = match &task.gone {
        Some(gone) => Checkpoint::of_receipt(task, state, &directory, gone).await?,
        None => Checkpoint::read(task, state, 0..division.members).await?,
    };
    Ok(Opening::Continue(OpenArchive { directory, checkpoint, is_divided: false }))
}

/// Opens a divided archive, for a range of it or for all that the ranges have left.
async fn open_divided(task: &Task<'_>, state: &ArchiveState, division: &Division) -> Result<Opening> {
    let members = task.range.map_or(0..division.members, |range| range.from..range.to);
    let checkpoint = Checkpoint::read(task, state, members).await?;
    let is_missing = |member: &Member| task.covers(member) && !checkpoint.has(member);
    match directory::reread(task, division, is_missing).await? {
        Some(directory) => Ok(Opening::Continue(OpenArchive { directory, checkpoint, is_divided: true })),
        None => Ok(out_of_time(checkpoint.totals())),
    }
}

fn divided(ranges: Vec<MemberRange>) -> Opening {
    Opening::Break(ArchiveOutcome::Divided(ranges))
}

fn out_of_time(totals: Totals) -> Opening {
    Opening::Break(ArchiveOutcome::Partial { complete: false, totals })
}
