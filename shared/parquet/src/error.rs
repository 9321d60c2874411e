//! Why rows do not become a file.

use landfall::rows::UnreadableRow;

/// Why rows do not become a Parquet file, or one is not read back.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// A value would come back as another text.
    #[error("row {row} has a value of {column:?} that does not fit into {kind}")]
    Unfit {
        /// The row, from 1.
        row: u64,
        /// The column's name.
        column: String,
        /// The column's type.
        kind: String,
    },
    /// A row has more fields than there are columns.
    #[error("row {row} has more fields than the {columns} of the header")]
    TooManyFields {
        /// The row, from 1.
        row: u64,
        /// How many columns there are.
        columns: usize,
    },
    /// A JSON object has a key that is no column.
    #[error("row {row} has a key that is no column: {key:?}")]
    UnknownKey {
        /// The row, from 1.
        row: u64,
        /// The key.
        key: String,
    },
    /// A row has a column twice.
    #[error("row {row} has {column:?} twice")]
    Twice {
        /// The row, from 1.
        row: u64,
        /// The column's name.
        column: String,
    },
    /// A row is longer than what is kept of one in memory.
    #[error("row {row} has more than {mib} MiB")]
    RowTooLong {
        /// The row, from 1.
        row: u64,
        /// So many are kept.
        mib: usize,
    },
    /// A row cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableRow),
    /// The file cannot be written, or is none.
    #[error("the Parquet file broke")]
    File(#[from] parquet::errors::ParquetError),
    /// The metadata of a file is not what is written there.
    #[error("the file's metadata does not say how its columns were written")]
    Metadata(#[source] Option<serde_json::Error>),
}
