//! What `verify` finds of what has landed, and that it says nothing of what is whole (promises 5 and 6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use landfall::checksum::Hasher;
use landfall::clock::{Clock as _, Deadline};
use landfall::context::Context;
use landfall::event::{FileEvent, JobEvent, parse};
use landfall::job::{ExpectedRows, JobRecord, JobRef, JobState, Outcome, OutputFile, StagedFile, Window};
use landfall::state::keys;
use landfall_store::{Condition, Store};
use landfall_tests::crafted::Crafted;
use landfall_tests::systems::{self, System};
use landfall_tests::{Setup, World, land, objects};
use serde_json::{Value, json};
use verify::{Finding, Verified, VerifyEvent};

/// One call.
async fn verify_once(context: &Context, event: VerifyEvent) -> Verified {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    verify::verify(context, event, &deadline).await.unwrap()
}

/// A whole verification of all that there is, as a new process makes it.
async fn verify_all(world: &World) -> Verified {
    let verified = verify_once(&world.anew(), VerifyEvent::default()).await;
    assert!(verified.complete && verified.next.is_none());
    verified
}

fn name_of(finding: &Finding) -> String {
    serde_json::to_value(finding).unwrap()["finding"].as_str().unwrap().to_owned()
}

/// What is found, by name, and of which job: that of a gap is none.
fn found(verified: &Verified) -> Vec<(String, Option<String>)> {
    let of_job = |found: &verify::Found| {
        let job = found.job_request_id.as_ref().map(ToString::to_string);
        found.findings.iter().map(|finding| (name_of(finding), job.clone())).collect::<Vec<_>>()
    };
    verified.found.iter().flat_map(of_job).collect()
}

async fn read(store: &Store, key: &str) -> Vec<u8> {
    store.read(key, 1 << 30).await.unwrap().unwrap_or_else(|| panic!("{key}")).bytes.to_vec()
}

async fn put(store: &Store, key: &str, bytes: impl Into<Bytes>) {
    store.put(key, bytes.into(), Condition::Always).await.unwrap();
}

async fn delete_below(store: &Store, prefix: &str) {
    for key in objects(store).await.into_keys().filter(|key| key.starts_with(prefix)) {
        store.delete(&key).await.unwrap();
    }
}

/// What both buckets hold, to be put back.
struct Before {
    work: BTreeMap<String, Vec<u8>>,
    landing: BTreeMap<String, Vec<u8>>,
}

impl Before {
    async fn of(world: &World) -> Self {
        Self { work: objects(&world.work().await).await, landing: objects(&world.landing().await).await }
    }

    async fn put_back(&self, world: &World) {
        for (store, before) in [(world.work().await, &self.work), (world.landing().await, &self.landing)] {
            let now = objects(&store).await;
            for key in now.keys().filter(|key| !before.contains_key(*key)) {
                store.delete(key).await.unwrap();
            }
            for (key, bytes) in before.iter().filter(|(key, bytes)| now.get(*key) != Some(*bytes)) {
                put(&store, key, bytes.clone()).await;
            }
        }
    }
}

/// A way in which what has landed is lost behind landfall's back.
#[derive(Debug, Clone, Copy)]
enum Loss {
    ObjectGone,
    OtherBytesOfTheSameSize,
    ObjectCut,
    ObjectGrown,
    ObjectEmptied,
    BytesOfAnotherJob,
    ObjectsSwapped,
    ObjectAdded,
    ManifestGone,
    ManifestNamesOneLess,
    ManifestHasAnotherChecksum,
    ManifestCountsOtherRows,
    ManifestTellsAnotherEnd,
    ManifestTellsAnotherWindow,
    ManifestOfAnotherJob,
    ManifestIsNone,
    ManifestIsOlderThanItsObjects,
    ReceiptGone,
    PrefixGone,
    SourceCountedMore,
}

/// A landed job: its record, its manifest.
struct Landed {
    record: JobRecord,
    manifest_key: String,
    manifest: publish::Manifest,
}

