//! What is answered, as the real service was measured to answer it, and beyond that what landfall relies on.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::support::{BUCKET, NAMESPACE, Served};

const ABSENT: (&str, &str) = ("if-none-match", "*");

/// `PUT` absent, `if-none-match: *`: 200.
#[tokio::test]
async fn what_is_absent_is_made() {
    let served = Served::start().await;
    let made = served.put("runs/a.json", "{}", &[ABSENT]).await;
    assert_eq!(made.status, 200);
    assert_eq!(served.get("runs/a.json").await.body, "{}");
}

/// `PUT` existing, `if-none-match: *`: 412 `IfNoneMatchFailed`, object unchanged.
#[tokio::test]
async fn what_is_there_is_not_made_again() {
    let served = Served::start().await;
    let first = served.put("a", "1", &[]).await;
    let second = served.put("a", "2", &[ABSENT]).await;
    assert_eq!(second.refusal(), (412, "IfNoneMatchFailed".to_owned()));
    let there = served.get("a").await;
    assert_eq!((there.body.as_ref(), there.etag()), (&b"1"[..], first.etag()));
}

/// `PUT` with the current `if-match`: 200.
#[tokio::test]
async fn what_is_as_it_was_is_changed() {
    let served = Served::start().await;
    let first = served.put("a", "1", &[]).await;
    let second = served.put("a", "2", &[("if-match", &first.etag())]).await;
    assert_eq!((second.status, served.get("a").await.body.as_ref()), (200, &b"2"[..]));
    assert_ne!(first.etag(), second.etag());
}

/// `PUT` with a stale `if-match`: 412 `IfMatchFailed`.
#[tokio::test]
async fn what_has_changed_is_not_changed() {
    let served = Served::start().await;
    let stale = served.put("a", "1", &[]).await;
    served.put("a", "2", &[]).await;
    let refused = served.put("a", "3", &[("if-match", &stale.etag())]).await;
    assert_eq!(refused.refusal(), (412, "IfMatchFailed".to_owned()));
    assert_eq!(served.get("a").await.body, "2");
    let nothing = served.put("b", "3", &[("if-match", &stale.etag())]).await;
    assert_eq!((nothing.status, served.get("b").await.status), (412, 404));
}

/// `DELETE` with a stale / current `if-match`: 412 `IfMatchFailed`, object survives / 204.
#[tokio::test]
async fn what_has_changed_is_not_deleted() {
    let served = Served::start().await;
    let stale = served.put("a", "1", &[]).await;
    let current = served.put("a", "2", &[]).await;
    let refused = served.call(Method::DELETE, "/o/a", &[("if-match", &stale.etag())], "").await;
    assert_eq!(refused.refusal(), (412, "IfMatchFailed".to_owned()));
    assert_eq!(served.get("a").await.body, "2");
    let deleted = served.call(Method::DELETE, "/o/a", &[("if-match", &current.etag())], "").await;
    assert_eq!((deleted.status, served.get("a").await.status), (204, 404));
}

/// 8, 16, 32 racing creations: exactly one 200, all others 412 `IfNoneMatchFailed`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_create_at_once_one_does() {
    let served = Arc::new(Served::start().await);
    for racers in [8, 16, 32] {
        let racing = (0..racers).map(|racer| {
            let served = Arc::clone(&served);
            tokio::spawn(
                async move { served.put(&format!("race-{racers}"), &racer.to_string(), &[ABSENT]).await },
            )
        });
        let told: Vec<_> = join_all(racing).await.into_iter().map(|told| told.unwrap()).collect();
        let won: Vec<_> = told.iter().enumerate().filter(|(_, told)| told.status == 200).collect();
        assert_eq!(won.len(), 1, "{racers}");
        let lost = told.iter().filter(|told| told.status != 200);
        assert!(lost.clone().all(|told| told.refusal() == (412, "IfNoneMatchFailed".to_owned())));
        let there = served.get(&format!("race-{racers}")).await;
        assert_eq!(there.body, won[0].0.to_string(), "{racers}");
    }
}

