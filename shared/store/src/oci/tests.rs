//! What Object Storage is asked, and what its answers mean: each as Oracle's own client asks, and as the service has been
//! seen to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use landfall_http::auth::oci::testing::api_key;
use landfall_http::clock::ManualClock;
use landfall_http::scripted::{Reply, Scripted, Seen};
use serde_json::json;
use tempfile::TempDir;

use super::OciSettings;
use crate::{ChecksumKind, Condition, OCI_PART_BYTES, Part, Store, StoreError, StoreSettings, Written};

/// A bucket whose service answers by a script; its waits take no time.
struct Bucket {
    _folder: TempDir,
    server: Scripted,
    store: Store,
}

async fn bucket(
    namespace: Option<&str>,
    handler: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
) -> Bucket {
    let folder = tempfile::tempdir().unwrap();
    let server = Scripted::start(handler).await;
    let oci = OciSettings {
        namespace: namespace.map(str::to_owned),
        endpoint: Some(server.url("")),
        principal: api_key(folder.path()),
        ..OciSettings::default()
    };
    let settings = StoreSettings { oci: Some(oci), ..StoreSettings::default() };
    let clock = Arc::new(ManualClock::new("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap()));
    let store = Store::open_at("lake", &settings, clock).await;
    Bucket { _folder: folder, server, store }
}

async fn replies(replies: Vec<Reply>) -> Bucket {
    bucket(Some("ns"), move |_, number| replies[number.min(replies.len() - 1)].clone()).await
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = json!({"code": code, "message": format!("said of {code}")}).to_string();
    Reply::status(status)
        .header("opc-request-id", "phx-1:abc")
        .header("Content-Type", "application/json")
        .body(body)
}

fn taken() -> Reply {
    Reply::status(200).header("etag", "6f6b2d11-1c2b-4f7a-9a54-0d0d8a3e8f10")
}

fn small() -> Bytes {
    Bytes::from_static(b"1,2\n")
}

/// A write carries its length, its type and the CRC-32C that the store holds it against; its condition is what is asked.
#[tokio::test]
async fn a_write_carries_a_checksum_and_its_condition() {
    let bucket = replies(vec![taken()]).await;
    for (condition, header, value) in [
        (Condition::Absent, "if-none-match", "*"),
        (Condition::Unchanged("e-1"), "if-match", "e-1"),
        (Condition::Always, "if-match", ""),
    ] {
        let written = bucket.store.put("a b/ü.csv", small(), condition).await.unwrap();
        assert_eq!(written, Written::Done("6f6b2d11-1c2b-4f7a-9a54-0d0d8a3e8f10".to_owned()));
        let seen = bucket.server.seen().pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PUT", "/n/ns/b/lake/o/a%20b/%C3%BC.csv"));
        assert_eq!(seen.header(header), value, "{condition:?}");
        // The check value of CRC-32C is held in the tests of checksums; this is that of these bytes.
        assert_eq!(seen.header("opc-content-crc32c"), crate::checksum::crc32c_base64(b"1,2\n"));
        assert_eq!((seen.header("opc-checksum-algorithm"), seen.header("content-length")), ("CRC32C", "4"));
        assert_eq!((seen.header("content-type"), seen.header("transfer-encoding")), ("text/csv", ""));
        assert!(seen.header("authorization").starts_with("Signature version=\"1\",keyId="));
    }
    assert_eq!(bucket.store.checksum(), ChecksumKind::Crc32c);
    assert!(bucket.store.holds_conditions() && bucket.store.is_oci());
}

/// Promise 4: a condition that does not hold is no error but an answer: somebody else was first.
#[tokio::test]
async fn a_condition_that_does_not_hold_is_an_answer() {
    for (code, condition) in
        [("IfNoneMatchFailed", Condition::Absent), ("IfMatchFailed", Condition::Unchanged("stale"))]
    {
        let bucket = replies(vec![refusal(412, code)]).await;
        assert_eq!(bucket.store.put("a", small(), condition).await.unwrap(), Written::NotWritten);
        assert_eq!(bucket.server.count(), 1, "{code}: it is not asked again");
        let parts = [Part { number: 1, etag: "p".to_owned(), size: 4, crc64nvme: None }];
        assert_eq!(bucket.store.complete("a", "u", &parts, condition).await.unwrap(), Written::NotWritten);
        let range = bucket.store.read_range("a", "stale", 0..4).await.err().unwrap();
        assert!(matches!(range, StoreError::Changed { .. }), "{range:?}");
    }
}

/// The namespace is asked for where it is not given, once.
#[tokio::test]
async fn the_namespace_is_asked_for_once() {
    let bucket = bucket(None, |seen, _| match seen.path() {
        "/n/" => Reply::json(json!("axexample")),
        _ => taken(),
    })
    .await;
    for _ in 0..2 {
        bucket.store.put("a", small(), Condition::Always).await.unwrap();
    }
    let targets: Vec<_> = bucket.server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/n/", "/n/axexample/b/lake/o/a", "/n/axexample/b/lake/o/a"]);
    let tenancy = bucket.store.tenancy().await.unwrap().unwrap();
    assert_eq!(tenancy.namespace, "axexample");
    assert!(tenancy.principal.contains("[DEFAULT]"), "{}", tenancy.principal);
}

/// What a refusal means is said by its code, and its error has the request's id, which Oracle's support asks for.
#[tokio::test]
async fn refusals_are_read_by_their_codes() {
    for (status, code, name) in [
        (404, "BucketNotFound", "HiddenBucket"),
        (404, "NotAuthorizedOrNotFound", "Denied"),
        (403, "NotAllowed", "Denied"),
        (400, "UnmatchedContentMD5", "BadDigest"),
        (400, "InvalidParameter", "Refused"),
        (409, "ObjectLocked", "Contended"),
        (501, "NotImplemented", "NotImplemented"),
        (401, "NotAuthenticated", "Denied"),
    ] {
        let bucket = replies(vec![refusal(status, code)]).await;
        let error = bucket.store.put("a.csv", small(), Condition::Absent).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(name), "{code}: {error:?}");
        let line = landfall_http::chain(&error);
        assert!(line.contains("phx-1:abc") && line.contains(&format!("said of {code}")), "{line}");
        assert!(line.contains("PutObject oci://lake/a.csv"), "{line}");
        assert_eq!(bucket.server.count(), 1, "{code} is final");
    }
}

/// What passes is asked again: 429, failures but 501, a lock, a broken connection. `Retry-After` is heeded by the client
/// that this one is made of.
#[tokio::test]
async fn what_passes_is_asked_again() {
    for first in [
        refusal(429, "TooManyRequests"),
        refusal(500, "InternalServerError"),
        refusal(503, "ServiceUnavailable"),
        refusal(409, "IncorrectState"),
        refusal(409, "LockConflict"),
        Reply::nothing(),
    ] {
        let bucket = replies(vec![first, taken()]).await;
        assert!(matches!(bucket.store.put("a", small(), Condition::Absent).await, Ok(Written::Done(_))));
        assert_eq!(bucket.server.count(), 2);
    }
    let down = replies(vec![refusal(503, "ServiceUnavailable")]).await;
    let error = down.store.delete("a").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert_eq!(down.server.count(), 6);
    let busy = replies(vec![refusal(429, "TooManyRequests")]).await;
    let error = busy.store.delete("a").await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
}

/// Trap: a tenancy has been seen to answer `BucketNotFound` now and then for a bucket that is there. One that was there a
/// moment ago is asked for again; one that never was is not.
#[tokio::test]
async fn a_bucket_that_was_there_is_asked_for_again() {
    let lost = || refusal(404, "BucketNotFound");
    let bucket = replies(vec![taken(), lost(), lost(), taken(), lost()]).await;
    bucket.store.put("a", small(), Condition::Always).await.unwrap();
    bucket.store.put("a", small(), Condition::Always).await.unwrap();
    assert_eq!(bucket.server.count(), 4);
    let gone = bucket.store.put("a", small(), Condition::Always).await.unwrap_err();
    assert!(matches!(gone, StoreError::HiddenBucket { .. }), "{gone:?}");
    assert_eq!(bucket.server.count(), 10, "a few times");

    let never = self::bucket(None, move |seen, _| match seen.path() {
        "/n/" => Reply::json(json!("axexample")),
        _ => lost(),
    })
    .await;
    never.store.put("a", small(), Condition::Always).await.unwrap_err();
    assert_eq!(never.server.count(), 2, "that the namespace is known says nothing of the bucket");
}

/// Promise 5: a HEAD that finds nothing does not say whether object or bucket is missing; it is found out.
#[tokio::test]
async fn what_a_head_does_not_find_is_found_out() {
    for (code, is_absent) in [("ObjectNotFound", true), ("BucketNotFound", false)] {
        let bucket = bucket(Some("ns"), move |seen, _| match seen.method.as_str() {
            "HEAD" => Reply::status(404),
            _ => refusal(404, code),
        })
        .await;
        let found = bucket.store.head("a").await;
        match is_absent {
            true => assert_eq!(found.unwrap(), None),
            false => assert!(matches!(found, Err(StoreError::HiddenBucket { .. })), "{found:?}"),
        }
    }
    let there = replies(vec![taken().header("Content-Length", "12").without_length()]).await;
    let info = there.store.head("a").await.unwrap().unwrap();
    assert_eq!((info.size, info.etag.len()), (12, 36));
}

/// Trap: a proxy may drop the length or the `ETag` of an answer without a body. The list says the same.
#[tokio::test]
async fn an_object_is_measured_by_a_list_where_its_answer_does_not() {
    for head in [Reply::status(200).cut_of(7), taken().without_length()] {
        let bucket = bucket(Some("ns"), move |seen, _| match seen.method.as_str() {
            "HEAD" => head.clone(),
            _ => Reply::json(json!({"objects": [{"name": "a", "size": 7, "etag": "e"}, {"name": "ab"}]})),
        })
        .await;
        let info = bucket.store.head("a").await.unwrap().unwrap();
        assert_eq!((info.size, info.etag.as_str()), (7, "e"));
    }
}

/// Promise 5: an empty object has a length, too, which the service wants to be told.
#[tokio::test]
async fn an_empty_object_has_a_length() {
    let bucket = replies(vec![taken()]).await;
    bucket.store.put("a", Bytes::new(), Condition::Absent).await.unwrap();
    let seen = bucket.server.seen().pop().unwrap();
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), ("0", ""));
}

