//! Keys and listings.

use std::collections::BTreeSet;

use aws_sdk_s3::types::EncodingType;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use landfall::state::WorkState;
use landfall_store::{Condition, Written};

use super::bucket::{TestBucket, data};
use super::table::checks;

checks! {
    "keys: blanks, +, %, quotes, brackets, colons": punctuation,
    "keys: letters beyond ASCII, and two forms of one letter": letters,
    "keys: // within": double_slash,
    "keys: 1,024 bytes, in names of 200": longest,
    "keys: 1,024 bytes, in one name": longest_name,
    "keys: control characters, listed as URL text": controls,
    "keys: one that leads others, as a file leads no files": file_and_folder,
    "keys: those that differ in case are two": case,
    "listing: 1,005 objects by pages, in order, each once": many,
    "listing: in the order of the keys' bytes": order,
    "listing: by a prefix that ends within a name": within_a_name,
    "listing: the folders below a prefix": folders,
    "listing: ListObjects by markers, as stores without the second have it": markers,
}

/// Everything that landfall does with a key: it is written, read, said of, listed, copied and deleted under that very
/// name.
async fn round_trip(bucket: TestBucket, keys: &[&str]) {
    let open = bucket.open().await;
    for (key, seed) in keys.iter().zip(0..) {
        let written = open.store.put(key, data(seed, 20), Condition::Absent).await;
        assert!(matches!(written, Ok(Written::Done(_))), "not written: {written:?}");
    }
    for (key, seed) in keys.iter().zip(0..) {
        let there = open.get(key).await;
        assert_eq!(there.as_deref(), Some(&data(seed, 20)[..]), "{key:?} is not read");
        assert_eq!(open.store.head(key).await.unwrap().unwrap().size, 20, "{key:?}");
    }
    let listed: BTreeSet<String> = open.keys("").await.into_iter().collect();
    let wanted: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(listed, wanted);
    for key in keys {
        assert_eq!(
            open.keys(key).await.iter().filter(|found| found == key).count(),
            1,
            "{key:?} by its prefix"
        );
    }
    let first = keys[0];
    let source = open.store.head(first).await.unwrap().unwrap();
    match open.store.copies_objects() {
        true => open.store.copy(&open.store, &source, "copied").await.unwrap(),
        false => drop(open.put("copied", data(0, 20)).await),
    }
    assert_eq!(open.get("copied").await, open.get(first).await);
    let upload = open.store.create_upload(first).await.unwrap();
    let uploads = open.store.list_uploads("").await.unwrap();
    assert_eq!(uploads.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), [first]);
    open.store.abort_upload(first, &upload).await.unwrap();
    for key in keys {
        open.store.delete(key).await.unwrap();
        assert_eq!(open.get(key).await, None, "{key:?} is still there");
    }
    assert_eq!(open.keys("").await, ["copied"]);
}

async fn punctuation(bucket: TestBucket) {
    let keys = [
        "GL Journals/a b+c%20d%2F.csv",
        "it's \"quoted\" & <so>.csv",
        "a=b;c:d,e@f!g$h.csv",
        "(1)[2]{3}~#4?.csv",
        "100%.csv",
        "a|b^c`d*e.csv",
        " leading and trailing ",
    ];
    round_trip(bucket, &keys).await;
}

async fn letters(bucket: TestBucket) {
    // The fourth and the fifth look the same: one letter, and a letter with a mark behind it.
    let keys = [
        "Kosten/Übersicht.csv",
        "コスト.csv",
        "🧾/a.csv",
        "caf\u{e9}.csv",
        "cafe\u{301}.csv",
        "\u{ffff}.csv",
    ];
    round_trip(bucket, &keys[..5]).await;
}

async fn double_slash(bucket: TestBucket) {
    round_trip(bucket, &["a//b.csv", "a/b.csv", "a///b.csv"]).await;
}

async fn longest(bucket: TestBucket) {
    let flat = "x".repeat(200);
    let deep = [&*flat, &flat, &flat, &flat, &flat, &"y".repeat(19)].join("/");
    assert_eq!(deep.len(), 1024);
    round_trip(bucket, &[&deep]).await;
}

async fn longest_name(bucket: TestBucket) {
    let wide = format!("{}.csv", "ü".repeat(510));
    assert_eq!(wide.len(), 1024);
    round_trip(bucket, &[&wide]).await;
}

