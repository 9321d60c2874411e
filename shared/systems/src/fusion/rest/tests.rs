//! The source against a pod that answers as it is told.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::describe::KeyAttribute;
use super::export::tests::rest;
use super::*;
use crate::testing::{self, content};
use landfall::clock::ManualClock;
use landfall::job::RunKey;
use landfall_http::scripted::{Reply, Scripted, Seen};
use landfall_store::{Store, StoreSettings};

const INVOICES: &str = "/fscmRestApi/resources/11.13.18.05/invoices";

/// A pod, and the source that reads it. Its user logs in by a token; its requests are not counted.
struct TestPod {
    server: Scripted,
    source: FusionRestSource,
}

impl TestPod {
    async fn start(pages: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let server = Scripted::start(move |seen, _| match seen.path().ends_with("/describe") {
            true => Reply::json(described()),
            false => pages(seen),
        })
        .await;
        let settings = json!({
            "base_url": server.url("/"), "bearer": { "token": "to-ken" },
            "rest": { "requests_per_hour": 0, "parallel_pages": 3 },
        });
        let connection: FusionConnection = serde_json::from_value(settings).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let pod = Pod::new(&"demo".parse().unwrap(), &connection, clock.clone(), None, None).unwrap();
        let work = WorkState::new(Store::open("work", &StoreSettings::default()).await);
        let source = FusionRestSource::at("demo".parse().unwrap(), &connection, pod, clock, work).unwrap();
        Self { server, source }
    }

    /// Reads the rows after and through these keys, of which there were so many.
    async fn read(
        &self,
        export: Value,
        after: Option<&str>,
        through: Option<&str>,
        rows: Option<usize>,
    ) -> Result<String> {
        let key = |text: Option<&str>| text.map(|text| Key::number(text.parse().unwrap()));
        let key_of_rows =
            KeyAttributes(vec![KeyAttribute { name: "InvoiceId".to_owned(), is_numeric: true }]);
        let range = KeyRange { after: key(after), through: key(through) };
        let file = part::file(&key_of_rows, &range, rows, 0).unwrap();
        let download = self.source.open(&record(export), &file, None).await?;
        Ok(String::from_utf8(content(download).await?).unwrap())
    }

    /// The limits of the pages that were asked for.
    fn limits(&self) -> Vec<usize> {
        self.asked().iter().map(|seen| seen.query()["limit"].parse().unwrap()).collect()
    }

    fn asked(&self) -> Vec<Seen> {
        self.server.seen().into_iter().filter(|seen| !seen.path().ends_with("/describe")).collect()
    }
}

fn described() -> Value {
    let key = |name: &str| json!({ "finders": [{ "name": "PrimaryKey", "attributes": [{ "name": name, "type": "integer" }] }] });
    let attribute = |name: &str| json!([{ "name": name, "type": "integer" }]);
    json!({ "Resources": { "invoices": {
        "attributes": attribute("InvoiceId"),
        "collection": key("InvoiceId"),
        "children": { "invoiceLines": {
            "attributes": attribute("LineId"),
            "collection": key("LineId"),
            "children": {},
        } },
    } } })
}

fn record(export: Value) -> JobRecord {
    testing::record("d0d6b4dc-2207-52ec-ac6b-3c30300e4307", Export::of(&rest(export)))
}

fn page(items: &str, has_more: bool) -> Reply {
    let body = format!("{{\"items\":[{items}],\"hasMore\":{has_more},\"count\":7}}");
    Reply::status(200).header("Content-Type", "application/vnd.oracle.adf.resourcecollection+json").body(body)
}

/// A page of a server that has these keys now, as it is asked for.
fn page_of(keys: &[u64], seen: &Seen) -> Reply {
    let query = seen.query();
    let number = |name: &str| query[name].parse::<usize>().unwrap();
    let after: u64 = query
        .get("q")
        .and_then(|q| q.split(" and ").find_map(|bound| bound.strip_prefix("InvoiceId > ")))
        .map_or(0, |after| after.parse().unwrap());
    let rest: Vec<_> = keys.iter().filter(|key| **key > after).skip(number("offset")).collect();
    let rows: Vec<_> =
        rest.iter().take(number("limit")).map(|key| format!("{{\"InvoiceId\":{key}}}")).collect();
    page(&rows.join(","), rest.len() > rows.len())
}

fn keys_of(text: &str) -> Vec<u64> {
    let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["InvoiceId"].as_u64().unwrap();
    text.lines().map(key).collect()
}

