//! `landfall run --dry-run`: whether a run could be done, and what it would do. Nothing is changed by looking.

use std::fmt::Write as _;

use futures::TryStreamExt as _;
use landfall::check::{Finding, Found};
use landfall::context::Landing;
use landfall::event::RunEvent;
use landfall::job::{JobRequestId, Window};
use landfall::{Error, Result};
use landfall_store::Store;
use serde_json::{Value, json};
use submit::{Plan, Planned};

use crate::check;
use crate::failure::{Failure, worst};
use crate::inputs;
use crate::machine::LocalRuntime;
use crate::report::Report;

/// Stands in keys for the id that the source will give the job.
const SOME_JOB: &str = "JOB_REQUEST_ID";

/// Looks, tells what is found and then what would be done, and returns the exit code.
pub(crate) async fn dry_run(
    machine: &LocalRuntime,
    event: RunEvent,
    report: &mut Report<'_>,
) -> Result<u8, Failure> {
    let connection = event.connection.clone();
    let (event, read) = match inputs::would_bring(machine, event.clone()).await {
        Ok((brought, read)) => (brought, Ok(read)),
        Err(error) => (event, Err(error)),
    };
    let said = read.and_then(|read| said_of_event(machine, &event, read.as_deref()));
    let mut findings = vec![Finding::of("event", said)];
    machine.progress().stage(format!("checking {connection}"));
    findings.extend(source(machine, &event).await);
    machine.progress().stage("looking at the stores");
    findings.push(Finding::of("work: list", work(machine).await));
    findings.extend(destination(machine, &event).await);
    let mut code = 0;
    for finding in &findings {
        code = worst(code, check::code_of(finding));
        report.finding(&check::text(finding), &check::line(&connection, finding))?;
    }
    if code != 0 {
        report.words("what is said above as failed would end the run: nothing is planned\n")?;
        return Ok(code);
    }
    let context = machine.context();
    let plan = Box::pin(submit::plan(context, &event, machine.deadline())).await?;
    let landing = context.landing(&event.destination).await?;
    let below = lands_below(machine, &event, &landing, &plan)?;
    let words = in_words(&event, &plan, &landing.store.object(&below));
    report.finding(&words, &in_json(&event, &plan, &landing.store, &below))?;
    Ok(0)
}

fn said_of_event(machine: &LocalRuntime, event: &RunEvent, read: Option<&str>) -> Result<String> {
    let RunEvent { connection, export, destination, run_key, .. } = event;
    let name = machine.context().systems().name(export);
    let kind = export.kind();
    let read = read.map(|read| format!("; {read}")).unwrap_or_default();
    Ok(format!("run {run_key}: {kind} {name} of {connection}, into {destination}{read}"))
}

/// The connection, and what its source says to whoever changes nothing there.
async fn source(machine: &LocalRuntime, event: &RunEvent) -> Vec<Finding> {
    let context = machine.context();
    let opened = async {
        let connection = context.connection(&event.connection).await?;
        let source = context.source(&event.connection).await?;
        Ok::<_, Error>((connection, source))
    };
    let (connection, source) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return vec![Finding::of("connection", Err(error))],
    };
    let settings = format!("type {}: its settings and secrets are read", connection.system());
    let mut findings = vec![Finding::of("connection", Ok(settings))];
    let accepts = source.accepts(&event.export);
    findings.push(Finding::of(
        "export",
        accepts.map(|()| "the source takes it, as far as it says itself".to_owned()),
    ));
    match connection.spends_refresh_tokens() {
        false => findings.extend(source.check().await),
        true => findings.push(Finding {
            what: "login".to_owned(),
            found: Found::Doubtful(
                "not tried: it would spend the refresh token, and another be kept in its place".to_owned(),
            ),
        }),
    }
    findings
}

async fn work(machine: &LocalRuntime) -> Result<String> {
    listed(machine.context().work().await?.store(), "runs/").await
}

