//! `landfall verify`: tells what the step `verify` finds, as it comes.
//!
//! What differs changes nothing; only where a repair is asked for, what is gone or changed is landed again, and looked at
//! once more.

mod repair;

use ::verify::{Finding, Found, Look, Looked, NotSeen, Verified, VerifyEvent, exit_code, losses};
use landfall::job::{ConnectionName, DestinationName, JobRecord, JobRef, JobRequestId, Totals};
use landfall::{Error, Result, Step};
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::Verify;
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::report::Report;
use crate::run;
use crate::totals::{in_words, number_of};

/// After so many seconds what has been found is told, and the rest is looked at.
const ANSWER_AFTER_SECONDS: u64 = 5;

/// What a verification comes to: `landfall verify --json` prints it last.
#[derive(Debug, Default, Serialize)]
struct Summary {
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

impl Summary {
    fn is_of_nothing(&self) -> bool {
        self.jobs + self.not_landed + self.not_seen == 0
    }

    fn add(&mut self, page: &Verified) {
        self.jobs += page.jobs;
        self.totals.add_all(&page.totals);
        self.objects_by_size += page.objects_by_size;
        self.findings += page.findings;
        self.not_landed += page.not_landed;
        self.not_seen += page.not_seen();
    }

    /// Counts what is there of a job now, instead of what was there before.
    fn count_again(&mut self, before: &Looked, now: &Looked) {
        let instead = |all: u64, before: u64, now: u64| all.saturating_sub(before).saturating_add(now);
        let Totals { objects, bytes, rows } = &mut self.totals;
        *objects = instead(*objects, before.totals.objects, now.totals.objects);
        *bytes = instead(*bytes, before.totals.bytes, now.totals.bytes);
        let counted = rows.or(now.totals.rows).is_some();
        let rows_of = |totals: &Totals| totals.rows.unwrap_or(0);
        *rows = counted.then(|| instead(rows.unwrap_or(0), rows_of(&before.totals), rows_of(&now.totals)));
        self.objects_by_size = instead(self.objects_by_size, before.by_size, now.by_size);
        self.findings = instead(self.findings, losses(&before.findings), losses(&now.findings));
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
    let mut event = event(arguments);
    let mut verification = Verification { machine, arguments, report, summary: Summary::default() };
    loop {
        machine
            .progress()
            .stage(format!("verifying, {} so far", number_of(verification.summary.jobs, "job")));
        let page = run::step(machine, Step::Verify, &event, ::verify::verify).await?;
        verification.page(&page).await?;
        match page.next {
            Some(next) => event.from = Some(next.from),
            None => break,
        }
    }
    let Verification { summary, report, .. } = verification;
    if summary.is_of_nothing() && arguments.names_something() {
        return Err(Error::not_found(
            "no job is known of what is to be verified: landfall status lists the connections and their jobs",
        )
        .into());
    }
    report.finding(&summary.text(), &json!({ "verified": summary }))?;
    Ok(exit_code(summary.not_seen, summary.findings))
}

fn event(arguments: &Verify) -> VerifyEvent {
    VerifyEvent {
        connections: arguments.connection.iter().cloned().collect(),
        job_request_id: arguments.job_request_id.clone(),
        exports: arguments.exports.clone(),
        since: arguments.since,
        days: None,
        read: arguments.read,
        answer_after_seconds: Some(ANSWER_AFTER_SECONDS),
        from: None,
    }
}

/// Nothing has landed where the folder that would hold it is not there.
pub(crate) fn verify_nothing(report: &mut Report<'_>) -> Result<(), Failure> {
    let summary = Summary::default();
    report.finding(&summary.text(), &json!({ "verified": summary }))
}

/// A verification under way.
struct Verification<'a, 'b> {
    machine: &'a LocalRuntime,
    arguments: &'a Verify,
    report: &'a mut Report<'b>,
    summary: Summary,
}

impl Verification<'_, '_> {
    /// Tells of an answer, and lands again what it says is gone, where that is asked for.
    async fn page(&mut self, page: &Verified) -> Result<(), Failure> {
        self.summary.add(page);
        for found in &page.found {
            let of = Of::found(found);
            self.tell(&of, &found.findings)?;
            if found.more > 0 {
                self.report.words(&format!("{of}: {} more\n", number_of(found.more, "finding")))?;
            }
            if found.findings.iter().any(Finding::is_mended_by_landing) {
                self.mend(&of).await?;
            }
        }
        for NotSeen { connection, export, destination, job_request_id, error, message } in &page.not_seen {
            let job_request_id = Some(job_request_id);
            let of =
                Of { connection, export: export.as_ref(), destination: destination.as_ref(), job_request_id };
            self.tell_error("not looked at", &of, error, message)?;
        }
        match page.untold {
            0 => Ok(()),
            untold => self.report.words(&format!("{} more between jobs\n", number_of(untold, "finding"))),
        }
    }

