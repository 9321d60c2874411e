//! One invocation of a step, whoever calls: what of it is the same for all of them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use landfall::clock::{Clock, Deadline, SystemClock};
use landfall::context::Context;
use landfall::failure::{About, note};
use landfall::metrics::Measured;
use landfall::{Error, Result, Step, Systems, event};

use crate::metrics::Metrics;

/// The longest that an invocation lasts whose caller says nothing of it; Lambda's longest.
pub(crate) const MAX_INVOCATION: Duration = Duration::from_secs(900);

/// A step that is called in this process, again and again. Clients and tokens live as long as it does.
pub struct Function<Run> {
    step: Step,
    systems: &'static Systems,
    run: Run,
    metrics: Metrics,
    context: OnceCell<Context>,
}

impl<Run> Function<Run> {
    /// A step, configured by the environment once it is called.
    pub fn new(step: Step, systems: &'static Systems, run: Run) -> Self {
        Self { step, systems, run, metrics: Metrics::from_environment(step.name()), context: OnceCell::new() }
    }

    /// Calls it with JSON, until a moment at the latest, or for as long as an invocation lasts.
    ///
    /// # Errors
    /// The step's own; and that its result cannot be written as JSON.
    pub async fn call_with_json<Event, Output>(
        &self,
        event: Value,
        ends_at: Option<Timestamp>,
    ) -> Result<Value>
    where
        Run: AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
        Event: DeserializeOwned,
        Output: Serialize + Measured,
    {
        let output = self.call(event, |now| ends_at.unwrap_or_else(|| now + MAX_INVOCATION)).await?;
        serde_json::to_value(output)
            .map_err(|error| Error::contract_broken("the result cannot be written as JSON").because(error))
    }

    /// Calls it. A failure is logged here, and kept for whoever looks.
    pub(crate) async fn call<Event, Output>(
        &self,
        event: Value,
        ends_at: impl FnOnce(Timestamp) -> Timestamp,
    ) -> Result<Output>
    where
        Run: AsyncFn(&Context, Event, &Deadline) -> Result<Output>,
        Event: DeserializeOwned,
        Output: Serialize + Measured,
    {
        let clock = Arc::new(SystemClock);
        let deadline = Deadline::at(ends_at(clock.now()), Arc::clone(&clock) as Arc<dyn Clock>);
        let (span, about) = (span(self.step, &event), About::event(&event));
        let outcome = async {
            let context = self.context.get_or_try_init(|| Context::from_environment(self.systems)).await?;
            // On the heap: a step's future is large, and each layer above would hold it by value.
            Box::pin((self.run)(context, event::parse(event)?, &deadline)).await
        };
        let outcome = outcome.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            let failed = async {
                log(error);
                if let Some(context) = self.context.get() {
                    note(context, self.step, &about, error).await;
                }
            };
            Box::pin(failed.instrument(span.clone())).await;
        }
        span.in_scope(|| match &outcome {
            Ok(answer) => self.metrics.tell_answer(answer, clock.now()),
            Err(error) => self.metrics.tell_failure(error, clock.now()),
        });
        outcome
    }
}

/// A failure as whoever called sees it: in one line, with what to do about failures of this name.
pub(crate) fn message(error: &Error) -> String {
    format!("{}; what to do: {}", error.line(), error.error_type().remedy())
}

/// The same as JSON, for those who are answered in it.
pub(crate) fn failure(error: &Error) -> Value {
    json!({
        "errorType": error.error_type().name(),
        "errorMessage": message(error),
        "retryable": error.retryable(),
        "wait_seconds": error.wait_seconds(),
    })
}

/// The span of one invocation: what its log lines have in common. What its event does not say is filled in once
/// it is known, see [`landfall::observer::name_job`].
pub fn span(step: Step, event: &Value) -> tracing::Span {
    let field = |name: &str| event.get(name).and_then(Value::as_str);
    tracing::info_span!(
        "step",
        step = step.name(),
        connection = field("connection"),
        job_request_id = field("job_request_id"),
        run_key = field("run_key"),
    )
}

/// Logs a failure, once, at the edge.
pub fn log(error: &Error) {
    tracing::error!(
        error.r#type = error.error_type().name(),
        error.retryable = error.retryable(),
        error.message = error.line(),
        "the step failed"
    );
}
