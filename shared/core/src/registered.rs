//! What the step `register-table` answers. Here, as whoever calls its program reads it, and does not link it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{Measure, Measured};

/// The tables that a job's rows are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Each of them; none where the destination names no table, or the job has no rows.
    pub tables: Vec<RegisteredTable>,
}

/// A table that has a job's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisteredTable {
    /// Its catalog, by its name in the configuration.
    pub catalog: String,
    /// Its namespace and name.
    pub table: String,
    /// The snapshot that has them.
    pub snapshot_id: i64,
    /// How many files they are in.
    pub files: u64,
    /// How many they are.
    pub rows: u64,
    /// Whether the table had them before this call.
    pub already_registered: bool,
}

impl Measured for Registered {
    fn measures(&self) -> Vec<Measure> {
        let new = self.tables.iter().filter(|table| !table.already_registered);
        let rows = new.clone().map(|table| table.rows).sum();
        vec![
            Measure::count("tables_registered", new.count().try_into().unwrap_or(u64::MAX)),
            Measure::count("rows_registered", rows),
        ]
    }
}
