//! Files that others put into a bucket, by the steps that land any job: with a manifest that lists them, or one by one; in
//! a bucket of S3's API and in one of OCI's own.

use std::sync::{Arc, Mutex};

use embedded_store::{Before, Call, Intercept, Options};
use landfall::check::Found;
use landfall::checksum::{Md5, Sha256};
use landfall::clock::{Clock as _, Deadline};
use landfall::context::Context;
use landfall::contract::{ResumeAt, Source};
use landfall::event::{JobEvent, parse};
use landfall::job::{JobRecord, JobState};
use landfall_store::Condition;
use landfall_tests::systems::ARCHIVE;
use landfall_tests::{Setup, World, assert_failed, fetch, land, resume, submit_event};
use serde_json::{Value, json};
use sweep::Swept;

const A: &[u8] = b"ID\n1\n2\n";
const B: &[u8] = b"ID\n3\n";
const MANIFEST: &str = "daily/MANIFEST-1.MF";

fn event_of(export: &Value) -> Value {
    json!({ "connection": "deliveries", "export": export, "destination": "lake", "run_key": "daily" })
}

fn event(manifest: &str) -> Value {
    event_of(&json!({ "kind": "delivery", "manifest": manifest }))
}

fn job_event(id: &str) -> Value {
    json!({ "connection": "deliveries", "job_request_id": id })
}

/// A line of a manifest with the checksum of these bytes.
fn line(name: &str, bytes: &[u8]) -> String {
    format!("{name};548174;{}\n", Sha256::of(bytes))
}

async fn put(world: &World, key: &str, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref().to_vec();
    world.uploads().await.put(key, bytes.into(), Condition::Always).await.unwrap();
}

/// A world of each kind of store, in which one moment is every moment: two such land the same bytes.
async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for in_oci in [false, true] {
        let at = Some("2026-11-21T06:00:00Z".parse().unwrap());
        worlds.push(World::new(Setup { in_oci, at, ..Setup::default() }).await);
    }
    worlds
}

/// The world as one sees it whose connection says more.
fn with(world: &World, connection: &str, bucket: &str) -> Context {
    world.configured_anew(|config| {
        let config = config
            .replace("[connections.deliveries]\n", &format!("[connections.deliveries]\n{connection}\n"));
        let table = "[connections.deliveries.from_bucket]\n";
        config.replace(table, &format!("{table}{bucket}\n"))
    })
}

async fn poll(world: &World, id: &str) -> landfall::Result<poll_status::Polled> {
    let deadline = Deadline::none(world.clock.clone());
    poll_status::poll_status(&world.anew(), parse(job_event(id)).unwrap(), &deadline).await
}

async fn sweep_in(context: &Context, more: &Value) -> Swept {
    let mut event = json!({ "connection": "deliveries", "exports": ["*"], "destination": "lake" });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let deadline = Deadline::none(context.clock().clone());
    sweep::sweep(context, parse(event).unwrap(), &deadline).await.unwrap()
}

