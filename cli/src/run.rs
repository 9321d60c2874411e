//! The run on one machine: the same functions in the same order as the state machine's.
//!
//! ```text
//! submit ---> poll-status <--wait--+
//!                  |  \____________|
//!                  v
//!             fetch-files          until it is complete
//!                  |  |  |
//!         unpack-upload, one a file, several at once, each as soon as its file is staged
//!                  |
//!               publish, and what the landed job no longer needs is deleted
//!                  |
//!             fetch-files          once more, where the source wants to know that the job has landed
//! ```

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures::{FutureExt as _, StreamExt as _, future};
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::event::{FileEvent, JobEvent, RunEvent};
use landfall::failure::{self, About};
use landfall::job::JobState;
use landfall::step::MAX_RETURNS;
use landfall::{ErrorType, Result, Step};
use poll_status::Polled;
use publish::Published;
use serde::Serialize;
use submit::{OperatorAnswer, Submitted};
use tracing::Instrument as _;

use crate::machine::LocalRuntime;
use crate::retry::retrying;
use crate::tidy;

/// How many files are unpacked at once: each brings several members of its own.
const FILES_AT_ONCE: usize = 3;

/// What a run comes to.
pub(crate) enum Ran {
    /// Its job has landed.
    Landed(Published),
    /// Its job is a recurring request, which the source has: the occurrences are jobs of their own.
    Recurring,
}

/// Lands a run; `job` holds its job as soon as that is known.
///
/// `answer` is what a person has found out about a run whose submission had no known outcome.
pub(crate) async fn run(
    machine: &LocalRuntime,
    event: RunEvent,
    answer: Option<OperatorAnswer>,
    job: &OnceLock<JobEvent>,
) -> Result<Ran> {
    machine.progress().stage(format!("submitting run {}", event.run_key));
    let (event, submitted) = submit(machine, event, answer).await?;
    let event = job.get_or_init(|| event);
    if submitted.recurring {
        return Ok(Ran::Recurring);
    }
    let landing = async {
        match submitted.landed {
            true => publish(machine, event).await,
            false => land(machine, event, submitted.wait_seconds).await,
        }
    };
    landing.await.map(Ran::Landed)
}

/// Submits a run's job, or finds the one that it has.
pub(crate) async fn submit(
    machine: &LocalRuntime,
    event: RunEvent,
    answer: Option<OperatorAnswer>,
) -> Result<(JobEvent, Submitted)> {
    let _lock = machine.lock_run(&event).await?;
    if let Some(answer) = answer {
        Box::pin(submit::settle(machine.context(), &event, answer, machine.deadline())).await?;
    }
    let submitted = step(machine, Step::Submit, &event, submit::submit).await?;
    let (connection, job_request_id) = (event.connection, submitted.job_request_id.clone());
    Ok((JobEvent { connection, job_request_id, destination: None }, submitted))
}

/// Continues a job from wherever it stands.
pub(crate) async fn resume(machine: &LocalRuntime, event: &JobEvent) -> Result<Published> {
    machine.progress().stage(format!("checking {}", event.job()));
    match has_landed(machine.context(), event).await? {
        true => publish(machine, event).await,
        false => land(machine, event, 0).await,
    }
}

/// Fetches what a job's source gives now; for how long to leave it alone, where it has not everything ready. Nothing is
/// waited for.
pub(crate) async fn fetch_now(machine: &LocalRuntime, event: &JobEvent) -> Result<Option<Duration>> {
    machine.progress().stage(format!("checking {}", event.job()));
    if has_landed(machine.context(), event).await? {
        return Ok(None);
    }
    let polled = step(machine, Step::PollStatus, event, poll_status::poll_status).await?;
    if polled.state == JobState::Running {
        return Ok(polled.wait_seconds.map(Duration::from_secs));
    }
    if let Some(failure) = polled.failure(&event.job()) {
        return Err(failure);
    }
    let _at_work = machine.at_work_on(&event.job()).await?;
    loop {
        let fetched = step(machine, Step::FetchFiles, event, fetch_files::fetch_all).await?;
        if fetched.complete || fetched.wait_seconds.is_some() {
            return Ok(fetched.wait_seconds.map(Duration::from_secs));
        }
    }
}

