//! What a request is for, as the journal names it.

use serde::{Deserialize, Serialize};

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A token.
    Token,
    /// A new export definition.
    CreateDefinition,
    /// Export definitions, by name or all.
    FindDefinitions,
    /// A new export group.
    CreateGroup,
    /// Export groups, by name or all.
    FindGroups,
    /// A new job.
    SubmitJob,
    /// The list of jobs.
    ListJobs,
    /// One job's status.
    JobStatus,
    /// A job's output files.
    ListOutputFiles,
    /// One output file's bytes.
    Download,
    /// The list of the EPM repository's files.
    ListFiles,
    /// A download of the EPM repository that is being prepared.
    PrepareDownload,
    /// A piece of a file for the EPM repository.
    UploadFile,
    /// A login of FOLIO.
    Login,
    /// A new file definition of FOLIO.
    CreateFileDefinition,
    /// The upload of record ids to FOLIO.
    UploadIds,
    /// A link to a file that FOLIO has exported.
    Link,
    /// What a REST resource says of itself.
    DescribeResource,
    /// A page of a REST resource, or of a child of one of its rows.
    ReadResource,
    /// Anything else.
    Other,
}
