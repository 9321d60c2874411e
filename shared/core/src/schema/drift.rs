//! What a job's tables make of a schema: the next version of it, how it differs, and what of that is not wanted.

use std::collections::{BTreeMap, BTreeSet};

use super::fit::{Fit, Seen, fit_column};
use super::matching::{matched, occurrences, of_job, of_schema};
use super::{
    ChangeKind, Declaration, DeclaredColumn, EarlierVersion, JobTable, KnownFrom, OnSchemaChange,
    SchemaChange, SchemaColumn, SchemaTable, SchemaVersion, SourceColumn,
};
use crate::job::{ConnectionName, JobRequestId};
use crate::rows::{Column, ColumnType, Table, TableFormat, Tables};

/// So many tables of an export are kept: of files that have nothing in common, there is no schema to keep.
const MAX_TABLES: usize = 256;

/// What is known of a job's columns, and what its export wants.
#[derive(Debug, Clone, Copy)]
pub struct JobColumns<'a> {
    /// What all of its values show.
    pub tables: &'a Tables,
    /// What a person declares.
    pub declared: &'a [DeclaredColumn],
    /// What the source says.
    pub source: &'a [SourceColumn],
    /// What becomes of changes; if not said, those of declared columns fail, and the schema is widened by others.
    pub rule: Option<OnSchemaChange>,
}

/// What a job's columns make of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The tables, which keep the values of the job as well as those of all jobs before it.
    pub tables: Vec<SchemaTable>,
    /// Which of them the job's tables are; of one that is none of them there were too many.
    pub job_tables: Vec<JobTable>,
    /// How the job's columns differ.
    pub changes: Vec<SchemaChange>,
    /// Those of the changes by which the job is not to be published.
    pub refused: Vec<SchemaChange>,
}

impl JobColumns<'_> {
    /// Holds the job's tables against those of the newest version; there are none before the first.
    pub fn held_against(&self, newest: &[SchemaTable]) -> Outcome {
        let mut drift =
            Drift { job: self, tables: newest.to_vec(), changes: Vec::new(), refused: Vec::new() };
        drift.declare();
        let found = matched(&drift.tables, self.tables);
        let mut job_tables = Vec::new();
        for (id, table) in self.tables.iter() {
            let number = match found.get(&id) {
                Some(at) => drift.join(*at, table),
                None => drift.add(table, newest.is_empty()),
            };
            job_tables.extend(number.map(|table| JobTable { id, table }));
        }
        if !self.tables.is_empty() {
            drift.miss_declared(&found.into_values().collect());
        }
        let Drift { tables, changes, refused, .. } = drift;
        Outcome { tables, job_tables, changes, refused }
    }

    fn source_of(&self, name: &str) -> Option<ColumnType> {
        self.source.iter().find(|column| column.name == name).map(|column| column.r#type)
    }

    /// What becomes of changes of a column, or of what is no column yet.
    fn rule_of(&self, column: Option<&SchemaColumn>) -> OnSchemaChange {
        let is_declared = column.is_some_and(|column| column.declared.is_some());
        self.rule.unwrap_or(if is_declared { OnSchemaChange::Fail } else { OnSchemaChange::Widen })
    }
}

impl SchemaVersion {
    /// The version that a job makes of this one.
    pub fn next(&self, job: &JobRequestId, outcome: Outcome) -> Self {
        let this = EarlierVersion { number: self.number, made_by: self.made_by.clone() };
        Self {
            number: self.number.saturating_add(1),
            earlier: self.earlier.iter().cloned().chain([this]).collect(),
            ..Self::first(&self.connection, &self.export, job, outcome)
        }
    }

    /// The version that a job makes of nothing.
    pub fn first(connection: &ConnectionName, export: &str, job: &JobRequestId, outcome: Outcome) -> Self {
        let Outcome { tables, changes, job_tables, .. } = outcome;
        Self {
            connection: connection.clone(),
            export: export.to_owned(),
            number: 1,
            made_by: job.clone(),
            tables,
            changes,
            job_tables,
            earlier: Vec::new(),
        }
    }
}

struct Drift<'a> {
    job: &'a JobColumns<'a>,
    tables: Vec<SchemaTable>,
    changes: Vec<SchemaChange>,
    refused: Vec<SchemaChange>,
}

