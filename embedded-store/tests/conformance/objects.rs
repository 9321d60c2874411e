//! Single objects: writing, reading, ranges, conditions, copies.

use std::fs;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumMode, Delete, MetadataDirective, ObjectIdentifier};

use crate::support::{BUCKET, PART, Served, code, data, parts};

/// Promise 4: what comes out is what went in, and a plain file says the same.
#[tokio::test]
async fn objects_are_plain_files() {
    let served = Served::start().await;
    let body = data(1, 3 << 20);
    served.put("a/b/c.csv", body.clone()).await;
    assert_eq!(served.get("a/b/c.csv").await, body);
    assert_eq!(fs::read(served.file("a/b/c.csv")).unwrap(), body);
}

#[tokio::test]
async fn empty_objects_are_objects() {
    let served = Served::start().await;
    assert_eq!(served.put("empty", "").await, "\"d41d8cd98f00b204e9800998ecf8427e\"");
    assert_eq!(served.get("empty").await, b"");
    let head = served.client.head_object().bucket(BUCKET).key("empty").send().await.unwrap();
    assert_eq!(head.content_length(), Some(0));
    let ranged = served.client.get_object().bucket(BUCKET).key("empty").range("bytes=0-").send().await;
    assert_eq!(code(ranged), "InvalidRange");
    let suffix = served.client.get_object().bucket(BUCKET).key("empty").range("bytes=-5").send().await;
    assert_eq!(code(suffix), "InvalidRange");
}

#[tokio::test]
async fn what_is_said_of_an_object_is_kept() {
    let served = Served::start().await;
    let put = served.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"x"));
    let put = put.content_type("text/csv").content_encoding("gzip").content_disposition("inline");
    let put = put.cache_control("no-store").content_language("de").metadata("job", "17");
    put.expires(DateTime::from_secs(1_700_000_000)).send().await.unwrap();
    let served = served.restart().await;
    let head = served.client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
    assert_eq!(head.content_encoding(), Some("gzip"));
    assert_eq!(head.content_disposition(), Some("inline"));
    assert_eq!(head.cache_control(), Some("no-store"));
    assert_eq!(head.content_language(), Some("de"));
    assert_eq!(head.expires_string(), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
    assert_eq!(head.metadata().unwrap().get("job").map(String::as_str), Some("17"));
    fs::write(served.file("plain"), "x").unwrap();
    let head = served.client.head_object().bucket(BUCKET).key("plain").send().await.unwrap();
    assert_eq!((head.content_type(), head.content_encoding()), (Some("binary/octet-stream"), None));
}

#[tokio::test]
async fn ranges_select_bytes() {
    let served = Served::start().await;
    served.put("k", "0123456789").await;
    for (range, expected, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-4", "6789", "bytes 6-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
    ] {
        let got = served.client.get_object().bucket(BUCKET).key("k").range(range).send().await.unwrap();
        assert_eq!(got.content_range(), Some(content_range), "{range}");
        assert_eq!(got.content_length(), i64::try_from(expected.len()).ok(), "{range}");
        assert_eq!(got.body.collect().await.unwrap().to_vec(), expected.as_bytes(), "{range}");
        let head = served.client.head_object().bucket(BUCKET).key("k").range(range).send().await.unwrap();
        assert_eq!(head.content_range(), Some(content_range), "{range}");
    }
    for range in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
        let got = served.client.get_object().bucket(BUCKET).key("k").range(range).send().await;
        let response = got.as_ref().unwrap_err().raw_response().unwrap();
        assert_eq!(response.status().as_u16(), 416, "{range}");
        assert_eq!(response.headers().get("content-range"), Some("bytes */10"), "{range}");
        assert_eq!(code(got), "InvalidRange", "{range}");
    }
}

