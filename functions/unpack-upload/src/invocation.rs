//! The time that an invocation has, and when work in it stops.

use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::{Deadline, elapsed};
use landfall::context::Context;
use tokio_util::sync::CancellationToken;

/// What is left of the invocation when nothing is begun any more, and what is under way is left to the next.
const MARGIN: Duration = Duration::from_secs(10);

/// What is left when nothing is waited for any more: what has landed is noted in it.
const LAST: Duration = Duration::from_secs(4);

/// One invocation of the step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation<'a> {
    deadline: &'a Deadline,
    began_at: Timestamp,
}

impl<'a> Invocation<'a> {
    /// One that begins now.
    pub(crate) fn begin(context: &Context, deadline: &'a Deadline) -> Self {
        Self { deadline, began_at: context.clock().now() }
    }

    /// Returns once nothing is to be begun any more.
    pub(crate) async fn ending(&self) {
        self.deadline.wait_until_within(MARGIN).await;
    }

    /// Returns once nothing is to be waited for any more.
    pub(crate) async fn over(&self) {
        self.deadline.wait_until_within(LAST).await;
    }

    /// Whether nothing is to be begun any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.deadline.is_within(MARGIN)
    }

    /// How many seconds a file that was started at `started_at` has had, if another invocation would not give it
    /// more: not where files before it have taken of the time, nor where it has hardly had any.
    pub(crate) fn seconds_if_all_of_it(&self, started_at: Timestamp, now: Timestamp) -> Option<u64> {
        let began_late = elapsed(self.began_at, started_at) >= MARGIN;
        let spent = elapsed(started_at, now);
        (!began_late && spent >= MARGIN).then_some(spent.as_secs())
    }

    /// A signal that comes near the deadline, or once it is given.
    pub(crate) fn stop_signal(&self) -> StopSignal<'a> {
        StopSignal { invocation: *self, given: CancellationToken::new() }
    }
}

/// Says when to stop: near the deadline, where the next invocation goes on, or for good after a failure.
#[derive(Debug)]
pub(crate) struct StopSignal<'a> {
    invocation: Invocation<'a>,
    given: CancellationToken,
}

impl StopSignal<'_> {
    /// Whether nothing is to be begun any more.
    pub(crate) fn is_here(&self) -> bool {
        self.given.is_cancelled() || self.invocation.is_ending()
    }

    /// Returns once what is under way is to be left as it is.
    pub(crate) async fn arrival(&self) {
        tokio::select! {
            () = self.given.cancelled() => {}
            () = self.invocation.ending() => {}
        }
    }

    /// Stops all who heed this signal, or one that was derived from it.
    pub(crate) fn give(&self) {
        self.given.cancel();
    }

    /// A signal that also comes when this one does.
    pub(crate) fn derive(&self) -> Self {
        Self { invocation: self.invocation, given: self.given.child_token() }
    }
}
