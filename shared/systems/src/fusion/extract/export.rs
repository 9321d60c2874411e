//! What an event says about a Fusion data extraction, and what of it cannot be.

use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{self, invalid};
use landfall::error::Result;

/// The job definition of the Data Extraction Tool.
pub(super) const DATA_EXPORT: &str = "DataExport";
/// Parameters of it that follow from other fields.
pub(super) const EXTRACT_PARAMETER: &str = "submit.argument1";
pub(super) const MODE_PARAMETER: &str = "submit.argument2";
/// Parameters that the scheduler gives the occurrences of a recurring request: a request that had them would be taken for
/// one, and never be found again.
pub(super) const PARENT_PARAMETER: &str = "parentRequest";
pub(super) const CONTEXT_PARAMETER: &str = "requestExecutionContext";

/// What a Fusion data extraction exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FusionExtract {
    /// The extract's name.
    pub extract: String,
    /// All rows, or those since the last successful run: the window moves at the source. `DataExport` alone keeps one.
    pub mode: Mode,
    /// The job definition that runs; `DataExport`, that of the Data Extraction Tool, if not said. `AsyncDataExtraction`
    /// takes what it extracts from `request_parameters`.
    #[serde(default = "data_export", skip_serializing_if = "is_data_export")]
    pub job_definition: String,
    /// The name that is submitted, where it is not the extract's own: that of the group, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_name: Option<String>,
    /// The extract's definition, created at the source if it has none of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Box<Definition>>,
    /// The group that the extract belongs to, created at the source if it has none of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<Group>>,
    /// Further parameters of the request, as the source names them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_parameters: BTreeMap<String, String>,
    /// When it runs, and how often; at once, if not said. The occurrences of a recurring request are jobs
    /// of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Whether a job without output is normal; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// All rows, or a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All rows.
    Full,
    /// What has changed since the last successful run.
    Incremental,
}

impl Mode {
    /// The mode as descriptions have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::Incremental => "Incremental",
        }
    }

    /// The mode as the second argument of a submission has it.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Full => "Full Data Extract",
            Self::Incremental => "Incremental Data Extract",
        }
    }

    /// The mode behind a second argument.
    pub(super) fn from_argument(argument: &str) -> Option<Self> {
        let is = |mode: Self| {
            argument.eq_ignore_ascii_case(mode.argument()) || argument.eq_ignore_ascii_case(mode.word())
        };
        [Self::Full, Self::Incremental].into_iter().find(|mode| is(*mode))
    }
}

/// An extract's definition: what it reads, and in which format it writes that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name; the extract's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The user that owns it.
    pub owner: String,
    /// The role in which the owner reads.
    pub owner_role: String,
    /// The export configuration as the source takes it, for instance `{"type": "BV", "outputDataFormat": "CSV"}`.
    pub export_configuration: serde_json::Map<String, Value>,
    /// The extraction query: the source's own text, or the JSON object that it stands for.
    pub extraction_query: Value,
}

/// A group of extracts that run together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name; it must not be an extract's.
    pub name: String,
    /// The user that owns it.
    pub owner: String,
    /// The role in which the owner reads.
    pub owner_role: String,
    /// Other extracts that belong to it, besides this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_extracts: Vec<String>,
}

/// When a request runs, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How often, in the source's word.
    pub recurrence: Recurrence,
    /// The time between two runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Interval>,
    /// The first day, which must be to come: `2026-05-15`.
    #[schemars(with = "String")]
    pub start_date: Date,
    /// The last day.
    #[schemars(with = "String")]
    pub end_date: Date,
    /// When runs may begin on a day, `HHMM`; midnight, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<TimeOfDay>,
    /// Until when runs may begin on a day, `HHMM`; `2359`, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<TimeOfDay>,
}

