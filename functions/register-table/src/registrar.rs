//! Appends files to a table, once, whoever else is at it and whatever becomes of a commit.

use std::collections::HashMap;
use std::time::Duration;

use iceberg::spec::{Literal, Schema, Struct, TableMetadata, Transform};
use iceberg::table::Table;
use iceberg::{Runtime, TableIdent, TableRequirement, TableUpdate};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall::clock::Deadline;
use landfall::config::{PartitionBy, TableSettings};
use landfall::context::Context;
use landfall::job::JobRecord;
use landfall::registered::RegisteredTable;
use landfall::{Error, Result};
use landfall_http::retry::{Budget, RetrySettings};
use landfall_store::StoreSettings;
use serde_json::json;

use crate::catalog::{Catalog, Committed, Creation, Loaded};
use crate::columns::{self, Column, ColumnError, DAY, NAME_MAPPING};
use crate::commit;
use crate::data_file;
use crate::files::{TableFiles, bucket_and_key};
use crate::landed::LandedFile;
use crate::registration::{Record, Registration};

/// By what a snapshot tells which job it is of: the job's id, and its manifest, which no other connection's has.
const JOB: &str = "landfall.job-request-id";
const MANIFEST: &str = "landfall.manifest";
/// By what a table tells what was put in the place of its name's fields.
const OF: &str = "landfall.table-of";

/// How often others may be first, and for how long.
const TRIES: RetrySettings = RetrySettings { attempts: 60, within: Duration::from_secs(600) };
/// Before a function's end, no commit is begun any more.
const MARGIN: Duration = Duration::from_secs(45);

/// What a snapshot of a job says of it.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    job: String,
    manifest: String,
}

impl Mark {
    pub(crate) fn of(job: &JobRecord, manifest: &str) -> Self {
        Self { job: job.job_request_id.to_string(), manifest: manifest.to_owned() }
    }

    fn summary(&self) -> HashMap<String, String> {
        [(JOB, &self.job), (MANIFEST, &self.manifest)]
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .into()
    }

    /// The snapshot that has it, whichever branch it is of: a table that was rolled back has had the job.
    fn find(&self, metadata: &TableMetadata) -> Option<i64> {
        let is_ours = |summary: &HashMap<String, String>| {
            summary.get(JOB) == Some(&self.job) && summary.get(MANIFEST) == Some(&self.manifest)
        };
        let mut snapshots = metadata.snapshots();
        snapshots.find(|made| is_ours(&made.summary().additional_properties)).map(|made| made.snapshot_id())
    }
}

/// What it takes to append a job's files to one table.
pub(crate) struct Registrar<'a> {
    pub context: &'a Context,
    pub deadline: &'a Deadline,
    pub catalog: &'a Catalog,
    /// How the bucket is reached that the table is in.
    pub store: &'a StoreSettings,
    pub settings: &'a TableSettings,
    pub record: Record<'a>,
    pub mark: Mark,
    /// When the run was submitted.
    pub since: Timestamp,
    /// What was put in the place of the fields of the table's name.
    pub of: Option<String>,
}

/// What came of one attempt.
enum Attempt {
    /// The snapshot that has the files, and whether it was there.
    Done { snapshot_id: i64, was_there: bool },
    /// The table has changed under it, or it is not known what came of it: it is looked at again.
    Again(Error),
    /// There is something new to look at: the table was made, or its schema.
    Onwards,
}

