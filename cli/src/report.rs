//! What a command has to say in the end: on stdout as text or as one JSON object a line, exit codes aside.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt as _;
use indicatif::{HumanCount, HumanDuration};
use landfall::context::Landing;
use landfall::event::JobEvent;
use landfall::job::{ConnectionName, JobState};
use landfall::registered::{Registered, RegisteredTable};
use landfall::{Error, Result};
use landfall_store::StoreError;
use publish::Published;
use serde::Serialize;
use serde_json::{Value, json};
use sweep::{FailedJob, Problem, Swept};

use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::progress::Progress;
use crate::status::JobView;
use crate::totals;

/// What a command has to say.
pub(crate) struct Report<'a> {
    out: &'a mut (dyn Write + Send),
    progress: &'a Progress,
    json: bool,
}

/// What a failure is about, as far as it is known.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FailureContext {
    /// The connection's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
    /// The job's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job_request_id: Option<String>,
    /// The file, for `unpack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) archive: Option<String>,
    /// What a person may do next.
    #[serde(skip)]
    pub(crate) next: Option<String>,
}

/// What has landed, without the manifest itself.
#[derive(Debug, Serialize)]
struct LandedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
    connection: &'a str,
    job_request_id: &'a str,
    already_landed: bool,
    bucket: &'a str,
    manifest_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_path: Option<String>,
}

#[derive(Debug, Serialize)]
struct FailedLine<'a> {
    error: NamedError<'a>,
    #[serde(flatten)]
    about: &'a FailureContext,
}

#[derive(Debug, Serialize)]
struct NamedError<'a> {
    r#type: &'a str,
    message: &'a str,
}

impl<'a> Report<'a> {
    pub(crate) fn new(out: &'a mut (dyn Write + Send), progress: &'a Progress, json: bool) -> Self {
        Self { out, progress, json }
    }

    /// A job has landed.
    pub(crate) async fn landed(
        &mut self,
        machine: &LocalRuntime,
        job: &JobEvent,
        archive: Option<&Path>,
        published: &Published,
        took: Duration,
    ) -> Result<(), Failure> {
        self.progress.end();
        let destination = machine.context().job(job).await?.destination;
        let path = machine.file_of(&destination, &published.manifest_key).await?;
        let path = path.map(|path| path.display().to_string());
        if !self.json {
            let key = &published.manifest_key;
            let place = match path {
                Some(path) => path,
                None => machine.context().landing(&destination).await?.store.object(key),
            };
            let text = landed_text(job, archive, published, &place, took);
            return self.print(text.as_bytes());
        }
        let line = LandedLine {
            archive: archive.map(|path| path.display().to_string()),
            connection: job.connection.as_str(),
            job_request_id: job.job_request_id.as_str(),
            already_landed: published.already_published,
            bucket: &published.bucket,
            manifest_key: &published.manifest_key,
            manifest_path: path,
        };
        let landing = machine.context().landing(&destination).await?;
        self.print_with_manifest(&line, &landing, &published.manifest_key).await
    }

    /// A job's rows are in tables.
    pub(crate) fn registered(&mut self, job: &JobEvent, registered: &Registered) -> Result<(), Failure> {
        self.progress.end();
        if self.json {
            let JobEvent { connection, job_request_id, .. } = job;
            let line = json!({ "connection": connection, "job_request_id": job_request_id, "registered": registered });
            return self.print(format!("{line}\n").as_bytes());
        }
        let mut text = String::new();
        for table in &registered.tables {
            let RegisteredTable { catalog, table, snapshot_id, files, rows, already_registered } = table;
            let already = if *already_registered { "already " } else { "" };
            text.push_str(&format!(
                "{already}registered: {} in table {table} of catalog {catalog}: {} rows in {} files, snapshot {snapshot_id}\n",
                job.job(),
                HumanCount(*rows),
                HumanCount(*files)
            ));
        }
        if registered.tables.is_empty() {
            text = format!("registered: {} has no rows for a table\n", job.job());
        }
        self.print(text.as_bytes())
    }

    /// The source has accepted a recurring request; `sweep` is the command that lands its occurrences.
    pub(crate) fn recurring(&mut self, job: &JobEvent, sweep: &str) -> Result<(), Failure> {
        self.progress.end();
        if !self.json {
            let job = job.job();
            return self.print(
                format!(
                    "recurring: {job} is a recurring request, and each of its occurrences is a job of its own\n\
                     to land the occurrences that have ended, run from time to time: {sweep}\n"
                )
                .as_bytes(),
            );
        }
        let JobEvent { connection, job_request_id, .. } = job;
        let line = json!({
            "connection": connection, "job_request_id": job_request_id, "recurring": true, "next": sweep,
        });
        self.print(format!("{line}\n").as_bytes())
    }

