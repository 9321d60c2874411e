//! The calls that an export would make, without making them.

use landfall::contract::PlannedCall;
use landfall::error::Result;
use landfall::export::Export;
use landfall::job::Window;
use url::Url;

use super::call::Call;
use super::description::{Description, Find, Link};
use super::export::DeclaredExport;
use super::template::Values;

/// Every call that an export of a description would make, in their order; `InvalidEvent` where the export does not fit.
pub fn calls(description: &Description, base_url: &Url, export: &Export) -> Result<Vec<PlannedCall>> {
    let export: DeclaredExport = export.read()?;
    let given = export.window.as_ref();
    let window = given.map(|given| Window {
        field: description.window.as_ref().map(|form| form.field.clone()).unwrap_or_default(),
        from: given.from,
        until: given.until,
        overlap_until: None,
    });
    calls_of(description, base_url, &export, window.as_ref())
}

/// The same, of a run whose window is known.
pub(super) fn calls_of(
    description: &Description,
    base_url: &Url,
    export: &DeclaredExport,
    window: Option<&Window>,
) -> Result<Vec<PlannedCall>> {
    export.check_for(description)?;
    let mut values = description.values(&export.with, window);
    if export.incremental.is_some() && window.is_none() {
        unknown(&mut values, ["from", "until"]);
    }
    unknown(&mut values, ["run_key", "mark", "called_at"]);
    let dry = |what: &str, call: &Call, values: &Values| made(what, call, base_url, values);
    let mut calls = Vec::new();
    for (step, number) in description.submit.iter().zip(1..) {
        let commits = if step.commits { ", which starts the job" } else { "" };
        calls.push(dry(&format!("submit {number}{commits}"), &step.call, &values)?.submitting());
        unknown(&mut values, step.keep.iter().map(|(name, _)| name.as_str()));
        unknown(&mut values, step.id.iter().map(|_| "id"));
    }
    if let Find::List(list) = &description.find {
        calls.push(dry("find the job of a lost submission", &list.call, &values)?.submitting());
    }
    unknown(&mut values, ["id"]);
    calls.push(dry("poll", &description.poll.call, &values)?);
    unknown(&mut values, description.poll.values.iter().map(|(name, _)| name.as_str()));
    for files in &description.files {
        if let Some(call) = &files.call {
            let what = match files.link() {
                Link::Page => "ask for each page, which is a file",
                _ => "list the files",
            };
            calls.push(dry(what, call, &values)?);
        }
        if let Link::Call(link) = files.link() {
            unknown(&mut values, ["file"]);
            calls.push(dry("ask for a file's link, at each try", &link.call, &values)?);
        }
    }
    for (call, what) in [
        (&description.after.landed, "tell the source that all has landed, once it has"),
        (&description.after.cancel, "cancel the job, where `landfall cancel` asks for it"),
    ] {
        if let Some(after) = call {
            calls.push(dry(what, &after.call, &values)?);
        }
    }
    Ok(calls)
}

/// Has names stand for themselves: what they stand for is not known yet.
fn unknown<'n>(values: &mut Values, names: impl IntoIterator<Item = &'n str>) {
    for name in names {
        values.set(name, format!("{{{name}}}"));
    }
}

fn made(what: &str, call: &Call, base_url: &Url, values: &Values) -> Result<PlannedCall> {
    let line = call.line(base_url, values)?.replace("%7B", "{").replace("%7D", "}");
    let mut headers = Vec::new();
    for (name, template) in &call.headers {
        headers.extend(template.text(values)?.map(|value| (name.to_string(), value)));
    }
    let body = call.body(values)?;
    if let Some((kind, _)) = &body {
        headers.push(("content-type".to_owned(), (*kind).to_owned()));
    }
    let body = body.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned());
    Ok(PlannedCall { what: what.to_owned(), line, headers, body, submits: false })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::declared::builtin;

    /// Each description that comes with landfall can be tried by its sample event.
    #[test]
    fn every_sample_can_be_tried() {
        let events = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let base = "https://source.example/".parse().unwrap();
        for description in builtin::all() {
            let name = &description.name;
            let event = std::fs::read(events.join(format!("run-{name}.json"))).unwrap();
            let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
            let export: Export = serde_json::from_value(event["export"].clone()).unwrap();
            let calls =
                calls(description, &base, &export).unwrap_or_else(|error| panic!("{name}: {}", error.line()));
            assert!(calls.len() >= 2, "{name}: {calls:?}");
        }
    }

    /// What would be called is told before anything is, with what only answers tell left as it is named.
    #[test]
    fn every_call_is_told() {
        let export = json!({
            "kind": "declared", "system": "sp-api-reports",
            "with": { "report": "GET_X", "marketplaces": ["A1"] }, "incremental": {},
        });
        let export: Export = serde_json::from_value(export).unwrap();
        let description = builtin::named("sp-api-reports").unwrap();
        let base = "https://sellingpartnerapi-eu.amazon.com/".parse().unwrap();
        let calls = calls(&description, &base, &export).unwrap();
        let lines: Vec<&str> = calls.iter().map(|call| call.line.as_str()).collect();
        let reports = "https://sellingpartnerapi-eu.amazon.com/reports/2021-06-30";
        assert_eq!(
            lines,
            [
                format!("POST {reports}/reports"),
                format!("GET {reports}/reports?createdSince={{called_at}}&pageSize=100&reportTypes=GET_X"),
                format!("GET {reports}/reports/{{id}}"),
                format!("GET {reports}/documents/{{file}}"),
                format!("DELETE {reports}/reports/{{id}}"),
            ]
        );
        let body = r#"{"dataEndTime":"{until}","dataStartTime":"{from}","marketplaceIds":["A1"],"reportType":"GET_X"}"#;
        assert_eq!(calls[0].body.as_deref(), Some(body));
    }
}
