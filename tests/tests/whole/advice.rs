//! What an error proposes helps for that error: the error table, walked with real runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use embedded_store::{After, Call, Intercept, Options};
use futures::future::join_all;
use http::StatusCode;
use landfall::ErrorType;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::parse;
use landfall::schema::OnSchemaChange;
use landfall_tests::{Setup, World, assert_failed, land, resume, run_event, small_scenario};
use serde_json::{Value, json};
use simulator::{Faults, Scenario, credentials};

use crate::gone::come_to;

/// A world in which each call is made once: what passes is left to whoever continues.
async fn world(faults: Value) -> World {
    let connection = "http = { attempts = 1 }".to_owned();
    World::new(Setup { faults, connection, ..setup() }).await
}

/// A job of one file: what its error is about is in that.
fn setup() -> Setup {
    let views = small_scenario().views.into_iter().take(1).collect();
    Setup { scenario: Some(Scenario { views, chunks_per_view: 1, ..small_scenario() }), ..Setup::default() }
}

/// A work bucket that gives nothing of what is staged, as long as it is out of order.
#[derive(Default)]
struct Outage(AtomicBool);

impl Intercept for Outage {
    fn after(&self, call: &Call, _: StatusCode) -> After {
        let is_staged =
            call.key.as_deref().is_some_and(|key| key.contains("/staged/") && !key.ends_with(".json"));
        match is_staged && call.operation == "GetObject" && !self.0.load(Ordering::SeqCst) {
            true => After::CutAnswer(0),
            false => After::Proceed,
        }
    }
}

/// The cause is fixed at the source.
fn mend(world: &World) {
    world.simulator.set_faults(Faults::default()).unwrap();
}

/// The only job at the source, if there is one.
fn job(world: &World) -> Option<u64> {
    let jobs = world.simulator.jobs();
    assert!(jobs.len() <= 1, "{} jobs", jobs.len());
    jobs.first().map(|job| job.id)
}

async fn fails(world: &World, context: &Context, event: Value, error: ErrorType) {
    let came = Box::pin(land(context, event)).await;
    assert_failed(came, (error.name(), ""), &[], error.name());
    assert!(world.manifests().await.is_empty(), "{}", error.name());
}

/// "Continue the job"; the same event, where there is none.
async fn continues(world: &World, context: &Context, error: ErrorType) {
    let landed = match job(world) {
        Some(id) => {
            let event = json!({ "connection": "fusion-demo", "job_request_id": id.to_string() });
            Box::pin(resume(context, event)).await
        }
        None => Box::pin(land(context, run_event())).await,
    };
    landed.unwrap_or_else(|failed| panic!("{}: {}", error.name(), failed.line()));
    assert_eq!(job(world).map(|_| 1), Some(1), "{}: one job", error.name());
}

/// "Run the export again under another run key", and as the source has moved the window, with `mode` full.
async fn runs_again(world: &World, mode: &str, error: ErrorType) {
    let mut event = run_event();
    event["run_key"] = json!("again");
    event["export"]["mode"] = json!(mode);
    let landed = Box::pin(land(&world.anew(), event)).await;
    landed.unwrap_or_else(|failed| panic!("{}: {}", error.name(), failed.line()));
}

/// A run that stumbles over what is wrong at the source, and is continued once it is not.
async fn stumbles_and_continues(error: ErrorType, faults: Value) {
    let world = world(faults).await;
    fails(&world, &world.context, run_event(), error).await;
    mend(&world);
    continues(&world, &world.anew(), error).await;
    world.end().await;
}

/// A run that stumbles over a configuration, and is continued with a right one.
async fn is_configured_anew(error: ErrorType, right: &str, wrong: &str) {
    let world = world(Value::Null).await;
    let context = world.configured_anew(|config| {
        assert!(config.contains(right), "{right}");
        config.replace(right, wrong)
    });
    fails(&world, &context, run_event(), error).await;
    continues(&world, &world.anew(), error).await;
    world.end().await;
}

