//! What has landed: files, objects, columns, the source's own log.

use landfall::job::LandedObject;
use maud::{Markup, html};

use crate::facts::{ColumnFacts, FileFacts, JobFacts, LandedFacts, SHOWN, Schema};
use crate::page::{Column, Tone, block, code, foreign, note, section, table};
use crate::words::{bytes, count, number_of};

/// The source's files, and how each was shown to be whole.
pub(super) fn files(of: &JobFacts) -> Markup {
    let Some(landed) = &of.landed else { return html! {} };
    let columns = [
        Column::Text("File"),
        Column::Number("Size"),
        Column::Number("Objects"),
        Column::Number("Rows"),
        Column::Text("Verified by"),
    ];
    let rows: Vec<Vec<Markup>> = landed.files.iter().take(SHOWN).map(file).collect();
    let content = html! {
        @if rows.is_empty() {
            p { "The job has put out no file." }
        } @else {
            (table(&number_of(landed.file_count, "file"), &columns, &rows))
            (left_out(rows.len(), landed.file_count, "files"))
            p class="soft" { "Whatever the source says of a file, landfall computes its SHA-256 while it is fetched, and the manifest keeps it." }
        }
    };
    section("files", "Files, and how each was verified", &content)
}

fn file(file: &FileFacts) -> Vec<Markup> {
    let by = file.verified_by();
    vec![
        html! { (code(&file.name)) @if file.is_log { " (the source's log)" } },
        html! { (bytes(file.size)) },
        html! { (count(file.objects)) },
        html! { (file.rows.map_or_else(|| "-".to_owned(), count)) },
        html! {
            @match (&file.unverified, by.is_empty()) {
                (Some(why), _) => { strong { "nothing: " } (foreign(why)) }
                (None, true) => { "what was known of it when it came, and is no longer kept" }
                (None, false) => { (by.join("; ")) }
            }
        },
    ]
}

/// The objects.
pub(super) fn objects(of: &JobFacts) -> Markup {
    let Some(landed) = &of.landed else { return html! {} };
    let columns = [
        Column::Text("Object"),
        Column::Number("Size"),
        Column::Number("Rows"),
        Column::Short("CRC-64/NVME"),
    ];
    let prefix = &of.record.landing_prefix;
    let rows: Vec<Vec<Markup>> =
        landed.objects.iter().take(SHOWN).map(|landed| object(landed, prefix)).collect();
    let content = html! {
        @if rows.is_empty() {
            p { "Nothing but the manifest has landed." }
        } @else {
            p { "Below " (code(&below(landed, prefix))) ":" }
            (table(&number_of(landed.totals.objects, "object"), &columns, &rows))
            (left_out(rows.len(), landed.totals.objects, "objects"))
        }
    };
    section("objects", "Objects", &content)
}

/// The folder that everything of the job lands in: the manifest's.
fn below<'a>(landed: &'a LandedFacts, prefix: &'a str) -> String {
    landed.manifest.rsplit_once('/').map_or(prefix, |(folder, _)| folder).to_owned()
}

fn object(object: &LandedObject, prefix: &str) -> Vec<Markup> {
    let broken = object.broken_records.as_ref().map(|broken| broken.count);
    vec![
        html! {
            (code(object.key.strip_prefix(prefix).unwrap_or(&object.key)))
            @if let Some(broken) = broken { " – " (number_of(broken, "broken record")) }
        },
        html! { (bytes(object.size)) },
        html! { (object.rows.map_or_else(|| "-".to_owned(), count)) },
        html! { code { (object.crc64nvme) } },
    ]
}

fn left_out(shown: usize, all: u64, what: &str) -> Markup {
    let rest = all.saturating_sub(u64::try_from(shown).unwrap_or(u64::MAX));
    match rest {
        0 => html! {},
        rest => html! { p { "And " (count(rest)) " " (what) " more, which the manifest names." } },
    }
}

/// The columns, and how they have changed.
pub(super) fn columns(of: &JobFacts) -> Markup {
    let Some(landed) = of.landed.as_ref().filter(|landed| !landed.tables.is_empty()) else { return html! {} };
    let content = html! {
        (changes(landed))
        @for known in landed.tables.iter().take(SHOWN) {
            @let caption = match known.number {
                Some(number) => format!("Table {number} of the export's schema, {}", number_of(length(&known.columns), "column")),
                None => number_of(length(&known.columns), "column"),
            };
            @let rows: Vec<Vec<Markup>> = known.columns.iter().map(column).collect();
            (table(&caption, &[Column::Text("Column"), Column::Short("Type"), Column::Text("Values")], &rows))
        }
        (left_out(landed.tables.len().min(SHOWN), length(&landed.tables), "tables"))
    };
    section("columns", "Columns", &content)
}

fn column(column: &ColumnFacts) -> Vec<Markup> {
    let values = match (column.may_be_missing, column.may_be_empty) {
        (true, true) => "some rows lack it, some are empty",
        (true, false) => "some rows lack it",
        (false, true) => "in every row, some are empty",
        (false, false) => "in every row",
    };
    vec![code(&column.name), html! { code { (column.r#type) } }, html! { (values) }]
}

fn changes(landed: &LandedFacts) -> Markup {
    let told = match landed.schema {
        Some(Schema { version, from: 0 }) => format!(
            "The columns are told by version {version} of the export's schema, which has no other before it."
        ),
        Some(Schema { version, from }) if version == from => {
            format!("The columns are told by version {version} of the export's schema.")
        }
        Some(Schema { version, from }) => format!(
            "The columns were held against version {from} of the export's schema, and told by version {version}."
        ),
        None => "The columns are told as the values show them.".to_owned(),
    };
    html! {
        p { (told) }
        @if landed.schema_changes.is_empty() {
            @if landed.schema.is_some_and(|schema| schema.from > 0) { p { "Nothing has changed in them." } }
        } @else {
            (note(Tone::Odd, &html! {
                p { (number_of(length(&landed.schema_changes), "change")) ":" }
                ul { @for change in landed.schema_changes.iter().take(SHOWN) { li { "table " (change.table) ": " (foreign(&change.to_string())) } } }
            }))
        }
    }
}

fn length<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).unwrap_or(u64::MAX)
}

/// The source's own log.
pub(super) fn log(of: &JobFacts) -> Markup {
    let Some(log) = of.landed.as_ref().and_then(|landed| landed.log.as_ref()) else { return html! {} };
    let content = html! {
        p { "From the file " (code(&log.name)) ", which has landed beside the data:" }
        (block(&log.text))
        @if log.is_cut { p { "It goes on in the file." } }
    };
    section("log", "What the source's own log says", &content)
}
