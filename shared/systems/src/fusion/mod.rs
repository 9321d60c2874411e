//! Oracle Fusion: data extractions and REST resources of one pod.

pub mod extract;
mod pod;
pub mod rest;
pub mod settings;
mod source;

use std::sync::Arc;

use landfall::export::{ExportKind, Kind};
use landfall::systems::ConnectionType;

pub use extract::{FusionExtract, FusionExtractSource};
pub use rest::{FusionRest, FusionRestSource};
pub use settings::FusionConnection;
pub use source::FusionSource;

/// The kinds of exports of this system.
pub const KINDS: &[&dyn ExportKind] = &[&Kind::<FusionExtract>::new(), &Kind::<FusionRest>::new()];

/// How its connections are opened.
pub const CONNECTION: ConnectionType = ConnectionType {
    name: "fusion",
    built_in: &[],
    open: |name, connection, deps| Ok(Arc::new(FusionSource::open(name, &connection.settings()?, deps)?)),
};
