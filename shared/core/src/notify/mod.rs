//! Telling others what becomes of runs: webhooks of connections and destinations, and a collector of `OpenLineage`'s events.
//!
//! A step tells at its edge, once what it tells of is kept: the job's record, the failure, the manifest. Behind that a
//! mark is kept for each who was told, so that a step that is called again does not tell again; whoever is interrupted
//! between the two tells twice. Telling is worth less than what is told: it takes no longer than a few seconds, and where
//! somebody cannot be told, that is logged, once, and nothing else comes of it.

mod fact;
mod forms;
mod lineage;
mod message;
mod post;
mod receivers;
mod tell;

pub use message::{NOTIFICATION_VERSION, Notification, NotifiedFailure, NotifiedLanding};
pub use receivers::check;
pub use tell::{FreshLanding, failed_job, failed_run, landed, submitted};
