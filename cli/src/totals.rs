//! What has landed, in words.

use indicatif::{HumanBytes, HumanCount};
use landfall::job::Totals;

/// Objects, bytes and, where any are counted, rows.
pub(crate) fn in_words(totals: &Totals) -> String {
    let rows = totals.rows.map(|rows| format!(", {}", number_of(rows, "row")));
    format!(
        "{}, {}{}",
        number_of(totals.objects, "object"),
        HumanBytes(totals.bytes),
        rows.unwrap_or_default()
    )
}

/// So many of something.
pub(crate) fn number_of(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 5: rows that nobody has counted are not said to be none.
    #[test]
    fn only_rows_that_are_counted_are_told() {
        let totals = |objects, rows| in_words(&Totals { objects, bytes: 1536, rows });
        assert_eq!(totals(8, Some(12_000)), "8 objects, 1.50 KiB, 12,000 rows");
        assert_eq!(totals(1, Some(1)), "1 object, 1.50 KiB, 1 row");
        assert_eq!(totals(1, Some(0)), "1 object, 1.50 KiB, 0 rows");
        assert_eq!(totals(1, None), "1 object, 1.50 KiB");
    }
}
