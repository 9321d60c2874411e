//! The source systems, faithful down to their warts, with faults on demand.
//!
//! [`Simulator`] serves a Fusion pod (BOSS data export, the batch service's job scheduler and file manager)
//! and the identity domain that issues its tokens, on one port of the loopback interface, over plain HTTP.
//! It knows nothing of landfall: it is an independent judge of what a client did, by its [`Journal`], and of
//! what should have landed, by [`Simulator::expected_files`].
//!
//! What is wrong with it is said by [`Faults`], what it holds by [`Scenario`], and who may use it by
//! [`credentials`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), simulator::Error> {
//! use simulator::{Faults, Simulator};
//!
//! let mut faults = Faults::default();
//! faults.submit.accept_then_drop = simulator::Times::First(1);
//! let simulator = Simulator::builder().faults(faults).start(0).await?;
//! assert!(simulator.base_url().starts_with("http://127.0.0.1:"));
//! assert_eq!(simulator.journal().jobs_submitted(), 0);
//! simulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod clock;
pub mod credentials;
mod data;
mod epm;
pub mod faults;
mod folio;
mod fusion;
mod idcs;
mod journal;
mod scenario;
mod server;
mod state;
mod world;

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

pub use clock::{Clock, ManualClock, SystemClock};
pub use data::{ExpectedFile, ExpectedMember, Landing, MemberReader, write_archive};
pub use epm::{
    EpmDownloadFaults, EpmFaults, EpmFormat, EpmHref, EpmListFaults, EpmOutput, EpmScenario, EpmStatusFaults,
    EpmSubmitFaults, EpmSubmitted, EpmUploadFaults, EpmVersionFaults, FailedBody, LogText, PlantedFile,
    SignIn, StatusForm,
};
pub use faults::{Faults, Times};
pub use folio::{
    Damage, Dialect, FolioArchive, FolioFaults, FolioFile, FolioJob, FolioLoginFaults, FolioMember,
    FolioOutputFaults, FolioProfile, FolioScenario, FolioStorageFaults, Platform,
};
pub use fusion::rest::{Churn, Fate, RestFaults, RestRow, RestScenario};
pub use journal::{Entry, JOURNAL_FILE, Journal, Operation};
pub use scenario::{Format, MemberSize, PlantedJob, Producer, Scenario};

use server::Server;
use state::{Job, JobEnd, JobKind, State, Store};
use world::{Folder, World};

/// Planted jobs have ids below every other's.
const FIRST_PLANTED_ID: u64 = 40_000;

/// What keeps a simulator from starting, or from saying what a job yields.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data folder, or what it holds, cannot be used.
    #[error("cannot use the simulator's data folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No such job was accepted.
    #[error("the simulator knows no job request {id}")]
    UnknownJob {
        /// The id asked for.
        id: u64,
    },
    /// The job has not ended, or not in a way that leaves files.
    #[error("job request {id} has no output")]
    NoOutput {
        /// The job's id.
        id: u64,
    },
    /// The job's files could not be made.
    #[error("cannot make the output of job request {id}")]
    Output {
        /// The job's id.
        id: u64,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

/// How a simulator is set up.
#[derive(Default)]
pub struct Builder {
    faults: Faults,
    scenario: Scenario,
    data: Option<PathBuf>,
    clock: Option<Arc<dyn Clock>>,
}

impl Builder {
    /// What goes wrong. Nothing, unless said.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// What the pod holds.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// A folder to keep jobs, their files and the journal in, over restarts. Without one they are gone with
    /// the simulator.
    #[must_use]
    pub fn data(mut self, folder: Option<PathBuf>) -> Self {
        self.data = folder;
        self
    }

    /// A clock, instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Starts to serve on 127.0.0.1.
    ///
    /// `port` 0 means any that is free.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the port cannot be had, [`Error::Folder`] if the data folder cannot.
    pub async fn start(self, port: u16) -> Result<Simulator, Error> {
        let listen = |source| Error::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // FOLIO's storage is another origin. Nobody keeps a link to it, so that any port will do.
        let listen_too = |source| Error::Listen { port: 0, source };
        let storage = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(listen_too)?;
        let storage_url = format!("http://{}", storage.local_addr().map_err(listen_too)?);
        let world = Arc::new(self.into_world(format!("http://{address}"), storage_url)?);
        let server = Server::start(listener, storage, &world);
        tracing::info!(base_url = world.base_url, "simulator started");
        Ok(Simulator { world, server })
    }

    fn into_world(self, base_url: String, storage_url: String) -> Result<World, Error> {
        let path = self.data.clone().unwrap_or_else(std::env::temp_dir);
        let refused = |source| Error::Folder { path: path.clone(), source };
        let folder = match &self.data {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(refused)?;
                Folder::Given(path.clone())
            }
            None => Folder::Temporary(tempfile::tempdir().map_err(refused)?),
        };
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let store = Store::open(self.data.as_deref()).map_err(refused)?;
        store.change(|state| plant(state, &self.scenario, &*clock)).map_err(refused)?;
        Ok(World {
            base_url,
            storage_url,
            clock,
            journal: Journal::open(self.data.as_deref()).map_err(refused)?,
            store,
            folder,
            scenario: self.scenario,
            faults: RwLock::new(self.faults),
            outputs: Mutex::new(HashMap::new()),
        })
    }
}

