//! What the endpoints share: state, switches, clock, journal, and the jobs' output.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{HeaderMap, StatusCode};
use tempfile::TempDir;

use crate::answer::{self, Ended, Marked};
use crate::clock::Clock;
use crate::data::{self, ExpectedFile, OutputOrder};
use crate::faults::{Faults, Outage};
use crate::idcs::{self, Scope};
use crate::journal::Journal;
use crate::scenario::Scenario;
use crate::state::{Job, State, Store};

/// The output of one job, made once, waited for by many.
type Output = Shared<BoxFuture<'static, Result<Arc<Vec<ExpectedFile>>, Arc<io::Error>>>>;

/// Where output files are made.
#[derive(Debug)]
pub(crate) enum Folder {
    /// Kept.
    Given(PathBuf),
    /// Gone with the simulator.
    Temporary(TempDir),
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

pub(crate) struct World {
    pub(crate) base_url: String,
    pub(crate) storage_url: String,
    pub(crate) scenario: Scenario,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    pub(crate) folder: Folder,
    pub(crate) faults: RwLock<Faults>,
    pub(crate) outputs: Mutex<HashMap<u64, Output>>,
}

impl World {
    /// The switches as they are now.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the state; if that cannot be kept, an answer that says so.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Ended> {
        self.store.change(change).map_err(|error| answer::internal(&error).into())
    }

    /// The first thing that an API does: an outage, or a refusal of the caller, ends the request here.
    /// `endpoint` and `subject` say what occasions are counted by.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        outage: &Outage,
        endpoint: &str,
        subject: &str,
    ) -> Result<(), Ended> {
        self.outage(outage, endpoint, subject)?;
        idcs::authorize(self, headers, scope)
    }

    /// What happens to a request before its endpoint looks at it, if anything.
    pub(crate) fn outage(&self, outage: &Outage, endpoint: &str, subject: &str) -> Result<(), Ended> {
        if *outage == Outage::default() {
            return Ok(());
        }
        let acting = self.change(|state| {
            let mut occurs =
                |times, switch: &str| state.occurs(times, &format!("{endpoint}.{switch}"), subject);
            if occurs(outage.drop_connection, "drop_connection") {
                Some(answer::hang_up().by("drop_connection"))
            } else if occurs(outage.unavailable, "unavailable") {
                Some(answer::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by("unavailable"))
            } else if occurs(outage.throttle.times, "throttle") {
                Some(answer::too_many_requests(outage.throttle.retry_after_seconds).by("throttle"))
            } else if occurs(outage.unauthorized, "unauthorized") {
                Some(answer::unauthorized("The access token was revoked.").by("unauthorized"))
            } else if occurs(outage.forbidden, "forbidden") {
                let detail = "The user lacks the privilege for this operation.";
                Some(answer::problem(StatusCode::FORBIDDEN, detail).by("forbidden"))
            } else if occurs(outage.login_page, "login_page") {
                Some(answer::login_page().by("login_page"))
            } else {
                None
            }
        })?;
        acting.map_or(Ok(()), |answer| Err(answer.into()))
    }

    /// The folder of a job's output.
    pub(crate) fn output_folder(&self, job_id: u64) -> PathBuf {
        self.folder.path().join("jobs").join(job_id.to_string())
    }

    /// The output files of a job, made now if they are not there yet. The work goes on when nobody waits
    /// any longer.
    pub(crate) fn output(&self, job: &Job) -> Output {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.entry(job.id).or_insert_with(|| self.start_output(job)).clone()
    }

    fn start_output(&self, job: &Job) -> Output {
        let faults = self.faults();
        let folder = self.output_folder(job.id);
        let scenario = self.scenario.clone();
        let order = OutputOrder {
            job_id: job.id,
            extract: job.extract().to_owned(),
            incremental: job.is_incremental(),
            window: job.window.unwrap_or(0),
            submitted_at: job.submitted_at,
            name: faults.output_files.name,
            archive: faults.archive,
        };
        let work = tokio::task::spawn_blocking(move || data::produce(&folder, &scenario, &order));
        let files = async move {
            match work.await {
                Ok(Ok(files)) => Ok(Arc::new(files)),
                Ok(Err(error)) => Err(Arc::new(error)),
                Err(stopped) => Err(Arc::new(io::Error::other(stopped))),
            }
        };
        files.boxed().shared()
    }
}
