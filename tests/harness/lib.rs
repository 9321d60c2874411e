//! A world to run in: a simulated pod, an embedded store, a context between them, and a clock that never waits.

pub mod clock;
pub mod crafted;
pub mod cut;
pub mod echo;
pub mod elsewhere;
pub mod matrix;
pub mod proxy;
pub mod served;
pub mod staged;
pub mod systems;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use embedded_store::{Credentials, EmbeddedStore, Handle, Options, Sessions};
use fetch_files::{FetchEach, FetchEvent, FetchedFiles, FileToFetch};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use landfall::checksum::{Checksums, Hasher};
use landfall::clock::{Clock, Deadline, ManualClock, SystemClock};
use landfall::config::ConfigProvider;
use landfall::context::Context;
use landfall::event::{FileEvent, JobEvent, RunEvent, parse};
use landfall::form::LandedForm;
use landfall::job::LandedObject;
use landfall::step::{MAX_RETURNS, OUTAGE};
use landfall::{ErrorType, Result};
use landfall_store::{Store, StoreSettings};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use simulator::{ExpectedFile, Faults, Landing, Scenario, Simulator, credentials};
use tempfile::TempDir;
use tokio::runtime;
use tokio::sync::OnceCell;
use unpack_upload::UnpackFile;

use self::clock::{CallersTime, OneClock};
use self::elsewhere::{At, oci_user};

/// How a world differs from one in which nothing goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The simulator's faults.
    pub faults: Value,
    /// What the pod holds; a small job of two views and two chunks each, if nothing is said.
    pub scenario: Option<Scenario>,
    /// More lines of the connection's table.
    pub connection: String,
    /// The connection's `auth` instead of the usual one.
    pub auth: Option<String>,
    /// The lines of the EPM connection's table instead of the usual ones; `{base_url}`, `{token_url}` and
    /// `{refresh_token}` in it are the simulator's.
    pub epm: Option<String>,
    /// What the table of the connection `folio-demo` says besides where it leads, instead of the usual: its login and
    /// its `storage_hosts`. `{storage}` stands for the simulated storage's host.
    pub folio: Option<String>,
    /// The connection's `scopes` instead of all that there are.
    pub scopes: Option<String>,
    /// More lines of the table of the connection `deliveries`, whose bucket is the world's own store's `uploads`.
    pub deliveries: String,
    /// More lines of the destination's table.
    pub destination: String,
    /// Whether the pod goes by the world's own clock: what a sleep passes, passes there too.
    pub one_clock: bool,
    /// The work and the landing bucket, where they are not the world's own store's.
    pub buckets: Option<Buckets>,
    /// Whether the world's own store is called by OCI's own API, and by nobody otherwise.
    pub in_oci: bool,
    /// The sessions that may call it then, besides the user whose profile the configuration names.
    pub sessions: Arc<Sessions>,
    /// When it is, for a world whose pod's clock stands still: two such worlds are alike to the byte. Otherwise now.
    pub at: Option<Timestamp>,
}

/// The buckets of a run.
#[derive(Debug, Clone)]
pub struct Buckets {
    /// The pipeline's own state.
    pub work: At,
    /// What lands.
    pub landing: At,
}

/// A simulated pod, an embedded store and a context between them.
pub struct World {
    /// The pod.
    pub simulator: Simulator,
    /// The embedded store's files.
    pub folder: TempDir,
    /// What the steps are given.
    pub context: Context,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    pods_clock: Option<Arc<simulator::ManualClock>>,
    stores_time: Arc<CallersTime>,
    is_elsewhere: bool,
    config: String,
    store: Handle,
    settings: StoreSettings,
    buckets: Buckets,
    uploads: At,
    landing: OnceCell<Store>,
    work: OnceCell<Store>,
}

/// A small job: what matters is how many files and members there are, not how large.
pub fn small_scenario() -> Scenario {
    Scenario { chunks_per_view: 2, member_size: simulator::MemberSize::Rows(50), ..Scenario::default() }
}

impl World {
    /// A world, running.
    pub async fn new(setup: Setup) -> World {
        Self::with_store(setup, Options { fsync: false, ..Options::default() }).await
    }

