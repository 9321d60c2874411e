//! Whole runs: from the job's end at the source to the manifest in the store, both a network away; and a script that does
//! the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;
use serde_json::{Value, json};
use simulator::{Entry, Operation};

use crate::contestants::Surroundings;
use crate::failure::{Failure, Result, While as _};
use crate::measure::{self, Server, Usage};
use crate::sink::{Counts, WORK};
use crate::source::{self, Source};
use crate::wire;

/// How long jobs take at the source. A poll each 30 s is half of that late at the end of either, as it is on average.
const JOB_SECONDS: [u64; 2] = [15, 45];
const QUICK_SECONDS: [u64; 2] = [1, 5];

/// What everything is a way from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distance<'a> {
    /// Milliseconds of a round trip.
    pub(crate) milliseconds: &'a str,
    /// Bytes a second, a connection.
    pub(crate) bytes_a_second: &'a str,
    /// The store's port, from there.
    pub(crate) store_port: u16,
}

/// Who runs an export and lands what it puts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// `landfall run`.
    Landfall,
    /// The script: submit, poll, download, extract, put.
    Script,
}

/// An export, run again and again by somebody, each time a job of its own.
#[derive(Debug, Serialize)]
pub(crate) struct Export {
    /// The kind of export.
    pub(crate) kind: &'static str,
    /// How long its job takes; none where there is no job, and what counts is the time from the run's beginning.
    pub(crate) job_seconds: Option<u64>,
    /// Who runs it.
    pub(crate) who: Who,
    /// One a round. From the second on, landfall knows how long the job takes.
    pub(crate) runs: Vec<WholeRun>,
    /// Why there are none.
    pub(crate) missing: Option<String>,
}

impl Export {
    /// The first run, when nothing was known of the export.
    pub(crate) fn first(&self) -> &[WholeRun] {
        self.runs.get(..1).unwrap_or_default()
    }

    /// The others.
    pub(crate) fn later(&self) -> &[WholeRun] {
        self.runs.get(1..).unwrap_or_default()
    }
}

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WholeRun {
    /// From the job's end to the manifest, or to the last object where there is none.
    pub(crate) seconds: f64,
    /// What the bytes that came from the source, and then those that landed, take over one connection each.
    pub(crate) wire_seconds: f64,
    /// Requests to the source, by what they were for.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Transitions that the state machine would have taken.
    pub(crate) transitions: Option<u64>,
    /// What the process used, while it waited too.
    pub(crate) usage: Usage,
}

/// Every system's exports, by landfall and by the script.
pub(crate) async fn exports(
    around: &Surroundings,
    distance: Distance<'_>,
    rounds: u32,
    is_quick: bool,
) -> Result<Vec<Export>> {
    let seconds = if is_quick { QUICK_SECONDS } else { JOB_SECONDS };
    let mut exports = Vec::new();
    for source in Source::ALL {
        let takes: Vec<_> = match source {
            Source::FusionRest => vec![None],
            _ => seconds.map(Some).to_vec(),
        };
        for job_seconds in takes {
            let mut landed = Vec::new();
            for who in [Who::Landfall, Who::Script] {
                let case = Case { source, job_seconds, who, is_quick };
                let mut export =
                    Export { kind: source.kind(), job_seconds, who, runs: Vec::new(), missing: None };
                let ran = case.run(around, distance, rounds, &mut export.runs, &mut landed).await;
                export.missing = ran.err().map(|failure| failure.line());
                exports.push(export);
            }
        }
    }
    Ok(exports)
}

/// What has landed after a round, whoever has landed it.
type Landed = (u64, u64, u64);

#[derive(Clone, Copy)]
struct Case {
    source: Source,
    job_seconds: Option<u64>,
    who: Who,
    is_quick: bool,
}

