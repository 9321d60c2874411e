//! What goes wrong with the extracts of an instance.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// Switches of Marketo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketoFaults {
    /// The extract is made, then the connection is closed without an answer.
    pub create_then_drop: Times,
    /// What happens before `create.json` is looked at.
    pub create: Outage,
    /// The extract is started, then the connection is closed without an answer.
    pub enqueue_then_drop: Times,
    /// The extract is started, then the answer is 503.
    pub enqueue_then_unavailable: Times,
    /// `enqueue.json` is answered by something that is neither success nor failure.
    pub enqueue_vaguely: Times,
    /// What happens before `enqueue.json` is looked at.
    pub enqueue: Outage,
    /// 1029 under 200 to `enqueue.json`: the quota of the day, or of the queue, is spent.
    pub quota: Times,
    /// 606 under 200, whatever was called: too many calls within 20 seconds.
    pub rate: Times,
    /// 602 under 200, whatever was called: the token has expired.
    pub expired_token: Times,
    /// After it was started, so many lists show an extract as it was before.
    pub unlisted: u32,
    /// How many polls see an extract running.
    pub running_polls: u32,
    /// The status that extracts end in.
    pub final_status: String,
    /// What happens before `status.json` is looked at.
    pub status: Outage,
    /// What happens before `cancel.json` is looked at.
    pub cancel: Outage,
    /// The file is told to have another SHA-256 than it has.
    pub wrong_checksum: bool,
    /// The extract counts one lead more than its file has.
    pub wrong_count: bool,
    /// What happens before a file is looked at.
    pub file: Outage,
    /// A file breaks off in its middle.
    pub cut: Times,
    /// An error as JSON under 200 instead of a file.
    pub error_for_file: Times,
}

impl Default for MarketoFaults {
    fn default() -> Self {
        Self {
            create_then_drop: Times::default(),
            create: Outage::default(),
            enqueue_then_drop: Times::default(),
            enqueue_then_unavailable: Times::default(),
            enqueue_vaguely: Times::default(),
            enqueue: Outage::default(),
            quota: Times::default(),
            rate: Times::default(),
            expired_token: Times::default(),
            unlisted: 0,
            running_polls: 2,
            final_status: "Completed".to_owned(),
            status: Outage::default(),
            cancel: Outage::default(),
            wrong_checksum: false,
            wrong_count: false,
            file: Outage::default(),
            cut: Times::default(),
            error_for_file: Times::default(),
        }
    }
}