    /// A world whose store is opened with these options.
    pub async fn with_store(setup: Setup, options: Options) -> World {
        let faults: Faults = match &setup.faults {
            Value::Null => Faults::default(),
            faults => {
                serde_json::from_value(faults.clone()).expect("the faults of a test are switches that exist")
            }
        };
        let scenario = setup.scenario.clone().unwrap_or_else(small_scenario);
        let mut simulator = Simulator::builder().faults(faults).scenario(scenario);
        let pods_clock = setup.at.map(|at| Arc::new(simulator::ManualClock::starting_at(at)));
        let clock = Arc::new(ManualClock::new(setup.at.unwrap_or_else(Timestamp::now)));
        if setup.one_clock {
            simulator = simulator.clock(Arc::new(OneClock(clock.clone())));
        } else if let Some(clock) = pods_clock.clone() {
            simulator = simulator.clock(clock);
        }
        let simulator = simulator.start(0).await.expect("a simulator");
        let folder = TempDir::new().expect("a folder");
        let embedded = EmbeddedStore::open(folder.path(), options).expect("a store");
        let user = setup.in_oci.then(oci_user);
        // Somebody else's store goes by the machine's own time, and ours by that of whoever calls.
        let is_elsewhere = setup.buckets.is_some();
        let stores_time = match is_elsewhere {
            true => CallersTime::by(Arc::new(SystemClock)),
            false => CallersTime::by(clock.clone()),
        };
        let time = Arc::clone(&stores_time);
        let embedded = embedded.told_the_time_by(move || time.now());
        let embedded = user.iter().fold(embedded, |store, user| {
            store.with_oci(user.access.clone().admitting(Arc::clone(&setup.sessions)))
        });
        embedded.ensure_bucket("work").expect("a bucket");
        embedded.ensure_bucket("landing").expect("a bucket");
        embedded.ensure_bucket("uploads").expect("a bucket");
        let key = Credentials::random();
        let store = embedded.serve(0, &key).await.expect("a store that serves");
        let own = |bucket: &str| At {
            bucket: bucket.to_owned(),
            endpoint: store.endpoint(),
            access_key_id: key.access_key_id.clone(),
            secret_access_key: key.secret_access_key.expose_secret().to_owned(),
            oci_region: None,
            profile: user.map(|user| user.config_file.clone()),
        };
        let uploads = own("uploads");
        let own = || Buckets { work: own("work"), landing: own("landing") };
        let buckets = setup.buckets.clone().unwrap_or_else(own);
        let config = config(&setup, &simulator, &buckets, &uploads);
        let settings = StoreSettings {
            endpoint: Some(store.endpoint().parse().expect("a URL")),
            access_key_id: Some(key.access_key_id),
            secret_access_key: Some(key.secret_access_key),
            ..StoreSettings::default()
        };
        let stores_clock = is_elsewhere.then(|| Arc::clone(&stores_time) as Arc<dyn Clock>);
        let context = context(&config, &simulator, clock.clone(), stores_clock);
        World {
            simulator,
            folder,
            context,
            clock,
            pods_clock,
            stores_time,
            is_elsewhere,
            config,
            store,
            settings,
            buckets,
            uploads,
            landing: OnceCell::new(),
            work: OnceCell::new(),
        }
    }

    /// Lets time pass, for the pod too where its clock stands still by itself.
    pub fn pass(&self, time: std::time::Duration) {
        self.clock.advance(time);
        if let (Some(clock), Ok(time)) = (&self.pods_clock, time.try_into()) {
            clock.advance(time);
        }
    }

    /// The same world seen by a new process: nothing is remembered.
    pub fn anew(&self) -> Context {
        self.anew_by(self.clock.clone())
    }

    /// The same, by another clock.
    pub fn anew_by(&self, clock: Arc<dyn Clock>) -> Context {
        self.configured_by(clock, str::to_owned)
    }

    /// The same, as one sees it whose configuration was changed.
    pub fn configured_by(&self, clock: Arc<dyn Clock>, change: impl FnOnce(&str) -> String) -> Context {
        let stores_clock = self.is_elsewhere.then(|| Arc::clone(&self.stores_time) as Arc<dyn Clock>);
        if !self.is_elsewhere {
            self.stores_time.goes_by(Arc::clone(&clock));
        }
        context(&change(&self.config), &self.simulator, clock, stores_clock)
    }

    /// The same world as one sees it whose configuration was changed.
    pub fn configured_anew(&self, change: impl FnOnce(&str) -> String) -> Context {
        self.configured_by(self.clock.clone(), change)
    }

