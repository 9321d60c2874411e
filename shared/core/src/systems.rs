//! The systems that a program can call, as data: which kinds of exports there are, and how their connections are opened.

use std::fmt;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};

pub use crate::capabilities::{Capabilities, Increment, LostSubmission, Resumes};
use crate::config::Connection;
use crate::contract::{Source, SourceDeps};
use crate::error::{Error, Result};
use crate::export::{Export, ExportKind, ExportSpec};
use crate::job::ConnectionName;

/// The systems that a program knows. A program that calls none knows their kinds of exports all the same.
pub struct Systems {
    /// Every kind of export, by system.
    pub kinds: &'static [&'static [&'static dyn ExportKind]],
    /// How connections are opened, by their type; empty in a program that calls no source.
    pub connections: &'static [ConnectionType],
}

/// A type of connection.
#[derive(Clone, Copy)]
pub struct ConnectionType {
    /// The `type` of its configuration.
    pub name: &'static str,
    /// The names of connections of this type that need no configuration.
    pub built_in: &'static [&'static str],
    /// Opens the source behind a connection of this type. Nothing is called yet.
    pub open: fn(ConnectionName, &Connection, SourceDeps<'_>) -> Result<Arc<dyn Source>>,
}

impl Systems {
    /// Every kind of export.
    pub fn kinds(&self) -> impl Iterator<Item = &'static dyn ExportKind> {
        self.kinds.iter().flat_map(|kinds| kinds.iter().copied())
    }

    /// What an export says; `InvalidEvent` names what of it does not fit, or the kinds that there are.
    pub fn spec(&self, export: &Export) -> Result<Box<dyn ExportSpec>> {
        self.kind(export)?.read(export)
    }

    /// The kind of an export; `InvalidEvent` names the kinds that there are.
    pub fn kind(&self, export: &Export) -> Result<&'static dyn ExportKind> {
        self.kinds().find(|kind| kind.capabilities().kind == export.kind()).ok_or_else(|| {
            let kinds: Vec<_> = self.kinds().map(|kind| format!("`{}`", kind.capabilities().kind)).collect();
            Error::invalid_event(format!(
                "the event does not fit at export.kind: unknown variant `{}`, expected one of {}",
                export.kind(),
                kinds.join(", ")
            ))
        })
    }

    /// The export's own name; its kind's, where what it says cannot be read.
    pub fn name(&self, export: &Export) -> String {
        self.spec(export).map_or_else(|_| export.kind().to_owned(), |spec| spec.name().to_owned())
    }

    /// Opens the source behind a connection. Nothing is called yet.
    pub fn open(
        &self,
        name: &ConnectionName,
        connection: &Connection,
        deps: SourceDeps<'_>,
    ) -> Result<Arc<dyn Source>> {
        (self.connection_type(connection)?.open)(name.clone(), connection, deps)
    }

    /// The connection that a name stands for where it is not configured. Nothing there has to settle, and no file is
    /// without end.
    pub fn built_in(&self, name: &ConnectionName) -> Option<Result<Connection>> {
        let known = self.connections.iter().find(|known| known.built_in.contains(&name.as_str()))?;
        let settings =
            serde_json::json!({ "job": { "settle_seconds": 0 }, "http": { "max_file_bytes": u64::MAX } });
        Some(Connection::of(known.name, settings))
    }

    /// The type of a connection; `InvalidConfig` names the types that there are.
    pub fn connection_type(&self, connection: &Connection) -> Result<&'static ConnectionType> {
        let types = self.connections;
        types.iter().find(|known| known.name == connection.system()).ok_or_else(|| {
            let known: Vec<_> = types.iter().map(|known| known.name).collect();
            let (given, known) = (connection.system(), known.join(", "));
            connection.invalid(format!("type {given:?} is not one of: {known}"))
        })
    }

    /// The schema of an export in an event: one of all kinds.
    pub fn export_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<_> = self.kinds().map(|kind| kind.schema(generator)).collect();
        schemars::json_schema!({ "description": "What to export, by kind; each kind has its own fields.", "oneOf": kinds })
    }
}

impl fmt::Debug for Systems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.kinds().map(|kind| kind.capabilities().kind);
        formatter.debug_list().entries(names).finish()
    }
}
