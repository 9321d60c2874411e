//! What a reader does with a job: statements and commands.

use landfall::job::JobRecord;
use maud::{Markup, html};

use crate::facts::{JobFacts, LandedFacts};
use crate::page::block;

/// Statements that read it, and commands that verify it and run it again.
pub(super) fn commands(of: &JobFacts) -> Markup {
    let JobRecord { connection, job_request_id, run_key, .. } = &of.record;
    html! {
        @if let Some(landed) = &of.landed {
            h3 { "Read it" }
            (statements(of, landed))
            h3 { "Verify it" }
            p { "That every object is there, as large and with the checksum that it had; with " code { "--read" } ", to its last byte:" }
            (block(&format!("landfall verify {connection} {job_request_id} --read")))
        } @else {
            h3 { "Go on with it" }
            p { "Nothing is submitted, fetched or landed twice:" }
            (block(&format!("landfall resume {connection} {job_request_id}")))
            h3 { "See how far it is" }
            (block(&format!("landfall status {connection} {job_request_id}")))
        }
        h3 { "Run it again" }
        @if run_key.is_some() {
            p { "The same run key is the same run. To export once more, give another one; what has landed stays beside it." }
            (block(&format!("landfall run EVENT      # the event of the run, with another run_key\n{}", event(of))))
        } @else {
            p { "landfall has not submitted the job, and does not run it again. To land what is missing of it, if anything is:" }
            (block(&format!("landfall resume {connection} {job_request_id}")))
        }
        p class="soft" { "Each with the " code { "--config" } ", " code { "--data" } " or " code { "--simulate" } " of the run." }
    }
}

/// The event that asks for the same export.
fn event(of: &JobFacts) -> String {
    let JobRecord { connection, export, destination, .. } = &of.record;
    let event = serde_json::json!({
        "connection": connection, "export": export, "destination": destination, "run_key": "ANOTHER-RUN-KEY",
    });
    serde_json::to_string_pretty(&event).unwrap_or_default()
}

fn statements(of: &JobFacts, landed: &LandedFacts) -> Markup {
    let JobRecord { connection, .. } = &of.record;
    if landed.tables.is_empty() {
        let manifest = landed.manifest.replace('\'', "''");
        let statement = format!(
            "SELECT o.key, o.size, o.rows FROM (SELECT unnest(objects) AS o FROM read_json('{manifest}', columns = \
             {{objects: 'STRUCT(\"key\" VARCHAR, size BIGINT, \"rows\" BIGINT)[]'}}));"
        );
        return html! {
            p { "Which objects there are, by DuckDB. Read those that the manifest names, and no others; where the destination looks at columns (" code { "observe_columns" } "), statements that read their rows stand here." }
            (block(&statement))
        };
    }
    let export = &of.export_path;
    html! {
        @for (at, table) in landed.tables.iter().take(crate::facts::SHOWN).enumerate() {
            p { "By DuckDB, each value exactly" @if landed.tables.len() > 1 { ", table " (at + 1) } ":" }
            (block(&table.duckdb))
        }
        p { "Statements for all of its jobs, and for Spark, Athena, Snowflake and Iceberg:" }
        (block(&format!("landfall schema {connection} {} --sql duckdb", shell(export))))
    }
}

/// A word for a shell.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    match !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
