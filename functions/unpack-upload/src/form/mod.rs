//! The landed forms: what becomes of a member's data on its way into the parts of an object. One module a form.
//!
//! A form either takes the data as the archive keeps it ([`MemberEncoder`]: `raw` and `gzip` of what is deflated
//! already), or only the content ([`ContentEncoder`]: everything else, and files that are no archives). A further form
//! is one more [`ContentEncoder`].
//!
//! The bytes depend on the content alone, never on the pieces that it came in.

mod blocks;
mod encoder;
mod gzip;
mod parquet;
mod raw;
mod zstd;

use std::sync::Arc;

use landfall::form::{JobForm, LandedForm};
use landfall::rows::{RowCount, RowFormat, Table};
use landfall::schema::KnownColumns;
use landfall::{Error, Result};
use landfall_store::MIN_PART_BYTES;
use landfall_zip::{Member, Method};

use crate::parts::CopyRange;
use crate::task::Task;
use blocks::InBlocks;
use encoder::Recoded;
pub(crate) use encoder::{ContentDigest, ContentEncoder, MemberEncoder, decode};
use parquet::{ExpectedRows, KeptRows, KnownRows, Rows};
pub(crate) use parquet::{KEPT_BYTES, TableRows, is_table};

/// Makes of a member what it becomes in a form.
pub(crate) fn member_encoder(
    form: JobForm,
    member: &Member,
    rows: Option<&RowsToWrite>,
) -> Result<Box<dyn MemberEncoder>> {
    match (form, member.method()) {
        (JobForm::Gzip, Method::Deflated) => Ok(Box::new(gzip::Reframed::default())),
        (JobForm::Raw | JobForm::Gzip, Method::Stored)
        | (JobForm::Gzip | JobForm::Zstd { .. } | JobForm::Parquet { .. }, _) => {
            Ok(Box::new(Recoded(content_encoder(form, member.size(), rows)?)))
        }
        (JobForm::Raw, _) => Ok(Box::new(raw::Inflated)),
    }
}

/// Makes of content of a known size what it becomes in a form.
pub(crate) fn content_encoder(
    form: JobForm,
    size: u64,
    rows: Option<&RowsToWrite>,
) -> Result<Box<dyn ContentEncoder>> {
    match (form, rows) {
        (JobForm::Raw, _) => Ok(Box::new(raw::Unchanged)),
        (JobForm::Gzip, _) => Ok(Box::new(InBlocks::of(gzip::Deflate::new()))),
        (JobForm::Zstd { level }, _) => Ok(Box::new(InBlocks::of(zstd::Frame::new(level, size)?))),
        (JobForm::Parquet { level }, Some(RowsToWrite::Known(rows))) => {
            Ok(Box::new(KnownRows(Some(Rows::of(rows, level)))))
        }
        (JobForm::Parquet { level }, Some(rows @ RowsToWrite::Unknown { format, known, .. }))
            if rows.are_expected(size) =>
        {
            Ok(Box::new(ExpectedRows::of(*format, known, level)))
        }
        (JobForm::Parquet { level }, Some(RowsToWrite::Unknown { format, .. })) => {
            Ok(Box::new(KeptRows { format: *format, level, content: Vec::new() }))
        }
        // Nobody plans it.
        (JobForm::Parquet { .. }, None) => Err(Error::integrity("what has no rows was to become a table")),
    }
}

/// What is known of the rows of content that lands in a form for tables.
#[derive(Debug, Clone)]
pub(crate) enum RowsToWrite {
    /// How they are written, if it is a table, and what is known of the export's columns; which it has is not known yet.
    Unknown {
        format: RowFormat,
        known: Arc<KnownColumns>,
        /// Whether they may be of the types that are known.
        may_fit: bool,
    },
    /// That it is a table, and which columns it has.
    Known(TableRows),
}

/// The form in which content of this name lands, as far as its name says that, and what is known of its rows.
pub(crate) fn of_content(task: &Task<'_>, name: &str) -> (JobForm, Option<RowsToWrite>) {
    match task.job.form.is_for_tables() {
        false => (task.job.form, None),
        true => match task.row_format(name).filter(|format| format.has_columns()) {
            Some(format) => {
                // Which keys lines of JSON have shows only in all of them.
                let may_fit = task.known.are_some() && matches!(format, RowFormat::Csv { .. });
                let known = Arc::clone(&task.known);
                (task.job.form, Some(RowsToWrite::Unknown { format, known, may_fit }))
            }
            None => (JobForm::Raw, None),
        },
    }
}

