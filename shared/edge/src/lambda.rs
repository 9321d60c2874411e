//! The edge to AWS Lambda: an event in, a result or a named error out.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use landfall::clock::{Clock, Deadline, SystemClock};
use landfall::context::Context;
use landfall::job::JobRef;
use landfall::metrics::Measured;
use landfall::{Error, Result, Step, Systems, event};

use crate::metrics::Metrics;
use crate::telemetry;

/// The longest that Lambda lets an invocation last.
const MAX_INVOCATION: Duration = Duration::from_secs(900);

/// Serves a step until Lambda ends the process. Clients and tokens live as long as it does.
pub async fn serve<Event, Output>(
    step: &'static str,
    systems: &'static Systems,
    run: impl AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
) -> std::result::Result<(), lambda_runtime::Error>
where
    Event: DeserializeOwned,
    Output: Serialize + Measured,
{
    telemetry::log_json();
    let metrics = Metrics::from_environment(step);
    let context = OnceCell::new();
    let handler = async |invocation: LambdaEvent<Value>| {
        let clock = Arc::new(SystemClock);
        let ends_at = ends_at(invocation.context.deadline, clock.now());
        let deadline = Deadline::at(ends_at, Arc::clone(&clock) as Arc<dyn Clock>);
        let outcome = async {
            let context = context.get_or_try_init(|| Context::from_environment(systems)).await?;
            // On the heap: a step's future is large, and the runtime's layers would each hold it by value.
            let job = JobRef::deserialize(&invocation.payload);
            let outcome = Box::pin(run(context, event::parse(invocation.payload)?, &deadline)).await;
            if let (Err(error), Some(step), Ok(job)) = (&outcome, Step::named(step), job) {
                Box::pin(context.note_failure(step, &job, error)).await;
            }
            outcome
        };
        let outcome = outcome.await;
        match &outcome {
            Ok(answer) => metrics.tell_answer(answer, clock.now()),
            Err(error) => {
                log_failure(error);
                metrics.tell_failure(error, clock.now());
            }
        }
        outcome.map_err(|error| diagnostic(&error))
    };
    lambda_runtime::run(service_fn(|invocation: LambdaEvent<Value>| {
        let span = span(step, &invocation.payload);
        handler(invocation).instrument(span)
    }))
    .await
}

/// A failure as its execution and its notification show it: with what to do about failures of this name.
fn diagnostic(error: &Error) -> Diagnostic {
    let name = error.error_type();
    Diagnostic {
        error_type: name.name().to_owned(),
        error_message: format!("{}; what to do: {}", error.line(), name.remedy()),
    }
}

/// When an invocation that begins now must have ended, from the milliseconds since 1970 that the runtime is given.
///
/// A moment that has passed already is no deadline: `cargo lambda watch` sends a constant from 1970.
fn ends_at(millis: u64, now: Timestamp) -> Timestamp {
    let given = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    given.filter(|at| *at > now).unwrap_or_else(|| now + MAX_INVOCATION)
}

/// The span of one invocation: what its log lines have in common. What its event does not say is filled in once
/// it is known, see [`landfall::observer::name_job`].
pub fn span(step: &'static str, event: &Value) -> tracing::Span {
    let field = |name: &str| event.get(name).and_then(Value::as_str);
    tracing::info_span!(
        "step",
        step,
        connection = field("connection"),
        job_request_id = field("job_request_id"),
        run_key = field("run_key"),
    )
}

/// Logs a failure, once, at the edge.
pub fn log_failure(error: &Error) {
    tracing::error!(
        error.r#type = error.error_type().name(),
        error.retryable = error.retryable(),
        error.message = error.line(),
        "the step failed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall::ErrorType;

    /// Whoever sees a failure sees what to do, in the same line; the name stays what a `Retry` matches.
    #[test]
    fn a_failure_says_what_to_do() {
        let shown = diagnostic(&Error::throttled("429 from the pod"));
        assert_eq!(shown.error_type, "Throttled");
        let (message, remedy) = shown.error_message.split_once("; what to do: ").unwrap();
        assert_eq!((message, remedy), ("429 from the pod", ErrorType::Throttled.remedy()));
        assert!(!shown.error_message.contains('\n'));
    }

    /// Promise 6: an invocation's time is what Lambda says; what cannot be a deadline leaves it all the time there is.
    #[test]
    fn a_deadline_that_has_passed_is_none() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        assert_eq!(ends_at(1_795_000_030_000, now), now + Duration::from_secs(30));
        for odd in [0, 600_000, u64::MAX] {
            assert_eq!(ends_at(odd, now), now + MAX_INVOCATION, "{odd}");
        }
    }
}
