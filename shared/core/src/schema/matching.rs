//! Which table of a schema a job's table is: told by its columns' names, since files are named by everybody otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::{SchemaColumn, SchemaTable};
use crate::rows::{Column, ColumnType, Table, TableFormat, TableId, Tables};

/// The place of each of a job's tables in the schema; one that is not there is new.
pub(super) fn matched(schema: &[SchemaTable], job: &Tables) -> BTreeMap<TableId, usize> {
    let mut matching = Matching { schema, found: BTreeMap::new(), taken: BTreeSet::new() };
    matching.pass(job, Alike::of_described);
    matching.take_declared(job);
    matching.pass(job, Alike::of_most);
    matching.found
}

/// A column's name, and which of that name it is: a header may have one twice.
pub(super) fn occurrences<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    names
        .map(|name| {
            let count = seen.entry(name).or_default();
            let occurrence = (name, *count);
            *count = count.saturating_add(1);
            occurrence
        })
        .collect()
}

pub(super) fn of_schema(columns: &[SchemaColumn]) -> Vec<(&str, usize)> {
    occurrences(columns.iter().map(|column| column.name.as_str()))
}

pub(super) fn of_job(columns: &[Column]) -> Vec<(&str, usize)> {
    occurrences(columns.iter().map(|column| column.name.as_str()))
}

impl SchemaTable {
    /// The types of a job's columns, in the order of the job; none for one that has had no value.
    pub fn types_of(&self, table: &Table) -> Vec<Option<ColumnType>> {
        self.columns_of(table).into_iter().map(|known| known.and_then(|known| known.r#type)).collect()
    }

    /// What is known of a job's columns, in the order of the job.
    pub(super) fn columns_of(&self, table: &Table) -> Vec<Option<&SchemaColumn>> {
        let known: BTreeMap<_, _> = std::iter::zip(of_schema(&self.columns), &self.columns).collect();
        of_job(&table.columns).into_iter().map(|name| known.get(&name).copied()).collect()
    }
}

/// How alike a table of the schema and one of a job are.
struct Alike {
    common: usize,
    of_schema: usize,
    of_job: usize,
    /// Whether the job's has all columns that the schema's always has, and no others.
    is_described: bool,
    are_lines: bool,
}

impl Alike {
    fn of(known: &SchemaTable, table: &Table) -> Option<Self> {
        let is_lines = |format: &TableFormat| matches!(format, TableFormat::Ndjson);
        let are_lines = is_lines(&table.format);
        if known.format.as_ref().is_some_and(|format| is_lines(format) != are_lines) {
            return None;
        }
        let (names, others): (BTreeSet<_>, BTreeSet<_>) =
            (of_schema(&known.columns).into_iter().collect(), of_job(&table.columns).into_iter().collect());
        let always = std::iter::zip(of_schema(&known.columns), &known.columns)
            .filter(|(_, column)| !column.may_be_absent)
            .all(|(name, _)| others.contains(&name));
        Some(Self {
            common: names.intersection(&others).count(),
            of_schema: names.len(),
            of_job: others.len(),
            is_described: always && others.is_subset(&names),
            are_lines: are_lines && known.format.is_some(),
        })
    }

    /// All lines of JSON of an export are one table.
    fn of_described(&self) -> bool {
        self.is_described || self.are_lines
    }

    /// More than half of the names of each are the other's.
    fn of_most(&self) -> bool {
        self.common.saturating_mul(2) > self.of_schema.max(self.of_job)
    }
}

struct Matching<'a> {
    schema: &'a [SchemaTable],
    found: BTreeMap<TableId, usize>,
    taken: BTreeSet<usize>,
}

impl Matching<'_> {
    fn pass(&mut self, job: &Tables, is_match: fn(&Alike) -> bool) {
        for (id, table) in job.iter().filter(|(id, _)| !self.found.contains_key(id)).collect::<Vec<_>>() {
            let alike = |at: usize, known: &SchemaTable| {
                Alike::of(known, table)
                    .filter(is_match)
                    .map(|alike| (alike.common, std::cmp::Reverse(alike.of_schema), std::cmp::Reverse(at)))
            };
            let free = self.schema.iter().enumerate().filter(|(at, _)| !self.taken.contains(at));
            if let Some((_, _, std::cmp::Reverse(at))) = free.filter_map(|(at, known)| alike(at, known)).max()
            {
                self.take(id, at);
            }
        }
    }

    /// The declared table is that of the job's which is most alike, however little, or the only one: what is declared and
    /// is not there is to be told.
    fn take_declared(&mut self, job: &Tables) {
        let is_declared = |known: &SchemaTable| known.columns.iter().any(|column| column.declared.is_some());
        let Some((at, known)) = self.schema.iter().enumerate().find(|(_, known)| is_declared(known)) else {
            return;
        };
        if self.taken.contains(&at) {
            return;
        }
        let is_only = job.iter().count() == 1;
        let free = job.iter().filter(|(id, _)| !self.found.contains_key(id));
        let alike = free.filter_map(|(id, table)| {
            let alike = Alike::of(known, table).filter(|alike| is_only || alike.common > 0)?;
            Some((alike.common, std::cmp::Reverse(id)))
        });
        if let Some((_, std::cmp::Reverse(id))) = alike.max() {
            self.take(id, at);
        }
    }

    fn take(&mut self, id: TableId, at: usize) {
        self.found.insert(id, at);
        self.taken.insert(at);
    }
}
