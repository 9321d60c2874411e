//! Invocations that end in their time, however slowly bytes come (promise 6): each leaves what it has done to the next,
//! and what no number of invocations can do is an error that says so.

use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fetch_files::FetchedFiles;
use jiff::SignedDuration;
use landfall::clock::{Clock, Deadline};
use landfall::context::Context;
use landfall::event::{JobEvent, parse};
use landfall::state::keys;
use landfall_tests::clock::{MovedClock, SlowBytes};
use landfall_tests::staged::{stage, unpack_by};
use landfall_tests::{Setup, World, assert_failed, assert_landed, resume, run_event, submit_event};
use serde_json::{Value, json};
use simulator::{Entry, MemberSize, Operation, Producer, Scenario};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const MIB: u64 = 1 << 20;
/// What an invocation has, in seconds.
const TIME: i64 = 60;
const SLOW: u64 = 100 << 10;
/// What comes in two such invocations and a half.
const FILE_BYTES: u64 = 12 * MIB;

/// A world in which bytes come slowly, by a clock of its own.
struct SlowWorld {
    world: World,
    clock: Arc<MovedClock>,
    bytes_per_second: u64,
}

impl SlowWorld {
    async fn new(setup: Setup) -> Self {
        let world = World::new(setup).await;
        let clock = MovedClock::of(&world.clock);
        Self { world, clock, bytes_per_second: SLOW }
    }

    /// One whose job of one file has ended.
    async fn with_ended_job(faults: Value) -> (Self, JobEvent) {
        let scenario = Scenario {
            views: vec!["carriersExtract".to_owned()],
            chunks_per_view: 1,
            member_size: MemberSize::Bytes(FILE_BYTES),
            producers: vec![Producer::Stored],
            ..Scenario::default()
        };
        let slow = Self::new(Setup { scenario: Some(scenario), faults, ..Setup::default() }).await;
        let context = &slow.world.context;
        let submitted = submit_event(context, run_event()).await.unwrap();
        let id = submitted.job_request_id;
        let event: JobEvent = parse(json!({ "connection": "fusion-demo", "job_request_id": id })).unwrap();
        let deadline = Deadline::none(slow.world.clock.clone());
        let poll = async || poll_status::poll_status(context, event.clone(), &deadline).await.unwrap();
        while poll().await.wait_seconds.is_some() {}
        (slow, event)
    }

    /// What the next invocation is given.
    fn context(&self) -> Context {
        let clock = Arc::clone(&self.clock);
        let slow = SlowBytes { clock: Arc::clone(&clock), bytes_per_second: self.bytes_per_second };
        self.world.anew_by(clock).observed_by(Arc::new(slow))
    }

    /// One invocation, which ends in its time.
    async fn invoke<T>(&self, step: impl AsyncFnOnce(Context, Deadline) -> T) -> T {
        let ends = self.clock.now() + SignedDuration::from_secs(TIME);
        let came = step(self.context(), self.clock.deadline(TIME)).await;
        let now = self.clock.now();
        assert!(now < ends, "an invocation that ends at {ends} was at work until {now}");
        came
    }

    async fn fetch(&self, event: &JobEvent) -> landfall::Result<fetch_files::FetchedFiles> {
        self.invoke(async |context, deadline| {
            Box::pin(fetch_files::fetch_all(&context, event.clone(), &deadline)).await
        })
        .await
    }

    /// How many invocations it takes until all is staged.
    async fn fetch_all(&self, event: &JobEvent) -> usize {
        for invocation in 1..20 {
            let fetched = self.fetch(event).await.unwrap_or_else(|error| panic!("{}", error.line()));
            if fetched.complete {
                return invocation;
            }
            self.clock.advance(Duration::from_secs(fetched.wait_seconds.unwrap_or(0)));
        }
        panic!("it does not end")
    }

    async fn unpack(&self) -> landfall::Result<unpack_upload::Unpacked> {
        self.invoke(async |context, deadline| unpack_by(&context, 0, &deadline).await).await
    }

    fn downloads(&self) -> Vec<Entry> {
        let requests = self.world.simulator.journal().requests().into_iter();
        requests.filter(|entry| entry.operation == Operation::Download).collect()
    }
}

