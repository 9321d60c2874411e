//! The process itself: what a signal does to it, and how it is gone on with.

// The exemption for tests does not reach the functions that they share.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const EVENT: &str = r#"{
    "connection": "fusion-demo",
    "export": { "kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "incremental" },
    "destination": "lake",
    "run_key": "carriers-2026-11-21T06"
}"#;

fn landfall(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.args(words).current_dir(folder).env_remove("LANDFALL_LOG").env_remove("LANDFALL_CONFIG");
    command
}

/// Starts a run that never ends, signals it once it waits for its job, and returns its exit code and stderr.
fn stopped_by(signal: &str, folder: &Path) -> (Option<i32>, String) {
    std::fs::write(folder.join("event.json"), EVENT).unwrap();
    std::fs::write(folder.join("faults.json"), r#"{ "status": { "never_ends": true } }"#).unwrap();
    let words = ["run", "event.json", "--simulate", "--faults", "faults.json", "--data", "d"];
    let mut run = landfall(folder, &words).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stderr = BufReader::new(run.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("waiting for job") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let sent = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
    stderr.read_to_string(&mut said).unwrap();
    (run.wait().unwrap().code(), said)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Ctrl-C stops a run cleanly, the run says how to go on, and that command lands its one job.
#[test]
fn a_stopped_run_says_how_to_go_on_and_that_lands_it() {
    let folder = TempDir::new().unwrap();
    let (code, said) = stopped_by("-INT", folder.path());
    assert_eq!(code, Some(130), "{said}");
    let resume = said.lines().find_map(|line| line.strip_prefix("to go on: landfall ")).unwrap();
    assert!(resume.starts_with("resume fusion-demo ") && resume.contains("--simulate"), "{said}");

    std::fs::write(folder.path().join("faults.json"), "{}").unwrap();
    let words: Vec<_> = resume.split(' ').collect();
    let resumed = landfall(folder.path(), &words).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed));
    assert!(text(&resumed).contains("landed: job "), "{}", text(&resumed));

    let journal = folder.path().join("d/simulator").join(simulator::JOURNAL_FILE);
    let journal = std::fs::read_to_string(journal).unwrap();
    assert_eq!(journal.matches("submit_job").count(), 1);
}

/// SIGTERM, which is what a machine that shuts down sends, does the same.
#[test]
fn sigterm_is_a_clean_stop() {
    let folder = TempDir::new().unwrap();
    let (code, said) = stopped_by("-TERM", folder.path());
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("SIGTERM") && said.contains("landfall resume"), "{said}");
}

/// Wrong usage is exit code 2, help is none; neither writes a result.
#[test]
fn the_parser_has_exit_codes_of_its_own() {
    let folder = TempDir::new().unwrap();
    let code = |words: &[&str]| landfall(folder.path(), words).output().unwrap().status.code();
    assert_eq!(code(&["land"]), Some(2));
    assert_eq!(code(&["run", "e.json", "--simulate", "--config", "c.toml"]), Some(2));
    assert_eq!(code(&["--help"]), Some(0));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}
