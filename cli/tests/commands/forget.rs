//! What `landfall forget` and `landfall prune` delete, and what they never do.

use std::fs;
use std::path::PathBuf;

use embedded_store::{Credentials, EmbeddedStore, Options};
use landfall_store::{Store, StoreSettings};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use simulator::{Faults, Simulator};

use crate::machine::{Machine, pod, text};

fn event(machine: &Machine, run_key: &str) -> PathBuf {
    let mut event = landfall_tests::run_event();
    event["connection"] = json!("pod");
    event["run_key"] = json!(run_key);
    event["export"]["mode"] = json!("full");
    machine.file("event.json", event.to_string())
}

fn with(simulator: &Simulator, faults: Value) {
    simulator.set_faults(serde_json::from_value(faults).unwrap()).unwrap();
}

/// Runs it, and returns its job's id where it has one.
async fn run(machine: &Machine, config: &str, run_key: &str) -> Option<String> {
    let event = event(machine, run_key);
    machine.landfall(&["run", text(&event), "--config", config, "--json"]).await;
    let status = machine.landfall(&["status", "pod", "--config", config, "--json"]).await;
    let line = status.lines().into_iter().find(|line| line["run_key"] == run_key);
    line.unwrap_or_else(|| panic!("{run_key}: {}", status.out))["job_request_id"].as_str().map(str::to_owned)
}

/// What there is of runs and jobs.
fn kept(machine: &Machine) -> Vec<PathBuf> {
    machine.files("data/work").into_iter().map(|(path, _)| path).collect()
}

/// A refused run is forgotten where it is asked for, and no sooner; its run key is free, and lands.
#[tokio::test]
async fn a_refused_run_is_forgotten_and_can_be_started_again() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let config = text(&config);
    with(&simulator, json!({ "submit": { "reject": "the extract is on hold" } }));
    assert_eq!(run(&machine, config, "r").await, None);
    let before = kept(&machine);
    let words = ["forget", "pod", "--run", "r", "--config", config];
    let data = machine.path("data");
    let unasked = machine.program(&[&words[..], &["--data", text(&data)]].concat()).output().unwrap();
    assert_eq!(unasked.status.code(), Some(2), "nobody is there to be asked");
    let dry = machine.landfall(&[&words[..], &["--dry-run"]].concat()).await;
    assert_eq!((dry.code, dry.out.as_str()), (0, "would be forgotten: run r on pod\n"));
    assert_eq!(kept(&machine), before);

    let words = [&words[..], &["--yes"]].concat();
    let (one, other) = tokio::join!(machine.landfall(&words), machine.landfall(&words));
    let codes = (one.code.min(other.code), one.code.max(other.code));
    assert_eq!(codes, (0, 1), "two at once: one forgets it, the other finds none: {} {}", one.out, other.out);
    assert!(!kept(&machine).iter().any(|path| path.to_str().unwrap().contains("runs/pod/")));
    assert_eq!(machine.landfall(&["status", "--config", config]).await.out, "no runs or jobs\n");

    simulator.set_faults(Faults::default()).unwrap();
    assert!(run(&machine, config, "r").await.is_some());
    assert_eq!(simulator.jobs().len(), 1);
    simulator.shutdown().await;
}

/// Promise 1: a run that has a job, or may have one, is not forgotten, unless somebody has looked.
#[tokio::test]
async fn a_run_that_may_have_a_job_is_not_forgotten() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let config = text(&config);
    let id = run(&machine, config, "landed").await.unwrap();
    let forget = async |words: &[&str]| {
        let words = [&["forget", "pod", "--config", config, "--yes", "--json"], words].concat();
        machine.landfall(&words).await
    };
    let refused = forget(&["--run", "landed"]).await;
    assert_eq!(refused.error(), (1, "Conflict".to_owned()), "{}", refused.out);
    assert!(refused.out.contains(&format!("has job {id}")), "{}", refused.out);
    assert_eq!(forget(&["--run", "landed", "--no-job"]).await.error().1, "Conflict");
    assert_eq!(forget(&["--run", "unheard-of"]).await.error().1, "NotFound");

    // As a process leaves it that has called, and does not know what came of it.
    let record = machine.path("data/work/runs/pod/landed.json");
    let mut claim: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    for field in ["job_request_id", "landing_prefix"] {
        claim.as_object_mut().unwrap().remove(field);
    }
    claim["called"] = json!(true);
    let claim = claim.to_string();
    let unsettled = machine.file("data/work/runs/pod/unsettled.json", claim);
    let refused = forget(&["--run", "unsettled"]).await;
    assert_eq!(refused.error().1, "Conflict");
    assert!(refused.out.contains("may have a job at the source"), "{}", refused.out);
    assert!(unsettled.exists());
    assert_eq!(forget(&["--run", "unsettled", "--no-job"]).await.code, 0);
    assert!(!unsettled.exists());
    simulator.shutdown().await;
}

