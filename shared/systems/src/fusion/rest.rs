//! Fusion REST resources: a collection read as a job, in the order of its key.
//!
//! Nothing runs at the source: a job is what a run makes of itself, and its id follows from the run's key. Its files
//! are ranges of keys, found once and frozen with the list of files, so that each can be fetched on its own, at any
//! time and as often as it takes.

mod api;
mod budget;
mod describe;
mod export;
mod members;
mod part;
mod query;
mod row;
mod several;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use self::api::Api;
use self::budget::Budget;
use self::describe::{Described, KeyAttributes, Shape};
pub use self::export::{Finder, FusionRest, Incremental, KeyFields, Pillar};
use self::query::{Collection, Key, KeyRange};
use self::row::RowWriter;
use self::walk::{MAX_ROWS, Walk, check_end};
use super::pod::Pod;
use crate::entries::entries;
use crate::fusion::settings::FusionConnection;
use landfall::check::Finding;
use landfall::clock::Clock;
use landfall::contract::{
    Download, Found, Increments, JobStatus, PlannedCall, ResumeAt, Source, Submission, SubmitRequest,
};
use landfall::error::{Error, Result};
use landfall::export::Export;
use landfall::job::{ConnectionName, FileList, JobRecord, JobRequestId, JobState, OutputFile, Window};
use landfall::state::{WorkState, keys};
use landfall_http::HttpError;
use landfall_http::auth::{Authorizer, FixedCredential};

/// The framework version by which the API's versions are asked for.
const NEWEST_FRAMEWORK_ASKED: u8 = 4;

/// A file that may need more than this part of an hour's requests is read by itself.
const LARGE_PART_OF_AN_HOUR: u32 = 16;

/// The namespace of the ids of jobs (RFC 9562, 5.5).
const JOBS: Uuid = Uuid::from_u128(0x5f3b_0c1e_8a0d_4d0c_9a6c_2f0e_7b1d_4e52);

/// The source `fusion_rest`.
pub struct FusionRestSource {
    name: ConnectionName,
    pod: Pod,
    api: Arc<Api>,
    /// What resources say of themselves, by where they are.
    shapes: Mutex<HashMap<Url, Arc<Shape>>>,
}

impl std::fmt::Debug for FusionRestSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FusionRestSource").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The versions of an API.
#[derive(Deserialize)]
struct Versions {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

impl FusionRestSource {
    /// The source at a pod; `InvalidConfig` names what the connection lacks.
    pub(super) fn at(
        name: ConnectionName,
        connection: &FusionConnection,
        pod: Pod,
        clock: Arc<dyn Clock>,
        work: WorkState,
    ) -> Result<Self> {
        let authorizer = authorizer(&name, connection, &pod)?;
        let settings = &connection.rest;
        let budget = Budget::new(work, keys::request_budget(&name), settings.requests_per_hour, clock);
        let api = Arc::new(Api::new(pod.client.clone(), authorizer, budget, settings.parallel_pages));
        Ok(Self { name, pod, api, shapes: Mutex::default() })
    }

    /// Proves that REST resources can be asked: the API's versions are listed, which changes nothing. Says what was
    /// seen.
    async fn look(&self) -> Result<String> {
        let versions = self.versions().await??;
        let names: Vec<_> = versions.items.iter().map(|item| item.version.as_str()).collect();
        Ok(format!("the user is accepted, and the API has the versions {}", names.join(", ")))
    }

    async fn versions(&self) -> Result<Result<Versions, HttpError>> {
        let versions = self.pod.url(&[Pillar::default().root(), "resources"]);
        self.api.description(versions, NEWEST_FRAMEWORK_ASKED).await
    }

    fn url(&self, export: &FusionRest) -> Url {
        let mut segments = vec![export.pillar.root(), "resources", &export.version];
        segments.extend(export.segments());
        self.pod.url(&segments)
    }

