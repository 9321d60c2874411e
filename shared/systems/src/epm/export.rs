//! What an event says about an EPM job, and what of it cannot be.

use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::repository::FileName;
use crate::fields::{check_name, invalid};
use landfall::error::Result;

/// Fields of a submission that follow from fields of their own.
pub(super) const JOB_TYPE: &str = "jobType";
pub(super) const JOB_NAME: &str = "jobName";
/// The parameter that says what period a job is for.
const PERIOD_NAME: &str = "periodName";
/// Where inputs are kept in the work bucket: nothing else of it is for a source.
const INPUTS: &str = "inputs/";
/// The only folder of the repository that jobs read uploads from.
const INBOX: &str = "inbox/";
/// The parameters by which Planning's export jobs name their file.
const FILE_NAME_PARAMETERS: [&str; 3] = ["exportFileName", "exportZipFileName", "fileName"];
/// The jobs of Planning whose file is named like the job where no parameter names it.
const NAMED_LIKE_THE_JOB: [&str; 2] = ["EXPORT_DATA", "EXPORT_METADATA"];

/// What a job of EPM is asked to do, of Data Integration or of Planning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpmJob {
    /// The Planning application whose job it is; a job of Data Integration, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The kind of job as EPM has it: `INTEGRATION`, `pipeline` or another; of Planning `EXPORT_DATA` and the like.
    pub job_type: String,
    /// The name of the integration, the pipeline or whatever else it runs.
    pub job_name: String,
    /// Further fields of the submission, passed as they are: `periodName`, `importMode`, `exportMode`, `fileName`,
    /// `variables` and what else the kind of job takes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// Files of the repository that land besides the one that the job itself names: `outbox/Balances.csv`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_files: Vec<String>,
    /// A file that the job reads, uploaded before it is submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<EpmInput>,
    /// Whether a job that names no output file is normal; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// A file that a job reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpmInput {
    /// Its key in the work bucket, below `inputs/`.
    pub object: String,
    /// Its name in the repository, below `inbox/`. EPM overwrites nothing: each run needs a name of its own.
    pub upload_as: String,
}

impl EpmInput {
    /// Its name inside the inbox.
    pub(super) fn inbox_name(&self) -> &str {
        self.upload_as.strip_prefix(INBOX).unwrap_or(&self.upload_as)
    }
}

impl EpmJob {
    /// A job of which only its kind and its name are known.
    pub(super) fn named(application: Option<String>, job_type: String, job_name: String) -> Self {
        Self {
            application,
            job_type,
            job_name,
            parameters: Map::new(),
            output_files: Vec::new(),
            input: None,
            allow_empty: false,
        }
    }

    /// The name of the file that a job of Planning writes, of which its status tells nothing: what its parameters say;
    /// else, unless `output_files` names what lands, the job's own name with `.zip`.
    pub(super) fn planned_output(&self) -> Option<String> {
        self.application.as_ref()?;
        let kind = self.job_type.trim().to_ascii_uppercase().replace(' ', "_");
        let named = FILE_NAME_PARAMETERS.iter().find_map(|name| self.parameters.get(*name)?.as_str());
        match named.filter(|name| !name.trim().is_empty()) {
            Some(name) if kind.starts_with("EXPORT") => Some(name.to_owned()),
            None if self.output_files.is_empty() && NAMED_LIKE_THE_JOB.contains(&kind.as_str()) => {
                Some(format!("{}.zip", self.job_name))
            }
            _ => None,
        }
    }

    /// The period or periods that it is for, where its parameters name them.
    pub(super) fn period(&self) -> Option<&str> {
        self.parameters.get(PERIOD_NAME)?.as_str().filter(|period| !period.is_empty())
    }

    /// Refuses what cannot be, as `InvalidEvent` that names the field.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(application) = &self.application
            && !is_application(application)
        {
            let rule = "it is no Planning application's name: letters, digits, _ and -, at most 64";
            return Err(invalid("application", rule));
        }
        check_name("job_type", &self.job_type)?;
        check_name("job_name", &self.job_name)?;
        for (parameter, field) in [(JOB_TYPE, "job_type"), (JOB_NAME, "job_name")] {
            if self.parameters.contains_key(parameter) {
                return Err(invalid("parameters", &format!("{parameter} follows from {field}")));
            }
        }
        for name in &self.output_files {
            if FileName::parse(name).is_none() {
                return Err(invalid("output_files", &format!("{name:?} is not a file's name")));
            }
        }
        if let Some(name) = self.planned_output().filter(|name| FileName::parse(name).is_none()) {
            return Err(invalid("parameters", &format!("{name:?} is not a file's name")));
        }
        self.input.as_ref().map_or(Ok(()), EpmInput::check)
    }
}

/// Whether this can be the name of a Planning application, and a part of a job request id.
pub(super) fn is_application(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_allowed)
}

