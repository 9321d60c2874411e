//! What tests ask of a seller's account past its API.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::content;
use super::state::SpApiReport;
use crate::error::Error;
use crate::simulator::Simulator;

/// A report that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct SpApiJob {
    /// Its id.
    pub id: u64,
    /// The request as it was sent.
    pub request: Map<String, Value>,
}

impl Simulator {
    /// The reports that were made, in their order, whether or not the client heard of it.
    pub fn sp_api_jobs(&self) -> Vec<SpApiJob> {
        let job = |(id, report): (&u64, &SpApiReport)| SpApiJob { id: *id, request: report.request.clone() };
        self.context.store.read(|state| state.sp_api.reports.iter().map(job).collect())
    }

    /// The bytes of a report's document.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] if it could not be made.
    pub fn sp_api_document(&self, id: u64) -> Result<Vec<u8>, Error> {
        content::document(&self.context.scenario, id)
            .map_err(|source| Error::Output { id, source: Arc::new(source) })
    }

    /// Adds a report of the same request as another, as somebody else's program makes it; its id.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn sp_api_report_of_others(&self, request: Map<String, Value>) -> Result<u64, Error> {
        let now = self.context.clock.now();
        let mut id = 0;
        self.change(|state| id = state.sp_api.accept(request, now))?;
        Ok(id)
    }
}