    /// What the resource says of itself, asked once.
    async fn shape(&self, export: &FusionRest) -> Result<Arc<Shape>> {
        let url = self.url(export);
        let mut shapes = self.shapes.lock().await;
        if let Some(shape) = shapes.get(&url) {
            return Ok(Arc::clone(shape));
        }
        let mut describe = url.clone();
        if let Ok(mut path) = describe.path_segments_mut() {
            path.push("describe");
        }
        let described: Described = match self.api.description(describe, export.framework_version).await? {
            Ok(described) => described,
            Err(error) if error.is_gone() => {
                let message = format!(
                    "connection {} has no resource {} in version {} of its {} API, or its user may not see it",
                    self.name,
                    export.resource,
                    export.version,
                    export.pillar.root()
                );
                return Err(Error::not_found(message).because(error));
            }
            Err(error) => return Err(error.into()),
        };
        let name = export.segments().last().unwrap_or_default();
        let shape = described.resource(name).ok_or_else(|| {
            Error::contract_broken(format!(
                "{} does not describe itself: describe names others",
                export.resource
            ))
        })?;
        let shape = Arc::new(shape);
        shapes.insert(url, Arc::clone(&shape));
        Ok(shape)
    }

    /// Refuses what the resource does not have, and gives the job its id, which follows from the run's key.
    async fn checked(&self, order: &SubmitRequest<'_>) -> Result<JobRequestId> {
        let export = &order.export.read::<FusionRest>()?;
        export.check()?;
        let shape = self.shape(export).await?;
        shape.check(export, order.window)?;
        for (flexfield, segments) in shape.flexfields() {
            tracing::info!(flexfield, ?segments, "the resource has a descriptive flexfield");
        }
        self.collection(export, &shape, shape.key(export)?, order.window)?;
        let id = Uuid::new_v5(&JOBS, format!("{}\n{}", self.name, order.run_key).as_bytes()).to_string();
        id.parse().map_err(|error| Error::invalid_event("the run has no usable job id").because(error))
    }

    fn collection(
        &self,
        export: &FusionRest,
        shape: &Shape,
        key: KeyAttributes,
        window: Option<&Window>,
    ) -> Result<Arc<Collection>> {
        let collection = Collection::new(self.url(export), export, key, window)?;
        Ok(Arc::new(
            collection.with_fields(shape.with_keys_of_children(&export.fields, export.framework_version)),
        ))
    }

    /// Whether a file may need so many requests that a few such files are more than an hour has: its children may be
    /// long, or its pages many.
    fn may_take_long(&self, export: &FusionRest) -> bool {
        let has_children = !export.expand.is_empty() || export.fields.iter().any(|field| field.contains('.'));
        self.api.requests_per_hour().is_some_and(|per_hour| {
            has_children || export.pages_per_file.saturating_mul(LARGE_PART_OF_AN_HOUR) > per_hour
        })
    }

