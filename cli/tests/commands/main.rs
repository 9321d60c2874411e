//! Whole commands, as their users see them: exit codes, stdout, and what is below the data folder.

// The exemption for tests does not reach the functions that they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod advice;
mod cancel;
mod corpora;
#[cfg(unix)]
mod disk;
mod dry_run;
mod forget;
mod kills;
mod listing;
mod local;
mod machine;
mod overlap;
mod pages;
mod previous_release;
mod proxy;
#[cfg(unix)]
mod register;
mod schema;
mod serve;
mod signals;
mod sources;
mod status;
mod verify;

use std::path::{Path, PathBuf};

use serde_json::json;

use machine::{Machine, pod, run_event, text, zip};

/// One archive is one job; its members land with their own bytes, and the line names the manifest.
#[tokio::test]
async fn unpack_lands_the_bytes_of_every_member() {
    let machine = Machine::new();
    let large: Vec<u8> = (0..20u32 << 20).map(|n| n.to_le_bytes()[0] % 251).collect();
    let first = machine.file("first.zip", zip(&[("a/one.csv", b"H\n1\n2\n"), ("large.bin", &large)]));
    let second = machine.file("second.whl", zip(&[("one.csv", b"H\n3\n")]));

    let done = machine.landfall(&["unpack", text(&first), text(&second), "--json"]).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let lines = done.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["archive"], text(&first));
    assert_eq!(lines[0]["already_landed"], false);
    assert_eq!(lines[0]["manifest"]["totals"]["objects"], 2);
    assert_eq!(lines[0]["manifest"]["totals"]["rows"], 2);
    assert_ne!(lines[0]["job_request_id"], lines[1]["job_request_id"]);

    let manifest = PathBuf::from(lines[0]["manifest_path"].as_str().unwrap());
    assert_eq!(manifest, machine.path("data/landing").join(lines[0]["manifest_key"].as_str().unwrap()));
    let below = manifest.parent().unwrap().join("first");
    assert_eq!(std::fs::read(below.join("a/one.csv")).unwrap(), b"H\n1\n2\n");
    assert!(std::fs::read(below.join("large.bin")).unwrap() == large);
}

/// Promise 4: landing the same bytes again, under whatever name, changes nothing and says so.
#[tokio::test]
async fn unpack_of_what_has_landed_changes_nothing() {
    let machine = Machine::new();
    let archive = machine.file("a.zip", zip(&[("one.csv", b"H\n1\n")]));
    let copy = machine.file("b.zip", std::fs::read(&archive).unwrap());
    let first = machine.landfall(&["unpack", text(&archive), "--json"]).await.line();
    let landed = machine.landed();
    assert_eq!(landed.len(), 2);

    let again = machine.landfall(&["unpack", text(&archive), text(&copy), "--json"]).await;
    assert_eq!(again.code, 0);
    for line in again.lines() {
        assert_eq!(line["already_landed"], true);
        assert_eq!(line["manifest"], first["manifest"]);
    }
    assert_eq!(machine.landed(), landed);

    let words = machine.landfall(&["unpack", text(&archive)]).await.out;
    assert!(words.starts_with("already landed: ") && words.contains("_manifest.json"), "{words}");
}

/// Every archive is tried; a refused one lands nothing, and the worst outcome is the exit code.
#[tokio::test]
async fn unpack_tries_every_archive_and_ends_with_the_worst_code() {
    let machine = Machine::new();
    let good = machine.file("good.zip", zip(&[("one.csv", b"H\n1\n")]));
    let escapes = machine.file("escapes.zip", zip(&[("ok.csv", b"H\n"), ("../../evil", b"x")]));
    let empty = machine.file("empty.zip", zip(&[]));
    let missing = machine.path("missing.zip");

    let words = ["unpack", text(&escapes), text(&empty), text(&good), "--json"];
    let done = machine.landfall(&words).await;
    assert_eq!(done.code, 3);
    let lines = done.lines();
    assert_eq!(lines[0]["error"]["type"], "UnsafeArchive");
    assert_eq!(lines[0]["archive"], text(&escapes));
    assert_eq!(lines[1]["error"]["type"], "IntegrityError");
    assert_eq!(lines[2]["already_landed"], false);
    assert_eq!(machine.landed().len(), 2);
    assert!(!machine.path("data/evil").exists());

    let done = machine.landfall(&["unpack", text(&missing), text(&escapes), "--json"]).await;
    assert_eq!(done.code, 2);
    assert_eq!(done.lines()[0]["error"]["type"], "InvalidEvent");
    assert_eq!(done.lines()[1]["error"]["type"], "UnsafeArchive");
}

