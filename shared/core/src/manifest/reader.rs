//! Reads a manifest as it was written, an object at a time: it may name more than memory would hold.

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use landfall_store::{Store, StoreError};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::job::LandedObject;

/// No line of a manifest is longer: that of a table has all of its columns.
const MAX_LINE: usize = 16 << 20;
/// No manifest has more than this beside its lists.
const MAX_REST: usize = 16 << 20;

/// A manifest that is being read.
pub struct ManifestReader {
    body: BoxStream<'static, Result<Bytes, StoreError>>,
    object: String,
    /// What has come and is not read yet, from `read` on.
    buffer: Vec<u8>,
    read: usize,
    list: Option<List>,
    rest: String,
}

/// A list, whose items have a line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Files,
    Tables,
    Objects,
}

impl List {
    fn begun_by(line: &str) -> Option<Self> {
        match line {
            "  \"files\": [" => Some(Self::Files),
            "  \"tables\": [" => Some(Self::Tables),
            "  \"objects\": [" => Some(Self::Objects),
            _ => None,
        }
    }
}

/// What a list of a manifest has; of files and tables, what their reader wants to know.
#[derive(Debug)]
pub enum Item<File, Table> {
    /// One of the source's files.
    File(File),
    /// A table.
    Table(Table),
    /// An object that has landed.
    Object(Box<LandedObject>),
}

impl ManifestReader {
    /// Begins to read the manifest of this key; `None` if there is none.
    ///
    /// # Errors
    /// What the store has to say.
    pub async fn open(store: &Store, key: &str) -> Result<Option<Self>> {
        let Some(info) = store.head(key).await? else { return Ok(None) };
        let body = store.read_range(key, &info.etag, 0..info.size).await?;
        let object = store.object(key);
        Ok(Some(Self { body, object, buffer: Vec::new(), read: 0, list: None, rest: String::new() }))
    }

    /// The next object that it names.
    ///
    /// # Errors
    /// `IntegrityError` where what is there is no manifest in the form that landfall writes.
    pub async fn next(&mut self) -> Result<Option<LandedObject>> {
        while let Some((list, line)) = self.next_line().await? {
            if list == List::Objects {
                return serde_json::from_str(&line).map(Some).map_err(|error| self.strange(error));
            }
        }
        Ok(None)
    }

    /// The next that its lists have, in the order in which it names them.
    ///
    /// # Errors
    /// Those of [`ManifestReader::next`].
    pub async fn next_item<File: DeserializeOwned, Table: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<Item<File, Table>>> {
        let Some((list, line)) = self.next_line().await? else { return Ok(None) };
        let item = match list {
            List::Files => serde_json::from_str(&line).map(Item::File),
            List::Tables => serde_json::from_str(&line).map(Item::Table),
            List::Objects => serde_json::from_str(&line).map(|object| Item::Object(Box::new(object))),
        };
        item.map(Some).map_err(|error| self.strange(error))
    }

    /// The next line of a list, as JSON.
    async fn next_line(&mut self) -> Result<Option<(List, String)>> {
        while let Some(line) = self.line().await? {
            match self.list {
                Some(list) if line.starts_with("    ") => {
                    return Ok(Some((list, line.trim().trim_end_matches(',').to_owned())));
                }
                _ => {
                    self.list = List::begun_by(&line);
                    self.rest.push_str(&line);
                    self.rest.push('\n');
                    if self.rest.len() > MAX_REST {
                        return Err(self.strange(TooLong));
                    }
                }
            }
        }
        Ok(None)
    }

    /// All that it says beside its lists, which are empty: to be called once all of its objects have been read.
    ///
    /// # Errors
    /// `IntegrityError` where what is there is no manifest in the form that landfall writes.
    pub fn finish<Manifest: DeserializeOwned>(self) -> Result<Manifest> {
        serde_json::from_str(&self.rest).map_err(|error| self.strange(error))
    }

    async fn line(&mut self) -> Result<Option<String>> {
        let mut looked = self.read;
        loop {
            if let Some(at) = self.buffer.iter().skip(looked).position(|&byte| byte == b'\n') {
                let (begin, end) = (self.read, looked + at);
                self.read = end + 1;
                return self.text(begin, end).map(Some);
            }
            looked = self.buffer.len() - self.read;
            self.buffer.drain(..self.read);
            self.read = 0;
            if looked > MAX_LINE {
                return Err(self.strange(TooLong));
            }
            match self.body.try_next().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if looked == 0 => return Ok(None),
                None => {
                    self.read = looked;
                    return self.text(0, looked).map(Some);
                }
            }
        }
    }

    fn text(&self, begin: usize, end: usize) -> Result<String> {
        let bytes = self.buffer.get(begin..end).unwrap_or_default();
        String::from_utf8(bytes.to_vec()).map_err(|error| self.strange(error))
    }

    fn strange(&self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        let Self { object, .. } = self;
        Error::integrity(format!("{object} is no manifest as landfall writes it: somebody has changed it"))
            .because(cause)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it is longer than any")]
struct TooLong;
