//! Writes a job's manifest: the commit point.
//!
//! The story: a manifest that is there is the answer. Otherwise every file of the job must have its receipt, and
//! every object that the receipts name must be in the landing bucket, and be what landed; then the manifest is written,
//! last, and only if no other is there. Its bytes depend on nothing but the job, and on the version of its export's schema
//! that is recorded of it before. At last the job is remembered beside the last ones of its export, a report of it is
//! written for people, and whoever wants to know is told.

mod manifest;
pub mod report;
mod schema;
mod tables;

use std::collections::{HashMap, HashSet};

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use landfall::clock::Deadline;
use landfall::context::{Context, Landing};
use landfall::event::JobEvent;
use landfall::job::{FileList, JobRecord, JobState, LandedObject, Outcome, OutputFile, StagedFile, Totals};
use landfall::landed;
use landfall::manifest::read_tail;
use landfall::metrics::{Measure, Measured};
use landfall::notify::{self, FreshLanding};
use landfall::rows::Tables;
use landfall::schema::SchemaVersion;
use landfall::state::{WorkState, keys};
use landfall::{Error, Result};
use landfall_store::StoreError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use manifest::{Head, ManifestWriter};
pub use manifest::{MANIFEST_VERSION, Manifest, ManifestSchema, SourceFile};
use schema::{Deciding, ToldBy};
use tables::Location;
pub use tables::{ManifestColumn, ManifestTable};

/// How many files are looked at at the same time.
const FILES_AT_ONCE: usize = 8;

/// Where the manifest is, and what it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The landing bucket.
    pub bucket: String,
    /// The manifest's key in it.
    pub manifest_key: String,
    /// How the job ended.
    pub state: JobState,
    /// What has landed.
    pub totals: Totals,
    /// Whether the manifest was there before this call.
    pub already_published: bool,
    /// Whether the job's source wants to know that it has landed, and has not been told: fetch-files, called once more,
    /// tells it. Whether that succeeds changes nothing about the job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notify_source: bool,
    /// Whether the destination names a table that what has landed is to be appended to: register-table does that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub register_table: bool,
    /// How often the job's columns differ from the export's schema, where this call has published it, and columns are
    /// looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_changes: Option<u64>,
}

impl Measured for Published {
    fn measures(&self) -> Vec<Measure> {
        // A manifest that is found has been counted.
        if self.already_published {
            return Vec::new();
        }
        let Totals { objects, bytes, rows } = self.totals;
        let mut measures = vec![
            Measure::count("jobs_landed", 1),
            Measure::count("jobs_landed_empty", u64::from(objects == 0)),
            Measure::count("jobs_landed_partial", u64::from(self.state == JobState::Partial)),
            Measure::count("objects_landed", objects),
            Measure::bytes("bytes_landed", bytes),
        ];
        measures.extend(rows.map(|rows| Measure::count("rows_landed", rows)));
        measures.extend(self.schema_changes.map(|changes| Measure::count("schema_changes", changes)));
        measures
    }
}

/// Writes the job's manifest, or returns what the one that is there says.
pub async fn publish(context: &Context, event: JobEvent, _deadline: &Deadline) -> Result<Published> {
    let job = context.job(&event).await?;
    let landing = context.landing(&job.destination).await?;
    let work = context.work().await?;
    let key = format!("{}{}", job.landing_prefix, keys::MANIFEST);

    let already_published = landing.store.head(&key).await?.is_some();
    // What is kept of a job that landed long ago may have expired.
    let outcome = work.outcome(&job.job()).await?;
    let mut schema_changes = None;
    if !already_published {
        let outcome = outcome.as_ref().ok_or_else(|| not_ended(&job))?;
        let files = files(&work, &job).await?;
        objects_are_there(&work, &landing, &job, &files).await?;
        schema_changes = write_manifest(context, &landing, &job, outcome, &files, &key).await?;
    }

    let tail = read_tail(&landing.store, &key).await?.ok_or_else(|| {
        let object = landing.store.object(&key);
        Error::from(StoreError::NoSuchObject { operation: "HeadObject", object })
    })?;
    if let Some(outcome) = &outcome {
        context.remember(&job, outcome, tail.totals).await;
    }
    report::write(context, &job).await;
    tracing::info!(
        manifest.key = key,
        landed.objects = tail.totals.objects,
        landed.size_bytes = tail.totals.bytes,
        landed.rows = tail.totals.rows,
        already_published,
        "the job has landed"
    );
    let fresh = FreshLanding {
        landing: &landing,
        manifest_key: &key,
        state: tail.state,
        totals: tail.totals,
        is_new: !already_published,
    };
    notify::landed(context, &job, fresh).await;
    Ok(Published {
        bucket: landing.store.bucket().to_owned(),
        manifest_key: key,
        state: tail.state,
        totals: tail.totals,
        already_published,
        notify_source: job.is_to_be_told(),
        register_table: landing.destination.table.is_some(),
        schema_changes,
    })
}

fn not_ended(job: &JobRecord) -> Error {
    Error::not_found(format!("{} is not known to have succeeded: call poll-status first", job.job()))
}

async fn files(work: &WorkState, job: &JobRecord) -> Result<FileList> {
    work.files(&job.job()).await?.ok_or_else(|| {
        Error::not_found(format!(
            "the output files of {} have not been listed: call fetch-files first",
            job.job()
        ))
    })
}