impl Landed {
    async fn of(world: &World, connection: &str, id: &str) -> Self {
        let job = JobRef { connection: connection.parse().unwrap(), job_request_id: id.parse().unwrap() };
        let record = world.context.work().await.unwrap().job(&job).await.unwrap().unwrap();
        let manifest_key = keys::manifest(&record.landing_prefix);
        let manifest = world.manifests().await.remove(&manifest_key).unwrap();
        Self { record, manifest_key, manifest }
    }

    async fn edit(&self, world: &World, edit: impl Fn(&str) -> String) {
        let landing = world.landing().await;
        let text = String::from_utf8(read(&landing, &self.manifest_key).await).unwrap();
        let edited = edit(&text);
        assert_ne!(edited, text, "nothing is edited");
        put(&landing, &self.manifest_key, edited).await;
    }

    /// Does it, and returns the name of what is to be found.
    async fn lose(&self, world: &World, loss: Loss) -> &'static str {
        let (landing, work) = (world.landing().await, world.work().await);
        let object = self.manifest.objects.iter().max_by_key(|object| object.size).unwrap();
        let (key, bytes) = (&object.key, read(&landing, &object.key).await);
        match loss {
            Loss::ObjectGone => {
                landing.delete(key).await.unwrap();
                "object_gone"
            }
            Loss::OtherBytesOfTheSameSize => {
                let mut other = bytes;
                *other.last_mut().unwrap() ^= 1;
                put(&landing, key, other).await;
                "object_changed"
            }
            Loss::ObjectCut => {
                put(&landing, key, bytes[..bytes.len() / 2].to_vec()).await;
                "object_changed"
            }
            Loss::ObjectGrown => {
                put(&landing, key, [bytes.as_slice(), b"1,2,3\n"].concat()).await;
                "object_changed"
            }
            Loss::ObjectEmptied => {
                put(&landing, key, Bytes::new()).await;
                "object_changed"
            }
            Loss::BytesOfAnotherJob => {
                let others = objects(&landing).await;
                let is_others = |found: &&String| {
                    !found.starts_with(&self.record.landing_prefix) && !found.ends_with("/_manifest.json")
                };
                let another = others.keys().find(is_others).unwrap();
                put(&landing, key, others[another].clone()).await;
                "object_changed"
            }
            Loss::ObjectsSwapped => {
                let other = &self.manifest.objects.iter().find(|other| other.key != *key).unwrap().key;
                put(&landing, key, read(&landing, other).await).await;
                put(&landing, other, bytes).await;
                "object_changed"
            }
            Loss::ObjectAdded => {
                put(&landing, &format!("{}copy of it.csv", self.record.landing_prefix), bytes).await;
                "object_unknown"
            }
            Loss::ManifestGone => {
                landing.delete(&self.manifest_key).await.unwrap();
                "manifest_gone"
            }
            Loss::ManifestNamesOneLess => {
                let name = format!("    {{\"key\":\"{key}\"");
                let is_other = |line: &&str| !line.starts_with(&name);
                self.edit(world, |text| {
                    text.lines().filter(is_other).map(|line| format!("{line}\n")).collect()
                })
                .await;
                "manifest_changed"
            }
            Loss::ManifestHasAnotherChecksum => {
                let sum = object.crc64nvme.to_string();
                let other: String = sum.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
                self.edit(world, |text| text.replace(&sum, &other)).await;
                "object_changed"
            }
            Loss::ManifestCountsOtherRows => {
                let rows = format!("\"rows\":{}", object.rows.unwrap());
                self.edit(world, |text| text.replace(&rows, &format!("{rows}0"))).await;
                "manifest_changed"
            }
            Loss::ManifestTellsAnotherEnd => {
                self.edit(world, |text| text.replace("\"state\": \"succeeded\"", "\"state\": \"partial\""))
                    .await;
                "manifest_changed"
            }
            Loss::ManifestTellsAnotherWindow => {
                let until = self.manifest.window.as_ref().unwrap().until;
                let later = until + SignedDuration::from_hours(1);
                self.edit(world, |text| text.replace(&until.to_string(), &later.to_string())).await;
                "manifest_changed"
            }
            Loss::ManifestOfAnotherJob => {
                let manifests = world.manifests().await;
                let another = manifests.into_keys().find(|key| *key != self.manifest_key).unwrap();
                put(&landing, &self.manifest_key, read(&landing, &another).await).await;
                "manifest_changed"
            }
            Loss::ManifestIsNone => {
                put(&landing, &self.manifest_key, Bytes::from_static(b"<html>Forbidden</html>")).await;
                "manifest_changed"
            }
            Loss::ManifestIsOlderThanItsObjects => {
                // Another tool has written the same names anew, and left the manifest.
                for object in &self.manifest.objects {
                    put(&landing, &object.key, "written,later\n1,2\n").await;
                }
                "object_changed"
            }
            Loss::ReceiptGone => {
                work.delete(&keys::receipt(&self.record.job(), 0)).await.unwrap();
                "receipt_gone"
            }
            Loss::PrefixGone => {
                delete_below(&landing, &self.record.landing_prefix).await;
                "manifest_gone"
            }
            Loss::SourceCountedMore => {
                let key = keys::outcome(&self.record.job());
                let mut outcome: Value = serde_json::from_slice(&read(&work, &key).await).unwrap();
                outcome.as_object_mut().unwrap().remove("claimed_rows");
                outcome["expected_rows"] = json!(self.manifest.totals.rows.unwrap() + 5);
                put(&work, &key, outcome.to_string()).await;
                "count_differs"
            }
        }
    }
}

