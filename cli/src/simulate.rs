//! The simulated source systems: beside a run, or served on their own.

use std::io::Write;
use std::path::{Path, PathBuf};

use landfall::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simulator::{Simulator, credentials};

use crate::arguments::{Simulate, Simulated};
use crate::failure::Failure;
use crate::lock::{self, Held};
use crate::machine::{self, Buckets, LANDING, WORK};
use crate::stop;

/// A simulator that runs, alone with its folder.
pub(crate) struct Pod {
    simulator: Simulator,
    _folder_is_ours: Held,
}

impl Pod {
    /// Starts a simulator that keeps its state below the data folder, where it was before if that port is free:
    /// links to its files are kept with a job, and stay good.
    pub(crate) async fn beside(data: &Path, simulated: &Simulated) -> Result<Self> {
        let port_file = folder(data).join("port");
        let port = std::fs::read_to_string(&port_file).ok().and_then(|port| port.trim().parse().ok());
        let pod = match port {
            Some(port) => match Self::at(port, data, simulated).await? {
                Ok(pod) => pod,
                Err(_) => Self::start(0, data, simulated).await?,
            },
            None => Self::start(0, data, simulated).await?,
        };
        if let Some(port) = pod.simulator.base_url().rsplit(':').next() {
            // Without it the next start only takes another port.
            let _ = std::fs::write(&port_file, port);
        }
        Ok(pod)
    }

    async fn start(port: u16, data: &Path, simulated: &Simulated) -> Result<Self> {
        Self::at(port, data, simulated).await?.map_err(|error| {
            Error::invalid_config("the simulator cannot listen: name another --port, or 0 for any")
                .because(error)
        })
    }

    /// Starts a simulator at a port; the inner error says that the port cannot be had.
    async fn at(
        port: u16,
        data: &Path,
        simulated: &Simulated,
    ) -> Result<std::result::Result<Self, simulator::Error>> {
        let folder = folder(data);
        let ours = lock::try_hold(&folder.join("lock"))?.ok_or_else(|| {
            Error::conflict(format!(
                "another landfall simulates with {}: run against that one (see landfall simulate), or take another --data",
                folder.display()
            ))
        })?;
        let builder = Simulator::builder()
            .faults(read(simulated.faults.as_deref(), "faults")?)
            .scenario(read(simulated.scenario.as_deref(), "scenario")?)
            .data(Some(folder));
        match builder.start(port).await {
            Ok(simulator) => Ok(Ok(Self { simulator, _folder_is_ours: ours })),
            Err(error @ simulator::Error::Listen { .. }) => Ok(Err(error)),
            Err(error) => Err(Error::invalid_config("the simulator cannot start").because(error)),
        }
    }

    /// Who is simulated, and where: to be had after the simulator itself has moved.
    pub(crate) fn systems(&self) -> SimulatedSystems {
        SimulatedSystems {
            base_url: self.simulator.base_url().to_owned(),
            token_url: self.simulator.token_url(),
            storage_host: self.simulator.storage_url().trim_start_matches("http://").to_owned(),
        }
    }

    pub(crate) async fn stop(self) {
        self.simulator.shutdown().await;
    }
}

/// Who is simulated, and where.
pub(crate) struct SimulatedSystems {
    base_url: String,
    token_url: String,
    storage_host: String,
}

impl SimulatedSystems {
    /// What a connection's name stands for: the system whose word it begins with, and otherwise Fusion.
    pub(crate) fn connection(&self, name: &str) -> Value {
        match name {
            epm if epm.starts_with("epm") => self.epm(),
            folio if folio.starts_with("folio") => self.folio(),
            _ => self.fusion(),
        }
    }

    fn fusion(&self) -> Value {
        json!({
            "type": "fusion",
            "base_url": self.base_url,
            "auth": {
                "grant": "client_credentials",
                "token_url": self.token_url,
                "client_id": credentials::CLIENT_ID,
                "client_secret": credentials::CLIENT_SECRET,
            },
            "scopes": {
                "batch": credentials::BATCH_SCOPE,
                "boss": credentials::BOSS_SCOPE,
                "rest": credentials::REST_SCOPE,
            },
            "job": quick(),
        })
    }

    fn epm(&self) -> Value {
        let username = format!("{}.{}", credentials::IDENTITY_DOMAIN, credentials::USERNAME);
        json!({
            "type": "epm",
            "base_url": self.base_url,
            "basic": { "username": username, "password": credentials::PASSWORD },
            "job": quick(),
        })
    }

    fn folio(&self) -> Value {
        json!({
            "type": "folio",
            "base_url": self.base_url,
            "tenant": credentials::FOLIO_TENANT,
            "login": { "username": credentials::FOLIO_USERNAME, "password": credentials::FOLIO_PASSWORD },
            "storage_hosts": [self.storage_host],
            "job": quick(),
        })
    }
}

/// Jobs go on a step a poll, and lists lag by polls too: nobody has to wait long.
fn quick() -> Value {
    json!({ "poll_seconds": 1, "timeout_seconds": 600, "settle_seconds": 10, "listing_lag_seconds": 3 })
}

