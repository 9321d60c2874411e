//! Damage that unpacking shows of a file whose source lists no checksum: it may have come about on its way, so the file is
//! fetched anew, a few times. What comes twice alike was damaged at its source.

use std::future::ready;

use landfall::job::DamagedFile;
use landfall::state::{Change, keys};
use landfall::{Error, ErrorType, Result};

use crate::archive;
use crate::task::Task;

/// How often a file is fetched before its damage is taken for its own.
const MAX_FETCHES: u32 = 3;

/// The error of a file that cannot be unpacked as it is: `Damaged` where it is to be fetched anew, which is noted.
pub(crate) async fn judged(task: &Task<'_>, error: Error) -> Error {
    if error.error_type() != ErrorType::IntegrityError {
        return error;
    }
    match is_to_be_fetched_anew(task).await {
        Ok(true) => {
            Error::damaged("the file may have been damaged on its way, and is fetched anew").because(error)
        }
        Ok(false) => error,
        Err(failed) => failed,
    }
}

async fn is_to_be_fetched_anew(task: &Task<'_>) -> Result<bool> {
    let (job, ordinal) = (task.job.job(), task.file.ordinal);
    // Nothing is on its way that nobody signs in for: it is where we are.
    if task.export.capabilities().auth.is_empty() || archive::is_divided(task).await? {
        return Ok(false);
    }
    let files = task.work.files(&job).await?.map(|list| list.files).unwrap_or_default();
    if files.iter().any(|listed| listed.ordinal == ordinal && listed.sha256.is_some()) {
        return Ok(false);
    }
    let sha256 = task.file.sha256;
    let noted = |there: Option<DamagedFile>| {
        ready(Ok(match there {
            None => Change::Write(DamagedFile { ordinal, found: 1, discarded: 0, sha256 }, true),
            Some(noted) if noted.found > noted.discarded => Change::Keep(true),
            Some(noted) if noted.sha256 == sha256 || noted.found.saturating_add(1) >= MAX_FETCHES => {
                Change::Keep(false)
            }
            Some(noted) => {
                Change::Write(DamagedFile { found: noted.found.saturating_add(1), sha256, ..noted }, true)
            }
        }))
    };
    let key = keys::damaged_file(&job, ordinal);
    task.work.update(&key, task.context.clock().as_ref(), noted).await
}
