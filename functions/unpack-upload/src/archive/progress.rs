//! What happens while members land: what has landed is reported and recorded, and whether that is enough.

use landfall::Result;
use landfall::job::LandedObject;
use landfall_zip::Member;

use super::checkpoint::Checkpoint;
use crate::refusal::is_refusal;
use crate::task::Task;

/// How far some members are.
pub(crate) struct Progress<'a> {
    task: &'a Task<'a>,
    members: &'a [&'a Member],
    /// What has landed.
    pub checkpoint: Checkpoint,
    landed_before: u64,
}

impl<'a> Progress<'a> {
    /// Goes on from a checkpoint, and reports what had landed by then.
    pub(crate) fn begin(task: &'a Task<'a>, members: &'a [&'a Member], checkpoint: Checkpoint) -> Self {
        let tally = &task.tally;
        let bytes = members.iter().map(|member| member.size()).sum();
        tally.members_listed(u64::try_from(members.len()).unwrap_or(u64::MAX), bytes);
        for member in members.iter().filter(|member| checkpoint.has(member)) {
            tally.unpacked_before(member.size());
            tally.landed();
        }
        Self { task, members, landed_before: checkpoint.totals().objects, checkpoint }
    }

    /// What has not landed yet.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &'a Member> {
        self.members.iter().copied().filter(|member| !self.checkpoint.has(member))
    }

    /// Records members that have landed.
    pub(crate) async fn record(&mut self, landed: &[(&Member, LandedObject)]) -> Result<()> {
        for (member, object) in landed {
            self.task.tally.landed();
            self.checkpoint.add(member, object).await?;
        }
        Ok(())
    }

    /// Saves what has landed, whatever came after it, and learns whether others have refused the archive meanwhile.
    /// Returns whether all has landed.
    pub(crate) async fn settle(&mut self, landed: Result<()>, is_divided: bool) -> Result<bool> {
        let is_complete = self.missing().next().is_none();
        match landed {
            // The receipt says it all.
            Ok(()) if is_complete && !is_divided => Ok(true),
            Ok(()) => self.checkpoint.save().await.map(|()| is_complete),
            Err(error) if is_refusal(&error) => Err(error),
            Err(error) => match self.checkpoint.save().await {
                Err(refusal) if is_refusal(&refusal) => Err(refusal),
                _ => Err(error),
            },
        }
    }

    /// Fails a call that had an invocation's time and landed no member more: it would be repeated for ever.
    pub(crate) fn ensure_advanced(&self) -> Result<()> {
        if self.checkpoint.totals().objects > self.landed_before {
            return Ok(());
        }
        let largest = self.missing().max_by_key(|member| member.size());
        self.task.ensure_had_less_than_an_invocation(|seconds| {
            let (name, bytes) = largest.map_or(("", 0), |member| (member.name(), member.size()));
            format!(
                "no further member could land within an invocation of {seconds} s; the largest missing one, {name:?}, has \
                 {bytes} bytes, and a member lands in one piece"
            )
        })
    }
}
