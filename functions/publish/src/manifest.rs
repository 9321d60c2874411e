//! The manifest's form, and a writer that streams it: it may name more objects than memory would hold.

use jiff::Timestamp;
use landfall::checksum::Sha256;
use landfall::export::Export;
use landfall::job::{
    ConnectionName, DestinationName, ExpectedRows, JobRecord, JobRequestId, JobState, LandedObject, Outcome,
    RunKey, StagedFile, Totals, Window,
};
use landfall::manifest::Tail;
use landfall::schema::SchemaChange;
use landfall::{Error, Result};
use landfall_store::{ByteBudget, ObjectWriter, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tables::ManifestTable;

/// The version of the manifest's form.
pub const MANIFEST_VERSION: u32 = 1;

/// A manifest: this job has landed, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest's format.
    pub manifest_version: u32,
    /// The connection that the job ran on.
    pub connection: ConnectionName,
    /// The job's id at the source.
    pub job_request_id: JobRequestId,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<RunKey>,
    /// What it exported.
    pub export: Export,
    /// The time that its rows are from, where landfall divides the export into increments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The destination's name.
    pub destination: DestinationName,
    /// When it was submitted, or first seen.
    pub submitted_at: Timestamp,
    /// The source's files.
    pub files: Vec<SourceFile>,
    /// The version of the export's schema by which the tables are told, where columns are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<ManifestSchema>,
    /// How the job's columns differ from the version before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_changes: Vec<SchemaChange>,
    /// The tables that the objects' rows are of, where columns are looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<ManifestTable>,
    /// Every object that has landed, in the order of the source's files and of their members.
    pub objects: Vec<LandedObject>,
    /// How the job ended: `succeeded`, `partial` or `empty`.
    pub state: JobState,
    /// The same in the source's own word.
    pub native_status: String,
    /// The source's message about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is odd about what has landed, and is no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What has landed, summed.
    pub totals: Totals,
}

/// A version of an export's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ManifestSchema {
    /// Which version.
    pub version: u32,
    /// The version that the job's columns were held against: the same where nothing has changed; 0 where there was none.
    pub from: u32,
    /// The key in the landing bucket under which it can be read.
    pub key: String,
}

/// What a manifest begins with.
#[derive(Debug, Serialize)]
pub(crate) struct Head<'a> {
    manifest_version: u32,
    connection: &'a ConnectionName,
    job_request_id: &'a JobRequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_key: Option<&'a RunKey>,
    export: &'a Export,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a Window>,
    destination: &'a DestinationName,
    submitted_at: Timestamp,
}

impl<'a> Head<'a> {
    /// The head of a job's manifest.
    pub(crate) fn of(job: &'a JobRecord) -> Self {
        Self {
            manifest_version: MANIFEST_VERSION,
            connection: &job.connection,
            job_request_id: &job.job_request_id,
            run_key: job.run_key.as_ref(),
            export: &job.export,
            window: job.window.as_ref(),
            destination: &job.destination,
            submitted_at: job.since,
        }
    }
}

/// A file as the source gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SourceFile {
    /// Its name at the source.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
}

/// Writes a manifest piece by piece. It becomes visible whole, when it is finished.
pub(crate) struct ManifestWriter {
    writer: ObjectWriter,
    is_first: bool,
    totals: Totals,
    /// The rows of what is data: those that a source counts. `None` once there is an object whose rows nobody counts.
    data_rows: Option<u64>,
    broken: Broken,
}

/// Broken records, summed.
#[derive(Debug, Default)]
struct Broken {
    records: u64,
    objects: u64,
}

impl ManifestWriter {
    /// Begins with what the job was asked for.
    pub(crate) async fn begin(
        store: &Store,
        key: &str,
        budget: &ByteBudget,
        head: &Head<'_>,
    ) -> Result<Self> {
        let writer = ObjectWriter::new(store, key, budget, None);
        let mut this = Self {
            writer,
            is_first: true,
            totals: Totals::default(),
            data_rows: Some(0),
            broken: Broken::default(),
        };
        let head = serde_json::to_string_pretty(head).map_err(unserialisable)?;
        let open = head.trim_end().strip_suffix('}').unwrap_or(&head).trim_end();
        this.push(&format!("{open},\n  \"files\": [")).await?;
        Ok(this)
    }

