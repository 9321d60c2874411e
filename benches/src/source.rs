//! A source system of whole runs: the simulator, a network away, whose jobs take as long as they are told to.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::{Entry, Faults, JOURNAL_FILE, MemberSize, Producer, SYSTEMS, Scenario, Simulator};
use tokio::net::TcpListener;

use crate::failure::{Failure, Result, While as _};
use crate::proxy::{self, Network};

/// What reaches it, as the settings of a connection.
pub(crate) const CONNECTION_FILE: &str = "connection.json";
/// When its jobs have ended, a line each, in milliseconds since 1970.
const ENDS_FILE: &str = "ends";
/// How often it is looked whether a job's time is up.
const TICK: Duration = Duration::from_millis(5);

const MIB: u64 = 1 << 20;

/// A system that whole runs are measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Six archives.
    FusionExtract,
    /// A table.
    Epm,
    /// An archive of three files of records.
    Folio,
    /// Pages of rows, and no job.
    FusionRest,
}

impl Source {
    pub(crate) const ALL: [Self; 4] = [Self::FusionExtract, Self::Epm, Self::Folio, Self::FusionRest];

    /// The kind of its exports.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::FusionExtract => "fusion_extract",
            Self::Epm => "epm_job",
            Self::Folio => "folio_export",
            Self::FusionRest => "fusion_rest",
        }
    }

    /// The source of a kind.
    pub(crate) fn of_kind(kind: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|source| source.kind() == kind);
        found.ok_or_else(|| Failure::new(format!("there is no source of {kind:?}")))
    }

    /// How many files its jobs put out.
    pub(crate) fn files(self) -> u64 {
        if self == Self::FusionExtract { 6 } else { 1 }
    }

    /// How many records an export of FOLIO has.
    pub(crate) fn records(is_quick: bool) -> u32 {
        if is_quick { 1_500 } else { 24_000 }
    }

    fn scenario(is_quick: bool) -> Scenario {
        let part = if is_quick { 16 } else { 1 };
        let mut scenario = Scenario {
            member_size: MemberSize::Bytes(10 * MIB / part),
            producers: vec![Producer::JavaStream],
            ..Scenario::default()
        };
        scenario.epm.rows = 800_000 / part;
        scenario.folio.record_bytes = 1_200;
        scenario.folio.slice_size = u64::from(Self::records(is_quick) / 3);
        scenario.rest.rows = 20_000 / part;
        scenario
    }

    fn running(self, simulator: &Simulator) -> Vec<u64> {
        match self {
            Self::FusionExtract => {
                let jobs = simulator.jobs().into_iter();
                jobs.filter(|job| job.final_status.is_none()).map(|job| job.id).collect()
            }
            Self::Epm => {
                let jobs = simulator.epm_jobs().into_iter();
                jobs.filter(|job| job.final_status.is_none()).map(|job| job.id).collect()
            }
            Self::Folio => {
                let jobs = simulator.folio_jobs().into_iter();
                jobs.filter(|job| job.status == "IN_PROGRESS").map(|job| job.hr_id).collect()
            }
            Self::FusionRest => Vec::new(),
        }
    }

    async fn end(self, simulator: &Simulator, job: u64) -> std::result::Result<(), simulator::Error> {
        match self {
            Self::FusionExtract => simulator.end_job(job).await,
            Self::Epm => simulator.end_epm_job(job),
            Self::Folio => simulator.end_folio_job(job),
            Self::FusionRest => Ok(()),
        }
    }
}

/// Serves until the process ends; says on which port first. What there is to know of it lies in the folder.
pub(crate) async fn serve(
    source: Source,
    job: Duration,
    network: Network,
    folder: &Path,
    is_quick: bool,
) -> Result<()> {
    let doing = "serving as a source";
    let outer = TcpListener::bind(("127.0.0.1", 0)).await.while_doing(doing)?;
    let outer_storage = TcpListener::bind(("127.0.0.1", 0)).await.while_doing(doing)?;
    let url = |listener: &TcpListener| {
        listener.local_addr().map(|address| format!("http://{address}")).while_doing(doing)
    };
    let (base_url, storage_url) = (url(&outer)?, url(&outer_storage)?);
    let simulator = Simulator::builder()
        .scenario(Source::scenario(is_quick))
        .faults(faults(&storage_url))
        .data(Some(folder.to_owned()))
        .start(0)
        .await
        .while_doing(doing)?;
    let connection = connection(source, &simulator, &base_url, &storage_url)?;
    fs::write(folder.join(CONNECTION_FILE), connection.to_string()).while_doing(doing)?;
    for (listener, inner) in [(outer, simulator.base_url()), (outer_storage, simulator.storage_url())] {
        let port = inner.rsplit(':').next().unwrap_or_default().parse().while_doing(doing)?;
        tokio::spawn(async move { proxy::forward(listener, port, network).await.ok() });
    }
    println!("{}", base_url.rsplit(':').next().unwrap_or_default());
    end_jobs(source, &simulator, job, folder).await
}

/// Jobs end when they are told to, and links to the storage lead through the network.
fn faults(storage_url: &str) -> Faults {
    let mut faults = Faults::default();
    faults.status.never_ends = true;
    faults.epm.status.never_ends = true;
    faults.folio.never_ends = true;
    faults.folio.link_host = Some(storage_url.to_owned());
    faults
}

/// What reaches the source through the network, as behind a gateway: its own links carry another name.
fn connection(source: Source, simulator: &Simulator, base_url: &str, storage_url: &str) -> Result<Value> {
    let mut endpoints = simulator.endpoints().clone();
    let own = endpoints.base_url.trim_start_matches("http://").to_owned();
    endpoints.token_url = endpoints.token_url.replace(&endpoints.base_url, base_url);
    endpoints.base_url = base_url.to_owned();
    endpoints.storage_url = storage_url.to_owned();
    let system = SYSTEMS.iter().find(|system| system.export_kind == source.kind());
    let system = system.ok_or_else(|| Failure::new("the simulator has no such system"))?;
    let mut settings = system.connection(&endpoints);
    if let Some(settings) = settings.as_object_mut() {
        settings.insert("http".to_owned(), json!({ "same_as": [own] }));
    }
    Ok(settings)
}

/// Ends each job when its time is up, and notes when that was.
async fn end_jobs(source: Source, simulator: &Simulator, takes: Duration, folder: &Path) -> Result<()> {
    let doing = "ending a job";
    let mut began = HashMap::new();
    let mut ends = OpenOptions::new().create(true).append(true).open(folder.join(ENDS_FILE));
    let ends = ends.as_mut().map_err(|error| Failure::new(format!("noting ends: {error}")))?;
    loop {
        for job in source.running(simulator) {
            if began.entry(job).or_insert_with(Instant::now).elapsed() >= takes {
                source.end(simulator, job).await.while_doing(doing)?;
                writeln!(ends, "{}", jiff::Timestamp::now().as_millisecond()).while_doing(doing)?;
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

/// When the job that ended last did, in milliseconds since 1970; none where none has.
pub(crate) fn last_end(folder: &Path) -> Option<i64> {
    fs::read_to_string(folder.join(ENDS_FILE)).ok()?.lines().last()?.parse().ok()
}

/// The requests that a source has had.
pub(crate) fn journal(folder: &Path) -> Result<Vec<Entry>> {
    let doing = "reading a source's journal";
    let text = fs::read_to_string(folder.join(JOURNAL_FILE)).while_doing(doing)?;
    text.lines().map(|line| serde_json::from_str(line).while_doing(doing)).collect()
}
