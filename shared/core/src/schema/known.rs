//! What is known of an export's columns before a job's values are seen: by it, what lands in types of its own is written,
//! and the first value that does not fit is found.

use std::collections::BTreeMap;

use super::fit::{Fit, Seen, fit_column};
use super::{DeclaredColumn, JobColumns, OnSchemaChange, SchemaColumn, SchemaTable, SourceColumn};
use crate::rows::{Expectations, Table, Tables, ValueKind};

/// What is declared of an export's columns, what their source says, and a version of its schema.
#[derive(Debug, Clone, Default)]
pub struct KnownColumns {
    tables: Vec<SchemaTable>,
    declared: Vec<DeclaredColumn>,
    source: Vec<SourceColumn>,
    rule: Option<OnSchemaChange>,
    /// The columns that are the same in each table that has one of their name.
    by_name: BTreeMap<String, SchemaColumn>,
}

impl KnownColumns {
    /// What is known where a version has these tables; before the first there are none.
    pub fn of(
        tables: Vec<SchemaTable>,
        declared: Vec<DeclaredColumn>,
        source: Vec<SourceColumn>,
        rule: Option<OnSchemaChange>,
    ) -> Self {
        let mut known = Self { tables, declared, source, rule, by_name: BTreeMap::new() };
        let tables = known.held_against(&Tables::default()).tables;
        let mut by_name: BTreeMap<String, Option<SchemaColumn>> = BTreeMap::new();
        for column in tables.into_iter().flat_map(|table| table.columns) {
            by_name
                .entry(column.name.clone())
                .and_modify(|known| {
                    known.take_if(|known| (known.r#type, &known.format) != (column.r#type, &column.format));
                })
                .or_insert(Some(column));
        }
        known.by_name = by_name.into_iter().filter_map(|(name, column)| Some((name, column?))).collect();
        known
    }

    /// Gives the columns of a table the types by which its rows are written: those of the version, where their values fit,
    /// and otherwise those that the rule makes of them. Each value comes back from its type as the text that it was.
    pub fn give_types(&self, table: &mut Table) {
        let known = self.known_table(table);
        let types = known.map(|known| known.types_of(table)).unwrap_or_default();
        let types = types.into_iter().chain(std::iter::repeat(None));
        for (column, known) in std::iter::zip(&mut table.columns, types) {
            column.written_as = Some(column.exact_type(table.format, known));
        }
    }

    /// Whether anything is.
    pub fn are_some(&self) -> bool {
        !self.by_name.is_empty()
    }

    /// A header with the types by which its rows are written, if all values fit: where all of its columns have a type, and it
    /// is known how they are written.
    pub fn expected(&self, mut header: Table) -> Option<Table> {
        let table = self.known_table(&header)?;
        let known = table.columns_of(&header);
        for (column, known) in std::iter::zip(&mut header.columns, known) {
            let SchemaColumn { r#type, format, .. } = known?;
            let of_type = (*r#type)?;
            column.kind = ValueKind::written(of_type, format.as_deref())?;
            column.written_as = Some(column.exact_type(header.format, Some(of_type)));
        }
        Some(header)
    }

    /// What a table makes of the one of the version that it is.
    fn known_table(&self, table: &Table) -> Option<SchemaTable> {
        let outcome = self.held_against(&Tables::from(vec![table.clone()]));
        let number = outcome.job_tables.first().map(|told| told.table)?;
        outcome.tables.into_iter().find(|known| known.number == number)
    }

    fn held_against(&self, tables: &Tables) -> super::Outcome {
        let Self { declared, source, rule, .. } = self;
        JobColumns { tables, declared, source, rule: *rule }.held_against(&self.tables)
    }
}

impl Expectations for KnownColumns {
    fn takes(&self, column: &str, kind: &ValueKind) -> bool {
        let Some(known) = self.by_name.get(column) else { return true };
        let seen = Seen::of_kind(kind);
        match (known.r#type, seen.of_type) {
            (Some(kept), Some(of_type)) => fit_column(known, kept, &seen, of_type) == Fit::Same,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::{ColumnType, Misfit, RowCounter, RowFormat, RowSettings};

    const FIRST: &str = "ID,AMOUNT,DAY,NOTE\n1,10.50,2026-01-31,a\n2,3.25,2026-02-01,b\n";

    /// What is seen in a text, held against what is known, in pieces of so many bytes.
    fn seen(format: RowFormat, text: &str, known: &KnownColumns, cut: usize) -> Table {
        let mut counter = RowCounter::new(format).expecting(Arc::new(known.clone()));
        text.as_bytes().chunks(cut).for_each(|piece| counter.push(piece).unwrap());
        *counter.finish().unwrap().unwrap().table.unwrap()
    }

    fn csv() -> RowFormat {
        let settings = RowSettings { has_header: true, ..RowSettings::default() };
        RowFormat::Csv { usual_delimiter: b',', settings }
    }

    /// What is known once a job of these rows has landed.
    fn after(format: RowFormat, text: &str) -> KnownColumns {
        let tables = Tables::from(vec![seen(format, text, &KnownColumns::default(), 1_000)]);
        let first = KnownColumns::default().held_against(&tables);
        KnownColumns::of(first.tables, Vec::new(), Vec::new(), None)
    }

    fn types(known: &KnownColumns, text: &str) -> String {
        let mut table = seen(csv(), text, known, 1_000);
        known.give_types(&mut table);
        let types = table.columns.iter().map(|column| column.written_as.unwrap().to_string());
        types.collect::<Vec<_>>().join(", ")
    }

    /// A job's columns have the types of those before it, where its values fit, and what the rule makes of them where they do
    /// not; so have those of the first job, with the room that its schema gives them.
    #[test]
    fn types_are_those_that_the_schema_keeps() {
        let nothing = KnownColumns::default();
        assert_eq!(types(&nothing, FIRST), "BIGINT, DECIMAL(18,2), DATE, VARCHAR");
        let widen = after(csv(), FIRST);
        let text = KnownColumns { rule: Some(OnSchemaChange::Text), ..widen.clone() };
        for (rows, widened, as_text) in [
            ("3,7,2026-03-01,5", "BIGINT, DECIMAL(18,2), DATE, VARCHAR", None),
            (",,,", "BIGINT, DECIMAL(18,2), DATE, VARCHAR", None),
            (
                "3,1.2575,2026-03-01,c",
                "BIGINT, DECIMAL(20,4), DATE, VARCHAR",
                Some("BIGINT, VARCHAR, DATE, VARCHAR"),
            ),
            ("3,1.25,2026/03/01,c", "BIGINT, DECIMAL(18,2), VARCHAR, VARCHAR", None),
            ("x,1.25,2026-03-01,c", "VARCHAR, DECIMAL(18,2), DATE, VARCHAR", None),
            // Of a type that has no empty text, nothing and the empty text are not told apart.
            ("3,\"\",2026-03-01,c\n4,,2026-03-01,c", "BIGINT, VARCHAR, DATE, VARCHAR", None),
        ] {
            let rows = format!("ID,AMOUNT,DAY,NOTE\n{rows}\n");
            assert_eq!(types(&widen, &rows), widened, "{rows}");
            assert_eq!(types(&text, &rows), as_text.unwrap_or(widened), "{rows}");
        }
        let declared = DeclaredColumn {
            name: "AMOUNT".to_owned(),
            r#type: ColumnType::Decimal { precision: 30, scale: 10 },
            may_be_missing: true,
        };
        let declared = KnownColumns::of(Vec::new(), vec![declared], Vec::new(), None);
        assert_eq!(types(&declared, FIRST), "BIGINT, DECIMAL(30,10), DATE, VARCHAR");
    }

    /// Promise 5: the first value that does not fit is found, whatever comes before and behind it, and however the text is
    /// cut.
    #[test]
    fn the_first_value_that_does_not_fit_is_found() {
        let known = after(csv(), FIRST);
        let misfits = |table: Table| -> Vec<(String, u64)> {
            let misfit = |column: crate::rows::Column| {
                let Misfit { key, row } = column.misfit?;
                assert_eq!(key, "");
                Some((column.name, row))
            };
            table.columns.into_iter().filter_map(misfit).collect()
        };
        for (rows, expected) in [
            ("3,1.25,2026-03-01,c\n4,5,2026-03-02,\n", &[][..]),
            // The first of two scales that do not fit, and not the longest number.
            ("3,1.25,2026-03-01,c\n4,1.255,2026-03-02,\n5,123456.5,2026-03-02,\n", &[("AMOUNT", 2)]),
            ("3,1.25,31.01.2026,\"c\nd\"\n4,1.255,2026-03-02,\n", &[("AMOUNT", 2), ("DAY", 1)]),
            ("3,2026-01-31,,\n4,5.00,,\n,,2026-01-31T10:00:00,\n", &[("AMOUNT", 1), ("DAY", 3)]),
            ("\"\",,,\n,\"1.00\",,\n 1,,,\n", &[("ID", 3)]),
        ] {
            let text = format!("ID,AMOUNT,DAY,NOTE\n{rows}");
            let expected: Vec<_> = expected.iter().map(|(name, row)| ((*name).to_owned(), *row)).collect();
            for cut in [1, 5, 1_000] {
                assert_eq!(misfits(seen(csv(), &text, &known, cut)), expected, "{text} in pieces of {cut}");
            }
        }
        let lines = after(RowFormat::Ndjson, "{\"Id\":1,\"At\":\"2026-01-31\"}\n");
        let text = "{\"Id\":2,\"At\":null}\n\n{\"Id\":\"3\",\"New\":1}\n{\"Id\":4.5}\n";
        assert_eq!(misfits(seen(RowFormat::Ndjson, text, &lines, 3)), [("Id".to_owned(), 2)]);
    }

    /// Nothing is said of a column whose name is that of another in another table.
    #[test]
    fn of_two_columns_of_one_name_nothing_is_expected() {
        let texts = ["A,B\n1,2\n", "A,C,D\n2026-01-31,x,7\n"];
        let seen = texts.map(|text| seen(csv(), text, &KnownColumns::default(), 100));
        let both = KnownColumns::default().held_against(&Tables::from(seen.to_vec()));
        let known = KnownColumns::of(both.tables, Vec::new(), Vec::new(), None);
        assert!(known.takes("A", &ValueKind::Text) && !known.takes("B", &ValueKind::Text));
    }
}