/// Whether the job's manifest is there.
async fn has_landed(context: &Context, event: &JobEvent) -> Result<bool> {
    let job = context.job(event).await?;
    context.has_landed(&job.destination, &job.landing_prefix).await
}

/// Lands a job. What is gone when a step needs it, a staged file or an object that has landed, is made again.
async fn land(machine: &LocalRuntime, event: &JobEvent, first_wait_seconds: u64) -> Result<Published> {
    poll_until_ended(machine, event, first_wait_seconds).await?;
    let mut returns = 0;
    loop {
        let at_work = machine.at_work_on(&event.job()).await?;
        let unpacked = fetch_and_unpack(machine, event).await;
        drop(at_work);
        let published = match unpacked {
            Ok(()) => {
                machine.progress().stage("publishing the manifest");
                publish(machine, event).await
            }
            Err(error) => Err(error),
        };
        match published {
            // How often that may be is counted where the damage is noted.
            Err(error) if error.error_type() == ErrorType::Damaged => machine.progress().say(&error.line()),
            Err(error) if error.error_type() == ErrorType::NotFound && returns < MAX_RETURNS => {
                returns += 1;
                machine.progress().say(&format!("{}; going back to the files", error.line()));
            }
            published => return published,
        }
    }
}

/// Unpacks each file as soon as it is staged, while others are fetched. After a failure no file is begun any more; what is
/// under way comes to its own end, so that nothing of it is left lying about, and what has been fetched is there for whoever
/// goes on.
async fn fetch_and_unpack(machine: &LocalRuntime, event: &JobEvent) -> Result<()> {
    let failed = AtomicBool::new(false);
    let (ready, staged) = mpsc::unbounded();
    let (fetched, unpacked) = futures::join!(
        async {
            let fetched = fetch_until_complete(machine, event, ready).await;
            failed.fetch_or(fetched.is_err(), Ordering::Relaxed);
            fetched
        },
        unpack(machine, event, staged, &failed)
    );
    fetched.and(unpacked)
}

async fn poll_until_ended(machine: &LocalRuntime, event: &JobEvent, first_wait_seconds: u64) -> Result<()> {
    machine.progress().stage(format!("waiting for {}", event.job()));
    wait(machine, Some(first_wait_seconds)).await;
    let mut is_asked = true;
    loop {
        let polled = step(machine, Step::PollStatus, event, poll_status::poll_status).await?;
        if polled.state.lands() {
            return Ok(());
        }
        if let Some(failure) = polled.failure(&event.job()) {
            return Err(failure);
        }
        let was_asked = std::mem::replace(&mut is_asked, polled.native_status != poll_status::NOT_ASKED);
        match (&polled.message, was_asked, is_asked) {
            (Some(why), true, false) => {
                machine
                    .progress()
                    .say(&format!("waiting until {} can be asked again: {why}", event.connection));
            }
            _ => machine.progress().at(&progress(&polled)),
        }
        wait(machine, polled.wait_seconds).await;
    }
}

/// Fetches the files, and says of each that it can be unpacked.
async fn fetch_until_complete(
    machine: &LocalRuntime,
    event: &JobEvent,
    ready: UnboundedSender<u32>,
) -> Result<()> {
    machine.progress().stage("fetching files");
    let tell = |ordinal| {
        // Whoever unpacks listens until this one is dropped.
        let _ = ready.unbounded_send(ordinal);
    };
    let fetch_files = async |context: &Context, event, deadline: &Deadline| {
        fetch_files::fetch_all_and_tell(context, event, deadline, &tell).await
    };
    loop {
        let fetched = step(machine, Step::FetchFiles, event, &fetch_files).await?;
        if fetched.complete {
            machine.progress().stage_of_unpacking();
            return Ok(());
        }
        if fetched.wait_seconds.is_some() {
            machine.progress().at("waiting for the source to provide the remaining files");
        }
        wait(machine, fetched.wait_seconds).await;
    }
}

