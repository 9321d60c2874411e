//! An archive's directory, read and checked before any member lands.

use landfall::config::Destination;
use landfall::export::Export;
use landfall::job::JobRecord;
use landfall::state::keys::MAX_KEY;
use landfall::{Error, Result};
use landfall_store::StoreError;
use landfall_zip::{Directory, Member, ReadDirectoryError, is_document, read_directory, reread_directory};

use super::division::Division;
use crate::refusal::{is_refusal, refused};
use crate::task::Task;

/// Reads and checks it all; `None` if the invocation must end first.
pub(crate) async fn read(task: &Task<'_>) -> Result<Option<Directory>> {
    let reading = Box::pin(checked(task));
    in_time(task, reading).await
}

/// Whether a file whose directory was read so is a document, which lands as the file that it is: where it could not be
/// unpacked, too.
pub(crate) async fn is_of_a_document(task: &Task<'_>, read: &Result<Option<Directory>>) -> Result<bool> {
    let Destination { limits, archive, .. } = &*task.landing.destination;
    match read {
        _ if archive.unpack_documents => Ok(false),
        Ok(directory) => Ok(directory.as_ref().is_some_and(Directory::is_document)),
        Err(error) if is_refusal(error) => is_document(&task.staged, limits).await.map_err(unreadable),
        Err(_) => Ok(false),
    }
}

/// Reads it again. All of it was checked when the archive was divided: if it is the same object still, only local
/// headers of what is missing are looked at again.
pub(crate) async fn reread(
    task: &Task<'_>,
    division: &Division,
    is_missing: impl Fn(&Member) -> bool,
) -> Result<Option<Directory>> {
    let reading = async {
        match division.etag == task.staged.info().etag {
            true => {
                let Destination { limits, archive, .. } = &*task.landing.destination;
                let reading = reread_directory(&task.staged, limits, archive.name_encoding, is_missing);
                reading.await.map_err(unreadable)
            }
            false => checked(task).await,
        }
    };
    in_time(task, Box::pin(reading)).await
}

/// The directory of an archive of which every member can land.
async fn checked(task: &Task<'_>) -> Result<Directory> {
    let Destination { limits, archive, .. } = &*task.landing.destination;
    let reading = read_directory(&task.staged, limits, archive.name_encoding);
    let directory = reading.await.map_err(unreadable)?;
    ensure_holds_a_file(task, &directory)?;
    let suffix = task.job.form.name().suffix();
    let named = |member: &Member| member.name().len().saturating_add(suffix.len());
    if let Some(member) = directory.files().find(|member| named(member) > limits.name_bytes) {
        return Err(Error::limit_exceeded(format!(
            "the name of member {:?} has {} bytes with the form's suffix {suffix}, and limits.name_bytes is {}",
            member.name(),
            named(member),
            limits.name_bytes
        )));
    }
    let has_long_key = |member: &&Member| task.member_key(member.name()).len() > MAX_KEY;
    if let Some(member) = directory.files().find(has_long_key) {
        return Err(Error::limit_exceeded(format!(
            "the key of member {:?} would be longer than {MAX_KEY} bytes",
            member.name()
        )));
    }
    Ok(directory)
}

/// That there is something to land, unless a job without output is normal: this is more likely damage.
fn ensure_holds_a_file(task: &Task<'_>, directory: &Directory) -> Result<()> {
    let JobRecord { connection, job_request_id, export, .. } = &task.job;
    let allows_empty = |export: &Export| task.context.spec(export).is_ok_and(|export| export.allows_empty());
    if directory.files().next().is_some() || allows_empty(export) {
        return Ok(());
    }
    let what = match directory.members().len() {
        0 => ", not even an empty member".to_owned(),
        folders => format!(" but folders, {folders} of them"),
    };
    // Not every kind of export may have no output.
    let way_out = match allows_empty(&export.allowing_empty()) {
        true => format!(
            ": if it is normal that there is no output, continue the job with `landfall resume {connection} \
             {job_request_id} --allow-empty`, and set `allow_empty` in the export of runs to come"
        ),
        false => String::new(),
    };
    Err(Error::integrity(format!("the archive holds nothing{what}{way_out}")))
}

/// One that takes all of an invocation would take all of the next one too: that is an error.
async fn in_time(
    task: &Task<'_>,
    reading: impl Future<Output = Result<Directory>>,
) -> Result<Option<Directory>> {
    tokio::select! {
        biased;
        read = reading => return read.map(Some),
        () = task.invocation.ending() => {}
    }
    let Some(seconds) = task.seconds_of_a_whole_invocation() else { return Ok(None) };
    Err(Error::limit_exceeded(format!(
        "the archive's directory could not be read within an invocation of {seconds} s: give the function more memory, \
         which brings more network, or more time"
    )))
}

fn unreadable(error: ReadDirectoryError<StoreError>) -> Error {
    match error {
        ReadDirectoryError::Refused(reason) => refused(reason),
        ReadDirectoryError::Read { source, .. } => source.into(),
        short @ ReadDirectoryError::ShortRead { .. } => {
            Error::store_unavailable("the staged archive could not be read").because(short)
        }
    }
}