/// Promise 5: a range is what was asked for of the version that was; a body that breaks off is gone on with.
#[tokio::test]
async fn a_range_that_breaks_off_is_gone_on_with() {
    let part = |text: &str| Reply::status(206).body(text).header("etag", "e-1");
    let bucket = replies(vec![part("abc").cut_of(6), part("def")]).await;
    let pieces: Vec<Bytes> =
        bucket.store.read_range("a", "e-1", 10..16).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"abcdef");
    let seen = bucket.server.seen();
    let ranges: Vec<_> = seen.iter().map(|seen| (seen.header("range"), seen.header("if-match"))).collect();
    assert_eq!(ranges, [("bytes=10-15", "e-1"), ("bytes=13-15", "e-1")]);
    let whole = replies(vec![Reply::status(200).body("0123456789abcdef")]).await;
    let error = whole.store.read_range("a", "e-1", 10..16).await.err().unwrap();
    assert!(landfall_http::chain(&error).contains("200 OK to a range"), "{error:?}");
}

/// Promise 5: lists are read to their end, whose pages go on by `start`; one that does not move on is an error.
#[tokio::test]
async fn lists_are_read_to_their_end() {
    let bucket = bucket(Some("ns"), |seen, _| {
        let start = seen.query().get("start").cloned();
        Reply::json(match start.as_deref() {
            None => json!({"objects": [{"name": "a/1", "size": 3, "etag": "e"}, {"name": "a/2", "size": 4}],
                           "nextStartWith": "a/3"}),
            Some(_) => json!({"objects": [{"name": "a/3", "size": 5, "etag": "f"}], "nextStartWith": null}),
        })
    })
    .await;
    let listed: Vec<_> = bucket.store.list("a/").try_collect().await.unwrap();
    let names: Vec<_> = listed.iter().map(|object| (object.key.as_str(), object.size)).collect();
    assert_eq!(names, [("a/1", 3), ("a/2", 4), ("a/3", 5)]);
    let query = bucket.server.seen()[1].query();
    assert_eq!(
        (query["prefix"].as_str(), query["fields"].as_str(), query["start"].as_str()),
        ("a/", "name,size,etag,timeModified", "a/3")
    );

    let page = json!({"objects": [], "prefixes": ["a/x/", "a/y/"]});
    let folders = replies(vec![Reply::json(page)]).await;
    let names: Vec<_> = folders.store.list_folders("a/").try_collect().await.unwrap();
    assert_eq!(
        (names, folders.server.seen()[0].query()["delimiter"].as_str()),
        (vec!["x".to_owned(), "y".to_owned()], "/")
    );

    let standing = replies(vec![Reply::json(json!({"objects": [], "nextStartWith": "a/3"}))]).await;
    let error = standing.store.list("a/").try_collect::<Vec<_>>().await.unwrap_err();
    assert!(landfall_http::chain(&error).contains("where it has been"), "{error:?}");
}

