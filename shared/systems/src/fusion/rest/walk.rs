//! Reads all rows of a collection in the order of their keys, while others change it.
//!
//! # Why nothing is missed, and nothing is read twice
//!
//! Rows come in ascending order of a key that no two share, and a row's key never changes. Let `K` be the last key
//! that was taken. The first page of a batch asks for keys after `K` in that order: whatever was there throughout
//! and comes after `K` either is on the page or comes after the page's last key. So the rule "take the page, go on
//! after its last key" misses nothing that was there throughout, and as keys ascend it takes none twice.
//!
//! The other pages of a batch are asked for at the same time, by their distance from `K`. Rows that are deleted or
//! inserted meanwhile shift what is at a distance, so such a page is taken only if its first row is the very row
//! that was taken last, `L`. What follows `L` on that page is then what followed `L` at one moment: the same as the
//! answer to "keys after `L`". A page that begins with any other row, or is empty, is thrown away, and the walk goes
//! on after `L` with a new batch.
//!
//! A walk ends at a page that is short and says that nothing follows it. A full page that says so is not believed
//! (`hasMore` is known to be taken from a count that is capped): one more call after its last key settles it. A page that
//! holds fewer rows than were asked for, and says that more follow or nothing of it, does not end the walk either: a page
//! without rows does. That the rows are ordered is not believed but seen.
//!
//! Some resources ignore `offset`: each page of a batch then begins where the first one does. That is seen at once, and
//! the walk goes on by key alone.

use std::error::Error as StdError;
use std::sync::Arc;

use futures::future::try_join_all;
use http::StatusCode;
use serde_json::value::RawValue;

use super::api::{Api, Page};
use super::members;
use super::query::{Collection, Key, KeyRange};
use landfall::error::{Error, Result};
use landfall_http::{Failure, HttpError};

/// The most rows that a page has, whatever is asked for.
pub(super) const MAX_ROWS: usize = 499;

/// A row, and the key in it.
pub(super) type KeyedRow = (Key, Box<RawValue>);

/// How many rows a page is asked for where the server gave up on more.
const FEW_ROWS: usize = 100;
/// How many full pages it takes before larger ones are tried again, after one that was too large.
const AFTER_TOO_MUCH: u32 = 8;
/// The most full pages that it takes, where a server has given fewer rows than asked for again and again.
const MAX_PATIENCE: u32 = 64;

/// How many rows a page is asked for: fewer once the server has shown that it gives no more, or none at all, and more
/// again after full pages. A server that always gives fewer is asked for more ever more rarely: the pages that are asked
/// for together with one that is short are asked for in vain.
#[derive(Debug, Clone, Copy)]
struct Limit {
    rows: usize,
    /// How many were too many.
    before: usize,
    /// How many pages have been full since.
    full_pages: u32,
    /// How many must be before larger ones are tried.
    patience: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self { rows: MAX_ROWS, before: MAX_ROWS, full_pages: 0, patience: 0 }
    }
}

impl Limit {
    /// A page came with fewer rows.
    fn shrink(&mut self, found: usize) {
        let patience = self.patience.saturating_mul(2).clamp(1, MAX_PATIENCE);
        *self = Self { rows: found.max(1), before: self.rows, full_pages: 0, patience };
    }

    /// A page of so many rows did not come at all.
    fn lower(&mut self, rows: usize) {
        let patience = self.patience.saturating_add(AFTER_TOO_MUCH).min(MAX_PATIENCE);
        *self = Self { rows: rows.max(1), before: self.rows, full_pages: 0, patience };
    }

    fn note_full_page(&mut self) {
        self.full_pages = self.full_pages.saturating_add(1);
        if self.rows < MAX_ROWS && self.full_pages >= self.patience {
            self.full_pages = 0;
            self.rows = self.before;
            self.before = self.before.saturating_mul(2).min(MAX_ROWS);
        }
    }
}

/// Why a smaller page may come where a larger one did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TooMuch {
    /// Its rows are wide.
    Bytes,
    /// The server gave up on it, or we did: it may have been too much work.
    Work,
}

impl TooMuch {
    /// How many rows to ask for instead of so many; none where fewer would not help. How wide rows are is found by
    /// halves. A page that was too much work is asked for in one much smaller step: each try of one takes long.
    fn fewer(self, rows: usize) -> Option<usize> {
        match self {
            Self::Bytes => (rows > 1).then_some(rows / 2),
            Self::Work => (rows > FEW_ROWS).then_some(FEW_ROWS),
        }
    }
}

