//! What tests ask of a pod's extract requests past its API.

use serde_json::{Map, Value};

use super::content;
use super::state::OracleRequest;
use crate::simulator::Simulator;

/// A request that was submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleJob {
    /// Its id.
    pub id: u64,
    /// The request as it was sent.
    pub request: Map<String, Value>,
}

impl Simulator {
    /// The requests that were submitted, in their order, whether or not the client heard of it.
    pub fn oracle_jobs(&self) -> Vec<OracleJob> {
        let job =
            |(id, request): (&u64, &OracleRequest)| OracleJob { id: *id, request: request.request.clone() };
        self.context.store.read(|state| state.oracle.requests.iter().map(job).collect())
    }

    /// The rows of a request's output files, in their order.
    pub fn oracle_rows(&self, id: u64) -> Vec<Vec<u8>> {
        let scenario = &self.context.scenario;
        (1..=scenario.oracle.chunks).map(|chunk| content::rows(scenario, id, chunk)).collect()
    }
}
