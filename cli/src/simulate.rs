//! The simulated source systems: beside a run, or served on their own.

use std::io::Write;
use std::path::{Path, PathBuf};

use landfall::context::Context;
use landfall::event::JobEvent;
use landfall::job::JobRef;
use landfall::{Error, Result};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use simulator::credentials::{PASSWORD, USERNAME};
use simulator::{Endpoints, SYSTEMS, Simulator, System};

use crate::arguments::{Simulate, Simulated};
use crate::failure::Failure;
use crate::folder_store::{self, DELIVERIES, LANDING, Served, UPLOADS, WORK};
use crate::lock::{self, Held};
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
            Error::invalid_config(
                "the simulator cannot listen on its port: choose another --port, or 0 for any free port",
            )
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
                "another landfall process runs the simulator in {}: use that one (see landfall simulate --help), or choose another --data",
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
        SimulatedSystems { endpoints: self.simulator.endpoints().clone(), export_kind: None }
    }

    pub(crate) async fn stop(self) {
        self.simulator.shutdown().await;
    }
}

/// Who is simulated, and where.
pub(crate) struct SimulatedSystems {
    endpoints: Endpoints,
    export_kind: Option<String>,
}

impl SimulatedSystems {
    /// The same, for a command that works on exports of this kind.
    pub(crate) fn for_exports_of(self, export_kind: Option<String>) -> Self {
        Self { export_kind, ..self }
    }

    /// What a connection's name stands for: the system that runs the command's kind of export; where a command has
    /// none, the one whose example has this name, and otherwise the first. A kind that none runs needs none.
    pub(crate) fn connection(&self, name: &str) -> Option<Value> {
        let runs_it = |system: &&System| self.export_kind.as_deref() == Some(system.export_kind);
        let has_its_name = |system: &&System| system.connection_name == name;
        let system = match &self.export_kind {
            // Systems that are described in a file share a kind.
            Some(_) => SYSTEMS.iter().filter(runs_it).find(has_its_name).or(SYSTEMS.iter().find(runs_it)),
            None => SYSTEMS.iter().find(has_its_name).or(SYSTEMS.first()),
        };
        system.map(|system| self.settings(system))
    }

    /// What reaches each system, under the name that its examples have.
    fn connections(&self) -> Value {
        let named = |system: &System| (system.connection_name.to_owned(), self.settings(system));
        Value::Object(SYSTEMS.iter().map(named).collect::<Map<_, _>>())
    }

    fn settings(&self, system: &System) -> Value {
        let mut settings = system.connection(&self.endpoints);
        if let Some(settings) = settings.as_object_mut() {
            settings.insert("job".to_owned(), quick());
        }
        settings
    }
}

/// What a command is about: it says which of the simulated systems a connection's name stands for.
#[derive(Debug, Clone, Default)]
pub(crate) enum Subject {
    /// An export of this kind.
    Export(String),
    /// A job, whose record has the kind.
    Job(JobRef),
    /// A connection, whatever is exported there.
    #[default]
    Connection,
}

impl Subject {
    pub(crate) fn of_event(event: &Value) -> Self {
        match (event.pointer("/export/kind").and_then(Value::as_str), JobRef::deserialize(event)) {
            (Some(kind), _) => Self::Export(kind.to_owned()),
            (None, Ok(job)) => Self::Job(job),
            // An event that names neither is for its function to judge.
            (None, Err(_)) => Self::Connection,
        }
    }

    pub(crate) fn of_job(event: &JobEvent) -> Self {
        Self::Job(event.job())
    }

    /// The kind of its exports, where that is known here.
    pub(crate) async fn export_kind(&self, context: &Context) -> Result<Option<String>> {
        match self {
            Self::Export(kind) => Ok(Some(kind.clone())),
            Self::Connection => Ok(None),
            Self::Job(job) => {
                let record = context.work().await?.job(job).await?;
                Ok(record.and_then(|record| kind_of(&json!(record.export))))
            }
        }
    }
}

fn kind_of(export: &Value) -> Option<String> {
    export.get("kind").and_then(Value::as_str).map(str::to_owned)
}

/// Jobs go on a step a poll, and lists lag by polls too: nobody has to wait long.
fn quick() -> Value {
    json!({ "poll_seconds": 1, "timeout_seconds": 600, "settle_seconds": 10, "listing_lag_seconds": 3 })
}

/// `landfall simulate`: serves until a signal ends it, which is how it is meant to end.
pub(crate) async fn simulate(arguments: &Simulate, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let stopped = stop::next_signal()
        .map_err(|error| Error::invalid_config("this process cannot listen for signals").because(error))?;
    let pod = Pod::start(arguments.port, &arguments.data, &arguments.simulated).await?;
    let Served { handle: store, s3, oci } =
        folder_store::serve_to_others(&arguments.data, arguments.oci).await?;
    let configuration = match oci {
        Some(oci) => oci_configuration(&pod, &oci),
        None => configuration(&pod, &s3),
    };
    let text = paste(pod.simulator.base_url(), &configuration)?;
    write!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Output)?;
    stopped.await;
    pod.stop().await;
    store.shutdown().await;
    Ok(())
}

/// What it takes to run against a simulator and a store that are served: by another process too, a function's say.
fn configuration(pod: &Pod, store: &Value) -> Value {
    let bucket = |name: &str| json!({ "type": "s3", "bucket": name, "store": store });
    json!({
        "work": { "bucket": WORK, "store": store },
        "connections": connections(pod, &bucket(UPLOADS)),
        "destinations": { "lake": bucket(LANDING) },
    })
}

