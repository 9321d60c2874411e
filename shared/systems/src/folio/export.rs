//! What an event says about a data export of FOLIO, and what of it cannot be.

use jiff::civil::Date;
use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::rows::OnBrokenRecord;
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wire::Execution;
use landfall::error::{Error, Result};
use landfall::state::keys::INPUTS;

/// What a data export of FOLIO exports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolioExport {
    /// The job profile's name, for instance `Default instances export job profile`; `profile_id` instead excludes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The job profile's id, which is the same for FOLIO's own profiles in every system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// Which records; needed to submit a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// What the ids are ids of.
    #[serde(default)]
    pub id_type: IdType,
    /// The type of record that is exported, where the profile leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_type: Option<RecordType>,
    /// Whether deleted records are exported too; as FOLIO has it (they are), if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_records: Option<bool>,
    /// Whether records that are suppressed from discovery are exported too; as FOLIO has it (they are not), if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_from_discovery: Option<bool>,
    /// What becomes of a file with a broken record; as the destination says, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_broken_record: Option<OnBrokenRecord>,
    /// Whether a job without output is normal; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// The records of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Records {
    /// These, by their UUIDs.
    Ids(Vec<String>),
    /// Those whose UUIDs are the lines of an object of the work bucket, its key beginning with `inputs/`.
    Object(String),
    /// Those that a CQL query finds.
    Cql(String),
    /// Those whose UUIDs are the lines of a file of the machine on which `landfall run` runs, which puts it into the
    /// work bucket; no function takes this.
    File(String),
    /// All of the kind that `id_type` says, by `export-all` (since version 5).
    All,
    /// These, by their UUIDs, by the one call of `quick-export` (since version 4).
    Quick(Vec<String>),
    /// The MARC bibliographic records that were deleted in these days, by `export-deleted` (since version 5.1).
    Deleted(DeletedDays),
}

/// The days in which records were deleted; at least one of the two is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletedDays {
    /// The first of them, `2026-11-01`; from the beginning, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<Date>,
    /// The last of them; until now, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub to: Option<Date>,
}

impl Records {
    /// The call that exports them by itself, if one does.
    pub(super) fn direct_call(&self) -> Option<DirectCall<'_>> {
        match self {
            Self::All => Some(DirectCall::All),
            Self::Quick(ids) => Some(DirectCall::Quick(ids)),
            Self::Deleted(days) => Some(DirectCall::Deleted(days)),
            Self::Ids(_) | Self::Object(_) | Self::Cql(_) | Self::File(_) => None,
        }
    }
}

/// A call that makes and starts a job at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DirectCall<'a> {
    All,
    Quick(&'a [String]),
    Deleted(&'a DeletedDays),
}

impl DirectCall<'_> {
    /// The last segment of its path, which is also what messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "export-all",
            Self::Quick(_) => "quick-export",
            Self::Deleted(_) => "export-deleted",
        }
    }

    /// The version that it came with.
    pub(super) fn since(self) -> &'static str {
        match self {
            Self::All => "5.0",
            Self::Quick(_) => "4.0",
            Self::Deleted(_) => "5.1",
        }
    }

    /// What the name of the job's file begins with, where that is known (`DataExportAllService`, `Constants`).
    pub(super) fn stem(self, id_type: IdType) -> Option<String> {
        match self {
            Self::All => Some(format!("{}-all-", id_type.word())),
            Self::Deleted(_) => Some("deleted-marc-bib-records-".to_owned()),
            Self::Quick(_) => None,
        }
    }
}

/// What an id is an id of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdType {
    /// An instance.
    #[default]
    Instance,
    /// A holdings record.
    Holding,
    /// An authority record.
    Authority,
}

impl IdType {
    /// The type as FOLIO writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Holding => "holding",
            Self::Authority => "authority",
        }
    }
}

/// A type of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordType {
    /// Instances.
    Instance,
    /// Holdings records.
    Holdings,
    /// Items.
    Item,
    /// Authority records.
    Authority,
    /// Linked data, written as JSON lines.
    LinkedData,
}

