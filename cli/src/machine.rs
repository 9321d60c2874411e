//! What a run on one machine stands on: the embedded store, the configuration, and the simulator when asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use embedded_store::Handle;
use landfall::clock::{Deadline, SystemClock};
use landfall::config::ConfigProvider;
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::form::LandedForm;
use landfall::job::{ConnectionName, DestinationName, JobRef, ParentRun, RunKey};
use landfall::{Error, Result};
use landfall_systems::SYSTEMS;
use serde_json::{Value, json};

use crate::arguments::{LocalOptions, Systems};
use crate::disk::ThisDisk;
use crate::folder_store::{Buckets, DELIVERIES, LANDING, UPLOADS, WORK, serve};
use crate::lock::{self, Held};
use crate::progress::Progress;
use crate::simulate::{Pod, Subject};

/// Holds the locks of this machine's processes; no bucket can have this name.
const LOCKS: &str = ".locks";

/// What a process may take that lands local files on its own disk. It is its own store: what is on its way is in memory
/// on both sides, and as nothing is far, little needs to be on its way.
const MEMORY_OF_ITS_OWN_STORE: usize = 128 << 20;

/// How long the servers of a machine that stops may take to end what they are doing.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// What a run on one machine stands on.
pub(crate) struct LocalRuntime {
    context: Context,
    deadline: Deadline,
    progress: Arc<Progress>,
    data: PathBuf,
    names_connections: bool,
    store: Option<Handle>,
    own_work: Option<Value>,
    config: Option<String>,
    pod: Option<Pod>,
    /// What stands in for a data folder that is not there, for who makes none.
    _in_place_of_data: Option<Scratch>,
}

/// An empty folder that goes with whoever has it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("landfall-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).map_err(|error| {
            Error::invalid_config(format!("{} cannot be made", path.display())).because(error)
        })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What of a configuration the embedded store stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Embedded {
    work: bool,
    landing: bool,
}

impl Embedded {
    const ALL: Self = Self { work: true, landing: true };

    /// A file that names no work bucket gets the embedded one. One that names no destination at all lands there
    /// too; where it names some, an unknown name is more likely a misspelling than a wish for this machine's disk.
    fn behind(provider: &ConfigProvider, work_bucket_is_named: bool) -> Self {
        let lacks = |section| provider.has_section(section) == Some(false);
        let work = lacks("work") && !work_bucket_is_named;
        Self { work, landing: work && lacks("destinations") }
    }
}

impl LocalRuntime {
    /// Starts what a run needs.
    pub(crate) async fn for_run(
        systems: &Systems,
        subject: &Subject,
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        let on = &systems.machine;
        if systems.simulate {
            let pod = Pod::beside(&on.data, &systems.simulated).await?;
            let simulated = Some((pod, subject));
            return Self::start(on, Buckets::Made, None, Embedded::ALL, simulated, progress).await;
        }
        let provider = configured(on).await?.ok_or_else(|| {
            Error::invalid_config(
                "there is no configuration of connections: name one with --config FILE or LANDFALL_CONFIG, or try the \
                 simulator with --simulate",
            )
        })?;
        let embedded = embedded_behind(&provider);
        Self::start(on, Buckets::Made, Some(provider), embedded, None, progress).await
    }

    /// Starts what looking at a run needs that may never be done: a data folder that is not there is not made.
    pub(crate) async fn for_dry_run(
        systems: &Systems,
        subject: &Subject,
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        if systems.machine.data.join(WORK).is_dir() {
            return Self::for_run(systems, subject, progress).await;
        }
        let scratch = Scratch::new()?;
        let data = scratch.0.clone();
        let machine = LocalOptions { data, ..systems.machine.clone() };
        let systems = Systems { machine, ..systems.clone() };
        let runtime = Self::for_run(&systems, subject, progress).await?;
        Ok(Self { _in_place_of_data: Some(scratch), ..runtime })
    }