/// Wrong `Content-MD5`: 400 `UnmatchedContentMD5`. Of a CRC-32C likewise, which is taken and told where it fits.
#[tokio::test]
async fn what_does_not_fit_its_checksum_is_refused() {
    let served = Served::start().await;
    let refused = served.put("a", "1", &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]).await;
    assert_eq!(refused.refusal(), (400, "UnmatchedContentMD5".to_owned()));
    let algorithm = ("opc-checksum-algorithm", "CRC32C");
    let refused = served.put("a", "1", &[algorithm, ("opc-content-crc32c", "AAAAAA==")]).await;
    assert_eq!(refused.status, 400);
    assert_eq!(served.get("a").await.status, 404);
    // The check value of CRC-32C (RFC 3720, B.4).
    let taken = served.put("a", "123456789", &[algorithm, ("opc-content-crc32c", "4waSgw==")]).await;
    assert_eq!((taken.status, taken.header("opc-content-crc32c")), (200, "4waSgw=="));
    assert_eq!(served.get("a").await.header("opc-content-crc32c"), "4waSgw==");
}

/// A list after 25 writes: all 25, each time.
#[tokio::test]
async fn a_list_shows_what_was_just_written() {
    let served = Served::start().await;
    for round in 0..3 {
        for number in 0..25 {
            served.put(&format!("{round}/{number:02}"), "x", &[]).await;
        }
        let listed = served.call(Method::GET, &format!("/o?prefix={round}%2F"), &[], "").await.json();
        assert_eq!(listed["objects"].as_array().unwrap().len(), 25, "{round}");
    }
}

