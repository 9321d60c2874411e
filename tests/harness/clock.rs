//! Clocks for tests in which several processes run at once: ours, really, or ours and a pod.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall::clock::{Clock, ManualClock};

/// How many times faster than the machine's it runs.
const FASTER: u32 = 20;

/// A clock that waits, though not for long: whoever waits for another process gives it the time that it needs, and
/// a lease cannot run out in no time at all, as it does by a clock that a sleep moves on.
#[derive(Debug)]
pub struct FastClock {
    start: Timestamp,
    began: Instant,
}

impl FastClock {
    /// A clock that shows `start` now.
    pub fn new(start: Timestamp) -> Self {
        Self { start, began: Instant::now() }
    }
}

#[async_trait]
impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let passed = self.began.elapsed() * FASTER;
        self.start + SignedDuration::try_from(passed).expect("a duration")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / FASTER).await;
    }
}

/// The clock of a pod that goes by ours.
#[derive(Debug)]
pub struct OneClock(pub Arc<ManualClock>);

impl simulator::Clock for OneClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
