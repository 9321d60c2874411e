//! Which job an answer's headers say that a submission has made.

use http::{HeaderMap, header};

use landfall::job::JobRequestId;

/// The id of the job in the headers that may name what a `POST` has made: `Location`, or `Content-Location` where that
/// is what the answer is about (RFC 9110, 8.7 and 10.2.2). `collection` is the last segment of the path that was called.
pub(crate) fn job_id(headers: &HeaderMap, collection: &str) -> Option<JobRequestId> {
    let named = [header::LOCATION, header::CONTENT_LOCATION];
    let mut named = named.iter().filter_map(|name| headers.get(name)?.to_str().ok());
    named.find_map(|location| id_in(location, collection))
}

/// The last segment of a location, in any of its forms: absolute, with a port, relative, only the id, with a slash
/// behind it or a query. The host is not looked at: nothing is called there.
fn id_in(location: &str, collection: &str) -> Option<JobRequestId> {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, authority)) => authority.split_once('/')?.1,
        None => path,
    };
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).rev();
    let last = segments.next()?;
    let is_in_collection = segments.next().is_none_or(|before| before.eq_ignore_ascii_case(collection));
    let id = percent_encoding::percent_decode_str(last).decode_utf8().ok()?;
    // A job's id is a number above zero: anything else is a location of something else.
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit()) && id.bytes().any(|byte| byte != b'0');
    (is_in_collection && is_number).then(|| id.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All forms in which a location was seen, and those that name no job.
    #[test]
    fn a_location_is_read_in_all_its_forms() {
        for location in [
            "https://pod.example.com/api/saas-batch/jobscheduler/v1/jobRequests/44046",
            "https://pod.example.com:443/api/saas-batch/jobscheduler/v1/jobRequests/44046",
            "https://other.example/api/saas-batch/jobScheduler/v1/JOBREQUESTS/44046/",
            "/api/saas-batch/jobscheduler/v1/jobRequests/44046",
            "jobRequests/44046?expand=all",
            "44046",
            "https://pod.example.com/api/saas-batch/jobscheduler/v1/jobRequests/44046/?a=/b#c",
        ] {
            assert_eq!(id_in(location, "jobRequests").unwrap().as_str(), "44046", "{location}");
        }
        for location in [
            "",
            "/",
            "0",
            "https://pod.example.com",
            "https://pod.example.com/",
            "https://pod.example.com/api/saas-batch/jobscheduler/v1/jobRequests/",
            "/api/saas-batch/jobscheduler/v1/jobRequests",
            "https://login.example/oauth2/authorize",
            "/jobRequests/..",
            "/jobRequests/a%2Fb",
            "/jobRequests/pending",
            "/definitions/44046",
        ] {
            assert_eq!(id_in(location, "jobRequests"), None, "{location}");
        }
    }

    /// Promise 1: whichever of the two headers names the job, it is the run's. One that names something else hides
    /// nothing.
    #[test]
    fn either_header_names_the_job() {
        for (location, content_location, id) in [
            (Some("/jobs/1"), None, Some("1")),
            (None, Some("/jobs/1"), Some("1")),
            (Some("/status/queue"), Some("https://epm.example.com/aif/rest/V1/jobs/1"), Some("1")),
            (Some("/jobs/1"), Some("/jobs/2"), Some("1")),
            (Some("/status/queue"), None, None),
            (None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::LOCATION, location), (header::CONTENT_LOCATION, content_location)]
            {
                headers.extend(value.map(|value| (name, value.parse().unwrap())));
            }
            let found = job_id(&headers, "jobs");
            assert_eq!(found.as_ref().map(JobRequestId::as_str), id, "{headers:?}");
        }
    }
}
