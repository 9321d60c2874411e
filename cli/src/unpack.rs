//! Files of this machine, landed by the steps that land a source's.
//!
//! A file is a job of the system `local`, whose id follows from its bytes, so that the same file is landed once and two
//! files never meet.

use std::path::{Path, PathBuf};

use landfall::event::{JobEvent, RunEvent};
use landfall::export::Export;
use landfall::form::LandedForm;
use landfall::job::DestinationName;
use landfall::{Error, Result};
use landfall_systems::local::LocalFile;
use publish::Published;

use crate::disk::hash_in_background;
use crate::machine::LocalRuntime;
use crate::run;

/// The connection that files of this machine are said to come from.
pub(crate) const LOCAL: &str = "local";

/// Its job is known by its bytes: under what run key it is submitted does not matter.
const RUN_KEY: &str = "unpack";

/// A file, and the run that lands it.
pub(crate) struct Archive {
    path: PathBuf,
    event: RunEvent,
}

impl Archive {
    /// Reads a file once, to know which job it is.
    pub(crate) async fn read(path: &Path, destination: &DestinationName) -> Result<Self> {
        let file = hash_in_background(path).await?.file;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let export = LocalFile { file: Some(file), ..LocalFile::named(name) };
        let unnamed = |error| Error::invalid_event("local files have no connection").because(error);
        let event = RunEvent {
            connection: LOCAL.parse().map_err(unnamed)?,
            export: Export::of(&export),
            destination: destination.clone(),
            run_key: RUN_KEY.parse().map_err(unnamed)?,
            parent: None,
        };
        Ok(Self { path: path.to_owned(), event })
    }
}

/// Lands a file; says which job it is.
///
/// `form` is the one that it is to land in, where that is not the destination's.
pub(crate) async fn unpack(
    machine: &LocalRuntime,
    archive: Archive,
    form: Option<LandedForm>,
) -> Result<(JobEvent, Published)> {
    let Archive { path, event } = archive;
    let destination = event.destination.clone();
    let (job, _) = run::submit(machine, event, None).await?;
    let job = JobEvent { destination: Some(destination), ..job };
    let recorded = machine.context().job(&job).await?.form.name();
    if form.is_some_and(|asked| asked != recorded) {
        return Err(Error::conflict(format!(
            "{} is landing, or has landed, in another form: leave --form out, or use another --data",
            path.display()
        )));
    }
    let published = run::resume(machine, &job).await?;
    Ok((job, published))
}