impl Case {
    async fn run(
        self,
        around: &Surroundings,
        distance: Distance<'_>,
        rounds: u32,
        runs: &mut Vec<WholeRun>,
        landed: &mut Vec<Landed>,
    ) -> Result<()> {
        let doing = "making a folder for whole runs";
        let folder = around.empty_folder()?;
        let of_source = folder.join("source");
        fs::create_dir_all(&of_source).while_doing(doing)?;
        let _source = Server::start(&mut self.source(&of_source, distance)?)?;
        wire::reset(around.sink_port).await?;
        for round in 1..=rounds {
            let of_run = folder.join(format!("run-{round}"));
            fs::create_dir_all(&of_run).while_doing(doing)?;
            let mut command = self.command(around, distance, &of_source, &of_run, round)?;
            let before = wire::counts(around.sink_port).await?;
            let asked_before = source::journal(&of_source).map(|entries| entries.len()).unwrap_or_default();
            let began = jiff::Timestamp::now().as_millisecond();
            let (_, usage) = measure::run(command.current_dir(&of_run))?;
            let mut entries = source::journal(&of_source)?;
            let entries = entries.split_off(asked_before);
            let ended = self.job_seconds.map_or(Some(began), |_| source::last_end(&of_source));
            let counts = wire::counts(around.sink_port).await?;
            let landed_bytes = counts.object_bytes - before.object_bytes;
            let run = self.look_at(&entries, ended, &counts, landed_bytes, usage, distance)?;
            self.has_landed_the_same(round, &counts, landed)?;
            eprintln!(
                "end-to-end {round}/{rounds}: {}, {} s, {:?}: {:.2} s",
                self.source.kind(),
                self.job_seconds.unwrap_or_default(),
                self.who,
                run.seconds
            );
            runs.push(run);
        }
        Ok(())
    }

