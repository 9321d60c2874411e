//! FOLIO: data export behind its gateway, and the object storage that its links lead to.
//!
//! The gateway is Okapi or Eureka's; the module behind it is mod-data-export in the dialect of one of its versions. The
//! storage has a listener of its own, so that it is another origin, as it is everywhere.

mod authn;
mod cql;
mod definitions;
mod errors;
mod executions;
mod expected;
mod faults;
mod logs;
mod marc;
mod output;
mod profiles;
mod scenario;
mod state;
mod storage;

use std::sync::Arc;

use axum::Router;
use sha2::{Digest, Sha256};

pub use expected::{FolioFile, FolioJob, FolioMember};
pub use faults::{
    Damage, Dialect, FolioArchive, FolioFaults, FolioLoginFaults, FolioOutputFaults, FolioStorageFaults,
    Platform,
};
pub use scenario::{FolioProfile, FolioScenario};
pub(crate) use state::FolioState;

use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(authn::routes())
        .merge(profiles::routes())
        .merge(definitions::routes())
        .merge(executions::routes())
        .merge(logs::routes())
}

/// What the storage's own listener serves.
pub(crate) use storage::routes as storage_routes;

/// Parameters of a query, by name.
type Query = std::collections::HashMap<String, String>;

/// A UUID that a text alone decides.
fn uuid_of(text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A page of a list, ten entries unless the query asks for another number.
fn page<T: Clone>(query: &Query, items: &[T]) -> Vec<T> {
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    items.iter().skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(10)).cloned().collect()
}
