//! A large archive, landed by several invocations at once: whatever their order, however often they are called and
//! wherever they end, what lands is what one invocation lands (promises 2 to 4), and of a bad archive nothing stays.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use embedded_store::{Before, Call, Intercept, Options};
use futures::future::join_all;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall_store::Condition;
use landfall_tests::cut::{At, Cut, Ended, Line, Moment};
use landfall_tests::staged::{event, stage, unpack};
use landfall_tests::{Setup, World, on_a_thread, say};
use serde_json::{Value, json};
use tokio::sync::Notify;
use unpack_upload::{MemberRange, UnpackFile, Unpacked};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A range of two small members costs about this much.
const TWO_MEMBERS: u64 = 2 * (64 << 10) + 3_000;

const CHECKPOINTS: &str = "jobs/local/1/checkpoints/unpack/0/";

fn name(member: usize) -> String {
    match member % 3 {
        0 => format!("m-{member:05}.csv"),
        _ => format!("inner/m-{member:05}.csv"),
    }
}

fn content(member: usize) -> Vec<u8> {
    format!("ID,NOTE\n{member},{}\n", "some of the usual text ".repeat(member % 7)).into_bytes()
}

/// An archive of many small members, stored and deflated, with a folder among them.
fn archive(members: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for member in 0..members {
        if member == 1 {
            zip.add_directory("inner/", SimpleFileOptions::default()).unwrap();
        }
        let method = [CompressionMethod::Deflated, CompressionMethod::Stored][member % 2];
        zip.start_file(name(member), SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(&content(member)).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The same with a byte of its last member, which is a stored one, that is not as it was.
fn bad_archive(members: usize) -> Vec<u8> {
    assert_eq!(members % 2, 0);
    let mut bytes = archive(members);
    let good = content(members - 1);
    let at = bytes.windows(good.len()).rposition(|window| window == good).expect("stored content");
    bytes[at] ^= 1;
    bytes
}

async fn world_with(archive: &[u8], intercept: Option<Arc<dyn Intercept>>) -> Arc<World> {
    let world = World::with_store(Setup::default(), Options { fsync: false, intercept }).await;
    stage(&world.context, &[("many.zip", archive)]).await;
    Arc::new(world)
}

async fn end(world: Arc<World>) {
    Arc::into_inner(world).expect("nobody else is in the world").end().await;
}

fn dividing(world: &World) -> Context {
    world.anew().dividing_at(TWO_MEMBERS)
}

fn asked(fan_out: bool, members: Option<MemberRange>) -> UnpackFile {
    let event = event();
    UnpackFile {
        connection: event.connection,
        job_request_id: event.job_request_id,
        destination: event.destination,
        ordinal: 0,
        fan_out,
        members,
    }
}

async fn call(context: &Context, fan_out: bool, members: Option<MemberRange>) -> landfall::Result<Unpacked> {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    Box::pin(unpack_upload::unpack(context, asked(fan_out, members), &deadline)).await
}

/// The ranges that the archive is divided into.
async fn ranges(world: &World) -> Vec<MemberRange> {
    let divided = call(&dividing(world), true, None).await.unwrap();
    assert!(!divided.complete && divided.ranges.len() > 2, "{divided:?}");
    divided.ranges
}

async fn publish(context: &Context) -> landfall::Result<publish::Published> {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    Box::pin(publish::publish(context, event(), &deadline)).await
}

/// What the state machine does with the file: the function once, its ranges, the function again, and the manifest.
async fn as_the_state_machine_does(context: &Context) -> landfall::Result<()> {
    let mut first = call(context, true, None).await?;
    while !first.complete && first.ranges.is_empty() {
        first = call(context, true, None).await?;
    }
    for range in first.ranges {
        while !call(context, false, Some(range)).await?.complete {}
    }
    while !call(context, false, None).await?.complete {}
    publish(context).await.map(|_| ())
}

/// What is to be compared: the receipt, the manifest and everything else that has landed.
async fn outcome(world: &World) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let receipt = world.work().await.read("jobs/local/1/receipts/0.json", u64::MAX).await.unwrap();
    (receipt.expect("a receipt").bytes.to_vec(), world.landed().await)
}

/// What one invocation for all of the archive comes to.
async fn undivided(archive: &[u8]) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let world = world_with(archive, None).await;
    assert!(unpack(&world.context, 0).await.unwrap().complete);
    publish(&world.context).await.unwrap();
    let outcome = outcome(&world).await;
    end(world).await;
    outcome
}

/// Promise 4: ranges in any order, all at once and each twice land what one invocation lands: the same receipt, the
/// same manifest, the same objects, to the byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_in_any_order_and_twice_land_what_one_invocation_lands() {
    let archive = archive(24);
    let expected = undivided(&archive).await;
    let world = world_with(&archive, None).await;
    let mut ranges = ranges(&world).await;
    assert_eq!(call(&dividing(&world), true, None).await.unwrap().ranges, ranges, "told again");
    let undivided = world.anew();
    assert_eq!(
        call(&undivided, true, None).await.unwrap().ranges,
        ranges,
        "told again, whatever has changed"
    );
    assert_eq!(ranges.iter().map(|range| range.to - range.from).sum::<u32>(), 25);

    fastrand::Rng::with_seed(5).shuffle(&mut ranges);
    let twice = ranges.iter().chain(&ranges).copied();
    let landed = join_all(twice.map(|range| {
        let context = dividing(&world);
        on_a_thread(move || async move { call(&context, false, Some(range)).await })
    }));
    for landed in landed.await {
        let landed = landed.unwrap();
        assert!(landed.complete && landed.totals.objects > 0, "{landed:?}");
    }
    let again = call(&dividing(&world), false, Some(ranges[0])).await.unwrap();
    assert!(again.complete && again.totals.objects > 0, "{again:?}");

    let puts = |world: &World| world.store_requests().get("PutObject").copied().unwrap_or_default();
    let before = puts(&world);
    let whole = call(&dividing(&world), false, None).await.unwrap();
    assert!(whole.complete);
    assert_eq!(whole.totals.objects, 24);
    assert_eq!(puts(&world) - before, 1, "all had landed: only the receipt was written");
    publish(&world.context).await.unwrap();
    assert!(outcome(&world).await == expected, "not what one invocation lands");
    end(world).await;
}