/// XML cannot hold them as they are, so that a listing has to encode them. landfall lands none: an archive's names have
/// no control characters.
async fn controls(bucket: TestBucket) {
    let open = bucket.open().await;
    let keys = ["tab\there.csv", "line\nbreak.csv", "bell\u{7}.csv"];
    for key in keys {
        let written = open.store.put(key, data(1, 5), Condition::Absent).await;
        assert!(written.is_ok(), "{key:?} is not written: {written:?}");
        assert_eq!(open.get(key).await.as_deref(), Some(&data(1, 5)[..]), "{key:?} is not read");
    }
    let request = open.client.list_objects_v2().bucket(&open.bucket).encoding_type(EncodingType::Url);
    let listed = request.send().await.unwrap();
    let decode = |key: &str| percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
    let listed: BTreeSet<String> =
        listed.contents().iter().map(|object| decode(object.key().unwrap_or_default())).collect();
    assert_eq!(listed, keys.map(str::to_owned).into());
}

async fn file_and_folder(bucket: TestBucket) {
    round_trip(bucket, &["a/b/c.csv", "a/b", "a"]).await;
}

async fn case(bucket: TestBucket) {
    round_trip(bucket, &["GL/A.csv", "gl/a.csv", "GL/a.csv"]).await;
}

async fn put_all(open: &super::bucket::Opened, keys: impl IntoIterator<Item = String>) {
    stream::iter(keys)
        .map(|key| {
            let open = open.clone();
            async move { open.store.put(&key, data(1, 3), Condition::Always).await }
        })
        .buffer_unordered(16)
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
}

async fn many(bucket: TestBucket) {
    let open = bucket.open().await;
    let keys: Vec<String> = (0..1005).map(|number| format!("lake/pod/{number:05}.csv")).collect();
    put_all(&open, keys.clone()).await;
    put_all(&open, ["lake/other.csv".to_owned(), "m".to_owned()]).await;
    let listed = open.keys("lake/pod/").await;
    assert_eq!(listed.len(), 1005);
    assert!(listed == keys, "other keys, or in another order");
    assert_eq!(open.keys("").await.len(), 1007);
}

async fn order(bucket: TestBucket) {
    let open = bucket.open().await;
    let keys = ["a", "a!", "a-b", "a.csv", "a/b", "a/b/c", "a0", "aB", "ab", "a\u{fffd}", "a\u{1f9fe}"];
    put_all(&open, keys.iter().rev().map(|key| (*key).to_owned())).await;
    assert_eq!(open.keys("").await, keys);
}

async fn within_a_name(bucket: TestBucket) {
    let open = bucket.open().await;
    put_all(&open, ["jobs/1/a", "jobs/10/a", "jobs/1-x", "jobs/2/a", "job"].map(str::to_owned)).await;
    let listed = |prefix: &'static str| {
        let open = open.clone();
        async move { open.keys(prefix).await.into_iter().collect::<BTreeSet<_>>() }
    };
    assert_eq!(listed("jobs/1/").await, ["jobs/1/a".to_owned()].into());
    assert_eq!(listed("jobs/1").await, ["jobs/1/a", "jobs/10/a", "jobs/1-x"].map(str::to_owned).into());
    assert_eq!(listed("jobs/3").await, BTreeSet::new());
}

async fn folders(bucket: TestBucket) {
    let open = bucket.open().await;
    let keys =
        ["runs/pod-1/a.json", "runs/pod-1/b.json", "runs/pod-2/c/d.json", "jobs/pod-3/1/job.json", "runs/x"];
    put_all(&open, keys.map(str::to_owned)).await;
    let connections = WorkState::new(open.store.clone()).connections().await.unwrap();
    let connections: Vec<String> = connections.iter().map(ToString::to_string).collect();
    assert_eq!(connections, ["pod-1", "pod-2", "pod-3"]);
}

async fn markers(bucket: TestBucket) {
    let open = bucket.open().await;
    let keys: Vec<String> = (0..7).map(|number| format!("lake/a {number}+.csv")).collect();
    put_all(&open, keys.clone()).await;
    let (mut marker, mut listed, mut pages) = (None, Vec::new(), 0);
    loop {
        let request = open.client.list_objects().bucket(&open.bucket).prefix("lake/").max_keys(3);
        let page = request.set_marker(marker).send().await.unwrap();
        pages += 1;
        assert!(pages <= 5, "the pages do not come to an end");
        listed.extend(page.contents().iter().map(|object| object.key().unwrap_or_default().to_owned()));
        if page.is_truncated() != Some(true) {
            break;
        }
        marker = listed.last().cloned();
    }
    assert_eq!((listed, pages), (keys, 3));
}
