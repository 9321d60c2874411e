//! What lies behind a job: waits and retries, its window, the jobs before it.

use landfall::clock::elapsed;
use landfall::job::{Overcome, Window};
use landfall::state::PastJob;
use maud::{Markup, html};

use crate::facts::{JobFacts, WatermarkFacts};
use crate::page::{Column, Tone, code, facts, foreign, note, section, table};
use crate::plot::Plot;
use crate::words::{between, bytes, count, duration, moment, number_of};

/// What went wrong on the way, and passed.
pub(super) fn waits(of: &JobFacts) -> Markup {
    let record = &of.record;
    let columns = [Column::Text("What"), Column::Number("Times"), Column::Text("When"), Column::Text("Why")];
    let rows: Vec<Vec<Markup>> = record.overcome.iter().map(overcome).collect();
    html! {
        @if let Some(outage) = &record.outage {
            (note(Tone::Odd, &html! { p { "Since " (moment(outage.since)) " the source cannot be asked: " (foreign(&outage.error)) } }))
        }
        @if rows.is_empty() {
            p { "No step is known to have failed on the way, and no source to have been out of reach." }
        } @else {
            (table("What went wrong on the way, and passed", &columns, &rows))
        }
        p class="soft" { "Single calls that were repeated at once are not kept here. Waiting until the job had ended at its source is the first part of its time." }
    }
}

fn overcome(past: &Overcome) -> Vec<Markup> {
    let Overcome { step, ordinal, error, since, until, times } = past;
    vec![
        html! {
            @match step {
                Some(step) => {
                    (code(step)) " failed"
                    @if let Some(ordinal) = ordinal { ", over file " (u64::from(*ordinal) + 1) }
                }
                None => { "the source could not be asked for " (between(*since, *until)) }
            }
        },
        html! { (count(*times)) },
        html! { (moment(*since)) @if *times > 1 || step.is_none() { " to " (moment(*until)) } },
        foreign(error),
    ]
}

/// The time that the rows are of, and what becomes of the watermark.
pub(super) fn window(of: &JobFacts) -> Markup {
    let Some(window) = &of.record.window else { return html! {} };
    let Window { field, from, until, overlap_until } = window;
    let (before, after) = watermark(of, window);
    let mut said = vec![
        (
            "Window",
            html! {
                (code(field)) " from "
                @match from { Some(from) => { (moment(*from)) }, None => { "the beginning" } }
                " until " (moment(*until)) ", which is not in it"
            },
        ),
        ("Watermark before", html! { (before) }),
        ("Watermark after", html! { (after) }),
    ];
    if let Some(overlap) = overlap_until {
        said.push(("Overlap", html! { "rows from before " (moment(*overlap)) " may have landed with an earlier increment, too" }));
    }
    section("window", "Window and watermark", &facts(&said))
}

fn watermark(of: &JobFacts, window: &Window) -> (String, String) {
    let at = |landed_until: Option<_>| {
        landed_until.map_or_else(|| "none: it is the first increment".to_owned(), moment)
    };
    match of.watermark {
        None => ("not known".to_owned(), "not known".to_owned()),
        Some(WatermarkFacts { landed_until, is_moved_by_this: true }) => {
            let after = landed_until.map_or(window.until, |until| until.max(window.until));
            let after = match of.landed {
                Some(_) => moment(after),
                None => format!("{} once it has landed", moment(after)),
            };
            (at(landed_until), after)
        }
        Some(WatermarkFacts { landed_until: Some(until), .. }) if until >= window.until => (
            "no longer kept".to_owned(),
            format!("{}, as it is now: later jobs, too, may have moved it", moment(until)),
        ),
        Some(WatermarkFacts { landed_until, .. }) => (
            landed_until.map_or_else(|| "none".to_owned(), moment),
            "the same: a window that its event names moves no watermark".to_owned(),
        ),
    }
}

/// The job beside the last ones of its export.
pub(super) fn history(of: &JobFacts) -> Markup {
    let jobs = &of.history;
    let this = jobs.iter().position(|job| job.job_request_id == of.record.job_request_id);
    let content = html! {
        @if jobs.len() < 2 {
            p { "No other job of this export is known to have landed: nothing can be compared yet." }
        } @else {
            (verdict(jobs, this))
            div class="plots" { @for plot in plots(jobs, this) { (plot.figure()) } }
            p class="soft" { "A bar for each of the last " (jobs.len()) " jobs that landed, the newest right; the dashed line is the median." }
            (numbers(jobs))
        }
    };
    section("history", "Beside the last jobs", &content)
}

/// Rows, bytes and minutes of an export's last jobs.
pub(crate) fn plots(jobs: &[PastJob], this: Option<usize>) -> Vec<Plot> {
    let mut plots = Vec::new();
    // A job whose rows are not counted has none to be compared.
    if let Some(rows) = jobs.iter().map(|job| job.totals.rows).collect::<Option<Vec<u64>>>() {
        plots.push(Plot { title: "Rows", values: rows, this, say: count });
    }
    plots.push(Plot {
        title: "Bytes",
        values: jobs.iter().map(|job| job.totals.bytes).collect(),
        this,
        say: bytes,
    });
    let seconds = jobs.iter().map(|job| elapsed(job.since, job.landed_at).as_secs()).collect();
    plots.push(Plot {
        title: "Time",
        values: seconds,
        this,
        say: |seconds| duration(std::time::Duration::from_secs(seconds)),
    });
    plots
}

fn verdict(jobs: &[PastJob], this: Option<usize>) -> Markup {
    let known: Vec<_> = plots(jobs, this)
        .into_iter()
        .filter_map(|plot| Some((plot.title, plot.say, plot.verdict()?)))
        .collect();
    let far: Vec<String> = known
        .iter()
        .filter(|(_, _, (is_far, _))| *is_far)
        .map(|(title, say, (_, usual))| {
            format!("{title} (usual: {}, the median of {} jobs)", say(usual.median), usual.jobs)
        })
        .collect();
    match (known.is_empty(), far.is_empty()) {
        (true, _) => html! { p { "Too few jobs have landed before this one to say what is usual." } },
        (false, true) => note(Tone::Good, &html! { p { "This job is in line with those before it." } }),
        (false, false) => note(Tone::Odd, &html! { p { strong { "Out of line: " } (far.join(", ")) "." } }),
    }
}

fn numbers(jobs: &[PastJob]) -> Markup {
    let columns = [
        Column::Text("Job"),
        Column::Text("Landed"),
        Column::Number("Rows"),
        Column::Number("Size"),
        Column::Number("Time"),
    ];
    let rows: Vec<Vec<Markup>> = jobs
        .iter()
        .rev()
        .map(|job| {
            vec![
                code(job.job_request_id.as_str()),
                html! { (moment(job.landed_at)) },
                html! { (job.totals.rows.map_or_else(|| "-".to_owned(), count)) },
                html! { (bytes(job.totals.bytes)) },
                html! { (between(job.since, job.landed_at)) },
            ]
        })
        .collect();
    let jobs = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
    html! { details { summary { "The same in numbers" } (table(&number_of(jobs, "job"), &columns, &rows)) } }
}