    /// The key of the row at a distance from the beginning of a range, if there are so many.
    async fn key_at(
        &self,
        api: &Api,
        collection: &Collection,
        range: &KeyRange,
        offset: usize,
    ) -> Result<Option<Key>> {
        let broken = |why: &str| Error::contract_broken(format!("reading {}: {why}", collection.name));
        let page = api.page(collection.keys(range, offset, 1), collection.framework).await?;
        let Some(row) = page.items.first() else {
            if page.has_more == Some(true) {
                check_end(api, collection, range, offset.saturating_add(MAX_ROWS)).await?;
            }
            return Ok(None);
        };
        let key = members::key(row, &collection.key).map_err(|why| broken(&why))?;
        range.check(&key, &collection.key).map_err(|why| broken(&why))?;
        Ok(Some(key))
    }
}

/// Whom REST resources are read as: exactly one of the three ways must be configured.
fn authorizer(
    name: &ConnectionName,
    connection: &FusionConnection,
    pod: &Pod,
) -> Result<Arc<dyn Authorizer>> {
    let wrong = |what: &str| Error::invalid_config(format!("connection {name} has {what}"));
    let redactor = pod.client.redactor();
    match (&connection.scopes.rest, &connection.basic, &connection.bearer) {
        (Some(scope), None, None) => pod
            .scope("scopes.rest", scope)
            .ok_or_else(|| wrong("scopes.rest, but no auth to get tokens for it")),
        (None, Some(basic), None) => {
            Ok(FixedCredential::basic(&basic.username, &basic.password, pod.base_url(), redactor)?)
        }
        (None, None, Some(bearer)) => Ok(FixedCredential::bearer(&bearer.token, pod.base_url(), redactor)?),
        (None, None, None) => {
            Err(wrong("none of scopes.rest (with auth), basic and bearer, one of which fusion_rest needs"))
        }
        _ => {
            Err(wrong("more than one of scopes.rest, basic and bearer: REST resources are read as one user"))
        }
    }
}

#[async_trait]
impl Source for FusionRestSource {
    fn accepts(&self, export: &Export) -> Result<()> {
        export.read::<FusionRest>()?.check()
    }

    fn runs_jobs(&self, _export: &Export) -> bool {
        false
    }

    fn increments(&self, export: &Export) -> Option<Increments> {
        export.read::<FusionRest>().ok()?.increments()
    }

    async fn check(&self) -> Vec<Finding> {
        vec![Finding::of("rest", self.look().await)]
    }

