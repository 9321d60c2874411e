//! What is kept of a job, which its manifest is held against: the receipts of its files, and how it ended.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::clock::elapsed;
use landfall::context::Context;
use landfall::job::{ExpectedRows, FileList, JobRecord, JobState, LandedObject, Outcome};
use landfall::state::{JobObjects, WorkState, keys};
use landfall::{Error, Result};

use crate::finding::Finding;

/// After so long nobody is at work on a run any more: the deadline of the state machine's execution.
const EXECUTION_ENDS: Duration = Duration::from_secs(86_400);

/// Whether a job without a manifest has had one: it is remembered as landed, or all of its files have been unpacked, and
/// what is needed until it has landed is deleted, or nobody who would write the manifest is at work any more.
pub(crate) async fn had_landed(
    context: &Context,
    work: &WorkState,
    record: &JobRecord,
    objects: &JobObjects,
) -> Result<bool> {
    if is_remembered(context, work, record).await? {
        return Ok(true);
    }
    let Some(list) = work.files(&objects.job).await? else { return Ok(false) };
    if list.files.len() != objects.unpacked.len() {
        return Ok(false);
    }
    let is_tidied = objects.bodies == 0 && !objects.unpacked.is_empty();
    let is_left = elapsed(record.since, context.clock().now()) > EXECUTION_ENDS && record.failure.is_none();
    Ok(is_tidied || is_left)
}

async fn is_remembered(context: &Context, work: &WorkState, record: &JobRecord) -> Result<bool> {
    let Ok(spec) = context.spec(&record.export) else { return Ok(false) };
    let key = keys::history(&record.connection, spec.as_ref(), &record.destination);
    let history = work.history(&key).await?;
    Ok(history.jobs.iter().any(|past| past.job_request_id == record.job_request_id))
}

/// What is kept of a landed job. All of it may have been deleted by now: then it says nothing.
pub(super) struct Kept<'a> {
    /// What the receipts say has landed, in the manifest's order; none where one is missing.
    receipts: Option<BoxStream<'a, Result<LandedObject>>>,
    /// Where receipts are missing.
    gone: Vec<String>,
    outcome: Option<Outcome>,
    rows: Option<DataRows>,
}

impl<'a> Kept<'a> {
    pub(super) async fn of(work: &'a WorkState, objects: &'a JobObjects) -> Result<Self> {
        let files = work.files(&objects.job).await?;
        let outcome = work.outcome(&objects.job).await?;
        let listed = files.iter().flat_map(|list| &list.files).map(|file| file.ordinal);
        let gone = listed.filter(|ordinal| !objects.unpacked.contains(ordinal));
        let gone: Vec<String> =
            gone.map(|ordinal| work.store().object(&keys::receipt(&objects.job, ordinal))).collect();
        let are_there = gone.is_empty() && !objects.unpacked.is_empty();
        let receipts = are_there.then(|| receipts(work, objects));
        Ok(Self { receipts, gone, outcome, rows: files.as_ref().and_then(DataRows::of) })
    }

    /// In what an object differs from the one that landed in its place.
    pub(super) async fn differs_from(&mut self, object: &LandedObject) -> Result<Option<String>> {
        if let Some(rows) = &mut self.rows {
            rows.add(object);
        }
        let Some(receipts) = &mut self.receipts else { return Ok(None) };
        let landed = receipts.try_next().await?;
        Ok(match landed {
            Some(landed) if landed.key != object.key => {
                Some(format!("it names {} where {} has landed", object.key, landed.key))
            }
            Some(landed)
                if (landed.size, landed.crc64nvme, landed.rows)
                    != (object.size, object.crc64nvme, object.rows) =>
            {
                Some(format!("what it says of {} is not what has landed", object.key))
            }
            Some(_) => None,
            None => Some(format!("it names {}, which has not landed", object.key)),
        })
    }

    /// What the manifest does not name.
    pub(super) async fn rest(&mut self) -> Result<Option<String>> {
        let Some(receipts) = &mut self.receipts else { return Ok(None) };
        Ok(receipts
            .try_next()
            .await?
            .map(|landed| format!("it does not name {}, which has landed", landed.key)))
    }

    /// In what the job's end differs from what the manifest says of it.
    pub(super) fn ended_otherwise(
        &self,
        state: JobState,
        native_status: &str,
        message: Option<&str>,
    ) -> Option<String> {
        let outcome = self.outcome.as_ref()?;
        let is_the_same = outcome.state == state
            && outcome.native_status == native_status
            && outcome.message.as_deref() == message;
        let Outcome { native_status, .. } = outcome;
        (!is_the_same).then(|| format!("how the job ended is not what it says: as {native_status}"))
    }

    /// The source's own count beside the manifest's, where it counts what landfall counts and they differ.
    pub(super) fn count_differs(&self) -> Option<Finding> {
        let manifest = self.rows.as_ref()?.counted?;
        match self.outcome.as_ref()?.expected_rows? {
            ExpectedRows::Exactly(source) if source != manifest => {
                Some(Finding::CountDiffers { source, manifest })
            }
            // Of what it is not established what it counts, the manifest itself warns.
            ExpectedRows::Exactly(_) | ExpectedRows::Claimed(_) => None,
        }
    }

    /// The receipts that are missing.
    pub(super) fn gone(self) -> impl Iterator<Item = Finding> {
        self.gone.into_iter().map(|object| Finding::ReceiptGone { object })
    }
}

fn receipts<'a>(work: &'a WorkState, objects: &'a JobObjects) -> BoxStream<'a, Result<LandedObject>> {
    let files = stream::iter(objects.unpacked.iter().copied().map(Ok::<_, Error>));
    let receipts = files.and_then(async |ordinal| {
        let receipt = work.receipt(&objects.job, ordinal).await?;
        Ok(receipt.map_or_else(|| stream::empty().boxed(), |receipt| receipt.map_err(Error::from).boxed()))
    });
    receipts.try_flatten().boxed()
}

/// The rows of what is data: those that a source counts.
struct DataRows {
    logs: HashSet<String>,
    /// None once there is an object whose rows nobody counts.
    counted: Option<u64>,
}

impl DataRows {
    /// None where it cannot be told by its file's name whether an object is data.
    fn of(list: &FileList) -> Option<Self> {
        let (logs, data): (Vec<_>, Vec<_>) = list.files.iter().partition(|file| file.is_log);
        let logs: HashSet<String> = logs.into_iter().map(|file| file.name.clone()).collect();
        let is_clear = !data.iter().any(|file| logs.contains(&file.name));
        is_clear.then_some(Self { logs, counted: Some(0) })
    }

    fn add(&mut self, object: &LandedObject) {
        if !self.logs.contains(&object.file) {
            let counted = self.counted.zip(object.rows_at_source());
            self.counted = counted.map(|(before, rows)| before.saturating_add(rows));
        }
    }
}