/// Lands the small run of a system, and another job beside it.
async fn landed(system: &System) -> (World, Landed) {
    let setup = Setup {
        scenario: Some((system.small)()),
        destination: system.destination.to_owned(),
        ..Setup::default()
    };
    let world = World::new(setup).await;
    system.upload(&world).await;
    let published = land(&world.context, (system.event)()).await.unwrap();
    let manifest = world.manifests().await.remove(&published.manifest_key).unwrap();
    let id = manifest.job_request_id.to_string();
    Planted::new("other", "epm-demo").land(&world).await;
    let landed = Landed::of(&world, system.connection, &id).await;
    (world, landed)
}

/// The losses of single jobs, over systems and landed forms; every variant is there.
const LOSSES: &[(System, &[Loss])] = &[
    (
        systems::FUSION_EXTRACT,
        &[
            Loss::ObjectGone,
            Loss::OtherBytesOfTheSameSize,
            Loss::ObjectsSwapped,
            Loss::ManifestGone,
            Loss::ManifestNamesOneLess,
            Loss::ReceiptGone,
        ],
    ),
    (
        systems::FUSION_EXTRACT_AS_GZIP,
        &[Loss::ObjectCut, Loss::BytesOfAnotherJob, Loss::ManifestHasAnotherChecksum],
    ),
    (systems::FUSION_EXTRACT_AS_PARQUET, &[Loss::ObjectEmptied, Loss::ManifestIsNone, Loss::PrefixGone]),
    (systems::FUSION_REST, &[Loss::ManifestTellsAnotherWindow, Loss::ManifestCountsOtherRows]),
    (systems::EPM_JOB, &[Loss::ObjectGrown, Loss::ManifestTellsAnotherEnd]),
    (systems::FOLIO_EXPORT, &[Loss::SourceCountedMore, Loss::ManifestOfAnotherJob]),
    (systems::DELIVERY, &[Loss::ObjectAdded, Loss::ManifestIsOlderThanItsObjects]),
];