    /// Any answer tells the time: one that lets the user in, or one that refuses a user of another pillar.
    async fn time(&self) -> Result<Option<Timestamp>> {
        let versions = self.versions().await?;
        let told = self.pod.client.told_time();
        match versions {
            Ok(_) => Ok(told),
            Err(error) if error.status().is_some_and(|status| status.is_client_error()) && told.is_some() => {
                tracing::debug!(%error, "the user may not list the API's versions, but the answer has the time");
                Ok(told)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn calls(&self, order: &SubmitRequest<'_>) -> Result<Vec<PlannedCall>> {
        self.checked(order).await?;
        let export = &order.export.read::<FusionRest>()?;
        let shape = self.shape(export).await?;
        let collection = self.collection(export, &shape, shape.key(export)?, order.window)?;
        Ok(vec![PlannedCall::new(
            "read each page",
            "GET",
            &collection.page(&KeyRange::default(), 0, MAX_ROWS),
        )])
    }

    async fn prepare(&self, order: &SubmitRequest<'_>) -> Result<()> {
        self.checked(order).await.map(|_| ())
    }

    async fn submit(&self, order: &SubmitRequest<'_>) -> Result<Submission> {
        self.checked(order).await.map(Submission::Accepted)
    }

    /// A job that begins with nothing at the source is always there; what submitting it would refuse is refused too.
    async fn find(&self, order: &SubmitRequest<'_>) -> Result<Found> {
        self.checked(order).await.map(Found::Job)
    }

    async fn verify_job(&self, job: &JobRequestId, order: &SubmitRequest<'_>) -> Result<()> {
        match self.checked(order).await? == *job {
            true => Ok(()),
            false => self.describe(job).await.map(|_| ()),
        }
    }

    async fn describe(&self, job: &JobRequestId) -> Result<Export> {
        Err(Error::not_found(format!(
            "connection {} knows no job {job}: a read of a REST resource is not a job at the source, so it can only be \
             continued where it was started",
            self.name
        )))
    }

    /// There is nothing to wait for. Whether there are rows at all is looked at here, as a job without rows ends
    /// otherwise.
    async fn status(&self, job: &JobRecord) -> Result<JobStatus> {
        let export = &job.export.read::<FusionRest>()?;
        let shape = self.shape(export).await?;
        let collection = self.collection(export, &shape, shape.key(export)?, job.window.as_ref())?;
        let has_rows = self.key_at(&self.api, &collection, &KeyRange::default(), 0).await?.is_some();
        let (state, native_status, message) = match (has_rows, export.allow_empty) {
            (true, _) => (JobState::Succeeded, "READABLE", None),
            (false, true) => (JobState::Empty, "NO_ROWS", None),
            (false, false) => {
                let message = format!(
                    "no row of {} matches this run: if that is normal, set allow_empty in the export",
                    export.resource
                );
                (JobState::Failed, "NO_ROWS", Some(message))
            }
        };
        Ok(JobStatus {
            state,
            native_status: native_status.to_owned(),
            is_known: true,
            progress_percent: None,
            message,
            expected_rows: None,
            observed_at: None,
        })
    }

    async fn explain(&self, _job: &JobRecord) -> Result<Option<String>> {
        Ok(None)
    }

    /// Divides the rows by their keys. A key remains a boundary when its row has gone: the ranges between boundaries
    /// hold every row once, whatever happens to rows afterwards.
    async fn output_files(&self, job: &JobRecord) -> Result<Vec<OutputFile>> {
        let export = &job.export.read::<FusionRest>()?;
        let shape = self.shape(export).await?;
        let collection = self.collection(export, &shape, shape.key(export)?, job.window.as_ref())?;
        let api = self.api.counting("raise export.pages_per_file, or rest.requests_per_hour");
        // Pages that are asked for together overlap by a row.
        let pages = usize::try_from(export.pages_per_file).unwrap_or(usize::MAX);
        let distance = pages.saturating_mul(MAX_ROWS - 1);
        let mut files = Vec::new();
        let mut range = KeyRange::default();
        loop {
            let mut through = self.key_at(&api, &collection, &range, distance).await?;
            // A resource that ignores `offset` has its first row at every distance, and would be cut into files of a row.
            if files.is_empty()
                && through.is_some()
                && through == self.key_at(&api, &collection, &range, 0).await?
            {
                tracing::info!(
                    resource = collection.name,
                    "the resource ignores offset: it is read as one file"
                );
                through = None;
            }
            let rows = through.as_ref().map(|_| distance.saturating_add(1));
            let range_of_file = KeyRange { after: range.after.clone(), through: through.clone() };
            files.push(part::file(&collection.key, &range_of_file, rows, files.len())?);
            match through {
                Some(through) => range.after = Some(through),
                None => return Ok(files),
            }
        }
    }

    async fn file_list(&self, job: &JobRecord) -> Result<FileList> {
        let files = self.output_files(job).await?;
        let columns = self.shape(&job.export.read::<FusionRest>()?).await?.columns();
        Ok(FileList { columns, ..FileList::from(files) })
    }

    async fn open(&self, job: &JobRecord, file: &OutputFile, _resume: Option<&ResumeAt>) -> Result<Download> {
        let export = &job.export.read::<FusionRest>()?;
        let (key, range, rows) = part::read(file)?;
        let shape = self.shape(export).await?;
        let collection = self.collection(export, &shape, key, job.window.as_ref())?;
        let turn = match self.may_take_long(export) {
            true => Some(self.api.turn().await?),
            false => None,
        };
        let api = Arc::new(self.api.counting("lower export.pages_per_file, or raise rest.requests_per_hour"));
        let walk = Walk::new(Arc::clone(&api), Arc::clone(&collection), range, rows);
        let writer = Arc::new(RowWriter::new(api, collection, shape));
        let body = stream::try_unfold((walk, writer, turn), |(mut walk, writer, turn)| async move {
            match walk.next().await? {
                Some(rows) => Ok(Some((Bytes::from(writer.lines(rows).await?), (walk, writer, turn)))),
                None => Ok(None),
            }
        });
        Ok(Download { offset: 0, size: None, validator: None, unverified: None, body: body.boxed() })
    }
}

#[cfg(test)]
mod tests;