/// Promise 2: whatever a state machine has left behind, a call for all of the archive lands the rest; and an archive
/// that one invocation lands in time is not divided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_all_of_the_archive_lands_what_ranges_have_not() {
    let archive = archive(24);
    let expected = undivided(&archive).await;
    for landed in [0, 1, 3] {
        let world = world_with(&archive, None).await;
        for range in ranges(&world).await.into_iter().rev().take(landed) {
            assert!(call(&dividing(&world), false, Some(range)).await.unwrap().complete);
        }
        assert!(unpack(&world.anew(), 0).await.unwrap().complete);
        publish(&world.context).await.unwrap();
        assert!(outcome(&world).await == expected, "{landed} ranges had landed");
        end(world).await;
    }
    let world = world_with(&archive, None).await;
    let whole = call(&world.context, true, None).await.unwrap();
    assert!(whole.complete && whole.ranges.is_empty(), "{whole:?}");
    publish(&world.context).await.unwrap();
    assert!(outcome(&world).await == expected);
    end(world).await;
}

/// Only ranges that were handed out land: anything else is a caller's mistake, and is told as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_ranges_that_were_handed_out_land() {
    let world = world_with(&archive(24), None).await;
    let refusal = async |fan_out, members| {
        let error = call(&dividing(&world), fan_out, members).await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent", "{}", error.line());
    };
    let first = Some(MemberRange { from: 0, to: 3 });
    refusal(false, first).await;
    let ranges = ranges(&world).await;
    refusal(true, Some(ranges[0])).await;
    refusal(false, Some(MemberRange { from: ranges[0].from, to: ranges[1].to })).await;
    refusal(false, Some(MemberRange { from: 25, to: 99 })).await;
    assert!(world.landed().await.is_empty());
    end(world).await;
}

/// Promises 2 to 4: cut at every call of the whole course, and started again from its beginning or by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_anywhere_a_divided_archive_lands_as_if_nothing_had_been() {
    let archive = archive(6);
    let expected = undivided(&archive).await;
    let line = Arc::new(Line::default());
    let world = world_with(&archive, Some(Arc::clone(&line) as Arc<dyn Intercept>)).await;
    let context = dividing(&world);
    let ended = line.run(None, as_the_state_machine_does(&context)).await;
    assert!(matches!(ended, Ended::ByItself(Ok(()))), "{ended:?}");
    let made = line.made();
    assert!(outcome(&world).await == expected);
    end(world).await;

    let writes = |operation: &str| operation.starts_with("PutObject");
    let cuts: Vec<Cut> = made
        .iter()
        .flat_map(|made| {
            let lost = writes(&made.name).then_some(Moment::AnswerLost);
            [Some(Moment::Before), lost].into_iter().flatten().map(|moment| Cut { at: made.at(), moment })
        })
        .collect();
    say(&format!("{} calls leave a divided archive's course; {} cuts", made.len(), cuts.len()));
    let cuts = cuts.into_iter().enumerate().map(|(number, cut)| {
        let (archive, expected) = (archive.clone(), expected.clone());
        on_a_thread(move || async move { cut_at(&archive, &expected, cut, number % 2 == 0).await })
    });
    let mut cuts = cuts.peekable();
    while cuts.peek().is_some() {
        join_all(cuts.by_ref().take(4)).await;
    }
}

