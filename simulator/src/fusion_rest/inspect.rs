//! What tests ask of and do to REST resources past their API.

use jiff::Timestamp;

use super::api::page::{self, Projection};
use super::rows::Resource;
use super::state::Fate;
use crate::error::Error;
use crate::simulator::Simulator;

/// A row of a REST resource, as a test may want to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestRow {
    /// Its key.
    pub key: String,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Its status, where it has one.
    pub status: &'static str,
    /// The line that a correct landing has of it.
    pub line: String,
}

impl Simulator {
    /// Goes through the rows that a resource has now, by key, with the lines that a correct landing has of them:
    /// with these `fields`, or with these children, in the forms of the query parameters; each may be empty.
    pub fn rest_rows(&self, resource: &str, fields: &str, expand: &str, mut each: impl FnMut(RestRow)) {
        let Some(resource) = Resource::named(resource) else { return };
        let scenario = &self.context.scenario.rest;
        let view = Projection::read(fields, expand, true);
        self.context.store.read(|state| {
            for place in state.rest.places(scenario, resource, 0) {
                if let Some(row) = state.rest.row(scenario, resource, place) {
                    each(RestRow {
                        key: row.key(),
                        updated_at: row.updated_at(),
                        status: row.status(),
                        line: page::line(&row, &view),
                    });
                }
            }
        });
    }

    /// What has been done to a row since the beginning; `None` for what is no key of the resource.
    pub fn rest_fate(&self, resource: &str, key: &str) -> Option<Fate> {
        let resource = Resource::named(resource)?;
        let place = resource.place(key)?;
        Some(self.context.store.read(|state| state.rest.fate(resource, place)))
    }

    /// The key of the row at a place; rows are at even places from the beginning.
    pub fn rest_key(&self, resource: &str, place: u64) -> Option<String> {
        Some(Resource::named(resource)?.key(place))
    }

    /// Makes or changes a row, as a transaction does whose `LastUpdateDate` is `updated_at`, whenever it ends.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn put_rest_row(&self, resource: &str, place: u64, updated_at: Timestamp) -> Result<(), Error> {
        match Resource::named(resource) {
            Some(resource) => self.change(|state| state.rest.put(resource, place, updated_at)),
            None => Ok(()),
        }
    }
}
