//! `landfall check`: whether a connection, the work bucket and a destination do what a run needs of them.

use landfall::check::{BucketUse, Finding, Found, bucket};
use landfall::job::ConnectionName;
use landfall::{Error, Result, notify};
use serde_json::{Value, json};

use crate::arguments::Check;
use crate::failure::{Failure, exit_code, worst};
use crate::machine::LocalRuntime;
use crate::report::Report;

/// Looks, tells what is found as it comes, and returns the exit code.
pub(crate) async fn check(
    machine: &LocalRuntime,
    arguments: &Check,
    report: &mut Report<'_>,
) -> Result<u8, Failure> {
    let context = machine.context();
    let mut code = 0;
    let mut report_all = |findings: Vec<Finding>| {
        for finding in findings {
            code = worst(code, code_of(&finding));
            report.finding(&text(&finding), &line(&arguments.connection, &finding))?;
        }
        Ok::<_, Failure>(())
    };

    machine.progress().stage(format!("checking {}", arguments.connection));
    report_all(match context.source(&arguments.connection).await {
        Ok(source) => source.check().await,
        Err(error) => vec![Finding::of("connection", Err(error))],
    })?;
    machine.progress().stage("checking the work bucket");
    report_all(match context.work().await {
        Ok(work) => bucket("work", work.store(), "", BucketUse::Work).await,
        Err(error) => vec![Finding::of("work", Err(error))],
    })?;
    if let Some(name) = &arguments.destination {
        machine.progress().stage(format!("checking {name}"));
        report_all(match context.landing(name).await {
            Ok(landing) => {
                bucket(
                    name.as_str(),
                    &landing.store,
                    &prefix(&landing.destination.prefix),
                    BucketUse::Destination,
                )
                .await
            }
            Err(error) => vec![Finding::of(name.as_str(), Err(error))],
        })?;
    }
    let told = notify::check(context, &arguments.connection, arguments.destination.as_ref()).await;
    report_all(told.transpose().map(|told| Finding::of("notify", told)).into_iter().collect())?;
    Ok(code)
}

pub(crate) fn prefix(prefix: &str) -> String {
    match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

pub(crate) fn code_of(finding: &Finding) -> u8 {
    match &finding.found {
        Found::Broken(error) => exit_code(error.error_type()),
        Found::Well(_) | Found::Doubtful(_) => 0,
    }
}

fn outcome(found: &Found) -> (&'static str, String) {
    match found {
        Found::Well(said) => ("ok", said.clone()),
        Found::Doubtful(said) => ("doubtful", said.clone()),
        Found::Broken(error) => ("failed", named(error)),
    }
}

fn named(error: &Error) -> String {
    format!("{}: {}", error.error_type().name(), error.line())
}

pub(crate) fn text(finding: &Finding) -> String {
    let (outcome, said) = outcome(&finding.found);
    format!("{outcome:<9} {:<26} {said}\n", finding.what)
}

pub(crate) fn line(connection: &ConnectionName, finding: &Finding) -> Value {
    let (outcome, _) = outcome(&finding.found);
    let mut line = json!({ "connection": connection, "what": finding.what, "outcome": outcome });
    let fields = match &finding.found {
        Found::Well(said) | Found::Doubtful(said) => json!({ "message": said }),
        Found::Broken(error) => {
            json!({ "error": { "type": error.error_type().name(), "message": error.line() } })
        }
    };
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    line
}
