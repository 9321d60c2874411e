//! FOLIO: data export behind its gateway, and the object storage that its links lead to.

mod faults;
mod scenario;
mod state;

use std::sync::Arc;

use axum::Router;

pub use faults::FolioFaults;
pub use scenario::FolioScenario;
pub(crate) use state::FolioState;

use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
}
