//! The report of a job.

mod counts;
mod landed;
mod past;
mod use_it;

use std::time::Duration;

use landfall::job::{Failure, JobRecord, JobState};
use maud::{Markup, html};

use crate::facts::JobFacts;
use crate::page::{Tone, badge, block, code, facts, figure, foreign, note, page, section};
use crate::stages::{stages, took};
use crate::words::{between, bytes, count, duration, moment, number_of};

pub(crate) use past::plots;

/// The report of a job, as a page.
pub fn job_page(of: &JobFacts) -> String {
    let title = format!("{}, job {}: {}", of.export_name, of.record.job_request_id, condition(of).1);
    let body = html! {
        (what_failed(of))
        (section("ran", "What ran", &what_ran(of)))
        (section("time", "Where the time went", &time(of)))
        (section("waits", "Waits and retries", &past::waits(of)))
        (section("counts", "Counts", &counts::counts(of)))
        (landed::files(of))
        (landed::objects(of))
        (landed::columns(of))
        (past::window(of))
        (landed::log(of))
        (past::history(of))
        (counts::cost(of))
        (section("use", "Read it, verify it, run it again", &use_it::commands(of)))
    };
    page(&title, &head(of), &body)
}

/// How a job is.
fn condition(of: &JobFacts) -> (Tone, &'static str) {
    match (&of.landed, &of.record.failure) {
        (Some(landed), _) => match landed.state {
            JobState::Partial => (Tone::Odd, "landed, with warnings of its source"),
            JobState::Empty => (Tone::Odd, "landed empty"),
            _ => (Tone::Good, "landed"),
        },
        (None, Some(failure)) if failure.awaits_person => (Tone::Bad, "waits for a person"),
        (None, Some(_)) => (Tone::Bad, "failed"),
        (None, None) => (Tone::Plain, "on its way"),
    }
}

fn head(of: &JobFacts) -> Markup {
    let (tone, word) = condition(of);
    html! {
        p class="kicker" { "Job " (code(of.record.job_request_id.as_str())) " on " (code(of.record.connection.as_str())) }
        h1 { (foreign(&of.export_name)) }
        p { (badge(tone, word)) }
        (lead(of))
        dl class="figures" { (figures(of)) }
    }
}

/// The job in a sentence or two.
fn lead(of: &JobFacts) -> Markup {
    let JobRecord { export, destination, since, .. } = &of.record;
    let in_words = match took(of) {
        Some(took) => format!(" and landed {} later.", duration(took)),
        None if of.landed.is_some() => " and has landed.".to_owned(),
        None => " and has not landed.".to_owned(),
    };
    html! {
        p class="lead" {
            "The export " (foreign(&of.export_name)) " (" (foreign(export.kind())) ") was submitted or first seen at "
            (moment(*since)) " for the destination " (foreign(destination.as_str())) "," (in_words)
            @if let Some(part) = longest(of) { " " (part) }
        }
    }
}

fn longest(of: &JobFacts) -> Option<String> {
    let stages = stages(of);
    let longest = stages.iter().max_by_key(|stage| stage.took).filter(|_| stages.len() > 1)?;
    Some(format!("The longest part of that was {}: {}.", longest.name, duration(longest.took)))
}

fn figures(of: &JobFacts) -> Markup {
    let Some(landed) = &of.landed else {
        let files = of.progress.files.map_or_else(|| "not listed".to_owned(), |files| files.to_string());
        return html! {
            (figure("Files", files, None))
            (figure("Fetched", of.progress.fetched, None))
            (figure("Unpacked", of.progress.unpacked, None))
        };
    };
    let totals = &landed.totals;
    let rows = totals.rows.map_or_else(|| "not counted".to_owned(), count);
    html! {
        (figure("Rows", rows, counts::verdict_in_short(of)))
        (figure("Objects", count(totals.objects), None))
        (figure("Size as stored", bytes(totals.bytes), None))
        @if let Some(took) = took(of) { (figure("Until it had landed", duration(took), None)) }
    }
}

