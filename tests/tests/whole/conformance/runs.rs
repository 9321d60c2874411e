//! Whole runs: the main job lands in the store, and lands the same when the wire to the store is cut.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall::job::JobRequestId;
use landfall_tests::matrix::beginning;
use landfall_tests::proxy::Proxy;
use landfall_tests::{Buckets, Setup, World, assert_landed, land, run_event};
use serde_json::Value;
use simulator::{MemberSize, Producer, Scenario};

use super::bucket::TestBucket;
use super::table::checks;

checks! {
    "a run of the main job lands, to the byte": lands,
    "a run that is cut at 6 places, and gone on with, lands the same": cut,
}

/// So often a run is cut, each time at another place.
const CUTS: u64 = 6;

/// Longer than a claim without an id is waited for.
const UNTIL_THE_NEXT_PROCESS: Duration = Duration::from_secs(1800);

/// Archives that are fetched in parts; members that land in parts, one of them copied inside the store.
fn scenario() -> Scenario {
    Scenario {
        views: vec!["carriersExtract".to_owned()],
        chunks_per_view: 2,
        member_size: MemberSize::Bytes(10 << 20),
        producers: vec![Producer::Stored, Producer::JavaStream],
        ..Scenario::default()
    }
}

/// A world whose buckets are in the store, reached by this endpoint.
async fn world(bucket: &TestBucket, endpoint: &str) -> World {
    let at = |name: &str| {
        let mut at = bucket.beside(name).at;
        at.endpoint = endpoint.to_owned();
        at
    };
    let buckets = Buckets { work: at("work"), landing: at("lake") };
    let setup = Setup {
        scenario: Some(scenario()),
        buckets: Some(buckets),
        at: Some(beginning()),
        ..Setup::default()
    };
    World::new(setup).await
}

async fn make_buckets(bucket: &TestBucket) {
    for name in ["work", "lake"] {
        bucket.beside(name).open().await;
    }
}

async fn lands(bucket: TestBucket) {
    make_buckets(&bucket).await;
    let world = world(&bucket, &bucket.at.endpoint).await;
    let published = land(&world.context, run_event()).await.unwrap();
    let job = published_job(&published.manifest_key);
    let manifest = assert_landed(&world, job.as_str().parse().unwrap(), &bucket.at.bucket).await;
    assert!(manifest.totals.bytes > 20 << 20, "{:?}", manifest.totals);
    // Landing once more finds what is there.
    let again = land(&world.anew(), run_event()).await.unwrap();
    assert!(again.already_published);
    assert_eq!(world.simulator.journal().jobs_submitted(), 1);
    world.end().await;
}

fn published_job(manifest_key: &str) -> JobRequestId {
    manifest_key.rsplit('/').nth(1).expect("a job's folder").parse().expect("an id")
}

/// Everything that has landed; a manifest without the moment of submission, which is later in a run that was cut.
async fn landed(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut landed = world.landed().await;
    for (key, bytes) in &mut landed {
        if key.ends_with("_manifest.json") {
            let mut manifest: Value = serde_json::from_slice(bytes).expect("a manifest");
            manifest.as_object_mut().expect("a manifest").remove("submitted_at").expect("a moment");
            *bytes = manifest.to_string().into_bytes();
        }
    }
    landed
}

/// Promises 1, 2 and 4, whatever the store makes of a connection that ends in the middle of a call.
async fn cut(bucket: TestBucket) {
    let wire = Proxy::to(&bucket.at.endpoint).await;
    let undisturbed = bucket.beside("0");
    make_buckets(&undisturbed).await;
    let expected = {
        let world = world(&undisturbed, &wire.endpoint()).await;
        wire.mend(None);
        land(&world.context, run_event()).await.unwrap();
        let passed = wire.passed();
        let landed = landed(&world).await;
        world.end().await;
        (landed, passed)
    };
    assert_eq!(expected.0.len(), 4, "{:?}", expected.0.keys());
    for number in 1..=CUTS {
        let bucket = bucket.beside(&number.to_string());
        make_buckets(&bucket).await;
        let world = world(&bucket, &wire.endpoint()).await;
        wire.mend(Some(expected.1 * number / (CUTS + 1)));
        let context = world.anew();
        tokio::select! {
            biased;
            () = wire.is_cut() => {}
            came = land(&context, run_event()) => panic!("cut {number}: the run came to its end: {came:?}"),
        }
        drop(context);
        wire.mend(None);
        world.clock.advance(UNTIL_THE_NEXT_PROCESS);
        land(&world.anew(), run_event())
            .await
            .unwrap_or_else(|error| panic!("cut {number}: {}", error.line()));
        let landed = landed(&world).await;
        assert_eq!(landed.keys().collect::<Vec<_>>(), expected.0.keys().collect::<Vec<_>>(), "cut {number}");
        for (key, bytes) in &landed {
            assert!(*bytes == expected.0[key], "cut {number}: {key} is not what the undisturbed run landed");
        }
        assert_eq!(world.simulator.journal().jobs_submitted(), 1, "cut {number}: jobs at the source");
        assert_eq!(world.unfinished_uploads().await, 0, "cut {number}: unfinished uploads");
        world.end().await;
    }
}
