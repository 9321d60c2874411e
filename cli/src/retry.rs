//! Calling a step again when that can help, as the state machine does.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use landfall::clock::Clock;
use landfall::step::{RetryPolicy, THROTTLING};
use landfall::{Error, Result, Step};

use crate::progress::Progress;

/// Calls a step until it succeeds or calling it again cannot help.
pub(crate) async fn retrying<T>(
    clock: &dyn Clock,
    progress: &Progress,
    step: Step,
    mut call: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    // Errors that are retried alike are counted together, as the state machine counts them.
    let mut retries: HashMap<RetryPolicy, u32> = HashMap::new();
    let mut requested_waits = 0;
    let mut said = HashSet::new();
    loop {
        let error = match call().await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let Some(policy) = step.retry(error.error_type()) else { return Err(error) };
        let asked = error.wait_seconds().map(Duration::from_secs);
        let delay = match asked {
            // The wait that an error asks for is kept as it is: a source's requests of an hour may be spent.
            Some(asked) if asked >= policy.first_wait && requested_waits < THROTTLING.retries => {
                requested_waits += 1;
                asked
            }
            asked => {
                let retry = retries.entry(policy).or_default();
                *retry += 1;
                if *retry > policy.retries {
                    return Err(error);
                }
                jittered(policy.wait(*retry)).max(asked.unwrap_or_default())
            }
        };
        let is_new = said.insert(error.error_type());
        announce(progress, step, delay, &error, is_new);
        clock.sleep(delay).await;
    }
}

/// Processes that failed together do not come back together.
fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
}

/// One line a fault: the same one again is shown where the stage stands.
fn announce(progress: &Progress, step: Step, wait: Duration, error: &Error, is_new: bool) {
    let (name, line, seconds) = (error.error_type().name(), error.line(), wait.as_secs_f64());
    match is_new {
        true => progress.say(&format!("{}: {name}: {line}; retrying in {seconds:.0} s", step.name())),
        false => progress.at(&format!("{name} again, retrying in {seconds:.0} s")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;
    use landfall::AskAgain;
    use landfall::clock::{ManualClock, elapsed};
    use landfall::step::OUTAGE;

    use super::*;

    async fn calls(error: fn() -> Error) -> (u32, Duration) {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let (progress, mut calls) = (Progress::silent(), 0);
        let outcome = retrying(&clock, &progress, Step::Submit, async || {
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
        assert_eq!(calls, 1 + 6);
        let all = Duration::from_secs(10 + 20 + 40 + 80 + 160 + 300);
        assert!(waited >= all / 2 && waited <= all, "{waited:?}");
    }

    /// One line a fault: of the same one again the progress tells, another is a line of its own.
    #[tokio::test]
    async fn a_fault_is_announced_once() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let (said, mut calls) = (Said::default(), 0);
        let progress = Progress::lines(Box::new(said.clone()), clock.clone());
        let outcome = retrying(clock.as_ref(), &progress, Step::Submit, async || {
            calls += 1;
            match calls {
                1..=4 => Err(Error::store_unavailable("no space left on device")),
                5 => Err(Error::source_unavailable("503")),
                _ => Ok(()),
            }
        });
        outcome.await.unwrap();
        let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.matches("no space left on device").count(), 1, "{said}");
        assert_eq!(said.matches("submit: SourceUnavailable: 503; retrying in ").count(), 1, "{said}");
    }

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Said {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A source that says when it may be asked again is waited for, for as long as that takes.
    #[tokio::test]
    async fn a_requested_wait_is_kept_and_is_no_try() {
        const LONGER_THAN_AN_OUTAGE: u32 = OUTAGE.retries + 1;
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let (progress, mut calls) = (Progress::silent(), 0);
        let outcome = retrying(&clock, &progress, Step::Submit, async || {
            calls += 1;
            let spent = AskAgain { after: Duration::from_secs(3900) };
            if calls <= LONGER_THAN_AN_OUTAGE {
                Err(Error::throttled("spent").because(spent))
            } else {
                Ok(())
            }
        });
        outcome.await.unwrap();
        assert_eq!(
            elapsed(Timestamp::UNIX_EPOCH, clock.now()),
            Duration::from_secs(3900) * LONGER_THAN_AN_OUTAGE
        );
    }

    /// A source that always wants a moment more is one that cannot be reached: it does not keep a run going for ever.
    #[tokio::test]
    async fn a_short_wait_is_a_try_as_any() {
        let (calls, waited) =
            calls(|| Error::source_unavailable("503").because(AskAgain { after: Duration::from_secs(1) }))
                .await;
        assert_eq!(calls, 1 + OUTAGE.retries);
        assert!(waited >= Duration::from_secs(10), "{waited:?}");
    }

    /// A wrong secret is tried once: trying again would lock the account.
    #[tokio::test]
    async fn other_errors_end_the_run_at_once() {
        let (calls, waited) = calls(|| Error::auth_rejected("wrong secret")).await;
        assert_eq!((calls, waited), (1, Duration::ZERO));
    }
}
