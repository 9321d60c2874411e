//! What the endpoints of all systems share: state, switches, scenario, clock, journal, and a folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::{Extensions, StatusCode};
use tempfile::TempDir;

use crate::clock::Clock;
use crate::endpoints::Endpoints;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::response::{self, Marked, Rejection};
use crate::scenario::Scenario;
use crate::state::State;
use crate::store::Store;
use crate::switches::Outage;

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

pub(crate) struct Context {
    pub(crate) endpoints: Endpoints,
    /// The scopes that the identity domain issues tokens for.
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) scenario: Scenario,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    pub(crate) folder: Folder,
    pub(crate) faults: RwLock<Faults>,
    /// What systems keep in memory only, by type.
    pub(crate) memory: Mutex<Extensions>,
}

impl Context {
    pub(crate) fn base_url(&self) -> &str {
        &self.endpoints.base_url
    }

    /// The switches as they are now.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the state; if that cannot be kept, an answer that says so.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Rejection> {
        self.store.change(change).map_err(|error| response::internal(&error).into())
    }

    /// What a system keeps in memory only, and has one of: a handle to it, which is made with the first call.
    pub(crate) fn memory<T: Clone + Default + Send + Sync + 'static>(&self) -> T {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default::<T>().clone()
    }

    /// What happens to a request before its endpoint looks at it, if anything.
    /// `endpoint` and `subject` say what occasions are counted by.
    pub(crate) fn outage(&self, outage: &Outage, endpoint: &str, subject: &str) -> Result<(), Rejection> {
        if *outage == Outage::default() {
            return Ok(());
        }
        let acting = self.change(|state| {
            let mut occurs =
                |times, switch: &str| state.occurs(times, &format!("{endpoint}.{switch}"), subject);
            if occurs(outage.drop_connection, "drop_connection") {
                Some(response::hang_up().by("drop_connection"))
            } else if occurs(outage.unavailable, "unavailable") {
                Some(response::gateway_error(StatusCode::SERVICE_UNAVAILABLE).by("unavailable"))
            } else if occurs(outage.throttle.times, "throttle") {
                Some(response::too_many_requests(outage.throttle.retry_after_seconds).by("throttle"))
            } else if occurs(outage.unauthorized, "unauthorized") {
                Some(response::unauthorized("The access token was revoked.").by("unauthorized"))
            } else if occurs(outage.forbidden, "forbidden") {
                let detail = "The user lacks the privilege for this operation.";
                Some(response::problem(StatusCode::FORBIDDEN, detail).by("forbidden"))
            } else if occurs(outage.login_page, "login_page") {
                Some(response::login_page().by("login_page"))
            } else {
                None
            }
        })?;
        acting.map_or(Ok(()), |answer| Err(answer.into()))
    }
}
