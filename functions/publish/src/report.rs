//! The report of a job, for people: what is kept of it, and what its manifest says, as a page beside its record.
//!
//! It tells of a job and is no part of it: whatever goes wrong with it is logged, and the job has landed all the same.

use std::collections::HashSet;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use landfall::context::{Context, Landing};
use landfall::job::{FileList, JobRecord, LandedObject, OutputFile};
use landfall::manifest::{Item, ManifestReader};
use landfall::state::{PastJob, Watermark, WorkState, keys};
use landfall::{Error, Result};
use landfall_http::Redactor;
use landfall_report::{
    ColumnFacts, FileFacts, JobFacts, LandedFacts, LogExcerpt, Progress, Requests, Schema, TableFacts,
    WatermarkFacts, job_page,
};
use landfall_store::{Condition, Store};

use crate::manifest::{Manifest, SourceFile};
use crate::tables::{ManifestColumn, ManifestTable};

/// How long writing a report may take.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// So many files, objects and tables are remembered one by one; all are counted.
const REMEMBERED: usize = 100;

/// So much of a source's log stands on the page.
const LOG_BYTES: u64 = 4 << 10;

/// Writes the report of a job that has landed, over one that is there.
pub(crate) async fn write(context: &Context, job: &JobRecord) {
    let written = async {
        let page = job_page(&Box::pin(facts(context, job)).await?);
        let key = keys::report(&job.job());
        context.work().await?.store().put(&key, page.into(), Condition::Always).await?;
        Ok::<_, Error>(())
    };
    let error = match tokio::time::timeout(WRITTEN_WITHIN, Box::pin(written)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.line(),
        Err(_) => format!("it took longer than {} s", WRITTEN_WITHIN.as_secs()),
    };
    tracing::warn!(error, "the job's report is not written: `landfall report` makes it from what is kept");
}

/// What is known of a job, landed or not.
///
/// # Errors
/// Those of the stores, and `IntegrityError` where its manifest is none that landfall wrote.
pub async fn facts(context: &Context, job: &JobRecord) -> Result<JobFacts> {
    let work = context.work().await?;
    let (outcome, list) = (work.outcome(&job.job()).await?, work.files(&job.job()).await?);
    let mut progress = progress(&work, job, list.as_ref()).await?;
    let landing = context.landing(&job.destination).await?;
    let landed = landed(&work, &landing, job, list.as_ref()).await?;
    let history = history(context, &work, job).await?;
    if landed.is_some() {
        progress.landed_at = history.iter().find(|past| is_of(past, job)).map(|past| past.landed_at);
    }
    Ok(JobFacts {
        record: job.clone(),
        export_name: context.systems().name(&job.export),
        export_path: context.export_path(&job.export),
        outcome,
        progress,
        landed,
        history,
        watermark: watermark(context, &work, job).await?,
        next: None,
    })
}

fn is_of(past: &PastJob, job: &JobRecord) -> bool {
    past.job_request_id == job.job_request_id
}

/// How far the job is, as the keys of its objects tell, and their times.
async fn progress(work: &WorkState, job: &JobRecord, list: Option<&FileList>) -> Result<Progress> {
    let mut progress = Progress { files: list.map(|list| list.files.len()), ..Progress::default() };
    let prefix = keys::job(&job.job());
    let mut listed = work.store().list(&prefix);
    while let Some(object) = listed.try_next().await? {
        let Some(of_job) = object.key.strip_prefix(&prefix).filter(|key| key.ends_with(".json")) else {
            continue;
        };
        let latest: (&mut usize, &mut Option<Timestamp>) = match of_job.split_once('/') {
            Some(("staged", _)) => (&mut progress.fetched, &mut progress.fetched_at),
            Some(("receipts", _)) => (&mut progress.unpacked, &mut progress.unpacked_at),
            _ => continue,
        };
        *latest.0 += 1;
        *latest.1 = (*latest.1).max(object.modified);
    }
    Ok(progress)
}

/// The export's last jobs, up to this one where it is among them.
async fn history(context: &Context, work: &WorkState, job: &JobRecord) -> Result<Vec<PastJob>> {
    let key = keys::history(&job.connection, context.spec(&job.export)?.as_ref(), &job.destination);
    let mut jobs = work.history(&key).await?.jobs;
    if let Some(at) = jobs.iter().position(|past| is_of(past, job)) {
        jobs.truncate(at + 1);
    }
    Ok(jobs)
}

async fn watermark(context: &Context, work: &WorkState, job: &JobRecord) -> Result<Option<WatermarkFacts>> {
    let Some(window) = &job.window else { return Ok(None) };
    let key = keys::watermark(&job.connection, context.spec(&job.export)?.as_ref(), &job.destination);
    let kept: Option<Watermark> = work.checkpoint(&key).await?;
    Ok(Some(match kept {
        None => WatermarkFacts { landed_until: None, is_moved_by_this: false },
        Some(watermark) => WatermarkFacts {
            landed_until: watermark.landed_until,
            is_moved_by_this: watermark
                .given
                .iter()
                .any(|given| given.window == *window && Some(&given.run_key) == job.run_key.as_ref()),
        },
    }))
}

/// What the manifest says; none where there is none.
async fn landed(
    work: &WorkState,
    landing: &Landing,
    job: &JobRecord,
    list: Option<&FileList>,
) -> Result<Option<LandedFacts>> {
    let key = keys::manifest(&job.landing_prefix);
    let Some(mut reader) = ManifestReader::open(&landing.store, &key).await? else { return Ok(None) };
    let listed = list.map(|list| list.files.as_slice()).unwrap_or_default();
    let mut seen = Seen::of(listed);
    while let Some(item) = reader.next_item::<SourceFile, ManifestTable>().await? {
        match item {
            Item::File(file) => seen.file(file),
            Item::Table(table) => seen.table(table),
            Item::Object(object) => seen.object(*object),
        }
    }
    let said = reader.finish()?;
    let log = log(work, &landing.store, job, listed, seen.log.as_ref()).await;
    Ok(Some(seen.facts(said, landing.store.object(&key), log)))
}

