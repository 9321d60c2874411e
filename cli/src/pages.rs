//! `landfall report` and `landfall dashboard`: pages for people, made from what is kept, which stays as it is.

mod browser;
mod exports;

use std::path::{Path, PathBuf};

use landfall::event::JobEvent;
use landfall::job::{ConnectionName, JobRef, JobRequestId};
use landfall::{Error, Result};
use landfall_report::{dashboard_page, job_page};
use serde_json::json;

use crate::arguments::{Dashboard, MakeReport, PageOptions};
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::report::Report;
use crate::status;

/// Writes the report of a job, landed or not.
pub(crate) async fn report(
    machine: &LocalRuntime,
    arguments: &MakeReport,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let MakeReport { connection, job_request_id, page, machine: options } = arguments;
    let job = JobRef { connection: connection.clone(), job_request_id: job_request_id.clone() };
    // It knows the job, or says what to do.
    let view = status::of_job(machine, options, &job).await?;
    let event = JobEvent {
        connection: connection.clone(),
        job_request_id: job_request_id.clone(),
        destination: None,
    };
    let record = machine.context().job(&event).await?;
    let mut facts = publish::report::facts(machine.context(), &record).await?;
    facts.next = exports::next_step(&view);
    let name = format!("landfall-{connection}-{}.html", job_request_id.as_str().replace(':', "_"));
    hand_over(page, &name, &job_page(&facts), report).await
}

/// Nothing is kept where the folder that would hold it is not there.
pub(crate) fn report_nothing(arguments: &MakeReport) -> Failure {
    let MakeReport { connection, job_request_id, machine, .. } = arguments;
    nothing(&machine.data, Some((connection, job_request_id)))
}

/// Writes the page of all exports.
pub(crate) async fn dashboard(
    machine: &LocalRuntime,
    arguments: &Dashboard,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let facts = exports::facts(machine, &arguments.machine).await?;
    hand_over(&arguments.page, "landfall-dashboard.html", &dashboard_page(&facts), report).await
}

/// The same of the dashboard.
pub(crate) fn dashboard_of_nothing(arguments: &Dashboard) -> Failure {
    nothing(&arguments.machine.data, None)
}

fn nothing(data: &Path, job: Option<(&ConnectionName, &JobRequestId)>) -> Failure {
    let job = job.map(|(connection, id)| format!(": job {id} on {connection} is not known there"));
    let job = job.unwrap_or_default();
    Error::not_found(format!("nothing has run with --data {}{job}", data.display())).into()
}

/// Puts a page where it is asked for.
async fn hand_over(
    options: &PageOptions,
    name: &str,
    page: &str,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let path = options.out.clone().unwrap_or_else(|| PathBuf::from(name));
    if path.as_os_str() == "-" {
        if options.open {
            return Err(
                Error::invalid_event("--open shows a file: name one with --out, or leave it out").into()
            );
        }
        return report.text(page);
    }
    tokio::fs::write(&path, page).await.map_err(|error| {
        let path = path.display();
        Error::invalid_event(format!("{path} cannot be written: name another file with --out")).because(error)
    })?;
    let shown = path.display().to_string();
    report.finding(&format!("page: {shown}\n"), &json!({ "page": shown }))?;
    match options.open {
        true => Ok(browser::show(&path)?),
        false => Ok(()),
    }
}
