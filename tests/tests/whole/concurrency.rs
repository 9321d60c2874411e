//! Several processes at one job at once: no corruption, no second job, no orphan (promises 1 and 4).
//!
//! `LANDFALL_ROUNDS` says how many rounds of submissions are made.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use landfall::clock::{Clock, Deadline};
use landfall::context::Context;
use landfall::event::{FileEvent, JobEvent, parse};
use landfall_tests::clock::FastClock;
use landfall_tests::matrix::{Theatre, Undisturbed};
use landfall_tests::systems::FUSION_EXTRACT;
use landfall_tests::{Setup, World, on_a_thread, run_event, submit_event};
use serde_json::{Value, json};
use simulator::{Faults, MemberSize, Producer, Scenario};

const AT_ONCE: usize = 16;
const ROUNDS: usize = 30;
/// The same with the state in OCI: what is tried besides is the store.
const ROUNDS_IN_OCI: usize = 10;
/// How often a call that says that it may be made again is made again.
const TRIES: usize = 5;

/// What goes wrong in a round, in turn.
fn faults(round: usize) -> Value {
    let all = [
        json!({}),
        json!({ "submit": { "accept_then_drop": 1 } }),
        json!({ "submit": { "accept_then_drop": 1 }, "listing": { "lag_calls": 3 } }),
        json!({ "submit": { "outage": { "unavailable": 1 } } }),
        json!({ "submit": { "accept_then_gateway_timeout": 1 }, "listing": { "outage": { "unavailable": 1 } } }),
        json!({ "submit": { "outage": { "drop_connection": 1 } }, "token": { "outage": { "unavailable": 1 } } }),
    ];
    all[round % all.len()].clone()
}

/// Promise 1: sixteen submissions of one run key at one instant make one job, and all are told its id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_submissions_of_one_run_key_make_one_job() {
    let rounds = std::env::var("LANDFALL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    race(rounds, World::new(Setup::default()).await).await;
}

/// The same where the state is kept in OCI Object Storage, by conditions of its own API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_submissions_make_one_job_with_their_state_in_oci() {
    let rounds =
        std::env::var("LANDFALL_ROUNDS").map_or(ROUNDS_IN_OCI, |rounds| rounds.parse().expect("a number"));
    race(rounds, World::new(Setup { in_oci: true, ..Setup::default() }).await).await;
}

async fn race(rounds: usize, world: World) {
    let world = Arc::new(world);
    for round in 0..rounds {
        let faults: Faults = serde_json::from_value(faults(round)).unwrap();
        world.simulator.set_faults(faults.clone()).unwrap();
        // The pod's history holds look-alikes of each run key: none may be the next round's.
        let run_key = format!("round-{round}-of-submissions");
        let mut event = run_event();
        event["run_key"] = json!(run_key);
        let submissions = (0..AT_ONCE).map(|_| {
            let (world, event) = (Arc::clone(&world), event.clone());
            on_a_thread(move || async move {
                let clock = Arc::new(FastClock::new(world.clock.now()));
                let context = world.anew_by(clock);
                again_where_it_says_so(&context, || submit_event(&context, event.clone())).await
            })
        });
        let told: Vec<String> = join_all(submissions)
            .await
            .into_iter()
            .map(|submitted| submitted.job_request_id.to_string())
            .collect();
        let jobs = world.simulator.jobs();
        let ours =
            jobs.iter().filter(|job| job.description.as_ref().is_some_and(|text| text.contains(&run_key)));
        let ours: Vec<String> = ours.map(|job| job.id.to_string()).collect();
        assert_eq!(jobs.len(), round + 1, "{run_key} with {faults:?}");
        assert!(told.iter().all(|id| *id == ours[0]), "{run_key} is {ours:?}, and {told:?} were told");
        // The clocks of the round are gone: nobody may be told a time before theirs.
        world.clock.advance(Duration::from_secs(3600));
    }
    landfall_tests::say(&format!("{rounds} rounds of {AT_ONCE} submissions at once: {rounds} jobs"));
}

