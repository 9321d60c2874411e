//! Records that break the rules of their format, in a file that lands nevertheless.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::Table;

/// So many are listed; further ones are counted.
const MAX_LISTED: usize = 20;

/// What becomes of a file with a record that breaks the rules of its format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBrokenRecord {
    /// The file does not land.
    #[default]
    Refuse,
    /// The file lands, and the manifest lists the record.
    LandAndList,
}

/// The broken records of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BrokenRecords {
    /// How many there are.
    pub count: u64,
    /// The first of them, at most 20.
    pub first: Vec<BrokenRecord>,
}

/// A broken record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BrokenRecord {
    /// The so-manieth record of the file, from 1.
    pub record: u64,
    /// The byte of the file's content that it begins at, from 0.
    pub begins_at: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl BrokenRecords {
    /// Counts one more, and lists it if it is one of the first.
    pub(super) fn add(&mut self, broken: BrokenRecord) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < MAX_LISTED {
            self.first.push(broken);
        }
    }
}

/// What has been counted of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowCount {
    /// Its rows, or whole records.
    pub rows: u64,
    /// Its broken records, where it has any and lands nevertheless.
    pub broken_records: Option<Box<BrokenRecords>>,
    /// Its columns, where they are looked at and it has such.
    pub table: Option<Box<Table>>,
}

impl From<u64> for RowCount {
    fn from(rows: u64) -> Self {
        Self { rows, ..Self::default() }
    }
}