    /// Lands a job again of which something is gone or changed, or says how that is done.
    async fn mend(&mut self, of: &Of<'_>) -> Result<(), Failure> {
        let Some(job_request_id) = of.job_request_id.cloned() else { return Ok(()) };
        let connection = of.connection.clone();
        if self.arguments.repair {
            return self.repair(of, &JobRef { connection, job_request_id }).await;
        }
        let options = self.arguments.systems.as_options();
        self.report.words(&format!(
            "  to land it again: landfall verify {connection} {job_request_id} --repair{options}\n"
        ))
    }

    /// Lands again what is gone or changed, and tells what is found then. Where it cannot be landed, what was found stands.
    async fn repair(&mut self, of: &Of<'_>, job: &JobRef) -> Result<(), Failure> {
        let Some((record, before)) = self.look(job).await? else { return Ok(()) };
        if let Err(error) = repair::repair(self.machine, &record, &before.findings).await {
            return self.tell_error("not landed again", of, error.error_type().name(), &error.line());
        }
        let Some((_, now)) = self.look(job).await? else { return Ok(()) };
        self.summary.count_again(&before, &now);
        self.tell(of, &now.findings)?;
        if now.findings.iter().any(Finding::is_mended_by_landing) {
            return Ok(());
        }
        self.summary.repaired += 1;
        let line = of.line(&json!({ "landed_again": true }));
        self.report.finding(&format!("landed again: {of}\n"), &line)
    }

    /// All that there is of a job now; none where it has not landed.
    async fn look(&self, job: &JobRef) -> Result<Option<(JobRecord, Box<Looked>)>> {
        let context = self.machine.context();
        let work = context.work().await?;
        let Some(record) = work.job(job).await? else { return Ok(None) };
        let objects = work.job_objects(job).await?;
        Ok(match ::verify::look_at(context, &work, &record, &objects, self.arguments.read).await? {
            Look::Landed(looked) => Some((record, looked)),
            Look::NotLanded => None,
        })
    }

    fn tell(&mut self, of: &Of<'_>, findings: &[Finding]) -> Result<(), Failure> {
        findings.iter().try_for_each(|finding| {
            self.report.finding(&format!("{of}: {finding}\n"), &of.line(&json!(finding)))
        })
    }

    fn tell_error(&mut self, what: &str, of: &Of<'_>, name: &str, message: &str) -> Result<(), Failure> {
        let line = of.line(&json!({ "error": { "type": name, "message": message } }));
        self.report.finding(&format!("{what}: {of}: {name}: {message}\n"), &line)
    }
}

/// What is told of: a job, or the jobs of an export.
struct Of<'a> {
    connection: &'a ConnectionName,
    export: Option<&'a String>,
    destination: Option<&'a DestinationName>,
    job_request_id: Option<&'a JobRequestId>,
}

impl<'a> Of<'a> {
    fn found(found: &'a Found) -> Self {
        let Found { connection, export, destination, job_request_id, .. } = found;
        let (export, destination, job_request_id) =
            (Some(export), Some(destination), job_request_id.as_ref());
        Self { connection, export, destination, job_request_id }
    }

    /// With what is said of it.
    fn line(&self, said: &Value) -> Value {
        let mut line = json!({ "connection": self.connection });
        if let Some(line) = line.as_object_mut() {
            let mut add =
                |name: &str, value: Option<Value>| line.extend(value.map(|value| (name.to_owned(), value)));
            add("export", self.export.map(|export| json!(export)));
            add("destination", self.destination.map(|destination| json!(destination)));
            add("job_request_id", self.job_request_id.map(|id| json!(id)));
            line.extend(said.as_object().cloned().unwrap_or_default());
        }
        line
    }
}

impl std::fmt::Display for Of<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.job_request_id, self.export) {
            (Some(id), Some(export)) => write!(formatter, "job {id} on {} ({export})", self.connection),
            (Some(id), None) => write!(formatter, "job {id} on {}", self.connection),
            (None, Some(export)) => write!(formatter, "{export} on {}", self.connection),
            (None, None) => write!(formatter, "{}", self.connection),
        }
    }
}