    /// The world seen by a new process after the destination's table has got more lines.
    pub fn configured_otherwise(&self, destination: &str) -> Context {
        let table = "[destinations.lake]\n";
        self.configured_anew(|config| config.replace(table, &format!("{table}{destination}\n")))
    }

    /// The landing bucket.
    pub async fn landing(&self) -> Store {
        let At { bucket, .. } = &self.buckets.landing;
        let settings = self.buckets.landing.settings();
        self.landing.get_or_init(|| self.open(bucket, &settings)).await.clone()
    }

    /// The work bucket.
    pub async fn work(&self) -> Store {
        let At { bucket, .. } = &self.buckets.work;
        let settings = self.buckets.work.settings();
        self.work.get_or_init(|| self.open(bucket, &settings)).await.clone()
    }

    /// The bucket of the world's own store that others put files into.
    pub async fn uploads(&self) -> Store {
        self.open(&self.uploads.bucket, &self.uploads.settings()).await
    }

    async fn open(&self, bucket: &str, settings: &StoreSettings) -> Store {
        Store::open_at(bucket, settings, Arc::clone(&self.stores_time) as Arc<dyn Clock>).await
    }

    /// Every object of the landing bucket.
    pub async fn landed(&self) -> BTreeMap<String, Vec<u8>> {
        objects(&self.landing().await).await
    }

    /// The manifests that are there, by key.
    pub async fn manifests(&self) -> BTreeMap<String, publish::Manifest> {
        let landed = self.landed().await;
        let manifests = landed.into_iter().filter(|(key, _)| key.ends_with("/_manifest.json"));
        manifests
            .map(|(key, bytes)| (key, serde_json::from_slice(&bytes).expect("a manifest that reads")))
            .collect()
    }

    /// The multipart uploads that nobody has finished.
    pub async fn unfinished_uploads(&self) -> usize {
        let landing = self.landing().await.list_uploads("").await.expect("a list");
        landing.len() + self.work().await.list_uploads("").await.expect("a list").len()
    }

    /// Where the landing bucket's objects are files.
    pub fn landing_folder(&self) -> PathBuf {
        self.folder.path().join("landing")
    }

    /// Where the work bucket's objects are files.
    pub fn work_folder(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// How the work bucket is reached.
    pub fn work_settings(&self) -> StoreSettings {
        self.buckets.work.settings()
    }

    /// What signs the requests to the store.
    pub fn store_secret(&self) -> &str {
        self.settings.secret_access_key.as_ref().expect("a store with a key").expose_secret()
    }

    /// How many requests the store has served, by kind.
    pub fn store_requests(&self) -> BTreeMap<&'static str, u64> {
        self.store.requests()
    }

    /// The configuration, as a file has it; what it does not have follows from the simulator.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Ends the world's servers.
    pub async fn end(self) {
        self.simulator.shutdown().await;
        self.store.shutdown().await;
    }
}

/// A context with this configuration; connections that it does not have lead to the simulator as they usually do.
fn context(
    config: &str,
    simulator: &Simulator,
    clock: Arc<dyn Clock>,
    stores_clock: Option<Arc<dyn Clock>>,
) -> Context {
    let provider =
        ConfigProvider::from_toml(config, "the test's configuration").expect("a configuration that reads");
    let usual = simulator::SYSTEMS.iter().map(|system| {
        let mut settings = system.connection(simulator.endpoints());
        settings["job"] = json!({ "timeout_seconds": 900 });
        (format!("connections/{}", system.connection_name), settings)
    });
    let usual: BTreeMap<String, Value> = usual.collect();
    let provider = provider.or(ConfigProvider::made("the simulator", move |path| usual.get(path).cloned()));
    let context = Context::new(provider, clock, &landfall_systems::SYSTEMS);
    match stores_clock {
        Some(clock) => context.with_stores_by(clock),
        None => context,
    }
}

/// Every object of a bucket.
pub async fn objects(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let keys: Vec<String> = store.list("").map_ok(|object| object.key).try_collect().await.expect("a list");
    let mut objects = BTreeMap::new();
    for key in keys {
        let object = store.read(&key, u64::MAX).await.expect("an object that reads").expect("an object");
        objects.insert(key, object.bytes.to_vec());
    }
    objects
}

