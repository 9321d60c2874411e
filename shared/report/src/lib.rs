#![doc = include_str!("../README.md")]

mod dashboard;
mod facts;
mod job;
mod page;
mod plot;
mod requests;
mod stages;
#[cfg(test)]
mod tests;
mod words;

pub use dashboard::dashboard_page;
pub use facts::{
    ColumnFacts, DashboardFacts, ExportFacts, FailureFacts, FileFacts, JobFacts, LandedFacts, LastGood,
    LogExcerpt, NextStep, Progress, ReportLink, Schema, TableFacts, WatermarkFacts,
};
pub use job::job_page;
pub use requests::Requests;
