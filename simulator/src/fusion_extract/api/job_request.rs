//! A job request, as the scheduler shows it: in a job's status, and in the list of jobs.

use serde_json::{Map, Value, json};

use crate::fusion_extract::faults::ListingFaults;
use crate::fusion_extract::state::Job;
use crate::identity::credentials::USERNAME;

/// `timeoutThreshold` of the documented example, in seconds.
const TIMEOUT_THRESHOLD: u32 = 36_000;

pub(super) fn job_request(job: &Job, retry: u32, listing: &ListingFaults) -> Value {
    let mut request = Map::new();
    for field in ["serviceName", "jobDefinitionName"] {
        request.insert(field.to_owned(), job.request.get(field).cloned().unwrap_or(Value::Null));
    }
    request.insert("systemDerivedVersion".to_owned(), json!("1260"));
    request.insert("jobSubmitter".to_owned(), json!(USERNAME));
    let client_uuid = if listing.forgets_client_request_uuid && !job.is_occurrence() {
        None
    } else {
        job.request.get("clientRequestUuid")
    };
    let optional = [
        ("description", job.request.get("description")),
        ("clientRequestUuid", client_uuid),
        ("requestParameters", job.request.get("requestParameters")),
        ("runAtTimes", job.request.get("runAtTimes")),
    ];
    for (field, value) in optional {
        if let Some(value) = value {
            request.insert(field.to_owned(), value.clone());
        }
    }
    request.insert("jobRetryNumber".to_owned(), json!(retry));
    request.insert("timeoutThreshold".to_owned(), json!(TIMEOUT_THRESHOLD));
    request.insert("type".to_owned(), json!("BATCH"));
    Value::Object(request)
}
