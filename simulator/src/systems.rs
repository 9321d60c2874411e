//! All simulated systems, and what is asked of them together.

use std::sync::Arc;

use axum::Router;
use http::Method;
use jiff::Timestamp;

use crate::context::Context;
use crate::identity;
use crate::operation::Operation;
use crate::registry::for_each_system;
use crate::scenario::Scenario;
use crate::state::State;
use crate::system::System;

macro_rules! define_systems {
    ($($(#[$doc:meta])* $key:ident: $folder:ident { $faults:ident, $scenario:ident, $state:ident },)*) => {
        /// The simulated systems.
        pub static SYSTEMS: &[System] = &[crate::fusion_extract::SYSTEM, $(crate::$folder::SYSTEM),*];
    };
}
for_each_system!(define_systems);

/// What the main listener serves.
pub(crate) fn routes() -> Router<Arc<Context>> {
    SYSTEMS.iter().fold(identity::routes(), |router, system| router.merge((system.routes)()))
}

/// What the storage's own listener serves.
pub(crate) fn storage_routes() -> Router<Arc<Context>> {
    SYSTEMS.iter().fold(Router::new(), |router, system| router.merge((system.storage_routes)()))
}

/// What a request is for.
pub(crate) fn operation(method: &Method, path: &str) -> Operation {
    let path = path.to_ascii_lowercase();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if path.starts_with(identity::PATH) {
        return identity::operation(&segments);
    }
    // Where one system's paths are below those of another, they are its own.
    let serves = |system: &&System| {
        let starts = system.paths.iter().filter(|start| path.starts_with(**start));
        starts.map(|start| start.len()).max()
    };
    let served = SYSTEMS.iter().filter(|system| serves(system).is_some()).max_by_key(serves);
    served.map_or(Operation::Other, |system| (system.operation)(method, &segments))
}

/// The scopes that tokens are issued for.
pub(crate) fn scopes() -> Vec<&'static str> {
    SYSTEMS.iter().flat_map(|system| system.scopes.iter().copied()).collect()
}

/// Puts into the state what the scenario has there from the start.
pub(crate) fn prepare(state: &mut State, scenario: &Scenario, now: Timestamp) {
    for system in SYSTEMS {
        (system.prepare)(state, scenario, now);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::endpoints::Endpoints;
    use crate::faults::Faults;

    #[test]
    fn requests_are_known_by_what_they_are_for() {
        let batch = "/api/saas-batch/jobScheduler/v1/jobRequests";
        let boss = "/api/boss/data/objects/ora/commonBoss/dataExport/v1";
        let cases = [
            ("POST", "/oauth2/v1/token".to_owned(), Operation::Token),
            ("POST", format!("{boss}/exportDefinitions"), Operation::CreateDefinition),
            ("GET", format!("{boss}/exportGroupDefinitions/3"), Operation::FindGroups),
            ("POST", batch.to_owned(), Operation::SubmitJob),
            ("GET", format!("{batch}/"), Operation::ListJobs),
            ("GET", format!("{batch}/44046"), Operation::JobStatus),
            ("GET", format!("{batch}/44046/jobStatus"), Operation::JobStatus),
            ("GET", format!("{batch}/44046/outputFiles"), Operation::ListOutputFiles),
            ("GET", format!("{batch}/44046/outputFiles/a%2Fb.zip/content"), Operation::Download),
            ("GET", "/fscmRestApi/resources/11.13.18.05/invoices".to_owned(), Operation::ReadResource),
            (
                "GET",
                "/hcmRestApi/resources/11.13.18.05/invoices/describe".to_owned(),
                Operation::DescribeResource,
            ),
            ("POST", "/gateway/aif/rest/V1/jobs".to_owned(), Operation::SubmitJob),
            ("GET", "/aif/rest/V1/jobs/1881".to_owned(), Operation::JobStatus),
            ("GET", "/interop/rest/v2/files/list".to_owned(), Operation::ListFiles),
            ("POST", "/interop/rest/v2/files/download".to_owned(), Operation::PrepareDownload),
            ("GET", "/interop/rest/v2/status/download/21".to_owned(), Operation::PrepareDownload),
            ("GET", "/interop/rest/v2/files/download/21".to_owned(), Operation::Download),
            ("POST", "/authn/login-with-expiry".to_owned(), Operation::Login),
            ("POST", "/data-export/export".to_owned(), Operation::SubmitJob),
            ("GET", "/folio-exports/mod-data-export/download/x/y.mrc".to_owned(), Operation::Download),
            ("POST", "/fscmRestApi/scm/redwood/11.13.18.05/runExtract".to_owned(), Operation::SubmitJob),
            ("GET", "/favicon.ico".to_owned(), Operation::Other),
        ];
        for (method, path, expected) in cases {
            assert_eq!(operation(&method.parse().unwrap(), &path), expected, "{path}");
        }
    }

    /// An event says by its kind and its connection which system runs it, and its example is one that does. Only systems
    /// that are described in a file share a kind.
    #[test]
    fn each_system_has_a_kind_or_a_connection_of_its_own_and_a_sample_event_of_it() {
        let events = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../events"));
        for system in SYSTEMS {
            let text = std::fs::read_to_string(events.join(system.sample_event)).unwrap();
            let event: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(event["export"]["kind"], system.export_kind);
            assert_eq!(event["connection"], system.connection_name);
        }
        let is_alone = |system: &&System| system.export_kind != "declared";
        let kinds: BTreeSet<&str> =
            SYSTEMS.iter().filter(is_alone).map(|system| system.export_kind).collect();
        assert_eq!(kinds.len(), SYSTEMS.iter().filter(is_alone).count());
        let declared: Vec<&System> = SYSTEMS.iter().filter(|system| !is_alone(system)).collect();
        let connections: BTreeSet<&str> = declared.iter().map(|system| system.connection_name).collect();
        assert_eq!(connections.len(), declared.len());
    }

    /// Who uses a connection's name need not know by which of its systems it was made.
    #[test]
    fn systems_of_one_connection_are_reached_by_the_same_settings() {
        let endpoints = Endpoints::new("http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned());
        for system in SYSTEMS {
            for other in SYSTEMS.iter().filter(|other| other.connection_name == system.connection_name) {
                assert_eq!(system.connection(&endpoints), other.connection(&endpoints));
            }
            assert!(system.connection(&endpoints)["type"].is_string());
        }
    }

    /// A request is one to one system alone.
    #[test]
    fn each_system_serves_paths_of_its_own() {
        let mut paths = BTreeSet::new();
        for path in SYSTEMS.iter().flat_map(|system| system.paths) {
            assert!(path.starts_with('/') && path.ends_with('/') && *path == path.to_ascii_lowercase());
            assert!(paths.insert(path), "{path} is served twice");
        }
    }

    macro_rules! pages {
        ($($(#[$doc:meta])* $key:ident: $folder:ident { $faults:ident, $scenario:ident, $state:ident },)*) => {
            [$((stringify!($key), include_str!(concat!(stringify!($folder), "/README.md"))),)*]
        };
    }

    /// Whoever wants something to go wrong finds the switch on the system's page, under the name that it has in a file.
    #[test]
    fn each_switch_is_on_its_systems_page() {
        let pages = BTreeMap::from(for_each_system!(pages));
        let faults = serde_json::to_value(Faults::default()).unwrap();
        for (key, switches) in faults.as_object().unwrap() {
            let page = match key.as_str() {
                "token" => include_str!("identity/README.md"),
                other => pages.get(other).unwrap_or(&include_str!("fusion_extract/README.md")),
            };
            for switch in names(key, switches) {
                assert!(page.contains(&format!("`{switch}")), "{switch} is on no page");
            }
        }
    }

    fn names(path: &str, switches: &Value) -> Vec<String> {
        match switches.as_object() {
            Some(group) if !group.contains_key("drop_connection") => {
                group.iter().flat_map(|(name, value)| names(&format!("{path}.{name}"), value)).collect()
            }
            _ => vec![path.to_owned()],
        }
    }
}
