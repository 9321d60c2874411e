//! The process itself: what a signal does to it, and how it is gone on with.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::machine::{Machine, all_said, run_event};

/// Starts a run that never ends, signals it once it waits for its job, and returns its exit code and stderr.
fn stopped_by(signal: &str, machine: &Machine) -> (Option<i32>, String) {
    machine.file("event.json", run_event("fusion-demo"));
    machine.file("faults.json", r#"{ "status": { "never_ends": true } }"#);
    let words = ["run", "event.json", "--simulate", "--faults", "faults.json", "--data", "d"];
    let mut run = machine.program(&words).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
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

/// Ctrl-C stops a run cleanly, the run says how to continue, and that command lands its one job.
#[test]
fn a_stopped_run_says_how_to_go_on_and_that_lands_it() {
    let machine = Machine::new();
    let (code, said) = stopped_by("-INT", &machine);
    assert_eq!(code, Some(130), "{said}");
    let resume = said.lines().find_map(|line| line.strip_prefix("to continue: landfall ")).unwrap();
    assert!(resume.starts_with("resume fusion-demo ") && resume.contains("--simulate"), "{said}");

    machine.file("faults.json", "{}");
    let words: Vec<_> = resume.split(' ').collect();
    let resumed = machine.program(&words).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", all_said(&resumed));
    assert!(all_said(&resumed).contains("landed: job "), "{}", all_said(&resumed));

    let journal = machine.path("d/simulator").join(simulator::JOURNAL_FILE);
    let journal = std::fs::read_to_string(journal).unwrap();
    assert_eq!(journal.matches("submit_job").count(), 1);
}

/// SIGTERM, which is what a machine that shuts down sends, does the same.
#[test]
fn sigterm_is_a_clean_stop() {
    let machine = Machine::new();
    let (code, said) = stopped_by("-TERM", &machine);
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("SIGTERM") && said.contains("landfall resume"), "{said}");
}

/// Wrong usage is exit code 2, help is none; neither writes a result.
#[test]
fn the_parser_has_exit_codes_of_its_own() {
    let machine = Machine::new();
    let code = |words: &[&str]| machine.program(words).output().unwrap().status.code();
    assert_eq!(code(&["land"]), Some(2));
    assert_eq!(code(&["run", "e.json", "--simulate", "--config", "c.toml"]), Some(2));
    assert_eq!(code(&["--help"]), Some(0));
    assert!(std::fs::read_dir(machine.path("")).unwrap().next().is_none());
}
