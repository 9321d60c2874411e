//! What a destination's name, and the work bucket, stand for.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_store::StoreSettings;
use landfall_zip::{Limits, NameEncoding};
use serde::Deserialize;

use super::catalog::{InvalidTable, TableSettings};
use crate::error::{Error, Result};
use crate::export::ExportSpec;
use crate::form::{JobForm, LandedForm, ZstdLevel};
use crate::job::{ConnectionName, JobRequestId};
use crate::rows::{CsvSettings, InvalidDialect, OnBrokenRecord, RowSettings};
use crate::schema::OnSchemaChange;
use crate::state::keys::{export_path, safe_segment};

/// The bucket that keeps the pipeline's own state.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The bucket's name.
    pub bucket: String,
    /// Where it is.
    #[serde(default)]
    pub store: StoreSettings,
}

/// Where objects land, and in which form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The bucket's name.
    pub bucket: String,
    /// What leads every key, without slashes around it.
    #[serde(default)]
    pub prefix: String,
    /// The layout of a job's keys below the prefix.
    #[serde(default)]
    pub layout: Layout,
    /// The form in which everything lands.
    #[serde(default)]
    pub form: LandedForm,
    /// How hard Zstandard compresses; only in the forms `zstd` and `parquet`.
    #[serde(default)]
    pub zstd_level: Option<ZstdLevel>,
    /// Whether each object's SHA-256 is computed and kept in the manifest: a third of what landing costs.
    #[serde(default)]
    pub sha256: bool,
    /// Whether the first record of a CSV file is a header, which is then not counted as a row.
    #[serde(default = "yes")]
    pub csv_header: bool,
    /// How delimited text is written, where that is not to be recognised.
    #[serde(default)]
    pub csv: CsvSettings,
    /// Whether every value of what has rows is looked at, for the manifest to tell the columns and their types.
    #[serde(default)]
    pub observe_columns: bool,
    /// What becomes of a job whose columns do not fit the export's schema; if not said, changes of declared columns fail,
    /// and the schema is widened by others.
    #[serde(default)]
    pub on_schema_change: Option<OnSchemaChange>,
    /// What becomes of a file with a record that breaks the rules of its format: MARC alone has such.
    #[serde(default)]
    pub on_broken_record: OnBrokenRecord,
    /// How archives are read.
    #[serde(default)]
    pub archive: ArchiveReading,
    /// What an archive may hold at most.
    #[serde(default)]
    pub limits: Limits,
    /// The table that what has landed is appended to, where there is one.
    #[serde(default)]
    pub table: Option<TableSettings>,
    /// Where the bucket is.
    #[serde(default)]
    pub store: StoreSettings,
}

/// How archives are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveReading {
    /// The encoding of members' names that do not say theirs, by its label: `shift_jis`, `gbk`, `ibm866` and so on.
    pub name_encoding: NameEncoding,
    /// Whether what is an archive only inside (a spreadsheet, a book, a program in Java) is unpacked like one, and does
    /// not land as the file that it is.
    pub unpack_documents: bool,
}

/// The layout of a job's keys: segments with fields in braces.
///
/// Fields: `{connection}`, `{export}`, `{kind}`, `{job_request_id}`, and of the time when the job was submitted
/// (UTC) `{year}`, `{month}`, `{day}`, `{hour}`. Connection and job request id must be among them: that is what
/// keeps any two jobs apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Layout(String);

/// A layout that cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLayout {
    /// A field that there is not.
    #[error("the layout names an unknown field {{{0}}}")]
    UnknownField(String),
    /// Two jobs could meet.
    #[error("the layout lacks the segment {{{0}}}: two jobs could land in the same place")]
    Without(&'static str),
    /// A segment that cannot be one.
    #[error(
        "the layout cannot hold the segment {0:?}: it takes letters, digits, . _ - = and fields in braces"
    )]
    Segment(String),
}

impl Default for Layout {
    fn default() -> Self {
        Self("{connection}/{export}/{job_request_id}".to_owned())
    }
}

const FIELDS: [&str; 8] = ["connection", "export", "kind", "job_request_id", "year", "month", "day", "hour"];

impl TryFrom<String> for Layout {
    type Error = InvalidLayout;

    fn try_from(text: String) -> std::result::Result<Self, InvalidLayout> {
        let mut rest = text.clone();
        for field in FIELDS {
            rest = rest.replace(&format!("{{{field}}}"), "x");
        }
        if let Some((_, unknown)) = rest.split_once('{') {
            return Err(InvalidLayout::UnknownField(
                unknown.split('}').next().unwrap_or_default().to_owned(),
            ));
        }
        if let Some(segment) =
            rest.split('/').find(|segment| segment.is_empty() || safe_segment(segment) != *segment)
        {
            return Err(InvalidLayout::Segment(segment.to_owned()));
        }
        for needed in ["connection", "job_request_id"] {
            if !text.split('/').any(|segment| segment == format!("{{{needed}}}")) {
                return Err(InvalidLayout::Without(needed));
            }
        }
        Ok(Self(text))
    }
}

