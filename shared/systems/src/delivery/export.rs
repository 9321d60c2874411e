//! The kind `delivery`: what somebody has put into a bucket, with a list of it or one file by itself.

use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use landfall::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody has put into the connection's bucket: the files that a manifest lists, or one object by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The key of the object that lists the files, a line each. They are beside it, or below where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The key of the object that is the one file, where there is no manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Whether a manifest that lists nothing is normal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// What of the bucket a delivery names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// A manifest, by its key.
    Manifest(&'a str),
    /// A file, by its key.
    Object(&'a str),
}

impl Delivery {
    /// The delivery of the files that a manifest lists.
    pub(super) fn of_manifest(key: impl Into<String>) -> Self {
        Self { manifest: Some(key.into()), ..Self::default() }
    }

    /// The delivery of one file.
    pub(super) fn of_object(key: impl Into<String>) -> Self {
        Self { object: Some(key.into()), ..Self::default() }
    }

    /// The one thing that it names.
    pub(super) fn named(&self) -> Result<Named<'_>> {
        match (&self.manifest, &self.object) {
            (Some(key), None) => Ok(Named::Manifest(key)),
            (None, Some(key)) => Ok(Named::Object(key)),
            _ => Err(Error::invalid_event(
                "an export of kind delivery names either `manifest`, the object that lists the files, or `object`, the \
                 one file",
            )),
        }
    }

    fn key(&self) -> &str {
        self.manifest.as_deref().or(self.object.as_deref()).unwrap_or_default()
    }
}

impl ExportSpec for Delivery {
    fn name(&self) -> &str {
        let name = file_name(self.key());
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    fn folders(&self) -> Vec<&str> {
        self.key().rsplit_once('/').map(|(folders, _)| folders.split('/').collect()).unwrap_or_default()
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }

    fn allows_empty(&self) -> bool {
        self.allow_empty
    }
}

/// The last part of a key.
pub(super) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

impl ExportBody for Delivery {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "delivery",
        system: "Files that others put into a bucket",
        connection_type: "delivery",
        auth: &["the bucket's own: S3 keys and roles, OCI principals"],
        increments: Increment::AtTheSource,
        lost_submission: LostSubmission::OwnId,
        resumes: Resumes::WithinFile,
        verified_by: &["size", "SHA-256", "MD5"],
        sweeps: true,
    };
    const DESCRIPTION: &'static str =
        "Files that others have put into a bucket, as Oracle's BICC, its data extraction tool and EPM do.";
}
