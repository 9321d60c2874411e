//! Clocks for tests in which several processes run at once: ours, really, or ours and a pod.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall::clock::{Clock, Deadline, ManualClock};
use landfall::observer::Observer;
use tokio::sync::Notify;

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

/// Tells a server the time that whoever has come last goes by: one that holds its callers to the time has theirs.
#[derive(Debug)]
pub struct CallersTime(Mutex<Arc<dyn Clock>>);

impl CallersTime {
    /// The time by a clock, until somebody comes with another.
    pub fn by(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(clock)))
    }

    /// Somebody comes who goes by this clock.
    pub fn goes_by(&self, clock: Arc<dyn Clock>) {
        *self.0.lock().expect("nobody panics in here") = clock;
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.lock().expect("nobody panics in here"))
    }
}

#[async_trait]
impl Clock for CallersTime {
    fn now(&self) -> Timestamp {
        self.clock().now()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock().sleep(duration).await;
    }
}

/// A clock that tells somebody of every time that it comes to by a sleep: who does something as time goes by.
pub struct ToldClock {
    time: Arc<ManualClock>,
    told: Box<dyn Fn(Timestamp) + Send + Sync>,
}

impl ToldClock {
    /// A clock that shows, and moves on, the time of another.
    pub fn of(time: &Arc<ManualClock>, told: impl Fn(Timestamp) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { time: Arc::clone(time), told: Box::new(told) })
    }
}

impl std::fmt::Debug for ToldClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("ToldClock").field(&self.time).finish()
    }
}

#[async_trait]
impl Clock for ToldClock {
    fn now(&self) -> Timestamp {
        self.time.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.time.sleep(duration).await;
        (self.told)(self.time.now());
    }
}

/// A clock that only the test moves: who waits for a moment goes on once the clock has been moved there.
#[derive(Debug)]
pub struct MovedClock {
    time: Arc<ManualClock>,
    moved: Notify,
}

impl MovedClock {
    /// A clock that shows the time of another. What moves only that one wakes nobody who waits for this one.
    pub fn of(time: &Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self { time: Arc::clone(time), moved: Notify::new() })
    }

    /// Moves it on.
    pub fn advance(&self, duration: Duration) {
        self.time.advance(duration);
        self.moved.notify_waiters();
    }

    /// The deadline of an invocation that begins now and has so many seconds.
    pub fn deadline(self: &Arc<Self>, seconds: i64) -> Deadline {
        let ends = self.now() + SignedDuration::from_secs(seconds);
        Deadline::at(ends, Arc::clone(self) as Arc<dyn Clock>)
    }
}

#[async_trait]
impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        self.time.now()
    }

    async fn sleep(&self, duration: Duration) {
        let wakes = self.now() + SignedDuration::try_from(duration).expect("a duration");
        loop {
            let moved = self.moved.notified();
            if self.now() >= wakes {
                return;
            }
            moved.await;
        }
    }
}

/// Moves a clock by the time that bytes take at a speed: a slow source, or a slow store.
#[derive(Debug)]
pub struct SlowBytes {
    /// The clock.
    pub clock: Arc<MovedClock>,
    /// How many bytes come in a second.
    pub bytes_per_second: u64,
}

impl SlowBytes {
    fn pass(&self, bytes: u64) {
        self.clock.advance(Duration::from_micros(bytes * 1_000_000 / self.bytes_per_second));
    }
}

impl Observer for SlowBytes {
    fn fetched(&self, bytes: u64) {
        self.pass(bytes);
    }

    fn fetched_before(&self, _: u64) {}

    fn hashed(&self, bytes: u64) {
        self.pass(bytes);
    }

    fn unpacked(&self, bytes: u64) {
        self.pass(bytes);
    }

    fn unpacked_before(&self, _: u64) {}
}
