//! How far an archive came, and a work unit of it.

use landfall::Error;
use landfall::job::{LandedObject, Totals};
use landfall_zip::{Directory, Member};

use super::checkpoint::Checkpoint;
use crate::task::Task;
use crate::trigger::MemberRange;

/// How far an archive came.
pub(crate) enum ArchiveOutcome {
    /// It is a document, which has landed as the file that it is.
    Document(LandedObject),
    /// All of it has landed.
    Whole(Box<LandedArchive>),
    /// Not all of it has: a part, or all of the range that was asked for.
    Partial { complete: bool, totals: Totals },
    /// Nothing was landed: these ranges are to be asked for.
    Divided(Vec<MemberRange>),
}

/// An archive that has landed. It may have so many members that each object is described when it is asked for.
pub(crate) struct LandedArchive {
    /// What the archive says of its members.
    pub directory: Directory,
    /// What it does not say.
    pub checkpoint: Checkpoint,
}

impl LandedArchive {
    /// The objects, in the archive's order.
    pub(crate) fn objects<'a>(&'a self, task: &'a Task<'_>) -> impl Iterator<Item = LandedObject> + 'a {
        self.checkpoint.objects(task, self.directory.files())
    }
}

/// How far a work unit came.
#[derive(Default)]
pub(crate) struct UnitOutcome<'a> {
    /// What of it has landed.
    pub landed: Vec<(&'a Member, LandedObject)>,
    /// Why not all of it has; without one, it was time to stop.
    pub error: Option<Error>,
}