/// How often a request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Recurrence {
    Immediate,
    Simple,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Recurrence {
    /// The recurrence as descriptions have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Immediate => "Immediate",
            Self::Simple => "Simple",
            Self::Hourly => "Hourly",
            Self::Daily => "Daily",
            Self::Weekly => "Weekly",
            Self::Monthly => "Monthly",
            Self::Yearly => "Yearly",
        }
    }
}

/// The time between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// How many units.
    #[schemars(range(min = 1))]
    pub interval: u32,
    /// Of what.
    pub time_unit: TimeUnit,
}

/// A unit of [`Interval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum TimeUnit {
    Minute,
    Hour,
    Day,
}

impl TimeUnit {
    /// The unit as the source has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Minute => "MINUTE",
            Self::Hour => "HOUR",
            Self::Day => "DAY",
        }
    }
}

/// A time of day as the source writes it: `HHMM`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TimeOfDay(String);

/// Text that is not a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time of day as HHMM, 0000 to 2359")]
pub struct InvalidTimeOfDay(String);

impl TryFrom<String> for TimeOfDay {
    type Error = InvalidTimeOfDay;

    fn try_from(value: String) -> Result<Self, InvalidTimeOfDay> {
        let is_digits = value.len() == 4 && value.bytes().all(|byte| byte.is_ascii_digit());
        let number: u16 = value.parse().unwrap_or(u16::MAX);
        if is_digits && number < 2400 && number % 100 < 60 {
            Ok(Self(value))
        } else {
            Err(InvalidTimeOfDay(value.chars().take(20).collect()))
        }
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> String {
        time.0
    }
}

impl FusionExtract {
    /// Whether it is the Data Extraction Tool's, which takes the extract's name and the mode.
    pub(super) fn is_data_export(&self) -> bool {
        is_data_export(&self.job_definition)
    }

    /// The name that is submitted.
    pub(super) fn submitted_name(&self) -> &str {
        self.submit_name.as_deref().unwrap_or(&self.extract)
    }

    /// Whether it is submitted once and runs again and again.
    pub(crate) fn recurs(&self) -> bool {
        self.schedule.as_ref().is_some_and(|schedule| schedule.every.is_some())
    }

    /// How often it runs.
    pub(super) fn recurrence(&self) -> Recurrence {
        self.schedule.as_ref().map_or(Recurrence::Immediate, |schedule| schedule.recurrence)
    }

    /// Refuses what cannot be, as `InvalidEvent` that names the field.
    pub(super) fn check(&self) -> Result<()> {
        check_name("extract", &self.extract)?;
        fields::check_name("job_definition", &self.job_definition)?;
        if !self.is_data_export() {
            self.check_other()?;
        }
        if let Some(name) = &self.submit_name {
            check_name("submit_name", name)?;
        }
        if let Some(definition) = &self.definition {
            definition.check()?;
        }
        if let Some(group) = &self.group {
            check_name("group.name", &group.name)?;
            check_name("group.owner", &group.owner)?;
            check_name("group.owner_role", &group.owner_role)?;
            for name in &group.other_extracts {
                check_name("group.other_extracts", name)?;
            }
        }
        self.check_parameters()?;
        self.schedule.as_ref().map_or(Ok(()), Schedule::check)
    }

    /// What only the Data Extraction Tool takes.
    fn check_other(&self) -> Result<()> {
        let tools_own = [
            ("submit_name", self.submit_name.is_some()),
            ("definition", self.definition.is_some()),
            ("group", self.group.is_some()),
        ];
        if let Some((field, _)) = tools_own.into_iter().find(|(_, is_said)| *is_said) {
            let only = format!("only {DATA_EXPORT} takes it, and job_definition is {}", self.job_definition);
            return Err(invalid(field, &only));
        }
        match self.mode {
            Mode::Full => Ok(()),
            Mode::Incremental => Err(invalid(
                "mode",
                &format!(
                    "only {DATA_EXPORT} keeps the window of increments: say full, and which rows in request_parameters"
                ),
            )),
        }
    }

