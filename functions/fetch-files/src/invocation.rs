//! The time that an invocation has, and what it could not do in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use landfall::Error;
use landfall::clock::{Clock, Deadline, elapsed};
use landfall::job::OutputFile;

/// What is left of the invocation when nothing more is taken from the source, and what has come is put away.
const MARGIN: Duration = Duration::from_secs(15);

/// What is left when nothing is waited for any more.
const LAST: Duration = Duration::from_secs(5);

/// One invocation of the step.
pub(crate) struct Invocation<'a> {
    deadline: &'a Deadline,
    clock: &'a dyn Clock,
    began_at: Timestamp,
    has_advanced: AtomicBool,
}

impl<'a> Invocation<'a> {
    /// One that begins now.
    pub(crate) fn begin(clock: &'a dyn Clock, deadline: &'a Deadline) -> Self {
        Self { deadline, clock, began_at: clock.now(), has_advanced: AtomicBool::new(false) }
    }

    /// Whether nothing more is to be begun.
    pub(crate) fn is_ending(&self) -> bool {
        self.deadline.is_within(MARGIN)
    }

    /// Returns once nothing more is to be begun.
    pub(crate) async fn ending(&self) {
        self.deadline.wait_until_within(MARGIN).await;
    }

    /// Returns once nothing is to be waited for any more.
    pub(crate) async fn over(&self) {
        self.deadline.wait_until_within(LAST).await;
    }

    /// Notes that the next invocation has less to do than this one.
    pub(crate) fn advance(&self) {
        self.has_advanced.store(true, Ordering::Relaxed);
    }

    /// Whether the next invocation has less to do than this one.
    pub(crate) fn has_advanced(&self) -> bool {
        self.has_advanced.load(Ordering::Relaxed)
    }

    /// A file's time, from now on.
    pub(crate) fn begin_file(&self) -> FileTime<'_> {
        FileTime { invocation: self, began_at: self.clock.now() }
    }

    /// That all of the time went by without a list of the files.
    pub(crate) fn unlisted(&self) -> Error {
        let seconds = elapsed(self.began_at, self.clock.now()).as_secs();
        Error::source_unavailable(format!(
            "the source did not list the job's files within an invocation of {seconds} s: if it keeps being so slow, give \
             the function more time (its Timeout)"
        ))
    }
}

/// The time that a file has of an invocation.
pub(crate) struct FileTime<'a> {
    invocation: &'a Invocation<'a>,
    began_at: Timestamp,
}

impl FileTime<'_> {
    /// How many seconds the file has had, if another invocation would not give it more: not where others have taken
    /// of the time before it.
    fn seconds_if_all_of_it(&self) -> Option<u64> {
        let began_late = elapsed(self.invocation.began_at, self.began_at) >= MARGIN;
        let spent = elapsed(self.began_at, self.invocation.clock.now());
        (!began_late && spent >= MARGIN).then_some(spent.as_secs())
    }

    /// That the source has sent nothing new in all of the time.
    pub(crate) fn unanswered(&self, file: &OutputFile) -> Option<Error> {
        let seconds = self.seconds_if_all_of_it()?;
        let name = &file.name;
        Some(Error::source_unavailable(format!("the source sent nothing more of {name} within {seconds} s")))
    }

    /// That in all of the time no more came than this, and that it is lost.
    pub(crate) fn too_slow(&self, file: &OutputFile, came: u64) -> Option<Error> {
        if came == 0 {
            return self.unanswered(file);
        }
        let seconds = self.seconds_if_all_of_it()?;
        let of = file.size.map(|size| format!(" of {size}")).unwrap_or_default();
        Some(Error::limit_exceeded(format!(
            "{} cannot be fetched within an invocation: {came}{of} bytes came in {seconds} s ({} KB/s), and its source \
             gives no version of it by which the next invocation could go on behind them: give the function more time \
             (its Timeout), or fetch fewer files at once (the connection's http.parallel_downloads)",
            file.name,
            came / 1000 / seconds.max(1),
        )))
    }

    /// That in all of the time nothing of what is stored could be read.
    pub(crate) fn unread(&self, file: &OutputFile) -> Option<Error> {
        let seconds = self.seconds_if_all_of_it()?;
        let name = &file.name;
        Some(Error::store_unavailable(format!("the work bucket sent nothing of {name} within {seconds} s")))
    }
}
