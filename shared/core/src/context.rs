//! What every step is given: configuration, clock, sources and stores, opened by name when they are needed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall_http::auth::oci::PrincipalSettings;
use landfall_http::{Client, Transport};
use landfall_store::{ByteBudget, Store, StoreSettings};
use tokio::sync::Mutex;

use crate::clock::{Clock, SystemClock, elapsed};
use crate::config::{Catalog, Config, ConfigProvider, Connection, Destination};
use crate::contract::{Disk, Source, SourceDeps, Wrap};
use crate::error::{Error, Result};
use crate::event::JobEvent;
use crate::export::{Export, ExportSpec};
use crate::form::LandedForm;
use crate::job::{
    ConnectionName, DestinationName, JobLineage, JobRecord, JobRef, JobRequestId, Outcome, ParentRun, RunKey,
    Totals,
};
use crate::memory;
use crate::observer::{Observer, Silent, name_job};
use crate::schema::{OnSchemaChange, SchemaVersion};
use crate::state::{PastJob, RunRecord, Swept, WorkState, keys};
use crate::step::Step;
use crate::systems::Systems;

/// How long an opened source or store is used before it is opened anew, so that a rotated secret is noticed.
const KEPT: Duration = Duration::from_secs(300);

/// The bytes that may wait in memory on their way to a store, where nobody says what memory there is: eight parts.
const BYTES_IN_FLIGHT: usize = 64 << 20;
/// What a process may use of its memory for them. The rest is for decoders, directories, TLS and the process.
const SHARE_OF_MEMORY: usize = 8;
/// Two parts: with fewer, a part would wait for the one before it.
const MIN_IN_FLIGHT: usize = 16 << 20;
/// More than the network of the largest function has under way at once.
const MAX_IN_FLIGHT: usize = 256 << 20;

/// What every step is given.
pub struct Context {
    systems: &'static Systems,
    config: Config,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    budget: ByteBudget,
    claim_lease: Option<Duration>,
    range_cost: Option<u64>,
    form: Option<LandedForm>,
    observes_columns: bool,
    wrap: Option<WrapTransport>,
    stores_clock: Option<Arc<dyn Clock>>,
    disk: Option<Arc<dyn Disk>>,
    parent_run: Option<ParentRun>,
    sources: Cache<ConnectionName, Arc<dyn Source>>,
    works: Cache<(), WorkState>,
    landings: Cache<DestinationName, Landing>,
}

/// Puts something between a source's clients and the wire.
pub type WrapTransport = Box<dyn Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Send + Sync>;

/// A destination and its bucket.
#[derive(Debug, Clone)]
pub struct Landing {
    /// What its name stands for.
    pub destination: Arc<Destination>,
    /// Its bucket.
    pub store: Store,
}

impl Context {
    /// The context of a function: configuration from where `LANDFALL_CONFIG` says.
    pub async fn from_environment(systems: &'static Systems) -> Result<Self> {
        let named = std::env::var("LANDFALL_CONFIG").map_err(|_| {
            Error::invalid_config(
                "LANDFALL_CONFIG is not set: it names where the configuration is (file:…, secretsmanager:…, ssm:… or ocivault:…)",
            )
        })?;
        let context = Self::new(ConfigProvider::named(&named).await?, Arc::new(SystemClock), systems);
        let context = context.within_memory_of_this_process();
        match std::env::var("LANDFALL_RANGE_BYTES") {
            Ok(bytes) => bytes.parse().map(|bytes| context.dividing_at(bytes)).map_err(|error| {
                Error::invalid_config("LANDFALL_RANGE_BYTES is not a number of bytes").because(error)
            }),
            Err(_) => Ok(context),
        }
    }

    /// A context with the configuration of a provider, for a program that knows these systems.
    pub fn new(provider: ConfigProvider, clock: Arc<dyn Clock>, systems: &'static Systems) -> Self {
        Self {
            systems,
            config: Config::new(provider, Arc::clone(&clock)),
            clock,
            observer: Arc::new(Silent),
            budget: ByteBudget::new(BYTES_IN_FLIGHT),
            claim_lease: None,
            range_cost: None,
            form: None,
            observes_columns: false,
            wrap: None,
            stores_clock: None,
            disk: None,
            parent_run: None,
            sources: Cache::default(),
            works: Cache::default(),
            landings: Cache::default(),
        }
    }

    /// The same context, which tells an observer how far transfers are.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The same context, for a process that has so much memory.
    #[must_use]
    pub fn within_memory(mut self, bytes: usize) -> Self {
        let in_flight = (bytes / SHARE_OF_MEMORY).clamp(MIN_IN_FLIGHT, MAX_IN_FLIGHT);
        self.budget = ByteBudget::new(in_flight);
        self
    }