fn config(setup: &Setup, simulator: &Simulator, buckets: &Buckets, uploads: &At) -> String {
    let usual = format!(
        "auth = {{ grant = \"client_credentials\", token_url = \"{}\", client_id = \"{}\", client_secret = {} }}",
        simulator.token_url(),
        credentials::CLIENT_ID,
        toml_text(credentials::CLIENT_SECRET),
    );
    let all_scopes = format!(
        "batch = '{}', boss = '{}', rest = '{}'",
        credentials::BATCH_SCOPE,
        credentials::BOSS_SCOPE,
        credentials::REST_SCOPE
    );
    let mut config = format!(
        r#"
        [work]
        {work}

        [destinations.lake]
        type = "{kind}"
        sha256 = true
        {landing}
        {destination}

        [connections.fusion-demo]
        type = "fusion"
        base_url = "{base_url}"
        scopes = {{ {scopes} }}
        job = {{ timeout_seconds = 900 }}
        {auth}
        {connection}
        "#,
        work = buckets.work.work_toml(),
        kind = buckets.landing.kind(),
        landing = buckets.landing.toml(),
        destination = setup.destination,
        base_url = simulator.base_url(),
        scopes = setup.scopes.as_deref().unwrap_or(&all_scopes),
        auth =
            setup.auth.as_deref().unwrap_or(&usual).replace("{token_url}", &simulator.token_url()).replace(
                "{refresh_token}",
                &simulator.refresh_token(credentials::REST_SCOPE).expect("a token")
            ),
        connection = setup.connection,
    );
    config += &format!(
        "[connections.deliveries]\ntype = 'delivery'\njob = {{ timeout_seconds = 900 }}\n{}\n\
         [connections.deliveries.from_bucket]\ntype = '{}'\n{}\n",
        setup.deliveries,
        uploads.kind(),
        uploads.toml(),
    );
    if let Some(epm) = &setup.epm {
        let epm = epm
            .replace("{base_url}", simulator.base_url())
            .replace("{token_url}", &simulator.token_url())
            .replace("{refresh_token}", &simulator.refresh_token(credentials::EPM_SCOPE).expect("a token"));
        config += &format!("[connections.epm-demo]\ntype = 'epm'\n{epm}\n");
    }
    if let Some(folio) = &setup.folio {
        let (base_url, tenant) = (simulator.base_url(), credentials::FOLIO_TENANT);
        let folio = folio.replace("{storage}", simulator.endpoints().storage_host());
        config += &format!(
            "[connections.folio-demo]\ntype = 'folio'\nbase_url = '{base_url}'\ntenant = '{tenant}'\n\
             job = {{ timeout_seconds = 900 }}\n{folio}\n"
        );
    }
    config
}

/// The sign-in of an EPM connection by a user's name and password.
pub fn epm_user() -> String {
    let (domain, user) = (credentials::IDENTITY_DOMAIN, credentials::USERNAME);
    format!("basic = {{ username = '{domain}.{user}', password = {} }}", toml_text(credentials::PASSWORD))
}

/// A text as TOML has it.
pub fn toml_text(text: &str) -> String {
    format!("'''{text}'''")
}

