//! Rows on their way from a page to a line of NDJSON.
//!
//! A row passes as it is, to the digit and in its own order; only line breaks between its members go. Children that
//! come as collections (from framework version 3 on) become the arrays that they are before it, complete: one that
//! has more rows than came with its parent is read anew, in the order of its key.

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::api::{Api, closing, count};
use super::describe::{KeyAttributes, Shape};
use super::members::{self, Members, members};
use super::query::{Collection, Key, KeyRange};
use super::walk::{KeyedRow, Walk};
use landfall::error::{Error, ErrorType, Result};

/// How large a row may be with all of its children, which wait in memory until they are complete.
const MAX_ROW: usize = 64 << 20;

/// A child in the form of a collection.
#[derive(Deserialize)]
struct Nested {
    items: Vec<Box<RawValue>>,
    #[serde(rename = "hasMore")]
    has_more: bool,
    /// The most rows that come with a parent.
    #[serde(default, deserialize_with = "count")]
    limit: Option<usize>,
}

/// A child as it came with its parent.
struct Child<'a> {
    name: &'a str,
    /// Its rows, or as many of them as came.
    rows: Vec<Box<RawValue>>,
    /// Whether there may be more.
    may_have_more: bool,
    /// Its own address, where it says one.
    address: Option<String>,
}

/// The members of the row that a child belongs to, and its key.
#[derive(Clone, Copy)]
struct Parent<'a> {
    key: Option<&'a Key>,
    members: &'a [(Cow<'a, str>, &'a RawValue)],
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

#[derive(Deserialize)]
struct LinkContext {
    #[serde(default)]
    links: Vec<Link>,
}

/// A value without the line breaks between its parts. Inside texts JSON has none.
fn one_line(value: &RawValue) -> Cow<'_, str> {
    match value.get().contains(['\n', '\r']) {
        true => Cow::Owned(value.get().replace(['\n', '\r'], "")),
        false => Cow::Borrowed(value.get()),
    }
}

/// What it takes to write the rows of a collection.
#[derive(Debug, Clone)]
pub(super) struct RowWriter {
    api: Arc<Api>,
    collection: Arc<Collection>,
    shape: Arc<Shape>,
    /// Whether a row that was asked for is where its key says.
    are_at_their_keys: Arc<OnceCell<bool>>,
    /// Whether rows were held against the fields that were asked for.
    has_looked: Arc<AtomicBool>,
}

impl RowWriter {
    pub(super) fn new(api: Arc<Api>, collection: Arc<Collection>, shape: Arc<Shape>) -> Self {
        Self { api, collection, shape, are_at_their_keys: Arc::default(), has_looked: Arc::default() }
    }

    /// Rows as lines. Those that come whole wait for nobody, so that of the others, however far apart, as many are completed
    /// at once as requests are made.
    pub(super) async fn lines(&self, rows: Vec<KeyedRow>) -> Result<Vec<u8>> {
        if !rows.is_empty() && !self.has_looked.swap(true, Ordering::Relaxed) {
            self.look_for_fields(&rows);
        }
        let (count, at_once) = (rows.len(), &Semaphore::new(self.api.parallel_pages()));
        let lines = stream::iter(rows)
            .map(|(key, row)| async move {
                let _turn = match self.reads_on(slice::from_ref(&row))? {
                    true => Some(at_once.acquire().await.map_err(closing)?),
                    false => None,
                };
                self.text_if_there(Some(&key), &row).await
            })
            .buffered(count.max(1));
        lines
            .try_fold(Vec::new(), |mut lines, line| async move {
                if let Some(line) = line {
                    lines.extend_from_slice(line.as_bytes());
                    lines.push(b'\n');
                }
                Ok(lines)
            })
            .await
    }

    /// Some fields are described and never come where fields are named, long texts (CLOB) say.
    fn look_for_fields(&self, rows: &[KeyedRow]) {
        let missing = missing_fields(&self.collection.fields, rows);
        if !missing.is_empty() {
            tracing::warn!(
                resource = self.collection.name,
                fields = missing.join(", "),
                "no row of the first page has these fields of export.fields: if they are needed, leave export.fields out"
            );
        }
    }