/// Unpacks the files that are told of, each once.
async fn unpack(
    machine: &LocalRuntime,
    event: &JobEvent,
    staged: UnboundedReceiver<u32>,
    failed: &AtomicBool,
) -> Result<()> {
    let unpack = async |ordinal: u32| {
        if failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let unpacked = unpack_until_complete(machine, event, ordinal).await;
        failed.fetch_or(unpacked.is_err(), Ordering::Relaxed);
        unpacked
    };
    let mut told = HashSet::new();
    let each_once = staged.filter(|ordinal| future::ready(told.insert(*ordinal)));
    let mut unpacking = each_once.map(unpack).buffer_unordered(FILES_AT_ONCE);
    let mut outcome = Ok(());
    while let Some(unpacked) = unpacking.next().await {
        outcome = outcome.and(unpacked);
    }
    outcome
}

async fn unpack_until_complete(machine: &LocalRuntime, event: &JobEvent, ordinal: u32) -> Result<()> {
    let JobEvent { connection, job_request_id, destination } = event.clone();
    let file = FileEvent { connection, job_request_id, ordinal, destination };
    while !step(machine, Step::UnpackUpload, &file, unpack_upload::unpack_file).await?.complete {}
    Ok(())
}

/// Publishes the manifest, or finds the one that is there, and tidies up behind the job.
async fn publish(machine: &LocalRuntime, event: &JobEvent) -> Result<Published> {
    let published = step(machine, Step::Publish, event, publish::publish).await?;
    tidy::tidy(machine, event).await;
    if published.notify_source {
        notify_source(machine, event).await;
    }
    Ok(published)
}

/// Has the source told that the job has landed, which stays so whatever becomes of that.
async fn notify_source(machine: &LocalRuntime, event: &JobEvent) {
    machine.progress().stage(format!("telling {} that the job has landed", event.connection));
    if let Err(error) = step(machine, Step::FetchFiles, event, fetch_files::fetch_all).await {
        tracing::warn!(
            error = error.line(),
            "whether the source was told that the job has landed is not known"
        );
    }
}

/// Calls a function, again where that can help. What it fails over is kept for whoever looks.
pub(crate) async fn step<Event: Clone + Serialize, Output>(
    machine: &LocalRuntime,
    step: Step,
    event: &Event,
    function: impl AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
) -> Result<Output> {
    let (context, deadline) = (machine.context(), machine.deadline());
    let fields = serde_json::to_value(event).unwrap_or_default();
    let (span, about) = (landfall_edge::span(step, &fields), About::event(&fields));
    let call = async || {
        // On the heap, and its type forgotten: a step's future is large, and of a type to match.
        let called = function(context, event.clone(), deadline).boxed_local().await;
        if let Err(error) = &called {
            failure::note(context, step, &about, error).await;
        }
        called
    };
    let outcome = retrying(context.clock().as_ref(), machine.progress(), step, call).instrument(span).await;
    if outcome.as_ref().is_err_and(|error| error.retryable()) {
        failure::gave_up(context, step, &about).await;
    }
    outcome
}

async fn wait(machine: &LocalRuntime, seconds: Option<u64>) {
    machine.context().clock().sleep(Duration::from_secs(seconds.unwrap_or(0))).await;
}

fn progress(polled: &Polled) -> String {
    match polled.progress {
        Some(percent) => format!("{}, {percent:.0} %", polled.native_status),
        None => polled.native_status.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far a job is, where the source says so.
    #[test]
    fn a_poll_is_reported_in_the_sources_words() {
        let mut running = Polled {
            state: JobState::Running,
            native_status: "RUNNING".to_owned(),
            progress: None,
            message: None,
            wait_seconds: None,
            running_seconds: None,
        };
        assert_eq!(progress(&running), "RUNNING");
        running.progress = Some(41.6);
        assert_eq!(progress(&running), "RUNNING, 42 %");
    }
}
