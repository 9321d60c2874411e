//! Oracle Fusion Data Extraction: submitted to `saas-batch`, polled there, its files fetched from there.

mod batch;
mod boss;
mod export;
mod files;
mod lenient;
mod source;
mod status;
#[cfg(test)]
mod tests;

pub use self::export::{
    Definition, FusionExtract, Group, Interval, InvalidTimeOfDay, Mode, Recurrence, Schedule, TimeOfDay,
    TimeUnit,
};
pub use self::source::FusionExtractSource;