/// Promises 1, 3 and 4: what a manifest lists lands as one job, each file held against its checksum; the same manifest
/// again is the same job, also if it was written anew, and another one under its name is another job.
#[tokio::test]
async fn what_a_manifest_lists_lands_once() {
    let mut landed_alike = None;
    for world in worlds().await {
        put(&world, "daily/a.csv", A).await;
        put(&world, "daily/more/b.csv", B).await;
        put(&world, "daily/c.zip", ARCHIVE).await;
        let listed = format!("{}more/b.csv;9526;{}\nc;;\n", line("a.csv", A), Md5::of(B));
        put(&world, MANIFEST, &listed).await;
        let published = land(&world.context, event(MANIFEST)).await.unwrap();
        let id = Sha256::of(format!("{MANIFEST}\n{}", Sha256::of(listed.as_bytes())).as_bytes()).to_string();
        let id = &id[..32];
        assert_eq!(published.manifest_key, format!("deliveries/daily/MANIFEST-1/{id}/_manifest.json"));
        let manifest = &world.manifests().await[&published.manifest_key];
        let manifest = serde_json::to_value(manifest).unwrap();
        assert_eq!(manifest["export"], json!({ "kind": "delivery", "manifest": MANIFEST }));
        assert_eq!((&manifest["state"], &manifest["native_status"]), (&json!("succeeded"), &json!("PUT")));
        let names: Vec<_> = manifest["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
        assert_eq!(names, ["a.csv", "b.csv", "c.zip"]);
        let warning = manifest["warnings"][0].as_str().unwrap();
        assert!(warning.contains("lists 1 of 3 files without an SHA-256 or MD5"), "{warning}");
        assert_eq!(manifest["totals"]["rows"], 4, "{manifest}");
        let landed = world.landed().await;
        assert_eq!(
            *landed_alike.get_or_insert_with(|| landed.clone()),
            landed,
            "either store gives the same"
        );

        put(&world, MANIFEST, &listed).await;
        let again = submit_event(&world.anew(), event(MANIFEST)).await.unwrap();
        assert!(again.already_submitted && again.landed, "{again:?}");
        put(&world, MANIFEST, line("a.csv", A)).await;
        let other = submit_event(&world.anew(), event(MANIFEST)).await.unwrap();
        assert!(!other.already_submitted && other.job_request_id.as_str() != id, "{other:?}");
        world.end().await;
    }
}

/// Promise 2: a job goes on by what its manifest said, whatever has become of that: a tool writes the next one under the
/// same name, and who has read one may rename it.
#[tokio::test]
async fn a_job_outlives_its_manifest() {
    for world in worlds().await {
        put(&world, "a.csv", A).await;
        put(&world, "MANIFEST.MF", line("a.csv", A)).await;
        let id = submit_event(&world.context, event("MANIFEST.MF")).await.unwrap().job_request_id;
        world.uploads().await.delete("MANIFEST.MF").await.unwrap();
        resume(&world.anew(), job_event(id.as_str())).await.unwrap();
        assert_eq!(world.landed().await[&format!("deliveries/MANIFEST/{id}/a.csv")], A);
        let came = submit_event(&world.anew(), event("MANIFEST.MF")).await;
        assert_failed(came, ("NotFound", "/MANIFEST.MF is not there: put it there"), &[], "by its event");
        world.end().await;
    }
}

/// Promise 5: a manifest that lists what is not there yet is a job that runs until it is, and one that is given up by
/// name when its time is over.
#[tokio::test]
async fn a_manifest_waits_for_its_files() {
    for world in worlds().await {
        put(&world, "daily/a.csv", A).await;
        put(&world, MANIFEST, line("a.csv", A) + &line("late.csv", B)).await;
        let id = submit_event(&world.context, event(MANIFEST)).await.unwrap().job_request_id;
        let polled = poll(&world, id.as_str()).await.unwrap();
        assert_eq!((polled.state, polled.native_status.as_str()), (JobState::Running, "INCOMPLETE"));
        let message = polled.message.unwrap();
        let said = "1 of the 2 files that";
        assert!(message.starts_with(said) && message.contains("\"late.csv\""), "{message}");
        assert!(polled.wait_seconds.is_some());
        world.pass(std::time::Duration::from_secs(901));
        let came = poll(&world, id.as_str()).await;
        assert_failed(came, ("JobTimedOut", "\"late.csv\" among them"), &[], "over");
        put(&world, "daily/late.csv", B).await;
        resume(&world.anew(), job_event(id.as_str())).await.unwrap();
        assert_eq!(world.landed().await[&format!("deliveries/daily/MANIFEST-1/{id}/late.csv")], B);
        world.end().await;
    }
}

/// Promises 3 and 5: where a file is not what its manifest lists, nothing of the job lands; once the right one is there,
/// the job goes on.
#[tokio::test]
async fn other_bytes_than_the_manifest_lists_do_not_land() {
    let by_md5 = |bytes: &[u8]| format!("b.csv;9526;{}\n", Md5::of(bytes));
    for (listed, said) in [(line("b.csv", B), "with SHA-256"), (by_md5(B), "Put the right file there again")]
    {
        for world in worlds().await {
            put(&world, "daily/a.csv", A).await;
            put(&world, "daily/b.csv", b"ID\n4\n").await;
            put(&world, MANIFEST, line("a.csv", A) + &listed).await;
            let came = land(&world.context, event(MANIFEST)).await;
            assert_failed(came, ("IntegrityError", said), &[], "other bytes");
            assert!(world.landed().await.is_empty());
            put(&world, "daily/b.csv", B).await;
            let published = land(&world.anew(), event(MANIFEST)).await.unwrap();
            assert_eq!(published.totals.objects, 2);
            world.end().await;
        }
    }
}

/// The source, and the record of a job of it.
async fn source_and_job(world: &World, event: Value) -> (Arc<dyn Source>, JobRecord) {
    let submitted = submit_event(&world.context, event).await.unwrap();
    let job: JobEvent = parse(job_event(submitted.job_request_id.as_str())).unwrap();
    let job = world.context.job(&job).await.unwrap();
    (world.context.source(&job.connection).await.unwrap(), job)
}

/// Promise 5: what no checksum is listed of is read as it was listed, or not at all.
#[tokio::test]
async fn a_file_that_was_replaced_is_refused() {
    for world in worlds().await {
        put(&world, "daily/a.csv", A).await;
        put(&world, MANIFEST, "a.csv;548174;\n").await;
        for event in [event(MANIFEST), event_of(&json!({ "kind": "delivery", "object": "daily/a.csv" }))] {
            put(&world, "daily/a.csv", A).await;
            let (source, job) = source_and_job(&world, event).await;
            let files = source.output_files(&job).await.unwrap();
            assert!(source.open(&job, &files[0], None).await.is_ok());
            put(&world, "daily/a.csv", b"ID\n9\n9\n").await;
            let came = source.open(&job, &files[0], None).await.map(drop);
            assert_failed(
                came,
                ("Conflict", "/daily/a.csv was replaced before all of it was read"),
                &[],
                "replaced",
            );
            world.uploads().await.delete("daily/a.csv").await.unwrap();
            let came = source.open(&job, &files[0], None).await.map(drop);
            assert_failed(came, ("NotFound", "is not there any more: put it there again"), &[], "gone");
        }
        world.end().await;
    }
}

/// Promises 2 and 5: a download goes on where it stopped, in the same version; a file whose MD5 is listed is read from its
/// beginning, as nothing else shows that all of it is right.
#[tokio::test]
async fn a_download_goes_on_in_the_same_version() {
    for world in worlds().await {
        put(&world, "daily/a.csv", A).await;
        put(&world, "daily/b.csv", B).await;
        put(&world, MANIFEST, line("a.csv", A) + &format!("b.csv;1;{}", Md5::of(B))).await;
        let (source, job) = source_and_job(&world, event(MANIFEST)).await;
        let files = source.output_files(&job).await.unwrap();
        let etag = async |key: &str| world.uploads().await.head(key).await.unwrap().unwrap().etag;
        for (place, key, offset) in [(0, "daily/a.csv", 3), (1, "daily/b.csv", 0)] {
            let resume = ResumeAt { offset: 3, validator: etag(key).await };
            let download = source.open(&job, &files[place], Some(&resume)).await.unwrap();
            assert_eq!(download.offset, offset, "{key}");
            let resume = ResumeAt { offset: 3, validator: "another".to_owned() };
            let download = source.open(&job, &files[place], Some(&resume)).await.unwrap();
            assert_eq!(download.offset, 0, "{key}");
        }
        world.end().await;
    }
}

/// Promise 5: a manifest that lists nothing is no silent success, unless that is said to be normal; one that is no list is
/// named at once.
#[tokio::test]
async fn an_empty_manifest_lands_where_that_is_normal() {
    for world in worlds().await {
        put(&world, MANIFEST, "PLV_KEY=FUSION_10_0\n").await;
        let came = land(&world.context, event(MANIFEST)).await;
        assert_failed(came, ("ContractBroken", "lists no output file"), &[], "empty");
        put(&world, "daily/MANIFEST-2.MF", "PLV_KEY=FUSION_10_0\n").await;
        let export = json!({ "kind": "delivery", "manifest": "daily/MANIFEST-2.MF", "allow_empty": true });
        assert_eq!(land(&world.anew(), event_of(&export)).await.unwrap().totals.objects, 0);
        put(&world, MANIFEST, "../secret.zip\n").await;
        let came = submit_event(&world.context, event(MANIFEST)).await;
        assert_failed(came, ("ContractBroken", "at line 1: what stands first cannot be"), &[], "no list");
        world.end().await;
    }
}

/// Promise 7: nothing of the bucket is taken that the connection does not name, and an event says one thing.
#[tokio::test]
async fn only_what_begins_with_the_prefix_is_taken() {
    for world in worlds().await {
        let context = with(&world, "", "prefix = 'daily/'");
        put(&world, "other/MANIFEST.MF", line("a.csv", A)).await;
        put(&world, "daily/x_object_store_bytes_seg_3", A).await;
        let neither = json!({ "kind": "delivery" });
        let both = json!({ "kind": "delivery", "manifest": MANIFEST, "object": "daily/a.csv" });
        for (export, name, said) in [
            (json!({ "kind": "delivery", "manifest": "other/MANIFEST.MF" }), "InvalidEvent", "begin with"),
            (json!({ "kind": "delivery", "object": "daily/" }), "InvalidEvent", "or is a folder"),
            (
                json!({ "kind": "delivery", "object": "daily/x_object_store_bytes_seg_3" }),
                "Unsupported",
                "copyToObjectStorage2",
            ),
            (neither, "InvalidEvent", "names either `manifest`"),
            (both, "InvalidEvent", "names either `manifest`"),
        ] {
            let came = submit_event(&context, event_of(&export)).await;
            assert_failed(came, (name, said), &[], &export.to_string());
        }
        world.end().await;
    }
}

/// Promises 1, 2 and 5: a sweep finds every manifest that has not landed, the newest first, and what cannot be one is told
/// once and keeps no other from landing.
#[tokio::test]
async fn a_sweep_lands_new_manifests() {
    for world in worlds().await {
        put(&world, "daily/a.csv", A).await;
        put(&world, MANIFEST, line("a.csv", A)).await;
        put(&world, "daily/MANIFEST-2.mf", line("a.csv", A)).await;
        put(&world, "daily/broken.mf", [0x50, 0x4b, 0xff]).await;
        put(&world, "daily/not-a-manifest.txt", A).await;
        let swept = sweep_in(&world.context, &json!({})).await;
        assert_eq!((swept.jobs.len(), swept.failed.len(), swept.problems.len()), (2, 1, 0), "{swept:?}");
        assert_eq!(swept.failed[0].native_status, "UNREADABLE");
        assert!(swept.failed[0].message.as_ref().unwrap().contains("daily/broken.mf"), "{swept:?}");
        for job in &swept.jobs {
            resume(&world.anew(), serde_json::to_value(job).unwrap()).await.unwrap();
        }
        let told = serde_json::to_value(swept.next.unwrap()).unwrap();
        sweep_in(&world.anew(), &told).await;
        let again = sweep_in(&world.anew(), &json!({})).await;
        assert_eq!((again.jobs.len(), again.failed.len(), again.landed), (0, 0, 2), "{again:?}");

        let by_event = submit_event(&world.anew(), event(MANIFEST)).await.unwrap();
        assert!(by_event.landed, "what a sweep has landed is what an event names");
        put(&world, "daily/MANIFEST-3.mf", line("a.csv", A)).await;
        let later = json!({ "since": world.clock.now() + jiff::SignedDuration::from_hours(1_000_000) });
        assert_eq!(sweep_in(&world.anew(), &later).await.jobs, [], "written before that");
        let named = json!({ "exports": ["MANIFEST-3"] });
        assert_eq!(sweep_in(&world.anew(), &named).await.jobs.len(), 1);
        let own_names = with(&world, "manifest_names = 'not-a-*'", "prefix = 'daily/'");
        let swept = sweep_in(&own_names, &json!({})).await;
        assert_eq!(swept.jobs.len(), 1, "{swept:?}");
        world.end().await;
    }
}

/// Promise 1: without manifests each object is a job of its own; of a file that EPM has cut up, its first piece tells what
/// to do.
#[tokio::test]
async fn a_sweep_lands_objects_by_themselves() {
    for world in worlds().await {
        let context = with(&world, "sweep = 'objects'", "prefix = 'epm/'");
        put(&world, "epm/balances.csv", A).await;
        put(&world, "epm/log.txt", B).await;
        put(&world, "elsewhere/a.csv", A).await;
        for piece in 0..12 {
            put(&world, &format!("epm/snapshot/snapshot_object_store_bytes_seg_{piece}"), A).await;
        }
        let swept = sweep_in(&context, &json!({})).await;
        assert_eq!((swept.jobs.len(), swept.failed.len()), (2, 1), "{swept:?}");
        assert_eq!(swept.failed[0].native_status, "SEGMENTED");
        for job in &swept.jobs {
            resume(&world.anew(), serde_json::to_value(job).unwrap()).await.unwrap();
        }
        assert_eq!(world.manifests().await.len(), 2);
        put(&world, "epm/log.txt", A).await;
        let again = sweep_in(&with(&world, "sweep = 'objects'", "prefix = 'epm/'"), &json!({})).await;
        assert_eq!((again.jobs.len(), again.landed), (1, 1), "other bytes are another job: {again:?}");
        world.end().await;
    }
}

/// What is asked of the bucket.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Intercept for Asked {
    fn before(&self, call: &Call) -> Before {
        if call.bucket.as_deref() == Some("uploads") {
            self.0.lock().unwrap().push(call.operation.to_owned());
        }
        Before::Proceed
    }
}