/// What has been seen of a manifest.
struct Seen<'a> {
    listed: &'a [OutputFile],
    logs: HashSet<&'a str>,
    files: Vec<FileFacts>,
    file_count: u64,
    /// The file that the last object was of.
    at: usize,
    objects: Vec<LandedObject>,
    data_rows: Option<u64>,
    tables: Vec<TableFacts>,
    requests: Requests,
    log: Option<LandedObject>,
}

impl<'a> Seen<'a> {
    fn of(listed: &'a [OutputFile]) -> Self {
        Self {
            listed,
            logs: listed.iter().filter(|file| file.is_log).map(|file| file.name.as_str()).collect(),
            files: Vec::new(),
            file_count: 0,
            at: 0,
            objects: Vec::new(),
            data_rows: Some(0),
            tables: Vec::new(),
            requests: Requests::default(),
            log: None,
        }
    }

    fn file(&mut self, file: SourceFile) {
        self.requests.file(file.size);
        let listed = usize::try_from(self.file_count).ok().and_then(|at| self.listed.get(at));
        self.file_count += 1;
        if self.files.len() < REMEMBERED {
            self.files.push(FileFacts {
                is_log: self.logs.contains(file.name.as_str()),
                listed: listed.filter(|listed| listed.name == file.name).cloned(),
                name: file.name,
                size: file.size,
                sha256: file.sha256.to_string(),
                ..FileFacts::default()
            });
        }
    }

    fn table(&mut self, table: ManifestTable) {
        if self.tables.len() < REMEMBERED {
            let columns = table.columns.into_iter();
            self.tables.push(TableFacts {
                number: table.schema_table,
                columns: columns.map(of_column).collect(),
                duckdb: table.duckdb,
            });
        }
    }

    /// Objects come in the order of the files.
    fn object(&mut self, object: LandedObject) {
        self.requests.object(object.size);
        let is_log = self.logs.contains(object.file.as_str());
        if !is_log {
            let counted = self.data_rows.zip(object.rows_at_source());
            self.data_rows = counted.map(|(before, rows)| before.saturating_add(rows));
        }
        let mut behind = self.files.iter().enumerate().skip(self.at);
        if let Some((at, _)) = behind.find(|(_, file)| file.name == object.file) {
            self.at = at;
        }
        if let Some(file) = self.files.get_mut(self.at).filter(|file| file.name == object.file) {
            file.objects += 1;
            file.is_archive |= object.member.is_some();
            file.unverified = file.unverified.take().or_else(|| object.unverified.clone());
            if let Some(rows) = object.rows {
                file.rows = Some(file.rows.unwrap_or_default().saturating_add(rows));
            }
        }
        if is_log && self.log.is_none() {
            self.log = Some(object.clone());
        }
        if self.objects.len() < REMEMBERED {
            self.objects.push(object);
        }
    }

    fn facts(mut self, said: Manifest, manifest: String, log: Option<LogExcerpt>) -> LandedFacts {
        // The manifest itself.
        self.requests.object(0);
        LandedFacts {
            manifest,
            state: said.state,
            warnings: said.warnings,
            totals: said.totals,
            data_rows: self.data_rows,
            files: self.files,
            file_count: self.file_count,
            objects: self.objects,
            requests: self.requests,
            schema: said.schema.map(|schema| Schema { version: schema.version, from: schema.from }),
            schema_changes: said.schema_changes,
            tables: self.tables,
            log,
        }
    }
}

fn of_column(column: ManifestColumn) -> ColumnFacts {
    let ManifestColumn { name, r#type, may_be_missing, may_be_empty, .. } = column;
    ColumnFacts { name, r#type, may_be_missing, may_be_empty }
}

/// The beginning of the source's log: as it was staged, or else as it has landed. A report is none the worse for lacking it.
async fn log(
    work: &WorkState,
    landing: &Store,
    job: &JobRecord,
    listed: &[OutputFile],
    landed: Option<&LandedObject>,
) -> Option<LogExcerpt> {
    let file = listed.iter().find(|file| file.is_log)?;
    let staged = beginning(work.store(), &keys::staged(&job.job(), file.ordinal)).await;
    let (bytes, size) = match (staged, landed) {
        (Ok(Some(staged)), _) => staged,
        (_, Some(landed)) if landed.form.is_none() && landed.member.is_none() => {
            beginning(landing, &landed.key).await.ok()??
        }
        _ => return None,
    };
    // What is no text is left to whoever has a program for it. What looks like a credential is masked: pages travel further
    // than data.
    let is_text = !bytes.is_empty() && !bytes.contains(&0) && !bytes.starts_with(b"\x1f\x8b");
    is_text.then(|| LogExcerpt {
        name: file.name.clone(),
        text: masked(&String::from_utf8_lossy(&bytes)),
        is_cut: size > LOG_BYTES,
    })
}

/// A text without what looks like a credential, and long lines as far as anybody reads them.
fn masked(text: &str) -> String {
    let redactor = Redactor::default();
    text.lines().map(|line| redactor.text(line)).collect::<Vec<_>>().join("\n")
}

/// The first bytes of an object, and how many it has.
async fn beginning(store: &Store, key: &str) -> Result<Option<(Vec<u8>, u64)>> {
    let Some(info) = store.head(key).await? else { return Ok(None) };
    let bytes = store.read_range_whole(key, &info.etag, 0..info.size.min(LOG_BYTES)).await?;
    Ok(Some((bytes, info.size)))
}
