//! What goes wrong with the REST resources.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// The switches of the REST resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestFaults {
    /// `orderBy` is ignored: rows come in an order of the server's own.
    pub ignore_order_by: bool,
    /// `q` is ignored: all rows come.
    pub ignore_q: bool,
    /// A page has at most so many rows, whatever is asked for, and says truthfully whether more follow.
    pub page_cap: Option<usize>,
    /// Full pages say that nothing follows.
    pub full_pages_end: bool,
    /// `offset` is ignored: every page begins at the first row.
    pub ignore_offset: bool,
    /// Pages of more than one row are answered 500.
    pub rows_fail: bool,
    /// Pages without rows say that more follow.
    pub endless: bool,
    /// Pages do not say whether more follow.
    pub without_has_more: bool,
    /// Rows come without their keys.
    pub without_keys: bool,
    /// The last row of each page comes twice.
    pub repeated_rows: bool,
    /// Answers are written for people, over many lines.
    pub pretty: bool,
    /// Before framework version 3 the array of a child has no more than 25 rows, and nothing says that there are more.
    pub cut_arrays: bool,
    /// Framework version 1 knows neither `orderBy` nor `onlyData`, as documented; otherwise it takes both.
    pub plain_framework_1: bool,
    /// Rows are at a hash of their keys, as workers are: only links tell where.
    pub hashed_addresses: bool,
    /// So many pages are redirected to a login page at another host, as where Basic is not allowed.
    pub login_redirect: Times,
    /// What others do to the rows after each page.
    pub churn: Churn,
    /// What happens to `describe` before it is looked at.
    pub describe_outage: Outage,
    /// What happens to a page before it is looked at.
    pub outage: Outage,
}

/// What others do to the rows while they are read. Which rows, follows from the scenario's seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Churn {
    /// So many rows change after each page: what they say, and when they changed last.
    pub updates: u32,
    /// So many rows go after each page.
    pub deletes: u32,
    /// So many rows come after each page, anywhere among the others.
    pub inserts: u32,
}
