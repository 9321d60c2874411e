//! Queries, and pages of lists.

/// Parameters of a query, by name.
pub(super) type Query = std::collections::HashMap<String, String>;

/// A page of a list, ten entries unless the query asks for another number.
pub(super) fn page<T: Clone>(query: &Query, items: &[T]) -> Vec<T> {
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    items.iter().skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(10)).cloned().collect()
}
