//! Views in words: a table of many, a paragraph of one.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanBytes;
use jiff::Timestamp;
use landfall::clock::elapsed;
use landfall::job::{ConnectionName, Failure};

use super::view::{Details, JobView, Manifest, Next, State};
use crate::advice;
use crate::totals;

/// However little room is left, so much of a run's name is shown.
const MIN_NAME: usize = 8;

const HEADINGS: [&str; 5] = ["JOB", "STATE", "FILES", "AGE", "RUN"];

/// A line of the table.
type Row = [String; 5];

/// How many columns a line has where it is shown; none where nobody looks, and it is as long as it is.
pub(super) fn columns() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// Views below each other, under the connection's name and headings if this is where they begin. Each failure has a line
/// of its own, and what helps another.
pub(super) fn table(
    title: Option<&ConnectionName>,
    views: &[JobView],
    now: Timestamp,
    columns: Option<usize>,
) -> String {
    let headings: Row = HEADINGS.map(str::to_owned);
    let rows: Vec<Row> = views.iter().map(|view| row(view, now)).collect();
    let mut widths = [0; 5];
    for row in rows.iter().chain([&headings]) {
        for (width, cell) in std::iter::zip(&mut widths, row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = title.map(|title| format!("{title}\n")).unwrap_or_default();
    if title.is_some() {
        text.push_str(&line(&headings, widths, columns));
    }
    for (row, view) in std::iter::zip(&rows, views) {
        text.push_str(&line(row, widths, columns));
        let failure = view.failure.as_ref().map(|failure| failed(failure, now));
        let next = view.next.as_ref().filter(|_| failure.is_some()).map(next);
        for told in failure.into_iter().chain(next) {
            text.push_str(&beginning(&format!("      {told}"), columns));
            text.push('\n');
        }
    }
    text
}

/// A failure in a line.
fn failed(failure: &Failure, now: Timestamp) -> String {
    let Failure { step, error, message, since, times, .. } = failure;
    let how_often = match times {
        1 => format!("{} ago", age(elapsed(*since, now))),
        times => format!("{times} times, first {} ago", age(elapsed(*since, now))),
    };
    format!("{step}: {error}, {how_often}: {message}")
}

/// What helps, in a line.
fn next(next: &Next) -> String {
    format!("next: {}: {}", next.what, next.command)
}

/// As much of a line as is shown.
fn beginning(line: &str, columns: Option<usize>) -> String {
    match columns {
        Some(columns) if line.chars().count() > columns => {
            line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
        }
        _ => line.to_owned(),
    }
}

fn row(view: &JobView, now: Timestamp) -> Row {
    let job = view.job_request_id.as_ref().map_or("-", |id| id.as_str()).to_owned();
    let run = match &view.run_key {
        Some(run_key) => run_key.to_string(),
        None => format!("({})", view.export.name),
    };
    [job, state(view.state), files(view), age(elapsed(view.since, now)), run]
}

fn line(
    [job, state, files, age, run]: &Row,
    [job_width, state_width, files_width, age_width, _]: [usize; 5],
    columns: Option<usize>,
) -> String {
    let start =
        format!("  {job:job_width$}  {state:state_width$}  {files:>files_width$}  {age:>age_width$}  ");
    let room = columns.map(|columns| columns.saturating_sub(start.chars().count()).max(MIN_NAME));
    format!("{start}{}\n", shortened(run, room))
}

/// The end of a name that is too long: dates and numbers are there.
fn shortened(name: &str, room: Option<usize>) -> String {
    let length = name.chars().count();
    let Some(room) = room.filter(|room| length > *room) else { return name.to_owned() };
    std::iter::once('…').chain(name.chars().skip(length + 1 - room)).collect()
}

/// A state in words.
pub(crate) fn state(state: State) -> String {
    let name = match state {
        State::Released => "released",
        State::Claimed => "claimed",
        State::Expired => "expired",
        State::Submitted => "submitted",
        State::Ended => "ended",
        State::Listed => "listed",
        State::Fetching => "fetching",
        State::Fetched => "fetched",
        State::Unpacking => "unpacking",
        State::Unpacked => "unpacked",
        State::Landed => "landed",
        State::LandedPartly => "landed partly",
        State::WaitingForSource => "waiting for source",
        State::NeedsPerson => "needs a person",
        State::Refused => "refused",
        State::Failed => "failed",
    };
    name.to_owned()
}

/// How many files, and how many of them the state is about.
fn files(view: &JobView) -> String {
    match (view.files, view.reached) {
        (None, _) => "-".to_owned(),
        (Some(files), State::Listed | State::Fetching) => format!("{}/{files}", view.fetched),
        (Some(files), State::Fetched | State::Unpacking) => format!("{}/{files}", view.unpacked),
        (Some(files), _) => files.to_string(),
    }
}

/// An age in one unit.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// All that is known of a job.
pub(super) fn details(view: &JobView, now: Timestamp, knows_connection: bool) -> String {
    let job = view.job_request_id.as_ref().map_or("-", |id| id.as_str());
    let mut text = format!("job {job} on {}: {}\n", view.connection, state(view.state));
    let mut fact = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    if let Some(run_key) = &view.run_key {
        fact("run", run_key.as_str());
    }
    fact("export", &format!("{} {}", view.export.kind, view.export.name));
    if let Some(destination) = &view.destination {
        fact("destination", destination.as_str());
    }
    if view.reached != view.state {
        fact("reached", &state(view.reached));
    }
    fact("submitted", &moment(view.since, now));
    if let Some(outage) = &view.outage {
        fact("source", &format!("not to be asked since {}: {}", moment(outage.since, now), outage.error));
    }
    if let Some(failure) = &view.failure {
        for (name, value) in facts_of_failure(failure, now) {
            fact(name, &value);
        }
    }
    if let Some(details) = &view.details {
        for (name, value) in facts_of(view, details, now) {
            fact(name, &value);
        }
    }
    match (&view.manifest, &view.landing_unknown) {
        (Some(manifest), _) => fact("manifest", &place(manifest)),
        (None, Some(why)) => fact("manifest", &format!("unknown: {why}")),
        (None, None) => {}
    }
    match view.notice.as_ref().map(|notice| (notice.told_at, &notice.error)) {
        Some((Some(at), _)) => fact("source", &format!("told {} that the job has landed", moment(at, now))),
        Some((None, Some(error))) => {
            fact("source", &format!("not told yet that the job has landed: {error}"))
        }
        Some((None, None)) | None => {}
    }
    if let Some(next) = &view.next {
        fact("next", &next.what);
        fact("", &next.command);
        if !knows_connection && next.command.contains(" resume ") {
            fact("", "(add the --simulate or --config of its run)");
        }
    }
    text
}

fn facts_of_failure(failure: &Failure, now: Timestamp) -> Vec<(&'static str, String)> {
    let Failure { step, error, message, since, last, times, .. } = failure;
    let when = match times {
        1 => moment(*last, now),
        times => {
            format!("{times} times since {}, last {} ago", moment(*since, now), age(elapsed(*last, now)))
        }
    };
    let mut facts = vec![("failed", format!("{step}, {when}")), ("error", format!("{error}: {message}"))];
    facts.extend(advice::named(error).map(|error| ("what to do", error.remedy().to_owned())));
    facts
}

fn facts_of(view: &JobView, details: &Details, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(outcome) = &details.outcome {
        let message = outcome.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        facts.push((
            "outcome",
            format!("{}{message}, seen {}", outcome.native_status, moment(outcome.since, now)),
        ));
    }
    if let Some(files) = view.files {
        let bytes = details.listed_bytes.map(|bytes| format!(", {}", HumanBytes(bytes))).unwrap_or_default();
        facts.push(("files", format!("{files}{bytes}")));
        let fetched = HumanBytes(details.fetched_bytes);
        facts.push(("fetched", format!("{} of {files}, {fetched}", view.fetched)));
        let landed = totals::in_words(&details.landed);
        facts.push(("unpacked", format!("{} of {files}: {landed}", view.unpacked)));
    }
    if details.checkpoints > 0 {
        facts.push(("checkpoints", details.checkpoints.to_string()));
    }
    match details.unfinished_uploads {
        None | Some(0) => {}
        Some(uploads) => facts.push(("uploads", format!("{uploads} unfinished"))),
    }
    if let Some(since) = details.claimed_since {
        let claim = format!("{}: the run's record does not name this job yet", moment(since, now));
        facts.push(("claimed", claim));
    }
    facts
}

fn place(manifest: &Manifest) -> String {
    let place = match &manifest.path {
        Some(path) => path.clone(),
        None => manifest.object.clone(),
    };
    match manifest.is_there {
        true => place,
        false => format!("not written yet: {place}"),
    }
}

fn moment(moment: Timestamp, now: Timestamp) -> String {
    format!("{} ({} ago)", moment.strftime("%Y-%m-%d %H:%M:%S UTC"), age(elapsed(moment, now)))
}

#[cfg(test)]
mod tests {
    use landfall::job::{ExportName, JobState, Outage, Outcome, Totals};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    fn view(job: &str, state: State, done: usize) -> JobView {
        JobView {
            connection: "fusion-demo".parse().unwrap(),
            run_key: Some(format!("carriers-{job}").parse().unwrap()),
            job_request_id: Some(job.parse().unwrap()),
            state,
            reached: state,
            export: ExportName { kind: "fusion_extract".to_owned(), name: "SimpleCarriers".to_owned() },
            destination: Some("lake".parse().unwrap()),
            since: "2026-11-21T06:00:00Z".parse().unwrap(),
            files: Some(6),
            fetched: done,
            unpacked: 0,
            manifest: Some(Manifest {
                is_there: state == State::Landed,
                bucket: "landing".to_owned(),
                key: "fusion-demo/SimpleCarriers/44046/_manifest.json".to_owned(),
                object: "s3://landing/fusion-demo/SimpleCarriers/44046/_manifest.json".to_owned(),
                path: None,
            }),
            landing_unknown: None,
            outage: None,
            failure: None,
            notice: None,
            next: None,
            details: None,
        }
    }

    fn claim() -> JobView {
        let since = "2026-11-21T07:58:30Z".parse().unwrap();
        JobView { job_request_id: None, files: None, since, ..view("7", State::Claimed, 0) }
    }

    /// Columns stand below each other, whatever is in them.
    #[test]
    fn a_table_is_aligned() {
        let rows = [claim(), view("44046", State::Landed, 6), view("440461", State::Fetching, 2)];
        let title = rows[0].connection.clone();
        assert_eq!(
            table(Some(&title), &rows, now(), Some(80)),
            "fusion-demo\n\
             \x20 JOB     STATE     FILES  AGE  RUN\n\
             \x20 -       claimed       -  90s  carriers-7\n\
             \x20 44046   landed        6   2h  carriers-44046\n\
             \x20 440461  fetching    2/6   2h  carriers-440461\n"
        );
        assert!(table(None, &rows, now(), None).starts_with("  -  "));
    }

    /// A line fits a terminal of 80 columns, also with the longest ids that sources give in practice; where nobody looks,
    /// nothing is cut.
    #[test]
    fn a_line_fits_a_terminal() {
        let mut long = view("d0d6b4dc-2207-42ec-ac6b-3c30300e4307", State::WaitingForSource, 6);
        long.files = Some(1000);
        long.run_key = Some(format!("{}-2026-11-21", "x".repeat(100)).parse().unwrap());
        long.failure = Some(failure());
        let shown = table(None, std::slice::from_ref(&long), now(), Some(80));
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.contains("-11-21\n") && shown.contains("…"), "{shown}");
        let piped = table(None, &[long], now(), None);
        assert!(piped.contains(&"x".repeat(100)) && !piped.contains("…"), "{piped}");
    }

    fn failure() -> Failure {
        Failure {
            step: "unpack-upload".to_owned(),
            ordinal: Some(2),
            error: "UnsafeArchive".to_owned(),
            message: format!("{}.zip: member ../x leaves its prefix", "a".repeat(40)),
            since: "2026-11-21T06:30:00Z".parse().unwrap(),
            last: "2026-11-21T07:59:00Z".parse().unwrap(),
            times: 3,
            tried_again_until: None,
            awaits_person: false,
        }
    }

    /// What a job has failed over is told with since when, how often, and what to do.
    #[test]
    fn a_failure_is_told_with_what_to_do() {
        let mut job = view("44046", State::Refused, 6);
        (job.reached, job.failure) = (State::Fetched, Some(failure()));
        job.next = Some(Next {
            step: "unpack-upload",
            what: "run the export again".to_owned(),
            command: "landfall run EVENT".to_owned(),
        });
        let shown = table(None, std::slice::from_ref(&job), now(), None);
        assert!(
            shown.contains("\n      unpack-upload: UnsafeArchive, 3 times, first 90m ago: aaa"),
            "{shown}"
        );
        assert!(shown.ends_with("\n      next: run the export again: landfall run EVENT\n"), "{shown}");
        let told = details(&job, now(), true);
        for line in [
            "job 44046 on fusion-demo: refused",
            "  reached      fetched",
            "  failed       unpack-upload, 3 times since 2026-11-21 06:30:00 UTC (90m ago), last 60s ago",
            "  what to do   Nothing of the archive has landed. The message says",
        ] {
            assert!(told.lines().any(|found| found.starts_with(line)), "{line}: {told}");
        }
    }

    /// Promise 2: a job is shown with what there is of it, and the command that continues it.
    #[test]
    fn a_job_is_shown_with_what_continues_it() {
        let mut job = view("44046", State::Fetching, 2);
        job.details = Some(Details {
            outcome: Some(Outcome {
                state: JobState::Succeeded,
                native_status: "SUCCEEDED".to_owned(),
                message: None,
                expected_rows: None,
                since: "2026-11-21T07:00:00Z".parse().unwrap(),
                observed_at: None,
            }),
            listed_bytes: Some(6 << 20),
            fetched_bytes: 2 << 20,
            landed: Totals::default(),
            checkpoints: 1,
            unfinished_uploads: Some(1),
            claimed_since: None,
        });
        job.next = Some(Next {
            step: "fetch-files",
            what: "fetch file 3 of 6".to_owned(),
            command: "landfall resume fusion-demo 44046".to_owned(),
        });
        let told = details(&job, now(), true);
        assert_eq!(
            told,
            "job 44046 on fusion-demo: fetching\n\
             \x20 run          carriers-44046\n\
             \x20 export       fusion_extract SimpleCarriers\n\
             \x20 destination  lake\n\
             \x20 submitted    2026-11-21 06:00:00 UTC (2h ago)\n\
             \x20 outcome      SUCCEEDED, seen 2026-11-21 07:00:00 UTC (60m ago)\n\
             \x20 files        6, 6.00 MiB\n\
             \x20 fetched      2 of 6, 2.00 MiB\n\
             \x20 unpacked     0 of 6: 0 objects, 0 B\n\
             \x20 checkpoints  1\n\
             \x20 uploads      1 unfinished\n\
             \x20 manifest     not written yet: s3://landing/fusion-demo/SimpleCarriers/44046/_manifest.json\n\
             \x20 next         fetch file 3 of 6\n\
             \x20              landfall resume fusion-demo 44046\n"
        );
        assert!(details(&job, now(), false).ends_with("(add the --simulate or --config of its run)\n"));
        job.outage = Some(Outage {
            since: "2026-11-21T07:30:00Z".parse().unwrap(),
            error: "SourceUnavailable: GET https://pod.example/jobs/44046: answered 503".to_owned(),
        });
        let told = details(&job, now(), true);
        let since = "  source       not to be asked since 2026-11-21 07:30:00 UTC (30m ago): SourceUnavailable: GET https";
        assert!(told.contains(since), "{told}");
    }
}
