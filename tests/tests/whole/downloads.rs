//! Downloads that are cut cost little more than downloads that are not (promise 2): inside one request, and when the
//! process itself ends in the middle. So do reads of what has been staged.
//!
//! `LANDFALL_DOWNLOAD_MIB` says how large the file is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use embedded_store::{After, Before, Call, Intercept, Options};
use http::StatusCode;
use landfall::clock::Deadline;
use landfall::event::{JobEvent, parse};
use landfall_store::PART_BYTES;
use landfall_tests::cut::{At, Cut, Ended, Moment, Tapped};
use landfall_tests::matrix::{Start, Theatre};
use landfall_tests::systems::FUSION_EXTRACT;
use landfall_tests::{Setup, World, assert_landed, fetch, land, run_event, submit_event};
use serde_json::{Value, json};
use simulator::{Entry, MemberSize, Operation, Producer, Scenario};

const MIB: u64 = 1 << 20;
const CUTS: u64 = 20;
/// What may be on its way to the store and in memory when a process ends: the store has all before it.
const PARTS_UNDER_WAY: u64 = 5;

fn file_bytes() -> u64 {
    let mebibytes = std::env::var("LANDFALL_DOWNLOAD_MIB").map_or(64, |size| size.parse().expect("a number"));
    mebibytes * MIB
}

fn one_file(bytes: u64) -> Scenario {
    Scenario {
        views: vec!["carriersExtract".to_owned()],
        chunks_per_view: 1,
        member_size: MemberSize::Bytes(bytes),
        producers: vec![Producer::Stored],
        ..Scenario::default()
    }
}

/// A world whose job has ended.
async fn ended_job(faults: Value) -> (Theatre, JobEvent) {
    let theatre = Theatre::new(FUSION_EXTRACT, &one_file(file_bytes()), faults, None).await;
    let context = &theatre.world.context;
    let deadline = Deadline::none(theatre.world.clock.clone());
    let submitted = submit_event(context, run_event()).await.unwrap();
    let event: JobEvent =
        parse(json!({ "connection": "fusion-demo", "job_request_id": submitted.job_request_id })).unwrap();
    let poll = async || poll_status::poll_status(context, event.clone(), &deadline).await.unwrap();
    while poll().await.wait_seconds.is_some() {}
    (theatre, event)
}

/// The downloads of the file to its end: what looks at the end of an archive asks for that alone.
fn downloads(theatre: &Theatre) -> Vec<Entry> {
    let is_to_the_end = |range: &Option<String>| range.as_ref().is_none_or(|range| range.ends_with('-'));
    let requests = theatre.world.simulator.journal().requests().into_iter();
    requests.filter(|entry| entry.operation == Operation::Download && is_to_the_end(&entry.range)).collect()
}

/// Holds the staged file against the source's own.
async fn assert_staged(theatre: &Theatre, event: &JobEvent) -> u64 {
    let job: u64 = event.job_request_id.as_str().parse().unwrap();
    let expected = theatre.world.simulator.expected_files(job).await.unwrap().remove(0);
    let record = theatre.world.work_folder().join(format!("jobs/fusion-demo/{job}/staged/0.json"));
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!(record["sha256"], expected.sha256);
    let staged = theatre.world.work_folder().join(format!("jobs/fusion-demo/{job}/staged/0"));
    assert_eq!(sha256(&staged), expected.sha256);
    expected.size
}

fn sha256(file: &std::path::Path) -> String {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    let mut reader = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(file).unwrap());
    loop {
        let read = std::io::BufRead::fill_buf(&mut reader).unwrap();
        if read.is_empty() {
            return hex::encode(hasher.finalize());
        }
        hasher.update(read);
        let length = read.len();
        std::io::BufRead::consume(&mut reader, length);
    }
}

/// Twenty cuts at random places of one file: every byte is fetched once, but for those that were lost on the wire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_cut_twenty_times_transfers_less_than_a_tenth_more() {
    let step = file_bytes() / (CUTS + 1);
    let cut = json!({ "times": CUTS, "after_bytes": step / 4, "up_to_bytes": step });
    let (theatre, event) = ended_job(json!({ "content": { "cut": cut } })).await;
    let deadline = Deadline::none(theatre.world.clock.clone());
    fetch(&theatre.world.anew(), &event, &deadline).await.unwrap();
    let size = assert_staged(&theatre, &event).await;
    let cut = downloads(&theatre).iter().filter(|entry| !entry.complete).count() as u64;
    let transferred = theatre.world.simulator.journal().bytes_downloaded();
    landfall_tests::say(&format!("{size} bytes, cut {cut} times: {transferred} bytes were transferred"));
    assert_eq!(cut, CUTS);
    assert!(transferred * 10 < size * 11, "{transferred} bytes for a file of {size}");
}