/// Promise 6: each of 20 ways in which a landed job is lost behind landfall's back is found, and the job is named; put
/// back, nothing is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_loss_of_a_job_is_found_and_named() {
    let mut kinds = BTreeSet::new();
    for (system, losses) in LOSSES {
        let (world, landed) = landed(system).await;
        let before = Before::of(&world).await;
        let whole = verify_all(&world).await;
        assert_eq!((whole.exit_code(), found(&whole)), (0, Vec::new()), "{}: {whole:?}", system.kind);
        for loss in *losses {
            let expected = landed.lose(&world, *loss).await;
            let verified = verify_all(&world).await;
            let case = format!("{loss:?} of {}: {verified:?}", system.kind);
            assert_eq!(verified.exit_code(), 1, "{case}");
            let job = Some(landed.record.job_request_id.to_string());
            assert!(found(&verified).contains(&(expected.to_owned(), job.clone())), "{case}");
            assert!(found(&verified).iter().all(|(_, of)| *of == job), "another job is blamed: {case}");
            let message = &verified.found[0].message;
            assert!(message.contains(&landed.record.job().to_string()), "{case}");
            assert!(kinds.insert(format!("{loss:?}")), "{loss:?} twice");
            before.put_back(&world).await;
            assert_eq!(found(&verify_all(&world).await), [], "put back after {case}");
        }
        world.end().await;
    }
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}

/// A job as a system would have run it, whose file is put where it would have been fetched to. It is unpacked and published
/// by the steps themselves.
#[derive(Debug, Clone)]
struct Planted {
    id: String,
    connection: &'static str,
    export: Value,
    since: Timestamp,
    window: Option<(Option<Timestamp>, Timestamp)>,
    file: (String, Vec<u8>),
    counted: Option<u64>,
}

fn day(number: i64) -> Timestamp {
    // A Monday.
    "2026-08-03T06:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * number)
}

fn csv(rows: u64) -> Vec<u8> {
    let rows = (0..rows).map(|row| format!("{row},name {row}\n"));
    std::iter::once("ID,NAME\n".to_owned()).chain(rows).collect::<String>().into_bytes()
}

impl Planted {
    fn new(id: impl Into<String>, connection: &'static str) -> Self {
        let system = systems::ALL.iter().find(|system| system.connection == connection).unwrap();
        Self {
            id: id.into(),
            connection,
            export: (system.event)()["export"].clone(),
            since: day(0),
            window: None,
            file: ("rows.csv".to_owned(), csv(3)),
            counted: None,
        }
    }

    fn since(self, since: Timestamp) -> Self {
        Self { since, ..self }
    }

    /// With so many rows.
    fn rows(self, rows: u64) -> Self {
        Self { file: ("rows.csv".to_owned(), csv(rows)), ..self }
    }

    /// An increment: the rows of this time.
    fn window(self, from: Option<Timestamp>, until: Timestamp) -> Self {
        Self { window: Some((from, until)), ..self }
    }

    fn event(&self) -> JobEvent {
        JobEvent {
            connection: self.connection.parse().unwrap(),
            job_request_id: self.id.parse().unwrap(),
            destination: None,
        }
    }

    fn prefix(&self) -> String {
        format!("planted/{}/{}/", self.connection, self.id)
    }

    /// As far as it is fetched.
    async fn fetch(&self, context: &Context) {
        let (work, job) = (context.work().await.unwrap(), self.event().job());
        let lake = "lake".parse().unwrap();
        let form = context.landing(&lake).await.unwrap().destination.job_form();
        let record = JobRecord {
            connection: job.connection.clone(),
            job_request_id: job.job_request_id.clone(),
            export: serde_json::from_value(self.export.clone()).unwrap(),
            destination: lake,
            landing_prefix: self.prefix(),
            form,
            run_key: Some(format!("run-{}", self.id).parse().unwrap()),
            window: self.window.map(|(from, until)| Window {
                field: "LastUpdateDate".to_owned(),
                from,
                until,
                overlap_until: None,
            }),
            since: self.since,
            usual_seconds: None,
            outage: None,
            failure: None,
            notice: None,
            overcome: Vec::new(),
            lineage: None,
            registered_at: None,
        };
        work.record_job(record).await.unwrap();
        let outcome = Outcome {
            state: JobState::Succeeded,
            native_status: "COMPLETED".to_owned(),
            message: None,
            expected_rows: self.counted.map(ExpectedRows::Exactly),
            since: self.since,
            observed_at: None,
        };
        work.record_outcome(&job, outcome).await.unwrap();
        let (name, bytes) = &self.file;
        let file = OutputFile {
            ordinal: 0,
            name: name.clone(),
            size: None,
            sha256: None,
            locator: None,
            is_log: false,
        };
        work.freeze_files(&job, vec![file].into()).await.unwrap();
        put(work.store(), &keys::staged(&job, 0), bytes.clone()).await;
        let mut hasher = Hasher::new(true);
        hasher.update(bytes);
        let sums = hasher.finish();
        let staged = StagedFile {
            ordinal: 0,
            name: name.clone(),
            size: sums.size,
            crc64nvme: sums.crc64nvme,
            sha256: sums.sha256.unwrap(),
            unverified: None,
            place: None,
        };
        work.record_staged(&job, staged).await.unwrap();
    }