    fn check_parameters(&self) -> Result<()> {
        let of_tool = [(EXTRACT_PARAMETER, "submit_name"), (MODE_PARAMETER, "mode")];
        let follows = |(parameter, field)| (parameter, format!("it follows from {field}"));
        let of_scheduler = [PARENT_PARAMETER, CONTEXT_PARAMETER].map(|parameter| {
            (parameter, "the scheduler sets it, for the occurrences of a schedule".to_owned())
        });
        let reserved = of_tool.into_iter().filter(|_| self.is_data_export()).map(follows).chain(of_scheduler);
        for (parameter, why) in reserved {
            if self.request_parameters.contains_key(parameter) {
                return Err(invalid("request_parameters", &format!("{parameter} cannot be given: {why}")));
            }
        }
        match self.request_parameters.keys().find(|name| name.trim().is_empty()) {
            Some(_) => Err(invalid("request_parameters", "a parameter has no name")),
            None => Ok(()),
        }
    }
}

fn data_export() -> String {
    DATA_EXPORT.to_owned()
}

fn is_data_export(job_definition: &str) -> bool {
    job_definition == DATA_EXPORT
}

impl Definition {
    fn check(&self) -> Result<()> {
        if let Some(name) = &self.name {
            check_name("definition.name", name)?;
        }
        check_name("definition.owner", &self.owner)?;
        check_name("definition.owner_role", &self.owner_role)?;
        match &self.extraction_query {
            Value::String(text) if !text.trim().is_empty() => Ok(()),
            Value::Object(_) => Ok(()),
            _ => Err(invalid("definition.extraction_query", "it is neither a text nor an object")),
        }
    }
}

impl Schedule {
    fn check(&self) -> Result<()> {
        if self.end_date < self.start_date {
            return Err(invalid("schedule.end_date", "it is before start_date"));
        }
        if self.every.is_some_and(|every| every.interval == 0) {
            return Err(invalid("schedule.every.interval", "it is zero"));
        }
        match (&self.start_time, &self.end_time) {
            (Some(start), Some(end)) if end < start => {
                Err(invalid("schedule.end_time", "it is before start_time"))
            }
            _ => Ok(()),
        }
    }
}

/// Names travel inside a description of several, `::` between them.
fn check_name(field: &str, name: &str) -> Result<()> {
    if name.contains("::") || name.starts_with(':') || name.ends_with(':') {
        return Err(invalid(field, "it has colons where descriptions need them"));
    }
    fields::check_name(field, name)
}

impl ExportSpec for FusionExtract {
    fn name(&self) -> &str {
        &self.extract
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }

    fn allows_empty(&self) -> bool {
        self.allow_empty
    }

    fn recurs(&self) -> bool {
        Self::recurs(self)
    }
}

impl ExportBody for FusionExtract {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "fusion_extract",
        system: "Oracle Fusion Data Extraction",
        connection_type: "fusion",
        auth: &["OAuth client credentials", "OAuth password", "OAuth JWT bearer", "private-key JWT"],
        increments: Increment::AtTheSource,
        lost_submission: LostSubmission::List,
        resumes: Resumes::WithinFile,
        verified_by: &["size", "SHA-256"],
        sweeps: true,
    };
    const DESCRIPTION: &'static str = "An Oracle Fusion Data Extraction.";
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::checked;

    /// An extraction with nothing but what it must have.
    pub(in crate::fusion::extract) fn simple(extract: &str) -> FusionExtract {
        serde_json::from_value(json!({ "extract": extract, "mode": "incremental" })).unwrap()
    }

    fn with(field: &str, value: Value) -> Result<FusionExtract, String> {
        checked(json!({ "extract": "Carriers", "mode": "full" }), (field, value), FusionExtract::check)
    }

