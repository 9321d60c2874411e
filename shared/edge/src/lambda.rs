//! The edge to AWS Lambda: an event in, a result or a named error out.

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use landfall::clock::Deadline;
use landfall::context::Context;
use landfall::metrics::Measured;
use landfall::{Error, Result};

use crate::invocation::{Function, MAX_INVOCATION, message};

/// Serves a step until Lambda ends the process.
pub(crate) async fn serve<Event, Output, Run>(
    function: &Function<Run>,
) -> std::result::Result<(), lambda_runtime::Error>
where
    Run: AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
    Event: DeserializeOwned,
    Output: Serialize + Measured,
{
    lambda_runtime::run(service_fn(|invocation: LambdaEvent<Value>| async move {
        let given = invocation.context.deadline;
        let outcome = function.call(invocation.payload, |now| ends_at(given, now)).await;
        outcome.map_err(|error| diagnostic(&error))
    }))
    .await
}

/// A failure as its execution and its notification show it.
fn diagnostic(error: &Error) -> Diagnostic {
    Diagnostic { error_type: error.error_type().name().to_owned(), error_message: message(error) }
}

/// When an invocation that begins now must have ended, from the milliseconds since 1970 that the runtime is given.
///
/// A moment that has passed already is no deadline: `cargo lambda watch` sends a constant from 1970.
fn ends_at(millis: u64, now: Timestamp) -> Timestamp {
    let given = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    given.filter(|at| *at > now).unwrap_or_else(|| now + MAX_INVOCATION)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
