//! The report of a job: what it says is what has landed, and whatever becomes of it, the job has landed all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embedded_store::{Before, Call, Intercept, Options};
use http::StatusCode;
use landfall::job::{JobRecord, JobRef};
use landfall::state::{WorkState, keys};
use landfall_tests::{Setup, World, land, objects, run_event};
use serde_json::{Value, json};

/// The job that has landed.
fn job(world: &World) -> JobRef {
    let id = world.simulator.jobs()[0].id.to_string();
    JobRef { connection: "fusion-demo".parse().unwrap(), job_request_id: id.parse().unwrap() }
}

async fn record(world: &World) -> JobRecord {
    WorkState::new(world.work().await).job(&job(world)).await.unwrap().unwrap()
}

/// The report beside the job's record.
async fn report(world: &World) -> Option<String> {
    let bytes = objects(&world.work().await).await.remove(&keys::report(&job(world)))?;
    Some(String::from_utf8(bytes).unwrap())
}

/// Whoever opens the report sees what the manifest counts, and how each file was verified; the next run of the same run key
/// writes it anew, and nothing else.
#[tokio::test]
async fn a_report_says_what_the_manifest_counts() {
    let world = World::new(Setup::default()).await;
    land(&world.context, run_event()).await.unwrap();
    let (landed, page) = (world.landed().await, report(&world).await.unwrap());
    let manifest = world.manifests().await.pop_first().unwrap().1;
    let rows = manifest.totals.rows.unwrap();
    let thousands = format!("{},{:03}", rows / 1_000, rows % 1_000);
    let rows = if rows < 1_000 { rows.to_string() } else { thousands };
    for told in [
        format!("{} objects", manifest.totals.objects),
        format!("<dd>{rows}"),
        manifest.objects[0].crc64nvme.to_string(),
        "its SHA-256, as the source lists it".to_owned(),
        format!("landfall verify fusion-demo {}", manifest.job_request_id),
    ] {
        assert!(page.contains(&told), "{told}: {page}");
    }
    assert!(manifest.files.iter().all(|file| page.contains(&file.name)));

    let key = keys::report(&job(&world));
    world.work().await.delete(&key).await.unwrap();
    let before = objects(&world.work().await).await;
    land(&world.anew(), run_event()).await.unwrap();
    assert_eq!(report(&world).await, Some(page), "the same facts make the same page");
    assert!(world.landed().await == landed, "what has landed stays as it is");
    let mut after = objects(&world.work().await).await;
    after.remove(&key);
    assert!(after == before, "nothing else is written");
    world.end().await;
}

/// A store that takes no reports as long as it is told so, and counts how often it was asked to.
#[derive(Default)]
struct TakesNoReport {
    asked: AtomicU32,
    takes_them: AtomicBool,
}

impl Intercept for TakesNoReport {
    fn before(&self, call: &Call) -> Before {
        let is_report = call.key.as_deref().is_some_and(|key| key.ends_with("/report.html"));
        match is_report && call.operation == "PutObject" && !self.takes_them.load(Ordering::SeqCst) {
            true => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                Before::Answer(StatusCode::FORBIDDEN)
            }
            false => Before::Proceed,
        }
    }
}

/// A report that cannot be written is no failure: the job lands, nothing is kept against it, and the next run writes it.
#[tokio::test]
async fn a_report_that_cannot_be_written_fails_no_job() {
    let store = Arc::new(TakesNoReport::default());
    let intercept: Option<Arc<dyn Intercept>> = Some(store.clone());
    let world = World::with_store(Setup::default(), Options { fsync: false, intercept }).await;
    let published = land(&world.context, run_event()).await.unwrap();
    assert!(!published.already_published);
    assert_eq!(store.asked.load(Ordering::SeqCst), 1, "it is tried once");
    assert_eq!((report(&world).await, record(&world).await.failure), (None, None));

    let landed = world.landed().await;
    store.takes_them.store(true, Ordering::SeqCst);
    land(&world.anew(), run_event()).await.unwrap();
    assert!(report(&world).await.is_some());
    assert!(world.landed().await == landed, "the manifest's bytes are as they were without it");
    world.end().await;
}

