//! What goes wrong with the data exports of FOLIO.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// The switches of the data exports of FOLIO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioFaults {
    /// In which version's way the module answers.
    pub dialect: Dialect,
    /// Which gateway is before it.
    pub platform: Platform,
    /// The largest body that the gateway takes, in bytes: 1 MiB in Kong's default.
    pub gateway_takes: Option<u64>,
    /// `POST /authn/*`.
    pub login: FolioLoginFaults,
    /// `GET /data-export/job-profiles`.
    pub profiles: Outage,
    /// `GET /data-export/file-definitions/{id}`.
    pub definition: Outage,
    /// `POST /data-export/file-definitions`, before it is looked at.
    pub create: Outage,
    /// The definition is made, and the connection closed without an answer.
    pub create_then_drop: Times,
    /// `POST .../upload`, before it is looked at.
    pub upload: Outage,
    /// The file is stored, and the connection closed without an answer.
    pub upload_then_drop: Times,
    /// In version 4, after an upload, so many looks find a file that is not stored yet.
    pub looks_until_stored: u32,
    /// The file is not stored: 500, and the definition is in ERROR.
    pub upload_fails: bool,
    /// `POST /data-export/export`, before it is looked at.
    pub export: Outage,
    /// The export is started, and the connection closed without an answer.
    pub export_then_drop: Times,
    /// The export is started, and the answer is 500.
    pub export_then_error: Times,
    /// The export is started, and the answer is 302, to a login page.
    pub export_then_redirect: Times,
    /// `POST /data-export/export-all`, `quick-export` and `export-deleted`, before they are looked at.
    pub direct: Outage,
    /// They are not there, as in the versions before each: 404.
    pub no_direct: bool,
    /// The job is made and started, and the connection closed without an answer.
    pub direct_then_drop: Times,
    /// The job is made and started, and the answer is 500.
    pub direct_then_error: Times,
    /// So many times somebody else starts the same at the same moment.
    pub direct_by_others: Times,
    /// The request is not one that the module exports by, which it says in the log only, after 204.
    pub export_is_invalid: bool,
    /// `GET /data-export/job-executions`.
    pub executions: Outage,
    /// After it was made, so many lists lack a job execution.
    pub unlisted: u32,
    /// The list is the bare object that the oldest documents show.
    pub bare_execution: bool,
    /// Jobs stay in progress for ever, until they are expired.
    pub never_ends: bool,
    /// Jobs end in this status, with their output.
    pub final_status: Option<String>,
    /// The module cannot store what it has exported: the job fails, and keeps its provisional file.
    pub storing_fails: bool,
    /// The job profile is deleted when the job has ended: the file's id is gone.
    pub profile_is_deleted: bool,
    /// `GET .../download/{file id}`.
    pub link: Outage,
    /// How long a link is good for, in seconds.
    pub link_seconds: i64,
    /// Links that have expired already.
    pub expired_links: Times,
    /// Links lead to this host.
    pub link_host: Option<String>,
    /// What links lead to.
    pub storage: FolioStorageFaults,
    /// What jobs put out.
    pub output: FolioOutputFaults,
    /// `GET /data-export/logs`.
    pub logs: Outage,
    /// Pages of the log beyond the first are empty.
    pub log_is_short: bool,
    /// From 1,000 entries on, the log's total is this estimate of the database's planner.
    pub log_estimate: Option<usize>,
}

impl Default for FolioFaults {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            platform: Platform::default(),
            gateway_takes: None,
            login: FolioLoginFaults::default(),
            profiles: Outage::default(),
            definition: Outage::default(),
            create: Outage::default(),
            create_then_drop: Times::default(),
            upload: Outage::default(),
            upload_then_drop: Times::default(),
            looks_until_stored: 2,
            upload_fails: false,
            export: Outage::default(),
            export_then_drop: Times::default(),
            export_then_error: Times::default(),
            export_then_redirect: Times::default(),
            direct: Outage::default(),
            no_direct: false,
            direct_then_drop: Times::default(),
            direct_then_error: Times::default(),
            direct_by_others: Times::default(),
            export_is_invalid: false,
            executions: Outage::default(),
            unlisted: 0,
            bare_execution: false,
            never_ends: false,
            final_status: None,
            storing_fails: false,
            profile_is_deleted: false,
            link: Outage::default(),
            link_seconds: 600,
            expired_links: Times::default(),
            link_host: None,
            storage: FolioStorageFaults::default(),
            output: FolioOutputFaults::default(),
            logs: Outage::default(),
            log_is_short: false,
            log_estimate: None,
        }
    }
}

/// A version of mod-data-export, as a client can tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// 3: counts and `hrId` as texts, the job execution's id only after the upload, no types of ids and records.
    V3,
    /// 4.8: uploads are stored after they are answered, `failed` is an object, links check the file's id.
    V4,
    /// 5.
    #[default]
    V5,
}

/// The gateway before FOLIO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Okapi: errors in plain text.
    #[default]
    Okapi,
    /// Eureka's Kong and sidecars: errors in JSON.
    Eureka,
}

/// Switches of the logins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioLoginFaults {
    /// How long an access token is good for, in seconds.
    pub access_seconds: i64,
    /// The login with expiry is not there, as before 2023.
    pub no_expiry: bool,
    /// The tenant gives no legacy tokens.
    pub no_legacy: bool,
    /// The legacy login has its token in the body alone, as Eureka's.
    pub body_only: bool,
    /// So many refused logins block the account.
    pub blocked_after: u32,
    /// What happens before it is looked at.
    pub outage: Outage,
}

impl Default for FolioLoginFaults {
    fn default() -> Self {
        Self {
            access_seconds: 600,
            no_expiry: false,
            no_legacy: false,
            body_only: false,
            blocked_after: 5,
            outage: Outage::default(),
        }
    }
}

/// Switches of the storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioStorageFaults {
    /// `drop_connection`, `unavailable` and `throttle`, before a request is looked at.
    pub outage: Outage,
    /// The body breaks off in its middle.
    pub cut: Times,
    /// The body breaks off in its middle, and its link has expired then.
    pub cut_and_expire: Times,
    /// There is no such object.
    pub missing: bool,
    /// `Range` is ignored.
    pub ignores_range: bool,
    /// A login page comes instead of the object.
    pub login_page: bool,
}

/// What is wrong with what jobs put out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolioOutputFaults {
    /// What is wrong with the last record.
    pub damage: Option<Damage>,
    /// What is wrong with an archive.
    pub archive: Option<FolioArchive>,
    /// The last record is missing, and counted.
    pub loses_a_record: bool,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// Its leader says another length.
    WrongLength,
    /// It lacks its terminator.
    NoTerminator,
    /// The file ends within it.
    Cut,
}

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolioArchive {
    /// A member would leave the folder.
    Traversal,
    /// Two members have one name.
    DuplicateNames,
}
