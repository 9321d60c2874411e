//! Which rows an increment has.
//!
//! A watermark says up to when an export's increments have landed. It names, beside that moment, the windows that
//! runs have been given since; one of them counts once its run's manifest is there, which the next run looks for.
//! So the watermark moves with the manifest, and by nothing else: a run that fails, or is never gone on with, leaves
//! its rows to the next.
//!
//! No row is lost: a window begins before the end of what has landed, by the overlap. A row is in two increments only
//! if its time lies in that overlap, or if a run was begun while the one before it had not landed.

use std::future::ready;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use landfall::context::Context;
use landfall::contract::{Increments, Source};
use landfall::event::RunEvent;
use landfall::job::Window;
use landfall::state::{Change, GivenWindow, Watermark, keys};
use landfall::{Error, Result};

/// A watermark this far ahead of the clock was set by a clock that was wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The window of a run: the one that it was given before, or the next.
pub(crate) async fn window(
    context: &Context,
    event: &RunEvent,
    source: &dyn Source,
    increments: Increments,
) -> Result<Window> {
    if let Some(given) = given(&increments) {
        return Ok(given);
    }
    // Rows carry the source's time: a clock of ours that is ahead of it would leave a gap.
    let now = context.clock().now();
    let now = source.time().await?.map_or(now, |theirs| theirs.min(now));
    let key = watermark_key(context, event)?;
    let give = |there| give(context, event, &increments, now, &key, there);
    context.work().await?.update(&key, context.clock().as_ref(), give).await
}

/// The window that a run would be given now, by this machine's clock.
pub(crate) async fn would_be(context: &Context, event: &RunEvent, increments: Increments) -> Result<Window> {
    if let Some(given) = given(&increments) {
        return Ok(given);
    }
    let (now, key) = (context.clock().now(), watermark_key(context, event)?);
    let keep = |there| async {
        let (Change::Keep(window) | Change::Write(_, window)) =
            give(context, event, &increments, now, &key, there).await?;
        Ok(Change::<Watermark, _>::Keep(window))
    };
    context.work().await?.update(&key, context.clock().as_ref(), keep).await
}

/// The window that the event names, where it names one.
fn given(increments: &Increments) -> Option<Window> {
    let (from, until) = increments.given?;
    Some(Window { field: increments.field.clone(), from, until, overlap_until: None })
}

/// What of a watermark changes when a run is given its window.
async fn give(
    context: &Context,
    event: &RunEvent,
    increments: &Increments,
    now: Timestamp,
    key: &str,
    there: Option<Watermark>,
) -> Result<Change<Watermark, Window>> {
    let mut watermark =
        there.unwrap_or_else(|| Watermark::new(event.export.clone(), event.destination.clone()));
    if let Some(given) = watermark.given.iter().find(|given| given.run_key == event.run_key) {
        return Ok(Change::Keep(given.window.clone()));
    }
    move_on(context, event, &mut watermark).await?;
    must_not_be_ahead(&watermark, now, key)?;
    let window = next(&watermark, increments, now);
    watermark.given.push(GivenWindow { run_key: event.run_key.clone(), window: window.clone() });
    Ok(Change::Write(watermark, window))
}

/// Takes a window back that was given to a run which surely has no job.
pub(crate) async fn give_back(context: &Context, event: &RunEvent) -> Result<()> {
    let key = watermark_key(context, event)?;
    let take_back = |there: Option<Watermark>| {
        let Some(mut watermark) = there else { return ready(Ok(Change::Keep(()))) };
        watermark.given.retain(|given| given.run_key != event.run_key);
        ready(Ok(Change::Write(watermark, ())))
    };
    context.work().await?.update(&key, context.clock().as_ref(), take_back).await
}

fn watermark_key(context: &Context, event: &RunEvent) -> Result<String> {
    let export = context.spec(&event.export)?;
    Ok(keys::watermark(&event.connection, export.as_ref(), &event.destination))
}

/// The window behind what has landed.
fn next(watermark: &Watermark, increments: &Increments, now: Timestamp) -> Window {
    let landed_until = watermark.landed_until;
    let end = back(now, increments.lag);
    Window {
        field: increments.field.clone(),
        from: landed_until.map(|until| back(until, increments.overlap)).or(increments.initial_from),
        until: landed_until.map_or(end, |until| until.max(end)),
        // What runs under way have been given may land, too.
        overlap_until: watermark.given.iter().map(|given| given.window.until).chain(landed_until).max(),
    }
}

fn must_not_be_ahead(watermark: &Watermark, now: Timestamp, key: &str) -> Result<()> {
    match watermark.landed_until.filter(|until| until.duration_since(now) > AHEAD) {
        None => Ok(()),
        Some(until) => Err(Error::conflict(format!(
            "{key} says that the rows up to {until} have landed, but it is {now}: a clock was wrong then, or is now; \
             correct the clock, or landed_until in that object"
        ))),
    }
}

/// Moves the watermark up to the last window that has landed. What ends before that has nothing to move any more.
async fn move_on(context: &Context, event: &RunEvent, watermark: &mut Watermark) -> Result<()> {
    watermark.given.sort_by_key(|given| given.window.until);
    for position in (0..watermark.given.len()).rev() {
        let Some(given) = watermark.given.get(position) else { continue };
        if has_landed(context, event, given).await? {
            watermark.landed_until = watermark.landed_until.max(Some(given.window.until));
            watermark.given.drain(..=position);
            break;
        }
    }
    Ok(())
}

/// Whether the manifest of the run that was given a window is there.
async fn has_landed(context: &Context, event: &RunEvent, given: &GivenWindow) -> Result<bool> {
    let run = context.work().await?.run(&event.connection, &given.run_key).await?;
    let Some((run, _)) = run.filter(|(run, _)| run.window.as_ref() == Some(&given.window)) else {
        return Ok(false);
    };
    let Some(landing_prefix) = run.landing_prefix else { return Ok(false) };
    context.has_landed(&run.destination, &landing_prefix).await
}

fn back(moment: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    moment.checked_sub(by).unwrap_or(Timestamp::MIN)
}
