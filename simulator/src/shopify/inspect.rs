//! What tests ask of a shop past its API.

use super::content;
use super::state::ShopifyOperation;
use crate::error::Error;
use crate::simulator::Simulator;

/// A bulk operation that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopifyJob {
    /// Its id.
    pub id: u64,
    /// The query.
    pub query: String,
}

impl Simulator {
    /// The operations that were made, in their order, whether or not the client heard of it.
    pub fn shopify_jobs(&self) -> Vec<ShopifyJob> {
        let job = |(id, operation): (&u64, &ShopifyOperation)| ShopifyJob {
            id: *id,
            query: operation.query.clone(),
        };
        self.context.store.read(|state| state.shopify.operations.iter().map(job).collect())
    }

    /// The bytes of an operation's file.
    pub fn shopify_objects(&self, id: u64) -> Vec<u8> {
        content::objects(&self.context.scenario, id)
    }

    /// Adds an operation that has ended, as somebody else's program makes it; its id.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] if that cannot be kept.
    pub fn shopify_operation_of_others(&self, query: &str) -> Result<u64, Error> {
        let now = self.context.clock.now();
        let mut id = 0;
        self.change(|state| {
            id = state.shopify.accept(query.to_owned(), now);
            if let Some(operation) = state.shopify.operations.get_mut(&id) {
                operation.polls = u32::MAX;
            }
        })?;
        Ok(id)
    }
}
