//! Many large files, each fetched by a call of its own and unpacked while others come: whoever calls, in whatever order,
//! what lands is what one call after another lands (promises 2 to 4).

use std::sync::Arc;
use std::time::Duration;

use embedded_store::{Intercept, Options};
use fetch_files::{FetchEvent, FetchedFiles};
use futures::future::join_all;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::{JobEvent, parse};
use landfall_tests::cut::{Ended, Line};
use landfall_tests::systems::FUSION_EXTRACT_FETCHED_EACH;
use landfall_tests::{
    Setup, World, assert_failed, assert_landed, land, land_noting, objects, on_a_thread, run_event,
    submit_event,
};
use serde_json::{Value, json};
use simulator::{Operation, credentials};

const FILES: u32 = 5;

fn setup(faults: Value) -> Setup {
    Setup { scenario: Some((FUSION_EXTRACT_FETCHED_EACH.small)()), faults, ..Setup::default() }
}

/// A new process, to which the job's files are large.
fn dividing(world: &World) -> Context {
    world.anew().dividing_at(FUSION_EXTRACT_FETCHED_EACH.divided_at.expect("a number of bytes"))
}

/// A job that has ended.
async fn ended(world: &World) -> FetchEvent {
    let submitted = submit_event(&world.context, run_event()).await.unwrap();
    let event = json!({ "connection": "fusion-demo", "job_request_id": submitted.job_request_id });
    let event: JobEvent = parse(event).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    while poll_status::poll_status(&world.context, event.clone(), &deadline)
        .await
        .unwrap()
        .wait_seconds
        .is_some()
    {}
    event.into()
}

async fn fetch(context: &Context, event: &FetchEvent) -> landfall::Result<FetchedFiles> {
    let deadline = Deadline::none(Arc::clone(context.clock()));
    loop {
        let fetched = Box::pin(fetch_files::fetch_files(context, event.clone(), &deadline)).await?;
        match fetched.wait_seconds {
            Some(seconds) => context.clock().sleep(Duration::from_secs(seconds)).await,
            None => return Ok(fetched),
        }
    }
}

/// How many downloads were begun, besides the look at the last file's end that freezes the list.
fn downloads(world: &World) -> usize {
    world.simulator.journal().count_of(Operation::Download) - 1
}

/// The places of the files to fetch by calls of their own.
fn told(fetched: &FetchedFiles) -> Vec<u32> {
    assert!(!fetched.complete && fetched.files.is_empty() && fetched.wait_seconds.is_none(), "{fetched:?}");
    let each = fetched.fetch_each.as_ref().expect("files to fetch by calls of their own");
    let mut told: Vec<u32> = each.files.iter().map(|file| file.ordinal).collect();
    told.sort_unstable();
    told
}

/// The keys of what is staged, and of the frozen list.
async fn staged(world: &World) -> Vec<String> {
    let kept = objects(&world.work().await).await.into_keys();
    let kept = kept.filter_map(|key| key.split_once("/44046/").map(|(_, key)| key.to_owned()));
    kept.filter(|key| key.starts_with("staged/") || key == "files.json").collect()
}

/// Promise 2: which files are to be fetched by themselves is told once their list is frozen, and before any is fetched; a
/// call for one fetches that one, whoever made it; and a call for all goes on from there.
#[tokio::test]
async fn a_call_for_one_file_fetches_that_one_and_a_call_for_all_the_rest() {
    let world = World::new(setup(json!({}))).await;
    let all = ended(&world).await;
    let asking = FetchEvent { fan_out: true, ..all.clone() };
    let first = fetch(&dividing(&world), &asking).await.unwrap();
    assert_eq!(told(&first), Vec::from_iter(0..FILES));
    assert_eq!(first.fetch_each.unwrap().at_once, 4, "the connection's parallel_downloads");
    assert_eq!(staged(&world).await, ["files.json"]);
    assert_eq!(downloads(&world), 0);

    for _ in 0..2 {
        let one = fetch(&dividing(&world), &FetchEvent { ordinal: Some(2), ..all.clone() }).await.unwrap();
        let files: Vec<u32> = one.files.iter().map(|file| file.ordinal).collect();
        assert!(one.complete && files == [2], "{one:?}");
        assert_eq!(staged(&world).await, ["files.json", "staged/2", "staged/2.json"]);
    }
    assert_eq!(downloads(&world), 1);
    assert_eq!(told(&fetch(&dividing(&world), &asking).await.unwrap()), [0, 1, 3, 4]);

    let rest = fetch(&dividing(&world), &all).await.unwrap();
    assert!(rest.complete && rest.ordinals() == Vec::from_iter(0..FILES), "{rest:?}");
    let again = fetch(&dividing(&world), &asking).await.unwrap();
    assert_eq!(again, rest, "nothing is left to be divided");
    assert_eq!(downloads(&world), 5);
    world.end().await;
}