/// Pages are asked for at once, each overlapping the one before it by a row, and no more of them than there are rows.
#[tokio::test]
async fn pages_that_overlap_are_asked_for_at_once() {
    let pod = TestPod::start(|seen| page_of(&(1..=1200).collect::<Vec<_>>(), seen)).await;
    let read = pod.read(json!({}), None, Some("1200"), Some(1200)).await.unwrap();
    assert_eq!(keys_of(&read), (1..=1200).collect::<Vec<_>>());
    let mut asked: Vec<_> =
        pod.asked().iter().map(|seen| seen.query()["offset"].parse::<u32>().unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(asked, [0, 498, 996]);
    assert!(pod.asked().iter().all(|seen| seen.query()["limit"] == "499"));
    assert!(pod.asked().iter().all(|seen| seen.header("rest-framework-version") == "4"));
    assert!(pod.asked().iter().all(|seen| seen.header("authorization") == "Bearer to-ken"));
}

/// Trap: a row that goes or comes between two pages shifts the others. Pages that do not join are asked for anew.
#[tokio::test]
async fn pages_that_do_not_join_are_read_again_by_key() {
    for is_deleted in [true, false] {
        let pod = TestPod::start(move |seen| {
            let mut keys: Vec<u64> = (1..=1200).map(|key| key * 10).collect();
            // The first page is of another moment than those behind it.
            if seen.query()["offset"] != "0" || seen.query().contains_key("q") {
                match is_deleted {
                    true => drop(keys.remove(100)),
                    false => keys.insert(100, 1005),
                }
            }
            page_of(&keys, seen)
        })
        .await;
        let read = keys_of(&pod.read(json!({}), None, None, Some(1200)).await.unwrap());
        assert_eq!(read, (1..=1200).map(|key| key * 10).collect::<Vec<_>>(), "deleted: {is_deleted}");
        let resumed =
            pod.asked().iter().any(|seen| seen.query().get("q").is_some_and(|q| q == "InvoiceId > 4990"));
        assert!(resumed, "deleted: {is_deleted}");
    }
}

/// Promise 6: rows that are too wide for a page of 499 are read in smaller pages.
#[tokio::test]
async fn wide_rows_are_read_in_smaller_pages() {
    let text = "x".repeat(100_000);
    let pod = TestPod::start(move |seen| {
        let query = seen.query();
        let number = |name: &str| query[name].parse::<u64>().unwrap();
        let after: u64 = query.get("q").map_or(0, |q| q.rsplit(' ').next().unwrap().parse().unwrap());
        let from = after + number("offset");
        let keys = (from + 1..=100).take(usize::try_from(number("limit")).unwrap());
        let rows: Vec<_> = keys.map(|key| format!("{{\"InvoiceId\":{key},\"A\":\"{text}\"}}")).collect();
        let has_more = from + (rows.len() as u64) < 100;
        page(&rows.join(","), has_more)
    })
    .await;
    let read = pod.read(json!({}), None, None, None).await.unwrap();
    assert_eq!(keys_of(&read), (1..=100).collect::<Vec<_>>());
    let limits: Vec<_> = pod.asked().iter().map(|seen| seen.query()["limit"].clone()).collect();
    assert_eq!(limits.last().map(String::as_str), Some("62"), "{limits:?}");
}

/// Promise 5: what cannot be ordered, told apart or ended is an error, and never a short or a double file.
#[tokio::test]
async fn rows_that_cannot_be_trusted_end_the_file() {
    let has_no_more = false;
    for (items, has_more, said) in [
        (r#"{"InvoiceId":2},{"InvoiceId":1}"#, has_no_more, "not ordered by InvoiceId"),
        (r#"{"InvoiceId":2},{"InvoiceId":2}"#, has_no_more, "two rows have InvoiceId 2"),
        (r#"{"InvoiceId":"two"}"#, has_no_more, "two is not a whole number"),
        (r#"{"InvoiceId":1.5}"#, has_no_more, "1.5 is not a whole number"),
        (r#"{"Other":2}"#, has_no_more, "a row has no InvoiceId"),
        (r#"{"InvoiceId":2,"InvoiceId":2}"#, has_no_more, "InvoiceId twice"),
        ("7", has_no_more, "a row is no object"),
        (r#"{"InvoiceId":11}"#, has_no_more, "does not apply q"),
        ("", true, "without rows"),
    ] {
        let pod = TestPod::start(move |seen| match items.is_empty() && seen.query()["offset"] != "0" {
            true => page(r#"{"InvoiceId":9}"#, has_more),
            false => page(items, has_more),
        })
        .await;
        let error = pod.read(json!({}), None, Some("10"), None).await.unwrap_err();
        assert_eq!(error.error_type().name(), "ContractBroken", "{items}: {}", error.line());
        assert!(error.line().contains(said), "{items}: {}", error.line());
    }
}

/// Promise 5: a flag that is missing, no flag, or always the same is no reason to stop, and none to fail.
#[tokio::test]
async fn a_flag_that_says_nothing_neither_ends_a_walk_nor_breaks_it() {
    for flag in
        ["", r#","hasMore":null"#, r#","hasMore":"true""#, r#","hasMore":true"#, r#","hasMore":"some""#]
    {
        let pod = TestPod::start(move |seen| {
            // Fewer rows than were asked for, as of a server that has a limit of its own.
            let query = seen.query();
            let after: u64 = query.get("q").map_or(0, |q| q.rsplit(' ').next().unwrap().parse().unwrap());
            let from = after + query["offset"].parse::<u64>().unwrap();
            let rows: Vec<_> =
                (from + 1..=70).take(25).map(|key| format!("{{\"InvoiceId\":{key}}}")).collect();
            let body = format!("{{\"items\":[{}],\"count\":7{flag}}}", rows.join(","));
            Reply::status(200).header("Content-Type", "application/json").body(body)
        })
        .await;
        let read = pod.read(json!({}), None, None, None).await;
        let read = read.unwrap_or_else(|error| panic!("{flag}: {}", error.line()));
        assert_eq!(keys_of(&read), (1..=70).collect::<Vec<_>>(), "{flag}");
    }
}

/// Types pass through untouched: numbers keep their digits, members their order, texts their escapes.
#[tokio::test]
async fn rows_pass_as_they_are() {
    let row =
        r#"{"Z":12345678901234567.123400,"InvoiceId":1,"A":"\u20ac\n\/","D":"2026-11-21","N":null,"E":1E5}"#;
    let pod = TestPod::start(move |_| page(&row.replace(",\"A\"", ",\n  \"A\""), false)).await;
    let read = pod.read(json!({}), None, None, None).await.unwrap();
    assert_eq!(read, format!("{}\n", row.replace(",\"A\"", ",  \"A\"")));
}

/// Trap: before framework version 3 a child is an array, from there on a collection that may have more.
#[tokio::test]
async fn a_child_that_has_more_is_read_from_its_beginning() {
    const CHILD: &str = "/fscmRestApi/resources/11.13.18.05/invoices/7/child/invoiceLines";
    for (parent, asked_at) in [
        (r#"{"InvoiceId":7,"invoiceLines":[{"LineId":1},{"LineId":2}]}"#, None),
        (r#"{"InvoiceId":7,"invoiceLines":{"items":[{"LineId":1},{"LineId":2}],"hasMore":false}}"#, None),
        (r#"{"InvoiceId":7,"invoiceLines":{"items":[{"LineId":2}],"hasMore":true,"count":1}}"#, Some(CHILD)),
        (
            r#"{"@context":{"links":[{"rel":"self","href":"BASE/elsewhere/77"}]},"InvoiceId":7,"invoiceLines":{"items":[],"hasMore":true}}"#,
            Some("/elsewhere/77/child/invoiceLines"),
        ),
        // An address that may not be called is none.
        (
            r#"{"links":[{"rel":"self","href":"https://evil.example.com/77"}],"InvoiceId":7,"invoiceLines":{"items":[],"hasMore":true}}"#,
            Some(CHILD),
        ),
    ] {
        let base: Arc<StdMutex<String>> = Arc::default();
        let known = Arc::clone(&base);
        let pod = TestPod::start(move |seen| match seen.path() == INVOICES {
            true => page(&parent.replace("BASE", &known.lock().unwrap()), false),
            false => page(r#"{"LineId":1},{"LineId":2}"#, false),
        })
        .await;
        *base.lock().unwrap() = pod.server.url("").as_str().trim_end_matches('/').to_owned();
        let read = pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await.unwrap();
        assert!(read.ends_with("\"invoiceLines\":[{\"LineId\":1},{\"LineId\":2}]}\n"), "{parent}: {read}");
        let children: Vec<_> = pod.asked().into_iter().filter(|seen| seen.path() != INVOICES).collect();
        assert_eq!(children.first().map(Seen::path), asked_at, "{parent}");
        assert!(children.iter().all(|seen| seen.query()["orderBy"] == "LineId:asc"), "{parent}");
    }
}

/// Children that are to be read are read a few at a time, however many rows that came whole lie between theirs: the first is
/// given out here only after another was asked for.
#[tokio::test]
async fn children_far_apart_are_read_at_once() {
    let row = |key: u32| {
        let has_more = key.is_multiple_of(20);
        format!(
            "{{\"InvoiceId\":{key},\"invoiceLines\":{{\"items\":[{{\"LineId\":1}}],\"hasMore\":{has_more}}}}}"
        )
    };
    let rows = (1..=60).map(row).collect::<Vec<_>>().join(",");
    let is_another_asked = AtomicBool::new(false);
    let pod = TestPod::start(move |seen| match seen.path().strip_prefix(INVOICES) {
        // That rows are where their keys say.
        Some("") if seen.query()["limit"] == "1" => page(r#"{"InvoiceId":20}"#, false),
        Some("") => page(&rows, false),
        Some("/20/child/invoiceLines") if !is_another_asked.load(Ordering::SeqCst) => Reply::status(503),
        _ => {
            is_another_asked.store(seen.path().contains("/child/"), Ordering::SeqCst);
            page(r#"{"LineId":1},{"LineId":2}"#, false)
        }
    })
    .await;
    let read = pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await.unwrap();
    assert_eq!(keys_of(&read), (1..=60).collect::<Vec<_>>());
    assert_eq!(read.matches("\"invoiceLines\":[{\"LineId\":1},{\"LineId\":2}]").count(), 3);
}

/// Trap: an array says not whether it is whole. One with as many rows as come unasked may have been cut.
#[tokio::test]
async fn an_array_that_may_have_been_cut_is_read_anew() {
    let lines = |keys: std::ops::RangeInclusive<u32>| -> String {
        keys.map(|key| format!("{{\"LineId\":{key}}}")).collect::<Vec<_>>().join(",")
    };
    for (there, came, is_read) in [(24, 24, false), (30, 25, true), (25, 25, true), (60, 60, true)] {
        let pod = TestPod::start(move |seen| match seen.path() == INVOICES {
            true => page(&format!("{{\"InvoiceId\":7,\"invoiceLines\":[{}]}}", lines(1..=came)), false),
            false => page(&lines(1..=there), false),
        })
        .await;
        let export = json!({ "framework_version": 2, "expand": ["invoiceLines"] });
        let read = pod.read(export, None, None, None).await.unwrap();
        assert_eq!(read, format!("{{\"InvoiceId\":7,\"invoiceLines\":[{}]}}\n", lines(1..=there)));
        assert_eq!(pod.asked().iter().any(|seen| seen.path() != INVOICES), is_read, "{came} of {there}");
    }
}

/// Promise 5: a child that does not say whether it is whole, and cannot be read anew, is an error.
#[tokio::test]
async fn a_child_that_says_not_whether_it_is_whole_is_an_error() {
    for (child, said) in [
        (
            r#"{"items":[{"LineId":1}],"count":1}"#,
            "the child invoiceLines is no collection: missing field `hasMore`",
        ),
        (r#"{"items":[{"LineId":1}],"hasMore":"no"}"#, "the child invoiceLines is no collection"),
    ] {
        let row = format!("{{\"InvoiceId\":7,\"invoiceLines\":{child}}}");
        let pod = TestPod::start(move |_| page(&row, false)).await;
        let error = pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await.unwrap_err();
        assert_eq!(error.error_type().name(), "ContractBroken", "{}", error.line());
        assert!(error.line().contains(said), "{}", error.line());
    }
}

/// A row that was deleted between its page and the reading of its long child is left out; one that is still there and
/// whose child cannot be found is an error.
#[tokio::test]
async fn a_parent_that_has_gone_is_left_out() {
    const ROWS: &str = r#"{"InvoiceId":6,"invoiceLines":[]},{LINKS"InvoiceId":7,"invoiceLines":{"items":[],"hasMore":true}},{"InvoiceId":8,"invoiceLines":[]}"#;
    const LINKS: &str = r#""links":[{"rel":"self","href":"BASE/elsewhere/77"}],"#;
    for status in [404, 410] {
        for (links, is_there) in [("", false), (LINKS, false), ("", true), (LINKS, true)] {
            let base: Arc<StdMutex<String>> = Arc::default();
            let known = Arc::clone(&base);
            let pod = TestPod::start(move |seen| {
                let has_gone = !is_there;
                let asks_for_one = seen.query().get("q").is_some_and(|q| q == "InvoiceId = 7");
                match (seen.path() == INVOICES, asks_for_one) {
                    (true, true) if has_gone => page("", false),
                    (true, true) => page(r#"{"InvoiceId":7}"#, false),
                    (true, false) => {
                        page(&ROWS.replace("LINKS", &links.replace("BASE", &known.lock().unwrap())), false)
                    }
                    (false, _) => Reply::status(status),
                }
            })
            .await;
            *base.lock().unwrap() = pod.server.url("").as_str().trim_end_matches('/').to_owned();
            let read = pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await;
            match is_there {
                false => assert_eq!(keys_of(&read.unwrap()), [6, 8], "{status} {links}"),
                true => assert_eq!(read.unwrap_err().error_type().name(), "NotFound", "{status} {links}"),
            }
        }
    }
}

/// Trap: the key of a worker is not where it is. The child's own link comes first, then the row's, which is asked for
/// where it did not come; the key is what is left.
#[tokio::test]
async fn a_long_child_is_where_links_say() {
    const SELF: &str = r#"[{"rel":"self","href":"BASE/hcm/0002AB"}]"#;
    const OWN: &str = r#"[{"rel":"self","href":"BASE/hcm/0002AB/child/ofItsOwn?limit=25"}]"#;
    let by_key = format!("{INVOICES}/7/child/invoiceLines");
    for (nested, row, asked_anew, at) in [
        (OWN, SELF, "[]", "/hcm/0002AB/child/ofItsOwn"),
        ("[]", SELF, "[]", "/hcm/0002AB/child/invoiceLines"),
        ("[]", "[]", SELF, "/hcm/0002AB/child/invoiceLines"),
        ("[]", "[]", r#"[{"rel":"self","href":"https://evil.example.com/7"}]"#, &by_key),
        ("[]", "[]", "[]", &by_key),
    ] {
        let base: Arc<StdMutex<String>> = Arc::default();
        let known = Arc::clone(&base);
        let pod = TestPod::start(move |seen| {
            let row = match (seen.path() == INVOICES, seen.query().contains_key("onlyData")) {
                (true, true) => format!(
                    r#"{{"InvoiceId":7,"invoiceLines":{{"items":[],"hasMore":true,"links":{nested}}},"links":{row}}}"#
                ),
                (true, false) => format!(r#"{{"InvoiceId":7,"links":{asked_anew}}}"#),
                (false, _) => r#"{"LineId":1}"#.to_owned(),
            };
            page(&row.replace("BASE", &known.lock().unwrap()), false)
        })
        .await;
        *base.lock().unwrap() = pod.server.url("").as_str().trim_end_matches('/').to_owned();
        let read = pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await.unwrap();
        assert_eq!(read, "{\"InvoiceId\":7,\"invoiceLines\":[{\"LineId\":1}]}\n");
        let asked = pod.asked();
        assert_eq!(asked.last().map(Seen::path), Some(at), "{nested} {row} {asked_anew}");
        let wants_links = nested == "[]" && row == "[]";
        assert_eq!(asked.len(), if wants_links { 3 } else { 2 }, "{nested} {row} {asked_anew}");
    }
}

/// Once a row was seen to be where its key says, no other is asked where it is.
#[tokio::test]
async fn where_rows_are_is_asked_for_once_where_keys_say_it() {
    let rows: Vec<_> = (1..=20)
        .map(|key| format!(r#"{{"InvoiceId":{key},"invoiceLines":{{"items":[],"hasMore":true}}}}"#))
        .collect();
    let pod =
        TestPod::start(move |seen| match (seen.path() == INVOICES, seen.query().contains_key("onlyData")) {
            (true, true) => page(&rows.join(","), false),
            (true, false) => page(r#"{"InvoiceId":1}"#, false),
            (false, _) => page(r#"{"LineId":1}"#, false),
        })
        .await;
    pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await.unwrap();
    let of_rows = pod.asked().iter().filter(|seen| !seen.query().contains_key("onlyData")).count();
    // Those that are looked at together cannot know of each other.
    assert!((1..=3).contains(&of_rows), "{of_rows}");
}

/// Trap: a page may be short for no reason. One that is does not make all others short.
#[tokio::test]
async fn one_short_page_does_not_make_all_others_short() {
    let pod = TestPod::start(|seen| {
        let keys: Vec<_> = (1..=3000).collect();
        match seen.query().contains_key("q") {
            true => page_of(&keys, seen),
            false => page(r#"{"InvoiceId":1},{"InvoiceId":2},{"InvoiceId":3}"#, true),
        }
    })
    .await;
    let read = pod.read(json!({}), None, None, None).await.unwrap();
    assert_eq!(keys_of(&read), (1..=3000).collect::<Vec<_>>());
    let limits = pod.limits();
    assert!(limits.len() < 20, "{limits:?}");
}

/// Trap: a query that takes too long ends in 500 or 504. It is asked for less at once, though not for ever less.
#[tokio::test]
async fn pages_that_take_too_long_are_made_smaller() {
    for status in [500, 504] {
        let pod = TestPod::start(move |seen| match seen.query()["limit"].parse::<usize>().unwrap() > 100 {
            true => Reply::status(status),
            false => page_of(&(1..=300).collect::<Vec<_>>(), seen),
        })
        .await;
        let read = pod.read(json!({}), None, None, None).await.unwrap();
        assert_eq!(keys_of(&read), (1..=300).collect::<Vec<_>>());
        let pod = TestPod::start(move |_| Reply::status(status)).await;
        let error = pod.read(json!({}), None, None, None).await.unwrap_err();
        assert_eq!(error.error_type().name(), "SourceUnavailable", "{}", error.line());
        assert!(pod.limits().contains(&100), "{:?}", pod.limits());
    }
    let pod = TestPod::start(|_| Reply::status(503)).await;
    pod.read(json!({}), None, None, None).await.unwrap_err();
    assert_eq!(pod.limits().into_iter().min(), Some(MAX_ROWS), "a source that is down is not asked for less");
}

/// A page that the server answers 500 for ever costs few calls, and is no outage: the rows' keys come all the same.
#[tokio::test]
async fn a_page_that_is_never_answered_is_given_up() {
    let pod = TestPod::start(|seen| match seen.query()["limit"].as_str() {
        "1" => page_of(&[1, 2, 3], seen),
        _ => Reply::status(500).body("JBO-29000: java.lang.NullPointerException"),
    })
    .await;
    let error = pod.read(json!({}), None, None, None).await.unwrap_err();
    assert_eq!(error.error_type().name(), "Rejected", "{}", error.line());
    assert!(
        error.line().contains("even of 100 rows") && error.line().contains("JBO-29000"),
        "{}",
        error.line()
    );
    let mut limits = pod.limits();
    limits.dedup();
    assert_eq!(limits, [MAX_ROWS, 100, 1]);
}

/// Promise 5: a full page that says that nothing follows is no end, whatever it counts; a short one is, and costs no call
/// more. A server that gives fewer than it is asked for says itself what a full page is.
#[tokio::test]
async fn a_full_page_is_not_the_end_because_it_says_so() {
    for (rows, cap, expected) in
        [(1203, 499, None), (1203, 499, Some(1203)), (998, 499, None), (250, 100, None)]
    {
        let keys: Vec<u64> = (1..=rows).collect();
        let pod = TestPod::start(move |seen| {
            let limit = seen.query()["limit"].parse::<usize>().unwrap().min(cap);
            let after = seen.query().get("q").map_or(0, |q| q.rsplit(' ').next().unwrap().parse().unwrap());
            let offset = seen.query()["offset"].parse().unwrap();
            let rest = keys.iter().filter(|key| **key > after).skip(offset);
            let rows: Vec<_> = rest.take(limit).map(|key| format!("{{\"InvoiceId\":{key}}}")).collect();
            let body = format!("{{\"items\":[{}],\"hasMore\":false,\"limit\":{limit}}}", rows.join(","));
            Reply::status(200).header("Content-Type", "application/json").body(body)
        })
        .await;
        let read = pod.read(json!({}), None, None, expected).await.unwrap();
        assert_eq!(keys_of(&read), (1..=rows).collect::<Vec<_>>(), "{rows} {cap}");
    }
    for (rows, calls) in [(200, 1), (499, 2)] {
        let pod = TestPod::start(move |seen| page_of(&(1..=rows).collect::<Vec<_>>(), seen)).await;
        pod.read(json!({}), None, None, None).await.unwrap();
        assert_eq!(pod.asked().len(), calls, "{rows} rows");
    }
}

/// A page of a server that ignores `offset`.
fn page_without_offset(keys: &[u64], seen: &Seen) -> Reply {
    let mut seen = seen.clone();
    let offset = format!("offset={}", seen.query()["offset"]);
    seen.target = seen.target.replace(&offset, "offset=0");
    page_of(keys, &seen)
}

/// Trap: some resources ignore `offset`. Their rows are neither cut into a file each nor lost: they are read by key
/// alone, without pages that are asked for in vain.
#[tokio::test]
async fn a_resource_that_ignores_offset_is_read_by_key_alone() {
    let keys: Vec<u64> = (1..=2508).collect();
    let pod = TestPod::start(move |seen| page_without_offset(&keys, seen)).await;
    let files = pod.source.output_files(&record(json!({ "pages_per_file": 1 }))).await.unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(pod.asked().len(), 2);
    let read = pod.read(json!({}), None, None, None).await.unwrap();
    assert_eq!(keys_of(&read), (1..=2508).collect::<Vec<_>>());
    let pages: Vec<_> = pod.asked().split_off(2).iter().map(|seen| seen.query()["offset"].clone()).collect();
    assert_eq!(pages.iter().filter(|offset| *offset != "0").count(), 1, "{pages:?}");
}

/// Promise 5: a child that comes full and says that it has no more is read anew, as a page of its own would be.
#[tokio::test]
async fn a_full_child_is_read_anew_whatever_it_says() {
    let lines =
        |count: u32| (1..=count).map(|key| format!("{{\"LineId\":{key}}}")).collect::<Vec<_>>().join(",");
    for (came, limit, is_read) in
        [(25, "", true), (24, "", false), (10, ",\"limit\":10", true), (30, "", false)]
    {
        let child = format!("{{\"items\":[{}],\"hasMore\":false{limit}}}", lines(came));
        let row = format!("{{\"InvoiceId\":7,\"invoiceLines\":{child}}}");
        let pod = TestPod::start(move |seen| match seen.path() == INVOICES {
            true => page(&row, false),
            false => page(&lines(40), false),
        })
        .await;
        let read = pod.read(json!({ "expand": ["invoiceLines"] }), None, None, None).await.unwrap();
        let rows = if is_read { 40 } else { came };
        assert_eq!(
            read,
            format!("{{\"InvoiceId\":7,\"invoiceLines\":[{}]}}\n", lines(rows)),
            "{came} {limit}"
        );
    }
}

/// Promise 6: a row that no page can hold is an error by name.
#[tokio::test]
async fn a_row_that_is_too_large_is_an_error() {
    let text = "x".repeat(9 << 20);
    let pod = TestPod::start(move |_| page(&format!("{{\"InvoiceId\":1,\"A\":\"{text}\"}}"), false)).await;
    let error = pod.read(json!({}), None, None, None).await.unwrap_err();
    assert_eq!(error.error_type().name(), "LimitExceeded", "{}", error.line());
    assert_eq!(pod.limits().last(), Some(&1));
}

/// Trap: framework version 1 gives links whatever is asked for. They are left out where they are not wanted.
#[tokio::test]
async fn links_that_are_not_wanted_are_left_out() {
    const ROW: &str = r#"{"InvoiceId":1,"A":"the \"links\"","links":[{"rel":"self","href":"/x"}],"B":1.50}"#;
    let pod = TestPod::start(|_| page(ROW, false)).await;
    let read = pod.read(json!({ "framework_version": 1 }), None, None, None).await.unwrap();
    assert_eq!(read, "{\"InvoiceId\":1,\"A\":\"the \\\"links\\\"\",\"B\":1.50}\n");
    let wanted = json!({ "framework_version": 1, "only_data": false });
    assert_eq!(pod.read(wanted, None, None, None).await.unwrap(), format!("{ROW}\n"));
}

/// Each pillar has a base path of its own, and a version may be called the latest.
#[tokio::test]
async fn each_pillar_and_version_is_where_the_documentation_has_it() {
    for (export, path) in [
        (json!({}), "/fscmRestApi/resources/11.13.18.05/invoices"),
        (json!({ "pillar": "hcm", "version": "latest" }), "/hcmRestApi/resources/latest/invoices"),
        (json!({ "pillar": "crm" }), "/crmRestApi/resources/11.13.18.05/invoices"),
        (json!({ "pillar": "common", "version": "latest" }), "/commonRestApi/resources/latest/invoices"),
    ] {
        let pod = TestPod::start(|_| page(r#"{"InvoiceId":1}"#, false)).await;
        pod.read(export, None, None, None).await.unwrap();
        let asked: Vec<_> = pod.server.seen().iter().map(|seen| seen.path().to_owned()).collect();
        assert_eq!(asked, [format!("{path}/describe"), path.to_owned()]);
    }
}

/// A user of another pillar may not list the versions of this one: the refusal tells the time as well. One that tells
/// none is an error, and so is a server that cannot say.
#[tokio::test]
async fn a_refusal_tells_the_time() {
    const DATE: &str = "Sat, 21 Nov 2026 06:00:00 GMT";
    let told = Some("2026-11-21T06:00:00Z".parse().unwrap());
    for (reply, outcome) in [
        (Reply::json(json!({ "items": [] })).header("Date", DATE), Ok(told)),
        (Reply::status(403).header("Date", DATE), Ok(told)),
        (Reply::status(404).header("Date", DATE), Ok(told)),
        (Reply::status(403), Err("AuthRejected")),
        (Reply::status(503).header("Date", DATE), Err("SourceUnavailable")),
        (Reply::page().header("Date", DATE), Err("ContractBroken")),
    ] {
        let pod = TestPod::start(move |_| reply.clone()).await;
        let time = pod.source.time().await.map_err(|error| error.error_type().name());
        assert_eq!(time, outcome);
    }
}

/// Files are divided by keys: a boundary is the key of a row at a distance, and the last file is open.
#[tokio::test]
async fn the_list_of_files_divides_the_keys() {
    let pod = TestPod::start(|seen| page_of(&(1..=1300).collect::<Vec<_>>(), seen)).await;
    let job = record(json!({ "pages_per_file": 1 }));
    let files = pod.source.output_files(&job).await.unwrap();
    let bounds: Vec<_> = files
        .iter()
        .map(|file| {
            let (_, range, rows) = part::read(file).unwrap();
            (file.name.as_str(), range.after, range.through, rows)
        })
        .collect();
    let key = |number| Some(Key::number(number));
    assert_eq!(
        bounds,
        [
            ("part-00001.ndjson", None, key(499), Some(499)),
            ("part-00002.ndjson", key(499), key(998), Some(499)),
            ("part-00003.ndjson", key(998), None, None),
        ]
    );
    assert!(
        pod.asked().iter().all(|seen| seen.query()["fields"] == "InvoiceId" && seen.query()["limit"] == "1")
    );
}

/// Promise 1: the job's id follows from the run's key, so that a lost answer, a second try and a search all name it.
#[tokio::test]
async fn a_run_key_has_one_job_id() {
    let pod = TestPod::start(|_| page("", false)).await;
    let (export, key): (_, RunKey) = (record(json!({})).export, "invoices-06".parse().unwrap());
    let order = SubmitRequest { export: &export, run_key: &key, window: None };
    let Submission::Accepted(id) = pod.source.submit(&order).await.unwrap() else { panic!("not accepted") };
    assert_eq!(pod.source.submit(&order).await.unwrap(), Submission::Accepted(id.clone()));
    assert_eq!(pod.source.find(&order).await.unwrap(), Found::Job(id.clone()));
    let other = "invoices-07".parse().unwrap();
    assert_ne!(pod.source.find(&SubmitRequest { run_key: &other, ..order }).await.unwrap(), Found::Job(id));
}

/// A harmless read says who is let in where.
#[tokio::test]
async fn a_look_changes_nothing_and_says_what_it_saw() {
    let pod = TestPod::start(|_| Reply::json(json!({ "items": [{ "version": "11.13.18.05" }] }))).await;
    assert!(pod.source.look().await.unwrap().contains("11.13.18.05"));
    let asked = pod.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].path()), ("GET", "/fscmRestApi/resources"));
}

/// Promise 1: a run that is only cut otherwise goes on from where the one before it ended; one of other rows does
/// not skip what the other has landed.
#[test]
fn increments_go_on_for_as_long_as_they_are_of_the_same_rows() {
    let kept_at = |export: serde_json::Value| {
        let export: Export = serde_json::from_value(export).unwrap();
        let export = export.read::<FusionRest>().unwrap();
        keys::watermark(&"pod".parse().unwrap(), &export, &"lake".parse().unwrap())
    };
    let invoices = serde_json::json!({ "kind": "fusion_rest", "resource": "invoices", "incremental": {} });
    let with = |field: &str, value: serde_json::Value| {
        let mut export = invoices.clone();
        export[field] = value;
        kept_at(export)
    };
    let first = kept_at(invoices.clone());
    assert_eq!(first, with("pages_per_file", 40.into()));
    assert_eq!(first, with("allow_empty", true.into()));
    assert_eq!(first, with("incremental", serde_json::json!({ "overlap_seconds": 5, "lag_seconds": 9 })));
    assert_ne!(first, with("q", "BusinessUnit = 'Vision'".into()));
    assert_ne!(first, with("incremental", serde_json::json!({ "field": "CreationDate" })));
}
