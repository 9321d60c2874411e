//! A machine to run commands on, in a folder of its own.

use std::ffi::OsString;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use clap::Parser as _;
use futures::FutureExt as _;
use landfall_cli::{Arguments, Progress, execute};
use serde_json::{Value, json};
use simulator::{Scenario, Simulator};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

/// What a command came to.
pub(crate) struct Done {
    pub(crate) code: u8,
    pub(crate) out: String,
}

impl Done {
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn line(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{}", self.out);
        lines.remove(0)
    }

    pub(crate) fn error(&self) -> (u8, String) {
        (self.code, self.line()["error"]["type"].as_str().unwrap().to_owned())
    }
}

pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs `landfall` with these words, and with this machine's data folder.
    pub(crate) async fn landfall(&self, words: &[&str]) -> Done {
        let data = self.path("data");
        self.without_data(&[words, &["--data", text(&data)]].concat()).await
    }

    /// Runs `landfall` with these words alone.
    pub(crate) async fn without_data(&self, words: &[&str]) -> Done {
        let program = ["landfall"].iter().chain(words).map(OsString::from);
        let arguments = Arguments::try_parse_from(program).unwrap();
        let mut out = Vec::new();
        // Its type forgotten: it holds those of every step.
        let code = execute(&arguments, &mut out, Arc::new(Progress::silent())).boxed_local().await;
        Done { code, out: String::from_utf8(out).unwrap() }
    }

    /// The program itself, run in this machine's folder: what a user's own environment says is not heard.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("LANDFALL_LOG").env_remove("LANDFALL_CONFIG");
        command
    }

    /// What was said, without what is this machine's own: where its folder is, and the ports that its servers have.
    pub(crate) fn redacted(&self, said: &str) -> String {
        let said = said.replace(text(self.folder.path()), "[folder]");
        let mut parts = said.split("127.0.0.1:");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |said, part| {
            said + "127.0.0.1:[port]" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
        })
    }

    /// The machine's folder stays, for somebody who wants to see why a test has failed.
    pub(crate) fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// What the work bucket keeps of jobs, without the folders above them.
    pub(crate) fn kept(&self) -> Vec<String> {
        let jobs = self.path("data/work/jobs");
        let below = |path: &Path| -> Option<String> {
            let mut parts = path.strip_prefix(&jobs).ok()?.components().skip(2);
            Some(parts.by_ref().collect::<PathBuf>().to_str()?.to_owned())
        };
        self.files("data/work/jobs").iter().filter_map(|(path, _)| below(path)).collect()
    }

    /// Every landed file and when it was last written.
    pub(crate) fn landed(&self) -> Vec<(PathBuf, SystemTime)> {
        self.files("data/landing")
    }

    /// Every file below a folder and when it was last written.
    pub(crate) fn files(&self, folder: &str) -> Vec<(PathBuf, SystemTime)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => found.push((entry.path(), entry.metadata().unwrap().modified().unwrap())),
                }
            }
        }
        found.sort();
        found
    }
}

/// All that a program has said.
pub(crate) fn all_said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn run_event(connection: &str) -> Vec<u8> {
    let mut event = landfall_tests::run_event();
    event["connection"] = json!(connection);
    event.to_string().into_bytes()
}

/// A simulator of small jobs, and a configuration that names it and nothing else.
pub(crate) async fn pod(machine: &Machine, timeout_seconds: u64) -> (Simulator, PathBuf) {
    pod_of(machine, timeout_seconds, Scenario { chunks_per_view: 1, ..Scenario::default() }).await
}

/// The same, of a pod that holds this.
pub(crate) async fn pod_of(
    machine: &Machine,
    timeout_seconds: u64,
    scenario: Scenario,
) -> (Simulator, PathBuf) {
    let simulator = Simulator::builder().scenario(scenario).start(0).await.unwrap();
    let config = format!(
        "[connections.pod]\ntype = 'fusion'\nbase_url = '{base}'\nscopes = {{ batch = '{batch}', boss = '{boss}' }}\n\
         auth = {{ grant = 'client_credentials', token_url = '{token}', client_id = '{id}', client_secret = '{secret}' }}\n\
         job = {{ poll_seconds = 0, timeout_seconds = {timeout_seconds}, settle_seconds = 0 }}\n",
        base = simulator.base_url(),
        token = simulator.token_url(),
        batch = simulator::credentials::BATCH_SCOPE,
        boss = simulator::credentials::BOSS_SCOPE,
        id = simulator::credentials::CLIENT_ID,
        secret = simulator::credentials::CLIENT_SECRET,
    );
    let config = machine.file("landfall.toml", config);
    (simulator, config)
}