impl RecordType {
    /// The type as FOLIO writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Instance => "INSTANCE",
            Self::Holdings => "HOLDINGS",
            Self::Item => "ITEM",
            Self::Authority => "AUTHORITY",
            Self::LinkedData => "LINKED_DATA",
        }
    }
}

impl FolioExport {
    /// What of a job execution is another than what a job of this export has; nothing if all agrees that it shows.
    pub(super) fn difference(&self, execution: &Execution) -> Option<String> {
        let Execution { job_profile_name: name, job_profile_id: id, exported_files: files, .. } = execution;
        let stem = self.direct_call().and_then(|call| call.stem(self.id_type));
        let file = files.first().and_then(|file| file.file_name.as_deref());
        if let (Some(stem), Some(file)) = (stem, file)
            && !file.starts_with(&stem)
        {
            return Some(format!("its file is {file:?}, and not {stem}<number>"));
        }
        let is_other = |asked: &Option<String>, shown: &Option<String>| match (asked, shown) {
            (Some(asked), Some(shown)) => !asked.eq_ignore_ascii_case(shown),
            _ => false,
        };
        (is_other(&self.profile, name) || is_other(&self.profile_id, id)).then(|| {
            let [name, id] = [name, id].map(|shown| shown.as_deref().unwrap_or("not told"));
            format!("its job profile is {name:?} ({id})")
        })
    }

    /// The export's name: its profile's; of one that takes none, its call's.
    pub fn name(&self) -> &str {
        let call = || self.direct_call().map_or("export", DirectCall::name);
        self.profile.as_deref().or(self.profile_id.as_deref()).unwrap_or_else(call)
    }

    /// The call that exports its records by itself, if one does.
    pub(super) fn direct_call(&self) -> Option<DirectCall<'_>> {
        self.records.as_ref().and_then(Records::direct_call)
    }

    /// Refuses what FOLIO would take and then fail, or export wrongly.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(call) = self.direct_call() {
            self.check_direct(call)?;
        }
        match (&self.profile, &self.profile_id) {
            (None, None) if matches!(self.records, Some(Records::Deleted(_))) => {}
            (Some(name), None) if !name.trim().is_empty() => {}
            (None, Some(id)) if is_uuid(id) => {}
            (None, Some(id)) => return Err(refused("profile_id", format!("{id:?} is not a UUID"))),
            (Some(_), Some(_)) => return Err(refused("profile", "profile_id excludes it")),
            _ => return Err(refused("profile", "is missing: a job profile's name, or its id in profile_id")),
        }
        let records =
            self.records.as_ref().ok_or_else(|| refused("records", "is missing: which records?"))?;
        match records {
            Records::Ids(ids) => check_ids("records.ids", ids),
            Records::Object(key) if key.starts_with(INPUTS) && key.len() > INPUTS.len() => Ok(()),
            Records::Object(key) => {
                Err(refused("records.object", format!("{key:?} does not begin with {INPUTS}")))
            }
            Records::Cql(query) if query.trim().is_empty() => Err(refused("records.cql", "is empty")),
            Records::Cql(query) if query.contains(['\n', '\r']) => {
                Err(refused("records.cql", "has more than one line"))
            }
            // FOLIO answers 204 to it, and fails the job.
            Records::Cql(_) if self.id_type == IdType::Holding => {
                Err(refused("records.cql", "FOLIO exports no holdings by a query: name their ids"))
            }
            Records::Cql(_) => Ok(()),
            Records::All => Ok(()),
            Records::Quick(ids) => check_ids("records.quick", ids),
            Records::Deleted(days) => days.check(),
            Records::File(_) => Err(refused(
                "records.file",
                "is a file of one machine, which only `landfall run` can read: put it into the work bucket below \
                 inputs/ and name it as records.object",
            )),
        }
    }
}

