//! Pages of a collection, and how rows are written in them.

use std::collections::HashMap;

use jiff::civil::Date;

use super::filter::{self, Filter, Value};
use super::finder::Finder;
use crate::fusion_rest::faults::RestFaults;
use crate::fusion_rest::rows::{Kind, Resource, Row, mixed};
use crate::fusion_rest::scenario::RestScenario;
use crate::fusion_rest::state::RestState;

/// The most rows that a page has, and what `totalResults` then says there are.
const MAX_ROWS: usize = 499;
/// How many rows a page has if nothing is asked for, and how many of a child come with its parent.
const DEFAULT_ROWS: usize = 25;

/// What is written of a row.
#[derive(Clone, Debug, Default)]
pub(in crate::fusion_rest) struct Projection {
    /// The fields, by child's path; all, if there are none.
    fields: HashMap<String, Vec<String>>,
    /// The children's paths.
    expand: Vec<String>,
    only_data: bool,
}

impl Projection {
    /// `fields` is `A,B;child:C`, `expand` is `child,child.grandchild`. Where both are there, `fields` counts.
    pub(in crate::fusion_rest) fn read(fields: &str, expand: &str, only_data: bool) -> Self {
        let names = |text: &str| -> Vec<String> {
            text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let mut view = Self { only_data, ..Self::default() };
        for group in fields.split(';').filter(|group| !group.is_empty()) {
            let (child, list) = group.split_once(':').unwrap_or(("", group));
            view.fields.insert(child.to_owned(), names(list));
        }
        view.expand = match view.fields.is_empty() {
            true => names(expand),
            false => view.fields.keys().filter(|child| !child.is_empty()).cloned().collect(),
        };
        view
    }

    fn has_child(&self, path: &str) -> bool {
        let below = format!("{path}.");
        self.expand.iter().any(|child| child == path || child.starts_with(&below) || child == "all")
    }

    fn check(&self, kind: Kind) -> Result<(), String> {
        for (path, fields) in &self.fields {
            let kind = kind_at(kind, path)?;
            let unknown =
                fields.iter().find(|field| !kind.attributes().iter().any(|(name, _)| name == field));
            if let Some(field) = unknown {
                return Err(format!(
                    "URL request parameter fields: {field} is no attribute of {}.",
                    kind.name()
                ));
            }
        }
        self.expand.iter().filter(|path| *path != "all").try_for_each(|path| kind_at(kind, path).map(|_| ()))
    }
}

fn kind_at(kind: Kind, path: &str) -> Result<Kind, String> {
    path.split('.').filter(|child| !child.is_empty()).try_fold(kind, |kind, child| {
        kind.child(child).ok_or_else(|| format!("{child} is no child of {}.", kind.name()))
    })
}

/// Whether `orderBy` asks for the last key first. Rows can be ordered by their key, or by what it begins with, and by
/// nothing else.
fn direction(order_by: &str, kind: Kind) -> Result<bool, String> {
    if order_by.is_empty() {
        return Ok(false);
    }
    let parts = order_by.split(',').map(|part| part.split_once(':').unwrap_or((part, "asc")));
    let (fields, directions): (Vec<&str>, Vec<&str>) = parts.unzip();
    let is_one_way = directions.iter().all(|direction| Some(direction) == directions.first());
    match kind.keys().starts_with(&fields) && is_one_way {
        true => Ok(directions.first() == Some(&"desc")),
        false => Err(format!("URL request parameter orderBy: {order_by} is not sortable.")),
    }
}

/// What a request asks of a collection.
#[derive(Debug)]
pub(in crate::fusion_rest) struct CollectionQuery {
    kind: Kind,
    framework: u8,
    /// What was asked for.
    limit: usize,
    offset: usize,
    is_descending: bool,
    has_own_order: bool,
    filter: Option<Filter>,
    finder: Option<Finder>,
    effective_date: Option<Date>,
    view: Projection,
    counts: bool,
    cap: usize,
}

impl CollectionQuery {
    pub(in crate::fusion_rest) fn read(
        query: &HashMap<String, String>,
        kind: Kind,
        framework: u8,
        faults: &RestFaults,
    ) -> Result<Self, String> {
        let is_unknown =
            |name: &str| faults.plain_framework_1 && framework == 1 && matches!(name, "orderBy" | "onlyData");
        let text = |name: &str| match is_unknown(name) {
            true => "",
            false => query.get(name).map(String::as_str).unwrap_or_default(),
        };
        let number = |name: &str, default: usize| match text(name) {
            "" => Ok(default),
            text => text.parse().map_err(|_| format!("URL request parameter {name} is no number.")),
        };
        let is_descending = direction(text("orderBy"), kind)?;
        let filter = match text("q") {
            "" => None,
            q => Some(filter::parse(q, kind, framework)?),
        };
        let finder = Finder::read(text("finder"), kind)?;
        let effective_date = match text("effectiveDate") {
            "" => None,
            day => Some(day.parse().map_err(|_| format!("effectiveDate {day} is no date as yyyy-mm-dd."))?),
        };
        let view = Projection::read(text("fields"), text("expand"), text("onlyData") == "true");
        view.check(kind)?;
        Ok(Self {
            kind,
            framework,
            limit: number("limit", DEFAULT_ROWS)?,
            offset: if faults.ignore_offset { 0 } else { number("offset", 0)? },
            is_descending,
            // Without an order the database gives rows as it finds them.
            has_own_order: faults.ignore_order_by || text("orderBy").is_empty(),
            filter: filter.filter(|_| !faults.ignore_q),
            finder,
            effective_date,
            view,
            counts: text("totalResults") == "true",
            cap: faults.page_cap.unwrap_or(MAX_ROWS).min(MAX_ROWS),
        })
    }

