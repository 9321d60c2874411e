//! What submitting a run would do now. Nothing is written, and of the source nothing is asked.

use landfall::Result;
use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::contract::{PlannedCall, SubmitRequest};
use landfall::event::RunEvent;
use landfall::job::{JobRequestId, Window};

use crate::claim::{PriorClaim, Run, Standing, has_landed};
use crate::window;

/// What would become of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// A job would be submitted: the run has none.
    Submit,
    /// The source would be asked first whether it has the run's job: an earlier submission has no known outcome. The text
    /// says what is known of it.
    FindOrSubmit(Option<String>),
    /// Its job's id follows from the export: whether it is there already, only the source knows.
    SubmitAgain,
    /// Another process is submitting it now, and would be waited for.
    Wait,
    /// It has this job, which would be continued.
    Continue(JobRequestId),
    /// Its job has landed: nothing would be done.
    Nothing(JobRequestId),
}

/// What would become of a run, and by which calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What would become of it.
    pub planned: Planned,
    /// What time its rows would be of, where it is divided by that. As of now, by this machine's clock.
    pub window: Option<Window>,
    /// The calls of its source, in their order: those of a submission only where one may be made. None where it has landed,
    /// or where the source is not called by HTTP.
    pub calls: Vec<PlannedCall>,
}

/// Looks up what [`submit`](crate::submit) would do; what it would refuse before it calls the source is refused here.
pub async fn plan(context: &Context, event: &RunEvent, deadline: &Deadline) -> Result<Plan> {
    let export = context.spec(&event.export)?;
    let event = &RunEvent { export: export.to_export().with_tables_of(&event.export), ..event.clone() };
    let source = context.source(&event.connection).await?;
    source.accepts(&event.export)?;
    let order = |window| SubmitRequest { export: &event.export, run_key: &event.run_key, window };
    if source.is_idempotent() {
        let calls = source.calls(&order(None)).await?;
        return Ok(Plan { planned: Planned::SubmitAgain, window: None, calls });
    }
    let run = Run::of(context, event, deadline).await?;
    let found = run.work.run(&event.connection, &event.run_key).await?.map(|(found, _)| found);
    let standing = run.standing(found.as_ref())?;
    let is_new = matches!(standing, Standing::Free(_));
    let planned = match standing {
        Standing::Submitted(id) => match &found {
            Some(found) if has_landed(context, found).await? => Planned::Nothing(id),
            _ => Planned::Continue(id),
        },
        Standing::Free(PriorClaim::MayHaveSubmitted { why }) => Planned::FindOrSubmit(why),
        Standing::Free(PriorClaim::Nobody | PriorClaim::DiedBeforeItsCall) => Planned::Submit,
        Standing::Taken => Planned::Wait,
    };
    let claimed = match is_new {
        true => run.new_claim(found.as_ref()).window,
        false => found.and_then(|found| found.window),
    };
    let window = match (claimed, source.increments(&event.export).filter(|_| is_new)) {
        (None, Some(increments)) => Some(window::would_be(context, event, increments).await?),
        (claimed, _) => claimed,
    };
    let mut calls = match planned {
        Planned::Nothing(_) => Vec::new(),
        _ => source.calls(&order(window.as_ref())).await?,
    };
    if matches!(planned, Planned::Continue(_)) {
        calls.retain(|call| !call.submits);
    }
    Ok(Plan { planned, window, calls })
}