/// Promise 7: reading is enough, whatever is done with such a connection; `check` says whether it is there.
#[tokio::test]
async fn the_bucket_is_read_and_nothing_else() {
    for in_oci in [false, true] {
        let asked = Arc::new(Asked::default());
        let intercept = Some(Arc::clone(&asked) as Arc<dyn Intercept>);
        let setup = Setup { in_oci, ..Setup::default() };
        let world = World::with_store(setup, Options { fsync: false, intercept }).await;
        let source = world.context.source(&"deliveries".parse().unwrap()).await.unwrap();
        let empty = source.check().await;
        assert!(empty.iter().all(|finding| matches!(finding.found, Found::Well(_))), "{empty:?}");
        put(&world, "daily/a.csv", A).await;
        put(&world, MANIFEST, line("a.csv", A)).await;
        asked.0.lock().unwrap().clear();
        let findings = source.check().await;
        let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        let expected = ["bucket: principal", "bucket: list", "bucket: read"];
        assert_eq!(whats, expected[usize::from(!in_oci)..]);
        assert!(findings.iter().all(|finding| matches!(finding.found, Found::Well(_))), "{findings:?}");
        land(&world.context, event(MANIFEST)).await.unwrap();
        sweep_in(&world.anew(), &json!({})).await;
        let asked = asked.0.lock().unwrap().clone();
        let reads = ["GetObject", "HeadObject", "ListObjects", "ListObjectsV2"];
        assert!(!asked.is_empty() && asked.iter().all(|call| reads.contains(&call.as_str())), "{asked:?}");

        let absent =
            world.configured_anew(|config| config.replace("bucket = 'uploads'", "bucket = 'no-such'"));
        let source = absent.source(&"deliveries".parse().unwrap()).await.unwrap();
        let findings = source.check().await;
        let broken = findings.iter().find_map(|finding| match &finding.found {
            Found::Broken(error) => Some(error.line()),
            _ => None,
        });
        assert!(broken.is_some_and(|line| line.contains("no-such")), "{findings:?}");
        world.end().await;
    }
}

