//! The paths of the pod, and how it writes the address of what it has created.

use http::{HeaderMap, HeaderValue, header};

use crate::context::Context;
use crate::fusion_extract::credentials::POD;
use crate::fusion_extract::faults::LocationForm;

/// The scheduler's path below the pod.
pub(super) const SCHEDULER: &str = "/api/saas-batch/jobscheduler/v1/jobRequests";
/// That path in both of its writings: public client code has the second one.
pub(super) const SCHEDULERS: [&str; 2] = [SCHEDULER, "/api/saas-batch/jobScheduler/v1/jobRequests"];
/// The file manager's path below the pod.
pub(super) const FILE_MANAGER: &str = "/api/saas-batch/jobfilemanager/v1/jobRequests";
/// That path in both of its writings.
pub(super) const FILE_MANAGERS: [&str; 2] = [FILE_MANAGER, "/api/saas-batch/jobFileManager/v1/jobRequests"];

/// Puts the `Location` of a resource that has just been created at `path` into an answer's headers.
pub(super) fn locate(context: &Context, form: LocationForm, path: &str, headers: &mut HeaderMap) {
    let name = match form {
        LocationForm::ContentLocation => header::CONTENT_LOCATION,
        _ => header::LOCATION,
    };
    headers.extend(location(context, form, path).map(|location| (name, location)));
}

fn location(context: &Context, form: LocationForm, path: &str) -> Option<HeaderValue> {
    let base = context.base_url();
    let location = match form {
        LocationForm::Absolute | LocationForm::ContentLocation => format!("{base}{path}"),
        LocationForm::ExplicitPort => format!("https://{POD}:443{path}"),
        LocationForm::Relative => path.to_owned(),
        LocationForm::OtherCase => {
            let path = path.replace("jobscheduler", "jobScheduler").replace("dataExport", "dataexport");
            format!("{base}{path}")
        }
        LocationForm::TrailingSlash => format!("{base}{path}/"),
        LocationForm::WithQuery => format!("{base}{path}?expand=all"),
        LocationForm::NotAnId => format!("{base}{SCHEDULER}/pending"),
        LocationForm::Missing => return None,
    };
    HeaderValue::from_str(&location).ok()
}