impl Drift<'_> {
    /// What a person declares is so from now on, also where another type was known before.
    fn declare(&mut self) {
        let declared = self.job.declared;
        if declared.is_empty() {
            return;
        }
        let (number, mut columns, is_new) = match self.declared_table(declared) {
            Some(at) => {
                let Some(table) = self.tables.get_mut(at) else { return };
                (table.number, std::mem::take(&mut table.columns), false)
            }
            None => (self.next_number(), Vec::new(), true),
        };
        let mut changes = Vec::new();
        for (place, (wanted, occurrence)) in
            std::iter::zip(declared, occurrences(declared.iter().map(|column| column.name.as_str())))
                .enumerate()
        {
            let at = of_schema(&columns).iter().position(|known| *known == occurrence);
            let before = match at.and_then(|at| columns.get_mut(at)) {
                Some(known) => {
                    let before = known.r#type;
                    if !declare_column(known, wanted) {
                        continue;
                    }
                    before
                }
                None => {
                    let place = u32::try_from(place).unwrap_or(u32::MAX);
                    let mut column =
                        SchemaColumn { name: wanted.name.clone(), place, ..SchemaColumn::default() };
                    declare_column(&mut column, wanted);
                    columns.push(column);
                    None
                }
            };
            if before != Some(wanted.r#type) && !is_new {
                changes.push(SchemaChange {
                    before,
                    after: Some(wanted.r#type),
                    ..change(ChangeKind::Declared, number, Some(&wanted.name))
                });
            }
        }
        self.changes.append(&mut changes);
        match self.tables.iter_mut().find(|table| table.number == number) {
            Some(table) => table.columns = columns,
            None => self.tables.push(SchemaTable { number, format: None, columns }),
        }
    }

    /// What is declared and was never seen is missed, where a job has tables, and none of them is the one.
    fn miss_declared(&mut self, found: &BTreeSet<usize>) {
        let mut tables = std::mem::take(&mut self.tables);
        for (at, table) in tables.iter_mut().enumerate() {
            if table.format.is_some() || found.contains(&at) {
                continue;
            }
            for column in table.columns.iter_mut().filter(|column| !column.may_be_absent) {
                let noted = change(ChangeKind::Gone, table.number, Some(&column.name));
                self.note(SchemaChange { before: column.r#type, ..noted }, self.job.rule_of(Some(column)));
                (column.may_be_missing, column.may_be_absent) = (true, true);
            }
        }
        self.tables = tables;
    }

    /// The table that columns were declared of before, or else the one that has most of these, if it has half of them.
    fn declared_table(&self, declared: &[DeclaredColumn]) -> Option<usize> {
        let had = |table: &SchemaTable| table.columns.iter().any(|column| column.declared.is_some());
        let wanted: BTreeSet<_> = declared.iter().map(|column| column.name.as_str()).collect();
        let common = |table: &SchemaTable| {
            let names: BTreeSet<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
            names.intersection(&wanted).count()
        };
        self.tables.iter().position(had).or_else(|| {
            let most =
                self.tables.iter().enumerate().map(|(at, table)| (common(table), std::cmp::Reverse(at)));
            let (common, std::cmp::Reverse(at)) = most.max()?;
            (common.saturating_mul(2) >= wanted.len()).then_some(at)
        })
    }

    fn next_number(&self) -> u32 {
        self.tables.iter().map(|table| table.number).max().unwrap_or(0).saturating_add(1)
    }

    /// Adds a table that the schema does not have; its number.
    fn add(&mut self, table: &Table, is_first: bool) -> Option<u32> {
        if self.tables.len() >= MAX_TABLES {
            return None;
        }
        let number = self.next_number();
        let is_text = !is_first && self.job.rule == Some(OnSchemaChange::Text);
        let columns = table.columns.iter().map(|column| self.new_column(column, is_text, false));
        let columns = columns.collect();
        self.tables.push(SchemaTable { number, format: Some(table.format), columns });
        if !is_first {
            self.note(change(ChangeKind::NewTable, number, None), self.job.rule_of(None));
        }
        Some(number)
    }

    /// A column as its first values show it. Where others of its table have been before it, those lack it.
    fn new_column(&self, column: &Column, is_text: bool, is_later: bool) -> SchemaColumn {
        let seen = Seen::of(column, self.job.source_of(&column.name));
        let (of_type, format) = match is_text {
            true => (Some(ColumnType::Text), None),
            false => (seen.kept_type(), seen.format),
        };
        SchemaColumn {
            name: column.name.clone(),
            r#type: of_type,
            format,
            place: column.place,
            may_be_missing: column.may_be_missing || is_later,
            may_be_absent: is_later,
            known_from: seen.known_from,
            declared: None,
        }
    }

    /// Joins a table with what the job shows of it; its number.
    fn join(&mut self, at: usize, table: &Table) -> Option<u32> {
        let known = self.tables.get_mut(at)?;
        let number = known.number;
        // Declared, and never seen: whatever it has besides is not new.
        let is_first = known.format.is_none();
        let mut columns = std::mem::take(&mut known.columns);
        let noted = self.changes.len();
        let places: BTreeMap<_, _> = std::iter::zip(of_job(&table.columns), &table.columns).collect();
        let names: Vec<(String, usize)> =
            of_schema(&columns).into_iter().map(|(name, nth)| (name.to_owned(), nth)).collect();
        let mut gone = Vec::new();
        for (column, (name, nth)) in std::iter::zip(&mut columns, &names) {
            match places.get(&(name.as_str(), *nth)) {
                Some(seen) => self.join_column(number, column, seen, is_first),
                None if !is_known_to_lack(column, table) => gone.push((name.clone(), *nth)),
                None => {}
            }
        }
        let known_names: BTreeSet<(&str, usize)> =
            names.iter().map(|(name, nth)| (name.as_str(), *nth)).collect();
        let new: Vec<&Column> = std::iter::zip(of_job(&table.columns), &table.columns)
            .filter(|(name, _)| !known_names.contains(name))
            .map(|(_, column)| column)
            .collect();
        let gone: BTreeSet<(&str, usize)> = gone.iter().map(|(name, nth)| (name.as_str(), *nth)).collect();
        self.come_and_go(number, table, (&mut columns, &names), (&gone, &new), is_first);
        let has_changed = is_first || self.changes.len() > noted;
        let known = self.tables.get_mut(at)?;
        if has_changed {
            known.format = Some(table.format);
            for (column, (name, nth)) in std::iter::zip(&mut columns, &names) {
                if let Some(seen) = places.get(&(name.as_str(), *nth)) {
                    column.place = seen.place;
                }
            }
        }
        known.columns = columns;
        Some(number)
    }

    /// Notes the columns that have gone and those that have come.
    fn come_and_go(
        &mut self,
        number: u32,
        table: &Table,
        (columns, names): (&mut Vec<SchemaColumn>, &[(String, usize)]),
        (gone, new): (&BTreeSet<(&str, usize)>, &[&Column]),
        is_first: bool,
    ) {
        let mut renamed = BTreeSet::new();
        for (column, (name, nth)) in std::iter::zip(columns.iter_mut(), names) {
            if !gone.contains(&(name.as_str(), *nth)) {
                continue;
            }
            let heir = new.iter().find(|new| self.is_in_place_of(new, column, table));
            let noted = match heir {
                Some(heir) => {
                    renamed.insert(heir.place);
                    SchemaChange {
                        renamed_from: Some(name.clone()),
                        ..change(ChangeKind::Renamed, number, Some(&heir.name))
                    }
                }
                None => change(ChangeKind::Gone, number, Some(name)),
            };
            self.note(SchemaChange { before: column.r#type, ..noted }, self.job.rule_of(Some(column)));
            (column.may_be_missing, column.may_be_absent) = (true, true);
        }
        let rule = self.job.rule_of(None);
        for column in new {
            let is_text = !is_first && rule == OnSchemaChange::Text;
            let added = self.new_column(column, is_text, !is_first);
            if !is_first && !renamed.contains(&column.place) {
                let after = added.r#type;
                self.note(
                    SchemaChange { after, ..change(ChangeKind::NewColumn, number, Some(&column.name)) },
                    rule,
                );
            }
            columns.push(added);
        }
    }

    /// Whether a new column stands where one that has gone stood, and could be it. In lines of JSON no place means
    /// anything.
    fn is_in_place_of(&self, new: &Column, gone: &SchemaColumn, table: &Table) -> bool {
        let seen = Seen::of(new, self.job.source_of(&new.name));
        let fits = match (gone.r#type, seen.of_type) {
            (Some(kept), Some(of_type)) => fit_column(gone, kept, &seen, of_type) == Fit::Same,
            _ => true,
        };
        !matches!(table.format, TableFormat::Ndjson) && new.place == gone.place && fits
    }

    fn join_column(&mut self, number: u32, known: &mut SchemaColumn, column: &Column, is_first: bool) {
        let rule = self.job.rule_of(Some(known));
        if column.may_be_missing && !known.may_be_missing {
            known.may_be_missing = true;
            self.note(change(ChangeKind::Missing, number, Some(&known.name)), rule);
        }
        let source = self.job.source_of(&known.name).filter(|_| known.declared.is_none());
        let seen = Seen::of(column, source);
        let Some(of_type) = seen.of_type else { return };
        let Some(kept) = known.r#type else {
            known.r#type =
                if rule == OnSchemaChange::Text { Some(ColumnType::Text) } else { seen.kept_type() };
            known.format = seen.format.filter(|_| rule != OnSchemaChange::Text);
            known.known_from = seen.known_from;
            let noted = change(ChangeKind::FirstValues, number, Some(&known.name));
            self.note(SchemaChange { after: known.r#type, ..noted }, OnSchemaChange::Widen);
            return;
        };
        let (kind, after) = match fit_column(known, kept, &seen, of_type) {
            Fit::Same => {
                if kept != ColumnType::Text && known.format.is_none() && seen.format.is_some() {
                    known.format = seen.format;
                    if !is_first {
                        let noted = change(ChangeKind::FirstValues, number, Some(&known.name));
                        self.note(SchemaChange { after: known.r#type, ..noted }, OnSchemaChange::Widen);
                    }
                }
                return;
            }
            Fit::Wider(wider) => (ChangeKind::Wider, wider),
            Fit::Other => (ChangeKind::OtherType, ColumnType::Text),
        };
        let after = if rule == OnSchemaChange::Text { ColumnType::Text } else { after };
        known.r#type = Some(after);
        known.format = known.format.take().filter(|_| after != ColumnType::Text);
        let noted = change(kind, number, Some(&known.name));
        let first = column.misfit.clone();
        self.note(SchemaChange { before: Some(kept), after: Some(after), first, ..noted }, rule);
    }

    fn note(&mut self, change: SchemaChange, rule: OnSchemaChange) {
        if rule == OnSchemaChange::Fail {
            self.refused.push(change.clone());
        }
        self.changes.push(change);
    }
}

/// Whether it is known already that jobs lack a column: it has gone before, or is a key that not every line has.
fn is_known_to_lack(column: &SchemaColumn, table: &Table) -> bool {
    column.may_be_absent || (matches!(table.format, TableFormat::Ndjson) && column.may_be_missing)
}

/// Declares a column; whether it was not declared so before.
fn declare_column(column: &mut SchemaColumn, wanted: &DeclaredColumn) -> bool {
    let declaration = Declaration { r#type: wanted.r#type, may_be_missing: wanted.may_be_missing };
    if column.declared.as_ref() == Some(&declaration) {
        return false;
    }
    column.format = column.format.take().filter(|_| column.r#type == Some(wanted.r#type));
    column.r#type = Some(wanted.r#type);
    column.may_be_missing = wanted.may_be_missing;
    column.known_from = KnownFrom::Declared;
    column.declared = Some(declaration);
    true
}

fn change(change: ChangeKind, table: u32, column: Option<&str>) -> SchemaChange {
    let column = column.map(ToOwned::to_owned);
    SchemaChange { change, table, column, renamed_from: None, before: None, after: None, first: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{OnBrokenRecord, RowCounter, RowFormat, RowSettings};

    /// What is seen in files of these texts.
    fn tables(texts: &[String]) -> Tables {
        let settings = RowSettings {
            has_header: true,
            csv: crate::rows::CsvSettings::default(),
            on_broken_record: OnBrokenRecord::Refuse,
        };
        let mut tables = Tables::default();
        for text in texts {
            let format = RowFormat::Csv { usual_delimiter: b',', settings };
            let mut counter = RowCounter::new(format).observing_columns();
            counter.push(text.as_bytes()).unwrap();
            let counted = counter.finish().unwrap().unwrap();
            counted.table.iter().for_each(|table| tables.add(table));
        }
        tables
    }

    fn job(tables: &Tables) -> JobColumns<'_> {
        JobColumns { tables, declared: &[], source: &[], rule: None }
    }

    fn csv() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            "-?[1-9][0-9]{0,20}",
            "[0-9]\\.[0-9]{1,25}",
            "(true|TRUE)",
            "2026-0[1-9]-1[0-9]",
            "2026/0[1-9]/1[0-9]",
            "[a-z]{0,2}",
        ];
        let row = prop::collection::vec(value, 4).prop_map(|values| values.join(","));
        let header =
            prop_oneof![Just("A,B,C,D"), Just("A,B,C,E"), Just("D,C,B,A"), Just("A,B,C,D,A"), Just("X,Y")];
        (header, prop::collection::vec(row, 1..4))
            .prop_map(|(header, rows)| format!("{header}\n{}\n", rows.join("\n")))
    }

    proptest! {
        /// Promise 5: whatever jobs come, and in whatever order, the newest version keeps the values of all of them: none of
        /// them would change it again.
        #[test]
        fn the_newest_version_keeps_the_values_of_all_jobs(
            jobs in prop::collection::vec(prop::collection::vec(csv(), 1..3), 1..6),
            turn in 0_usize..6,
        ) {
            let mut jobs: Vec<Tables> = jobs.iter().map(|texts| tables(texts)).collect();
            let turn = turn.checked_rem(jobs.len()).unwrap();
            jobs.rotate_left(turn);
            let mut newest = Vec::new();
            for tables in &jobs {
                let outcome = job(tables).held_against(&newest);
                prop_assert!(outcome.refused.is_empty());
                newest = outcome.tables;
            }
            for tables in &jobs {
                let again = job(tables).held_against(&newest);
                for (id, table) in tables.iter() {
                    let told = again.job_tables.iter().find(|told| told.id == id).unwrap();
                    let known = again.tables.iter().find(|known| known.number == told.table).unwrap();
                    for (column, of_type) in std::iter::zip(&table.columns, known.types_of(table)) {
                        let observed = Seen::of(column, None);
                        let Some(seen) = observed.of_type else { continue };
                        let kept = SchemaColumn::default();
                        prop_assert_eq!(fit_column(&kept, of_type.unwrap(), &observed, seen), Fit::Same);
                    }
                }
            }
        }
    }

    /// Two views whose columns are much alike are two tables, in every job.
    #[test]
    fn tables_that_are_alike_stay_apart() {
        let views = ["Id,Name,By,At\n1,a,b,c\n".to_owned(), "Id,Code,By,At\n1,7,b,c\n".to_owned()];
        let first = job(&tables(&views)).held_against(&[]);
        assert_eq!(first.tables.len(), 2);
        let again = job(&tables(&views)).held_against(&first.tables);
        assert!(again.changes.is_empty() && again.tables == first.tables);
        // One of them alone is that one, also with a column more.
        let more = ["Id,Code,By,At,New\n1,7,b,c,d\n".to_owned()];
        let second = job(&tables(&more)).held_against(&first.tables);
        let kinds: Vec<_> =
            second.changes.iter().map(|change| (change.change, change.column.as_deref())).collect();
        assert_eq!(kinds, [(ChangeKind::NewColumn, Some("New"))]);
        assert_eq!(second.tables.len(), 2);
    }

    /// What is declared and is in no table of a job is told, however many it has.
    #[test]
    fn a_declared_table_that_no_job_has_is_missed() {
        let views = ["Id,Name\n1,a\n".to_owned(), "Code,Rate\n1,7\n".to_owned()];
        let of_type = ColumnType::Date;
        let declared = [DeclaredColumn { name: "Day".to_owned(), r#type: of_type, may_be_missing: true }];
        let views = tables(&views);
        let missed = JobColumns { declared: &declared, ..job(&views) };
        let outcome = missed.held_against(&[]);
        assert_eq!(outcome.refused.len(), 1);
        assert_eq!((outcome.refused[0].change, outcome.refused[0].before), (ChangeKind::Gone, Some(of_type)));
        let widened = JobColumns { rule: Some(OnSchemaChange::Widen), ..missed }.held_against(&[]);
        assert_eq!((widened.refused.len(), widened.tables.len()), (0, 3));
        assert!(missed.held_against(&widened.tables).changes.is_empty());
    }

    /// A column without values has no type, and gets the one of its first values: that is told, and refused by nobody.
    #[test]
    fn first_values_fit_a_column_that_had_none() {
        let first = job(&tables(&["A,B\n1,\n".to_owned()])).held_against(&[]);
        assert_eq!(first.tables[0].columns[1].r#type, None);
        let dates = tables(&["A,B\n1,2026-01-31\n".to_owned()]);
        let second =
            JobColumns { rule: Some(OnSchemaChange::Fail), ..job(&dates) }.held_against(&first.tables);
        assert!(second.refused.is_empty());
        assert_eq!(second.changes[0].change, ChangeKind::FirstValues);
        assert_eq!(second.tables[0].columns[1].r#type, Some(ColumnType::Date));
    }
}