/// A process that ends in the middle leaves its parts in the store, and the next one asks for the rest alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_whose_process_ends_goes_on_from_the_parts_that_are_stored() {
    let (theatre, event) = ended_job(Value::Null).await;
    let part = PART_BYTES as u64;
    let mut random = fastrand::Rng::with_seed(3);
    let mut stored = 0;
    let mut processes = 0;
    // On a busy machine a process may end before any of its parts is stored.
    while processes < 3 || (stored == 0 && processes < 20) {
        processes += 1;
        let comes = random.u64(PARTS_UNDER_WAY * part / 2..(PARTS_UNDER_WAY + 1) * part / 2);
        let cut = Cut { at: At::Download(comes), moment: Moment::InAnswer };
        assert!(matches!(theatre.process(Start::Id, Some(cut)).await, Ended::Cut));
        theatre.wait();
        let resumed_at = range_start(downloads(&theatre).last().unwrap());
        assert!(
            resumed_at >= stored,
            "what was stored up to byte {stored} was fetched again from {resumed_at}"
        );
        stored = resumed_at;
    }
    let context = theatre.world.anew().with_transport(Tapped::wrap(&theatre.line));
    let deadline = Deadline::none(theatre.world.clock.clone());
    let fetch = fetch(&context, &event, &deadline);
    match theatre.line.run(None, Box::pin(fetch)).await {
        Ended::ByItself(Ok(fetched)) => assert!(fetched.complete),
        other => panic!("{other:?}"),
    }
    let size = assert_staged(&theatre, &event).await;
    let starts: Vec<u64> = downloads(&theatre).iter().map(range_start).collect();
    landfall_tests::say(&format!("{size} bytes, fetched by processes from {starts:?}"));
    let last = *starts.last().unwrap();
    assert!(last > 0 && starts.iter().all(|start| start.is_multiple_of(part)), "{starts:?}");
    assert_eq!(theatre.world.unfinished_uploads().await, 0);
}

fn range_start(entry: &Entry) -> u64 {
    let Some(range) = &entry.range else { return 0 };
    range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a range to the end")
}

/// Cuts the answers to reads of staged files.
#[derive(Default)]
struct CutReads {
    after_bytes: u64,
    cut: AtomicU64,
}

impl Intercept for CutReads {
    fn before(&self, _call: &Call) -> Before {
        Before::Proceed
    }

    fn after(&self, call: &Call, _status: StatusCode) -> After {
        let is_staged =
            call.key.as_deref().is_some_and(|key| key.contains("/staged/") && !key.ends_with(".json"));
        if call.operation != "GetObject" || !is_staged {
            return After::Proceed;
        }
        self.cut.fetch_add(1, Ordering::Relaxed);
        After::CutAnswer(self.after_bytes)
    }
}

async fn with_cut_reads(after_bytes: u64) -> (World, Arc<CutReads>) {
    let reads = Arc::new(CutReads { after_bytes, ..CutReads::default() });
    let setup = Setup { scenario: Some(one_file(4 * MIB)), ..Setup::default() };
    let options = Options { fsync: false, intercept: Some(reads.clone()) };
    (World::with_store(setup, options).await, reads)
}

/// A read of the archive that breaks off goes on where it stopped, however often, and nothing starts over.
#[tokio::test]
async fn reads_of_an_archive_go_on_where_they_broke_off() {
    let (world, reads) = with_cut_reads(100_000).await;
    land(&world.context, run_event()).await.unwrap();
    let job = world.simulator.jobs()[0].id;
    assert_landed(&world, job, "cut reads").await;
    let cut = reads.cut.load(Ordering::Relaxed);
    assert!(cut > 40, "4 MiB were read in {cut} pieces");
    world.end().await;
}

/// Promise 5: reads of which nothing ever comes end with an error that can be tried again, and nothing lands.
#[tokio::test]
async fn reads_of_an_archive_that_bring_nothing_end() {
    let (world, reads) = with_cut_reads(0).await;
    let error = land(&world.context, run_event()).await.unwrap_err();
    assert_eq!(
        (error.error_type().name(), error.retryable()),
        ("StoreUnavailable", true),
        "{}",
        error.line()
    );
    assert!(world.landed().await.is_empty());
    assert!(reads.cut.load(Ordering::Relaxed) < 100);
    world.end().await;
}
