//! What landfall does where a store that is compatible with S3 refuses what S3 takes. Each answer is as such a store is
//! reported, or documented, to give it.

use bytes::Bytes;
use futures::TryStreamExt as _;
use landfall_http::scripted::{Reply, Scripted, Seen};

use crate::{
    ChecksumKind, ChecksumSetting, Condition, ObjectInfo, Part, Store, StoreError, StoreSettings, Written,
};

/// A store that answers like this.
async fn store(server: &Scripted) -> Store {
    store_with(server, StoreSettings::default()).await
}

async fn store_with(server: &Scripted, settings: StoreSettings) -> Store {
    let settings = StoreSettings {
        endpoint: Some(server.url("")),
        region: Some("auto".to_owned()),
        access_key_id: Some("key".to_owned()),
        secret_access_key: Some("word".into()),
        ..settings
    };
    Store::open("bucket", &settings).await
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Reply::status(status).header("Content-Type", "application/xml").body(body)
}

fn taken() -> Reply {
    Reply::status(200).header("ETag", "\"e\"")
}

fn small() -> Bytes {
    Bytes::from_static(b"1,2\n")
}

fn source(size: u64) -> ObjectInfo {
    ObjectInfo { key: "staged/0".to_owned(), size, etag: "\"s\"".to_owned(), crc64nvme: None, modified: None }
}

fn has(seen: &Seen, header: &str) -> bool {
    !seen.header(header).is_empty()
}

/// Trap: a store may answer 501 to the condition of a write. The object is written without it, and so are those after
/// it, once it has been looked whether they are there; bytes are held against the checksum all the same.
#[tokio::test]
async fn a_store_without_conditional_writes_is_written_to_without_conditions() {
    let server = Scripted::start(|seen, _| match seen.method.as_str() {
        "HEAD" => Reply::status(404),
        _ if has(seen, "if-none-match") => error(501, "NotImplemented", "A header is not implemented"),
        _ => taken(),
    })
    .await;
    let store = store(&server).await;
    assert!(matches!(store.put("a.json", small(), Condition::Absent).await, Ok(Written::Done(_))));
    assert!(!store.holds_conditions());
    let calls = server.count();
    assert!(matches!(store.put("b.json", small(), Condition::Absent).await, Ok(Written::Done(_))));
    let seen = server.seen();
    assert_eq!(seen.len() - calls, 2, "it looks, and writes");
    let last = &seen[seen.len() - 1];
    assert!(!has(last, "if-none-match") && has(last, "x-amz-checksum-crc64nvme"));
}

/// A store that does not change a record on the condition that it is as it was cannot be the work bucket, and the
/// error says so; nothing is written without the condition.
#[tokio::test]
async fn a_store_without_if_match_is_no_work_bucket() {
    let server = Scripted::replies(vec![error(501, "NotImplemented", "if-match")]).await;
    let store = store(&server).await;
    let error = store.put("run.json", small(), Condition::Unchanged("\"e\"")).await.unwrap_err();
    assert!(matches!(error, StoreError::NoConditionalChange { .. }), "{error:?}");
    assert!(error.to_string().contains("[work]"), "{error}");
    assert!(server.seen().iter().all(|seen| has(seen, "if-match")));
}

/// Trap: a store may refuse CRC-64/NVME by 400 or by 501. It is held against MD5 from then on, in writes and parts.
#[tokio::test]
async fn a_store_that_refuses_crc64nvme_holds_bytes_against_md5() {
    for (status, code) in [(400, "InvalidArgument"), (400, "InvalidRequest"), (501, "NotImplemented")] {
        let server = Scripted::start(move |seen, _| {
            let asks = ["x-amz-checksum-crc64nvme", "x-amz-checksum-algorithm"];
            match asks.iter().any(|header| has(seen, header)) {
                true => error(status, code, "this checksum is not known"),
                false if seen.target.ends_with("?uploads") => Reply::status(200).body(
                    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
                ),
                false => taken(),
            }
        })
        .await;
        for parts_first in [false, true] {
            let store = store(&server).await;
            if parts_first {
                assert_eq!(store.create_upload("b.csv").await.unwrap(), "u");
            } else {
                store.put("a.csv", small(), Condition::Absent).await.unwrap();
            }
            assert_eq!(store.checksum(), ChecksumKind::Md5, "{code}");
            let calls = server.count();
            store.put("a.csv", small(), Condition::Absent).await.unwrap();
            store.upload_part("b.csv", "u", 1, small()).await.unwrap();
            let seen = server.seen();
            assert_eq!(seen.len() - calls, 2, "{code}: it is remembered");
            assert!(seen.iter().skip(calls).all(|seen| has(seen, "content-md5")), "{code}");
            assert!(has(&seen[calls], "if-none-match"), "{code}: the condition stays");
        }
    }
}

