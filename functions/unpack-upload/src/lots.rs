//! What lands together: a large member by itself; small ones that are neighbours in one read, so that each costs the
//! store one request and not two.

use std::ops::Range;

use landfall::archive::Member;
use landfall::form::JobForm;
use landfall::job::LandedObject;
use landfall::{Error, Result};
use tokio::sync::Semaphore;

use crate::staged::StagedObject;
use crate::{Unpack, batch, form, member};

/// A member that is no larger than this, as the archive keeps it and as it lands, is small.
const SMALL_BYTES: u64 = 1 << 20;

/// The most bytes between two neighbours: reading past them costs less than another request.
const GAP_BYTES: u64 = 64 << 10;

/// The most that lands together: what an invocation that dies has landed and not noted.
const MOST_MEMBERS: usize = 256;
const MOST_BYTES: u64 = 8 << 20;

/// A lot counts as two parts against the budget, one that is filled and one on its way, or as what it has where that
/// is less. Where nothing limits the process, four large members are on their way at once, two where the store wants
/// parts of 16 MiB: while some wait for the store, others are decoded.
const PARTS_OF_A_LOT: u64 = 2;

/// Members that land together: one, or small neighbours in the order of their data.
pub(crate) struct Lot<'a> {
    members: Vec<&'a Member>,
    is_small: bool,
}

/// How far a lot came.
pub(crate) struct Ended<'a> {
    /// What of it has landed.
    pub landed: Vec<(&'a Member, LandedObject)>,
    /// Why not all of it has; without one, the invocation was over.
    pub error: Option<Error>,
}

/// Puts members together.
pub(crate) fn of<'a>(form: JobForm, mut members: Vec<&'a Member>) -> Vec<Lot<'a>> {
    members.sort_by_key(|member| member.data_range().start);
    let mut lots: Vec<Lot<'a>> = Vec::new();
    for member in members {
        let most_bytes = form::most_bytes_of_member(form, member);
        let is_small = most_bytes.max(member.compressed_size()) <= SMALL_BYTES;
        match lots.last_mut().filter(|lot| is_small && lot.takes(member)) {
            Some(lot) => lot.members.push(member),
            None => lots.push(Lot { members: vec![member], is_small }),
        }
    }
    lots
}

impl<'a> Lot<'a> {
    fn takes(&self, next: &Member) -> bool {
        let (range, next) = (self.range(), next.data_range());
        self.is_small
            && self.members.len() < MOST_MEMBERS
            && next.start.checked_sub(range.end).is_some_and(|gap| gap <= GAP_BYTES)
            && next.end.saturating_sub(range.start) <= MOST_BYTES
    }

    /// Where in the archive its data is.
    fn range(&self) -> Range<u64> {
        let start = self.members.first().map_or(0, |first| first.data_range().start);
        start..self.members.last().map_or(start, |last| last.data_range().end)
    }

    /// Lands it, once there is room for it.
    pub(crate) async fn land(
        self,
        unpack: &Unpack<'_>,
        object: &StagedObject,
        room: &Semaphore,
    ) -> Ended<'a> {
        let Ok(_room) = room.acquire_many(self.room(unpack)).await else { unreachable!("nobody closes it") };
        if unpack.is_over() {
            return Ended { landed: Vec::new(), error: None };
        }
        match self.members.as_slice() {
            [alone] => Ended::of(alone, Box::pin(member::land(unpack, object, alone)).await),
            together => Box::pin(batch::land(unpack, object, self.range(), together)).await,
        }
    }

    /// Its share of the budget, in KiB. A lot of many members has as many puts on their way as fit into the most.
    fn room(&self, unpack: &Unpack<'_>) -> u32 {
        let part_bytes = u64::try_from(unpack.landing.store.part_bytes(None)).unwrap_or(u64::MAX);
        let most_room = part_bytes.saturating_mul(PARTS_OF_A_LOT);
        let bytes = match self.members.as_slice() {
            [alone] => form::most_bytes_of_member(unpack.job.form, alone).min(most_room),
            _ => most_room,
        };
        u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, unpack.context.budget().kibibytes())
    }
}

impl<'a> Ended<'a> {
    fn of(member: &'a Member, landed: Result<Option<LandedObject>>) -> Self {
        match landed {
            Ok(landed) => {
                Self { landed: landed.map(|object| (member, object)).into_iter().collect(), error: None }
            }
            Err(error) => Self { landed: Vec::new(), error: Some(named(member, error)) },
        }
    }
}

/// An error, and which member it is about.
pub(crate) fn named(member: &Member, error: Error) -> Error {
    error.while_doing(format_args!("member {:?}", member.name()))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use bytes::Bytes;
    use landfall::archive::{Directory, Limits, read_directory};
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
        read_directory(&bytes, &Limits::default()).await.unwrap()
    }

    fn names(lots: &[Lot<'_>]) -> Vec<Vec<String>> {
        let name = |member: &&Member| member.name().trim_end_matches(".csv").to_owned();
        lots.iter().map(|lot| lot.members.iter().map(name).collect()).collect()
    }

    /// Promise 6: small neighbours share a read, in the order of their data; a large member has one of its own.
    #[tokio::test]
    async fn small_neighbours_land_together_and_large_members_alone() {
        let large = usize::try_from(SMALL_BYTES).unwrap() + 1;
        let directory = directory(&[10, 0, 10, large, 10, 10]).await;
        let backwards = directory.files().collect::<Vec<_>>().into_iter().rev().collect();
        let lots = of(JobForm::Raw, backwards);
        assert_eq!(names(&lots), [vec!["000", "001", "002"], vec!["003"], vec!["004", "005"]]);
        let first = directory.files().next().unwrap().data_range();
        let third = directory.files().nth(2).unwrap().data_range();
        assert_eq!(lots[0].range(), first.start..third.end);
    }

    /// Promise 2: what was landed before is not read again, unless that is less than a request costs.
    #[tokio::test]
    async fn a_lot_ends_at_a_gap_and_at_its_bounds() {
        let gap = usize::try_from(GAP_BYTES).unwrap();
        let directory = directory(&[10, gap, 10, 10]).await;
        let mut members: Vec<&Member> = directory.files().collect();
        members.remove(1);
        assert_eq!(names(&of(JobForm::Raw, members)), [vec!["000"], vec!["002", "003"]]);

        let small = usize::try_from(SMALL_BYTES).unwrap();
        let directory = self::directory(&[small; 9]).await;
        let lots = of(JobForm::Raw, directory.files().collect());
        assert!(lots.len() > 1 && lots.iter().all(|lot| lot.range().end - lot.range().start <= MOST_BYTES));

        let directory = self::directory(&[1; MOST_MEMBERS + 1]).await;
        assert_eq!(of(JobForm::Raw, directory.files().collect()).len(), 2);
    }
}