/// A resumed download must not continue another version: a range with `If-Match` is of that version or refused.
#[tokio::test]
async fn reads_are_conditional() {
    let served = Served::start().await;
    let old = served.put("k", "old").await;
    let new = served.put("k", "new").await;
    let get = || served.client.get_object().bucket(BUCKET).key("k");
    let head = || served.client.head_object().bucket(BUCKET).key("k");
    assert_eq!(code(get().range("bytes=1-").if_match(&old).send().await), "PreconditionFailed");
    assert!(get().range("bytes=1-").if_match(&new).send().await.is_ok());
    assert!(get().if_match("*").send().await.is_ok());
    assert!(get().if_none_match(&old).send().await.is_ok());
    assert_eq!(code(head().if_match(&old).send().await), "412");
    for answer in [get().if_none_match(&new).send().await, get().if_none_match("*").send().await] {
        let error = answer.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 304);
        assert_eq!(error.raw_response().unwrap().headers().get("etag"), Some(new.as_str()));
    }
    let now = SystemTime::now();
    let (past, future) = (now - Duration::from_secs(3600), now + Duration::from_secs(3600));
    assert!(get().if_modified_since(past.into()).send().await.is_ok());
    assert_eq!(code(get().if_modified_since(future.into()).send().await), "304");
    assert!(get().if_unmodified_since(future.into()).send().await.is_ok());
    assert_eq!(code(get().if_unmodified_since(past.into()).send().await), "PreconditionFailed");
}

#[tokio::test]
async fn writes_are_conditional() {
    let served = Served::start().await;
    let put = |body: &'static str| {
        served.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(body.as_bytes()))
    };
    assert_eq!(code(put("x").if_match("\"00\"").send().await), "NoSuchKey");
    let first = put("first").if_none_match("*").send().await.unwrap();
    assert_eq!(code(put("x").if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(code(put("x").if_match("\"00\"").send().await), "PreconditionFailed");
    assert_eq!(served.get("k").await, b"first");
    put("second").if_match(first.e_tag().unwrap()).send().await.unwrap();
    assert_eq!(code(put("x").if_match(first.e_tag().unwrap()).send().await), "PreconditionFailed");
    put("third").if_match("*").send().await.unwrap();
    assert_eq!(served.get("k").await, b"third");
    assert_eq!(code(put("x").if_none_match("\"00\"").send().await), "NotImplemented");
    let delete = || served.client.delete_object().bucket(BUCKET).key("k");
    assert_eq!(code(delete().if_match("\"00\"").send().await), "PreconditionFailed");
    delete().if_match("*").send().await.unwrap();
    assert!(served.keys().await.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let served = Served::start().await;
    let client = &served.client;
    assert_eq!(code(client.get_object().bucket(BUCKET).key("k").send().await), "NoSuchKey");
    assert_eq!(code(client.head_object().bucket(BUCKET).key("k").send().await), "NotFound");
    assert_eq!(code(client.get_object().bucket("nowhere").key("k").send().await), "NoSuchBucket");
    let put = client.put_object().bucket("nowhere").key("k").body(ByteStream::from(data(1, 1 << 20)));
    assert_eq!(code(put.send().await), "NoSuchBucket");
    assert_eq!(code(client.list_objects_v2().bucket("nowhere").send().await), "NoSuchBucket");
    assert_eq!(code(client.head_bucket().bucket("nowhere").send().await), "NotFound");
    client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert!(!served.folder().join("nowhere").exists());
}

#[tokio::test]
async fn buckets_are_folders() {
    let served = Served::start().await;
    let client = &served.client;
    client.create_bucket().bucket("work").send().await.unwrap();
    assert_eq!(code(client.create_bucket().bucket("work").send().await), "BucketAlreadyOwnedByYou");
    assert_eq!(code(client.create_bucket().bucket("No_Bucket").send().await), "InvalidBucketName");
    client.head_bucket().bucket("work").send().await.unwrap();
    client.get_bucket_location().bucket("work").send().await.unwrap();
    let listed = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, [BUCKET, "work"]);
    assert!(served.folder().join("work").is_dir());
    assert!(served.store.ensure_bucket("../outside").is_err());
}

#[tokio::test]
async fn deleting_leaves_no_folders_and_no_records() {
    let served = Served::start().await;
    for key in ["a/b/c", "a/d", "x//y"] {
        served.put(key, "x").await;
    }
    served.client.delete_object().bucket(BUCKET).key("a/b/c").send().await.unwrap();
    assert!(!served.file("a/b").exists());
    assert!(served.file("a/d").exists());
    let name = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = ["a/d", "x//y", "never there"].map(name).into_iter();
    let delete = Delete::builder().set_objects(Some(delete.collect())).build().unwrap();
    let deleted = served.client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (3, 0));
    assert!(served.keys().await.is_empty());
    assert_eq!(fs::read_dir(served.file("")).unwrap().count(), 0);
    assert_eq!(crate::support::files(&served.folder().join(".store/records")).len(), 0);
}

