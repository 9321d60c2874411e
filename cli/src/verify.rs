//! `landfall verify`: holds what has landed against its manifests.
//!
//! The story: the manifest of every landed job that is asked for is read, an object at a time, beside the receipts of what
//! landed. Each object that it names is looked for, and held against its size and checksum, or read to its last byte. Then
//! the jobs of each export are looked at in a row: their increments follow each other without a gap, and have about as many
//! rows as usual. What differs is told by name, and changes nothing; only where a repair is asked for, what is gone or
//! changed is landed again.

mod finding;
mod job;
mod repair;
mod series;

use futures::TryStreamExt as _;
use landfall::job::{ConnectionName, JobRecord, Totals};
use landfall::state::{JobObjects, WorkState};
use landfall::{Error, Result};
use landfall_systems::SYSTEMS;
use serde::Serialize;
use serde_json::json;

use crate::arguments::Verify;
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::report::Report;
use crate::totals::{in_words, number_of};
use finding::{Finding, Of};
use job::{Look, Looked};
use series::Series;

/// What a verification comes to: `landfall verify --json` prints it last.
#[derive(Debug, Default, Serialize)]
struct Verified {
    /// How many landed jobs were looked at.
    jobs: u64,
    /// What their manifests name.
    #[serde(flatten)]
    totals: Totals,
    /// Of those objects, the ones whose store keeps no checksum: their sizes alone were held against the manifest.
    objects_by_size: u64,
    /// How many findings there are of what is gone, changed or missing, and was not landed again.
    findings: u64,
    /// How many jobs have been landed again.
    repaired: u64,
    /// How many jobs have not landed, and are not looked at.
    not_landed: u64,
    /// How many jobs could not be looked at.
    not_seen: u64,
}

impl Verified {
    fn exit_code(&self) -> u8 {
        match (self.not_seen, self.findings) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        }
    }

    fn is_of_nothing(&self) -> bool {
        self.jobs + self.not_landed + self.not_seen == 0
    }

    fn text(&self) -> String {
        if self.is_of_nothing() {
            return "nothing has landed: there is nothing to verify\n".to_owned();
        }
        let mut text = format!("verified {}: {}", number_of(self.jobs, "job"), in_words(&self.totals));
        let mut add = |jobs: u64, what: &str| {
            if jobs > 0 {
                text.push_str(&format!("\n{}{what}", number_of(jobs, "job")));
            }
        };
        add(self.repaired, " landed again");
        add(self.not_landed, " not landed, and not looked at: landfall status tells how far they are");
        add(self.not_seen, " could not be looked at");
        if self.objects_by_size > 0 {
            text.push_str(&format!(
                "\n{} by size alone, as the store keeps no checksum of them: --read reads every byte",
                number_of(self.objects_by_size, "object")
            ));
        }
        let findings = match self.findings {
            0 => "\nnothing is gone or changed\n".to_owned(),
            findings => format!("\n{}\n", number_of(findings, "finding")),
        };
        text + &findings
    }
}

/// Looks, tells what is found as it comes, and returns the exit code: 1 where something differs, 2 where something could
/// not be looked at.
pub(crate) async fn verify(
    machine: &LocalRuntime,
    arguments: &Verify,
    report: &mut Report<'_>,
) -> Result<u8, Failure> {
    let work = machine.context().work().await?;
    let connections = match &arguments.connection {
        Some(connection) => vec![connection.clone()],
        None => work.connections().await.map_err(Error::from)?.into_iter().collect(),
    };
    let mut verification = Verification { machine, work, arguments, report, verified: Verified::default() };
    for connection in connections {
        verification.connection(&connection).await?;
    }
    let Verification { verified, report, .. } = verification;
    if verified.is_of_nothing() && arguments.names_something() {
        return Err(Error::not_found(
            "no job is known of what is to be verified: landfall status lists the connections and their jobs",
        )
        .into());
    }
    report.finding(&verified.text(), &json!({ "verified": verified }))?;
    Ok(verified.exit_code())
}

/// Nothing has landed where the folder that would hold it is not there.
pub(crate) fn verify_nothing(report: &mut Report<'_>) -> Result<(), Failure> {
    let verified = Verified::default();
    report.finding(&verified.text(), &json!({ "verified": verified }))
}

/// A verification under way.
struct Verification<'a, 'b> {
    machine: &'a LocalRuntime,
    work: WorkState,
    arguments: &'a Verify,
    report: &'a mut Report<'b>,
    verified: Verified,
}