impl Registrar<'_> {
    pub(crate) async fn register(
        &self,
        namespace: &str,
        name: &str,
        files: &[LandedFile],
    ) -> Result<RegisteredTable> {
        let table = TableIdent::from_strs(namespace.split('.').chain([name]))
            .map_err(|error| Error::invalid_config("the destination's table has no name").because(error))?;
        let columns = columns::of_all(files.iter().map(|file| file.columns.as_slice()))
            .map_err(|error| misfit(&table, error))?;
        let clock = self.context.clock();
        let mut budget = Budget::new(TRIES, clock.now());
        loop {
            let again = match self.attempt(&table, &columns, files).await? {
                Attempt::Done { snapshot_id, was_there } => {
                    tracing::info!(table = %table, snapshot_id, was_there, "the table has the job's rows");
                    return Ok(RegisteredTable {
                        catalog: self.settings.catalog.clone(),
                        table: table.to_string(),
                        snapshot_id,
                        files: u64::try_from(files.len()).unwrap_or(u64::MAX),
                        rows: files.iter().map(|file| file.rows).sum(),
                        already_registered: was_there,
                    });
                }
                Attempt::Onwards => None,
                Attempt::Again(error) => Some(error),
            };
            let wait = budget.next_delay(clock.now(), None, &mut fastrand::Rng::new());
            let Some(wait) = wait.filter(|_| !self.deadline.is_within(MARGIN)) else {
                return Err(unavailable(&table, again));
            };
            if let Some(error) = again {
                tracing::info!(table = %table, error = error.line(), "looking at the table again");
                clock.sleep(wait).await;
            }
        }
    }

    async fn attempt(&self, table: &TableIdent, columns: &[Column], files: &[LandedFile]) -> Result<Attempt> {
        let Some(loaded) = self.catalog.load(table).await? else {
            return self.create(table, columns).await;
        };
        let metadata = &loaded.metadata;
        if let Some(snapshot_id) = self.mark.find(metadata) {
            self.record.end(&table.to_string(), metadata, snapshot_id).await?;
            return Ok(Attempt::Done { snapshot_id, was_there: true });
        }
        self.check(table, metadata)?;
        match self.record.begin(&table.to_string(), metadata).await? {
            // It is known, though the snapshot is gone.
            Registration { snapshot_id: Some(snapshot_id), .. } => {
                return Ok(Attempt::Done { snapshot_id, was_there: true });
            }
            begun if !begun.shows_all_since(metadata) => {
                return Err(self.record.in_doubt(&table.to_string(), &format!("job {}", self.mark.job)));
            }
            _ => {}
        }
        match self.evolve(table, metadata, columns).await? {
            Some(evolved) => Ok(evolved),
            None => self.append(table, loaded, files).await,
        }
    }

    async fn create(&self, table: &TableIdent, columns: &[Column]) -> Result<Attempt> {
        let with_day = self.settings.partition == Some(PartitionBy::Day);
        let schema = columns::first_schema(columns, with_day).map_err(|error| misfit(table, error))?;
        let mapping =
            columns::name_mapping(&schema, None, columns).map_err(|error| unwritable(table, error))?;
        let day = schema.field_id_by_name(DAY).filter(|_| with_day);
        let partition_spec = day.map(|id| {
            json!({ "spec-id": 0, "fields": [
                { "source-id": id, "field-id": 1000, "name": DAY, "transform": "identity" }
            ] })
        });
        let mut properties = HashMap::from([("format-version", "2".to_owned())]);
        properties.extend(mapping.map(|mapping| (NAME_MAPPING, mapping)));
        properties.extend(self.of.clone().map(|of| (OF, of)));
        let creation =
            Creation { name: &table.name, schema: &schema, partition_spec, properties, stage_create: false };
        Ok(match self.catalog.create(table, &creation).await? {
            // Somebody else may have been first.
            Committed::Done | Committed::Conflict(_) => Attempt::Onwards,
            Committed::Unclear(error) => Attempt::Again(error),
        })
    }

    /// Refuses a table that nothing can be appended to, or that is another's.
    fn check(&self, table: &TableIdent, metadata: &TableMetadata) -> Result<()> {
        if metadata.format_version() == iceberg::spec::FormatVersion::V1 {
            return Err(Error::unsupported(format!(
                "table {table} is of Iceberg's format 1, whose snapshots have no numbers: set its property format-version to 2"
            )));
        }
        match (metadata.properties().get(OF), &self.of) {
            (Some(theirs), Some(ours)) if theirs != ours => Err(Error::conflict(format!(
                "table {table} holds the rows of {theirs}, and those of {ours} would come under the same name: name the table \
                 otherwise in the destination"
            ))),
            _ => Ok(()),
        }
    }

    /// Makes the table hold the columns; `None` where it does.
    async fn evolve(
        &self,
        table: &TableIdent,
        metadata: &TableMetadata,
        columns: &[Column],
    ) -> Result<Option<Attempt>> {
        let last_schema_id =
            metadata.schemas_iter().map(|schema| schema.schema_id()).max().unwrap_or_default();
        let current = metadata.current_schema();
        let evolved = columns::evolved(current, last_schema_id, metadata.last_column_id(), columns)
            .map_err(|error| misfit(table, error))?;
        let schema: &Schema = evolved.as_ref().unwrap_or(metadata.current_schema());
        let there = metadata.properties().get(NAME_MAPPING).map(String::as_str);
        let mapping =
            columns::name_mapping(schema, there, columns).map_err(|error| unwritable(table, error))?;
        let mut updates = Vec::new();
        if let Some(schema) = evolved {
            updates.push(TableUpdate::AddSchema { schema });
            updates.push(TableUpdate::SetCurrentSchema { schema_id: -1 });
        }
        if let Some(mapping) = mapping {
            updates.push(TableUpdate::SetProperties { updates: [(NAME_MAPPING.to_owned(), mapping)].into() });
        }
        if updates.is_empty() {
            return Ok(None);
        }
        let requirements = [
            TableRequirement::UuidMatch { uuid: metadata.uuid() },
            TableRequirement::CurrentSchemaIdMatch { current_schema_id: metadata.current_schema_id() },
            TableRequirement::LastAssignedFieldIdMatch { last_assigned_field_id: metadata.last_column_id() },
        ];
        Ok(Some(match self.catalog.commit(table, &requirements, &updates).await? {
            Committed::Done => Attempt::Onwards,
            Committed::Conflict(error) | Committed::Unclear(error) => Attempt::Again(error),
        }))
    }

    async fn append(&self, table: &TableIdent, loaded: Loaded, files: &[LandedFile]) -> Result<Attempt> {
        let metadata = &loaded.metadata;
        let location = metadata.location();
        let (bucket, _) = bucket_and_key(location).ok_or_else(|| {
            Error::unsupported(format!("table {table} is at {location}, which is in no bucket by S3's API"))
        })?;
        let table_files = TableFiles::new(self.context.store(bucket, self.store).await);
        let partition = (metadata.default_partition_spec_id(), self.partition(table, metadata)?);
        let describe = |file: &LandedFile| {
            data_file::describe(
                &file.path,
                file.size,
                &file.metadata,
                metadata.current_schema(),
                partition.clone(),
            )
        };
        let described = files.iter().map(describe).collect::<Result<Vec<_>, _>>();
        let described = described.map_err(|reason| {
            Error::contract_broken(format!("what landed cannot be described to {table}: {reason}"))
        })?;
        let known = metadata.clone();
        let prepared = async {
            let table = Table::builder()
                .identifier(table.clone())
                .metadata(loaded.metadata)
                .metadata_location(loaded.metadata_location.unwrap_or_default())
                .file_io(table_files.io())
                .runtime(Runtime::try_current()?)
                .build()?;
            commit::prepare(&table, described, self.mark.summary()).await
        };
        let append = prepared.await.map_err(|error| match table_files.take_failure() {
            Some(failure) => Error::from(failure).while_doing(format!("table {table}")),
            None => Error::contract_broken(format!("table {table} cannot be appended to")).because(error),
        })?;
        let snapshot_id = append.snapshot_id().unwrap_or_default();
        match self.catalog.commit(table, &append.requirements, &append.updates).await {
            Ok(Committed::Done) => {
                self.record.end(&table.to_string(), &known, snapshot_id).await?;
                Ok(Attempt::Done { snapshot_id, was_there: false })
            }
            // What was written may be the table's.
            Ok(Committed::Unclear(error)) => Ok(Attempt::Again(error)),
            Ok(Committed::Conflict(error)) => {
                table_files.delete_written().await;
                Ok(Attempt::Again(error))
            }
            Err(error) => {
                table_files.delete_written().await;
                Err(error)
            }
        }
    }

    /// The partition that the files are in.
    fn partition(&self, table: &TableIdent, metadata: &TableMetadata) -> Result<Struct> {
        let fields = metadata.default_partition_spec().fields();
        let is_day = |source: i32, transform: Transform| {
            transform == Transform::Identity
                && metadata.current_schema().field_id_by_name(DAY) == Some(source)
        };
        match fields {
            [] => Ok(Struct::empty()),
            [by] if is_day(by.source_id, by.transform) => {
                Ok(Struct::from_iter([Some(Literal::date(days(self.since)))]))
            }
            _ => Err(Error::unsupported(format!(
                "table {table} is partitioned by what landed files are not divided by: have it partitioned by nothing, or by the \
                 column {DAY}, a date, as it is"
            ))),
        }
    }
}