fn failed_call(error: &Error) -> Option<&HttpError> {
    let causes = std::iter::successors(StdError::source(error), |cause| (*cause).source());
    causes.filter_map(|cause| cause.downcast_ref::<HttpError>()).next()
}

fn too_much(error: &Error) -> Option<TooMuch> {
    match failed_call(error)?.failure() {
        Failure::TooLarge { what: "body", .. } => Some(TooMuch::Bytes),
        Failure::TimedOut(_) => Some(TooMuch::Work),
        // Of a query that takes too long Fusion says 500, a gateway before it 504.
        Failure::Status { status, .. } if matches!(status.as_u16(), 500 | 504) => Some(TooMuch::Work),
        _ => None,
    }
}

/// A walk through the rows of a range of keys.
#[derive(Debug)]
pub(super) struct Walk {
    api: Arc<Api>,
    collection: Arc<Collection>,
    /// What is still to be read.
    range: KeyRange,
    /// How many rows a page is asked for.
    limit: Limit,
    /// How many pages the next batch has.
    width: usize,
    /// How many rows there were when the range was made, where that is known: no more pages are asked for.
    expected: Option<usize>,
    /// Whether the server was seen to begin every page at the first row.
    ignores_offset: bool,
    is_done: bool,
}

impl Walk {
    pub(super) fn new(
        api: Arc<Api>,
        collection: Arc<Collection>,
        range: KeyRange,
        expected: Option<usize>,
    ) -> Self {
        let width = match expected {
            Some(_) => api.parallel_pages(),
            // It may well be that one page holds all.
            None => 1,
        };
        let limit = Limit::default();
        Self { api, collection, range, limit, width, expected, ignores_offset: false, is_done: false }
    }

