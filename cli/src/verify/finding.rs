//! What a verification finds, in words and as JSON.

use std::fmt;

use jiff::Timestamp;
use landfall::job::{ConnectionName, DestinationName, JobRecord, JobRequestId};
use landfall_systems::SYSTEMS;
use serde::Serialize;
use serde_json::{Value, json};

/// What is found. Names stay; others may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub(crate) enum Finding {
    /// All files of the job have been unpacked, and what is kept until it has landed is deleted: it had its manifest.
    ManifestGone {
        /// Where it was.
        object: String,
    },
    /// The manifest is not what landfall wrote.
    ManifestChanged {
        /// Where it is.
        object: String,
        /// In what it differs.
        reason: String,
    },
    /// An object is not there.
    ObjectGone {
        /// Where it was.
        object: String,
        /// Its key.
        key: String,
    },
    /// An object holds other bytes than those that landed.
    ObjectChanged {
        /// Where it is.
        object: String,
        /// Its key.
        key: String,
        /// In what it differs.
        reason: String,
    },
    /// No job that has landed has the rows of this time.
    WindowMissing {
        /// Where the rows before it end.
        from: Timestamp,
        /// Where the rows after it begin.
        until: Timestamp,
        /// A job that would have them, and has not landed.
        #[serde(skip_serializing_if = "Option::is_none")]
        not_landed: Option<JobRequestId>,
    },
    /// The job has many more or far fewer rows than the export's other jobs. Told, and no loss.
    RowsUnusual {
        /// Its rows.
        rows: u64,
        /// The median of those that came before it.
        usual: u64,
        /// How many those are.
        jobs: usize,
    },
}

impl Finding {
    /// Whether something is gone, changed or missing.
    pub(crate) fn is_loss(&self) -> bool {
        !matches!(self, Self::RowsUnusual { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManifestGone { object } => write!(formatter, "the manifest is gone: {object}"),
            Self::ManifestChanged { object, reason } => {
                write!(formatter, "the manifest has been changed: {object}: {reason}")
            }
            Self::ObjectGone { object, .. } => write!(formatter, "gone: {object}"),
            Self::ObjectChanged { object, reason, .. } => write!(formatter, "changed: {object}: {reason}"),
            Self::WindowMissing { from, until, not_landed } => {
                write!(formatter, "no landed job has the rows from {from} until {until}")?;
                match not_landed {
                    Some(id) => write!(formatter, ": job {id} has not landed"),
                    None => Ok(()),
                }
            }
            Self::RowsUnusual { rows, usual, jobs } => {
                write!(formatter, "note: {rows} rows, where {usual} are usual (median of {jobs} jobs)")
            }
        }
    }
}

/// What a finding is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Of {
    connection: ConnectionName,
    export: String,
    destination: DestinationName,
    job_request_id: Option<JobRequestId>,
}

impl Of {
    /// A job.
    pub(crate) fn job(record: &JobRecord) -> Self {
        Self { job_request_id: Some(record.job_request_id.clone()), ..Self::export(record) }
    }

    /// All jobs of its export.
    pub(crate) fn export(record: &JobRecord) -> Self {
        Self {
            connection: record.connection.clone(),
            export: SYSTEMS.name(&record.export),
            destination: record.destination.clone(),
            job_request_id: None,
        }
    }

    /// With what is said of it.
    pub(crate) fn line(&self, said: &Value) -> Value {
        let mut line =
            json!({ "connection": self.connection, "export": self.export, "destination": self.destination });
        if let Some(line) = line.as_object_mut() {
            line.extend(self.job_request_id.iter().map(|id| ("job_request_id".to_owned(), json!(id))));
            line.extend(said.as_object().cloned().unwrap_or_default());
        }
        line
    }
}

impl fmt::Display for Of {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.job_request_id {
            Some(id) => write!(formatter, "job {id} on {} ({})", self.connection, self.export),
            None => write!(formatter, "{} on {}", self.export, self.connection),
        }
    }
}
