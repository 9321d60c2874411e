//! What a simulated system says of itself.

use std::sync::Arc;

use axum::Router;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::context::Context;
use crate::endpoints::Endpoints;
use crate::operation::Operation;
use crate::scenario::Scenario;
use crate::state::State;

/// A simulated system.
///
/// There is one for each kind of export, so that an event alone says which system can run it; of those that are described
/// in a file, which share a kind, the connection says it.
#[derive(Debug)]
#[non_exhaustive]
pub struct System {
    /// What it is, for people.
    pub title: &'static str,
    /// The kind of its exports in an event (`export.kind`).
    pub export_kind: &'static str,
    /// What a connection to it is called in examples. Systems that one connection reaches have one name.
    pub connection_name: &'static str,
    /// The event in the folder `events` that runs one of its exports.
    pub sample_event: &'static str,
    /// What the paths begin with that it serves, in lower case.
    pub paths: &'static [&'static str],
    /// The scopes that the identity domain issues tokens of, where it has a part in this.
    pub(crate) scopes: &'static [&'static str],
    pub(crate) connection: fn(&Endpoints) -> Value,
    pub(crate) routes: fn() -> Router<Arc<Context>>,
    /// What it serves at the storage's own origin.
    pub(crate) storage_routes: fn() -> Router<Arc<Context>>,
    /// What a request is for, by its path's segments in lower case.
    pub(crate) operation: fn(&Method, &[&str]) -> Operation,
    /// Puts into the state what the scenario has there from the start.
    pub(crate) prepare: fn(&mut State, &Scenario, Timestamp),
}

impl System {
    /// What reaches it: the settings of a connection, with its `type` and credentials.
    pub fn connection(&self, endpoints: &Endpoints) -> Value {
        (self.connection)(endpoints)
    }
}
