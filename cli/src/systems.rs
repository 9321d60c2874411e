//! `landfall systems`: the systems that are described in a file, and descriptions looked at before anything is called.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use landfall::event::{RunEvent, parse};
use landfall::{Error, Result};
use landfall_systems::declared::description::{self, Description, Input, InvalidDescription};
use landfall_systems::declared::{builtin, dry};
use serde_json::json;
use url::Url;

use crate::arguments::{DescriptionCheck, DescriptionTry};
use crate::event;

/// The largest description that is read.
const MAX_DESCRIPTION: u64 = 1 << 20;
/// Where a connection would lead that nobody has named.
const SOMEWHERE: &str = "https://source.example/";

/// The systems, one JSON object a line.
pub(crate) fn lines() -> String {
    let line = |system: &Description| {
        let Description { name, title, docs, .. } = system;
        let inputs: Vec<&String> = system.inputs.keys().collect();
        format!("{}\n", json!({ "system": name, "title": title, "docs": docs, "with": inputs }))
    };
    builtin::all().map(|system| line(system)).collect()
}

/// The systems, for people.
pub(crate) fn text() -> String {
    builtin::all().map(|system| described(system)).collect::<Vec<_>>().join("\n")
}

fn described(system: &Description) -> String {
    let mut text = format!("{}: {}\n", system.name, system.title);
    if let Some(docs) = &system.docs {
        let _ = writeln!(text, "  {docs}");
    }
    for (name, Input { about, required, .. }) in &system.inputs {
        let needed = if *required { " (required)" } else { "" };
        let _ = writeln!(text, "  with.{name:<14} {about}{needed}");
    }
    text
}

/// What a check of a description came to: what it says on stdout, and how it ends.
pub(crate) fn check(arguments: &DescriptionCheck) -> (String, Result<()>) {
    let (called, text) = match read(&arguments.file) {
        Ok(read) => read,
        Err(error) => return (String::new(), Err(error)),
    };
    match description::parse(&called, &text) {
        Ok(system) => {
            let mut said = format!("{}: {}\n", system.name, system.title);
            for promise in system.promises() {
                let _ = writeln!(said, "  {promise}");
            }
            (said, Ok(()))
        }
        Err(InvalidDescription { faults, .. }) => {
            let lines = faults.iter().map(|fault| {
                let (line, column, reason) = (fault.line, fault.column, &fault.reason);
                let key = if fault.key.is_empty() { String::new() } else { format!("{}: ", fault.key) };
                format!("{called}:{line}:{column}: {key}{reason}\n")
            });
            let mistakes = faults.len();
            let ends = if mistakes == 1 { "" } else { "s" };
            let error = Error::invalid_config(format!("{called} has {mistakes} mistake{ends}"));
            (lines.collect(), Err(error))
        }
    }
}

/// Every call that an event would make by a description.
pub(crate) fn try_out(arguments: &DescriptionTry) -> Result<String> {
    let (called, text) = read(&arguments.file)?;
    let system =
        description::parse(&called, &text).map_err(|error| Error::invalid_config(error.to_string()))?;
    let event: RunEvent = parse(event::read(&arguments.event)?)?;
    let base_url = match &arguments.base_url {
        Some(url) => url.clone(),
        None => SOMEWHERE.parse::<Url>().map_err(|error| Error::invalid_config(error.to_string()))?,
    };
    let calls = dry::calls(&system, &base_url, &event.export)?;
    Ok(calls.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// A description's text, and what it is called: a file, or one that comes with landfall.
fn read(file: &Path) -> Result<(String, String)> {
    let called = file.display().to_string();
    if let Some(text) = builtin::text(&called).filter(|_| !file.exists()) {
        return Ok((called, text.to_owned()));
    }
    let unreadable =
        |error| Error::invalid_config(format!("cannot read the description {called}")).because(error);
    let mut text = String::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_DESCRIPTION).read_to_string(&mut text))
        .map_err(unreadable)?;
    Ok((called, text))
}
