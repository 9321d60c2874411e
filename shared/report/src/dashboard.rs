//! The page of all exports: how fresh they are, what has failed, how much has landed.

use std::time::Duration;

use jiff::Timestamp;
use landfall::clock::elapsed;
use landfall::usual::median;
use maud::{Markup, html};

use crate::facts::{DashboardFacts, ExportFacts, FailureFacts, LastGood};
use crate::job::plots;
use crate::page::{Column, Tone, badge, block, code, figure, foreign, note, page, section, table};
use crate::words::{self, between, bytes, count, duration, moment, number_of};

/// So many failures of an export are told; the rest is counted.
const FAILURES: usize = 5;
/// So many reports of an export are linked.
const REPORTS: usize = 10;
/// Of fewer times between two jobs nobody can say what is usual.
const MIN_GAPS: usize = 3;
/// How many times the usual time between two jobs is late.
const LATE: u64 = 2;

/// How old what has landed last is, beside how often something lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// Nothing has landed.
    Never,
    /// No older than usual, or nobody can say what is usual.
    Fresh,
    /// Older, by far, than the usual time between two jobs.
    Late { usual: Duration },
}

/// All exports on a page.
pub fn dashboard_page(of: &DashboardFacts) -> String {
    let mut exports: Vec<&ExportFacts> = of.exports.iter().collect();
    // What needs somebody comes first.
    exports.sort_by_key(|export| (export.failures.is_empty(), freshness(export, of.now) == Freshness::Fresh));
    let body = html! {
        (section("overview", "All exports", &overview(&exports, of.now)))
        @for (at, export) in exports.iter().enumerate() { (one(at, export, of.now)) }
    };
    page("landfall: all exports", &head(of), &body)
}

fn head(of: &DashboardFacts) -> Markup {
    let failing = length(of.exports.iter().filter(|export| !export.failures.is_empty()).count());
    let is_fresh = |export: &&ExportFacts| freshness(export, of.now) == Freshness::Fresh;
    let late = length(of.exports.iter().filter(|export| !is_fresh(export)).count());
    let (tone, word) = match (failing, late) {
        (0, 0) => (Tone::Good, "all well"),
        (0, _) => (Tone::Odd, "something is late"),
        _ => (Tone::Bad, "something has failed"),
    };
    html! {
        p class="kicker" { "Looked at " (moment(of.now)) ", in " (code(&of.place)) }
        h1 { "What lands, and what does not" }
        p { (badge(tone, word)) }
        dl class="figures" {
            (figure("Exports", of.exports.len(), None))
            (figure("With failures", failing, None))
            (figure("Late, or never landed", late, None))
        }
    }
}

fn overview(exports: &[&ExportFacts], now: Timestamp) -> Markup {
    let columns = [
        Column::Text("Export"),
        Column::Text("How it is"),
        Column::Text("Last landed"),
        Column::Number("Rows"),
        Column::Number("Size"),
        Column::Number("Failures"),
    ];
    let rows: Vec<Vec<Markup>> =
        exports.iter().enumerate().map(|(at, export)| row(at, export, now)).collect();
    html! {
        @if rows.is_empty() {
            p { "Nothing has run yet." }
        } @else {
            (table(&number_of(length(rows.len()), "export"), &columns, &rows))
        }
    }
}

fn row(at: usize, export: &ExportFacts, now: Timestamp) -> Vec<Markup> {
    let last = export.history.last();
    let rows = last.and_then(|last| last.totals.rows);
    vec![
        html! { a href={ "#" (id(at)) } { (foreign(&export.export.name)) } " on " (foreign(export.connection.as_str())) },
        how_it_is(export, now),
        html! { @match &export.last_good { Some(last) => { (ago(last.at, now)) }, None => { "never" } } },
        html! { (rows.map_or_else(|| "-".to_owned(), count)) },
        html! { (last.map_or_else(|| "-".to_owned(), |last| bytes(last.totals.bytes))) },
        html! { (export.failures.len()) },
    ]
}

fn id(at: usize) -> String {
    format!("export-{}", at + 1)
}

fn how_it_is(export: &ExportFacts, now: Timestamp) -> Markup {
    let (tone, word) = match (export.failures.first(), freshness(export, now)) {
        (Some(failure), _) => (Tone::Bad, failure.state.as_str()),
        (None, Freshness::Late { .. }) => (Tone::Odd, "late"),
        (None, Freshness::Never) if export.under_way > 0 => (Tone::Plain, "on its way"),
        (None, Freshness::Never) => (Tone::Odd, "never landed"),
        (None, Freshness::Fresh) => (Tone::Good, "fresh"),
    };
    badge(tone, word)
}

