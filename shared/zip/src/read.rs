//! Reads and checks a whole directory by ranged reads, few and large.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use super::central::{CentralParser, Entry};
use super::distinct::check_distinct;
use super::encoding::NameEncoding;
use super::end::{End, PADDING_BYTES, TAIL_BYTES};
use super::error::ArchiveError;
use super::layout::{self, DESCRIPTOR_BYTES, Walk};
use super::limits::Limits;
use super::local::{LOCAL_HEADER_BYTES, LocalHeader};
use super::member::{Directory, Member, Method};

/// Bytes of one ranged read.
const WINDOW_BYTES: u64 = 1 << 20;
/// Headers closer than this share a read: a request costs about as long as this many bytes.
const COALESCE_BYTES: u64 = 128 << 10;
/// What a local extra field may have more than the central one before it costs a read of its own.
const EXTRA_SLACK: u64 = 128;
/// Reads in flight. With windows of 1 MiB this bounds the memory of reading a directory.
const READS_IN_FLIGHT: usize = 8;

/// Something that is read by ranges: a stored object, a file, memory.
pub trait ReadAt: Send + Sync {
    /// Why a read failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Bytes in all.
    fn size(&self) -> u64;

    /// Exactly `length` bytes from `offset`, which lie within [`ReadAt::size`].
    fn read_at(&self, offset: u64, length: usize) -> impl Future<Output = Result<Bytes, Self::Error>> + Send;
}

/// An archive in memory.
impl ReadAt for Bytes {
    type Error = std::convert::Infallible;

    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, Self::Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        Ok(self.slice(start..start.saturating_add(length).min(self.len())))
    }
}

