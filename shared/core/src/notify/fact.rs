//! What there is to be told, and of whom.

use jiff::Timestamp;

use crate::advice::{self, Standing};
use crate::config::NotifyEvent;
use crate::context::Context;
use crate::error::ErrorType;
use crate::export::Export;
use crate::job::{
    ConnectionName, DestinationName, ExportName, Failure, JobLineage, JobRecord, JobRequestId, JobState,
    RunKey, Totals, Window,
};
use crate::rows::ColumnType;

/// What begins the name of each failure among the marks.
const FAILED: &str = "failed:";

/// The run or the job that something is told of, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub connection: ConnectionName,
    pub run_key: Option<RunKey>,
    pub job_request_id: Option<JobRequestId>,
    pub export: Option<ExportName>,
    pub destination: Option<DestinationName>,
    /// The export's folder in the landing bucket, over all of its jobs.
    pub folder: Option<String>,
    pub window: Option<Window>,
    pub since: Option<Timestamp>,
    pub lineage: Option<JobLineage>,
}

/// Something that has come about.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    /// The run has its job.
    Submitted,
    /// The job has landed.
    Landed(Box<Landed>),
    /// A step has failed, and is not called again by itself.
    Failed(Box<Failure>),
}

/// What has landed.
#[derive(Debug, Clone)]
pub(super) struct Landed {
    pub state: JobState,
    pub totals: Totals,
    pub files: Option<u64>,
    /// The manifest's URI.
    pub manifest: String,
    pub schema_changes: u64,
    /// The columns, where they are kept.
    pub columns: Vec<(String, ColumnType)>,
    /// The landing bucket's URI, without a slash behind it.
    pub bucket: String,
}

impl Subject {
    /// A job.
    pub(super) fn job(context: &Context, job: &JobRecord) -> Self {
        Self {
            connection: job.connection.clone(),
            run_key: job.run_key.clone(),
            job_request_id: Some(job.job_request_id.clone()),
            export: Some(named(context, &job.export)),
            destination: Some(job.destination.clone()),
            folder: None,
            window: job.window.clone(),
            since: Some(job.since),
            lineage: job.lineage.as_deref().cloned(),
        }
    }
}

fn named(context: &Context, export: &Export) -> ExportName {
    ExportName { kind: export.kind().to_owned(), name: context.systems().name(export) }
}

impl Fact {
    /// What it is among the marks of its run: the same however often it is told of.
    pub(super) fn name(&self, subject: &Subject) -> String {
        let job = subject.job_request_id.as_ref().map(JobRequestId::as_str).unwrap_or_default();
        match self {
            Self::Submitted => format!("submitted:{job}"),
            Self::Landed(_) => format!("landed:{job}"),
            Self::Failed(failure) => {
                let Failure { step, ordinal, error, since, .. } = &**failure;
                let ordinal = ordinal.map(|ordinal| format!("/{ordinal}")).unwrap_or_default();
                format!("{FAILED}{step}{ordinal}:{error}:{since}")
            }
        }
    }

    /// Whether that is the name of a failure.
    pub(super) fn is_failure(name: &str) -> bool {
        name.starts_with(FAILED)
    }

    /// What it is to those who are told: what it is foremost, and what besides.
    pub(super) fn events(&self, now: Timestamp) -> Vec<NotifyEvent> {
        match self {
            Self::Submitted => Vec::new(),
            Self::Landed(landed) => {
                let foremost = match landed.state {
                    JobState::Partial => NotifyEvent::LandedPartly,
                    _ => NotifyEvent::Landed,
                };
                let changed = (landed.schema_changes > 0).then_some(NotifyEvent::SchemaChanged);
                [foremost].into_iter().chain(changed).collect()
            }
            Self::Failed(failure) => {
                let foremost = match advice::standing(failure, now) {
                    Standing::NeedsPerson => NotifyEvent::NeedsPerson,
                    Standing::Refused => NotifyEvent::Refused,
                    Standing::TriedAgain | Standing::Failed => NotifyEvent::Failed,
                };
                let changed =
                    (failure.error == ErrorType::SchemaChanged.name()).then_some(NotifyEvent::SchemaChanged);
                [foremost].into_iter().chain(changed).collect()
            }
        }
    }
}

/// Subjects and facts for the tests beside this one.
#[cfg(test)]
pub(super) mod samples {
    use std::time::Duration;

    use super::*;

