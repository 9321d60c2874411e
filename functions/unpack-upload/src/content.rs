//! What is counted of content as it passes, whatever it becomes.

use std::sync::Arc;

use landfall::Result;
use landfall::observer::Tally;
use landfall::rows::{Expectations, RowCount, RowCounter, RowFormat};

use crate::task::Task;

/// Content as it passes.
pub(crate) struct Content {
    rows: Option<RowCounter>,
    reported: Reported,
}

/// How much of content has been reported, to be taken back unless an object has become of it.
pub(crate) struct Reported {
    tally: Arc<Tally>,
    bytes: u64,
}

impl Reported {
    /// It has landed.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.tally.take_back(self.bytes);
        }
    }
}

impl Content {
    /// The content of a file or member of this name.
    pub(crate) fn named(task: &Task<'_>, name: &str) -> Self {
        let counter = task.row_format(name).map(|format| match task.tables.are_looked_at() {
            true => RowCounter::new(format).expecting(Arc::clone(&task.known) as Arc<dyn Expectations>),
            false => RowCounter::new(format),
        });
        Self::counted_by(task, counter)
    }

    /// The content of a file or member whose rows are in a format, and whose columns are known.
    pub(crate) fn of_known_columns(task: &Task<'_>, format: RowFormat) -> Self {
        Self::counted_by(task, Some(RowCounter::new(format)))
    }

    fn counted_by(task: &Task<'_>, rows: Option<RowCounter>) -> Self {
        Self { rows, reported: Reported { tally: Arc::clone(&task.tally), bytes: 0 } }
    }

    /// Takes the next bytes.
    pub(crate) fn inspect(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(rows) = &mut self.rows {
            rows.push(bytes)?;
        }
        let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.reported.bytes = self.reported.bytes.saturating_add(bytes);
        self.reported.tally.unpacked(bytes);
        Ok(())
    }

    /// The rows that it had, where they are counted, once all of it has passed; and what was reported of it.
    pub(crate) fn finish(self) -> Result<(Option<RowCount>, Reported)> {
        let rows = self.rows.map(RowCounter::finish).transpose()?.flatten();
        Ok((rows, self.reported))
    }
}
