//! What the work bucket holds, by the keys of its objects: nothing is opened.

use std::collections::BTreeSet;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use landfall_store::ObjectInfo;

use super::{Result, WorkState, keys};
use crate::job::{ConnectionName, JobRef, RunKey};

/// What is kept of a job, as its keys tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobObjects {
    /// The job.
    pub job: JobRef,
    /// Whether it is recorded what was asked for.
    pub has_record: bool,
    /// Whether it is recorded how it ended.
    pub has_outcome: bool,
    /// Whether the list of its output files is frozen.
    pub has_files: bool,
    /// The files whose staged record is there: they count.
    pub staged: BTreeSet<u32>,
    /// The files whose receipt is there: they are unpacked.
    pub unpacked: BTreeSet<u32>,
    /// How many files' own bytes are there, counting or not.
    pub bodies: u64,
    /// The bytes of those.
    pub body_bytes: u64,
    /// The files of which it is noted how far their unpacking is.
    pub unpacking: BTreeSet<u32>,
    /// How many transfers have checkpoints.
    pub checkpoints: u64,
}

/// What an object below a job's prefix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ObjectKind {
    Record,
    Origin,
    Outcome,
    Files,
    Report,
    Body,
    Staged(u32),
    Receipt(u32),
    Unpacking(u32),
    Checkpoint,
}

impl WorkState {
    /// The connections that have had runs or jobs, by name.
    pub async fn connections(&self) -> Result<BTreeSet<ConnectionName>> {
        let mut names = BTreeSet::new();
        for prefix in [keys::RUNS, keys::JOBS] {
            let mut folders = self.store().list_folders(prefix);
            while let Some(folder) = folders.try_next().await? {
                // What cannot be a connection's name is nothing of ours.
                names.extend(folder.parse::<ConnectionName>().ok());
            }
        }
        Ok(names)
    }

    /// The runs of a connection, in the order of their keys, a page in memory at a time.
    pub fn runs(&self, connection: &ConnectionName) -> BoxStream<'_, Result<RunKey>> {
        self.run_keys(keys::runs(connection))
    }

    /// The runs of a connection that have failed without a job, likewise; they may have one by now.
    pub fn failed_runs(&self, connection: &ConnectionName) -> BoxStream<'_, Result<RunKey>> {
        self.run_keys(keys::failed_runs(connection))
    }

    fn run_keys(&self, prefix: String) -> BoxStream<'_, Result<RunKey>> {
        let listed = self.store().list(&prefix);
        let run_key = move |object: ObjectInfo| {
            object.key.strip_prefix(&prefix)?.strip_suffix(".json")?.parse::<RunKey>().ok()
        };
        listed.try_filter_map(move |object| std::future::ready(Ok(run_key(object)))).boxed()
    }

    /// The jobs of a connection, in the order of their ids, a page of keys and one job in memory at a time.
    pub fn jobs(&self, connection: &ConnectionName) -> BoxStream<'_, Result<JobObjects>> {
        // All keys of a job share a prefix, so a listing has them in one piece.
        let listed = self.store().list(&keys::jobs(connection)).fuse();
        stream::try_unfold((listed, None), async |(mut listed, mut current): (_, Option<JobObjects>)| {
            while let Some(object) = listed.try_next().await? {
                let Some((job, kept)) = parse(&object.key) else { continue };
                match &mut current {
                    Some(current) if current.job == job => current.add(kept, object.size),
                    _ => {
                        let next = JobObjects::with(job, kept, object.size);
                        if let Some(whole) = current.replace(next) {
                            return Ok(Some((whole, (listed, current))));
                        }
                    }
                }
            }
            Ok(current.map(|last| (last, (listed, None))))
        })
        .boxed()
    }

    /// What is kept of one job.
    pub async fn job_objects(&self, job: &JobRef) -> Result<JobObjects> {
        let mut objects = JobObjects::none(job.clone());
        let mut listed = self.store().list(&keys::job(job));
        while let Some(object) = listed.try_next().await? {
            if let Some((_, kept)) = parse(&object.key) {
                objects.add(kept, object.size);
            }
        }
        Ok(objects)
    }
}

impl JobObjects {
    fn none(job: JobRef) -> Self {
        Self {
            job,
            has_record: false,
            has_outcome: false,
            has_files: false,
            staged: BTreeSet::new(),
            unpacked: BTreeSet::new(),
            bodies: 0,
            body_bytes: 0,
            unpacking: BTreeSet::new(),
            checkpoints: 0,
        }
    }