/// Where the answers to these begin, for those that go to the file's end.
fn starts(downloads: &[Entry]) -> Vec<u64> {
    let ranges = downloads.iter().map(|entry| entry.range.as_deref().unwrap_or("bytes=0-"));
    let starts = ranges.filter_map(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    starts.map(|start| start.parse().unwrap()).collect()
}

/// A source that sends less than a part of an upload in an invocation's time: every invocation goes on where the one
/// before it stopped, and ends in its time.
#[tokio::test]
async fn a_slow_source_is_fetched_over_several_invocations() {
    let (slow, event) = SlowWorld::with_ended_job(Value::Null).await;
    let invocations = slow.fetch_all(&event).await;
    assert!((3..=8).contains(&invocations), "{invocations}");
    let starts = starts(&slow.downloads());
    assert!(starts.is_sorted() && starts.iter().any(|start| *start > 8 * MIB), "{starts:?}");
    let id = event.job_request_id.as_str();
    resume(&slow.world.context, json!({ "connection": "fusion-demo", "job_request_id": id })).await.unwrap();
    assert_landed(&slow.world, id.parse().unwrap(), "slow").await;
    slow.world.end().await;
}

/// A file that no invocation has the time for, as its source lets nobody go on with it, is an error that names the file,
/// the speed and what to change; and an error in time.
#[tokio::test]
async fn a_slow_source_that_cannot_be_gone_on_with_is_named() {
    let faults = json!({ "content": { "etag": "absent" } });
    let (slow, event) = SlowWorld::with_ended_job(faults).await;
    let mut fetched = slow.fetch(&event).await;
    while let Ok(FetchedFiles { wait_seconds: Some(seconds), .. }) = fetched {
        slow.clock.advance(Duration::from_secs(seconds));
        fetched = slow.fetch(&event).await;
    }
    let error = fetched.unwrap_err();
    assert!(error.line().contains("KB/s"), "{}", error.line());
    assert_failed(Err::<(), _>(error), ("LimitExceeded", "more time (its Timeout)"), &[], "no ETag");
    slow.world.end().await;
}

/// What has to be hashed because no call has seen all of it is hashed over as many invocations as it takes.
#[tokio::test]
async fn hashing_what_is_stored_goes_on_in_the_next_invocation() {
    let (slow, event) = SlowWorld::with_ended_job(Value::Null).await;
    let deadline = Deadline::none(slow.world.clock.clone());
    landfall_tests::fetch(&slow.world.context, &event, &deadline).await.unwrap();
    let downloads = slow.downloads().len();
    let work = slow.world.work().await;
    work.delete(&keys::staged_record(&event.job(), 0)).await.unwrap();
    let invocations = slow.fetch_all(&event).await;
    assert!((3..=4).contains(&invocations), "{invocations}");
    assert_eq!(slow.downloads().len(), downloads, "it was fetched again");
    slow.world.end().await;
}

/// A file that is no archive lands in one piece, whatever its form: what takes longer than an invocation is an error in
/// time that names it, and leaves nothing.
#[tokio::test]
async fn a_plain_file_that_takes_longer_than_an_invocation_is_named() {
    let rows = b"id,amount,note\n".repeat(usize::try_from(FILE_BYTES).unwrap() / 15);
    for form in ["raw", "gzip", "zstd"] {
        let destination = format!("form = '{form}'");
        let slow = SlowWorld::new(Setup { destination, ..Setup::default() }).await;
        stage(&slow.world.context, &[("rows.csv", &rows)]).await;
        let error = slow.unpack().await.unwrap_err();
        assert!(error.line().contains("rows.csv could not land within an invocation of"), "{}", error.line());
        assert_failed(
            Err::<(), _>(error),
            ("LimitExceeded", "KB/s: give unpack-upload more time"),
            &[],
            form,
        );
        assert!(slow.world.landed().await.is_empty(), "{form}");
        assert_eq!(slow.world.unfinished_uploads().await, 0, "{form}");
        slow.world.end().await;
    }
}

/// Members that come slowly land over several invocations, each of which ends in its time.
#[tokio::test]
async fn small_members_that_come_slowly_land_over_several_invocations() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for member in 0..100 {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(format!("{member}.csv"), stored).unwrap();
        zip.write_all(&b"id,amount,note\n".repeat(64_000)).unwrap();
    }
    // Several of them are read at once, and each has a piece that is looked at to its end.
    let slow = SlowWorld { bytes_per_second: MIB, ..SlowWorld::new(Setup::default()).await };
    stage(&slow.world.context, &[("small.zip", &zip.finish().unwrap().into_inner())]).await;
    let mut landed = vec![0];
    loop {
        let unpacked = slow.unpack().await.unwrap_or_else(|error| panic!("{}", error.line()));
        landed.push(unpacked.totals.objects);
        if unpacked.complete {
            break;
        }
    }
    assert!(landed.len() > 2 && landed.is_sorted(), "{landed:?}");
    assert_eq!((landed.last(), slow.world.landed().await.len()), (Some(&100), 100));
    slow.world.end().await;
}

/// A file is told of as soon as it can be unpacked, and what an earlier invocation has staged by the end of the next.
#[tokio::test]
async fn each_file_is_told_of_as_soon_as_it_is_staged() {
    let connection = "http = { parallel_downloads = 1 }".to_owned();
    let world = World::new(Setup { connection, ..Setup::default() }).await;
    let submitted = submit_event(&world.anew(), run_event()).await.unwrap();
    let id = submitted.job_request_id.as_str();
    let event: JobEvent = parse(json!({ "connection": "fusion-demo", "job_request_id": id })).unwrap();
    let downloads = || {
        let requests = world.simulator.journal().requests().into_iter();
        requests.filter(|entry| entry.operation == Operation::Download).count()
    };
    let context = world.anew();
    let deadline = Deadline::none(world.clock.clone());
    let poll = async || poll_status::poll_status(&context, event.clone(), &deadline).await.unwrap();
    while poll().await.wait_seconds.is_some() {}
    for is_staged in [false, true] {
        let before = downloads();
        let told = Mutex::new(Vec::new());
        let tell = |ordinal| told.lock().unwrap().push((ordinal, downloads() - before));
        let fetched = loop {
            let fetched =
                fetch_files::fetch_all_and_tell(&context, event.clone(), &deadline, &tell).await.unwrap();
            if fetched.complete {
                break fetched;
            }
            world.clock.advance(Duration::from_secs(fetched.wait_seconds.unwrap_or(0)));
        };
        let mut told = told.into_inner().unwrap();
        if !is_staged {
            let first: Vec<_> = told.drain(..fetched.files.len()).collect();
            assert!(first.iter().is_sorted_by(|(_, sooner), (_, later)| sooner < later), "{first:?}");
        }
        let again: Vec<_> = told.iter().map(|(ordinal, _)| *ordinal).collect();
        assert_eq!(again, fetched.ordinals());
    }
    world.end().await;
}