    fn look_at(
        self,
        entries: &[Entry],
        ended: Option<i64>,
        counts: &Counts,
        landed_bytes: u64,
        usage: Usage,
        distance: Distance<'_>,
    ) -> Result<WholeRun> {
        let landed = counts.last_landed.as_ref().ok_or_else(|| Failure::new("it has landed nothing"))?;
        if self.who == Who::Landfall && !landed.key.ends_with("_manifest.json") {
            return Err(Failure::new(format!("the last that it has landed is no manifest: {}", landed.key)));
        }
        let ended = ended.ok_or_else(|| Failure::new("no job has ended"))?;
        let milliseconds = i32::try_from(landed.at_milliseconds - ended).while_doing("measuring a run")?;
        let brings =
            |entry: &&Entry| matches!(entry.operation, Operation::Download | Operation::ReadResource);
        let brought: u64 = entries.iter().filter(brings).map(|entry| entry.bytes_sent).sum();
        let bytes_a_second: f64 = distance.bytes_a_second.parse().while_doing("reading a rate")?;
        let mut requests = BTreeMap::new();
        for entry in entries {
            let name = serde_json::to_value(entry.operation).while_doing("naming a request")?;
            *requests.entry(name.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        Ok(WholeRun {
            seconds: f64::from(milliseconds) / 1000.0,
            wire_seconds: (number(brought) + number(landed_bytes)) / bytes_a_second,
            transitions: (self.who == Who::Landfall).then(|| self.transitions(&requests)),
            requests,
            usage,
        })
    }

    /// By the formula of `docs/cost.md`.
    fn transitions(self, requests: &BTreeMap<String, u64>) -> u64 {
        let of = |name: &str| requests.get(name).copied().unwrap_or_default();
        let polls = of("job_status").max(1);
        let lists = of("list_output_files").max(of("list_files")).max(1);
        12 + 3 * polls + 3 * self.source.files() + 3 * (lists - 1)
    }

    /// Whoever lands something else is not fast but wrong. Rows of a resource are written in another way by each.
    fn has_landed_the_same(self, round: u32, counts: &Counts, landed: &mut Vec<Landed>) -> Result<()> {
        let now = (counts.objects, counts.object_bytes, counts.digest);
        let place = usize::try_from(round).unwrap_or(usize::MAX).saturating_sub(1);
        match landed.get(place) {
            Some(before) if *before != now && self.source != Source::FusionRest => Err(Failure::new(
                format!("it has landed (objects, bytes, CRCs' sum) {now:?}, and landfall {before:?}"),
            )),
            Some(_) => Ok(()),
            None => {
                landed.push(now);
                Ok(())
            }
        }
    }

    fn source(self, folder: &Path, distance: Distance<'_>) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().while_doing("finding this program")?);
        let seconds = self.job_seconds.unwrap_or_default().to_string();
        command.args([
            "source",
            self.source.kind(),
            &seconds,
            distance.milliseconds,
            distance.bytes_a_second,
        ]);
        command.arg(folder);
        if self.is_quick {
            command.arg("--quick");
        }
        Ok(command)
    }

    fn command(
        self,
        around: &Surroundings,
        distance: Distance<'_>,
        of_source: &Path,
        of_run: &Path,
        round: u32,
    ) -> Result<Command> {
        let doing = "preparing a run";
        let connection = of_source.join(source::CONNECTION_FILE);
        let endpoint = format!("http://127.0.0.1:{}", distance.store_port);
        if self.source == Source::Folio {
            fs::write(of_run.join("ids.csv"), ids(self.is_quick)).while_doing(doing)?;
        }
        if self.who == Who::Script {
            for package in ["requests", "boto3"] {
                around.tools.require(package)?;
            }
            let mut command = Command::new(around.tools.program("python"));
            command.arg(around.python.join("end_to_end.py")).args([self.source.kind(), &endpoint, "landing"]);
            command.arg(&connection).arg(format!("round-{round}"));
            return Ok(command);
        }
        let connection: Value =
            serde_json::from_slice(&fs::read(&connection).while_doing(doing)?).while_doing(doing)?;
        let config = toml::to_string(&config(&endpoint, &connection)).while_doing(doing)?;
        fs::write(of_run.join("landfall.toml"), config).while_doing(doing)?;
        let event = json!({
            "connection": "source", "destination": "lake", "export": self.export(), "run_key": format!("round-{round}"),
        });
        fs::write(of_run.join("event.json"), event.to_string()).while_doing(doing)?;
        let mut command = Command::new(around.programs.join("landfall"));
        command.args(["run", "event.json", "--config", "landfall.toml"]);
        Ok(command)
    }

    fn export(self) -> Value {
        match self.source {
            Source::FusionExtract => {
                json!({ "kind": "fusion_extract", "extract": "SimpleCarriers", "mode": "full" })
            }
            Source::Epm => json!({
                "kind": "epm_job", "job_type": "INTEGRATION", "job_name": "BESSAPP",
                "parameters": { "periodName": "{Jan-06}", "importMode": "Replace", "exportMode": "Merge" },
            }),
            Source::Folio => json!({
                "kind": "folio_export", "profile": "Default instances export job profile",
                "records": { "file": "ids.csv" },
            }),
            Source::FusionRest => {
                json!({ "kind": "fusion_rest", "resource": "invoices", "expand": ["invoiceLines"] })
            }
        }
    }
}

fn config(endpoint: &str, connection: &Value) -> Value {
    let store = json!({
        "endpoint": endpoint, "region": "us-east-1", "access_key_id": "bench", "secret_access_key": "bench",
    });
    json!({
        "work": { "bucket": WORK, "store": store },
        "destinations": { "lake": { "type": "s3", "bucket": "landing", "store": store } },
        "connections": { "source": connection },
    })
}

fn ids(is_quick: bool) -> String {
    let mut lines = String::new();
    for number in 1..=Source::records(is_quick) {
        let _ = writeln!(lines, "6f7f3cd7-9f24-42eb-ae91-{number:012x}");
    }
    lines
}

/// Bytes, to the kibibyte.
fn number(bytes: u64) -> f64 {
    const KIB: u64 = 1024;
    u32::try_from(bytes / KIB).map_or(f64::INFINITY, f64::from) * 1024.0
}
