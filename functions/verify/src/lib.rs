//! Holds what has landed against its manifests.
//!
//! The story: of each connection, the jobs are looked at one by one: the manifest of each that has landed is read, an object
//! at a time, beside the receipts of what landed; each object that it names is looked for, and held against its size and
//! checksum, or read to its last byte; what the source has counted is held against what the manifest counts. Then the jobs
//! of each export are looked at in a row: their increments follow each other without a gap, and have about as many rows as
//! usual. What differs is told by name, and changes nothing.
//!
//! An answer holds what a state machine passes on, and says where to go on. What cannot be looked at is told, too: it is
//! not said to be whole.

mod contract;
mod finding;
mod job;
mod page;
mod series;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use landfall::clock::{Deadline, elapsed};
use landfall::context::Context;
use landfall::job::{ConnectionName, JobRecord, JobRef};
use landfall::manifest::read_tail;
use landfall::state::{JobObjects, WorkState, keys};
use landfall::{Error, Result};

pub use contract::{Found, NextPage, NotSeen, Place, Verified, VerifyEvent, exit_code};
pub use finding::{Finding, losses};
pub use job::{Look, Looked, look_at};
use page::Page;
use series::{Landed, Of, Series, is_backfill};

/// What looking at one job may take.
const ENOUGH_FOR_ONE: Duration = Duration::from_secs(30);

/// So long before the deadline a job is given up that takes longer.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// How many records and manifests are read at once.
const AT_ONCE: usize = 16;

/// Looks at what has landed.
pub async fn verify(context: &Context, event: VerifyEvent, deadline: &Deadline) -> Result<Verified> {
    let work = context.work().await?;
    let connections = connections(&work, &event).await?;
    let began = context.clock().now();
    let event = VerifyEvent { since: event.earliest(began), ..event };
    let mut call = Call { context, work: &work, event: &event, deadline, began, page: Page::default() };
    let mut is_whole = true;
    for (connection, number) in connections.iter().zip(0_u64..) {
        if number > 0 {
            call.page.place = Some(Place { connection: connection.clone(), after: None, in_a_row: false });
        }
        is_whole = call.one_by_one(connection).await? && call.in_a_row(connection).await?;
        if !is_whole {
            break;
        }
    }
    let verified = call.page.end(is_whole);
    tracing::info!(
        complete = verified.complete,
        jobs = verified.jobs,
        findings = verified.findings,
        not_seen.jobs = verified.not_seen.len(),
        not_landed.jobs = verified.not_landed,
        "what has landed was looked at"
    );
    Ok(verified)
}

/// The connections that are asked for, from the one on that is to be gone on with.
async fn connections(work: &WorkState, event: &VerifyEvent) -> Result<Vec<ConnectionName>> {
    let known = work.connections().await?;
    if let Some(unknown) = event.connections.iter().find(|named| !known.contains(*named)) {
        return Err(Error::not_found(format!(
            "no job is known of what is to be verified: connection {unknown} has none; landfall status lists the \
             connections and their jobs"
        )));
    }
    let is_asked_for = |name: &ConnectionName| {
        (event.connections.is_empty() || event.connections.contains(name))
            && event.from.as_ref().is_none_or(|from| *name >= from.connection)
    };
    Ok(known.into_iter().filter(is_asked_for).collect())
}

impl VerifyEvent {
    /// The moment from which on jobs are asked for, where not all are.
    fn earliest(&self, now: Timestamp) -> Option<Timestamp> {
        let days = self.days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        let of_days = days.map(|days| now.checked_sub(days).unwrap_or(Timestamp::MIN));
        self.since.max(of_days)
    }

    /// Whether a job is asked for.
    fn is_about(&self, context: &Context, record: &JobRecord) -> bool {
        self.is_about_export(context, record) && self.since.is_none_or(|since| record.since >= since)
    }

    fn is_about_export(&self, context: &Context, record: &JobRecord) -> bool {
        let is_its = |name: &String| *name == context.systems().name(&record.export);
        self.exports.is_empty() || self.exports.iter().any(is_its)
    }

    fn is_about_job(&self, job: &JobRef) -> bool {
        self.job_request_id.as_ref().is_none_or(|id| *id == job.job_request_id)
    }

    /// How far the connection has been looked at.
    fn place(&self, connection: &ConnectionName) -> Option<&Place> {
        self.from.as_ref().filter(|from| from.connection == *connection)
    }

    /// Whether a job comes in the list behind the ones that have been looked at.
    fn is_ahead(&self, job: &JobRef) -> bool {
        let after = self.place(&job.connection).and_then(|place| place.after.as_ref());
        let in_list = |id: &str| format!("{id}/");
        after.is_none_or(|after| in_list(job.job_request_id.as_str()) > in_list(after.as_str()))
    }
}

/// One call.
struct Call<'a> {
    context: &'a Context,
    work: &'a WorkState,
    event: &'a VerifyEvent,
    deadline: &'a Deadline,
    began: Timestamp,
    page: Page,
}

/// A job's objects in the work bucket, and its record.
type Recorded = (JobObjects, Result<Option<JobRecord>>);

