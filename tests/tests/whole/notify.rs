//! Who is told what of a run: once as far as can be, at least once whatever happens in between, and never at the cost of
//! the run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use embedded_store::{Intercept, Options};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::{JobEvent, parse};
use landfall::failure::{self, About};
use landfall::{Error, ErrorType, Step};
use landfall_http::scripted::{Reply, Scripted};
use landfall_tests::cut::{At, Cut, Ended, Line, Moment, Tapped};
use landfall_tests::{Setup, World, land, objects, resume, run_event, submit_event};
use serde_json::{Value, json};

/// An entry of the destination's list.
fn of_destination(receiver: &Scripted, rest: &str) -> String {
    format!("[[destinations.lake.notify]]\nwebhook = '{}'\n{rest}\n", receiver.url("/hook"))
}

/// An entry of the connection's list.
fn of_connection(receiver: &Scripted, rest: &str) -> String {
    format!("[[connections.fusion-demo.notify]]\nwebhook = '{}'\n{rest}\n", receiver.url("/hook"))
}

/// The world as a new process sees it whose configuration says this, too.
fn with(world: &World, more: &str) -> Context {
    world.configured_anew(|config| format!("{config}\n{more}"))
}

async fn takes_all() -> Scripted {
    Scripted::replies(vec![Reply::status(200).body("ok")]).await
}

