//! What must hold of whatever strangers send (promises 5 to 7), tried with all inputs that are kept: the fuzz targets'
//! seeds, what they have found before, the sample events, and the corpus of archives. `fuzz/run.sh` looks for others.
//!
//! A program of its own, and one test: what an input costs in memory is counted over the whole process.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use landfall_tests::say;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// What the targets are given at most.
const MAX_BYTES: u64 = 64 << 10;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 8] = [
    ("answers", landfall_fuzz::answers),
    ("archive", landfall_fuzz::archive),
    ("archive_structured", landfall_fuzz::archive_structured),
    ("directory", landfall_fuzz::directory),
    ("events", landfall_fuzz::events),
    ("http_edges", landfall_fuzz::http_edges),
    ("redactor", landfall_fuzz::redactor),
    ("rows", landfall_fuzz::rows),
];

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn kept(target: &str) -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut files = files_in(&root.join("fuzz/seeds").join(target));
    files.extend(files_in(&root.join("fuzz/regressions").join(target)));
    match target {
        "events" => files.extend(files_in(&root.join("events"))),
        "archive" | "directory" => {
            files.extend(corpus::folder().iter().flat_map(|corpus| corpus::files(corpus).unwrap()));
        }
        _ => {}
    }
    files.retain(|file| fs::metadata(file).unwrap().len() <= MAX_BYTES);
    files
}

/// A finding that has been mended stays mended, and no target is left out.
#[test]
fn what_is_kept_of_fuzzing_holds() {
    let targets = files_in(&Path::new(ROOT).join("fuzz/fuzz_targets"));
    let names: Vec<&str> = targets.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
    let mut findings = Vec::new();
    for (name, target) in TARGETS {
        let files = kept(name);
        for file in &files {
            let bytes = fs::read(file).unwrap();
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                findings.push(format!("{name}: {}", file.display()));
            }
        }
        say(&format!("{name}: {} inputs", files.len()));
    }
    assert!(findings.is_empty(), "{findings:#?}");
}
