//! Why a job failed, by its log: the end of it, and what kind of failure that is.

use std::fmt;

use bytes::Bytes;
use futures::TryStreamExt as _;

use landfall::contract::Download;
use landfall::error::Result;
use landfall::job::JobState;

/// How much of a log's end is kept.
const TAIL_BYTES: usize = 64 * 1024;
/// A log larger than this is not read to its end.
const MAX_BYTES: u64 = 256 << 20;
/// How many lines are told.
const TOLD_LINES: usize = 3;

/// What kind of failure it is, as far as the words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Members, or the maps that lead to them.
    Mapping,
    /// A system that could not be reached.
    Connectivity,
    /// What the job was given.
    Parameter,
    /// Somebody ended it.
    Cancelled,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Mapping => "mapping error",
            Self::Connectivity => "connectivity error",
            Self::Parameter => "parameter error",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Words by which a failure is told, the more telling ones first.
const WORDS: [(Kind, &[&str]); 4] = [
    (
        Kind::Cancelled,
        &[
            "cancelled by",
            "canceled by",
            "was cancelled",
            "was canceled",
            "job cancelled",
            "process terminated by",
        ],
    ),
    (
        Kind::Connectivity,
        &[
            "connection refused",
            "connection reset",
            "connection timed out",
            "could not connect",
            "unable to connect",
            "cannot connect",
            "connectexception",
            "unknownhostexception",
            "sockettimeoutexception",
            "no route to host",
            "agent is not running",
            "agent is not reachable",
        ],
    ),
    (
        Kind::Mapping,
        &[
            "unmapped",
            "not mapped",
            "no mapping",
            "missing mapping",
            "mapping error",
            "mapping validation",
            "unknown member",
            "invalid member",
        ],
    ),
    (
        Kind::Parameter,
        &[
            "invalid parameter",
            "missing parameter",
            "parameter is required",
            "invalid period",
            "invalid import mode",
            "invalid export mode",
            "no input file",
            "missing input file",
            "input file not found",
            "input file does not exist",
        ],
    ),
];

impl Kind {
    /// The kind of a failure: what the status itself says, or else the words.
    pub(super) fn of(state: JobState, is_invalid_parameter: bool, words: &str) -> Option<Self> {
        if state == JobState::Cancelled {
            return Some(Self::Cancelled);
        }
        if is_invalid_parameter {
            return Some(Self::Parameter);
        }
        let words = words.to_ascii_lowercase();
        let tells = |(_, told): &&(Kind, &[&str])| told.iter().any(|told| words.contains(told));
        WORDS.iter().find(tells).map(|(kind, _)| *kind)
    }
}

/// The end of a log.
pub(super) async fn tail(mut download: Download) -> Result<String> {
    let mut tail = Vec::new();
    let mut read = 0_u64;
    while let Some(bytes) = download.body.try_next().await? {
        read = read.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        keep(&mut tail, &bytes);
        if read > MAX_BYTES {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&tail).into_owned())
}

fn keep(tail: &mut Vec<u8>, bytes: &Bytes) {
    let bytes = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    let excess = (tail.len() + bytes.len()).saturating_sub(TAIL_BYTES);
    tail.drain(..excess.min(tail.len()));
    tail.extend_from_slice(bytes);
}

/// The lines of a log's end that tell most: the last ones that speak of an error, or else simply the last.
pub(super) fn telling_lines(tail: &str) -> String {
    let speaks_of_error = |line: &&str| {
        let line = line.to_ascii_lowercase();
        ["error", "fatal", "exception", "fail", "invalid", "cancel"].iter().any(|word| line.contains(word))
    };
    let lines: Vec<&str> = tail.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(speaks_of_error).collect();
    let told = if errors.is_empty() { lines } else { errors };
    told.get(told.len().saturating_sub(TOLD_LINES)..).unwrap_or_default().join(" / ")
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};

    use super::*;

    fn kind(words: &str) -> Option<Kind> {
        Kind::of(JobState::Failed, false, words)
    }

    /// A failure is classified where its words allow it, and not otherwise.
    #[test]
    fn failures_are_classified_by_their_words() {
        assert_eq!(kind("ERROR Account 4110 is not mapped"), Some(Kind::Mapping));
        assert_eq!(kind("java.net.ConnectException: Connection refused"), Some(Kind::Connectivity));
        assert_eq!(kind("ERROR Invalid period Foo-06"), Some(Kind::Parameter));
        assert_eq!(kind("Process was cancelled"), Some(Kind::Cancelled));
        assert_eq!(kind("ERROR Input file not found: gl.csv"), Some(Kind::Parameter));
        assert_eq!(kind("ERROR ORA-00600"), None);
        assert_eq!(kind("INFO Period Name: Jan-06 / INFO Input file read"), None, "it is in every log");
        assert_eq!(Kind::of(JobState::Cancelled, false, "unmapped"), Some(Kind::Cancelled));
        assert_eq!(Kind::of(JobState::Failed, true, ""), Some(Kind::Parameter));
    }

    /// The lines that speak of errors are told, the last ones of them.
    #[test]
    fn the_last_telling_lines_are_told() {
        let log = "INFO start\nERROR one\nINFO x\nERROR two\n\nERROR three\nFATAL four\nINFO end\n";
        assert_eq!(telling_lines(log), "ERROR two / ERROR three / FATAL four");
        assert_eq!(telling_lines("a\nb\nc\nd\n"), "b / c / d");
        assert_eq!(telling_lines("\n \n"), "");
    }

    /// Promise 6: of a log of whatever size, its end is held and nothing else.
    #[tokio::test]
    async fn only_the_end_of_a_log_is_kept() {
        let piece = |number: u8| Ok(Bytes::from(vec![number; 50_000]));
        let body = stream::iter((b'a'..=b'e').map(piece)).boxed();
        let download = Download { offset: 0, size: None, validator: None, unverified: None, body };
        let kept = tail(download).await.unwrap();
        assert_eq!(kept.len(), TAIL_BYTES);
        assert!(kept.ends_with('e') && kept.starts_with('d') && !kept.contains('c'));
    }
}