/// A file that is not there, and an event that asks for two things, are a caller's mistakes, and are told as such. Files that
/// are not large are fetched as ever, whoever asks.
#[tokio::test]
async fn only_large_files_are_divided_and_only_files_that_there_are_fetched() {
    let world = World::new(setup(json!({}))).await;
    let all = ended(&world).await;
    for (event, name, text) in [
        (
            FetchEvent { ordinal: Some(FILES), ..all.clone() },
            "NotFound",
            "has 5 output files, and none with ordinal 5",
        ),
        (
            FetchEvent { ordinal: Some(1), fan_out: true, ..all.clone() },
            "InvalidEvent",
            "leave one of the two out",
        ),
    ] {
        assert_failed(fetch(&dividing(&world), &event).await, (name, text), &[], name);
    }
    let small = fetch(&world.anew(), &FetchEvent { fan_out: true, ..all }).await.unwrap();
    assert!(small.complete && small.fetch_each.is_none(), "{small:?}");
    world.end().await;
}

/// A file is unpacked as soon as it is staged, while others come: once, and nothing is fetched twice. What lands is what lands
/// of files that come one after the other.
#[tokio::test]
async fn a_file_is_unpacked_while_others_come() {
    let line = Arc::new(Line::default());
    let intercept = Some(Arc::clone(&line) as Arc<dyn Intercept>);
    let world = World::with_store(setup(json!({})), Options { fsync: false, intercept }).await;
    let context = dividing(&world);
    let note = |step| line.enter(step);
    let ran = line.run(None, Box::pin(land_noting(&context, run_event(), &note))).await;
    assert!(matches!(ran, Ended::ByItself(Ok(_))), "{ran:?}");
    let made = line.made();
    let places = |mark: &dyn Fn(&str) -> bool| -> Vec<usize> {
        made.iter().enumerate().filter(|(_, made)| mark(&made.name)).map(|(place, _)| place).collect()
    };
    let is_record = |name: &str| {
        name.starts_with("PutObject work/") && name.contains("/staged/") && name.ends_with(".json")
    };
    let (receipts, records) = (
        places(&|name| name.starts_with("PutObject work/") && name.contains("/receipts/")),
        places(&is_record),
    );
    let landed = places(&|name| name.starts_with("PutObject landing/") && name.ends_with(".csv"));
    assert_eq!((records.len(), receipts.len(), landed.len()), (5, 5, 5), "each once");
    let early = landed.iter().filter(|place| **place < records[4]).count();
    assert!(early >= 1, "{landed:?} {records:?}");
    assert_eq!(
        receipts.iter().filter(|place| made[**place].step == "fetch-files").count(),
        4,
        "all but the last"
    );
    assert_eq!(downloads(&world), 5);
    assert_landed(&world, 44046, "each by a call of its own").await;
    world.end().await;
}