async fn cut_at(archive: &[u8], expected: &(Vec<u8>, BTreeMap<String, Vec<u8>>), cut: Cut, by_hand: bool) {
    let line = Arc::new(Line::default());
    let world = world_with(archive, Some(Arc::clone(&line) as Arc<dyn Intercept>)).await;
    let context = dividing(&world);
    let ended = line.run(Some(cut.clone()), as_the_state_machine_does(&context)).await;
    assert!(matches!(ended, Ended::Cut), "{cut}: {ended:?}");
    let context = dividing(&world);
    match by_hand {
        true => {
            assert!(unpack(&context, 0).await.unwrap().complete, "{cut}");
            publish(&context).await.unwrap();
        }
        false => as_the_state_machine_does(&context).await.unwrap(),
    }
    assert!(outcome(&world).await == *expected, "{cut}, by hand: {by_hand}");
    assert_eq!(world.unfinished_uploads().await, 0, "{cut}");
    end(world).await;
}

/// Promise 3: a range that shows the archive to be bad withdraws what others have landed, and nothing lands after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_range_withdraws_what_others_have_landed() {
    let world = world_with(&bad_archive(24), None).await;
    let mut ranges = ranges(&world).await;
    let bad = ranges.pop().unwrap();
    for range in &ranges {
        assert!(call(&dividing(&world), false, Some(*range)).await.unwrap().complete);
    }
    assert!(world.landed().await.len() >= 20);
    let refused = async |fan_out, members, told_before| {
        let error = call(&dividing(&world), fan_out, members).await.unwrap_err();
        let line = error.line();
        assert_eq!(error.error_type().name(), "IntegrityError", "{line}");
        assert!(line.contains("m-00023.csv"), "{line}");
        assert_eq!(line.contains("refused before"), told_before, "{line}");
        assert!(world.landed().await.is_empty(), "{line}: landed nonetheless");
        assert_eq!(world.unfinished_uploads().await, 0);
    };
    refused(false, Some(bad), false).await;
    for (fan_out, members) in [(false, Some(bad)), (false, Some(ranges[0])), (true, None), (false, None)] {
        refused(fan_out, members, true).await;
    }
    // Nobody can be at work on it any more: it is looked at anew, and not by what was noted then.
    world.clock.advance(Duration::from_secs(30 * 60));
    refused(false, None, false).await;
    end(world).await;
}

/// Promise 3: calls for all of a bad archive that are at it at once, one of them begun early, leave nothing of it: each sees
/// for itself what is wrong with it, and withdraws what it has landed since another has withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_for_all_of_a_bad_archive_at_once_leave_nothing_of_it() {
    for round in 0..8 {
        let world = world_with(&bad_archive(24), None).await;
        let calls = (0..3).map(|_| {
            let context = world.anew();
            on_a_thread(move || async move { call(&context, true, None).await })
        });
        for came in join_all(calls).await {
            let error = came.unwrap_err();
            assert_eq!(error.error_type().name(), "IntegrityError", "round {round}: {}", error.line());
        }
        assert!(world.landed().await.is_empty(), "round {round}: {:?}", world.landed().await.keys());
        assert_eq!(world.unfinished_uploads().await, 0);
        end(world).await;
    }
}

/// Holds up who comes to a call of the store first, until it is told to let go.
struct Gate {
    operation: &'static str,
    key: String,
    has_held: AtomicBool,
    reached: Notify,
    is_open: (Mutex<bool>, Condvar),
}

impl Gate {
    fn at(operation: &'static str, key: String) -> Arc<Self> {
        Arc::new(Self {
            operation,
            key,
            has_held: AtomicBool::new(false),
            reached: Notify::new(),
            is_open: (Mutex::default(), Condvar::new()),
        })
    }

    fn open(&self) {
        *self.is_open.0.lock().unwrap() = true;
        self.is_open.1.notify_all();
    }
}

impl Intercept for Gate {
    fn before(&self, call: &Call) -> Before {
        let is_it = call.operation == self.operation && call.key.as_ref() == Some(&self.key);
        if is_it && !self.has_held.swap(true, Ordering::SeqCst) {
            self.reached.notify_one();
            tokio::task::block_in_place(|| {
                let closed = self.is_open.0.lock().unwrap();
                drop(self.is_open.1.wait_while(closed, |is_open| !*is_open).unwrap());
            });
        }
        Before::Proceed
    }
}