    /// The same context, for a process that may take what memory this one may, as far as that is known.
    #[must_use]
    pub fn within_memory_of_this_process(self) -> Self {
        match memory::of_this_process() {
            Some(bytes) => self.within_memory(bytes),
            None => self,
        }
    }

    /// The same context, for a process that knows no other to be submitting its runs: whatever claim it finds
    /// was left by one that has died, and need not be waited for.
    #[must_use]
    pub fn as_sole_claimant(mut self) -> Self {
        self.claim_lease = Some(Duration::ZERO);
        self
    }

    /// The same context, in which work is divided among invocations so that none has much more of it than this, in bytes:
    /// an archive into ranges, and a job's files into calls of their own.
    #[must_use]
    pub fn dividing_at(mut self, range_cost: u64) -> Self {
        self.range_cost = Some(range_cost);
        self
    }

    /// The same context, whose sources' calls pass through something of a test's own.
    #[must_use]
    pub fn with_transport(mut self, wrap: WrapTransport) -> Self {
        self.wrap = Some(wrap);
        self
    }

    /// The same context, whose stores hold their callers to another clock than the context's own: where a test's time is
    /// not that of somebody else's store.
    #[must_use]
    pub fn with_stores_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.stores_clock = Some(clock);
        self
    }

    /// The same context, whose calls to Oracle's cloud are made in another environment than this process's: a test's.
    #[must_use]
    pub fn calling_oci_as(mut self, caller: PrincipalSettings) -> Self {
        self.config = self.config.calling_as(caller);
        self
    }

    /// The same context, whose new jobs land in this form, whatever their destination says.
    #[must_use]
    pub fn landing_in(mut self, form: LandedForm) -> Self {
        self.form = Some(form);
        self
    }

    /// The same context, which looks at every value that lands, whatever the destination says.
    #[must_use]
    pub fn observing_columns(mut self) -> Self {
        self.observes_columns = true;
        self
    }

    /// The same context, for a process in which a person has named files of this machine.
    #[must_use]
    pub fn reading_files_by(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// The same context, for a process whose runs another run has started, which events of `OpenLineage` name as their parent.
    #[must_use]
    pub fn started_by(mut self, parent: Option<ParentRun>) -> Self {
        self.parent_run = parent;
        self
    }

    /// How old a claim must be before it may be taken over, where that is not the usual time.
    pub fn claim_lease(&self) -> Option<Duration> {
        self.claim_lease
    }

    /// What an invocation may cost, in bytes, before its work is divided among several, where that is not the usual.
    pub fn range_cost(&self) -> Option<u64> {
        self.range_cost
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// A client whose calls pass through what those of the sources pass through.
    pub(crate) fn wrapped(&self, client: Client) -> Client {
        match &self.wrap {
            Some(wrap) => client.wrapped(wrap),
            None => client,
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Who is told how far transfers are.
    pub fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// The bytes that may wait in memory for a store.
    pub fn budget(&self) -> &ByteBudget {
        &self.budget
    }

    /// The systems that this program knows.
    pub fn systems(&self) -> &'static Systems {
        self.systems
    }

    /// What an export says that a job was recorded with.
    pub fn spec(&self, export: &Export) -> Result<Box<dyn ExportSpec>> {
        self.systems.spec(export)
    }

    /// The path that an export's jobs land below. What an export says that this release cannot read has no name but its
    /// kind's, as in the landing layout.
    pub fn export_path(&self, export: &Export) -> String {
        self.spec(export).map_or_else(|_| export.kind().to_owned(), |spec| keys::export_path(spec.as_ref()))
    }

    /// The version of its export's schema that something of a job was decided by.
    pub async fn kept_schema(&self, job: &JobRecord, number: u32) -> Result<SchemaVersion> {
        let (work, export) = (self.work().await?, self.export_path(&job.export));
        work.schema(&job.connection, &export, number).await?.ok_or_else(|| {
            let object = work.store().object(&keys::schema(&job.connection, &export, number));
            Error::not_found(format!(
                "{} goes by version {number} of its export's schema, and {object} is no longer there: put it back",
                job.job()
            ))
        })
    }

    /// What a connection's name stands for.
    pub async fn connection(&self, name: &ConnectionName) -> Result<Connection> {
        match self.systems.built_in(name) {
            Some(built_in) => self.config.configured_connection(name).await?.map_or(built_in, Ok),
            None => self.config.connection(name).await,
        }
    }

    /// The source behind a connection.
    pub async fn source(&self, name: &ConnectionName) -> Result<Arc<dyn Source>> {
        let wrap = self.wrap.as_ref().map(|wrap| &**wrap as Wrap<'_>);
        let open = async {
            let connection = self.connection(name).await?;
            let work = Box::pin(self.work()).await?;
            let (clock, disk) = (Arc::clone(&self.clock), self.disk.clone());
            let bucket = match connection.from_bucket() {
                Some(from) => Some(Box::pin(self.store(&from.bucket, &from.store)).await),
                None => None,
            };
            self.systems.open(name, &connection, SourceDeps { clock, work, wrap, disk, bucket })
        };
        let source = self.sources.get(name, self.clock.now(), open).await?;
        source.refresh().await?;
        Ok(source)
    }

    /// The pipeline's own state.
    pub async fn work(&self) -> Result<WorkState> {
        let open = async {
            let work = self.config.work().await?;
            Ok(WorkState::new(self.store(&work.bucket, &work.store).await))
        };
        self.works.get(&(), self.clock.now(), open).await
    }

    /// The bucket behind a destination.
    pub async fn landing(&self, name: &DestinationName) -> Result<Landing> {
        let open = async {
            let mut destination = self.config.destination(name).await?;
            destination.form = self.form.unwrap_or(destination.form);
            destination.observe_columns |= self.observes_columns;
            let store = self.store(&destination.bucket, &destination.store).await;
            Ok(Landing { destination: Arc::new(destination), store })
        };
        self.landings.get(name, self.clock.now(), open).await
    }

    /// What a catalog's name stands for.
    pub async fn catalog(&self, name: &str) -> Result<Catalog> {
        self.config.catalog(name).await
    }

    /// A bucket that no name stands for.
    pub async fn store(&self, bucket: &str, settings: &StoreSettings) -> Store {
        let clock = self.stores_clock.as_ref().unwrap_or(&self.clock);
        Store::open_at(bucket, settings, Arc::clone(clock)).await
    }

    /// Whether the manifest of the job that lands below a prefix is there, which is what landing means.
    pub async fn has_landed(&self, destination: &DestinationName, landing_prefix: &str) -> Result<bool> {
        let landing = self.landing(destination).await?;
        Ok(landing.store.head(&keys::manifest(landing_prefix)).await?.is_some())
    }

    /// What is known of a job; one that somebody else submitted is taken on here, at its first step.
    pub async fn job(&self, event: &JobEvent) -> Result<JobRecord> {
        let record = match self.work().await?.job(&event.job()).await? {
            Some(record) => record,
            None => self.take_on(event).await?,
        };
        name_job(&record);
        match &event.destination {
            Some(named) if *named != record.destination => Err(Error::conflict(format!(
                "{} lands in {}, but the event names {named}: leave the destination out, or name the same one",
                event.job(),
                record.destination
            ))),
            _ => Ok(record),
        }
    }

    /// Records the job that a run has become, as the run was claimed; what is recorded of it already stays.
    pub async fn record_job_of_run(
        &self,
        connection: &ConnectionName,
        run_key: &RunKey,
        run: &RunRecord,
        job_request_id: &JobRequestId,
    ) -> Result<JobRecord> {
        let settings = self.landing(&run.destination).await?.destination;
        let usual = self.usual_duration(connection, &run.export, &run.destination).await;
        let since = run.claimed_at;
        let record = JobRecord {
            connection: connection.clone(),
            job_request_id: job_request_id.clone(),
            export: run.export.clone(),
            destination: run.destination.clone(),
            landing_prefix: match &run.landing_prefix {
                Some(landing_prefix) => landing_prefix.clone(),
                None => {
                    let spec = self.spec(&run.export)?;
                    settings.landing_prefix(connection, job_request_id, spec.as_ref(), since)?
                }
            },
            form: settings.job_form(),
            run_key: Some(run_key.clone()),
            window: run.window.clone(),
            since,
            usual_seconds: usual.map(|usual| usual.as_secs()),
            outage: None,
            failure: None,
            notice: None,
            registered_at: None,
            lineage: Box::pin(self.lineage_of(connection, run.parent.clone())).await.map(Box::new),
            overcome: Vec::new(),
        };
        let recorded = self.work().await?.record_job(record).await?;
        match &recorded.run_key {
            Some(other) if other != run_key => Err(Error::conflict(format!(
                "{} is the job of run {other}, so it is not that of run {run_key}",
                recorded.job()
            ))),
            _ => Ok(recorded),
        }
    }

    /// How long the jobs of an export take at least, as far as its last ones show. A job goes on without that, too.
    async fn usual_duration(
        &self,
        connection: &ConnectionName,
        export: &Export,
        destination: &DestinationName,
    ) -> Option<Duration> {
        let history = async {
            let key = keys::history(connection, self.spec(export)?.as_ref(), destination);
            Ok::<_, Error>(self.work().await?.history(&key).await?)
        };
        match history.await {
            Ok(history) => history.usual_duration(),
            Err(error) => {
                tracing::warn!(error = error.line(), "how long the export's jobs take cannot be read");
                None
            }
        }
    }

    /// What the events of `OpenLineage` about a job say of where it runs, and of what has started it; nothing where there are
    /// no events.
    pub(crate) async fn lineage_of(
        &self,
        connection: &ConnectionName,
        parent: Option<ParentRun>,
    ) -> Option<JobLineage> {
        if !matches!(self.config.lineage().await, Ok(Some(_))) {
            return None;
        }
        let namespace = self.connection(connection).await.ok().and_then(|known| known.namespace());
        let namespace = namespace.unwrap_or_else(|| format!("landfall://{connection}"));
        Some(JobLineage { namespace, parent: parent.or_else(|| self.parent_run.clone()) })
    }

    /// Remembers that a job has landed. It has whether or not this can be noted, so a failure is logged alone.
    pub async fn remember(&self, job: &JobRecord, outcome: &Outcome, totals: Totals) {
        let past = PastJob::new(job, outcome, totals, self.clock.now());
        let remembered = async {
            let key = keys::history(&job.connection, self.spec(&job.export)?.as_ref(), &job.destination);
            self.work().await?.remember(&key, &past, self.clock.as_ref()).await
        };
        if let Err(error) = remembered.await {
            tracing::warn!(error = error.line(), "it is not remembered that the job has landed");
        }
    }

    /// Records that a job may land empty, as a person has said so; one that somebody else submitted is taken on.
    pub async fn allow_empty(&self, event: &JobEvent) -> Result<()> {
        let job = self.job(event).await?;
        let export = job.export.allowing_empty();
        self.spec(&export).map_err(|_| {
            Error::invalid_event(format!("exports of kind {} always have output", job.export.kind()))
        })?;
        self.work().await?.change_export(&job.job(), export, self.clock.as_ref()).await
    }

    /// Records what becomes of a job whose columns do not fit its export's schema, as a person has said.
    pub async fn on_schema_change(&self, event: &JobEvent, rule: OnSchemaChange) -> Result<()> {
        let job = self.job(event).await?;
        let export = job.export.on_schema_change(rule);
        self.work().await?.change_export(&job.job(), export, self.clock.as_ref()).await
    }

    /// Notes of a job what no sweep need try again, if a step has failed over it for good.
    pub async fn note_failure(&self, step: Step, job: &JobRef, error: &Error) {
        if !step.fails_for_good(error.error_type()) {
            return;
        }
        let cannot_land = Swept::CannotLand { error: error.error_type().name().to_owned() };
        let noted = async { Ok::<_, Error>(self.work().await?.note_swept(job, &cannot_land).await?) }.await;
        if let Err(error) = noted {
            tracing::warn!(
                error = error.line(),
                "it is not noted that the job cannot land: a sweep tries it again"
            );
        }
    }

    async fn take_on(&self, event: &JobEvent) -> Result<JobRecord> {
        let job = event.job();
        let destination = event.destination.clone().ok_or_else(|| {
            Error::not_found(format!(
                "{job} was not submitted by landfall: if it was submitted elsewhere, name its `destination`"
            ))
        })?;
        if self.systems.connections.is_empty() {
            return Err(Error::not_found(format!(
                "{job} has no record yet: call poll-status or fetch-files first"
            )));
        }
        let export = self.source(&event.connection).await?.describe(&event.job_request_id).await?;
        let since = self.clock.now();
        let settings = self.landing(&destination).await?.destination;
        let landing_prefix = settings.landing_prefix(
            &event.connection,
            &event.job_request_id,
            self.spec(&export)?.as_ref(),
            since,
        )?;
        let record = JobRecord {
            connection: event.connection.clone(),
            job_request_id: event.job_request_id.clone(),
            export,
            destination,
            landing_prefix,
            form: settings.job_form(),
            run_key: None,
            window: None,
            since,
            usual_seconds: None,
            outage: None,
            failure: None,
            notice: None,
            registered_at: None,
            lineage: Box::pin(self.lineage_of(&event.connection, None)).await.map(Box::new),
            overcome: Vec::new(),
        };
        Ok(self.work().await?.record_job(record).await?)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Context").field("config", &self.config).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Cache<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    async fn get(&self, key: &K, now: Timestamp, open: impl Future<Output = Result<V>>) -> Result<V> {
        let mut kept = self.0.lock().await;
        if let Some((since, value)) = kept.get(key)
            && elapsed(*since, now) < KEPT
        {
            return Ok(value.clone());
        }
        let value = open.await?;
        kept.insert(key.clone(), (now, value.clone()));
        Ok(value)
    }
}