/// The days of UTC since 1970.
fn days(at: Timestamp) -> i32 {
    let date = at.to_zoned(TimeZone::UTC).date();
    let since = jiff::civil::Date::constant(1970, 1, 1).until(date);
    since.map_or(0, |span| span.get_days())
}

fn misfit(table: &TableIdent, error: ColumnError) -> Error {
    Error::schema_changed(format!("table {table} cannot hold what has landed")).because(error)
}

fn unwritable(table: &TableIdent, error: serde_json::Error) -> Error {
    Error::contract_broken(format!("property {NAME_MAPPING} of table {table} is not what Iceberg defines"))
        .because(error)
}

fn unavailable(table: &TableIdent, last: Option<Error>) -> Error {
    let error = Error::source_unavailable(format!(
        "the job's rows could not be appended to table {table} in time: call again"
    ));
    match last {
        Some(last) => error.because(last),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The partition of a run is the day on which it was submitted, by UTC.
    #[test]
    fn a_day_is_utcs() {
        let at = |text: &str| days(text.parse().unwrap());
        assert_eq!(at("1970-01-01T23:59:59Z"), 0);
        assert_eq!(at("2026-11-21T06:00:00Z"), 20_778);
        assert_eq!(at("2026-11-20T23:30:00-02:00"), 20_778);
    }
}
