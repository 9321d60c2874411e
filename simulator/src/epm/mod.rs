//! Oracle EPM: Data Integration jobs, and the files that they read and write.

mod faults;
mod scenario;
mod state;

use std::sync::Arc;

use axum::Router;

pub use faults::EpmFaults;
pub use scenario::EpmScenario;
pub(crate) use state::EpmState;

use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
}
