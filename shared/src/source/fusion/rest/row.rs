//! Rows on their way from a page to a line of NDJSON.
//!
//! A row passes as it is, to the digit and in its own order; only line breaks between its members go. Children that
//! come as collections (from framework version 3 on) become the arrays that they are before it, complete: one that
//! has more rows than came with its parent is read anew, in the order of its key.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use url::Url;

use super::api::Api;
use super::describe::{KeyAttribute, Shape};
use super::query::{Collection, Key, KeyRange};
use super::walk::{KeyedRow, Walk};
use crate::error::{Error, Result};

/// How large a row may be with all of its children, which wait in memory until they are complete.
const LARGEST_ROW: usize = 64 << 20;

/// An object's members in their order, their values as they were written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A child in the form of a collection.
#[derive(Deserialize)]
struct Nested {
    items: Vec<Box<RawValue>>,
    #[serde(rename = "hasMore")]
    has_more: bool,
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

fn members(row: &RawValue) -> Result<Members<'_>, String> {
    serde_json::from_str(row.get()).map_err(|error| format!("a row is no object: {error}"))
}

/// The key of a row; the reason why there is none.
pub(super) fn key(row: &RawValue, attribute: &KeyAttribute) -> Result<Key, String> {
    let Members(members) = members(row)?;
    let mut values = members.iter().filter(|(name, _)| *name == attribute.name);
    let name = &attribute.name;
    match (values.next(), values.next()) {
        (Some((_, value)), None) => {
            Key::of(value, attribute.is_numeric).map_err(|why| format!("a row has no usable {name}: {why}"))
        }
        (None, _) => Err(format!("a row has no {name}, which is its key")),
        (Some(_), Some(_)) => Err(format!("a row has {name} twice, which is its key")),
    }
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
}

impl RowWriter {
    pub(super) fn new(api: Arc<Api>, collection: Arc<Collection>, shape: Arc<Shape>) -> Self {
        Self { api, collection, shape }
    }

    /// Rows as lines.
    pub(super) async fn lines(&self, rows: Vec<KeyedRow>) -> Result<Vec<u8>> {
        let lines = stream::iter(rows)
            .map(|(key, row)| async move { self.text(Some(&key), &row).await })
            .buffered(self.api.parallel_pages());
        lines
            .try_fold(Vec::new(), |mut lines, line| async move {
                lines.extend_from_slice(line.as_bytes());
                lines.push(b'\n');
                Ok(lines)
            })
            .await
    }

