//! What a verification finds, in words and as JSON.

use std::fmt;

use jiff::Timestamp;
use landfall::job::JobRequestId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is found. Names stay; others may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "finding", rename_all = "snake_case", deny_unknown_fields)]
pub enum Finding {
    /// All files of the job have been unpacked, and no manifest is there.
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
    /// An object is there among the job's that its manifest does not name: whoever reads all that is there reads it, too.
    ObjectUnknown {
        /// Where it is.
        object: String,
        /// Its key.
        key: String,
    },
    /// The source has counted other rows or records than the manifest.
    CountDiffers {
        /// How many the source has counted.
        source: u64,
        /// How many the manifest counts.
        manifest: u64,
    },
    /// What is kept of the unpacking of one of the job's files is gone: nothing shows any more that its manifest names all
    /// that has landed of it.
    ReceiptGone {
        /// Where it was.
        object: String,
    },
    /// No job that has landed has the rows of this time.
    WindowMissing {
        /// Where the rows before it end.
        from: Timestamp,
        /// Where the rows after it begin.
        until: Timestamp,
        /// A job that would have them, and has not landed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// How many of these are of what is gone, changed or missing.
pub fn losses(findings: &[Finding]) -> u64 {
    findings.iter().map(|finding| u64::from(finding.is_loss())).sum()
}

impl Finding {
    /// Whether something is gone, changed or missing.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::RowsUnusual { .. })
    }

    /// Whether landing the job again can mend it.
    pub fn is_mended_by_landing(&self) -> bool {
        matches!(
            self,
            Self::ManifestGone { .. }
                | Self::ManifestChanged { .. }
                | Self::ObjectGone { .. }
                | Self::ObjectChanged { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManifestGone { object } => {
                write!(
                    formatter,
                    "the manifest is gone: {object}, though all of the job's files have been unpacked"
                )
            }
            Self::ManifestChanged { object, reason } => {
                write!(formatter, "the manifest has been changed: {object}: {reason}")
            }
            Self::ObjectGone { object, .. } => write!(formatter, "gone: {object}"),
            Self::ObjectChanged { object, reason, .. } => write!(formatter, "changed: {object}: {reason}"),
            Self::ObjectUnknown { object, .. } => {
                write!(formatter, "not named by the manifest: {object}: somebody else has put it there")
            }
            Self::CountDiffers { source, manifest } => {
                write!(
                    formatter,
                    "the source has counted {source} rows or records, and the manifest {manifest}"
                )
            }
            Self::ReceiptGone { object } => {
                write!(formatter, "what is kept of the unpacking of a file is gone: {object}")
            }
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
