//! A sweep on one machine: what `sweep` finds lands, one job after the other.

use ::sweep::{SweepEvent, Swept, ToLand};
use landfall::event::JobEvent;
use landfall::job::DestinationName;
use landfall::{Result, Step};
use uuid::Uuid;

use crate::arguments::{Sweep, as_word};
use crate::machine::LocalRuntime;
use crate::run;

/// On this machine's own store nothing is given time: what is done twice at worst, the locks keep whole.
const NO_GRACE: u64 = 0;

/// Finds what is to land.
pub(crate) async fn find(machine: &LocalRuntime, arguments: &Sweep) -> Result<Swept> {
    machine.progress().stage(format!("sweeping {}", arguments.connection));
    let mut event = SweepEvent {
        connection: arguments.connection.clone(),
        exports: arguments.exports.clone(),
        destination: arguments.destination.clone(),
        since: arguments.since,
        grace_seconds: ::sweep::EXECUTION_ENDS,
        asked_by: Uuid::new_v4().to_string(),
    };
    if machine.keeps_state() {
        event.grace_seconds = NO_GRACE;
    }
    run::step(machine, Step::Sweep, &event, ::sweep::sweep).await
}

/// The event that lands a job.
pub(crate) fn job_event(job: ToLand) -> JobEvent {
    let ToLand { connection, job_request_id, destination } = job;
    JobEvent { connection, job_request_id, destination: Some(destination) }
}

/// The exit code of a sweep, before anything lands: a job that failed at the source is a failure, told once, and so is
/// one that cannot be looked at.
pub(crate) fn exit_code(swept: &Swept) -> u8 {
    u8::from(!swept.failed.is_empty() || !swept.problems.is_empty())
}

/// The command that lands the occurrences of a recurring request.
pub(crate) fn command(job: &JobEvent, export: &str, destination: &DestinationName, options: &str) -> String {
    format!(
        "landfall sweep {} --export {} --destination {destination}{options}",
        job.connection,
        as_word(export)
    )
}
