//! What `landfall verify` finds, and that `--repair` lands it again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::machine::{Done, Machine, run_event, text, zip};

/// A machine on which a run of two files has landed, by the simulator; its manifest, and its objects.
async fn landed() -> (Machine, PathBuf, Vec<PathBuf>) {
    let machine = Machine::new();
    let event = machine.file("event.json", run_event("pod"));
    let scenario = machine.file("scenario.json", r#"{ "chunks_per_view": 1, "members_per_chunk": 2 }"#);
    let words = ["run", text(&event), "--simulate", "--scenario", text(&scenario), "--json"];
    let line = machine.landfall(&words).await.line();
    let landing = machine.path("data/landing");
    let place = |key: &Value| landing.join(key.as_str().unwrap());
    let objects = line["manifest"]["objects"].as_array().unwrap().iter().map(|object| place(&object["key"]));
    (machine, place(&line["manifest_key"]), objects.collect())
}

async fn verify(machine: &Machine, more: &[&str]) -> Done {
    machine.landfall(&[&["verify", "--json"], more].concat()).await
}

/// What is found, without the last line, which sums it up.
fn findings(done: &Done) -> Vec<String> {
    let mut lines = done.lines();
    let verified = lines.pop().unwrap();
    assert!(verified["verified"].is_object(), "{}", done.out);
    lines.iter().map(|line| line["finding"].as_str().unwrap_or("none").to_owned()).collect()
}

/// Writes other bytes in the place of some, as many as there were.
fn change(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.last_mut().unwrap();
    *last ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Edits a manifest, a line at a time.
fn edit(manifest: &Path, edit: impl Fn(&str) -> Option<String>) {
    let whole = fs::read_to_string(manifest).unwrap();
    let lines: Vec<String> = whole.lines().filter_map(edit).collect();
    fs::write(manifest, lines.join("\n") + "\n").unwrap();
}

/// Of what has landed whole nothing is said, and nothing of it is changed, whether it is read or asked for.
#[tokio::test]
async fn of_what_is_whole_nothing_is_said() {
    let (machine, _, objects) = landed().await;
    let before = machine.landed();
    for more in [&[][..], &["--read"], &["pod"]] {
        let done = verify(&machine, more).await;
        assert_eq!((done.code, findings(&done)), (0, Vec::new()), "{}", done.out);
        let verified = &done.lines()[0]["verified"];
        assert_eq!((&verified["jobs"], &verified["findings"]), (&json!(1), &json!(0)));
        assert_eq!(verified["objects"], objects.len());
    }
    assert_eq!(machine.landed(), before);
    let other = verify(&machine, &["elsewhere"]).await;
    assert_eq!(other.error(), (2, "NotFound".to_owned()), "what is misspelt is not whole");
    let nothing = Machine::new();
    assert_eq!(verify(&nothing, &[]).await.code, 0);
}

/// Promise 6: each way in which what has landed can be lost behind landfall's back is told by name; a repair lands it
/// again, with the same bytes.
#[tokio::test]
async fn what_is_lost_is_found_and_landed_again() {
    type Harm = fn(&Path, &[PathBuf]);
    let harms: [(&str, &str, Harm); 8] = [
        ("an object is deleted", "object_gone", |_, objects| fs::remove_file(&objects[0]).unwrap()),
        ("an object is cut", "object_changed", |_, objects| {
            let bytes = fs::read(&objects[1]).unwrap();
            fs::write(&objects[1], &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("an object has other bytes", "object_changed", |_, objects| change(&objects[1])),
        ("an object is empty", "object_changed", |_, objects| fs::write(&objects[0], b"").unwrap()),
        ("the manifest is deleted", "manifest_gone", |manifest, _| fs::remove_file(manifest).unwrap()),
        ("the manifest names an object less", "manifest_changed", |manifest, objects| {
            let name = objects[0].file_name().unwrap().to_str().unwrap();
            edit(manifest, |line| (!line.contains(&format!("{name}\",\"size\""))).then(|| line.to_owned()));
        }),
        ("the manifest counts other rows", "manifest_changed", |manifest, _| {
            edit(manifest, |line| {
                Some(line.replacen("\"objects\": ", "\"objects\": 1", usize::from(line.starts_with("    "))))
            });
        }),
        ("the manifest is something else", "manifest_changed", |manifest, _| {
            fs::write(manifest, b"{\"manifest_version\":1}").unwrap();
        }),
    ];
    let (machine, manifest, objects) = landed().await;
    let all = [&[manifest.clone()][..], &objects].concat();
    let contents = || -> Vec<Vec<u8>> { all.iter().map(|path| fs::read(path).unwrap()).collect() };
    let whole = contents();
    for (what, found, harm) in harms {
        harm(&manifest, &objects);
        let done = verify(&machine, &["--read"]).await;
        assert_eq!(done.code, 1, "{what}: {}", done.out);
        assert_eq!(findings(&done).first().map(String::as_str), Some(found), "{what}: {}", done.out);
        let words = machine.landfall(&["verify", "--read"]).await.out;
        assert!(words.contains("landfall verify pod 44046 --repair"), "{what}: {words}");

        let repaired = verify(&machine, &["--repair", "--read", "--simulate"]).await;
        assert_eq!(repaired.code, 0, "{what}: {}", repaired.out);
        assert!(contents() == whole, "{what}");
        assert_eq!(verify(&machine, &["--read"]).await.code, 0, "{what}");
    }
}

/// A manifest that was made to name somebody else's object does not lead a repair to delete it.
#[tokio::test]
async fn a_repair_deletes_nothing_of_others() {
    let (machine, manifest, objects) = landed().await;
    let whole = fs::read(&manifest).unwrap();
    let landing = machine.path("data/landing");
    let others = machine.path("data/landing/others.csv");
    fs::write(&others, b"H\n1\n").unwrap();
    let key = objects[0].strip_prefix(&landing).unwrap().to_str().unwrap().to_owned();
    edit(&manifest, |line| Some(line.replace(&format!("\"key\":\"{key}\""), "\"key\":\"others.csv\"")));
    let done = verify(&machine, &[]).await;
    assert_eq!(findings(&done), ["object_changed", "manifest_changed"], "{}", done.out);
    let repaired = verify(&machine, &["--repair", "--simulate"]).await;
    assert_eq!(repaired.code, 0, "{}", repaired.out);
    assert_eq!(fs::read(&others).unwrap(), b"H\n1\n");
    assert!(fs::read(&manifest).unwrap() == whole);
}

/// A local file that is still there is landed again without any configuration; one that is not says so, and stays a
/// finding.
#[tokio::test]
async fn a_local_file_is_landed_again_where_it_still_is() {
    let machine = Machine::new();
    let archive = machine.file("a.zip", zip(&[("one.csv", b"H\n1\n")]));
    let line = machine.landfall(&["unpack", text(&archive), "--json"]).await.line();
    let object = machine.path("data/landing").join(line["manifest"]["objects"][0]["key"].as_str().unwrap());
    fs::remove_file(&object).unwrap();
    assert_eq!(verify(&machine, &[]).await.code, 1);
    let repaired = verify(&machine, &["--repair"]).await;
    assert_eq!((repaired.code, fs::read(&object).unwrap()), (0, b"H\n1\n".to_vec()), "{}", repaired.out);

    fs::remove_file(&object).unwrap();
    fs::remove_file(&archive).unwrap();
    let failed = verify(&machine, &["--repair"]).await;
    assert_eq!(failed.code, 1, "{}", failed.out);
    assert!(failed.lines().iter().any(|line| line["error"].is_object()), "{}", failed.out);
    assert_ne!(verify(&machine, &[]).await.code, 0);
}

/// What cannot be looked at is not said to be whole.
#[tokio::test]
async fn what_cannot_be_looked_at_is_not_whole() {
    let (machine, ..) = landed().await;
    let config = machine.file("config.toml", "[connections.pod]\nkind = \"fusion_extract\"\n");
    let done = verify(&machine, &["--config", text(&config)]).await;
    let damaged = machine.path("data/work/jobs/pod/44046/job.json");
    assert_eq!(done.code, 0, "{}", done.out);
    let record = fs::read_to_string(&damaged).unwrap();
    fs::write(&damaged, record.replace("\"destination\":\"", "\"destination\":\"un")).unwrap();
    let config = machine.file("config.toml", "[destinations.other]\ntype = \"s3\"\nbucket = \"b\"\n");
    let done = verify(&machine, &["--config", text(&config)]).await;
    assert_eq!(done.code, 2, "{}", done.out);
}
