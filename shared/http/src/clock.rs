//! Time as a value that is passed in, so that tests need neither sleep nor wall clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns after this long.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// When an invocation must have ended: work that cannot end before is left for the next one.
#[derive(Debug, Clone)]
pub struct Deadline {
    at: Option<Timestamp>,
    clock: Arc<dyn Clock>,
}

impl Deadline {
    /// A deadline at a moment, as Lambda gives it.
    pub fn at(at: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self { at: Some(at), clock }
    }

    /// No deadline: a run on one machine takes the time that it takes.
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self { at: None, clock }
    }

    /// Whether less than `margin` is left.
    pub fn is_within(&self, margin: Duration) -> bool {
        self.left().is_some_and(|left| left < margin)
    }

    /// What is left, zero once it has passed; `None` where there is no deadline.
    pub fn left(&self) -> Option<Duration> {
        self.at.map(|at| Duration::try_from(at.duration_since(self.clock.now())).unwrap_or(Duration::ZERO))
    }

    /// Returns once less than `margin` is left; never where there is no deadline.
    pub async fn wait_until_within(&self, margin: Duration) {
        match self.left() {
            Some(left) => self.clock.sleep(left.saturating_sub(margin)).await,
            None => std::future::pending().await,
        }
    }
}

/// How long ago a moment was; zero for one that is still to come.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since).max(SignedDuration::ZERO)).unwrap_or(Duration::ZERO)
}

/// A clock that stands still until it is told to move, for tests: a sleep moves it and returns at once.
#[derive(Debug)]
pub struct ManualClock(std::sync::Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(std::sync::Mutex::new(now))
    }

    /// Moves the clock on.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now
            .saturating_add(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
            .unwrap_or(*now);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6: an invocation knows how much of its time is left.
    #[test]
    fn a_deadline_comes_near_as_its_clock_moves() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let deadline = Deadline::at(Timestamp::from_second(60).unwrap(), clock.clone());
        assert!(!deadline.is_within(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(45));
        assert!(deadline.is_within(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(45));
        assert_eq!(deadline.left(), Some(Duration::ZERO));
        assert_eq!(Deadline::none(clock).left(), None);
    }
}