/// A bucket is known to take objects once it has taken one: that is not tried here.
async fn destination(machine: &LocalRuntime, event: &RunEvent) -> Vec<Finding> {
    let RunEvent { connection, destination: name, .. } = event;
    let listed = async {
        let landing = machine.context().landing(name).await?;
        listed(&landing.store, &check::prefix(&landing.destination.prefix)).await
    };
    let listed = Finding::of(format!("{name}: list"), listed.await);
    if matches!(listed.found, Found::Broken(_)) {
        return vec![listed];
    }
    let unknown = format!(
        "not known without writing: `landfall check {connection} --destination {name}` writes a probe object and deletes it"
    );
    vec![listed, Finding { what: format!("{name}: write"), found: Found::Doubtful(unknown) }]
}

async fn listed(store: &Store, prefix: &str) -> Result<String> {
    let first = store.list(prefix).try_next().await.map_err(Error::from)?;
    let place = store.object(prefix);
    Ok(match first {
        Some(_) => format!("{place} is listed"),
        None => format!("{place} is listed, and nothing is there yet"),
    })
}

/// The prefix below which the run's job lands, as the destination is set up now.
fn lands_below(machine: &LocalRuntime, event: &RunEvent, landing: &Landing, plan: &Plan) -> Result<String> {
    let job: JobRequestId = match &plan.planned {
        Planned::Continue(id) | Planned::Nothing(id) => id.clone(),
        _ => SOME_JOB.parse().map_err(|error| Error::invalid_event("no job has this id").because(error))?,
    };
    let (context, export) = (machine.context(), &event.export);
    let now = context.clock().now();
    landing.destination.landing_prefix(&event.connection, &job, context.spec(export)?.as_ref(), now)
}

/// What would be done: a word that stays, the job that is known, and what it is for people.
fn would(event: &RunEvent, planned: &Planned) -> (&'static str, Option<JobRequestId>, String) {
    let RunEvent { connection, run_key, .. } = event;
    match planned {
        Planned::Submit => ("submit", None, format!("submit a job: run {run_key} has none")),
        Planned::FindOrSubmit(why) => {
            let why = why.as_deref().unwrap_or("a process before this one called it and died");
            let said = format!(
                "ask {connection} for the job of run {run_key} ({why}), and submit one where it has none"
            );
            ("find_or_submit", None, said)
        }
        Planned::SubmitAgain => {
            let said = format!(
                "look what {connection} has: its job's id follows from that, and is continued or has landed"
            );
            ("submit_again", None, said)
        }
        Planned::Wait => ("wait", None, format!("wait: another process submits run {run_key} now")),
        Planned::Continue(id) => {
            ("resume", Some(id.clone()), format!("continue job {id}, which run {run_key} has"))
        }
        Planned::Nothing(id) => {
            ("nothing", Some(id.clone()), format!("do nothing: job {id} of run {run_key} has landed"))
        }
    }
}

fn in_words(event: &RunEvent, plan: &Plan, below: &str) -> String {
    let mut text = format!("would {}\n", would(event, &plan.planned).2);
    if let Some(Window { field, from, until, .. }) = &plan.window {
        let from = from.map(|from| format!("from {from} ")).unwrap_or_default();
        let _ = writeln!(text, "would ask for rows by {field}, {from}until {until}");
    }
    if !plan.calls.is_empty() {
        text.push_str("would call, as it needs to:\n");
    }
    for call in &plan.calls {
        for line in call.to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    match plan.planned {
        Planned::Nothing(_) => {}
        _ => drop(writeln!(text, "would land below {below}")),
    }
    text
}

fn in_json(event: &RunEvent, plan: &Plan, store: &Store, below: &str) -> Value {
    let (word, job, said) = would(event, &plan.planned);
    json!({
        "connection": event.connection,
        "run_key": event.run_key,
        "would": word,
        "message": said,
        "job_request_id": job,
        "window": plan.window,
        "calls": plan.calls,
        "bucket": store.bucket(),
        "prefix": below,
    })
}
