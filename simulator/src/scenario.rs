//! What the simulated pod holds when nothing is wrong with it.

use serde::{Deserialize, Serialize};

use crate::epm::EpmScenario;
use crate::folio::FolioScenario;
use crate::fusion::rest::RestScenario;

/// The data that jobs yield. The same scenario and the same job id give the same bytes, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Where every row's randomness comes from.
    pub seed: u64,
    /// The business object views of an extract; each is a table of its own. None means a job that
    /// succeeds without output.
    pub views: Vec<String>,
    /// Output files (chunks) a view.
    pub chunks_per_view: u32,
    /// Data members in each chunk. The first is named after the view alone, so it has the same name in
    /// every chunk of the view.
    pub members_per_chunk: u32,
    /// How large a data member is.
    pub member_size: MemberSize,
    /// What a data member holds.
    pub format: Format,
    /// Who writes the archives, in turn from chunk to chunk. None means all of them.
    pub producers: Vec<Producer>,
    /// At most so many occurrences of a recurring request run.
    pub max_occurrences: u32,
    /// Jobs that the pod's list holds from the start, all finished and without output.
    pub planted_jobs: Vec<PlantedJob>,
    /// Fusion's REST resources.
    pub rest: RestScenario,
    /// Oracle EPM.
    pub epm: EpmScenario,
    /// FOLIO.
    pub folio: FolioScenario,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            views: ["carriersExtract", "costDistributionExtract"].map(String::from).to_vec(),
            chunks_per_view: 3,
            members_per_chunk: 1,
            member_size: MemberSize::Rows(2_000),
            format: Format::Csv,
            producers: Vec::new(),
            max_occurrences: 3,
            planted_jobs: Vec::new(),
            rest: RestScenario::default(),
            epm: EpmScenario::default(),
            folio: FolioScenario::default(),
        }
    }
}

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
}