    /// Starts what landing files needs that a person has named: their connections need no configuration, which is
    /// there only for stores elsewhere. `form` is the one they land in, where that is not their destination's.
    pub(crate) async fn for_files(
        on: &LocalOptions,
        form: Option<LandedForm>,
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        let provider = configured(on).await?;
        let embedded = provider.as_ref().map_or(Embedded::ALL, embedded_behind);
        let mut machine = Self::start(on, Buckets::Made, provider, embedded, None, progress).await?;
        if embedded.landing {
            machine.context = machine.context.within_memory(MEMORY_OF_ITS_OWN_STORE);
        }
        if let Some(form) = form {
            machine.context = machine.context.landing_in(form);
        }
        Ok(machine.reading_files())
    }

    /// The same, which looks at every value that lands.
    pub(crate) fn observing_columns(self) -> Self {
        Self { context: self.context.observing_columns(), ..self }
    }

    /// The same, in a command by which a person names files of this machine.
    pub(crate) fn reading_files(self) -> Self {
        let disk = Arc::new(ThisDisk { again: "unpack it" });
        Self { context: self.context.reading_files_by(disk), ..self }
    }

    /// Starts what looking at the state needs, and makes no bucket for it. `None` where there is nothing to look at:
    /// the state would be in the embedded store, which is not there.
    pub(crate) async fn for_status(on: &LocalOptions, progress: &Arc<Progress>) -> Result<Option<Self>> {
        let provider = configured(on).await?;
        let embedded = provider.as_ref().map_or(Embedded::ALL, embedded_behind);
        if embedded.work && !on.data.join(WORK).is_dir() {
            return Ok(None);
        }
        let buckets = Buckets::AsTheyAre;
        Self::start(on, buckets, provider, embedded, None, progress).await.map(Some)
    }

    /// Starts what landing jobs again needs, whichever of this machine's they are.
    pub(crate) async fn for_repair(systems: &Systems, progress: &Arc<Progress>) -> Result<Self> {
        if systems.simulate || configured(&systems.machine).await?.is_some() {
            let machine = Self::for_run(systems, &Subject::Connection, progress).await?;
            return Ok(machine.reading_files());
        }
        Self::for_files(&systems.machine, None, progress).await
    }

