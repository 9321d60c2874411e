//! The limits of a destination: they are those of its configuration, at the time when something lands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use landfall::clock::{Clock, Deadline};
use landfall::observer::Observer;
use landfall_tests::clock::MovedClock;
use landfall_tests::crafted::{Crafted, DEFLATED, Saying, deflated_zeros};
use landfall_tests::staged::{publish_for, stage, unpack, unpack_within};
use landfall_tests::{Setup, World, assert_landed, land, resume, run_event};
use serde_json::json;

const MIB: usize = 1 << 20;

/// So many mebibytes of zeros in one member.
fn sparse(mebibytes: usize) -> Vec<u8> {
    let data = deflated_zeros(mebibytes);
    let mut archive = Crafted::default();
    archive.add(&Saying::the_truth("sparse.csv", DEFLATED, &data, &vec![0; mebibytes * MIB]), &data);
    archive.finish()
}

async fn assert_is_refused(world: &World, context: &landfall::context::Context, text: &str) {
    let error = unpack(context, 0).await.unwrap_err();
    let line = error.line();
    assert_eq!(error.error_type().name(), "LimitExceeded", "{line}");
    assert!(line.contains(text), "{line:?} does not hold {text:?}");
    assert!(world.landed().await.is_empty(), "{line}: landed nonetheless");
    assert_eq!(world.unfinished_uploads().await, 0, "{line}");
}

/// What the usual limits refuse lands at a destination that allows it, without being fetched again; and what they allow
/// does not land at one that forbids it.
#[tokio::test]
async fn a_destinations_limits_are_those_of_its_configuration() {
    let world = World::new(Setup::default()).await;
    stage(&world.context, &[("sparse.zip", &sparse(129))]).await;
    assert_is_refused(&world, &world.context, "limit is 250").await;

    for (limits, text) in [
        ("limits = { ratio = 2000, member_bytes = 135266303 }", "limit is 135266303"),
        ("limits = { ratio = 2000, total_bytes = 135266303 }", "limit is 135266303"),
        ("limits = { ratio = 2000, name_bytes = 9 }", "limit is 9"),
        ("limits = { ratio = 2000, entries = 0 }", "limit is 0"),
        ("limits = { ratio = 2000, directory_bytes = 40 }", "limit is 40"),
        ("limits = { ratio_floor_bytes = 135266303 }", "limit is 250"),
    ] {
        assert_is_refused(&world, &world.configured_otherwise(limits), text).await;
    }

    let raised = world.configured_otherwise(
        "limits = { ratio = 2000, member_bytes = 135266304, total_bytes = 135266304, name_bytes = 10, entries = 1 }",
    );
    assert!(unpack(&raised, 0).await.unwrap().complete);
    publish_for(&raised, "1").await.unwrap();
    let (_, manifest) = world.manifests().await.pop_first().unwrap();
    assert_eq!(manifest.totals.bytes, 135_266_304);
    world.end().await;
}

/// Promise 2: a run that was refused for a limit goes on by its id once the limit is raised.
#[tokio::test]
async fn a_run_lands_once_its_destinations_limit_is_raised() {
    let setup = Setup { destination: "limits = { total_bytes = 100 }".to_owned(), ..Setup::default() };
    let world = World::new(setup).await;
    let error = Box::pin(land(&world.context, run_event())).await.unwrap_err();
    assert_eq!(error.error_type().name(), "LimitExceeded", "{}", error.line());
    assert!(error.line().contains("limit is 100"), "{}", error.line());
    assert!(world.landed().await.is_empty());
    assert_eq!(world.unfinished_uploads().await, 0);

    let job = world.simulator.jobs()[0].id;
    let event = json!({ "connection": "fusion-demo", "job_request_id": job.to_string() });
    let raised =
        world.configured_anew(|config| config.replace("total_bytes = 100", "total_bytes = 100000000"));
    Box::pin(resume(&raised, event)).await.unwrap_or_else(|error| panic!("{}", error.line()));
    assert_landed(&world, job, "raised").await;
    assert_eq!(world.simulator.jobs().len(), 1, "no second job");
    world.end().await;
}

/// A name that is short enough by itself may be too long for a key below the job's prefix: that is a limit of the
/// store, and no trick of the archive's.
#[tokio::test]
async fn a_key_that_would_be_too_long_exceeds_a_limit() {
    let folder = "forms/1/long/";
    for length in [1024 - folder.len(), 1025 - folder.len()] {
        let mut archive = Crafted::default();
        archive.add_stored(&format!("{}/{}", "a".repeat(200), "b".repeat(length - 201)), b"H\n1\n");
        let world = World::new(Setup::default()).await;
        stage(&world.context, &[("long.zip", &archive.finish())]).await;
        if folder.len() + length == 1024 {
            assert!(unpack(&world.context, 0).await.unwrap().complete);
        } else {
            assert_is_refused(&world, &world.context, "longer than 1024 bytes").await;
        }
        world.end().await;
    }
}

