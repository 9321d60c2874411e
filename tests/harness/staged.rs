//! Files of a test's own, put where a job would have fetched them to.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use landfall::checksum::Hasher;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::{FileEvent, JobEvent};
use landfall::export::Export;
use landfall::job::{FileList, JobRecord, JobState, Outcome, OutputFile, StagedFile};
use landfall_store::Condition;
use landfall_systems::local::LocalFile;

use crate::World;

fn files(names: &[&str]) -> Vec<OutputFile> {
    let file = |(name, ordinal): (&&str, u32)| OutputFile {
        ordinal,
        name: (*name).to_owned(),
        size: None,
        sha256: None,
        locator: None,
        is_log: false,
    };
    names.iter().zip(0..).map(file).collect()
}

/// The job whose files are staged where nothing is said.
const USUAL: &str = "1";

/// The event of the job whose files are staged here.
pub fn event() -> JobEvent {
    event_of(USUAL)
}

/// The event of a job by its id.
pub fn event_of(id: &str) -> JobEvent {
    JobEvent {
        connection: "local".parse().expect("a name"),
        job_request_id: id.parse().expect("an id"),
        destination: Some("lake".parse().expect("a name")),
    }
}

/// Puts files where a job would have fetched them to.
pub async fn stage(context: &Context, named: &[(&str, &[u8])]) {
    stage_for(context, USUAL, named).await;
}

/// The same for a job by its id. It lands below `forms/<id>/`.
pub async fn stage_for(context: &Context, id: &str, named: &[(&str, &[u8])]) {
    let (work, event) = (context.work().await.expect("a store that works"), event_of(id));
    let destination = event.destination.clone().expect("a destination");
    let settings = context.landing(&destination).await.expect("a store that works").destination;
    let since = "2026-11-21T06:00:00Z".parse().expect("a moment");
    let export = LocalFile::named("forms");
    let record = JobRecord {
        connection: event.connection.clone(),
        job_request_id: event.job_request_id.clone(),
        landing_prefix: format!("forms/{id}/"),
        form: settings.job_form(),
        export: Export::of(&export),
        destination,
        run_key: None,
        window: None,
        since,
        usual_seconds: None,
        outage: None,
        failure: None,
        notice: None,
        overcome: Vec::new(),
    };
    work.record_job(record).await.expect("a store that works");
    let outcome = Outcome {
        state: JobState::Succeeded,
        native_status: "READ".to_owned(),
        message: None,
        expected_rows: None,
        observed_at: None,
        since,
    };
    work.record_outcome(&event.job(), outcome).await.expect("a store that works");
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    let path = context.export_path(&Export::of(&export));
    let newest = work.newest_schema_number(&event.connection, &path).await.expect("a store that works");
    let schema_version = newest.filter(|_| settings.job_form().is_for_tables());
    let list = FileList { schema_version, ..files(&names).into() };
    work.freeze_files(&event.job(), list).await.expect("a store that works");
    for ((name, bytes), ordinal) in named.iter().zip(0..) {
        let mut hasher = Hasher::new(true);
        hasher.update(bytes);
        let sums = hasher.finish();
        let key = landfall::state::keys::staged(&event.job(), ordinal);
        work.store().put(&key, bytes.to_vec().into(), Condition::Always).await.expect("a store that works");
        let staged = StagedFile {
            ordinal,
            name: (*name).to_owned(),
            size: sums.size,
            crc64nvme: sums.crc64nvme,
            sha256: sums.sha256.expect("a SHA-256"),
            unverified: None,
            place: None,
        };
        work.record_staged(&event.job(), staged).await.expect("a store that works");
    }
}

/// Unpacks one of them.
pub async fn unpack(context: &Context, ordinal: u32) -> landfall::Result<unpack_upload::Unpacked> {
    unpack_for(context, USUAL, ordinal).await
}

/// Unpacks one of the files of a job by its id.
pub async fn unpack_for(
    context: &Context,
    id: &str,
    ordinal: u32,
) -> landfall::Result<unpack_upload::Unpacked> {
    unpack_until(context, id, ordinal, &Deadline::none(Arc::clone(context.clock()))).await
}

/// Unpacks one of them as one invocation that must have ended after so long.
pub async fn unpack_within(
    context: &Context,
    ordinal: u32,
    time: SignedDuration,
) -> landfall::Result<unpack_upload::Unpacked> {
    let clock = Arc::clone(context.clock());
    let ends_at = clock.now().saturating_add(time).expect("a moment");
    unpack_until(context, USUAL, ordinal, &Deadline::at(ends_at, clock)).await
}

async fn unpack_until(
    context: &Context,
    id: &str,
    ordinal: u32,
    deadline: &Deadline,
) -> landfall::Result<unpack_upload::Unpacked> {
    let JobEvent { connection, job_request_id, destination } = event_of(id);
    let event = FileEvent { connection, job_request_id, destination, ordinal };
    Box::pin(unpack_upload::unpack_file(context, event, deadline)).await
}

/// Unpacks one of them by a context's own clock, as an invocation with this deadline.
pub async fn unpack_by(
    context: &Context,
    ordinal: u32,
    deadline: &Deadline,
) -> landfall::Result<unpack_upload::Unpacked> {
    unpack_until(context, USUAL, ordinal, deadline).await
}

/// Publishes a job by its id.
pub async fn publish_for(context: &Context, id: &str) -> landfall::Result<publish::Published> {
    publish::publish(context, event_of(id), &Deadline::none(Arc::clone(context.clock()))).await
}

/// Lands the staged files, of which there are so many; the manifest, and what has landed beside it.
pub async fn land_staged(world: &World, count: u32) -> (publish::Manifest, BTreeMap<String, Vec<u8>>) {
    for ordinal in 0..count {
        assert!(unpack(&world.context, ordinal).await.expect("what can be unpacked").complete);
    }
    publish_for(&world.context, USUAL).await.expect("what has all been unpacked");
    let mut landed = world.landed().await;
    landed.remove("forms/1/_manifest.json").expect("a manifest");
    landed.retain(|key, _| !key.contains("/_schema/"));
    let (_, manifest) = world.manifests().await.pop_first().expect("a manifest");
    assert_eq!(manifest.totals.bytes, landed.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    (manifest, landed)
}
