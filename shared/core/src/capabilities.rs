//! What a source supports, by kind of export: what `landfall sources` and the documentation say of it.

use serde::Serialize;

/// A kind of export: what `landfall sources` says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The kind's name, as an event has it.
    pub kind: &'static str,
    /// The system.
    pub system: &'static str,
    /// The `type` of its connections.
    pub connection_type: &'static str,
    /// How landfall can authenticate there.
    pub auth: &'static [&'static str],
    /// Who divides an export into increments.
    pub increments: Increment,
    /// What settles whether the source has the job of a submission whose answer was lost.
    pub lost_submission: LostSubmission,
    /// Where a download goes on that a process has left.
    pub resumes: Resumes,
    /// What a file is held against.
    pub verified_by: &'static [&'static str],
    /// Whether `sweep` finds jobs that were started elsewhere.
    pub sweeps: bool,
}

/// Who divides an export into increments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Increment {
    /// The source keeps the window, and moves it.
    AtTheSource,
    /// landfall gives each run a window, and keeps the watermark.
    ByWatermark,
    /// Nobody: an export is what it names.
    None,
}

/// What settles whether the source has a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LostSubmission {
    /// The source's list of jobs, where the run key is found.
    List,
    /// The job's id follows from the run key: submitting again is submitting the same.
    OwnId,
    /// A person who looks: the source lists no jobs.
    Person,
    /// One of these, as the description of the system has it.
    AsDescribed,
}

/// Where a download goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resumes {
    /// Inside the file, at the last part that is stored.
    WithinFile,
    /// At the next file: the source's answer is divided into files for that.
    ByFile,
}

impl Increment {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::AtTheSource => "window at the source",
            Self::ByWatermark => "watermark kept by landfall",
            Self::None => "none",
        }
    }
}

impl LostSubmission {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::List => "found in the source's list",
            Self::OwnId => "the same id when submitted again",
            Self::Person => "checked by a person",
            Self::AsDescribed => "as the description has it",
        }
    }
}

impl Resumes {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::WithinFile => "within a file",
            Self::ByFile => "file by file",
        }
    }
}
