//! What a run costs in requests to the store: `docs/cost.md` puts a price on these figures.

use std::collections::BTreeMap;

use landfall_report::Requests;
use landfall_store::PART_BYTES;
use landfall_tests::systems::FUSION_EXTRACT_FETCHED_EACH;
use landfall_tests::{Setup, World, assert_landed, land, objects, run_event, say};
use simulator::{MemberSize, Operation, Producer, Scenario};

/// Requests that Amazon S3 charges as a PUT, and those that it charges as a GET.
fn charged(requests: &BTreeMap<&'static str, u64>) -> (u64, u64) {
    let (mut puts, mut gets) = (0, 0);
    for (kind, count) in requests {
        match *kind {
            "GetObject" | "HeadObject" => gets += count,
            kind if kind.starts_with("Delete") || kind.starts_with("Abort") => {}
            _ => puts += count,
        }
    }
    (puts, gets)
}

/// Parts that an object of this size is uploaded in; one of a single part is put at once.
fn parts(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len().div_ceil(PART_BYTES)).unwrap()
}

/// A multipart upload is begun and completed.
fn uploads(bytes: &[u8]) -> u64 {
    if bytes.len() < PART_BYTES { 1 } else { parts(bytes) + 2 }
}

/// The requests of a run follow from its files and objects: nothing grows faster.
#[tokio::test]
async fn a_runs_requests_are_those_that_its_price_is_made_of() {
    for (files, members, size) in [
        (1, 1, MemberSize::Rows(50)),
        (4, 1, MemberSize::Rows(50)),
        (1, 10, MemberSize::Rows(50)),
        (1, 2, MemberSize::Bytes(64 << 20)),
    ] {
        let scenario = Scenario {
            views: vec!["carriersExtract".to_owned()],
            chunks_per_view: files,
            members_per_chunk: members,
            member_size: size,
            producers: vec![Producer::JavaStream],
            ..Scenario::default()
        };
        let world = World::new(Setup { scenario: Some(scenario), ..Setup::default() }).await;
        Box::pin(land(&world.context, run_event())).await.unwrap_or_else(|error| panic!("{}", error.line()));
        let (puts, gets) = charged(&world.store_requests());

        let work = objects(&world.work().await).await;
        let staged: Vec<_> =
            work.iter().filter(|(key, _)| key.contains("/staged/") && !key.ends_with(".json")).collect();
        let files = u64::try_from(staged.len()).unwrap();
        let landed: BTreeMap<_, _> = world.landed().await;
        let of_staged: u64 = staged.iter().map(|(_, bytes)| uploads(bytes)).sum();
        let of_landed: u64 = landed.values().map(|bytes| uploads(bytes)).sum();
        // Of a file in parts it is noted which upload to go on with, and what others have left is looked for once it is
        // whole; so it is for landed objects.
        let large_files = u64::from(staged.iter().any(|(_, bytes)| bytes.len() >= PART_BYTES));
        let large_objects = u64::from(landed.values().any(|bytes| bytes.len() >= PART_BYTES));
        // It is the first of its work bucket, whose id it makes.
        let expected = 1 + 10 + 5 * files + of_staged + of_landed + 2 * large_files + large_objects;
        say(&format!(
            "requests of a run: {files} files, {} objects, {puts} charged as PUT, {gets} as GET",
            landed.len()
        ));
        assert_eq!(puts, expected, "{:?}", world.store_requests());
        // The job's report puts its price on the same.
        let mut told = Requests::default();
        staged.iter().for_each(|(_, bytes)| told.file(u64::try_from(bytes.len()).unwrap()));
        landed.values().for_each(|bytes| told.object(u64::try_from(bytes.len()).unwrap()));
        assert_eq!(told.puts() + 1, puts);
        let reads: u64 = staged.iter().map(|(_, bytes)| parts(bytes)).sum();
        // Each look at the job reads what is kept of it: how many there are follows from how long the source takes.
        let looks = world.simulator.journal().count_of(Operation::JobStatus);
        let looks = u64::try_from(looks).unwrap();
        assert!(gets <= 25 + 2 * looks + 16 * files + 4 * reads, "{looks} {:?}", world.store_requests());
        assert!(gets <= told.gets() + 2 * looks, "{looks} {:?}", world.store_requests());
        let job = world.simulator.jobs()[0].id;
        assert_landed(&world, job, "cost").await;
        world.end().await;
    }
}

/// Files that are fetched by calls of their own, and unpacked meanwhile, cost no write more, but some reads, of what each
/// call begins with, and lists: whoever comes after looks for what has landed early, and for damage that has shown.
#[tokio::test]
async fn calls_of_their_own_cost_reads_and_lists() {
    const EARLY: u64 = 4;
    let charged_for = async |divided_at: Option<u64>| {
        let scenario = Some((FUSION_EXTRACT_FETCHED_EACH.small)());
        let world = World::new(Setup { scenario, ..Setup::default() }).await;
        let context = match divided_at {
            Some(bytes) => world.anew().dividing_at(bytes),
            None => world.anew(),
        };
        Box::pin(land(&context, run_event())).await.unwrap_or_else(|error| panic!("{}", error.line()));
        let looks = u64::try_from(world.simulator.journal().count_of(Operation::JobStatus)).unwrap();
        let (puts, gets) = charged(&world.store_requests());
        world.end().await;
        (puts, gets - 2 * looks)
    };
    let (puts, gets) = charged_for(None).await;
    let (puts_of_calls, gets_of_calls) = charged_for(FUSION_EXTRACT_FETCHED_EACH.divided_at).await;
    say(&format!("5 files by calls of their own: {} requests more, charged as GET", gets_of_calls - gets));
    assert_eq!(puts_of_calls, puts + 1 + 2 * EARLY);
    assert!((1..=5 * 12).contains(&(gets_of_calls - gets)), "{gets} {gets_of_calls}");
}
