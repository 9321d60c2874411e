//! The jobs of an export in a row: gaps between their increments, and rows that are out of line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall::job::{JobRecord, JobRequestId, Totals};
use landfall::usual::Usual;

use super::finding::{Finding, Of};

/// The jobs of a connection's exports.
#[derive(Debug, Default)]
pub(crate) struct Series(BTreeMap<(String, String), Vec<Job>>);

#[derive(Debug, Clone)]
struct Job {
    of: Of,
    of_export: Of,
    id: JobRequestId,
    since: Timestamp,
    window: Option<(Option<Timestamp>, Timestamp)>,
    /// What of it has landed.
    landed: Option<Option<u64>>,
}

impl Series {
    /// A job that has landed.
    pub(crate) fn add(&mut self, record: &JobRecord, totals: &Totals) {
        self.push(record, Some(totals.rows));
    }

    /// A job that has not landed.
    pub(crate) fn add_not_landed(&mut self, record: &JobRecord) {
        self.push(record, None);
    }

    fn push(&mut self, record: &JobRecord, landed: Option<Option<u64>>) {
        let job = Job {
            of: Of::job(record),
            of_export: Of::export(record),
            id: record.job_request_id.clone(),
            since: record.since,
            window: record.window.as_ref().map(|window| (window.from, window.until)),
            landed,
        };
        let series = (job.of_export.to_string(), record.destination.to_string());
        self.0.entry(series).or_default().push(job);
    }

    /// What is missing between the jobs, and what is unusual about one of them.
    pub(crate) fn findings(self) -> Vec<(Of, Finding)> {
        let mut findings = Vec::new();
        for mut jobs in self.0.into_values() {
            jobs.sort_by_key(|job| job.since);
            findings.extend(gaps(&jobs));
            findings.extend(unusual(&jobs));
        }
        findings
    }
}

/// Each increment begins before the end of one before it.
fn gaps(jobs: &[Job]) -> Vec<(Of, Finding)> {
    let mut windows: Vec<_> = jobs
        .iter()
        .filter(|job| job.landed.is_some())
        .filter_map(|job| job.window.map(|(from, until)| (until, from, job)))
        .collect();
    windows.sort_by_key(|(until, from, _)| (*until, *from));
    let mut findings = Vec::new();
    let mut covered: Option<Timestamp> = None;
    for (until, from, job) in windows {
        if let (Some(covered), Some(from)) = (covered, from)
            && from > covered
        {
            let would_have = |other: &&Job| {
                let starts_there = |(begins, ends): (Option<Timestamp>, Timestamp)| {
                    begins.is_none_or(|begins| begins <= covered) && ends > covered
                };
                other.landed.is_none() && other.window.is_some_and(starts_there)
            };
            let not_landed = jobs.iter().find(would_have).map(|job| job.id.clone());
            findings.push((
                job.of_export.clone(),
                Finding::WindowMissing { from: covered, until: from, not_landed },
            ));
        }
        covered = covered.max(Some(until));
    }
    findings
}

/// A job's rows beside those of the jobs before it.
fn unusual(jobs: &[Job]) -> Vec<(Of, Finding)> {
    let counted: Vec<(&Job, u64)> =
        jobs.iter().filter_map(|job| Some((job, job.landed.flatten()?))).collect();
    let all: Vec<u64> = counted.iter().map(|(_, rows)| *rows).collect();
    let mut findings = Vec::new();
    for (at, (job, rows)) in counted.into_iter().enumerate() {
        let Some(usual) = Usual::of(all.get(..at).unwrap_or_default()) else { continue };
        if usual.is_far_from(rows) {
            let Usual { median, jobs, .. } = usual;
            findings.push((job.of.clone(), Finding::RowsUnusual { rows, usual: median, jobs }));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use landfall::job::Window;

    use super::*;

    fn record(number: i64, window: Option<(i64, i64)>) -> JobRecord {
        let at = |hour: i64| Timestamp::from_second(1_700_000_000 + 3600 * hour).unwrap();
        let json = serde_json::json!({
            "connection": "pod", "job_request_id": format!("{number}"), "destination": "lake",
            "export": { "kind": "fusion_extract", "name": "A" }, "landing_prefix": "p/", "since": at(number),
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

    fn rows(rows: u64) -> Totals {
        Totals { objects: 1, bytes: 1, rows: Some(rows) }
    }

    /// Promise 6: a missing hour is told, whatever order the jobs landed in; overlaps are none.
    #[test]
    fn a_missing_hour_is_found() {
        let mut series = Series::default();
        for number in [3, 0, 1, 4, 6, 7] {
            series.add(&record(number, Some((number, number + 1))), &rows(5));
        }
        series.add(&record(9, Some((-1, 2))), &rows(5));
        series.add_not_landed(&record(5, Some((5, 6))));
        let found: Vec<Finding> = series.findings().into_iter().map(|(_, finding)| finding).collect();
        let hour = |hour| record(hour, None).since;
        assert_eq!(
            found,
            [
                Finding::WindowMissing { from: hour(2), until: hour(3), not_landed: None },
                Finding::WindowMissing {
                    from: hour(5),
                    until: hour(6),
                    not_landed: Some("5".parse().unwrap())
                },
            ]
        );
    }

    /// Half the rows are told; what varies as it always did is not, and neither is the first of few.
    #[test]
    fn half_the_rows_are_told_and_the_usual_variation_is_not() {
        let mut series = Series::default();
        let mut random = fastrand::Rng::with_seed(1);
        for number in 0..100 {
            series.add(&record(number, None), &rows(random.u64(900..1_100)));
        }
        assert_eq!(series.findings(), []);

        let mut series = Series::default();
        for number in 0..12 {
            series.add(
                &record(number, None),
                &rows(if number == 10 { 500 } else { 1_000 + number.unsigned_abs() }),
            );
        }
        let found = series.findings();
        let [(of, Finding::RowsUnusual { rows: 500, .. })] = found.as_slice() else { panic!("{found:?}") };
        assert!(of.to_string().contains("job 10 "), "{of}");
    }
}