/// Puts the scenario's own jobs into the list, unless an earlier start has.
fn plant(state: &mut State, scenario: &Scenario, clock: &dyn Clock) {
    for (id, planted) in (FIRST_PLANTED_ID..).zip(&scenario.planted_jobs) {
        state.jobs.entry(id).or_insert_with(|| Job {
            id,
            submitted_at: clock.now(),
            request: planted_request(planted),
            kind: JobKind::Planted,
            polls: 0,
            lists: 0,
            file_lists: 0,
            restarts: 0,
            window: None,
            end: Some(JobEnd { status: "SUCCEEDED".to_owned(), message: None, at: clock.now(), polls: 1 }),
        });
    }
}

fn planted_request(planted: &PlantedJob) -> Map<String, Value> {
    let mut request = Map::new();
    request.insert("serviceName".to_owned(), json!("boss"));
    let definition = planted.job_definition_name.as_deref().unwrap_or("DataExport");
    request.insert("jobDefinitionName".to_owned(), json!(definition));
    request.insert("description".to_owned(), json!(planted.description));
    let parameters = json!({ "submit.argument1": planted.extract, "submit.argument2": "Full Data Extract" });
    request.insert("requestParameters".to_owned(), parameters);
    if let Some(uuid) = &planted.client_request_uuid {
        request.insert("clientRequestUuid".to_owned(), json!(uuid));
    }
    request
}

/// A job that was accepted, or an occurrence of a recurring one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedJob {
    /// Its id.
    pub id: u64,
    /// Its description, as it was sent.
    pub description: Option<String>,
    /// Its `clientRequestUuid`, as it was sent.
    pub client_request_uuid: Option<String>,
    /// Its `requestParameters`, as they were sent.
    pub request_parameters: Map<String, Value>,
    /// The recurring request that it is an occurrence of.
    pub parent: Option<u64>,
    /// Whether it has a schedule, and occurrences.
    pub is_recurring: bool,
    /// How it ended, if it has.
    pub final_status: Option<String>,
}

impl SubmittedJob {
    fn of(job: &Job) -> Self {
        let parameters = job.request.get("requestParameters").and_then(Value::as_object);
        Self {
            id: job.id,
            description: job.text("description").map(str::to_owned),
            client_request_uuid: job.text("clientRequestUuid").map(str::to_owned),
            request_parameters: parameters.cloned().unwrap_or_default(),
            parent: match job.kind {
                JobKind::Occurrence { parent, .. } => Some(parent),
                _ => None,
            },
            is_recurring: job.kind == JobKind::Recurring,
            final_status: job.end.as_ref().map(|end| end.status.clone()),
        }
    }
}

/// The simulated systems, running.
pub struct Simulator {
    world: Arc<World>,
    server: Server,
}

impl Simulator {
    /// A simulator to set up and start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `http://127.0.0.1:PORT`: the pod, and the identity domain (whose tokens are at
    /// `/oauth2/v1/token`).
    pub fn base_url(&self) -> &str {
        &self.world.base_url
    }

    /// Where tokens are to be had.
    pub fn token_url(&self) -> String {
        format!("{}/oauth2/v1/token", self.world.base_url)
    }

    /// The requests so far.
    pub fn journal(&self) -> &Journal {
        &self.world.journal
    }

    /// The submissions that were accepted, in their order, whether or not the client heard of it.
    /// Occurrences of recurring requests are not among them.
    pub fn jobs(&self) -> Vec<SubmittedJob> {
        self.jobs_of(|job| matches!(job.kind, JobKind::Single | JobKind::Recurring))
    }

    /// The runs of a recurring request.
    pub fn occurrences(&self, parent: u64) -> Vec<SubmittedJob> {
        self.jobs_of(|job| matches!(job.kind, JobKind::Occurrence { parent: of, .. } if of == parent))
    }

    fn jobs_of(&self, wanted: impl Fn(&Job) -> bool) -> Vec<SubmittedJob> {
        self.world
            .store
            .read(|state| state.jobs.values().filter(|job| wanted(job)).map(SubmittedJob::of).collect())
    }

    /// Changes what goes wrong from now on; "the first so many times" starts anew.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn set_faults(&self, faults: Faults) -> Result<(), Error> {
        *self.world.faults.write().unwrap_or_else(PoisonError::into_inner) = faults;
        self.change(|state| state.occasions.clear())
    }

    /// Revokes every token issued so far.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn revoke_tokens(&self) -> Result<(), Error> {
        self.change(|state| state.token_generation += 1)
    }

    /// Starts an ended job again, under its id, as an operator can in the vendor's own screen.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn start_again(&self, id: u64) -> Result<(), Error> {
        self.change(|state| {
            if let Some(job) = state.jobs.get_mut(&id) {
                job.restarts = job.restarts.saturating_add(1);
                job.polls = 0;
                job.end = None;
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let path = self.world.folder.path().to_owned();
        self.world.store.change(change).map_err(|source| Error::Folder { path, source })
    }

    /// A job's output files, and what a correct landing of each holds.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`]; [`Error::NoOutput`] before the job has succeeded, or if it never will;
    /// [`Error::Output`] if the files could not be made.
    pub async fn expected_files(&self, id: u64) -> Result<Vec<ExpectedFile>, Error> {
        let job = self.world.store.read(|state| state.jobs.get(&id).cloned());
        let job = job.ok_or(Error::UnknownJob { id })?;
        if !job.has_output() {
            return Err(Error::NoOutput { id });
        }
        let files = self.world.output(&job).await.map_err(|source| Error::Output { id, source })?;
        Ok(files.to_vec())
    }

    /// Where the bytes of an output file are kept, to compare with what was staged.
    pub fn file_path(&self, job_id: u64, ordinal: u32) -> PathBuf {
        data::file_path(&self.world.output_folder(job_id), ordinal)
    }

    /// Stops listening and closes every connection.
    pub async fn shutdown(self) {
        self.server.stop().await;
    }
}
