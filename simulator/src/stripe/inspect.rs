//! What tests ask of an account past its API.

use super::content;
use super::state::StripeReport;
use crate::simulator::Simulator;

/// A report run that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeJob {
    /// Its id.
    pub id: u64,
    /// The form as it was sent.
    pub request: Vec<(String, String)>,
}

impl Simulator {
    /// The runs that were made, in their order, whether or not the client heard of it.
    pub fn stripe_jobs(&self) -> Vec<StripeJob> {
        let job = |(id, run): (&u64, &StripeReport)| StripeJob { id: *id, request: run.request.clone() };
        self.context.store.read(|state| state.stripe.runs.iter().map(job).collect())
    }

    /// The bytes of a run's file.
    pub fn stripe_report(&self, id: u64) -> Vec<u8> {
        content::report(&self.context.scenario, id)
    }
}
