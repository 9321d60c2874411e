//! Listings: objects and folders below a prefix, read to their end.

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::Store;
use crate::error::Result;
use crate::object::ObjectInfo;

impl Store {
    /// The objects below a prefix, in the order of their keys, a page at a time.
    pub fn list(&self, prefix: &str) -> BoxStream<'_, Result<ObjectInfo>> {
        self.pages(prefix).map_ok(|page| stream::iter(page).map(Ok)).try_flatten().boxed()
    }

    /// The names of the folders right below a prefix, which ends with a slash.
    pub fn list_folders(&self, prefix: &str) -> BoxStream<'_, Result<String>> {
        let prefix = prefix.to_owned();
        let folders = self.folder_pages(&prefix).map_ok(|page| stream::iter(page).map(Ok)).try_flatten();
        folders
            .try_filter_map(move |folder| {
                let name = folder.strip_prefix(&prefix);
                std::future::ready(Ok(name.map(|name| name.trim_end_matches('/').to_owned())))
            })
            .boxed()
    }
}