/// Promises 1 and 3: what is kept of a landed job goes, what has landed stays to the byte, and its run is not submitted
/// again. A job that can still land keeps everything.
#[tokio::test]
async fn a_job_that_is_over_is_forgotten_and_its_run_is_not() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let config = text(&config);
    let landed = run(&machine, config, "landed").await.unwrap();
    with(&simulator, json!({ "content": { "content_type": "text/html" } }));
    let stuck = run(&machine, config, "stuck").await.unwrap();
    let forget = async |id: &str| {
        machine.landfall(&["forget", "pod", id, "--config", config, "--yes", "--json"]).await
    };
    let (before, landing) = (kept(&machine), machine.landed());
    let refused = forget(&stuck).await;
    assert_eq!(refused.error().1, "Conflict", "{}", refused.out);
    assert!(refused.out.contains(&format!("landfall resume pod {stuck}")), "{}", refused.out);
    assert_eq!(kept(&machine), before);

    // Interrupted half way, it is gone on with.
    fs::remove_file(machine.path(&format!("data/work/jobs/pod/{landed}/outcome.json"))).unwrap();
    assert_eq!(forget(&landed).await.code, 0);
    assert!(kept(&machine).iter().all(|path| !path.to_str().unwrap().contains(&format!("/{landed}/"))));
    assert_eq!(machine.landed(), landing);
    assert_eq!(forget(&landed).await.error().1, "NotFound");
    let status = machine.landfall(&["status", "pod", "--config", config, "--json"]).await.lines();
    assert!(
        status.iter().any(|line| line["run_key"] == "landed" && line["state"] == "expired"),
        "{status:?}"
    );
    simulator.set_faults(Faults::default()).unwrap();
    let event = event(&machine, "landed");
    let again = machine.landfall(&["run", text(&event), "--config", config, "--json"]).await;
    assert_eq!(again.line()["already_landed"], true);
    assert_eq!(machine.landed(), landing);
    assert_eq!(simulator.jobs().len(), 2);
    simulator.shutdown().await;
}

/// The work bucket's store, as a process sees it that has begun an upload and died.
async fn begin_upload(machine: &Machine, key: &str) {
    let store = EmbeddedStore::open(machine.path("data"), Options::default()).unwrap();
    let credentials = Credentials::random();
    let handle = store.serve(0, &credentials).await.unwrap();
    let settings = StoreSettings {
        endpoint: Some(handle.endpoint().parse().unwrap()),
        region: Some("us-east-1".to_owned()),
        access_key_id: Some(credentials.access_key_id.clone()),
        secret_access_key: Some(credentials.secret_access_key.expose_secret().to_owned().into()),
        ..StoreSettings::default()
    };
    Store::open("work", &settings).await.create_upload(key).await.unwrap();
    handle.shutdown().await;
}

/// What is left behind of a job that can never land goes; what a job needs that can go on, and what has landed, stays.
#[tokio::test]
async fn leftovers_of_jobs_that_are_over_are_pruned_and_nothing_else() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let config = text(&config);
    run(&machine, config, "landed").await.unwrap();
    with(&simulator, json!({ "archive": { "kind": "encrypted" } }));
    let refused = run(&machine, config, "refused").await.unwrap();
    with(&simulator, json!({ "content": { "wrong_bytes": "always", "only_file": 2 } }));
    let stuck = run(&machine, config, "stuck").await.unwrap();
    simulator.set_faults(Faults::default()).unwrap();
    begin_upload(&machine, &format!("jobs/pod/{refused}/staged/7")).await;
    let staged = |id: &str| machine.path(&format!("data/work/jobs/pod/{id}/staged/0"));
    assert!(staged(&refused).exists());
    let (before, landing) = (kept(&machine), machine.landed());
    let prune = async |words: &[&str]| {
        machine.landfall(&[&["prune", "--config", config, "--json"], words].concat()).await
    };
    let told = |line: Value| {
        let fields = ["job_request_id", "unfinished_uploads", "deleted"].map(|field| line[field].clone());
        assert!(line["files"].as_u64().unwrap() > 0, "{line}");
        fields
    };
    assert_eq!(told(prune(&["--dry-run"]).await.line()), [json!(refused), json!(1), json!(false)]);
    assert_eq!(kept(&machine), before);

    // Somebody of this machine is at work on it.
    let lock = machine.path(&format!("data/.locks/staged/pod/{refused}.lock"));
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let lock = fs::File::create(lock).unwrap();
    lock.lock_shared().unwrap();
    assert_eq!(told(prune(&["--yes"]).await.line()), [json!(refused), json!(1), json!(false)]);
    assert_eq!(kept(&machine), before);
    drop(lock);

    let (one, other) = tokio::join!(prune(&["--yes"]), prune(&["--yes"]));
    assert_eq!((one.code, other.code), (0, 0), "{} {}", one.out, other.out);
    assert!(!staged(&refused).exists());
    assert_eq!(prune(&[]).await.out, "", "nothing is left behind");
    let is_other = |path: &&PathBuf| !path.to_str().unwrap().contains(&format!("/{refused}/"));
    let others = |kept: &[PathBuf]| kept.iter().filter(is_other).cloned().collect::<Vec<_>>();
    assert_eq!(others(&kept(&machine)), others(&before));
    assert_eq!(machine.landed(), landing);
    let status = machine.landfall(&["status", "pod", &refused, "--config", config, "--json"]).await.line();
    assert_eq!((&status["state"], &status["unfinished_uploads"]), (&json!("refused"), &json!(0)), "{status}");
    assert_eq!(machine.landfall(&["resume", "pod", &stuck, "--config", config]).await.code, 0);
    simulator.shutdown().await;
}