    /// A sweep has found this. `is_first` is whether it is what was found first: the last answer is often of nothing.
    pub(crate) fn swept(
        &mut self,
        connection: &ConnectionName,
        swept: &Swept,
        is_first: bool,
    ) -> Result<(), Failure> {
        self.progress.end();
        for job in &swept.failed {
            let FailedJob { job_request_id, export, native_status, message, .. } = job;
            let said = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
            let text =
                format!("failed: job {job_request_id} on {connection} ({export}): {native_status}{said}\n");
            let line = || json!({ "connection": connection, "failed": job });
            self.print(if self.json { format!("{}\n", line()) } else { text }.as_bytes())?;
        }
        for job in &swept.problems {
            let Problem { job_request_id, error, message } = job;
            let text = format!("not checked: job {job_request_id} on {connection}: {error}: {message}\n");
            let line = || json!({ "connection": connection, "problem": job });
            self.print(if self.json { format!("{}\n", line()) } else { text }.as_bytes())?;
        }
        for export in &swept.unseen {
            self.progress
                .say(&format!("{connection} lists no job of {export}: check the name of the export"));
        }
        let (landed, found) = (HumanCount(swept.landed), swept.jobs.len());
        if !is_first && found == 0 && swept.landed == 0 {
            return Ok(());
        }
        let rest = if swept.complete { "" } else { "; more remain" };
        self.words(&format!("swept {connection}: {found} to land, {landed} landed before{rest}\n"))
    }

    /// A function has returned.
    pub(crate) fn result(&mut self, result: &Value) -> Result<(), Failure> {
        self.progress.end();
        self.print(format!("{result}\n").as_bytes())
    }

    /// One run or job.
    pub(crate) fn view(&mut self, view: &JobView, text: impl FnOnce() -> String) -> Result<(), Failure> {
        self.views(std::slice::from_ref(view), text)
    }