/// What a job has come past on its way is kept with it, and told: a source that was out of reach, and what a step has
/// failed over.
#[tokio::test]
async fn what_went_wrong_on_the_way_is_told() {
    let faults = json!({ "status": { "outage": { "unavailable": 40 } } });
    let world = World::new(Setup { faults, ..Setup::default() }).await;
    land(&world.anew(), run_event()).await.unwrap();
    let kept = record(&world).await.overcome;
    let [outage] = kept.as_slice() else { panic!("{kept:?}") };
    assert!(outage.step.is_none() && outage.until > outage.since, "{outage:?}");
    assert!(outage.error.starts_with("SourceUnavailable: "), "{outage:?}");
    let page = report(&world).await.unwrap();
    assert!(page.contains("the source could not be asked for"), "{page}");
    world.end().await;

    let world =
        World::new(Setup { faults: json!({ "status": { "fails_first": true } }), ..Setup::default() }).await;
    let failed = landfall_tests::land_noting(&world.context, run_event(), &|_| {}).await.unwrap_err();
    let noted = landfall::failure::About::job(&job(&world));
    for _ in 0..2 {
        landfall::failure::note(&world.context, landfall::Step::PollStatus, &noted, &failed).await;
    }
    assert_eq!(record(&world).await.overcome, [], "it is not past yet");
    world.simulator.start_again(job(&world).job_request_id.as_str().parse().unwrap()).unwrap();
    land(&world.anew(), run_event()).await.unwrap();
    let kept = record(&world).await.overcome;
    let [failure] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(failure.step.as_deref(), Some("poll-status"));
    assert!(failure.times >= 2 && failure.error.starts_with("JobFailed: "), "{failure:?}");
    let page = report(&world).await.unwrap();
    assert!(page.contains("<bdi>poll-status</bdi></code> failed") && page.contains("JobFailed: "), "{page}");
    world.end().await;
}

/// An increment is told with the watermark that it moves; the next one begins where that is.
#[tokio::test]
async fn an_increment_is_told_with_its_watermark() {
    let system = landfall_tests::systems::FUSION_REST;
    let setup = Setup {
        scenario: Some((system.small)()),
        destination: system.destination.to_owned(),
        ..Setup::default()
    };
    let world = World::new(setup).await;
    let mut pages = Vec::new();
    for run_key in ["one", "two"] {
        let mut event: Value = (system.event)();
        event["run_key"] = json!(run_key);
        event["export"]["allow_empty"] = json!(true);
        land(&world.anew(), event).await.unwrap();
        let work = objects(&world.work().await).await;
        let written: Vec<String> = work
            .into_iter()
            .filter(|(key, _)| key.ends_with("/report.html"))
            .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
            .filter(|page| !pages.contains(page))
            .collect();
        let [page] = written.as_slice() else { panic!("{}", written.len()) };
        pages.push(page.clone());
    }
    let fact = |page: &str, name: &str| {
        let rest = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("{page}")).1;
        rest.split_once("</dd>").unwrap().0.to_owned()
    };
    assert_eq!(fact(&pages[0], "Watermark before"), "none: it is the first increment");
    assert_eq!(fact(&pages[1], "Watermark before"), fact(&pages[0], "Watermark after"));
    world.end().await;
}

/// Promise 5: a source's own log stands in the report of a job that it finished with errors.
#[tokio::test]
async fn the_log_of_a_source_is_told() {
    let folio = simulator::FolioScenario {
        unknown_ids: vec![crate::folio::id(3)],
        ..simulator::FolioScenario::default()
    };
    let world = World::new(Setup { scenario: crate::folio::scenario(folio), ..Setup::default() }).await;
    land(&world.context, crate::folio::event()).await.unwrap();
    let work = objects(&world.work().await).await;
    let page = work.into_iter().find(|(key, _)| key.ends_with("/report.html")).unwrap().1;
    let page = String::from_utf8(page).unwrap();
    for told in [
        "landed, with warnings of its source",
        "errors.ndjson",
        "error.uuidsNotFound",
        "24 of 25 records exported, 1 failed",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    world.end().await;
}
