//! Fusion's REST resources, as its ADF framework serves them.

mod faults;
mod scenario;
mod state;

use std::sync::Arc;

use axum::Router;

pub use faults::RestFaults;
pub use scenario::RestScenario;
pub(crate) use state::RestState;

use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
}