fn what_failed(of: &JobFacts) -> Markup {
    let Some(failure) = of.record.failure.as_deref().filter(|_| of.landed.is_none()) else { return html! {} };
    let Failure { step, ordinal, error, message, since, last, times, .. } = failure;
    let often = match times {
        1 => format!("once, at {}", moment(*last)),
        times => format!("{} times, first at {}, last at {}", count(*times), moment(*since), moment(*last)),
    };
    let file = ordinal.map(|ordinal| format!(" over file {}", u64::from(ordinal) + 1)).unwrap_or_default();
    let known = landfall::ErrorType::ALL.iter().find(|known| known.name() == error);
    let content = html! {
        (note(Tone::Bad, &html! {
            p { strong { (foreign(error)) } ": " (foreign(message)) }
            p { "In the step " (code(step)) (file) ", " (often) "." }
        }))
        @if let Some(known) = known { p { strong { "What it means. " } (known.meaning()) } p { strong { "What to do. " } (known.remedy()) } }
        @if let Some(next) = &of.next { p { strong { "What helps: " } (foreign(&next.what)) } (block(&next.command)) }
    };
    section("failed", "What failed", &content)
}

fn what_ran(of: &JobFacts) -> Markup {
    let JobRecord { connection, export, destination, run_key, since, .. } = &of.record;
    let mut said: Vec<(&str, Markup)> = vec![
        ("Connection", code(connection.as_str())),
        ("Export", html! { (foreign(&of.export_name)) ", of kind " (code(export.kind())) }),
        ("Destination", html! { (code(destination.as_str())) ", the files as " (form(of)) }),
        (
            "Run",
            match run_key {
                Some(run_key) => code(run_key.as_str()),
                None => html! { "none: the job is known by its id alone" },
            },
        ),
        ("Submitted", html! { (moment(*since)) }),
    ];
    if let Some(outcome) = &of.outcome {
        said.push((
            "Ended",
            html! {
                (code(&outcome.native_status)) " at the source, seen at " (moment(outcome.since))
                @if let Some(message) = &outcome.message { ": " (foreign(message)) }
            },
        ));
    }
    if let Some(at) = of.progress.landed_at {
        said.push(("Landed", html! { (moment(at)) }));
    }
    if let Some(landed) = &of.landed {
        said.push(("Manifest", code(&landed.manifest)));
    }
    if let Some(notice) = of.record.notice.as_deref() {
        said.push((
            "Source told",
            match (notice.told_at, &notice.error) {
                (Some(at), _) => html! { (moment(at)) },
                (None, Some(error)) => html! { "not yet: " (foreign(error)) },
                (None, None) => html! { "not yet" },
            },
        ));
    }
    let asked = serde_json::to_string_pretty(export).unwrap_or_default();
    html! {
        (facts(&said))
        @if let Some(landed) = &of.landed {
            @for warning in &landed.warnings { (note(Tone::Odd, &html! { p { strong { "Warning. " } (foreign(warning)) } })) }
        }
        details { summary { "What was asked for, as JSON" } (block(&asked)) }
    }
}

fn form(of: &JobFacts) -> &'static str {
    use landfall::form::LandedForm;
    match of.record.form.name() {
        LandedForm::Raw => "they are",
        LandedForm::Gzip => "gzip files",
        LandedForm::Zstd => "Zstandard files",
        LandedForm::Parquet => "Parquet files",
    }
}

fn time(of: &JobFacts) -> Markup {
    let stages = stages(of);
    let all: u128 = stages.iter().map(|stage| stage.took.as_millis()).sum();
    if stages.is_empty() {
        let since = of.record.failure.as_ref().map(|failure| between(of.record.since, failure.last));
        return html! {
            p {
                "It is not known to have ended at its source."
                @if let Some(since) = since { " It failed last " (since) " after it was submitted." }
            }
        };
    }
    // In thousandths.
    let share = |took: Duration| took.as_millis().saturating_mul(1_000).checked_div(all).unwrap_or_default();
    html! {
        // The list below says the same.
        div class="time" aria-hidden="true" {
            @for stage in &stages { span class=(stage.class) style={ "flex:" (share(stage.took)) " 1 0" } {} }
        }
        ul class="parts" {
            @for stage in &stages {
                li { span class={ "key " (stage.class) } aria-hidden="true" {} (stage.name) ": " strong { (duration(stage.took)) } }
            }
        }
        @if let Some(longest) = longest(of) { p { (longest) } }
        p class="soft" { "At the source: until landfall saw that the job had ended. Fetching and unpacking: by the store's clock, which is not landfall's." }
        @if let Some(files) = of.progress.files {
            @if of.landed.is_none() {
                p { (number_of(u64::try_from(files).unwrap_or(u64::MAX), "file")) ", " (of.progress.fetched) " fetched, " (of.progress.unpacked) " unpacked." }
            }
        }
    }
}
