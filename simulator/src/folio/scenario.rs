//! What the data exports of FOLIO hold when nothing is wrong with them.

use serde::{Deserialize, Serialize};

use super::uuid::uuid_of;

/// The data of the data exports of FOLIO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioScenario {
    /// The tenant's job profiles, in the order in which they are listed.
    pub profiles: Vec<FolioProfile>,
    /// How many ids make a slice: more of them make an archive of several files.
    pub slice_size: u64,
    /// How many polls a job takes.
    pub polls: u32,
    /// How many bytes a record has, about.
    pub record_bytes: u32,
    /// Ids of records that the tenant does not have. It has every other.
    pub unknown_ids: Vec<String>,
    /// How many records any query finds; also how many the tenant has, for an export of all.
    pub query_finds: u64,
}

/// A job profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolioProfile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Default for FolioScenario {
    fn default() -> Self {
        Self {
            profiles: usual_profiles(),
            slice_size: 100_000,
            polls: 3,
            record_bytes: 900,
            unknown_ids: Vec::new(),
            query_finds: 25,
        }
    }
}

/// FOLIO's own, with the ids that they have in every system, behind some of a tenant's: a list of ten lacks them.
fn usual_profiles() -> Vec<FolioProfile> {
    let own =
        (1..=10).map(|number| (uuid_of(&format!("profile {number}")), format!("Nightly export {number}")));
    let default = [
        ("6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a", "Default instances export job profile"),
        ("5e9835fc-0e51-44c8-8a47-f7b8fce35da7", "Default holdings export job profile"),
        ("56944b1c-f3f9-475b-bed0-7387c33620ce", "Default authority export job profile"),
        ("2c9be114-6d35-4408-adac-9ead35f51a27", "Deleted authority export job profile"),
        ("42ca0945-f66c-4bc1-8d1a-7aa8b2e4483a", "Linked data export job profile"),
    ];
    let default = default.into_iter().map(|(id, name)| (id.to_owned(), name.to_owned()));
    own.chain(default).map(|(id, name)| FolioProfile { id, name }).collect()
}