    fn schedule(field: &str, value: Value) -> Result<FusionExtract, String> {
        let mut schedule = json!({
            "recurrence": "hourly", "every": { "interval": 1, "time_unit": "hour" },
            "start_date": "2026-05-15", "end_date": "2026-05-16", "start_time": "1200", "end_time": "1500"
        });
        schedule[field] = value;
        with("schedule", schedule)
    }

    /// Malformed events are refused before anything is called, with the field's name.
    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (field, bad) in [
            ("extract", json!(" ")),
            ("extract", json!("a::b")),
            ("extract", json!("a:")),
            ("extract", json!("a\nb")),
            ("submit_name", json!("")),
            ("request_parameters", json!({ "submit.argument1": "Other" })),
            ("request_parameters", json!({ "submit.argument2": "Full Data Extract" })),
            ("request_parameters", json!({ "parentRequest": "7" })),
            ("request_parameters", json!({ "requestExecutionContext": "7,1" })),
            ("request_parameters", json!({ " ": "x" })),
            ("job_definition", json!("")),
            ("group", json!({ "name": "", "owner": "o", "owner_role": "r" })),
            (
                "definition",
                json!({ "owner": "o", "owner_role": "r", "export_configuration": {}, "extraction_query": 1 }),
            ),
        ] {
            let refusal = with(field, bad.clone()).unwrap_err();
            assert!(refusal.contains(field), "{field} {bad}: {refusal}");
        }
        for (field, bad) in [
            ("start_time", json!("2460")),
            ("start_time", json!("12:00")),
            ("end_time", json!("1100")),
            ("end_date", json!("2026-05-14")),
            ("start_date", json!("2026-02-30")),
            ("every", json!({ "interval": 0, "time_unit": "day" })),
            ("every", json!({ "interval": 1, "time_unit": "fortnight" })),
        ] {
            assert!(schedule(field, bad.clone()).is_err(), "{field} {bad}");
        }
        assert!(with("schedul", json!({})).unwrap_err().contains("`schedul`"));
    }

    /// Another job definition takes its own parameters alone: what only the Data Extraction Tool takes is refused by name,
    /// and so is what the scheduler sets.
    #[test]
    fn another_job_definition_takes_its_own_parameters_alone() {
        let other = |mode: &str, field: &str, value: Value| {
            let export =
                json!({ "extract": "Workers", "mode": mode, "job_definition": "AsyncDataExtraction" });
            checked(export, (field, value), FusionExtract::check)
        };
        let group = json!({ "name": "g", "owner": "o", "owner_role": "r" });
        for (mode, field, bad) in [
            ("incremental", "allow_empty", json!(false)),
            ("full", "submit_name", json!("Group")),
            ("full", "group", group),
            ("full", "request_parameters", json!({ "parentRequest": "7" })),
        ] {
            let refusal = other(mode, field, bad.clone()).unwrap_err();
            let named = if mode == "incremental" { "mode" } else { field };
            assert!(refusal.contains(&format!("export.{named}")), "{field} {bad}: {refusal}");
        }
        let parameters = json!({ "boss.resource.name": "workers", "submit.argument1": "its own" });
        assert!(other("full", "request_parameters", parameters).is_ok());
    }

    /// An export that says nothing of its job definition is written as releases before this one wrote and read it.
    #[test]
    fn the_usual_job_definition_is_not_written() {
        let written = serde_json::to_value(simple("Carriers")).unwrap();
        assert_eq!(written, json!({ "extract": "Carriers", "mode": "incremental" }));
    }

    /// The query is taken as Oracle writes it, a text, and as the object that it stands for.
    #[test]
    fn what_can_be_is_accepted() {
        assert!(schedule("end_date", json!("2026-05-15")).is_ok());
        for query in [json!("{\"viewQueries\":{}}"), json!({ "viewQueries": {} })] {
            let definition = json!({
                "owner": "o", "owner_role": "r", "export_configuration": { "type": "BV" }, "extraction_query": query
            });
            assert!(with("definition", definition).is_ok());
        }
    }
}
