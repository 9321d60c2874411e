//! Files of this machine as jobs: known by their bytes, gone on with by their ids, told of by no path.

use std::path::{Path, PathBuf};

use landfall::checksum::Sha256;
use serde_json::{Value, json};

use crate::machine::{Machine, text, zip};

/// The id that a file's job has always had.
fn id_of(file: &Path) -> String {
    Sha256::of(&std::fs::read(file).unwrap()).to_string().split_at(32).0.to_owned()
}

fn kept(machine: &Machine, id: &str, name: &str) -> Value {
    let path = machine.path("data/work/jobs/local").join(id).join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A configuration by which a fetch fails before it reads anything.
fn nothing_is_fetched(machine: &Machine) -> PathBuf {
    machine.file("landfall.toml", "[connections.local]\ntype = 'local'\nhttp = { max_file_bytes = 1 }\n")
}

/// Submits a file's job, which then stops.
async fn stopped(machine: &Machine, file: &Path) -> String {
    let config = nothing_is_fetched(machine);
    let done = machine.landfall(&["unpack", text(file), "--config", text(&config), "--json"]).await;
    assert_eq!(done.error(), (3, "LimitExceeded".to_owned()), "{}", done.out);
    assert_eq!(done.line()["archive"], text(file));
    id_of(file)
}

/// Promise 4: a file is the job that it has always been: its id, its prefix and its manifest, in which no path of this
/// machine is.
#[tokio::test]
async fn a_file_is_the_job_that_it_has_always_been() {
    let machine = Machine::new();
    let file = machine.file("or.ders.zip", zip(&[("one.csv", b"H\n1\n")]));
    let line = machine.landfall(&["unpack", text(&file), "--json"]).await.line();
    let id = id_of(&file);
    assert_eq!((&line["connection"], &line["job_request_id"]), (&json!("local"), &json!(id)));
    assert_eq!(line["manifest_key"], format!("local/or.ders/{id}/_manifest.json"));
    let mut manifest = line["manifest"].clone();
    let objects = manifest.as_object_mut().unwrap().remove("objects").unwrap();
    let submitted_at = manifest.as_object_mut().unwrap().remove("submitted_at").unwrap();
    assert_eq!(objects[0]["key"], format!("local/or.ders/{id}/or.ders/one.csv"));
    let (bytes, export) = (std::fs::read(&file).unwrap(), json!({ "kind": "file", "name": "or.ders" }));
    assert_eq!(
        manifest,
        json!({
            "manifest_version": 1,
            "connection": "local",
            "job_request_id": id,
            "export": export,
            "destination": "landing",
            "files": [{
                "name": "or.ders.zip", "size": bytes.len(), "sha256": Sha256::of(&bytes),
            }],
            "state": "succeeded",
            "native_status": "READ",
            "totals": { "objects": 1, "bytes": 4, "rows": 1 },
        })
    );
    assert_eq!(
        kept(&machine, &id, "job.json"),
        json!({
            "connection": "local",
            "job_request_id": id,
            "export": export,
            "destination": "landing",
            "landing_prefix": format!("local/or.ders/{id}/"),
            "since": submitted_at,
        })
    );
}

/// Promise 2: a file whose landing was interrupted is gone on with by its job's id, without a configuration, as it was
/// begun without one.
#[tokio::test]
async fn an_interrupted_file_goes_on_by_its_id() {
    let machine = Machine::new();
    let file = machine.file("a.zip", zip(&[("one.csv", b"H\n1\n")]));
    let id = stopped(&machine, &file).await;
    let status = machine.landfall(&["status", "local", &id, "--json"]).await.line();
    let command = format!("landfall resume local {id} --data {}", text(&machine.path("data")));
    assert_eq!(status["next"]["command"], command);

    let resumed = machine.landfall(&["resume", "local", &id, "--json"]).await;
    assert_eq!(resumed.code, 0, "{}", resumed.out);
    assert_eq!(resumed.line()["manifest"]["totals"]["objects"], 1);
    let again = machine.landfall(&["unpack", text(&file), "--json"]).await.line();
    assert_eq!(again["already_landed"], true);
}

/// Promises 2 and 5: a file that has moved is gone on with where it is named again; one that has gone or changed is
/// named.
#[tokio::test]
async fn a_file_that_is_elsewhere_by_now_is_named_again() {
    let machine = Machine::new();
    let file = machine.file("a.zip", zip(&[("one.csv", b"H\n1\n")]));
    let id = stopped(&machine, &file).await;
    let moved = machine.path("b.zip");
    std::fs::rename(&file, &moved).unwrap();
    let gone = machine.landfall(&["resume", "local", &id, "--json"]).await;
    assert_eq!(gone.error(), (2, "InvalidEvent".to_owned()));
    assert!(gone.out.contains("cannot read") && gone.out.contains("a.zip"), "{}", gone.out);

    machine.file("a.zip", "something else");
    let changed = machine.landfall(&["resume", "local", &id, "--json"]).await;
    assert_eq!(changed.error(), (3, "IntegrityError".to_owned()));
    assert!(changed.out.contains("unpack it again once it is complete"), "{}", changed.out);

    let landed = machine.landfall(&["unpack", text(&moved), "--json"]).await;
    assert_eq!(landed.code, 0, "{}", landed.out);
    assert_eq!(landed.line()["job_request_id"], id);
    // The name that it was seen under first is the one that counts.
    assert_eq!(landed.line()["manifest_key"], format!("local/a/{id}/_manifest.json"));
}

/// Promises 2 and 4, over a change of programs: whatever an earlier `unpack` had written, the file lands as it would
/// have.
#[tokio::test]
async fn what_an_older_program_began_to_unpack_lands() {
    let fresh = Machine::new();
    let archive = zip(&[("one.csv", b"H\n1\n")]);
    let file = fresh.file("a.zip", &archive);
    let expected = fresh.landfall(&["unpack", text(&file), "--json"]).await.line();
    let id = id_of(&file);
    let written = ["job.json", "outcome.json", "files.json", "staged/0.json"]
        .map(|name| (name, kept(&fresh, &id, name)));
    for writes in 1..=written.len() {
        let machine = Machine::new();
        let file = machine.file("a.zip", &archive);
        let job = machine.path("data/work/jobs/local").join(&id);
        std::fs::create_dir_all(job.join("staged")).unwrap();
        for (name, document) in written.iter().take(writes) {
            if *name == "staged/0.json" {
                std::fs::write(job.join("staged/0"), &archive).unwrap();
            }
            std::fs::write(job.join(name), document.to_string()).unwrap();
        }
        let line = machine.landfall(&["unpack", text(&file), "--json"]).await.line();
        assert_eq!(line["manifest"], expected["manifest"], "{writes}");
    }
}

/// A job keeps the form that it was begun in, and says so to whoever asks for another.
#[tokio::test]
async fn a_file_lands_in_one_form() {
    let machine = Machine::new();
    let file = machine.file("a.csv", "H\n1\n");
    let landed = machine.landfall(&["unpack", text(&file), "--form", "gzip", "--json"]).await.line();
    assert_eq!(landed["manifest"]["objects"][0]["form"], "gzip");
    let other = machine.landfall(&["unpack", text(&file), "--form", "zstd", "--json"]).await;
    assert_eq!(other.error(), (1, "Conflict".to_owned()));
    assert!(other.out.contains("leave --form out"), "{}", other.out);
    assert_eq!(machine.landfall(&["unpack", text(&file)]).await.code, 0);
}

/// Promise 7: a file is read where a person names it on the command line, and not because an event does.
#[tokio::test]
async fn no_event_reads_a_file_of_this_machine() {
    let machine = Machine::new();
    let config = machine.file("landfall.toml", "");
    let secret = machine.file("secret.csv", "H\n1\n");
    let event = json!({
        "connection": "local",
        "export": { "kind": "file", "name": "secret", "file": {
            "url": format!("file://{}", text(&secret)), "name": "secret.csv", "size": 4,
            "sha256": Sha256::of(b"H\n1\n"), "version": "4-0",
        } },
        "destination": "lake",
        "run_key": "r",
    });
    let event = machine.file("event.json", event.to_string());
    for words in [&["run", text(&event)][..], &["invoke", "submit", text(&event)]] {
        let done = machine.landfall(&[words, &["--config", text(&config), "--json"]].concat()).await;
        assert_eq!(done.error(), (2, "InvalidEvent".to_owned()), "{words:?}");
        assert!(done.out.contains("`landfall unpack FILE`"), "{}", done.out);
    }
}

/// An object of the inbox lands by its run event, as it does where a rule of EventBridge tells of it.
#[tokio::test]
async fn an_object_of_the_inbox_lands_by_its_event() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.path("data/work/inbox")).unwrap();
    machine.file("data/work/inbox/orders.zip", zip(&[("one.csv", b"H\n1\n")]));
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/run-inbox.json");
    let config = machine.file("landfall.toml", "");
    for simulate_or_config in [&["--simulate"][..], &["--config", text(&config)]] {
        let words = [&["run", event, "--json"], simulate_or_config].concat();
        let done = machine.landfall(&words).await;
        assert_eq!(done.code, 0, "{}", done.out);
        let object = json!({ "bucket": "work", "key": "inbox/orders.zip" });
        let export = json!({ "kind": "file", "name": "orders", "object": object });
        assert_eq!(done.line()["manifest"]["export"], export);
        assert_eq!(done.line()["already_landed"], simulate_or_config != ["--simulate"]);
    }
}

/// What others have put into a bucket lands by its run event, beside a simulator as by a configuration.
#[tokio::test]
async fn a_delivery_lands_by_its_event() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.path("data/uploads/daily")).unwrap();
    machine.file("data/uploads/daily/orders.zip", zip(&[("one.csv", b"H\n1\n")]));
    machine.file("data/uploads/daily/MANIFEST.MF", "orders;548174;\n");
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/run-delivery.json");
    for already_landed in [false, true] {
        let done = machine.landfall(&["run", event, "--json", "--simulate"]).await;
        assert_eq!(done.code, 0, "{}", done.out);
        let line = done.line();
        assert_eq!(line["already_landed"], already_landed, "{line}");
        assert_eq!(
            line["manifest"]["export"],
            json!({ "kind": "delivery", "manifest": "daily/MANIFEST.MF" })
        );
        assert_eq!(line["manifest"]["totals"]["rows"], 1, "{line}");
    }
    let words = ["sweep", "deliveries", "--export", "*", "--destination", "lake", "--json", "--simulate"];
    let done = machine.landfall(&words).await;
    assert_eq!((done.code, done.lines().len()), (0, 0), "{}", done.out);
}
