//! Pages of facts that are made here.

use std::time::Duration;

use jiff::Timestamp;
use landfall::job::{
    ExpectedRows, ExportName, Failure, JobRecord, JobState, LandedObject, Outage, Outcome, OutputFile,
    Overcome, Totals,
};
use landfall::rows::ColumnType;
use landfall::state::PastJob;
use serde_json::json;

use crate::{
    ColumnFacts, DashboardFacts, ExportFacts, FailureFacts, FileFacts, JobFacts, LandedFacts, LastGood,
    LogExcerpt, NextStep, Progress, ReportLink, Requests, Schema, TableFacts, WatermarkFacts, dashboard_page,
    job_page,
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap() + Duration::from_secs(seconds)
}

fn record() -> JobRecord {
    let json = json!({
        "connection": "fusion-demo", "job_request_id": "44046", "destination": "lake", "run_key": "carriers-1",
        "export": { "kind": "fusion_extract", "extract": "SimpleCarriers" }, "landing_prefix": "p/44046/",
        "since": at(0),
    });
    serde_json::from_value(json).unwrap()
}

fn outcome(expected_rows: Option<ExpectedRows>) -> Outcome {
    Outcome {
        state: JobState::Succeeded,
        native_status: "SUCCEEDED".to_owned(),
        message: None,
        expected_rows,
        since: at(3_600),
        observed_at: None,
    }
}

fn object(name: &str, rows: u64) -> LandedObject {
    serde_json::from_value(json!({
        "key": format!("p/44046/{name}"), "size": 2048, "crc32": "0000000a", "crc64nvme": "00000000000000ab",
        "file": "a.zip", "member": name, "rows": rows,
    }))
    .unwrap()
}

