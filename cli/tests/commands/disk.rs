//! Promise 6: no temporary disk. A process whose files may hold no byte lands a job whose files and members take
//! several parts; store and simulator are another process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::machine::{Machine, run_event};

/// Two archives, each of a member that takes three parts: one deflated, one stored.
const SCENARIO: &str = r#"{
    "views": ["carriersExtract"],
    "chunks_per_view": 2,
    "member_size": { "bytes": 20971520 },
    "producers": ["java_stream", "stored"]
}"#;

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves store and simulator, and leaves their configuration in a file.
fn served(machine: &Machine) -> Served {
    machine.file("scenario.json", SCENARIO);
    let mut child = machine
        .program(&["simulate", "--port", "0", "--scenario", "scenario.json", "--data", "elsewhere"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let served = Served(child);
    let mut config = String::new();
    // Three buckets have a store each, of which the last line is its secret; the destination is the last.
    while config.matches("\nsecret_access_key").count() < 3 {
        assert_ne!(lines.read_line(&mut config).unwrap(), 0, "{config}");
    }
    machine.file("landfall.toml", config);
    served
}

#[test]
fn a_job_lands_through_a_process_that_can_write_no_file() {
    let machine = Machine::new();
    let _served = served(&machine);
    machine.file("event.json", run_event("fusion-demo"));
    std::fs::create_dir(machine.path("here")).unwrap();
    let script = "ulimit -f 0; exec \"$0\" run event.json --config landfall.toml --data here --json";
    let run = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_landfall")])
        .current_dir(machine.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(line["manifest"]["totals"]["bytes"].as_u64().unwrap() > 40 << 20, "{said}");
    let written = std::fs::read_dir(machine.path("here")).unwrap().count();
    assert_eq!(written, 0, "files of {}", machine.path("here").display());
}
