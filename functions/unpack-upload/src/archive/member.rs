//! A member that lands alone: ranged read, checks, landed form, upload.
//!
//! Its object becomes visible only once size and CRC-32 hold. Where source and destination are one store, data that
//! lands as the archive keeps it is copied inside the store while it is read and checked here: only the edges travel
//! up.

use landfall::Result;
use landfall::job::LandedObject;
use landfall::rows::Table;

use super::plan::MemberPlan;
use crate::invocation::StopSignal;
use crate::pipeline::{self, Transfer};
use crate::task::Task;

/// How an attempt at a member ended.
enum Attempt {
    Landed(Box<LandedObject>),
    /// It was time to stop first.
    Stopped,
    /// It is compressed already, or no table where those alone are to land otherwise, and is to land as it is.
    IsAsItIs,
}

/// Lands a member; `None` if it was time to stop first.
pub(crate) async fn land(
    task: &Task<'_>,
    plan: &MemberPlan<'_>,
    stop: &StopSignal<'_>,
) -> Result<Option<LandedObject>> {
    let is_copied = plan.copy_range.is_some();
    let attempt = match land_as_planned(task, plan, stop).await {
        // It was not known before that this store does not copy ranges.
        Err(_) if is_copied && !task.landing.store.copies_ranges() => {
            land_as_planned(task, &plan.without_copying(), stop).await
        }
        attempt => attempt,
    };
    match attempt? {
        Attempt::Landed(object) => Ok(Some(*object)),
        Attempt::Stopped => Ok(None),
        // That plan does not ask what it is.
        Attempt::IsAsItIs => Box::pin(land(task, &plan.as_it_is(task), stop)).await,
    }
}

/// What looking through a member has shown.
enum Looked {
    Table(Box<Table>),
    NoTable,
    /// It was time to stop first.
    Stopped,
}

/// Looks through a member, which lands by another reading of it.
async fn look(task: &Task<'_>, plan: &MemberPlan<'_>, stop: &StopSignal<'_>) -> Result<Looked> {
    let encoding = plan.encoding(task);
    let mut decoder = encoding.decoder(&task.landing.destination.limits);
    let looking = pipeline::look(task, plan.member.data_range(), move |mut pieces| {
        encoding.look(&mut decoder, &mut pieces)
    });
    tokio::select! {
        table = Box::pin(looking) => table.map(|table| table.map_or(Looked::NoTable, Looked::Table)),
        () = stop.arrival() => Ok(Looked::Stopped),
    }
}

async fn land_as_planned(task: &Task<'_>, plan: &MemberPlan<'_>, stop: &StopSignal<'_>) -> Result<Attempt> {
    if stop.is_here() {
        return Ok(Attempt::Stopped);
    }
    if plan.is_to_be_looked_at() {
        return match Box::pin(look(task, plan, stop)).await? {
            Looked::Table(table) => Box::pin(land_as_planned(task, &plan.with(table), stop)).await,
            Looked::NoTable => Ok(Attempt::IsAsItIs),
            Looked::Stopped => Ok(Attempt::Stopped),
        };
    }
    let MemberPlan { member, key, max_bytes, copy_range, .. } = plan;
    let mut writer = task.writer(key, *max_bytes);
    let encoding = plan.encoding(task);
    let mut decoder = encoding.decoder(&task.landing.destination.limits);
    let transfer =
        Transfer { range: member.data_range(), max_bytes: *max_bytes, copy_range: copy_range.clone() };
    let encoded = pipeline::run(task, transfer, &mut writer, move |mut pieces, parts| {
        encoding.run(&mut decoder, &mut pieces, parts)
    });
    let encoded = tokio::select! {
        encoded = Box::pin(encoded) => encoded,
        () = stop.arrival() => {
            writer.abandon().await;
            return Ok(Attempt::Stopped);
        }
    };
    match encoded {
        Ok(Some(encoded)) => {
            let landed = encoded.commit(task, writer, key.clone(), Some(member.name())).await?;
            Ok(Attempt::Landed(Box::new(landed)))
        }
        Ok(None) => {
            writer.abandon().await;
            match plan.with_misfit() {
                Some(plan) => Box::pin(land_as_planned(task, &plan, stop)).await,
                None => Ok(Attempt::IsAsItIs),
            }
        }
        Err(error) => {
            writer.abandon().await;
            Err(error)
        }
    }
}
