//! What the REST resources remember: what has been done to rows since the beginning.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::faults::Churn;
use super::rows::{Resource, Row, mixed};
use super::scenario::RestScenario;

/// All that the REST resources remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RestState {
    /// By resource, the rows that are not as they were made, by their places.
    changes: BTreeMap<String, BTreeMap<u64, Change>>,
    /// How many things have been done to rows.
    deeds: u64,
}

/// What has become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) is_deleted: bool,
    /// How often it was changed.
    pub(crate) revision: u32,
    pub(crate) updated_at: Timestamp,
}

/// What others have done to a row while a run may have read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is as it was from the beginning.
    Untouched,
    /// It was changed, or came later.
    Changed,
    /// It has gone.
    Deleted,
}

impl RestState {
    fn change_of(&self, resource: Resource, place: u64) -> Option<&Change> {
        self.changes.get(resource.name())?.get(&place)
    }

    /// Whether a place had a row from the beginning: every second one has, so that rows can come between.
    fn is_original(scenario: &RestScenario, place: u64) -> bool {
        place.is_multiple_of(2) && place / 2 < scenario.rows
    }

    /// The row at a place, as it is now.
    pub(super) fn row(&self, scenario: &RestScenario, resource: Resource, place: u64) -> Option<Row> {
        match self.change_of(resource, place) {
            Some(change) if change.is_deleted => None,
            Some(change) => {
                Some(Row::root(resource, place, change.revision, Some(change.updated_at), scenario))
            }
            None => Self::is_original(scenario, place).then(|| Row::root(resource, place, 0, None, scenario)),
        }
    }

    /// The row at an address, as it is now.
    pub(super) fn row_at(
        &self,
        scenario: &RestScenario,
        resource: Resource,
        address: &str,
        is_hashed: bool,
    ) -> Option<Row> {
        let by_key = || self.row(scenario, resource, resource.place(address)?);
        let has_address = |row: &Row| row.address(is_hashed) == address;
        by_key().filter(has_address).or_else(|| {
            let rows = self.places(scenario, resource, 0);
            rows.filter_map(|place| self.row(scenario, resource, place)).find(has_address)
        })
    }

    /// The places that may have rows, from one on.
    pub(super) fn places(
        &self,
        scenario: &RestScenario,
        resource: Resource,
        from: u64,
    ) -> std::ops::Range<u64> {
        let last = self.changes.get(resource.name()).and_then(|changes| Some(*changes.last_key_value()?.0));
        let end = scenario.rows.saturating_mul(2).max(last.map_or(0, |last| last + 1));
        from..end.max(from)
    }

    pub(super) fn fate(&self, resource: Resource, place: u64) -> Fate {
        match self.change_of(resource, place) {
            None => Fate::Untouched,
            Some(change) if change.is_deleted => Fate::Deleted,
            Some(_) => Fate::Changed,
        }
    }

    /// Makes or changes the row at a place.
    pub(super) fn put(&mut self, resource: Resource, place: u64, updated_at: Timestamp) {
        let revision = self.change_of(resource, place).map_or(0, |change| change.revision) + 1;
        self.note(resource, place, Change { is_deleted: false, revision, updated_at });
    }

    pub(super) fn delete(&mut self, resource: Resource, place: u64, at: Timestamp) {
        let revision = self.change_of(resource, place).map_or(0, |change| change.revision);
        self.note(resource, place, Change { is_deleted: true, revision, updated_at: at });
    }

    fn note(&mut self, resource: Resource, place: u64, change: Change) {
        self.changes.entry(resource.name().to_owned()).or_default().insert(place, change);
    }

    /// Does to rows what others do between two pages.
    pub(super) fn churn(
        &mut self,
        scenario: &RestScenario,
        resource: Resource,
        churn: Churn,
        now: Timestamp,
    ) {
        let places = scenario.rows.saturating_mul(2).max(1);
        for _ in 0..churn.updates {
            let place = self.draw(scenario, places);
            if self.row(scenario, resource, place).is_some() {
                self.put(resource, place, now);
            }
        }
        for _ in 0..churn.deletes {
            let place = self.draw(scenario, places);
            if self.row(scenario, resource, place).is_some() {
                self.delete(resource, place, now);
            }
        }
        for _ in 0..churn.inserts {
            let place = self.draw(scenario, places) | 1;
            if self.row(scenario, resource, place).is_none() {
                self.put(resource, place, now);
            }
        }
    }

    fn draw(&mut self, scenario: &RestScenario, places: u64) -> u64 {
        self.deeds += 1;
        mixed(scenario.seed ^ self.deeds.wrapping_mul(0x9e37_79b9)) % places
    }
}