/// Why a directory was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadDirectoryError<E: std::error::Error + 'static> {
    /// The store, not the archive, is at fault.
    #[error("cannot read {length} bytes of the archive at {offset}")]
    Read {
        /// Where the read started.
        offset: u64,
        /// How many bytes were asked for.
        length: usize,
        /// What the store said.
        #[source]
        source: E,
    },
    /// The store gave fewer bytes than it says that there are.
    #[error("reading {expected} bytes of the archive at {offset} gave {found}")]
    ShortRead {
        /// Where the read started.
        offset: u64,
        /// How many bytes were asked for.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The archive is refused.
    #[error(transparent)]
    Refused(#[from] ArchiveError),
}

/// Reads the central directory and every local header, and checks all that can be checked without the data:
/// names, kinds, limits, agreement, and that every byte before the directory belongs to one member only. Names that do
/// not say their encoding are in this one.
///
/// Costs one read for the end, one for each MiB of directory, and one for each header, where headers that lie
/// close together share one. At most 8 reads are in flight. Memory grows with the number of members alone, by
/// about 100 bytes and its name for each.
///
/// # Errors
/// [`ReadDirectoryError::Refused`] with the first disagreement found; nothing of such an archive may land.
pub async fn read_directory<R: ReadAt>(
    archive: &R,
    limits: &Limits,
    names: NameEncoding,
) -> Result<Directory, ReadDirectoryError<R::Error>> {
    let mut central = Central::read(archive, limits, names).await?;
    check_local_headers(archive, &mut central).await?;
    Ok(central.into_directory())
}

/// Reads the directory of an archive that [`read_directory`] has accepted before, for who lands the members that
/// are wanted and knows that the archive is the same still.
///
/// The central directory is checked as a whole. Of the members that are wanted the local headers are read and checked
/// too; the others, and what lies between members, are not looked at again, and their data range is empty.
///
/// # Errors
/// As [`read_directory`].
pub async fn reread_directory<R: ReadAt>(
    archive: &R,
    limits: &Limits,
    names: NameEncoding,
    is_wanted: impl Fn(&Member) -> bool,
) -> Result<Directory, ReadDirectoryError<R::Error>> {
    let mut central = Central::read(archive, limits, names).await?;
    let Central { entries, order, .. } = &mut central;
    order.retain(|&index| at(entries, index).is_some_and(|entry| is_wanted(&entry.member)));
    find_data(archive, &mut central).await?;
    Ok(central.into_directory())
}

/// A central directory of which all has been checked that it tells by itself.
struct Central {
    end: End,
    entries: Vec<Entry>,
    total_size: u64,
    /// The places of the entries whose local headers are looked at, in the order of those.
    order: Vec<u32>,
}

impl Central {
    async fn read<R: ReadAt>(
        archive: &R,
        limits: &Limits,
        names: NameEncoding,
    ) -> Result<Self, ReadDirectoryError<R::Error>> {
        let end = read_end(archive).await?;
        let entries =
            read_central(archive, &end, CentralParser::new(end.entries, end.directory_size, limits, names)?)
                .await?;
        let members = || entries.iter().map(|entry| &entry.member);
        check_distinct(members())?;
        let total_size = limits.check_total(members())?;
        let order = layout::order(&entries, end.directory_offset)?;
        Ok(Self { end, entries, total_size, order })
    }

    fn into_directory(self) -> Directory {
        Directory {
            members: self.entries.into_iter().map(|entry| entry.member).collect(),
            total_size: self.total_size,
            trailing_bytes: self.end.trailing_bytes,
        }
    }

    /// Where the local headers that are looked at should be.
    fn planned_headers(&self) -> impl Iterator<Item = (u64, u64)> {
        let entries = self.order.iter().filter_map(|&index| at(&self.entries, index));
        entries.map(|entry| planned(entry, self.end.directory_offset))
    }
}

fn at(entries: &[Entry], index: u32) -> Option<&Entry> {
    entries.get(usize::try_from(index).ok()?)
}

/// Checks the local headers of these members, which tell where their data is.
async fn find_data<R: ReadAt>(
    archive: &R,
    central: &mut Central,
) -> Result<(), ReadDirectoryError<R::Error>> {
    let headers: Vec<_> = central.planned_headers().collect();
    let mut windows = windows(archive, plan_windows(headers.iter().copied()));
    let Central { end: End { directory_offset, .. }, entries, order, .. } = central;
    let mut window = Window::empty();
    for (&mut index, needed) in std::iter::zip(order, headers) {
        let place = usize::try_from(index).ok();
        let Some(entry) = place.and_then(|place| entries.get_mut(place)) else { continue };
        window = window.moved_to(needed, &mut windows).await?;
        check_local_header(archive, &window, entry, *directory_offset).await?;
    }
    Ok(())
}

pub(super) async fn read_end<R: ReadAt>(archive: &R) -> Result<End, ReadDirectoryError<R::Error>> {
    let size = archive.size();
    let tail = size.saturating_sub(TAIL_BYTES)..size;
    let bytes = read(archive, tail.clone()).await?;
    match End::parse(&bytes, tail.start, size) {
        Err(ArchiveError::NoEndRecord { .. }) if tail.start > 0 && bytes.ends_with(&[0]) => {
            read_end_before_padding(archive).await
        }
        end => Ok(end?),
    }
}

/// Finds the end before more zeros than a tail has room for.
async fn read_end_before_padding<R: ReadAt>(archive: &R) -> Result<End, ReadDirectoryError<R::Error>> {
    let size = archive.size();
    let mut padding = size;
    while padding > 0 && size.saturating_sub(padding) <= PADDING_BYTES {
        let range = padding.saturating_sub(TAIL_BYTES)..padding;
        if !is_zeros(&read(archive, range.clone()).await?) {
            // A record may begin before this range, and a comment of zeros end behind it.
            let tail = range.start.saturating_sub(TAIL_BYTES)..size.min(padding.saturating_add(TAIL_BYTES));
            return Ok(End::parse(&read(archive, tail.clone()).await?, tail.start, size)?);
        }
        padding = range.start;
    }
    Err(ArchiveError::NoEndRecord { size }.into())
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

async fn read_central<R: ReadAt>(
    archive: &R,
    end: &End,
    mut parser: CentralParser<'_>,
) -> Result<Vec<Entry>, ReadDirectoryError<R::Error>> {
    let mut windows = in_windows(archive, end.directory_range());
    while let Some(window) = windows.next().await {
        parser.push(&window?)?;
    }
    Ok(parser.finish()?)
}

/// The bytes of a range, in pieces, read ahead.
pub(super) fn in_windows<R: ReadAt>(
    archive: &R,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ReadDirectoryError<R::Error>>> + Unpin {
    let ranges = std::iter::successors(Some(range.start), |start| start.checked_add(WINDOW_BYTES))
        .take_while(move |&start| start < range.end)
        .map(move |start| start..range.end.min(start.saturating_add(WINDOW_BYTES)));
    stream::iter(ranges).map(|range| read(archive, range)).buffered(READS_IN_FLIGHT)
}

async fn check_local_headers<R: ReadAt>(
    archive: &R,
    central: &mut Central,
) -> Result<(), ReadDirectoryError<R::Error>> {
    let directory_offset = central.end.directory_offset;
    let plan = plan_windows(central.planned_headers().chain([(directory_offset, directory_offset)]));
    let mut windows = windows(archive, plan);
    let Central { entries, order, .. } = central;
    let mut window = Window::empty();
    let mut walk = Walk::new(directory_offset);
    let mut previous: Option<usize> = None;
    let places = order.iter().map(|&index| usize::try_from(index).ok()).chain([None]);
    for place in places {
        let next = place.and_then(|place| entries.get(place));
        let needed =
            next.map_or((directory_offset, directory_offset), |entry| planned(entry, directory_offset));
        window = window.moved_to(needed, &mut windows).await?;
        let last = previous.and_then(|place| entries.get(place)).map(|entry| &entry.member);
        let between = walk.between(last, next.map(|entry| &entry.member))?;
        let bytes = window.bytes(archive, between.clone()).await?;
        walk.check(last, &bytes, between.start)?;
        if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
            check_local_header(archive, &window, entry, directory_offset).await?;
        }
        previous = place;
    }
    Ok(())
}

async fn check_local_header<R: ReadAt>(
    archive: &R,
    window: &Window,
    entry: &mut Entry,
    directory_offset: u64,
) -> Result<(), ReadDirectoryError<R::Error>> {
    let start = entry.member.header_offset;
    let variable = start.saturating_add(LOCAL_HEADER_BYTES);
    let fixed = window.bytes(archive, start..variable).await?;
    let header = LocalHeader::parse(&fixed, entry)?;
    let data = start.saturating_add(header.length());
    layout::check_range(&entry.member, data.saturating_add(entry.member.compressed_size), directory_offset)?;
    header.check(&window.bytes(archive, variable..data).await?, entry)?;
    entry.member.data_offset = data;
    let member = &entry.member;
    if member.size == 0 && member.compressed_size == 0 {
        // Some writers do not even end the stream of a file without a byte.
        entry.member.method = Method::Stored;
        return Ok(());
    }
    let may_be_stored = member.method == Method::Deflate64 && member.compressed_size == member.size;
    if may_be_stored && Box::pin(is_content(archive, member)).await? {
        entry.member.method = Method::Stored;
    }
    Ok(())
}

/// Whether the data of a member is its content as it is: some writers say Deflate64 of what they store.
async fn is_content<R: ReadAt>(archive: &R, member: &Member) -> Result<bool, ReadDirectoryError<R::Error>> {
    let mut crc = crc32fast::Hasher::new();
    let mut data = in_windows(archive, member.data_range());
    while let Some(bytes) = data.next().await {
        crc.update(&bytes?);
    }
    Ok(crc.finalize() == member.crc32)
}

/// The ranges that hold each of these records, which follow each other, with the bytes before it that may be a
/// descriptor; neighbours joined.
fn plan_windows(records: impl Iterator<Item = (u64, u64)>) -> Vec<Range<u64>> {
    let mut windows: Vec<Range<u64>> = Vec::new();
    for (start, end) in records {
        let start = start.saturating_sub(DESCRIPTOR_BYTES);
        match windows.last_mut() {
            Some(last)
                if start <= last.end.saturating_add(COALESCE_BYTES)
                    && end.saturating_sub(last.start) <= WINDOW_BYTES =>
            {
                last.end = last.end.max(end);
            }
            _ => windows.push(start..end),
        }
    }
    windows
}

/// The bytes of these ranges, read ahead.
fn windows<R: ReadAt>(
    archive: &R,
    plan: Vec<Range<u64>>,
) -> impl Stream<Item = Result<Window, ReadDirectoryError<R::Error>>> + Unpin {
    let reads = stream::iter(plan).map(move |range| async move {
        let bytes = read(archive, range.clone()).await?;
        Ok(Window { start: range.start, end: range.end, bytes })
    });
    reads.buffered(READS_IN_FLIGHT)
}

/// Where a local header starts, and where it should end.
fn planned(entry: &Entry, directory_offset: u64) -> (u64, u64) {
    let start = entry.member.header_offset;
    let end = start
        .saturating_add(LOCAL_HEADER_BYTES + EXTRA_SLACK)
        .saturating_add(u64::try_from(entry.raw_name().len()).unwrap_or(u64::MAX))
        .saturating_add(u64::from(entry.extra_length));
    (start, end.min(directory_offset))
}

/// Some bytes of the archive that are in memory.
struct Window {
    start: u64,
    end: u64,
    bytes: Bytes,
}

impl Window {
    fn empty() -> Self {
        Self { start: 0, end: 0, bytes: Bytes::new() }
    }

    /// Whether a header with this planned start and end is in here.
    fn covers(&self, (start, end): (u64, u64)) -> bool {
        self.start <= start && end <= self.end && !self.bytes.is_empty()
    }

    /// The next window that has a header with this planned start and end: this one, if it does.
    async fn moved_to<E>(
        self,
        needed: (u64, u64),
        windows: &mut (impl Stream<Item = Result<Self, E>> + Unpin),
    ) -> Result<Self, E> {
        let mut window = self;
        while !window.covers(needed) {
            match windows.next().await {
                Some(next) => window = next?,
                None => break,
            }
        }
        Ok(window)
    }

    /// These bytes from memory, or, rarely, from the archive.
    async fn bytes<R: ReadAt>(
        &self,
        archive: &R,
        range: Range<u64>,
    ) -> Result<Bytes, ReadDirectoryError<R::Error>> {
        match self.slice(&range) {
            Some(bytes) => Ok(bytes),
            None => read(archive, range).await,
        }
    }

    fn slice(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = usize::try_from(range.start.checked_sub(self.start)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.start)?).ok()?;
        (start <= end && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

async fn read<R: ReadAt>(archive: &R, range: Range<u64>) -> Result<Bytes, ReadDirectoryError<R::Error>> {
    let offset = range.start;
    let Ok(length) = usize::try_from(range.end.saturating_sub(range.start)) else {
        return Err(ReadDirectoryError::ShortRead { offset, expected: usize::MAX, found: 0 });
    };
    if length == 0 {
        return Ok(Bytes::new());
    }
    let bytes = archive.read_at(offset, length).await.map_err(|source| ReadDirectoryError::Read {
        offset,
        length,
        source,
    })?;
    if bytes.len() != length {
        return Err(ReadDirectoryError::ShortRead { offset, expected: length, found: bytes.len() });
    }
    Ok(bytes)
}