    /// A row as one line; none for one that has gone since its page was read, and with it a child that is to be read.
    async fn text_if_there(&self, key: Option<&Key>, row: &RawValue) -> Result<Option<String>> {
        match (self.text(key, row).await, key) {
            (Err(error), Some(key)) if error.error_type() == ErrorType::NotFound => {
                match self.is_there(key).await? {
                    true => Err(error),
                    false => {
                        tracing::info!(
                            resource = self.collection.name,
                            "a row was deleted before its children were read"
                        );
                        Ok(None)
                    }
                }
            }
            (text, _) => text.map(Some),
        }
    }

    async fn is_there(&self, key: &Key) -> Result<bool> {
        let page = self.api.page(self.collection.one(key), self.collection.framework).await?;
        Ok(!page.items.is_empty() || page.has_more == Some(true))
    }

    /// A row as one line.
    fn text<'a>(&'a self, key: Option<&'a Key>, row: &'a RawValue) -> BoxFuture<'a, Result<String>> {
        async move {
            let expanded = self.collection.expanded();
            // Before framework version 2 links come whatever is asked for.
            let has_links = self.collection.only_data && row.get().contains("\"links\"") && !self.shape.has("links");
            if expanded.is_empty() && !has_links {
                return Ok(one_line(row).into_owned());
            }
            let Members(members) = members(row).map_err(|why| self.broken(&why))?;
            let parent = Parent { key, members: &members };
            let mut text = String::with_capacity(row.get().len());
            for (name, value) in &members {
                if has_links && name == "links" {
                    continue;
                }
                text.push(if text.is_empty() { '{' } else { ',' });
                text.push_str(&serde_json::Value::from(name.as_ref()).to_string());
                text.push(':');
                match self.child_in(&expanded, name, value)? {
                    Some(child) => text.push_str(&self.array(parent, child).await?),
                    None => text.push_str(&one_line(value)),
                }
                if text.len() > MAX_ROW {
                    return Err(Error::limit_exceeded(format!(
                        "reading {}: {} exceeds {MAX_ROW} bytes with its children: read the child as a resource \
                         of its own",
                        self.collection.name,
                        named(key)
                    )));
                }
            }
            if text.is_empty() {
                text.push('{');
            }
            text.push('}');
            Ok(text)
        }
        .boxed()
    }

    /// The child in a member of a row, if it is one whose rows are rows of a collection. An object without `items` is a
    /// child that there is at most one of.
    ///
    /// An array (before framework version 3) says not whether it is whole: one that has as many rows as a page has
    /// unasked may have been cut there. One that has more was not, at least not there: it is read anew where it can be.
    /// So is a collection that is full and says that no more follow, as on a page of its own.
    fn child_in<'a>(&self, expanded: &[&str], name: &'a str, value: &RawValue) -> Result<Option<Child<'a>>> {
        if !expanded.contains(&name) {
            return Ok(None);
        }
        let no_collection =
            |error: serde_json::Error| self.broken(&format!("the child {name} is no collection: {error}"));
        if value.get().starts_with('[') {
            let rows: Vec<Box<RawValue>> = serde_json::from_str(value.get()).map_err(no_collection)?;
            let shape = self.shape.child(name).cloned().unwrap_or_default();
            let may_have_more = match shape.own_key(self.collection.framework) {
                Some(_) => rows.len() >= shape.range_size(),
                None => rows.len() == shape.range_size(),
            };
            return Ok(Some(Child { name, rows, may_have_more, address: None }));
        }
        if !value.get().starts_with('{') {
            return Ok(None);
        }
        let Members(parts) = members(value).map_err(|why| self.broken(&why))?;
        if !parts.iter().any(|(part, _)| part == "items") {
            return Ok(None);
        }
        let nested: Nested = serde_json::from_str(value.get()).map_err(no_collection)?;
        let address = self_link(&parts);
        let shape = self.shape.child(name).cloned().unwrap_or_default();
        let is_full = !nested.items.is_empty()
            && nested.items.len() == nested.limit.unwrap_or_else(|| shape.range_size());
        let may_have_more =
            nested.has_more || (is_full && shape.own_key(self.collection.framework).is_some());
        Ok(Some(Child { name, rows: nested.items, may_have_more, address }))
    }

    /// All rows of a child, as an array.
    async fn array(&self, parent: Parent<'_>, child: Child<'_>) -> Result<String> {
        let framework = self.collection.framework;
        let child_key = self.shape.child(child.name).and_then(|shape| shape.own_key(framework));
        match (child.may_have_more, child_key) {
            (true, None) => Err(self.broken(&format!(
                "the child {} of {} has, or may have, more rows than come with it, but not by which key they can be \
                 read: read it as a resource of its own",
                child.name,
                named(parent.key)
            ))),
            (true, Some(child_key)) => {
                let url = self.address_of(parent, &child).await?;
                self.of_child(child.name, url, Some(child_key)).all(parent.key).await
            }
            (false, child_key) => {
                let mut writer =
                    self.of_child(child.name, self.collection.url.clone(), child_key.clone());
                // Where it is matters only to a child of its own that is read.
                if writer.reads_on(&child.rows)? {
                    writer =
                        self.of_child(child.name, self.address_of(parent, &child).await?, child_key.clone());
                }
                let mut rows = Vec::with_capacity(child.rows.len());
                for row in child.rows {
                    let key = child_key.as_ref().and_then(|child_key| members::key(&row, child_key).ok());
                    rows.extend(writer.text_if_there(key.as_ref(), &row).await?);
                }
                Ok(format!("[{}]", rows.join(",")))
            }
        }
    }

    /// Whether any of these rows has, however deep, a child that is to be read on its own.
    fn reads_on(&self, rows: &[Box<RawValue>]) -> Result<bool> {
        let expanded = self.collection.expanded();
        if expanded.is_empty() {
            return Ok(false);
        }
        for row in rows {
            let Members(members) = members(row).map_err(|why| self.broken(&why))?;
            for (name, value) in &members {
                let Some(child) = self.child_in(&expanded, name, value)? else { continue };
                let writer = self.of_child(name, self.collection.url.clone(), None);
                if child.may_have_more || writer.reads_on(&child.rows)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Reads a child from its beginning, as what came with its parent was in no stated order.
    async fn all(&self, key_of_parent: Option<&Key>) -> Result<String> {
        let (api, collection) = (Arc::clone(&self.api), Arc::clone(&self.collection));
        let mut walk = Walk::new(api, collection, KeyRange::default(), None);
        let mut text = String::new();
        while let Some(rows) = walk.next().await? {
            for (key, row) in rows {
                let Some(row) = self.text_if_there(Some(&key), &row).await? else { continue };
                text.push(if text.is_empty() { '[' } else { ',' });
                text.push_str(&row);
                if text.len() > MAX_ROW {
                    return Err(Error::limit_exceeded(format!(
                        "reading {}: the rows of {} exceed {MAX_ROW} bytes: read it as a resource of its own",
                        self.collection.name,
                        named(key_of_parent)
                    )));
                }
            }
        }
        if text.is_empty() {
            text.push('[');
        }
        text.push(']');
        Ok(text)
    }

    fn of_child(&self, name: &str, url: Url, key: Option<KeyAttributes>) -> Self {
        let collection = Arc::new(self.collection.child(name, url, key.unwrap_or_default()));
        let shape = Arc::new(self.shape.child(name).cloned().unwrap_or_default());
        Self::new(Arc::clone(&self.api), collection, shape)
    }

    /// Where a row's child is, as the child or the row itself says; an address that may not be called is none.
    fn known_address(&self, parent: Parent<'_>, child: &Child<'_>) -> Option<Url> {
        let own = child.address.as_deref().and_then(|address| self.callable(address));
        own.or_else(|| below(self.callable(&self_link(parent.members)?)?, &["child", child.name]))
    }

    /// Where a row's child is. Not every row is where its key says: workers, and rows whose key has several fields, are
    /// at a hash, which only links tell. So a row that came without links is asked for them: one of all, where that shows
    /// rows to be where their keys say.
    async fn address_of(&self, parent: Parent<'_>, child: &Child<'_>) -> Result<Url> {
        if let Some(address) = self.known_address(parent, child) {
            return Ok(address);
        }
        let key = parent.key.ok_or_else(|| {
            self.broken(&format!(
                "a row with more {} than came says neither its key nor its address",
                child.name
            ))
        })?;
        let Some(by_key) = below_key(&self.collection.url, key, child.name) else {
            let missing = format!("{} does not say where its {} are", named(parent.key), child.name);
            return self.told_address(key, child).await?.ok_or_else(|| self.broken(&missing));
        };
        let mut told = None;
        let look = async || -> Result<bool> {
            let told = told.insert(self.told_address(key, child).await?);
            Ok(told.as_ref().is_none_or(|told| told.path() == by_key.path()))
        };
        let told = match (self.are_at_their_keys.get_or_try_init(look).await?, told) {
            (true, _) => None,
            (false, Some(told)) => told,
            (false, None) => self.told_address(key, child).await?,
        };
        Ok(told.unwrap_or(by_key))
    }

    /// Where a row's child is, as the row says that is asked for with its links; none where it has none.
    async fn told_address(&self, key: &Key, child: &Child<'_>) -> Result<Option<Url>> {
        let page = self.api.page(self.collection.one(key), self.collection.framework).await?;
        let Some(row) = page.items.first() else {
            return Err(Error::not_found(format!(
                "{} has gone from {}",
                named(Some(key)),
                self.collection.name
            )));
        };
        let Members(members) = members(row).map_err(|why| self.broken(&why))?;
        let row = self_link(&members).and_then(|address| self.callable(&address));
        Ok(row.and_then(|row| below(row, &["child", child.name])))
    }

    fn callable(&self, address: &str) -> Option<Url> {
        let mut url = Url::parse(address).ok().filter(|url| self.api.may_call(url))?;
        url.set_query(None);
        Some(url)
    }

    fn broken(&self, why: &str) -> Error {
        Error::contract_broken(format!("reading {}: {why}", self.collection.name))
    }
}

/// A row, as messages call it.
fn named(key: Option<&Key>) -> String {
    key.map_or_else(|| "a row".to_owned(), |key| format!("row {key}"))
}

fn below(mut url: Url, segments: &[&str]) -> Option<Url> {
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    Some(url)
}

/// Where a row's child is if the row is where its key says; none for a row whose key has several fields, which is at a
/// hash of them.
fn below_key(collection: &Url, key: &Key, child: &str) -> Option<Url> {
    match key.0.as_slice() {
        [value] => below(collection.clone(), &[&value.to_string(), "child", child]),
        _ => None,
    }
}

/// Which of the fields no row has. Of children's fields nothing is said: there may be no children.
fn missing_fields<'a>(fields: &'a [String], rows: &[KeyedRow]) -> Vec<&'a str> {
    let mut missing: Vec<&str> =
        fields.iter().map(String::as_str).filter(|field| !field.contains('.')).collect();
    for (_, row) in rows {
        if missing.is_empty() {
            break;
        }
        let Ok(Members(members)) = members(row) else { continue };
        missing.retain(|field| !members.iter().any(|(name, _)| name == field));
    }
    missing
}