/// The event of the contract's example.
pub fn run_event() -> Value {
    json!({
        "connection": "fusion-demo",
        "export": { "kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "incremental" },
        "destination": "lake",
        "run_key": "carriers-2026-11-21T06"
    })
}

/// Holds what has landed of a job against the simulator's own word of it: every member, to the byte, and nothing else.
pub async fn assert_landed(world: &World, job: u64, case: &str) -> publish::Manifest {
    let manifests = world.manifests().await;
    let (manifest_key, manifest) = manifests
        .into_iter()
        .find(|(_, manifest)| manifest.job_request_id.as_str() == job.to_string())
        .unwrap_or_else(|| panic!("{case}: job {job} has no manifest"));
    let expected: Vec<Expected> = world
        .simulator
        .expected_files(job)
        .await
        .expect("a job with output")
        .iter()
        .flat_map(|file| expected_of(&world.simulator, job, file))
        .collect();
    let mut landed = world.landed().await;
    landed.remove(&manifest_key);
    assert_eq!(manifest.objects.len(), expected.len(), "{case}: objects in the manifest");
    for (object, expected) in std::iter::zip(&manifest.objects, &expected) {
        assert_eq!(object.file, expected.file, "{case}");
        assert_eq!(object.member, expected.member, "{case}");
        if expected.rows.is_some() {
            assert_eq!(object.rows, expected.rows, "{case}: rows of {}", object.key);
        }
        let bytes =
            landed.remove(&object.key).unwrap_or_else(|| panic!("{case}: {} is not there", object.key));
        assert_holds(object, &bytes, &expected.bytes, case);
    }
    let prefix = manifest_key.trim_end_matches("_manifest.json");
    let others: Vec<_> = landed.keys().filter(|key| key.starts_with(prefix)).collect();
    assert!(others.is_empty(), "{case}: landed, and in no manifest: {others:?}");
    assert_eq!(world.unfinished_uploads().await, 0, "{case}: unfinished uploads");
    manifest
}

/// Holds an object, whatever its form, and what is told of it against its content.
pub fn assert_holds(object: &LandedObject, bytes: &[u8], content: &[u8], case: &str) {
    let key = &object.key;
    assert_eq!(object.size, bytes.len() as u64, "{case}: size of {key}");
    let is_other = object.form.is_some();
    assert_eq!(
        object.content_size,
        is_other.then_some(content.len() as u64),
        "{case}: content size of {key}"
    );
    let form = object.form.unwrap_or_default();
    assert!(key.ends_with(form.suffix()), "{case}: {key} is {form:?}");
    match form {
        LandedForm::Parquet => assert_holds_rows(bytes, content, &format!("{case}: {key}")),
        _ => {
            assert!(
                content_of(form, bytes) == content,
                "{case}: {key} holds other bytes than the source generated"
            );
        }
    }
    let (whole, inner) = (checksums(bytes), checksums(content));
    assert_eq!(object.crc64nvme, whole.crc64nvme, "{case}: CRC-64/NVME of {key}");
    assert_eq!(object.crc32, inner.crc32, "{case}: CRC-32 of the content of {key}");
    if object.sha256.is_some() {
        assert_eq!(object.sha256, whole.sha256, "{case}: SHA-256 of {key}");
    }
}

/// Holds a Parquet file against the text that it was made of, delimited text or JSON lines: every value of every row, as
/// readers that are not landfall's see it.
pub fn assert_holds_rows(file: &[u8], content: &[u8], case: &str) {
    let read = landfall_parquet::read_texts(bytes::Bytes::copy_from_slice(file));
    let read = read.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    let text_of = |name: &str| {
        read.iter().find(|it| it.column.name_in_text.as_deref().unwrap_or(&it.column.name) == name)
    };
    let came_back = |name: &str, row: usize| {
        let column = text_of(name).unwrap_or_else(|| panic!("{case}: {name} is no column"));
        let text = column.texts.get(row).unwrap_or_else(|| panic!("{case}: there is no row {row}"));
        let text = text.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
        // With the zeros that those of its column with more digits give it.
        match column.column.kind {
            landfall_parquet::ColumnKind::Decimal { min_scale, max_scale, .. } if min_scale < max_scale => {
                text.map(|text| text.trim_end_matches('0').trim_end_matches('.').to_owned())
            }
            _ => text,
        }
    };
    let mut rows = 0;
    if content.starts_with(b"{") {
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row: serde_json::Map<String, Value> = serde_json::from_slice(line).expect("an object");
            for (key, value) in row {
                let sent = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text),
                    other => Some(other.to_string()),
                };
                let text = came_back(&key, rows);
                assert!(
                    text == sent || text.as_deref().map(str::trim) == sent.as_deref(),
                    "{case}: {key} of row {rows}"
                );
            }
            rows += 1;
        }
    } else {
        let delimiter = content.iter().find(|byte| b",;\t|".contains(byte)).copied().unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(content);
        let header = reader.headers().expect("a header").clone();
        for row in reader.records() {
            for (name, sent) in header.iter().zip(&row.expect("a row")) {
                let text = came_back(name, rows).unwrap_or_default();
                let is_padded = text != sent && text == sent.trim_end_matches('0').trim_end_matches('.');
                assert!(text == sent || is_padded, "{case}: {name} of row {rows}: {text:?} for {sent:?}");
            }
            rows += 1;
        }
    }
    assert!(read.iter().all(|it| it.texts.len() == rows), "{case}: {rows} rows were sent");
}

