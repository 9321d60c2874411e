//! What tests ask of an org past its API.

use serde_json::{Map, Value};

use super::content;
use super::state::SalesforceQuery;
use crate::simulator::Simulator;

/// A query job that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct SalesforceJob {
    /// Its id.
    pub id: String,
    /// The request as it was sent.
    pub request: Map<String, Value>,
}

impl Simulator {
    /// The query jobs that were made, in their order, whether or not the client heard of it.
    pub fn salesforce_jobs(&self) -> Vec<SalesforceJob> {
        let job = |(id, job): (&String, &SalesforceQuery)| SalesforceJob {
            id: id.clone(),
            request: job.request.clone(),
        };
        self.context.store.read(|state| state.salesforce.jobs.iter().map(job).collect())
    }

    /// The pages of a job's results, where no smaller ones are asked for.
    pub fn salesforce_pages(&self, id: &str) -> Vec<Vec<u8>> {
        let scenario = &self.context.scenario;
        let (all, size) = (scenario.salesforce.records, scenario.salesforce.records_per_page.max(1));
        let starts = (0..all.max(1)).step_by(usize::try_from(size).unwrap_or(usize::MAX));
        starts.map(|from| content::page(scenario, id, from..all.min(from.saturating_add(size)))).collect()
    }
}
