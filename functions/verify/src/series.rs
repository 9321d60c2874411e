//! The jobs of an export in a row: gaps between their increments, and rows that are out of line.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use landfall::job::{JobRecord, Window};
use landfall::usual::Usual;

use crate::finding::Finding;

/// What has become of a job of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// It has not landed.
    Not,
    /// It has landed, with so many rows where they are counted.
    With(Option<u64>),
}

/// A job beside the others of its export.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    record: JobRecord,
    landed: Landed,
    /// Whether it is asked for, and not only what others are compared with.
    is_asked_for: bool,
}

/// What is found in a series, and of which of its jobs: a gap is of the one behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InSeries {
    pub(crate) record: JobRecord,
    pub(crate) finding: Finding,
}

/// The jobs that are in a row: those of the same rows, into the same destination.
#[derive(Debug, Default)]
pub(crate) struct Series {
    jobs: BTreeMap<Of, Vec<Job>>,
    /// The times whose rows somebody has landed by a window of their own, by the name of what is exported.
    backfilled: BTreeMap<String, Vec<Window>>,
}

/// What a job is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Of {
    /// What is exported, and where it lands.
    pub(crate) name: String,
    /// What tells its rows apart.
    pub(crate) rows: String,
}

/// So long back a job was usual whose like comes again: a weekend, a month's end.
const A_MONTH: SignedDuration = SignedDuration::from_hours(24 * 35);
/// In less time not every day of the week has been seen.
const A_WEEK: SignedDuration = SignedDuration::from_hours(24 * 8);

impl Series {
    /// Adds a job to those of the same rows. A backfill is of rows of its own, and fills the gaps of others of its name.
    pub(crate) fn add(&mut self, of: Of, record: JobRecord, landed: Landed, is_asked_for: bool) {
        if let (Landed::With(_), Some(window), true) = (landed, &record.window, is_backfill(&record)) {
            self.backfilled.entry(of.name.clone()).or_default().push(window.clone());
        }
        self.jobs.entry(of).or_default().push(Job { record, landed, is_asked_for });
    }

    /// What is missing between the jobs, and what is unusual about one of them, where that is asked for.
    pub(crate) fn findings(self) -> Vec<InSeries> {
        let mut findings = Vec::new();
        for (of, mut jobs) in self.jobs {
            jobs.sort_by_key(|job| job.record.since);
            let backfilled = self.backfilled.get(&of.name).map(Vec::as_slice).unwrap_or_default();
            findings.extend(gaps(&jobs, backfilled));
            findings.extend(unusual(&jobs));
        }
        findings
    }
}

impl Job {
    fn found(&self, finding: Finding) -> Option<InSeries> {
        self.is_asked_for.then(|| InSeries { record: self.record.clone(), finding })
    }

    fn has_landed(&self) -> bool {
        self.landed != Landed::Not
    }

    fn counted(&self) -> Option<u64> {
        match self.landed {
            Landed::With(rows) => rows,
            Landed::Not => None,
        }
    }

    /// Whether it would have rows of the moment at which this window begins.
    fn would_have(&self, at: Timestamp) -> bool {
        let is_within = |window: &Window| window.from.is_none_or(|begins| begins <= at) && window.until > at;
        !self.has_landed() && self.record.window.as_ref().is_some_and(is_within)
    }

    /// Whether its rows can be compared with another job's: they are of about as long a time, where they are of a time.
    fn is_like(&self, other: &Self) -> bool {
        match (self.record.window.as_ref().map(length), other.record.window.as_ref().map(length)) {
            (Some(Some(one)), Some(Some(other))) => {
                let (short, long) = (one.min(other), one.max(other));
                long.as_secs() <= short.as_secs().saturating_mul(3) / 2
            }
            (one, other) => one == other,
        }
    }
}

/// How long a time a window is of; none where it has all rows before its end.
fn length(window: &Window) -> Option<SignedDuration> {
    window.from.map(|from| window.until.duration_since(from))
}

/// Whether somebody has said which time a job's rows are to be of: it is no increment.
pub(crate) fn is_backfill(record: &JobRecord) -> bool {
    serde_json::to_value(&record.export)
        .is_ok_and(|export| export.get("window").is_some_and(|window| window.is_object()))
}