/// An object of parts: each is held against its CRC-32C, the list of what is there goes on by a header, and whoever is
/// told that an upload is gone can go by that.
#[tokio::test]
async fn an_object_is_made_of_parts() {
    let pages = Arc::new(AtomicUsize::new(0));
    let bucket = bucket(Some("ns"), move |seen, _| match (seen.method.as_str(), seen.path()) {
        ("POST", "/n/ns/b/lake/u") => Reply::json(json!({"object": "a b.csv", "uploadId": "u/1"})),
        ("PUT", _) => Reply::status(200).header("etag", "part"),
        ("GET", "/n/ns/b/lake/u") => Reply::json(json!([
            {"object": "a b.csv", "uploadId": "u/1", "bucket": "lake"},
            {"object": "other", "uploadId": "u/2", "bucket": "lake"}
        ])),
        ("GET", _) if pages.fetch_add(1, Ordering::Relaxed) == 0 => {
            Reply::json(json!([{"partNumber": 1, "etag": "part", "size": 4, "md5": "x"}]))
                .header("opc-next-page", "p2")
        }
        ("GET", _) => Reply::json(json!([{"partNumber": 2, "etag": "part", "size": 2}])),
        ("POST", _) => taken(),
        _ => refusal(404, "NoSuchUpload"),
    })
    .await;
    let store = &bucket.store;
    assert_eq!(store.part_bytes(None), OCI_PART_BYTES);
    let upload = store.create_upload("a b.csv").await.unwrap();
    let part = store.upload_part("a b.csv", &upload, 1, small()).await.unwrap();
    let listed = store.list_parts("a b.csv", &upload).await.unwrap().unwrap();
    assert_eq!(listed, [(1, "part".to_owned(), 4), (2, "part".to_owned(), 2)]);
    let uploads = store.list_uploads("a").await.unwrap();
    assert_eq!(uploads.iter().map(|upload| upload.upload_id.as_str()).collect::<Vec<_>>(), ["u/1"]);
    let written = store.complete("a b.csv", &upload, &[part], Condition::Absent).await.unwrap();
    assert!(matches!(written, Written::Done(_)));
    store.abort_upload("a b.csv", &upload).await.unwrap();
    let seen = bucket.server.seen();
    let asked: Vec<_> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    assert_eq!(
        asked,
        [
            "POST /n/ns/b/lake/u",
            "PUT /n/ns/b/lake/u/a%20b.csv?uploadId=u%2F1&uploadPartNum=1",
            "GET /n/ns/b/lake/u/a%20b.csv?uploadId=u%2F1&limit=1000",
            "GET /n/ns/b/lake/u/a%20b.csv?uploadId=u%2F1&limit=1000&page=p2",
            "GET /n/ns/b/lake/u?limit=1000",
            "POST /n/ns/b/lake/u/a%20b.csv?uploadId=u%2F1",
            "DELETE /n/ns/b/lake/u/a%20b.csv?uploadId=u%2F1",
        ]
    );
    assert_eq!(seen[0].body, r#"{"object":"a b.csv","contentType":"text/csv"}"#);
    assert_eq!(
        (seen[0].header("opc-checksum-algorithm"), seen[1].header("opc-checksum-algorithm")),
        ("CRC32C", "CRC32C")
    );
    assert_eq!(seen[5].body, r#"{"partsToCommit":[{"partNum":1,"etag":"part"}]}"#);
    assert_eq!(seen[5].header("if-none-match"), "*");

    let gone = replies(vec![refusal(404, "NoSuchUpload")]).await;
    let part = gone.store.upload_part("a", "u", 1, small()).await.unwrap_err();
    assert!(matches!(part, StoreError::NoSuchUpload { .. }), "{part:?}");
    assert_eq!(gone.store.list_parts("a", "u").await.unwrap(), None);
}

/// Nothing is copied there: whoever asks is told, and uploads.
#[tokio::test]
async fn nothing_is_copied() {
    let bucket = replies(vec![taken()]).await;
    let store = &bucket.store;
    assert!(!store.copies_objects() && !store.copies_ranges() && !store.is_one_store_with(store));
    let source = crate::ObjectInfo {
        key: "s".to_owned(),
        size: 4,
        etag: "e".to_owned(),
        crc64nvme: None,
        modified: None,
    };
    let error = store.copy(store, &source, "a").await.unwrap_err();
    assert!(matches!(error, StoreError::NotImplemented { .. }), "{error:?}");
    assert_eq!(bucket.server.count(), 0);
}

/// A small object is read whole, and no further than it may be.
#[tokio::test]
async fn a_small_object_is_read_whole_or_not_at_all() {
    let bucket = replies(vec![taken().body("{}")]).await;
    let object = bucket.store.read("a.json", 2).await.unwrap().unwrap();
    assert_eq!((object.bytes, object.etag.len()), (Bytes::from_static(b"{}"), 36));
    let larger = bucket.store.read("a.json", 1).await.unwrap_err();
    assert!(matches!(larger, StoreError::TooLarge { max: 1, .. }), "{larger:?}");
    let none = replies(vec![refusal(404, "ObjectNotFound")]).await;
    assert!(none.store.read("a.json", 1).await.unwrap().is_none());
    let cut = replies(vec![Reply::status(200).body("{").cut_of(2)]).await;
    let error = cut.store.read("a.json", 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

/// Whoever cannot sign is told why at the first call, and nothing is sent.
#[tokio::test]
async fn who_cannot_sign_is_told_why() {
    let server = Scripted::replies(vec![taken()]).await;
    let oci = OciSettings { endpoint: Some(server.url("")), ..OciSettings::default() };
    let principal = landfall_http::auth::oci::PrincipalSettings {
        config_file: Some("/nowhere/config".into()),
        ..landfall_http::auth::oci::PrincipalSettings::default()
    };
    let settings = StoreSettings { oci: Some(OciSettings { principal, ..oci }), ..StoreSettings::default() };
    let store = Store::open("lake", &settings).await;
    let error = store.put("a", small(), Condition::Always).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsigned { is_about_settings: true, .. }), "{error:?}");
    assert!(landfall_http::chain(&error).contains("oci setup config"), "{error:?}");
    assert_eq!(server.count(), 0);
}

/// A clock that is off is said to be, where signatures are refused.
#[tokio::test]
async fn a_clock_that_is_off_is_said_to_be() {
    let reply = refusal(401, "NotAuthenticated").header("Date", "Sat, 21 Nov 2026 12:10:00 GMT");
    let bucket = replies(vec![reply]).await;
    let error = bucket.store.head("a").await.unwrap_err();
    assert!(landfall_http::chain(&error).contains("600 s behind OCI's"), "{error:?}");
}

/// What a bucket does by itself that would break what landfall promises is found out.
#[tokio::test]
async fn a_buckets_own_rules_are_found_out() {
    let bucket = bucket(Some("ns"), |seen, _| match seen.path() {
        "/n/ns/b/lake/retentionRules" => {
            Reply::json(json!({"items": [{"id": "1", "displayName": "seven years"}]}))
        }
        _ => {
            Reply::json(json!({"name": "lake", "autoTiering": "InfrequentAccess", "storageTier": "Standard"}))
        }
    })
    .await;
    let rules = bucket.store.bucket_rules().await.unwrap().unwrap();
    assert!(rules.auto_tiering);
    assert_eq!(rules.retention_rules, ["seven years"]);
}