/// What a receiver was told.
fn told(receiver: &Scripted) -> Vec<Value> {
    receiver.seen().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

const ON_LANDED: &str = "on = ['landed']";

/// Who wants to know of landings is told of one, in its form and once, however often the job is published; who wants to know
/// of failures alone is not.
#[tokio::test]
async fn a_landing_is_told_once_to_those_who_want_to_know() {
    let world = World::new(Setup::default()).await;
    let (wants, slack, teams, other) =
        (takes_all().await, takes_all().await, takes_all().await, takes_all().await);
    let more = of_destination(&wants, ON_LANDED)
        + &of_connection(&slack, "form = 'slack'\non = ['landed']")
        + &of_connection(&teams, "form = 'teams'\non = ['landed', 'failed']")
        + &of_connection(&other, "");
    let published = land(&with(&world, &more), run_event()).await.unwrap();
    for _ in 0..2 {
        land(&with(&world, &more), run_event()).await.unwrap();
    }
    let [notification] = told(&wants).try_into().unwrap();
    let job = world.simulator.jobs()[0].id.to_string();
    assert_eq!(notification["event"], "landed");
    assert_eq!(notification["recovered"], false);
    assert_eq!(notification["run_key"], run_event()["run_key"]);
    assert_eq!(
        (&notification["job_request_id"], &notification["connection"]),
        (&json!(job), &json!("fusion-demo"))
    );
    assert_eq!(notification["export"], json!({ "kind": "fusion_extract", "name": "SimpleCarriers" }));
    let landed = &notification["landed"];
    assert_eq!(landed["manifest"], format!("s3://landing/{}", published.manifest_key));
    assert_eq!(landed["objects"], published.totals.objects);
    assert_eq!(landed["rows"], json!(published.totals.rows));
    let [slack] = told(&slack).try_into().unwrap();
    assert_eq!(slack["blocks"][0]["text"]["text"], "Landed: SimpleCarriers on fusion-demo");
    let [teams] = told(&teams).try_into().unwrap();
    assert_eq!(teams["attachments"][0]["content"]["type"], "AdaptiveCard");
    assert_eq!(other.count(), 0);
    world.end().await;
}

/// Promise 2: whatever a webhook answers, or does not, the job lands; who could not be told is told when a step is called
/// again.
#[tokio::test]
async fn whatever_a_webhook_answers_the_job_lands() {
    let refuses = Scripted::replies(vec![
        Reply::status(500),
        Reply::status(500),
        Reply::status(500),
        Reply::status(200),
    ])
    .await;
    let throttles =
        Scripted::replies(vec![Reply::status(429).header("Retry-After", 2), Reply::status(200)]).await;
    let hangs = Scripted::replies(vec![Reply::status(200).without_length().then_hang()]).await;
    let redirects =
        Scripted::replies(vec![Reply::status(302).header("Location", "https://example.com/")]).await;
    let well = takes_all().await;
    let world = World::new(Setup::default()).await;
    let no_tls =
        format!("[[destinations.lake.notify]]\nwebhook = 'https://{}/hook'\n{ON_LANDED}\n", well.host());
    let more = of_destination(&refuses, ON_LANDED)
        + &of_destination(&throttles, ON_LANDED)
        + &of_destination(&hangs, "on = ['landed']\nhttp = { timeout_seconds = 1, attempts = 1 }")
        + &of_destination(&redirects, ON_LANDED)
        + &no_tls
        + &of_destination(&well, ON_LANDED);
    let published = land(&with(&world, &more), run_event()).await.unwrap();
    assert!(!published.already_published);
    let counts = || [&refuses, &throttles, &hangs, &redirects, &well].map(|receiver| receiver.count());
    // How many tries the time has room for depends on how long is waited between them.
    let [refused, throttled, others @ ..] = counts();
    assert!((1..=3).contains(&refused) && (1..=2).contains(&throttled), "{refused}, {throttled}");
    assert_eq!(others, [1, 1, 1]);
    let again = of_destination(&refuses, ON_LANDED) + &of_destination(&well, ON_LANDED);
    for _ in 0..4 {
        land(&with(&world, &again), run_event()).await.unwrap();
    }
    assert_eq!(counts(), [4, throttled, 1, 1, 1], "told at last, and once");
    world.end().await;
}

/// A configuration that says something else of who is told stops no run either: `landfall check` tells of it.
#[tokio::test]
async fn what_is_wrong_with_the_list_stops_no_run() {
    let world = World::new(Setup::default()).await;
    let well = takes_all().await;
    let wrong = "[[connections.fusion-demo.notify]]\nwebhook = 'nowhere'\n".to_owned();
    let context = with(&world, &(wrong + &of_destination(&well, ON_LANDED)));
    land(&context, run_event()).await.unwrap();
    assert_eq!(well.count(), 1);
    let checked = landfall::notify::check(&context, &"fusion-demo".parse().unwrap(), None).await.unwrap_err();
    assert_eq!(checked.error_type(), ErrorType::InvalidConfig);
    assert!(checked.line().contains("connections.fusion-demo.notify") && !checked.line().contains("nowhere"));
    world.end().await;
}

/// A failure is told once, with what helps, and the landing after it to whoever was told of it, though that is not among
/// what they want to know.
#[tokio::test]
async fn a_run_that_was_told_as_failed_is_told_as_recovered() {
    let faults = json!({ "status": { "fails_first": true } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    let (failures, landings) = (takes_all().await, takes_all().await);
    let more = of_connection(&failures, "") + &of_destination(&landings, ON_LANDED);
    let id = submit_event(&with(&world, &more), run_event()).await.unwrap().job_request_id;
    let named = json!({ "connection": "fusion-demo", "job_request_id": id });
    let event: JobEvent = parse(named.clone()).unwrap();
    let deadline = Deadline::none(world.clock.clone());
    for _ in 0..3 {
        let poll =
            async || poll_status::poll_status(&with(&world, &more), event.clone(), &deadline).await.unwrap();
        while poll().await.wait_seconds.is_some() {}
    }
    let [failed] = told(&failures).try_into().unwrap();
    assert_eq!((&failed["event"], &failed["run_key"]), (&json!("failed"), &run_event()["run_key"]));
    let failure = &failed["failure"];
    assert_eq!((&failure["error"], &failure["step"]), (&json!("JobFailed"), &json!("poll-status")));
    assert!(failure["message"].as_str().unwrap().contains("failed at the source (FAILED)"), "{failure}");
    assert_eq!(failure["command"], "landfall run EVENT");
    world.simulator.start_again(id.as_str().parse().unwrap()).unwrap();
    for _ in 0..2 {
        resume(&with(&world, &more), named.clone()).await.unwrap();
    }
    let [_, recovered] = told(&failures).try_into().unwrap();
    assert_eq!((&recovered["event"], &recovered["recovered"]), (&json!("landed"), &json!(true)));
    let [landed] = told(&landings).try_into().unwrap();
    assert_eq!(landed["recovered"], false, "who was not told of the failure need not hear of its end");
    world.end().await;
}

/// A run that is refused before it has a job is told, and what is tried again by itself is not, until it is given up: by
/// whoever calls, or as often as a state machine calls.
#[tokio::test]
async fn what_is_tried_again_is_told_once_it_is_given_up() {
    let world = World::new(Setup::default()).await;
    let receiver = takes_all().await;
    let context = with(&world, &of_connection(&receiver, ""));
    let of_run = |key: &str| {
        let mut event = run_event();
        event["run_key"] = json!(key);
        About::event(&event)
    };
    let refused = Error::rejected("no such extract");
    for _ in 0..2 {
        failure::note(&context, Step::Submit, &of_run("refused"), &refused).await;
    }
    let [first] = told(&receiver).try_into().unwrap();
    assert_eq!((&first["event"], &first["run_key"]), (&json!("refused"), &json!("refused")));
    assert_eq!((&first["destination"], &first["failure"]["times"]), (&json!("lake"), &json!(1)));
    let down = Error::source_unavailable("503");
    for times in 1..=8 {
        failure::note(&context, Step::Submit, &of_run("machine"), &down).await;
        assert_eq!(receiver.count(), 1 + usize::from(times > 6), "after {times}");
    }
    failure::note(&context, Step::Submit, &of_run("caller"), &down).await;
    assert_eq!(receiver.count(), 2);
    for _ in 0..2 {
        failure::gave_up(&context, Step::Submit, &of_run("caller")).await;
    }
    let [_, machine, caller] = told(&receiver).try_into().unwrap();
    assert_eq!((&machine["run_key"], &caller["run_key"]), (&json!("machine"), &json!("caller")));
    assert_eq!(caller["failure"]["advice"], "continue later");
    land(&context, {
        let mut event = run_event();
        event["run_key"] = json!("refused");
        event
    })
    .await
    .unwrap();
    let last = told(&receiver).pop().unwrap();
    assert_eq!((&last["run_key"], &last["recovered"]), (&json!("refused"), &json!(true)));
    world.end().await;
}

/// What landed long ago is no news to whoever is only now to be told.
#[tokio::test]
async fn what_landed_long_ago_is_no_news() {
    let world = World::new(Setup::default()).await;
    land(&world.context, run_event()).await.unwrap();
    world.pass(Duration::from_secs(2 * 86_400));
    let receiver = takes_all().await;
    land(&with(&world, &of_destination(&receiver, ON_LANDED)), run_event()).await.unwrap();
    assert_eq!(receiver.count(), 0);
    world.end().await;
}

/// A process that dies between the manifest and its telling, or between that and the mark: the next one tells, twice at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_around_the_telling_a_landing_is_told_at_least_once() {
    let mark = "PutObject work/told/fusion-demo/runs/carriers-2026-11-21T06.json";
    for (call, moment, expected) in [
        ("GetObject work/told/fusion-demo/runs/carriers-2026-11-21T06.json", Moment::Before, 1),
        ("POST /hook", Moment::Before, 1),
        ("POST /hook", Moment::AnswerLost, 2),
        (mark, Moment::Before, 2),
        (mark, Moment::InRequest, 2),
        (mark, Moment::AnswerLost, 1),
    ] {
        let line = Arc::new(Line::default());
        let intercept: Option<Arc<dyn Intercept>> = Some(Arc::clone(&line) as Arc<dyn Intercept>);
        let world = World::with_store(Setup::default(), Options { fsync: false, intercept }).await;
        let receiver = takes_all().await;
        let more = of_destination(&receiver, ON_LANDED);
        let case = format!("{call}, {moment}");
        let cut = Cut { at: At::Named(call.to_owned(), 1), moment };
        // The line has to know of the process before its context is made.
        let landing = Box::pin(async {
            let context = with(&world, &more).with_transport(Tapped::wrap(&line));
            land(&context, run_event()).await
        });
        assert!(matches!(line.run(Some(cut), landing).await, Ended::Cut), "{case}");
        assert_eq!(world.manifests().await.len(), 1, "{case}");
        for _ in 0..2 {
            land(&with(&world, &more), run_event()).await.unwrap();
        }
        assert_eq!(receiver.count(), expected, "{case}");
        world.end().await;
    }
}

/// What the collector of `OpenLineage`'s events hears of a run.
async fn lineage_of(world: &World, more: &str, receiver: &Scripted) -> Vec<Value> {
    let mut event = run_event();
    event["parent"] = json!({
        "namespace": "airflow", "name": "nightly.carriers", "run_id": "0190d4c8-0000-7000-8000-000000000001",
    });
    for _ in 0..2 {
        land(&with(world, more), event.clone()).await.unwrap();
    }
    told(receiver)
}

/// A collector of events hears of the beginning and of the end of a run, once each, by one id, with the run's parent and with
/// what has landed; the columns are those of the kept schema.
#[tokio::test]
async fn a_collector_of_events_hears_of_beginning_and_end() {
    let destination = "observe_columns = true".to_owned();
    let world = World::new(Setup { destination, ..Setup::default() }).await;
    let receiver = takes_all().await;
    let more = format!("[lineage]\nurl = '{}'\ntoken = 'BEARERSECRET'\n", receiver.url("/api/v1/lineage"));
    let [start, complete] = lineage_of(&world, &more, &receiver).await.try_into().unwrap();
    assert!(receiver.seen().iter().all(|seen| seen.header("authorization") == "Bearer BEARERSECRET"));
    assert_eq!((&start["eventType"], &complete["eventType"]), (&json!("START"), &json!("COMPLETE")));
    assert_eq!(start["run"]["runId"], complete["run"]["runId"]);
    assert_eq!(start["job"], complete["job"]);
    let base = world.simulator.base_url().trim_end_matches('/');
    assert_eq!(start["job"], json!({ "namespace": base, "name": "fusion-demo.SimpleCarriers" }));
    for event in [&start, &complete] {
        let parent = &event["run"]["facets"]["parent"];
        assert_eq!(parent["job"], json!({ "namespace": "airflow", "name": "nightly.carriers" }));
        assert_eq!(parent["run"]["runId"], "0190d4c8-0000-7000-8000-000000000001");
    }
    let manifests = world.manifests().await;
    let manifest = manifests.values().next().unwrap();
    let output = &complete["outputs"][0];
    assert_eq!(
        (&output["namespace"], &output["name"]),
        (&json!("s3://landing"), &json!("fusion-demo/SimpleCarriers"))
    );
    let statistics = &output["outputFacets"]["outputStatistics"];
    assert_eq!(statistics["rowCount"], json!(manifest.totals.rows));
    assert_eq!(
        (&statistics["size"], &statistics["fileCount"]),
        (&json!(manifest.totals.bytes), &json!(manifest.totals.objects))
    );
    let mut names = BTreeSet::new();
    let columns: Vec<Value> = manifest
        .tables
        .iter()
        .flat_map(|table| &table.columns)
        .filter(|column| names.insert(&column.name))
        .map(|column| json!({ "name": column.name, "type": column.r#type.to_string() }))
        .collect();
    assert_eq!(output["facets"]["schema"]["fields"], json!(columns));
    world.end().await;
}

/// Without a URL the events are objects of the work bucket; a run that fails ends so, and by the same id.
#[tokio::test]
async fn events_are_kept_where_nobody_takes_them() {
    let world = World::new(Setup::default()).await;
    let context = with(&world, "[lineage]");
    let refused = Error::rejected("no such extract");
    failure::note(&context, Step::Submit, &About::event(&run_event()), &refused).await;
    land(&context, run_event()).await.unwrap();
    let kept = objects(&world.work().await).await;
    let kept: Vec<(&String, Value)> = kept
        .iter()
        .filter(|(key, _)| key.starts_with("lineage/fusion-demo/"))
        .map(|(key, bytes)| (key, serde_json::from_slice(bytes).unwrap()))
        .collect();
    let types: Vec<&Value> = kept.iter().map(|(_, event)| &event["eventType"]).collect();
    assert_eq!(types, ["COMPLETE", "FAIL", "START"]);
    let ids: Vec<&Value> = kept.iter().map(|(_, event)| &event["run"]["runId"]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && kept[0].0.contains(ids[0].as_str().unwrap()), "{ids:?}");
    let error = &kept[1].1["run"]["facets"]["errorMessage"];
    assert_eq!(error["message"], "Rejected: no such extract");
    world.end().await;
}
