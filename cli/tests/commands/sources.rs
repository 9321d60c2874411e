//! Commands about systems and their jobs: `sources`, `check`, `sweep`, and a run that has no job yet.

use std::collections::BTreeSet;

use embedded_store::{Credentials, EmbeddedStore, Options};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use simulator::{Faults, PlantedJob, Scenario};

use super::machine::{Machine, pod, pod_of, run_event, text};

/// The list comes from the code: every kind that an event may have is in it, and no other.
#[tokio::test]
async fn sources_lists_every_kind() {
    let machine = Machine::new();
    let done = machine.without_data(&["sources", "--json"]).await;
    assert_eq!(done.code, 0);
    let lines = done.lines();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/submit.event.json")).unwrap();
    let exports = schema["$defs"]["Export"]["oneOf"].as_array().unwrap();
    let known = exports.iter().map(|export| export["properties"]["kind"]["const"].as_str().unwrap());
    // Archives that lie in a folder come from no system.
    let known: BTreeSet<_> = known.filter(|kind| *kind != "file").collect();
    assert_eq!(BTreeSet::from_iter(kinds.iter().copied()), known);
    let words = machine.without_data(&["sources"]).await.out;
    assert!(kinds.iter().all(|kind| words.contains(&format!("{kind}: "))), "{words}");
}

/// What comes with landfall is listed with what it takes.
#[tokio::test]
async fn systems_lists_what_is_described() {
    let machine = Machine::new();
    let done = machine.without_data(&["systems", "--json"]).await;
    assert_eq!(done.code, 0);
    let lines = done.lines();
    let names: Vec<_> = lines.iter().map(|line| line["system"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "fhir-bulk",
            "marketo-leads",
            "netsuite-async",
            "oracle-extract",
            "salesforce-bulk",
            "shopify-bulk",
            "sp-api-reports",
            "stripe-reports"
        ]
    );
    let words = machine.without_data(&["systems"]).await.out;
    assert!(words.contains("with.report         The type of the report"), "{words}");
}

/// A description is checked before anything is called: all of its mistakes with their places, or what it promises.
#[tokio::test]
async fn a_description_is_checked_as_a_whole() {
    let machine = Machine::new();
    let good = machine.without_data(&["systems", "check", "fhir-bulk"]).await;
    assert_eq!(good.code, 0, "{}", good.out);
    assert!(good.out.contains("a lost submission is left to a person"), "{}", good.out);
    let file = machine.path("things.toml");
    std::fs::write(
        &file,
        "[system]\nname = \"Things\"\ntitel = \"Things\"\n\n[poll]\nmeans = { 200 = \"suceeded\" }\n",
    )
    .unwrap();
    let bad = machine.without_data(&["systems", "check", text(&file)]).await;
    assert_eq!(bad.code, 2, "{}", bad.out);
    for said in [
        ":2:8: system.name: a name has small letters",
        ":3:1: system.titel: unknown key; did you mean title?",
        ":6:17: poll.means.200: \"suceeded\" is not one of",
        "did you mean succeeded?",
        "submit is missing",
    ] {
        assert!(bad.out.contains(said), "{said}: {}", bad.out);
    }
    let none = machine.without_data(&["systems", "check", "no-such-file.toml"]).await;
    assert_eq!(none.code, 2);
}

/// What an event would call is printed, and nothing is called.
#[tokio::test]
async fn an_event_is_tried_without_a_call() {
    let machine = Machine::new();
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/run-fhir-bulk.json");
    let words =
        ["systems", "try", "fhir-bulk", "--event", event, "--base-url", "https://fhir.example.org/r4"];
    let done = machine.without_data(&words).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let kick_off =
        "GET https://fhir.example.org/r4/Patient/$export?_since={from}&_type=Patient%2CObservation";
    assert!(done.out.contains(kick_off), "{}", done.out);
    assert!(done.out.contains("prefer: respond-async"), "{}", done.out);
    let wrong = ["systems", "try", "sp-api-reports", "--event", event];
    let done = machine.without_data(&wrong).await;
    assert_eq!(done.code, 2, "{}", done.out);
}

/// A check tells of each thing that a run needs, leaves nothing behind, and starts no job.
#[tokio::test]
async fn check_proves_a_connection_and_leaves_nothing_behind() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 60).await;
    let words = ["check", "pod", "--destination", "lake", "--config", text(&config), "--json"];
    let done = machine.landfall(&words).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let lines = done.lines();
    assert!(lines.iter().all(|line| line["outcome"] == "ok"), "{}", done.out);
    let looked_at = |what: &str| lines.iter().any(|line| line["what"] == what);
    for what in [
        "clock",
        "saas-batch",
        "boss",
        "work: conditional write",
        "work: conditional change",
        "lake: conditional write",
    ] {
        assert!(looked_at(what), "{what}: {}", done.out);
    }
    assert_eq!(machine.landed(), []);
    assert_eq!(machine.files("data/work"), []);
    assert_eq!(simulator.jobs().len(), 0);
    simulator.shutdown().await;
}

