//! The step fetch-files.