#[tokio::test]
async fn copies_have_the_bytes_and_the_description() {
    let served = Served::start().await;
    let put =
        served.client.put_object().bucket(BUCKET).key("source/ü +%2F").body(ByteStream::from_static(b"body"));
    let etag = put.metadata("job", "17").send().await.unwrap().e_tag.unwrap();
    let source = "landing/source/%C3%BC%20%2B%252F";
    let copy = || served.client.copy_object().bucket(BUCKET).copy_source(source);
    let copied = copy().key("copy").send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some(etag.as_str()));
    assert_eq!(served.get("copy").await, b"body");
    let head = served.client.head_object().bucket(BUCKET).key("copy").send().await.unwrap();
    assert_eq!(head.metadata().unwrap().get("job").map(String::as_str), Some("17"));
    let replaced =
        copy().key("copy").metadata_directive(MetadataDirective::Replace).content_type("text/plain");
    replaced.send().await.unwrap();
    let head = served.client.head_object().bucket(BUCKET).key("copy").send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().map(|user| user.len())), (Some("text/plain"), Some(0)));
    assert_eq!(code(copy().key("copy").if_none_match("*").send().await), "PreconditionFailed");
    assert!(copy().key("other").if_none_match("*").send().await.is_ok());
    assert_eq!(code(copy().key("n").copy_source_if_match("\"00\"").send().await), "PreconditionFailed");
    let missing = served.client.copy_object().bucket(BUCKET).copy_source("landing/no").key("n").send().await;
    assert_eq!(code(missing), "NoSuchKey");
}

/// S3 gives a copy of a multipart object the MD5 of its bytes as `ETag`.
#[tokio::test]
async fn a_copy_of_a_multipart_object_is_hashed_anew() {
    let served = Served::start().await;
    let id = served.begin("whole").await;
    let sent =
        [served.part("whole", &id, 1, data(1, PART)).await, served.part("whole", &id, 2, data(2, 9)).await];
    let complete = served.client.complete_multipart_upload().bucket(BUCKET).key("whole").upload_id(&id);
    complete.multipart_upload(parts(sent)).send().await.unwrap();
    served.client.copy_object().bucket(BUCKET).copy_source("landing/whole").key("copy").send().await.unwrap();
    let put = served.put("put", served.get("whole").await).await;
    let head = served.client.head_object().bucket(BUCKET).key("copy").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(put.as_str()));
}

/// Files that a person puts into the folder are objects: hashed once, and again only when they change.
#[tokio::test]
async fn files_put_there_by_hand_are_objects() {
    let served = Served::start().await;
    let path = served.file("by/hand.csv");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let write = |body: &str, age: u64| {
        fs::write(&path, body).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    write("hello", 60);
    let head = || async {
        let head = served.client.head_object().bucket(BUCKET).key("by/hand.csv");
        head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap()
    };
    let first = head().await;
    assert_eq!(first.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(first.checksum_crc64_nvme().is_some());
    assert_eq!(served.keys().await, ["by/hand.csv"]);
    assert_eq!(served.get("by/hand.csv").await, b"hello");
    let records = crate::support::files(&served.folder().join(".store/records"));
    assert_eq!(records.len(), 1);
    write("changed", 30);
    assert_ne!(head().await.e_tag(), first.e_tag());
    assert_eq!(served.get("by/hand.csv").await, b"changed");
    // A store's own object that is edited is described anew, too.
    served.put("by/hand.csv", "put").await;
    write("edited", 20);
    assert_eq!(served.get("by/hand.csv").await, b"edited");
    fs::remove_file(&path).unwrap();
    let get = served.client.get_object().bucket(BUCKET).key("by/hand.csv").send().await;
    assert_eq!(code(get), "NoSuchKey");
}

/// Promise 7: links lead out of the folder, so they are no objects.
#[cfg(unix)]
#[tokio::test]
async fn links_are_not_objects() {
    let served = Served::start().await;
    let secret = served.folder().join("secret");
    fs::write(&secret, "x").unwrap();
    std::os::unix::fs::symlink(&secret, served.file("link")).unwrap();
    let get = served.client.get_object().bucket(BUCKET).key("link").send().await;
    assert_eq!(code(get), "NoSuchKey");
    assert!(served.keys().await.is_empty());
    served.put("link", "object").await;
    assert_eq!(fs::read(&secret).unwrap(), b"x");
    assert_eq!(served.get("link").await, b"object");
}
