//! What lands together: a large member by itself; small ones that are neighbours in one coalesced read, so that each
//! costs the store one request and not two.

use std::ops::Range;

use landfall::form::JobForm;
use landfall_zip::Member;
use tokio::sync::Semaphore;

use super::compressed::NamesTaken;
use super::outcome::UnitOutcome;
use super::plan::MemberPlan;
use super::{coalesced, member};
use crate::form;
use crate::invocation::StopSignal;
use crate::task::Task;

/// A member that is no larger than this, as the archive keeps it and as it lands, is small.
const SMALL_BYTES: u64 = 1 << 20;

/// The most bytes between two neighbours: reading past them costs less than another request.
const MAX_GAP_BYTES: u64 = 64 << 10;

/// The most that lands together: what an invocation that dies has landed and not recorded.
const MAX_MEMBERS: usize = 256;
const MAX_BYTES: u64 = 8 << 20;

/// A unit counts as two parts against the budget, one that is filled and one on its way, or as what it has where that
/// is less. In 64 MiB four large members are on their way at once, two where the store wants parts of
/// 16 MiB: while some wait for the store, others are decoded.
const PARTS_OF_A_UNIT: u64 = 2;

/// Members that land together: one, or small neighbours in the order of their data.
pub(crate) struct WorkUnit<'a> {
    members: Vec<&'a Member>,
    is_small: bool,
}

/// Divides members into units.
pub(crate) fn coalesce<'a>(form: JobForm, mut members: Vec<&'a Member>) -> Vec<WorkUnit<'a>> {
    members.sort_by_key(|member| member.data_range().start);
    let mut units: Vec<WorkUnit<'a>> = Vec::new();
    for member in members {
        let held_bytes = form::held_bytes(form, member);
        let is_small = held_bytes.max(member.compressed_size()) <= SMALL_BYTES;
        match units.last_mut().filter(|unit| is_small && unit.takes(member)) {
            Some(unit) => unit.members.push(member),
            None => units.push(WorkUnit { members: vec![member], is_small }),
        }
    }
    units
}

impl<'a> WorkUnit<'a> {
    fn takes(&self, next: &Member) -> bool {
        let (range, next) = (self.range(), next.data_range());
        self.is_small
            && self.members.len() < MAX_MEMBERS
            && next.start.checked_sub(range.end).is_some_and(|gap| gap <= MAX_GAP_BYTES)
            && next.end.saturating_sub(range.start) <= MAX_BYTES
    }

    /// Where in the archive its data is.
    fn range(&self) -> Range<u64> {
        let start = self.members.first().map_or(0, |first| first.data_range().start);
        start..self.members.last().map_or(start, |last| last.data_range().end)
    }

    /// Lands it, once there is room for it.
    pub(crate) async fn land(
        self,
        task: &Task<'_>,
        taken: &NamesTaken,
        room: &Semaphore,
        stop: &StopSignal<'_>,
    ) -> UnitOutcome<'a> {
        let share = room.acquire_many(self.budget_kibibytes(task)).await;
        let Ok(_share) = share else { unreachable!("nobody closes it") };
        if stop.is_here() {
            return UnitOutcome::default();
        }
        let [alone] = *self.members else {
            return Box::pin(coalesced::land(task, taken, self.range(), &self.members, stop)).await;
        };
        let plan = MemberPlan::of(task, taken, alone);
        match Box::pin(member::land(task, &plan, stop)).await {
            Ok(landed) => {
                let landed = landed.map(|object| (alone, object)).into_iter().collect();
                UnitOutcome { landed, error: None }
            }
            Err(error) => UnitOutcome { landed: Vec::new(), error: Some(plan.failed(error)) },
        }
    }

    /// Its share of the budget, in KiB. One of many members has as many puts on their way as fit into the most.
    fn budget_kibibytes(&self, task: &Task<'_>) -> u32 {
        let part_bytes = u64::try_from(task.landing.store.part_bytes(None)).unwrap_or(u64::MAX);
        let max_bytes = part_bytes.saturating_mul(PARTS_OF_A_UNIT);
        let bytes = match self.members.as_slice() {
            [alone] => {
                let (form, _) = form::of_content(task, alone.name());
                let bytes = form::max_member_bytes(form, alone).min(max_bytes);
                bytes.saturating_add(form::working_bytes(form, alone.size()))
            }
            _ => max_bytes,
        };
        let windows = self.members.iter().map(|member| member.method().window_bytes()).max();
        let bytes = bytes.saturating_add(windows.unwrap_or(0));
        u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, task.context.budget().kibibytes())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use bytes::Bytes;
    use landfall_zip::{Directory, Limits, NameEncoding, read_directory};
    use zip::CompressionMethod;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// The directory of an archive of stored members of these sizes.
    async fn directory(sizes: &[usize]) -> Directory {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (place, size) in sizes.iter().enumerate() {
            zip.start_file(format!("{place:03}.csv"), stored).unwrap();
            zip.write_all(&vec![b'x'; *size]).unwrap();
        }
        let bytes = Bytes::from(zip.finish().unwrap().into_inner());
        read_directory(&bytes, &Limits::default(), NameEncoding::default()).await.unwrap()
    }

    fn names(units: &[WorkUnit<'_>]) -> Vec<Vec<String>> {
        let name = |member: &&Member| member.name().trim_end_matches(".csv").to_owned();
        units.iter().map(|unit| unit.members.iter().map(name).collect()).collect()
    }

    /// Promise 6: small neighbours share a read, in the order of their data; a large member has one of its own.
    #[tokio::test]
    async fn small_neighbours_land_together_and_large_members_alone() {
        let large = usize::try_from(SMALL_BYTES).unwrap() + 1;
        let directory = directory(&[10, 0, 10, large, 10, 10]).await;
        let backwards = directory.files().collect::<Vec<_>>().into_iter().rev().collect();
        let units = coalesce(JobForm::Raw, backwards);
        assert_eq!(names(&units), [vec!["000", "001", "002"], vec!["003"], vec!["004", "005"]]);
        let first = directory.files().next().unwrap().data_range();
        let third = directory.files().nth(2).unwrap().data_range();
        assert_eq!(units[0].range(), first.start..third.end);
    }

    /// Promise 2: what was landed before is not read again, unless that is less than a request costs.
    #[tokio::test]
    async fn a_unit_ends_at_a_gap_and_at_its_bounds() {
        let gap = usize::try_from(MAX_GAP_BYTES).unwrap();
        let directory = directory(&[10, gap, 10, 10]).await;
        let mut members: Vec<&Member> = directory.files().collect();
        members.remove(1);
        assert_eq!(names(&coalesce(JobForm::Raw, members)), [vec!["000"], vec!["002", "003"]]);

        let small = usize::try_from(SMALL_BYTES).unwrap();
        let directory = self::directory(&[small; 9]).await;
        let units = coalesce(JobForm::Raw, directory.files().collect());
        assert!(
            units.len() > 1 && units.iter().all(|unit| unit.range().end - unit.range().start <= MAX_BYTES)
        );

        let directory = self::directory(&[1; MAX_MEMBERS + 1]).await;
        assert_eq!(coalesce(JobForm::Raw, directory.files().collect()).len(), 2);
    }
}
