//! The tables that are seen in what lands, where columns are looked at: kept as it lands, for whoever goes on.

use std::sync::{Arc, Mutex, PoisonError};

use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::rows::{BrokenRecords, RowCount, Table, TableId, Tables};

/// The tables that have been seen so far in one file: of what has landed, and perhaps of what lands anew, which makes no
/// difference to them.
#[derive(Debug, Clone)]
pub(crate) struct SeenTables {
    are_looked_at: bool,
    /// The form in which a table's rows land: what has landed in another is none.
    of_form: Option<JobForm>,
    tables: Arc<Mutex<Tables>>,
}

/// What was counted of an object's content.
#[derive(Debug, Default)]
pub(crate) struct CountedRows {
    pub rows: Option<u64>,
    pub broken_records: Option<Box<BrokenRecords>>,
    pub table: Option<TableId>,
}

impl SeenTables {
    /// None yet; `are_observed` says whether there will be any in a form that does not need them.
    pub(crate) fn new(are_observed: bool, form: JobForm) -> Self {
        let of_form = Some(form).filter(|form| form.is_for_tables());
        Self { are_looked_at: are_observed || of_form.is_some(), of_form, tables: Arc::default() }
    }

    /// Whether columns are looked at.
    pub(crate) fn are_looked_at(&self) -> bool {
        self.are_looked_at
    }

    /// Those that there are.
    pub(crate) fn all(&self) -> Tables {
        self.with(|tables| tables.clone())
    }

    /// Adds what somebody has seen before.
    pub(crate) fn join(&self, others: &Tables) {
        self.with(|tables| tables.join(others));
    }

    /// What was counted of content that has landed in a form under a key, whose table is added.
    pub(crate) fn counted(&self, rows: Option<RowCount>, form: JobForm, key: &str) -> CountedRows {
        let Some(RowCount { rows, broken_records, table }) = rows else { return CountedRows::default() };
        let mut table = table.filter(|_| self.of_form.is_none_or(|of_form| of_form == form));
        let columns = table.iter_mut().flat_map(|table| &mut table.columns);
        columns
            .filter_map(|column| column.misfit.as_mut())
            .for_each(|misfit| key.clone_into(&mut misfit.key));
        table.iter().for_each(|table| self.with(|tables| tables.add(table)));
        let table = table.as_deref().map_or_else(TableId::none, Table::id);
        CountedRows { rows: Some(rows), broken_records, table: self.are_looked_at.then_some(table) }
    }

    /// The tables of a file that has landed as these objects, if all that has rows was looked at. It was not where that was
    /// asked for only meanwhile: what is known of a part of the values would be taken for what all of them are.
    pub(crate) fn of_whole(&self, mut objects: impl Iterator<Item = LandedObject>) -> Option<Tables> {
        // Where columns are not looked at, nobody goes through the objects for that.
        let tables = Some(self.all()).filter(|tables| !tables.is_empty())?;
        objects.all(|object| object.rows.is_none() || object.table.is_some()).then_some(tables)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tables) -> T) -> T {
        act(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