/// A job whose files can never land: continuing it ends in the same way, and a full extraction has what it had.
async fn is_run_again(error: ErrorType, faults: Value) {
    let world = world(faults).await;
    fails(&world, &world.context, run_event(), error).await;
    let id = job(&world).unwrap().to_string();
    let continued =
        Box::pin(resume(&world.anew(), json!({ "connection": "fusion-demo", "job_request_id": id }))).await;
    assert_failed(continued, (error.name(), ""), &[], "continued");
    mend(&world);
    runs_again(&world, "full", error).await;
    world.end().await;
}

/// Each name of the table, by a run that ends so; what its line proposes is done, and lands the data.
#[test]
fn what_an_error_proposes_helps_for_that_error() {
    // Unoptimised, a frame that holds all of these runs is larger than a test's usual stack.
    let walk = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            // All at once: much of a run is waiting.
            join_all(ErrorType::ALL.iter().map(|&error| walk(error))).await;
        });
    });
    walk.unwrap().join().unwrap();
}

async fn walk(error: ErrorType) {
    match error {
        ErrorType::Throttled => {
            let faults = json!({ "submit": { "outage": { "throttle": { "times": "always" } } } });
            stumbles_and_continues(error, faults).await;
        }
        ErrorType::SourceUnavailable => {
            let world = world(Value::Null).await;
            let nowhere = "http://127.0.0.1:1";
            let context = world.configured_anew(|config| config.replace(world.simulator.base_url(), nowhere));
            fails(&world, &context, run_event(), error).await;
            continues(&world, &world.anew(), error).await;
            world.end().await;
        }
        // What breaks off is asked for again at once; a store that answers nothing is waited for by the wall clock.
        ErrorType::StoreUnavailable => {
            let outage = Arc::new(Outage::default());
            let intercept: Option<Arc<dyn Intercept>> = Some(outage.clone());
            let world = World::with_store(setup(), Options { fsync: false, intercept }).await;
            fails(&world, &world.context, run_event(), error).await;
            outage.0.store(true, Ordering::SeqCst);
            continues(&world, &world.anew(), error).await;
            world.end().await;
        }
        ErrorType::InvalidEvent => {
            let world = world(Value::Null).await;
            let mut event = run_event();
            event["export"]["mode"] = json!("increments");
            fails(&world, &world.context, event, error).await;
            assert_eq!(job(&world), None, "nothing was submitted");
            Box::pin(land(&world.anew(), run_event())).await.unwrap();
            world.end().await;
        }
        ErrorType::InvalidConfig => {
            is_configured_anew(error, "type = \"fusion\"", "type = \"fusions\"").await
        }
        ErrorType::AuthRejected => {
            is_configured_anew(error, credentials::CLIENT_SECRET, "not-the-secret").await
        }
        ErrorType::NotFound => {
            let gone = json!({ "content": { "gone": { "times": "always", "expired": true } } });
            is_run_again(error, gone).await;
            let world = world(Value::Null).await;
            Box::pin(land(&world.context, run_event())).await.unwrap();
            let wrong = json!({ "connection": "fusion-demo", "job_request_id": "7", "destination": "lake" });
            assert_failed(
                Box::pin(resume(&world.anew(), wrong)).await,
                (error.name(), "7"),
                &[],
                "a wrong id",
            );
            continues(&world, &world.anew(), error).await;
            world.end().await;
        }
        ErrorType::Rejected => stumbles_and_continues(error, json!({ "submit": { "reject": "no" } })).await,
        ErrorType::JobFailed => {
            let world = world(json!({ "status": { "fails_first": true } })).await;
            fails(&world, &world.context, run_event(), error).await;
            world.simulator.start_again(job(&world).unwrap()).unwrap();
            continues(&world, &world.anew(), error).await;
            world.end().await;
            // Over, and no window is moved: an incremental extraction has what the failed one would have had.
            let world = self::world(json!({ "status": { "final_status": "ERROR" } })).await;
            fails(&world, &world.context, run_event(), error).await;
            mend(&world);
            runs_again(&world, "incremental", error).await;
            let windows: Vec<_> =
                world.manifests().await.into_values().map(|manifest| manifest.totals.rows).collect();
            assert!(windows.iter().all(|rows| rows.is_some_and(|rows| rows > 0)), "{windows:?}");
            world.end().await;
        }
        ErrorType::JobTimedOut => {
            let world = world(json!({ "status": { "never_ends": true } })).await;
            fails(&world, &world.context, run_event(), error).await;
            mend(&world);
            let (short, long) = ("timeout_seconds = 900", "timeout_seconds = 90000");
            let patient = world.configured_anew(|config| config.replace(short, long));
            continues(&world, &patient, error).await;
            world.end().await;
        }
        ErrorType::UnknownStatus => {
            let faults = json!({ "status": { "progression": ["PERHAPS"], "never_ends": true } });
            stumbles_and_continues(error, faults).await;
        }
        ErrorType::ContractBroken => {
            stumbles_and_continues(error, json!({ "output_files": { "total_items": "larger" } })).await;
        }
        ErrorType::IntegrityError => {
            stumbles_and_continues(error, json!({ "content": { "wrong_bytes": "always" } })).await;
        }
        // Who lands a job goes back by itself; a step that is called alone says so.
        ErrorType::Damaged => {
            let faults = json!({ "output_files": { "checksum": "absent" }, "content": { "wrong_bytes": 2 } });
            let (world, event) = come_to(faults, "unpack-upload").await;
            let mut damaged = 0;
            let deadline = Deadline::none(world.clock.clone());
            for ordinal in 0..4 {
                let id = &event.job_request_id;
                let file = json!({ "connection": "fusion-demo", "job_request_id": id, "ordinal": ordinal });
                let file = parse(file).unwrap();
                let unpacked = Box::pin(unpack_upload::unpack_file(&world.context, file, &deadline)).await;
                damaged += u32::from(unpacked.is_err_and(|failed| failed.error_type() == error));
            }
            assert_ne!(damaged, 0);
            continues(&world, &world.anew(), error).await;
            world.end().await;
        }
        ErrorType::UnsafeArchive => is_run_again(error, json!({ "archive": { "kind": "zip_slip" } })).await,
        ErrorType::Unsupported => is_run_again(error, json!({ "archive": { "kind": "encrypted" } })).await,
        ErrorType::LimitExceeded => {
            let destination = "limits = { member_bytes = 10 }".to_owned();
            let world = World::new(Setup { destination, ..setup() }).await;
            fails(&world, &world.context, run_event(), error).await;
            let raised =
                world.configured_anew(|config| config.replace("member_bytes = 10", "member_bytes = 9999999"));
            continues(&world, &raised, error).await;
            world.end().await;
        }
        ErrorType::SchemaChanged => {
            let world = world(Value::Null).await;
            let mut event = run_event();
            event["export"]["columns"] = json!([{ "name": "NO SUCH COLUMN", "type": "DATE" }]);
            fails(&world, &world.context, event, error).await;
            let id = job(&world).unwrap().to_string();
            let job = parse(json!({ "connection": "fusion-demo", "job_request_id": id })).unwrap();
            world.context.on_schema_change(&job, OnSchemaChange::Widen).await.unwrap();
            continues(&world, &world.anew(), error).await;
            world.end().await;
        }
        ErrorType::Conflict => {
            let world = world(json!({ "submit": { "reject": "no" } })).await;
            fails(&world, &world.context, run_event(), ErrorType::Rejected).await;
            mend(&world);
            Box::pin(land(&world.anew(), run_event())).await.unwrap();
            let mut other = run_event();
            other["export"]["mode"] = json!("full");
            assert_failed(
                Box::pin(land(&world.anew(), other)).await,
                (error.name(), "run_key"),
                &[],
                "another export",
            );
            runs_again(&world, "full", error).await;
            world.end().await;
        }
    }
}

/// An incremental extraction has moved its window at the source with each job that ended well: where such a job cannot
/// land, another increment does not hold what it held. No advice says so.
#[test]
fn no_advice_loses_a_window() {
    for error in ErrorType::ALL {
        let remedy = error.remedy();
        let keeps =
            ["\"mode\": \"full\"", "moved no window", "cancel it there", "A corrected export is another run"];
        assert!(
            !remedy.contains("another run key") || keeps.iter().any(|words| remedy.contains(words)),
            "{}: {remedy}",
            error.name()
        );
    }
}