    async fn unpack(&self, context: &Context) {
        let JobEvent { connection, job_request_id, destination } = self.event();
        let event = FileEvent { connection, job_request_id, destination, ordinal: 0 };
        let deadline = Deadline::none(Arc::clone(context.clock()));
        assert!(Box::pin(unpack_upload::unpack_file(context, event, &deadline)).await.unwrap().complete);
    }

    async fn land(&self, world: &World) {
        let context = &world.context;
        self.fetch(context).await;
        self.unpack(context).await;
        let deadline = Deadline::none(Arc::clone(context.clock()));
        publish::publish(context, self.event(), &deadline).await.unwrap();
    }

    /// As if it had never been.
    async fn forget(&self, world: &World) {
        delete_below(&world.landing().await, &self.prefix()).await;
        delete_below(&world.work().await, &keys::job(&self.event().job())).await;
    }
}

/// Hourly increments, from this hour on.
fn hourly(hours: std::ops::Range<i64>) -> Vec<Planted> {
    let at = |hour: i64| day(0) + SignedDuration::from_hours(hour);
    let job = |hour: i64| {
        let from = (hour > 0).then(|| at(hour - 1));
        Planted::new(format!("{}", 1000 + hour), "fusion-demo").since(at(hour)).window(from, at(hour)).rows(5)
    };
    let export = systems::FUSION_REST.event;
    hours.map(|hour| Planted { export: export()["export"].clone(), ..job(hour) }).collect()
}

/// Promise 6: an hour that is missing between increments is found, in the middle and before the last; a job that would have
/// it and has not landed is named. Rows that are halved, doubled or gone are told, and are no loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_between_jobs_is_found_and_what_is_unusual_is_told() {
    let world = World::new(Setup::default()).await;
    let jobs = hourly(0..6);
    for job in &jobs {
        job.land(&world).await;
    }
    let before = Before::of(&world).await;
    assert_eq!(found(&verify_all(&world).await), []);
    let gap = ("window_missing".to_owned(), None);
    let hour = |hour: usize| jobs[hour].window.unwrap().1;
    let is_of = |verified: &Verified, job: Option<&str>| match &verified.found[0].findings[0] {
        Finding::WindowMissing { from, until, not_landed } => {
            (*from, *until, not_landed.as_ref().map(|id| id.as_str())) == (hour(2), hour(3), job)
        }
        other => panic!("{other:?}"),
    };

    jobs[3].forget(&world).await;
    let verified = verify_all(&world).await;
    assert_eq!((verified.exit_code(), found(&verified)), (1, vec![gap.clone()]), "{verified:?}");
    assert!(is_of(&verified, None), "{verified:?}");
    Planted { id: "9003".to_owned(), ..jobs[3].clone() }.fetch(&world.context).await;
    let verified = verify_all(&world).await;
    assert_eq!((verified.exit_code(), verified.not_landed), (1, 1), "{verified:?}");
    assert!(is_of(&verified, Some("9003")), "{verified:?}");
    before.put_back(&world).await;

    jobs[4].forget(&world).await;
    let verified = verify_all(&world).await;
    assert_eq!((verified.exit_code(), found(&verified)), (1, vec![gap]), "before the last: {verified:?}");
    before.put_back(&world).await;
    world.end().await;

    let world = World::new(Setup::default()).await;
    for number in 0_i64..12 {
        let daily = Planted::new(format!("{}", 2000 + number), "epm-demo").since(day(number));
        daily.rows(1_000 + number.unsigned_abs()).land(&world).await;
    }
    let before = Before::of(&world).await;
    for rows in [505, 0, 2_100] {
        let odd = Planted::new("2012", "epm-demo").since(day(12)).rows(rows);
        odd.land(&world).await;
        let verified = verify_all(&world).await;
        let unusual = ("rows_unusual".to_owned(), Some("2012".to_owned()));
        assert_eq!((verified.exit_code(), found(&verified)), (0, vec![unusual]), "{rows}: {verified:?}");
        before.put_back(&world).await;
    }
    world.end().await;
}