/// With `--simulate` alone a run lands below the data folder; run again it says so and changes nothing.
#[tokio::test]
async fn a_simulated_run_lands_once() {
    let machine = Machine::new();
    let event = machine.file("event.json", run_event("anything"));
    let scenario = machine.file("scenario.json", r#"{ "chunks_per_view": 2 }"#);
    let words = ["run", text(&event), "--simulate", "--scenario", text(&scenario), "--json"];

    let done = machine.landfall(&words).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let line = done.line();
    assert_eq!((&line["connection"], &line["bucket"]), (&json!("anything"), &json!("landing")));
    let objects = line["manifest"]["objects"].as_array().unwrap();
    assert!(objects.len() >= 4, "{objects:?}");
    for object in objects {
        let file = machine.path("data/landing").join(object["key"].as_str().unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().len(), object["size"].as_u64().unwrap());
    }
    let landed = machine.landed();
    assert_eq!(landed.len(), objects.len() + 1);
    let journal = std::fs::read(machine.path("data/simulator").join(simulator::JOURNAL_FILE)).unwrap();

    let again = machine.landfall(&words).await;
    assert_eq!(again.code, 0);
    assert_eq!(again.line()["already_landed"], true);
    assert_eq!(again.line()["manifest"], line["manifest"]);
    assert_eq!(machine.landed(), landed);
    let asked = std::fs::read(machine.path("data/simulator").join(simulator::JOURNAL_FILE)).unwrap();
    assert!(asked == journal, "the source was asked");
}

/// On this machine there is no lifecycle rule: of a landed job the records stay, and nothing that fills the disk.
#[tokio::test]
async fn what_a_landed_job_no_longer_needs_is_deleted() {
    let machine = Machine::new();
    let event = machine.file("event.json", run_event("pod"));
    let scenario = machine.file("scenario.json", r#"{ "chunks_per_view": 1, "views": ["carriersExtract"] }"#);
    let words = ["run", text(&event), "--simulate", "--scenario", text(&scenario), "--json"];
    let landed = machine.landfall(&words).await.line();
    let records =
        ["files.json", "job.json", "outcome.json", "receipts/0.json", "report.html", "staged/0.json"];
    assert_eq!(machine.kept(), records);

    // What a process that was killed in the midst of it has left goes with the next.
    let job = PathBuf::from("data/work/jobs/pod").join(landed["job_request_id"].as_str().unwrap());
    machine.file(job.join("staged/0").to_str().unwrap(), "staged");
    std::fs::create_dir_all(machine.path(job.join("checkpoints/fetch").to_str().unwrap())).unwrap();
    machine.file(job.join("checkpoints/fetch/0.json").to_str().unwrap(), "{}");
    let landing = machine.landed();
    let again = machine.landfall(&words).await.line();
    assert_eq!(again["already_landed"], true);
    assert_eq!(machine.kept(), records);
    assert_eq!(machine.landed(), landing);

    let archive = machine.file("a.zip", zip(&[("one.csv", b"H\n1\n")]));
    assert_eq!(machine.landfall(&["unpack", text(&archive)]).await.code, 0);
    assert!(!machine.kept().contains(&"staged/0".to_owned()), "{:?}", machine.kept());
}

/// A configuration that names only a connection lands on this machine; every later step works from the id alone.
#[tokio::test]
async fn each_function_works_alone_and_resume_ends_the_job() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let event = machine.file("event.json", run_event("pod"));
    let invoke = async |function: &str, event: &Path| {
        machine.landfall(&["invoke", function, text(event), "--config", text(&config), "--json"]).await
    };

    let submitted = invoke("submit", &event).await.line();
    assert_eq!((&submitted["already_submitted"], &submitted["landed"]), (&json!(false), &json!(false)));
    let id = submitted["job_request_id"].as_str().unwrap();
    let job = machine.file("job.json", json!({ "connection": "pod", "job_request_id": id }).to_string());
    assert_eq!(invoke("poll-status", &job).await.line()["state"], "running");
    assert_eq!(invoke("publish", &job).await.error(), (1, "NotFound".to_owned()));

    let resumed = machine.landfall(&["resume", "pod", id, "--config", text(&config), "--json"]).await;
    assert_eq!(resumed.code, 0, "{}", resumed.out);
    assert_eq!(resumed.line()["manifest"]["run_key"], "carriers-2026-11-21T06");
    let published = invoke("publish", &job).await.line();
    assert_eq!(published["already_published"], true);

    let run = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await;
    assert_eq!(run.line()["already_landed"], true);
    assert_eq!(simulator.jobs().len(), 1);
    simulator.shutdown().await;
}

/// A job that failed at the source ends the run with its words; one that nobody knows is `NotFound`.
#[tokio::test]
async fn a_failed_job_is_exit_code_1() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let mut faults = simulator::Faults::default();
    faults.status.final_status = "FAILED".to_owned();
    faults.status.final_message = Some("ORA-01555: snapshot too old".to_owned());
    simulator.set_faults(faults).unwrap();
    let event = machine.file("event.json", run_event("pod"));

    let done = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await;
    assert_eq!(simulator.jobs().len(), 1);
    let unknown = ["resume", "pod", "99999", "--destination", "lake", "--config", text(&config), "--json"];
    let unknown = machine.landfall(&unknown).await;
    assert_eq!((done.code, unknown.code), (1, 1));
    insta::assert_snapshot!("a_failed_job", machine.redacted(&(done.out + &unknown.out)));
    simulator.shutdown().await;
}