impl FolioExport {
    /// What a call does not take, and would leave out without a word.
    fn check_direct(&self, call: DirectCall<'_>) -> Result<()> {
        let takes: &[&str] = match call {
            DirectCall::All => {
                &["profile", "profile_id", "id_type", "deleted_records", "suppressed_from_discovery"]
            }
            DirectCall::Quick(_) => &["profile", "profile_id", "id_type"],
            DirectCall::Deleted(_) => &[],
        };
        let said = [
            ("profile", self.profile.is_some()),
            ("profile_id", self.profile_id.is_some()),
            ("id_type", self.id_type != IdType::Instance),
            ("record_type", self.record_type.is_some()),
            ("deleted_records", self.deleted_records.is_some()),
            ("suppressed_from_discovery", self.suppressed_from_discovery.is_some()),
        ];
        if let Some((field, _)) = said.iter().find(|(field, is_said)| *is_said && !takes.contains(field)) {
            return Err(refused(field, format!("FOLIO's {} does not take it", call.name())));
        }
        match (call, self.id_type) {
            (DirectCall::Quick(_), IdType::Holding) => Err(refused(
                "id_type",
                "FOLIO's quick-export fails for holdings: name their ids in records.ids",
            )),
            _ => Ok(()),
        }
    }
}

impl DeletedDays {
    fn check(&self) -> Result<()> {
        match (self.from, self.to) {
            (None, None) => Err(refused(
                "records.deleted",
                "needs from, to or both: without them FOLIO takes the day before the call, whenever that is made",
            )),
            (Some(from), Some(to)) if from > to => Err(refused("records.deleted.to", "is before from")),
            _ => Ok(()),
        }
    }
}

fn check_ids(field: &str, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Err(refused(field, "is empty: nothing would be exported"));
    }
    match ids.iter().enumerate().find(|(_, id)| !is_uuid(id)) {
        Some((at, id)) => {
            let id: String = id.chars().take(60).collect();
            Err(refused(&format!("{field}[{at}]"), format!("{id:?} is not a UUID")))
        }
        None => Ok(()),
    }
}

/// Whether this is a UUID in its usual form, the only one that FOLIO takes.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn refused(field: &str, reason: impl std::fmt::Display) -> Error {
    Error::invalid_event(format!("export.{field}: {reason}"))
}

impl ExportSpec for FolioExport {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }

    fn allows_empty(&self) -> bool {
        self.allow_empty
    }

    fn local_input(&self) -> Option<&str> {
        match &self.records {
            Some(Records::File(path)) => Some(path),
            _ => None,
        }
    }

    fn with_input(&self, key: String) -> Export {
        Export::of(&Self { records: Some(Records::Object(key)), ..self.clone() })
    }
}