impl RowsToWrite {
    /// Whether content of a size has to be looked through, for its columns, before it is written.
    pub(crate) fn are_to_be_looked_at(&self, size: u64) -> bool {
        matches!(self, Self::Unknown { may_fit: false, .. }) && size > KEPT_BYTES
    }

    /// Whether content of a size is written by the types that are known, as long as all values fit.
    pub(crate) fn are_expected(&self, size: u64) -> bool {
        matches!(self, Self::Unknown { may_fit: true, .. }) && size > KEPT_BYTES
    }

    /// The same, of content of which something does not fit the types that are known.
    pub(crate) fn with_misfit(&self) -> Self {
        match self {
            Self::Unknown { format, known, .. } => {
                Self::Unknown { format: *format, known: Arc::clone(known), may_fit: false }
            }
            Self::Known(_) => self.clone(),
        }
    }

    /// The same, of content that has been looked through, and has this table.
    pub(crate) fn with(&self, table: Box<Table>) -> Self {
        Self::Known(TableRows { format: self.format(), table: self.typed(table) })
    }

    /// How the rows are written.
    pub(crate) fn format(&self) -> RowFormat {
        match self {
            Self::Unknown { format, .. } => *format,
            Self::Known(rows) => rows.format,
        }
    }

    /// What was counted of the rows, with their columns and the types that these are written by.
    pub(crate) fn complete(&self, counted: RowCount) -> RowCount {
        let table = match self {
            Self::Unknown { .. } => counted.table.map(|table| self.typed(table)),
            Self::Known(rows) => Some(rows.table.clone()),
        };
        RowCount { table, ..counted }
    }

    fn typed(&self, mut table: Box<Table>) -> Box<Table> {
        if let Self::Unknown { known, .. } = self {
            known.give_types(&mut table);
        }
        table
    }
}

/// So many bytes of a member are held while it lands together with others; where it does not, more than there are.
pub(crate) fn held_bytes(form: JobForm, member: &Member) -> u64 {
    match form {
        JobForm::Parquet { .. } if member.size() > KEPT_BYTES => u64::MAX,
        JobForm::Parquet { .. } => member.size(),
        _ => max_member_bytes(form, member),
    }
}

/// What an encoder of a form takes in memory beside its parts, while it makes an object of content of a size.
pub(crate) fn working_bytes(form: JobForm, size: u64) -> u64 {
    match form {
        JobForm::Parquet { .. } => parquet::WORKING_BYTES.min(parquet::max_bytes(size)),
        JobForm::Raw | JobForm::Gzip | JobForm::Zstd { .. } => 0,
    }
}

/// The most bytes that a member can become in a form.
pub(crate) fn max_member_bytes(form: JobForm, member: &Member) -> u64 {
    match (form, member.method()) {
        (JobForm::Gzip, Method::Deflated) => gzip::framed_bytes(member.compressed_size()),
        _ => max_bytes(form, member.size()),
    }
}

/// The most bytes that content of a size can become in a form.
pub(crate) fn max_bytes(form: JobForm, size: u64) -> u64 {
    match form {
        JobForm::Raw => size,
        JobForm::Gzip => gzip::max_bytes(size),
        JobForm::Zstd { .. } => zstd::max_bytes(size),
        JobForm::Parquet { .. } => parquet::max_bytes(size),
    }
}

/// What is recorded of an object in a form: the form and its content's size, where it is not the content itself.
pub(crate) fn recorded(form: JobForm, content_bytes: u64) -> (Option<LandedForm>, Option<u64>) {
    match form.name() {
        LandedForm::Raw => (None, None),
        name => (Some(name), Some(content_bytes)),
    }
}

/// What of a member's data the store can copy by itself, as it lands as the archive keeps it: all of it, or all but
/// the first part, which begins with a frame's header.
pub(crate) fn copy_range(form: JobForm, member: &Member) -> Option<CopyRange> {
    let header_bytes = match (form, member.method()) {
        (JobForm::Raw, Method::Stored) => 0,
        (JobForm::Gzip, Method::Deflated) => gzip::HEADER.len(),
        _ => return None,
    };
    let before = if header_bytes == 0 { 0 } else { MIN_PART_BYTES };
    let uploaded = u64::try_from(before - header_bytes).ok()?;
    let data = member.data_range();
    let range = data.start.checked_add(uploaded)?..data.end;
    let bytes = usize::try_from(range.end.checked_sub(range.start)?).unwrap_or(usize::MAX);
    (bytes >= MIN_PART_BYTES).then_some(CopyRange { before, range })
}

#[cfg(test)]
mod tests;