impl EpmInput {
    fn check(&self) -> Result<()> {
        let is_below = |path: &str, folder: &str| {
            let rest = path.strip_prefix(folder).unwrap_or_default();
            !rest.is_empty() && rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
        };
        if !is_below(&self.object, INPUTS) {
            return Err(invalid("input.object", &format!("it is no key below {INPUTS}")));
        }
        if !is_below(&self.upload_as, INBOX) || FileName::parse(&self.upload_as).is_none() {
            return Err(invalid("input.upload_as", &format!("it is no file's name below {INBOX}")));
        }
        Ok(())
    }
}

impl ExportSpec for EpmJob {
    fn name(&self) -> &str {
        &self.job_name
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }

    fn allows_empty(&self) -> bool {
        self.allow_empty
    }
}

impl ExportBody for EpmJob {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "epm_job",
        system: "Oracle EPM Data Integration",
        connection_type: "epm",
        auth: &[
            "HTTP Basic",
            "OAuth client credentials",
            "OAuth password",
            "OAuth JWT bearer",
            "OAuth refresh token",
            "private-key JWT",
        ],
        increments: Increment::None,
        lost_submission: LostSubmission::Person,
        resumes: Resumes::ByFile,
        verified_by: &["size"],
        sweeps: false,
    };
    const DESCRIPTION: &'static str = "An Oracle EPM job, of Data Integration or of Planning.";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::checked;

    fn with(field: &str, value: Value) -> Result<EpmJob, String> {
        let export = json!({ "job_type": "INTEGRATION", "job_name": "BESSAPP" });
        checked(export, (field, value), EpmJob::check)
    }

    /// Malformed events are refused before anything is called, with the field's name.
    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (field, bad) in [
            ("job_type", json!("")),
            ("job_name", json!(" ")),
            ("job_name", json!("a\nb")),
            ("job_name", json!("x".repeat(201))),
            ("parameters", json!({ "jobName": "Other" })),
            ("parameters", json!({ "jobType": "pipeline" })),
            ("output_files", json!(["outbox/"])),
            ("output_files", json!(["outbox/../x"])),
            ("input", json!({ "object": "jobs/x/job.json", "upload_as": "inbox/x.csv" })),
            ("input", json!({ "object": "inputs/../runs/x", "upload_as": "inbox/x.csv" })),
            ("input", json!({ "object": "inputs/", "upload_as": "inbox/x.csv" })),
            ("input", json!({ "object": "inputs/x.csv", "upload_as": "outbox/x.csv" })),
            ("input", json!({ "object": "inputs/x.csv", "upload_as": "inbox/../x.csv" })),
            ("outputs", json!([])),
            ("application", json!("")),
            ("application", json!("Vision.1")),
            ("application", json!("../Vision")),
        ] {
            let refusal = with(field, bad.clone()).unwrap_err();
            assert!(refusal.contains(field), "{field} {bad}: {refusal}");
        }
    }

    /// A job of Planning does not tell its file: it is what the parameters say, or is named like the job. What cannot be a
    /// file's name is refused before anything is called.
    #[test]
    fn the_file_of_a_planning_job_follows_from_the_event() {
        let planned = |application: Value, kind: &str, more: Value| {
            let mut export = json!({ "application": application, "job_type": kind, "job_name": "Daily" });
            export.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<EpmJob>(export).unwrap()
        };
        let file = |name: &str, value: &str| json!({ "parameters": { name: value } });
        for (application, kind, more, output) in [
            (json!("Vision"), "EXPORT_DATA", file("exportFileName", "d.zip"), Some("d.zip")),
            (json!("Vision"), "Export Metadata", file("exportZipFileName", "m.zip"), Some("m.zip")),
            (json!("Vision"), "EXPORT_JOURNAL", file("fileName", "j.csv"), Some("j.csv")),
            (json!("Vision"), "export data", json!({}), Some("Daily.zip")),
            (json!("Vision"), "EXPORT_SECURITY", json!({}), None),
            (json!("Vision"), "EXPORT_DATA", json!({ "output_files": ["x.zip"] }), None),
            (json!("Vision"), "IMPORT_DATA", file("fileName", "i.csv"), None),
            (json!(null), "EXPORT_DATA", file("exportFileName", "d.zip"), None),
        ] {
            assert_eq!(planned(application, kind, more).planned_output().as_deref(), output, "{kind}");
        }
        let bad = planned(json!("Vision"), "EXPORT_DATA", file("exportFileName", "../d.zip"));
        assert!(bad.check().unwrap_err().line().contains("export.parameters"));
    }

    /// Parameters are EPM's own, of whatever form.
    #[test]
    fn parameters_are_passed_through() {
        let parameters =
            json!({ "periodName": "{Jan-06}", "variables": { "YEAR": "FY06", "LIST": [1, 2.50] } });
        assert_eq!(json!(with("parameters", parameters.clone()).unwrap().parameters), parameters);
        let input = json!({ "object": "inputs/gl/gl 01.csv", "upload_as": "inbox/gl/gl 01.csv" });
        assert_eq!(with("input", input).unwrap().input.unwrap().inbox_name(), "gl/gl 01.csv");
    }
}