/// Two overlapping invocations of each step do the work at worst twice, and leave what one leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_invocations_of_each_step_leave_what_one_leaves() {
    let small = Scenario {
        views: vec!["carriersExtract".to_owned()],
        chunks_per_view: 2,
        member_size: MemberSize::Rows(5),
        ..Scenario::default()
    };
    let large = Scenario {
        chunks_per_view: 1,
        member_size: MemberSize::Bytes(20 << 20),
        producers: vec![Producer::Stored],
        ..small.clone()
    };
    for (scenario, rounds) in [(small, 12), (large, 4)] {
        let undisturbed = Undisturbed::run(FUSION_EXTRACT, scenario).await;
        for round in 0..rounds {
            overlapping(&undisturbed, round).await;
        }
    }
}

async fn overlapping(undisturbed: &Undisturbed, round: usize) {
    let expected = &undisturbed.landed;
    let theatre =
        Theatre::new(FUSION_EXTRACT, &undisturbed.scenario, Value::Null, Some(Arc::clone(expected))).await;
    let theatre = Arc::new(theatre);
    let world = &theatre.world;
    let submitted = submit_event(&world.context, run_event()).await.unwrap();
    let event = json!({ "connection": "fusion-demo", "job_request_id": submitted.job_request_id });
    let event: JobEvent = parse(event).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    let poll = async || poll_status::poll_status(&world.context, event.clone(), &deadline).await.unwrap();
    while poll().await.wait_seconds.is_some() {}

    let fetched = twice(&theatre, &event, |context, event, deadline| async move {
        again_where_it_says_so(&context, || landfall_tests::fetch(&context, &event, &deadline)).await
    });
    let fetched = fetched.await;
    assert!(fetched.iter().all(|fetched| fetched.complete), "round {round}");
    for file in &fetched[0].files {
        let ordinal = file.ordinal;
        let unpacked = twice(&theatre, &event, move |context, event, deadline| async move {
            let JobEvent { connection, job_request_id, destination } = event;
            let file = FileEvent { connection, job_request_id, destination, ordinal };
            again_where_it_says_so(&context, || unpack_upload::unpack_file(&context, file.clone(), &deadline))
                .await
        });
        let unpacked = unpacked.await;
        assert!(unpacked[0].complete && unpacked[0] == unpacked[1], "round {round}: {unpacked:?}");
    }
    let published = twice(&theatre, &event, |context, event, deadline| async move {
        again_where_it_says_so(&context, || publish::publish(&context, event.clone(), &deadline)).await
    });
    let published = published.await;
    assert_eq!(published[0].manifest_key, published[1].manifest_key);
    assert_eq!(theatre.deviations(expected).await, Vec::<String>::new(), "round {round}");
}

/// Runs a step in two processes at once.
async fn twice<T, F>(
    theatre: &Arc<Theatre>,
    event: &JobEvent,
    step: impl Fn(Context, JobEvent, Deadline) -> F + Clone + Send + 'static,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let both = (0..2).map(|_| {
        let (theatre, event, step) = (Arc::clone(theatre), event.clone(), step.clone());
        on_a_thread(move || {
            let clock: Arc<dyn Clock> = Arc::new(FastClock::new(theatre.world.clock.now()));
            step(theatre.world.anew_by(Arc::clone(&clock)), event, Deadline::none(clock))
        })
    });
    join_all(both).await
}

/// Calls a step as a state machine does: once more, after a while, where the error says that this helps.
async fn again_where_it_says_so<T, F>(context: &Context, mut step: impl FnMut() -> F) -> T
where
    F: Future<Output = landfall::Result<T>>,
{
    for _ in 1..TRIES {
        match step().await {
            Ok(done) => return done,
            Err(error) if error.retryable() => context.clock().sleep(Duration::from_secs(5)).await,
            Err(error) => panic!("{}: {}", error.error_type().name(), error.line()),
        }
    }
    step().await.unwrap_or_else(|error| panic!("{}: {}", error.error_type().name(), error.line()))
}