/// Each increment begins before the end of what has landed before it.
fn gaps(jobs: &[Job], backfilled: &[Window]) -> Vec<InSeries> {
    let landed = jobs.iter().filter(|job| job.has_landed());
    let increments = landed.filter_map(|job| job.record.window.as_ref().map(|window| (window, Some(job))));
    let mut windows: Vec<_> = increments.chain(backfilled.iter().map(|window| (window, None))).collect();
    windows.sort_by_key(|(window, _)| (window.from, window.until));
    let mut findings = Vec::new();
    let mut covered: Option<Timestamp> = None;
    for (window, job) in windows {
        let gap = covered.zip(window.from).filter(|(covered, from)| from > covered);
        match (gap, job) {
            (Some((from, until)), Some(job)) => {
                let not_landed = jobs.iter().find(|other| other.would_have(from));
                let not_landed = not_landed.map(|job| job.record.job_request_id.clone());
                findings.extend(job.found(Finding::WindowMissing { from, until, not_landed }));
            }
            // A backfill is of what its window says, and of nothing before it.
            (Some(_), None) => continue,
            (None, _) => {}
        }
        covered = covered.max(Some(window.until));
    }
    findings
}

/// A job's rows beside those of the jobs before it that are like it: far from what is usual, and outside of all that a
/// month has shown. What has not been seen for a week, and what was never counted, is usual.
fn unusual(jobs: &[Job]) -> Vec<InSeries> {
    let counted: Vec<(&Job, u64)> = jobs.iter().filter_map(|job| Some((job, job.counted()?))).collect();
    let mut findings = Vec::new();
    for (at, (job, rows)) in counted.iter().enumerate().filter(|(_, (job, _))| job.is_asked_for) {
        let before: Vec<(Timestamp, u64)> = counted
            .iter()
            .take(at)
            .filter(|(other, _)| other.is_like(job))
            .map(|(other, rows)| (other.record.since, *rows))
            .collect();
        findings.extend(out_of_line(&before, job.record.since, *rows).and_then(|finding| job.found(finding)));
    }
    findings
}

