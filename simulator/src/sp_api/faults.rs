//! What goes wrong with the reports of a seller's account.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of the Selling Partner API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpApiFaults {
    /// The report is made, then the connection is closed without an answer.
    pub create_then_drop: Times,
    /// The report is made, then the answer is 503.
    pub create_then_unavailable: Times,
    /// What happens before `POST /reports` is looked at.
    pub create: Outage,
    /// After it was made, so many lists lack a report.
    pub unlisted: u32,
    /// The list's next token never changes.
    pub circle: bool,
    /// How many polls see a report in progress.
    pub running_polls: u32,
    /// The status that reports end in.
    pub final_status: String,
    /// A report that is done has no document.
    pub no_document: bool,
    /// What happens before `GET /reports/{id}` is looked at.
    pub status: Outage,
    /// What happens before `DELETE /reports/{id}` is looked at.
    pub cancel: Outage,
    /// How long a link is good for, in seconds.
    pub link_seconds: i64,
    /// So many links have expired when they are used: 403.
    pub expired_links: Times,
    /// Links lead to this host.
    pub link_host: Option<String>,
    /// The body of a document breaks off in its middle, and its link has expired then.
    pub cut_and_expire: Times,
    /// What happens before `GET /documents/{id}` is looked at.
    pub document: Outage,
}

impl Default for SpApiFaults {
    fn default() -> Self {
        Self {
            create_then_drop: Times::default(),
            create_then_unavailable: Times::default(),
            create: Outage::default(),
            unlisted: 0,
            circle: false,
            running_polls: 2,
            final_status: "DONE".to_owned(),
            no_document: false,
            status: Outage::default(),
            cancel: Outage::default(),
            link_seconds: 300,
            expired_links: Times::default(),
            link_host: None,
            cut_and_expire: Times::default(),
            document: Outage::default(),
        }
    }
}