fn checksums(bytes: &[u8]) -> Checksums {
    let mut hasher = Hasher::new(true);
    hasher.update(bytes);
    hasher.finish()
}

/// The content of an object in a form, as readers that are not landfall's see it.
pub fn content_of(form: LandedForm, bytes: &[u8]) -> Vec<u8> {
    match form {
        LandedForm::Raw => bytes.to_vec(),
        LandedForm::Gzip => {
            let mut reader = flate2::bufread::GzDecoder::new(bytes);
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut content).expect("a gzip file");
            assert!(reader.into_inner().is_empty(), "there is something behind the first gzip member");
            content
        }
        LandedForm::Zstd => zstd::decode_all(bytes).expect("a Zstandard frame"),
        LandedForm::Parquet => panic!("a Parquet file has the rows of its content, and not its bytes"),
    }
}

struct Expected {
    file: String,
    member: Option<String>,
    rows: Option<u64>,
    bytes: Vec<u8>,
}

fn expected_of(simulator: &Simulator, job: u64, file: &ExpectedFile) -> Vec<Expected> {
    let name = &file.name;
    match &file.landing {
        Landing::Members(members) => members
            .iter()
            .filter(|member| !member.name.ends_with('/'))
            .map(|member| {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut member.reader(), &mut bytes).expect("a member's bytes");
                // An array has items, and no lines that could be counted as they stream by.
                let rows = member.rows.filter(|_| !member.name.ends_with(".json"));
                Expected { file: name.clone(), member: Some(member.name.clone()), rows, bytes }
            })
            .collect(),
        Landing::Copied => {
            let bytes = std::fs::read(simulator.file_path(job, file.ordinal)).expect("a file's bytes");
            vec![Expected { file: name.clone(), member: None, rows: None, bytes }]
        }
        Landing::Refused => Vec::new(),
    }
}

/// Runs an event to its end, as one machine does.
pub async fn land(context: &Context, event: Value) -> Result<publish::Published> {
    land_noting(context, event, &|_| ()).await
}

