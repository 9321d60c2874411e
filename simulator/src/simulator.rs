//! The handle of a running simulator. What is asked of one system alone is in that system's folder (`inspect.rs`).

use std::sync::{Arc, PoisonError};

use crate::context::Context;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::server::Server;
use crate::state::State;

/// The simulated systems, running.
pub struct Simulator {
    pub(crate) context: Arc<Context>,
    pub(crate) server: Server,
}

impl Simulator {
    /// Where everything is.
    pub fn endpoints(&self) -> &Endpoints {
        &self.context.endpoints
    }

    /// `http://127.0.0.1:PORT`: the systems, and the identity domain (whose tokens are at
    /// `/oauth2/v1/token`).
    pub fn base_url(&self) -> &str {
        &self.context.endpoints.base_url
    }

    /// Where tokens are to be had.
    pub fn token_url(&self) -> String {
        self.context.endpoints.token_url.clone()
    }

    /// Where the storage is that FOLIO's links lead to: `http://127.0.0.1:PORT`.
    pub fn storage_url(&self) -> &str {
        &self.context.endpoints.storage_url
    }

    /// The requests so far.
    pub fn journal(&self) -> &Journal {
        &self.context.journal
    }

    /// Changes what goes wrong from now on; "the first so many times" starts anew.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn set_faults(&self, faults: Faults) -> Result<(), Error> {
        *self.context.faults.write().unwrap_or_else(PoisonError::into_inner) = faults;
        self.change(|state| state.occasions.clear())
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let path = self.context.folder.path().to_owned();
        self.context.store.change(change).map_err(|source| Error::Folder { path, source })
    }

    /// Stops listening and closes every connection.
    pub async fn shutdown(self) {
        self.server.stop().await;
    }
}
