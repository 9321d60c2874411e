//! Many large files, fetched by calls of their own, if the caller can do that: each call has a function's network to
//! itself, and each file can be unpacked while others still come.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::Result;
use landfall::job::{JobRef, OutputFile};
use landfall::state::WorkState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most files that an answer names: a state machine's states pass on 256 KiB at most (Step Functions developer
/// guide, "Quotas"), and a name may have a kibibyte.
pub(crate) const MAX_NAMED: usize = 200;

/// So many bytes, and not fewer, are worth it: at 80 MB a second, which a function is taken to receive, they take 50 seconds.
/// The unpacking that could be done while fewer come takes a few.
const ENOUGH: u64 = 4 << 30;

/// The least share of that which a file has on average, 128 MiB: they take a second and a half, beside which a call's start
/// and the state machine's transitions around it cost little.
const SHARE_OF_A_FILE: u64 = 32;

/// How many records are read at once.
const READS_AT_ONCE: usize = 16;

/// Unpacking a file is taken to last this share of the time that fetching it does: all of it where the function's network is
/// what limits, a quarter at 20 MB a second (`docs/performance.md`).
const SHARE_OF_UNPACKING: u64 = 2;

/// The files to fetch by calls of their own, after which the job is called for once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchEach {
    /// The files, the largest first.
    pub files: Vec<FileToFetch>,
    /// How many of them may be fetched at once: the connection's `http.parallel_downloads`.
    pub at_once: u32,
}

/// A file to fetch by a call of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileToFetch {
    /// Its position in the job's list of files, from 0.
    pub ordinal: u32,
    /// Whether it is worth unpacking as soon as it is staged: then that is most likely done before the last file has come.
    pub unpack_early: bool,
}

/// Which of a job's files to fetch by calls of their own, if that is worth it.
pub(crate) async fn divided(
    work: &WorkState,
    job: &JobRef,
    files: &[OutputFile],
    at_once: usize,
    enough: Option<u64>,
) -> Result<Option<FetchEach>> {
    let enough = enough.unwrap_or(ENOUGH);
    // Most jobs are known by their sizes alone to be none of these: nothing is read of them.
    if !is_worth_it(files.iter(), enough) {
        return Ok(None);
    }
    let missing = stream::iter(files).map(|file| async move {
        let staged = work.staged(job, file.ordinal).await?;
        Ok::<_, landfall::Error>(staged.is_none().then_some(file))
    });
    let missing: Vec<Option<&OutputFile>> = missing.buffered(READS_AT_ONCE).try_collect().await?;
    let missing: Vec<&OutputFile> = missing.into_iter().flatten().collect();
    Ok(is_worth_it(missing.iter().copied(), enough).then(|| planned(missing, at_once)))
}

/// Whether these are so many files, and so large. One whose size is not known counts as empty.
fn is_worth_it<'a>(files: impl Iterator<Item = &'a OutputFile> + Clone, enough: u64) -> bool {
    let (count, bytes) = (files.clone().count(), files.map(size).fold(0u64, u64::saturating_add));
    let share = enough / SHARE_OF_A_FILE;
    let of_all = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(share);
    (2..=MAX_NAMED).contains(&count) && bytes >= enough && bytes >= of_all
}

/// The largest first, as they come at the same speed: each as soon as one before it has come.
fn planned(mut files: Vec<&OutputFile>, at_once: usize) -> FetchEach {
    files.sort_by_key(|file| std::cmp::Reverse(size(file)));
    let mut places = vec![0u64; at_once.clamp(1, files.len().max(1))];
    let has_come = files.iter().map(|file| {
        let Some(place) = places.iter_mut().min() else { return u64::MAX };
        *place = place.saturating_add(size(file));
        *place
    });
    let has_come: Vec<u64> = has_come.collect();
    let all_have = has_come.iter().copied().max().unwrap_or_default();
    let files = files.into_iter().zip(has_come).map(|(file, has_come)| FileToFetch {
        ordinal: file.ordinal,
        // Of a file whose size is not known, it is not known how long before the last it comes.
        unpack_early: file.size.is_some()
            && has_come.saturating_add(size(file) / SHARE_OF_UNPACKING) <= all_have,
    });
    FetchEach { files: files.collect(), at_once: u32::try_from(at_once).unwrap_or(u32::MAX) }
}

fn size(file: &OutputFile) -> u64 {
    file.size.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn files(sizes: &[Option<u64>]) -> Vec<OutputFile> {
        let file = |(ordinal, size): (u32, &Option<u64>)| OutputFile {
            ordinal,
            name: format!("{ordinal}.zip"),
            size: *size,
            sha256: None,
            locator: None,
            is_log: false,
        };
        (0..).zip(sizes).map(file).collect()
    }

    fn is_worth(sizes: &[Option<u64>]) -> bool {
        is_worth_it(files(sizes).iter(), ENOUGH)
    }

    /// One file, small ones, and more than an answer names are fetched as ever: what a call of its own costs has to be
    /// worth it.
    #[test]
    fn only_many_bytes_in_large_files_are_worth_calls_of_their_own() {
        assert!(is_worth(&[Some(2048 * MIB); 2]));
        assert!(is_worth(&[Some(128 * MIB); 32]));
        assert!(is_worth(&[Some(128 * MIB); 200]));
        for not in [
            vec![Some(100 << 30)],
            vec![Some(2048 * MIB), Some(2048 * MIB - 1)],
            vec![Some(226 * MIB); 10],
            vec![Some(127 * MIB); 100],
            vec![Some(128 * MIB); 201],
            vec![None; 100],
            Vec::new(),
        ] {
            assert!(!is_worth(&not), "{} of {:?}", not.len(), not.first());
        }
        assert!(is_worth(&[Some(u64::MAX), Some(u64::MAX)]), "what a source says of sizes is only a number");
    }

    fn early(sizes: &[u64], at_once: usize) -> Vec<(u32, bool)> {
        let sizes: Vec<_> = sizes.iter().map(|size| Some(size * MIB)).collect();
        let each = planned(files(&sizes).iter().collect(), at_once);
        each.files.iter().map(|file| (file.ordinal, file.unpack_early)).collect()
    }

    /// What comes long before the last file is unpacked meanwhile. What comes with it is not: it would be unpacked twice
    /// at once.
    #[test]
    fn what_comes_long_before_the_last_is_unpacked_early() {
        let alike = early(&[200; 6], 2);
        assert_eq!(alike, [(0, true), (1, true), (2, true), (3, true), (4, false), (5, false)]);
        assert_eq!(early(&[200; 4], 4), [(0, false), (1, false), (2, false), (3, false)]);
        assert_eq!(early(&[100, 900, 200], 4), [(1, false), (2, true), (0, true)], "the largest first");
        assert_eq!(early(&[100; 3], 1), [(0, true), (1, true), (2, false)]);
        assert_eq!(early(&[], 0), []);
        let one_unknown = planned(files(&[Some(200 * MIB), None, Some(200 * MIB)]).iter().collect(), 1);
        let early: Vec<_> = one_unknown.files.iter().map(|file| (file.ordinal, file.unpack_early)).collect();
        assert_eq!(early, [(0, true), (2, false), (1, false)], "a file of no known size may be the largest");
    }
}