    pub(in super::super) fn now() -> Timestamp {
        "2026-11-21T06:10:00Z".parse().unwrap()
    }

    pub(in super::super) fn subject() -> Subject {
        Subject {
            connection: "fusion-prod".parse().unwrap(),
            run_key: Some("carriers-2026-11-21T06".parse().unwrap()),
            job_request_id: Some("44046".parse().unwrap()),
            export: Some(ExportName {
                kind: "fusion_extract".to_owned(),
                name: "Carriers <&> *all*".to_owned(),
            }),
            destination: Some("lake".parse().unwrap()),
            folder: Some("fusion/fusion-prod/Carriers".to_owned()),
            window: Some(Window {
                field: "LastUpdateDate".to_owned(),
                from: Some("2026-11-20T00:00:00Z".parse().unwrap()),
                until: "2026-11-21T00:00:00Z".parse().unwrap(),
                overlap_until: None,
            }),
            since: Some("2026-11-21T06:00:00Z".parse().unwrap()),
            lineage: None,
        }
    }

    pub(in super::super) fn landed(state: JobState, schema_changes: u64) -> Fact {
        Fact::Landed(Box::new(Landed {
            state,
            totals: Totals { objects: 7, bytes: 2_000_000, rows: Some(12_000) },
            files: Some(6),
            manifest: "s3://lake/fusion/fusion-prod/Carriers/44046/_manifest.json".to_owned(),
            schema_changes,
            columns: vec![
                ("ID".to_owned(), ColumnType::Integer),
                ("AMOUNT".to_owned(), ColumnType::Decimal { precision: 12, scale: 2 }),
            ],
            bucket: "s3://lake".to_owned(),
        }))
    }

    pub(in super::super) fn failed(error: ErrorType) -> Fact {
        Fact::Failed(Box::new(Failure {
            step: "unpack-upload".to_owned(),
            ordinal: Some(3),
            error: error.name().to_owned(),
            message: "member \"../x\" <!channel> leaves its `prefix`".to_owned(),
            since: now(),
            last: now() + Duration::from_secs(60),
            times: 2,
            tried_again_until: None,
            awaits_person: false,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{failed, landed, now, subject};
    use super::*;

    /// A failure that comes again is the same fact, as long as it is one of a row; landing is one fact of each job.
    #[test]
    fn what_comes_again_is_the_same_fact() {
        let subject = subject();
        let Fact::Failed(first) = failed(ErrorType::UnsafeArchive) else { panic!() };
        let name = |failure: &Failure| Fact::Failed(Box::new(failure.clone())).name(&subject);
        let again = Failure { times: 9, last: now(), message: "x".to_owned(), ..(*first).clone() };
        assert_eq!(name(&again), name(&first));
        for other in [
            Failure { since: "2026-11-22T00:00:00Z".parse().unwrap(), ..(*first).clone() },
            Failure { ordinal: Some(4), ..(*first).clone() },
            Failure { error: "IntegrityError".to_owned(), ..(*first).clone() },
        ] {
            assert_ne!(name(&other), name(&first));
        }
        assert!(Fact::is_failure(&name(&first)));
        assert_eq!(
            landed(JobState::Partial, 3).name(&subject),
            landed(JobState::Succeeded, 0).name(&subject)
        );
        assert!(!Fact::is_failure(&landed(JobState::Partial, 0).name(&subject)));
    }

    /// What is told is what `status` says: refused is not failed, and whoever waits for changed columns hears of them in
    /// either case.
    #[test]
    fn a_fact_is_what_status_says() {
        use NotifyEvent::{Failed, Landed, LandedPartly, NeedsPerson, Refused, SchemaChanged};
        let events = |fact: Fact| fact.events(now());
        assert_eq!(events(landed(JobState::Succeeded, 0)), [Landed]);
        assert_eq!(events(landed(JobState::Empty, 1)), [Landed, SchemaChanged]);
        assert_eq!(events(landed(JobState::Partial, 0)), [LandedPartly]);
        assert_eq!(events(failed(ErrorType::UnsafeArchive)), [Refused]);
        assert_eq!(events(failed(ErrorType::SchemaChanged)), [Refused, SchemaChanged]);
        assert_eq!(events(failed(ErrorType::AuthRejected)), [Failed]);
        assert_eq!(events(failed(ErrorType::Conflict)), [NeedsPerson]);
        assert!(events(Fact::Submitted).is_empty());
    }
}