/// A source may send files up to a size, whether it says how large they are or only sends: what is beyond it is not kept.
#[tokio::test]
async fn a_file_larger_than_its_connection_allows_is_not_fetched() {
    for size in ["right", "absent"] {
        let setup = Setup {
            connection: "http = { max_file_bytes = 1000 }".to_owned(),
            faults: json!({ "output_files": { "file_size": size }, "content": { "no_content_length": true } }),
            ..Setup::default()
        };
        let world = World::new(setup).await;
        let error = Box::pin(land(&world.context, run_event())).await.unwrap_err();
        assert_eq!(error.error_type().name(), "LimitExceeded", "{}", error.line());
        assert!(error.line().contains("http.max_file_bytes is 1000"), "{}", error.line());
        assert!(world.landed().await.is_empty());
        assert_eq!(world.unfinished_uploads().await, 0);
        let job = world.simulator.jobs()[0].id;
        let raised =
            world.configured_anew(|config| config.replace("max_file_bytes = 1000", "proxy = \"none\""));
        let event = json!({ "connection": "fusion-demo", "job_request_id": job.to_string() });
        Box::pin(resume(&raised, event)).await.unwrap_or_else(|error| panic!("{}", error.line()));
        assert_landed(&world, job, size).await;
        world.end().await;
    }
}

/// Promise 6: an invocation ends in its time also where an archive's directory takes long to read; what would take all of
/// the next one too is an error that says what to do.
#[tokio::test]
async fn a_directory_is_read_within_the_time_of_an_invocation() {
    let world = World::new(Setup::default()).await;
    let mut archive = Crafted::default();
    archive.add_stored("a.csv", b"H\n1\n");
    stage(&world.context, &[("a.zip", &archive.finish())]).await;
    // The test's clock passes a deadline as soon as somebody waits for it.
    let short = unpack_within(&world.context, 0, SignedDuration::from_secs(15)).await.unwrap();
    assert!(!short.complete);
    let error = unpack_within(&world.context, 0, SignedDuration::from_secs(900)).await.unwrap_err();
    assert_eq!(error.error_type().name(), "LimitExceeded", "{}", error.line());
    assert!(
        error.line().contains("directory could not be read within an invocation of 890 s"),
        "{}",
        error.line()
    );
    assert!(world.landed().await.is_empty());
    assert!(unpack(&world.context, 0).await.unwrap().complete);
    world.end().await;
}

/// Passes time while archives are looked at: so many seconds for each in turn.
struct Slow {
    clock: Arc<MovedClock>,
    seconds: [u64; 2],
    archives: AtomicUsize,
}

impl Observer for Slow {
    fn members_listed(&self, _: u64, _: u64) {
        let archive = self.archives.fetch_add(1, Ordering::SeqCst);
        self.clock.advance(Duration::from_secs(self.seconds[archive]));
    }
}

/// An archive whose turn comes when others have taken most of an invocation's time is left for the next one: only where
/// it had all of the time, and nothing landed, is that an error.
#[tokio::test]
async fn an_archive_is_not_blamed_for_the_time_that_others_took() {
    for (seconds, blamed) in [([30, 25], false), ([0, 55], true)] {
        let world = World::new(Setup::default()).await;
        let mut archive = Crafted::default();
        archive.add_stored("a.csv", b"H\n1\n");
        let bytes = archive.finish();
        stage(&world.context, &[("a.zip", &bytes), ("b.zip", &bytes)]).await;
        let clock = MovedClock::of(&world.clock);
        let ends_at = clock.now().saturating_add(SignedDuration::from_secs(60)).unwrap();
        let slow = Slow { clock: Arc::clone(&clock), seconds, archives: AtomicUsize::new(0) };
        let context = world.anew_by(Arc::clone(&clock) as Arc<dyn Clock>).observed_by(Arc::new(slow));
        let record = |ordinal: u32| {
            json!({
                "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "work" }, "object": { "key": format!("jobs/local/1/staged/{ordinal}.json") } }
            })
        };
        let event = landfall::event::parse(json!({ "Records": [record(0), record(1)] })).unwrap();
        let came =
            Box::pin(unpack_upload::unpack_upload(&context, event, &Deadline::at(ends_at, clock))).await;
        match came {
            Ok(unpacked) => assert!(!blamed && !unpacked.complete && unpacked.totals.objects == 1),
            Err(error) => {
                assert!(blamed, "{}", error.line());
                assert!(error.line().contains("no further member could land"), "{}", error.line());
            }
        }
        world.end().await;
    }
}