    fn wants(&self, row: &Row) -> bool {
        let is_effective = |day: Date| row.effective_from().is_none_or(|from| from <= day);
        self.finder.as_ref().is_none_or(|finder| finder.finds(row))
            && self.effective_date.is_none_or(is_effective)
            && self.filter.as_ref().is_none_or(|filter| filter.holds(row))
    }

    pub(in crate::fusion_rest) fn asks_for_several(&self) -> bool {
        self.limit > 1
    }

    fn rows_on_page(&self) -> usize {
        self.limit.min(self.cap)
    }
}

/// The rows of a page.
#[derive(Debug)]
pub(in crate::fusion_rest) struct Listing {
    rows: Vec<Row>,
    has_more: bool,
    total: Option<usize>,
}

/// A page of a resource's rows. In the order of keys no more rows are looked at than it takes.
pub(in crate::fusion_rest) fn of_resource(
    query: &CollectionQuery,
    state: &RestState,
    scenario: &RestScenario,
    resource: Resource,
) -> Listing {
    let place = |value: Option<&Value>| match value? {
        Value::Number(number) => resource.place(&number.to_string()),
        Value::Text(text) => resource.place(text),
        Value::Time(_) => None,
    };
    // What a filter says of one field of a key of several is no place.
    let filter = query.filter.as_ref().filter(|_| query.kind.keys().len() == 1);
    let key = query.kind.keys().first().copied().unwrap_or_default();
    let from = place(filter.and_then(|filter| filter.after(key))).unwrap_or(0);
    let through = place(filter.and_then(|filter| filter.through(key))).unwrap_or(u64::MAX);
    let rows = state
        .places(scenario, resource, from)
        .take_while(|place| *place <= through)
        .filter_map(|place| state.row(scenario, resource, place))
        .filter(|row| query.wants(row));
    match query.has_own_order || query.is_descending || query.counts {
        true => of_rows(query, rows.collect()),
        false => cut(query, rows, None),
    }
}

/// A page of rows that are all at hand.
pub(in crate::fusion_rest) fn of_rows(query: &CollectionQuery, mut rows: Vec<Row>) -> Listing {
    rows.retain(|row| query.wants(row));
    if query.has_own_order {
        rows.sort_by_key(|row| mixed(row.number));
    } else if query.is_descending {
        rows.reverse();
    }
    let total = rows.len();
    cut(query, rows.into_iter(), Some(total))
}

fn cut(query: &CollectionQuery, rows: impl Iterator<Item = Row>, total: Option<usize>) -> Listing {
    let mut rows = rows.skip(query.offset);
    let page: Vec<Row> = rows.by_ref().take(query.rows_on_page()).collect();
    Listing { rows: page, has_more: rows.next().is_some(), total }
}

/// A page's JSON.
pub(in crate::fusion_rest) fn body(
    address: &str,
    query: &CollectionQuery,
    listing: &Listing,
    faults: &RestFaults,
) -> String {
    let separator = if faults.pretty { ",\n    " } else { "," };
    let mut rows: Vec<String> =
        listing.rows.iter().map(|row| text(row, query.kind, "", query, Some(address), faults)).collect();
    if let Some(last) = rows.last().filter(|_| faults.repeated_rows).cloned() {
        rows.push(last);
    }
    let is_full = rows.len() >= query.rows_on_page();
    let has_more = match is_full && faults.full_pages_end {
        true => false,
        false => listing.has_more || (faults.endless && rows.is_empty()),
    };
    let mut body = format!("{{\"items\":[{}],\"count\":{}", rows.join(separator), rows.len());
    if !faults.without_has_more {
        body.push_str(&format!(",\"hasMore\":{has_more}"));
    }
    body.push_str(&format!(",\"limit\":{},\"offset\":{}", query.rows_on_page(), query.offset));
    if let Some(total) = listing.total.filter(|_| query.counts) {
        // The wart: past the cap the total is that of the page.
        let total = if query.limit > MAX_ROWS { total.min(MAX_ROWS) } else { total };
        body.push_str(&format!(",\"totalResults\":{total}"));
    }
    body.push_str(&format!(",\"links\":[{{\"rel\":\"self\",\"href\":\"{address}\"}}]}}"));
    body
}

/// The line that a correct landing has of a row: compact, and children as whole arrays.
pub(in crate::fusion_rest) fn line(row: &Row, view: &Projection) -> String {
    let query = CollectionQuery {
        kind: row.kind,
        framework: 1,
        limit: MAX_ROWS,
        offset: 0,
        is_descending: false,
        has_own_order: false,
        filter: None,
        finder: None,
        effective_date: None,
        view: view.clone(),
        counts: false,
        cap: MAX_ROWS,
    };
    text(row, row.kind, "", &query, None, &RestFaults::default())
}

fn text(
    row: &Row,
    kind: Kind,
    path: &str,
    query: &CollectionQuery,
    address: Option<&str>,
    faults: &RestFaults,
) -> String {
    let fields = query.view.fields.get(path);
    let is_wanted = |name: &str| match fields {
        Some(fields) => fields.iter().any(|field| field == name),
        None => query.view.fields.is_empty(),
    };
    let is_hidden = |name: &str| faults.without_keys && path.is_empty() && kind.keys().contains(&name);
    let mut members: Vec<String> = kind
        .attributes()
        .iter()
        .filter(|(name, _)| is_wanted(name) && !is_hidden(name))
        .map(|(name, _)| format!("\"{name}\":{}", row.text(name)))
        .collect();
    for child in kind.children() {
        let below =
            if path.is_empty() { child.name().to_owned() } else { format!("{path}.{}", child.name()) };
        if query.view.has_child(&below) {
            let own = address.map(|address| {
                format!("{address}/{}/child/{}", row.address(faults.hashed_addresses), child.name())
            });
            members.push(children(row, *child, &below, query, own.as_deref(), faults));
        }
    }
    if let Some(address) = address.filter(|_| !query.view.only_data) {
        members.push(format!(
            "\"links\":[{{\"rel\":\"self\",\"href\":\"{address}/{}\",\"name\":\"{}\",\"kind\":\"item\"}}]",
            row.address(faults.hashed_addresses),
            kind.name()
        ));
    }
    match faults.pretty {
        true => format!("{{\n      {}\n    }}", members.join(",\n      ")),
        false => format!("{{{}}}", members.join(",")),
    }
}

/// A child: an array before framework version 3, a collection of its own from there on.
fn children(
    row: &Row,
    kind: Kind,
    path: &str,
    query: &CollectionQuery,
    address: Option<&str>,
    faults: &RestFaults,
) -> String {
    let rows = row.children(kind);
    let is_whole = query.framework < 3 && !faults.cut_arrays;
    let shown = if is_whole { rows.len() } else { DEFAULT_ROWS.min(rows.len()) };
    let texts: Vec<String> =
        rows.iter().take(shown).map(|row| text(row, kind, path, query, address, faults)).collect();
    let name = kind.name();
    match query.framework {
        ..3 => format!("\"{name}\":[{}]", texts.join(",")),
        3.. => format!(
            "\"{name}\":{{\"items\":[{}],\"count\":{shown},\"hasMore\":{},\"limit\":{DEFAULT_ROWS},\"offset\":0}}",
            texts.join(","),
            rows.len() > shown
        ),
    }
}
