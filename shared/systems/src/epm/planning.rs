//! What is asked of an application of Planning besides its jobs themselves.

use serde::Deserialize;
use serde_json::Value;

use super::answer::text;
use super::environment::{Environment, is_about_resource_alone};
use super::jobs::{APPLICATIONS, JobNumber};
use crate::entries::entries;
use landfall::error::{Error, Result};
use landfall_http::Request;

/// How many applications a message names.
const NAMED: usize = 20;
/// How much of a job's details a message repeats, in characters.
const MAX_DETAILS: usize = 600;

#[derive(Deserialize)]
struct Applications {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<Application>,
}

#[derive(Deserialize)]
struct Application {
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
}

/// Sees whether an application is there, before anything is submitted to it. A list that cannot be had, or names none,
/// says nothing against it.
pub(super) async fn must_have(environment: &Environment, application: &str) -> Result<()> {
    let answer = environment.call(Request::get_json(environment.url(&APPLICATIONS))).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if is_about_resource_alone(&error) => return Ok(()),
        Err(error) => return Err(environment.named(error)),
    };
    let listed: Applications = match answer.json() {
        Ok(listed) => listed,
        Err(error) if error.is_web_page() => return Err(environment.named(error)),
        Err(_) => return Ok(()),
    };
    let names: Vec<String> = listed.items.into_iter().filter_map(|listed| listed.name).collect();
    if names.is_empty() || names.iter().any(|name| name == application) {
        return Ok(());
    }
    let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    let names = environment.client.redactor().text(&names);
    Err(Error::rejected(format!(
        "EPM has no Planning application {application:?} that this user may see; it has: {names}"
    )))
}

#[derive(Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "entries")]
    items: Vec<Value>,
}

/// What an application tells of a job besides its status (Retrieve Job Status Details), as compact JSON; which fields it
/// tells is documented by examples only.
pub(super) async fn details(environment: &Environment, job: JobNumber<'_>) -> Result<Option<String>> {
    let url = job.owner.jobs(environment, &[job.number, "details"]);
    let answer = environment.call(Request::get_json(url)).await.map_err(|error| environment.named(error))?;
    let details: Details = answer.json().map_err(|error| environment.named(error))?;
    let told: Vec<String> =
        details.items.into_iter().map(without_nothing).map(|item| item.to_string()).collect();
    let told: String = told.join(", ").chars().take(MAX_DETAILS).collect();
    Ok(Some(told).filter(|told| !told.is_empty()))
}

/// An item without its links and without what it does not say.
fn without_nothing(item: Value) -> Value {
    match item {
        Value::Object(mut fields) => {
            fields.retain(|name, value| name != "links" && !value.is_null() && value != "null");
            Value::Object(fields)
        }
        other => other,
    }
}