/// The same, saying which step it has come to.
pub async fn land_noting(
    context: &Context,
    event: Value,
    note: &(dyn Fn(&'static str) + Sync),
) -> Result<publish::Published> {
    note("submit");
    let submitted = submit_event(context, event.clone()).await?;
    context.clock().sleep(std::time::Duration::from_secs(submitted.wait_seconds)).await;
    let event: RunEvent = parse(event)?;
    let event = JobEvent {
        connection: event.connection,
        job_request_id: submitted.job_request_id,
        destination: None,
    };
    go_on(context, event, note).await
}

/// Lands as a state machine does: what retrying helps is tried again, by a process that remembers nothing.
pub async fn land_as_retried(world: &World, event: Value) -> Result<publish::Published> {
    for _ in 0..OUTAGE.retries {
        match Box::pin(land(&world.anew(), event.clone())).await {
            Err(error) if error.retryable() => {}
            came => return came,
        }
    }
    Box::pin(land(&world.anew(), event)).await
}

/// Holds that a run has failed: with this error, in one line that holds this text and none of these secrets.
pub fn assert_failed<T>(came: Result<T>, (name, text): (&str, &str), secrets: &[&str], case: &str) {
    let error = came.err().unwrap_or_else(|| panic!("{case}: landed, and should have failed with {name}"));
    let line = error.line();
    assert_eq!(error.error_type().name(), name, "{case}: {line}");
    assert!(line.contains(text), "{case}: {line:?} does not hold {text:?}");
    assert!(!line.contains('\n') && !secrets.iter().any(|secret| line.contains(secret)), "{case}: {line}");
}

/// Submits an event's job.
pub async fn submit_event(context: &Context, event: Value) -> Result<submit::Submitted> {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    submit::submit(context, parse(event)?, &deadline).await
}

/// Goes on with a job by its id.
pub async fn resume(context: &Context, event: Value) -> Result<publish::Published> {
    resume_noting(context, event, &|_| ()).await
}

/// The same, saying which step it has come to.
pub async fn resume_noting(
    context: &Context,
    event: Value,
    note: &(dyn Fn(&'static str) + Sync),
) -> Result<publish::Published> {
    go_on(context, parse(event)?, note).await
}

async fn go_on(
    context: &Context,
    event: JobEvent,
    note: &(dyn Fn(&'static str) + Sync),
) -> Result<publish::Published> {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    note("poll-status");
    loop {
        let polled = poll_status::poll_status(context, event.clone(), &deadline).await?;
        match polled.wait_seconds {
            Some(seconds) => context.clock().sleep(std::time::Duration::from_secs(seconds)).await,
            None if polled.state.lands() => break,
            None => {
                let message = polled.message.unwrap_or_default();
                return Err(landfall::Error::job_failed(format!("{} {message}", polled.native_status)));
            }
        }
    }
    let mut returns = 0;
    loop {
        note("fetch-files");
        let files = fetch(context, &event, &deadline).await?.ordinals();
        match Box::pin(unpack_and_publish(context, &event, &deadline, files, note)).await {
            Err(error) if error.error_type() == ErrorType::Damaged => {}
            Err(error) if error.error_type() == ErrorType::NotFound && returns < MAX_RETURNS => returns += 1,
            published => return published,
        }
    }
}

async fn unpack_and_publish(
    context: &Context,
    event: &JobEvent,
    deadline: &Deadline,
    files: Vec<u32>,
    note: &(dyn Fn(&'static str) + Sync),
) -> Result<publish::Published> {
    note("unpack-upload");
    for ordinal in files {
        let JobEvent { connection, job_request_id, destination } = event.clone();
        let file = FileEvent { connection, job_request_id, destination, ordinal };
        while !unpack_upload::unpack_file(context, file.clone(), deadline).await?.complete {}
    }
    note("publish");
    let published = publish::publish(context, event.clone(), deadline).await?;
    if published.notify_source {
        note("fetch-files");
        // As a state machine does: whether that succeeds changes nothing about the job.
        let _ = fetch_files::fetch_all(context, event.clone(), deadline).await;
    }
    Ok(published)
}

/// Fetches a job's files until all are staged, as a state machine does: it waits where the source has not everything ready,
/// and fetches files by calls of their own where it is told to.
pub async fn fetch(context: &Context, event: &JobEvent, deadline: &Deadline) -> Result<FetchedFiles> {
    let asked = FetchEvent { fan_out: true, ..event.clone().into() };
    loop {
        let fetched = fetch_files::fetch_files(context, asked.clone(), deadline).await?;
        if fetched.complete {
            return Ok(fetched);
        }
        match &fetched.fetch_each {
            Some(each) => Box::pin(fetch_each(context, event, deadline, each)).await?,
            None => wait(context, &fetched).await,
        }
    }
}

/// Fetches files by calls of their own, and begins to unpack those of which that is said: what becomes of it is found out by
/// whoever calls for it again.
async fn fetch_each(
    context: &Context,
    event: &JobEvent,
    deadline: &Deadline,
    each: &FetchEach,
) -> Result<()> {
    let fetch_and_unpack = async |file: &FileToFetch| {
        let asked = FetchEvent { ordinal: Some(file.ordinal), ..event.clone().into() };
        loop {
            let fetched = fetch_files::fetch_files(context, asked.clone(), deadline).await?;
            if fetched.complete {
                break;
            }
            wait(context, &fetched).await;
        }
        if file.unpack_early {
            let JobEvent { connection, job_request_id, destination } = event.clone();
            let file = FileEvent { connection, job_request_id, destination, ordinal: file.ordinal };
            let asked = UnpackFile { fan_out: true, ..file.into() };
            let _ = unpack_upload::unpack(context, asked, deadline).await;
        }
        Ok(())
    };
    let at_once = usize::try_from(each.at_once).unwrap_or(usize::MAX);
    let fetching = stream::iter(&each.files).map(|file| fetch_and_unpack(file).boxed_local());
    fetching.buffer_unordered(at_once).try_collect().await
}

async fn wait(context: &Context, fetched: &FetchedFiles) {
    context.clock().sleep(std::time::Duration::from_secs(fetched.wait_seconds.unwrap_or(0))).await;
}

/// Tells what a test has counted, also where the test runner keeps what passing tests print.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Runs a process on a thread of its own, so that several run at once.
pub async fn on_a_thread<T, F>(process: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let running = tokio::task::spawn_blocking(move || runtime::Handle::current().block_on(process()));
    running.await.expect("a process that ends")
}
