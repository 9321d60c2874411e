//! What is kept of failures: by the functions themselves, by whoever calls them, and never instead of what failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use embedded_store::{Before, Call, Intercept, Options};
use futures::future::join_all;
use http::StatusCode;
use landfall::clock::Deadline;
use landfall::event::{JobEvent, parse};
use landfall::failure::{self, About};
use landfall::job::Failure;
use landfall::{Error, ErrorType, Step};
use landfall_tests::cut::{At, Cut, Ended, Moment};
use landfall_tests::matrix::{Start, Theatre, Undisturbed};
use landfall_tests::systems::FUSION_EXTRACT;
use landfall_tests::{Setup, World, resume, run_event, submit_event};
use serde_json::{Value, json};

use crate::gone::come_to;

async fn kept(world: &World, event: &JobEvent) -> Option<Failure> {
    world
        .anew()
        .work()
        .await
        .unwrap()
        .job(&event.job())
        .await
        .unwrap()
        .unwrap()
        .failure
        .map(|failure| *failure)
}

/// A job that failed at its source is seen so by whoever looks, until its source says otherwise, be it that it runs again.
#[tokio::test]
async fn a_job_that_failed_at_its_source_is_told_until_it_is_started_again() {
    let faults = json!({ "status": { "fails_first": true } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let id = submit_event(&world.context, run_event()).await.unwrap().job_request_id;
    let named = json!({ "connection": "fusion-demo", "job_request_id": id });
    let event: JobEvent = parse(named.clone()).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    let poll = async || poll_status::poll_status(&world.anew(), event.clone(), &deadline).await.unwrap();
    for times in [1, 2] {
        while poll().await.wait_seconds.is_some() {}
        let failure = kept(&world, &event).await.unwrap();
        assert_eq!((failure.error.as_str(), failure.step.as_str()), ("JobFailed", "poll-status"));
        assert_eq!(failure.times, times);
        assert!(failure.message.contains("failed at the source (FAILED)"), "{}", failure.message);
    }
    world.simulator.start_again(id.as_str().parse().unwrap()).unwrap();
    assert!(poll().await.wait_seconds.is_some(), "it runs again");
    assert_eq!(kept(&world, &event).await, None);
    resume(&world.anew(), named).await.unwrap();
    world.end().await;
}

/// Functions that fail over one job at the same time are all counted, and none undoes what another has noted.
#[tokio::test]
async fn failures_at_once_are_counted() {
    let (world, event) = come_to(Value::Null, "unpack-upload").await;
    let context = world.anew();
    let before = context.work().await.unwrap().job(&event.job()).await.unwrap().unwrap();
    let mut named = serde_json::to_value(&event).unwrap();
    named["ordinal"] = json!(1);
    let about = About::event(&named);
    let refused = Error::unsafe_archive("leaves its prefix");
    join_all((0..8).map(|_| failure::note(&context, Step::UnpackUpload, &about, &refused))).await;
    let mut after = context.work().await.unwrap().job(&event.job()).await.unwrap().unwrap();
    let failure = after.failure.take().unwrap();
    assert_eq!((failure.times, failure.ordinal), (8, Some(1)));
    assert_eq!(after, before, "nothing else is changed");
    world.end().await;
}

/// A store that takes no note of failures, while that is so.
#[derive(Default)]
struct ReadOnly(AtomicBool);

impl Intercept for ReadOnly {
    fn before(&self, call: &Call) -> Before {
        match self.0.load(Ordering::SeqCst) && call.operation == "PutObject" {
            true => Before::Answer(StatusCode::FORBIDDEN),
            false => Before::Proceed,
        }
    }
}

/// Where a failure cannot be kept, what failed is what its caller sees, and nothing has changed.
#[tokio::test]
async fn a_failure_that_cannot_be_kept_is_no_other_failure() {
    let read_only = Arc::new(ReadOnly::default());
    let intercept: Option<Arc<dyn Intercept>> = Some(read_only.clone());
    let faults = json!({ "status": { "final_status": "ERROR" } });
    let setup = Setup { faults, ..Setup::default() };
    let world = World::with_store(setup, Options { fsync: false, intercept }).await;
    let id = submit_event(&world.context, run_event()).await.unwrap().job_request_id;
    let event: JobEvent = parse(json!({ "connection": "fusion-demo", "job_request_id": id })).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    read_only.0.store(true, Ordering::SeqCst);
    let polled = loop {
        let polled = poll_status::poll_status(&world.anew(), event.clone(), &deadline).await.unwrap();
        if polled.wait_seconds.is_none() {
            break polled;
        }
    };
    let error = polled.failure(&event.job()).unwrap();
    assert_eq!(error.error_type(), ErrorType::JobFailed);
    failure::note(&world.anew(), Step::PollStatus, &About::job(&event.job()), &error).await;
    assert_eq!(kept(&world, &event).await, None);
    world.end().await;
}

/// Promises 2 to 4: a process that dies over noting a failure, wherever in it, leaves a job that lands as if nothing had
/// been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_while_a_failure_is_noted_a_job_lands_as_if_nothing_had_been() {
    let undisturbed = Undisturbed::run(FUSION_EXTRACT, (FUSION_EXTRACT.small)()).await;
    let read = |moment| ("GetObject", moment);
    let write = |moment| ("PutObject", moment);
    for (operation, moment) in [
        read(Moment::Before),
        read(Moment::InAnswer),
        write(Moment::Before),
        write(Moment::InRequest),
        write(Moment::AnswerLost),
    ] {
        let expected = Some(Arc::clone(&undisturbed.landed));
        let theatre = Theatre::new(FUSION_EXTRACT, &undisturbed.scenario, Value::Null, expected).await;
        let fetching = At::Named("GetObject work/jobs/fusion-demo/44046/files.json".to_owned(), 1);
        let stopped = theatre.process(Start::Event, Some(Cut { at: fetching, moment: Moment::Before })).await;
        assert!(matches!(stopped, Ended::Cut));
        let id = theatre.known_id().unwrap();
        let about = About::event(&json!({ "connection": "fusion-demo", "job_request_id": id }));
        let at = At::Named(format!("{operation} work/jobs/fusion-demo/{id}/job.json"), 1);
        let context = theatre.world.anew();
        let error = Error::contract_broken("a web page");
        let noting = failure::note(&context, Step::FetchFiles, &about, &error);
        let ended = theatre.line.run(Some(Cut { at, moment }), Box::pin(noting)).await;
        assert!(theatre.line.was_cut(), "{operation} {moment}: {ended:?}");
        theatre.wait();
        let came = theatre.process(Start::Id, None).await;
        assert!(matches!(came, Ended::ByItself(Ok(_))), "{operation} {moment}: {came:?}");
        let deviations = theatre.deviations(&undisturbed.landed).await;
        assert_eq!(deviations, Vec::<String>::new(), "{operation} {moment}");
        let event: JobEvent = parse(json!({ "connection": "fusion-demo", "job_request_id": id })).unwrap();
        assert_eq!(kept(&theatre.world, &event).await, None, "it is past");
        theatre.end().await;
    }
}
