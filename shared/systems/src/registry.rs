//! Every system that there is, a line each.

use landfall::Systems;
use landfall::export::ExportKind;
use landfall::systems::ConnectionType;

macro_rules! systems {
    ($($system:ident),+ $(,)?) => {
        const KINDS: &[&[&dyn ExportKind]] = &[$(crate::$system::KINDS),+];
        const CONNECTIONS: &[ConnectionType] = &[$(crate::$system::CONNECTION),+];
    };
}

systems! {
    fusion,
    epm,
    folio,
    local,
}

/// Every system.
pub static SYSTEMS: Systems = Systems { kinds: KINDS, connections: CONNECTIONS };

/// Every kind of export, for a program that calls no source: nothing of a source is linked into it.
pub static KINDS_ALONE: Systems = Systems { kinds: KINDS, connections: &[] };