/// Wrong usage, events and configuration: exit code 2, before anything is called.
#[tokio::test]
async fn what_is_wrong_with_the_question_is_exit_code_2() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 600).await;
    let event = machine.file("event.json", run_event("pod"));
    let other = machine.file("other.json", run_event("no-such-pod"));
    let broken = machine.file("broken.json", "{");
    let faults = machine.file("faults.json", r#"{ "moon": "full" }"#);

    let mut printed = String::new();
    for words in [
        &["run", text(&broken), "--simulate"][..],
        &["run", text(&event), "--simulate", "--faults", text(&faults)],
        &["run", text(&other), "--config", text(&config)],
        &["run", text(&event), "--config", "no/such.toml"],
        &["run", text(&event)],
    ] {
        let done = machine.landfall(&[words, &["--json"]].concat()).await;
        assert_eq!(done.code, 2, "{}", done.out);
        printed += &machine.redacted(&done.out);
    }
    insta::assert_snapshot!("what_is_wrong_with_the_question", printed);
    assert!(simulator.journal().requests().is_empty());
    simulator.shutdown().await;
}

/// From an empty folder to a landed run by what each command prints; what is there is never written over.
#[tokio::test]
async fn a_beginning_is_written_and_lands() {
    let machine = Machine::new();
    for system in ["fusion_extract", "epm_job", "folio_export"] {
        let folder = machine.path(system);
        let words = ["init", system, "--folder", text(&folder)];
        let done = machine.without_data(&words).await;
        assert_eq!(done.code, 0, "{}", done.out);
        let event = folder.join("event.json");
        assert!(done.out.contains(&format!("landfall run {} --simulate", text(&event))), "{}", done.out);
        let scenario = machine.file("scenario.json", r#"{ "chunks_per_view": 1 }"#);
        let landed =
            machine.landfall(&["run", text(&event), "--simulate", "--scenario", text(&scenario)]).await;
        assert!(landed.out.starts_with("landed: "), "{}", landed.out);

        let written = std::fs::read(folder.join("landfall.toml")).unwrap();
        let again = machine.without_data(&words).await;
        assert_eq!((again.code, std::fs::read(folder.join("landfall.toml")).unwrap() == written), (2, true));
    }
}

/// A run that nothing disturbs warns of nothing, and a second one neither.
#[test]
fn a_run_on_this_machine_warns_of_nothing() {
    let machine = Machine::new();
    machine.file("event.json", run_event("fusion-demo"));
    for _ in 0..2 {
        let ran = machine.program(&["run", "event.json", "--simulate", "--data", "d"]).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success() && !said.contains("WARN"), "{said}");
    }
}