/// The `etag` is a UUID, no function of the content; its header is spelled `etag`.
#[tokio::test]
async fn a_version_is_a_uuid_of_its_own() {
    let served = Served::start().await;
    let first = served.put("a", "same", &[]).await.etag();
    let second = served.put("a", "same", &[]).await.etag();
    let other = served.put("b", "same", &[]).await.etag();
    assert!(first != second && second != other && first != other);
    for etag in [&first, &second, &other] {
        let lengths: Vec<_> = etag.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{etag}");
        assert!(etag.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{etag}");
    }
    let head = served.call(Method::HEAD, "/o/a", &[], "").await;
    assert_eq!((head.etag(), served.get("a").await.etag()), (second.clone(), second));
}

/// `GET`: `opc-content-md5` / `content-md5` equals the content's; of multipart objects `opc-multipart-md5`.
#[tokio::test]
async fn an_object_is_told_with_its_md5() {
    let served = Served::start().await;
    served.put("a.csv", "message digest", &[("content-type", "text/csv")]).await;
    // RFC 1321, A.5.
    let md5 = BASE64.encode([
        0xf9, 0x6b, 0x69, 0x7d, 0x7c, 0xb7, 0x93, 0x8d, 0x52, 0x5a, 0x2f, 0x31, 0xaa, 0xf1, 0x61, 0xd0,
    ]);
    let there = served.get("a.csv").await;
    assert_eq!((there.header("content-md5"), there.header("opc-content-md5")), (md5.as_str(), md5.as_str()));
    assert_eq!((there.header("content-type"), there.header("content-length")), ("text/csv", "14"));
    let id = begin(&served, "b", &[]).await;
    let part = part(&served, "b", &id, 1, "1,2\n").await;
    commit(&served, "b", &id, &[(1, &part)], &[]).await;
    let there = served.get("b").await;
    assert_eq!((there.body.as_ref(), there.header("content-md5")), (&b"1,2\n"[..], ""));
    assert_ne!(there.header("opc-multipart-md5"), "");
}

/// A range is 206 with its place, and one behind the end 416.
#[tokio::test]
async fn ranges_are_answered() {
    let served = Served::start().await;
    let etag = served.put("a", "0123456789", &[]).await.etag();
    let asked = [("range", "bytes=2-4"), ("if-match", etag.as_str())];
    let part = served.call(Method::GET, "/o/a", &asked, "").await;
    assert_eq!(
        (part.status, part.body.as_ref(), part.header("content-range")),
        (206, &b"234"[..], "bytes 2-4/10")
    );
    assert_eq!(served.call(Method::GET, "/o/a", &[("range", "bytes=10-")], "").await.status, 416);
    let stale = served.call(Method::GET, "/o/a", &[("if-match", "another")], "").await;
    assert_eq!(stale.refusal(), (412, "IfMatchFailed".to_owned()));
}

/// What is not there is named: the bucket, or the object.
#[tokio::test]
async fn what_is_not_there_is_named() {
    let served = Served::start().await;
    assert_eq!(served.get("a").await.refusal(), (404, "ObjectNotFound".to_owned()));
    assert_eq!(
        served.call(Method::DELETE, "/o/a", &[], "").await.refusal(),
        (404, "ObjectNotFound".to_owned())
    );
    let elsewhere = served.send(Method::GET, &format!("/n/{NAMESPACE}/b/pond/o/a"), &[], "").await;
    assert_eq!(elsewhere.refusal(), (404, "BucketNotFound".to_owned()));
    let head = served.call(Method::HEAD, "/o/a", &[], "").await;
    assert_eq!((head.status, head.body.as_ref()), (404, &b""[..]));
    assert!(head.header("opc-request-id").starts_with("embedded-1:"));
}

/// The namespace is a bare JSON string, with a slash behind `/n` or without.
#[tokio::test]
async fn the_namespace_is_told() {
    let served = Served::start().await;
    for path in ["/n", "/n/"] {
        assert_eq!(served.send(Method::GET, path, &[], "").await.json(), json!(NAMESPACE));
    }
    let bucket = served.call(Method::GET, "", &[], "").await.json();
    assert_eq!((&bucket["name"], &bucket["autoTiering"]), (&json!(BUCKET), &json!("Disabled")));
}

/// Lists go on by `nextStartWith`, show folders where they are asked for, and the fields that are named.
#[tokio::test]
async fn lists_go_on_where_they_say() {
    let served = Served::start().await;
    for name in ["a/1", "a/2", "a/b/1", "a/b/2", "a/c", "d"] {
        served.put(name, "xyz", &[]).await;
    }
    let (mut start, mut found, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let from =
            if start.is_empty() { String::new() } else { format!("&start={}", start.replace('/', "%2F")) };
        let page = served.call(Method::GET, &format!("/o?prefix=a%2F&limit=2{from}"), &[], "").await.json();
        found.extend(
            page["objects"].as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page["nextStartWith"].as_str() {
            Some(next) => start = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(
        (found.as_slice(), pages),
        (&["a/1", "a/2", "a/b/1", "a/b/2", "a/c"].map(str::to_owned)[..], 3)
    );
    let folders = served
        .call(Method::GET, "/o?prefix=a%2F&delimiter=%2F&fields=name%2Csize%2Cetag", &[], "")
        .await
        .json();
    assert_eq!(folders["prefixes"], json!(["a/b/"]));
    let line = &folders["objects"][0];
    assert_eq!(
        (line["name"].as_str(), line["size"].as_u64(), line["etag"].as_str().map(str::len)),
        (Some("a/1"), Some(3), Some(36))
    );
    let ended = served.call(Method::GET, "/o?startAfter=a%2F2&end=a%2Fc", &[], "").await.json();
    assert_eq!(ended["objects"], json!([{"name": "a/b/1"}, {"name": "a/b/2"}]));
}

async fn begin(served: &Served, object: &str, headers: &[(&str, &str)]) -> String {
    let body = json!({"object": object}).to_string();
    let headers = [headers, &[("content-type", "application/json")]].concat();
    let begun = served.call(Method::POST, "/u", &headers, &body).await;
    begun.json()["uploadId"].as_str().unwrap().to_owned()
}

async fn part(served: &Served, object: &str, id: &str, number: i32, body: &str) -> String {
    let path = format!("/u/{object}?uploadId={id}&uploadPartNum={number}");
    served.call(Method::PUT, &path, &[], body).await.etag()
}

async fn commit(
    served: &Served,
    object: &str,
    id: &str,
    parts: &[(i32, &String)],
    headers: &[(&str, &str)],
) -> super::support::Told {
    let parts: Vec<Value> =
        parts.iter().map(|(number, etag)| json!({"partNum": number, "etag": etag})).collect();
    let body = json!({"partsToCommit": parts}).to_string();
    let headers = [headers, &[("content-type", "application/json")]].concat();
    served.call(Method::POST, &format!("/u/{object}?uploadId={id}"), &headers, &body).await
}

/// Begin and commit of an upload take conditions; parts are listed by pages; a part that is too small, and an upload that is
/// gone, are refused.
#[tokio::test]
async fn an_upload_takes_conditions_and_pages_its_parts() {
    let served = Served::start().await;
    let id = begin(&served, "a", &[("opc-checksum-algorithm", "CRC32C")]).await;
    let mut etags = Vec::new();
    for number in 1..=3 {
        etags.push(part(&served, "a", &id, number, "1,2\n").await);
    }
    let first = served.call(Method::GET, &format!("/u/a?uploadId={id}&limit=2"), &[], "").await;
    assert_eq!((first.json().as_array().unwrap().len(), first.header("opc-next-page")), (2, "2"));
    let rest = served.call(Method::GET, &format!("/u/a?uploadId={id}&limit=2&page=2"), &[], "").await;
    assert_eq!((rest.json()[0]["partNumber"].as_i64(), rest.header("opc-next-page")), (Some(3), ""));
    assert_eq!(rest.json()[0]["etag"].as_str(), Some(etags[2].as_str()));
    let small = commit(&served, "a", &id, &[(1, &etags[0]), (2, &etags[1])], &[]).await;
    assert_eq!(small.refusal(), (400, "InvalidUploadPart".to_owned()));
    let wrong = commit(&served, "a", &id, &[(1, &"another".to_owned())], &[]).await;
    assert_eq!(wrong.refusal(), (400, "InvalidUploadPart".to_owned()));

    served.put("a", "there", &[]).await;
    let taken = commit(&served, "a", &id, &[(1, &etags[0])], &[ABSENT]).await;
    assert_eq!(taken.refusal(), (412, "IfNoneMatchFailed".to_owned()));
    let body = json!({"object": "a"}).to_string();
    let begun = served.call(Method::POST, "/u", &[ABSENT, ("content-type", "application/json")], &body).await;
    assert_eq!(begun.refusal(), (412, "IfNoneMatchFailed".to_owned()));
    let uploads = served.call(Method::GET, "/u", &[], "").await.json();
    assert_eq!(
        (uploads[0]["object"].as_str(), uploads[0]["uploadId"].as_str()),
        (Some("a"), Some(id.as_str()))
    );
    let there = served.get("a").await.etag();
    let committed = commit(&served, "a", &id, &[(1, &etags[0])], &[("if-match", &there)]).await;
    assert_eq!((committed.status, served.get("a").await.body.as_ref()), (200, &b"1,2\n"[..]));
    assert_eq!(served.get("a").await.etag(), committed.etag());
    let gone = served.call(Method::DELETE, &format!("/u/a?uploadId={id}"), &[], "").await;
    assert_eq!(gone.status, 404);
}

/// A call that is not signed, by somebody else, at another time, or with another body than was signed, is not let in.
#[tokio::test]
async fn who_does_not_sign_is_not_let_in() {
    let served = Served::start().await;
    served.put("a", "1", &[]).await;
    let path = format!("/n/{NAMESPACE}/b/{BUCKET}/o/a");
    let unsigned = served.request(Method::DELETE, &path, &[], "");
    assert!(served.shut_out(&unsigned).await.contains("401"));
    for seconds in [-400, 400] {
        let late = Served::off_by(seconds).await;
        let request = late.signed(late.request(Method::GET, "/n/", &[], ""));
        assert!(late.shut_out(&request).await.contains("five minutes off"), "{seconds}");
    }
    let stranger = Served::start().await;
    std::fs::create_dir_all(stranger.folder.path().join("data").join(BUCKET)).unwrap();
    assert_eq!(stranger.get("a").await.status, 404, "each store has its own objects");
    let without_length = served.put("a", "1", &[("opc-checksum-algorithm", "SHA384")]).await;
    assert_eq!(without_length.refusal(), (400, "InvalidParameter".to_owned()));
    assert_eq!(served.get("a").await.body, "1");
    served.handle.shutdown().await;
}