/// How old what has landed last is.
fn freshness(export: &ExportFacts, now: Timestamp) -> Freshness {
    let Some(LastGood { at, .. }) = &export.last_good else { return Freshness::Never };
    let landed = export.history.iter().map(|job| job.landed_at);
    let gaps: Vec<u64> = std::iter::zip(landed.clone(), landed.skip(1))
        .map(|(one, next)| elapsed(one, next).as_secs())
        .collect();
    if gaps.len() < MIN_GAPS {
        return Freshness::Fresh;
    }
    let usual = median(gaps.into_iter());
    match elapsed(*at, now).as_secs() > usual.saturating_mul(LATE) {
        true => Freshness::Late { usual: Duration::from_secs(usual) },
        false => Freshness::Fresh,
    }
}

fn one(at: usize, export: &ExportFacts, now: Timestamp) -> Markup {
    let heading = format!("{} on {}", words::text(&export.export.name), export.connection);
    let content = html! {
        p {
            (how_it_is(export, now)) " "
            span class="soft" {
                "of kind " (code(&export.export.kind))
                @if let Some(destination) = &export.destination { ", into " (code(destination.as_str())) }
                @if export.under_way > 0 { ", " (export.under_way) " on their way" }
            }
        }
        (last_good(export, now))
        @for failure in export.failures.iter().take(FAILURES) { (failed(failure, now)) }
        @if let Some(more) = export.failures.len().checked_sub(FAILURES).filter(|more| *more > 0) {
            p { "And " (more) " failures more: " code { "landfall status " (export.connection) } " tells them." }
        }
        @if export.history.len() > 1 {
            div class="plots" { @for plot in plots(&export.history, export.history.len().checked_sub(1)) { (plot.figure()) } }
            p class="soft" { "A bar for each of the last " (export.history.len()) " jobs that landed, the newest right; the dashed line is the median." }
        }
        (reports(export))
    };
    section(&id(at), &heading, &content)
}

fn last_good(export: &ExportFacts, now: Timestamp) -> Markup {
    let Some(last) = &export.last_good else {
        return html! { p { "No job of it is known to have landed." } };
    };
    html! {
        p {
            "Job " (code(last.job_request_id.as_str())) " landed last, " (ago(last.at, now)) ", at " (moment(last.at))
            @if last.is_partial { ", with warnings of its source" }
            "."
        }
        @if let Freshness::Late { usual } = freshness(export, now) {
            (note(Tone::Odd, &html! { p { strong { "Late. " } "A job of it lands every " (duration(usual)) " usually." } }))
        }
    }
}

fn failed(failure: &FailureFacts, now: Timestamp) -> Markup {
    let FailureFacts { run_key, job_request_id, state, since, times, error, next } = failure;
    let what = match (job_request_id, run_key) {
        (Some(id), _) => html! { "Job " (code(id.as_str())) },
        (None, Some(run_key)) => html! { "Run " (code(run_key.as_str())) },
        (None, None) => html! { "A run" },
    };
    let often = if *times > 1 { format!(", {} times", count(*times)) } else { String::new() };
    note(
        Tone::Bad,
        &html! {
            p { (what) ": " strong { (foreign(state)) } ", first " (ago(*since, now)) (often) "." }
            p { (foreign(error)) }
            @if let Some(next) = next { p { strong { "What helps: " } (foreign(&next.what)) } (block(&next.command)) }
        },
    )
}

fn reports(export: &ExportFacts) -> Markup {
    if export.reports.is_empty() {
        return html! {};
    }
    let connection = &export.connection;
    html! {
        h3 { "Reports" }
        ul class="reports" {
            @for report in export.reports.iter().take(REPORTS) {
                li {
                    @match &report.href {
                        Some(href) => { a href=(words::text(href)) { "Job " (foreign(report.job_request_id.as_str())) } },
                        None => { "Job " (foreign(report.job_request_id.as_str())) ": " code { "landfall report " (connection) " " (report.job_request_id) } },
                    }
                    span class="soft" { ", " (moment(report.since)) }
                }
            }
        }
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", between(at, now))
}

fn length(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
