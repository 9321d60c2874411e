//! One process lands a whole folder of archives from other projects' test suites: it neither panics nor hangs, says one
//! line a file, and takes little memory.

// The exemption for tests does not reach the functions that they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use wait4::Wait4 as _;

/// Beside the workspace, as the design has it.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/zip");
const MOST_MEMORY: u64 = 128 << 20;
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
    let data = TempDir::new().unwrap();
    let (out, said) = (data.path().join("out"), data.path().join("said"));
    let child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .arg("unpack")
        .args(folders)
        .args(["--json", "--data"])
        .arg(data.path().join("data"))
        .env_remove("LANDFALL_CONFIG")
        .stdin(Stdio::null())
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
    let told: Vec<&str> = came.lines.iter().map(|line| line["archive"].as_str().unwrap()).collect();
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(told, files);
    let refused = came.lines.iter().filter_map(|line| line["error"]["type"].as_str());
    let refused: Vec<&str> = refused.collect();
    for name in &refused {
        assert!(["UnsafeArchive", "LimitExceeded", "IntegrityError"].contains(name), "{name}");
    }
    let landed = came.lines.iter().filter(|line| line["manifest"]["state"] == "succeeded").count();
    assert_eq!(landed + refused.len(), files.len());
    (landed, refused.len())
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The whole corpus, in one process.
#[test]
fn a_folder_of_archives_lands_in_one_process_within_its_memory() {
    let corpus = Path::new(CORPUS);
    if !corpus.is_dir() {
        return say(&format!("skipped: no corpus at {CORPUS}"));
    }
    let files = files_below(corpus);
    let came = unpack(&[corpus]);
    let (landed, refused) = assert_is_told(&came, &files);
    say(&format!(
        "landfall unpack of {} files in one process: {landed} landed, {refused} refused, peak memory {} MiB",
        files.len(),
        came.peak >> 20
    ));
    assert_eq!(came.code, Some(REFUSED), "{}", came.said);
    assert!(landed > 100 && refused > 100, "this is not the corpus");
    assert!(came.peak < MOST_MEMORY, "peak memory {} bytes", came.peak);
}

/// What can be read of several paths lands, also where one cannot be read.
#[test]
fn a_folder_that_is_not_there_does_not_keep_another_from_landing() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.csv"), "H\n1\n").unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let came = unpack(&[&folder.path().join("missing"), &folder.path().join("empty"), folder.path()]);
    assert_eq!(came.lines.len(), 3, "{:?}", came.lines);
    assert_eq!(came.lines[0]["error"]["type"], "InvalidEvent");
    assert!(came.lines[1]["error"]["message"].as_str().unwrap().contains("holds no file"));
    assert_eq!(came.lines[2]["manifest"]["totals"]["objects"], 1);
    assert_eq!(came.code, Some(2), "{}", came.said);
}
