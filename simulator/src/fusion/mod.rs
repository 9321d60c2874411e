//! The Fusion pod: BOSS data export, the batch service's job scheduler, and its file manager.

mod boss;
mod files;
mod jobs;
mod recurrence;
pub(crate) mod rest;
mod submit;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use http::HeaderValue;

use crate::faults::LocationForm;
use crate::world::World;

/// The scheduler's path below the pod. Public client code writes `jobScheduler` too.
pub(crate) const SCHEDULER: &str = "/api/saas-batch/jobscheduler/v1/jobRequests";
/// The file manager's path below the pod.
pub(crate) const FILE_MANAGER: &str = "/api/saas-batch/jobfilemanager/v1/jobRequests";

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(boss::routes())
        .merge(submit::routes())
        .merge(jobs::routes())
        .merge(files::routes())
        .merge(rest::routes())
}

/// A query's parameters by name; BOSS writes `$limit`, other parts of Fusion `limit`.
type Query = HashMap<String, String>;

/// A number in the query, with or without `$` before its name.
fn number(query: &Query, name: &str) -> Option<usize> {
    let text = query.get(&format!("${name}")).or_else(|| query.get(name))?;
    text.parse().ok()
}

/// A page of a list, and whether there is more after it.
fn page<T: Clone>(items: &[T], offset: usize, limit: usize) -> (Vec<T>, bool) {
    let page: Vec<T> = items.iter().skip(offset).take(limit).cloned().collect();
    let more = offset.saturating_add(page.len()) < items.len();
    (page, more && limit > 0)
}

/// The `Location` of a resource that has just been created at `path`.
fn location(world: &World, form: LocationForm, path: &str) -> Option<HeaderValue> {
    let base = &world.base_url;
    let location = match form {
        LocationForm::Absolute => format!("{base}{path}"),
        LocationForm::ExplicitPort => format!("https://{}:443{path}", crate::credentials::POD),
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