    /// Runs and jobs.
    pub(crate) fn views(&mut self, views: &[JobView], text: impl FnOnce() -> String) -> Result<(), Failure> {
        if !self.json {
            return self.print(text().as_bytes());
        }
        for view in views {
            let line = serde_json::to_string(view).map_err(|error| Failure::Output(error.into()))?;
            self.print(format!("{line}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Objects, one a line; or words for them.
    pub(crate) fn lines(
        &mut self,
        mut lines: impl Iterator<Item = Value>,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.json {
            true => lines.try_for_each(|line| self.print(format!("{line}\n").as_bytes())),
            false => self.print(text().as_bytes()),
        }
    }

    /// What is text whatever the options are.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.print(text.as_bytes())
    }

    /// A look at something has found this.
    pub(crate) fn finding(&mut self, text: &str, line: &Value) -> Result<(), Failure> {
        self.progress.end();
        self.print(if self.json { format!("{line}\n") } else { text.to_owned() }.as_bytes())
    }

    /// What is only for people.
    pub(crate) fn words(&mut self, words: &str) -> Result<(), Failure> {
        match self.json {
            true => Ok(()),
            false => self.print(words.as_bytes()),
        }
    }

    /// Something failed.
    pub(crate) fn failed(&mut self, failure: &Failure, about: &FailureContext) {
        self.progress.end();
        let (name, message) = (failure.name(), failure.line());
        if self.json && !matches!(failure, Failure::Output(_)) {
            let line = FailedLine { error: NamedError { r#type: name, message: &message }, about };
            let line = serde_json::to_string(&line).unwrap_or_default() + "\n";
            if self.print(line.as_bytes()).is_ok() {
                return;
            }
        }
        let of = about.archive.as_ref().map(|archive| format!("{archive}: ")).unwrap_or_default();
        self.progress.say_failure(&format!("{of}{name}: {message}"), about.next.as_deref());
    }

    /// Prints a line and, as its last field, the manifest, which is streamed: it may be larger than memory.
    async fn print_with_manifest(
        &mut self,
        line: &LandedLine<'_>,
        landing: &Landing,
        key: &str,
    ) -> Result<(), Failure> {
        let missing = || {
            let object = landing.store.object(key);
            Error::from(StoreError::NoSuchObject { operation: "HeadObject", object })
        };
        let info = landing.store.head(key).await.map_err(Error::from)?.ok_or_else(missing)?;
        let mut body = landing.store.read_range(key, &info.etag, 0..info.size).await.map_err(Error::from)?;
        let line = serde_json::to_string(line).map_err(|error| Failure::Output(io::Error::from(error)))?;
        let open = line.strip_suffix('}').unwrap_or(&line);
        self.print(format!("{open},\"manifest\":").as_bytes())?;
        let mut one_line = OneLine::default();
        loop {
            match body.try_next().await {
                Ok(Some(bytes)) => self.print(&one_line.of(&bytes))?,
                Ok(None) => return self.print(b"}\n"),
                Err(error) => {
                    // What says so has a line of its own.
                    self.print(b"\n")?;
                    return Err(Error::from(error).into());
                }
            }
        }
    }

    fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(Failure::Output)
    }
}

/// Makes JSON one line, piece by piece: a line break in it is layout, as is the indentation behind one.
#[derive(Debug, Default)]
struct OneLine {
    is_indentation: bool,
}

impl OneLine {
    fn of(&mut self, piece: &[u8]) -> Vec<u8> {
        let kept = piece.iter().copied().filter(|byte| match byte {
            b'\n' | b'\r' => {
                self.is_indentation = true;
                false
            }
            b' ' => !self.is_indentation,
            _ => {
                self.is_indentation = false;
                true
            }
        });
        kept.collect()
    }
}

fn landed_text(
    job: &JobEvent,
    archive: Option<&Path>,
    published: &Published,
    place: &str,
    took: Duration,
) -> String {
    let what = match archive {
        Some(archive) => archive.display().to_string(),
        None => job.job().to_string(),
    };
    let how = match (published.already_published, published.state) {
        (true, _) => "already landed",
        (false, JobState::Partial) => "landed with warnings",
        (false, JobState::Empty) => "landed empty",
        (false, _) => "landed",
    };
    let landed = totals::in_words(&published.totals);
    let took = match published.already_published {
        true => String::new(),
        false => format!(" in {}", HumanDuration(took)),
    };
    format!("{how}: {what}: {landed}{took}\nmanifest: {place}\n")
}

#[cfg(test)]
mod tests {
    use landfall::job::Totals;

    use super::*;
    use crate::failure::Signal;

    fn job() -> JobEvent {
        JobEvent {
            connection: "fusion-demo".parse().unwrap(),
            job_request_id: "44055".parse().unwrap(),
            destination: None,
        }
    }

    fn published(already_published: bool, state: JobState) -> Published {
        Published {
            bucket: "landing".to_owned(),
            manifest_key: "fusion-demo/X/44055/_manifest.json".to_owned(),
            state,
            totals: Totals { objects: 8, bytes: 1536, rows: Some(12_000) },
            already_published,
            notify_source: false,
            register_table: false,
            schema_changes: None,
        }
    }

    fn failed(json: bool, failure: &Failure, about: &FailureContext) -> Vec<u8> {
        let mut out = Vec::new();
        Report::new(&mut out, &Progress::silent(), json).failed(failure, about);
        out
    }

    /// What has landed is reported with where the manifest is and what it counts.
    #[test]
    fn a_landing_is_reported_in_two_lines() {
        let seconds = Duration::from_secs(3);
        let text =
            landed_text(&job(), None, &published(false, JobState::Succeeded), "d/_manifest.json", seconds);
        assert_eq!(
            text,
            "landed: job 44055 on fusion-demo: 8 objects, 1.50 KiB, 12,000 rows in 3 seconds\n\
             manifest: d/_manifest.json\n"
        );
        let text =
            landed_text(&job(), None, &published(true, JobState::Succeeded), "oci://lake/m.json", seconds);
        assert!(
            text.starts_with("already landed: job 44055 on fusion-demo: 8 objects, 1.50 KiB, 12,000 rows\n")
        );
        assert!(text.ends_with("manifest: oci://lake/m.json\n"), "{text}");
        let text = landed_text(
            &job(),
            Some(Path::new("x/a.zip")),
            &published(false, JobState::Partial),
            "d/_manifest.json",
            seconds,
        );
        assert!(text.starts_with("landed with warnings: x/a.zip: "), "{text}");
    }

    /// With `--json` a failure is one object in one line on stdout, with the contract's name.
    #[test]
    fn a_failure_is_one_json_line() {
        let error = Error::job_failed("job 44055 failed").because(io::Error::other("ORA-\n00942"));
        let about = FailureContext {
            connection: Some("fusion-demo".to_owned()),
            job_request_id: Some("44055".to_owned()),
            next: Some("do this".to_owned()),
            archive: None,
        };
        let line = String::from_utf8(failed(true, &error.into(), &about)).unwrap();
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(&line).unwrap(),
            json!({
                "error": { "type": "JobFailed", "message": "job 44055 failed: ORA- 00942" },
                "connection": "fusion-demo",
                "job_request_id": "44055",
            })
        );

        let archive = FailureContext { archive: Some("a.zip".to_owned()), ..FailureContext::default() };
        let line = failed(true, &Failure::Stopped(Signal::Interrupt), &archive);
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&line["error"]["type"], &line["archive"]), (&json!("Stopped"), &json!("a.zip")));
    }

    /// Without `--json` nothing of a failure goes to stdout.
    #[test]
    fn a_failure_in_words_is_for_stderr() {
        assert!(failed(false, &Error::not_found("no job 7").into(), &FailureContext::default()).is_empty());
    }

    /// A manifest, however it is laid out and cut into pieces, becomes one line that says the same.
    #[test]
    fn json_becomes_one_line_in_pieces() {
        let value =
            json!({ "name": "a  b\n  c \"d\"", "objects": [{ "size": 1 }, { "key": " x" }], "empty": {} });
        let pretty = serde_json::to_string_pretty(&value).unwrap() + "\n";
        for length in [1, 2, 3, 7, 1000] {
            let mut one_line = OneLine::default();
            let line: Vec<u8> =
                pretty.as_bytes().chunks(length).flat_map(|piece| one_line.of(piece)).collect();
            assert!(!line.contains(&b'\n'));
            assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), value);
        }
    }
}