/// What is refused for another reason is refused as it was, and nothing is concluded from it.
#[tokio::test]
async fn a_write_that_is_refused_whatever_its_checksum_says_why() {
    let server = Scripted::start(|_, number| match number {
        0 => error(400, "InvalidRequest", "the first"),
        _ => error(400, "InvalidRequest", "another"),
    })
    .await;
    let store = store(&server).await;
    let error = store.put("a.csv", small(), Condition::Always).await.unwrap_err();
    assert!(landfall_http::chain(&error).contains("the first"), "{error:?}");
    assert_eq!((server.count(), store.checksum()), (2, ChecksumKind::Crc64Nvme));
}

/// What is set is sent, and nothing else is tried.
#[tokio::test]
async fn a_checksum_that_is_set_is_kept_to() {
    let all = [
        (ChecksumSetting::Crc64nvme, "x-amz-checksum-crc64nvme"),
        (ChecksumSetting::Crc32c, "x-amz-checksum-crc32c"),
        (ChecksumSetting::Md5, "content-md5"),
    ];
    for (checksum, header) in all {
        let server = Scripted::replies(vec![error(400, "InvalidArgument", "no")]).await;
        let store = store_with(&server, StoreSettings { checksum, ..StoreSettings::default() }).await;
        store.put("a.csv", small(), Condition::Always).await.unwrap_err();
        let seen = server.seen();
        assert_eq!(seen.len(), 1);
        for (_, other) in all {
            assert_eq!(has(&seen[0], other), other == header, "{checksum:?}: {other}");
        }
    }
    // The check value of CRC-32C (RFC 3720, B.4, of "123456789").
    assert_eq!(crate::checksum::crc32c_base64(b"123456789"), "4waSgw==");
}

/// Trap: a store may copy objects, and not know a checksum of the copy; or not copy at all.
#[tokio::test]
async fn a_copy_goes_without_a_checksum_or_is_refused_for_good() {
    let server = Scripted::start(|seen, _| match has(seen, "x-amz-checksum-algorithm") {
        true => error(501, "NotImplemented", "x-amz-checksum-algorithm"),
        false => Reply::status(200).body("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"),
    })
    .await;
    let copies = store(&server).await;
    copies.copy(&copies, &source(4), "a").await.unwrap();
    copies.copy(&copies, &source(4), "b").await.unwrap();
    assert_eq!((server.count(), copies.copies_objects()), (3, true), "it is remembered");

    let server = Scripted::replies(vec![error(400, "InvalidRequest", "copies are not supported")]).await;
    let copies_not = store(&server).await;
    let error = copies_not.copy(&copies_not, &source(4), "a").await.unwrap_err();
    assert!(matches!(error, StoreError::NotImplemented { .. }), "{error:?}");
    assert!(!copies_not.copies_objects());
}

/// Trap: a store may refuse ranges of objects as parts by a 4xx, or take them and refuse parts of different sizes when
/// the upload is completed. Either way nothing is copied there any more.
#[tokio::test]
async fn a_store_that_does_not_take_ranges_as_parts_is_not_asked_again() {
    let server = Scripted::replies(vec![error(400, "InvalidRequest", "not supported")]).await;
    let refuses = store(&server).await;
    let error_of = refuses.copy_part(("a", "u"), 1, (&refuses, &source(9)), 0..9).await.unwrap_err();
    assert!(matches!(error_of, StoreError::NotImplemented { .. }), "{error_of:?}");
    assert!(!refuses.copies_ranges());

    let part = |number, size| Part { number, etag: "e".to_owned(), size, crc64nvme: None };
    for (sizes, is_for_their_sizes) in [([8, 9, 1], true), ([8, 8, 1], false)] {
        let message = "All non-trailing parts must have the same length";
        let server = Scripted::replies(vec![error(400, "InvalidPart", message)]).await;
        let equal = store(&server).await;
        let parts: Vec<_> = (1..).zip(sizes).map(|(number, size)| part(number, size)).collect();
        let error = equal.complete("a", "u", &parts, Condition::Absent).await.unwrap_err();
        assert_eq!(matches!(error, StoreError::NotImplemented { .. }), is_for_their_sizes, "{error:?}");
        assert_eq!(equal.copies_ranges(), !is_for_their_sizes);
        assert!(landfall_http::chain(&error).contains(message));
    }
}

/// 501 is final: no call is made again for it, whatever it is.
#[tokio::test]
async fn what_a_store_does_not_implement_is_asked_for_once() {
    let server = Scripted::replies(vec![error(501, "NotImplemented", "no")]).await;
    let store = store(&server).await;
    let error = store.read("a", 10).await.unwrap_err();
    assert!(matches!(error, StoreError::NotImplemented { .. }), "{error:?}");
    assert_eq!(server.count(), 1);
}