    /// The next rows; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<KeyedRow>>> {
        if self.is_done {
            return Ok(None);
        }
        let pages = loop {
            match self.batch().await {
                Err(error) => match too_much(&error) {
                    None => return Err(error),
                    Some(too_much) => match too_much.fewer(self.limit.rows) {
                        Some(rows) => self.limit.lower(rows),
                        None => return Err(self.named(error).await),
                    },
                },
                Ok(pages) => break pages,
            }
        };
        let rows = self.accept(pages)?;
        match rows.last() {
            Some((last, _)) => self.range.after = Some(last.clone()),
            None if !self.is_done => {
                check_end(&self.api, &self.collection, &self.range, self.limit.rows).await?;
                self.is_done = true;
            }
            None => {}
        }
        // After the last key of the range there is nothing to ask for.
        self.is_done |= self.range.through.is_some() && self.range.after == self.range.through;
        self.expected = self.expected.map(|expected| expected.saturating_sub(rows.len()));
        Ok(Some(rows))
    }

    /// What it means that not even a small page comes. Where the server answers the first key of the same rows, it is
    /// well, and will not answer the page another time either: asking again is for outages.
    async fn named(&self, error: Error) -> Error {
        let status = failed_call(&error).and_then(HttpError::status);
        let first_key = self.collection.keys(&self.range, 0, 1);
        if status != Some(StatusCode::INTERNAL_SERVER_ERROR)
            || self.api.page(first_key, self.collection.framework).await.is_err()
        {
            return error;
        }
        Error::rejected(format!(
            "reading {}: the server gives the keys of its rows, and answers 500 to a page of them, even of {} rows: name \
             fewer export.fields, leave export.expand out, or ask whoever runs it about this resource",
            self.collection.name, self.limit.rows
        ))
        .because(error)
    }

    async fn batch(&self) -> Result<Vec<Page>> {
        let distance = self.limit.rows.saturating_sub(1).max(1);
        let pages = (0..self.pages_at_once(distance)).map(|number| {
            let url = self.collection.page(&self.range, number.saturating_mul(distance), self.limit.rows);
            self.api.page(url, self.collection.framework)
        });
        try_join_all(pages).await
    }

    fn pages_at_once(&self, distance: usize) -> usize {
        // Pages of one row cannot overlap.
        if self.limit.rows < 2 || self.ignores_offset {
            return 1;
        }
        let needed = self.expected.map_or(usize::MAX, |rows| rows.saturating_sub(1).div_ceil(distance));
        self.width.min(needed).max(1)
    }

    /// Takes pages as far as each goes on where the one before it ended.
    fn accept(&mut self, pages: Vec<Page>) -> Result<Vec<KeyedRow>> {
        let mut rows: Vec<KeyedRow> = Vec::new();
        let limit = self.limit.rows;
        self.width = self.width.saturating_mul(2).min(self.api.parallel_pages());
        for (number, page) in pages.into_iter().enumerate() {
            let (found, has_more, given) = (page.items.len(), page.has_more, page.rows_given(limit));
            let mut keyed = self.keyed(page)?.into_iter();
            if number > 0 {
                let first = keyed.next().map(|(first, _)| first);
                if first.as_ref() != rows.last().map(|(last, _)| last) {
                    self.ignores_offset =
                        first.is_some() && first.as_ref() == rows.first().map(|(key, _)| key);
                    break;
                }
            }
            rows.extend(keyed);
            if found == 0 {
                self.is_done = has_more != Some(true);
                break;
            }
            if found < given && has_more == Some(false) {
                self.is_done = true;
                break;
            }
            if has_more == Some(false) {
                // Most likely nothing follows: one page settles it.
                self.width = 1;
            }
            if found < limit {
                // The server gives fewer at a time: the pages behind this one were asked for in the wrong places.
                self.limit.shrink(found);
                break;
            }
            self.limit.note_full_page();
        }
        Ok(rows)
    }

    /// The rows of a page with their keys, which must ascend within what was asked for.
    fn keyed(&self, page: Page) -> Result<Vec<KeyedRow>> {
        let mut rows: Vec<KeyedRow> = Vec::with_capacity(page.items.len());
        for item in page.items {
            let key = members::key(&item, &self.collection.key).map_err(|why| self.broken(&why))?;
            self.range.check(&key, &self.collection.key).map_err(|why| self.broken(&why))?;
            if let Some((before, _)) = rows.last().filter(|(before, _)| *before >= key) {
                return Err(self.broken(&match *before == key {
                    true => format!(
                        "two rows have {} {key}: name with export.key a field whose value no two rows share, or several",
                        self.collection.key
                    ),
                    false => format!(
                        "{key} comes after {before}: rows are not ordered by {}, so that pages could miss some. Try a \
                         later framework_version, or a numeric field as export.key",
                        self.collection.key
                    ),
                }));
            }
            rows.push((key, item));
        }
        Ok(rows)
    }

    fn broken(&self, why: &str) -> Error {
        Error::contract_broken(format!("reading {}: {why}", self.collection.name))
    }
}

/// Refuses a page without rows that says that more follow, unless what is behind it is empty as well: there are servers
/// that say so of each page.
pub(super) async fn check_end(
    api: &Api,
    collection: &Collection,
    range: &KeyRange,
    behind: usize,
) -> Result<()> {
    let page = api.page(collection.keys(range, behind, 1), collection.framework).await?;
    match page.items.is_empty() {
        true => Ok(()),
        false => Err(Error::contract_broken(format!(
            "reading {}: a page without rows says that more follow (hasMore), and some do",
            collection.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short page is no reason to read the rest in small ones; a server that always gives fewer is asked for more
    /// ever more rarely.
    #[test]
    fn pages_grow_again_after_full_ones() {
        let mut limit = Limit::default();
        limit.shrink(10);
        assert_eq!(limit.rows, 10);
        limit.note_full_page();
        assert_eq!(limit.rows, MAX_ROWS);
        let mut tried = 0;
        for _ in 0..1000 {
            match limit.rows > 100 {
                true => {
                    tried += 1;
                    limit.shrink(100);
                }
                false => limit.note_full_page(),
            }
        }
        assert!((5..=25).contains(&tried), "{tried} of 1000 pages were short");
    }

    /// Pages that were too much are doubled step by step, up to the whole again.
    #[test]
    fn halved_pages_grow_step_by_step() {
        let mut limit = Limit::default();
        limit.lower(249);
        limit.lower(124);
        assert_eq!(limit.rows, 124);
        let mut seen = vec![limit.rows];
        for _ in 0..1000 {
            limit.note_full_page();
            seen.push(limit.rows);
        }
        seen.dedup();
        assert_eq!(seen, [124, 249, 498, 499]);
    }
}