    /// A row as one line.
    fn text<'a>(&'a self, key: Option<&'a Key>, row: &'a RawValue) -> BoxFuture<'a, Result<String>> {
        async move {
            let expanded = self.collection.expanded();
            if expanded.is_empty() {
                return Ok(one_line(row).into_owned());
            }
            let Members(members) = members(row).map_err(|why| self.broken(&why))?;
            let mut text = String::with_capacity(row.get().len());
            for (name, value) in &members {
                text.push(if text.is_empty() { '{' } else { ',' });
                text.push_str(&serde_json::Value::from(name.as_ref()).to_string());
                text.push(':');
                match expanded.contains(&name.as_ref()) && value.get().starts_with('{') {
                    true => text.push_str(&self.child(key, &members, name, value).await?),
                    false => text.push_str(&one_line(value)),
                }
                if text.len() > LARGEST_ROW {
                    return Err(Error::limit_exceeded(format!(
                        "reading {}: {} exceeds {LARGEST_ROW} bytes with its children: read the child as a resource \
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

    /// All rows of a child, as an array. An object without `items` is a child that there is at most one of.
    async fn child(
        &self,
        key: Option<&Key>,
        parent: &[(Cow<'_, str>, &RawValue)],
        name: &str,
        value: &RawValue,
    ) -> Result<String> {
        let Members(parts) = members(value).map_err(|why| self.broken(&why))?;
        if !parts.iter().any(|(part, _)| part == "items") {
            return Ok(one_line(value).into_owned());
        }
        let nested: Nested = serde_json::from_str(value.get())
            .map_err(|error| self.broken(&format!("the child {name} is no collection: {error}")))?;
        let child_key = self.shape.child(name).and_then(Shape::own_key);
        match (nested.has_more, child_key) {
            (true, None) => Err(self.broken(&format!(
                "the child {name} of {} has more rows than come with it, and says not by which key they can be read",
                named(key)
            ))),
            (true, Some(child_key)) => self.all_of(key, parent, name, child_key).await,
            (false, child_key) => {
                // Where it is matters only to a child of its own that has more rows than came.
                let url = self.child_url(key, parent, name).unwrap_or_else(|_| self.collection.url.clone());
                let writer = self.of_child(name, url, child_key.clone());
                let mut rows = Vec::with_capacity(nested.items.len());
                for item in nested.items {
                    let key = child_key.as_ref().and_then(|child_key| self::key(&item, child_key).ok());
                    rows.push(writer.text(key.as_ref(), &item).await?);
                }
                Ok(format!("[{}]", rows.join(",")))
            }
        }
    }

    /// Reads a child from its beginning, as what came with its parent was in no stated order.
    async fn all_of(
        &self,
        key_of_parent: Option<&Key>,
        parent: &[(Cow<'_, str>, &RawValue)],
        name: &str,
        child_key: KeyAttribute,
    ) -> Result<String> {
        let url = self.child_url(key_of_parent, parent, name)?;
        let writer = self.of_child(name, url, Some(child_key));
        let mut walk =
            Walk::new(Arc::clone(&self.api), Arc::clone(&writer.collection), KeyRange::default(), None);
        let mut text = String::new();
        while let Some(rows) = walk.next().await? {
            for (key, row) in rows {
                text.push(if text.is_empty() { '[' } else { ',' });
                text.push_str(&writer.text(Some(&key), &row).await?);
                if text.len() > LARGEST_ROW {
                    return Err(Error::limit_exceeded(format!(
                        "reading {}: the rows of {} exceed {LARGEST_ROW} bytes: read it as a resource of its own",
                        writer.collection.name,
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

    fn of_child(&self, name: &str, url: Url, key: Option<KeyAttribute>) -> Self {
        let key = key.unwrap_or_else(|| KeyAttribute { name: String::new(), is_numeric: false });
        Self {
            api: Arc::clone(&self.api),
            collection: Arc::new(self.collection.child(name, url, key)),
            shape: Arc::new(self.shape.child(name).cloned().unwrap_or_default()),
        }
    }

    /// Where a row's child is: below the row's own address if it says one that may be called, else below its key.
    fn child_url(&self, key: Option<&Key>, parent: &[(Cow<'_, str>, &RawValue)], name: &str) -> Result<Url> {
        let own = self_link(parent).and_then(|href| Url::parse(&href).ok());
        let mut url = match own.filter(|url| self.api.may_call(url)) {
            Some(url) => url,
            None => {
                let key = key.ok_or_else(|| {
                    self.broken(&format!(
                        "a row with more {name} than came says neither its key nor its address"
                    ))
                })?;
                let mut url = self.collection.url.clone();
                push(&mut url, &[&key.to_string()])
                    .ok_or_else(|| self.broken("its address takes no segments"))?;
                url
            }
        };
        url.set_query(None);
        push(&mut url, &["child", name]).ok_or_else(|| self.broken("its address takes no segments"))?;
        Ok(url)
    }

    fn broken(&self, why: &str) -> Error {
        Error::contract_broken(format!("reading {}: {why}", self.collection.name))
    }
}

/// A row, as messages call it.
fn named(key: Option<&Key>) -> String {
    key.map_or_else(|| "a row".to_owned(), |key| format!("row {key}"))
}

fn push(url: &mut Url, segments: &[&str]) -> Option<()> {
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    Some(())
}

/// A row's own address, in its `links` or, in later framework versions, in its `@context`.
fn self_link(members: &[(Cow<'_, str>, &RawValue)]) -> Option<String> {
    let value = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.get());
    let links = value("links").and_then(|links| serde_json::from_str::<Vec<Link>>(links).ok());
    let context = || Some(serde_json::from_str::<LinkContext>(value("@context")?).ok()?.links);
    let links = links.or_else(context)?;
    links.into_iter().find(|link| link.rel == "self").map(|link| link.href)
}
