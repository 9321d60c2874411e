//! Conditional writes: what keeps two processes apart.

use bytes::Bytes;
use futures::future::join_all;
use landfall_store::{Condition, Written};

use super::bucket::{PART, TestBucket, code, data, named};
use super::table::checks;

checks! {
    "If-None-Match on PUT: what is there stays": first_stays,
    "If-None-Match on PUT: of 16 at once one wins": one_of_many,
    "If-Match on PUT: by the ETag that is there, and by no other": by_etag,
    "If-Match on PUT: of 8 at once none is lost": none_is_lost,
    "If-Match on PUT: nothing is made where nothing is": nothing_is_made,
    "If-None-Match on completion: what is there stays": completion_stays,
    "If-Match on completion: by the ETag that is there, and by no other": completion_by_etag,
    "If-None-Match on completion: of 4 at once one wins": one_completion_of_many,
}

/// Promise 1: a claim that is there is nobody else's.
async fn first_stays(bucket: TestBucket) {
    let open = bucket.open().await;
    let first = open.store.put("runs/a.json", Bytes::from_static(b"first"), Condition::Absent).await.unwrap();
    assert!(matches!(first, Written::Done(etag) if !etag.is_empty()));
    let second =
        open.store.put("runs/a.json", Bytes::from_static(b"second"), Condition::Absent).await.unwrap();
    assert_eq!(second, Written::NotWritten);
    assert!(open.store.holds_conditions(), "the store says that it has no conditions");
    assert_eq!(open.get("runs/a.json").await.unwrap(), b"first");
}

/// Promise 1: of all who claim a run at once, exactly one has it, and what is there is what that one wrote.
async fn one_of_many(bucket: TestBucket) {
    let open = bucket.open().await;
    for round in 0..10 {
        let key = format!("runs/{round}.json");
        let claims = (0..16_u32).map(|writer| {
            let (open, key) = (open.clone(), key.clone());
            let put = async move { open.store.put(&key, writer.to_string().into(), Condition::Absent).await };
            tokio::spawn(put)
        });
        let won: Vec<bool> = join_all(claims)
            .await
            .into_iter()
            .map(|put| matches!(put.unwrap().unwrap(), Written::Done(_)))
            .collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "winners of round {round}");
        let winner = won.iter().position(|won| *won).unwrap();
        assert_eq!(open.get(&key).await.unwrap(), winner.to_string().as_bytes(), "round {round}");
    }
}

async fn by_etag(bucket: TestBucket) {
    let open = bucket.open().await;
    let first = open.put("run.json", &b"1"[..]).await;
    let changed =
        open.store.put("run.json", Bytes::from_static(b"2"), Condition::Unchanged(&first)).await.unwrap();
    assert!(matches!(changed, Written::Done(_)), "a change by the ETag that is there");
    let again =
        open.store.put("run.json", Bytes::from_static(b"3"), Condition::Unchanged(&first)).await.unwrap();
    assert_eq!(again, Written::NotWritten, "a change by an ETag that has passed");
    assert_eq!(open.get("run.json").await.unwrap(), b"2");
}

/// Promise 1: of those who change one record at once, each sees what the one before it wrote.
async fn none_is_lost(bucket: TestBucket) {
    let open = bucket.open().await;
    open.put("counter", &b"0"[..]).await;
    let counting = (0..8).map(|_| {
        let open = open.clone();
        tokio::spawn(async move {
            loop {
                let there = open.store.read("counter", 100).await.unwrap().unwrap();
                let count: u32 = String::from_utf8(there.bytes.to_vec()).unwrap().parse().unwrap();
                let next = Bytes::from((count + 1).to_string());
                let written = open.store.put("counter", next, Condition::Unchanged(&there.etag)).await;
                if matches!(written.unwrap(), Written::Done(_)) {
                    return;
                }
            }
        })
    });
    join_all(counting).await.into_iter().for_each(|counted| counted.unwrap());
    assert_eq!(open.get("counter").await.unwrap(), b"8");
}

async fn nothing_is_made(bucket: TestBucket) {
    let open = bucket.open().await;
    let put = open.store.put("run.json", Bytes::from_static(b"1"), Condition::Unchanged("\"0123\"")).await;
    assert!(!matches!(put, Ok(Written::Done(_))), "written, with nothing to match");
    assert_eq!(open.get("run.json").await, None);
}

/// Promise 4: an object that is there is not replaced by one that was made of parts.
async fn completion_stays(bucket: TestBucket) {
    let open = bucket.open().await;
    let upload = open.store.create_upload("a.csv").await.unwrap();
    let part = open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
    open.put("a.csv", &b"there before"[..]).await;
    let completed = open.store.complete("a.csv", &upload, &[part], Condition::Absent).await.unwrap();
    assert_eq!(completed, Written::NotWritten);
    assert_eq!(open.get("a.csv").await.unwrap(), b"there before");
    open.store.abort_upload("a.csv", &upload).await.unwrap();
    assert!(open.store.list_uploads("").await.unwrap().is_empty(), "the upload is still there");
}

async fn completion_by_etag(bucket: TestBucket) {
    let open = bucket.open().await;
    let passed = open.put("a.csv", &b"one"[..]).await;
    let there = open.put("a.csv", &b"two"[..]).await;
    for (etag, taken) in [(&passed, false), (&there, true)] {
        let upload = open.store.create_upload("a.csv").await.unwrap();
        let part = open.store.upload_part("a.csv", &upload, 1, data(1, 1000)).await.unwrap();
        let request = open.client.complete_multipart_upload().bucket(&open.bucket).key("a.csv");
        let sent = request.upload_id(&upload).if_match(etag).multipart_upload(named([&part])).send().await;
        assert_eq!(code(sent) == "taken", taken, "completed by the ETag that is there: {taken}");
    }
    assert_eq!(open.get("a.csv").await.unwrap(), data(1, 1000));
}

/// Promise 4: whoever completes first, its bytes stay, whole.
async fn one_completion_of_many(bucket: TestBucket) {
    let open = bucket.open().await;
    let mut uploads = Vec::new();
    for writer in 0..4 {
        let upload = open.store.create_upload("a.csv").await.unwrap();
        let first = open.store.upload_part("a.csv", &upload, 1, data(writer, PART)).await.unwrap();
        let last = open.store.upload_part("a.csv", &upload, 2, data(writer + 10, 100)).await.unwrap();
        uploads.push((upload, [first, last]));
    }
    let completing = uploads.into_iter().map(|(upload, parts)| {
        let open = open.clone();
        tokio::spawn(async move { open.store.complete("a.csv", &upload, &parts, Condition::Absent).await })
    });
    let won: Vec<bool> = join_all(completing)
        .await
        .into_iter()
        // One that loses may be told so, or to come again.
        .map(|completed| matches!(completed.unwrap(), Ok(Written::Done(_))))
        .collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "completions that have won: {won:?}");
    let winner = won.iter().position(|won| *won).unwrap() as u64;
    let there = open.get("a.csv").await.unwrap();
    assert_eq!(there, [data(winner, PART), data(winner + 10, 100)].concat());
}