/// `landfall simulate`: serves until a signal ends it, which is how it is meant to end.
pub(crate) async fn simulate(arguments: &Simulate, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let stopped = stop::next_signal()
        .map_err(|error| Error::invalid_config("this process cannot listen to signals").because(error))?;
    let pod = Pod::start(arguments.port, &arguments.data, &arguments.simulated).await?;
    let (store, settings) = machine::serve(&arguments.data, Buckets::Made).await?;
    let text = paste(pod.simulator.base_url(), &configuration(&pod, &settings))?;
    write!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Output)?;
    stopped.await;
    pod.stop().await;
    store.shutdown().await;
    Ok(())
}

/// What it takes to run against a simulator and a store that are served: by another process too, a function's say.
fn configuration(pod: &Pod, store: &Value) -> Value {
    json!({
        "work": { "bucket": WORK, "store": store },
        "connections": {
            "fusion-demo": pod.systems().connection("fusion-demo"),
            "epm-demo": pod.systems().connection("epm-demo"),
            "folio-demo": pod.systems().connection("folio-demo"),
        },
        "destinations": { "lake": { "type": "s3", "bucket": LANDING, "store": store } },
    })
}

/// What is served, said as a TOML file to run with.
fn paste(address: &str, configuration: &Value) -> Result<String> {
    let toml = toml::to_string(configuration);
    let toml = toml.map_err(|error| {
        Error::invalid_config("the configuration cannot be written as TOML").because(error)
    })?;
    Ok(format!(
        "# The simulated systems are served at {address}, beside a store, until this command is stopped (Ctrl-C).\n\
         # With these lines in FILE, `landfall run EVENT --config FILE` runs against them.\n\n{toml}"
    ))
}

fn folder(data: &Path) -> PathBuf {
    data.join("simulator")
}

fn read<T: DeserializeOwned + Default>(file: Option<&Path>, what: &str) -> Result<T> {
    let Some(path) = file else { return Ok(T::default()) };
    let label = path.display();
    let text = std::fs::read(path).map_err(|error| {
        Error::invalid_config(format!("cannot read the {what} in {label}")).because(error)
    })?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::invalid_config(format!("{label} holds no {what}")).because(error))
}

#[cfg(test)]
mod tests {
    use landfall::clock::SystemClock;
    use landfall::config::{Config, Connection, Place};
    use simulator::Faults;
    use std::sync::Arc;

    use super::*;

    /// What `landfall simulate` prints is a configuration to run with, as it is.
    #[tokio::test]
    async fn what_is_printed_is_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let pod = Pod::start(0, folder.path(), &Simulated::default()).await.unwrap();
        let (store, settings) = machine::serve(folder.path(), Buckets::Made).await.unwrap();
        let text = paste(pod.simulator.base_url(), &configuration(&pod, &settings)).unwrap();
        let config = Config::new(Place::from_toml(&text, "pasted").unwrap(), Arc::new(SystemClock));
        for (name, is_its_kind) in [
            ("fusion-demo", (|found| matches!(found, Connection::Fusion(_))) as fn(&Connection) -> bool),
            ("epm-demo", |found| matches!(found, Connection::Epm(_))),
            ("folio-demo", |found| matches!(found, Connection::Folio(_))),
        ] {
            let connection = config.connection(&name.parse().unwrap()).await.unwrap();
            assert!(is_its_kind(&connection), "{name}: {connection:?}");
        }
        assert!(text.contains(pod.simulator.base_url()));
        let lake = config.destination(&"lake".parse().unwrap()).await.unwrap();
        for (bucket, found) in [(WORK, config.work().await.unwrap().store), (LANDING, lake.store)] {
            let endpoint = found.endpoint.map(|url| url.as_str().trim_end_matches('/').to_owned());
            assert_eq!(endpoint, Some(store.endpoint()), "{bucket}");
        }
        assert!(
            text.contains("fusion-demo") && text.lines().next().unwrap().contains(pod.simulator.base_url())
        );
        pod.stop().await;
        store.shutdown().await;
    }

    /// Two simulators on one folder would undo each other's jobs.
    #[tokio::test]
    async fn a_folder_has_one_simulator() {
        let folder = tempfile::tempdir().unwrap();
        let pod = Pod::beside(folder.path(), &Simulated::default()).await.unwrap();
        let second = Pod::beside(folder.path(), &Simulated::default()).await;
        assert_eq!(second.err().map(|error| error.error_type().name()), Some("Conflict"));
        pod.stop().await;
    }

    /// Promise 2: links to a job's files stay good over a restart.
    #[tokio::test]
    async fn a_simulator_comes_back_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let pod = Pod::beside(folder.path(), &Simulated::default()).await.unwrap();
        let address = pod.simulator.base_url().to_owned();
        pod.stop().await;
        let pod = Pod::beside(folder.path(), &Simulated::default()).await.unwrap();
        assert_eq!(pod.simulator.base_url(), address);
        pod.stop().await;
    }

    /// A misspelt switch is named, with its file.
    #[test]
    fn unknown_faults_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.json");
        std::fs::write(&path, r#"{ "contents": {} }"#).unwrap();
        let error = read::<Faults>(Some(&path), "faults").unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidConfig");
        assert!(
            error.line().contains("faults.json") && error.line().contains("`contents`"),
            "{}",
            error.line()
        );
        assert_eq!(read::<Faults>(None, "faults").unwrap(), Faults::default());
    }
}