/// What is wrong is reported by name, beside what is not, and the exit code says that something is.
#[tokio::test]
async fn check_tells_what_is_wrong_in_words() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 60).await;
    let secret = simulator::credentials::CLIENT_SECRET;
    let wrong = std::fs::read_to_string(&config).unwrap().replace(secret, "not-the-secret-of-this-client");
    std::fs::write(&config, wrong).unwrap();
    let done = machine.landfall(&["check", "pod", "--config", text(&config), "--json"]).await;
    assert_eq!(done.code, 1, "{}", done.out);
    let lines = done.lines();
    let of = |what: &str| lines.iter().find(|line| line["what"] == what).unwrap().clone();
    assert_eq!(of("saas-batch")["error"]["type"], "AuthRejected");
    assert_eq!(of("work: write")["outcome"], "ok");
    // A refusal tells the time as well, and a clock that is wrong may be why there is one.
    assert!(of("clock")["message"].as_str().unwrap().starts_with("this machine's clock"), "{}", done.out);
    assert!(!done.out.contains("not-the-secret"), "{}", done.out);

    let unknown = machine.landfall(&["check", "no-such", "--config", text(&config), "--json"]).await;
    assert_eq!(unknown.code, 2, "{}", unknown.out);
    simulator.shutdown().await;
}

/// OCI Object Storage is a place to land in from one machine, which keeps the state itself; it is none for the state.
#[tokio::test]
async fn a_bucket_of_ocis_is_checked_and_landed_in_and_keeps_no_state() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 60).await;
    let folder = machine.path("oci");
    let store = EmbeddedStore::open(&folder, Options { fsync: false, ..Options::default() }).unwrap();
    let store = store.strict_as_oci("us-phoenix-1");
    store.ensure_bucket("lake").unwrap();
    let key = Credentials::random();
    let served = store.serve(0, &key).await.unwrap();
    let place = format!(
        "type = 'oci'\nnamespace = 'axexample'\nregion = 'us-phoenix-1'\nbucket = 'lake'\nendpoint = '{}'\n\
         access_key_id = '{}'\nsecret_access_key = '{}'\n",
        served.endpoint(),
        key.access_key_id,
        key.secret_access_key.expose_secret()
    );
    let systems = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{systems}\n[destinations.lake]\n{place}")).unwrap();
    let words = ["check", "pod", "--destination", "lake", "--config", text(&config), "--json"];
    let done = machine.landfall(&words).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let lines = done.lines();
    assert!(lines.iter().all(|line| line["outcome"] == "ok"), "{}", done.out);
    assert!(lines.iter().any(|line| line["what"] == "lake: overwrite"), "{}", done.out);
    assert!(!lines.iter().any(|line| line["what"] == "lake: conditional write"), "{}", done.out);

    let event = machine.file("run.json", run_event("pod"));
    let line = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await.line();
    let manifest_key = line["manifest_key"].as_str().unwrap();
    assert!(folder.join("lake").join(manifest_key).is_file(), "{line}");
    assert_eq!(machine.landed(), []);

    std::fs::write(&config, format!("{systems}\n[work]\n{place}")).unwrap();
    let done = machine.landfall(&["check", "pod", "--config", text(&config), "--json"]).await;
    assert_ne!(done.code, 0);
    insta::assert_snapshot!("no_state_in_oci", machine.redacted(&done.out));
    assert!(!done.out.contains(key.secret_access_key.expose_secret()), "{}", done.out);
    served.shutdown().await;
    simulator.shutdown().await;
}

fn recurring() -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&run_event("pod")).unwrap();
    event["export"]["schedule"] = json!({
        "recurrence": "hourly", "every": { "interval": 1, "time_unit": "hour" },
        "start_date": "2026-05-15", "end_date": "2026-05-15", "start_time": "1200", "end_time": "1400"
    });
    event.to_string().into_bytes()
}

