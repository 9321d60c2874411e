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
    declared,
    local,
    delivery,
}

/// Every system.
pub static SYSTEMS: Systems = Systems { kinds: KINDS, connections: CONNECTIONS };

/// Every kind of export, for a program that calls no source: nothing of a source is linked into it.
pub static KINDS_ALONE: Systems = Systems { kinds: KINDS, connections: &[] };

#[cfg(test)]
mod tests {
    use landfall::export::Export;
    use serde_json::{Value, json};

    use super::*;

    fn export(value: Value) -> Export {
        serde_json::from_value(value).unwrap()
    }

    fn refusal(value: Value) -> String {
        let error = SYSTEMS.spec(&export(value)).unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidEvent");
        error.line()
    }

    /// Unknown and malformed fields of an export are refused by name, and by their place in the event.
    #[test]
    fn what_does_not_fit_is_named() {
        let unknown =
            refusal(json!({ "kind": "fusion_extract", "extract": "C", "mode": "full", "moode": "full" }));
        assert!(unknown.contains("`moode`"), "{unknown}");
        let mode = refusal(json!({ "kind": "fusion_extract", "extract": "C", "mode": "whole" }));
        assert!(mode.contains("at export.mode") && mode.contains("`whole`"), "{mode}");
        let kind = refusal(json!({ "kind": "sap" }));
        assert!(kind.contains("`sap`") && kind.contains("`fusion_extract`"), "{kind}");
    }

    /// Promise 1: a run key's second event is the same run whatever the event leaves to its defaults.
    #[test]
    fn what_is_left_out_is_as_if_it_had_been_said() {
        let short = export(json!({ "kind": "fusion_rest", "resource": "invoices" }));
        let long = export(
            json!({ "only_data": true, "resource": "invoices", "kind": "fusion_rest", "pillar": "fscm" }),
        );
        assert_ne!(short, long);
        let [short, long] = [short, long].map(|export| SYSTEMS.spec(&export).unwrap().to_export());
        assert_eq!(short, long);
    }

    /// No two systems share a kind or a type of connection, and each kind has a connection that runs it.
    #[test]
    fn kinds_and_connections_are_distinct() {
        let kinds: Vec<_> = SYSTEMS.kinds().map(|kind| kind.capabilities()).collect();
        let names: std::collections::BTreeSet<_> = kinds.iter().map(|kind| kind.kind).collect();
        assert_eq!(names.len(), kinds.len());
        let types: std::collections::BTreeSet<_> = CONNECTIONS.iter().map(|known| known.name).collect();
        assert_eq!(types.len(), CONNECTIONS.len());
        assert!(kinds.iter().all(|kind| types.contains(kind.connection_type)), "{kinds:?}");
    }
}
