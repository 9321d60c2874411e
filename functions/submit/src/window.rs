//! Which rows an increment has.
//!
//! A watermark says up to when an export's increments have landed. It names, beside that moment, the windows that
//! runs have been given since; one of them counts once its run's manifest is there, which the next run looks for.
//! So the watermark moves with the manifest, and by nothing else: a run that fails, or is never gone on with, leaves
//! its rows to the next.
//!
//! No row is lost: a window begins before the end of what has landed, by the overlap. A row is in two increments only
//! if its time lies in that overlap, or if a run was begun while the one before it had not landed.

use jiff::{SignedDuration, Timestamp};
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::job::{JobRef, Window};
use landfall::source::Increments;
use landfall::store::{GivenWindow, Watermark, keys};
use landfall::{Error, Result};

/// How often a watermark that others are changing is tried to be changed.
const TRIES: usize = 20;

/// The window of a run: the one that it was given before, or the next.
pub(crate) async fn window(context: &Context, event: &RunEvent, increments: Increments) -> Result<Window> {
    let Increments { field, overlap, lag, initial_from, given } = increments;
    if let Some((from, until)) = given {
        return Ok(Window { field, from, until, overlap_until: None });
    }
    let work = context.work().await?;
    let key = keys::watermark(&event.connection, &event.export, &event.destination);
    for _ in 0..TRIES {
        let (mut watermark, etag) = match work.watermark(&key).await? {
            Some((watermark, etag)) => (watermark, Some(etag)),
            None => (Watermark::new(event.export.clone(), event.destination.clone()), None),
        };
        if let Some(given) = watermark.given.iter().find(|given| given.run_key == event.run_key) {
            return Ok(given.window.clone());
        }
        for given in std::mem::take(&mut watermark.given) {
            if has_landed(context, event, &given).await? {
                watermark.landed_until = watermark.landed_until.max(Some(given.window.until));
            } else {
                watermark.given.push(given);
            }
        }
        let landed_until = watermark.landed_until;
        // What ends where others have landed before has nothing to move any more.
        watermark.given.retain(|given| Some(given.window.until) > landed_until);
        let now = back(context.clock().now(), lag.try_into().unwrap_or_default());
        let window = Window {
            field: field.clone(),
            from: landed_until
                .map(|until| back(until, overlap.try_into().unwrap_or_default()))
                .or(initial_from),
            until: landed_until.map_or(now, |until| until.max(now)),
            overlap_until: landed_until,
        };
        watermark.given.push(GivenWindow { run_key: event.run_key.clone(), window: window.clone() });
        if work.write_watermark(&key, &watermark, etag.as_deref()).await? {
            return Ok(window);
        }
    }
    Err(Error::store_unavailable(format!("{key} keeps changing: call again")))
}

/// Whether the manifest of the run that was given a window is there.
async fn has_landed(context: &Context, event: &RunEvent, given: &GivenWindow) -> Result<bool> {
    let work = context.work().await?;
    let Some((run, _)) = work.run(&event.connection, &given.run_key).await? else { return Ok(false) };
    let Some(job_request_id) = run.job_request_id else { return Ok(false) };
    let job = JobRef { connection: event.connection.clone(), job_request_id };
    let Some(job) = work.job(&job).await? else { return Ok(false) };
    let landing = context.landing(&job.destination).await?;
    Ok(landing.store.head(&format!("{}{}", job.landing_prefix, keys::MANIFEST)).await?.is_some())
}

fn back(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_sub(by).unwrap_or(Timestamp::MIN)
}