impl Call<'_> {
    /// Looks at the connection's jobs one by one; whether at all of them.
    async fn one_by_one(&mut self, connection: &ConnectionName) -> Result<bool> {
        let (work, event) = (self.work, self.event);
        if event.place(connection).is_some_and(|place| place.in_a_row) {
            return Ok(true);
        }
        let ahead = |objects: &JobObjects| event.is_about_job(&objects.job) && event.is_ahead(&objects.job);
        let mut jobs = recorded(work, connection, ahead);
        while let Some((objects, record)) = jobs.try_next().await? {
            if self.is_over() || !self.job(&objects, record).await? {
                return Ok(false);
            }
            self.page.place = Some(Place {
                connection: connection.clone(),
                after: Some(objects.job.job_request_id),
                in_a_row: false,
            });
        }
        self.page.place = Some(Place { connection: connection.clone(), after: None, in_a_row: true });
        Ok(true)
    }

    /// Looks at one job; whether there was the time and the room for it.
    async fn job(&mut self, objects: &JobObjects, record: Result<Option<JobRecord>>) -> Result<bool> {
        let (context, event) = (self.context, self.event);
        let record = match record {
            Ok(Some(record)) if event.is_about(context, &record) => record,
            Ok(_) => return Ok(true),
            Err(error) => return Ok(self.page.add_not_seen(context, &objects.job, None, &error)),
        };
        let look = look_at(context, self.work, &record, objects, event.read);
        let look = tokio::select! {
            biased;
            look = look => look,
            () = self.deadline.wait_until_within(GIVEN_UP) => match self.page.place.is_some() {
                true => return Ok(false),
                false => Err(takes_too_long(&record)),
            },
        };
        Ok(match look {
            Ok(Look::NotLanded) => self.page.add_not_landed(),
            Ok(Look::Landed(looked)) => self.page.add_landed(context, &record, *looked),
            Err(error) => self.page.add_not_seen(context, &objects.job, Some(&record), &error),
        })
    }

    /// Whether the rest is for another call. In each, something is looked at.
    fn is_over(&self) -> bool {
        let passed = elapsed(self.began, self.context.clock().now());
        let is_to_answer =
            self.event.answer_after_seconds.is_some_and(|seconds| passed >= Duration::from_secs(seconds));
        self.page.place.is_some() && (is_to_answer || self.deadline.is_within(ENOUGH_FOR_ONE))
    }

    /// Looks at the connection's jobs in a row; whether there was the time for it.
    async fn in_a_row(&mut self, connection: &ConnectionName) -> Result<bool> {
        if self.event.job_request_id.is_some() {
            return Ok(true);
        }
        if self.is_over() && self.page.has_looked() {
            return Ok(false);
        }
        for found in self.series(connection).await?.findings() {
            self.page.add_in_series(self.context, &found.record, found.finding);
        }
        Ok(true)
    }

    /// The exports' jobs, of those exports that have one that is asked for.
    async fn series(&self, connection: &ConnectionName) -> Result<Series> {
        let (context, work, event) = (self.context, self.work, self.event);
        let mut exports = BTreeMap::<Of, (bool, Vec<(JobObjects, JobRecord)>)>::new();
        let mut jobs = recorded(work, connection, |_| true);
        while let Some((objects, record)) = jobs.try_next().await? {
            // One that cannot be read is told of by itself.
            let Ok(Some(record)) = record else { continue };
            if event.is_about_export(context, &record) {
                let (is_needed, jobs) = exports.entry(of(context, &record)).or_default();
                *is_needed |= event.is_about(context, &record) || is_backfill(&record);
                jobs.push((objects, record));
            }
        }
        let mut series = Series::default();
        for (of, (_, jobs)) in exports.into_iter().filter(|(_, (is_needed, _))| *is_needed) {
            let looks = jobs.into_iter().map(|(objects, record)| async move {
                let landed = landed(context, work, &record, &objects).await;
                (record, landed)
            });
            let mut looks = stream::iter(looks).buffered(AT_ONCE);
            while let Some((record, landed)) = looks.next().await {
                let is_asked_for = event.is_about(context, &record);
                series.add(of.clone(), record, landed, is_asked_for);
            }
        }
        Ok(series)
    }
}

fn takes_too_long(record: &JobRecord) -> Error {
    let JobRecord { connection, job_request_id, .. } = record;
    Error::limit_exceeded(format!(
        "{} takes longer to look at than an invocation lasts: landfall verify {connection} {job_request_id} looks at it \
         from a machine",
        record.job()
    ))
}

/// The jobs of a connection with their records, in the order of their ids.
fn recorded<'a>(
    work: &'a WorkState,
    connection: &'a ConnectionName,
    is_wanted: impl Fn(&JobObjects) -> bool + 'a,
) -> stream::LocalBoxStream<'a, Result<Recorded>> {
    work.jobs(connection)
        .map_err(Error::from)
        .try_filter(move |objects| std::future::ready(is_wanted(objects)))
        .map_ok(move |objects| async move {
            let record = work.job(&objects.job).await.map_err(Error::from);
            Ok((objects, record))
        })
        .try_buffered(AT_ONCE)
        .boxed_local()
}

/// What a job is of: its rows are told apart as by its watermark and its history.
fn of(context: &Context, record: &JobRecord) -> Of {
    let JobRecord { connection, export, destination, .. } = record;
    let name = format!("{} {} {destination}", export.kind(), context.systems().name(export));
    let rows = context.spec(export).map(|spec| keys::history(connection, spec.as_ref(), destination));
    Of { name, rows: rows.unwrap_or_default() }
}

/// What has become of a job, as far as its series goes. One that cannot be looked at is no gap: that is told of by itself.
async fn landed(context: &Context, work: &WorkState, record: &JobRecord, objects: &JobObjects) -> Landed {
    let looked = async {
        let landing = context.landing(&record.destination).await?.store;
        Ok::<_, Error>(match read_tail(&landing, &keys::manifest(&record.landing_prefix)).await? {
            Some(tail) => Landed::With(tail.totals.rows),
            None => match job::had_landed(context, work, record, objects).await? {
                true => Landed::With(None),
                false => Landed::Not,
            },
        })
    };
    looked.await.unwrap_or(Landed::With(None))
}
