//! `landfall register`, and what `landfall unpack` does behind the manifest where its destination names a table: here with a
//! program that only says what it was told to. `.ci/register-table` has the real one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use embedded_store::{Credentials, EmbeddedStore, Handle, Options};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::machine::{Machine, text};

/// A machine with `landfall` in a folder of its own, where it looks for the other program, and a bucket that others reach.
struct Stage {
    machine: Machine,
    handle: Handle,
    config: PathBuf,
    file: PathBuf,
}

impl Stage {
    async fn new() -> Self {
        let machine = Machine::new();
        std::fs::create_dir(machine.path("bin")).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_landfall"), machine.path("bin/landfall")).unwrap();
        let store = EmbeddedStore::open(machine.path("lake"), Options::default()).unwrap();
        store.ensure_bucket("lake").unwrap();
        let credentials = Credentials::random();
        let handle = store.serve(0, &credentials).await.unwrap();
        let config = format!(
            "[destinations.lake]\ntype = 's3'\nbucket = 'lake'\nform = 'parquet'\n\
             table = {{ catalog = 'c', namespace = 'erp', name = 'ledger' }}\n\
             store = {{ endpoint = '{}', region = 'us-east-1', access_key_id = '{}', secret_access_key = '{}' }}\n\
             [destinations.plain]\ntype = 's3'\nbucket = 'lake'\n\
             store = {{ endpoint = '{0}', region = 'us-east-1', access_key_id = '{1}', secret_access_key = '{2}' }}\n\
             [catalogs.c]\nuri = 'http://127.0.0.1:1/'\n",
            handle.endpoint(),
            credentials.access_key_id,
            credentials.secret_access_key.expose_secret(),
        );
        let config = machine.file("landfall.toml", config);
        let file = machine.file("ledger.csv", "id\n1\n2\n");
        Self { machine, handle, config, file }
    }

    /// Puts the other program beside the first: it keeps each call, and answers this.
    fn beside(&self, answer: &Value) {
        self.machine.file("answer", format!("{answer}\n"));
        let calls = self.machine.path("calls");
        let answer = self.machine.path("answer");
        let script = format!(
            "#!/bin/sh\necho \"$1\" >> {0}\ncat >> {0}\necho >> {0}\ncat {1}\n",
            text(&calls),
            text(&answer)
        );
        let program = self.machine.file("bin/landfall-register-table", script);
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the other program was called with.
    fn calls(&self) -> Vec<Value> {
        let said = std::fs::read_to_string(self.machine.path("calls")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.iter().step_by(2).all(|word| *word == "once"), "{lines:?}");
        lines.iter().skip(1).step_by(2).map(|call| serde_json::from_str(call).unwrap()).collect()
    }

    /// Runs `landfall`: its exit code, and the lines that it printed.
    async fn landfall(&self, words: &[&str]) -> (i32, Vec<Value>) {
        let mut command = Command::new(self.machine.path("bin/landfall"));
        command
            .args(words)
            .args(["--json", "--config", text(&self.config)])
            .args(["--data", text(&self.machine.path("data"))]);
        command.env_remove("LANDFALL_LOG").env_remove("LANDFALL_CONFIG").env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null());
        let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let lines = String::from_utf8(done.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (done.status.code().unwrap(), lines)
    }

    async fn unpack(&self) -> (i32, Vec<Value>) {
        self.landfall(&["unpack", text(&self.file), "--destination", "lake"]).await
    }

    async fn status(&self) -> Value {
        let (code, mut lines) = self.landfall(&["status", "local"]).await;
        assert_eq!((code, lines.len()), (0, 1), "{lines:?}");
        lines.remove(0)
    }
}

fn table(already_registered: bool) -> Value {
    json!({
        "catalog": "c", "table": "erp.ledger", "snapshot_id": 7, "files": 1, "rows": 2,
        "already_registered": already_registered,
    })
}

/// Promise 2: what ended between the manifest and the table is told, with the command that helps, and whoever comes next goes on
/// there: the same command again, or the one that was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_in_its_table_is_told_and_gone_on_with() {
    let stage = Stage::new().await;
    // Nothing that registers is there, which is found out behind the manifest.
    let (code, lines) = stage.unpack().await;
    assert_eq!((code, lines.len()), (2, 2), "{lines:?}");
    assert_eq!(lines[0]["already_landed"], false);
    let error = &lines[1]["error"];
    assert_eq!(error["type"], "InvalidConfig", "{error}");
    for part in ["has landed, and is not in its table", "landfall-register-table"] {
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    let id = lines[0]["job_request_id"].as_str().unwrap();

    let told = stage.status().await;
    assert_eq!(told["state"], "landed_not_in_table", "{told}");
    assert_eq!(
        (&told["failure"]["step"], &told["failure"]["error"]),
        (&json!("register-table"), &error["type"])
    );
    let command = told["next"]["command"].as_str().unwrap();
    assert!(command.starts_with(&format!("landfall register local {id}")), "{command}");

    stage.beside(&json!({ "registered": { "tables": [table(false)] } }));
    let (code, lines) = stage.landfall(&["register", "local", id]).await;
    assert_eq!((code, &lines[0]["registered"]["tables"]), (0, &json!([table(false)])), "{lines:?}");
    let (code, lines) = stage.unpack().await;
    assert_eq!((code, &lines[0]["already_landed"]), (0, &json!(true)), "{lines:?}");
    assert_eq!(lines[1]["registered"]["tables"], json!([table(false)]));

    let calls = stage.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(
            (&call["event"]["connection"], &call["event"]["job_request_id"]),
            (&json!("local"), &json!(id))
        );
        assert_eq!(call["config"], format!("file:{}", text(&stage.config)));
        // The work bucket is this machine's own, which only the command line serves.
        assert_eq!(
            (&call["work"]["bucket"], call["work"]["store"]["endpoint"].is_string()),
            (&json!("work"), true)
        );
    }
    stage.handle.shutdown().await;
}

