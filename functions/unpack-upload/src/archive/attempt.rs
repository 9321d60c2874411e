//! Which attempt at an archive this is, and whether it goes on.
//!
//! Of an archive that turns out to be one which must not land, nothing stays. Several invocations may be landing
//! ranges of it by then, and those that have not seen what is wrong with it must not put back what the one that has
//! seen it takes away. So a refusal is written down before anything is withdrawn, and every invocation looks for one
//! after it has landed something: whichever of the two is later knows of the other, and withdraws.
//!
//! A refusal ends an attempt. It stands for as long as invocations of that attempt may be at work. Whoever comes
//! later, with other limits perhaps, begins another attempt, which does not count what is recorded by the one before.

use std::future::ready;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use landfall::clock::Clock;
use landfall::state::{Change, Document, WorkState, keys};
use landfall::{Error, ErrorType, Result};
use serde::{Deserialize, Serialize};

use super::division::Division;
use crate::task::Task;
use crate::trigger::MemberRange;

/// Longer than an invocation lives: a function's time is at most 15 minutes, and clocks differ.
const MAX_INVOCATION: Duration = Duration::from_secs(20 * 60);

/// That an archive is refused: `refused.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refusal {
    /// The attempt that has ended with it, from 0.
    attempt: u32,
    /// The name of the error.
    error: ErrorType,
    /// Why.
    message: String,
    /// When no invocation of that attempt is at work any more.
    stands_until: Timestamp,
}

impl Document for Refusal {}

impl Refusal {
    fn error(&self) -> Error {
        self.error.error(&self.message)
    }
}

/// An attempt at an archive.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    work: WorkState,
    folder: String,
    number: u32,
}

/// What calls before this one have recorded of an archive.
#[derive(Debug)]
pub(crate) struct ArchiveState {
    /// The attempt that this call belongs to.
    pub attempt: Attempt,
    /// How the archive is divided, if it is.
    pub division: Option<Division>,
    refusal: Option<Refusal>,
    keys: Vec<String>,
}

impl ArchiveState {
    /// Reads what is recorded of the task's archive.
    pub(crate) async fn read(task: &Task<'_>) -> Result<Self> {
        let work = &task.work;
        let folder = keys::unpack_checkpoints(&task.job.job(), task.file.ordinal);
        let keys = work.store().list(&folder).map_ok(|object| object.key);
        let keys: Vec<String> = keys.try_collect().await?;
        let mut attempt = Attempt { work: work.clone(), folder, number: 0 };
        let is_there = |key: &String| keys.contains(key);
        let division = match Some(attempt.division_key()).filter(is_there) {
            Some(key) => work.checkpoint(&key).await?,
            None => None,
        };
        let refusal: Option<Refusal> = match Some(attempt.refusal_key()).filter(is_there) {
            Some(key) => work.checkpoint(&key).await?,
            None => None,
        };
        attempt.number = refusal.as_ref().map_or(0, |refusal| refusal.attempt.saturating_add(1));
        Ok(Self { attempt, division, refusal, keys })
    }

    /// Why nothing may land now, if there is a refusal that stands.
    pub(crate) fn standing_refusal(&self, now: Timestamp) -> Option<Error> {
        let refusal = self.refusal.as_ref().filter(|refusal| refusal.stands_until > now)?;
        let until = refusal.stands_until.strftime("%H:%M UTC");
        Some(refusal.error().while_doing(format_args!(
            "refused before; it is not read again until {until}, since other invocations may still be landing ranges of it"
        )))
    }

    /// Whether members of it have landed in this attempt: then what it is has been decided.
    pub(crate) fn has_landed_members(&self) -> bool {
        !self.segments(None).existing.is_empty()
    }

    /// Where calls of this attempt record what has landed of a range, or of all of the archive.
    pub(crate) fn segments(&self, range: Option<MemberRange>) -> SegmentKeys {
        let Attempt { folder, number, .. } = &self.attempt;
        let attempt = format!("{folder}{number}/");
        let (read, write) = match range {
            Some(MemberRange { from, to }) => {
                let own = format!("{attempt}{from}-{to}/");
                (own.clone(), own)
            }
            None => (attempt.clone(), format!("{attempt}all/")),
        };
        let keys = self.keys.iter().filter(|key| key.starts_with(&read)).cloned().collect();
        SegmentKeys { existing: keys, folder: write }
    }
}

/// Where the segments of a checkpoint are.
#[derive(Debug)]
pub(crate) struct SegmentKeys {
    /// The keys of those that are there.
    pub existing: Vec<String>,
    /// The prefix of those that are added.
    pub folder: String,
}

impl Attempt {
    /// Where the archive's division is kept.
    pub(crate) fn division_key(&self) -> String {
        format!("{}plan.json", self.folder)
    }

    fn refusal_key(&self) -> String {
        format!("{}refused.json", self.folder)
    }

    /// The bucket in which the attempt is recorded.
    pub(crate) fn work(&self) -> &WorkState {
        &self.work
    }

    /// Looks whether anybody has refused the archive. Only what has landed before this is known to stay.
    ///
    /// # Errors
    /// The refusal, once more.
    pub(crate) async fn goes_on(&self) -> Result<()> {
        let refusal: Option<Refusal> = self.work.checkpoint(&self.refusal_key()).await?;
        match refusal.filter(|refusal| refusal.attempt >= self.number) {
            Some(refusal) => Err(refusal.error()),
            None => Ok(()),
        }
    }

    /// Ends the attempt. From here on, what others of it land they withdraw.
    pub(crate) async fn refuse(&self, error: &Error, clock: &dyn Clock) -> Result<()> {
        let (key, now) = (self.refusal_key(), clock.now());
        let is_divided = self.work.store().head(&self.division_key()).await?.is_some();
        // Who lands all of an archive sees for himself what is wrong with it.
        let stands = if is_divided { MAX_INVOCATION } else { Duration::ZERO };
        let stands = SignedDuration::try_from(stands).unwrap_or(SignedDuration::ZERO);
        let refusal = Refusal {
            attempt: self.number,
            error: error.error_type(),
            message: error.line(),
            stands_until: now.saturating_add(stands).unwrap_or(now),
        };
        let record = |there: Option<Refusal>| match there {
            Some(there) if there.attempt >= self.number => ready(Ok(Change::Keep(()))),
            _ => ready(Ok(Change::Write(refusal.clone(), ()))),
        };
        self.work.update(&key, clock, record).await
    }
}
