//! What is known of all exports: the runs and jobs that `status` shows, each with its export.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use landfall::job::{ConnectionName, DestinationName, ExportName, JobRef, JobRequestId};
use landfall::state::{PastJob, WorkState, keys};
use landfall::{Error, Result};
use landfall_report::{DashboardFacts, ExportFacts, FailureFacts, LastGood, NextStep, ReportLink};
use landfall_systems::SYSTEMS;
use url::Url;

use crate::arguments::LocalOptions;
use crate::machine::LocalRuntime;
use crate::status::{self, JobView, State};

/// An export by what tells it from others: its connection, kind, name and destination.
type Name = (String, String, String, Option<String>);

/// Reads what there is, and changes nothing.
pub(super) async fn facts(machine: &LocalRuntime, options: &LocalOptions) -> Result<DashboardFacts> {
    let work = machine.context().work().await?;
    machine.progress().stage("looking at all exports");
    let mut exports: BTreeMap<Name, Gathered> = BTreeMap::new();
    status::each(machine, options, |view| {
        let name = (
            view.connection.to_string(),
            view.export.kind.clone(),
            view.export.name.clone(),
            view.destination.as_ref().map(ToString::to_string),
        );
        exports.entry(name).or_insert_with(|| Gathered::of(&view)).add(view);
    })
    .await?;
    let mut facts = DashboardFacts {
        now: machine.context().clock().now(),
        place: work.store().object("").trim_end_matches('/').to_owned(),
        exports: Vec::new(),
    };
    for gathered in exports.into_values() {
        facts.exports.push(gathered.facts(machine, &work).await?);
    }
    Ok(facts)
}

/// What has been seen of an export so far.
struct Gathered {
    connection: ConnectionName,
    export: ExportName,
    destination: Option<DestinationName>,
    /// Jobs that have landed: the newest of them.
    landed: BTreeMap<(Timestamp, JobRequestId), bool>,
    under_way: usize,
    failures: Vec<FailureFacts>,
}

/// So many jobs of an export are remembered, whatever has become of the others.
const REMEMBERED: usize = 10;

impl Gathered {
    fn of(view: &JobView) -> Self {
        Self {
            connection: view.connection.clone(),
            export: view.export.clone(),
            destination: view.destination.clone(),
            landed: BTreeMap::new(),
            under_way: 0,
            failures: Vec::new(),
        }
    }

    fn add(&mut self, view: JobView) {
        match (view.state, view.job_request_id.clone()) {
            (State::Landed | State::LandedPartly, Some(id)) => {
                self.landed.insert((view.since, id), view.state == State::LandedPartly);
                if self.landed.len() > REMEMBERED {
                    self.landed.pop_first();
                }
            }
            (State::Failed | State::Refused | State::NeedsPerson | State::WaitingForSource, _) => {
                self.failures.push(failure(view));
            }
            (State::Released | State::Expired, _) => {}
            _ => self.under_way += 1,
        }
    }

    async fn facts(mut self, machine: &LocalRuntime, work: &WorkState) -> Result<ExportFacts> {
        let newest =
            self.landed.last_key_value().map(|((since, id), is_partial)| (*since, id.clone(), *is_partial));
        let history = match &newest {
            Some((_, id, _)) => history(work, &self.connection, id).await?,
            None => Vec::new(),
        };
        let landed_at = |id: &JobRequestId| {
            history.iter().find(|past| past.job_request_id == *id).map(|past| past.landed_at)
        };
        let last_good = newest.map(|(since, id, is_partial)| LastGood {
            at: landed_at(&id).unwrap_or(since),
            job_request_id: id,
            is_partial,
        });
        self.failures.sort_by_key(|failure| std::cmp::Reverse(failure.since));
        let link = |((since, id), _): (&(Timestamp, JobRequestId), &bool)| ReportLink {
            job_request_id: id.clone(),
            since: *since,
            href: href(machine, &JobRef { connection: self.connection.clone(), job_request_id: id.clone() }),
        };
        let reports = self.landed.iter().rev().map(link).collect();
        let Self { connection, export, destination, under_way, failures, .. } = self;
        Ok(ExportFacts { connection, export, destination, last_good, under_way, failures, history, reports })
    }
}

/// What helps, or comes next.
pub(super) fn next_step(view: &JobView) -> Option<NextStep> {
    let next = view.next.as_ref()?;
    Some(NextStep { what: next.what.clone(), command: next.command.clone() })
}

fn failure(view: JobView) -> FailureFacts {
    let next = next_step(&view);
    let (since, times, error) = match (&view.failure, &view.outage, &view.next) {
        (Some(failure), ..) => {
            let error = format!("{}: {}: {}", failure.step, failure.error, failure.message);
            (failure.since, failure.times, error)
        }
        (None, Some(outage), _) => (outage.since, 1, outage.error.clone()),
        (None, None, Some(next)) => (view.since, 1, next.what.clone()),
        (None, None, None) => (view.since, 1, String::new()),
    };
    FailureFacts {
        run_key: view.run_key,
        job_request_id: view.job_request_id,
        state: status::in_words(view.state),
        since,
        times,
        error,
        next,
    }
}

/// The last jobs of the export of this one; none where a later release has written what it exports.
async fn history(work: &WorkState, connection: &ConnectionName, id: &JobRequestId) -> Result<Vec<PastJob>> {
    let job = JobRef { connection: connection.clone(), job_request_id: id.clone() };
    let Some(record) = work.job(&job).await.map_err(Error::from)? else { return Ok(Vec::new()) };
    let Ok(spec) = SYSTEMS.spec(&record.export) else { return Ok(Vec::new()) };
    let key = keys::history(connection, spec.as_ref(), &record.destination);
    Ok(work.history(&key).await?.jobs)
}

/// Where a job's report can be opened, which is on this machine.
fn href(machine: &LocalRuntime, job: &JobRef) -> Option<String> {
    let path: PathBuf = std::path::absolute(machine.kept_file(&keys::report(job))?).ok()?;
    Url::from_file_path(path).ok().map(String::from)
}
