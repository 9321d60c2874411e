//! What goes wrong with the EPM jobs.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// The switches of an EPM environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmFaults {
    /// What becomes of a user's name and password.
    pub sign_in: SignIn,
    /// What happens to every request before any endpoint looks at it: an environment in its daily maintenance is
    /// `unavailable`.
    pub outage: Outage,
    /// Everything is below `/gateway` alone; otherwise it is there too.
    pub only_below_gateway: bool,
    /// What the API says of its version.
    pub version: EpmVersionFaults,
    /// `POST jobs`.
    pub submit: EpmSubmitFaults,
    /// `GET jobs/{id}`.
    pub status: EpmStatusFaults,
    /// `GET files/list`.
    pub list: EpmListFaults,
    /// Downloads, by either API.
    pub download: EpmDownloadFaults,
    /// Uploads.
    pub upload: EpmUploadFaults,
}

/// What becomes of a user's name and password. Tokens are taken in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// They are taken, with or without the identity domain before the name.
    #[default]
    Taken,
    /// 401, as with a wrong password.
    Unauthorized,
    /// 302 to the identity domain's login page on another host, as with multi-factor authentication.
    Redirect,
    /// 200 with that page.
    LoginPage,
}

/// Switches of what the API says of its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmVersionFaults {
    /// There is no such resource: 404.
    pub absent: bool,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// Switches of job submission. Counted over all submissions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmSubmitFaults {
    /// The job is accepted, then the connection is closed without an answer.
    pub accept_then_drop: Times,
    /// The job is accepted, then a gateway answers 504.
    pub accept_then_gateway_timeout: Times,
    /// The job is accepted, and the answer does not say under which id.
    pub no_job_id: Times,
    /// The job is accepted, then a gateway answers 302 and leads to its login page.
    pub accept_then_redirect: Times,
    /// The job is accepted by 202 without a body, and named in `Content-Location` alone.
    pub only_in_header: Times,
    /// 200 with a body that says that the submission has failed.
    pub failed_body: Option<FailedBody>,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// A failure under HTTP 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailedBody {
    /// The `status`.
    pub status: i64,
    /// The `details`.
    pub details: String,
    /// Whether a job was made nonetheless: it has failed, and the answer names it.
    pub with_job: bool,
}

impl Default for FailedBody {
    fn default() -> Self {
        Self { status: 1, details: "The integration does not exist.".to_owned(), with_job: false }
    }
}

/// Switches of a job's course and how it is told. Counted by job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmStatusFaults {
    /// How many polls see the job in progress (-1).
    pub running_polls: u32,
    /// How many polls after these see a cancellation that is pending (2).
    pub cancel_pending_polls: u32,
    /// How many polls after these see 2147483647, Java's largest `int`: unknown.
    pub unknown_polls: u32,
    /// The job never ends.
    pub never_ends: bool,
    /// The number that it ends with.
    pub final_status: i64,
    /// The word beside that number, instead of the documented one.
    pub final_word: Option<String>,
    /// The details of the end.
    pub details: Option<String>,
    /// How the answer is written.
    pub form: StatusForm,
    /// What the log of a job that did not end well says.
    pub log: LogText,
    /// The log is named, and not there.
    pub log_missing: bool,
    /// The log is not named.
    pub log_unnamed: bool,
    /// A job that ends well names no output file.
    pub no_output: bool,
    /// The output file's name, instead of the usual one.
    pub output_name: Option<String>,
    /// So many polls get 404.
    pub not_found: Times,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

impl Default for EpmStatusFaults {
    fn default() -> Self {
        Self {
            running_polls: 2,
            cancel_pending_polls: 0,
            unknown_polls: 0,
            never_ends: false,
            final_status: 0,
            final_word: None,
            details: None,
            form: StatusForm::default(),
            log: LogText::default(),
            log_missing: false,
            log_unnamed: false,
            no_output: false,
            output_name: None,
            not_found: Times::default(),
            outage: Outage::default(),
        }
    }
}

/// The forms in which a job's status has been documented or seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusForm {
    /// As in the documentation's example: texts for numbers, the text `null`, the number 0 for a link.
    #[default]
    Documented,
    /// As clients see it: numbers, null, and a link.
    Numbers,
    /// `status` without `jobStatus`.
    NumberOnly,
    /// `jobStatus` without `status`.
    WordOnly,
    /// `jobStatus` in lower case.
    LowerCase,
    /// Neither.
    Nothing,
}

/// What the log of a job that did not end well says at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogText {
    /// Nothing that tells the kind of failure.
    #[default]
    Plain,
    /// A member without a map.
    Mapping,
    /// A source system that cannot be reached.
    Connectivity,
    /// A period that does not exist.
    Parameter,
    /// Somebody has cancelled the job.
    Cancelled,
    /// The user's password, in clear.
    Secret,
}

/// Switches of the list of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmListFaults {
    /// There is no such list: 404.
    pub absent: bool,
    /// The older API lists files, too: all of them, with their sizes.
    pub older: bool,
    /// The list leaves out what jobs have written.
    pub leaves_out_outputs: bool,
    /// Sizes are missing.
    pub no_sizes: bool,
    /// Sizes are one byte more than they are.
    pub wrong_sizes: bool,
    /// Names are written with backslashes, here and in a job's status, and known by no other writing.
    pub backslashes: bool,
    /// At this list, counted from 1 over all: a later run has overwritten every output file.
    pub overwritten_at: Option<u32>,
    /// At this list, counted from 1 over all: every output file has been deleted.
    pub deleted_at: Option<u32>,
    /// 200 with a body that says that it has failed.
    pub failed_body: Times,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// Switches of downloads. Counted by file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmDownloadFaults {
    /// How many looks at a download's preparation find it under way.
    pub pending_polls: u32,
    /// It is never ready.
    pub never_ready: bool,
    /// An answer under HTTP 200 that says that it has failed: JSON in place of the file, or of the preparation.
    pub failed_body: Times,
    /// Where the links of a preparation lead.
    pub href: EpmHref,
    /// The file's media type is always JSON.
    pub typed_as_json: bool,
    /// No `Content-Length`.
    pub no_content_length: bool,
    /// The connection is closed in the middle of the body.
    pub cut: Times,
    /// Half of the file, declared as such and complete.
    pub short_answer: Times,
    /// The file is gone: 404.
    pub gone: Times,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

impl Default for EpmDownloadFaults {
    fn default() -> Self {
        Self {
            pending_polls: 1,
            never_ready: false,
            failed_body: Times::default(),
            href: EpmHref::default(),
            typed_as_json: false,
            no_content_length: false,
            cut: Times::default(),
            short_answer: Times::default(),
            gone: Times::default(),
            outage: Outage::default(),
        }
    }
}

/// Where a link leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpmHref {
    /// To the environment, below the path that it was called by.
    #[default]
    Environment,
    /// The same, as the path alone.
    Relative,
    /// To another host. Nothing is there: whoever calls it has failed.
    ForeignHost,
    /// To the link-local address from which clouds hand out credentials.
    MetadataAddress,
    /// There is none.
    Absent,
}

/// Switches of uploads. Counted over all pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpmUploadFaults {
    /// The connection is closed, and the piece was not taken.
    pub drop: Times,
    /// The piece of this number, from 1, is taken, then the connection is closed without an answer.
    pub take_then_drop: Option<u32>,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}
