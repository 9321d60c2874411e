//! Where the refresh token of a connection is kept: `tokens/<connection>.json`.

use async_trait::async_trait;
use landfall_http::auth::{DocumentError, SharedDocument};
use landfall_store::{Condition, Written};

use super::document::must_be_readable;
use super::{MAX_DOCUMENT, WorkState, keys};
use crate::error::Error;
use crate::job::ConnectionName;

/// The newest version of the document that this program reads.
const NEWEST: u32 = 1;

/// The document in which a connection's refresh token is kept.
#[derive(Debug)]
pub struct RefreshTokenDocument {
    work: WorkState,
    key: String,
}

impl RefreshTokenDocument {
    /// The document of a connection.
    pub fn new(work: WorkState, connection: &ConnectionName) -> Self {
        Self { work, key: keys::refresh_token(connection) }
    }
}

#[async_trait]
impl SharedDocument for RefreshTokenDocument {
    fn name(&self) -> String {
        self.key.clone()
    }

    async fn read(&self) -> Result<Option<(Vec<u8>, String)>, DocumentError> {
        let store = self.work.store();
        let Some(object) = store.read(&self.key, MAX_DOCUMENT).await.map_err(failed)? else {
            return Ok(None);
        };
        must_be_readable(&object.bytes, NEWEST, &store.object(&self.key)).map_err(failed)?;
        Ok(Some((object.bytes.to_vec(), object.etag)))
    }

    async fn write(&self, document: Vec<u8>, unchanged_since: Option<&str>) -> Result<bool, DocumentError> {
        let condition = unchanged_since.map_or(Condition::Absent, Condition::Unchanged);
        let written = self.work.store().put(&self.key, document.into(), condition).await.map_err(failed)?;
        Ok(matches!(written, Written::Done(_)))
    }
}

fn failed(error: impl Into<Error>) -> DocumentError {
    let error = error.into();
    DocumentError { is_retryable: error.retryable(), cause: Box::new(error) }
}
