//! The kind `file`: one file that is there already.

use landfall::contract::DiskFile;
use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What leads the keys of the inbox, in the work bucket.
pub(super) const INBOX: &str = "inbox/";

/// A file that is there already: an object of the inbox, or a file of the command line's machine.
///
/// Where its bytes are, an event says, and the job's origin keeps. Its record and its manifest have its name, and which
/// object of the inbox it is; of a file of a machine they have the name alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalFile {
    /// Its name without the extension, as the job's record and its manifest have it; an event does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The object of the inbox that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<InboxObject>,
    /// The file of the machine that it is: only the command line says so, and no event of a person's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub file: Option<DiskFile>,
}

/// An object of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InboxObject {
    /// The work bucket, where its name is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The object's key, as it is; it begins with `inbox/`.
    pub key: String,
}

impl LocalFile {
    /// The file as its job is recorded.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}

impl ExportSpec for LocalFile {
    fn name(&self) -> &str {
        match (&self.name, &self.object) {
            (Some(name), _) => name,
            (None, Some(object)) => stem(file_name(&object.key)),
            (None, None) => "",
        }
    }

    fn folders(&self) -> Vec<&str> {
        let path = self.object.as_ref().and_then(|object| object.key.strip_prefix(INBOX)?.rsplit_once('/'));
        path.map(|(folders, _)| folders.split('/').collect()).unwrap_or_default()
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }
}

/// The last part of a key.
pub(super) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// A name without its extension.
pub(super) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

impl ExportBody for LocalFile {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "file",
        system: "Files of the machine and of the inbox",
        connection_type: "local",
        auth: &[],
        increments: Increment::None,
        lost_submission: LostSubmission::OwnId,
        resumes: Resumes::WithinFile,
        verified_by: &["size", "SHA-256"],
        sweeps: false,
    };
    const DESCRIPTION: &'static str = "A file that is there already: an object of the inbox.";
}