/// Settings that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    /// A level of a form that it is not.
    #[error("zstd_level is given, and form is neither \"zstd\" nor \"parquet\"")]
    LevelWithoutZstd,
    /// A table of what is no Parquet.
    #[error("table is given, and form is not \"parquet\": only Parquet files can be appended to a table")]
    TableWithoutParquet,
    /// A table that cannot be.
    #[error(transparent)]
    Table(#[from] InvalidTable),
    /// A way in which no text is written.
    #[error(transparent)]
    Dialect(#[from] InvalidDialect),
}

impl Destination {
    /// Holds the settings against each other.
    pub(super) fn check(&self) -> std::result::Result<(), InvalidDestination> {
        let has_level = matches!(self.form, LandedForm::Zstd | LandedForm::Parquet);
        if self.zstd_level.is_some() && !has_level {
            return Err(InvalidDestination::LevelWithoutZstd);
        }
        if let Some(table) = &self.table {
            table.check()?;
            if self.form != LandedForm::Parquet {
                return Err(InvalidDestination::TableWithoutParquet);
            }
        }
        Ok(self.csv.check()?)
    }

    /// How rows are counted.
    pub fn row_settings(&self) -> RowSettings {
        RowSettings { has_header: self.csv_header, csv: self.csv, on_broken_record: self.on_broken_record }
    }

    /// The form in which a job that begins now lands, from beginning to end.
    pub fn job_form(&self) -> JobForm {
        self.in_form(self.form)
    }

    /// The same, where the form is asked for by name.
    pub fn in_form(&self, form: LandedForm) -> JobForm {
        JobForm::of(form, self.zstd_level)
    }

    /// The prefix below which a job's objects land, with a slash behind it.
    pub fn landing_prefix(
        &self,
        connection: &ConnectionName,
        job: &JobRequestId,
        export: &dyn ExportSpec,
        since: Timestamp,
    ) -> Result<String> {
        let prefix = self.checked_prefix()?;
        let time = since.to_zoned(TimeZone::UTC);
        let mut path = self.layout.0.clone();
        for (field, value) in std::iter::zip(
            FIELDS,
            [
                connection.to_string(),
                export_path(export),
                export.to_export().kind().to_owned(),
                safe_segment(job.as_str()),
                time.strftime("%Y").to_string(),
                time.strftime("%m").to_string(),
                time.strftime("%d").to_string(),
                time.strftime("%H").to_string(),
            ],
        ) {
            path = path.replace(&format!("{{{field}}}"), &value);
        }
        Ok(if prefix.is_empty() { format!("{path}/") } else { format!("{prefix}/{path}/") })
    }

    /// The prefix below which the versions of an export's schema are for readers: its folder in the layout, without what
    /// tells its jobs apart.
    pub fn schema_prefix(&self, connection: &ConnectionName, export: &dyn ExportSpec) -> Result<String> {
        const OF_A_JOB: [&str; 5] = ["{job_request_id}", "{year}", "{month}", "{day}", "{hour}"];
        let is_of_jobs = |segment: &&str| OF_A_JOB.iter().any(|field| segment.contains(field));
        let mut segments: Vec<&str> =
            self.layout.0.split('/').filter(|segment| !is_of_jobs(segment)).collect();
        if !segments.iter().any(|segment| segment.contains("{export}")) {
            segments.push("{export}");
        }
        let path = segments
            .join("/")
            .replace("{connection}", connection.as_str())
            .replace("{kind}", export.to_export().kind())
            .replace("{export}", &export_path(export));
        let prefix = self.checked_prefix()?;
        Ok(if prefix.is_empty() { format!("{path}/_schema/") } else { format!("{prefix}/{path}/_schema/") })
    }

    /// The folders of all jobs of an export, which is named by its path, as a pattern with a slash behind it.
    pub fn folders_of_jobs(&self, connection: &ConnectionName, export: &str) -> String {
        let known = [("connection", connection.as_str()), ("export", export)];
        let path = FIELDS.iter().fold(self.layout.0.clone(), |path, field| {
            let value = known.iter().find(|(name, _)| name == field).map_or("*", |(_, value)| value);
            path.replace(&format!("{{{field}}}"), value)
        });
        let prefix = self.prefix.trim_matches('/');
        if prefix.is_empty() { format!("{path}/") } else { format!("{prefix}/{path}/") }
    }

    fn checked_prefix(&self) -> Result<&str> {
        let prefix = self.prefix.trim_matches('/');
        match prefix.split('/').find(|segment| !prefix.is_empty() && safe_segment(segment) != *segment) {
            Some(segment) => Err(Error::invalid_config(format!(
                "the destination's prefix cannot hold the segment {segment:?}"
            ))),
            None => Ok(prefix),
        }
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> std::result::Result<Layout, String> {
        Layout::try_from(text.to_owned()).map_err(|error| error.to_string())
    }

    /// Promise 4: whatever the layout is, no two jobs meet.
    #[test]
    fn a_layout_holds_connection_and_job_as_segments_of_their_own() {
        assert!(layout("{connection}/{export}/{year}-{month}-{day}/{job_request_id}").is_ok());
        assert!(layout("{connection}/{export}").unwrap_err().contains("{job_request_id}"));
        assert!(layout("{connection}{export}/{job_request_id}").unwrap_err().contains("{connection}"));
        assert!(layout("{connection}/{ledger}/{job_request_id}").unwrap_err().contains("{ledger}"));
        assert!(layout("{connection}/../{job_request_id}").is_err());
        assert!(layout("/{connection}/{job_request_id}").is_err());
    }
}