/// Holds what the receipts name against what the landing bucket has, a file at a time.
async fn objects_are_there(
    work: &WorkState,
    landing: &Landing,
    job: &JobRecord,
    files: &FileList,
) -> Result<()> {
    let places = keys::LandingPlaces::of(&files.files, job.form.name());
    let is_there = async |file: &OutputFile| {
        let place = places.place(file);
        let landed = landed::at_place(work, &landing.store, job, file.ordinal, &place).await?;
        let landed = landed.ok_or_else(|| not_unpacked(job, file.ordinal))?;
        if let Some(key) = landed.gone.iter().min() {
            return Err(Error::not_found(format!(
                "{} landed, but {} of its objects are no longer there, {} first: call unpack-upload for file {} again",
                file.name,
                landed.gone.len(),
                landing.store.object(key),
                file.ordinal
            )));
        }
        Ok(())
    };
    stream::iter(&files.files).map(is_there).buffered(FILES_AT_ONCE).try_collect().await
}

async fn receipt(
    work: &WorkState,
    job: &JobRecord,
    ordinal: u32,
) -> Result<BoxStream<'static, Result<LandedObject, StoreError>>> {
    work.receipt(&job.job(), ordinal).await?.ok_or_else(|| not_unpacked(job, ordinal))
}

fn not_unpacked(job: &JobRecord, ordinal: u32) -> Error {
    Error::not_found(format!(
        "file {ordinal} of {} has not been unpacked: call unpack-upload first",
        job.job()
    ))
}

/// The tables of all files, and the files whose values have all been looked at.
async fn tables(work: &WorkState, job: &JobRecord, files: &FileList) -> Result<(Tables, HashSet<u32>)> {
    let of_file = async |file: &OutputFile| {
        let tables = work.tables(&job.job(), file.ordinal).await?;
        Ok::<_, Error>(tables.map(|tables| (file.ordinal, tables)))
    };
    let mut of_files = stream::iter(&files.files).map(of_file).buffered(FILES_AT_ONCE);
    let mut tables = Tables::default();
    let mut observed = HashSet::new();
    while let Some(of_file) = of_files.try_next().await? {
        let Some((ordinal, of_file)) = of_file else { continue };
        tables.join(&of_file);
        observed.insert(ordinal);
    }
    Ok((tables, observed))
}

async fn staged(work: &WorkState, job: &JobRecord, ordinal: u32) -> Result<StagedFile> {
    work.staged(&job.job(), ordinal).await?.ok_or_else(|| {
        Error::not_found(format!(
            "file {ordinal} of {} has not been fetched: call fetch-files first",
            job.job()
        ))
    })
}

async fn write_manifest(
    context: &Context,
    landing: &Landing,
    job: &JobRecord,
    outcome: &Outcome,
    files: &FileList,
    key: &str,
) -> Result<Option<u64>> {
    let work = &context.work().await?;
    let (tables, observed) = tables(work, job, files).await?;
    let told_by = match tables.is_empty() {
        true => None,
        false => Some(Deciding { context, work, landing, job, files, tables: &tables }.decide().await?),
    };
    let mut writer = ManifestWriter::begin(&landing.store, key, context.budget(), &Head::of(job)).await?;
    let mut unverified: HashMap<u32, String> = HashMap::new();
    let read = stream::iter(&files.files).map(|file| staged(work, job, file.ordinal));
    let mut of_files = read.buffered(FILES_AT_ONCE);
    while let Some(staged) = of_files.try_next().await? {
        writer.file(&staged).await?;
        unverified.extend(staged.unverified.map(|reason| (staged.ordinal, reason)));
    }
    if let Some(ToldBy { version, record, manifest }) = &told_by {
        let location = Location {
            bucket: landing.store.object(""),
            manifest: landing.store.object(key),
            are_parquet: job.form.is_for_tables(),
        };
        writer.begin_tables(manifest, &record.changes).await?;
        for (id, table) in tables.iter() {
            let number = record.tables.iter().find(|told| told.id == id).map(|told| told.table);
            let known = number.and_then(|number| SchemaVersion::table(version, number));
            writer.table(&ManifestTable::of(id, table, known, &location)).await?;
        }
    }
    writer.begin_objects().await?;
    let mut unobserved = 0_u64;
    let mut of_files = stream::iter(&files.files)
        .map(|file| async move { Ok::<_, Error>((file, receipt(work, job, file.ordinal).await?)) })
        .buffered(FILES_AT_ONCE);
    while let Some((file, mut receipt)) = of_files.try_next().await? {
        let is_observed = observed.contains(&file.ordinal);
        while let Some(mut object) = receipt.try_next().await? {
            // A member was held against what its archive says of it.
            object.etag_digest = None;
            object.table = object.table.filter(|table| is_observed && tables.has(*table));
            let has_rows = object.rows.is_some_and(|rows| rows > 0);
            unobserved = unobserved.saturating_add(u64::from(has_rows && object.table.is_none()));
            object.unverified = unverified.get(&file.ordinal).filter(|_| object.member.is_none()).cloned();
            writer.object(&object, !file.is_log).await?;
        }
    }
    let mut warnings = files.warnings.clone();
    if unobserved > 0 && job.export.declares_columns() {
        warnings.push(format!(
            "columns are declared, and {unobserved} of the objects with rows have none that could be looked at"
        ));
    } else if unobserved > 0 && job.form.is_for_tables() {
        warnings.push(format!("{unobserved} of the objects with rows are no tables, and landed as they are"));
    }
    writer.finish(outcome, warnings).await?;
    Ok(told_by.map(|told_by| u64::try_from(told_by.record.changes.len()).unwrap_or(u64::MAX)))
}
