//! What is kept of a job's being appended to a table: where the table stood when that began, and what came of it.
//!
//! A snapshot tells by its summary which job it is of. But snapshots expire: a table in which none is of the job may have had
//! one. From where the table stood it is known whether any that came later is gone.

use landfall::clock::Clock;
use landfall::job::JobRef;
use landfall::state::{Change, Document, WorkState, keys};
use landfall::{Error, Result};
use serde::{Deserialize, Serialize};

use iceberg::spec::TableMetadata;

/// `jobs/<connection>/<job request id>/registrations/<table>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    /// The table, by its name in its catalog.
    pub table: String,
    /// Which table that was: another may have its name by now.
    pub table_uuid: String,
    /// The last number that one of its snapshots had when the first attempt began.
    pub last_sequence_number: i64,
    /// The snapshot that has the job's rows, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<i64>,
}

impl Document for Registration {}

impl Registration {
    /// Of an attempt that begins with the table as it is.
    pub(crate) fn begun(table: &str, metadata: &TableMetadata) -> Self {
        Self {
            table: table.to_owned(),
            table_uuid: metadata.uuid().to_string(),
            last_sequence_number: metadata.last_sequence_number(),
            snapshot_id: None,
        }
    }

    /// Whether it is of this table, and not of another of its name.
    pub(crate) fn is_of(&self, metadata: &TableMetadata) -> bool {
        self.table_uuid == metadata.uuid().to_string()
    }

    /// Whether every snapshot is there that was made since: each has the next number.
    pub(crate) fn shows_all_since(&self, metadata: &TableMetadata) -> bool {
        let made = metadata.last_sequence_number().saturating_sub(self.last_sequence_number);
        let is_later = |number: i64| number > self.last_sequence_number;
        let there = metadata.snapshots().filter(|snapshot| is_later(snapshot.sequence_number())).count();
        i64::try_from(there).is_ok_and(|there| there == made)
    }
}

/// The record of one job and table.
pub(crate) struct Record<'a> {
    pub work: &'a WorkState,
    pub clock: &'a dyn Clock,
    pub key: String,
}

impl<'a> Record<'a> {
    pub(crate) fn new(work: &'a WorkState, clock: &'a dyn Clock, job: &JobRef, table: u32) -> Self {
        Self { work, clock, key: keys::registration(job, table) }
    }

    /// What is known before anything is committed to this table: what an earlier attempt has noted, or that one begins. Nobody
    /// commits before that is there.
    pub(crate) async fn begin(&self, table: &str, metadata: &TableMetadata) -> Result<Registration> {
        let change = |there: Option<Registration>| {
            std::future::ready(Ok(match there {
                Some(there) if there.is_of(metadata) => Change::Keep(there),
                _ => {
                    let begun = Registration::begun(table, metadata);
                    Change::Write(begun.clone(), begun)
                }
            }))
        };
        self.work.update(&self.key, self.clock, change).await
    }

    /// Notes the snapshot that has the job's rows.
    pub(crate) async fn end(&self, table: &str, metadata: &TableMetadata, snapshot_id: i64) -> Result<()> {
        let change = |there: Option<Registration>| {
            std::future::ready(Ok(match there.filter(|there| there.is_of(metadata)) {
                Some(there) if there.snapshot_id.is_some() => Change::Keep(()),
                there => {
                    let begun = there.unwrap_or_else(|| Registration::begun(table, metadata));
                    Change::Write(Registration { snapshot_id: Some(snapshot_id), ..begun }, ())
                }
            }))
        };
        self.work.update(&self.key, self.clock, change).await
    }

    /// That it cannot be known whether the table has the job's rows.
    pub(crate) fn in_doubt(&self, table: &str, of: &str) -> Error {
        let record = self.work.store().object(&self.key);
        Error::conflict(format!(
            "appending {of} to {table} was begun before, and snapshots that were made since have expired: nothing shows \
             whether one of them had its rows. Look whether the table has them. If so, nothing is to be done; if not, \
             delete {record}, and register the job again"
        ))
    }
}