impl Verification<'_, '_> {
    async fn connection(&mut self, connection: &ConnectionName) -> Result<(), Failure> {
        let work = self.work.clone();
        let mut series = Series::default();
        let mut jobs = work.jobs(connection);
        while let Some(objects) = jobs.try_next().await.map_err(Error::from)? {
            let Some(record) = work.job(&objects.job).await.map_err(Error::from)? else { continue };
            if is_asked_for(&record, self.arguments) {
                self.job(&record, &objects, &mut series).await?;
            }
        }
        for (of, finding) in series.findings() {
            let findings = [finding];
            self.verified.findings += count(&findings);
            self.tell(&of, &findings)?;
        }
        Ok(())
    }

    async fn job(
        &mut self,
        record: &JobRecord,
        objects: &JobObjects,
        series: &mut Series,
    ) -> Result<(), Failure> {
        self.machine.progress().stage(format!("verifying {}", objects.job));
        let of = Of::job(record);
        match self.look(record, objects).await {
            Ok(Look::NotLanded) => {
                self.verified.not_landed += 1;
                series.add_not_landed(record);
                Ok(())
            }
            Ok(Look::Landed(looked)) => {
                self.verified.jobs += 1;
                self.tell(&of, &looked.findings)?;
                let looked = match looked.findings.is_empty() {
                    true => looked,
                    false if self.arguments.repair => self.repair(record, objects, looked).await?,
                    false => {
                        let JobRecord { connection, job_request_id, .. } = record;
                        let options = self.arguments.systems.as_options();
                        self.report.words(&format!(
                            "  to land it again: landfall verify {connection} {job_request_id} --repair{options}\n"
                        ))?;
                        looked
                    }
                };
                self.verified.findings += count(&looked.findings);
                self.verified.totals.add_all(&looked.totals);
                self.verified.objects_by_size += looked.by_size;
                series.add(record, &looked.totals);
                Ok(())
            }
            Err(error) => {
                self.verified.not_seen += 1;
                self.tell_error("not looked at", &of, &error)
            }
        }
    }

    async fn look(&self, record: &JobRecord, objects: &JobObjects) -> Result<Look> {
        job::look_at(self.machine, &self.work, record, objects, self.arguments.read).await
    }

    /// Lands again what is gone or changed; what is found then. Where it cannot be landed, what was found stands.
    async fn repair(
        &mut self,
        record: &JobRecord,
        objects: &JobObjects,
        found: Box<Looked>,
    ) -> Result<Box<Looked>, Failure> {
        let of = Of::job(record);
        if let Err(error) = repair::repair(self.machine, record, &found.findings).await {
            self.tell_error("not landed again", &of, &error)?;
            return Ok(found);
        }
        match self.look(record, objects).await? {
            Look::Landed(looked) => {
                self.tell(&of, &looked.findings)?;
                if looked.findings.is_empty() {
                    self.verified.repaired += 1;
                    let line = of.line(&json!({ "landed_again": true }));
                    self.report.finding(&format!("landed again: {of}\n"), &line)?;
                }
                Ok(looked)
            }
            Look::NotLanded => Ok(found),
        }
    }

    fn tell(&mut self, of: &Of, findings: &[Finding]) -> Result<(), Failure> {
        findings.iter().try_for_each(|finding| {
            self.report.finding(&format!("{of}: {finding}\n"), &of.line(&json!(finding)))
        })
    }

    fn tell_error(&mut self, what: &str, of: &Of, error: &Error) -> Result<(), Failure> {
        let (name, message) = (error.error_type().name(), error.line());
        let line = of.line(&json!({ "error": { "type": name, "message": message } }));
        self.report.finding(&format!("{what}: {of}: {name}: {message}\n"), &line)
    }
}

fn count(findings: &[Finding]) -> u64 {
    findings.iter().map(|finding| u64::from(finding.is_loss())).sum()
}

fn is_asked_for(record: &JobRecord, arguments: &Verify) -> bool {
    let exports = &arguments.exports;
    let is_export = |name: &String| *name == SYSTEMS.name(&record.export);
    arguments.job_request_id.as_ref().is_none_or(|id| *id == record.job_request_id)
        && arguments.since.is_none_or(|since| record.since >= since)
        && (exports.is_empty() || exports.iter().any(is_export))
}
