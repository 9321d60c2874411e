//! One process lands a whole folder of archives from other projects' test suites: it neither panics nor hangs, says one
//! line a file, and takes little memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use landfall_tests::say;
use serde_json::Value;
use wait4::Wait4 as _;

use crate::machine::Machine;

const MAX_MEMORY: u64 = 128 << 20;
/// The code of a command of which something was refused, and nothing worse happened.
const REFUSED: i32 = 3;

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// What one process came to.
struct Came {
    code: Option<i32>,
    lines: Vec<Value>,
    said: String,
    /// The most memory that it had resident, in bytes.
    peak: u64,
}

fn unpack(folders: &[&Path]) -> Came {
    let machine = Machine::new();
    let (out, said) = (machine.path("out"), machine.path("said"));
    let child = machine
        .program(&["unpack", "--json", "--data", "data"])
        .args(folders)
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&said).unwrap())
        .spawn();
    let ended = child.unwrap().wait4().unwrap();
    let lines = std::fs::read_to_string(out).unwrap();
    Came {
        code: ended.status.code(),
        lines: lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        said: std::fs::read_to_string(said).unwrap(),
        peak: ended.rusage.maxrss,
    }
}

/// Every file has one line, in order: landed, or refused under a name that says so.
fn assert_is_told(came: &Came, files: &[PathBuf]) -> (usize, usize) {
    assert!(!came.said.contains("panicked"), "{}", came.said);
    let reported: Vec<&str> = came.lines.iter().map(|line| line["archive"].as_str().unwrap()).collect();
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(reported, files);
    let refused = came.lines.iter().filter_map(|line| line["error"]["type"].as_str());
    let refused: Vec<&str> = refused.collect();
    for name in &refused {
        assert!(["UnsafeArchive", "Unsupported", "LimitExceeded", "IntegrityError"].contains(name), "{name}");
    }
    let landed = came.lines.iter().filter(|line| line["manifest"]["state"] == "succeeded").count();
    assert_eq!(landed + refused.len(), files.len());
    (landed, refused.len())
}

/// The whole corpus, in one process.
#[test]
fn a_folder_of_archives_lands_in_one_process_within_its_memory() {
    let Some(corpus) = corpus::folder() else { return };
    let files = files_below(&corpus);
    let came = unpack(&[&corpus]);
    let (landed, refused) = assert_is_told(&came, &files);
    say(&format!(
        "landfall unpack of {} files in one process: {landed} landed, {refused} refused, peak memory {} MiB",
        files.len(),
        came.peak >> 20
    ));
    assert_eq!(came.code, Some(REFUSED), "{}", came.said);
    assert!(landed > 100 && refused > 100, "this is not the corpus");
    assert!(came.peak < MAX_MEMORY, "peak memory {} bytes", came.peak);
}

/// What can be read of several paths lands, also where one cannot be read.
#[test]
fn a_folder_that_is_not_there_does_not_keep_another_from_landing() {
    let folder = Machine::new();
    folder.file("a.csv", "H\n1\n");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let came = unpack(&[&folder.path("missing"), &folder.path("empty"), &folder.path("")]);
    assert_eq!(came.lines.len(), 3, "{:?}", came.lines);
    assert_eq!(came.lines[0]["error"]["type"], "InvalidEvent");
    assert!(came.lines[1]["error"]["message"].as_str().unwrap().contains("holds no file"));
    assert_eq!(came.lines[2]["manifest"]["totals"]["objects"], 1);
    assert_eq!(came.code, Some(2), "{}", came.said);
}