/// What cannot be looked at is told with its reason, and keeps nothing else from being looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_looked_at_is_named() {
    let (world, landed) = landed(&systems::EPM_JOB).await;
    let work = world.work().await;
    let job = landed.record.job();
    for (bytes, error) in [("not json".to_owned(), None), (String::new(), Some("InvalidConfig"))] {
        let bytes = match error {
            None => bytes,
            Some(_) => {
                let record = JobRecord { destination: "elsewhere".parse().unwrap(), ..landed.record.clone() };
                serde_json::to_string(&record).unwrap()
            }
        };
        put(&work, &keys::job_record(&job), bytes).await;
        let verified = verify_all(&world).await;
        assert_eq!(verified.exit_code(), 2, "{verified:?}");
        let [not_seen] = verified.not_seen.as_slice() else { panic!("{verified:?}") };
        assert_eq!(not_seen.job_request_id, job.job_request_id);
        assert!(error.is_none_or(|error| not_seen.error == error), "{not_seen:?}");
        assert_eq!((verified.jobs, found(&verified)), (1, Vec::new()), "the other has been looked at");
    }
    let event = parse::<VerifyEvent>(json!({ "connections": ["unheard-of"] })).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    let error = verify::verify(&world.anew(), event, &deadline).await.unwrap_err();
    assert_eq!(error.error_type().name(), "NotFound", "what is misspelt is not whole");
    world.end().await;
}

/// The jobs of a night and of a month, as they are: increments of hours, with an overlap and one that was empty; days with
/// weekends; volumes that grow; a first job with all rows, and a backfill; jobs that land only now.
fn good_jobs() -> Vec<Planted> {
    let mut jobs = hourly(0..30);
    jobs[17] = jobs[17].clone().rows(0);
    let (from, until) = jobs[20].window.unwrap();
    jobs[20] = jobs[20].clone().window(from.map(|from| from - SignedDuration::from_mins(5)), until);
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0_i64..28 {
        let usual = if number % 7 < 5 { 400 } else { 12 };
        let rows = random.u64(usual * 9 / 10..usual * 11 / 10);
        jobs.push(Planted::new(format!("e{number}"), "epm-demo").since(day(number)).rows(rows));
    }
    for number in 0_i64..26 {
        let rows = 50 + 4 * number.unsigned_abs();
        let growing = Planted::new(format!("f{number}"), "folio-demo").since(day(number)).rows(rows);
        jobs.push(Planted { counted: Some(rows), ..growing });
    }
    let export = json!({ "kind": "fusion_rest", "resource": "suppliers", "incremental": {} });
    let mut suppliers = |id: String, since, from, until, rows| {
        let job = Planted::new(id, "fusion-demo").since(since).window(from, until).rows(rows);
        jobs.push(Planted { export: export.clone(), ..job });
    };
    suppliers("s0".to_owned(), day(0), None, day(0), 3_000);
    for number in 1..20 {
        suppliers(format!("s{number}"), day(number), Some(day(number - 1)), day(number), 40);
    }
    suppliers("backfill".to_owned(), day(19), Some(day(0)), day(19), 800);
    jobs
}