    fn with(job: JobRef, kept: ObjectKind, size: u64) -> Self {
        let mut objects = Self::none(job);
        objects.add(kept, size);
        objects
    }

    fn add(&mut self, kept: ObjectKind, size: u64) {
        match kept {
            ObjectKind::Record => self.has_record = true,
            // Whether they are there says nothing of how far the job is.
            ObjectKind::Origin | ObjectKind::Report => {}
            ObjectKind::Outcome => self.has_outcome = true,
            ObjectKind::Files => self.has_files = true,
            ObjectKind::Body => {
                self.bodies += 1;
                self.body_bytes = self.body_bytes.saturating_add(size);
            }
            ObjectKind::Staged(ordinal) => {
                self.staged.insert(ordinal);
            }
            ObjectKind::Receipt(ordinal) => {
                self.unpacked.insert(ordinal);
            }
            // However many notes there are, they are of one transfer.
            ObjectKind::Unpacking(ordinal) => self.checkpoints += u64::from(self.unpacking.insert(ordinal)),
            ObjectKind::Checkpoint => self.checkpoints += 1,
        }
    }
}

/// What a key of the work bucket is about; `None` for one that landfall does not write below a job's prefix.
fn parse(key: &str) -> Option<(JobRef, ObjectKind)> {
    let (connection, rest) = key.strip_prefix(keys::JOBS)?.split_once('/')?;
    let (job_request_id, rest) = rest.split_once('/')?;
    let job = JobRef { connection: connection.parse().ok()?, job_request_id: job_request_id.parse().ok()? };
    let kept = match rest.split_once('/') {
        None if rest == "job.json" => ObjectKind::Record,
        None if rest == "origin.json" => ObjectKind::Origin,
        None if rest == "outcome.json" => ObjectKind::Outcome,
        None if rest == "files.json" => ObjectKind::Files,
        None if rest == keys::REPORT => ObjectKind::Report,
        Some(("staged", name)) => match name.strip_suffix(".json") {
            Some(ordinal) => ObjectKind::Staged(ordinal.parse().ok()?),
            None => name.parse::<u32>().map(|_| ObjectKind::Body).ok()?,
        },
        Some(("receipts", name)) => ObjectKind::Receipt(name.strip_suffix(".json")?.parse().ok()?),
        Some(("checkpoints", name)) => match name.strip_prefix("unpack/") {
            Some(notes) => ObjectKind::Unpacking(notes.split('/').next()?.parse().ok()?),
            None => ObjectKind::Checkpoint,
        },
        _ => return None,
    };
    Some((job, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> JobRef {
        JobRef { connection: "pod-1".parse().unwrap(), job_request_id: "44046".parse().unwrap() }
    }

    /// Promise 2: whatever key a step writes of a job, it is found again by.
    #[test]
    fn every_key_of_a_job_is_told_by_its_name() {
        let job = job();
        for (key, kept) in [
            (keys::job_record(&job), ObjectKind::Record),
            (keys::origin(&job), ObjectKind::Origin),
            (keys::outcome(&job), ObjectKind::Outcome),
            (keys::files(&job), ObjectKind::Files),
            (keys::report(&job), ObjectKind::Report),
            (keys::staged(&job, 7), ObjectKind::Body),
            (keys::staged_record(&job, 7), ObjectKind::Staged(7)),
            (keys::receipt(&job, 7), ObjectKind::Receipt(7)),
            (keys::fetch_checkpoint(&job, 7), ObjectKind::Checkpoint),
            (format!("{}0/all/000001.json", keys::unpack_checkpoints(&job, 7)), ObjectKind::Unpacking(7)),
            (keys::listing_checkpoint(&job), ObjectKind::Checkpoint),
        ] {
            assert_eq!(parse(&key), Some((job.clone(), kept)), "{key}");
        }
    }

    /// What somebody else put there is no job, and does not become one.
    #[test]
    fn foreign_keys_are_nothing() {
        for key in [
            "jobs/pod-1/44046/notes.txt",
            "jobs/pod-1/44046/staged/seven",
            "jobs/pod-1/44046/staged/7.json.bak",
            "jobs/pod-1/44046/receipts/7",
            "jobs/pod-1/44046/checkpoints/unpack/seven/1.json",
            "jobs/pod-1/job.json",
            "jobs/a b/44046/job.json",
            "runs/pod-1/x.json",
        ] {
            assert_eq!(parse(key), None, "{key}");
        }
    }
}
