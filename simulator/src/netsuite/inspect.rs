//! What tests ask of an account past its API.

use super::content;
use super::state::NetsuiteRequest;
use crate::simulator::Simulator;

/// A request that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetsuiteJob {
    /// The id of its job.
    pub id: u64,
    /// The path and the query.
    pub request: String,
}

impl Simulator {
    /// The requests that were taken, in their order, whether or not the client heard of it.
    pub fn netsuite_jobs(&self) -> Vec<NetsuiteJob> {
        let job = |(id, job): (&u64, &NetsuiteRequest)| NetsuiteJob { id: *id, request: job.request.clone() };
        self.context.store.read(|state| state.netsuite.jobs.iter().map(job).collect())
    }

    /// The results of a job's tasks.
    pub fn netsuite_results(&self, id: u64) -> Vec<Vec<u8>> {
        let scenario = &self.context.scenario;
        (1..=scenario.netsuite.tasks).map(|task| content::result(scenario, id, task)).collect()
    }
}
