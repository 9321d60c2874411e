//! The jobs that the list holds from the start.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::scenario::PlantedJob;
use super::state::{Job, JobEnd, JobKind};
use crate::scenario::Scenario;
use crate::state::State;

/// Planted jobs have ids below every other's.
const FIRST_PLANTED_ID: u64 = 40_000;

/// Puts the scenario's own jobs into the list, unless an earlier start has.
pub(super) fn plant(state: &mut State, scenario: &Scenario, now: Timestamp) {
    for (id, planted) in (FIRST_PLANTED_ID..).zip(&scenario.planted_jobs) {
        let status = planted.status.clone().unwrap_or_else(|| "SUCCEEDED".to_owned());
        let end = JobEnd { status, message: planted.message.clone(), at: now, polls: 1 };
        state.fusion_extract.jobs.entry(id).or_insert_with(|| Job {
            end: Some(end),
            ..Job::new(id, planted_request(planted), now, JobKind::Planted)
        });
    }
}

fn planted_request(planted: &PlantedJob) -> Map<String, Value> {
    let mut request = Map::new();
    request.insert("serviceName".to_owned(), json!("boss"));
    let definition = planted.job_definition_name.as_deref().unwrap_or("DataExport");
    request.insert("jobDefinitionName".to_owned(), json!(definition));
    request.insert("description".to_owned(), json!(planted.description));
    let parameters = json!({ "submit.argument1": planted.extract, "submit.argument2": "Full Data Extract" });
    request.insert("requestParameters".to_owned(), parameters);
    if let Some(uuid) = &planted.client_request_uuid {
        request.insert("clientRequestUuid".to_owned(), json!(uuid));
    }
    request
}
