//! What tests ask of an instance past its API.

use serde_json::{Map, Value};

use super::content;
use super::state::MarketoExtract;
use crate::simulator::Simulator;

/// An extract that was started.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketoJob {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// The request as it was sent.
    pub request: Map<String, Value>,
    /// How often it was started.
    pub enqueued: u32,
}

impl Simulator {
    /// The extracts that were started, in their order, whether or not the client heard of it.
    pub fn marketo_jobs(&self) -> Vec<MarketoJob> {
        let job = |(number, extract): (&u64, &MarketoExtract)| MarketoJob {
            number: *number,
            id: super::api::id(*number),
            request: extract.request.clone(),
            enqueued: extract.enqueued,
        };
        let is_started = |(_, extract): &(&u64, &MarketoExtract)| extract.enqueued > 0;
        self.context.store.read(|state| state.marketo.extracts.iter().filter(is_started).map(job).collect())
    }

    /// The bytes of an extract's file.
    pub fn marketo_leads(&self, number: u64) -> Vec<u8> {
        content::leads(&self.context.scenario, number)
    }
}
