#![doc = include_str!("../README.md")]

mod column;
mod error;
mod moment;
mod number;
mod reading;
mod schema;
mod values;
mod writer;

#[cfg(test)]
mod tests;

pub use column::{ColumnKind, TypedColumn, typed_columns};
pub use error::ParquetError;
pub use reading::{TextColumn, read_texts};
pub use writer::RowWriter;
