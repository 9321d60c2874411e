//! Queries, and pages of lists.

use std::collections::HashMap;

/// A query's parameters by name; BOSS writes `$limit`, other parts of Fusion `limit`.
pub(super) type Query = HashMap<String, String>;

/// A number in the query, with or without `$` before its name.
pub(super) fn number(query: &Query, name: &str) -> Option<usize> {
    let text = query.get(&format!("${name}")).or_else(|| query.get(name))?;
    text.parse().ok()
}

/// A page of a list, and whether there is more after it.
pub(super) fn page<T: Clone>(items: &[T], offset: usize, limit: usize) -> (Vec<T>, bool) {
    let page: Vec<T> = items.iter().skip(offset).take(limit).cloned().collect();
    let more = offset.saturating_add(page.len()) < items.len();
    (page, more && limit > 0)
}