fn column(name: &str, of_type: ColumnType, may_be_missing: bool) -> ColumnFacts {
    ColumnFacts { name: name.to_owned(), r#type: of_type, may_be_missing, may_be_empty: false }
}

fn past(number: u64, rows: u64) -> PastJob {
    let since = at(0) - Duration::from_secs((30 - number) * 3_600);
    PastJob {
        job_request_id: (44_016 + number).to_string().parse().unwrap(),
        run_key: None,
        since,
        ended_at: since,
        landed_at: since + Duration::from_secs(3_900),
        totals: Totals { objects: 2, bytes: 4_096, rows: Some(rows) },
    }
}

/// A job that has landed as it should.
fn landed() -> JobFacts {
    let listed = OutputFile {
        ordinal: 0,
        name: "a.zip".to_owned(),
        size: Some(1_536),
        sha256: Some("ab".repeat(32).parse().unwrap()),
        locator: None,
        is_log: false,
    };
    let file = FileFacts {
        name: "a.zip".to_owned(),
        size: 1_536,
        sha256: "ab".repeat(32),
        listed: Some(listed),
        objects: 2,
        rows: Some(1_200),
        is_archive: true,
        ..FileFacts::default()
    };
    JobFacts {
        record: record(),
        export_name: "SimpleCarriers".to_owned(),
        export_path: "SimpleCarriers".to_owned(),
        outcome: Some(outcome(Some(ExpectedRows::Exactly(1_200)))),
        progress: Progress {
            files: Some(1),
            fetched: 1,
            unpacked: 1,
            fetched_at: Some(at(3_660)),
            unpacked_at: Some(at(3_780)),
            landed_at: Some(at(3_790)),
        },
        landed: Some(LandedFacts {
            manifest: "s3://lake/p/44046/_manifest.json".to_owned(),
            state: JobState::Succeeded,
            warnings: Vec::new(),
            totals: Totals { objects: 2, bytes: 4_096, rows: Some(1_200) },
            data_rows: Some(1_200),
            files: vec![file],
            file_count: 1,
            objects: vec![object("one.csv", 700), object("two.csv", 500)],
            requests: Requests::default(),
            schema: None,
            schema_changes: Vec::new(),
            tables: Vec::new(),
            log: None,
        }),
        history: Vec::new(),
        watermark: None,
        next: None,
    }
}

/// A job that has not landed.
fn failed() -> JobFacts {
    let mut failed = landed();
    failed.landed = None;
    failed.progress = Progress { files: Some(3), fetched: 3, unpacked: 2, ..Progress::default() };
    failed.record.failure = Some(Box::new(Failure {
        step: "unpack-upload".to_owned(),
        ordinal: Some(2),
        error: "UnsafeArchive".to_owned(),
        message: "a.zip: member ../x leaves its prefix".to_owned(),
        since: at(4_000),
        last: at(4_600),
        times: 3,
        tried_again_until: None,
        awaits_person: false,
    }));
    failed.next = Some(NextStep { what: "do this".to_owned(), command: "landfall run EVENT".to_owned() });
    failed
}

/// What stands on a page, without its markup.
fn words(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    const INLINE: [&str; 5] = ["a", "bdi", "code", "span", "strong"];
    let mut words = String::new();
    for piece in body.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or_default();
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        words.push_str(if INLINE.contains(&name) { "" } else { " " });
        words.push_str(text);
    }
    let words = words.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(page: &str, told: &[&str]) {
    let words = words(page);
    for told in told {
        assert!(words.contains(told), "{told:?} is not in: {words}");
    }
}

/// A page is well-formed as far as it can be told without a browser: whatever is opened is closed in its order.
#[track_caller]
fn is_whole(page: &str) {
    const VOID: [&str; 2] = ["meta", "!DOCTYPE"];
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let name: String = tag.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "{tag}"),
            None if VOID.contains(&name.as_str()) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for needed in
        ["<!DOCTYPE html><html lang=\"en\">", "<meta charset=\"utf-8\">", "<main>", "<header>", "<footer>"]
    {
        assert!(page.contains(needed), "{needed}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("url("));
}

/// Whoever did not run the job knows what has landed, how that is known, and what to do with it.
#[test]
fn a_landed_job_is_told_with_what_it_counts() {
    let page = job_page(&landed());
    is_whole(&page);
    says(
        &page,
        &[
            "SimpleCarriers landed",
            "and landed 1 h 3 min later. The longest part of that was at the source: 1 h.",
            "fetching its files: 1 min unpacking and landing: 2 min publishing: 10 s",
            "Rows or records of data 1,200 1,200",
            "The source counts as many as have landed.",
            "its SHA-256, as the source lists it; its archive's directory: size and CRC-32 of each member",
            "one.csv 2.00 KiB 700 00000000000000ab",
            "No other job of this export is known to have landed",
            "landfall verify fusion-demo 44046 --read",
            "\"run_key\": \"ANOTHER-RUN-KEY\"",
            "s3://lake/p/44046/_manifest.json",
        ],
    );
    assert_eq!(page, job_page(&landed()), "the same facts make the same bytes");
}

/// What is odd stands out: the source's warnings, its log, counts that differ, files that nothing verifies.
#[test]
fn what_is_odd_about_a_job_is_said() {
    let mut odd = landed();
    odd.outcome = Some(Outcome {
        message: Some("2 records failed".to_owned()),
        ..outcome(Some(ExpectedRows::Claimed(1_300)))
    });
    let facts = odd.landed.as_mut().unwrap();
    facts.state = JobState::Partial;
    facts.warnings = vec!["the source counts 1300 rows".to_owned()];
    facts.files[0].unverified = Some("the source tells neither".to_owned());
    facts.log =
        Some(LogExcerpt { name: "errors.log".to_owned(), text: "line 1\nline 2".to_owned(), is_cut: true });
    facts.schema = Some(Schema { version: 3, from: 2 });
    facts.tables = vec![TableFacts {
        number: Some(1),
        columns: vec![
            column("CARRIER_ID", ColumnType::Integer, false),
            column("NAME", ColumnType::Text, true),
        ],
        duckdb: "SELECT * FROM read_csv('x');".to_owned(),
    }];
    facts.schema_changes = vec![
        serde_json::from_value(
            json!({ "table": 1, "change": "new_column", "column": "NAME", "after": "VARCHAR" }),
        )
        .unwrap(),
    ];
    odd.record.overcome = vec![
        Overcome {
            step: Some("publish".to_owned()),
            ordinal: None,
            error: "StoreUnavailable: 503".to_owned(),
            since: at(1),
            until: at(90),
            times: 4,
        },
        Overcome::outage(
            &Outage { since: at(100), error: "SourceUnavailable: GET /jobs".to_owned() },
            at(1_000),
        ),
    ];
    let page = job_page(&odd);
    is_whole(&page);
    says(
        &page,
        &[
            "landed, with warnings of its source",
            "the source counts 1300 rows",
            "2 records failed",
            "The source counts others than have landed.",
            "nothing: the source tells neither",
            "line 1 line 2",
            "It goes on in the file.",
            "held against version 2 of the export's schema, and told by version 3",
            "table 1: column \"NAME\" is new, a VARCHAR",
            "CARRIER_ID BIGINT in every row",
            "publish failed 4",
            "the source could not be asked for 15 min",
            "SELECT * FROM read_csv('x');",
            "landfall schema fusion-demo SimpleCarriers --sql duckdb",
        ],
    );
}

/// A job that has failed is told by what it failed over, and by what helps.
#[test]
fn a_failed_job_is_told_by_what_helps() {
    let page = job_page(&failed());
    is_whole(&page);
    says(
        &page,
        &[
            "SimpleCarriers failed",
            "UnsafeArchive: a.zip: member ../x leaves its prefix",
            "In the step unpack-upload over file 3, 3 times",
            "What to do. Nothing of the archive has landed.",
            "What helps: do this landfall run EVENT",
            "3 files, 3 fetched, 2 unpacked.",
            "landfall resume fusion-demo 44046",
        ],
    );
    assert!(!page.contains("landfall verify"), "there is nothing to verify");
}

/// Half the rows are told beside the last thirty jobs; what varies as it always did is not.
#[test]
fn a_job_out_of_line_is_told_as_such() {
    let mut facts = landed();
    facts.history = (1..=30).map(|number| past(number, 1_000 + number)).collect();
    let page = job_page(&facts);
    is_whole(&page);
    says(&page, &["This job is in line with those before it.", "Rows: 1,030, median 1,015 – in line"]);
    assert_eq!(page.matches("<svg ").count(), 3);
    assert_eq!(page.matches("<rect class=\"bar\"").count(), 3 * 29);
    assert_eq!(page.matches("<rect class=\"this\"").count(), 3);

    facts.history[29].totals.rows = Some(500);
    let page = job_page(&facts);
    says(&page, &["Out of line: Rows (usual: 1,015, the median of 29 jobs)."]);
    assert_eq!(page.matches("<rect class=\"far\"").count(), 1);

    facts.history.drain(..25);
    says(&job_page(&facts), &["Too few jobs have landed before this one to say what is usual."]);
}

/// An increment is told with the watermark that it moves, and a window that a person has named with the one that it leaves.
#[test]
fn a_window_is_told_with_its_watermark() {
    let mut facts = landed();
    facts.record.window =
        serde_json::from_value(json!({ "field": "LastUpdateDate", "from": at(0), "until": at(60) })).unwrap();
    facts.watermark = Some(WatermarkFacts { landed_until: Some(at(5)), is_moved_by_this: true });
    let told = |moment: Timestamp| moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    says(
        &job_page(&facts),
        &[&format!("Watermark before {}", told(at(5))), &format!("Watermark after {}", told(at(60)))],
    );
    facts.watermark = Some(WatermarkFacts { landed_until: Some(at(5)), is_moved_by_this: false });
    says(&job_page(&facts), &["the same: a window that its event names moves no watermark"]);
    facts.watermark = Some(WatermarkFacts { landed_until: Some(at(90)), is_moved_by_this: false });
    says(&job_page(&facts), &[&format!("{}, as it is now", told(at(90)))]);
}

/// However many files and objects a job has, its page stays a page.
#[test]
fn a_page_is_bounded() {
    let mut facts = landed();
    let landed = facts.landed.as_mut().unwrap();
    landed.objects = (0..100).map(|number| object(&format!("{number}.csv"), 1)).collect();
    landed.totals.objects = 2_000_000;
    landed.files = vec![landed.files[0].clone(); 100];
    landed.file_count = 100_000;
    let page = job_page(&facts);
    says(&page, &["And 1,999,900 objects more", "And 99,900 files more"]);
    assert!(page.len() < 200_000, "{}", page.len());
}

const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\u{202e}\u{0}</style></title>";

/// Promise 7: whatever a source, a file, a column or an error calls itself, it stands on the page as text.
#[test]
fn names_of_strangers_are_text() {
    let mut facts = landed();
    facts.export_name = HOSTILE.to_owned();
    facts.export_path = HOSTILE.to_owned();
    facts.record.landing_prefix = HOSTILE.to_owned();
    facts.record.export = serde_json::from_value(json!({ "kind": HOSTILE, "name": HOSTILE })).unwrap();
    facts.outcome = Some(Outcome {
        native_status: HOSTILE.to_owned(),
        message: Some(HOSTILE.to_owned()),
        ..outcome(None)
    });
    let landed = facts.landed.as_mut().unwrap();
    landed.manifest = HOSTILE.to_owned();
    landed.warnings = vec![HOSTILE.to_owned()];
    landed.files[0].name = HOSTILE.to_owned();
    landed.files[0].unverified = Some(HOSTILE.to_owned());
    landed.objects[0].key = HOSTILE.to_owned();
    landed.log = Some(LogExcerpt { name: HOSTILE.to_owned(), text: HOSTILE.to_owned(), is_cut: false });
    let without_tables = job_page(&facts);
    let landed = facts.landed.as_mut().unwrap();
    landed.tables = vec![TableFacts {
        number: None,
        columns: vec![column(HOSTILE, ColumnType::Text, true)],
        duckdb: HOSTILE.to_owned(),
    }];
    facts.record.overcome = vec![Overcome {
        step: Some(HOSTILE.to_owned()),
        ordinal: None,
        error: HOSTILE.to_owned(),
        since: at(0),
        until: at(1),
        times: 1,
    }];
    let with_tables = job_page(&facts);
    let mut of_failed = failed();
    let failure = of_failed.record.failure.as_mut().unwrap();
    (failure.step, failure.error, failure.message) =
        (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
    of_failed.next = Some(NextStep { what: HOSTILE.to_owned(), command: HOSTILE.to_owned() });
    let mut dashboard = dashboard();
    let export = &mut dashboard.exports[0];
    export.export = ExportName { kind: HOSTILE.to_owned(), name: HOSTILE.to_owned() };
    export.failures[0].error = HOSTILE.to_owned();
    export.failures[0].state = HOSTILE.to_owned();
    export.reports[0].href = Some(HOSTILE.to_owned());
    dashboard.place = HOSTILE.to_owned();
    for page in [without_tables, with_tables, job_page(&of_failed), dashboard_page(&dashboard)] {
        is_whole_but_for_words(&page);
        assert!(page.contains("&lt;script&gt;alert(1)"), "it is told");
    }
}

/// What a hostile text would bring in is not there.
#[track_caller]
fn is_whole_but_for_words(page: &str) {
    let page = page.to_lowercase();
    for forbidden in ["<script", "<img", "\u{202e}", "\u{0}"] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    for once in ["</style>", "</title>", "<main>", "</body>"] {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
    // No attribute ends before its time: whatever is quoted is quoted to the end of its tag.
    for tag in page.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag) {
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!tag.contains("onerror=") || tag.contains("&lt;img src=x onerror="), "{tag}");
    }
}

fn dashboard() -> DashboardFacts {
    let export = ExportFacts {
        connection: "fusion-demo".parse().unwrap(),
        export: ExportName { kind: "fusion_extract".to_owned(), name: "SimpleCarriers".to_owned() },
        destination: Some("lake".parse().unwrap()),
        last_good: Some(LastGood {
            job_request_id: "44046".parse().unwrap(),
            at: at(3_900),
            is_partial: false,
        }),
        under_way: 1,
        failures: Vec::new(),
        history: (1..=30).map(|number| past(number, 1_000)).collect(),
        reports: vec![
            ReportLink {
                job_request_id: "44046".parse().unwrap(),
                since: at(0),
                href: Some("file:///d/report.html".to_owned()),
            },
            ReportLink { job_request_id: "44045".parse().unwrap(), since: at(0), href: None },
        ],
    };
    let failure = FailureFacts {
        run_key: Some("r".parse().unwrap()),
        job_request_id: None,
        state: "refused".to_owned(),
        since: at(0),
        times: 2,
        error: "submit: Rejected: no such extract".to_owned(),
        next: Some(NextStep { what: "correct it".to_owned(), command: "landfall run EVENT".to_owned() }),
    };
    let failing = ExportFacts {
        export: ExportName { kind: "fusion_extract".to_owned(), name: "Broken".to_owned() },
        last_good: None,
        failures: vec![failure],
        history: Vec::new(),
        ..export.clone()
    };
    DashboardFacts { now: at(3_900 + 3_600), place: "s3://work".to_owned(), exports: vec![failing, export] }
}

/// One look says what is fresh, what has failed and what helps; what needs somebody comes first.
#[test]
fn a_dashboard_tells_what_needs_somebody_first() {
    let mut facts = dashboard();
    facts.exports.reverse();
    let page = dashboard_page(&facts);
    is_whole(&page);
    says(
        &page,
        &[
            "something has failed Exports 2 With failures 1 Late, or never landed 1",
            "Broken on fusion-demo refused never - - 1",
            "SimpleCarriers on fusion-demo fresh 1 h ago 1,000 4.00 KiB 0",
            "Run r: refused, first 2 h 5 min ago, 2 times.",
            "submit: Rejected: no such extract",
            "What helps: correct it landfall run EVENT",
            "landfall report fusion-demo 44045",
        ],
    );
    assert!(page.contains("href=\"file:///d/report.html\""));
    assert!(
        page.find("Broken on fusion-demo").unwrap() < page.find("SimpleCarriers on fusion-demo").unwrap()
    );
}

/// Late is what has not landed for more than twice the usual time; of few jobs nobody can say.
#[test]
fn lateness_follows_from_what_is_usual() {
    let mut facts = dashboard();
    facts.exports.remove(0);
    says(&dashboard_page(&facts), &["all well"]);
    facts.now = at(3_900 + 7_201);
    says(&dashboard_page(&facts), &["something is late", "Late. A job of it lands every 1 h usually."]);
    facts.exports[0].history.drain(..27);
    says(&dashboard_page(&facts), &["all well"]);
    facts.exports.clear();
    says(&dashboard_page(&facts), &["Nothing has run yet."]);
}

/// A job's time is told by moments of several clocks: what a store keeps to the second is no contradiction, and what is one
/// is left out.
#[test]
fn what_the_clocks_do_not_agree_on_is_left_out() {
    let mut facts = landed();
    facts.outcome.as_mut().unwrap().since = at(3_600) + Duration::from_millis(900);
    facts.progress.fetched_at = Some(at(3_600));
    says(&job_page(&facts), &["fetching its files: less than 1 s unpacking and landing: 2 min"]);
    facts.progress.fetched_at = Some(at(3_000));
    let page = job_page(&facts);
    says(&page, &["at the source: 1 h"]);
    assert!(!words(&page).contains("unpacking and landing:"), "{page}");
    facts.progress.fetched_at = None;
    facts.progress.unpacked_at = None;
    facts.progress.files = Some(0);
    says(&job_page(&facts), &["at the source: 1 h publishing: 3 min"]);
}

/// Whoever did not submit a job by landfall is not told to run it again by it.
#[test]
fn a_job_of_others_is_not_run_again() {
    let mut facts = landed();
    facts.record.run_key = None;
    let page = job_page(&facts);
    says(&page, &["landfall has not submitted the job", "landfall resume fusion-demo 44046"]);
    assert!(!page.contains("ANOTHER-RUN-KEY"));
}
