//! landfall

pub mod archive;
pub mod rows;
