//! What jobs yield, and which jobs there are, when nothing is wrong with data extraction.

use serde::{Deserialize, Serialize};

/// How large a data member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberSize {
    /// Exactly so many rows, besides a header.
    Rows(u64),
    /// As few rows as make so many bytes; the last one goes beyond.
    Bytes(u64),
}

/// The text format of a data member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Commas, an upper-case header, quotes where needed, line feeds.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// What the names of such members end in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}

/// The writers of ZIP archives whose output differs, in ways that a reader has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Producer {
    /// The `zip` crate: sizes and CRC in the local header, filled in by seeking back.
    ZipCrate,
    /// In the way of Java's `ZipOutputStream`: a data descriptor with signature after each member, and
    /// zeros in the local header (APPNOTE 4.4.4, bit 3).
    JavaStream,
    /// ZIP64 extra fields and records, small as the members may be (APPNOTE 4.5.3).
    AlwaysZip64,
    /// Members that are stored, not deflated.
    Stored,
    /// A data descriptor without signature (APPNOTE 4.3.9.3: it is optional).
    BareDescriptor,
}

impl Producer {
    pub(crate) const ALL: [Self; 5] =
        [Self::ZipCrate, Self::JavaStream, Self::AlwaysZip64, Self::Stored, Self::BareDescriptor];
}

/// A job that nobody submitted through this API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantedJob {
    /// Its description.
    pub description: String,
    /// Its extract (`submit.argument1`).
    pub extract: String,
    /// Its `clientRequestUuid`.
    pub client_request_uuid: Option<String>,
    /// What it runs: `DataExport`, if not said.
    pub job_definition_name: Option<String>,
    /// How it ended: `SUCCEEDED`, if not said.
    pub status: Option<String>,
    /// What is said about that, instead of the usual.
    pub message: Option<String>,
}
