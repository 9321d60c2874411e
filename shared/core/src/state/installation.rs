//! Which installation this is: whoever shares a work bucket is one.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Document, Result, WorkState, keys};

/// Kept once in each work bucket, from its first run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Installation {
    id: String,
}

impl Document for Installation {}

impl WorkState {
    /// The id of this installation, by which its jobs are told from those of others in the same system. It is made with
    /// the first run, and never changes.
    pub async fn installation(&self) -> Result<String> {
        let made = || async {
            if let Some(id) = self.read_installation().await? {
                return Ok(id);
            }
            let made = Installation { id: Uuid::new_v4().to_string() };
            Ok(self.write_once(keys::INSTALLATION, made).await?.id)
        };
        self.installation.get_or_try_init(made).await.cloned()
    }

    /// The same; nothing where there has been no run yet.
    pub async fn known_installation(&self) -> Result<Option<String>> {
        match self.installation.get() {
            Some(id) => Ok(Some(id.clone())),
            None => self.read_installation().await,
        }
    }

    async fn read_installation(&self) -> Result<Option<String>> {
        Ok(self.read::<Installation>(keys::INSTALLATION).await?.map(|(kept, _)| kept.id))
    }
}