/// Promise 5: of 100 jobs of every kind that have landed as they should nothing is said, however they vary; nor of a staged
/// file that is no longer needed, of another tool's mark, or of a job that has been landed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_good_jobs_nothing_is_said() {
    let world = World::new(Setup::default()).await;
    let jobs = good_jobs();
    for job in &jobs {
        job.land(&world).await;
    }
    let again = &jobs[3];
    delete_below(&world.landing().await, &again.prefix()).await;
    world.work().await.delete(&keys::receipt(&again.event().job(), 0)).await.unwrap();
    again.land(&world).await;
    world.work().await.delete(&keys::staged(&jobs[5].event().job(), 0)).await.unwrap();
    put(&world.landing().await, &format!("{}_SUCCESS", jobs[6].prefix()), Bytes::new()).await;
    for read in [false, true] {
        let event = VerifyEvent { read, ..VerifyEvent::default() };
        let verified = verify_once(&world.anew(), event).await;
        assert_eq!((verified.exit_code(), found(&verified)), (0, Vec::new()), "{verified:?}");
        assert_eq!(verified.jobs, jobs.len() as u64);
    }
    world.end().await;
    let mut good = jobs.len();
    for system in systems::ALL {
        let (world, _) = landed(system).await;
        let verified = verify_all(&world).await;
        assert_eq!(
            (verified.exit_code(), found(&verified)),
            (0, Vec::new()),
            "{}: {verified:?}",
            system.kind
        );
        good += usize::try_from(verified.jobs).unwrap();
        world.end().await;
    }
    assert!(good >= 100, "{good}");
}

/// Promise 6: however little time an answer has, the calls that go on come to the same as one; an answer fits into what a
/// state machine passes on, however much is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_goes_on_where_it_has_ended() {
    let world = World::new(Setup::default()).await;
    let jobs = hourly(0..5);
    for job in &jobs {
        job.land(&world).await;
    }
    let many = |id: &str| {
        let mut archive = Crafted::default();
        for number in 0..700 {
            archive.add_stored(&format!("{number:03}-{}.csv", "x".repeat(150)), b"ID\n1\n");
        }
        Planted { file: ("many.zip".to_owned(), archive.finish()), ..Planted::new(id, "epm-demo") }
    };
    let (one, other) = (many("m1"), many("m2"));
    for job in [&one, &other] {
        job.land(&world).await;
        let landing = world.landing().await;
        let objects = objects(&landing).await;
        for key in objects.keys().filter(|key| key.starts_with(&job.prefix()) && key.ends_with(".csv")) {
            landing.delete(key).await.unwrap();
        }
    }
    jobs[2].forget(&world).await;
    let whole = verify_all(&world).await;
    assert_eq!((whole.jobs, whole.findings), (6, 2 * 700 + 1), "{:?}", whole.not_seen);
    assert!(serde_json::to_vec(&whole).unwrap().len() < 200 * 1024);
    assert!(whole.found.iter().any(|found| found.more > 0));

    let mut event = VerifyEvent { answer_after_seconds: Some(0), ..VerifyEvent::default() };
    let (mut pages, mut jobs, mut findings) = (0, 0, Vec::new());
    loop {
        let page = verify_once(&world.anew(), event.clone()).await;
        assert_eq!(page.complete, page.next.is_none());
        (pages, jobs) = (pages + 1, jobs + page.jobs);
        findings.extend(page.found);
        match page.next {
            Some(next) => event.from = Some(next.from),
            None => break,
        }
    }
    assert!(pages >= 6, "{pages}");
    assert_eq!((jobs, findings), (whole.jobs, whole.found));

    // Of what was asked for before, nothing is told; a gap is of the job behind it.
    let event = VerifyEvent { since: Some(day(0) + SignedDuration::from_hours(4)), ..VerifyEvent::default() };
    let later = verify_once(&world.anew(), event).await;
    assert_eq!((later.jobs, found(&later)), (1, Vec::new()), "{later:?}");
    world.clock.advance(Duration::from_secs(1));
    let days = world.clock.now().duration_since(day(0)).as_hours() / 24 + 1;
    let event = VerifyEvent { days: Some(u32::try_from(days).unwrap()), ..VerifyEvent::default() };
    assert_eq!(verify_once(&world.anew(), event).await.jobs, whole.jobs);
    world.end().await;
}