    async fn start(
        on: &LocalOptions,
        buckets: Buckets,
        provider: Option<ConfigProvider>,
        embedded: Embedded,
        simulated: Option<(Pod, &Subject)>,
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        let (store, settings) = match embedded.work {
            true => serve(&on.data, buckets).await.map(|(handle, settings)| (Some(handle), settings))?,
            false => (None, Value::Null),
        };
        let own_work = embedded.work.then(|| json!({ "bucket": WORK, "store": settings }));
        let config = provider.is_some().then(|| config_name(on));
        let names_connections = provider.is_some() || simulated.is_some();
        let (pod, simulated) = match simulated {
            Some((pod, subject)) => {
                let export_kind = subject.export_kind(&context_of_state(settings.clone())).await?;
                let systems = pod.systems().for_exports_of(export_kind);
                (Some(pod), Some(systems))
            }
            None => (None, None),
        };
        let own = ConfigProvider::made("the local configuration", move |path| match path.split_once('/') {
            None if path == "work" && embedded.work => Some(json!({ "bucket": WORK, "store": settings })),
            // Below a name are documents of its own.
            Some((_, name)) if name.contains('/') => None,
            Some(("destinations", _)) if embedded.landing => {
                Some(json!({ "type": "s3", "bucket": LANDING, "store": settings }))
            }
            Some(("connections", DELIVERIES)) if simulated.is_some() => {
                let bucket = json!({ "type": "s3", "bucket": UPLOADS, "store": settings });
                Some(json!({ "type": "delivery", "from_bucket": bucket }))
            }
            Some(("connections", name)) => simulated.as_ref()?.connection(name),
            _ => None,
        });
        let provider = match provider {
            Some(provider) => provider.or(own),
            None => own,
        };
        let context = Context::new(provider, Arc::new(SystemClock), &SYSTEMS)
            .observed_by(progress.clone())
            .started_by(parent_run());
        // Where the process is its own store, nothing is far, and what is on its way is in memory on both sides.
        let context = if embedded.landing { context } else { context.within_memory_of_this_process() };
        Ok(Self {
            // Whoever submits on this store holds the run's lock: a claim without an id was left by the dead.
            context: if store.is_some() { context.as_sole_claimant() } else { context },
            deadline: Deadline::none(Arc::new(SystemClock)),
            progress: Arc::clone(progress),
            data: on.data.clone(),
            names_connections,
            store,
            own_work,
            config,
            pod,
            _in_place_of_data: None,
        })
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// A run on one machine takes the time that it takes.
    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether it is known here what connections stand for.
    pub(crate) fn names_connections(&self) -> bool {
        self.names_connections
    }

    /// Where the configuration is, as `LANDFALL_CONFIG` says it; none where there is none.
    pub(crate) fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// The work bucket as a configuration names it, where it is this machine's own.
    pub(crate) fn own_work(&self) -> Option<&Value> {
        self.own_work.as_ref()
    }

    /// Whether the work bucket is this machine's own.
    pub(crate) fn keeps_state(&self) -> bool {
        self.store.is_some()
    }

    /// Waits until no other process on this machine submits this run.
    ///
    /// No lock is needed where the work bucket is elsewhere: there the claim's lease keeps processes apart.
    pub(crate) async fn lock_run(&self, event: &RunEvent) -> Result<Option<Held>> {
        self.lock_run_of(&event.connection, &event.run_key).await
    }

    /// The same for a run whose event nobody has.
    pub(crate) async fn lock_run_of(
        &self,
        connection: &ConnectionName,
        run_key: &RunKey,
    ) -> Result<Option<Held>> {
        self.turn(&format!("runs/{connection}/{run_key}.lock")).await
    }

    /// Waits for the lock of this name, if the work bucket is this machine's own.
    pub(crate) async fn turn(&self, name: &str) -> Result<Option<Held>> {
        if !self.keeps_state() {
            return Ok(None);
        }
        let path = self.data.join(LOCKS).join(name);
        if let Some(held) = lock::try_hold(&path)? {
            return Ok(Some(held));
        }
        self.progress.at("waiting for another landfall process");
        lock::hold(&path, self.context.clock().as_ref()).await.map(Some)
    }

    /// Tells the other processes of this machine that this job's staged files are in use.
    ///
    /// There is no lock where the work bucket is elsewhere: there nobody tidies up.
    pub(crate) async fn at_work_on(&self, job: &JobRef) -> Result<Option<Held>> {
        match self.keeps_state() {
            true => lock::hold_with_others(&self.lock_of(job), self.context.clock().as_ref()).await.map(Some),
            false => Ok(None),
        }
    }

    /// Keeps the other processes of this machine from this job's staged files; `None` if one of them uses them, or
    /// if the work bucket is not this machine's own.
    pub(crate) fn alone_with(&self, job: &JobRef) -> Result<Option<Held>> {
        match self.keeps_state() {
            true => lock::try_hold(&self.lock_of(job)),
            false => Ok(None),
        }
    }

    fn lock_of(&self, job: &JobRef) -> PathBuf {
        let name = format!("staged/{}/{}.lock", job.connection, job.job_request_id);
        self.data.join(LOCKS).join(name)
    }

    /// The file that an object of a destination is, where that destination is on this machine.
    pub(crate) async fn file_of(&self, destination: &DestinationName, key: &str) -> Result<Option<PathBuf>> {
        let landing = self.context.landing(destination).await?;
        let endpoint = landing.destination.store.endpoint.as_ref();
        let is_here = match (&self.store, endpoint) {
            (Some(store), Some(endpoint)) => store.endpoint() == endpoint.as_str().trim_end_matches('/'),
            _ => false,
        };
        let path = self.data.join(landing.store.bucket()).join(key);
        Ok((is_here && path.is_file()).then_some(path))
    }

    /// The file that an object of the work bucket is, where that is on this machine.
    pub(crate) fn kept_file(&self, key: &str) -> Option<PathBuf> {
        let path = self.data.join(WORK).join(key);
        (self.keeps_state() && path.is_file()).then_some(path)
    }

    /// Stops the servers.
    pub(crate) async fn stop(self) {
        let Self { context, store, pod, _in_place_of_data, .. } = self;
        drop(context);
        let stopping = async {
            if let Some(pod) = pod {
                pod.stop().await;
            }
            if let Some(store) = store {
                store.shutdown().await;
            }
        };
        // What is on the disk is whole at any instant: there is nothing to lose.
        let _ = tokio::time::timeout(STOPS_WITHIN, stopping).await;
    }
}

/// A context with the embedded work bucket, and nothing else.
fn context_of_state(settings: Value) -> Context {
    let state = ConfigProvider::made("the local configuration", move |path| {
        (path == "work").then(|| json!({ "bucket": WORK, "store": settings }))
    });
    Context::new(state, Arc::new(SystemClock), &SYSTEMS)
}

/// The configuration that `--config`, or else `LANDFALL_CONFIG`, names.
async fn configured(on: &LocalOptions) -> Result<Option<ConfigProvider>> {
    match (&on.config, std::env::var("LANDFALL_CONFIG")) {
        (Some(file), _) => ConfigProvider::from_file(file).map(Some),
        (None, Ok(named)) if !named.is_empty() => ConfigProvider::named(&named).await.map(Some),
        (None, _) => Ok(None),
    }
}

/// The name of that configuration.
fn config_name(on: &LocalOptions) -> String {
    match &on.config {
        Some(file) => format!("file:{}", file.display()),
        None => std::env::var("LANDFALL_CONFIG").unwrap_or_default(),
    }
}

fn embedded_behind(provider: &ConfigProvider) -> Embedded {
    let work_bucket = std::env::var_os("LANDFALL_WORK_BUCKET");
    Embedded::behind(provider, work_bucket.is_some_and(|bucket| !bucket.is_empty()))
}

/// The run that has started this one, where whoever has started it says so as `OpenLineage`'s own integrations do.
fn parent_run() -> Option<ParentRun> {
    const VARIABLE: &str = "OPENLINEAGE_PARENT_ID";
    let named = std::env::var(VARIABLE).ok().filter(|named| !named.is_empty())?;
    match named.parse() {
        Ok(parent) => Some(parent),
        Err(error) => {
            tracing::warn!(%error, "{VARIABLE} names no run");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Embedded = Embedded { work: false, landing: false };

    fn behind(toml: &str, work_bucket_is_named: bool) -> Embedded {
        Embedded::behind(&ConfigProvider::from_toml(toml, "test.toml").unwrap(), work_bucket_is_named)
    }

    /// What a configuration names counts; the embedded store stands in only for what it is silent on.
    #[test]
    fn the_embedded_store_stands_in_for_what_is_not_configured() {
        let work = "[work]\nbucket = 'w'\n";
        let lake = "[destinations.lake]\ntype = 's3'\nbucket = 'l'\n";
        assert_eq!(behind("", false), Embedded::ALL);
        assert_eq!(behind(lake, false), Embedded { work: true, landing: false });
        assert_eq!(behind(&format!("{work}{lake}"), false), NOTHING);
    }

    /// A job whose state others share lands where they can read it.
    #[test]
    fn a_shared_work_bucket_has_no_destination_on_this_disk() {
        assert_eq!(behind("[work]\nbucket = 'w'\n", false), NOTHING);
        assert_eq!(behind("", true), NOTHING);
    }

    /// Nothing is guessed about configuration that is kept elsewhere.
    #[test]
    fn a_place_that_is_no_file_is_taken_as_it_is() {
        assert_eq!(Embedded::behind(&ConfigProvider::made("elsewhere", |_| None), false), NOTHING);
    }
}
