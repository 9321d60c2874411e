//! An archive: checked as a whole, then landed member by member; or divided, and landed range by range.

mod attempt;
mod checkpoint;
mod coalesced;
mod compressed;
mod directory;
mod division;
mod landing;
mod member;
mod opening;
mod outcome;
mod plan;
mod progress;
mod work_unit;

use std::ops::ControlFlow;

use landfall::Result;

use crate::cleanup;
use crate::task::Task;
use attempt::ArchiveState;
pub(crate) use outcome::ArchiveOutcome;

/// Lands an archive, or a range of it, or divides it. Nothing lands of one that has been refused, as long as others may
/// still be landing members of it: what they have landed meanwhile is withdrawn.
pub(crate) async fn land(task: &Task<'_>) -> Result<ArchiveOutcome> {
    let state = ArchiveState::read(task).await?;
    if let Some(refusal) = state.standing_refusal(task.now()) {
        cleanup::withdraw(task).await?;
        return Err(refusal);
    }
    match opening::open(task, &state).await? {
        ControlFlow::Continue(archive) => landing::land(task, archive).await,
        ControlFlow::Break(outcome) => Ok(outcome),
    }
}

/// Whether calls of their own land ranges of it: what they put out is not to be mixed with that of another fetch.
pub(crate) async fn is_divided(task: &Task<'_>) -> Result<bool> {
    Ok(task.range.is_some() || ArchiveState::read(task).await?.division.is_some())
}
