//! Setting a simulator up and starting it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use http::Extensions;
use tokio::net::TcpListener;

use crate::clock::{Clock, SystemClock};
use crate::context::{Context, Folder};
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::scenario::Scenario;
use crate::server::Server;
use crate::simulator::Simulator;
use crate::store::Store;
use crate::systems;

/// How a simulator is set up.
#[derive(Default)]
pub struct Builder {
    // Boxed: a future that starts a simulator holds it for long.
    faults: Box<Faults>,
    scenario: Box<Scenario>,
    data: Option<PathBuf>,
    clock: Option<Arc<dyn Clock>>,
}

impl Builder {
    /// What goes wrong. Nothing, unless said.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        *self.faults = faults;
        self
    }

    /// What the pod holds.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        *self.scenario = scenario;
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
        // The storage is another origin. Links to it that open nothing by themselves are kept, and so its port stays.
        let listen_too = |source| Error::Listen { port: 0, source };
        let port_file = self.data.as_ref().map(|folder| folder.join("storage-port"));
        let kept = port_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()?.parse().ok());
        let storage = match TcpListener::bind((Ipv4Addr::LOCALHOST, kept.unwrap_or(0))).await {
            Ok(storage) => storage,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(listen_too)?,
        };
        let storage_address = storage.local_addr().map_err(listen_too)?;
        let endpoints = Endpoints::new(format!("http://{address}"), format!("http://{storage_address}"));
        let context = Arc::new(self.into_context(endpoints)?);
        if let Some(file) = port_file {
            // Without it the next start only takes another port.
            let _ = std::fs::write(file, storage_address.port().to_string());
        }
        let server = Server::start(listener, storage, &context);
        tracing::info!(base_url = context.base_url(), "simulator started");
        Ok(Simulator { context, server })
    }

    fn into_context(self, endpoints: Endpoints) -> Result<Context, Error> {
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
        store.change(|state| systems::prepare(state, &self.scenario, clock.now())).map_err(refused)?;
        Ok(Context {
            endpoints,
            scopes: systems::scopes(),
            clock,
            journal: Journal::open(self.data.as_deref()).map_err(refused)?,
            store,
            folder,
            scenario: *self.scenario,
            faults: RwLock::new(*self.faults),
            memory: Mutex::new(Extensions::new()),
        })
    }
}

impl Simulator {
    /// A simulator to set up and start.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
