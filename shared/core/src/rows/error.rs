//! Why rows cannot be counted.

use crate::error::Error;

/// Rows that are not what their format promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A record that breaks the rules of ISO 2709.
    #[error("MARC record {record}, at byte {begins_at}, is broken: {reason}")]
    Marc {
        /// The so-manieth record of the file, from 1.
        record: u64,
        /// Where in the file it begins.
        begins_at: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<RowError> for Error {
    fn from(error: RowError) -> Error {
        Error::integrity(format!(
            "{error}: set on_broken_record = \"land_and_list\" in the destination, or in the export of another run, to land \
             the file and list such records in the manifest"
        ))
    }
}
