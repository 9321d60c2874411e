//! Files that are on the machine or in the inbox already.

use landfall::Error;
use landfall::export::{Export, ExportBody, ExportKind, ExportSpec, Kind};
use landfall::systems::{Capabilities, ConnectionType, Increment, LostSubmission, Resumes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<LocalFile>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "local",
    open: |name, _, _| Err(Error::invalid_event(format!("{name} runs no exports"))),
};

/// A file that was on the machine already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// Its name without the extension.
    pub name: String,
}

impl ExportSpec for LocalFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }
}

impl ExportBody for LocalFile {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "file",
        system: "Files of the machine and of the inbox",
        connection_type: "local",
        auth: &[],
        increments: Increment::None,
        lost_submission: LostSubmission::OwnId,
        resumes: Resumes::ByFile,
        verified_by: &["size", "SHA-256"],
        sweeps: false,
    };
    const DESCRIPTION: &'static str = "A file of this machine, which the command line lands: no source runs it.";
}