/// A row's own address, in its `links` or, in later framework versions, in its `@context`.
fn self_link(members: &[(Cow<'_, str>, &RawValue)]) -> Option<String> {
    let value = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.get());
    let links = value("links").and_then(|links| serde_json::from_str::<Vec<Link>>(links).ok());
    let context = || Some(serde_json::from_str::<LinkContext>(value("@context")?).ok()?.links);
    let links = links.or_else(context)?;
    links.into_iter().find(|link| link.rel == "self").map(|link| link.href)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Vec<KeyedRow> {
        let row = |text: &&str| RawValue::from_string((*text).to_owned()).unwrap();
        std::iter::zip(1.., texts).map(|(key, text)| (Key::number(key), row(text))).collect()
    }

    /// Trap: long texts (CLOB) may not come where fields are named. One row that has a field is enough.
    #[test]
    fn fields_that_no_row_has_are_known() {
        let fields = ["A", "B", "LongText", "lines.C"].map(str::to_owned);
        let found = rows(&[r#"{"A":1,"B":null}"#, r#"{"A":2,"B":1}"#]);
        assert_eq!(missing_fields(&fields, &found), ["LongText"]);
        let found = rows(&[r#"{"A":1}"#, r#"{"B":1,"LongText":null}"#]);
        assert_eq!(missing_fields(&fields, &found), [""; 0]);
    }
}