impl ExportBody for FolioExport {
    const WRITES_MARC: bool = true;
    // Linked data.
    const WRITES_JSON_LINES: bool = true;
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "folio_export",
        system: "FOLIO data export",
        connection_type: "folio",
        auth: &["login with expiry", "legacy login", "Okapi token"],
        increments: Increment::None,
        lost_submission: LostSubmission::OwnId,
        resumes: Resumes::WithinFile,
        verified_by: &["MARC record by record", "count of records (version 5)"],
        sweeps: false,
    };
    const DESCRIPTION: &'static str = "A data export of FOLIO.";
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a";

    fn refusal(export: Value) -> String {
        let export: FolioExport = serde_json::from_value(export).unwrap();
        let error = export.check().unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent");
        error.line()
    }

    /// Promise 5: what FOLIO would accept and then fail, or count as failed records, is refused before anything is called.
    #[test]
    fn what_cannot_be_exported_is_refused_by_its_field() {
        let ids = json!({ "ids": [ID] });
        for (export, said) in [
            (json!({ "records": ids }), "export.profile: is missing"),
            (json!({ "profile": " ", "records": ids }), "export.profile"),
            (json!({ "profile": "P", "profile_id": ID, "records": ids }), "excludes"),
            (json!({ "profile_id": "6f7f3cd7", "records": ids }), "export.profile_id"),
            (json!({ "profile": "P" }), "export.records: is missing"),
            (json!({ "profile": "P", "records": { "ids": [] } }), "export.records.ids"),
            (json!({ "profile": "P", "records": { "ids": [ID, "x"] } }), "export.records.ids[1]"),
            (json!({ "profile": "P", "records": { "ids": [format!("{{{ID}}}")] } }), "is not a UUID"),
            (json!({ "profile": "P", "records": { "object": "jobs/x" } }), "inputs/"),
            (json!({ "profile": "P", "records": { "object": "inputs/" } }), "inputs/"),
            (json!({ "profile": "P", "records": { "cql": " " } }), "export.records.cql"),
            (json!({ "profile": "P", "records": { "cql": "a\nb" } }), "export.records.cql"),
            (
                json!({ "profile": "P", "id_type": "holding", "records": { "cql": "a" } }),
                "no holdings by a query",
            ),
            (json!({ "profile": "P", "records": { "file": "/etc/passwd" } }), "landfall run"),
            (json!({ "records": "all" }), "export.profile: is missing"),
            (
                json!({ "profile": "P", "records": "all", "record_type": "item" }),
                "export.record_type: FOLIO's export-all",
            ),
            (json!({ "profile": "P", "records": { "quick": ["x"] } }), "export.records.quick[0]"),
            (json!({ "profile": "P", "records": { "quick": [] } }), "export.records.quick: is empty"),
            (
                json!({ "profile": "P", "records": { "quick": [ID] }, "deleted_records": true }),
                "export.deleted_records: FOLIO's quick-export",
            ),
            (
                json!({ "profile": "P", "records": { "quick": [ID] }, "id_type": "holding" }),
                "fails for holdings",
            ),
            (json!({ "records": { "deleted": {} } }), "export.records.deleted: needs from"),
            (
                json!({ "records": { "deleted": { "from": "2026-11-02", "to": "2026-11-01" } } }),
                "export.records.deleted.to: is before from",
            ),
            (
                json!({ "profile": "P", "records": { "deleted": { "to": "2026-11-01" } } }),
                "export.profile: FOLIO's export-deleted does not take it",
            ),
        ] {
            let line = refusal(export);
            assert!(line.contains(said), "{line}");
        }
        let good: FolioExport = serde_json::from_value(json!({ "profile": "P", "records": ids })).unwrap();
        assert!(good.check().is_ok());
        assert_eq!(good.name(), "P");
        for (export, name) in [
            (
                json!({ "profile": "P", "records": "all", "id_type": "holding", "deleted_records": false }),
                "P",
            ),
            (json!({ "profile_id": ID, "records": { "quick": [ID] }, "id_type": "authority" }), ID),
            (json!({ "records": { "deleted": { "from": "2026-11-01" } } }), "export-deleted"),
        ] {
            let good: FolioExport = serde_json::from_value(export).unwrap();
            good.check().unwrap();
            assert_eq!(good.name(), name);
        }
    }

    /// Promise 1: of a job of one of the direct calls the name of its file tells which call it was.
    #[test]
    fn a_job_of_another_call_is_told_by_its_file() {
        let execution = |file: &str| {
            serde_json::from_value::<Execution>(json!({
                "jobProfileName": "P", "exportedFiles": [{ "fileName": file }],
            }))
            .unwrap()
        };
        let all = json!({ "profile": "P", "records": "all", "id_type": "holding" });
        let all: FolioExport = serde_json::from_value(all).unwrap();
        assert_eq!(all.difference(&execution("holding-all-112.zip")), None);
        let said = all.difference(&execution("instance-all-112.mrc")).unwrap();
        assert!(said.contains("holding-all-<number>"), "{said}");
        let ids: FolioExport =
            serde_json::from_value(json!({ "profile": "P", "records": { "ids": [ID] } })).unwrap();
        assert_eq!(ids.difference(&execution("anything-1.mrc")), None);
    }
}
