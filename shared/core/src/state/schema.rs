//! The kept versions of exports' schemas, and by which of them a job is told.

use futures::TryStreamExt as _;

use super::{Document, Result, WorkState, keys};
use crate::job::{ConnectionName, JobRef};
use crate::schema::{JobSchema, SchemaVersion};

impl Document for SchemaVersion {}
impl Document for JobSchema {}

impl WorkState {
    /// The newest version of the schema of an export, which is named by its path; none before its first.
    pub async fn newest_schema(
        &self,
        connection: &ConnectionName,
        export: &str,
    ) -> Result<Option<SchemaVersion>> {
        match self.newest_schema_number(connection, export).await? {
            Some(newest) => self.schema(connection, export, newest).await,
            None => Ok(None),
        }
    }

    /// The number of that version.
    pub async fn newest_schema_number(
        &self,
        connection: &ConnectionName,
        export: &str,
    ) -> Result<Option<u32>> {
        Ok(self.schema_numbers(connection, export).await?.into_iter().max())
    }

    /// The numbers of the versions that there are.
    pub async fn schema_numbers(&self, connection: &ConnectionName, export: &str) -> Result<Vec<u32>> {
        let prefix = keys::schemas(connection, export);
        let mut listed = self.store().list(&prefix);
        let mut numbers = Vec::new();
        while let Some(object) = listed.try_next().await? {
            // What is in a folder below is another export's.
            let number = object.key.strip_prefix(&prefix).and_then(|name| name.strip_suffix(".json"));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        Ok(numbers)
    }

    /// A version of the schema of an export.
    pub async fn schema(
        &self,
        connection: &ConnectionName,
        export: &str,
        number: u32,
    ) -> Result<Option<SchemaVersion>> {
        Ok(self.read(&keys::schema(connection, export, number)).await?.map(|(version, _)| version))
    }

    /// Writes a version unless there is one of its number; returns the one that is there.
    pub async fn create_schema(&self, export: &str, version: SchemaVersion) -> Result<SchemaVersion> {
        let key = keys::schema(&version.connection, export, version.number);
        self.write_once(&key, version).await
    }

    /// By which version of the schema a job is told, once that is decided.
    pub async fn job_schema(&self, job: &JobRef) -> Result<Option<JobSchema>> {
        Ok(self.read(&keys::job_schema(job)).await?.map(|(recorded, _)| recorded))
    }

    /// Records by which version of the schema a job is told; returns what is recorded.
    pub async fn record_job_schema(&self, job: &JobRef, schema: JobSchema) -> Result<JobSchema> {
        self.write_once(&keys::job_schema(job), schema).await
    }
}