fn out_of_line(before: &[(Timestamp, u64)], since: Timestamp, rows: u64) -> Option<Finding> {
    let all: Vec<u64> = before.iter().map(|(_, rows)| *rows).collect();
    let usual = Usual::of(&all).filter(|usual| usual.is_far_from(rows))?;
    let (first, _) = before.first()?;
    if since.duration_since(*first) < A_WEEK {
        return None;
    }
    let last = before.len().saturating_sub(usual.jobs);
    let seen = before.iter().enumerate();
    let seen = seen.filter(|(at, (then, _))| *at >= last || since.duration_since(*then) < A_MONTH);
    let seen: Vec<u64> = seen.map(|(_, (_, rows))| *rows).collect();
    let (least, most) = (seen.iter().min()?, seen.iter().max()?);
    let is_outside = rows < least - least / 3 || rows > most.saturating_add(most / 2);
    is_outside.then_some(Finding::RowsUnusual { rows, usual: usual.median, jobs: usual.jobs })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + 3600 * hour).unwrap()
    }

    fn record(hour: i64, window: Option<(i64, i64)>) -> JobRecord {
        let json = json!({
            "connection": "pod", "job_request_id": format!("{hour}"), "destination": "lake",
            "export": { "kind": "fusion_extract", "name": "A" }, "landing_prefix": "p/", "since": at(hour),
        });
        let mut record: JobRecord = serde_json::from_value(json).unwrap();
        record.window = window.map(|(from, until)| Window {
            field: "LastUpdateDate".to_owned(),
            from: Some(at(from)),
            until: at(until),
            overlap_until: None,
        });
        record
    }

    fn of(rows: &str) -> Of {
        Of { name: "a name".to_owned(), rows: rows.to_owned() }
    }

    /// A job that has landed: when it was submitted, its window, its rows.
    type Row = (i64, Option<(i64, i64)>, u64);

    fn series(jobs: impl IntoIterator<Item = Row>) -> Series {
        let mut series = Series::default();
        for (hour, window, rows) in jobs {
            series.add(of("A"), record(hour, window), Landed::With(Some(rows)), true);
        }
        series
    }

    fn found(series: Series) -> Vec<(String, Finding)> {
        let id = |found: &InSeries| found.record.job_request_id.to_string();
        series.findings().into_iter().map(|found| (id(&found), found.finding)).collect()
    }

    /// Promise 6: a missing hour is told, whatever order the jobs landed in; overlaps are none.
    #[test]
    fn a_missing_hour_is_found() {
        let hours = [3, 0, 1, 4, 6, 7].map(|hour| (hour, Some((hour, hour + 1)), 5));
        let mut series = series(hours.into_iter().chain([(9, Some((-1, 2)), 5)]));
        series.add(of("A"), record(5, Some((5, 6))), Landed::Not, true);
        let missing = |from, until, not_landed: Option<&str>| Finding::WindowMissing {
            from: at(from),
            until: at(until),
            not_landed: not_landed.map(|id| id.parse().unwrap()),
        };
        assert_eq!(
            found(series),
            [("3".to_owned(), missing(2, 3, None)), ("6".to_owned(), missing(5, 6, Some("5")))]
        );
    }

    /// An hour whose rows somebody has landed since by a window of their own is not missing; another one is.
    #[test]
    fn a_backfill_fills_a_gap() {
        let gaps_beside = |name: &str, from: i64, until: i64| {
            let mut series = series([0, 2, 3].map(|hour| (hour, Some((hour, hour + 1)), 5)));
            let mut record = record(9, Some((from, until)));
            let export = json!({ "kind": "fusion_rest", "resource": "A", "window": { "from": at(from) } });
            record.export = serde_json::from_value(export).unwrap();
            let of = Of { name: name.to_owned(), ..of("the backfill's own") };
            series.add(of, record, Landed::With(Some(5)), true);
            found(series).len()
        };
        assert_eq!(gaps_beside("a name", 1, 2), 0);
        assert_eq!(gaps_beside("a name", -5, 9), 0);
        assert_eq!(gaps_beside("a name", 2, 4), 1);
        assert_eq!(gaps_beside("another", 1, 2), 1);
    }

    /// What was asked for before is not told again; it is what the others are compared with.
    #[test]
    fn what_is_not_asked_for_is_compared_with_and_not_told() {
        let mut series = Series::default();
        for hour in [0, 2, 3] {
            let is_asked_for = hour == 3;
            series.add(of("A"), record(hour, Some((hour, hour + 1))), Landed::With(None), is_asked_for);
        }
        assert_eq!(found(series), []);
        let days = (0..12).map(|day| (24 * day, None, 1_000));
        let mut series = self::series(days);
        series.add(of("A"), record(24 * 12, None), Landed::With(Some(500)), false);
        series.add(of("A"), record(24 * 13, None), Landed::With(Some(200)), true);
        let found = found(series);
        assert!(
            matches!(found.as_slice(), [(id, Finding::RowsUnusual { rows: 200, .. })] if id == "312"),
            "{found:?}"
        );
    }

    /// Rows that are halved, doubled or gone are told, once they can be known to be.
    #[test]
    fn rows_out_of_line_are_told() {
        for odd in [500, 0, 2_100] {
            let rows = |day: i64| if day == 13 { odd } else { 1_000 + day.unsigned_abs() };
            let found = found(series((0..16).map(|day| (24 * day, None, rows(day)))));
            let [(id, Finding::RowsUnusual { rows, .. })] = found.as_slice() else {
                panic!("{odd}: {found:?}")
            };
            assert_eq!((id.as_str(), *rows), ("312", odd));
        }
    }

    /// What comes again by itself is not told: what varies as it always did, volumes that grow, weekends with few rows, the
    /// first job with all rows before its end, a backfill of a longer time, increments without a row.
    #[test]
    fn what_is_usual_is_not_told() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut varied = |around: u64| random.u64(around * 9 / 10..around * 11 / 10);
        let days = |rows: &mut dyn FnMut(i64) -> u64| -> Vec<Row> {
            (0..100).map(|day| (24 * day, None, rows(day))).collect()
        };
        assert_eq!(found(series(days(&mut |_| varied(1_000)))), [], "variation");
        assert_eq!(found(series(days(&mut |day| 1_000 + 30 * day.unsigned_abs()))), [], "growth");
        let mut weekend = |day: i64| if day % 7 < 5 { varied(1_000) } else { varied(40) };
        for starts in 0..7 {
            assert_eq!(found(series(days(&mut |day| weekend(day + starts)))), [], "weekends, from {starts}");
        }
        assert_eq!(
            found(series(days(&mut |day| if day == 0 { 500_000 } else { varied(100) }))),
            [],
            "a first job"
        );
        assert_eq!(found(series(days(&mut |day| u64::from(day % 3 == 0)))), [], "empty increments");
        let nights =
            (0..900).map(|hour| (hour, None, if (6..20).contains(&(hour % 24)) { 1_000 } else { 3 }));
        assert_eq!(found(series(nights)), [], "nights");
        let daily = |day: i64| (24 * day, Some((24 * (day - 1), 24 * day)), 1_000);
        let backfill = (24 * 30 + 1, Some((0, 24 * 30)), 30_000);
        assert_eq!(found(series((0..40).map(daily).chain([backfill]))), [], "a backfill");
    }
}