/// An answer that is none of the store's is shown as it begins: a proxy's page says who has answered.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_shown() {
    let page = Reply::status(200).body("<html>Welcome to the hotel's network</html>");
    let server = Scripted::replies(vec![page]).await;
    let store = store(&server).await;
    let error = store.list("a/").try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let line = landfall_http::chain(&error);
    assert!(line.contains("HTTP 200") && line.contains("Welcome to the hotel"), "{line}");
}

/// XML cannot carry every name: listings ask for encoded ones, and read what they are given, encoded or not.
#[tokio::test]
async fn names_are_read_as_a_listing_writes_them() {
    for (encoding, written, name) in
        [("<EncodingType>url</EncodingType>", "a/%01+b%2Bc", "a/\u{1} b+c"), ("", "a/b+c%20", "a/b+c%20")]
    {
        let body = format!(
            "<ListBucketResult>{encoding}<IsTruncated>false</IsTruncated><Contents><Key>{written}</Key>\
             <Size>1</Size></Contents></ListBucketResult>"
        );
        let server = Scripted::replies(vec![Reply::status(200).body(body)]).await;
        let store = store(&server).await;
        let listed: Vec<_> = store.list("a/").try_collect().await.unwrap();
        assert_eq!(listed[0].key, name);
        assert_eq!(server.seen()[0].query()["encoding-type"], "url");
    }
}

/// Trap: many objects are written at once before the first refusal of CRC-64/NVME is known. Each of them goes on with MD5.
#[tokio::test]
async fn writes_that_are_under_way_when_a_checksum_is_refused_go_on_with_the_other() {
    let server = Scripted::start(|seen, _| match has(seen, "x-amz-checksum-crc64nvme") {
        true => error(501, "NotImplemented", "x-amz-checksum-crc64nvme"),
        false => taken(),
    })
    .await;
    let store = store(&server).await;
    let keys: Vec<_> = (0..16).map(|n| format!("{n}.csv")).collect();
    let writes = keys.iter().map(|key| store.put(key, small(), Condition::Always));
    let written: Vec<_> = futures::future::join_all(writes).await;
    assert!(written.iter().all(|written| matches!(written, Ok(Written::Done(_)))), "{written:?}");
    let parts = (1..=16).map(|number| store.upload_part("b.csv", "u", number, small()));
    assert!(futures::future::join_all(parts).await.iter().all(Result::is_ok));
    assert_eq!(store.checksum(), ChecksumKind::Md5);
}

/// Trap: a store may refuse the condition of a write by 400, or say 409 of an object that is there.
#[tokio::test]
async fn a_condition_that_is_refused_otherwise_is_looked_after() {
    for is_there in [false, true] {
        for (status, code) in [(400, "InvalidArgument"), (501, "NotImplemented"), (409, "FileAlreadyExists")]
        {
            let server = Scripted::start(move |seen, _| match seen.method.as_str() {
                "HEAD" if is_there => taken(),
                "HEAD" => Reply::status(404),
                _ if has(seen, "if-none-match") => error(status, code, "no"),
                _ => taken(),
            })
            .await;
            let store = store(&server).await;
            let written = store.put("a.json", small(), Condition::Absent).await;
            match (is_there, status) {
                (true, _) => assert!(matches!(written, Ok(Written::NotWritten)), "{code}: {written:?}"),
                // Somebody is about to write it: trying again finds either.
                (false, 409) => assert!(matches!(written, Err(StoreError::Contended { .. })), "{written:?}"),
                (false, _) => assert!(matches!(written, Ok(Written::Done(_))), "{code}: {written:?}"),
            }
        }
    }
}

/// Trap: a store may verify the checksums of parts, and refuse them where the upload is completed. The condition stays.
#[tokio::test]
async fn an_upload_is_completed_without_checksums_where_they_are_refused_then() {
    let server = Scripted::start(|seen, _| {
        let tells = has(seen, "x-amz-checksum-type") || seen.body.contains("ChecksumCRC64NVME");
        match tells {
            true => error(400, "InvalidRequest", "checksum type"),
            false => Reply::status(200)
                .body("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"),
        }
    })
    .await;
    let store = store(&server).await;
    let crc64nvme = Some(crate::checksum::Crc64Nvme::of(b"1,2\n"));
    let parts = [Part { number: 1, etag: "e".to_owned(), size: 4, crc64nvme }];
    let written = store.complete("a", "u", &parts, Condition::Absent).await;
    assert!(matches!(written, Ok(Written::Done(_))), "{written:?}");
    let seen = server.seen();
    assert!(seen.len() == 2 && has(&seen[1], "if-none-match"));
    assert!(store.holds_conditions());
}

/// Trap: a store may say 404 of an object that is to be deleted and is not there.
#[tokio::test]
async fn what_is_not_there_is_deleted_already() {
    let server = Scripted::replies(vec![error(404, "NoSuchKey", "no")]).await;
    store(&server).await.delete("a").await.unwrap();
}