/// What a connection lacks or has too much is named by its place.
#[tokio::test]
async fn what_is_wrong_with_the_connection_is_named() {
    let world = World::new(Setup::default()).await;
    for (change, said) in [
        (
            ("[connections.deliveries.from_bucket]", "[connections.other.from_bucket]"),
            "missing table `from_bucket`",
        ),
        (("bucket = 'uploads'", "bucket = 'uploads'\nform = 'gzip'"), "from_bucket"),
        (("type = 'delivery'", "type = 'delivery'\nsweep = 'everything'"), "connections.deliveries.sweep"),
        (("type = 'delivery'", "type = 'delivery'\nmanifest_names = 'daily/*.mf'"), "has no slash"),
        (("type = 'delivery'", "type = 'delivery'\nmanifests = '*.mf'"), "unknown field `manifests`"),
    ] {
        let context = world.configured_anew(|config| config.replace(change.0, change.1));
        let came = context.source(&"deliveries".parse().unwrap()).await.map(drop);
        assert_failed(came, ("InvalidConfig", said), &[world.store_secret()], change.1);
    }
    let context = world.configured_anew(|config| config.replace("type = 'delivery'", "type = 'fusion'"));
    let came = context.source(&"deliveries".parse().unwrap()).await.map(drop);
    assert_failed(came, ("InvalidConfig", "from_bucket"), &[], "another system has none");
    world.end().await;
}

/// Promise 6: a delivery of thousands of files lands with as many questions as there are files, some at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_many_files_lands() {
    let world = World::new(Setup::default()).await;
    let mut listed = String::new();
    for number in 0..300 {
        let bytes = format!("ID\n{number}\n");
        put(&world, &format!("daily/{number}.csv"), &bytes).await;
        listed += &line(&format!("{number}.csv"), bytes.as_bytes());
    }
    put(&world, MANIFEST, &listed).await;
    let id = submit_event(&world.context, event(MANIFEST)).await.unwrap().job_request_id;
    assert_eq!(poll(&world, id.as_str()).await.unwrap().state, JobState::Succeeded);
    let deadline = Deadline::none(world.clock.clone());
    let fetched = fetch(&world.context, &parse(job_event(id.as_str())).unwrap(), &deadline).await.unwrap();
    assert_eq!(fetched.ordinals().len(), 300);
    let published = resume(&world.anew(), job_event(id.as_str())).await.unwrap();
    assert_eq!((published.totals.objects, published.totals.rows), (300, Some(300)));
    world.end().await;
}
