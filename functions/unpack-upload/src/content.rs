//! What is counted of content as it passes, whatever it becomes.

use std::sync::Arc;

use landfall::Result;
use landfall::observer::Observer;
use landfall::rows::RowCounter;

use crate::task::Task;

/// Content as it passes.
pub(crate) struct Content {
    rows: Option<RowCounter>,
    observer: Arc<dyn Observer>,
}

impl Content {
    /// The content of a file or member of this name.
    pub(crate) fn named(task: &Task<'_>, name: &str) -> Self {
        let settings = task.landing.destination.row_settings();
        Self {
            rows: task.export.row_format(name, settings).map(RowCounter::new),
            observer: Arc::clone(task.context.observer()),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn inspect(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(rows) = &mut self.rows {
            rows.push(bytes)?;
        }
        self.observer.unpacked(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// The rows that it had, where they are counted.
    pub(crate) fn rows(self) -> Result<Option<u64>> {
        Ok(self.rows.map(RowCounter::finish).transpose()?.flatten())
    }
}