    /// Names one of the source's files.
    pub(crate) async fn file(&mut self, staged: &StagedFile) -> Result<()> {
        let file = SourceFile { name: staged.name.clone(), size: staged.size, sha256: staged.sha256 };
        self.item(&file).await
    }

    /// Goes on to the schema, how it has changed, and the tables.
    pub(crate) async fn begin_tables(
        &mut self,
        schema: &ManifestSchema,
        changes: &[SchemaChange],
    ) -> Result<()> {
        let schema = serde_json::to_string(schema).map_err(unserialisable)?;
        self.push(&format!("\n  ],\n  \"schema\": {schema}")).await?;
        if !changes.is_empty() {
            self.is_first = true;
            self.push(",\n  \"schema_changes\": [").await?;
            for change in changes {
                self.item(change).await?;
            }
            self.push("\n  ]").await?;
        }
        self.is_first = true;
        self.push(",\n  \"tables\": [").await
    }

    /// Describes one.
    pub(crate) async fn table(&mut self, table: &ManifestTable) -> Result<()> {
        self.item(table).await
    }

    /// Goes on to the objects.
    pub(crate) async fn begin_objects(&mut self) -> Result<()> {
        self.is_first = true;
        self.push("\n  ],\n  \"objects\": [").await
    }

    /// Names one object, of the job's data or of its log.
    pub(crate) async fn object(&mut self, object: &LandedObject, is_data: bool) -> Result<()> {
        self.totals.add(object);
        let broken = object.broken_records.as_ref().map_or(0, |broken| broken.count);
        self.broken.records = self.broken.records.saturating_add(broken);
        self.broken.objects = self.broken.objects.saturating_add(u64::from(broken > 0));
        if is_data {
            let counted = self.data_rows.zip(object.rows_at_source());
            self.data_rows = counted.map(|(before, rows)| before.saturating_add(rows));
        }
        self.item(object).await
    }

    /// Ends with how the job ended and what was odd about it before, and makes the manifest visible.
    pub(crate) async fn finish(mut self, outcome: &Outcome, mut warnings: Vec<String>) -> Result<()> {
        let Broken { records, objects } = self.broken;
        if records > 0 {
            warnings.push(format!(
                "records that break the rules of their format have landed: {records} of them, in {objects} of the objects, \
                 whose broken_records tell which"
            ));
        }
        match (outcome.expected_rows, self.data_rows) {
            (Some(ExpectedRows::Exactly(expected)), Some(landed)) if expected != landed => {
                self.writer.abandon().await;
                return Err(Error::integrity(format!(
                    "the source counts {expected} rows or records, but {landed} have landed: look at the job there, and run \
                     the export again under another run_key"
                )));
            }
            (Some(ExpectedRows::Exactly(expected)), None) => warnings.push(format!(
                "the source counts {expected} rows or records, and what has landed is not counted: nothing shows that it is \
                 all of them"
            )),
            (Some(ExpectedRows::Claimed(claimed)), Some(landed)) if claimed != landed => warnings.push(format!(
                "the source counts {claimed} rows or records, but {landed} have landed: what it counts is not \
                 established, so look at the job there"
            )),
            _ => {}
        }
        let tail = Tail {
            state: outcome.state,
            native_status: outcome.native_status.clone(),
            message: outcome.message.clone(),
            warnings,
            totals: self.totals,
        };
        let tail = serde_json::to_string_pretty(&tail).map_err(unserialisable)?;
        let tail = tail.trim_start_matches(['{', '\n', ' ']);
        self.push(&format!("\n  ],\n  {tail}\n")).await?;
        self.writer.seal(|_| Ok::<_, Error>(())).await?;
        Ok(())
    }

    async fn item<T: Serialize>(&mut self, item: &T) -> Result<()> {
        let json = serde_json::to_string(item).map_err(unserialisable)?;
        let comma = if std::mem::replace(&mut self.is_first, false) { "" } else { "," };
        self.push(&format!("{comma}\n    {json}")).await
    }

    async fn push(&mut self, text: &str) -> Result<()> {
        if let Err(error) = self.writer.write(text.as_bytes()).await {
            self.writer.abort().await?;
            return Err(error.into());
        }
        Ok(())
    }
}

fn unserialisable(error: serde_json::Error) -> Error {
    Error::contract_broken("a part of the manifest cannot be written as JSON").because(error)
}
