//! Whose a job is, and where: each application of Planning has an API of its own for its jobs, beside Data Integration's.
//!
//! Data Integration numbers its jobs, and so does each application: the same number may be a job of several. A job
//! request id of Planning's is therefore `Vision.145`, the application's name and the number that it gave the job.

use url::Url;

use super::environment::Environment;
use super::export::is_application;
use landfall::error::{Error, Result};
use landfall::job::JobRequestId;

/// The last segment of the path of jobs, whose ever they are.
pub(super) const JOBS: &str = "jobs";
/// What all of Data Integration's resources are below.
pub(super) const DATA_INTEGRATION: [&str; 3] = ["aif", "rest", "V1"];
/// What all of Planning's resources are below.
pub(super) const APPLICATIONS: [&str; 4] = ["HyperionPlanning", "rest", "v3", "applications"];

/// Whose jobs: Data Integration's, or those of an application of Planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner<'a>(pub(super) Option<&'a str>);

/// A job's number, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobNumber<'a> {
    pub(super) owner: Owner<'a>,
    pub(super) number: &'a str,
}

impl<'a> JobNumber<'a> {
    pub(super) fn of(id: &'a JobRequestId) -> Self {
        let id = id.as_str();
        match id.rsplit_once('.') {
            Some((application, number)) if is_application(application) => {
                Self { owner: Owner(Some(application)), number }
            }
            _ => Self { owner: Owner(None), number: id },
        }
    }
}

impl Owner<'_> {
    /// The URL of these jobs, or of one of them.
    pub(super) fn jobs(self, environment: &Environment, rest: &[&str]) -> Url {
        let mut segments: Vec<&str> = match self.0 {
            None => DATA_INTEGRATION.to_vec(),
            Some(application) => APPLICATIONS.into_iter().chain([application]).collect(),
        };
        segments.push(JOBS);
        segments.extend(rest);
        environment.url(&segments)
    }

    /// The id of the job that has this number here.
    pub(super) fn id(self, number: &JobRequestId) -> Result<JobRequestId> {
        let Some(application) = self.0 else { return Ok(number.clone()) };
        let unusable = |error| Error::contract_broken("a job's number makes no usable id").because(error);
        format!("{application}.{number}").parse().map_err(unusable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1 and 4: the number of a job is one of several jobs', its id is not.
    #[test]
    fn an_id_tells_whose_job_it_is() {
        for (id, application, number) in [
            ("1881", None, "1881"),
            ("Vision.145", Some("Vision"), "145"),
            ("Plan_2-x.7", Some("Plan_2-x"), "7"),
            ("a.b.7", None, "a.b.7"),
        ] {
            let id: JobRequestId = id.parse().unwrap();
            let parsed = JobNumber::of(&id);
            assert_eq!((parsed.owner.0, parsed.number), (application, number), "{id}");
        }
        let number: JobRequestId = "145".parse().unwrap();
        assert_eq!(Owner(Some("Vision")).id(&number).unwrap().as_str(), "Vision.145");
        assert_eq!(Owner(None).id(&number).unwrap(), number);
    }
}
