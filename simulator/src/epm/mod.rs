//! Oracle EPM: Data Integration jobs, and the repository of files that they read and write.
//!
//! Everything is served at the root and below `/gateway`, as environments behind a gateway are.

mod content;
mod faults;
mod jobs;
mod repository;
mod scenario;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Map, Value};

use crate::answer::{self, Ended, Marked};
use crate::credentials;
use crate::faults::Outage;
use crate::idcs::{self, Scope};
use crate::world::World;

pub use faults::{
    EpmDownloadFaults, EpmFaults, EpmHref, EpmListFaults, EpmStatusFaults, EpmSubmitFaults, EpmUploadFaults,
    EpmVersionFaults, FailedBody, LogText, SignIn, StatusForm,
};
pub use scenario::{EpmFormat, EpmScenario, PlantedFile};
pub(crate) use state::EpmState;

/// The path that a gateway puts before everything.
const GATEWAY: &str = "/gateway";
/// Where a browser would be sent to sign in.
const LOGIN: &str = "https://login.identity.example/ui/v1/signin";

pub(crate) fn routes() -> Router<Arc<World>> {
    ["", GATEWAY].into_iter().fold(Router::new(), |router, prefix| {
        router.merge(jobs::routes(prefix)).merge(repository::routes(prefix))
    })
}

/// The path before everything, by which a request came.
fn prefix(uri: &Uri) -> &'static str {
    if uri.path().starts_with(GATEWAY) { GATEWAY } else { "" }
}

/// The first thing that an endpoint does: an outage, or a refusal of the caller, ends the request here.
fn admit(
    world: &World,
    uri: &Uri,
    headers: &HeaderMap,
    outage: &Outage,
    endpoint: &str,
    subject: &str,
) -> Result<(), Ended> {
    if world.faults().epm.only_below_gateway && prefix(uri).is_empty() {
        return Err(answer::problem(StatusCode::NOT_FOUND, "No such resource.").into());
    }
    world.outage(&world.faults().epm.outage, "epm", "")?;
    world.outage(outage, endpoint, subject)?;
    let is_basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("Basic "));
    match (is_basic, world.faults().epm.sign_in) {
        (false, _) => idcs::authorize(world, headers, Scope::Epm),
        (true, SignIn::Taken) if knows(headers) => Ok(()),
        (true, SignIn::Taken | SignIn::Unauthorized) => Err(unauthorized().by("epm.sign_in").into()),
        (true, SignIn::Redirect) => {
            let mut answer = answer::gateway_error(StatusCode::FOUND);
            answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static(LOGIN));
            Err(answer.by("epm.sign_in").into())
        }
        (true, SignIn::LoginPage) => Err(answer::login_page().by("epm.sign_in").into()),
    }
}

fn knows(headers: &HeaderMap) -> bool {
    let pair = idcs::basic_credentials(headers);
    pair.is_some_and(|(name, password)| {
        let domain = format!("{}.", credentials::IDENTITY_DOMAIN);
        let name = name.strip_prefix(&domain).unwrap_or(&name);
        name == credentials::USERNAME && password == credentials::PASSWORD
    })
}

fn unauthorized() -> Response {
    let mut answer = answer::problem(StatusCode::UNAUTHORIZED, "The user name or the password is wrong.");
    let challenge = HeaderValue::from_static("Basic realm=\"EPM\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// A job that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpmSubmitted {
    /// Its id.
    pub id: u64,
    /// The submission as it was sent.
    pub request: Map<String, Value>,
    /// The number that it ended with, if it has ended.
    pub final_status: Option<i64>,
}

/// What a job has put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpmOutput {
    /// The path of its file in the repository.
    pub name: String,
    /// The file's bytes.
    pub file: Vec<u8>,
    /// What a correct landing of it holds: the file itself, or what its archive has.
    pub landed: Vec<u8>,
    /// Rows without the header, where it is a table.
    pub rows: Option<u64>,
}

impl crate::Simulator {
    /// Where the environment is behind a gateway.
    pub fn epm_gateway_url(&self) -> String {
        format!("{}{GATEWAY}", self.base_url())
    }

    /// The EPM jobs that were accepted, in their order, whether or not the client heard of it.
    pub fn epm_jobs(&self) -> Vec<EpmSubmitted> {
        let submitted = |job: &state::EpmJob| EpmSubmitted {
            id: job.id,
            request: job.request.clone(),
            final_status: job.end.as_ref().map(|end| end.status),
        };
        self.world.store.read(|state| state.epm.jobs.values().map(submitted).collect())
    }

    /// What an EPM job has put out, as it was then; none where it did not end well, or put nothing out.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Output`] if the file could not be made.
    pub fn epm_output(&self, id: u64) -> Result<Option<EpmOutput>, crate::Error> {
        let scenario = &self.world.scenario;
        let name = self
            .world
            .store
            .read(|state| state.epm.jobs.get(&id).and_then(|job| job.end.as_ref()?.output.clone()));
        let Some(name) = name else { return Ok(None) };
        let file = content::output(scenario, id)
            .map_err(|source| crate::Error::Output { id, source: Arc::new(source) })?;
        let is_archive = scenario.epm.format == EpmFormat::Zip;
        let is_table = is_archive || scenario.epm.format == EpmFormat::Csv;
        let landed = if is_archive { content::table(scenario, id) } else { file.clone() };
        Ok(Some(EpmOutput { name, file, landed, rows: is_table.then_some(scenario.epm.rows) }))
    }

    /// What a client has uploaded under a path.
    pub fn epm_uploaded(&self, name: &str) -> Option<Vec<u8>> {
        self.world.store.read(|state| match &state.epm.files.get(name)?.content {
            state::Content::Uploaded(bytes) => Some(bytes.clone()),
            _ => None,
        })
    }

    /// Adds a job that somebody has started in EPM's own screen, and that has ended well; its id.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Folder`] if that cannot be kept.
    pub fn epm_job_of_others(&self, job_name: &str) -> Result<u64, crate::Error> {
        let now = self.world.clock.now();
        let scenario = &self.world.scenario;
        let mut id = 0;
        self.change(|state| {
            let request = [("jobType", "INTEGRATION"), ("jobName", job_name)];
            let request = request.map(|(name, value)| (name.to_owned(), Value::from(value)));
            id = jobs::accept(&mut state.epm, request.into_iter().collect(), now);
            jobs::end(&mut state.epm, id, scenario, &EpmStatusFaults::default(), now);
        })?;
        Ok(id)
    }

    /// The `Authorization` header of the environment's user.
    pub fn epm_authorization(&self) -> String {
        let (domain, name) = (credentials::IDENTITY_DOMAIN, credentials::USERNAME);
        format!("Basic {}", STANDARD.encode(format!("{domain}.{name}:{}", credentials::PASSWORD)))
    }
}
