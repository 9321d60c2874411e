//! Calling a step again when that can help, as the state machine does.

use std::time::Duration;

use landfall::clock::Clock;
use landfall::{Error, Result};

use crate::progress::Progress;

/// How often a step is tried in all.
const TRIES: u32 = 5;

/// The longest that is waited before the second try; each further wait is at most twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(2);

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often a time is waited for that an error tells: a source's requests of an hour, say, may be spent. It is no try.
const TOLD_WAITS: u32 = 24;

/// Calls a step until it succeeds or calling it again cannot help.
pub(crate) async fn retrying<T>(
    clock: &dyn Clock,
    progress: &Progress,
    step: &str,
    mut call: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let (mut failed, mut told_waits) = (0, 0);
    loop {
        let error = match call().await {
            Err(error) if error.retryable() => error,
            outcome => return outcome,
        };
        let delay = match error.wait_seconds() {
            Some(told) if told_waits < TOLD_WAITS => {
                told_waits += 1;
                Duration::from_secs(told)
            }
            _ => {
                failed += 1;
                if failed == TRIES {
                    return Err(error);
                }
                backoff(failed)
            }
        };
        wait(clock, progress, step, delay, &error).await;
    }
}

fn backoff(failed: u32) -> Duration {
    let longest = LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(failed.saturating_sub(1)));
    // Jitter: processes that failed together do not come back together.
    longest.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
}

async fn wait(clock: &dyn Clock, progress: &Progress, step: &str, wait: Duration, error: &Error) {
    let (name, line, seconds) = (error.error_type().name(), error.line(), wait.as_secs_f64());
    progress.say(&format!("{step}: {name}: {line}; trying again in {seconds:.0} s"));
    clock.sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use landfall::AskAgain;
    use landfall::clock::{ManualClock, elapsed};

    use super::*;

    async fn calls(error: fn() -> Error) -> (u32, Duration) {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let (progress, mut calls) = (Progress::silent(), 0);
        let outcome = retrying(&clock, &progress, "step", async || {
            calls += 1;
            Err::<(), _>(error())
        });
        outcome.await.unwrap_err();
        (calls, elapsed(Timestamp::UNIX_EPOCH, clock.now()))
    }

    /// What can pass by itself is tried a few times, with growing waits between.
    #[tokio::test]
    async fn retryable_errors_are_tried_again() {
        let (calls, waited) = calls(|| Error::store_unavailable("no answer")).await;
        assert_eq!(calls, TRIES);
        let all = Duration::from_secs(2 + 4 + 8 + 16);
        assert!(waited >= all / 2 && waited <= all, "{waited:?}");
    }

    /// A source that says when it may be asked again is waited for, for as long as that takes.
    #[tokio::test]
    async fn a_time_that_is_told_is_waited_for_and_is_no_try() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let (progress, mut calls) = (Progress::silent(), 0);
        let outcome = retrying(&clock, &progress, "step", async || {
            calls += 1;
            let spent = AskAgain { after: Duration::from_secs(3900) };
            if calls <= TRIES + 1 { Err(Error::throttled("spent").because(spent)) } else { Ok(()) }
        });
        outcome.await.unwrap();
        assert_eq!(elapsed(Timestamp::UNIX_EPOCH, clock.now()), Duration::from_secs(3900) * (TRIES + 1));
    }

    /// A wrong secret is tried once: trying again would lock the account.
    #[tokio::test]
    async fn other_errors_end_the_run_at_once() {
        let (calls, waited) = calls(|| Error::auth_rejected("wrong secret")).await;
        assert_eq!((calls, waited), (1, Duration::ZERO));
    }
}