/// Trap: a store that has S3's first listing alone takes the second for it, and gives no token; the list is read to its
/// end all the same, and one that leads nowhere is an error.
#[tokio::test]
async fn a_list_without_a_token_is_read_on() {
    let page = |keys: &[&str], goes_on: bool| {
        let contents: String =
            keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
        Reply::status(200).body(format!(
            "<ListBucketResult><IsTruncated>{goes_on}</IsTruncated>{contents}</ListBucketResult>"
        ))
    };
    let server = Scripted::start(move |seen, _| match seen.query().get("marker").map(String::as_str) {
        None => page(&["a/1", "a/2"], true),
        Some("a/2") => page(&["a/3"], true),
        Some(_) => page(&["a/4"], false),
    })
    .await;
    let listed: Vec<_> = store(&server).await.list("a/").try_collect().await.unwrap();
    let keys: Vec<_> = listed.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["a/1", "a/2", "a/3", "a/4"]);

    let server = Scripted::start(move |_, _| page(&[], true)).await;
    let error = store(&server).await.list("a/").try_collect::<Vec<_>>().await.unwrap_err();
    assert!(landfall_http::chain(&error).contains("where it continues"), "{error:?}");
}

/// Trap: a proxy may drop the length or the `ETag` of an answer without a body, and a store may not know the header that
/// asks for a checksum. The list says the same.
#[tokio::test]
async fn an_object_is_measured_by_a_list_where_its_answer_does_not() {
    let listed = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>7</Size>\
                  <ETag>\"e\"</ETag></Contents></ListBucketResult>";
    for head in [Reply::status(200).cut_of(7), taken().without_length()] {
        let server = Scripted::start(move |seen, _| match seen.method.as_str() {
            "HEAD" if has(seen, "x-amz-checksum-mode") => Reply::status(400),
            "HEAD" => head.clone(),
            _ => Reply::status(200).body(listed),
        })
        .await;
        let store = store(&server).await;
        let info = store.head("a").await.unwrap().unwrap();
        assert_eq!((info.size, info.etag.as_str()), (7, "\"e\""));
        let calls = server.count();
        store.head("a").await.unwrap();
        assert_eq!(server.count() - calls, 2, "what it does not know is not asked for again");
    }
}

/// An answer that names no upload is no upload.
#[tokio::test]
async fn an_upload_without_an_id_has_not_begun() {
    let nothing = Reply::status(200).body("<InitiateMultipartUploadResult/>");
    let server = Scripted::replies(vec![nothing]).await;
    let error = store(&server).await.create_upload("a").await.unwrap_err();
    assert!(landfall_http::chain(&error).contains("names no upload"), "{error:?}");
}

/// What is needed for no promise is done without: uploads that interrupted runs have left stay, and a transfer begins
/// anew.
#[tokio::test]
async fn a_store_that_lists_no_uploads_is_worked_with() {
    for body in ["", "<Error><Code>NotImplemented</Code></Error>"] {
        let server = Scripted::start(move |_, _| Reply::status(501).body(body)).await;
        let store = store(&server).await;
        assert!(store.list_uploads("jobs/").await.unwrap().is_empty());
        assert!(!store.lists_uploads());
        assert_eq!(store.list_parts("a", "u").await.unwrap(), None);
    }
}

/// Promise 6: an answer is read up to the bound whether or not it says its length.
#[tokio::test]
async fn a_small_object_is_read_up_to_its_bound() {
    for reply in [taken().body("12345"), taken().body("12345").without_length()] {
        let server = Scripted::replies(vec![reply]).await;
        let error = store(&server).await.read("a", 4).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { max: 4, .. }), "{error:?}");
    }
}

/// Bytes that were damaged on their way say nothing of what a store takes, whatever it calls that.
#[tokio::test]
async fn a_checksum_that_does_not_hold_is_no_refusal_of_checksums() {
    let server = Scripted::replies(vec![error(400, "XAmzContentChecksumMismatch", "no match")]).await;
    let store = store(&server).await;
    let error = store.put("a", small(), Condition::Always).await.unwrap_err();
    assert!(matches!(error, StoreError::BadDigest { .. }), "{error:?}");
    assert_eq!(store.checksum(), ChecksumKind::Crc64Nvme);
}

/// A bucket in another region says where it is, also to a call whose answer has no body.
#[tokio::test]
async fn a_bucket_elsewhere_says_where() {
    let elsewhere = Reply::status(301).header("x-amz-bucket-region", "eu-west-3");
    let server = Scripted::replies(vec![elsewhere]).await;
    let error = store(&server).await.head("a").await.unwrap_err();
    assert!(landfall_http::chain(&error).contains("eu-west-3"), "{error:?}");
}