/// What the state machine does ahead holds to the source's limit over all of its calls, and is nothing that a job depends on:
/// whatever comes of it, all files are called for as they would be without it.
#[test]
fn the_state_machine_goes_on_as_if_nothing_had_been_fetched_ahead() {
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/../statemachine/export-job.asl.json");
    let definition: Value = serde_json::from_str(&std::fs::read_to_string(definition).unwrap()).unwrap();
    let states = &definition["States"];
    let payload = &states["FetchFiles"]["Arguments"]["Payload"];
    assert_eq!(payload, "{% $merge([$job, {'fan_out': true}]) %}");
    assert_eq!(states["HasFetched"]["Choices"][0]["Next"], "FetchEachFile");
    let each = &states["FetchEachFile"];
    assert_eq!(each["MaxConcurrency"], "{% $states.input.fetch_each.at_once %}");
    assert_eq!(each["Items"], "{% $states.input.fetch_each.files %}");
    assert_eq!(each["Next"], "FetchFiles");
    assert_eq!(each["Catch"], Value::Null, "what a file fails over, the job fails over");
    let early = &each["ItemProcessor"]["States"]["UnpackEarly"];
    assert_eq!(early["Arguments"]["InvocationType"], "Event", "the next file is not waited with");
    assert_eq!(early["Catch"], json!([{ "ErrorEquals": ["States.ALL"], "Next": early["Next"] }]));
}

/// Promises 1 to 4: two executions that fetch the same files at once, each by calls of its own, leave what one leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_executions_at_once_leave_what_one_leaves() {
    for round in 0..8 {
        let world = Arc::new(World::new(setup(json!({}))).await);
        let executions = (0..2).map(|_| {
            let world = Arc::clone(&world);
            on_a_thread(move || async move {
                for _ in 0..5 {
                    match Box::pin(land(&dividing(&world), run_event())).await {
                        Err(error) if error.retryable() => {}
                        came => return came.map(|_| ()),
                    }
                }
                Ok(())
            })
        });
        for came in join_all(executions).await {
            came.unwrap_or_else(|error| panic!("round {round}: {}", error.line()));
        }
        assert_landed(&world, 44046, "two executions").await;
        assert_eq!(world.simulator.jobs().len(), 1);
        Arc::into_inner(world).expect("nobody else is in the world").end().await;
    }
}

/// Promise 5, and damage on the way is not for ever: what unpacking a file early shows of it is noted, and the file fetched
/// anew by the call for all that follows.
#[tokio::test]
async fn a_file_whose_damage_shows_early_is_fetched_anew() {
    let mut is_fetched_anew = false;
    // The look at the last file's end may be one of them.
    for times in 1..=2 {
        let faults = json!({ "output_files": { "checksum": "absent" }, "content": { "wrong_bytes": times } });
        let one_by_one = "http = { parallel_downloads = 1 }".to_owned();
        let world = World::new(Setup { connection: one_by_one, ..setup(faults) }).await;
        let came = land(&dividing(&world), run_event()).await;
        let kept = objects(&world.work().await).await;
        if kept.keys().any(|key| key.contains("/checkpoints/damaged/")) {
            came.unwrap_or_else(|error| panic!("{}", error.line()));
            assert_landed(&world, 44046, "damaged once").await;
            is_fetched_anew = true;
        }
        world.end().await;
    }
    assert!(is_fetched_anew, "nothing was fetched anew");
}

/// Promise 3: of an archive that must not land nothing stays, though it was unpacked while others came; what has landed of the
/// others has no manifest.
#[tokio::test]
async fn of_an_archive_that_is_refused_early_nothing_stays() {
    let world = World::new(setup(json!({ "archive": { "kind": "bad_crc", "file": 2 } }))).await;
    let came = land(&dividing(&world), run_event()).await;
    assert_failed(came, ("IntegrityError", ""), &[credentials::CLIENT_SECRET], "a wrong member");
    let files = world.simulator.expected_files(44046).await.unwrap();
    let stem = files[1].name.trim_end_matches(".zip");
    let landed = world.landed().await;
    assert!(!landed.is_empty() && !landed.keys().any(|key| key.contains(stem)), "{:?}", landed.keys());
    assert!(world.manifests().await.is_empty());
    assert_eq!(world.unfinished_uploads().await, 0);
    world.end().await;
}