/// Promise 3: a range that is being landed while another shows the archive to be bad does not bring back what that one
/// has withdrawn, wherever it is at that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_range_that_is_under_way_does_not_bring_a_refused_archive_back() {
    let archive = bad_archive(24);
    let member = format!("forms/1/many/{}", name(4));
    let note = |range: MemberRange| format!("{CHECKPOINTS}0/{}-{}/000000.json", range.from, range.to);
    let world = world_with(&archive, None).await;
    let range = ranges(&world).await.into_iter().find(|range| (range.from..range.to).contains(&5)).unwrap();
    end(world).await;
    for (operation, key) in [
        ("PutObject", member),
        ("PutObject", note(range)),
        ("GetObject", format!("{CHECKPOINTS}refused.json")),
    ] {
        let gate = Gate::at(operation, key.clone());
        let world = world_with(&archive, Some(Arc::clone(&gate) as Arc<dyn Intercept>)).await;
        let ranges = ranges(&world).await;
        let context = dividing(&world);
        let under_way = tokio::spawn(on_a_thread(move || async move {
            call(&context, false, Some(range)).await.map_err(|error| error.error_type().name())
        }));
        gate.reached.notified().await;
        let error = call(&dividing(&world), false, ranges.last().copied()).await;
        let error = error.map_err(|error| error.error_type().name());
        gate.open();
        assert_eq!(error, Err("IntegrityError"), "{key}");
        assert_eq!(under_way.await.unwrap(), Err("IntegrityError"), "{key}");
        assert!(world.landed().await.is_empty(), "{key}: landed nonetheless");
        assert_eq!(world.unfinished_uploads().await, 0, "{key}");
        end(world).await;
    }
}

/// Promise 2: what was noted before a refusal counts for nothing after it, as the objects have been withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_does_not_go_by_the_notes_of_one_that_was_refused() {
    let archive = archive(24);
    let expected = undivided(&archive).await;
    let world = world_with(&archive, None).await;
    for range in ranges(&world).await {
        assert!(call(&dividing(&world), false, Some(range)).await.unwrap().complete);
    }
    let (work, landing) = (world.work().await, world.landing().await);
    for key in world.landed().await.into_keys() {
        landing.delete(&key).await.unwrap();
    }
    let refused: Value = json!({
        "attempt": 0,
        "error": "LimitExceeded",
        "message": "the limits were lower then",
        "stands_until": landfall::clock::Clock::now(&*world.clock),
    });
    let key = format!("{CHECKPOINTS}refused.json");
    work.put(&key, refused.to_string().into(), Condition::Always).await.unwrap();
    as_the_state_machine_does(&dividing(&world)).await.unwrap();
    assert!(outcome(&world).await == expected);
    end(world).await;
}

/// Promise 6: noting what has landed costs what there is to note, and who goes on lands only what was not noted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_members_are_gone_on_with_where_they_were_left() {
    const MEMBERS: usize = 2_400;
    let line = Arc::new(Line::default());
    let archive = archive(MEMBERS);
    let world = world_with(&archive, Some(Arc::clone(&line) as Arc<dyn Intercept>)).await;
    let last = format!("PutObject landing/forms/1/many/{}", name(2_300));
    let cut = Cut { at: At::Named(last, 1), moment: Moment::Before };
    let context = world.anew();
    let ended = line.run(Some(cut), async { unpack(&context, 0).await }).await;
    assert!(matches!(ended, Ended::Cut), "{ended:?}");
    let notes = landfall_tests::objects(&world.work().await).await;
    let notes = notes.into_iter().filter(|(key, _)| key.starts_with(CHECKPOINTS));
    let notes: Vec<Value> = notes.map(|(_, bytes)| serde_json::from_slice(&bytes).unwrap()).collect();
    let notes: Vec<usize> = notes.iter().map(|note| note["landed"].as_array().unwrap().len()).collect();
    assert!(!notes.is_empty() && notes.iter().all(|note| *note == 1_000), "{notes:?}");
    let left = MEMBERS - notes.iter().sum::<usize>();

    let before = world.store_requests();
    assert!(unpack(&world.anew(), 0).await.unwrap().complete);
    let after = world.store_requests();
    let made = |operation: &str| {
        let count = |requests: &BTreeMap<_, _>| requests.get(operation).copied().unwrap_or_default();
        usize::try_from(count(&after) - count(&before)).unwrap()
    };
    // A note, perhaps, and the receipt.
    assert!((left..=left + 2).contains(&made("PutObject")), "{} of {left}", made("PutObject"));
    assert!(made("GetObject") < 30, "{}", made("GetObject"));
    publish(&world.context).await.unwrap();
    let (receipt, landed) = outcome(&world).await;
    assert_eq!(landed.len(), MEMBERS + 1);
    let receipt: Value = serde_json::from_slice(&receipt).unwrap();
    let names =
        receipt["objects"].as_array().unwrap().iter().map(|object| object["member"].as_str().unwrap());
    assert!(names.eq((0..MEMBERS).map(name)), "the archive's order");
    end(world).await;
}
