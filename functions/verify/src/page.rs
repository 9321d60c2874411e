//! An answer in the making: it holds what a state machine passes on.

use landfall::Error;
use landfall::answer::{MAX_BYTES, json_bytes};
use landfall::context::Context;
use landfall::failure::shortened;
use landfall::job::{JobRecord, JobRef, Totals};
use serde::Serialize;

use crate::contract::{Found, NextPage, NotSeen, Place, Verified};
use crate::finding::{Finding, losses};
use crate::job::Looked;

/// So many bytes of findings are told of one job: however much of it is gone, the next one is told of, too.
const MAX_BYTES_OF_ONE: usize = MAX_BYTES / 4;

/// So many findings are told in words.
const IN_WORDS: usize = 3;

/// So many characters of an error are told.
const MAX_MESSAGE: usize = 2000;

/// An answer, and how far it has come.
#[derive(Debug, Default)]
pub(crate) struct Page {
    verified: Verified,
    bytes: usize,
    /// What this call has looked at last.
    pub(crate) place: Option<Place>,
}

impl Page {
    /// Whether it says anything of a job.
    pub(crate) fn has_looked(&self) -> bool {
        let Verified { jobs, not_landed, not_seen, .. } = &self.verified;
        *jobs > 0 || *not_landed > 0 || !not_seen.is_empty()
    }

    pub(crate) fn add_not_landed(&mut self) -> bool {
        self.verified.not_landed += 1;
        true
    }

    /// Adds what was found of a job, if it fits in.
    pub(crate) fn add_landed(&mut self, context: &Context, record: &JobRecord, looked: Looked) -> bool {
        let Looked { totals, by_size, findings } = looked;
        let losses = losses(&findings);
        if !findings.is_empty() {
            let found = Found {
                totals,
                objects_by_size: by_size,
                ..found(context, record, findings, Some(record.job()))
            };
            if !self.has_room(&found) {
                return false;
            }
            self.verified.found.push(found);
        }
        self.verified.jobs += 1;
        self.verified.findings += losses;
        self.verified.totals.add_all(&totals);
        self.verified.objects_by_size += by_size;
        true
    }

    /// Adds that a job could not be looked at, if it fits in.
    pub(crate) fn add_not_seen(
        &mut self,
        context: &Context,
        job: &JobRef,
        record: Option<&JobRecord>,
        error: &Error,
    ) -> bool {
        let not_seen = NotSeen {
            connection: job.connection.clone(),
            export: record.map(|record| context.systems().name(&record.export)),
            destination: record.map(|record| record.destination.clone()),
            job_request_id: job.job_request_id.clone(),
            error: error.error_type().name().to_owned(),
            message: shortened(&error.line(), MAX_MESSAGE),
        };
        let has_room = self.has_room(&not_seen);
        if has_room {
            self.verified.not_seen.push(not_seen);
        }
        has_room
    }

    /// Adds what was found of a job beside the others of its export. What does not fit in is counted: the next call would
    /// find all of it again.
    pub(crate) fn add_in_series(&mut self, context: &Context, record: &JobRecord, finding: Finding) {
        self.verified.findings += u64::from(finding.is_loss());
        let is_between = matches!(finding, Finding::WindowMissing { .. });
        let found = found(context, record, vec![finding], (!is_between).then(|| record.job()));
        match self.has_room(&found) {
            true => self.verified.found.push(found),
            false => self.verified.untold += 1,
        }
    }

    pub(crate) fn end(self, complete: bool) -> Verified {
        let next = self.place.filter(|_| !complete).map(|from| NextPage { from });
        Verified { complete, next, ..self.verified }
    }

    /// Takes the room of a part, if there is so much. The first always has it.
    fn has_room(&mut self, part: &impl Serialize) -> bool {
        let bytes = self.bytes.saturating_add(json_bytes(part));
        let has_room = bytes <= MAX_BYTES || self.bytes == 0;
        if has_room {
            self.bytes = bytes;
        }
        has_room
    }
}

fn found(context: &Context, record: &JobRecord, mut findings: Vec<Finding>, job: Option<JobRef>) -> Found {
    let export = context.systems().name(&record.export);
    let all = findings.len();
    let mut bytes = 0;
    findings.retain(|finding| {
        bytes += json_bytes(finding);
        bytes <= MAX_BYTES_OF_ONE
    });
    let untold = |told: usize| all.saturating_sub(told);
    let mut message = match &job {
        Some(job) => format!("{job} ({export}): "),
        None => format!("{export} on {}: ", record.connection),
    };
    let words: Vec<String> = findings.iter().take(IN_WORDS).map(Finding::to_string).collect();
    message.push_str(&words.join("; "));
    if untold(words.len()) > 0 {
        message.push_str(&format!("; and {} more", untold(words.len())));
    }
    Found {
        connection: record.connection.clone(),
        export,
        destination: record.destination.clone(),
        job_request_id: job.map(|job| job.job_request_id),
        totals: Totals::default(),
        objects_by_size: 0,
        more: u64::try_from(untold(findings.len())).unwrap_or(u64::MAX),
        findings,
        message,
    }
}