/// What reaches each simulated system, and the bucket that anybody may put files into.
fn connections(pod: &Pod, uploads: &Value) -> Value {
    let mut connections = pod.systems().connections();
    if let Some(connections) = connections.as_object_mut() {
        let settings = json!({ "type": "delivery", "job": quick(), "from_bucket": uploads });
        connections.insert(DELIVERIES.to_owned(), settings);
    }
    connections
}

/// The same, where the store is called by OCI's own API.
fn oci_configuration(pod: &Pod, oci: &Value) -> Value {
    let bucket = |name: &str| {
        let mut bucket = oci.clone();
        if let Some(bucket) = bucket.as_object_mut() {
            bucket.insert("type".to_owned(), "oci".into());
            bucket.insert("bucket".to_owned(), name.into());
        }
        bucket
    };
    json!({
        "work": bucket(WORK),
        "connections": connections(pod, &bucket(UPLOADS)),
        "destinations": { "lake": bucket(LANDING) },
    })
}

/// What is served, said as a TOML file to run with.
fn paste(address: &str, configuration: &Value) -> Result<String> {
    let toml = toml::to_string(configuration);
    let toml = toml.map_err(|error| {
        Error::invalid_config("the configuration cannot be written as TOML").because(error)
    })?;
    Ok(format!(
        "# Serving the simulated systems at {address}, and a store, until this command is stopped (Ctrl-C).\n\
         # Save these lines as FILE to run against them: landfall run EVENT --config FILE\n\
         # In a configuration of your own, fusion-demo takes a user, too, instead of scopes.rest:\n\
         # basic = {{ username = \"{USERNAME}\", password = \"{PASSWORD}\" }}\n\n{toml}"
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
        .map_err(|error| Error::invalid_config(format!("{label} is not a valid {what} file")).because(error))
}

#[cfg(test)]
mod tests {
    use landfall::clock::SystemClock;
    use landfall::config::{Config, ConfigProvider};
    use simulator::Faults;
    use std::sync::Arc;

    use super::*;

    /// What `landfall simulate` prints is a configuration to run with, as it is.
    #[tokio::test]
    async fn what_is_printed_is_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let pod = Pod::start(0, folder.path(), &Simulated::default()).await.unwrap();
        let (store, settings) =
            folder_store::serve(folder.path(), folder_store::Buckets::Made).await.unwrap();
        let text = paste(pod.simulator.base_url(), &configuration(&pod, &settings)).unwrap();
        let config = Config::new(ConfigProvider::from_toml(&text, "pasted").unwrap(), Arc::new(SystemClock));
        for (name, its_type) in [("fusion-demo", "fusion"), ("epm-demo", "epm"), ("folio-demo", "folio")] {
            config.connection(&name.parse().unwrap()).await.unwrap();
            assert_eq!(pod.systems().connection(name).unwrap()["type"], its_type);
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

    /// With `--oci` too, and the store is then called by OCI's own API, as a user whose profile is beside it.
    #[tokio::test]
    async fn what_is_printed_of_oci_is_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let pod = Pod::start(0, folder.path(), &Simulated::default()).await.unwrap();
        let Served { handle, oci, .. } = folder_store::serve_to_others(folder.path(), true).await.unwrap();
        let text = paste(pod.simulator.base_url(), &oci_configuration(&pod, &oci.unwrap())).unwrap();
        assert!(!text.contains("access_key"), "{text}");
        let config = Config::new(ConfigProvider::from_toml(&text, "pasted").unwrap(), Arc::new(SystemClock));
        let lake = config.destination(&"lake".parse().unwrap()).await.unwrap();
        for (bucket, settings) in [(WORK, config.work().await.unwrap().store), (LANDING, lake.store)] {
            let store = landfall_store::Store::open(bucket, &settings).await;
            let condition = landfall_store::Condition::Absent;
            let written = store.put("a", bytes::Bytes::from_static(b"1"), condition).await.unwrap();
            assert!(matches!(written, landfall_store::Written::Done(_)));
            assert_eq!(std::fs::read(folder.path().join(bucket).join("a")).unwrap(), b"1");
        }
        pod.stop().await;
        handle.shutdown().await;
    }

    /// A connection may have any name: which system it is one to follows from what is exported there.
    #[tokio::test]
    async fn a_connection_is_one_to_the_system_that_runs_the_export() {
        let folder = tempfile::tempdir().unwrap();
        let pod = Pod::beside(folder.path(), &Simulated::default()).await.unwrap();
        let its_type = |kind: Option<&str>, name: &str| {
            let systems = pod.systems().for_exports_of(kind.map(str::to_owned));
            systems.connection(name).unwrap()["type"].clone()
        };
        for (kind, expected) in [
            ("fusion_extract", "fusion"),
            ("fusion_rest", "fusion"),
            ("epm_job", "epm"),
            ("folio_export", "folio"),
        ] {
            assert_eq!(its_type(Some(kind), "warehouse"), expected);
        }
        assert_eq!(its_type(None, "folio-demo"), "folio");
        assert_eq!(its_type(None, "epmty"), "fusion");
        pod.stop().await;
    }

    /// An event says by itself what it is about, and one that says nothing is left to its function.
    #[test]
    fn the_subject_of_an_event_is_its_export_or_its_job() {
        let of = |event: Value| Subject::of_event(&event);
        let export = json!({ "connection": "c", "export": { "kind": "epm_job" } });
        assert!(matches!(of(export), Subject::Export(kind) if kind == "epm_job"));
        let job = json!({ "connection": "c", "job_request_id": "1881", "ordinal": 0 });
        assert!(matches!(of(job), Subject::Job(job) if job.connection.as_str() == "c"));
        assert!(matches!(of(json!({ "connection": "c" })), Subject::Connection));
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
