//! By which version of its export's schema a job is told.
//!
//! The story: what is recorded of the job is the answer, so that a manifest written again is the same. Otherwise the
//! job's tables are held against the newest version. If they fit, that is the one; if not, and no setting refuses it, the
//! job makes the next. The first writer of a number wins, and who comes second begins anew with what is there. A version
//! says which job has made it: whoever was interrupted behind it finds it again. All of it is decided before the manifest
//! is written, so a version may be there whose job never lands: it only keeps more.

use landfall::context::{Context, Landing};
use landfall::job::{FileList, JobRecord};
use landfall::rows::Tables;
use landfall::schema::{JobColumns, JobSchema, SchemaChange, SchemaVersion};
use landfall::state::WorkState;
use landfall::{Error, Result};
use landfall_store::Condition;

use crate::manifest::ManifestSchema;

/// How often a version that others have just made is gone on from.
const TRIES: usize = 50;
/// So many changes are named in an error.
const NAMED: usize = 5;

/// What the manifest tells of it.
pub(crate) struct ToldBy {
    pub(crate) version: SchemaVersion,
    pub(crate) record: JobSchema,
    pub(crate) manifest: ManifestSchema,
}

/// What decides on it.
pub(crate) struct Deciding<'a> {
    pub(crate) context: &'a Context,
    pub(crate) work: &'a WorkState,
    pub(crate) landing: &'a Landing,
    pub(crate) job: &'a JobRecord,
    pub(crate) files: &'a FileList,
    pub(crate) tables: &'a Tables,
}

impl Deciding<'_> {
    /// The version, which readers find in the landing bucket from here on.
    ///
    /// # Errors
    /// `SchemaChanged` where the job's columns do not fit, and its settings refuse that.
    pub(crate) async fn decide(&self) -> Result<ToldBy> {
        let export = self.context.export_path(&self.job.export);
        let record = match self.work.job_schema(&self.job.job()).await? {
            Some(record) => record,
            None => {
                let made = self.make(&export).await?;
                made.changes.iter().for_each(tell);
                self.work.record_job_schema(&self.job.job(), made).await?
            }
        };
        let version = self.context.kept_schema(self.job, record.schema_version).await?;
        let manifest = ManifestSchema {
            version: record.schema_version,
            from: record.from,
            key: self.show(&version).await?,
        };
        Ok(ToldBy { version, record, manifest })
    }

    async fn make(&self, export: &str) -> Result<JobSchema> {
        let JobRecord { connection, job_request_id, .. } = self.job;
        let settings = self.job.export.tables()?;
        let columns = JobColumns {
            tables: self.tables,
            declared: &settings.columns,
            source: &self.files.columns,
            rule: settings.on_schema_change.or(self.landing.destination.on_schema_change),
        };
        for _ in 0..TRIES {
            let newest = self.work.newest_schema(connection, export).await?;
            if let Some(number) = newest.as_ref().and_then(|newest| newest.number_made_by(job_request_id)) {
                return Ok(self.context.kept_schema(self.job, number).await?.record());
            }
            let outcome = columns
                .held_against(newest.as_ref().map(|newest| newest.tables.as_slice()).unwrap_or_default());
            if !outcome.refused.is_empty() {
                return Err(self.refused(export, newest.as_ref(), &outcome.refused));
            }
            let next = match newest {
                Some(newest) if newest.tables == outcome.tables => {
                    return Ok(JobSchema {
                        from: newest.number,
                        schema_version: newest.number,
                        tables: outcome.job_tables,
                        changes: outcome.changes,
                    });
                }
                Some(newest) => newest.next(job_request_id, outcome),
                None => SchemaVersion::first(connection, export, job_request_id, outcome),
            };
            let kept = self.work.create_schema(export, next).await?;
            if kept.made_by == *job_request_id {
                return Ok(kept.record());
            }
        }
        Err(Error::store_unavailable(format!(
            "the schema of {export} on {connection} keeps changing: call again"
        )))
    }

    /// Writes the version where readers of the landing bucket find it, unless it is there. Each has an object of its own,
    /// as nothing that has landed is overwritten: the last in the list is the newest.
    async fn show(&self, version: &SchemaVersion) -> Result<String> {
        let prefix = match self.context.spec(&self.job.export) {
            Ok(spec) => self.landing.destination.schema_prefix(&self.job.connection, spec.as_ref())?,
            Err(_) => format!("{}_schema/", self.job.landing_prefix),
        };
        let key = format!("{prefix}{:06}.json", version.number);
        let mut json = serde_json::to_vec_pretty(version)
            .map_err(|error| Error::contract_broken("a schema cannot be written as JSON").because(error))?;
        json.push(b'\n');
        self.landing.store.put(&key, json.into(), Condition::Absent).await?;
        Ok(key)
    }

    fn refused(&self, export: &str, newest: Option<&SchemaVersion>, refused: &[SchemaChange]) -> Error {
        let against = match newest {
            Some(newest) => format!("version {} of the schema of {export}", newest.number),
            None => format!("the columns that are declared of {export}"),
        };
        let named: Vec<String> = refused.iter().take(NAMED).map(ToString::to_string).collect();
        let others = match refused.len().saturating_sub(NAMED) {
            0 => String::new(),
            others => format!("; and {others} more"),
        };
        let JobRecord { connection, job_request_id, .. } = self.job;
        Error::schema_changed(format!(
            "{} does not fit {against}: {}{others}. No manifest is written. If that is right, go on with `landfall resume \
             {connection} {job_request_id} --on-schema-change widen`, or text; or change what the destination or the export \
             says",
            self.job.job(),
            named.join("; ")
        ))
    }
}

/// The event of a change.
fn tell(change: &SchemaChange) {
    tracing::warn!(
        schema.change = change.change.name(),
        schema.table = change.table,
        schema.column = change.column,
        schema.before = change.before.map(|of_type| of_type.to_string()),
        schema.after = change.after.map(|of_type| of_type.to_string()),
        "the columns of the export have changed"
    );
}
