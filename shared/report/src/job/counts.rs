//! What was counted, by whom, and what it cost.

use landfall::job::ExpectedRows;
use maud::{Markup, html};

use crate::facts::{JobFacts, LandedFacts};
use crate::page::{Column, Tone, facts, note, section, table};
use crate::words::{bytes, count, number_of};

/// What the source's count says of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The source counts nothing.
    NoCount,
    /// Both are the same.
    Same,
    /// They differ; what the source counts is not established.
    Differs,
    /// What has landed is not counted.
    Uncounted,
}

fn verdict(of: &JobFacts, landed: &LandedFacts) -> Verdict {
    let expected = of.outcome.as_ref().and_then(|outcome| outcome.expected_rows);
    let Some(ExpectedRows::Exactly(expected) | ExpectedRows::Claimed(expected)) = expected else {
        return Verdict::NoCount;
    };
    match landed.data_rows {
        Some(rows) if rows == expected => Verdict::Same,
        Some(_) => Verdict::Differs,
        None => Verdict::Uncounted,
    }
}

/// The same in a few words.
pub(super) fn verdict_in_short(of: &JobFacts) -> Option<&'static str> {
    match verdict(of, of.landed.as_ref()?) {
        Verdict::NoCount => None,
        Verdict::Same => Some("as the source counts"),
        Verdict::Differs => Some("the source counts others"),
        Verdict::Uncounted => Some("the source counts them"),
    }
}

/// Objects, rows, and the source's own count beside them.
pub(super) fn counts(of: &JobFacts) -> Markup {
    let expected = of.outcome.as_ref().and_then(|outcome| outcome.expected_rows);
    let theirs = match expected {
        Some(ExpectedRows::Exactly(rows) | ExpectedRows::Claimed(rows)) => count(rows),
        None if of.outcome.is_some() => "it counts none".to_owned(),
        None => "not known".to_owned(),
    };
    let Some(landed) = &of.landed else {
        return html! {
            (facts(&[("The source's count", html! { (theirs) }), ("Landed", html! { "nothing that counts: there is no manifest" })]))
        };
    };
    let totals = &landed.totals;
    let ours = match (landed.data_rows, totals.rows) {
        (Some(rows), _) => count(rows),
        (None, Some(rows)) => format!("{} in what is counted", count(rows)),
        (None, None) => "not counted".to_owned(),
    };
    let rows = vec![
        vec![html! { "Rows or records of data" }, html! { (theirs) }, html! { (ours) }],
        vec![
            html! { "Files" },
            html! { (of.progress.files.map_or_else(|| "-".to_owned(), |files| files.to_string())) },
            html! { (count(landed.file_count)) },
        ],
    ];
    html! {
        (table("What the source says, and what has landed", &[Column::Text("What"), Column::Number("The source"), Column::Number("Landed")], &rows))
        (said(verdict(of, landed)))
        p {
            "In all " (number_of(totals.objects, "object")) " of " (bytes(totals.bytes)) " as stored"
            @if let Some(rows) = totals.rows { ", with " (number_of(rows, "row")) }
            ". A header line is no row; rows of logs are counted here, and not above."
        }
    }
}

fn said(verdict: Verdict) -> Markup {
    let (tone, text) = match verdict {
        Verdict::NoCount => (
            Tone::Plain,
            "The source does not count what it puts out: each file was held against what is known of it, see below.",
        ),
        Verdict::Same => (Tone::Good, "The source counts as many as have landed."),
        Verdict::Differs => (
            Tone::Odd,
            "The source counts others than have landed. What it counts is not established: look at the job there.",
        ),
        Verdict::Uncounted => (
            Tone::Odd,
            "The source counts them, and not all that has landed is counted: nothing shows that it is all of them.",
        ),
    };
    note(tone, &html! { p { (text) } })
}

/// What such a job costs.
pub(super) fn cost(of: &JobFacts) -> Markup {
    let Some(landed) = &of.landed else { return html! {} };
    let requests = &landed.requests;
    let content = html! {
        p {
            "If nothing was repeated, the stores were asked for " (number_of(requests.puts(), "request"))
            " that Amazon S3 charges as PUT, and up to about " (count(requests.gets())) " that it charges as GET: "
            strong { "about $" (requests.dollars()) } " at its list price (us-east-1)."
        }
        p class="soft" {
            "Not in it, as it is not kept: functions' time, the state machine's transitions, asking whether the job has ended, "
            "keeping what has landed, what the source charges. Other stores have other prices; on a machine of one's own it costs nothing."
        }
    };
    section("cost", "What it cost", &content)
}
