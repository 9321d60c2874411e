//! `landfall schema`: what the work bucket knows of an export's columns, read and never written.

mod sql;

use std::fmt::Write as _;

use landfall::job::{DestinationName, JobRef, JobRequestId};
use landfall::schema::{KnownFrom, SchemaTable, SchemaVersion};
use landfall::state::{WorkState, keys};
use landfall::{Error, Result};
use serde_json::json;

use crate::arguments::ShowSchema;
use crate::failure::Failure;
use crate::machine::LocalRuntime;
use crate::report::Report;
pub(crate) use sql::Dialect;
use sql::Place;

/// Shows what the arguments ask for.
pub(crate) async fn show(
    machine: &LocalRuntime,
    arguments: &ShowSchema,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let work = machine.context().work().await?;
    let versions = versions(&work, arguments).await?;
    let wanted = match arguments.number {
        Some(number) => versions.iter().find(|version| version.number == number),
        None => versions.last(),
    };
    let Some(wanted) = wanted else { return Err(unknown(arguments).into()) };
    match arguments.sql {
        Some(dialect) => {
            let place = place(machine, &work, arguments, wanted).await?;
            report.text(&sql::statements(dialect, wanted, &place))
        }
        None => report.lines(versions.iter().map(|version| json!(version)), || text(wanted, &versions)),
    }
}

/// What is said where there is no work bucket on this machine.
pub(crate) fn unknown(arguments: &ShowSchema) -> Error {
    let number = arguments.number.map(|number| format!("version {number} of the ")).unwrap_or_default();
    Error::not_found(format!(
        "no {number}schema of {} on {} is kept: one is made by the first job that lands where its columns are looked at \
         (`observe_columns` or the form `parquet` of the destination, or `columns` of the export)",
        arguments.export, arguments.connection
    ))
}

/// All versions, the first one first.
async fn versions(work: &WorkState, arguments: &ShowSchema) -> Result<Vec<SchemaVersion>> {
    let segments: Vec<String> = arguments.export.split('/').map(keys::safe_segment).collect();
    // A name may have slashes itself.
    for path in [segments.join("/"), keys::safe_segment(&arguments.export)] {
        let mut numbers = work.schema_numbers(&arguments.connection, &path).await?;
        numbers.sort_unstable();
        let mut versions = Vec::new();
        for number in numbers {
            versions.extend(work.schema(&arguments.connection, &path, number).await?);
        }
        if !versions.is_empty() {
            return Ok(versions);
        }
    }
    Ok(Vec::new())
}

/// Where a job has landed that is to be read, or else all of them.
async fn place(
    machine: &LocalRuntime,
    work: &WorkState,
    arguments: &ShowSchema,
    version: &SchemaVersion,
) -> Result<Place> {
    let job =
        |id: &JobRequestId| JobRef { connection: version.connection.clone(), job_request_id: id.clone() };
    let record = work.job(&job(arguments.job.as_ref().unwrap_or(&version.made_by))).await?;
    let destination: &DestinationName = match (&arguments.destination, &record) {
        (Some(named), _) => named,
        (None, Some(record)) => &record.destination,
        (None, None) => {
            return Err(Error::invalid_event(
                "what is kept of the job that made this version has expired: name where it landed with --destination",
            ));
        }
    };
    let landing = machine.context().landing(destination).await?;
    let bucket = landing.store.object("");
    let named = arguments.job.as_ref();
    // A job keeps its form; of another destination nothing but its own is known.
    let is_of_it = named.is_some() || arguments.destination.is_none();
    let form = record.as_ref().filter(|_| is_of_it).map(|record| record.form);
    let are_parquet = form.unwrap_or_else(|| landing.destination.job_form()).is_for_tables();
    match (named, record) {
        (Some(id), None) => Err(Error::not_found(format!("{} is not known here, or has expired", job(id)))),
        (Some(_), Some(record)) => {
            Ok(Place { bucket, folder: record.landing_prefix, is_of_a_job: true, are_parquet })
        }
        (None, _) => {
            let folder = landing.destination.folders_of_jobs(&version.connection, &version.export);
            Ok(Place { bucket, folder, is_of_a_job: false, are_parquet })
        }
    }
}

fn text(wanted: &SchemaVersion, versions: &[SchemaVersion]) -> String {
    let SchemaVersion { connection, export, number, made_by, tables, .. } = wanted;
    let mut text = format!("{export} on {connection}: version {number}, made by job {made_by}\n");
    for table in tables {
        text.push_str(&described(table));
    }
    for version in versions.iter().rev() {
        let _ = write!(text, "\nversion {}, made by job {}\n", version.number, version.made_by);
        if version.changes.is_empty() && version.number == 1 {
            text.push_str("  the first\n");
        }
        for change in &version.changes {
            let of_table = if tables.len() > 1 { format!("table {}: ", change.table) } else { String::new() };
            let _ = writeln!(text, "  {of_table}{change}");
        }
    }
    text
}

fn described(table: &SchemaTable) -> String {
    let rows: Vec<[String; 4]> = table
        .columns
        .iter()
        .map(|column| {
            let missing = match (column.may_be_absent, column.may_be_missing) {
                (true, _) => "whole jobs",
                (false, true) => "rows",
                (false, false) => "none",
            };
            let known_from = match column.known_from {
                KnownFrom::Declared => "declared",
                KnownFrom::Source => "source",
                KnownFrom::Observed => "observed",
            };
            let of_type =
                column.r#type.map_or_else(|| "no value yet".to_owned(), |of_type| of_type.to_string());
            let of_type = match &column.format {
                Some(format) => format!("{of_type} as {format}"),
                None => of_type,
            };
            // A name is of the source's making.
            [column.name.escape_debug().to_string(), of_type, missing.to_owned(), known_from.to_owned()]
        })
        .collect();
    let head = ["COLUMN", "TYPE", "LACKED BY", "KNOWN FROM"].map(str::to_owned);
    let width = |at: usize| {
        let cells = std::iter::once(&head).chain(&rows).filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = format!("\ntable {}\n", table.number);
    for [name, of_type, missing, known_from] in std::iter::once(&head).chain(&rows) {
        let [first, second, third] = widths;
        let _ = writeln!(text, "  {name:<first$}  {of_type:<second$}  {missing:<third$}  {known_from}");
    }
    text
}
