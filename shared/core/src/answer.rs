//! How much an answer may hold that is told job by job: whoever calls passes it on.

use serde::Serialize;

/// So many bytes of JSON are in one answer: a state machine's states pass on 256 KiB at most, with all that they add
/// (Step Functions developer guide, "Quotas"), and so does the topic that tells of it (SNS API reference, Publish).
pub const MAX_BYTES: usize = 160 * 1024;

/// How many bytes a part of an answer takes in it.
pub fn json_bytes(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(0, |json| json.len() + 1)
}