/// A recurring request says how its occurrences land; that command lands those that ended well, tells once of the one
/// that did not, and has nothing to do when it is given again.
#[tokio::test]
async fn a_recurring_run_names_the_sweep_that_lands_its_occurrences() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 60).await;
    let faults = json!({ "status": { "failed_occurrence": 2 }, "listing": { "look_alikes": false } });
    simulator.set_faults(serde_json::from_value::<Faults>(faults).unwrap()).unwrap();
    let event = machine.file("event.json", recurring());
    let line = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await.line();
    assert_eq!(line["recurring"], true, "{line}");
    let next = line["next"].as_str().unwrap();
    assert!(
        next.starts_with("landfall sweep pod --export SimpleCarriers --destination lake --since "),
        "{next}"
    );
    let status = machine.landfall(&["status", "pod", "--config", text(&config), "--json"]).await.line();
    assert_eq!(status["next"]["command"].as_str().unwrap(), next.replace(" --json", ""));

    let sweep = ["sweep", "pod", "--export", "SimpleCarriers", "--destination", "lake"];
    let sweep = [&sweep[..], &["--config", text(&config), "--json"]].concat();
    let (mut landed, mut failed) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let done = machine.landfall(&sweep).await;
        let lines = done.lines();
        let failures = lines.iter().filter(|line| !line["failed"].is_null()).count();
        assert_eq!(done.code, u8::from(failures > 0), "{}", done.out);
        for line in lines {
            match line["failed"].is_null() {
                true => landed.push(line["job_request_id"].clone()),
                false => failed.push(line["failed"]["job_request_id"].clone()),
            }
        }
    }
    assert_eq!((landed.len(), failed.len()), (2, 1), "{landed:?} {failed:?}");
    simulator.shutdown().await;
}

/// Jobs without output, as those are whose files are gone, do not wait for each other: each is asked for again once all
/// have been looked at. They are told of once, and land empty where that is allowed.
#[tokio::test]
async fn jobs_that_cannot_land_are_told_once_and_delay_no_other() {
    let machine = Machine::new();
    let planted = PlantedJob {
        description: "Nightly::SimpleCarriers::Full::Daily".to_owned(),
        extract: "SimpleCarriers".to_owned(),
        ..PlantedJob::default()
    };
    let planted_jobs = vec![planted; 3];
    let (simulator, config) = pod_of(&machine, 60, Scenario { planted_jobs, ..Scenario::default() }).await;
    let faults = json!({ "listing": { "look_alikes": false } });
    simulator.set_faults(serde_json::from_value::<Faults>(faults).unwrap()).unwrap();
    let settling =
        std::fs::read_to_string(&config).unwrap().replace("settle_seconds = 0", "settle_seconds = 1");
    std::fs::write(&config, settling).unwrap();

    let sweep = ["sweep", "pod", "--export", "*", "--destination", "lake"];
    let sweep = [&sweep[..], &["--config", text(&config), "--json"]].concat();
    let done = machine.landfall(&sweep).await;
    assert_eq!((done.code, done.lines().len()), (1, 3), "{}", done.out);
    assert!(done.lines().iter().all(|line| line["error"]["type"] == "ContractBroken"), "{}", done.out);
    let requests = simulator.journal().requests();
    let asked =
        requests.iter().filter_map(|request| Some(request.path.strip_suffix("/outputFiles")?.to_owned()));
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert_eq!(asked[..3], asked[3..], "each once, and then each again");

    let done = machine.landfall(&sweep).await;
    assert_eq!((done.code, done.out.as_str()), (0, ""));
    let allowing = [&sweep[..], &["--allow-empty"]].concat();
    let done = machine.landfall(&allowing).await;
    assert_eq!((done.code, done.lines().len()), (0, 3), "{}", done.out);
    simulator.shutdown().await;
}

/// A run whose submission has no known outcome is settled by a person: with the job that is there, which is no other
/// run's, and once.
#[tokio::test]
async fn a_run_takes_the_job_that_a_person_names() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 60).await;
    let event = machine.file("recurring.json", recurring());
    let line = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await.line();
    let parent = line["job_request_id"].as_str().unwrap().parse().unwrap();
    let nobodys = simulator.occurrences(parent)[0].id.to_string();

    let run = async |run_key: &str, words: &[&str]| {
        let event = String::from_utf8(run_event("pod")).unwrap().replace("carriers-2026-11-21T06", run_key);
        let event = machine.file("event.json", event);
        let words = [&["run", text(&event)], words, &["--config", text(&config), "--json"]].concat();
        machine.landfall(&words).await
    };
    let settled = run("one", &["--job", &nobodys]).await.line();
    assert_eq!(
        (settled["job_request_id"].as_str(), &settled["already_landed"]),
        (Some(&*nobodys), &json!(false))
    );
    let again = run("one", &["--job", &nobodys]).await.line();
    assert_eq!(again["already_landed"], true);

    let of_another = run("two", &["--job", &nobodys]).await;
    assert_eq!(of_another.error(), (1, "Conflict".to_owned()), "{}", of_another.out);
    let has_one = run("one", &["--no-job"]).await;
    assert_eq!(has_one.error(), (1, "Conflict".to_owned()), "{}", has_one.out);
    let submitted = run("three", &["--no-job"]).await.line();
    assert_eq!(submitted["already_landed"], false);
    assert_eq!(simulator.jobs().len(), 2, "the recurring request, and the one that was surely not there");
    simulator.shutdown().await;
}
