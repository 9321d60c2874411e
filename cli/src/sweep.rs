//! A sweep on one machine: what `sweep` finds lands, one job after the other.

use std::collections::VecDeque;

use ::sweep::{NextPage, SweepEvent, Swept, ToLand};
use jiff::Timestamp;
use landfall::event::JobEvent;
use landfall::job::{ConnectionName, DestinationName};
use landfall::{Result, Step};
use publish::Published;
use uuid::Uuid;

use crate::arguments::{Sweep, as_word};
use crate::machine::LocalRuntime;
use crate::run;

/// On this machine's own store nothing is given time: what is done twice at worst, the locks keep whole.
const NO_GRACE: u64 = 0;

/// What a sweep looks for.
pub(crate) fn event(machine: &LocalRuntime, arguments: &Sweep) -> SweepEvent {
    SweepEvent {
        connection: arguments.connection.clone(),
        exports: arguments.exports.clone(),
        destination: arguments.destination.clone(),
        since: arguments.since,
        grace_seconds: if machine.keeps_state() { NO_GRACE } else { ::sweep::EXECUTION_ENDS },
        asked_by: Uuid::new_v4().to_string(),
        told: Vec::new(),
        after: None,
        allow_empty: arguments.allow_empty,
        again: arguments.again,
    }
}

/// Finds what is to land, or goes on with that: `next` is of what was found before, and has been reported.
pub(crate) async fn find(
    machine: &LocalRuntime,
    event: &SweepEvent,
    next: Option<NextPage>,
) -> Result<Swept> {
    machine.progress().stage(format!("sweeping {}", event.connection));
    let (after, told) = next.map(|NextPage { after, told }| (after, told)).unzip();
    let event = SweepEvent { after, told: told.unwrap_or_default(), ..event.clone() };
    run::step(machine, Step::Sweep, &event, ::sweep::sweep).await
}

/// Jobs that land one after the other, and none of which waits for another: one whose source is not ready is set aside
/// until it has had its time.
pub(crate) struct Landing {
    jobs: VecDeque<JobEvent>,
    set_aside: Vec<(Timestamp, JobEvent)>,
}

impl Landing {
    pub(crate) fn of(jobs: Vec<ToLand>) -> Self {
        let jobs = jobs.into_iter().map(|ToLand { connection, job_request_id, destination }| JobEvent {
            connection,
            job_request_id,
            destination: Some(destination),
        });
        Self { jobs: jobs.collect(), set_aside: Vec::new() }
    }

    /// The job that is to be tried next; waited for, where all that are left have been set aside.
    pub(crate) async fn next(&mut self, machine: &LocalRuntime) -> Option<JobEvent> {
        if let Some(job) = self.jobs.pop_front() {
            return Some(job);
        }
        let clock = machine.context().clock();
        let first = self.set_aside.iter().map(|(until, _)| *until).min()?;
        clock.sleep(landfall::clock::elapsed(clock.now(), first)).await;
        let set_aside = std::mem::take(&mut self.set_aside);
        let (due, later): (Vec<_>, Vec<_>) = set_aside.into_iter().partition(|(until, _)| *until <= first);
        self.set_aside = later;
        self.jobs.extend(due.into_iter().map(|(_, job)| job));
        self.jobs.pop_front()
    }

    /// Lands a job as far as it goes now; nothing where it is set aside.
    pub(crate) async fn land(&mut self, machine: &LocalRuntime, job: &JobEvent) -> Result<Option<Published>> {
        let Some(wait) = run::fetch_now(machine, job).await? else {
            return run::resume(machine, job).await.map(Some);
        };
        let now = machine.context().clock().now();
        self.set_aside.push((now.checked_add(wait).unwrap_or(Timestamp::MAX), job.clone()));
        Ok(None)
    }
}

/// The exit code of a sweep, before anything lands: a job that failed at the source is a failure, told once, and so is
/// one that cannot be looked at.
pub(crate) fn exit_code(swept: &Swept) -> u8 {
    u8::from(!swept.failed.is_empty() || !swept.problems.is_empty())
}

/// The command that lands the occurrences of a recurring request, which was submitted at this time: a source's list goes
/// back further, and the files of old jobs are gone.
pub(crate) fn command(
    connection: &ConnectionName,
    export: &str,
    destination: &DestinationName,
    submitted_at: Timestamp,
    options: &str,
) -> String {
    let since = submitted_at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "landfall sweep {connection} --export {} --destination {destination} --since {since}{options}",
        as_word(export)
    )
}