/// What the program fails over keeps its name, and is told of the job like any step's failure; of one that passes it is not asked
/// whether it helps to continue the job.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_program_fails_over_keeps_its_name() {
    let stage = Stage::new().await;
    let message = "table erp.ledger cannot hold what has landed: column \"id\"";
    stage.beside(&json!({ "error": { "type": "SchemaChanged", "message": message } }));
    let (code, lines) = stage.unpack().await;
    assert_eq!(code, 3, "{lines:?}");
    let error = &lines[1]["error"];
    assert_eq!(error["type"], "SchemaChanged");
    assert!(error["message"].as_str().unwrap().ends_with(message), "{error}");
    assert!(!lines[1].to_string().contains("--on-schema-change"), "{}", lines[1]);
    let failure = &stage.status().await["failure"];
    assert_eq!((&failure["message"], &failure["times"]), (&json!(message), &json!(1)));

    // One that says nothing at all is told, too.
    stage.machine.file("answer", "");
    let id = lines[0]["job_request_id"].as_str().unwrap();
    let (code, lines) = stage.landfall(&["register", "local", id]).await;
    assert_eq!((code, &lines[0]["error"]["type"]), (1, &json!("ContractBroken")), "{lines:?}");
    stage.handle.shutdown().await;
}

/// Where no table is named, nothing is called, and `register` says what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_table_is_named_nothing_is_called() {
    let stage = Stage::new().await;
    stage.beside(&json!({ "registered": { "tables": [] } }));
    let (code, lines) = stage.landfall(&["unpack", text(&stage.file), "--destination", "plain"]).await;
    assert_eq!((code, lines.len()), (0, 1), "{lines:?}");
    let id = lines[0]["job_request_id"].as_str().unwrap();
    assert_eq!(stage.status().await["state"], "landed");
    let (code, lines) = stage.landfall(&["register", "local", id]).await;
    assert_eq!((code, &lines[0]["error"]["type"]), (2, &json!("InvalidConfig")), "{lines:?}");
    assert!(lines[0]["error"]["message"].as_str().unwrap().contains("plain names no table"), "{lines:?}");
    assert!(stage.calls().is_empty());
    stage.handle.shutdown().await;
}
